"""What happened in a run of pith with boxes? Entries into the kernel, turns on the hart, memory.

A `Recording` is plain data: figures draw it, tests count in it. Times are nanoseconds of the
guest's clock since reset, in which the hart retires one instruction a nanosecond unless the machine
was told otherwise; they go on while nobody can run and the hart waits.
"""

import functools
from dataclasses import dataclass

import numpy as np

from virtlab.containers.pith import BOX_BYTES, HOST, TABLE, TABLE_END, boxes
from virtlab.containers.processes import CURRENT, Process, pointer, running
from virtlab.machine.stops import Event

IDLE = -1  # in place of a box: nobody could run

SYSTEM_CALL, FAULT, TIMER, DEVICE = "system call", "fault", "timer", "device"
CAUSES = (SYSTEM_CALL, FAULT, TIMER, DEVICE)
CALLS = (  # by number, as enum system_call in guests/pith/common/abi.h
    "null", "fork", "exec", "exit", "wait", "kill", "getpid", "sleep", "sbrk", "map", "pipe",
    "open", "close", "dup", "read", "write", "stat", "mkdir", "remove", "chdir", "processes",
    "system", "probe", "shutdown", "box", "boxes", "limit", "hostname", "port",
)  # fmt: skip
CAUSE_OF = {
    "environment call from U-mode": SYSTEM_CALL,
    "supervisor timer interrupt": TIMER,
    "supervisor external interrupt": DEVICE,
}
USED = np.dtype(  # of struct box_info: what is looked at after every entry
    {
        "names": ["number", "pages", "max_pages"],
        "formats": ["<u4", "<u8", "<u4"],
        "offsets": [0, 16, 64],
        "itemsize": BOX_BYTES,
    }
)
DEFAULT_BUDGET = 1_000_000_000
NS = 1e9  # in a second


@dataclass(frozen=True)
class Entry:
    """One time that the hart left a program for the kernel.

    steps, time, pc : when, in instructions since reset and in ns, and where
    who : the process that ran, as it was then
    cause : one of CAUSES
    what : the system call's name, or what the manual calls the trap
    instructions : box -> instructions since the entry before
    """

    steps: int
    time: int
    pc: int
    who: Process
    cause: str
    what: str
    instructions: dict[int, int]


@dataclass(frozen=True)
class Turn:
    """From `time` on the hart was the box's, until the next turn; `box` may be IDLE."""

    time: int
    box: int


@dataclass(frozen=True)
class Pages:
    """From `time` on the box held so many pages of 4 KiB."""

    time: int
    box: int
    pages: int


@dataclass(frozen=True)
class Recording:
    """A stretch of a run.

    begin, end : its times
    names : box -> name, the host's too
    max_pages : box -> its limit, 0 for none
    entries, turns, pages : in the order of time; the first turn begins with the recording
    """

    begin: int
    end: int
    names: dict[int, str]
    max_pages: dict[int, int]
    entries: list[Entry]
    turns: list[Turn]
    pages: list[Pages]

    def busiest(self, n: int) -> list[int]:
        """The host and the `n - 1` boxes that had the hart longest, by number."""
        time = dict.fromkeys(self.names, 0)
        ends = [*(turn.time for turn in self.turns[1:]), self.end]
        for turn, end in zip(self.turns, ends, strict=False):
            if turn.box != IDLE:
                time[turn.box] += end - turn.time
        boxes = sorted((box for box in time if box != HOST), key=lambda box: (-time[box], box))
        return sorted([HOST, *boxes[: n - 1]])


def record(machine, budget: int = DEFAULT_BUDGET, until: str | None = None) -> Recording:
    """Let a machine run on, and record what its boxes do.

    Parameters
    ----------
    machine : Machine with the teaching OS
    budget : instructions, at most
    until : text; the recording ends when the console has printed it, at the next entry

    Raises
    ------
    TypeError
        a virtual machine, whose programs enter its kernel unseen
    ValueError
        another image than that of the teaching OS
    """
    if hasattr(machine, "exit_counts"):
        raise TypeError(
            f"record was given {machine!r}; accepted is a Machine, where each entry is a trap."
        )
    pointer(machine, CURRENT)
    return Recorder(machine).run(machine.steps + budget, until)


def replay(machine) -> Recording:
    """The recording of all that a machine has done since its reset, where it then stands again.

    Raises
    ------
    TypeError, ValueError
        As `record`; or the machine keeps no past.
    """
    here = machine.steps
    machine.goto(0)
    recording = record(machine, here)
    machine.goto(here)
    return recording


class Recorder:
    """What is known while a run is recorded.

    A process switch is seen when the program that it led to leaves the hart: it had it since the
    kernel's last return to user mode. Until then the kernel's work counts for the box before, and
    what it does after a wait in which nobody could run, for nobody.
    """

    def __init__(self, machine):
        self.machine = machine
        self.names, self.max_pages = {HOST: "host"}, {HOST: 0}
        self.held: dict[int, int] = {}
        self.entries: list[Entry] = []
        self.turns: list[Turn] = []
        self.pages: list[Pages] = []
        self.ran: dict[int, int] = {}
        self.box, self.steps, self.time = HOST, machine.steps, self._clock()
        if pointer(machine, CURRENT):  # the machine has run before
            self.box = running(machine).box
            self._look()
        self._turn(self.box, self.time)

    def run(self, goal: int, until: str | None) -> Recording:
        """Record to step `goal`, or until the text is printed."""
        machine, begin, printed = self.machine, self.time, len(self.machine.console)
        while machine.steps < goal and not (until and until in machine.console[printed:]):
            if machine.run(goal - machine.steps, until=Event.TRAP).reason != "until":
                break
            *before, trap = machine.last_events(2)
            if trap.from_mode == "U":
                self._entered(before[0].steps if before else self.steps, trap)
            else:  # the kernel takes interrupts while nobody can run
                self._pass(machine.steps, self._clock())
        self._pass(machine.steps, self._clock())
        if pointer(machine, CURRENT):
            self._look()
        return Recording(
            begin, self.time, self.names, self.max_pages, self.entries, self.turns, self.pages
        )

    def _clock(self) -> int:
        return round(self.machine.seconds * NS)

    def _entered(self, since: int, trap) -> None:
        """A program that had the hart since step `since` has left it."""
        machine = self.machine
        who, steps, time = running(machine), machine.steps, self._clock()
        if who.box != self.turns[-1].box:
            since = max(since, self.steps)
            switched = time - round((steps - since) * self._ns_per_step)
            self._pass(since, switched)
            self.box = who.box
            self._turn(who.box, switched)
        self._pass(steps, time)
        self._look()
        cause = CAUSE_OF.get(trap.cause_name, FAULT)
        what = CALLS[machine.registers.a7] if cause == SYSTEM_CALL else trap.cause_name
        self.entries.append(Entry(trap.steps, time, trap.pc, who, cause, what, self.ran))
        self.ran = {}

    @functools.cached_property
    def _ns_per_step(self) -> float:
        done = self.machine.steps + self.machine.counters["idle_steps"]
        return self.machine.seconds * NS / done

    def _pass(self, steps: int, time: int) -> None:
        """The hart was the box's up to here, but for the time in which it waited, at the end."""
        ran = steps - self.steps
        idle = time - self.time - round(ran * self._ns_per_step) if ran else time - self.time
        self.ran[self.box] = self.ran.get(self.box, 0) + ran
        if idle > 0:
            self._turn(IDLE, time - idle)
        self.steps, self.time = steps, time

    def _turn(self, box: int, time: int) -> None:
        if self.turns and self.turns[-1].time == time:
            self.turns.pop()
        if not self.turns or self.turns[-1].box != box:
            self.turns.append(Turn(time, box))

    def _look(self) -> None:
        """Note the boxes that are new, and all whose memory has changed."""
        machine = self.machine
        start, end = machine.symbols[TABLE], machine.memory.entry(machine.symbols[TABLE_END])
        table = np.frombuffer(machine.memory.read(start, end - start), USED)
        now = dict(zip(table["number"].tolist(), table["pages"].tolist(), strict=True))
        if now.keys() - self.names.keys():
            self.names |= {box.number: box.name for box in boxes(machine)}
        self.max_pages |= dict(zip(now, table["max_pages"].tolist(), strict=True))
        for number in self.held.keys() | now.keys():
            held = now.get(number, 0)
            if number in self.names and self.held.get(number) != held:
                self.held[number] = held
                self.pages.append(Pages(self.time, number, held))
