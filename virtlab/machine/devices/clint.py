"""CLINT: the machine timer and the machine software interrupt of one hart.

    0x0000  msip      bit 0 raises the machine software interrupt
    0x4000  mtimecmp  the machine timer interrupt is pending while mtime >= mtimecmp
    0xbff8  mtime     10 MHz

Source: RISC-V Advanced Core Local Interruptor Specification 1.0, "MTIMER Device" and "MSWI Device",
which fixes the layout of SiFive's CLINT.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.machine.interrupts import time_now

i64 = np.int64
CLINT_BASE = 0x0200_0000
CLINT_BYTES = 0x1_0000
MSIP_REGISTER = 0x0000
MTIMECMP_REGISTER = 0x4000
MTIME_REGISTER = 0xBFF8


@njit(inner=True)
def clint_load(hart, offset):
    """The aligned 64-bit word of registers that holds `offset`."""
    word = offset & ~7
    if word == MSIP_REGISTER:
        return hart.msip
    if word == MTIMECMP_REGISTER:
        return hart.mtimecmp
    if word == MTIME_REGISTER:
        return time_now(hart)
    return i64(0)


@njit(inner=True)
def clint_store(hart, offset, value):
    """Replace the aligned 64-bit word of registers that holds `offset`."""
    word = offset & ~7
    if word == MSIP_REGISTER:
        hart.msip = value & 1
    elif word == MTIMECMP_REGISTER:
        hart.mtimecmp = value
    elif word == MTIME_REGISTER:
        hart.time_offset += value - time_now(hart)
    hart.horizon = 0
