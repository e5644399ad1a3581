"""Limits of the teaching OS's boxes under load: shares of the hart, quotas, memory, processes."""

import re

import pytest

from virtlab.containers import pith

SECONDS = 10  # of the model's time, for everything that is a share of it
STEPS_PER_TICK = 10
STEPS_PER_SECOND = STEPS_PER_TICK * 10_000_000
TICKS_PER_SECOND = 10_000_000


def shares(board, command, seconds=SECONDS, start=0.5) -> dict[str, float]:
    """What part of the hart each box has had, after everybody has begun."""
    machine = board.machine(command, steps_per_tick=STEPS_PER_TICK)
    machine.run(int(start * STEPS_PER_SECOND))
    start = machine.seconds
    before = {box.number: box.run_ticks for box in pith.boxes(machine)}
    while machine.seconds < start + seconds:
        left = int((start + seconds - machine.seconds) * STEPS_PER_SECOND)
        machine.run(min(left, STEPS_PER_SECOND // 10) + 1)
    assert "panic" not in machine.console
    ticks = (machine.seconds - start) * TICKS_PER_SECOND
    return {box.name: (box.run_ticks - before[box.number]) / ticks for box in pith.boxes(machine)}


def spinning(**options: str) -> str:
    """A command that starts a box for each name with these options, each with one hog inside."""
    return " & ".join(f"box -name {name} {option} hog cpu" for name, option in options.items())


# Shares


@pytest.mark.parametrize("weights", [(100, 300), (1, 1), (10, 1000), (100, 200, 700)])
def test_boxes_get_shares_by_weight(bare, weights):
    names = "abc"[: len(weights)]
    found = shares(bare, spinning(**{n: f"-cpu {w}" for n, w in zip(names, weights, strict=True)}))
    for name, weight in zip(names, weights, strict=True):
        assert found[name] == pytest.approx(weight / sum(weights), abs=0.02), found


def test_the_paravirtual_port_shares_alike(board):
    found = shares(board, spinning(a="-cpu 100", b="-cpu 300"), seconds=2)
    assert found["a"] == pytest.approx(0.25, abs=0.02)
    assert found["b"] == pytest.approx(0.75, abs=0.02)


def test_many_processes_in_a_box_get_no_more_than_one(bare):
    found = shares(bare, "box -name a sh -c 'hog cpu & hog cpu & hog cpu' & box -name b hog cpu")
    assert found["a"] == pytest.approx(0.5, abs=0.02)


def test_the_host_is_a_box_of_the_usual_weight(bare):
    found = shares(bare, "box -name a -cpu 300 hog cpu & hog cpu")
    assert found["host"] == pytest.approx(0.25, abs=0.02)


def test_what_a_box_leaves_others_may_have(bare):
    found = shares(bare, "box -name a -cpu 1000 sleep 100 & box -name b hog cpu", seconds=2)
    assert found["a"] < 0.001 and found["b"] > 0.99


def test_a_box_that_waits_often_keeps_its_share(bare):
    command = "box -name a -cpu 300 -share capabilities diskread 100000000 & box -name b hog cpu"
    found = shares(bare, command, seconds=5)
    assert found["a"] == pytest.approx(0.75, abs=0.02)


def test_who_has_waited_long_gets_its_share_from_now_on_and_no_more(bare):
    found = shares(bare, "box -name a sh -c 'sleep 8; hog cpu' & box -name b hog cpu", 2, start=9)
    assert found["a"] == pytest.approx(0.5, abs=0.02)
    assert found["b"] == pytest.approx(0.5, abs=0.02)


def test_inside_a_box_they_take_turns(bare):
    machine = bare.machine("box sh -c 'compute 20000 & compute 20000 & compute 20000; wait'")
    machine.run(3_000_000_000)
    assert machine.console.count("compute: 2262 primes") == 3


# Quotas


@pytest.mark.parametrize(("a", "b"), [(25, 7), (50, 40), (1, 90)])
def test_a_quota_holds_even_when_nobody_else_wants_the_hart(bare, a, b):
    found = shares(bare, spinning(a=f"-quota {a}", b=f"-quota {b}"))
    assert found["a"] == pytest.approx(a / 100, abs=0.02)
    assert found["b"] == pytest.approx(b / 100, abs=0.02)


def test_a_quota_and_a_weight_hold_together(bare):
    found = shares(bare, spinning(a="-quota 10 -cpu 1000", b="-cpu 100", c="-cpu 200"))
    for name, expected in (("a", 0.1), ("b", 0.3), ("c", 0.6)):
        assert found[name] == pytest.approx(expected, abs=0.02), found


def test_the_periods_in_which_it_had_to_wait_are_counted(bare):
    machine = bare.machine(spinning(a="-quota 20", b=""), steps_per_tick=STEPS_PER_TICK)
    machine.run(STEPS_PER_SECOND)
    before = pith.box_named(machine, "a").n_throttled
    machine.run(2 * STEPS_PER_SECOND)
    assert pith.box_named(machine, "a").n_throttled - before == pytest.approx(20, abs=1)
    assert pith.box_named(machine, "b").n_throttled == 0


def test_a_quota_given_later_holds_from_then_on(bare):
    command = "box -name a hog cpu & sleep 1; limit a -quota 30; sleep 100000"
    found = shares(bare, command, start=2)
    assert found["a"] == pytest.approx(0.3, abs=0.02)


# Memory


def test_who_takes_too_much_memory_is_ended_with_a_clear_word(board):
    printed = board.printed("box -name a -memory 400 hog memory; echo alive")
    said, status, alive = printed.splitlines()
    assert re.fullmatch(r"box 1 \(a\) is out of memory at 100 pages: hog \(process 4\) ends", said)
    assert (status, alive) == ("hog: memory: ended with status 138", "alive")


def test_the_largest_is_ended_and_the_others_in_the_box_go_on(board):
    command = "box -memory 600 sh -c 'hog memory & forkwait 20; wait; echo alive'"
    printed = board.printed(command)
    assert printed.count("ends\n") == 1 and "hog (process" in printed
    assert "forkwait: 20 processes\n" in printed
    assert printed.endswith("alive\n")


def test_no_box_ever_has_more_pages_than_it_may(board):
    command = "box -name a -memory 500 sh -c 'forkwait 500 & hog memory; hog memory; hog memory'"
    machine = board.machine(command)
    most = 0
    while machine.run(200_000).reason != "exit":
        for box in pith.boxes(machine)[1:] if machine.steps > 400_000 else []:
            assert max(box.n_pages, box.peak_pages) <= 125
            most = max(most, box.n_out_of_memory)
    assert most == 3
    assert machine.exit_code != 0


def test_others_have_the_memory_that_one_may_not(board):
    command = "box -memory 400 hog memory & box -memory 4000 hog memory 3000; wait; hog memory 3000"
    printed = board.printed(command)
    assert printed.count("status 138") == 1 and printed.count("status 0") == 2


def test_all_memory_comes_back(bare):
    machine = bare.machine()
    machine.run(until="$ ")
    machine.type("box -memory 800 hog memory; box -processes 9 hog fork\n")
    machine.run(100_000_000)
    before = pith.boxes(machine)[0]
    for _ in range(10):
        machine.type("box -memory 800 hog memory; box -processes 9 hog fork\n")
        machine.run(100_000_000)
    (after,) = pith.boxes(machine)
    assert (after.n_processes, after.n_pages) == (before.n_processes, before.n_pages)


def test_pages_are_counted_for_the_box_that_gets_them(board):
    def pages(kib: int) -> int:
        machine = board.machine(f"box sh -c 'memwalk {kib // 4} 100000000'")
        machine.run(8_000_000)
        return pith.boxes(machine)[1].n_pages

    assert pages(400) - pages(200) == 50


def test_the_host_has_every_page_that_no_box_has(bare):
    machine = bare.machine("box -name a sleep 1000000 & box -name b memwalk 50 1; free; compute")
    machine.run(20_000_000)
    free, n_pages = map(int, re.search(r"memory: (\d+) of (\d+) pages", machine.console).groups())
    machine.run(until="compute:")
    counted = sum(box.n_pages for box in pith.boxes(machine))
    assert n_pages - free == pytest.approx(counted, abs=16)  # those of free itself


# Processes


def test_a_box_full_of_processes_fills_no_other(board):
    printed = board.printed("box -processes 5 hog fork; echo alive")
    assert printed == "hog: 4 processes\nfork: the box's limit is reached\nalive\n"


def test_memory_and_not_a_table_runs_out_with_many_boxes(bare):
    """In 12 MiB of RAM, started one by one until there is no memory for another."""
    machine = bare.machine(ram="12M", steps_per_tick=1000)
    machine.run(until="$ ")
    while "out of memory" not in machine.console:
        machine.type("box sleep 100000000 & box sleep 100000000 & box sleep 100000000 &\n")
        machine.run(100_000_000)
        assert "too many" not in machine.console and "panic" not in machine.console
    assert len(pith.boxes(machine)) > 300
