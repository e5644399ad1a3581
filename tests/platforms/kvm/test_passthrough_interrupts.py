"""A kernel that drives its own disk and waits for its interrupts: what does it still exit for?"""

from virtlab.isa.assembler import assemble
from virtlab.machine.state import RAM_BASE
from virtlab.platforms.kvm import api, model, vfio
from virtlab.platforms.kvm.guest_program import CODE, FREE, MEMORY_BYTES
from virtlab.platforms.kvm.user_space.io_paths import BASE

N_REQUESTS = 5
LINE = 10  # at the guest's interrupt controller
RING = RAM_BASE + FREE
SECTOR = bytes(range(256)) * 2
SET_UP = (
    (0x070, 0), (0x070, 3), (0x024, 1), (0x020, 1), (0x070, 11), (0x030, 0), (0x038, 4),
    (0x080, RING), (0x090, RING + 0x400), (0x0A0, RING + 0x800), (0x044, 1), (0x070, 15),
)  # fmt: skip
KERNEL = f"""
        la   t0, handler
        csrw stvec, t0
        li   t0, 0x0c000000      # the interrupt controller: priority of the line
        li   t1, 1
        sw   t1, {4 * LINE}(t0)
        li   t0, 0x0c002080      # its lines enabled for S-mode
        li   t1, {1 << LINE:#x}
        sw   t1, 0(t0)
        li   s0, 0x0c201000      # threshold, and behind it the register to claim with
        sw   zero, 0(s0)
        li   t0, 0x200           # sie: external interrupts
        csrs sie, t0
        li   s1, 0               # interrupts so far
        li   s2, {BASE:#x}
{"".join(f"li t1, {value:#x}" + chr(10) + f"sw t1, {at}(s2)" + chr(10) for at, value in SET_UP)}
        csrsi sstatus, 2
again:  addi s3, s1, 1
        li   t0, {RING + 0x402:#x}
        sh   s3, 0(t0)           # one more request available
        sw   zero, 0x50(s2)      # the doorbell
wait:   bne  s1, s3, wait
        li   t0, {N_REQUESTS}
        bne  s1, t0, again
        li   t0, 0x10000000      # where no slot is
        sw   s1, 0(t0)
        .balign 4
handler:
        lw   t0, 4(s0)           # claim
        lw   t1, 0x60(s2)        # why, of the disk
        sw   t1, 0x64(s2)        # thank you
        addi s1, s1, 1
        sw   t0, 4(s0)           # complete
        sret
"""


def test_a_kernel_with_interrupts_exits_for_them_and_for_nothing_of_its_disk():
    with model.Kvm() as kvm:
        vm, memory = kvm.create_vm(), kvm.user_memory(MEMORY_BYTES)
        vm.create_irqchip()
        vm.set_user_memory_region(0, RAM_BASE, memory)
        vcpu = vm.create_vcpu()
        disk = vfio.AssignedDisk(vm, bytearray(SECTOR))
        vm.set_user_memory_region(1, BASE, disk.region)
        disk.map_dma(RAM_BASE, memory)
        event = kvm.eventfd()
        vm.irqfd(event, LINE)
        disk.set_irq(event)
        chain = [(RING + 0xC00, 16, 1, 1), (RING + 0x1000, 512, 3, 2), (RING + 0xC10, 1, 2, 0)]
        for k, (gpa, n_bytes, flags, link) in enumerate(chain):
            word = n_bytes | flags << 32 | link << 48
            memory.write(FREE + 16 * k, gpa.to_bytes(8, "little") + word.to_bytes(8, "little"))
        memory.write(CODE, bytes(assemble(KERNEL, RAM_BASE + CODE).data))
        regs = vcpu.get_regs()
        regs.pc = RAM_BASE + CODE
        vcpu.set_regs(regs)
        run = vcpu.run()
        assert (run.reason, run.mmio.value) == (api.KVM_EXIT_MMIO, N_REQUESTS)
        assert memory.read(FREE + 0x1000, 512) == SECTOR
        assert disk.n_interrupts == N_REQUESTS
        assert disk.n_accesses == len(SET_UP) + 3 * N_REQUESTS
        exits = vcpu.exits_by_reason()
        # One for each interrupt of the host's, and its claim and completion at the guest's own
        # controller, which is the kernel's; three more for setting that up, and the last store.
        assert exits["INTERRUPT"] == (N_REQUESTS, 0)
        assert exits["MMIO"] == (3 + 2 * N_REQUESTS, 1)
