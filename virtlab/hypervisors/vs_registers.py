"""What has the hart twice? The supervisor's registers: HS-mode has one set, VS-mode the other.

    guest says    hart has      | guest says    hart has       | guest says      hart has
    sstatus       vsstatus      | scause        vscause        | sie             mie, one bit up
    stvec         vstvec        | stval         vstval         | sip.SSIP, SEIP  hvip, one bit up
    sscratch      vsscratch     | satp          vsatp          | sip.STIP        vstimecmp is due
    sepc          vsepc         | stimecmp      vstimecmp      | scounteren      scounteren

`load_registers` copies the vcpu's to the hart, `save_registers` back. The vcpu's own are right
whenever the guest does not run.

Since the guest's kernel takes its traps on the hart, what they would have done to the vcpu besides
is made up for here: the event log, the counters, and H registers that a trap clears.

# Model: all are copied at each exit. As accesses to the control structure are counted those that
# real hypervisors make: registers that say why the guest left, and those that have changed.

Source: Privileged ISA 20240411, "Hypervisor and Virtual Supervisor CSRs".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import encoding as e
from virtlab.machine.csr import SSTATUS_VISIBLE, SSTATUS_WRITABLE
from virtlab.machine.interrupts import pending_interrupts
from virtlab.machine.state import (
    EVENT_COLUMNS,
    EVENT_FROM,
    EVENT_KIND,
    EVENT_TO,
    KIND_RETURN,
    N_EVENTS,
    STOP_TRAP,
)
from virtlab.machine.tlb import choose_contexts, flush_all

i64 = np.int64
# Words of the state array that these functions use; see hardware_assisted.py.
LEFT_SATP, HSTATUS, HEDELEG = 5, 6, 7  # satp at the last exit; the exit controls
DELEGATED_CAUSES = 16


@njit(inner=True)
def load_registers(vm, vcpu, hart, state):
    """The guest's supervisor registers and interrupts, into the hart's VS set."""
    status = vcpu.mstatus & SSTATUS_VISIBLE
    pending = (pending_interrupts(vcpu) & (e.SSIP | e.SEIP)) << 1
    enabled = (vcpu.mie & e.S_INTERRUPTS) << 1
    changed = i64(hart.vsstatus != status) + i64(hart.vstvec != vcpu.stvec)
    changed += i64(hart.vsscratch != vcpu.sscratch) + i64(hart.vsepc != vcpu.sepc)
    changed += i64(hart.vscause != vcpu.scause) + i64(hart.vstval != vcpu.stval)
    changed += i64(hart.vstimecmp != vcpu.stimecmp) + i64(state[LEFT_SATP] != vcpu.satp)
    hart.vsstatus, hart.vstvec, hart.vsscratch = status, vcpu.stvec, vcpu.sscratch
    hart.vsepc, hart.vscause, hart.vstval = vcpu.sepc, vcpu.scause, vcpu.stval
    hart.vstimecmp = vcpu.stimecmp
    vm.injections += i64(pending & ~hart.mip & e.VSEIP != 0)
    hart.mip, hart.mie = pending, enabled  # hvip, vsie
    if hart.plic_enable[1]:  # the host listens to devices of its own
        hart.mie |= e.SEIP
    hart.hideleg = e.VS_INTERRUPTS
    hart.hedeleg = state[HEDELEG]
    hart.hstatus = i64(e.HSTATUS_VSXL_64) | state[HSTATUS]
    if vcpu.hstatus & e.HSTATUS_SPV:  # its next SRET would enter a guest of its own
        hart.hstatus |= e.HSTATUS_VTSR
    hart.henvcfg = vcpu.menvcfg
    hart.hcounteren = vcpu.mcounteren
    hart.waiting = vcpu.waiting
    hart.watch = vcpu.watch
    hart.n_events = vcpu.n_events
    for k in range(DELEGATED_CAUSES):
        hart.exceptions[k] = vcpu.exceptions[k]
        hart.interrupts[k] = vcpu.interrupts[max(k - 1, 0)]
    vm.vmcs_accesses += changed


@njit(inner=True)
def save_registers(vm, vcpu, hart, mem, guest, state):
    """The way back: what the guest has changed on the hart, and the traps that it took there."""
    trapped = i64(hart.stop == STOP_TRAP)
    vcpu.mode = hart.mode
    if trapped:
        vcpu.mode = i64(e.SUPERVISOR) if hart.mstatus & e.MSTATUS_SPP else i64(e.USER)
        if hart.scause >= 0:
            hart.exceptions[hart.scause & 63] -= 1
        else:
            hart.interrupts[hart.scause & 63] -= 1
        vm.vmcs_accesses += 3  # scause, sepc, stval
    vcpu.mstatus = vcpu.mstatus & ~SSTATUS_WRITABLE | hart.vsstatus & SSTATUS_WRITABLE
    vcpu.stvec, vcpu.sscratch, vcpu.scounteren = hart.vstvec, hart.vsscratch, hart.scounteren
    vcpu.sepc, vcpu.scause, vcpu.stval = hart.vsepc, hart.vscause, hart.vstval
    vcpu.stimecmp = hart.vstimecmp
    if hart.hgatp:  # with shadow paging vsatp is the shadow's
        vcpu.satp = hart.vsatp
    state[LEFT_SATP] = vcpu.satp
    vcpu.mie = vcpu.mie & ~e.S_INTERRUPTS | hart.mie >> 1 & e.S_INTERRUPTS
    vcpu.mip = vcpu.mip & ~e.SSIP | hart.mip >> 1 & e.SSIP
    vcpu.idle_steps, vcpu.waiting = hart.idle_steps, hart.waiting
    for k in range(1, DELEGATED_CAUSES):
        vcpu.exceptions[k] = hart.exceptions[k]
        vcpu.interrupts[k - 1] = hart.interrupts[k]
    end = hart.n_events - trapped
    for k in range(max(vcpu.n_events, end - N_EVENTS + 1), end):
        row = k % N_EVENTS
        for column in range(EVENT_COLUMNS):
            guest.log[row, column] = mem.log[row, column]
        guest.log[row, EVENT_FROM] &= 3
        guest.log[row, EVENT_TO] &= 3
        if guest.log[row, EVENT_KIND] != KIND_RETURN:  # a trap to its S-mode clears these
            vcpu.htval, vcpu.htinst = 0, 0
            vcpu.hstatus &= ~(e.HSTATUS_SPV | e.HSTATUS_GVA)
    vcpu.n_events = end
    hart.mie, hart.watch, hart.waiting = 0, 0, 0  # whoever has the next turn
    flush_all(vcpu)  # it has not seen the guest's fences
    choose_contexts(vcpu)
