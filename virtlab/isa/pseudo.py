"""Pseudo-instructions: the names people write for common uses of real instructions.

Each row is what is written, and what it becomes; the operand names on the left are put in place of
the same names on the right. The disassembler reads the rows with one real instruction from right to
left, the first that fits; rows below the line "written only" are for the assembler alone.

`li` has only its short form here: how many instructions it needs depends on the constant, and
`load_constant` finds them.

Sources: RISC-V Assembly Programmer's Manual, "A listing of standard RISC-V pseudoinstructions"; the
RISC-V Instruction Set Manual, Volume I, 20240411, "RISC-V Assembly Programmer's Handbook".
"""

from typing import NamedTuple

from virtlab.isa.source import Token, read_tokens

TABLE = """
nop                         | addi zero, zero, 0
li          rd, imm         | addi rd, zero, imm
mv          rd, rs          | addi rd, rs, 0
not         rd, rs          | xori rd, rs, -1
zext.b      rd, rs          | andi rd, rs, 255
sext.w      rd, rs          | addiw rd, rs, 0
seqz        rd, rs          | sltiu rd, rs, 1
neg         rd, rs          | sub rd, zero, rs
negw        rd, rs          | subw rd, zero, rs
snez        rd, rs          | sltu rd, zero, rs
sltz        rd, rs          | slt rd, rs, zero
sgtz        rd, rs          | slt rd, zero, rs
mv          rd, rs          | c.mv rd, rs
beqz        rs, target      | beq rs, zero, target
bnez        rs, target      | bne rs, zero, target
blez        rs, target      | bge zero, rs, target
bgez        rs, target      | bge rs, zero, target
bltz        rs, target      | blt rs, zero, target
bgtz        rs, target      | blt zero, rs, target
j           target          | jal zero, target
jal         target          | jal ra, target
ret                         | jalr zero, 0(ra)
jr          rs              | jalr zero, 0(rs)
jr          offset(rs)      | jalr zero, offset(rs)
jalr        rs              | jalr ra, 0(rs)
jalr        offset(rs)      | jalr ra, offset(rs)
unimp                       | csrrw zero, cycle, zero
rdcycle     rd              | csrrs rd, cycle, zero
rdtime      rd              | csrrs rd, time, zero
rdinstret   rd              | csrrs rd, instret, zero
csrr        rd, csr         | csrrs rd, csr, zero
csrw        csr, rs         | csrrw zero, csr, rs
csrs        csr, rs         | csrrs zero, csr, rs
csrc        csr, rs         | csrrc zero, csr, rs
csrwi       csr, zimm       | csrrwi zero, csr, zimm
csrsi       csr, zimm       | csrrsi zero, csr, zimm
csrci       csr, zimm       | csrrci zero, csr, zimm
fence                       | fence iorw, iorw
fence.tso                   | .4byte 0x8330000f
pause                       | .4byte 0x0100000f
sfence.vma                  | sfence.vma zero, zero
sfence.vma  rs              | sfence.vma rs, zero
hfence.vvma                 | hfence.vvma zero, zero
hfence.vvma rs              | hfence.vvma rs, zero
hfence.gvma                 | hfence.gvma zero, zero
hfence.gvma rs              | hfence.gvma rs, zero
--- written only
bgt         rs, rt, target  | blt rt, rs, target
ble         rs, rt, target  | bge rt, rs, target
bgtu        rs, rt, target  | bltu rt, rs, target
bleu        rs, rt, target  | bgeu rt, rs, target
sgt         rd, rs, rt      | slt rd, rt, rs
sgtu        rd, rs, rt      | sltu rd, rt, rs
jalr        rd, rs          | jalr rd, 0(rs)
jalr        rd, rs, offset  | jalr rd, offset(rs)
csrw        csr, imm        | csrrwi zero, csr, imm
csrs        csr, imm        | csrrsi zero, csr, imm
csrc        csr, imm        | csrrci zero, csr, imm
zext.h      rd, rs          | slli rd, rs, 48  ; srli rd, rd, 48
zext.w      rd, rs          | slli rd, rs, 32  ; srli rd, rd, 32
sext.b      rd, rs          | slli rd, rs, 56  ; srai rd, rd, 56
sext.h      rd, rs          | slli rd, rs, 48  ; srai rd, rd, 48
la          rd, symbol      | auipc rd, %pcrel_hi(symbol) ; addi rd, rd, %pcrel_lo(. - 4)
lla         rd, symbol      | auipc rd, %pcrel_hi(symbol) ; addi rd, rd, %pcrel_lo(. - 4)
call        symbol          | auipc ra, %pcrel_hi(symbol) ; jalr ra, %pcrel_lo(. - 4)(ra)
call        rd, symbol      | auipc rd, %pcrel_hi(symbol) ; jalr rd, %pcrel_lo(. - 4)(rd)
tail        symbol          | auipc t1, %pcrel_hi(symbol) ; jalr zero, %pcrel_lo(. - 4)(t1)
lb          rd, symbol      | auipc rd, %pcrel_hi(symbol) ; lb rd, %pcrel_lo(. - 4)(rd)
lh          rd, symbol      | auipc rd, %pcrel_hi(symbol) ; lh rd, %pcrel_lo(. - 4)(rd)
lw          rd, symbol      | auipc rd, %pcrel_hi(symbol) ; lw rd, %pcrel_lo(. - 4)(rd)
ld          rd, symbol      | auipc rd, %pcrel_hi(symbol) ; ld rd, %pcrel_lo(. - 4)(rd)
lbu         rd, symbol      | auipc rd, %pcrel_hi(symbol) ; lbu rd, %pcrel_lo(. - 4)(rd)
lhu         rd, symbol      | auipc rd, %pcrel_hi(symbol) ; lhu rd, %pcrel_lo(. - 4)(rd)
lwu         rd, symbol      | auipc rd, %pcrel_hi(symbol) ; lwu rd, %pcrel_lo(. - 4)(rd)
sb          rs, symbol, rt  | auipc rt, %pcrel_hi(symbol) ; sb rs, %pcrel_lo(. - 4)(rt)
sh          rs, symbol, rt  | auipc rt, %pcrel_hi(symbol) ; sh rs, %pcrel_lo(. - 4)(rt)
sw          rs, symbol, rt  | auipc rt, %pcrel_hi(symbol) ; sw rs, %pcrel_lo(. - 4)(rt)
sd          rs, symbol, rt  | auipc rt, %pcrel_hi(symbol) ; sd rs, %pcrel_lo(. - 4)(rt)
"""


class Pseudo(NamedTuple):
    """One row: `expansion` is a tuple of token tuples, one for each real instruction."""

    name: str
    operands: tuple
    expansion: tuple
    text: str
    written_only: bool


def read_table() -> list[Pseudo]:
    rows = []
    written_only = False
    for line in filter(None, TABLE.splitlines()):
        if line.startswith("---"):
            written_only = True
            continue
        left, right = line.split(" | ")
        name, _, operands = left.strip().partition(" ")
        names = tuple(part.strip() for part in operands.split(",") if part.strip())
        expansion = tuple(tuple(read_tokens(part.strip(), 0)) for part in right.split(";"))
        rows.append(Pseudo(name, names, expansion, right.strip(), written_only))
    return rows


PSEUDOS = read_table()
PSEUDO_NAMES = {row.name for row in PSEUDOS}


def put_operands(row: Pseudo, mnemonic: Token, operands: list[tuple]) -> list[tuple]:
    """The real instructions of a pseudo-instruction, as token tuples.

    The tokens keep the line and column where they were written, so that an error in an operand
    points at the text and not at the expansion.
    """
    zero = (mnemonic._replace(kind="number", text="0"),)
    given: dict = {}
    for name, tokens in zip(row.operands, operands, strict=True):
        if name == "offset(rs)":
            given["offset"], given["rs"] = tokens[:-3] or zero, tokens[-2:-1]
        else:
            given[name] = tokens
    statements = []
    for template in row.expansion:
        tokens: list = []
        for token in template:
            here = token._replace(line=mnemonic.line, column=mnemonic.column)
            tokens += given.get(token.text, (here,))
        statements.append(tuple(tokens))
    return statements


def load_constant(value: int) -> list[tuple[str, int]]:
    """A shortest usual sequence that puts a 64-bit constant into a register.

    Parameters
    ----------
    value : int
        -2**63 .. 2**63 - 1.

    Returns
    -------
    list of (mnemonic, immediate)
        1 to 8 steps. The first starts from zero, the others work on the register itself.
    """
    best = from_the_top(value)
    if len(best) > 2:
        zeros = (value & -value).bit_length() - 1
        shorter = [[*from_the_top(value >> zeros), ("slli", zeros)]] if zeros else []
        if value > 0:
            # A positive constant may be a shorter one, with its first bit set, shifted right again.
            free = 64 - value.bit_length()
            for fill in (0, (1 << free) - 1):
                start = (value << free | fill) - (1 << 64)
                shorter.append([*from_the_top(start), ("srli", free)])
        best = min([best, *shorter], key=len)
    return best


def from_the_top(value: int) -> list[tuple[str, int]]:
    """The upper bits first, then a shift and twelve more bits, as often as needed."""
    low = (value & 0xFFF ^ 0x800) - 0x800
    if value == low:
        return [("addi", value)]
    if -(1 << 31) <= value < 1 << 31:
        # lui and addiw work modulo 2**32, so 0x7fff_ffff may pass through a negative lui.
        steps = [("lui", value + 0x800 >> 12 & 0xFFFFF)]
        return steps + [("addiw", low)] if low else steps
    rest = value - low >> 12
    zeros = (rest & -rest).bit_length() - 1
    steps = [*from_the_top(rest >> zeros), ("slli", 12 + zeros)]
    return steps + [("addi", low)] if low else steps
