"""The run loop: fetch, decode once, execute; as fast as plain Python compiled by Numba can be.

An instruction word is decoded when it is first executed, into one number (op, registers, immediate)
that is kept in a row of entries for its page, an entry a halfword. The outer loop finds the row of
pc's page; the inner loop walks along the row for as long as execution stays in the page. It does
arithmetic, jumps, and memory accesses that the TLB can answer; all else leaves it for the single
call of `execute`.

The order of the comparisons does not matter: the operation numbers are dense, and the compiler
makes one jump table of them, as long as every arm asks for equality.

Whether the run has to end, or an interrupt may be due, is asked only at jumps and at the end of a
page, against a `horizon` of steps. Within one page's length of the horizon the loop goes one
instruction at a time, so that every run stops exactly where it should and every interrupt is taken
at the same step however the run is cut into pieces.

# Model: every instruction takes one step, a multiplication as a load that misses the TLB, and 100
steps are a tick of the 10 MHz clock; there are no caches and no pipeline.

Source: Unprivileged ISA 20240411, chapters "RV32I", "RV64I", "M", "C"; each arm is the
instruction's definition.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import op
from virtlab.isa.decode import decode
from virtlab.isa.encoding import PAGE_MASK
from virtlab.machine.arithmetic import (
    divide,
    divide_word,
    multiply_high,
    multiply_high_mixed,
    multiply_high_signed,
)
from virtlab.machine.execute import attend, execute, fetch_decoded, locate_code
from virtlab.machine.ram import claim_row
from virtlab.machine.state import (
    ROW,
    ROW_ENTRIES,
    ROW_MARK,
    ROW_OWNER,
    STOP_EVENT,
    STOP_NONE,
    WATCH_PC,
    Memory,
)
from virtlab.machine.tlb import guard_page
from virtlab.machine.trap import take_fault

i64 = np.int64
u64 = np.uint64
SIGN = -(1 << 63)


@njit(inner=True)
def _begin_row(hart, mem, page):
    """Give the page an empty row and see to it that stores to the page are noticed."""
    claim_row(mem, page)
    guard_page(hart, page)


@njit(inner=True)
def _decode_entry(hart, mem, pc, offset):
    """Decode the instruction at `offset` in RAM, entirely inside its page, or mark it CROSS.

    CROSS sends the loop to the careful path: instructions that reach into the next page, and those
    that a run must stop before.
    """
    low = i64(mem.u16[offset >> 1])
    if (pc ^ hart.watch_pc) & 0xFFF == 0:
        return i64(op.CROSS)
    if low & 3 != 3:
        return decode(low)
    if offset & 0xFFF == 0xFFE:
        return i64(op.CROSS)
    return decode(low | i64(mem.u16[(offset >> 1) + 1]) << 16)


@njit
def run(harts, ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, budget):
    """Execute up to `budget` steps.

    Parameters
    ----------
    harts : (1,) of dtype HART, the hart's record, changed in place. An array, because Numba takes
        30 times as long to accept a single record. watch_pc does not end the run at step first.
    ram8 ... log : the arrays of `Memory`
    budget : int64, steps; must not overflow when added to hart.steps

    Returns
    -------
    stop : int64, one of the STOP_ constants, also in hart.stop
    """
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    hart = harts[0]
    x = hart.x
    row_mask = len(code) // ROW - 2  # a power of two of rows, and the one for single instructions
    single = (row_mask + 1) * ROW
    code[single + 1] = op.ROW_END
    code[single + 2] = op.ROW_END
    hart.stop = STOP_NONE
    hart.end = hart.steps + budget
    hart.horizon = 0
    pc = hart.pc
    n = hart.steps
    accesses = i64(0)
    careful = False

    while hart.stop == STOP_NONE:
        # Between two instructions: may the run go on, and where is the code?
        if n >= hart.horizon:
            hart.steps = n
            pc = attend(hart, mem, pc)
            if hart.stop:
                break
        hart.steps = n
        limit = hart.horizon - ROW_ENTRIES
        key = hart.data_key
        offset = locate_code(hart, mem, pc)
        if hart.fault:
            pc = take_fault(hart, mem, pc)
            n += 1
            continue
        page_va = pc & PAGE_MASK
        page = offset >> 12
        cached = hart.itlb_tag[pc >> 12 & 255] == page_va + hart.fetch_key
        if careful or n > limit or not cached:
            if pc == hart.watch_pc and n != hart.first:
                hart.stop = STOP_EVENT
                hart.stop_detail = WATCH_PC
                break
            careful = False
            i = single
            limit = n
            code[i] = fetch_decoded(hart, mem, pc)
            if hart.fault:
                pc = take_fault(hart, mem, pc)
                n += 1
                continue
        else:
            row = (page & row_mask) * ROW
            if code[row + ROW_OWNER] != page + 1:
                _begin_row(hart, mem, page)
                code[row + ROW_MARK] = op.ROW_END
            i = row + ((pc & 0xFFF) >> 1)
        back = pc - 2 * i  # pc of entry i is 2 * i + back

        # Along the row.
        inside = True  # until a jump leads out of the page or the limit is reached
        d = i64(0)
        while True:
            d = code[u64(i)]
            o = d & 0xFF
            rd = d >> 8 & 0xFF
            rs1 = d >> 16 & 0xFF
            rs2 = d >> 24 & 0xFF
            imm = d >> 32
            if o == op.ADDI:
                x[rd] = x[rs1] + imm
            elif o == op.ADD:
                x[rd] = x[rs1] + x[rs2]
            elif o == op.ADDIW:
                x[rd] = i64(np.int32(x[rs1] + imm))
            elif o == op.ADDW:
                x[rd] = i64(np.int32(x[rs1] + x[rs2]))
            elif o == op.SLLI:
                x[rd] = x[rs1] << imm
            elif o == op.SRLI:
                x[rd] = i64(u64(x[rs1]) >> u64(imm))
            elif o == op.SRAI:
                x[rd] = x[rs1] >> imm
            elif o == op.ANDI:
                x[rd] = x[rs1] & imm
            elif o == op.SUB:
                x[rd] = x[rs1] - x[rs2]
            elif o == op.XOR:
                x[rd] = x[rs1] ^ x[rs2]
            elif o == op.OR:
                x[rd] = x[rs1] | x[rs2]
            elif o == op.AND:
                x[rd] = x[rs1] & x[rs2]
            elif o == op.SUBW:
                x[rd] = i64(np.int32(x[rs1] - x[rs2]))
            elif o == op.LUI:
                x[rd] = imm
            elif o == op.AUIPC:
                x[rd] = 2 * i + back + imm
            elif o == op.SLTI:
                x[rd] = i64(x[rs1] < imm)
            elif o == op.SLTIU:
                x[rd] = i64((x[rs1] ^ SIGN) < (imm ^ SIGN))
            elif o == op.XORI:
                x[rd] = x[rs1] ^ imm
            elif o == op.ORI:
                x[rd] = x[rs1] | imm
            elif o == op.SLL:
                x[rd] = x[rs1] << (x[rs2] & 63)
            elif o == op.SLT:
                x[rd] = i64(x[rs1] < x[rs2])
            elif o == op.SLTU:
                x[rd] = i64((x[rs1] ^ SIGN) < (x[rs2] ^ SIGN))
            elif o == op.SRL:
                x[rd] = i64(u64(x[rs1]) >> u64(x[rs2] & 63))
            elif o == op.SRA:
                x[rd] = x[rs1] >> (x[rs2] & 63)
            elif o == op.SLLIW:
                x[rd] = i64(np.int32(x[rs1] << imm))
            elif o == op.SRLIW:
                x[rd] = i64(np.int32((x[rs1] & 0xFFFF_FFFF) >> imm))
            elif o == op.SRAIW:
                x[rd] = i64(np.int32(x[rs1])) >> imm
            elif o == op.SLLW:
                x[rd] = i64(np.int32(x[rs1] << (x[rs2] & 31)))
            elif o == op.SRLW:
                x[rd] = i64(np.int32((x[rs1] & 0xFFFF_FFFF) >> (x[rs2] & 31)))
            elif o == op.SRAW:
                x[rd] = i64(np.int32(x[rs1])) >> (x[rs2] & 31)
            # Its 16-bit forms: the same, one entry on
            elif o == op.C_ADDI:
                x[rd] = x[rs1] + imm
                i += 1
                n += 1
                continue
            elif o == op.C_ADD:
                x[rd] = x[rs1] + x[rs2]
                i += 1
                n += 1
                continue
            elif o == op.C_ADDIW:
                x[rd] = i64(np.int32(x[rs1] + imm))
                i += 1
                n += 1
                continue
            elif o == op.C_ADDW:
                x[rd] = i64(np.int32(x[rs1] + x[rs2]))
                i += 1
                n += 1
                continue
            elif o == op.C_SLLI:
                x[rd] = x[rs1] << imm
                i += 1
                n += 1
                continue
            elif o == op.C_SRLI:
                x[rd] = i64(u64(x[rs1]) >> u64(imm))
                i += 1
                n += 1
                continue
            elif o == op.C_SRAI:
                x[rd] = x[rs1] >> imm
                i += 1
                n += 1
                continue
            elif o == op.C_ANDI:
                x[rd] = x[rs1] & imm
                i += 1
                n += 1
                continue
            elif o == op.C_SUB:
                x[rd] = x[rs1] - x[rs2]
                i += 1
                n += 1
                continue
            elif o == op.C_XOR:
                x[rd] = x[rs1] ^ x[rs2]
                i += 1
                n += 1
                continue
            elif o == op.C_OR:
                x[rd] = x[rs1] | x[rs2]
                i += 1
                n += 1
                continue
            elif o == op.C_AND:
                x[rd] = x[rs1] & x[rs2]
                i += 1
                n += 1
                continue
            elif o == op.C_SUBW:
                x[rd] = i64(np.int32(x[rs1] - x[rs2]))
                i += 1
                n += 1
                continue
            elif o == op.C_LUI:
                x[rd] = imm
                i += 1
                n += 1
                continue
            # Loads and stores that the TLB can answer
            elif o == op.LD:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_read[k] != (va & (PAGE_MASK | 7)) + key:
                    break
                x[rd] = i64(ram64[u64(va + hart.dtlb_add[k]) >> u64(3)])
                accesses += 1
            elif o == op.LW:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_read[k] != (va & (PAGE_MASK | 3)) + key:
                    break
                x[rd] = i64(np.int32(ram32[u64(va + hart.dtlb_add[k]) >> u64(2)]))
                accesses += 1
            elif o == op.LBU:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_read[k] != (va & PAGE_MASK) + key:
                    break
                x[rd] = i64(ram8[u64(va + hart.dtlb_add[k])])
                accesses += 1
            elif o == op.LHU:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_read[k] != (va & (PAGE_MASK | 1)) + key:
                    break
                x[rd] = i64(ram16[u64(va + hart.dtlb_add[k]) >> u64(1)])
                accesses += 1
            elif o == op.LWU:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_read[k] != (va & (PAGE_MASK | 3)) + key:
                    break
                x[rd] = i64(ram32[u64(va + hart.dtlb_add[k]) >> u64(2)])
                accesses += 1
            elif o == op.LB:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_read[k] != (va & PAGE_MASK) + key:
                    break
                x[rd] = i64(np.int8(ram8[u64(va + hart.dtlb_add[k])]))
                accesses += 1
            elif o == op.LH:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_read[k] != (va & (PAGE_MASK | 1)) + key:
                    break
                x[rd] = i64(np.int16(ram16[u64(va + hart.dtlb_add[k]) >> u64(1)]))
                accesses += 1
            elif o == op.SD:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_write[k] != (va & (PAGE_MASK | 7)) + key:
                    break
                ram64[u64(va + hart.dtlb_add[k]) >> u64(3)] = x[rs2]
                accesses += 1
            elif o == op.SW:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_write[k] != (va & (PAGE_MASK | 3)) + key:
                    break
                ram32[u64(va + hart.dtlb_add[k]) >> u64(2)] = np.uint32(x[rs2] & 0xFFFF_FFFF)
                accesses += 1
            elif o == op.SH:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_write[k] != (va & (PAGE_MASK | 1)) + key:
                    break
                ram16[u64(va + hart.dtlb_add[k]) >> u64(1)] = np.uint16(x[rs2] & 0xFFFF)
                accesses += 1
            elif o == op.SB:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_write[k] != (va & PAGE_MASK) + key:
                    break
                ram8[u64(va + hart.dtlb_add[k])] = np.uint8(x[rs2] & 0xFF)
                accesses += 1
            elif o == op.C_LD:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_read[k] != (va & (PAGE_MASK | 7)) + key:
                    break
                x[rd] = i64(ram64[u64(va + hart.dtlb_add[k]) >> u64(3)])
                accesses += 1
                i += 1
                n += 1
                continue
            elif o == op.C_LW:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_read[k] != (va & (PAGE_MASK | 3)) + key:
                    break
                x[rd] = i64(np.int32(ram32[u64(va + hart.dtlb_add[k]) >> u64(2)]))
                accesses += 1
                i += 1
                n += 1
                continue
            elif o == op.C_SD:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_write[k] != (va & (PAGE_MASK | 7)) + key:
                    break
                ram64[u64(va + hart.dtlb_add[k]) >> u64(3)] = x[rs2]
                accesses += 1
                i += 1
                n += 1
                continue
            elif o == op.C_SW:
                va = x[rs1] + imm
                k = (va >> 12) & 255
                if hart.dtlb_write[k] != (va & (PAGE_MASK | 3)) + key:
                    break
                ram32[u64(va + hart.dtlb_add[k]) >> u64(2)] = np.uint32(x[rs2] & 0xFFFF_FFFF)
                accesses += 1
                i += 1
                n += 1
                continue
            # Multiplication and division
            elif o == op.MUL:
                x[rd] = x[rs1] * x[rs2]
            elif o == op.MULW:
                x[rd] = i64(np.int32(x[rs1] * x[rs2]))
            elif o == op.MULHU:
                x[rd] = multiply_high(x[rs1], x[rs2])
            elif o == op.MULH:
                x[rd] = multiply_high_signed(x[rs1], x[rs2])
            elif o == op.MULHSU:
                x[rd] = multiply_high_mixed(x[rs1], x[rs2])
            elif o == op.DIV or o == op.DIVU or o == op.REM or o == op.REMU:
                x[rd] = divide(o, x[rs1], x[rs2])
            elif o == op.DIVW or o == op.DIVUW or o == op.REMW or o == op.REMUW:
                x[rd] = divide_word(o, x[rs1], x[rs2])
            elif o == op.FENCE:
                pass  # one hart: every access is seen in order
            elif o == op.FENCE_I:
                pass  # stores reach decoded instructions at once (see tlb.py)
            # Branches and jumps
            elif o == op.BEQ:
                if x[rs1] == x[rs2]:
                    pc = 2 * i + back + imm
                    n += 1
                    if (pc ^ page_va) & PAGE_MASK or n >= limit:
                        inside = False
                        break
                    i = (pc - back) >> 1
                    continue
            elif o == op.BNE:
                if x[rs1] != x[rs2]:
                    pc = 2 * i + back + imm
                    n += 1
                    if (pc ^ page_va) & PAGE_MASK or n >= limit:
                        inside = False
                        break
                    i = (pc - back) >> 1
                    continue
            elif o == op.BLT:
                if x[rs1] < x[rs2]:
                    pc = 2 * i + back + imm
                    n += 1
                    if (pc ^ page_va) & PAGE_MASK or n >= limit:
                        inside = False
                        break
                    i = (pc - back) >> 1
                    continue
            elif o == op.BGE:
                if x[rs1] >= x[rs2]:
                    pc = 2 * i + back + imm
                    n += 1
                    if (pc ^ page_va) & PAGE_MASK or n >= limit:
                        inside = False
                        break
                    i = (pc - back) >> 1
                    continue
            elif o == op.BLTU:
                if (x[rs1] ^ SIGN) < (x[rs2] ^ SIGN):
                    pc = 2 * i + back + imm
                    n += 1
                    if (pc ^ page_va) & PAGE_MASK or n >= limit:
                        inside = False
                        break
                    i = (pc - back) >> 1
                    continue
            elif o == op.BGEU:
                if (x[rs1] ^ SIGN) >= (x[rs2] ^ SIGN):
                    pc = 2 * i + back + imm
                    n += 1
                    if (pc ^ page_va) & PAGE_MASK or n >= limit:
                        inside = False
                        break
                    i = (pc - back) >> 1
                    continue
            elif o == op.C_BEQ:
                if x[rs1] == x[rs2]:
                    pc = 2 * i + back + imm
                    n += 1
                    if (pc ^ page_va) & PAGE_MASK or n >= limit:
                        inside = False
                        break
                    i = (pc - back) >> 1
                    continue
                i += 1
                n += 1
                continue
            elif o == op.C_BNE:
                if x[rs1] != x[rs2]:
                    pc = 2 * i + back + imm
                    n += 1
                    if (pc ^ page_va) & PAGE_MASK or n >= limit:
                        inside = False
                        break
                    i = (pc - back) >> 1
                    continue
                i += 1
                n += 1
                continue
            elif o == op.JAL:
                x[rd] = 2 * i + back + 4
                pc = 2 * i + back + imm
                n += 1
                if (pc ^ page_va) & PAGE_MASK or n >= limit:
                    inside = False
                    break
                i = (pc - back) >> 1
                continue
            elif o == op.JALR:
                target = (x[rs1] + imm) & -2
                x[rd] = 2 * i + back + 4
                pc = target
                n += 1
                if (pc ^ page_va) & PAGE_MASK or n >= limit:
                    inside = False
                    break
                i = (pc - back) >> 1
                continue
            elif o == op.C_JAL:
                x[rd] = 2 * i + back + 2
                pc = 2 * i + back + imm
                n += 1
                if (pc ^ page_va) & PAGE_MASK or n >= limit:
                    inside = False
                    break
                i = (pc - back) >> 1
                continue
            elif o == op.C_JALR:
                target = (x[rs1] + imm) & -2
                x[rd] = 2 * i + back + 2
                pc = target
                n += 1
                if (pc ^ page_va) & PAGE_MASK or n >= limit:
                    inside = False
                    break
                i = (pc - back) >> 1
                continue
            elif o == op.ROW_END:
                pc = 2 * i + back
                inside = False
                break
            else:
                break
            i += 2
            n += 1

        if inside:  # stopped at an instruction that the row could not finish
            pc = 2 * i + back
            if o == op.UNDECODED:
                code[i] = _decode_entry(hart, mem, pc, (page << 12) + (pc & 0xFFF))
            elif o == op.CROSS:
                careful = True
            else:
                hart.steps = n
                hart.pc = pc
                pc = execute(hart, mem, pc, d)
                n += 1
    hart.pc = pc
    hart.steps = n
    hart.data_accesses += accesses
    return hart.stop
