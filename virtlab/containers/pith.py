"""Which boxes are there on a machine that runs the teaching OS, and what do they use?

The kernel keeps one table of its boxes (guests/pith/kernel/box.c), which lies in its memory at the
address of a symbol. Whoever holds the machine reads it there, as a debugger would: nothing in the
guest has to run for it, and nothing in the guest notices. The same works for a virtual machine,
because a guest's kernel lies at the same place of the guest's RAM.

The layout here is that of `struct box_info` in guests/pith/common/abi.h; a test compares the two.

Left out: the processes of a box; `ps` in the guest lists them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

TABLE, TABLE_END = "boxes", "boxes_end"  # symbols: the table, and a pointer to the end of its use
BOX_BYTES = 512
NAME_LENGTH = 28
HOST = 0  # the number of the box that holds all other processes

INFO = struct.Struct(f"<4I5Q4I{NAME_LENGTH}s")
REST = struct.Struct(f"<I{NAME_LENGTH}s")  # capabilities, host name
REST_AT = 104

NAMESPACES = {"pids": 1, "hostname": 2, "files": 4, "network": 8, "capabilities": 16}
CAPABILITIES = {"shutdown": 1, "device": 2, "box": 4, "hostname": 8}


@dataclass(frozen=True)
class Limits:
    """What a box may use; 0 stands for no limit.

    weight : its share of the hart when others want it too; 100 is usual
    quota_percent : of the hart, in periods of 100 ms
    max_pages : of 4 KiB
    max_processes : those that have ended and not been waited for included
    """

    weight: int
    quota_percent: int
    max_pages: int
    max_processes: int


@dataclass(frozen=True)
class Box:
    """A box as its kernel knows it.

    number : counted from 1; 0 is the host, which is all processes that are in no other box
    own : the namespaces that it does not share with the host, of NAMESPACES
    capabilities : what its processes may do that matters outside, of CAPABILITIES
    n_pages, peak_pages : pages of 4 KiB that it was the first to get, now and at most
    n_out_of_memory : processes that the kernel has ended because `max_pages` was reached
    n_throttled : periods of 100 ms in which its quota was used up
    run_ticks : of the 10 MHz clock, counted since there are other boxes than the host
    """

    number: int
    name: str
    host_name: str
    own: frozenset[str]
    capabilities: frozenset[str]
    limits: Limits
    n_processes: int
    n_pages: int
    peak_pages: int
    n_system_calls: int
    n_out_of_memory: int
    n_throttled: int
    run_ticks: int


def boxes(machine) -> list[Box]:
    """The boxes of a machine or virtual machine that runs the teaching OS, the host first.

    Parameters
    ----------
    machine : Machine, or any kind of VirtualMachine

    Raises
    ------
    ValueError
        The machine's image has no table of boxes, or its kernel has not made one yet.

    Examples
    --------
    >>> from virtlab import guests
    >>> from virtlab.machine import Machine
    >>> m = Machine(disk=guests.disk("pith"), append="box -name web compute 100000")
    >>> _ = m.load(guests.path("pith")).run(3_000_000)
    >>> [(box.number, box.name, box.n_processes) for box in boxes(m)]
    [(0, 'host', 2), (1, 'web', 1)]
    """
    start = machine.symbols.get(TABLE)
    if start is None or TABLE_END not in machine.symbols:
        raise ValueError(
            f"the image has no symbol {TABLE!r}; accepted are machines that run the teaching OS."
        )
    end = machine.memory.entry(machine.symbols[TABLE_END])
    if not end:
        raise ValueError(
            f"at step {machine.steps:,} the kernel has no boxes yet; accepted are machines that "
            "have run until it has printed something."
        )
    places = (_read(machine, at) for at in range(start, end, BOX_BYTES))
    return [box for box in places if box.number == HOST or box.n_processes or box.n_pages]


def box_named(machine, name: str) -> Box:
    """The box of that name; the oldest if there are several.

    Raises
    ------
    ValueError
        There is none; or as `boxes`.
    """
    found = boxes(machine)
    named = [box for box in found if box.name == name]
    if not named:
        names = ", ".join(box.name for box in found)
        raise ValueError(f"there is no box {name!r}; there are {names}.")
    return min(named, key=lambda box: box.number)


def _read(machine, at: int) -> Box:
    *numbers, name = INFO.unpack(machine.memory.read(at, INFO.size))
    number, namespaces, n_processes, n_out_of_memory = numbers[:4]
    n_pages, peak_pages, n_system_calls, n_throttled, run_ticks = numbers[4:9]
    capabilities, host_name = REST.unpack(machine.memory.read(at + REST_AT, REST.size))
    return Box(
        number=number,
        name=_text(name),
        host_name=_text(host_name),
        own=_words(namespaces, NAMESPACES),
        capabilities=_words(capabilities, CAPABILITIES),
        limits=Limits(*numbers[9:]),
        n_processes=n_processes,
        n_pages=n_pages,
        peak_pages=peak_pages,
        n_system_calls=n_system_calls,
        n_out_of_memory=n_out_of_memory,
        n_throttled=n_throttled,
        run_ticks=run_ticks,
    )


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")


def _words(bits: int, names: dict[str, int]) -> frozenset[str]:
    return frozenset(name for name, bit in names.items() if bits & bit)
