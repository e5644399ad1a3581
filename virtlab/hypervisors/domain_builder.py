"""What does a paravirtual guest find when it starts? Somebody has to make its first page tables.

A kernel on bare metal starts without translation and makes its tables itself. A paravirtual one can
never run without translation, so the tables are there before it: all of its memory at the addresses
that it counts with, the shared page filled in, and every page's kind and count noted.

    gpa 0x8000_0000    the shared page
        0x8000_1000    the root, pinned and in use
        0x8000_2000    the table of level 1 for its gigabyte
        0x8000_3000    tables of level 0, one for each 2 MiB of RAM

Xen calls this part the domain builder; there it is a program of the first guest, dom0.

Source: Xen, xen/include/public/xen.h, "Start-of-day memory layout", for what a guest is given; the
layout here is this book's own.
"""

import numpy as np

from virtlab.hypervisors import paravirt_abi as abi
from virtlab.hypervisors.direct_paging import (
    KERNEL_ROOT,
    N_ENTRIES,
    ONE,
    PAGES,
    PROGRAM_ROOT,
)
from virtlab.isa import encoding as e
from virtlab.machine.firmware.device_tree import TIMEBASE_HZ
from virtlab.machine.loader import Image, ImageError
from virtlab.machine.state import PAGE_DIRTY, RAM_BASE, Memory

MOST_RAM = 1016 << 20  # so that the tables fit below the image
SECTOR_BYTES = 512


def refuse_unported(image: Image) -> None:
    """Raise an ImageError if the image is no paravirtual guest."""
    if abi.SYMBOL not in image.symbols:
        raise ImageError(
            f"{image.name}: has not been ported to this hypervisor, its kernel has no symbol "
            f"{abi.SYMBOL}; accepted are paravirtual guests such as pith_pv."
        )
    lowest = min(segment.pa for segment in image.segments)
    if lowest < abi.IMAGE_BASE:
        raise ImageError(
            f"{image.name}: begins at {lowest:#x}; accepted for a paravirtual guest are addresses "
            f"from {abi.IMAGE_BASE:#x} on."
        )


def build_domain(vcpu, guest: Memory, state: np.ndarray, host_base: int, image, append) -> None:
    """Make the first tables and the shared page, and tell the vcpu where they are.

    Parameters
    ----------
    vcpu : record of dtype HART, as after a start behind SBI
    guest : the guest's memory, with the image in place
    state : the words of direct_paging.py, zeroed
    host_base : int, machine address minus guest physical address
    image : Image or None
    append : str, the guest's command line
    """
    n_pages = len(guest.pages)
    n_tables = -(-n_pages // N_ENTRIES)
    first_ppn = RAM_BASE + host_base >> e.PAGE_SHIFT
    root, middle, tables = 1, 2, np.arange(3, 3 + n_tables)

    leaves = first_ppn + np.arange(n_pages) << e.PTE_PPN_SHIFT
    leaves |= e.PTE_V | e.PTE_R | e.PTE_W | e.PTE_U | e.PTE_A | e.PTE_D
    for segment in image.segments if image else ():
        first = segment.pa - RAM_BASE >> e.PAGE_SHIFT
        leaves[first : segment.pa - RAM_BASE + segment.n_bytes + 4095 >> e.PAGE_SHIFT] |= e.PTE_X
    leaves[root : 3 + n_tables] &= ~e.PTE_W
    pages = guest.u64.reshape(n_pages, N_ENTRIES)
    pages[tables] = np.resize(leaves, (n_tables, N_ENTRIES))
    pages[tables[-1], n_pages - N_ENTRIES * n_tables + N_ENTRIES :] = 0
    pages[middle, :n_tables] = (first_ppn + tables << e.PTE_PPN_SHIFT) | e.PTE_V
    pages[root, RAM_BASE >> 30] = (first_ppn + middle << e.PTE_PPN_SHIFT) | e.PTE_V

    words = state[PAGES:]
    words[:] = ONE * (leaves & e.PTE_W != 0)
    words[0] += ONE  # the shared page never becomes a table: the hypervisor writes to it
    words[tables], words[middle], words[root] = 1 + ONE, 2 + ONE, 3 + ONE
    state[KERNEL_ROOT], state[PROGRAM_ROOT] = root, -1

    for where, value in (
        (abi.SHARED_VERSION, abi.ABI_VERSION),
        (abi.SHARED_MACHINE_OFFSET, host_base),
        (abi.SHARED_RAM_END, RAM_BASE + len(guest.u8)),
        (abi.SHARED_TICKS_PER_SECOND, TIMEBASE_HZ),
        (abi.SHARED_KERNEL_ROOT, abi.FIRST_TABLE + host_base),
        (abi.SHARED_DISK_SECTORS, len(guest.disk) // SECTOR_BYTES),
        (abi.SHARED_DISK_VERSION, abi.DISK_VERSION),
        (abi.SHARED_EVENTS_OFF, 1),
    ):
        guest.u64[where >> 3] = value
    text = np.frombuffer(append.encode(), np.uint8)
    if (
        len(text) < abi.COMMAND_SIZE
    ):  # of a longer one the kernel takes no part on bare metal either
        guest.u8[abi.SHARED_COMMAND : abi.SHARED_COMMAND + len(text)] = text
    guest.pages[: 3 + n_tables] |= PAGE_DIRTY
    vcpu.x[11] = abi.SHARED_PAGE
    vcpu.satp = np.uint64(e.ATP_SV39 << e.ATP_MODE_SHIFT | first_ppn + root).view(np.int64)
