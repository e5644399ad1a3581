"""How does a virtual hart take turns with the physical one? The world switch, in both directions.

A virtual CPU is a record like the hart's own: the CSRs that the guest believes in, its privilege
mode, its devices, its clock. The physical hart executes the guest's instructions in a mode that the
hypervisor chooses; when the guest leaves, what it has computed is copied back.

    enter    registers, pc and clock from the vcpu to the hart
    leave    registers, pc and clock from the hart to the vcpu

The clock is the guest's: the hart counts on from where the vcpu stopped, so TIME, CYCLE and INSTRET
show the guest its own instructions, and time stands still for it while the hypervisor works.

# Model: a world switch copies 32 registers at once. Real hypervisors leave some in place.

Source: Privileged ISA 20240411, "Hardware Performance Monitor" and "Counter-Enable Registers".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors.exits import DIRECT, REFLECT, RESUME, STOP, record_exit
from virtlab.isa import encoding as e
from virtlab.machine.execute import attend, execute, fetch_decoded
from virtlab.machine.state import (
    STOP_BUDGET,
    STOP_EVENT,
    STOP_IDLE,
    STOP_NONE,
    STOP_TRAP,
    Memory,
)
from virtlab.machine.tlb import choose_contexts
from virtlab.machine.trap import VIRTUAL_MODE, take_exception, take_fault

i64 = np.int64


@njit(inner=True)
def guest_memory(vm, mem, guest_log):
    """The guest's physical memory: the same arrays, from the place where its RAM begins."""
    a, b = vm.host_base, vm.host_base + vm.ram_bytes
    return Memory(
        mem.u8[a:b],
        mem.u16[a >> 1 : b >> 1],
        mem.u32[a >> 2 : b >> 2],
        mem.u64[a >> 3 : b >> 3],
        mem.pages[a >> 12 : b >> 12],
        mem.code,
        mem.disk,
        mem.blocks,
        guest_log,
    )


@njit(inner=True)
def enter(vm, vcpu, hart):
    """Load the hart with the guest's registers and clock."""
    for k in range(32):
        hart.x[k] = vcpu.x[k]
    hart.pc = vcpu.pc
    hart.steps = vcpu.steps
    hart.idle_steps = vcpu.idle_steps
    hart.not_retired = vcpu.not_retired
    hart.cycle_offset = vcpu.cycle_offset
    hart.instret_offset = vcpu.instret_offset
    hart.mcountinhibit = vcpu.mcountinhibit
    hart.time_offset = vcpu.time_offset
    hart.steps_per_tick = vcpu.steps_per_tick
    hart.silent = vcpu.silent
    hart.watch_pc = vcpu.watch_pc
    hart.first = vcpu.first
    hart.reservation = i64(-1)
    if vcpu.reservation >= 0:
        hart.reservation = vcpu.reservation + vm.host_base
    hart.scounteren = _readable_counters(vcpu)
    choose_contexts(hart)
    vm.entered = 1
    vm.world_switches += 1


@njit(inner=True)
def _readable_counters(vcpu):
    """The counters that code in U-mode on the hart may read, because the guest's mode may."""
    if vcpu.virt:
        return i64(0)  # there TIME is shifted by htimedelta
    if vcpu.mode == e.MACHINE:
        return i64(7)
    if vcpu.mode == e.SUPERVISOR:
        return vcpu.mcounteren
    return vcpu.mcounteren & vcpu.scounteren


@njit(inner=True)
def leave(vm, vcpu, hart):
    """Save the guest's registers and clock; the hart has just stopped.

    After a trap `pc` is the instruction that trapped, and it has not been counted: what is done
    about the trap decides what becomes of it. Returns whether it was a trap.
    """
    trapped = i64(hart.stop == STOP_TRAP)
    begun = i64(trapped and hart.scause >= 0)  # an interrupt comes before its instruction
    vm.entered = 0
    vm.hart_instructions += hart.steps - vcpu.steps - begun
    for k in range(32):
        vcpu.x[k] = hart.x[k]
    vcpu.steps = hart.steps - begun
    vcpu.not_retired = hart.not_retired - begun
    vcpu.pc = hart.pc
    reservation = hart.reservation
    if trapped:
        vcpu.pc = hart.sepc
        reservation = hart.reservation_lost
    vcpu.reservation = i64(-1)
    if reservation >= 0:
        vcpu.reservation = reservation - vm.host_base
    if hart.silent_count:
        if vcpu.silent_count == 0:
            vcpu.silent_pc, vcpu.silent_word = hart.silent_pc, hart.silent_word
        vcpu.silent_count += hart.silent_count
        hart.silent_count = 0
    return trapped


@njit(inner=True)
def begin(vm, vcpu, hart, goal):
    """Look at how the last stretch ended, before anything else is done.

    Returns whether the guest may go on. If it left by a trap, the exit is `pending` and has to be
    classified.
    """
    stop = i64(STOP_NONE)
    if vm.entered:
        if leave(vm, vcpu, hart):
            vm.pending = 1
            vm.shown = 0
            vm.pc = vcpu.pc
            vm.cause = hart.scause
            vm.mode = vcpu.mode + VIRTUAL_MODE * vcpu.virt
        elif hart.stop == STOP_EVENT or hart.stop == STOP_IDLE:  # what was waited for, or a sleep
            stop = hart.stop
            vcpu.stop_detail = hart.stop_detail
    elif vm.interpret:
        vm.interpret = DIRECT
        if vcpu.stop != STOP_BUDGET:
            stop = vcpu.stop
    vcpu.stop = stop
    vcpu.end = goal
    return stop == STOP_NONE


@njit(inner=True)
def shows(vm, vcpu):
    """Whether the run stops here to show the exit on hand before it is handled."""
    if vm.shown or not vm.watch_exits >> vm.reason & 1:
        return False
    vm.shown = 1
    vcpu.stop = STOP_EVENT
    vcpu.stop_detail = 0
    return True


@njit(inner=True)
def settle_exit(vm, vcpu, hart, guest, exits, action):
    """Do what the action says, and record the exit.

    RESUME: the instruction counts; its handler has moved `pc` on. RETRY: it does not count.
    REFLECT: the exception that the hart reported is the guest's. STOP: the run ends.
    """
    answered = action
    if action == RESUME and vm.delivered:
        answered = i64(REFLECT)
    record_exit(vm, exits, vcpu, answered)
    vm.pending = 0
    vm.delivered = 0
    if action == REFLECT:
        vm.injections += 1
        vcpu.pc = take_exception(vcpu, guest, vm.pc, vm.cause, vm.gva)
    if action == RESUME or action == REFLECT:
        vcpu.steps += 1
    elif action == STOP:
        vcpu.stop = STOP_EVENT
        vcpu.stop_detail = 0
        vm.error = 1


@njit(inner=True)
def attend_guest(vm, vcpu, guest):
    """Between two instructions of the guest: its budget, its sleep, its interrupts."""
    interrupts = vcpu.n_events
    vcpu.pc = attend(vcpu, guest, vcpu.pc)
    vm.injections += vcpu.n_events - interrupts
    return vcpu.stop == STOP_NONE


@njit(inner=True)
def emulate(vm, vcpu, guest):
    """Carry out the instruction at the vcpu's pc on the vcpu: what the guest's own hart would do.

    That includes the exceptions that it causes there. `pc` moves on.
    """
    vm.emulated += 1
    not_retired = vcpu.not_retired
    d = fetch_decoded(vcpu, guest, vcpu.pc)
    if vcpu.fault:
        vcpu.pc = take_fault(vcpu, guest, vcpu.pc)
    else:
        vcpu.pc = execute(vcpu, guest, vcpu.pc, d)
    vm.delivered = i64(vcpu.not_retired != not_retired)
    vm.injections += vm.delivered
    return i64(RESUME)
