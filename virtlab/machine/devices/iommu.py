"""Which memory may a device reach? The IOMMU: a table for devices, of the shape the hart's has.

A device reads and writes memory by itself, and the hart's tables do not bind it. Between the two
stands the IOMMU: it takes the address that the device was given and walks a table of the G-stage's
format (Sv39x4, see virtlab/machine/mmu.py), whose root somebody has written into `iohgatp`.

    iohgatp = 0    the address is a physical one; whatever RAM is there is reached
    else           a page that the table does not map, or not for a write, is refused and noted

What is refused does not happen: the device sees an error in place of the memory.

# Model: one table for the whole board, since it has one device with DMA. Each piece of a request
must lie in one stretch of physical memory. Entries are not cached, so nothing has to be flushed.

Source: RISC-V IOMMU Architecture Specification 1.0.0, "Process to translate an IOVA", and
"Device-Context" for the field iohgatp; Privileged ISA 20240411, "Guest Physical Address
Translation".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import encoding as e
from virtlab.machine.ram import in_ram, ram_load
from virtlab.machine.state import DOUBLE, RAM_BASE

i64 = np.int64
IOVA_BITS = 41  # of an address that Sv39x4 translates
ROOT_ENTRIES = 2048


@njit(inner=True)
def device_offset(hart, mem, address, n_bytes, writing):
    """Where in RAM a device's access goes.

    Parameters
    ----------
    address : int64, byte address as the device was given it
    n_bytes : int64, 0 or more
    writing : int64 flag

    Returns
    -------
    offset : int64, in RAM; -1 if any byte is refused or is no RAM. A refusal by the IOMMU is
        counted in hart.iommu_faults, its address put into hart.iommu_fault
    """
    if hart.iohgatp == 0:
        if in_ram(hart, address, n_bytes):
            return address - RAM_BASE
        return i64(-1)
    page = address & e.PAGE_MASK
    first = _page_offset(hart, mem, page, writing)
    offset = first
    at = page
    while offset >= 0 and offset - first == at - page:
        at += e.PAGE_BYTES
        if at - address >= n_bytes:
            return first + (address - page)
        offset = _page_offset(hart, mem, at, writing)
    hart.iommu_faults += 1
    hart.iommu_fault = at
    return i64(-1)


@njit(inner=True)
def _page_offset(hart, mem, iova, writing):
    """Offset in RAM of the page at `iova`, or -1."""
    if iova < 0 or iova >> IOVA_BITS:
        return i64(-1)
    table = (hart.iohgatp & e.ATP_PPN) << e.PAGE_SHIFT
    wanted = i64(e.PTE_V | e.PTE_U | e.PTE_R)
    if writing:
        wanted |= e.PTE_W
    for level in range(2, -1, -1):
        shift = e.PAGE_SHIFT + 9 * level
        index = iova >> shift & 0x1FF
        if level == 2:
            index = iova >> shift & (ROOT_ENTRIES - 1)
        if not in_ram(hart, table + 8 * index, i64(8)):
            return i64(-1)
        pte = ram_load(mem, table + 8 * index - RAM_BASE, DOUBLE)
        below = (pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT
        if pte & (e.PTE_R | e.PTE_W | e.PTE_X):
            if pte & wanted != wanted:
                return i64(-1)
            inside = (i64(1) << shift) - 1
            pa = below & ~inside | iova & inside
            if in_ram(hart, pa, i64(e.PAGE_BYTES)):
                return pa - RAM_BASE
            return i64(-1)
        if not pte & e.PTE_V:
            return i64(-1)
        table = below
    return i64(-1)
