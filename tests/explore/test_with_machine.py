"""Figures, player and snippets on the real machine, with a program that can be counted by hand."""

import pytest

from virtlab.explore import (
    Player,
    board,
    grouped_hex,
    registers,
    run_asm,
    spent,
    timeline,
    tlb,
    traps,
    walk,
    walks,
)
from virtlab.isa import encoding as e
from virtlab.isa.assembler import AssemblyError, assemble
from virtlab.machine import Machine
from virtlab.machine.state import RAM_BASE

CALLS = """
        la    t0, handler
        csrw  mtvec, t0
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        la    t0, program
        csrw  mepc, t0
        mret
program:
        li    a0, 3
again:  ecall
        addi  a0, a0, -1
        bnez  a0, again
done:   j     done
handler:
        addi  s0, s0, 1
        csrr  t1, mepc
        addi  t1, t1, 4
        csrw  mepc, t1
        mret
"""


@pytest.fixture
def machine():
    return Machine(ram="1M").load(assemble(CALLS))


def ask(player, method, argument=None):
    return player.handle({"id": "1", "method": method, "argument": argument})["state"]


def test_figures_agree_with_the_counters(machine):
    machine.run(until=machine.symbols["done"])
    assert (
        "3 traps: 3 exceptions and 0 interrupts."
        in timeline(machine.events, machine.steps).drawing().text
    )
    assert traps(machine.counters["traps"]).rows == (("environment call from U-mode", 3),)
    assert f"hart {machine.counters['instructions']:,} instructions" in board(machine.counters).text
    assert ("s0", "0x0003", "3") in registers(machine.registers).rows
    assert f"{len({e.index for e in machine.tlb})} of 256 slots" in tlb(machine.tlb).text


def test_the_player_runs_to_each_trap_and_back_to_reset(machine):
    player = Player(machine)
    start = ask(player, "state")
    seen = [ask(player, "run", "trap") for _ in range(3)]
    assert [state["mode"] for state in seen] == ["M", "M", "M"]
    assert [state["reason"] for state in seen] == ["until"] * 3
    assert seen[0]["sentence"] == "Exception: environment call from U-mode."
    assert len(seen[-1]["events"]) == 6  # the way to user mode, three calls, two returns
    assert ask(player, "back", 10**9) == start


def test_stepping_shows_one_instruction_at_a_time(machine):
    player = Player(machine)
    for steps in range(1, 6):
        state = ask(player, "step", 1)
        assert state["steps"] == steps
        here = [text for _, text, is_pc in state["code"] if is_pc]
        assert len(here) == 1


# The first gigabyte of RAM onto itself; below it, one page that only a load may touch.
PAGED = """
        la    t0, root
        srli  t1, t0, 12
        li    t2, 8 << 60
        or    t1, t1, t2
        csrw  satp, t1
        li    t1, 0x200000cf
        sd    t1, 16(t0)
        la    t1, middle
        srli  t1, t1, 2
        addi  t1, t1, 1
        sd    t1, 0(t0)
        la    t0, middle
        li    t1, 0x20000043
        sd    t1, 0(t0)
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        li    t0, 1 << 11
        csrw  mstatus, t0
        la    t0, done
        csrw  mepc, t0
        mret
done:   j     done
        .balign 4096
root:   .zero 4096
middle: .zero 4096
"""
PLACES = {"code": 0x8000_0000, "a page": 0x1010, "nothing": 1 << 37, "top": (1 << 64) - 8}


@pytest.fixture
def paged():
    made = Machine(ram="1M").load(assemble(PAGED))
    made.run(until=made.symbols["done"])
    return made


@pytest.mark.parametrize("lent", [False, True], ids=["S", "M with MPRV"])
def test_walks_are_the_machines_own(paged, lent):
    if lent:
        paged._hart.mode = e.MACHINE
        paged._hart.mstatus |= e.MSTATUS_MPRV | e.SUPERVISOR << e.MSTATUS_MPP_SHIFT
    figure = walks(paged.translate, PLACES)
    for va in PLACES.values():
        for access, number in (("load", e.LOAD), ("store", e.STORE), ("fetch", e.FETCH)):
            drawing = figure.drawing(where=va, kind=number)
            alone = walk(paged.translate(va, access)).drawing()
            assert (drawing.text, drawing.rows) == (alone.text, alone.rows)
            assert drawing.title.startswith(f"Walk of {grouped_hex(va)} for a {access}, step ")


def test_walks_are_of_the_moment_when_they_were_made(paged):
    figure = walks(paged.translate, PLACES)
    before = figure.drawing()
    paged._mem.u64[(paged.symbols["root"] + 16 - RAM_BASE) // 8] = 0
    assert paged.translate(PLACES["code"]).fault
    assert figure.drawing() == before


def test_going_back_further_than_reset_is_no_error(machine):
    player = Player(machine)
    ask(player, "step", 3)
    assert ask(player, "back", 1_000_000)["steps"] == 0


def test_what_a_part_of_a_run_cost_is_the_difference(machine):
    before = machine.counters
    machine.run(until=machine.symbols["done"])
    assert spent(before, machine.counters)["traps"] == {"environment call from U-mode": 3}


def test_a_snippet_shows_what_each_line_changed():
    snippet = run_asm("li a0, 6\nli a1, 7\nmul a2, a0, a1\nsub a3, zero, a2")
    assert [step.changed for step in snippet.steps] == [
        {"a0": 6},
        {"a1": 7},
        {"a2": 42},
        {"a3": 2**64 - 42},
    ]
    assert snippet.registers["a2"] == 42
    assert repr(snippet).endswith("At the end: a0 = 6, a1 = 7, a2 = 42, a3 = -42.")


@pytest.mark.parametrize(
    ("text", "limit", "ending"),
    [
        ("addi a0, a0, 1", 10, "The program ran off its last line."),
        ("again: j again", 7, "Stopped after 7 instructions, the limit."),
        ("ebreak", 10, "Instruction 1 trapped: breakpoint."),
        ("li t0, 0x100000\nli t1, 0x5555\nsw t1, 0(t0)", 10, "exit code 0."),
    ],
)
def test_a_snippet_says_why_it_ended(text, limit, ending):
    assert run_asm(text, limit).ending.endswith(ending)


def test_a_mistake_in_a_snippet_says_where():
    with pytest.raises(AssemblyError, match="line 2, column"):
        run_asm("li a0, 1\nadd a0, a0")


def test_a_snippet_needs_room_for_an_instruction():
    with pytest.raises(ValueError, match="limit is 0"):
        run_asm("nop", 0)
