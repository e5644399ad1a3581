"""Binary translation: what calls out and what does not, and what keeps translations true."""

import random

import pytest

from tests.hypervisors.comparison import outcome
from tests.hypervisors.random_guests import MOST_STEPS, Guest
from virtlab import guests
from virtlab.hypervisors import BinaryTranslation, ExitReason, TrapAndEmulate
from virtlab.hypervisors.why import why
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine

POLICIES = ["trace", "lazy", "flush", "eager"]
FINISH = """
finish: li t0, 0x5555
        li t1, 0x100000
        sw t0, 0(t1)
"""


def compare(text, **settings):
    """Run a program bare and translated; both must end the same. Returns the virtual machine."""
    program = assemble(text)
    options = dict(ram="1M", firmware="none", record=False)
    silent = dict(silent_privileged=settings.get("silent_privileged", False))
    m = Machine(**options, **silent).load(program)
    vm = BinaryTranslation(**options, **settings).load(program)
    stops = [each.run(100_000).reason for each in (m, vm)]
    assert stops[0] == "exit"
    assert not outcome(m, stops[0]).differences(outcome(vm, stops[1]))
    return vm


def callouts(vm, n=4096):
    """What the last exits asked for: the instruction, or "next", "jump", "stale"."""
    asked = {1: "next", 2: "jump", 3: "stale"}
    texts = []
    for exit in vm.exits[-n:]:
        if exit.reason is ExitReason.CALLOUT:
            asks = asked.get((1 << 64) - exit.detail)
            texts.append(asks or why(vm, exit).split(" at ")[0])
    return texts


# Which instructions call out


def test_simple_csrs_call_out_for_nothing():
    vm = compare(
        """
        csrw mscratch, a0
        li   a1, 5
        csrrw a1, mscratch, a1
        csrr a2, mscratch
        csrw sepc, a1
        csrr a3, sepc
        csrr s10, sstatus
        csrsi sstatus, 2
        csrci sstatus, 2
        """
        + FINISH
    )
    assert callouts(vm) == []
    assert vm.exit_counts == {ExitReason.MMIO: 1}


def test_what_is_sensitive_calls_out_once_each():
    text = "csrr a0, mhartid\ncsrw satp, zero\nsfence.vma\ncsrr a1, time\n" + FINISH
    vm = compare(text)
    assert [each.split()[0] for each in callouts(vm)] == ["csrr", "csrw", "sfence.vma", "rdtime"]


def test_a_loop_is_chained_and_then_stays_in_the_cache():
    vm = compare("li a0, 1000\n1: addi a0, a0, -1\nbnez a0, 1b\n" + FINISH)
    assert callouts(vm) == ["next", "next"]
    assert vm.counts["chained"] == 2
    # addi and bgez of the head, addi, bnez, and the link, a jump: five for two
    assert 2.4 < vm.counts["hart_instructions"] / vm.steps < 2.6


def test_targets_of_indirect_jumps_are_looked_up_by_the_code_itself():
    vm = compare("li s0, 50\n1: call f\naddi s0, s0, -1\nbnez s0, 1b\nj finish\nf: ret\n" + FINISH)
    assert callouts(vm).count("jump") == 2  # call is a jump to auipc's result, ret another


def test_a_null_system_call_costs_two_exits_where_trap_and_emulate_takes_ten():
    exits = {}
    for technique in (TrapAndEmulate, BinaryTranslation):
        vm = technique(ram="32M", disk=guests.disk("pith"), record=False).load(guests.path("pith"))
        for _ in range(3):  # until everything is translated
            vm.type("nullsys 10\n")
            vm.run()
        counts = []
        for n in (100, 200):
            before = vm.n_exits
            vm.type(f"nullsys {n}\n")
            vm.run()
            counts.append(vm.n_exits - before)
        exits[technique] = (counts[1] - counts[0]) / 100
    assert exits == {TrapAndEmulate: 10, BinaryTranslation: 2}


# What keeps translations true


MODIFY = """
        la   s0, patch
        lw   s1, other
        li   s2, {rounds}
        li   a0, 0
loop:   lw   s3, 0(s0)
        sw   s1, 0(s0)
        mv   s1, s3
        fence.i
patch:  addi a0, a0, 1
        addi s2, s2, -1
        bnez s2, loop
        j finish
other:  addi a0, a0, 16
"""


@pytest.mark.parametrize("policy", POLICIES)
def test_code_that_changes_itself_is_translated_again(policy):
    vm = compare(MODIFY.format(rounds=40) + FINISH, policy=policy)
    assert vm.registers.a0 == 20 * 17
    assert vm.counts["translated_blocks"] > 40
    assert "sw s1, 0(s0)" in callouts(vm), "the store has been adapted"


def test_a_full_cache_is_emptied_and_the_guest_goes_on():
    vm = compare(MODIFY.format(rounds=6000) + FINISH)
    assert vm.counts["translated_blocks"] > 4096


def test_a_store_beside_the_code_drops_nothing():
    vm = compare("la s0, here\nli s1, 9\n1: sd s1, 0(s0)\naddi s1, s1, -1\nbnez s1, 1b\n" + FINISH
                 + "here: .quad 0\n")  # fmt: skip
    assert vm.exit_counts[ExitReason.TRACE] >= 1
    assert "stale" not in callouts(vm)[:2]


def test_an_instruction_in_two_pages_is_translated():
    vm = compare("j start\n.balign 4096\n.zero 4094 - 8\nstart: li a0, 3\nli a1, 4\n.balign 2\n"
                 + "add a2, a0, a1\nadd a3, a2, a1\n" + FINISH)  # fmt: skip
    assert vm.registers.a3 == 11


def test_the_monitors_addresses_are_the_guests_own():
    """In M-mode there is nothing at the top: the loads fault, and stores do not reach anybody."""
    vm = compare(
        """
        la   t0, trap
        csrw mtvec, t0
        li   s0, 0
        li   a0, -8
        ld   a1, 0(a0)
        sd   a0, -64(a0)
        li   a0, 0
        sd   a0, -32(a0)
        ld   a1, -8(zero)
        li   s11, -4096
        amoadd.d a1, a0, (s11)
        j    finish
        .balign 4
trap:   addi s0, s0, 1
        csrr t0, mepc
        lw   t1, 0(t0)
        andi t1, t1, 3
        addi t2, t1, -3
        addi t0, t0, 2
        bnez t2, 1f
        addi t0, t0, 2
1:      csrw mepc, t0
        mret
        """
        + FINISH
    )
    assert vm.registers.s0 == 5


# Exact time


def test_a_run_stops_at_any_instruction_and_shows_the_guests_state():
    text = "li s10, 7\n1: addi s10, s10, 1\nadd s11, s10, s11\nmv a0, s11\nj 1b\n"
    m = Machine(ram="1M").load(assemble(text))
    vm = BinaryTranslation(ram="1M").load(assemble(text))
    rng = random.Random(1)
    for _ in range(200):
        n = rng.randrange(1, 9)
        m.step(n)
        vm.step(n)
        assert not outcome(m).differences(outcome(vm))


def test_stopping_in_between_changes_no_exit():
    stepped, run = (BinaryTranslation(ram="16M").load(guests.path("user_mode")) for _ in range(2))
    run.run()
    while stepped.exit_code is None:
        stepped.run(3)
    kept = [[(e.steps, e.pc, e.reason, e.detail) for e in vm.exits] for vm in (stepped, run)]
    assert kept[0] == kept[1]


def test_a_run_stops_before_an_address_inside_a_block():
    vm = BinaryTranslation(ram="1M").load(assemble("1: nop\nnop\nnop\naddi a0, a0, 1\nj 1b"))
    for k in range(1, 5):
        stop = vm.run(until=0x8000_000C)
        assert (stop.reason, vm.pc, vm.registers.a0) == ("until", 0x8000_000C, k - 1)
    vm.back(3)
    assert vm.pc == 0x8000_0000


def test_registers_changed_from_outside_are_compared_with_the_guard_again():
    text = "la a0, 1f\n2: ld a1, 0(a0)\nld a2, 8(a0)\nj 2b\n1: .quad 1, 2"
    machines = [kind(ram="1M").load(assemble(text)) for kind in (Machine, BinaryTranslation)]
    for m in machines:
        m.run(50)
        while "ld a2" not in m.disassemble(n=1, before=0)[0][2]:
            m.step()
        m.registers.a0 = -64
        m.step()
    assert not outcome(machines[0]).differences(outcome(machines[1]))


# A hart that does not trap


@pytest.mark.parametrize("policy", POLICIES)
def test_the_teaching_os_ends_the_same_on_a_hart_that_fails_silently(policy):
    work = "ls; forkwait 3; nullsys 50; pgfault 20 2; ptemod 8 2; selftest\nshutdown\n"
    machines = []
    for kind, settings in ((Machine, {}), (BinaryTranslation, dict(policy=policy))):
        disk = guests.disk("pith")
        m = kind(ram="32M", disk=disk, record=False, silent_privileged=True, **settings)
        m.load(guests.path("pith")).type(work)
        machines.append(outcome(m, m.run().reason))
    assert machines[0].stop == "exit"
    assert not machines[0].differences(machines[1])


def test_random_guests_end_the_same_on_a_hart_that_fails_silently(seed):
    rng = random.Random(f"{seed} silent")
    compared = 0
    while compared < 20:
        guest = Guest(rng.getrandbits(40))
        ended = []
        for kind in (Machine, BinaryTranslation):
            m = kind(record=False, silent_privileged=True, **guest.setting.options())
            m.load(guest.image)
            if guest.typed:
                m.type(guest.typed)
            ended.append(outcome(m, m.run(MOST_STEPS).reason))
            if kind is Machine and m._hart.silent_count:  # a program has looked at the hart's state
                break
        if len(ended) < 2:
            continue
        compared += 1
        assert not ended[0].differences(ended[1]), f"seed {guest.seed:#x}"


def test_every_callout_has_a_sentence():
    vm = compare(MODIFY.format(rounds=40) + FINISH.replace("finish:", "finish: csrr a0, satp\n"))
    sentences = [why(vm, exit) for exit in vm.exits if exit.reason is ExitReason.CALLOUT]
    for part in ("goes on at", "is sensitive", "is translated into a call"):
        assert any(part in each for each in sentences), part
    text = (
        "li s0, 9\nla a1, f\n1: jal f\nlw a2, 0(a1)\nsw a2, 0(a1)\naddi s0, s0, -1\nbnez s0, 1b\n"
    )
    vm = compare(text + "jr a1\nf: bnez s0, 1f\nj finish\n1: ret\n" + FINISH)
    assert "stale" in callouts(vm)
    sentences = [why(vm, exit) for exit in vm.exits if exit.reason is ExitReason.CALLOUT]
    for part in ("has been dropped", "An indirect jump"):
        assert any(part in each for each in sentences), part
