"""PLIC: the platform-level interrupt controller, which turns device lines into external interrupts.

A source that asserts its line becomes pending; the hart claims the pending source of the highest
priority, serves it, and completes it; only then is the source offered again. Two contexts: 0 for
M-mode, 1 for S-mode. Source numbers are bits of a word.

As in QEMU, a request is noted whenever a device reports an asserted line, and a line that merely
stays asserted is no new request after completion. Kernels written on QEMU depend on it: one that
never reads the UART's cause register would be interrupted for ever.

Source: RISC-V Platform-Level Interrupt Controller Specification 1.0.0, chapters "Memory Map" to
"Interrupt Completion"; QEMU `virt` for the number of contexts.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.machine.state import PLIC_SOURCES

i64 = np.int64
PLIC_BASE = 0x0C00_0000
PLIC_BYTES = 0x60_0000
N_SOURCES = 53  # what the device tree says; sources beyond read as zero

PENDING = 0x1000
ENABLE = 0x2000
ENABLE_STRIDE = 0x80
CONTEXT = 0x20_0000
CONTEXT_STRIDE = 0x1000
MAX_PRIORITY = 7
ALL_SOURCES = ((1 << (N_SOURCES + 1)) - 1) & ~1


@njit(inner=True)
def plic_set_line(hart, source, asserted):
    """A device reports its interrupt line: asserted is a request, released takes it back."""
    bit = i64(1) << source
    if asserted:
        hart.plic_pending |= bit
    else:
        hart.plic_pending &= ~bit
    hart.horizon = 0


@njit(inner=True)
def _best(hart, context):
    """The pending, enabled source of the highest priority above the threshold; 0 if none."""
    candidates = hart.plic_pending & ~hart.plic_claimed & hart.plic_enable[context]
    if candidates == 0:
        return i64(0)
    best = i64(0)
    best_priority = hart.plic_threshold[context]
    for source in range(1, PLIC_SOURCES):
        if candidates >> source & 1 and hart.plic_priority[source] > best_priority:
            best = i64(source)
            best_priority = hart.plic_priority[source]
    return best


@njit(inner=True)
def plic_asserts(hart, context):
    """True if `context` has an interrupt to claim."""
    return _best(hart, context) != 0


@njit(inner=True)
def plic_load(hart, offset):
    """Read the 32-bit register at `offset`; reading a claim register claims."""
    if offset < PENDING:
        source = offset >> 2
        if source <= N_SOURCES:
            return hart.plic_priority[source]
        return i64(0)
    if offset < ENABLE:
        word = (offset - PENDING) >> 2
        if word < 2:
            return hart.plic_pending >> (32 * word) & 0xFFFF_FFFF
        return i64(0)
    if offset < CONTEXT:
        context = (offset - ENABLE) // ENABLE_STRIDE
        word = ((offset - ENABLE) % ENABLE_STRIDE) >> 2
        if context < 2 and word < 2:
            return hart.plic_enable[context] >> (32 * word) & 0xFFFF_FFFF
        return i64(0)
    context = (offset - CONTEXT) // CONTEXT_STRIDE
    register = (offset - CONTEXT) % CONTEXT_STRIDE
    if context >= 2:
        return i64(0)
    if register == 0:
        return hart.plic_threshold[context]
    if register == 4:
        source = _best(hart, context)
        if source:
            bit = i64(1) << source
            hart.plic_pending &= ~bit
            hart.plic_claimed |= bit
            hart.horizon = 0
        return source
    return i64(0)


@njit(inner=True)
def plic_store(hart, offset, value):
    """Write the 32-bit register at `offset`; writing a claim register completes."""
    value &= 0xFFFF_FFFF
    hart.horizon = 0
    if offset < PENDING:
        source = offset >> 2
        if 0 < source <= N_SOURCES:
            hart.plic_priority[source] = value & MAX_PRIORITY
    elif offset < ENABLE:
        return
    elif offset < CONTEXT:
        context = (offset - ENABLE) // ENABLE_STRIDE
        word = ((offset - ENABLE) % ENABLE_STRIDE) >> 2
        if context < 2 and word < 2:
            shift = 32 * word
            kept = hart.plic_enable[context] & ~(i64(0xFFFF_FFFF) << shift)
            hart.plic_enable[context] = (kept | value << shift) & ALL_SOURCES
    else:
        context = (offset - CONTEXT) // CONTEXT_STRIDE
        register = (offset - CONTEXT) % CONTEXT_STRIDE
        if context < 2 and register == 0:
            hart.plic_threshold[context] = value & MAX_PRIORITY
        elif context < 2 and register == 4 and 0 < value <= N_SOURCES:
            bit = i64(1) << value
            if hart.plic_claimed & bit and hart.plic_enable[context] & bit:
                hart.plic_claimed &= ~bit
