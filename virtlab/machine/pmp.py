"""Physical memory protection: which physical addresses a mode below M may touch.

Sixteen entries; the lowest-numbered one that matches any byte of an access decides, and it must
match all of them. Without a match M-mode may, the other modes may not.

Source: Privileged ISA 20240411, "Physical Memory Protection", sections "Address Matching" and
"Priority and Matching Logic".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa.encoding import (
    FETCH,
    MACHINE,
    PAGE_BYTES,
    PAGE_MASK,
    PMP_A_SHIFT,
    PMP_L,
    PMP_NA4,
    PMP_OFF,
    PMP_R,
    PMP_TOR,
    PMP_W,
    PMP_X,
    STORE,
)
from virtlab.machine.state import N_PMP

i64 = np.int64


@njit(inner=True)
def pmp_range(hart, k):
    """Entry k's range [low, high) in bytes; low >= high if it matches nothing."""
    kind = (hart.pmpcfg[k] >> PMP_A_SHIFT) & 3
    address = hart.pmpaddr[k]
    if kind == PMP_OFF:
        return i64(0), i64(0)
    if kind == PMP_TOR:
        low = i64(0)
        if k > 0:
            low = hart.pmpaddr[k - 1] << 2
        return low, address << 2
    if kind == PMP_NA4:
        return address << 2, (address << 2) + 4
    ones = address ^ (address + 1)  # NAPOT: the trailing ones give the size
    low = (address & ~ones) << 2
    return low, low + ((ones + 1) << 2)


@njit(inner=True)
def _allows(hart, k, access, mode):
    config = hart.pmpcfg[k]
    if mode == MACHINE and not config & PMP_L:
        return True
    need = PMP_R
    if access == STORE:
        need = PMP_W
    elif access == FETCH:
        need = PMP_X
    return config & need != 0


@njit(inner=True)
def pmp_allows(hart, pa, n_bytes, access, mode):
    """True if `mode` may make this access to all of [pa, pa + n_bytes)."""
    for k in range(N_PMP):
        low, high = pmp_range(hart, k)
        if low < high and pa < high and pa + n_bytes > low:
            return low <= pa and pa + n_bytes <= high and _allows(hart, k, access, mode)
    return mode == MACHINE


@njit(inner=True)
def pmp_allows_page(hart, pa, access, mode):
    """True if every access of this kind to the 4 KiB page of `pa` is allowed.

    The answer may be kept in the TLB; if it is False each access must be checked on its own.
    """
    return pmp_allows(hart, pa & PAGE_MASK, i64(PAGE_BYTES), access, mode)
