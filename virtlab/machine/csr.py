"""The control and status registers: who may touch which, what a read shows, what a write keeps.

A number the machine does not have is an illegal instruction. In V=1 the supervisor's numbers reach
the VS registers. Fields that the architecture leaves open (WARL) keep the values that are supported
and ignore the rest.

# Model: misa is read-only; no extension can be switched off.

Sources: Privileged ISA 20240411, chapters "Control and Status Registers", "Machine-Level ISA",
"Supervisor-Level ISA", "Hypervisor Extension", "Sstc Extension". Where the manual leaves a choice,
the machine does as Spike does, so that the two can be compared.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import encoding as e
from virtlab.isa import op
from virtlab.machine.interrupts import pending_interrupts, time_now
from virtlab.machine.state import N_PMP, NO
from virtlab.machine.tlb import (
    CONTEXT_ASID_SHIFT,
    CONTEXT_VIRT,
    CONTEXT_VMID_SHIFT,
    choose_contexts,
    flush_all,
    flush_contexts,
)

i64 = np.int64

MISA = (
    2 << 62 | 1 << 0 | 1 << 2 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 18 | 1 << 20  # RV64 A C H I M S U
) - (1 << 64)
SSTATUS_WRITABLE = e.MSTATUS_SIE | e.MSTATUS_SPIE | e.MSTATUS_SPP | e.MSTATUS_SUM | e.MSTATUS_MXR
SSTATUS_VISIBLE = SSTATUS_WRITABLE | 3 << 32
MSTATUS_WRITABLE = (
    SSTATUS_WRITABLE
    | e.MSTATUS_MIE
    | e.MSTATUS_MPIE
    | e.MSTATUS_MPP
    | e.MSTATUS_MPRV
    | e.MSTATUS_TVM
    | e.MSTATUS_TW
    | e.MSTATUS_TSR
    | e.MSTATUS_GVA
    | e.MSTATUS_MPV
)
HSTATUS_WRITABLE = (
    e.HSTATUS_GVA
    | e.HSTATUS_SPV
    | e.HSTATUS_SPVP
    | e.HSTATUS_HU
    | e.HSTATUS_VTVM
    | e.HSTATUS_VTW
    | e.HSTATUS_VTSR
)
HEDELEG_WRITABLE = 0xC_B1FF  # 0..8, 12, 13, 15, 18, 19
MEDELEG_WRITABLE = 0xFC_B7FE  # 1..10, 12, 13, 15, 18..23; with C, fetches are never misaligned
MIDELEG_ALWAYS = e.HS_INTERRUPTS
MIE_WRITABLE = e.S_INTERRUPTS | e.HS_INTERRUPTS | e.M_INTERRUPTS
ENVCFG_WRITABLE = e.ENVCFG_ADUE | e.ENVCFG_STCE
COUNTERS_WRITABLE = e.COUNTER_CYCLE | e.COUNTER_TIME | e.COUNTER_INSTRET
INHIBIT_WRITABLE = e.COUNTER_CYCLE | e.COUNTER_INSTRET
PMPADDR_BITS = (1 << 54) - 1
PMPCFG_BITS = 0x9F


@njit(inner=True)
def illegal(hart):
    """The access is an illegal instruction."""
    hart.fault = e.CAUSE_ILLEGAL + 1
    return i64(0)


@njit(inner=True)
def virtual(hart):
    """The access is a virtual instruction: HS-mode could do it, a guest may not."""
    hart.fault = e.CAUSE_VIRTUAL_INSTRUCTION + 1
    return i64(0)


@njit(inner=True)
def check_access(hart, number, writes):
    """Set hart.fault if the current mode may not make this access to an existing CSR."""
    hart.fault = 0
    if writes and number >> 10 == 3:
        illegal(hart)
        return
    needed = number >> 8 & 3  # 2 stands for HS
    level = hart.mode
    if hart.mode == e.SUPERVISOR and not hart.virt:
        level = i64(2)
    if number == e.STIMECMP or number == e.VSTIMECMP:
        if hart.mode != e.MACHINE:
            if not hart.menvcfg & e.ENVCFG_STCE or not hart.mcounteren & e.COUNTER_TIME:
                illegal(hart)
                return
    if level < needed:
        if hart.virt and needed <= 2:
            virtual(hart)
        else:
            illegal(hart)
        return
    if e.CYCLE <= number < e.CYCLE + 32:
        _check_counter(hart, number & 31)
    elif number == e.SATP:
        if hart.virt and hart.hstatus & e.HSTATUS_VTVM:
            virtual(hart)
        elif not hart.virt and hart.mode == e.SUPERVISOR and hart.mstatus & e.MSTATUS_TVM:
            illegal(hart)
    elif number == e.HGATP:
        if hart.mode == e.SUPERVISOR and hart.mstatus & e.MSTATUS_TVM:
            illegal(hart)
    elif number == e.STIMECMP:
        if hart.virt:
            if not hart.henvcfg & e.ENVCFG_STCE or not hart.hcounteren & e.COUNTER_TIME:
                virtual(hart)


@njit(inner=True)
def _check_counter(hart, bit):
    """Section "Machine Counter-Enable (mcounteren) Register" and its S- and HS-level relatives."""
    if hart.mode == e.MACHINE:
        return
    if not hart.mcounteren >> bit & 1:
        illegal(hart)
    elif hart.virt and not hart.hcounteren >> bit & 1:
        virtual(hart)
    elif hart.mode == e.USER and not hart.scounteren >> bit & 1:
        if hart.virt:
            virtual(hart)
        else:
            illegal(hart)


@njit(inner=True)
def _cycle(hart):
    if hart.mcountinhibit & e.COUNTER_CYCLE:
        return hart.cycle_offset
    return hart.steps + hart.idle_steps + hart.cycle_offset


@njit(inner=True)
def _instret(hart):
    if hart.mcountinhibit & e.COUNTER_INSTRET:
        return hart.instret_offset
    return hart.steps - hart.not_retired + hart.instret_offset


@njit(inner=True)
def _is_always_zero(number):
    """Registers of PMP entries 16 to 63; tselect to tdata3, which thereby say: no triggers."""
    if e.TSELECT <= number <= e.TDATA3:
        return True
    if e.PMPCFG0 + 4 <= number < e.PMPCFG0 + 16:
        return number & 1 == 0
    return e.PMPADDR0 + N_PMP <= number < e.PMPADDR0 + 64


@njit(inner=True)
def _pmpcfg(hart, first):
    value = i64(0)
    for k in range(8):
        value |= hart.pmpcfg[first + k] << (8 * k)
    return value


@njit(inner=True)
def read_csr(hart, number):
    """The value of CSR `number` (after redirection to VS); hart.fault if there is no such CSR."""
    if number == e.CYCLE or number == e.MCYCLE:
        return _cycle(hart)
    if number == e.TIME:
        if hart.virt:
            return time_now(hart) + hart.htimedelta
        return time_now(hart)
    if number == e.INSTRET or number == e.MINSTRET:
        return _instret(hart)
    if e.MHPMCOUNTER3 <= number < e.MCYCLE + 32:
        return i64(0)
    if e.MHPMEVENT3 <= number < e.MCOUNTINHIBIT + 32:
        return i64(0)
    # Supervisor
    if number == e.SSTATUS:
        return hart.mstatus & SSTATUS_VISIBLE
    if number == e.SIE:
        return hart.mie & hart.mideleg & e.S_INTERRUPTS
    if number == e.SIP:
        return pending_interrupts(hart) & hart.mideleg & e.S_INTERRUPTS
    if number == e.STVEC:
        return hart.stvec
    if number == e.SCOUNTEREN:
        return hart.scounteren
    if number == e.SENVCFG:
        return i64(0)
    if number == e.SSCRATCH:
        return hart.sscratch
    if number == e.SEPC:
        return hart.sepc
    if number == e.SCAUSE:
        return hart.scause
    if number == e.STVAL:
        return hart.stval
    if number == e.STIMECMP:
        return hart.stimecmp
    if number == e.SATP:
        return hart.satp
    # Virtual supervisor
    if number == e.VSSTATUS:
        return hart.vsstatus
    if number == e.VSIE:
        return (hart.mie & hart.hideleg & e.VS_INTERRUPTS) >> 1
    if number == e.VSIP:
        return (pending_interrupts(hart) & hart.hideleg & e.VS_INTERRUPTS) >> 1
    if number == e.VSTVEC:
        return hart.vstvec
    if number == e.VSSCRATCH:
        return hart.vsscratch
    if number == e.VSEPC:
        return hart.vsepc
    if number == e.VSCAUSE:
        return hart.vscause
    if number == e.VSTVAL:
        return hart.vstval
    if number == e.VSTIMECMP:
        return hart.vstimecmp
    if number == e.VSATP:
        return hart.vsatp
    # Hypervisor
    if number == e.HSTATUS:
        return hart.hstatus
    if number == e.HEDELEG:
        return hart.hedeleg
    if number == e.HIDELEG:
        return hart.hideleg
    if number == e.HIE:
        return hart.mie & e.HS_INTERRUPTS
    if number == e.HIP:
        return pending_interrupts(hart) & e.HS_INTERRUPTS
    if number == e.HVIP:
        return hart.mip & e.VS_INTERRUPTS
    if number == e.HTIMEDELTA:
        return hart.htimedelta
    if number == e.HCOUNTEREN:
        return hart.hcounteren
    if number == e.HENVCFG:
        return hart.henvcfg & hart.menvcfg
    if number == e.HTVAL:
        return hart.htval
    if number == e.HTINST:
        return hart.htinst
    if number == e.HGATP:
        return hart.hgatp
    if number == e.HGEIE or number == e.HGEIP:
        return i64(0)
    # Machine
    if number == e.MSTATUS:
        return hart.mstatus
    if number == e.MISA:
        return hart.misa
    if number == e.MEDELEG:
        return hart.medeleg
    if number == e.MIDELEG:
        return hart.mideleg
    if number == e.MIE:
        return hart.mie
    if number == e.MIP:
        return pending_interrupts(hart)
    if number == e.MTVEC:
        return hart.mtvec
    if number == e.MCOUNTEREN:
        return hart.mcounteren
    if number == e.MENVCFG:
        return hart.menvcfg
    if number == e.MCOUNTINHIBIT:
        return hart.mcountinhibit
    if number == e.MSCRATCH:
        return hart.mscratch
    if number == e.MEPC:
        return hart.mepc
    if number == e.MCAUSE:
        return hart.mcause
    if number == e.MTVAL:
        return hart.mtval
    if number == e.MTINST:
        return hart.mtinst
    if number == e.MTVAL2:
        return hart.mtval2
    if number == e.PMPCFG0 or number == e.PMPCFG0 + 2:
        return _pmpcfg(hart, 4 * (number - e.PMPCFG0))
    if e.PMPADDR0 <= number < e.PMPADDR0 + N_PMP:
        return hart.pmpaddr[number - e.PMPADDR0]
    if _is_always_zero(number):
        return i64(0)
    if e.MVENDORID <= number <= e.MCONFIGPTR:
        return i64(0)
    return illegal(hart)


@njit(inner=True)
def _flush_asid(hart, atp, virt):
    """Forget one ASID of V = `virt` (in V=1: of the current VMID)."""
    wanted = (atp >> e.ASID_SHIFT & e.ASID_MASK) << CONTEXT_ASID_SHIFT
    mask = i64(e.ASID_MASK) << CONTEXT_ASID_SHIFT | CONTEXT_VIRT
    if virt:
        wanted |= CONTEXT_VIRT
        wanted |= (hart.hgatp >> e.ASID_SHIFT & e.VMID_MASK) << CONTEXT_VMID_SHIFT
        mask |= i64(e.VMID_MASK) << CONTEXT_VMID_SHIFT
    flush_contexts(hart, wanted, mask, i64(0), NO)


@njit(inner=True)
def _keep_mode(old, value):
    """vsatp or hgatp after a write with an unsupported MODE: the other fields are taken."""
    rest = (i64(1) << e.ATP_MODE_SHIFT) - 1
    return old & ~rest | value & rest


@njit(inner=True)
def _write_atp(hart, old, value, virt):
    """satp or vsatp after a write.

    A new root under an old ASID also forgets that ASID. The manual leaves this to SFENCE.VMA, but
    small kernels that never use ASIDs forget the fence, and no hardware without ASIDs minds.
    """
    mode = value >> e.ATP_MODE_SHIFT & 0xF
    if mode != e.ATP_BARE and mode != e.ATP_SV39:
        if not virt or hart.virt:
            return old
        value = _keep_mode(old, value)  # vsatp written from outside the guest
    if (old ^ value) & e.ATP_PPN and (old ^ value) >> e.ASID_SHIFT & e.ASID_MASK == 0:
        _flush_asid(hart, value, virt)
    return value


@njit(inner=True)
def _write_hgatp(hart, value):
    old = hart.hgatp
    mode = value >> e.ATP_MODE_SHIFT & 0xF
    if mode != e.ATP_BARE and mode != e.ATP_SV39:
        value = _keep_mode(old, value)
    value &= ~((i64(3) << 58) | 3)  # VMID has 14 bits; the root is 16 KiB
    if (old ^ value) & e.ATP_PPN and (old ^ value) >> e.ASID_SHIFT & e.VMID_MASK == 0:
        wanted = (value >> e.ASID_SHIFT & e.VMID_MASK) << CONTEXT_VMID_SHIFT | CONTEXT_VIRT
        mask = i64(e.VMID_MASK) << CONTEXT_VMID_SHIFT | CONTEXT_VIRT
        flush_contexts(hart, wanted, mask, i64(0), NO)
    hart.hgatp = value


@njit(inner=True)
def _write_mstatus(hart, value):
    value = hart.mstatus & ~MSTATUS_WRITABLE | value & MSTATUS_WRITABLE
    if value & e.MSTATUS_MPP == 2 << e.MSTATUS_MPP_SHIFT:
        value &= ~e.MSTATUS_MPP
    hart.mstatus = value


@njit(inner=True)
def _write_pmpcfg(hart, first, value):
    for k in range(8):
        config = value >> (8 * k) & PMPCFG_BITS
        if config & e.PMP_W and not config & e.PMP_R:  # reserved
            config &= ~e.PMP_W
        if not hart.pmpcfg[first + k] & e.PMP_L:
            hart.pmpcfg[first + k] = config
    flush_all(hart)


@njit(inner=True)
def _write_pmpaddr(hart, k, value):
    locked = hart.pmpcfg[k] & e.PMP_L
    if k + 1 < N_PMP:
        above = hart.pmpcfg[k + 1]
        if above & e.PMP_L and above >> e.PMP_A_SHIFT & 3 == e.PMP_TOR:
            locked |= e.PMP_L
    if not locked:
        hart.pmpaddr[k] = value & PMPADDR_BITS
        flush_all(hart)


@njit(inner=True)
def _write_inhibit(hart, value):
    """Stopped counters keep their value in the offset, running ones their distance to the steps."""
    cycle = _cycle(hart)
    instret = _instret(hart)
    hart.mcountinhibit = value & INHIBIT_WRITABLE
    hart.cycle_offset += cycle - _cycle(hart)
    hart.instret_offset += instret - _instret(hart)


@njit(inner=True)
def write_csr(hart, number, value):
    """Write CSR `number` (after redirection to VS), which exists."""
    if number == e.MCYCLE:
        hart.cycle_offset += value - _cycle(hart)
        if not hart.mcountinhibit & e.COUNTER_CYCLE:
            hart.cycle_offset -= 1  # the write itself does not count
    elif number == e.MINSTRET:
        hart.instret_offset += value - _instret(hart)
        if not hart.mcountinhibit & e.COUNTER_INSTRET:
            hart.instret_offset -= 1
    elif e.MHPMCOUNTER3 <= number < e.MCYCLE + 32 or e.MHPMEVENT3 <= number < e.MCOUNTINHIBIT + 32:
        return
    # Supervisor
    elif number == e.SSTATUS:
        hart.mstatus = hart.mstatus & ~SSTATUS_WRITABLE | value & SSTATUS_WRITABLE
    elif number == e.SIE:
        mask = hart.mideleg & e.S_INTERRUPTS
        hart.mie = hart.mie & ~mask | value & mask
    elif number == e.SIP:
        mask = hart.mideleg & e.SSIP
        hart.mip = hart.mip & ~mask | value & mask
    elif number == e.STVEC:
        hart.stvec = value & ~2
    elif number == e.SCOUNTEREN:
        hart.scounteren = value & COUNTERS_WRITABLE
    elif number == e.SENVCFG:
        return
    elif number == e.SSCRATCH:
        hart.sscratch = value
    elif number == e.SEPC:
        hart.sepc = value & ~1
    elif number == e.SCAUSE:
        hart.scause = value
    elif number == e.STVAL:
        hart.stval = value
    elif number == e.STIMECMP:
        hart.stimecmp = value
    elif number == e.SATP:
        hart.satp = _write_atp(hart, hart.satp, value, i64(0))
    # Virtual supervisor
    elif number == e.VSSTATUS:
        hart.vsstatus = hart.vsstatus & ~SSTATUS_WRITABLE | value & SSTATUS_WRITABLE
    elif number == e.VSIE:
        mask = hart.hideleg & e.VS_INTERRUPTS
        hart.mie = hart.mie & ~mask | value << 1 & mask
    elif number == e.VSIP:
        mask = hart.hideleg & e.VSSIP
        hart.mip = hart.mip & ~mask | value << 1 & mask
    elif number == e.VSTVEC:
        hart.vstvec = value & ~2
    elif number == e.VSSCRATCH:
        hart.vsscratch = value
    elif number == e.VSEPC:
        hart.vsepc = value & ~1
    elif number == e.VSCAUSE:
        hart.vscause = value
    elif number == e.VSTVAL:
        hart.vstval = value
    elif number == e.VSTIMECMP:
        hart.vstimecmp = value
    elif number == e.VSATP:
        hart.vsatp = _write_atp(hart, hart.vsatp, value, i64(1))
    # Hypervisor
    elif number == e.HSTATUS:
        hart.hstatus = hart.hstatus & ~HSTATUS_WRITABLE | value & HSTATUS_WRITABLE
    elif number == e.HEDELEG:
        hart.hedeleg = value & HEDELEG_WRITABLE
    elif number == e.HIDELEG:
        hart.hideleg = value & e.VS_INTERRUPTS
    elif number == e.HIE:
        hart.mie = hart.mie & ~e.HS_INTERRUPTS | value & e.HS_INTERRUPTS
    elif number == e.HIP:
        hart.mip = hart.mip & ~e.VSSIP | value & e.VSSIP
    elif number == e.HVIP:
        hart.mip = hart.mip & ~e.VS_INTERRUPTS | value & e.VS_INTERRUPTS
    elif number == e.HTIMEDELTA:
        hart.htimedelta = value
    elif number == e.HCOUNTEREN:
        hart.hcounteren = value & COUNTERS_WRITABLE
    elif number == e.HENVCFG:
        hart.henvcfg = hart.henvcfg & ~hart.menvcfg | value & hart.menvcfg
    elif number == e.HTVAL:
        hart.htval = value
    elif number == e.HTINST:
        hart.htinst = value
    elif number == e.HGATP:
        _write_hgatp(hart, value)
    elif number == e.HGEIE:
        return
    # Machine
    elif number == e.MSTATUS:
        _write_mstatus(hart, value)
    elif number == e.MISA:
        return
    elif number == e.MEDELEG:
        hart.medeleg = value & MEDELEG_WRITABLE
    elif number == e.MIDELEG:
        hart.mideleg = value & e.S_INTERRUPTS | MIDELEG_ALWAYS
    elif number == e.MIE:
        hart.mie = value & MIE_WRITABLE
    elif number == e.MIP:
        mask = i64(e.SSIP | e.SEIP | e.VSSIP)
        if not hart.menvcfg & e.ENVCFG_STCE:
            mask |= e.STIP
        hart.mip = hart.mip & ~mask | value & mask
    elif number == e.MTVEC:
        hart.mtvec = value & ~2
    elif number == e.MCOUNTEREN:
        hart.mcounteren = value & COUNTERS_WRITABLE
    elif number == e.MENVCFG:
        hart.menvcfg = value & ENVCFG_WRITABLE
    elif number == e.MCOUNTINHIBIT:
        _write_inhibit(hart, value)
    elif number == e.MSCRATCH:
        hart.mscratch = value
    elif number == e.MEPC:
        hart.mepc = value & ~1
    elif number == e.MCAUSE:
        hart.mcause = value
    elif number == e.MTVAL:
        hart.mtval = value
    elif number == e.MTINST:
        hart.mtinst = value
    elif number == e.MTVAL2:
        hart.mtval2 = value
    elif number == e.PMPCFG0 or number == e.PMPCFG0 + 2:
        _write_pmpcfg(hart, 4 * (number - e.PMPCFG0), value)
    elif e.PMPADDR0 <= number < e.PMPADDR0 + N_PMP:
        _write_pmpaddr(hart, number - e.PMPADDR0, value)


@njit(inner=True)
def csr_instruction(hart, kind, number, source, writes):
    """CSRRW, CSRRS, CSRRC and their immediate forms.

    Parameters
    ----------
    kind : op.CSRRW, op.CSRRS or op.CSRRC
    source : int64, the operand
    writes : bool, False for CSRRS and CSRRC with x0 or a zero immediate

    Returns
    -------
    old : int64, for rd; hart.fault is set if the instruction must trap
    """
    check_access(hart, number, writes)
    if hart.virt and number >> 8 & 3 == 1 and hart.fault == 0:
        if number != e.SCOUNTEREN and number != e.SENVCFG:  # the guest has the supervisor's own
            number += 0x100
    if hart.fault:
        if hart.fault == e.CAUSE_VIRTUAL_INSTRUCTION + 1:
            _illegal_unless_it_exists(hart, number)
        return i64(0)
    old = read_csr(hart, number)
    if hart.fault or not writes:
        return old
    kept = old
    if number == e.MIP:  # the PLIC's signal must not be written back into the software's bit
        kept = old & ~e.SEIP | hart.mip & e.SEIP
    if kind == op.CSRRW:
        write_csr(hart, number, source)
    elif kind == op.CSRRS:
        write_csr(hart, number, kept | source)
    else:
        write_csr(hart, number, kept & ~source)
    choose_contexts(hart)
    hart.horizon = 0
    return old


@njit(inner=True)
def _illegal_unless_it_exists(hart, number):
    """A guest's access to a number that does not exist is illegal, not virtual."""
    hart.fault = 0
    read_csr(hart, number)
    if hart.fault == 0:
        virtual(hart)
