"""The same guests for the model: what x86.py has for the real device, in RISC-V assembly.

They start in S-mode, as firmware leaves a kernel: interrupts off, at CODE in a slot at RAM_BASE.
`bare` leaves paging off; `paged` writes a page table that maps the device's GiB and that of RAM to
themselves, and switches to Sv39. A port is something RISC-V has not: there is no guest `port`.

Source: RISC-V ISA manual, volumes I and II, 20240411, for paging "Sv39: Page-Based 39-bit Virtual
Memory System"; RISC-V PLIC specification 1.0.0.
"""

from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.isa.disassembler import disassemble
from virtlab.machine.state import RAM_BASE
from virtlab.platforms.kvm.guest_program import CODE, DEVICE, TABLE, GuestProgram

PAGE_TABLE = 0x4000  # in the guest's memory

HALT = """
_start: li   a0, 40
        addi a0, a0, 2
        wfi
        j    _start
"""

MMIO = """
        li   t0, 0x10000000      # no memory slot there
        li   t1, 0x12345678
        sw   t1, 0(t0)
        lwu  a0, 8(t0)
        addi a0, a0, 1
        sb   a0, 16(t0)
        wfi
"""

DIRTY = """
        li   t0, 0x80020000
        li   t1, 1
        sb   t1, 0(t0)
        li   t0, 0x80022fff
        sb   t1, 0(t0)
        wfi
        sb   t1, 1(t0)
        wfi
"""

FAULT = """
        csrw stvec, zero         # the handler: where no memory slot is
        li   t0, 0x40000000
        jr   t0
"""

HYPERCALL = """
        li   a7, 12
        li   a0, 0x1000
        li   a1, 2
        li   a2, 0x10
        ecall
        wfi
"""

ODD = """
        li   t0, 0x10000000
        amoadd.w a0, zero, (t0)  # reads and writes at once
        wfi
"""

INTERRUPT = """
        la   t0, handler
        csrw stvec, t0
        li   t0, 0x0c000028      # the interrupt controller: the priority of line 10
        li   t1, 1
        sw   t1, 0(t0)
        li   t0, 0x0c002080      # its lines enabled for S-mode: 10 alone
        li   t1, 0x400
        sw   t1, 0(t0)
        li   s0, 0x0c201000      # S-mode's threshold, and behind it the register to claim with
        sw   zero, 0(s0)
        li   t0, 0x200           # sie: external interrupts
        csrs sie, t0
        li   s1, 0               # interrupts so far
        li   s2, 0x10000000
again:  sw   s1, 0(s2)
        wfi                      # wakes though interrupts are off; then they are let in
        csrsi sstatus, 2
        csrci sstatus, 2
        j    again
        .balign 4
handler:
        lw   t0, 4(s0)           # claim
        addi s1, s1, 1
        sw   t0, 4(s0)           # complete
        sret
"""

STORM = """
again:  sw   a0, 0(s0)
        addi s1, s1, -1
        bnez s1, again
        wfi
"""

PLAYER = f"""
_start: li   s0, {RAM_BASE + TABLE:#x}
next:   lw   t0, 0(s0)           # what to do
        lw   t1, 4(s0)           # bytes
        ld   t2, 8(s0)           # address
        ld   t3, 16(s0)          # value
        li   t4, 1
        beq  t0, t4, store
        li   t4, 2
        beq  t0, t4, load
        li   t4, 3
        beq  t0, t4, wait
        wfi
        j    _start
store:  li   t4, 2
        beq  t1, t4, store2
        li   t4, 4
        beq  t1, t4, store4
        li   t4, 8
        beq  t1, t4, store8
        sb   t3, 0(t2)
        j    done
store2: sh   t3, 0(t2)
        j    done
store4: sw   t3, 0(t2)
        j    done
store8: sd   t3, 0(t2)
        j    done
load:   li   t4, 2
        beq  t1, t4, load2
        li   t4, 4
        beq  t1, t4, load4
        li   t4, 8
        beq  t1, t4, load8
        lbu  t3, 0(t2)
        j    keep
load2:  lhu  t3, 0(t2)
        j    keep
load4:  lwu  t3, 0(t2)
        j    keep
load8:  ld   t3, 0(t2)
keep:   sd   t3, 24(s0)          # what was read
done:   addi s0, s0, 32          # the next access
        j    next
wait:   lhu  t4, 0(t2)           # until two bytes are as wanted
        bne  t4, t3, wait
        j    done
"""


def bare(vcpu, memory) -> None:
    """S-mode, at CODE, without paging."""
    _start(vcpu, 0)


def paged(vcpu, memory) -> None:
    """S-mode, at CODE; a page table of two leaves of 1 GiB each at PAGE_TABLE."""
    data = e.PTE_V | e.PTE_R | e.PTE_W | e.PTE_A | e.PTE_D
    for address, bits in ((DEVICE, data), (RAM_BASE, data | e.PTE_X)):
        gib = address >> 30
        entry = gib << (30 - e.PAGE_SHIFT) << e.PTE_PPN_SHIFT | bits
        memory.write(PAGE_TABLE + 8 * gib, entry.to_bytes(8, "little"))
    _start(vcpu, e.ATP_SV39 << e.ATP_MODE_SHIFT | (RAM_BASE + PAGE_TABLE) >> e.PAGE_SHIFT)


def _start(vcpu, satp: int) -> None:
    sregs = vcpu.get_sregs()
    sregs.satp, sregs.sstatus, sregs.sie = satp, 0, 0
    vcpu.set_sregs(sregs)
    regs = vcpu.get_regs()
    regs.pc = RAM_BASE + CODE
    vcpu.set_regs(regs)


def _guest(name: str, text: str, prepare, **places) -> GuestProgram:
    program = assemble(text, base=RAM_BASE + CODE)
    code, at, lines = bytes(program.data), 0, []
    while at < len(code):
        n_bytes = 4 if code[at] & 3 == 3 else 2
        word = int.from_bytes(code[at : at + n_bytes], "little")
        said = disassemble(word, program.base + at)
        lines.append(f"{program.base + at:08x}  {word:0{2 * n_bytes}x}  {said}")
        at += n_bytes
    return GuestProgram(name, "\n".join(lines), code, "a0", prepare, **places)


GUESTS = {
    guest.name: guest
    for guest in (
        _guest("halt", HALT, bare),
        _guest("mmio", MMIO, paged),
        _guest("dirty", DIRTY, bare),
        _guest("fault", FAULT, bare),
        _guest("hypercall", HYPERCALL, bare),
        _guest("odd", ODD, paged),
        _guest("interrupt", INTERRUPT, bare, irq=10),
        _guest("storm", STORM, paged, arguments=("s0", "s1")),
        _guest("player", PLAYER, paged),
    )
}
