"""A host for the tests: other memory all around a virtual machine, and an inspector of its tables.

`Board` gives a machine a place in the middle of the host's memory. Everything outside that place
holds a pattern, which stands for the host's own data and for other guests'. `mapped_outside` walks
the tables that the physical hart is about to walk, as the hart would, and says what in them leads
where no guest may go.
"""

from dataclasses import dataclass

import numpy as np

from virtlab.hypervisors import BinaryTranslation, code_pages
from virtlab.hypervisors.virtual_machine import ROW_SPAN, reset_host_hart
from virtlab.isa import encoding as e
from virtlab.machine import boot
from virtlab.machine.machine import CODE_ROWS
from virtlab.machine.state import PAGE_WATCHES, RAM_BASE, Memory, new_memory

PAGE = 4096


@dataclass
class Place:
    """Where a virtual machine stands on its host."""

    base: int
    number: int
    asid: int
    mem: Memory
    harts: np.ndarray


class Board:
    """A host with one virtual machine in its middle, in memory filled with `pattern` bytes."""

    def __init__(self, pattern: int):
        self.pattern = pattern

    def place(self, vm, n_bytes: int) -> Place:
        """Called by a virtual machine at power-on."""
        n_bytes = -(-n_bytes // ROW_SPAN) * ROW_SPAN
        total = n_bytes + 2 * ROW_SPAN
        self.mem = new_memory(total, CODE_ROWS, np.zeros(0, np.uint8))
        self.harts = boot.new_hart()
        reset_host_hart(self.harts[0], total)
        self.inside = slice(ROW_SPAN, ROW_SPAN + n_bytes)
        self.mem.u8[: self.inside.start] = self.pattern
        self.mem.u8[self.inside.stop :] = self.pattern
        return Place(ROW_SPAN, 3, 100, self.mem, self.harts)

    def intact(self) -> bool:
        """Whether not a byte outside the machine's place has been written."""
        u8, inside = self.mem.u8, self.inside
        outside = (u8[: inside.start], u8[inside.stop :])
        return all((each == self.pattern).all() for each in outside)


def entries(mem: Memory, table: int, n: int = 512) -> np.ndarray:
    """The entries of the table at host physical address `table`."""
    at = (table - RAM_BASE) >> 3
    return mem.u64[at : at + n].view(np.uint64)


def leaves(mem: Memory, root: int, levels: int = 3, root_entries: int = 512):
    """(level, entry) of every leaf of a table, and the addresses of all its pages."""
    found, pages = [], []
    waiting = [(root, levels - 1, root_entries)]
    while waiting:
        table, level, n = waiting.pop()
        if not RAM_BASE <= table <= RAM_BASE + len(mem.u8) - 8 * n:
            continue  # the walk ends in an access fault
        pages += range(table, table + 8 * n, PAGE)
        here = entries(mem, table, n)
        for pte in here[here & np.uint64(e.PTE_V) != 0].tolist():
            if pte & (e.PTE_R | e.PTE_W | e.PTE_X):
                found.append((level, pte))
            elif level:
                waiting.append(((pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) * PAGE, level - 1, 512))
    return found, pages


def walked_by(hart) -> list[tuple[int, int]]:
    """(root, entries of the root) of the tables that decide where the guest's accesses go."""
    roots = []
    if hart.virt:
        if int(hart.hgatp) >> 60 & 15:
            return [((int(hart.hgatp) & e.ATP_PPN) * PAGE & ~0x3FFF, 2048)]
        atp = int(hart.vsatp)
    else:
        atp = int(hart.satp)
    if atp >> 60 & 15:
        roots.append(((atp & e.ATP_PPN) * PAGE, 512))
    return roots


def lent_to(vm) -> dict[int, int]:
    """The hypervisor's own pages that the guest's kernel, translated, may reach, and its rights."""
    if not isinstance(vm, BinaryTranslation) or vm._hart.mode == e.USER:
        return {}
    own = int(vm._vms[0].pool) - code_pages.OWN_BYTES
    parts = (
        (0, code_pages.ORIGINS_AT, e.PTE_X),
        (code_pages.TABLES_AT, code_pages.MONITOR_AT, e.PTE_R),
        (code_pages.MONITOR_AT, code_pages.PAGES_AT, e.PTE_R | e.PTE_W),
    )
    return {own + at: rights for a, b, rights in parts for at in range(a, b, PAGE)}


def mapped_outside(vm) -> list[str]:
    """What the physical hart, about to be entered, could let the guest do that no guest may."""
    hart, place, host = vm._physical[0], vm._vms[0], vm._host
    if int(hart.mode) == e.MACHINE or (not hart.virt and int(hart.mode) != e.USER):
        return [f"the guest is entered in mode {int(hart.mode)} with V={int(hart.virt)}"]
    roots = walked_by(hart)
    if not roots:
        return ["the guest is entered without translation"]
    base, n_bytes = int(place.host_base), int(place.ram_bytes)
    wrong, own, kept = [], [], []
    for root, n in roots:
        found, pages = leaves(host, root, 3, n)
        kept += pages
        own += found
    tables, lent = {page - RAM_BASE for page in kept}, lent_to(vm)
    for level, pte in own:
        at = (pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) * PAGE - RAM_BASE
        size = PAGE << 9 * level
        if at in lent and pte & (e.PTE_R | e.PTE_W | e.PTE_X) == lent[at]:
            continue
        if not base <= at <= at + size <= base + n_bytes:
            pool = int(place.pool) <= at and at + size <= int(place.pool_end)
            if not pool or pte & e.PTE_W:
                wrong.append(f"entry {pte:#x} leads to {at:#x}, the VM has {base:#x} on")
        elif pte & e.PTE_W:
            inside = range(at, at + size, PAGE)
            if any(page in tables for page in inside):
                wrong.append(f"entry {pte:#x} allows writing to a page table in use")
            if any(host.pages[page >> 12] & PAGE_WATCHES for page in inside):
                wrong.append(f"entry {pte:#x} allows writing to a page that is watched")
    return wrong


def inspect(vm, every: int = 1):
    """Have the tables looked at before the guest is entered; a finding ends the run."""
    real, entered = vm._resume, 0

    def resume(*arguments):
        nonlocal entered
        budget = real(*arguments)
        entered += 1
        if budget > 0 and not vm._vms["interpret"][0] and entered % every == 0:
            wrong = mapped_outside(vm)
            assert not wrong, f"step {vm.steps:,}, {vm.exits[-1:]}: {wrong[:3]}"
        return budget

    vm._resume = resume
    return vm
