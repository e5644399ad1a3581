"""Snapshots: the machine's whole state, sharing every page that has not changed.

RAM and disk are kept as lists of 4 KiB pages. A new snapshot copies only the pages written since
the one before it and points to the same bytes for the others, so a thousand snapshots of an idle
machine cost little more than one.
"""

from dataclasses import dataclass

import numpy as np

from virtlab.machine.ram import forget_all_code
from virtlab.machine.state import PAGE_DIRTY, Memory
from virtlab.machine.tlb import mark_writable_dirty

PAGE = 4096
ZERO_PAGE = bytes(PAGE)


@dataclass(frozen=True)
class Snapshot:
    """The state at one step.

    hart : a copy of the record
    pages, blocks : bytes of each page of RAM and block of the disk (the last may be short)
    console_bytes : how much of the console's text had been printed
    actions_done : how many recorded inputs had been applied
    """

    steps: int
    hart: np.ndarray
    pages: list[bytes]
    blocks: list[bytes]
    console_bytes: int
    actions_done: int

    def __str__(self) -> str:
        return f"snapshot at step {self.steps:,}"


def all_pages(data: np.ndarray) -> list[bytes]:
    """Cut an array of bytes into pages; zero pages share one object."""
    pages = []
    for at in range(0, len(data), PAGE):
        page = data[at : at + PAGE].tobytes()
        pages.append(ZERO_PAGE if page == ZERO_PAGE else page)
    return pages


def loaded_pages(data: np.ndarray, flags: np.ndarray) -> list[bytes]:
    """Like `all_pages` for RAM of which only the flagged pages may differ from zero."""
    return _changed([ZERO_PAGE] * len(flags), data, flags)


def _changed(before: list[bytes], data: np.ndarray, flags: np.ndarray) -> list[bytes]:
    """`before` with the flagged pages read anew."""
    pages = list(before)
    for k in np.flatnonzero(flags & PAGE_DIRTY).tolist():
        pages[k] = data[k * PAGE : (k + 1) * PAGE].tobytes()
    return pages


def _clear(flags: np.ndarray) -> None:
    flags &= 0xFF & ~PAGE_DIRTY


def take(harts, mem: Memory, before: Snapshot, console_bytes: int, actions_done: int) -> Snapshot:
    """A snapshot of now. `before` is the snapshot last taken or restored."""
    snapshot = Snapshot(
        steps=int(harts[0].steps),
        hart=harts.copy(),
        pages=_changed(before.pages, mem.u8, mem.pages),
        blocks=_changed(before.blocks, mem.disk, mem.blocks),
        console_bytes=console_bytes,
        actions_done=actions_done,
    )
    _clear(mem.pages)
    _clear(mem.blocks)
    mark_writable_dirty(harts[0], mem)
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
    forget_all_code(mem)
    mark_writable_dirty(harts[0], mem)
