"""Which host page is a guest's page? The G-stage table, walked by the hart below the guest's own.

    gpa --(hgatp, Sv39x4)--> hpa, see virtlab/machine/mmu.py for its shape

The table begins empty. A page of the guest's RAM enters it when it is first used, which is a
guest-page fault. Nothing else enters it unless somebody gives the guest a device of the host's own
(`map_device`), so a guest reaches its own RAM and no more. It may map what it likes to what it
likes: no change of its tables is of any interest here.

Source: Privileged ISA 20240411, "Guest Physical Address Translation".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors.shadow import FREE, NEXT, NO_TABLE, new_page
from virtlab.isa import encoding as e
from virtlab.machine.ram import in_ram, ram_store
from virtlab.machine.state import DOUBLE, NO, PAGE_TOHOST, RAM_BASE, Memory
from virtlab.machine.tlb import (
    CONTEXT_ASID_SHIFT,
    CONTEXT_VIRT,
    CONTEXT_VMID_SHIFT,
    flush_contexts,
)

i64 = np.int64
# Words of the state array that these functions use; see hardware_assisted.py.
LARGE_PAGES, ROOT = 2, 4  # flag; offset of the root in host RAM, 0: none
LEAF = e.PTE_V | e.PTE_R | e.PTE_W | e.PTE_X | e.PTE_U  # A and D are the hart's to set
REGISTERS = LEAF & ~e.PTE_X  # of a device
MEGAPAGE = 2 << 20


@njit(inner=True)
def gstage(vm, hart, mem, state):
    """The guest's hgatp: MODE, VMID, and the root of 2048 entries; made if there is none."""
    if state[ROOT] == 0:
        state[ROOT] = new_page(vm, mem, state)  # the pool begins at a multiple of 16 KiB
        for _ in range(3):
            new_page(vm, mem, state)
    page = (RAM_BASE + state[ROOT]) >> e.PAGE_SHIFT
    return i64(e.ATP_SV39) << e.ATP_MODE_SHIFT | vm.vmid << e.ASID_SHIFT | page


@njit(inner=True)
def fill_gstage(vm, hart, mem, guest, state, gpa):
    """Enter the page of `gpa` into the G-stage table, or the 2 MiB around it.

    Parameters
    ----------
    gpa : int64, byte address in the guest's RAM
    """
    vm.gstage_fills += 1
    last = i64(0)
    offset = gpa - RAM_BASE
    first = offset & -MEGAPAGE
    if state[LARGE_PAGES] and first + MEGAPAGE <= vm.ram_bytes:
        last = i64(1)
        for frame in range(first >> e.PAGE_SHIFT, (first + MEGAPAGE) >> e.PAGE_SHIFT):
            if guest.pages[frame] & PAGE_TOHOST:
                last = i64(0)
    bits = i64(LEAF)
    if guest.pages[offset >> e.PAGE_SHIFT] & PAGE_TOHOST:
        bits &= ~e.PTE_W
    span = e.PAGE_SHIFT + 9 * last
    enter_page(
        vm, hart, mem, state, gpa, last, RAM_BASE + vm.host_base + (offset >> span << span), bits
    )


@njit(inner=True)
def enter_page(vm, hart, mem, state, gpa, last, hpa, bits):
    """Write the entry of `gpa`, with the tables above it where there are none.

    Parameters
    ----------
    last : int64, the level of the entry: 0 for a page, 1 for 2 MiB
    hpa : int64, byte address that the page begins at
    bits : int64, its PTE bits
    """
    at = state[ROOT] + (gpa >> 30) * 8
    for level in range(2, last, -1):
        pte = mem.u64[at >> 3]
        if pte == 0:
            below = new_page(vm, mem, state)
            if below == NO_TABLE:  # begin again with an empty table
                state[ROOT], state[NEXT], state[FREE] = 0, 0, 0
                fence_hart(vm, hart, i64(0), NO, i64(0), NO)
                return
            pte = ((RAM_BASE + below) >> e.PAGE_SHIFT) << e.PTE_PPN_SHIFT | e.PTE_V
            ram_store(hart, mem, at, DOUBLE, pte)
        table = ((pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT) - RAM_BASE
        if not in_ram(hart, RAM_BASE + table, i64(e.PAGE_BYTES)):  # a device has written over it
            state[ROOT], state[NEXT], state[FREE] = 0, 0, 0
            return
        at = table + (gpa >> (e.PAGE_SHIFT + 9 * (level - 1)) & 0x1FF) * 8
    ram_store(hart, mem, at, DOUBLE, (hpa >> e.PAGE_SHIFT) << e.PTE_PPN_SHIFT | bits)


@njit
def map_device(
    harts, vms, state, ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, gpa, hpa
):  # fmt: skip
    """Enter a page of a device's registers: from now on the guest reaches them without an exit.

    Parameters
    ----------
    harts, vms, state, and the host's arrays : as of hardware_assisted.resume
    gpa, hpa : int64, byte addresses of the page, in the guest's eyes and on the host's bus
    """
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    gstage(vms[0], harts[0], mem, state)
    enter_page(vms[0], harts[0], mem, state, gpa, i64(0), hpa, i64(REGISTERS))


@njit(inner=True)
def fence_hart(vm, hart, gva, one_page, asid, one_asid):
    """What HFENCE.VVMA does for this guest: forget a page or all, of one ASID or all."""
    wanted = i64(CONTEXT_VIRT) | vm.vmid << CONTEXT_VMID_SHIFT
    mask = i64(CONTEXT_VIRT) | i64(e.VMID_MASK) << CONTEXT_VMID_SHIFT
    if one_asid:
        wanted |= asid << CONTEXT_ASID_SHIFT
        mask |= i64(e.ASID_MASK) << CONTEXT_ASID_SHIFT
    flush_contexts(hart, wanted, mask, gva, one_page)
