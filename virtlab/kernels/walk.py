"""How does a virtual address become a physical one? Every page-table entry read on the way.

`walk_steps` follows the page tables as `virtlab.machine.walk` does, but is compiled, so that a
reader can move through addresses on a page without Python. Nothing is changed: accessed and dirty
bits stay as they are. A walk of one stage reads at most three entries, one of two stages fifteen.

A row of `steps` is one entry that was read; its columns are the `STEP_` names. `result` holds the
`RESULT_` values. Why an entry ended the walk, or did not, is a number: its text is in `OUTCOMES`.

Source: Privileged ISA 20240411, "Virtual Address Translation Process", "Two-Stage Address
Translation" and "Physical Memory Protection".
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
from virtlab.machine.state import RAM_BASE

i64 = np.int64

STAGE_S, STAGE_VS, STAGE_G = range(3)
STAGES = ("S", "VS", "G")

# Columns of `steps`. Addresses are physical, of the machine, but for the table of a VS-stage step,
# which is guest physical.
STEP_STAGE, STEP_LEVEL, STEP_TABLE, STEP_INDEX, STEP_ENTRY_AT, STEP_ENTRY, STEP_OUTCOME = range(7)
STEP_COLUMNS = 7
MOST_STEPS = 15  # three VS-stage entries, each found by three G-stage ones, and three for the page
STEP_ROWS = 16

RESULT_STEPS, RESULT_PA, RESULT_FAULT = range(3)
RESULT_VALUES = 3
NO_FAULT = -1

(
    POINTER,
    LEAF_4K,
    LEAF_2M,
    LEAF_1G,
    NOT_VALID,
    WRITE_ONLY,
    RESERVED_BITS,
    POINTER_WITH_FLAGS,
    POINTER_AT_LAST,
    NOT_READABLE,
    NOT_WRITABLE,
    NOT_EXECUTABLE,
    NOT_FOR_USER,
    USER_PAGE_RUN,
    USER_PAGE_TOUCHED,
    NOT_FOR_GUESTS,
    MISALIGNED,
    NOT_ACCESSED,
    NOT_DIRTY,
) = range(19)

OUTCOMES = (
    "points to the next table",
    "leaf: a 4 KiB page",
    "leaf: a 2 MiB superpage",
    "leaf: a 1 GiB superpage",
    "not valid",
    "writable but not readable, which is reserved",
    "reserved bits are set",
    "a pointer with D, A or U, which are reserved there",
    "a pointer at the last level",
    "not readable",
    "not writable",
    "not executable",
    "not for user mode",
    "a user page, and supervisor mode never runs those",
    "a user page, and SUM is clear",
    "not for user mode, as which every guest counts",
    "a superpage that is not aligned",
    "not accessed yet, and software sets that bit",
    "not dirty yet, and software sets that bit",
)

# The cause of each kind of fault for LOAD, STORE, FETCH.
ACCESS_FAULTS = (CAUSE_LOAD_ACCESS, CAUSE_STORE_ACCESS, CAUSE_FETCH_ACCESS)
PAGE_FAULTS = (CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE, CAUSE_FETCH_PAGE)
GUEST_FAULTS = (CAUSE_LOAD_GUEST_PAGE, CAUSE_STORE_GUEST_PAGE, CAUSE_FETCH_GUEST_PAGE)


@njit(inner=True)
def _cause(causes, access):
    """The cause of a kind of fault for this access; `access` is LOAD, STORE or FETCH."""
    if access == LOAD:
        return i64(causes[LOAD])
    if access == STORE:
        return i64(causes[STORE])
    return i64(causes[FETCH])


@njit(inner=True)
def _entry_kind(pte, level):
    """POINTER, a leaf of this level, or what makes the entry malformed."""
    if not pte & PTE_V:
        return i64(NOT_VALID)
    if pte & (PTE_R | PTE_W) == PTE_W:
        return i64(WRITE_ONLY)
    if pte & PTE_RESERVED:
        return i64(RESERVED_BITS)
    if pte & (PTE_R | PTE_X):
        return i64(LEAF_4K) + level
    if pte & (PTE_D | PTE_A | PTE_U):
        return i64(POINTER_WITH_FLAGS)
    if level == 0:
        return i64(POINTER_AT_LAST)
    return i64(POINTER)


@njit(inner=True)
def _right_refused(pte, access, mxr):
    """Why a leaf does not give the right that this access needs, or -1."""
    if access == STORE:
        if not pte & PTE_W:
            return i64(NOT_WRITABLE)
    elif access == FETCH:
        if not pte & PTE_X:
            return i64(NOT_EXECUTABLE)
    elif not pte & PTE_R and not (mxr and pte & PTE_X):
        return i64(NOT_READABLE)
    return i64(-1)


@njit(inner=True)
def _mode_refused(pte, access, user, may_touch_user):
    """Why a leaf of the first stage is closed to this mode, or -1."""
    if user:
        if not pte & PTE_U:
            return i64(NOT_FOR_USER)
    elif pte & PTE_U:
        if access == FETCH:
            return i64(USER_PAGE_RUN)
        if not may_touch_user:
            return i64(USER_PAGE_TOUCHED)
    return i64(-1)


@njit(inner=True)
def _unfit(pte, level, access, adue):
    """Why a leaf with all rights may not be used all the same, or -1."""
    if pte >> PTE_PPN_SHIFT & ((i64(1) << 9 * level) - 1):
        return i64(MISALIGNED)
    if not adue and not pte & PTE_A:
        return i64(NOT_ACCESSED)
    if not adue and access == STORE and not pte & PTE_D:
        return i64(NOT_DIRTY)
    return i64(-1)


@njit(inner=True)
def _sets_a_bit(pte, access):
    """True if the hardware would have to set A or D in this leaf."""
    return not pte & PTE_A or (access == STORE and not pte & PTE_D)


@njit(inner=True)
def _join(pte, address, level):
    """The address in the page that a leaf maps."""
    inside = (i64(1) << (PAGE_SHIFT + 9 * level)) - 1
    page = (pte >> PTE_PPN_SHIFT & PTE_PPN) << PAGE_SHIFT
    return (page & ~inside) | (address & inside)


@njit(inner=True)
def _readable_entry(hart, ram64, pa):
    """Where in `ram64` the entry at `pa` lies, or -1: it is not RAM, or PMP forbids to read it."""
    offset = pa - RAM_BASE
    if offset < 0 or offset >= i64(ram64.size) * 8:
        return i64(-1)
    if not pmp_allows(hart, pa, i64(8), i64(LOAD), i64(SUPERVISOR)):
        return i64(-1)
    return offset >> 3


@njit(inner=True)
def _add_step(steps, result, stage, level, table, index, pte_pa, pte):
    """Append a row without its outcome; returns the row's number."""
    row = result[RESULT_STEPS]
    steps[row, STEP_STAGE] = stage
    steps[row, STEP_LEVEL] = level
    steps[row, STEP_TABLE] = table
    steps[row, STEP_INDEX] = index
    steps[row, STEP_ENTRY_AT] = pte_pa
    steps[row, STEP_ENTRY] = pte
    result[RESULT_STEPS] = row + 1
    return row


@njit(inner=True)
def _gstage(hart, ram64, gpa, access, as_access, implicit, seen, steps, result):
    """Translate a guest physical address through hgatp.

    Parameters
    ----------
    gpa : int64, byte address
    access : LOAD, STORE or FETCH, the right that is needed
    as_access : the access the guest was making, which decides the cause of a fault
    implicit : int64 flag, a read or update of the guest's page tables, to which MXR does not apply
    seen : int64 flag, record the steps

    Returns
    -------
    pa : int64, meaningless if result[RESULT_FAULT] is set
    """
    if hart.hgatp >> ATP_MODE_SHIFT == 0:
        return gpa
    if gpa >> 41 != 0:
        result[RESULT_FAULT] = _cause(GUEST_FAULTS, as_access)
        return i64(0)
    mxr = i64(0)
    if not implicit:
        mxr = hart.mstatus & MSTATUS_MXR
    adue = hart.menvcfg & ENVCFG_ADUE
    table = ((hart.hgatp & ATP_PPN) << PAGE_SHIFT) & ~0x3FFF  # the root is 16 KiB, so aligned
    for step in range(3):
        level = i64(2 - step)
        index = gpa >> (PAGE_SHIFT + 9 * level) & 0x1FF
        if level == 2:
            index = gpa >> 30  # the root of Sv39x4 has 2048 entries
        at = table + 8 * index
        word = _readable_entry(hart, ram64, at)
        if word < 0:
            result[RESULT_FAULT] = _cause(ACCESS_FAULTS, as_access)
            return i64(0)
        pte = i64(ram64[word])
        outcome = _entry_kind(pte, level)
        if LEAF_4K <= outcome <= LEAF_1G:
            refused = _right_refused(pte, access, mxr)
            if refused < 0 and not pte & PTE_U:
                refused = i64(NOT_FOR_GUESTS)
            if refused < 0:
                refused = _unfit(pte, level, access, adue)
            if refused >= 0:
                outcome = refused
        if seen:
            row = _add_step(steps, result, i64(STAGE_G), level, table, index, at, pte)
            steps[row, STEP_OUTCOME] = outcome
        if outcome == POINTER:
            table = (pte >> PTE_PPN_SHIFT & PTE_PPN) << PAGE_SHIFT
            continue
        if outcome > LEAF_1G:
            break
        if _sets_a_bit(pte, access):
            if not pmp_allows(hart, at, i64(8), i64(STORE), i64(SUPERVISOR)):
                result[RESULT_FAULT] = _cause(ACCESS_FAULTS, as_access)
                return i64(0)
        return _join(pte, gpa, level)
    result[RESULT_FAULT] = _cause(GUEST_FAULTS, as_access)
    return i64(0)


@njit(inner=True)
def _stage1(hart, ram64, va, access, mode, virt, steps, result):
    """Translate `va` through satp, or with `virt` through vsatp and each step through hgatp."""
    atp = hart.satp
    status = hart.mstatus
    adue = hart.menvcfg & ENVCFG_ADUE
    stage = i64(STAGE_S)
    if virt:
        atp = hart.vsatp
        status = hart.vsstatus
        adue &= hart.henvcfg
        stage = i64(STAGE_VS)
    if va >> 38 != 0 and va >> 38 != -1:
        result[RESULT_FAULT] = _cause(PAGE_FAULTS, access)
        return i64(0)
    mxr = (status | hart.mstatus) & MSTATUS_MXR
    may_touch_user = status & MSTATUS_SUM
    user = mode == USER
    load, store, yes, no = i64(LOAD), i64(STORE), i64(1), i64(0)
    table = (atp & ATP_PPN) << PAGE_SHIFT
    for step in range(3):
        level = i64(2 - step)
        index = va >> (PAGE_SHIFT + 9 * level) & 0x1FF
        at = table + 8 * index
        pte_pa = at
        if virt:
            pte_pa = _gstage(hart, ram64, at, load, access, yes, yes, steps, result)
            if result[RESULT_FAULT] != NO_FAULT:
                return i64(0)
        word = _readable_entry(hart, ram64, pte_pa)
        if word < 0:
            result[RESULT_FAULT] = _cause(ACCESS_FAULTS, access)
            return i64(0)
        pte = i64(ram64[word])
        outcome = _entry_kind(pte, level)
        if LEAF_4K <= outcome <= LEAF_1G:
            refused = _right_refused(pte, access, mxr)
            if refused < 0:
                refused = _mode_refused(pte, access, user, may_touch_user)
            if refused < 0:
                refused = _unfit(pte, level, access, adue)
            if refused >= 0:
                outcome = refused
        row = _add_step(steps, result, stage, level, table, index, pte_pa, pte)
        steps[row, STEP_OUTCOME] = outcome
        if outcome == POINTER:
            table = (pte >> PTE_PPN_SHIFT & PTE_PPN) << PAGE_SHIFT
            continue
        if outcome > LEAF_1G:
            break
        if _sets_a_bit(pte, access):
            written = at
            if virt:
                written = _gstage(hart, ram64, at, store, access, yes, no, steps, result)
                if result[RESULT_FAULT] != NO_FAULT:
                    return i64(0)
            if not pmp_allows(hart, written, i64(8), store, i64(SUPERVISOR)):
                result[RESULT_FAULT] = _cause(ACCESS_FAULTS, access)
                return i64(0)
        return _join(pte, va, level)
    result[RESULT_FAULT] = _cause(PAGE_FAULTS, access)
    return i64(0)


@njit
def walk_steps(harts, ram64, va, access, mode, virt, steps, result):
    """Translate `va` as `mode` with V = `virt` would, and record each entry that is read.

    Parameters
    ----------
    harts : (1,) of the machine's record `virtlab.machine.state.HART`, read only
    ram64 : (n,) int64, RAM from RAM_BASE, read only
    va : int64, byte address
    access : int64, LOAD, STORE or FETCH
    mode : int64, USER, SUPERVISOR or MACHINE
    virt : int64 flag
    steps : (STEP_ROWS, STEP_COLUMNS) int64, written; rows not used are zero
    result : (RESULT_VALUES,) int64, written: the number of steps; the physical address, or 0; the
        cause of the fault, or NO_FAULT
    """
    steps[:] = 0
    result[RESULT_STEPS] = 0
    result[RESULT_PA] = 0
    result[RESULT_FAULT] = NO_FAULT
    hart = harts[0]
    pa = i64(va)
    if mode != MACHINE:
        atp = hart.satp
        if virt:
            atp = hart.vsatp
        if atp >> ATP_MODE_SHIFT:
            pa = _stage1(hart, ram64, pa, access, mode, virt, steps, result)
        if virt and result[RESULT_FAULT] == NO_FAULT:
            no, yes = i64(0), i64(1)
            pa = _gstage(hart, ram64, pa, access, access, no, yes, steps, result)
    if result[RESULT_FAULT] == NO_FAULT:
        if pmp_allows(hart, pa, i64(1), access, mode):
            result[RESULT_PA] = pa
        else:
            result[RESULT_FAULT] = _cause(ACCESS_FAULTS, access)
