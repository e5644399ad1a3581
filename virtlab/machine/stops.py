"""Why a run ends: what it can be told to wait for, and what it answers."""

import enum
from dataclasses import dataclass

import numpy as np

from virtlab.machine.arguments import U64, hex64, signed
from virtlab.machine.state import (
    STOP_BUDGET,
    STOP_EVENT,
    STOP_EXIT,
    STOP_IDLE,
    STOP_RESET,
    WATCH_CONSOLE,
    WATCH_EXCEPTION,
    WATCH_IDLE,
    WATCH_INTERRUPT,
    WATCH_MODE,
    WATCH_RETURN,
)


class Event(enum.Enum):
    """What `Machine.run` can be told to wait for."""

    TRAP = "a trap"
    EXCEPTION = "an exception"
    INTERRUPT = "an interrupt"
    RETURN = "a return from a trap"
    MODE = "a change of privilege mode"
    IDLE = "the guest waiting in WFI"
    EXIT = "the guest's end"


WATCHED = {
    Event.TRAP: WATCH_EXCEPTION | WATCH_INTERRUPT,
    Event.EXCEPTION: WATCH_EXCEPTION,
    Event.INTERRUPT: WATCH_INTERRUPT,
    Event.RETURN: WATCH_RETURN,
    Event.MODE: WATCH_MODE,
    Event.IDLE: WATCH_IDLE,
    Event.EXIT: 0,
}
REASONS = {
    STOP_BUDGET: "budget",
    STOP_EVENT: "until",
    STOP_EXIT: "exit",
    STOP_IDLE: "idle",
    STOP_RESET: "reset",
}


@dataclass(frozen=True)
class Stop:
    """Why a run ended and where.

    reason : "budget", "until", "exit", "idle" (waits for input that only the outside can give),
        or "reset" (the guest asked for a reboot)
    """

    reason: str
    steps: int
    pc: int
    mode: str
    detail: str

    def __str__(self) -> str:
        return (
            f"Stopped at step {self.steps:,}, pc {hex64(self.pc)}, {self.mode}-mode: {self.detail}."
        )


@dataclass(frozen=True)
class Watch:
    """What a run waits for, as the run loop wants to be told.

    mask : WATCH_ bits
    pc : signed address to stop before, -1 for none
    text : bytes that the console shall show
    what : the same in words
    """

    mask: int = 0
    pc: int = -1
    text: bytes = b""
    what: str = ""


def watch_for(until) -> Watch:
    """The watch for an Event, a pc, console text, or None.

    Raises
    ------
    TypeError, ValueError
        it is none of these, or a pc that no instruction can have
    """
    if until is None:
        return Watch()
    if isinstance(until, Event):
        return Watch(mask=WATCHED[until], what=until.value)
    if isinstance(until, str) and until:
        what = f"the console shows {until!r}"
        return Watch(mask=WATCH_CONSOLE, text=until.encode(), what=what)
    if isinstance(until, int | np.integer) and not isinstance(until, bool):
        if until & 1 or not -(1 << 63) <= until <= U64:
            raise ValueError(f"pc {until:#x} is not an even 64-bit address.")
        return Watch(pc=signed(int(until)), what=f"pc is {hex64(int(until))}")
    raise TypeError(f"until={until!r}: accepted are an Event, a pc, or console text.")
