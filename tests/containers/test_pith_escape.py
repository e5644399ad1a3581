"""A hostile program in a box, and programs that were made for somebody else."""

import re
import struct

import pytest

from virtlab import guests
from virtlab.containers import pith
from virtlab.guests import elf, filesystem

OUTSIDE = "serve 7 & sleep 1000 & sleep 1; "  # somebody to call, and somebody to kill
ATTEMPTS = (
    "processes boxes hostname root file disk port probe box limit shutdown memory kernel kill"
).split()
LEAKS = {
    "pids": {"processes", "boxes", "kill"},
    "host": {"hostname"},
    "files": {"file"},
    "network": {"port"},
    "capabilities": {"disk", "probe", "limit", "shutdown"},
}


def verdicts(printed: str) -> dict[str, bool]:
    """Whether each attempt leaked."""
    found = re.findall(r"^(\w+): (kept in|LEAKED)$", printed, re.MULTILINE)
    assert [name for name, _ in found] == ATTEMPTS, printed
    return {name: word == "LEAKED" for name, word in found}


def leaks(printed: str) -> set[str]:
    return {name for name, leaked in verdicts(printed).items() if leaked}


def test_nothing_leaks_out_of_a_box(board):
    printed = board.printed(OUTSIDE + "box escape; ps; kill 3")
    assert leaks(printed) == set()
    assert " serve\n" in printed and " sleep\n" in printed


def test_nothing_leaks_out_of_a_box_that_may_write(board):
    machine = board.machine(OUTSIDE + "box -layer /tmp/x sh -c 'escape; escape'; cat readme")
    machine.run(until="Its programs")
    first, second = machine.console.split("kill: kept in\n", 1)
    assert leaks(first + "kill: kept in\n") == leaks(second) == set()


@pytest.mark.parametrize("shared", LEAKS)
def test_each_namespace_that_is_shared_leaks_what_it_holds(board, shared):
    printed = board.printed(OUTSIDE + f"box -share {shared} escape; echo alive")
    assert leaks(printed) == LEAKS[shared]
    assert printed.endswith("alive\n")


def test_two_shared_namespaces_leak_what_both_hold(bare):
    printed = bare.printed(OUTSIDE + "box -share host,network escape", status=1)
    assert leaks(printed) == LEAKS["host"] | LEAKS["network"]


def test_without_a_box_everything_leaks_but_what_no_process_may(bare):
    printed = bare.printed(OUTSIDE + "escape", status=1)
    kept = {"root", "memory", "kernel", "boxes"}  # of boxes there is only the host
    assert leaks(printed) == set(ATTEMPTS) - kept


def test_what_it_tries_on_limits_changes_none(bare):
    machine = bare.machine("box -name a -cpu 70 sleep 100 & box escape; compute 100000")
    machine.run(20_000_000)
    assert pith.box_named(machine, "a").limits == pith.Limits(70, 0, 0, 0)


# Programs for somebody else


def refused(board, program: bytes, command="/program") -> str:
    """What the shell says when it is told to run it."""
    system = filesystem.files(guests.disk("pith").read_bytes())
    disk = filesystem.make({**system, "program": program})
    return board.printed(command, disk=disk, status=1)


def changed(program: bytes, at: int, data: bytes) -> bytes:
    return program[:at] + data + program[at + len(data) :]


@pytest.fixture(scope="module")
def echo() -> bytes:
    """A program of the teaching OS."""
    return filesystem.files(guests.disk("pith").read_bytes())["bin/echo"]


def test_programs_of_the_os_carry_its_mark(echo):
    assert elf.read(echo).system == elf.SYSTEM_PITH == 112
    assert "#define ELF_PITH 112 " in guests.source("pith", "kernel/exec.c")
    assert elf.read(guests.path("pith").read_bytes()).system == elf.SYSTEM_NONE
    assert elf.write(elf.read(echo)) == echo


@pytest.mark.parametrize("system", [0, 3, 9])  # System V, which Linux uses; GNU/Linux; FreeBSD
def test_a_program_for_another_system_is_refused(board, echo, system):
    said = refused(board, changed(echo, 7, bytes([system])))
    assert said == "/program: a program for another operating system\n"


@pytest.mark.parametrize("machine", [62, 183, 40])  # x86-64, AArch64, Arm
def test_a_program_for_another_processor_is_refused(board, echo, machine):
    said = refused(board, changed(echo, 18, struct.pack("<H", machine)))
    assert said == "/program: a program for another processor\n"


def test_a_program_for_32_bits_is_refused(board, echo):
    assert refused(board, changed(echo, 4, b"\1")) == "/program: a program for another processor\n"


def test_what_is_no_program_at_all_is_refused(board, echo):
    assert refused(board, b"#!/bin/sh\n" * 10) == "/program: not a program\n"
    assert refused(board, echo[:50]) == "/program: not a program\n"


def test_a_box_refuses_them_too(board, echo):
    said = refused(board, changed(echo, 7, b"\0"), "box /program")
    assert said == "/program: a program for another operating system\n"
