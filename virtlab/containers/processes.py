"""Which processes does the teaching OS have, who has the hart, and what does each box see?

Read out of the guest's memory by the symbols of the kernel's own tables, as the boxes are (`pith`):
guests/pith/kernel/process.c has the processes and `current`, pipe.c the ports that are served. A
process, a host name or a port is one object in the kernel; a namespace gives it a second number or
name, or hides it.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from virtlab.containers.pith import BOX_BYTES, HOST, Box, boxes
from virtlab.containers.pith import TABLE as BOXES
from virtlab.containers.pith import TABLE_END as BOXES_END

CURRENT, TABLE, TABLE_END = "current", "processes", "processes_end"  # symbols; the last a pointer
PORTS = "ports"  # a pointer to the first of a list
STATES = ("free", "new", "ready", "running", "waiting", "ended")

# struct process in guests/pith/kernel/kernel.h: what is read of it, and where.
PROCESS = struct.Struct("<Iii4xQ")  # state, number, number inside, box
NAME_AT, NAME_BYTES, PROCESS_BYTES = 244, 28, 272
PORT = struct.Struct("<16xQQQ")  # struct pipe: whose network, number, the next port
ROOT = struct.Struct("<136x2I128s")  # struct box: the base's and the layer's inode, its path


@dataclass(frozen=True)
class Process:
    """A process as its kernel knows it.

    number, inside : its number in the kernel, and as its box counts
    program : the last component of what it runs
    state : one of STATES
    box : the number of its box, 0 for the host
    """

    number: int
    inside: int
    program: str
    state: str
    box: int


@dataclass(frozen=True)
class KernelObject:
    """Something that the kernel knows under one name, and boxes under their own.

    kind : "process", "host name", "root directory" or "port"
    name : what the kernel calls it: a process number with the program, a host name, a path
    box : to which box it belongs
    seen : box -> what that box calls it; a box that is missing does not see it
    """

    kind: str
    name: str
    box: str
    seen: Mapping[str, str]


def running(machine) -> Process:
    """The process that has the hart, or had it last.

    Raises
    ------
    ValueError
        The machine's image is not that of the teaching OS, or its kernel has made no process yet.
    """
    return _process(machine, pointer(machine, CURRENT))


def processes(machine) -> list[Process]:
    """All processes, in the order of their numbers; those that ended and were not waited for too.

    Raises
    ------
    ValueError
        As `running`.
    """
    start, end = machine.symbols.get(TABLE), pointer(machine, TABLE_END)
    found = (_process(machine, at) for at in range(start, end, PROCESS_BYTES))
    return sorted((one for one in found if one.state != "free"), key=lambda one: one.number)


def objects(machine) -> list[KernelObject]:
    """Processes, host names, root directories and ports, with what each box sees of them.

    Raises
    ------
    ValueError
        As `running`.
    """
    known = boxes(machine)
    names = _names(known)
    return [
        *(_as_object(one, known, names) for one in processes(machine)),
        *_host_names(known, names),
        *_roots(machine, known, names),
        *_ports(machine, known, names),
    ]


def _names(known: list[Box]) -> dict[int, str]:
    """A name for each box, with its number where another one has the same."""
    names = [box.name for box in known]
    return {
        box.number: box.name if names.count(box.name) == 1 else f"{box.name} {box.number}"
        for box in known
    }


def _as_object(process: Process, known: list[Box], names: Mapping[int, str]) -> KernelObject:
    seen = {}
    for box in known:
        if "pids" not in box.own:
            seen[names[box.number]] = f"{process.number}"
        elif process.box == box.number:
            seen[names[box.number]] = f"{process.inside}"
    name = f"{process.number}, {process.program}"
    return KernelObject("process", name, names[process.box], seen)


def _host_names(known: list[Box], names: Mapping[int, str]) -> list[KernelObject]:
    found = []
    for owner in known:
        if owner.number != HOST and "hostname" not in owner.own:
            continue
        seen = {
            names[box.number]: owner.host_name
            for box in known
            if box is owner or (owner.number == HOST and "hostname" not in box.own)
        }
        found.append(KernelObject("host name", owner.host_name, names[owner.number], seen))
    return found


def _roots(machine, known: list[Box], names: Mapping[int, str]) -> list[KernelObject]:
    """The host's root; for a box with files of its own its base, and the layer if it has one."""
    sharing = {names[box.number]: "/" for box in known if "files" not in box.own}
    found = [KernelObject("root directory", "/", names[HOST], sharing)]
    start, end = machine.symbols[BOXES], pointer(machine, BOXES_END)
    for at in range(start, end, BOX_BYTES):
        base, _, path = ROOT.unpack(machine.memory.read(at, ROOT.size))
        number = machine.memory.entry(at) & 0xFFFF_FFFF
        owner = next((box for box in known if box.number == number), None)
        if owner is not None and "files" in owner.own:
            layer = path.partition(b"\0")[0].decode(errors="replace")
            name = f"{layer} over inode {base}" if layer else f"inode {base}, read only"
            seen = {names[number]: "/"} | ({names[HOST]: layer} if layer else {})
            found.append(KernelObject("root directory", name, names[number], seen))
    return found


def _ports(machine, known: list[Box], names: Mapping[int, str]) -> list[KernelObject]:
    found = []
    at = pointer(machine, PORTS)
    while at:
        network, number, at = PORT.unpack(machine.memory.read(at, PORT.size))
        owner = machine.memory.entry(network) & 0xFFFF_FFFF
        seen = {
            names[box.number]: f"{number}"
            for box in known
            if (box.number if "network" in box.own else HOST) == owner
        }
        found.append(KernelObject("port", f"{number}", names[owner], seen))
    return sorted(found, key=lambda one: (one.box, int(one.name)))


def pointer(machine, symbol: str) -> int:
    """The address that a pointer of the kernel holds; the kernel's addresses are physical.

    Raises
    ------
    ValueError
        The machine's image has no such symbol.
    """
    at = machine.symbols.get(symbol)
    if at is None:
        raise ValueError(
            f"the image has no symbol {symbol!r}; accepted are machines that run the teaching OS."
        )
    return machine.memory.entry(at)


def _process(machine, at: int) -> Process:
    if not at:
        raise ValueError(
            f"at step {machine.steps:,} no process has run yet; accepted are machines that have "
            "run until the kernel has printed something."
        )
    state, number, inside, box = PROCESS.unpack(machine.memory.read(at, PROCESS.size))
    name = (
        machine.memory.read(at + NAME_AT, NAME_BYTES).partition(b"\0")[0].decode(errors="replace")
    )
    in_box = machine.memory.entry(box) & 0xFFFF_FFFF if box else HOST
    return Process(number, inside, name, STATES[state], in_box)
