"""Every run repeats exactly, however it is cut into pieces, forwards and after going back."""

import random

import pytest
from stories import assert_same, catch, differences, machine, state

from virtlab import guests
from virtlab.machine import Event, Machine
from virtlab.machine import machine as machine_module

# A guest in which much happens: a timer that ticks while M-mode code counts, sleeps, echoes what is
# typed, and lets user code trap.
BUSY = f"""
        {catch("trap")}
        li    s1, 0x2004000          # mtimecmp
        li    s2, 0x200bff8          # mtime
        li    s3, 0x10000000         # UART
        li    t0, 1
        sb    t0, 1(s3)              # receive interrupts
        li    t0, 0xc000028
        li    t1, 1
        sw    t1, 0(t0)              # priority of source 10
        li    t0, 0xc002000
        li    t1, 1 << 10
        sw    t1, 0(t0)              # enabled for M-mode
        li    t0, 0x880
        csrw  mie, t0
        jal   again
        csrsi mstatus, 8
work:   addi  s5, s5, 1
        la    t0, counts
        andi  t1, s5, 0x7f8
        add   t0, t0, t1
        sd    s5, 0(t0)
        ld    t2, 8(t0)
        add   s6, s6, t2
        andi  t1, s5, 63
        bnez  t1, 1f
        wfi
1:      ecall
        j     work
again:  ld    t0, 0(s2)
        addi  t0, t0, 7
        sd    t0, 0(s1)
        ret
        .balign 4
trap:   csrr  s7, mcause
        bltz  s7, 1f
        csrr  t3, mepc
        addi  t3, t3, 4
        csrw  mepc, t3
        mret
1:      slli  s7, s7, 1
        li    t3, 22                 # external
        beq   s7, t3, 2f
        mv    t4, t0
        mv    t5, ra
        jal   again
        mv    t0, t4
        mv    ra, t5
        addi  s8, s8, 1
        mret
2:      li    t3, 0xc200004
        lw    t4, 0(t3)
        beqz  t4, 3f
        lbu   t5, 0(s3)
        sb    t5, 0(s3)
        sw    t4, 0(t3)
3:      mret
        .balign 4096
counts: .zero 4096
"""
N = 30_000


def busy(**options) -> Machine:
    m = machine(BUSY, **options)
    m.type("first line\n")
    return m


def pith(typed: str = "pgfault\ndiskread\nforkwait\n") -> Machine:
    m = Machine(ram="32M", firmware="sbi", disk=guests.disk("pith")).load(guests.path("pith"))
    m.run(until="$ ")
    m.type(typed)
    return m


def cut(rng: random.Random, m: Machine, end: int) -> None:
    """Run to step `end` in pieces of random length, stopping for random reasons."""
    while m.steps < end:
        left = end - m.steps
        piece = min(left, rng.choice((1, 2, 3, 17, 100, 999, rng.randrange(1, left + 1))))
        until = rng.choice((None, None, Event.TRAP, Event.RETURN, Event.IDLE, "e", m.pc, m.pc + 4))
        stop = m.run(piece, until=until)
        assert stop.reason in ("budget", "until")


@pytest.mark.parametrize("k", range(4))
def test_a_run_in_pieces_ends_as_a_run_in_one_piece(seed, k):
    rng = random.Random(f"{seed} pieces {k}")
    whole, pieces = busy(), busy()
    whole.run(N)
    cut(rng, pieces, N)
    assert whole.counters["traps"].keys() >= {
        "machine timer interrupt", "machine external interrupt", "environment call from M-mode",
    }  # fmt: skip
    assert whole.console == "first line\n" and whole.counters["idle_steps"]
    assert_same(pieces, whole)


def test_an_operating_system_in_pieces_ends_as_in_one_piece(seed):
    rng = random.Random(f"{seed} pith")
    whole, pieces = pith(), pith()
    end = whole.steps + 5_000_000
    whole.goto(end)
    cut(rng, pieces, end)
    assert "100 blocks" in whole.console and whole.counters["disk_reads"] > 100
    assert_same(pieces, whole)


def test_back_and_goto_find_the_state_as_it_was(seed):
    rng = random.Random(f"{seed} back")
    m = busy()
    places = sorted(rng.sample(range(N), 12))
    seen = {}
    for place in places:
        m.goto(place)
        seen[place] = state(m)
    for place in rng.sample(places, len(places)):
        m.goto(place)
        assert m.steps == place
        assert not differences(state(m), seen[place]), place
    m.back(1)
    m.step(1)
    assert not differences(state(m), seen[place])


def test_going_back_over_kept_snapshots_finds_the_same_state(monkeypatch):
    monkeypatch.setattr(machine_module, "SLICE_STEPS", 1000)
    m, fresh = busy(), busy()
    m.run(150_000)
    assert len(m._history.snapshots) > 30
    for place in (149_001, 77_777, 1_234, 63_000):
        m.goto(place)
        again = busy()
        again.run(place)
        assert_same(m, again)
    fresh.run(150_000)
    m.goto(150_000)
    assert_same(m, fresh)


def test_the_event_log_goes_back_too():
    m = busy()
    m.run(40_000)
    then = m.events
    m.run(200_000)
    assert len(m.events) == 4096
    m.goto(40_000)
    assert m.events == then


def test_what_was_typed_is_typed_again_at_the_same_step():
    m = busy()
    m.run(5_000)
    m.type("second")
    m.run(20_000)
    after = state(m)
    assert m.console == "first line\nsecond"
    m.goto(0)
    assert m.console == ""
    m.goto(25_000)
    assert not differences(state(m), after)


def test_new_input_after_going_back_starts_a_new_history():
    m = busy()
    m.run(5_000)
    m.type("old")
    m.run(20_000)
    m.goto(5_000)
    m.type("new")
    m.run(20_000)
    assert m.console == "first line\nnew"
    m.goto(4_000)
    m.goto(25_000)
    assert m.console == "first line\nnew"


def test_more_input_than_the_queue_holds_arrives_in_order_and_repeats(monkeypatch):
    monkeypatch.setattr(machine_module, "SLICE_STEPS", 40_000)
    text = "".join(f"{k} " for k in range(1500))
    echo = """
        li   s0, 0x10000000
    1:  lbu  t0, 5(s0)
        andi t0, t0, 1
        beqz t0, 1b
        lbu  t1, 0(s0)
        sb   t1, 0(s0)
        j    1b
    """
    m, pieces = machine(echo), machine(echo)
    for each in (m, pieces):
        each.type(text)
    assert m.unread_input == len(text) > 4096
    m.run(60_000)
    cut(random.Random(1), pieces, 60_000)
    assert m.console == text and m.unread_input == 0
    assert_same(m, pieces)
    m.goto(10_000)
    middle = state(m)
    m.goto(41_000)
    m.goto(10_000)
    assert not differences(state(m), middle)
    m.run(60_000)
    assert m.console == text


def test_registers_pc_and_memory_that_were_set_are_set_again():
    m = machine("1: addi s0, s0, 1\n ld s1, 0(s2)\n j 1b\nelse: addi s3, s3, 1\n j else")
    m.registers.s2 = 0x8001_0000
    m.run(100)
    m.memory.write(0x8001_0000, b"\x2a")
    m.run(100)
    m.registers["s0"] = 1000
    m.run(100)
    m.pc = m.symbols["else"]
    m.run(100)
    after = state(m)
    assert (m.registers.s1, m.registers.s3) == (0x2A, 50) and m.registers.s0 > 1000
    m.goto(150)
    assert (m.registers.s0, m.registers.s1, m.registers.s3) == (50, 0x2A, 0)
    m.goto(0)
    m.goto(400)
    assert not differences(state(m), after)


def test_code_that_was_written_from_outside_is_executed():
    m = machine("1: addi s0, s0, 1\n j 1b")
    m.run(1000)
    m.memory.write(0x8000_0000, machine("addi s0, s0, 2").memory.read(0x8000_0000, 4))
    before = m.registers.s0
    m.run(10)
    assert m.registers.s0 == before + 10


def test_going_back_past_the_end_of_the_guest_brings_it_to_life_again():
    m = machine("li t0, 0x100000\n li t1, 0x5555\n sw t1, 0(t0)\n1: j 1b")
    assert m.run(100).reason == "exit" and m.exit_code == 0
    m.back(1)
    assert m.exit_code is None and m.registers.t1 == 0x5555
    assert m.step().reason == "exit"
    assert m.step().reason == "exit"
    assert m.steps == 4


def test_a_replay_passes_a_reboot_that_nobody_carried_out():
    m = machine("li t0, 0x100000\n li t1, 0x7777\n sw t1, 0(t0)\n1: addi s0, s0, 1\n j 1b")
    assert m.run(100).reason == "reset"
    m.run(100)
    after = state(m)
    m.goto(2)
    m.goto(m.steps + 50)
    m.goto(after["steps"])
    assert not differences(state(m), after)


def test_going_back_before_the_beginning_is_refused():
    m = busy()
    m.run(10)
    with pytest.raises(ValueError, match="cannot go back 11 steps from step 10"):
        m.back(11)


def test_a_machine_without_a_record_cannot_go_back():
    m = busy(record=False)
    m.run(100)
    with pytest.raises(ValueError, match="record=False"):
        m.back()
    assert m.steps == 100
    m.goto(200)
    assert m.steps == 200


def test_traps_seen_by_python_change_nothing_and_can_be_gone_back_over():
    m, plain = busy(), busy()
    causes = [int(hart.mcause) for hart in m.traps(2000)]
    assert len(causes) == 2000
    plain.goto(m.steps)
    assert_same(m, plain)
    m.goto(1000)
    plain.goto(1000)
    assert_same(m, plain)


def test_input_that_was_recorded_reaches_a_guest_whose_traps_are_seen_by_python():
    m = busy()
    m.run(5_000)
    m.type("x")
    m.run(20_000)
    after = state(m)
    m.goto(100)
    for _ in m.traps(10**9, budget=25_000 - m.steps):
        pass
    assert m.steps == 25_000
    assert not differences(state(m), after)
