"""Instruction words as text.

Two ways of writing, and each word reads the same wherever it stands:

* By default the meaning, as objdump shows it: a 16-bit instruction as the 32-bit one it stands for,
  and with the pseudo-instruction where one fits ("ret", "li a0, 1", "beqz a0, loop").
* With `exact=True` the row of the table itself ("c.li a0, 1"): the assembler makes the
  same word of it again.

A branch target is a symbol, or an address if `pc` is known, or else relative to the instruction
(". + 8"). A word that is no instruction, or that sets fields the assembler has no name for, is
written as .2byte or .4byte.
"""

from bisect import bisect_right

from virtlab.isa.encoding import CSR_NAMES
from virtlab.isa.instructions import ABI_NAMES, BY_NAME, INSTRUCTIONS, OPERAND, Instruction, roles
from virtlab.isa.layout import Field
from virtlab.isa.operands import ACCESS_BITS
from virtlab.isa.pseudo import PSEUDOS, Pseudo

ADDRESS_BITS = (1 << 64) - 1
NEAR = 0x1_0000  # a target this far behind a symbol is still written relative to it, bytes


def opcode_of(word: int) -> int:
    """A few bits by which the rows are sorted: the opcode, or quadrant and funct3 of 16 bits."""
    return word & 0x7F if word & 3 == 3 else word & 0xE003


ROWS_OF: dict = {}
for _row in sorted(INSTRUCTIONS, key=lambda row: -row.mask.bit_count()):
    ROWS_OF.setdefault(opcode_of(_row.match), []).append(_row)

ALIASES: dict = {}
for _pseudo in PSEUDOS:
    if not _pseudo.written_only:
        ALIASES.setdefault(_pseudo.expansion[0][0].text, []).append(_pseudo)


def find_row(word: int) -> Instruction | None:
    """The table's row for a word, or None if it is no instruction."""
    if word & 3 != 3:
        word &= 0xFFFF
    for row in ROWS_OF.get(opcode_of(word), ()):
        if row.accepts(word):
            return row
    return None


def disassemble(
    word: int, pc: int | None = None, symbols: dict | None = None, exact: bool = False
) -> str:
    """One instruction as text.

    Parameters
    ----------
    word : int
        32 bits; where bits 1..0 are not 11, only the low 16 count.
    pc : int, optional
        Where the word stands, to turn offsets into addresses.
    symbols : dict of str to int, optional
        Names for addresses.
    exact : bool
        Write the table's row itself, which assembles to the same word again.

    Examples
    --------
    >>> disassemble(0x8082), disassemble(0x8082, exact=True)
    ('ret', 'c.jr ra')
    >>> disassemble(0xFE051CE3, pc=0x8000_0010, symbols={"loop": 0x8000_0008})
    'bnez a0, loop'
    """
    return Disassembler(symbols).text(word, pc, exact)


def disassemble_bytes(
    data: bytes, base: int, symbols: dict | None = None, exact: bool = False
) -> list[tuple[int, int, int, str]]:
    """A run of instructions, as (address, length_bytes, word, text).

    Data between instructions are read as if they were code. A last half of an instruction is given
    as .2byte, a last odd byte as .byte.
    """
    disassembler = Disassembler(symbols)
    rows = []
    position = 0
    while position < len(data):
        length = 4 if data[position] & 3 == 3 else 2
        if position + length > len(data):
            length = min(2, len(data) - position)
            word = int.from_bytes(data[position : position + length], "little")
            text = raw(word, length)
        else:
            word = int.from_bytes(data[position : position + length], "little")
            text = disassembler.text(word, base + position, exact)
        rows.append((base + position, length, word, text))
        position += length
    return rows


def raw(word: int, length: int) -> str:
    """A word as data."""
    directive = {1: ".byte", 2: ".2byte", 4: ".4byte"}[length]
    return f"{directive} 0x{word:0{2 * length}x}"


class Disassembler:
    """Writes words, with one set of symbols."""

    def __init__(self, symbols: dict | None):
        self.names: dict = {}
        for name, address in (symbols or {}).items():
            self.names.setdefault(address & ADDRESS_BITS, name)
        self.addresses = sorted(self.names)

    def text(self, word: int, pc: int | None, exact: bool) -> str:
        """One instruction as text; see `disassemble`."""
        length = 4 if word & 3 == 3 else 2
        word &= (1 << 8 * length) - 1
        row = find_row(word)
        if row is None:
            return raw(word, length)
        for pseudo in ALIASES[".4byte"]:
            if word == int(pseudo.expansion[0][1].text, 0):
                return pseudo.name
        if any(row.fields[name].extract(word) for name in unwritten(row)):
            return f"{raw(word, length)}  # {row.name} with unused fields set"

        name = row.name + ordering(row, word)
        own = {operand: self.operand(field, word, pc) for operand, field in row.fields.items()}
        own["sp"] = "sp"
        if exact:
            return write(name, row.operands, own)
        base = BY_NAME[row.expansion.split()[0]]
        meant = {
            operand: own[what.name] if isinstance(what, Field) else fixed(operand, what)
            for operand, what in roles(row).items()
        }
        return (
            find_alias(row, own)
            or find_alias(base, meant)
            or write(name if base is row else base.name, base.operands, meant)
        )

    def operand(self, field: Field, word: int, pc: int | None) -> str:
        """One field's value as it is written."""
        value = field.extract(word)
        if field.name.rstrip("'") in ("rd", "rs1", "rs2"):
            return ABI_NAMES[value]
        if field.name == "csr":
            return CSR_NAMES.get(value, hex(value))
        if field.name in ("pred", "succ"):
            letters = [letter for letter, bit in ACCESS_BITS.items() if value & bit]
            return "".join(letters) or "0"
        if field.name == "upper":
            return hex(value >> 12 & 0xFFFFF)
        if field.name == "offset":
            return self.target(value, pc)
        return str(value)

    def target(self, offset: int, pc: int | None) -> str:
        """Where a branch goes."""
        if pc is None:
            return f". {'-' if offset < 0 else '+'} {abs(offset)}"
        address = pc + offset & ADDRESS_BITS
        return self.name_of(address) or hex(address)

    def name_of(self, address: int) -> str:
        """The symbol at or shortly before an address, or nothing."""
        place = bisect_right(self.addresses, address)
        if not place or address - self.addresses[place - 1] > NEAR:
            return ""
        start = self.addresses[place - 1]
        return self.names[start] + (f"+{address - start:#x}" if address > start else "")


def fixed(operand: str, value: int) -> str:
    """An operand that an expansion fixes: a register, or the offset 0 of a jump."""
    return ABI_NAMES[value] if operand.startswith("r") else str(value)


def unwritten(row: Instruction) -> list[str]:
    """Fields that the row's operands do not show: those of fence and fence.i that are reserved."""
    shown = OPERAND.findall(row.operands)
    return [name for name in row.fields if name not in shown and name not in ("aq", "rl")]


def ordering(row: Instruction, word: int) -> str:
    """The suffix for the aq and rl bits of an atomic instruction."""
    if "aq" not in row.fields:
        return ""
    bits = [name for name in ("aq", "rl") if row.fields[name].extract(word)]
    return "." + "".join(bits) if bits else ""


def write(name: str, pattern: str, texts: dict) -> str:
    """A mnemonic with its operands in the places of the pattern's names."""
    return f"{name} {OPERAND.sub(lambda match: texts[match[0]], pattern)}".rstrip()


def find_alias(row: Instruction, texts: dict) -> str:
    """The pseudo-instruction that means `row` with these operands, or nothing."""
    operands = [texts[name] for name in OPERAND.findall(row.operands)]
    for pseudo in ALIASES.get(row.name, ()):
        bound = bind(pseudo, operands)
        if bound is not None:
            return write(pseudo.name, ", ".join(pseudo.operands), bound)
    return ""


def bind(pseudo: Pseudo, operands: list[str]) -> dict | None:
    """The operands of a pseudo-instruction, given those of the real one; None if they differ."""
    names = OPERAND.findall(", ".join(pseudo.operands))
    template = OPERAND.findall(pseudo.text.partition(" ")[2])
    bound: dict = {}
    for wanted, text in zip(template, operands, strict=True):
        if wanted in names:
            if bound.setdefault(wanted, text) != text:
                return None
        elif wanted != text:
            return None
    return bound
