"""From an instruction word to one packed number that the run loop can use at once.

The result of `decode` is an int64:

    bits 63..32   31..24   23..16   15..8   7..0
         imm      rs2      rs1      rd      op

* op is a number of `virtlab.isa.op`; a 16-bit instruction gives its 32-bit meaning plus COMPRESSED.
* rd is 32 where the instruction writes x0 or nothing: register 32 is a sink that nobody reads, so
  the run loop writes results without asking.
* rs1 holds the five-bit immediate of csrrwi, csrrsi and csrrci. Registers that are not there are 0.
* imm is signed: the immediate, the branch offset, the shift amount, `upper` already shifted
  left by twelve, or the CSR number. Where an instruction has none of these and its handler
  wants the word itself (for stval, aq and rl, or the odd fields of fence) it is the word.

Words that are no instruction of the table give ILLEGAL. How it works: a few bits choose a short
list of rows, the first row whose mask and match fit is the one, and the row says where the operands
are. All is derived from `instructions`; the compiled function holds the tables as constants.

Source: The RISC-V Instruction Set Manual, Volume I: Unprivileged Architecture, 20240411, "Expanded
Instruction-Length Encoding".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa.instructions import INSTRUCTIONS, roles
from virtlab.isa.layout import IMMEDIATES, Field
from virtlab.isa.op import COMPRESSED, HFENCE_GVMA, HLV_B, HSV_D, ILLEGAL, LR_W

SINK = 32
SIGN_BIT = 1 << 31

# Columns of ROWS; PIECES begins a run of three columns (word bit, mask, value bit) for each piece.
MASK, MATCH, NONZERO, OP = 0, 1, 2, 3
RD_BIT, RD_MASK, RD_BASE = 4, 5, 6
RS1_BIT, RS1_MASK, RS1_BASE = 7, 8, 9
RS2_BIT, RS2_MASK, RS2_BASE = 10, 11, 12
SIGN, PIECES_END, PIECES = 13, 14, 15

# The whole word as an immediate, for the rows that pass it on.
RAW = Field("imm", ((0, 32, 0),), False)


def passes_word(number: int) -> bool:
    """Whether `imm` is the word: atomics, fences, environment calls, hypervisor accesses."""
    number %= COMPRESSED
    return LR_W <= number <= HFENCE_GVMA or HLV_B <= number <= HSV_D


def register_columns(filled: dict, name: str) -> list[int]:
    """Word bit, mask and base of a register operand; a fixed or absent register has mask 0."""
    source = filled.get(name, 0)
    if isinstance(source, int):
        return [0, 0, source]
    ((word_bit, width, _),) = source.pieces
    return [word_bit, (1 << width) - 1, source.base]


def immediate_of(row, filled: dict) -> Field | None:
    """The field that becomes `imm`, or None where `imm` is 0 (as in "jalr ra, 0(rs1)")."""
    if passes_word(row.op):
        return RAW
    for name in IMMEDIATES:
        if isinstance(filled.get(name), Field):
            return filled[name]
    return None


def row_columns(row) -> list[int]:
    """One line of ROWS for a row of the instruction table."""
    filled = roles(row)
    if "zimm" in filled:
        filled["rs1"] = filled["zimm"]
    columns = [row.mask, row.match, row.nonzero, row.op]
    for name in ("rd", "rs1", "rs2"):
        columns += register_columns(filled, name)
    immediate = immediate_of(row, filled)
    pieces = immediate.pieces if immediate else ()
    columns += [1 << immediate.top if immediate and immediate.signed else 0]
    columns += [PIECES + 3 * len(pieces)]
    for word_bit, width, value_bit in pieces:
        columns += [word_bit, (1 << width) - 1, value_bit]
    return columns


# Rows are tried by funct3 and opcode (numbers 0-255), for 16 bits by funct3 and quadrant (256-287).
N_BUCKETS = 256 + 32


def bits_of_bucket(bucket: int) -> tuple[int, int]:
    """The instruction bits that choose this bucket, as a mask and their values."""
    if bucket < 256:
        return 0x707F, (bucket >> 5) << 12 | (bucket & 31) << 2 | 3
    return 0xE003, (bucket >> 2 & 7) << 13 | bucket & 3


def build_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ROWS, and for each bucket the range FIRST[bucket]..FIRST[bucket + 1] of CANDIDATES."""
    # A row with more fixed bits is tried first: c.jr before c.mv, c.addi16sp before c.lui.
    ordered = sorted(INSTRUCTIONS, key=lambda row: -row.mask.bit_count())
    lines = [row_columns(row) for row in ordered]
    table = np.zeros((len(lines), max(len(line) for line in lines)), np.int64)
    for line, columns in zip(table, lines, strict=True):
        line[: len(columns)] = columns

    candidates: list = []
    first = [0]
    for bucket in range(N_BUCKETS):
        seen, value = bits_of_bucket(bucket)
        for number, row in enumerate(ordered):
            if (row.match ^ value) & row.mask & seen == 0:
                candidates.append(number)
        first.append(len(candidates))
    return table, np.array(first, np.int64), np.array(candidates, np.int64)


ROWS, FIRST, CANDIDATES = build_tables()


@njit
def decode(word):
    """Decode one instruction; see the module for the result's layout.

    Parameters
    ----------
    word : int64
        The instruction, zero-extended from 32 bits. Where bits 1..0 are not 11, only the
        low 16 count.
    """
    if word & 3 == 3:
        bucket = (word >> 12 & 7) << 5 | word >> 2 & 31
    else:
        word &= 0xFFFF
        bucket = 256 | (word >> 13) << 2 | word & 3
    for at in range(FIRST[bucket], FIRST[bucket + 1]):
        row = CANDIDATES[at]
        if word & ROWS[row, MASK] != ROWS[row, MATCH]:
            continue
        nonzero = ROWS[row, NONZERO]
        if nonzero != 0 and word & nonzero == 0:
            continue

        rd = (word >> ROWS[row, RD_BIT] & ROWS[row, RD_MASK]) + ROWS[row, RD_BASE]
        rs1 = (word >> ROWS[row, RS1_BIT] & ROWS[row, RS1_MASK]) + ROWS[row, RS1_BASE]
        rs2 = (word >> ROWS[row, RS2_BIT] & ROWS[row, RS2_MASK]) + ROWS[row, RS2_BASE]
        imm = 0
        for piece in range(PIECES, ROWS[row, PIECES_END], 3):
            imm |= (word >> ROWS[row, piece] & ROWS[row, piece + 1]) << ROWS[row, piece + 2]
        sign = ROWS[row, SIGN]
        imm = (imm ^ sign) - sign  # copies the sign bit upwards; no effect where sign is 0
        if rd == 0:
            rd = SINK
        return imm << 32 | rs2 << 24 | rs1 << 16 | rd << 8 | ROWS[row, OP]

    imm = (word ^ SIGN_BIT) - SIGN_BIT
    return imm << 32 | SINK << 8 | ILLEGAL
