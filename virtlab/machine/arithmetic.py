"""Multiplication and division with the corner cases of the M extension, which Python has not.

Source: Unprivileged ISA 20240411, chapter "M Extension for Integer Multiplication and Division",
table "Semantics for division by zero and division overflow".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import op

i64 = np.int64
u64 = np.uint64
LOW = np.uint64(0xFFFF_FFFF)
HALF = np.uint64(32)


@njit(inner=True)
def multiply_high(a, b):
    """MULHU: bits 127..64 of the product of two unsigned 64-bit numbers, by 32-bit halves."""
    a_low, a_high = u64(a) & LOW, u64(a) >> HALF
    b_low, b_high = u64(b) & LOW, u64(b) >> HALF
    middle = a_high * b_low + (a_low * b_low >> HALF)
    other = a_low * b_high + (middle & LOW)
    return i64(a_high * b_high + (middle >> HALF) + (other >> HALF))


@njit(inner=True)
def multiply_high_signed(a, b):
    """MULH: bits 127..64 of the product of two signed numbers."""
    return multiply_high(a, b) - (a >> 63 & b) - (b >> 63 & a)


@njit(inner=True)
def multiply_high_mixed(a, b):
    """MULHSU: bits 127..64 of the product of a signed and an unsigned number."""
    return multiply_high(a, b) - (a >> 63 & b)


@njit(inner=True)
def _magnitude(a):
    return u64(i64(0) - a) if a < 0 else u64(a)


@njit(inner=True)
def divide(kind, a, b):
    """DIV, DIVU, REM and REMU. Division by zero gives all ones, or the dividend as remainder."""
    if b == 0:
        return i64(-1) if kind == op.DIV or kind == op.DIVU else a
    if kind == op.DIVU:
        return i64(u64(a) // u64(b))
    if kind == op.REMU:
        return i64(u64(a) % u64(b))
    if kind == op.DIV:  # truncates; the overflow of -2**63 / -1 wraps around by itself
        quotient = i64(_magnitude(a) // _magnitude(b))
        return i64(0) - quotient if (a ^ b) < 0 else quotient
    remainder = i64(_magnitude(a) % _magnitude(b))
    return i64(0) - remainder if a < 0 else remainder


@njit(inner=True)
def divide_word(kind, a, b):
    """DIVW, DIVUW, REMW and REMUW: on the low words, result sign-extended from 32 bits."""
    if kind == op.DIVW:
        return i64(np.int32(divide(i64(op.DIV), i64(np.int32(a)), i64(np.int32(b)))))
    if kind == op.REMW:
        return i64(np.int32(divide(i64(op.REM), i64(np.int32(a)), i64(np.int32(b)))))
    a &= 0xFFFF_FFFF
    b &= 0xFFFF_FFFF
    if kind == op.DIVUW:
        return i64(np.int32(divide(i64(op.DIVU), a, b)))
    return i64(np.int32(divide(i64(op.REMU), a, b)))
