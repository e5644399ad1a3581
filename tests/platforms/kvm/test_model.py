"""The model alone: what only it can do, or show."""

import pytest

from virtlab.isa.assembler import assemble
from virtlab.platforms.kvm import model
from virtlab.platforms.kvm.api import (
    KVM_EXIT_HLT,
    KVM_EXIT_HYPERCALL,
    KVM_EXIT_INTR,
    KVM_EXIT_MMIO,
    KVM_EXIT_SHUTDOWN,
    KVM_EXIT_SYSTEM_EVENT,
    KVM_SYSTEM_EVENT_RESET,
    KVM_SYSTEM_EVENT_SHUTDOWN,
    Capability,
    KvmError,
)
from virtlab.platforms.kvm.guest_program import CODE, MEMORY_BYTES
from virtlab.platforms.kvm.halt_polling import HaltPolling
from virtlab.platforms.kvm.riscv import bare, paged

BASE = model.RAM_BASE


def running(text: str, irqchip=False, prepare=bare, **caps):
    """A vcpu with a program of our own at CODE."""
    kvm = model.Kvm()
    vm = kvm.create_vm()
    if irqchip:
        vm.create_irqchip()
    memory = kvm.user_memory(MEMORY_BYTES)
    vm.set_user_memory_region(0, BASE, memory)
    for name, value in caps.items():
        vm.enable_cap(Capability[name], value)
    vcpu = vm.create_vcpu()
    memory.write(CODE, bytes(assemble(text, base=BASE + CODE).data))
    prepare(vcpu, memory)
    return vm, memory, vcpu


def test_a_hypercall_is_handed_out_and_answered():
    _, _, vcpu = running("li a7, 12\nli a0, 0x1000\nli a1, 2\nli a5, 6\necall\nmv s1, a0\nwfi")
    run = vcpu.run()
    assert (run.reason, run.hypercall.nr) == (KVM_EXIT_HYPERCALL, 12)
    assert [run.hypercall.args[k] for k in (0, 1, 5)] == [0x1000, 2, 6]
    run.hypercall.ret = (1 << 64) - 38
    assert vcpu.run().reason == KVM_EXIT_HLT
    assert vcpu.get_regs().s1 == (1 << 64) - 38


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        ("li a7, 0x53525354\nli a0, 0", KVM_SYSTEM_EVENT_SHUTDOWN),
        ("li a7, 0x53525354\nli a0, 1", KVM_SYSTEM_EVENT_RESET),
        ("li a7, 8", KVM_SYSTEM_EVENT_SHUTDOWN),
    ],
)
def test_the_guest_ends_or_restarts_its_machine(arguments, event):
    _, _, vcpu = running(arguments + "\nli a6, 0\necall")
    run = vcpu.run()
    assert (run.reason, run.system_event.type) == (KVM_EXIT_SYSTEM_EVENT, event)
    assert str(run).startswith("KVM_EXIT_SYSTEM_EVENT: the guest ")


def test_calls_to_the_firmware_stay_in_the_kernel():
    _, _, vcpu = running("li a7, 0x10\nli a6, 0\necall\nwfi")
    assert vcpu.run().reason == KVM_EXIT_HLT
    assert vcpu.get_regs().a1 == 2 << 24  # the version of the SBI
    assert vcpu.exits_by_reason()["ECALL"] == (1, 0)


def test_a_fault_with_a_handler_is_the_guests_own():
    _, _, vcpu = running(
        "la t0, handler\ncsrw stvec, t0\nli t0, 0x40000000\njr t0\n.balign 4\n"
        "handler: csrr a0, scause\ncsrr a1, sepc\nwfi"
    )
    assert vcpu.run().reason == KVM_EXIT_HLT
    regs = vcpu.get_regs()
    assert (regs.a0, regs.a1) == (1, 0x4000_0000)


def test_a_page_fault_of_a_paged_guest_never_reaches_kvm():
    _, _, vcpu = running(
        "la t0, handler\ncsrw stvec, t0\nli t0, 0x40000000\nld t1, 8(t0)\n.balign 4\n"
        "handler: csrr a0, scause\ncsrr a1, stval\nwfi",
        prepare=paged,
    )
    assert vcpu.run().reason == KVM_EXIT_HLT
    regs = vcpu.get_regs()
    assert (regs.a0, regs.a1) == (13, 0x4000_0008)
    assert vcpu.exits_by_reason()["WFI"] == (0, 1)
    assert set(vcpu.exits_by_reason()) == {"GUEST_PAGE_FAULT", "WFI"}


def test_a_paged_guest_without_a_handler_shuts_down_too():
    _, _, vcpu = running("csrw stvec, zero\nli t0, 0x40000000\njr t0", prepare=paged)
    assert vcpu.run().reason == KVM_EXIT_SHUTDOWN
    assert vcpu.run().reason == KVM_EXIT_SHUTDOWN
    assert "MMIO" not in vcpu.exits_by_reason()


def test_code_in_a_hole_between_slots_is_out_of_reach_too():
    _, _, vcpu = running("csrw stvec, zero\nli t0, 0x80100000\njr t0")
    assert vcpu.run().reason == KVM_EXIT_SHUTDOWN


def test_a_hole_between_slots_is_no_memory():
    _, _, vcpu = running("li t0, 0x80100000\nlh a0, 0(t0)\nc.nop\nwfi")
    run = vcpu.run()
    assert (run.reason, run.mmio.phys_addr, run.mmio.len) == (KVM_EXIT_MMIO, 0x8010_0000, 2)
    run.mmio.value = 0x8001
    assert vcpu.run().reason == KVM_EXIT_HLT
    assert vcpu.get_regs().a0 == (1 << 64) - 0x7FFF


def test_compressed_accesses_are_emulated_too():
    _, _, vcpu = running("li a4, 0x10000000\nli a5, 7\nc.sw a5, 4(a4)\nc.ld a0, 8(a4)\nwfi")
    run = vcpu.run()
    assert (run.mmio.phys_addr, run.mmio.len, run.mmio.value) == (0x1000_0004, 4, 7)
    run = vcpu.run()
    assert (run.mmio.phys_addr, run.mmio.len) == (0x1000_0008, 8)
    run.mmio.value = 1 << 63
    assert vcpu.run().reason == KVM_EXIT_HLT
    assert vcpu.get_regs().a0 == 1 << 63


def test_registers_are_what_was_set():
    _, _, vcpu = running("wfi")
    regs = vcpu.get_regs()
    for k, name in enumerate(name for name, _ in regs._fields_ if name != "pc"):
        setattr(regs, name, (1 << 63) + k)
    vcpu.set_regs(regs)
    assert bytes(vcpu.get_regs()) == bytes(regs)
    sregs = vcpu.get_sregs()
    sregs.stvec, sregs.sscratch, sregs.satp = BASE, (1 << 64) - 1, 0
    vcpu.set_sregs(sregs)
    again = vcpu.get_sregs()
    assert (again.stvec, again.sscratch) == (BASE, (1 << 64) - 1)
    regs.pc = 1
    with pytest.raises(ValueError, match="pc 0x1 is odd"):
        vcpu.set_regs(regs)


def test_the_three_modes_are_accounted():
    _, _, vcpu = running("li t0, 0x10000000\nsw zero, 0(t0)\nsw zero, 4(t0)\nwfi")
    returned = 1
    while vcpu.run().reason != KVM_EXIT_HLT:
        returned += 1
    assert vcpu.exits_by_reason() == {"GUEST_PAGE_FAULT": (1, 0), "MMIO": (0, 2), "WFI": (0, 1)}
    assert vcpu.modes() == {"guest": 3, "kernel": 4, "user": returned}
    stats = vcpu.stats()
    assert (stats["exits"], stats["mmio_exit_user"], stats["wfi_exit_stat"]) == (4, 2, 1)


def test_a_guest_that_nothing_wakes_comes_back_as_after_a_signal():
    _, _, vcpu = running("wfi\nli a0, 1\nwfi", irqchip=True)
    assert vcpu.run().reason == KVM_EXIT_INTR
    assert vcpu.run().reason == KVM_EXIT_INTR
    assert vcpu.get_regs().a0 == 0


SLEEPER = """
        la   t0, handler
        csrw stvec, t0
        li   t0, 0x20             # sie: the timer
        csrs sie, t0
        li   s2, 0x10000000
        li   s3, {ticks}
again:  rdtime t0
        add  t0, t0, s3
        csrw stimecmp, t0
        wfi
        li   t0, -1
        csrw stimecmp, t0
        addi s1, s1, 1
        li   t0, {rounds}
        blt  s1, t0, again
        sw   s1, 0(s2)
        .balign 4
handler: j handler
"""


def slept(ticks: int, rounds: int, max_ns: int):
    _, _, vcpu = running(
        SLEEPER.format(ticks=ticks, rounds=rounds), irqchip=True, KVM_CAP_HALT_POLL=max_ns
    )
    run = vcpu.run()
    assert (run.reason, run.mmio.value) == (KVM_EXIT_MMIO, rounds)
    return vcpu


def test_short_halts_teach_kvm_to_poll():
    vcpu = slept(ticks=300, rounds=10, max_ns=200_000)  # 30 us each
    stats = vcpu.stats()
    # poll_ns grows 0, 10, 20, 40 us: the fourth halt is the first that polling catches.
    assert vcpu.halt_polling.poll_ns == 40_000
    assert (stats["halt_attempted_poll"], stats["halt_successful_poll"]) == (9, 7)
    assert stats["halt_wakeup"] == 3
    assert 7 * 29_000 <= stats["halt_poll_success_ns"] <= 7 * 31_000


def test_long_halts_teach_kvm_not_to():
    vcpu = slept(ticks=5000, rounds=10, max_ns=200_000)  # 500 us each
    stats = vcpu.stats()
    assert vcpu.halt_polling.poll_ns == 0
    assert (stats["halt_attempted_poll"], stats["halt_wakeup"]) == (0, 10)
    assert stats["halt_poll_fail_ns"] == 0


def test_polling_can_be_switched_off():
    stats = slept(ticks=300, rounds=10, max_ns=0).stats()
    assert (stats["halt_attempted_poll"], stats["halt_wakeup"]) == (0, 10)


def test_polling_grows_to_its_maximum_and_begins_anew():
    polling = HaltPolling(max_ns=50_000)
    learnt = []
    for n_ns in (49_000, 49_000, 49_000, 49_000, 49_000, 60_000, 5_000):
        polling.halted(n_ns)
        learnt.append(polling.poll_ns)
    assert learnt == [10_000, 20_000, 40_000, 50_000, 50_000, 0, 10_000]


def test_polling_may_shrink_by_a_divisor():
    polling = HaltPolling(max_ns=80_000, shrink=2, poll_ns=80_000)
    learnt = []
    for _ in range(5):
        polling.halted(100_000)
        learnt.append(polling.poll_ns)
    assert learnt == [40_000, 20_000, 10_000, 0, 0]


def test_slots_of_the_model_lie_in_its_window():
    vm, _, _ = running("wfi")
    memory = model.UserMemory(0x1000)
    with pytest.raises(ValueError, match=r"^memory slot 1: 0x1000 to 0x2000; the model accepts"):
        vm.set_user_memory_region(1, 0x1000, memory)
    vm.set_user_memory_region(1, BASE + 0x10_0000, memory)
    with pytest.raises(ValueError, match="slot 1 has the same memory"):
        vm.set_user_memory_region(2, BASE + 0x20_0000, memory)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda vm, event: vm.create_vcpu(), "accepted is one, number 0"),
        (lambda vm, event: vm.irq_line(10, 1), "no interrupt controller"),
        (lambda vm, event: vm.irqfd(event, 10), "with an interrupt controller only"),
        (lambda vm, event: vm.ioeventfd(event, 0x3F8, 1, pio=True), "has no ports"),
        (lambda vm, event: vm.ioeventfd(event, 0x1000_0000, 3), "accepted are 1, 2, 4 and 8"),
        (lambda vm, event: vm.ioeventfd(event, 0, 4, deassign=True), "to deassign one that is"),
    ],
)
def test_what_the_model_cannot_do_gets_one_sentence(wrong, says):
    vm, _, vcpu = running("wfi")
    with pytest.raises(KvmError, match=says) as refused:
        wrong(vm, model.EventFd())
    assert str(refused.value).count(".") == 1
    assert vcpu.run().reason == KVM_EXIT_HLT


def test_a_thousand_machines_of_the_model_come_and_go():
    kvm = model.Kvm()
    for _ in range(1000):
        vm = kvm.create_vm()
        memory = kvm.user_memory(0x1000)
        vm.set_user_memory_region(0, BASE, memory)
        vm.close()
    kvm.close()
    assert memory.read(0, 4) == bytes(4)
