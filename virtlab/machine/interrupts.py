"""Time and interrupts: what is pending, what is enabled, and when the hart must look again.

Time is the number of steps made plus the steps that WFI slept through, so every run repeats
exactly. The run loop looks at interrupts only when something may have changed: when a timer is due
(`next_deadline`), and after an instruction that touches CSRs, privilege or devices.

Sources: Privileged ISA 20240411, "Machine Interrupt (mip and mie) Registers", "Hypervisor Interrupt
(hvip, hip, and hie) Registers", "Virtual Supervisor Interrupt (vsip and vsie) Registers", and the
Sstc chapter.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa.encoding import (
    ENVCFG_STCE,
    MACHINE,
    MEIP,
    MSIP,
    MSTATUS_MIE,
    MSTATUS_SIE,
    MTIP,
    SEIP,
    STIP,
    SUPERVISOR,
    VS_INTERRUPTS,
    VSTIP,
)
from virtlab.machine.devices.plic import plic_asserts

i64 = np.int64
u64 = np.uint64
FAR = 1 << 62  # a step count that is never reached
NEVER_TICKS = 1 << 44  # a timer further away than this many ticks is not waited for


@njit(inner=True)
def time_now(hart):
    """The value of the `time` CSR, in ticks of the board's 10 MHz clock."""
    return (hart.steps + hart.idle_steps) // hart.steps_per_tick + hart.time_offset


@njit(inner=True)
def timer_due(now, compare):
    """True if an unsigned comparison finds `now` at or past `compare`."""
    return u64(now) >= u64(compare)


@njit(inner=True)
def pending_interrupts(hart):
    """The full value of mip: bits set by software, and those that devices and timers assert."""
    now = time_now(hart)
    bits = hart.mip
    if hart.msip:
        bits |= MSIP
    if timer_due(now, hart.mtimecmp):
        bits |= MTIP
    if plic_asserts(hart, i64(0)):
        bits |= MEIP
    if plic_asserts(hart, i64(1)):
        bits |= SEIP
    if hart.menvcfg & ENVCFG_STCE:
        bits &= ~STIP
        if timer_due(now, hart.stimecmp):
            bits |= STIP
        if hart.henvcfg & ENVCFG_STCE and timer_due(now + hart.htimedelta, hart.vstimecmp):
            bits |= VSTIP
    return bits


@njit(inner=True)
def _highest(bits):
    """The interrupt to take first (section "Machine Interrupt (mip and mie) Registers")."""
    for number in (11, 3, 7, 9, 1, 5, 12, 10, 2, 6):
        if bits >> number & 1:
            return i64(number)
    return i64(-1)


@njit(inner=True)
def interrupt_to_take(hart):
    """Number of the interrupt that must be taken now, or -1.

    An interrupt bound for a more privileged mode than the current one is always enabled, one for a
    less privileged mode never, one for the current mode as its xIE bit says.
    """
    bits = pending_interrupts(hart) & hart.mie
    if bits == 0:
        return i64(-1)
    to_machine = bits & ~hart.mideleg
    if to_machine and (hart.mode != MACHINE or hart.mstatus & MSTATUS_MIE):
        return _highest(to_machine)
    if hart.mode == MACHINE:
        return i64(-1)
    to_hs = bits & hart.mideleg & ~hart.hideleg
    if to_hs and (hart.virt or hart.mode != SUPERVISOR or hart.mstatus & MSTATUS_SIE):
        return _highest(to_hs)
    to_vs = bits & hart.hideleg & VS_INTERRUPTS
    if to_vs and hart.virt and (hart.mode != SUPERVISOR or hart.vsstatus & MSTATUS_SIE):
        return _highest(to_vs)
    return i64(-1)


@njit(inner=True)
def _deadline(hart, now, compare):
    """Step count at which a timer set to `compare` will be due; FAR if not in sight or past."""
    ahead = compare - now
    if ahead <= 0 or ahead > NEVER_TICKS:
        return i64(FAR)
    ticks = now + ahead - hart.time_offset
    return ticks * hart.steps_per_tick - hart.idle_steps


@njit(inner=True)
def next_deadline(hart, enabled):
    """Step count at which the next timer among the `enabled` interrupt bits becomes due."""
    now = time_now(hart)
    nearest = i64(FAR)
    if enabled & MTIP:
        nearest = _deadline(hart, now, hart.mtimecmp)
    if hart.menvcfg & ENVCFG_STCE:
        if enabled & STIP:
            nearest = min(nearest, _deadline(hart, now, hart.stimecmp))
        if enabled & VSTIP and hart.henvcfg & ENVCFG_STCE:
            nearest = min(nearest, _deadline(hart, now, hart.vstimecmp - hart.htimedelta))
    return nearest


@njit(inner=True)
def wakes(hart):
    """True if WFI may go on: an interrupt is pending and enabled in mie, wherever it would go."""
    return pending_interrupts(hart) & hart.mie != 0
