"""Address translation: the Sv39 walk, the Sv39x4 walk, and the two nested into one another.

    va --(satp, Sv39)--> pa                                    V = 0
    gva --(vsatp, Sv39)--> gpa --(hgatp, Sv39x4)--> pa         V = 1; each page-table entry that the
                                                               first walk reads lies at a gpa too

A virtual address of Sv39 and a guest physical address of Sv39x4:

    63        39 38    30 29    21 20    12 11      0
    |  = bit 38 | vpn[2] | vpn[1] | vpn[0] | offset |
    63     41 40       30 29    21 20    12 11      0
    |   0    |  vpn[2]   | vpn[1] | vpn[0] | offset |

A fault is a value: `hart.fault` holds the cause + 1 and the caller stops; 0 means success.

Sources: Privileged ISA 20240411, "Virtual Address Translation Process" (its steps are numbered in
`walk_stage1`), "Two-Stage Address Translation", "Guest Physical Address Translation", and "Memory
Management fault" rows of the trap-value tables.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa.encoding import (
    ATP_MODE_SHIFT,
    ATP_PPN,
    CAUSE_FETCH_ACCESS,
    CAUSE_FETCH_GUEST_PAGE,
    CAUSE_FETCH_PAGE,
    CAUSE_LOAD_ACCESS,
    CAUSE_LOAD_GUEST_PAGE,
    CAUSE_LOAD_PAGE,
    CAUSE_STORE_ACCESS,
    CAUSE_STORE_GUEST_PAGE,
    CAUSE_STORE_PAGE,
    ENVCFG_ADUE,
    FETCH,
    LOAD,
    MACHINE,
    MSTATUS_MXR,
    MSTATUS_SUM,
    PAGE_MASK,
    PAGE_SHIFT,
    PTE_A,
    PTE_D,
    PTE_PPN,
    PTE_PPN_SHIFT,
    PTE_R,
    PTE_RESERVED,
    PTE_U,
    PTE_V,
    PTE_W,
    PTE_X,
    STORE,
    SUPERVISOR,
    USER,
)
from virtlab.machine.pmp import pmp_allows
from virtlab.machine.ram import ram_store
from virtlab.machine.state import DOUBLE, NO, RAM_BASE, YES

i64 = np.int64
LEVELS = 3
# htinst and mtinst of a guest-page fault that happened while a VS-stage entry was read or updated
# (table "Special pseudoinstruction values for guest-page faults", RV64).
PSEUDO_READ = 0x3000
PSEUDO_WRITE = 0x3020

# The cause of each kind of fault for LOAD, STORE, FETCH.
ACCESS_FAULTS = np.array([CAUSE_LOAD_ACCESS, CAUSE_STORE_ACCESS, CAUSE_FETCH_ACCESS])
PAGE_FAULTS = np.array([CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE, CAUSE_FETCH_PAGE])
GUEST_PAGE_FAULTS = np.array(
    [CAUSE_LOAD_GUEST_PAGE, CAUSE_STORE_GUEST_PAGE, CAUSE_FETCH_GUEST_PAGE]
)


@njit(inner=True)
def _fault(hart, cause, va, gpa, tinst):
    hart.fault = i64(cause) + 1
    hart.fault_va = va
    hart.fault_gpa = gpa
    hart.fault_tinst = tinst


@njit(inner=True)
def access_fault(hart, access, va):
    """Record an access fault at `va`."""
    _fault(hart, ACCESS_FAULTS[access], va, i64(0), i64(0))


@njit(inner=True)
def _page_fault(hart, access, va):
    _fault(hart, PAGE_FAULTS[access], va, i64(0), i64(0))


@njit(inner=True)
def _guest_page_fault(hart, access, va, gpa, tinst):
    _fault(hart, GUEST_PAGE_FAULTS[access], va, gpa, tinst)


@njit(inner=True)
def _entry_offset(hart, pa, access):
    """Where in RAM the page-table entry at `pa` lies, or -1: not RAM, or PMP forbids the access."""
    offset = pa - RAM_BASE
    if offset < 0 or offset >= hart.ram_bytes:
        return i64(-1)
    if not pmp_allows(hart, pa, DOUBLE, access, i64(SUPERVISOR)):
        return i64(-1)
    return offset


@njit(inner=True)
def leaf_allows(pte, access, user, may_touch_user, readable_if_executable):
    """Step 5 and 6: may a leaf entry be used for this access by this mode?"""
    if access == LOAD:
        if not pte & PTE_R and not (readable_if_executable and pte & PTE_X):
            return False
    elif access == STORE:
        if not pte & PTE_W:
            return False
    elif not pte & PTE_X:
        return False
    if user:
        return pte & PTE_U != 0
    return not pte & PTE_U or (access != FETCH and may_touch_user)


@njit(inner=True)
def walk_gstage(hart, mem, gva, gpa, access, as_access, tinst, execute_only):
    """Translate a guest physical address through hgatp.

    Parameters
    ----------
    gpa : int64, byte address
    access : LOAD, STORE or FETCH, the right that is needed
    as_access : the kind of access the guest was making, which decides the cause of a fault
    tinst : int64, what htinst or mtinst shall say of a fault
    execute_only : int64 flag, the access is HLVX's, which needs the execute right to read

    Returns
    -------
    pa : int64, 0 if hart.fault is set. hart.fault_gva is left alone.
    level : int64, of the leaf
    """
    if hart.hgatp >> ATP_MODE_SHIFT == 0:
        return gpa, i64(0)
    if gpa >> 41 != 0:
        _guest_page_fault(hart, as_access, gva, gpa, tinst)
        return i64(0), i64(0)
    adue = hart.menvcfg & ENVCFG_ADUE
    readable = i64(0)
    if tinst == 0:  # MXR is for the guest's own loads, not for reads of its page tables
        readable = hart.mstatus & MSTATUS_MXR
    table = ((hart.hgatp & ATP_PPN) << PAGE_SHIFT) & ~0x3FFF  # the root is 16 KiB, so aligned
    level = i64(LEVELS - 1)
    while level >= 0:
        index = (gpa >> (PAGE_SHIFT + 9 * level)) & 0x1FF
        if level == LEVELS - 1:
            index = gpa >> 30  # two bits wider than in Sv39
        offset = _entry_offset(hart, table + index * 8, i64(LOAD))
        hart.gstage_references += 1
        if offset < 0:
            access_fault(hart, as_access, gva)
            return i64(0), i64(0)
        pte = mem.u64[offset >> 3]
        if not pte & PTE_V or pte & (PTE_R | PTE_W) == PTE_W or pte & PTE_RESERVED:
            break
        ppn = (pte >> PTE_PPN_SHIFT) & PTE_PPN
        if not pte & (PTE_R | PTE_X):
            if pte & (PTE_D | PTE_A | PTE_U):
                break
            table = ppn << PAGE_SHIFT
            level -= 1
            continue
        if execute_only:
            if not pte & PTE_X or not pte & PTE_U:
                break
        elif not leaf_allows(pte, access, YES, NO, readable):
            break
        inside = (i64(1) << (9 * level)) - 1  # page numbers inside a superpage
        if ppn & inside:
            break
        used = i64(PTE_A)
        if access == STORE:
            used |= PTE_D
        if pte & used != used:
            if not adue:
                break
            if _entry_offset(hart, table + index * 8, i64(STORE)) < 0:
                access_fault(hart, as_access, gva)
                return i64(0), i64(0)
            ram_store(hart, mem, offset, DOUBLE, pte | used)
        page = (ppn & ~inside) | ((gpa >> PAGE_SHIFT) & inside)
        return page << PAGE_SHIFT | gpa & ~PAGE_MASK, level
    _guest_page_fault(hart, as_access, gva, gpa, tinst)
    return i64(0), i64(0)


@njit(inner=True)
def walk_stage1(hart, mem, va, access, mode, virt, execute_only):
    """Translate `va` through satp, or with `virt` through vsatp and each step through hgatp.

    The numbers are the steps of "Virtual Address Translation Process". Left out: the atomicity of
    step 9 (there is one hart), and the Svnapot and Svpbmt extensions.

    Returns
    -------
    pa : int64, the (guest) physical address, 0 if hart.fault is set
    level : int64, of the leaf
    """
    atp = hart.satp
    status = hart.mstatus
    adue = hart.menvcfg & ENVCFG_ADUE
    if virt:
        atp = hart.vsatp
        status = hart.vsstatus
        adue &= hart.henvcfg
    if va >> 38 != 0 and va >> 38 != -1:
        _page_fault(hart, access, va)
        return i64(0), i64(0)
    may_touch_user = status & MSTATUS_SUM
    readable = (status | hart.mstatus) & MSTATUS_MXR
    user = i64(mode == USER)
    table = (atp & ATP_PPN) << PAGE_SHIFT  # step 1
    level = i64(LEVELS - 1)
    hart.walks += 1
    while level >= 0:
        at = table + ((va >> (PAGE_SHIFT + 9 * level)) & 0x1FF) * 8  # step 2
        pa = at
        if virt:
            pa, _ = walk_gstage(hart, mem, va, at, i64(LOAD), access, i64(PSEUDO_READ), NO)
            if hart.fault:
                return i64(0), i64(0)
        offset = _entry_offset(hart, pa, i64(LOAD))
        hart.walk_references += 1
        if offset < 0:
            access_fault(hart, access, va)
            return i64(0), i64(0)
        pte = mem.u64[offset >> 3]
        hart.walk_table[level] = table
        if not pte & PTE_V or pte & (PTE_R | PTE_W) == PTE_W or pte & PTE_RESERVED:  # step 3
            break
        ppn = (pte >> PTE_PPN_SHIFT) & PTE_PPN
        if not pte & (PTE_R | PTE_X):  # step 4: a pointer to the next level
            if pte & (PTE_D | PTE_A | PTE_U):
                break
            table = ppn << PAGE_SHIFT
            level -= 1
            continue
        if execute_only:  # steps 5 and 6
            if not leaf_allows(pte, i64(FETCH), user, NO, NO):
                if not (may_touch_user and mode != USER and pte & PTE_U and pte & PTE_X):
                    break
        elif not leaf_allows(pte, access, user, may_touch_user, readable):
            break
        inside = (i64(1) << (9 * level)) - 1  # step 7: a superpage must be aligned
        if ppn & inside:
            break
        used = i64(PTE_A)  # steps 8 and 9
        if access == STORE:
            used |= PTE_D
        if pte & used != used:
            if not adue:
                break
            if virt:
                walk_gstage(hart, mem, va, at, i64(STORE), access, i64(PSEUDO_WRITE), NO)
                if hart.fault:
                    return i64(0), i64(0)
            if _entry_offset(hart, pa, i64(STORE)) < 0:
                access_fault(hart, access, va)
                return i64(0), i64(0)
            ram_store(hart, mem, offset, DOUBLE, pte | used)
        hart.walk_leaf = pte | used
        hart.walk_level = level
        page = (ppn & ~inside) | ((va >> PAGE_SHIFT) & inside)  # step 10
        return page << PAGE_SHIFT | va & ~PAGE_MASK, level
    _page_fault(hart, access, va)
    return i64(0), i64(0)


@njit(inner=True)
def translate(hart, mem, va, access, mode, virt, execute_only):
    """The physical address of `va` for an access made as `mode` with V = `virt`.

    Parameters
    ----------
    va : int64, byte address
    access : LOAD, STORE or FETCH
    execute_only : int64 flag, HLVX: a load that needs execute permission instead of read permission

    Returns
    -------
    pa : int64. Meaningless if hart.fault is set.
    level : int64, of the leaf of the first stage, which is what a fence of one address names: 0 for
        4 KiB or no translation
    """
    hart.fault = 0
    hart.fault_gva = virt
    if mode == MACHINE:
        return va, i64(0)
    pa = va
    level = i64(0)
    atp = hart.satp
    if virt:
        atp = hart.vsatp
    if atp >> ATP_MODE_SHIFT:
        pa, level = walk_stage1(hart, mem, va, access, mode, virt, execute_only)
        if hart.fault:
            return i64(0), i64(0)
    if virt:
        pa, _ = walk_gstage(hart, mem, va, pa, access, access, i64(0), execute_only)
    return pa, level
