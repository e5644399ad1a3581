"""Trap-and-emulate: who runs in which mode, what is emulated, what a reader can do at an exit."""

import pytest

from tests.hypervisors.comparison import outcome
from tests.hypervisors.paged import BASE, DATA, VIEW, kernel, on, pte, reasons, same_as_bare
from virtlab import guests
from virtlab.hypervisors import Action, ExitReason, ModelError, TrapAndEmulate
from virtlab.hypervisors.shadow import POLICIES
from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.machine import Event, Machine
from virtlab.machine.state import STOP_TRAP

END = """
        li    a0, 0x100000
        li    a1, 0x5555
        sw    a1, 0(a0)
"""


def program(text: str):
    """Assemble instructions that stand in one line, with semicolons between them."""
    return assemble(text.replace(";", "\n"))


def run(text: str, budget: int = 100_000, **options) -> TrapAndEmulate:
    """A program in M-mode, which must end as on the bare machine."""
    image = program(text + END)
    vm = TrapAndEmulate(ram="1M", **options).load(image)
    bare = Machine(ram="1M", record=False).load(image)
    expected = outcome(bare, bare.run(budget).reason)
    differences = expected.differences(outcome(vm, vm.run(budget).reason))
    assert not differences, differences
    assert vm.exit_code == 0
    return vm


def test_the_kernel_believes_in_its_mode_and_the_hart_runs_it_in_u_mode():
    vm = TrapAndEmulate(ram="1M").load(assemble("csrr s0, mhartid\ncsrr s1, mstatus\nj ."))
    vm.run(until=ExitReason.PRIVILEGED)
    hart = vm._physical[0]
    assert (hart.stop, hart.scause) == (STOP_TRAP, e.CAUSE_ILLEGAL)
    assert hart.mstatus & e.MSTATUS_SPP == 0  # it came from U-mode
    assert (vm.mode, vm.exit_on_hand.mode) == ("M", "M")
    vm.run(100)
    assert [exit.action for exit in vm.exits[1:]] == [Action.RESUME] * 2


def test_what_u_mode_may_do_never_leaves():
    vm = run("li s0, 1000\n1: addi s0, s0, -1\nmul s1, s0, s0\nbnez s0, 1b")
    assert reasons(vm) == ["SHADOW_PAGE_FAULT", "MMIO"]
    assert vm.counts["emulated"] == 1
    assert vm.counts["hart_instructions"] == vm.steps - 1


def test_the_clocks_show_the_guests_own_instructions():
    vm = run("rdcycle s0; rdinstret s1; li t0, 99; csrw mcycle, t0; rdcycle s4")
    assert vm.registers.s1 == vm.registers.s0 + 1
    assert vm.registers.s4 == 99


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_runs_the_teaching_os_alike(policy):
    settings = dict(ram="16M", disk=guests.disk("pith"), append="forkwait 2; ls", record=False)
    bare = Machine(**settings).load(guests.path("pith"))
    vm = TrapAndEmulate(policy=policy, **settings).load(guests.path("pith"))
    expected = outcome(bare, bare.run().reason)
    assert not expected.differences(outcome(vm, vm.run().reason))
    assert vm.events == bare.events


# Silent instructions


SILENT = """
        la    t0, out
        csrw  stvec, t0
        csrr  s2, sstatus
        li    t0, 0x40000
        csrs  sstatus, t0
        csrr  s3, sstatus
        .balign 4
out:    li    a7, 8
        ecall
"""


def test_an_instruction_that_fails_silently_betrays_the_guest():
    image = assemble(SILENT)
    found = {}
    for silent in (False, True):
        vm = TrapAndEmulate(ram="1M", firmware="sbi", silent_privileged=silent).load(image)
        vm.run(1000)
        found[silent] = vm.registers.s3 & e.MSTATUS_SUM
        if silent:
            at = BASE + 4 * 3
            assert vm.betrayed.startswith("csrr s2, sstatus at")
            assert int(vm.betrayed.split()[-1].replace("_", ""), 16) == at
            assert "PRIVILEGED" in reasons(vm)  # stvec still traps
        else:
            assert vm.betrayed is None
    assert found == {False: e.MSTATUS_SUM, True: 0}


def test_with_silent_instructions_the_teaching_os_goes_wrong():
    settings = dict(ram="16M", disk=guests.disk("pith"), append="ls", record=False)
    bare = Machine(**settings).load(guests.path("pith"))
    vm = TrapAndEmulate(silent_privileged=True, **settings).load(guests.path("pith"))
    expected = outcome(bare, bare.run().reason)
    assert expected.differences(outcome(vm, vm.run(10_000_000).reason))
    name = vm.betrayed.split()[0]
    assert name.startswith("csr") or name in ("wfi", "sfence.vma")


# MPRV, PMP


def test_loads_with_mprv_are_interpreted():
    """M-mode reads VIEW as S-mode would, through a table, and fetches without one."""
    text = f"""
        la    t0, table
        srli  t0, t0, 12
        li    t1, 8
        slli  t1, t1, 60
        or    t0, t0, t1
        csrw  satp, t0
        li    t0, {1 << 11}
        csrs  mstatus, t0
        li    s0, {VIEW}
        li    t0, {1 << 17}
        csrs  mstatus, t0
        lw    s1, 0(s0)
        csrc  mstatus, t0
        la    s2, start
        lw    s3, 0(s2)
        j     over
        .balign 4096
table:  .dword 0, {pte(BASE)}
        .zero 4080
over:
    """
    vm = run("start: nop\n" + text)
    assert vm.registers.s1 == vm.registers.s3 != 0
    assert 0 < vm.counts["interpreted"] < 200


@pytest.mark.parametrize(
    ("config", "top", "fault"),
    [
        (e.PMP_R | e.PMP_X, 0, e.CAUSE_STORE_ACCESS),
        (e.PMP_X, 0, e.CAUSE_LOAD_ACCESS),
        (e.PMP_R | e.PMP_W | e.PMP_X, 0, None),
        (e.PMP_R | e.PMP_X, 0x800, e.CAUSE_STORE_ACCESS),  # half of the page only
    ],
)
def test_pmp_is_the_guests(config, top, fault):
    """A program in U-mode loads and stores in a page to which PMP gives it these rights."""
    region = BASE + 0x1_0000 + (top or 0x1000)
    text = f"""
        la    t0, trap
        csrw  mtvec, t0
        li    t0, {(BASE + 0x1_0000) >> 2}
        csrw  pmpaddr0, t0
        li    t0, {region >> 2}
        csrw  pmpaddr1, t0
        li    t0, -1
        srli  t0, t0, 10
        csrw  pmpaddr2, t0
        li    t0, {0x0F | (config | 8) << 8 | 0x0F << 16}
        csrw  pmpcfg0, t0
        la    t0, user
        csrw  mepc, t0
        li    t0, {3 << 11}
        csrc  mstatus, t0
        mret
user:   li    s0, {BASE + 0x1_0000}
        ld    s1, 8(s0)
        sd    s1, 16(s0)
        addi  s2, s2, 1
        ecall
        .balign 4
trap:   csrr  s3, mcause
    """
    vm = run(text)
    assert vm.registers.s3 == (e.CAUSE_ECALL_U if fault is None else fault)
    assert vm.registers.s2 == (fault is None)


def test_a_guest_may_be_a_hypervisor():
    """In M-mode the guest builds a G-stage of one gigabyte page, and runs a guest of its own."""
    text = f"""
        la    t0, trap
        csrw  mtvec, t0
        la    t0, gstage
        srli  t0, t0, 12
        li    t1, 8
        slli  t1, t1, 60
        or    t0, t0, t1
        csrw  hgatp, t0
        li    t0, {1 << 11}
        csrs  mstatus, t0
        li    t0, 1
        slli  t0, t0, 39
        csrs  mstatus, t0
        la    t0, inside
        csrw  mepc, t0
        mret
        .balign 4
inside: li    s0, 200
1:      addi  s0, s0, -1
        csrw  sscratch, s0
        bnez  s0, 1b
        csrr  s1, sscratch
        ld    s2, 0(zero)
        .balign 4
trap:   csrr  s3, mcause
        csrr  s4, mtval2
        j     over
        .balign 16384
gstage: .dword 0, 0, {pte(BASE, e.PTE_U | 0xCF)}
        .zero 16360
over:
    """
    vm = run(text)
    assert [vm.registers[name] for name in ("s1", "s3")] == [0, e.CAUSE_LOAD_GUEST_PAGE]
    assert {exit.mode for exit in vm.exits} >= {"M", "VS"}


# At an exit


READS = """la t0, here; csrw mtvec, t0; csrr s0, mhartid; csrr s1, marchid; ecall
    .balign 4; here: j here"""


def counting():
    vm = TrapAndEmulate(ram="1M").load(program(READS))
    seen = []

    def handler(vcpu, exit):
        seen.append((exit.pc, vcpu.pc, vcpu.mode))
        return Action.HANDLE

    vm.handle(ExitReason.PRIVILEGED, handler)
    return vm, seen


def test_a_handler_that_only_looks_changes_nothing():
    vm, seen = counting()
    plain = TrapAndEmulate(ram="1M").load(program(READS))
    for m in (vm, plain):
        m.run(50)
    assert not outcome(plain).differences(outcome(vm))
    assert [str(exit) for exit in vm.exits] == [str(exit) for exit in plain.exits]
    assert len(seen) == 3 and all(pc == at and mode == "M" for pc, at, mode in seen)
    vm.handle(ExitReason.PRIVILEGED, None)
    vm.reset()
    vm.run(50)
    assert len(seen) == 3


def test_a_handler_is_called_again_in_a_replay():
    vm, seen = counting()
    vm.run(50)
    vm.goto(0)
    vm.run(50)
    assert len(seen) == 6 and seen[:3] == seen[3:]


def test_what_a_handler_can_answer():
    image = program(
        "la t0, trap; csrw mtvec, t0; csrr s0, mhartid; addi s1, s1, 1; j .;"
        ".balign 4; trap: csrr s2, mcause; j ."
    )

    def answers(action, change=None):
        vm = TrapAndEmulate(ram="1M").load(image)

        def handler(vcpu, exit):
            if exit.detail >> 20 != e.MHARTID:
                return Action.HANDLE
            if change:
                change(vcpu)
            return action

        vm.handle(ExitReason.PRIVILEGED, handler)
        return vm

    resumed = answers(Action.RESUME, lambda vcpu: vcpu.registers.__setitem__("s0", 41))
    resumed.run(50)
    assert (resumed.registers.s0, resumed.registers.s1) == (41, 1)

    reflected = answers(Action.REFLECT)
    reflected.run(50)
    assert (reflected.registers.s1, reflected.registers.s2) == (0, e.CAUSE_ILLEGAL)

    calls = []

    def skip_at_last(vcpu):
        calls.append(vcpu.pc)
        if len(calls) == 3:
            vcpu.skip()

    retried = answers(Action.RETRY, skip_at_last)
    retried.run(50)
    assert len(calls) == 3 and retried.registers.s1 == 1
    assert retried.exit_counts[ExitReason.PRIVILEGED] == 1 + 3

    stopped = answers(Action.STOP)
    with pytest.raises(ModelError, match="trap-and-emulate: the guest cannot go on after exit"):
        stopped.run(50)

    wrong = answers("resume")
    with pytest.raises(TypeError, match="handler 'handler' answered 'resume'; accepted are"):
        wrong.run(50)
    with pytest.raises(TypeError, match="accepted are a function and None"):
        wrong.handle(ExitReason.PRIVILEGED, 5)


def test_a_run_goes_back_to_any_exit_and_finds_it_again():
    settings = dict(ram="16M", disk=guests.disk("pith"), append="forkwait 2")
    vm = TrapAndEmulate(**settings).load(guests.path("pith"))
    vm.run()
    log, steps, end = vm.exits, vm.steps, outcome(vm)
    for exit in (log[0], log[len(log) // 2], log[-1]):
        vm.goto(exit.steps)
        vm.run(until=ExitReason)
        while vm.exit_on_hand.number < exit.number:  # hidden faults at the same step come first
            vm.run(until=ExitReason)
        assert (vm.exit_on_hand.reason, vm.exit_on_hand.pc) == (exit.reason, exit.pc)
        assert vm.steps == exit.steps
    vm.run()
    assert vm.exits == log and vm.steps == steps
    assert not end.differences(outcome(vm))


def test_it_stops_at_the_reason_asked_for_before_it_is_handled():
    text = "csrr s0, mhartid; li t0, 0x10000000; lb s2, 5(t0); j ."
    vm = TrapAndEmulate(ram="1M").load(program(text))
    stop = vm.run(until=ExitReason.MMIO)
    assert stop.reason == "until"
    assert (vm.exit_on_hand.gpa, vm.registers.s2) == (0x1000_0005, 0)
    vm.step()
    assert vm.exit_on_hand is None
    assert vm.registers.s2 == 0x60


def test_a_snapshot_brings_back_the_shadow_and_the_exits():
    image = kernel(
        f"""
        li    s0, {{VIEW}}
        ld    a0, 0(s0)
        li    t0, {{LEAVES}}
        li    t1, {pte(DATA + 0x1000)}
        sd    t1, 0(t0)
        sfence.vma
        ld    a1, 0(s0)
        """,
        leaves={0: pte(DATA)},
    )
    vm = on(TrapAndEmulate, image)
    vm.run(until=ExitReason.TRACE)
    kept = vm.snapshot()
    same_as_bare(vm, image)
    log = [str(exit) for exit in vm.exits]
    for _ in range(2):
        vm.restore(kept)
        assert vm.exit_on_hand.reason is ExitReason.TRACE
        same_as_bare(vm, image)
        assert [str(exit) for exit in vm.exits] == log


def test_it_stops_at_the_guests_events():
    text = "la t0, trap; csrw mtvec, t0; ecall; j .; .balign 4; trap: csrr t0, mepc;"
    text += "addi t0, t0, 4; csrw mepc, t0; mret"
    machines = [make(ram="1M").load(program(text)) for make in (Machine, TrapAndEmulate)]
    for event in (Event.EXCEPTION, Event.RETURN):
        stops = [m.run(1000, until=event) for m in machines]
        assert stops[0] == stops[1]
    assert machines[0].events == machines[1].events


def test_what_cannot_be_done_is_said_in_one_sentence():
    with pytest.raises(ValueError, match="policy 'never': accepted are lazy, flush, trace, eager"):
        TrapAndEmulate(policy="never")
    vm = TrapAndEmulate(ram="1M").load(assemble("j ."))
    with pytest.raises(ValueError, match="cannot be saved"):
        vm.save("file")
    with pytest.raises(TypeError, match="accepted are an Event"):
        vm.run(until=3.5)
