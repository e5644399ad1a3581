"""From a decoded instruction back to a word: the inverse of `decode`, for code that writes code.

`encode` makes the 32-bit form, so a 16-bit instruction that was decoded comes back as the 32-bit
instruction it stands for. `load_constant` writes the short sequence that leaves a 64-bit constant
in a register.

Source: The RISC-V Instruction Set Manual, Volume I: Unprivileged Architecture, 20240411, "RV32/64G
Instruction Set Listings"; all is derived from `instructions`.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import op
from virtlab.isa.decode import passes_word
from virtlab.isa.instructions import INSTRUCTIONS, roles
from virtlab.isa.layout import IMMEDIATES, Field

i64 = np.int64

# Columns of FORMS, a line for each operation: the fixed bits, the bits that registers fill, where
# each register stands (-1: nowhere), then runs of three columns for the pieces of the immediate.
MATCH, KEPT, RD_BIT, RS1_BIT, RS2_BIT, PIECES_END, PIECES = range(7)
REGISTER = 31


def form_columns(row) -> list[int]:
    """One line of FORMS."""
    filled = roles(row)
    if "zimm" in filled:
        filled["rs1"] = filled["zimm"]
    columns = [row.match, 0]
    for name in ("rd", "rs1", "rs2"):
        field = filled.get(name)
        bit = -1
        if isinstance(field, Field):
            bit = field.pieces[0][0]
            columns[KEPT] |= REGISTER << bit
        columns.append(bit)
    pieces = next((filled[name].pieces for name in IMMEDIATES if name in filled), ())
    if passes_word(row.op):  # the immediate is the word, but for its registers
        pieces = ((0, 32, 0),)
        columns[MATCH] = 0
    columns.append(PIECES + 3 * len(pieces))
    for word_bit, width, value_bit in pieces:
        columns += [word_bit, (1 << width) - 1, value_bit]
    return columns


def build_forms() -> np.ndarray:
    """FORMS: (operations, columns) int64."""
    lines = {row.op: form_columns(row) for row in INSTRUCTIONS if row.length == 4}
    forms = np.zeros((op.ILLEGAL, max(map(len, lines.values()))), np.int64)
    for number, columns in lines.items():
        forms[number, : len(columns)] = columns
    return forms


FORMS = build_forms()


@njit
def encode(o, rd, rs1, rs2, imm):
    """The 32-bit word of an instruction.

    Parameters
    ----------
    o : int64, an operation of virtlab.isa.op without COMPRESSED, not ILLEGAL
    rd, rs1, rs2 : int64, registers; those that the instruction does not have are ignored, and the
        sink that `decode` gives for x0 is x0. rs1 is the immediate of csrrwi, csrrsi and csrrci.
    imm : int64, as `decode` gives it
    """
    word = FORMS[o, MATCH]
    for piece in range(PIECES, FORMS[o, PIECES_END], 3):
        word |= (imm >> FORMS[o, piece + 2] & FORMS[o, piece + 1]) << FORMS[o, piece]
    word &= ~FORMS[o, KEPT]
    if FORMS[o, RD_BIT] >= 0:
        word |= (rd & REGISTER) << FORMS[o, RD_BIT]
    if FORMS[o, RS1_BIT] >= 0:
        word |= (rs1 & REGISTER) << FORMS[o, RS1_BIT]
    if FORMS[o, RS2_BIT] >= 0:
        word |= (rs2 & REGISTER) << FORMS[o, RS2_BIT]
    return word


@njit(inner=True)
def _fits_word(value):
    return value == i64(np.int32(value))


@njit(inner=True)
def _low12(value):
    """The value of the low 12 bits, read as a signed number."""
    return ((value & 0xFFF) ^ 0x800) - 0x800


@njit(inner=True)
def _reduce(value):
    """One step towards a shorter constant: value = (rest << shift) + low."""
    low = i64(0)
    shift = _trailing_zeros(value)
    if shift == 0 or not _fits_word(value >> shift):
        low = _low12(value)
        value = value - low
        shift = _trailing_zeros(value)
    return value >> shift, shift, low


@njit(inner=True)
def _trailing_zeros(value):
    """How many of the low bits are zero; `value` is not."""
    n = i64(0)
    while not value >> n & 1:
        n += 1
    return n


@njit
def load_constant(out, n, rd, value):
    """Write the instructions that leave `value` in register `rd` to out[n], out[n + 1] ...

    A constant of 32 bits is LUI and ADDIW; a longer one is a shorter one shifted left, and what is
    missing at the low end added. At most eight instructions.

    Parameters
    ----------
    out : int64 array, written in place

    Returns
    -------
    n : int64, the next place
    """
    depth = 0
    rest = value
    while not _fits_word(rest):
        rest, _, _ = _reduce(rest)
        depth += 1
    low = _low12(rest)
    upper = i64(np.int32(rest - low))  # LUI takes 0x8000_0000 for its negative, ADDIW mends it
    if upper:
        out[n] = encode(i64(op.LUI), rd, i64(0), i64(0), upper)
        n += 1
    if low or not upper:
        adds = i64(op.ADDIW) if upper else i64(op.ADDI)
        out[n] = encode(adds, rd, rd if upper else i64(0), i64(0), low)
        n += 1
    while depth:
        depth -= 1
        rest, shift, low = value, i64(0), i64(0)
        for _ in range(depth + 1):
            rest, shift, low = _reduce(rest)
        out[n] = encode(i64(op.SLLI), rd, rd, i64(0), shift)
        n += 1
        if low:
            out[n] = encode(i64(op.ADDI), rd, rd, i64(0), low)
            n += 1
    return n
