"""Boxes of the teaching OS: what each setting does, seen from inside and read from outside."""

import re

import pytest

from virtlab import guests
from virtlab.containers import pith
from virtlab.machine import Machine

ALL = frozenset(pith.NAMESPACES)


def rows(table: str) -> list[list[str]]:
    """The words of each line after the first."""
    return [line.split() for line in table.splitlines()[1:]]


def processes(console: str) -> list[tuple[int, str]]:
    """Numbers and names in what ps has printed."""
    return [(int(row[0]), row[-1]) for row in rows(console)]


# Namespaces


def test_a_box_counts_its_own_processes_from_1(board):
    assert processes(board.printed("box sh -c 'ls /tmp; ps'")) == [(1, "sh"), (3, "ps")]


def test_outside_they_have_other_numbers(board):
    listed = processes(board.printed("box sleep 500 & sleep 50; ps"))
    assert [name for _, name in listed] == ["init", "sh", "sleep", "ps"]
    assert [number for number, _ in listed] == [1, 2, 3, 5]


def test_without_numbers_of_its_own_a_box_sees_all_processes(board):
    listed = processes(board.printed("box -share pids ps"))
    assert [name for _, name in listed] == ["init", "sh", "ps"]


def test_nobody_outside_can_be_killed_by_number(board):
    printed = board.printed("sleep 300 & box kill 2; box kill 3; box kill 1; ps")
    first, second, third, table = printed.split("\n", 3)
    assert [first, second] == ["2: no such process", "3: no such process"]
    assert third == "1: invalid argument"
    assert (3, "sleep") in processes(table)


def test_with_shared_numbers_they_can(board):
    printed = board.printed("sleep 300 & box -share pids kill 3; sleep 50; ps")
    assert [name for _, name in processes(printed)] == ["init", "sh", "ps"]


def test_the_host_name_is_the_boxes_own(board):
    lines = "box -name inside sh -c 'hostname; hostname new; hostname'; hostname"
    assert board.printed(lines) == "inside\nnew\npith\n"


def test_a_shared_host_name_may_be_read_and_not_changed(board):
    printed = board.printed("box -share host sh -c 'hostname; hostname new'; hostname")
    assert printed == "pith\nhostname: not permitted here\npith\n"


def test_with_all_capabilities_it_may_be_changed_for_everybody(board):
    assert board.printed("box -share host,capabilities hostname new; hostname") == "new\n"


def test_ports_have_the_same_number_in_two_networks(board):
    printed = board.printed(
        lines=[
            "serve 7 outside: &\n",
            "box sh -c 'serve 7 inside: & sleep 50; call 7 to the box; wait'\n",
            "call 7 to the host\n",
            "exit\n",
        ]
    )
    assert "inside:to the box\n" in printed
    assert "outside:to the host\n" in printed


def test_a_port_outside_is_not_there_inside(board):
    command = "serve 7 & sleep 50; box {} call 7 hello; echo end"
    assert board.printed(command.format("")) == "call: no such file or directory\nend\n"
    assert board.printed(command.format("-share network") + "; wait").startswith("hello\n")


def test_one_process_serves_a_port_and_is_called_by_many(board):
    printed = board.printed("serve 7 & sleep 50; serve 7; call 7 a; wait; call 7 b", status=1)
    assert printed == "serve: exists already\na\ncall: no such file or directory\n"


# Capabilities


def test_what_matters_outside_is_not_permitted_inside(board):
    words = ["shutdown", "devread", "box ls", "diskread 1"]
    printed = board.printed("; ".join(f"box {word}" for word in words), status=1)
    assert printed.splitlines() == [
        f"{name}: not permitted here" for name in ("shutdown", "devread", "box", "/bin/sh")
    ]


def test_limits_cannot_be_changed_from_inside(board):
    printed = board.printed("box -name me -share pids limit me -cpu 10000", status=1)
    assert printed == "me: not permitted here\n"


def test_with_all_capabilities_a_box_reads_devices_and_powers_off(board):
    printed = board.printed("box -share capabilities sh -c 'devread 5; shutdown'; echo alive")
    assert printed == "devread: 5 reads of a register that holds 2\n"


def test_a_box_makes_no_boxes_even_then(board):
    assert board.printed("box -share capabilities box ls", status=1) == "box: not permitted here\n"


# Beginning and end


def test_when_the_first_process_ends_all_others_do(board):
    printed = board.printed("box sh -c 'sleep 100000 & sleep 100000 & sleep 20'; sleep 50; ps")
    assert [name for _, name in processes(printed)] == ["init", "sh", "ps"]


def test_orphans_belong_to_the_first_process_of_their_box(board):
    printed = board.printed("box sh -c \"sh -c 'sleep 1000 &' ; ps\"")
    parents = {row[-1]: row[1] for row in rows(printed)}
    assert parents["sleep"] == "1"


def test_the_status_comes_out(board):
    board.ended("box sh -c 'exit 3'", status=1)
    board.ended("box sh -c 'exit 0'", status=0)


def test_a_program_that_is_not_there_is_named(board):
    assert board.printed("box nothing", status=1) == "nothing: no such file or directory\n"


def test_550_boxes_leave_nothing(bare):
    """One after the other: places in the table are used again."""
    machine = bare.machine(steps_per_tick=1000)
    machine.run(until="$ ")
    for i in range(50):
        machine.type("box ls /tmp; " * 10 + "box ls /tmp\n")
        machine.run(400_000_000)
        if i == 0:
            before = pith.boxes(machine)[0]
    after = pith.boxes(machine)
    assert [box.number for box in after] == [pith.HOST]
    assert (after[0].n_processes, after[0].n_pages) == (before.n_processes, before.n_pages)
    machine.type("box -name last boxes\n")
    machine.run(400_000_000)
    assert re.search(r"^551 .* last$", machine.console, re.MULTILINE)


@pytest.mark.parametrize(
    "options",
    ["-cpu 0", "-cpu 10001", "-quota 101"],
)
def test_impossible_limits_are_refused(board, options):
    assert board.printed(f"box {options} ls", status=1) == "box: invalid argument\n"


def test_wrong_options_are_answered_with_the_right_ones(board):
    for words in ("box", "box -name", "box -speed 3 ls", "box -share pid ls", "limit"):
        assert "[-cpu WEIGHT]" in board.printed(words, status=1)


def test_the_number_of_processes_is_limited(board):
    printed = board.printed("box -processes 2 sh -c \"ls /tmp; sh -c 'ls /tmp'; echo alive\"")
    assert printed == "fork: the box's limit is reached\nalive\n"


# Read from outside


def test_a_box_is_read_out_of_the_guests_memory(board):
    settings = "-name web -cpu 50 -quota 20 -memory 4096 -processes 7 -share host,network"
    machine = board.machine(f"box {settings} compute 100000")
    machine.run(3_000_000)
    host, box = pith.boxes(machine)
    assert (host.number, host.name, host.host_name, host.n_processes) == (0, "host", "pith", 2)
    assert host.own == frozenset() and host.capabilities == frozenset(pith.CAPABILITIES)
    assert (box.number, box.name, box.n_processes) == (1, "web", 1)
    assert box.own == ALL - {"hostname", "network"}
    assert box.capabilities == frozenset()
    assert box.limits == pith.Limits(50, 20, 1024, 7)
    assert pith.box_named(machine, "web") == box


def test_limits_of_a_running_box_are_changed(board):
    machine = board.machine("box -name web sleep 50000 & limit web -cpu 300 -memory 64; compute")
    machine.run(4_000_000)
    assert pith.box_named(machine, "web").limits == pith.Limits(300, 0, 16, 0)


def test_system_calls_are_counted_for_the_box_that_makes_them(board):
    def count(command):
        machine = board.machine(f"box {command}; compute 100000")
        machine.run(3_000_000)
        return pith.boxes(machine)

    few, many = (
        next(iter(count(f"sh -c 'nullsys {n}; compute 90000'")[1:])).n_system_calls
        for n in (10, 110)
    )
    assert many - few == 100


def test_the_layout_is_that_of_the_kernel():
    abi, kernel = (guests.source("pith", f) for f in ("common/abi.h", "kernel/kernel.h"))
    for names, prefix in ((pith.NAMESPACES, "BOX"), (pith.CAPABILITIES, "CAP")):
        defined = {
            name.lower(): int(bit) for name, bit in re.findall(rf"{prefix}_([A-Z]+) (\d+)", abi)
        }
        total = sum(bit for name, bit in defined.items() if name not in ("all", "size"))
        assert {name: defined[name] for name in names} == names
        assert defined["all"] == sum(names.values()) == total
    assert f"#define BOX_SIZE {pith.BOX_BYTES} " in kernel
    assert f"#define NAME_LENGTH {pith.NAME_LENGTH} " in abi


def test_a_machine_without_the_os_is_refused(bare):
    with pytest.raises(ValueError, match="accepted are machines that run the teaching OS"):
        pith.boxes(Machine(ram="1M").load(guests.path("hello")))
    with pytest.raises(ValueError, match="at step 0 the kernel has no boxes yet"):
        pith.boxes(bare.machine())
    with pytest.raises(ValueError, match="no box 'web'; there are host"):
        pith.box_named(bare.ended("ls"), "web")
