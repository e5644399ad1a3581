"""What happened in a run of pith with boxes? Entries into the kernel, turns on the hart, memory.

A `Recording` is plain data: figures draw it, tests count in it. Times are nanoseconds of the
guest's clock since reset, in which the hart retires one instruction a nanosecond unless the machine
was told otherwise; they go on while nobody can run and the hart waits.
"""

from dataclasses import dataclass

HOST = 0  # the box of all processes that are in no other
IDLE = -1  # in place of a box: nobody could run

SYSTEM_CALL, FAULT, TIMER, DEVICE = "system call", "fault", "timer", "device"
CAUSES = (SYSTEM_CALL, FAULT, TIMER, DEVICE)


@dataclass(frozen=True)
class Running:
    """The process that has the hart.

    box, box_name : the number and name of its box, 0 and "host" outside of any
    process, inside : its number in the kernel, and in its box
    program : its name
    """

    box: int
    box_name: str
    process: int
    inside: int
    program: str


@dataclass(frozen=True)
class Entry:
    """One time that the hart left a program for the kernel.

    steps, time, pc : when, in instructions since reset and in ns, and where
    who : the process that ran
    cause : one of CAUSES
    what : the system call's name, or what the manual calls the trap
    instructions : box -> instructions since the entry before
    """

    steps: int
    time: int
    pc: int
    who: Running
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
