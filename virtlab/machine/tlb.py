"""The TLB: which translations the hart remembers, for whom, and when it forgets them.

Two direct-mapped TLBs of 256 entries, one for fetches and one for data. An entry covers 4 KiB, also
where the page table maps a superpage. Entries carry an address-space context, so that a change of
privilege mode, ASID or VMID needs no flush:

    tag   =  virtual page (bits 63..12)  +  key (context number, bits 11..3)
    hit  <=>  tag == (va & (PAGE_MASK | size - 1)) + key

The low bits of a misaligned address make the sum differ from every tag, so one comparison checks
page, permission, address space and alignment at once. A context stands for all that decides a
translation apart from the tables themselves: mode, V, SUM, MXR, ASID, VMID and the MODE fields.

A store to a page whose instructions have been decoded must drop the decoded copies. Such a page's
tag waits in `dtlb_guarded` instead of `dtlb_write`: still a hit, but taken on the slow path.

# Model: global mappings (PTE.G) are remembered per ASID, which forgets more than hardware would.

Source: Privileged ISA 20240411, "Supervisor Memory-Management Fence Instruction" and "Hypervisor
Memory-Management Fence Instructions": what a fence must order. Forgetting more is always allowed.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa.encoding import (
    ASID_MASK,
    ASID_SHIFT,
    ATP_MODE_SHIFT,
    FETCH,
    LOAD,
    MACHINE,
    MSTATUS_MPP_SHIFT,
    MSTATUS_MPRV,
    MSTATUS_MXR,
    MSTATUS_SUM,
    PAGE_MASK,
    PAGE_SHIFT,
    SUPERVISOR,
    VMID_MASK,
)
from virtlab.machine.state import N_CONTEXTS, N_TLB, PAGE_DIRTY, PAGE_GUARDED

i64 = np.int64
EMPTY = -1
KEY_SHIFT = 3
# The last two context numbers are never given out. One stands for accesses that are not remembered;
# the other is not used at all, because its key and a misaligned address can add up to EMPTY.
GIVEN_CONTEXTS = N_CONTEXTS - 2
NO_KEY = GIVEN_CONTEXTS << KEY_SHIFT

# A context's descriptor; 0 is no context, so that a zeroed record has none.
CONTEXT_USED = 1 << 0
CONTEXT_MODE_SHIFT = 1  # two bits
CONTEXT_VIRT = 1 << 3
CONTEXT_SUM = 1 << 4
CONTEXT_MXR = 1 << 5
CONTEXT_VS_MXR = 1 << 6
CONTEXT_PAGED = 1 << 7  # satp or vsatp translates
CONTEXT_NESTED = 1 << 8  # hgatp translates
CONTEXT_ASID_SHIFT = 16
CONTEXT_VMID_SHIFT = 32


@njit(inner=True)
def describe_context(hart, mode, virt, access):
    """The descriptor of the context in which `mode` (with V = `virt`) makes this kind of access."""
    if mode == MACHINE:
        return i64(CONTEXT_USED | (MACHINE << CONTEXT_MODE_SHIFT))
    context = i64(CONTEXT_USED) | (mode << CONTEXT_MODE_SHIFT)
    atp = hart.satp
    status = hart.mstatus
    if virt:
        atp = hart.vsatp
        status = hart.vsstatus
        context |= CONTEXT_VIRT | ((hart.hgatp >> ASID_SHIFT) & VMID_MASK) << CONTEXT_VMID_SHIFT
        if hart.hgatp >> ATP_MODE_SHIFT:
            context |= CONTEXT_NESTED
        if access != FETCH and status & MSTATUS_MXR:
            context |= CONTEXT_VS_MXR
    if atp >> ATP_MODE_SHIFT:
        context |= CONTEXT_PAGED | ((atp >> ASID_SHIFT) & ASID_MASK) << CONTEXT_ASID_SHIFT
    if access != FETCH:
        if mode == SUPERVISOR and status & MSTATUS_SUM:
            context |= CONTEXT_SUM
        if hart.mstatus & MSTATUS_MXR:
            context |= CONTEXT_MXR
    return context


@njit(inner=True)
def context_key(hart, context):
    """The key of a context. A context that hashes to the same number loses its entries."""
    mixed = context ^ (context >> 16) * 31 ^ (context >> 32) * 37
    number = (mixed ^ (mixed >> 9)) % GIVEN_CONTEXTS
    key = number << KEY_SHIFT
    if hart.context[number] != context:
        if hart.context[number] != 0:
            forget_key(hart, key)
        hart.context[number] = context
    return key


@njit(inner=True)
def forget_key(hart, key):
    """Drop every entry whose tag carries `key`."""
    mask = i64((N_CONTEXTS - 1) << KEY_SHIFT)
    for k in range(N_TLB):
        if hart.itlb_tag[k] & mask == key:
            hart.itlb_tag[k] = EMPTY
        if hart.dtlb_read[k] & mask == key:
            hart.dtlb_read[k] = EMPTY
        if hart.dtlb_write[k] & mask == key:
            hart.dtlb_write[k] = EMPTY
        if hart.dtlb_guarded[k] & mask == key:
            hart.dtlb_guarded[k] = EMPTY


@njit(inner=True)
def choose_contexts(hart):
    """Set the keys that fetches and data accesses use from here on; after any change of regime.

    While mstatus.MPRV redirects the data accesses of M-mode they are looked up afresh each time.
    """
    hart.fetch_key = context_key(hart, describe_context(hart, hart.mode, hart.virt, i64(FETCH)))
    modify = hart.mode == MACHINE and hart.mstatus & MSTATUS_MPRV
    if modify and (hart.mstatus >> MSTATUS_MPP_SHIFT) & 3 != MACHINE:
        hart.data_key = i64(NO_KEY)
    else:
        hart.data_key = context_key(hart, describe_context(hart, hart.mode, hart.virt, i64(LOAD)))


@njit(inner=True)
def flush_all(hart):
    """Forget everything."""
    for k in range(N_TLB):
        hart.itlb_tag[k] = EMPTY
        hart.dtlb_read[k] = EMPTY
        hart.dtlb_write[k] = EMPTY
        hart.dtlb_guarded[k] = EMPTY


@njit(inner=True)
def _tag_matches(hart, tag, wanted, mask):
    number = (tag >> KEY_SHIFT) & (N_CONTEXTS - 1)
    return tag != EMPTY and hart.context[number] & mask == wanted


@njit(inner=True)
def flush_contexts(hart, wanted, mask, va, one_page):
    """Forget the entries whose context, under `mask`, equals `wanted`.

    With `one_page`, only those that may stem from the page-table leaf that maps `va`: the entry of
    its 4 KiB page, and all entries cut from superpages.
    """
    index = (va >> PAGE_SHIFT) & (N_TLB - 1)
    for k in range(N_TLB):
        if not one_page or k == index or hart.itlb_level[k] > 0:
            if _tag_matches(hart, hart.itlb_tag[k], wanted, mask):
                hart.itlb_tag[k] = EMPTY
        if not one_page or k == index or hart.dtlb_level[k] > 0:
            if _tag_matches(hart, hart.dtlb_read[k], wanted, mask):
                hart.dtlb_read[k] = EMPTY
            if _tag_matches(hart, hart.dtlb_write[k], wanted, mask):
                hart.dtlb_write[k] = EMPTY
            if _tag_matches(hart, hart.dtlb_guarded[k], wanted, mask):
                hart.dtlb_guarded[k] = EMPTY


@njit(inner=True)
def remember_fetch(hart, va, offset, level):
    """Enter the page of `va`, found at `offset` in RAM, into the fetch TLB."""
    k = (va >> PAGE_SHIFT) & (N_TLB - 1)
    hart.itlb_tag[k] = (va & PAGE_MASK) + hart.fetch_key
    hart.itlb_add[k] = offset - va
    hart.itlb_level[k] = level


@njit(inner=True)
def remember_data(hart, mem, va, offset, level, writable):
    """Enter the page of `va`, found at `offset` in RAM, into the data TLB, for reads or writes."""
    k = (va >> PAGE_SHIFT) & (N_TLB - 1)
    tag = (va & PAGE_MASK) + hart.data_key
    # An entry that leads elsewhere loses its rights; so does one of another level, because fences
    # of one address tell by the level whether an entry was cut from a superpage.
    if hart.dtlb_add[k] != offset - va or hart.dtlb_level[k] != level:
        hart.dtlb_read[k] = EMPTY
        hart.dtlb_write[k] = EMPTY
        hart.dtlb_guarded[k] = EMPTY
        hart.dtlb_add[k] = offset - va
    hart.dtlb_level[k] = level
    if not writable:
        hart.dtlb_read[k] = tag
    elif mem.pages[offset >> PAGE_SHIFT] & PAGE_GUARDED:
        hart.dtlb_guarded[k] = tag
        hart.dtlb_write[k] = EMPTY
    else:
        hart.dtlb_write[k] = tag
        hart.dtlb_guarded[k] = EMPTY


@njit(inner=True)
def guard_page(hart, frame):
    """Send the stores to a page of RAM down the slow path: its instructions are being decoded."""
    for k in range(N_TLB):
        tag = hart.dtlb_write[k]
        if tag != EMPTY and ((tag & PAGE_MASK) + hart.dtlb_add[k]) >> PAGE_SHIFT == frame:
            hart.dtlb_guarded[k] = tag
            hart.dtlb_write[k] = EMPTY


@njit
def unguard_all(hart):
    """Undo `guard_page` for every page: nothing is decoded any more."""
    for k in range(N_TLB):
        if hart.dtlb_guarded[k] != EMPTY:
            hart.dtlb_write[k] = hart.dtlb_guarded[k]
            hart.dtlb_guarded[k] = EMPTY


@njit
def mark_writable_dirty(hart, mem):
    """Count the pages that can be written without a further look-up as written.

    Called when a snapshot has been taken, so that the TLB need not be disturbed to see the next
    store to a page.
    """
    for k in range(N_TLB):
        for tag in (hart.dtlb_write[k], hart.dtlb_guarded[k]):
            if tag != EMPTY:
                mem.pages[((tag & PAGE_MASK) + hart.dtlb_add[k]) >> PAGE_SHIFT] |= PAGE_DIRTY
