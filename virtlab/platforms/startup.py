"""What happens until one more runs? Counted from the request through its first instruction.

    a process     the shell's fork, and exec of the program
    a box         the same, and on the way the system call that makes the box
    a VM          reset, firmware, a kernel's start, its first process, a shell; then as a process

The kernel itself says where these points are: a system call is an ecall whose number is in a7, and
every program of the teaching OS is entered at one address, that of the machine's first instruction
in user mode.

A program without any kernel in a virtual machine, a unikernel that does nothing, is the other end.

Left out: what a host does to make a virtual machine before its reset. Here that costs nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from virtlab import cost, guests
from virtlab.isa.assembler import assemble
from virtlab.machine import Event, Machine
from virtlab.platforms.instances import BUDGET, NESTED, finish, instance

USER_ECALL = 8  # scause
USER_MODES = ("U", "VU")
AFTER_BOOT = 3  # programs: init, its shell, and the one that was asked for
PROGRAM = "echo"
NOOP = """
        li    a7, 0x53525354    # SBI: system reset
        li    a6, 0             # shut down
        li    a0, 0
        li    a1, 0
        ecall
"""


@dataclass(frozen=True)
class Start:
    """The start of one more.

    instance : one of `virtlab.platforms.instances.INSTANCES`
    instructions : of making it alone. Process: from fork through the program's first instruction;
        box: from the call that makes it through the first one inside; VM: from reset through the
        first one of its first program
    counts : all, from the request (the shell's fork, or reset) through the first instruction of
        the program that was asked for; by the names of `virtlab.cost`
    """

    instance: str
    instructions: int
    counts: Mapping[str, int]

    @property
    def exits(self) -> int:
        """To the hypervisor, on the whole way."""
        return self.counts.get("exits", 0)

    @property
    def from_request(self) -> int:
        """Instructions of the guest on the whole way."""
        return self.counts["instructions"]


def system_call(name: str) -> int:
    """The number of a system call of the teaching OS, from the list in its own source.

    Raises
    ------
    ValueError : there is no such call
    """
    text = guests.source("pith", "common/abi.h")
    numbers = re.findall(r"^ {4}(SYS_\w+),", text, re.MULTILINE)
    if name not in numbers:
        raise ValueError(f"no system call is named {name!r}; there are {', '.join(numbers)}.")
    return numbers.index(name)


def measure_start(where: str, **settings) -> Start:
    """Start one more there.

    Parameters
    ----------
    where : one of INSTANCES
    settings : of the machine

    Raises
    ------
    ValueError : there is no such instance
    RuntimeError : the program is never reached
    """
    one = instance(where)
    machine = one.switch_on(PROGRAM, **settings)
    entered = _programs_entered(machine, AFTER_BOOT + one.boxed)
    counts = cost.counts_of(machine)
    if one.is_virtual:
        return Start(where, entered[0], counts)
    again = one.switch_on(PROGRAM, **settings)
    made, before = _last_call(again, entered[-1], "SYS_FORK")
    if one.boxed:
        made, _ = _last_call(one.switch_on(PROGRAM, **settings), entered[-1], "SYS_BOX")
    return Start(where, entered[-1] - made, {name: counts[name] - before[name] for name in counts})


def measure_unikernel(where: str = NESTED.name) -> Start:
    """Start a program that needs no kernel, does nothing and ends, in a virtual machine.

    Raises
    ------
    ValueError : there is no such instance, or it is no virtual machine for an unchanged guest
    """
    one = instance(where)
    if not one.is_virtual or one.guest != "pith":
        raise ValueError(f"{where!r} runs no unikernel; accepted are such as {NESTED.name!r}.")
    machine = one.make(ram="1M", firmware="sbi", record=False, **one.settings)
    finish(machine.load(assemble(NOOP)), f"a unikernel, {where}")
    return Start(where, machine.steps, cost.counts_of(machine))


def _programs_entered(machine: Machine, n: int) -> list[int]:
    """Run the first instructions of `n` programs; the steps behind each of them."""
    while machine.mode not in USER_MODES:
        _go_on(machine, Event.MODE)
    entry, steps = machine.pc, []
    while len(steps) < n:
        if machine.pc != entry:
            _go_on(machine, entry)
        machine.step()
        if machine.mode in USER_MODES:  # and no interrupt came first
            steps.append(machine.steps)
    return steps


def _go_on(machine: Machine, until) -> None:
    stop = machine.run(BUDGET, until=until)
    if stop.reason != "until":
        raise RuntimeError(f"the next program is never entered. {stop}")


def _last_call(machine: Machine, end: int, name: str) -> tuple[int, dict]:
    """The last call of that name before step `end`: its step, and what was counted until then."""
    number, found = system_call(name), None
    while machine.run(end - machine.steps, until=Event.EXCEPTION).reason == "until":
        if machine.csr["scause"].value == USER_ECALL and machine.registers.a7 == number:
            found = machine.steps, cost.counts_of(machine)
    if found is None:
        raise RuntimeError(f"no {name} before step {end:,} of {machine!r}.")
    return found
