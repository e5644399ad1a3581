"""Walks the machine along a reference trace, one step at a time, up to the first disagreement."""

import numpy as np

from virtlab._jit import njit
from virtlab.machine.cpu import run
from virtlab.machine.execute import fetch_word
from virtlab.machine.interrupts import interrupt_to_take
from virtlab.machine.state import STOP_EXIT, Memory

i64 = np.int64


@njit
def _word_at_pc(hart, mem):
    """The next instruction, -1 if its fetch fails. What hart.fault says is left as it was."""
    kept = hart.fault, hart.fault_va, hart.fault_gpa, hart.fault_tinst, hart.fault_gva
    word = fetch_word(hart, mem, hart.pc)
    if hart.fault:
        word = i64(-1)
    hart.fault, hart.fault_va, hart.fault_gpa, hart.fault_tinst, hart.fault_gva = kept
    return word


@njit
def follow(
    harts,
    u8,
    u16,
    u32,
    u64,
    pages,
    code,
    disk,
    blocks,
    log,
    pc,
    word,
    mode,
    rd,
    value,
    compared,
    before,
):
    """Step the machine while it does what the reference trace says.

    Parameters
    ----------
    pc, word, mode, rd, value : (n,) int64, the instructions that complete, in order
    compared : (n,) bool, False where the value may differ
    before : (32,) int64, working space

    Returns
    -------
    k : int64, n if the machine did all of it; else the first row where pc, instruction, mode, the
        written register, or any other register is not as it should be
    """
    hart = harts[0]
    mem = Memory(u8, u16, u32, u64, pages, code, disk, blocks, log)
    n = len(pc)
    k = i64(0)
    attempts = i64(0)
    while k < n and attempts < 4 * n + 1000:
        attempts += 1
        interrupted = interrupt_to_take(hart) >= 0  # then pc is not that of the instruction
        at = hart.pc
        level = hart.mode
        instruction = i64(-1)
        if not interrupted:
            instruction = _word_at_pc(hart, mem)
        for r in range(32):
            before[r] = hart.x[r]
        not_retired = hart.not_retired
        stop = run(harts, u8, u16, u32, u64, pages, code, disk, blocks, log, i64(1))
        if hart.not_retired != not_retired:
            continue
        if not interrupted and (at != pc[k] or level != mode[k] or instruction != word[k]):
            return k
        for r in range(1, 32):
            if r == rd[k]:
                if compared[k] and hart.x[r] != value[k]:
                    return k
            elif hart.x[r] != before[r]:
                return k
        k += 1
        if stop == STOP_EXIT:
            return k
    return k
