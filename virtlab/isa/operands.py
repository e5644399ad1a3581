"""From the written operands of one instruction to its word.

The table says how an instruction is written ("rs2, imm(rs1)") and where each field stands; this
module matches what was written with that, checks each value against its field, and says what is
accepted where it does not fit.
"""

import difflib
import re

from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.isa.expressions import Expression
from virtlab.isa.instructions import ABI_NAMES, BY_NAME, Instruction
from virtlab.isa.layout import Field, wrap
from virtlab.isa.source import AssemblyError, Token

REGISTERS = {name: number for number, name in enumerate(ABI_NAMES)}
REGISTERS |= {f"x{number}": number for number in range(32)} | {"fp": 8}

# fence's sets of accesses: device input and output, memory reads and writes.
ACCESS_BITS = {"i": 8, "o": 4, "r": 2, "w": 1}

ORDERINGS = {".aqrl": ("aq", "rl"), ".aq": ("aq",), ".rl": ("rl",)}

REGISTER_OPERAND = re.compile(r"rd'?|rs|rt|rs[12]'?|sp")


def is_register(tokens: tuple) -> bool:
    return len(tokens) == 1 and tokens[0].kind == "name" and tokens[0].text in REGISTERS


def is_address(tokens: tuple) -> bool:
    """Whether this is written as offset(register) or (register)."""
    if len(tokens) < 3 or (tokens[-3].text, tokens[-1].text) != ("(", ")"):
        return False
    # 4(a9) can only be meant as an address, whatever a9 is; (a9) may be an expression.
    offset = tokens[:-3] and tokens[-4].kind in ("number", "name", "character")
    return is_register(tokens[-2:-1]) or bool(offset)


def split_operands(tokens: tuple) -> list[tuple]:
    """The operands between commas; raises AssemblyError for an empty one."""
    if not tokens:
        return []
    operands: list = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "operator" and token.text == "," and depth == 0:
            if not operands[-1]:
                raise token.error("an operand is missing before this comma")
            operands.append([])
            continue
        if token.kind == "operator":
            depth += (token.text == "(") - (token.text == ")")
        operands[-1].append(token)
    if not operands[-1]:
        raise tokens[-1].error("an operand is missing after this comma")
    return [tuple(operand) for operand in operands]


def shape_fits(written: tuple, wanted: str) -> bool:
    """Whether an operand is written as the kind that a pattern such as "imm(rs1)" asks for."""
    if wanted.endswith(")"):
        return is_address(written)
    if REGISTER_OPERAND.fullmatch(wanted):
        return is_register(written)
    return not is_register(written) and not is_address(written)


def row_of(mnemonic: str) -> tuple[Instruction | None, tuple]:
    """The table's row for a mnemonic and the ordering bits of its suffix (.aq, .rl, .aqrl)."""
    if mnemonic in BY_NAME:
        return BY_NAME[mnemonic], ()
    for suffix, bits in ORDERINGS.items():
        row = BY_NAME.get(mnemonic.removesuffix(suffix))
        if mnemonic.endswith(suffix) and row is not None and "aq" in row.fields:
            return row, bits
    return None, ()


def operand_patterns(row: Instruction) -> tuple:
    """How the operands of a row are written, such as ("rs2", "imm(rs1)")."""
    return tuple(row.operands.split(", ")) if row.operands else ()


class Operands:
    """Reads the operands of one instruction at one address.

    Parameters
    ----------
    mnemonic : Token
    address : int
        Where the instruction will stand; offsets are relative to it.
    symbol, relocate : callable
        As for `Expression`.
    """

    def __init__(self, mnemonic: Token, address: int, symbol, relocate):
        self.name = mnemonic.text
        self.address = address
        self.symbol = symbol
        self.relocate = relocate

    def encode(self, row: Instruction, written: list[tuple], orderings: tuple = ()) -> int:
        """The instruction word for as many operands as the row has; raises AssemblyError."""
        wanted = operand_patterns(row)
        word = row.match
        for bit in orderings:
            word |= row.fields[bit].insert(1)
        # A pseudo-instruction puts operands into others, so "x), y(z" may become two by then.
        for tokens, pattern in zip(written, wanted, strict=False):
            word |= self.operand(row, tokens, pattern)
        if len(written) > len(wanted):
            extra = written[len(wanted)][0]
            raise extra.error(f"{extra.text[:40]} was not expected here")
        return word

    def operand(self, row: Instruction, tokens: tuple, pattern: str) -> int:
        """The word bits of one operand."""
        if not pattern.endswith(")"):
            return self.field_bits(row, tokens, pattern)
        # "imm(rs1)", "uimm(sp)" or "(rs1)"
        offset, _, base = pattern[:-1].partition("(")
        if not is_address(tokens):
            raise tokens[0].error(f"{self.name} takes {row.operands}")
        word = self.field_bits(row, tokens[-2:-1], base)
        if tokens[:-3] and offset:
            word |= self.field_bits(row, tokens[:-3], offset)
        elif tokens[:-3] and self.value(tokens[:-3]) != 0:
            raise tokens[0].error(f"{self.name} has no room for an offset; only 0 is accepted")
        return word

    def field_bits(self, row: Instruction, tokens: tuple, name: str) -> int:
        """The word bits of one field, or 0 for an operand that is fixed, such as sp in c.lwsp."""
        first = tokens[0]
        if name == "sp" or REGISTER_OPERAND.fullmatch(name):
            number = register(tokens)
            if name == "sp":
                if number != REGISTERS["sp"]:
                    raise first.error(f"{self.name} takes sp here, not {first.text}")
                return 0
            value = number
        elif name == "csr":
            value = self.csr(tokens)
        elif name in ("pred", "succ"):
            value = self.access_set(tokens)
        else:
            value = self.value(tokens)
        field = row.fields[name]
        if name == "offset":
            value = wrap(value - self.address)
        elif name == "upper":
            value = self.upper(first, field, value)
        check_range(first, self.name, field, value, self.address)
        return field.insert(value)

    def upper(self, first: Token, field: Field, written: int) -> int:
        """The value whose bits 12 and up are written; 0xfffff and -1 name the same upper bits."""
        low, high = field.low >> 12, field.high >> 12
        value = written - (1 << 20) if high < written < 1 << 20 else written
        if not low <= value <= high:
            accepted = f"{low} to {high} (or 0x{low & 0xFFFFF:x} to 0xfffff for the negative ones)"
            raise first.error(out_of_range(self.name, written, accepted))
        return value << 12

    def value(self, tokens: tuple) -> int:
        return Expression(tokens, self.symbol, self.relocate).value()

    def csr(self, tokens: tuple) -> int:
        """A CSR by name or by number."""
        first = tokens[0]
        if len(tokens) == 1 and first.text in CSR_NUMBERS:
            return CSR_NUMBERS[first.text]
        try:
            return self.value(tokens)
        except AssemblyError:
            if len(tokens) > 1 or first.kind != "name":
                raise
            name = first.text[:40]
            message = f"{name} is no CSR of this machine{nearest(name, CSR_NUMBERS)}"
            raise first.error(f"{message}; a number from 0 to 0xfff is accepted too") from None

    def access_set(self, tokens: tuple) -> int:
        """A fence operand: letters of iorw in this order, or a number."""
        first = tokens[0]
        if len(tokens) == 1 and first.kind == "name":
            letters = [letter for letter in ACCESS_BITS if letter in first.text]
            if "".join(letters) == first.text:
                return sum(ACCESS_BITS[letter] for letter in letters)
            raise first.error("fence takes sets such as rw, iorw or r: letters of iorw, in order")
        return self.value(tokens)


def register(tokens: tuple) -> int:
    """The number of a register operand."""
    first = tokens[0]
    if is_register(tokens):
        return REGISTERS[first.text]
    if len(tokens) > 1:
        raise first.error("a register was expected here")
    name = first.text[:40]
    raise first.error(f"{name} is not a register{nearest(name, REGISTERS)}")


def check_range(first: Token, name: str, field: Field, value: int, address: int) -> None:
    """Raises AssemblyError unless the field can hold `value`."""
    if field.low <= value <= field.high and (value - field.base) % field.step == 0:
        if value == 0 and field.nonzero:
            what = "register zero" if field.name.startswith("r") else "0"
            raise first.error(f"{name} cannot have {what} here, the encoding is reserved")
        return
    if field.base:
        raise first.error(f"{name} takes registers s0, s1 and a0 to a5 here, not {first.text}")
    steps = "" if field.step == 1 else f" in steps of {field.step}"
    if field.name == "offset":
        target = address + value & 0xFFFF_FFFF_FFFF_FFFF
        raise first.error(
            f"{name} cannot reach {target:#x} from {address:#x}, which is {value} bytes away;"
            f" it reaches {field.low} to {field.high}{steps}"
        )
    raise first.error(out_of_range(name, value, f"{field.low} to {field.high}{steps}"))


def out_of_range(name: str, value: int, accepted: str) -> str:
    return f"{value} does not fit in {name}, which takes {accepted}"


def nearest(name: str, known) -> str:
    """A suggestion to put behind "... is not known"."""
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else ""
