"""What is the whole state of the machine? Records and tables by copy, memory by the page.

A snapshot holds the hypervisor's own tables, what belongs to each domain's virtual machine (its
vcpu, its page tables' kinds and counts, its disk, its console), the hart, and the pages of every
place. Restoring it brings back domains that have been destroyed since.
"""

import copy
import hashlib
from dataclasses import dataclass

import numpy as np

from virtlab.hypervisors.virtual_machine import POOL_BYTES, ROW_SPAN
from virtlab.machine.loader import read_image
from virtlab.machine.ram import forget_all_code
from virtlab.machine.snapshot import all_pages
from virtlab.machine.state import PAGE_CODE

# What is copied of a Xen, beside its machines and its memory.
TABLES = (
    "now idle_steps next_number domains scheduler store iommu devices dma_faults "
    "refused turns events"
).split()


@dataclass(frozen=True, eq=False)
class XenSnapshot:
    """The state at one step of the machine.

    tables : copies of what TABLES names
    machines : by domain the machine, its arrays, its console and its input
    pages : by place (base, bytes) its pages
    places : where everybody lived
    n_actions : how many actions of the journal had been begun
    """

    now: int
    tables: dict
    machines: dict
    pages: dict
    flags: np.ndarray
    hart: np.ndarray
    places: dict
    n_actions: int


def _arrays(machine) -> tuple:
    """The arrays that belong to a virtual machine's state."""
    if not hasattr(machine, "_vms"):
        return ()
    return (
        machine._harts,
        machine._vms,
        machine._state,
        machine._exits,
        machine._guest_log,
        machine._mem.disk,
    )


def _pages(data: np.ndarray, before: list[bytes]) -> list[bytes]:
    """The pages of an array; those that are as in `before` are the same objects."""
    pages = all_pages(data)
    for k, page in enumerate(before):
        if page == pages[k]:
            pages[k] = page
    return pages


def take(xen, n_actions: int = 0, before: XenSnapshot | None = None) -> XenSnapshot:
    """A snapshot of now. It shares with `before` what has not changed."""
    old = {} if before is None else before.pages
    machines = {}
    for number, machine in xen.machines.items():
        texts = ()
        if hasattr(machine, "_vms"):
            history = machine._history.up_to(machine.steps)
            texts = (bytes(machine._console), bytes(machine._typed), history)
        machines[number] = (machine, tuple(a.copy() for a in _arrays(machine)), texts)
    u8 = xen.host.mem.u8
    return XenSnapshot(
        now=xen.now,
        tables=copy.deepcopy({name: getattr(xen, name) for name in TABLES}),
        machines=machines,
        pages={
            (p.base, p.n_bytes): _pages(
                u8[p.base : p.base + p.n_bytes], old.get((p.base, p.n_bytes), [])
            )
            for p in xen.host.places.values()
        },
        flags=xen.host.mem.pages.copy(),
        hart=xen.host.harts.copy(),
        places=dict(xen.host.places),
        n_actions=n_actions,
    )


def restore(xen, wanted: XenSnapshot) -> None:
    """Go to a snapshot."""
    host = xen.host
    for place in host.places.values():  # what is not in the snapshot was zero
        host.mem.u8[place.base : place.base + place.n_bytes] = 0
    for name, value in copy.deepcopy(wanted.tables).items():
        setattr(xen, name, value)
    host.places = dict(wanted.places)
    for (base, n_bytes), pages in wanted.pages.items():
        host.mem.u8[base : base + n_bytes] = np.frombuffer(b"".join(pages), np.uint8)
    host.harts[:] = wanted.hart
    host.mem.pages[:] = wanted.flags & ~np.uint8(PAGE_CODE)
    xen.machines = {}
    for number, (machine, arrays, texts) in wanted.machines.items():
        xen.machines[number] = machine
        for array, then in zip(_arrays(machine), arrays, strict=True):
            array[:] = then
        if texts:
            machine._console[:], machine._typed[:] = texts[0], texts[1]
            machine._history = texts[2].up_to(machine.steps)
            forget_all_code(machine._host)
            host.mem.pages[:] &= ~np.uint8(PAGE_CODE)


def forget_code_of(machine) -> None:
    """Drop all instructions that have been decoded for a domain."""
    if hasattr(machine, "_vms"):
        forget_all_code(machine._host)


def digest(xen, domain) -> str:
    """SHA-256 of a domain's RAM."""
    ram = xen.host.mem.u8[domain.base : domain.base + domain.ram_bytes]
    return hashlib.sha256(ram.tobytes()).hexdigest()


def place_bytes(ram_bytes: int) -> int:
    """How large a place for a domain with so much RAM is."""
    return -(-ram_bytes // ROW_SPAN) * ROW_SPAN + POOL_BYTES


def symbols_of(image) -> dict[str, int]:
    """The symbols of an image: a path, bytes, or an assembled program."""
    return image.symbols if hasattr(image, "symbols") else read_image(image).symbols
