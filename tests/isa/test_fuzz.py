"""Text that nobody would write: the assembler answers with a program or with an AssemblyError."""

import random
import string
import time

import pytest

from virtlab.isa.assembler import AssemblyError, assemble
from virtlab.isa.directives import DIRECTIVES, REFUSED
from virtlab.isa.disassembler import disassemble, disassemble_bytes
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.isa.instructions import ABI_NAMES, BY_NAME
from virtlab.isa.pseudo import PSEUDO_NAMES

WORDS = [*BY_NAME, *PSEUDO_NAMES, *DIRECTIVES, *REFUSED, *ABI_NAMES, *list(CSR_NUMBERS)[:20]]
WORDS += [
    "x",
    "y",
    "x:",
    "y:",
    "1:",
    "1b",
    "1f",
    ".",
    "=",
    "0",
    "-1",
    "4",
    "4095",
    "0x7ff",
    "1<<63",
]
WORDS += [
    "0xffffffffffffffff",
    "1000000000000",
    "'a'",
    '"text\\n"',
    "%hi",
    "%lo(x)",
    "%pcrel_hi(y)",
]
WORDS += [
    *"+-*/()&|^~,:;@#'\"\\%\n\n\n",
    ",",
    ",",
    " ",
    "\t",
    "<<",
    ">>",
    "//",
    "/*",
    "*/",
    "\0",
    "é",
    "٣",
]

GOOD = """
_start: li a0, 0x123456789
    la   a1, text
1:  lbu  t0, 0(a1)
    beqz t0, done
    addi a1, a1, 1
    csrrw a0, mscratch, a1
    amoadd.w.aqrl a0, a1, (a2)
    j    1b
done: c.addi a0, 1
    c.nop
    .balign 8
text: .string "hello", "world"
    .word 1, 2 + 3, done - _start
"""


def answer(text: str) -> None:
    """Assembles; anything but a program or one sentence fails the test, and so does a long wait."""
    start = time.perf_counter()
    try:
        program = assemble(text)
    except AssemblyError as error:
        assert "\n" not in str(error), repr(text)
        assert error.line >= 1 and error.column >= 1, repr(text)
        n_lines = text.count("\n") + 1
        assert error.line <= n_lines, repr(text)
    else:
        for address, length, _, _ in program.lines:
            assert program.base <= address <= address + length <= program.base + len(program.data)
    assert time.perf_counter() - start < 10, repr(text)


def test_words_in_any_order(seed):
    rng = random.Random(seed)
    for _ in range(3000):
        words = rng.choices(WORDS, k=rng.randrange(1, 30))
        answer(rng.choice([" ", ""]).join(words))


def test_a_mnemonic_with_any_operands(seed):
    rng = random.Random(seed)
    for _ in range(4000):
        operands = [
            "".join(rng.choices(WORDS, k=rng.choice([1, 1, 1, 2, 3])))
            for _ in range(rng.randrange(5))
        ]
        name = rng.choice([*BY_NAME, *PSEUDO_NAMES, *DIRECTIVES])
        answer(f"x: y: {name} {', '.join(operands)}")


def test_good_text_with_characters_changed(seed):
    rng = random.Random(seed)
    for _ in range(1500):
        text = list(GOOD)
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(text))
            action = rng.randrange(3)
            if action == 0:
                text[place] = rng.choice(string.printable)
            elif action == 1:
                del text[place]
            else:
                text.insert(place, rng.choice(string.printable))
        answer("".join(text))


def test_any_characters(seed):
    rng = random.Random(seed)
    for _ in range(1500):
        codes = (rng.choice([rng.randrange(128), rng.randrange(0x3000)]) for _ in range(40))
        answer("".join(map(chr, codes)))


@pytest.mark.parametrize(
    "text",
    [
        "li a0, " + "(" * 100_000,
        "li a0, " + "-" * 100_000 + "1",
        "li a0, " + "1+" * 50_000 + "1",
        "li a0, " + "9" * 100_000,
        "li a0, 1" + " << 63" * 1000,
        ".space 1 << 62\n" * 100,
        ".balign 0x100000\nnop\n" * 100,
        "/*" * 100_000,
        '"' * 100_001,
        "'" * 100_001,
        "x" * 100_000 + ": " + "x" * 100_000,
        "a" * 100_000,
        "".join(f"la a0, l{i}\n" for i in range(5000)),
        "".join(f"l{i}: .space l{i + 1} & 7\n" for i in range(500)) + "l500: nop",
        "x: .space x",
        ".equ x, x + 1\nli a0, x",
        ".org 0xffffffffffffffff",
        ":",
        ";" * 1000,
        "0" * 50 + ": nop",
        ".string " + '"a"' * 100,
        "nop\r\nnop\r\n",
    ],
)
def test_text_made_to_overrun_something(text):
    answer(text)


def test_any_bytes_can_be_disassembled(seed):
    rng = random.Random(seed)
    for _ in range(300):
        data = rng.randbytes(rng.randrange(60))
        rows = disassemble_bytes(data, 0x8000_0000, {"a": 0x8000_0000})
        assert sum(length for _, length, _, _ in rows) == len(data)
        assert all(text for *_, text in rows)
    for _ in range(3000):
        assert disassemble(rng.getrandbits(32))
