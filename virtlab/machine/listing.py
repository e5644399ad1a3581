"""The instructions around a pc: decoding forwards is easy, backwards takes a guess and a check."""

import numpy as np

from virtlab.isa import op
from virtlab.isa.decode import decode
from virtlab.isa.disassembler import disassemble
from virtlab.machine.arguments import U64

Line = tuple[int, int, str]  # address, word, text


def listing(halfword_at, pc: int, n: int, before: int, symbols: dict[str, int]) -> list[Line]:
    """(address, word, text) of `n` instructions, up to `before` of them ahead of `pc`.

    Parameters
    ----------
    halfword_at : callable, virtual address to the 16 bits there, or None where none can be fetched
    pc : int, unsigned 64-bit

    What lies ahead is found by going back to an address from which decoding reaches `pc`.
    """
    lines: list[Line] = []
    for distance in range(4 * before, 0, -2):
        lines = _decoded(halfword_at, pc - distance, pc, symbols)
        if lines and lines[-1][0] + _length(lines[-1][1]) == pc:
            lines = lines[-before:]
            break
        lines = []
    at = pc
    while len(lines) < n:
        line = _line(halfword_at, at, symbols)
        if line is None:
            break
        lines.append(line)
        at += _length(line[1])
    return lines[:n]


def _decoded(halfword_at, at: int, end: int, symbols) -> list[Line]:
    lines: list[Line] = []
    while at < end:
        line = _line(halfword_at, at, symbols)
        if line is None or int(decode(np.int64(line[1]))) & 0x7F == op.ILLEGAL:
            return []
        lines.append(line)
        at += _length(line[1])
    return lines


def _line(halfword_at, at: int, symbols) -> Line | None:
    low = halfword_at(at & U64)
    if low is None:
        return None
    word = low
    if low & 3 == 3:
        high = halfword_at(at + 2 & U64)
        if high is None:
            return None
        word |= high << 16
    return at & U64, word, disassemble(word, pc=at & U64, symbols=symbols)


def _length(word: int) -> int:
    return 4 if word & 3 == 3 else 2
