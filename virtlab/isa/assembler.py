"""A small assembler for teaching text: what is written is what is assembled.

`assemble` turns text into a Program at any base address. It takes every instruction of the table,
the usual pseudo-instructions (`pseudo`), labels, numeric labels (`1:` with `1b` and `1f`),
expressions (`expressions`), %hi %lo %pcrel_hi %pcrel_lo, and the directives of `directives`.

* Nothing is compressed, relaxed or reordered behind the reader's back: a 16-bit instruction is
  written c.addi, `call` and `la` are always two instructions, a branch that does not reach is an
  error.
* The sections .text, .rodata, .data and .bss follow one another in this order, each aligned to 16
  bytes, or more where an alignment inside asks for it. Other sections are refused.
* The program starts at `_start` if there is such a label, else at its first byte.
* `li` takes as many instructions as its constant needs.

A name may be used before it is defined, anywhere. The text is therefore assembled repeatedly, each
time with the addresses of the time before, until nothing moves; then once more, with every check.

Source: the syntax follows the RISC-V Assembly Programmer's Manual and the GNU assembler's manual,
"RISC-V Dependent Features".
"""

from dataclasses import dataclass, field

from virtlab.isa.directives import DIRECTIVES, IGNORED, REFUSED, SECTIONS
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.isa.expressions import Expression
from virtlab.isa.instructions import BY_NAME
from virtlab.isa.layout import wrap
from virtlab.isa.operands import (
    REGISTERS,
    Operands,
    nearest,
    operand_patterns,
    register,
    row_of,
    shape_fits,
    split_operands,
)
from virtlab.isa.pseudo import PSEUDO_NAMES, PSEUDOS, load_constant, put_operands
from virtlab.isa.source import AssemblyError, Statement, Token, read_statements

DEFAULT_BASE = 0x8000_0000
LARGEST_PROGRAM = 16 << 20  # bytes
LARGEST_BASE = (1 << 64) - 2 * LARGEST_PROGRAM  # leaves room for aligning the sections
MOST_PASSES = 16
NOP, C_NOP = 0x0000_0013, 0x0001
REACH = "-0x8000_0800 to 0x7fff_f7ff"  # of lui or auipc with a 12-bit offset

__all__ = ["AssemblyError", "Program", "assemble"]


@dataclass(frozen=True)
class Program:
    """Machine code with what is known about its source.

    Attributes
    ----------
    data : bytes
        All sections, from `base` on; gaps and .bss are zeros.
    base, entry : int
        Byte addresses: of data[0], and of the first instruction to execute.
    symbols : dict of str to int
        Labels and their addresses.
    lines : list of (address, length_bytes, line_number, source)
        One entry for each statement that made bytes, by address.
    constants : dict of str to int
        Names given a value by .equ and .set.
    """

    data: bytes
    base: int
    entry: int
    symbols: dict[str, int]
    lines: list[tuple[int, int, int, str]]
    constants: dict[str, int] = field(default_factory=dict)

    def listing(self) -> str:
        """Address, bytes and source of each line, as text; long data are cut to 16 bytes."""
        rows = []
        for address, length, number, source in self.lines:
            start = address - self.base
            shown = self.data[start : start + min(length, 16)]
            more = " ..." if length > 16 else ""
            rows.append(f"{address:10x}  {hex_words(shown)}{more:4}  {number:4}  {source}")
        return "\n".join(rows) + "\n" if rows else ""


def hex_words(data: bytes) -> str:
    """Bytes as little-endian words of four bytes, then the rest, padded to a column."""
    words = [data[i : i + 4][::-1].hex() for i in range(0, len(data), 4)]
    return f"{' '.join(words):35}"


def assemble(text: str, base: int = DEFAULT_BASE) -> Program:
    """Assemble a program.

    Parameters
    ----------
    text : str
        Assembly source. At most LARGEST_PROGRAM bytes may come out.
    base : int
        Address of the first byte, a multiple of 4.

    Raises
    ------
    AssemblyError
        With line, column and one sentence, for anything the text does wrong.
    ValueError
        For a base that is no address.

    Examples
    --------
    >>> program = assemble("_start: li a0, 42\\n ret")
    >>> program.data.hex()
    '1305a00267800000'
    """
    if not 0 <= base <= LARGEST_BASE or base % 4:
        raise ValueError(f"base is {base:#x}; a multiple of 4 up to {LARGEST_BASE:#x} is accepted")
    statements = read_statements(text)
    before = Pass({}, dict.fromkeys(SECTIONS, base))
    for _ in range(MOST_PASSES):
        current = Pass(before.symbols, before.place_sections(base))
        current.run(statements)
        if current.symbols == before.symbols and current.starts == current.place_sections(base):
            break
        before = current
    else:
        why = "the program does not settle: the size of something depends on its own address"
        raise statements[0].tokens[0].error(why)
    last = Pass(current.symbols, current.starts, final=True)
    last.run(statements)
    return last.program(base)


class Pass:
    """One walk over the statements, with addresses from the walk before.

    Parameters
    ----------
    known : dict of str to int
        Symbols of the walk before, for names that are used ahead of their definition.
    starts : dict of str to int
        Where each section begins.
    final : bool
        True to encode and check; otherwise only sizes matter and values may be unknown.
    """

    def __init__(self, known: dict, starts: dict, final: bool = False):
        self.known = known
        self.starts = starts
        self.final = final
        self.section = ".text"
        self.data = {name: bytearray() for name in SECTIONS}
        self.alignment = dict.fromkeys(SECTIONS, 16)
        self.symbols: dict = {}
        self.constants: set = set()
        self.labels: dict = {}  # name -> the token that defined it
        self.numeric: dict = {}  # digits -> how often defined so far
        self.pcrel_targets: dict = {}  # address of an auipc -> what its %pcrel_hi names
        self.lines: list = []

    def run(self, statements: list[Statement]) -> None:
        for statement in statements:
            tokens = self.take_labels(statement.tokens)
            if not tokens:
                continue
            section, start = self.section, self.address
            self.statement(tokens)
            if self.final and self.section == section and self.address > start:
                length = self.address - start
                self.lines.append((start, length, statement.line, statement.source))

    @property
    def address(self) -> int:
        """Where the next byte goes."""
        return self.starts[self.section] + len(self.data[self.section])

    def place_sections(self, base: int) -> dict:
        """Where the sections begin, from the sizes and alignments of this walk."""
        starts, end = {}, base
        for name in SECTIONS:
            if name != ".text" and self.data[name]:
                end += -end % self.alignment[name]
            starts[name] = end
            end += len(self.data[name])
        return starts

    def take_labels(self, tokens: tuple) -> tuple:
        """Define the labels a statement begins with; returns what follows them."""
        while len(tokens) > 1 and tokens[1].text == ":" and tokens[0].kind in ("name", "number"):
            label = tokens[0]
            if label.kind == "number":
                if not label.text.isdigit() or len(label.text) > 4:
                    raise label.error("a numeric label is written in decimal, 0 to 9999")
                count = self.numeric.get(label.text, 0) + 1
                self.numeric[label.text] = count
                self.symbols[f"{label.text} {count}"] = self.address
            else:
                self.check_name(label)
                if label.text in self.labels or label.text in self.constants:
                    where = self.labels.get(label.text)
                    on_line = f" on line {where.line}" if where else ""
                    raise label.error(f"{label.text[:40]} is already defined{on_line}")
                self.labels[label.text] = label
                self.symbols[label.text] = self.address
            tokens = tokens[2:]
        return tokens

    def check_name(self, token: Token) -> None:
        if token.kind != "name" or token.text == ".":
            raise token.error(f"{token.text[:40]} cannot be a name")
        if token.text in REGISTERS:
            raise token.error(f"{token.text} is a register and cannot name anything else")

    def statement(self, tokens: tuple) -> None:
        """One directive, assignment or instruction."""
        first, rest = tokens[0], tokens[1:]
        if first.kind != "name":
            raise first.error(f"an instruction was expected, not {first.text[:40]}")
        if rest and rest[0].text == "=":
            self.define(first, rest[1:], rest[0])
        elif first.text in DIRECTIVES:
            DIRECTIVES[first.text](self, first, rest)
        elif first.text in REFUSED:
            raise first.error(REFUSED[first.text])
        elif first.text in IGNORED or first.text.startswith(".cfi_"):
            return
        else:
            self.instruction(tokens)

    def define(self, name: Token, tokens: tuple, after: Token) -> None:
        """Give a constant its value; a later definition replaces an earlier one."""
        self.check_name(name)
        if name.text in self.labels:
            line = self.labels[name.text].line
            raise name.error(f"{name.text[:40]} is already a label on line {line}")
        if not tokens:
            raise after.error(f"a value for {name.text[:40]} is missing")
        self.symbols[name.text] = self.value(tokens)
        self.constants.add(name.text)

    # Instructions

    def instruction(self, tokens: tuple) -> None:
        """A real or pseudo-instruction."""
        mnemonic = tokens[0]._replace(text=tokens[0].text.lower())
        operands = split_operands(tokens[1:])
        if mnemonic.text == "li":
            self.load_immediate(mnemonic, operands)
            return
        row, orderings = row_of(mnemonic.text)
        forms = [(operand_patterns(row), None)] if row else []
        forms += [(pseudo.operands, pseudo) for pseudo in PSEUDOS_OF.get(mnemonic.text, ())]
        if not forms:
            raise self.unknown(tokens[0])
        pseudo = self.choose_form(mnemonic, operands, forms)
        if pseudo is None:
            self.real_instruction(mnemonic, row, operands, orderings)
            return
        for expanded in put_operands(pseudo, mnemonic, operands):
            name, inner = expanded[0], expanded[1:]
            if name.text in DIRECTIVES:
                DIRECTIVES[name.text](self, name, inner)
            else:
                self.real_instruction(mnemonic, BY_NAME[name.text], split_operands(inner), ())

    def choose_form(self, mnemonic: Token, operands: list, forms: list):
        """The pseudo-instruction that is written here, or None for the real instruction."""
        alike = [form for form in forms if len(form[0]) == len(operands)]
        for patterns, pseudo in alike:
            if all(map(shape_fits, operands, patterns)):
                return pseudo
        # The reader of a single real form explains a wrong operand best.
        if len(alike) == 1 and alike[0][1] is None:
            return None
        written = dict.fromkeys(", ".join(patterns) or "no operands" for patterns, _ in forms)
        place = mnemonic
        if alike:
            pairs = zip(operands, alike[0][0], strict=True)
            place = next(tokens[0] for tokens, pattern in pairs if not shape_fits(tokens, pattern))
        raise place.error(f"{mnemonic.text} takes {' or '.join(written)}")

    def real_instruction(self, mnemonic: Token, row, operands: list, orderings: tuple) -> None:
        """One instruction word; before the final pass only its length counts."""
        word = 0
        if self.final:
            reader = Operands(mnemonic, self.address, self.symbol, self.relocate)
            word = reader.encode(row, operands, orderings)
        self.emit_word(mnemonic, word, row.length)

    def load_immediate(self, mnemonic: Token, operands: list) -> None:
        """li, in as many instructions as the constant needs."""
        if len(operands) != 2:
            raise mnemonic.error("li takes rd, imm")
        rd = register(operands[0])
        value = self.value(operands[1])
        for step, (name, immediate) in enumerate(load_constant(wrap(value))):
            row = BY_NAME[name]
            word = row.match | row.fields["rd"].insert(rd)
            if name == "lui":
                word |= row.fields["upper"].insert(immediate << 12)
            else:
                kind = "shamt" if "shamt" in row.fields else "imm"
                word |= row.fields["rs1"].insert(rd if step else 0)
                word |= row.fields[kind].insert(immediate)
            self.emit_word(mnemonic, word, 4)

    def unknown(self, token: Token) -> AssemblyError:
        """The error for a mnemonic or directive that does not exist."""
        name = token.text[:40]
        if name.startswith("."):
            known = [*DIRECTIVES, *IGNORED]
            return token.error(f"{name} is not a directive of this assembler{nearest(name, known)}")
        known = [*BY_NAME, *PSEUDO_NAMES]
        return token.error(f"{name} is not an instruction{nearest(name.lower(), known)}")

    # Values

    def value(self, tokens: tuple) -> int:
        """An expression's value; before the final pass, 0 where it cannot be known yet."""
        try:
            return Expression(tokens, self.symbol, self.relocate).value()
        except AssemblyError:
            if self.final:
                raise
            return 0

    def symbol(self, token: Token) -> int:
        """The value of a name: as defined so far, else as it was at the end of the pass before."""
        name = token.text
        if name == ".":
            return self.address
        if token.kind == "local":
            digits = name[:-1]
            count = self.numeric.get(digits, 0) + (name[-1] == "f")
            value = self.known.get(f"{digits} {count}")
            if value is None:
                where = "after" if name[-1] == "f" else "before"
                raise token.error(f"there is no label {digits[:40]}: {where} this line")
            return value
        if name in self.symbols:
            return self.symbols[name]
        if name in self.known:
            return self.known[name]
        if name in REGISTERS:
            raise token.error(f"{name} is a register; a value was expected here")
        if not self.final:
            raise token.error("not known yet")
        hint = "; a CSR has no value" if name in CSR_NUMBERS else nearest(name[:40], self.known)
        raise token.error(f"{name[:40]} is not defined{hint}")

    def relocate(self, token: Token, value: int) -> int:
        """%hi and %lo of an address, and the same relative to an auipc."""
        low = (value & 0xFFF ^ 0x800) - 0x800
        if token.text == "%hi":
            if not in_reach(wrap(value)):
                raise token.error(f"lui reaches {REACH}, not {value:#x}; la may reach it")
            return wrap(value) + 0x800 >> 12 & 0xFFFFF
        if token.text == "%lo":
            return low
        if token.text == "%pcrel_hi":
            self.pcrel_targets[self.address] = value
            distance = wrap(value - self.address)
            if not in_reach(distance):
                raise token.error(
                    f"{value:#x} is {distance} bytes away; auipc reaches {REACH}, li any address"
                )
            return distance + 0x800 >> 12 & 0xFFFFF
        if token.text == "%pcrel_lo":
            if value not in self.pcrel_targets:
                raise token.error("%pcrel_lo takes the label of an auipc with %pcrel_hi before it")
            distance = self.pcrel_targets[value] - value
            return (distance & 0xFFF ^ 0x800) - 0x800
        raise token.error(f"{token.text} is not known; %hi %lo %pcrel_hi and %pcrel_lo are")

    # Output

    def emit(self, token: Token, data: bytes) -> None:
        """Append bytes to the section."""
        self.make_room(token, len(data))
        if self.section == ".bss" and any(data):
            raise token.error(".bss holds zeros only; put this into .data")
        self.data[self.section] += data

    def emit_word(self, mnemonic: Token, word: int, length: int) -> None:
        """Append an instruction."""
        if self.final and self.address % 2:
            raise mnemonic.error(
                f"an instruction cannot stand at the odd address {self.address:#x};"
                " put .balign 4 before it"
            )
        self.emit(mnemonic, word.to_bytes(length, "little"))

    def make_room(self, token: Token, n_bytes: int) -> None:
        """Refuse to grow beyond LARGEST_PROGRAM."""
        if sum(map(len, self.data.values())) + n_bytes > LARGEST_PROGRAM:
            raise token.error("the program would be larger than 16 MiB, which is the limit")

    def pad(self, token: Token, n_bytes: int, fill: int | None) -> None:
        """Append padding: `fill`, or no-operations between instructions and zeros between data."""
        self.make_room(token, n_bytes)
        if fill is not None or self.section != ".text":
            self.emit(token, bytes([fill or 0]) * n_bytes)
            return
        padding = bytes(n_bytes % 2) + C_NOP.to_bytes(2, "little") * (n_bytes // 2 % 2)
        self.emit(token, padding + NOP.to_bytes(4, "little") * (n_bytes // 4))

    def program(self, base: int) -> Program:
        """The result of the final pass."""
        data = bytearray()
        for name in SECTIONS:
            if self.data[name]:
                data += bytes(self.starts[name] - base - len(data)) + self.data[name]
        labels = {name: self.symbols[name] for name in self.labels}
        constants = {name: self.symbols[name] for name in sorted(self.constants)}
        entry = labels.get("_start", base)
        return Program(bytes(data), base, entry, labels, sorted(self.lines), constants)


def in_reach(distance: int) -> bool:
    """Whether 20 upper bits and a signed 12-bit offset can express it."""
    return -(1 << 31) - 0x800 <= distance < (1 << 31) - 0x800


PSEUDOS_OF: dict = {}
for _row in PSEUDOS:
    PSEUDOS_OF.setdefault(_row.name, []).append(_row)
