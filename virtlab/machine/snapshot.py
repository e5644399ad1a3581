"""Snapshots: the machine's whole state, sharing every page that has not changed.

RAM and disk are kept as lists of 4 KiB pages. A new snapshot copies only the pages written since
the one before it and points to the same bytes for the others, so a thousand snapshots of an idle
machine cost little more than one.
"""

from dataclasses import dataclass, field

import numpy as np

from virtlab.machine.ram import forget_all_code
from virtlab.machine.state import PAGE_DIRTY, Memory

PAGE = 4096
ZERO_PAGE = bytes(PAGE)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state at one step.

    hart : a copy of the record
    pages, blocks : bytes of each page of RAM and block of the disk (the last may be short)
    log : a copy of the event log
    console : what had been printed
    typed : what had been typed and found no room in the UART yet
    actions_done : how many recorded actions from outside had been done
    extra : copies of what else belongs to the state, such as a hypervisor's tables
    history : how the machine came here; None in a snapshot that is itself part of a history
    """

    steps: int
    hart: np.ndarray = field(repr=False)
    pages: list[bytes] = field(repr=False)
    blocks: list[bytes] = field(repr=False)
    log: np.ndarray = field(repr=False)
    console: bytes = field(repr=False)
    typed: bytes = field(repr=False)
    actions_done: int
    extra: tuple = field(default=(), repr=False)
    history: object = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"snapshot at step {self.steps:,}"


def all_pages(data: np.ndarray) -> list[bytes]:
    """Cut an array of bytes into pages; zero pages share one object."""
    pages = []
    for at in range(0, len(data), PAGE):
        page = data[at : at + PAGE].tobytes()
        pages.append(ZERO_PAGE if page == ZERO_PAGE else page)
    return pages


def _changed(before: list[bytes], data: np.ndarray, flags: np.ndarray) -> list[bytes]:
    """`before` with the flagged pages read anew."""
    pages = list(before)
    for k in np.flatnonzero(flags & PAGE_DIRTY).tolist():
        page = data[k * PAGE : (k + 1) * PAGE].tobytes()
        pages[k] = ZERO_PAGE if page == ZERO_PAGE else page
    return pages


def _clear(flags: np.ndarray) -> None:
    flags &= 0xFF & ~PAGE_DIRTY


def first(harts, mem: Memory) -> Snapshot:
    """A snapshot of a machine that has just been switched on: only flagged pages are not zero."""
    taken = Snapshot(
        steps=0,
        hart=harts.copy(),
        pages=_changed([ZERO_PAGE] * len(mem.pages), mem.u8, mem.pages),
        blocks=all_pages(mem.disk),
        log=mem.log.copy(),
        console=b"",
        typed=b"",
        actions_done=0,
    )
    _clear(mem.pages)
    return taken


def take(harts, mem: Memory, before: Snapshot, console, typed, actions_done: int) -> Snapshot:
    """A snapshot of now. `before` is the snapshot last taken or restored.

    Then and after `restore` the caller calls `mark_writable_dirty` for the hart that runs.
    """
    snapshot = Snapshot(
        steps=int(harts[0].steps),
        hart=harts.copy(),
        pages=_changed(before.pages, mem.u8, mem.pages),
        blocks=_changed(before.blocks, mem.disk, mem.blocks),
        log=mem.log.copy(),
        console=bytes(console),
        typed=bytes(typed),
        actions_done=actions_done,
    )
    _clear(mem.pages)
    _clear(mem.blocks)
    return snapshot


def _write_back(data, flags, current: list[bytes], wanted: list[bytes]) -> None:
    stale = set(np.flatnonzero(flags & PAGE_DIRTY).tolist())
    if current is not wanted:
        pairs = enumerate(zip(current, wanted, strict=True))
        stale.update(k for k, (now, then) in pairs if now is not then)
    for k in stale:
        data[k * PAGE : k * PAGE + len(wanted[k])] = np.frombuffer(wanted[k], np.uint8)
    _clear(flags)


def restore(harts, mem: Memory, current: Snapshot, wanted: Snapshot) -> None:
    """Go to `wanted`. `current` is the snapshot last taken or restored: only what may differ from
    it, or between the two, is copied.
    """
    _write_back(mem.u8, mem.pages, current.pages, wanted.pages)
    _write_back(mem.disk, mem.blocks, current.blocks, wanted.blocks)
    harts[:] = wanted.hart
    mem.log[:] = wanted.log
    forget_all_code(mem)
