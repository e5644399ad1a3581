"""Traps: who handles one, what is saved, and the way back.

    exception or interrupt
        M-mode            unless medeleg/mideleg gives it away (and the hart is not in M-mode)
        HS-mode           unless hedeleg/hideleg gives it away (and V = 1)
        VS-mode

`take_trap` is the only place where a trap changes the hart's mode, `return_from_trap` the only one
where MRET and SRET do. With `hart.host`, HS-mode is a hypervisor outside the machine: a trap to it
ends the run, with the CSRs as the trap has left them.

Sources: Privileged ISA 20240411, "Machine Trap Delegation Registers", "Trap Entry", "Trap Return",
"Hypervisor Trap Delegation Registers", tables "Value of mstatus/hstatus/vsstatus fields after
traps" in the chapter "Hypervisor Extension".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa.encoding import (
    HSTATUS_GVA,
    HSTATUS_SPV,
    HSTATUS_SPVP,
    INTERRUPT,
    MACHINE,
    MSTATUS_GVA,
    MSTATUS_MIE,
    MSTATUS_MPIE,
    MSTATUS_MPP,
    MSTATUS_MPP_SHIFT,
    MSTATUS_MPRV,
    MSTATUS_MPV,
    MSTATUS_SIE,
    MSTATUS_SPIE,
    MSTATUS_SPP,
    SUPERVISOR,
    USER,
)
from virtlab.machine.state import (
    EVENT_CAUSE,
    EVENT_FROM,
    EVENT_KIND,
    EVENT_PC,
    EVENT_STEPS,
    EVENT_TO,
    EVENT_TVAL,
    KIND_EXCEPTION,
    KIND_INTERRUPT,
    KIND_RETURN,
    N_EVENTS,
    NO,
    STOP_EVENT,
    STOP_TRAP,
    WATCH_EXCEPTION,
    WATCH_INTERRUPT,
    WATCH_MODE,
    WATCH_RETURN,
    YES,
)
from virtlab.machine.tlb import choose_contexts

i64 = np.int64
NO_RESERVATION = -1
GPA_BITS = (1 << 62) - 1  # of a guest physical address shifted right by two
VIRTUAL_MODE = 4  # added to a mode in the event log when V = 1


@njit(inner=True)
def _log_event(hart, mem, pc, kind, cause, tval, mode_before):
    row = hart.n_events % N_EVENTS
    hart.n_events += 1
    mode_after = hart.mode + VIRTUAL_MODE * hart.virt
    mem.log[row, EVENT_STEPS] = hart.steps
    mem.log[row, EVENT_PC] = pc
    mem.log[row, EVENT_KIND] = kind
    mem.log[row, EVENT_CAUSE] = cause
    mem.log[row, EVENT_TVAL] = tval
    mem.log[row, EVENT_FROM] = mode_before
    mem.log[row, EVENT_TO] = mode_after
    wanted = i64(0)
    if kind == KIND_EXCEPTION:
        wanted = i64(WATCH_EXCEPTION)
    elif kind == KIND_INTERRUPT:
        wanted = i64(WATCH_INTERRUPT)
    else:
        wanted = i64(WATCH_RETURN)
    if mode_before != mode_after:
        wanted |= WATCH_MODE
    if hart.watch & wanted:
        hart.stop = STOP_EVENT
        hart.stop_detail = wanted


@njit(inner=True)
def _vector(tvec, interrupt, code):
    """Where a trap goes: the base, or in vectored mode base + 4 x code for an interrupt."""
    base = tvec & ~3
    if interrupt and tvec & 1:
        base += 4 * code
    return base


@njit(inner=True)
def take_trap(hart, mem, pc, interrupt, code, tval):
    """Enter a trap.

    Parameters
    ----------
    pc : int64, the instruction that trapped or, for an interrupt, the next one
    interrupt : int64 flag
    code : int64, exception or interrupt number
    tval : int64, for mtval, stval or vstval
    hart.fault_gpa, hart.fault_tinst, hart.fault_gva : what a guest-page fault reports, else 0

    Returns
    -------
    pc : int64, the handler's first instruction
    """
    mode = hart.mode
    virt = hart.virt
    cause = code
    hart.reservation_lost = hart.reservation
    hart.reservation = NO_RESERVATION
    deleg, hdeleg = hart.medeleg, hart.hedeleg
    if interrupt:
        cause |= INTERRUPT
        deleg, hdeleg = hart.mideleg, hart.hideleg
        hart.interrupts[code & 63] += 1
    else:
        hart.exceptions[code & 63] += 1

    if mode == MACHINE or not deleg >> code & 1:
        hart.mepc, hart.mcause, hart.mtval = pc, cause, tval
        hart.mtval2 = hart.fault_gpa >> 2 & GPA_BITS
        hart.mtinst = hart.fault_tinst
        status = hart.mstatus & ~(MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE)
        status &= ~(MSTATUS_MPV | MSTATUS_GVA)
        status |= mode << MSTATUS_MPP_SHIFT
        if hart.mstatus & MSTATUS_MIE:
            status |= MSTATUS_MPIE
        if virt:
            status |= MSTATUS_MPV
        if hart.fault_gva:
            status |= MSTATUS_GVA
        hart.mstatus = status
        hart.mode = MACHINE
        hart.virt = 0
        target = _vector(hart.mtvec, interrupt, code)
    elif not virt or not hdeleg >> code & 1:
        hart.sepc, hart.scause, hart.stval = pc, cause, tval
        hart.htval = hart.fault_gpa >> 2 & GPA_BITS
        hart.htinst = hart.fault_tinst
        hstatus = hart.hstatus & ~(HSTATUS_SPV | HSTATUS_GVA)
        if virt:
            hstatus = (hstatus | HSTATUS_SPV) & ~HSTATUS_SPVP
            if mode == SUPERVISOR:
                hstatus |= HSTATUS_SPVP
        if hart.fault_gva:
            hstatus |= HSTATUS_GVA
        hart.hstatus = hstatus
        hart.mstatus = _supervisor_entry(hart.mstatus, mode)
        hart.mode = SUPERVISOR
        hart.virt = 0
        target = _vector(hart.stvec, interrupt, code)
    else:
        if interrupt:  # VS interrupts appear to the guest under the supervisor's numbers
            code -= 1
            cause = code | INTERRUPT
        hart.vsepc, hart.vscause, hart.vstval = pc, cause, tval
        hart.vsstatus = _supervisor_entry(hart.vsstatus, mode)
        hart.mode = SUPERVISOR
        target = _vector(hart.vstvec, interrupt, code)

    choose_contexts(hart)
    hart.horizon = 0
    kind = i64(KIND_EXCEPTION)
    if interrupt:
        kind = i64(KIND_INTERRUPT)
    _log_event(hart, mem, pc, kind, cause, tval, mode + VIRTUAL_MODE * virt)
    if hart.host and hart.mode == SUPERVISOR and not hart.virt:
        hart.stop = STOP_TRAP
    return target


@njit(inner=True)
def _supervisor_entry(status, mode):
    """sstatus or vsstatus after a trap from `mode`."""
    entered = status & ~(MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE)
    if mode != USER:
        entered |= MSTATUS_SPP
    if status & MSTATUS_SIE:
        entered |= MSTATUS_SPIE
    return entered


@njit(inner=True)
def take_fault(hart, mem, pc):
    """Enter the trap that hart.fault describes."""
    hart.not_retired += 1
    return take_trap(hart, mem, pc, NO, hart.fault - 1, hart.fault_va)


@njit(inner=True)
def take_exception(hart, mem, pc, code, tval):
    """Enter the trap for an exception that is no memory fault."""
    hart.not_retired += 1
    hart.fault_gpa = 0
    hart.fault_tinst = 0
    hart.fault_gva = 0
    return take_trap(hart, mem, pc, NO, code, tval)


@njit(inner=True)
def take_interrupt(hart, mem, pc, number):
    """Enter the trap for interrupt `number`; the instruction at `pc` has not begun."""
    hart.fault_gpa = 0
    hart.fault_tinst = 0
    hart.fault_gva = 0
    return take_trap(hart, mem, pc, YES, number, i64(0))


@njit(inner=True)
def return_from_trap(hart, mem, pc, machine):
    """MRET (machine) or SRET; its right to be executed has been checked. Returns the next pc."""
    before = hart.mode + VIRTUAL_MODE * hart.virt
    if machine:
        status = hart.mstatus
        mode = (status & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT
        hart.virt = 0
        if mode != MACHINE:
            hart.virt = i64(status & MSTATUS_MPV != 0)
        status &= ~(MSTATUS_MPP | MSTATUS_MIE | MSTATUS_MPV)
        if status & MSTATUS_MPIE:
            status |= MSTATUS_MIE
        status |= MSTATUS_MPIE
        if mode != MACHINE:
            status &= ~MSTATUS_MPRV
        hart.mstatus = status
        target = hart.mepc
    else:
        status = hart.mstatus
        if hart.virt:
            status = hart.vsstatus
        mode = i64(USER)
        if status & MSTATUS_SPP:
            mode = i64(SUPERVISOR)
        left = status & ~(MSTATUS_SPP | MSTATUS_SIE)
        if status & MSTATUS_SPIE:
            left |= MSTATUS_SIE
        left |= MSTATUS_SPIE
        if hart.virt:
            hart.vsstatus = left
            target = hart.vsepc
        else:
            hart.mstatus = left & ~MSTATUS_MPRV
            hart.virt = i64(hart.hstatus & HSTATUS_SPV != 0)
            hart.hstatus &= ~HSTATUS_SPV
            target = hart.sepc
    hart.mode = mode
    choose_contexts(hart)
    hart.horizon = 0
    _log_event(hart, mem, pc, i64(KIND_RETURN), i64(0), target, before)
    return target
