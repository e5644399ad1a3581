"""RAM as the slow path and the devices see it, and the copies that a write spoils.

A write to RAM has three consequences here: the page is marked written for the next snapshot,
decoded copies of the instructions it overwrites are dropped, and a write to `tohost` is an appeal
to the host. The first is also done by every translation that allows stores; the others are why some
pages are kept from the fast path (see tlb.py).

# Model: a store to code is seen by the very next fetch, so FENCE.I has nothing to do; hardware may
execute the old instructions until then.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.machine.state import (
    CODE_PATIENCE,
    PAGE_CODE,
    PAGE_DIRTY,
    PAGE_GUARDED,
    PAGE_WATCHES,
    RAM_BASE,
    ROW,
    ROW_ENTRIES,
    ROW_OWNER,
    ROW_PATIENCE,
)

i64 = np.int64


@njit(inner=True)
def in_ram(hart, pa, n_bytes):
    """True if [pa, pa + n_bytes) lies in RAM; n_bytes >= 0."""
    offset = pa - RAM_BASE
    return offset >= 0 and n_bytes <= hart.ram_bytes and offset <= hart.ram_bytes - n_bytes


@njit(inner=True)
def ram_load(mem, offset, n_bytes):
    """The zero-extended value of 1, 2, 4 or 8 bytes at an aligned offset."""
    if n_bytes == 8:
        return i64(mem.u64[offset >> 3])
    if n_bytes == 4:
        return i64(mem.u32[offset >> 2])
    if n_bytes == 2:
        return i64(mem.u16[offset >> 1])
    return i64(mem.u8[offset])


@njit(inner=True)
def ram_load_unaligned(mem, offset, n_bytes):
    """The zero-extended value of 1 to 8 bytes at any offset."""
    value = i64(0)
    for k in range(n_bytes):
        value |= i64(mem.u8[offset + k]) << (8 * k)
    return value


@njit(inner=True)
def ram_store(hart, mem, offset, n_bytes, value):
    """Write 1, 2, 4 or 8 bytes at an aligned offset."""
    if n_bytes == 8:
        mem.u64[offset >> 3] = value
    elif n_bytes == 4:
        mem.u32[offset >> 2] = np.uint32(value & 0xFFFF_FFFF)
    elif n_bytes == 2:
        mem.u16[offset >> 1] = np.uint16(value & 0xFFFF)
    else:
        mem.u8[offset] = np.uint8(value & 0xFF)
    page = offset >> 12
    mem.pages[page] |= PAGE_DIRTY
    if mem.pages[page] & PAGE_CODE:
        forget_code(mem, offset, n_bytes)


@njit(inner=True)
def row_of(mem, page):
    """Index in mem.code of the row that `page` uses, whoever owns it now."""
    n_rows = len(mem.code) // ROW - 1
    return (page & (n_rows - 1)) * ROW


@njit(inner=True)
def drop_row(mem, page):
    """Forget all decoded instructions of a page that has PAGE_CODE.

    Whose row it is need not be asked: a page whose row is taken loses PAGE_CODE. So `mem` may be a
    part of RAM that begins at a multiple of the number of rows, as a virtual machine's is.
    """
    mem.code[row_of(mem, page) + ROW_OWNER] = 0
    mem.pages[page] &= ~PAGE_CODE & 0xFF


@njit(inner=True)
def claim_row(mem, page):
    """Give `page` its row, empty; the page that used it loses its instructions."""
    row = row_of(mem, page)
    before = mem.code[row + ROW_OWNER] - 1
    if before >= 0:
        mem.pages[before] &= ~PAGE_CODE & 0xFF
    for k in range(ROW_ENTRIES):
        mem.code[row + k] = 0
    mem.code[row + ROW_OWNER] = page + 1
    mem.code[row + ROW_PATIENCE] = CODE_PATIENCE
    mem.pages[page] |= PAGE_CODE


@njit(inner=True)
def forget_code(mem, offset, n_bytes):
    """Drop the decoded copies that a store of 1 to 8 bytes in one page has made stale.

    A page that takes many stores has stopped being code and loses its row, so that its stores may
    take the fast path again.
    """
    page = offset >> 12
    row = row_of(mem, page)
    mem.code[row + ROW_PATIENCE] -= 1
    if mem.code[row + ROW_OWNER] != page + 1 or mem.code[row + ROW_PATIENCE] <= 0:
        drop_row(mem, page)
        return
    first = max((offset & 0xFFF) // 2 - 1, 0)  # an instruction may begin a halfword earlier
    last = ((offset & 0xFFF) + n_bytes - 1) // 2
    for k in range(first, last + 1):
        mem.code[row + k] = 0


@njit(inner=True)
def is_guarded(mem, offset):
    """True if stores to this page must take the slow path."""
    return mem.pages[offset >> 12] & PAGE_GUARDED != 0


@njit(inner=True)
def dma_written(hart, mem, offset, n_bytes):
    """Account for a device's write of any length to RAM."""
    if n_bytes <= 0:
        return
    for page in range(offset >> 12, ((offset + n_bytes - 1) >> 12) + 1):
        mem.pages[page] |= PAGE_DIRTY
        if mem.pages[page] & PAGE_CODE:
            drop_row(mem, page)
        hart.watched_dma |= i64(mem.pages[page] & PAGE_WATCHES)


@njit
def forget_all_code(mem):
    """Drop every row; after RAM was changed from outside."""
    for row in range(0, len(mem.code) - ROW, ROW):
        owner = mem.code[row + ROW_OWNER]
        if owner > 0:
            mem.pages[owner - 1] &= ~PAGE_CODE & 0xFF
            mem.code[row + ROW_OWNER] = 0
