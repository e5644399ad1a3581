"""Loads, stores and atomics the careful way: translate, check, touch RAM or a device.

The run loop comes here when the TLB cannot answer at once. Misaligned accesses to RAM are carried
out byte by byte; both pages are translated before anything is written. Devices want their accesses
aligned. A fault leaves hart.fault set and changes nothing.

Sources: Privileged ISA 20240411, "Modify Privilege bit (MPRV)", "Hypervisor Virtual-Machine Load
and Store Instructions"; Unprivileged ISA 20240411, "Load-Reserved/Store-Conditional Instructions"
and "Atomic Memory Operations".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import op
from virtlab.isa.encoding import (
    FETCH,
    LOAD,
    MACHINE,
    MSTATUS_MPP,
    MSTATUS_MPP_SHIFT,
    MSTATUS_MPRV,
    MSTATUS_MPV,
    PAGE_MASK,
    PAGE_SHIFT,
    STORE,
)
from virtlab.machine.bus import device_load, device_store
from virtlab.machine.htif import serve_tohost
from virtlab.machine.mmu import access_fault, translate
from virtlab.machine.pmp import pmp_allows, pmp_allows_page
from virtlab.machine.ram import in_ram, is_guarded, ram_load, ram_store
from virtlab.machine.state import BYTE, N_TLB, NO, PAGE_DIRTY, RAM_BASE
from virtlab.machine.tlb import NO_KEY, remember_data

i64 = np.int64
SIGN = -(1 << 63)
AS_CURRENT = -1  # access with the hart's own privilege (and MPRV), not with one that is given


@njit(inner=True)
def effective_mode(hart):
    """Mode and V of loads and stores: with MPRV, M-mode makes them as MPP and MPV say."""
    mode, virt = hart.mode, hart.virt
    if mode == MACHINE and hart.mstatus & MSTATUS_MPRV:
        mode = (hart.mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT
        virt = i64(mode != MACHINE and hart.mstatus & MSTATUS_MPV != 0)
    return mode, virt


@njit(inner=True)
def _locate(hart, mem, va, n_bytes, access, mode, virt, execute_only):
    """The physical address of an access that stays in one page, after all checks but "who answers".

    With mode AS_CURRENT the TLB is consulted and filled.
    """
    hart.fault = 0
    remember = mode == AS_CURRENT and hart.data_key != NO_KEY
    if remember:
        k = (va >> PAGE_SHIFT) & (N_TLB - 1)
        tag = (va & PAGE_MASK) + hart.data_key
        hit = hart.dtlb_read[k] == tag
        if access == STORE:
            hit = hart.dtlb_write[k] == tag or hart.dtlb_guarded[k] == tag
        if hit:
            offset = va + hart.dtlb_add[k]
            if access == STORE and hart.dtlb_guarded[k] == tag and not is_guarded(mem, offset):
                hart.dtlb_write[k] = tag
                hart.dtlb_guarded[k] = -1
            return offset + RAM_BASE
        hart.data_misses += 1
    if mode == AS_CURRENT:
        mode, virt = effective_mode(hart)
    pa, level = translate(hart, mem, va, access, mode, virt, execute_only)
    if hart.fault:
        return i64(0)
    allowed = pmp_allows(hart, pa, n_bytes, access, mode)
    if execute_only and allowed:  # physical memory must grant HLVX both rights
        allowed = pmp_allows(hart, pa, n_bytes, i64(FETCH), mode)
    if not allowed:
        access_fault(hart, access, va)
        return i64(0)
    offset = pa - RAM_BASE
    if 0 <= offset < hart.ram_bytes:
        if access == STORE:
            mem.pages[offset >> PAGE_SHIFT] |= PAGE_DIRTY
        if remember and pmp_allows_page(hart, pa, access, mode):
            remember_data(hart, mem, va, offset, level, i64(access == STORE))
    return pa


@njit(inner=True)
def load(hart, mem, va, n_bytes, mode, virt, execute_only):
    """The zero-extended value at `va`; hart.fault if there is none.

    Parameters
    ----------
    n_bytes : 1, 2, 4 or 8
    mode, virt : whose privilege to use; AS_CURRENT for the hart's own
    execute_only : int64 flag, HLVX
    """
    hart.data_accesses += 1
    if va & (n_bytes - 1) == 0:
        pa = _locate(hart, mem, va, n_bytes, i64(LOAD), mode, virt, execute_only)
        if hart.fault:
            return i64(0)
        if in_ram(hart, pa, n_bytes):
            return ram_load(mem, pa - RAM_BASE, n_bytes)
        value, answered = device_load(hart, pa, n_bytes)
        if not answered:
            access_fault(hart, i64(LOAD), va)
        return value
    value = i64(0)
    for k in range(n_bytes):
        pa = _locate(hart, mem, va + k, BYTE, i64(LOAD), mode, virt, execute_only)
        if not hart.fault and not in_ram(hart, pa, BYTE):
            access_fault(hart, i64(LOAD), va + k)
        if hart.fault:
            return i64(0)
        value |= ram_load(mem, pa - RAM_BASE, BYTE) << (8 * k)
    return value


@njit(inner=True)
def _store_ram(hart, mem, pa, n_bytes, value):
    """Write to RAM; a write to tohost is answered at once."""
    ram_store(hart, mem, pa - RAM_BASE, n_bytes, value)
    if pa & ~7 == hart.tohost:
        serve_tohost(hart, mem)


@njit(inner=True)
def store(hart, mem, va, n_bytes, value, mode, virt):
    """Store the low `n_bytes` of `value` at `va`; hart.fault if that cannot be done."""
    hart.data_accesses += 1
    if va & (n_bytes - 1) == 0:
        pa = _locate(hart, mem, va, n_bytes, i64(STORE), mode, virt, NO)
        if hart.fault:
            return
        if in_ram(hart, pa, n_bytes):
            _store_ram(hart, mem, pa, n_bytes, value)
        elif not device_store(hart, mem, pa, n_bytes, value):
            access_fault(hart, i64(STORE), va)
        return
    for k in range(n_bytes):  # first see that every byte can be written
        pa = _locate(hart, mem, va + k, BYTE, i64(STORE), mode, virt, NO)
        if not hart.fault and not in_ram(hart, pa, BYTE):
            access_fault(hart, i64(STORE), va + k)
        if hart.fault:
            return
    for k in range(n_bytes):
        pa = _locate(hart, mem, va + k, BYTE, i64(STORE), mode, virt, NO)
        ram_store(hart, mem, pa - RAM_BASE, BYTE, value >> (8 * k))


@njit(inner=True)
def _misaligned(hart, access, va):
    """Misaligned atomics are access faults, the machine being one that allows misaligned loads."""
    _, hart.fault_gva = effective_mode(hart)
    access_fault(hart, access, va)


@njit(inner=True)
def _locate_atomic(hart, mem, va, n_bytes, access):
    """The physical address of an atomic access: aligned, and in RAM; hart.fault if it is not."""
    if va & (n_bytes - 1):
        _misaligned(hart, access, va)
        return i64(0)
    hart.data_accesses += 1
    pa = _locate(hart, mem, va, n_bytes, access, i64(AS_CURRENT), i64(0), NO)
    if not hart.fault and not in_ram(hart, pa, n_bytes):
        access_fault(hart, access, va)
    return pa


@njit(inner=True)
def load_reserved(hart, mem, va, n_bytes):
    """LR: load, sign-extended, and reserve the location."""
    pa = _locate_atomic(hart, mem, va, n_bytes, i64(LOAD))
    if hart.fault:
        return i64(0)
    hart.reservation = pa
    return _signed(ram_load(mem, pa - RAM_BASE, n_bytes), n_bytes)


@njit(inner=True)
def store_conditional(hart, mem, va, n_bytes, value):
    """SC: store if the location is still reserved. Returns 0 on success, 1 on failure."""
    pa = _locate_atomic(hart, mem, va, n_bytes, i64(STORE))
    if hart.fault:
        return i64(0)
    reserved = hart.reservation == pa
    hart.reservation = -1
    if not reserved:
        return i64(1)
    _store_ram(hart, mem, pa, n_bytes, value)
    return i64(0)


@njit(inner=True)
def _signed(value, n_bytes):
    if n_bytes == 4:
        return i64(np.int32(value))
    return value


@njit(inner=True)
def atomic(hart, mem, kind, va, n_bytes, operand):
    """AMO: replace memory by f(memory, operand) and return the old value, sign-extended.

    kind : int64, the operation as its 32-bit form is numbered (op.AMOSWAP_W ...). Faults are those
    of stores, since the access needs both rights.
    """
    pa = _locate_atomic(hart, mem, va, n_bytes, i64(STORE))
    if hart.fault:
        return i64(0)
    old = _signed(ram_load(mem, pa - RAM_BASE, n_bytes), n_bytes)
    b = _signed(operand, n_bytes)
    if kind == op.AMOSWAP_W:
        new = b
    elif kind == op.AMOADD_W:
        new = old + b
    elif kind == op.AMOXOR_W:
        new = old ^ b
    elif kind == op.AMOAND_W:
        new = old & b
    elif kind == op.AMOOR_W:
        new = old | b
    elif kind == op.AMOMIN_W:
        new = min(old, b)
    elif kind == op.AMOMAX_W:
        new = max(old, b)
    elif kind == op.AMOMINU_W:
        new = old if (old ^ SIGN) < (b ^ SIGN) else b
    else:
        new = old if (old ^ SIGN) > (b ^ SIGN) else b
    _store_ram(hart, mem, pa, n_bytes, new)
    return old
