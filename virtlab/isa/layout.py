"""Reading and writing the bits of an instruction as the manual draws them.

A layout such as "imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011" becomes a mask, a match, and a Field
for each operand, which knows its bits, its range, and how to take it out of a word or put it in.
The words of a layout are explained in `instructions`, where the layouts are.
"""

import re
from dataclasses import dataclass

WIDTHS = {"rd": 5, "rs1": 5, "rs2": 5, "zimm": 5, "rd'": 3, "rs1'": 3, "rs2'": 3}
WIDTHS |= {"fm": 4, "pred": 4, "succ": 4, "aq": 1, "rl": 1}
SIGNED = ("imm", "offset", "upper")
IMMEDIATES = (*SIGNED, "uimm", "shamt", "csr")


@dataclass(frozen=True)
class Field:
    """Where the bits of one operand stand in the word.

    Attributes
    ----------
    name : str
        As in the table: "rd", "rs1'", "imm", ...
    pieces : tuple of (word_bit, width, value_bit)
        `width` bits at `word_bit` of the word are the bits at `value_bit` of the value.
    nonzero : bool
        True where a value of zero makes the word another instruction or none.
    """

    name: str
    pieces: tuple
    nonzero: bool

    @property
    def mask(self) -> int:
        """The bits of the word that this field covers."""
        return sum(((1 << width) - 1) << word_bit for word_bit, width, _ in self.pieces)

    @property
    def top(self) -> int:
        """Number of the value's highest bit."""
        return max(value_bit + width for _, width, value_bit in self.pieces) - 1

    @property
    def step(self) -> int:
        """Values are multiples of this."""
        return 1 << min(value_bit for _, _, value_bit in self.pieces)

    @property
    def base(self) -> int:
        """What the stored number is counted from: 8 for the three-bit registers x8..x15."""
        return 8 if self.name.endswith("'") else 0

    @property
    def signed(self) -> bool:
        return self.name in SIGNED

    @property
    def low(self) -> int:
        """The smallest value the field can hold."""
        return -(1 << self.top) if self.signed else self.base

    @property
    def high(self) -> int:
        """The largest value the field can hold."""
        return (1 << self.top + (not self.signed)) - self.step + self.base

    def extract(self, word: int) -> int:
        """The field's value in `word`."""
        value = 0
        for word_bit, width, value_bit in self.pieces:
            value |= (word >> word_bit & (1 << width) - 1) << value_bit
        if self.signed and value >> self.top:
            value -= 2 << self.top
        return value + self.base

    def insert(self, value: int) -> int:
        """The word bits that hold `value`, which must lie in `low`..`high` by `step`."""
        word = 0
        for word_bit, width, value_bit in self.pieces:
            word |= (value - self.base >> value_bit & (1 << width) - 1) << word_bit
        return word


def read_layout(layout: str) -> tuple[int, int, dict, int]:
    """Mask, match, fields and width in bits of a layout written most significant bit first."""
    mask = match = 0
    pieces: dict = {}
    nonzero = set()
    position = 0
    for token in reversed(layout.split()):
        if re.fullmatch("[01]+", token):
            mask |= ((1 << len(token)) - 1) << position
            match |= int(token, 2) << position
            position += len(token)
            continue
        name, bits, rule = re.fullmatch(r"([a-z0-9']+)(?:\[(.+)\])?(!=0)?", token).groups()
        if rule:
            nonzero.add(name)
        for part in reversed(bits.split("|") if bits else [f"{WIDTHS[name] - 1}:0"]):
            high, _, low = part.partition(":")
            width = int(high) - int(low or high) + 1
            pieces.setdefault(name, []).append((position, width, int(low or high)))
            position += width
    fields = {name: Field(name, tuple(p), name in nonzero) for name, p in pieces.items()}
    return mask, match, fields, position


def wrap(value: int) -> int:
    """The value of the low 64 bits, read as a signed number."""
    return (value & (1 << 64) - 1 ^ 1 << 63) - (1 << 63)
