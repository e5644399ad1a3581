"""One instruction, completely: everything the run loop does not do itself.

Memory accesses that the TLB could not answer, atomics, CSRs, privileged instructions, traps. The
run loop has one call to `execute`; it costs some 20 ns instead of one.

Sources: Privileged ISA 20240411, "Privileged Instructions" of the machine, supervisor and
hypervisor chapters, and table "Virtual-instruction exceptions" for who may not execute what.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import encoding as e
from virtlab.isa import op
from virtlab.isa.decode import decode
from virtlab.machine.csr import csr_instruction, read_csr
from virtlab.machine.firmware.sbi import sbi_call
from virtlab.machine.interrupts import interrupt_to_take, next_deadline, wakes
from virtlab.machine.memory import (
    AS_CURRENT,
    atomic,
    load,
    load_reserved,
    store,
    store_conditional,
)
from virtlab.machine.mmu import access_fault, translate
from virtlab.machine.pmp import pmp_allows, pmp_allows_page
from virtlab.machine.ram import in_ram, ram_load
from virtlab.machine.state import (
    HALF,
    N_TLB,
    NO,
    RAM_BASE,
    STOP_BUDGET,
    STOP_EVENT,
    STOP_IDLE,
    WATCH_IDLE,
)
from virtlab.machine.tlb import (
    CONTEXT_ASID_SHIFT,
    CONTEXT_VIRT,
    CONTEXT_VMID_SHIFT,
    flush_contexts,
    remember_fetch,
)
from virtlab.machine.trap import return_from_trap, take_exception, take_fault, take_interrupt

i64 = np.int64
FAR = 1 << 62


@njit(inner=True)
def attend(hart, mem, pc):
    """Between two instructions: end of the budget, sleep, interrupts. Sets the next horizon.

    Returns the next pc; hart.stop is set if the run ends here.
    """
    if hart.steps >= hart.end:
        hart.stop = STOP_BUDGET
        return pc
    if hart.waiting:
        if not wakes(hart):
            deadline = next_deadline(hart, hart.mie)
            if deadline == FAR:
                hart.stop = STOP_IDLE
                return pc
            hart.idle_steps += deadline - hart.steps
        hart.waiting = 0
    number = interrupt_to_take(hart)
    if number >= 0:
        pc = take_interrupt(hart, mem, pc, number)
    hart.horizon = min(hart.end, next_deadline(hart, hart.mie))
    return pc


@njit(inner=True)
def locate_code(hart, mem, pc):
    """Offset in RAM of the halfword at `pc`; hart.fault if it cannot be fetched.

    The page enters the TLB unless PMP allows only part of it.
    """
    hart.fault = 0
    k = pc >> e.PAGE_SHIFT & (N_TLB - 1)
    if hart.itlb_tag[k] == (pc & e.PAGE_MASK) + hart.fetch_key:
        return pc + hart.itlb_add[k]
    hart.fetch_misses += 1
    mode = hart.mode
    pa, level = translate(hart, mem, pc, i64(e.FETCH), mode, hart.virt, NO)
    if hart.fault:
        return i64(-1)
    if not in_ram(hart, pa, HALF) or not pmp_allows(hart, pa, HALF, i64(e.FETCH), mode):
        access_fault(hart, i64(e.FETCH), pc)
        return i64(-1)
    if pmp_allows_page(hart, pa, i64(e.FETCH), mode):
        remember_fetch(hart, pc, pa - RAM_BASE, level)
    return pa - RAM_BASE


@njit(inner=True)
def fetch_word(hart, mem, pc):
    """The instruction at `pc`, fetched in 16-bit parcels; hart.fault if that fails."""
    offset = locate_code(hart, mem, pc)
    if hart.fault:
        return i64(0)
    word = ram_load(mem, offset, HALF)
    if word & 3 == 3:
        offset = locate_code(hart, mem, pc + 2)
        if hart.fault:
            return i64(0)
        word |= ram_load(mem, offset, HALF) << 16
    return word


@njit(inner=True)
def fetch_decoded(hart, mem, pc):
    """The decoded instruction at `pc`; hart.fault if it cannot be fetched."""
    word = fetch_word(hart, mem, pc)
    if hart.fault:
        return i64(0)
    return decode(word)


@njit(inner=True)
def _width(kind):
    """Bytes accessed by a load or store of the base set."""
    if kind == op.LB or kind == op.LBU or kind == op.SB:
        return i64(1)
    if kind == op.LH or kind == op.LHU or kind == op.SH:
        return i64(2)
    if kind == op.LW or kind == op.LWU or kind == op.SW:
        return i64(4)
    return i64(8)


@njit(inner=True)
def _extended(kind, value):
    """A loaded value as the instruction wants it: sign-extended, or left as it is."""
    if kind == op.LB or kind == op.HLV_B:
        return i64(np.int8(value))
    if kind == op.LH or kind == op.HLV_H:
        return i64(np.int16(value))
    if kind == op.LW or kind == op.HLV_W:
        return i64(np.int32(value))
    return value


@njit(inner=True)
def _hypervisor_width(kind):
    """Bytes accessed by HLV, HLVX or HSV."""
    if kind == op.HLV_B or kind == op.HLV_BU or kind == op.HSV_B:
        return i64(1)
    if kind == op.HLV_H or kind == op.HLV_HU or kind == op.HLVX_HU or kind == op.HSV_H:
        return i64(2)
    if kind == op.HLV_D or kind == op.HSV_D:
        return i64(8)
    return i64(4)


@njit(inner=True)
def execute(hart, mem, pc, d):
    """Carry out one decoded instruction and return the next pc.

    Parameters
    ----------
    pc : int64, of the instruction
    d : int64, packed as virtlab.isa.decode says; never a mark (ROW_END, CROSS, UNDECODED)
    """
    o = d & 0x7F
    length = i64(2) if d & op.COMPRESSED else i64(4)
    rd = d >> 8 & 0xFF
    rs1 = d >> 16 & 0xFF
    rs2 = d >> 24 & 0xFF
    imm = d >> 32
    x = hart.x
    hart.fault = 0

    if op.LB <= o <= op.LWU:
        value = load(hart, mem, x[rs1] + imm, _width(o), i64(AS_CURRENT), i64(0), NO)
        if hart.fault:
            return take_fault(hart, mem, pc)
        x[rd] = _extended(o, value)
    elif op.SB <= o <= op.SD:
        store(hart, mem, x[rs1] + imm, _width(o), x[rs2], i64(AS_CURRENT), i64(0))
        if hart.fault:
            return take_fault(hart, mem, pc)
    elif op.LR_W <= o <= op.AMOMAXU_D:
        n_bytes = i64(4)
        if o >= op.LR_D:
            n_bytes = i64(8)
            o -= op.LR_D - op.LR_W
        if o == op.LR_W:
            value = load_reserved(hart, mem, x[rs1], n_bytes)
        elif o == op.SC_W:
            value = store_conditional(hart, mem, x[rs1], n_bytes, x[rs2])
        else:
            value = atomic(hart, mem, o, x[rs1], n_bytes, x[rs2])
        if hart.fault:
            return take_fault(hart, mem, pc)
        x[rd] = value
    elif op.CSRRW <= o <= op.CSRRCI:
        kind = o
        source = x[rs1]
        if o >= op.CSRRWI:
            kind = o - (op.CSRRWI - op.CSRRW)
            source = rs1
        writes = i64(kind == op.CSRRW or rs1 != 0)
        old = csr_instruction(hart, kind, imm, source, writes)
        if hart.fault and _fails_silently(hart, o, imm):
            x[rd] = _silent(hart, pc, d, imm)
            return pc + length
        if hart.fault:
            word = imm << 20 | rs1 << 15 | (rd & 31) << 7 | i64(e.SYSTEM_OPCODE)
            word |= (o - op.CSRRW + 1 + i64(o >= op.CSRRWI)) << 12
            return take_exception(hart, mem, pc, hart.fault - 1, word)
        x[rd] = old
    elif o == op.ECALL:
        if hart.sbi and hart.mode == e.SUPERVISOR and not hart.virt:
            sbi_call(hart, mem)
            return pc + 4
        return take_exception(hart, mem, pc, _ecall_cause(hart), i64(0))
    elif o == op.EBREAK:
        hart.fault = e.CAUSE_BREAKPOINT + 1
        hart.fault_va, hart.fault_gpa, hart.fault_tinst = pc, 0, 0
        hart.fault_gva = hart.virt
        return take_fault(hart, mem, pc)
    elif o == op.ILLEGAL:
        return take_exception(hart, mem, pc, i64(e.CAUSE_ILLEGAL), imm & 0xFFFF_FFFF)
    else:
        cause = _forbidden(hart, o)
        if cause and _fails_silently(hart, o, i64(0)):
            _silent(hart, pc, d, i64(0))
            return pc + length
        if cause:
            return take_exception(hart, mem, pc, cause, imm & 0xFFFF_FFFF)
        if o == op.MRET or o == op.SRET:
            return return_from_trap(hart, mem, pc, i64(o == op.MRET))
        if o == op.WFI:
            hart.waiting = 1
            hart.horizon = 0
            if hart.watch & WATCH_IDLE and not wakes(hart):
                hart.stop = STOP_EVENT
                hart.stop_detail = WATCH_IDLE
        elif o == op.SFENCE_VMA or o == op.HFENCE_VVMA or o == op.HFENCE_GVMA:
            _fence(hart, o, rs1, rs2)
        else:
            _hypervisor_access(hart, mem, o, rd, rs1, rs2)
            if hart.fault:
                return take_fault(hart, mem, pc)
    return pc + length


@njit(inner=True)
def _fails_silently(hart, o, number):
    """Whether U-mode executes this instruction without effect instead of trapping.

    # Model: only with `silent_privileged`, which no RISC-V hart has. It stands for the instructions
    # of IA-32 that are sensitive and do not trap, such as POPF and SMSW: accesses to sstatus, sie
    # and sip read what is there and write nothing; SFENCE.VMA and WFI do nothing.
    """
    if not hart.silent or hart.mode != e.USER or hart.virt:
        return False
    if op.CSRRW <= o <= op.CSRRCI:
        return number == e.SSTATUS or number == e.SIE or number == e.SIP
    return o == op.SFENCE_VMA or o == op.WFI


@njit(inner=True)
def _silent(hart, pc, d, number):
    """Note the instruction at `pc`, if it is the first; what its CSR, if it has one, shows."""
    if hart.silent_count == 0:
        hart.silent_pc = pc
        hart.silent_word = d
    hart.silent_count += 1
    hart.fault = 0
    if number == 0:
        return i64(0)
    return read_csr(hart, number)


@njit(inner=True)
def _ecall_cause(hart):
    if hart.mode == e.SUPERVISOR and hart.virt:
        return i64(e.CAUSE_ECALL_VS)
    return i64(e.CAUSE_ECALL_U) + hart.mode


@njit(inner=True)
def _forbidden(hart, o):
    """The cause of the exception if the current mode may not execute this instruction, else 0."""
    illegal = i64(e.CAUSE_ILLEGAL)
    virtual = i64(e.CAUSE_VIRTUAL_INSTRUCTION)
    mode, virt = hart.mode, hart.virt
    if mode == e.MACHINE:
        return i64(0)
    if o == op.MRET:
        return illegal
    if o == op.WFI:
        if hart.mstatus & e.MSTATUS_TW:
            return illegal
        if virt and (mode == e.USER or hart.hstatus & e.HSTATUS_VTW):
            return virtual
        return illegal if mode == e.USER else i64(0)
    if o == op.SRET or o == op.SFENCE_VMA:
        if virt:
            bit = i64(e.HSTATUS_VTSR) if o == op.SRET else i64(e.HSTATUS_VTVM)
            return virtual if mode == e.USER or hart.hstatus & bit else i64(0)
        bit = i64(e.MSTATUS_TSR) if o == op.SRET else i64(e.MSTATUS_TVM)
        return illegal if mode == e.USER or hart.mstatus & bit else i64(0)
    if virt:  # hfence, hlv, hsv
        return virtual
    if o == op.HFENCE_VVMA:
        return illegal if mode == e.USER else i64(0)
    if o == op.HFENCE_GVMA:
        return illegal if mode == e.USER or hart.mstatus & e.MSTATUS_TVM else i64(0)
    return illegal if mode == e.USER and not hart.hstatus & e.HSTATUS_HU else i64(0)


@njit(inner=True)
def _fence(hart, o, rs1, rs2):
    """SFENCE.VMA and HFENCE: rs1 = x0 means all addresses, rs2 = x0 all ASIDs or VMIDs."""
    va = hart.x[rs1]
    identifier = hart.x[rs2]
    vmid = hart.hgatp >> e.ASID_SHIFT & e.VMID_MASK
    wanted = i64(0)
    mask = i64(CONTEXT_VIRT)
    if o == op.HFENCE_GVMA:
        wanted |= CONTEXT_VIRT
        if rs2:
            wanted |= (identifier & e.VMID_MASK) << CONTEXT_VMID_SHIFT
            mask |= i64(e.VMID_MASK) << CONTEXT_VMID_SHIFT
        # Entries are found by guest virtual address, so one guest physical page means all of them.
        flush_contexts(hart, wanted, mask, va, NO)
        return
    if o == op.HFENCE_VVMA or hart.virt:
        wanted |= CONTEXT_VIRT | vmid << CONTEXT_VMID_SHIFT
        mask |= i64(e.VMID_MASK) << CONTEXT_VMID_SHIFT
    if rs2:
        wanted |= (identifier & e.ASID_MASK) << CONTEXT_ASID_SHIFT
        mask |= i64(e.ASID_MASK) << CONTEXT_ASID_SHIFT
    flush_contexts(hart, wanted, mask, va, i64(rs1 != 0))


@njit(inner=True)
def _hypervisor_access(hart, mem, o, rd, rs1, rs2):
    """HLV, HLVX, HSV: an access as the guest would make it, with the privilege in hstatus.SPVP."""
    mode = i64(e.SUPERVISOR) if hart.hstatus & e.HSTATUS_SPVP else i64(e.USER)
    va = hart.x[rs1]
    n_bytes = _hypervisor_width(o)
    if o >= op.HSV_B:
        store(hart, mem, va, n_bytes, hart.x[rs2], mode, i64(1))
        return
    execute_only = i64(o == op.HLVX_HU or o == op.HLVX_WU)
    value = load(hart, mem, va, n_bytes, mode, i64(1), execute_only)
    if not hart.fault:
        hart.x[rd] = _extended(o, value)
