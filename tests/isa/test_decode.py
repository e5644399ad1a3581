"""The compiled decoder against a slow reading of the table's own text."""

import os
import random
import subprocess
import sys

import numba
import numpy as np
import pytest

from virtlab.isa import op
from virtlab.isa.decode import SINK, decode
from virtlab.isa.instructions import ABI_NAMES, BY_NAME, EXTENSIONS, INSTRUCTIONS

RAW = {"fence", "fence.i", "ecall", "ebreak", "mret", "sret", "wfi", "sfence.vma"}
NO_INSTRUCTION = (op.ILLEGAL, SINK, 0, 0)


def table_lines():
    for extension, text in EXTENSIONS.items():
        for line in filter(None, text.splitlines()):
            yield extension, [cell.strip() for cell in line.split(" | ")]


TABLE = list(table_lines())


def read_by_layout(layout: str, word: int):
    """Fields of `word`, bit by bit from the left (None if it does not fit), and fixed bits."""
    n_bits = 16 if layout.endswith((" 00", " 01", " 10")) else 32
    bits = f"{word & (1 << n_bits) - 1:0{n_bits}b}"
    fields: dict = {}
    rules = []
    for token in layout.split():
        token, rule, _ = token.partition("!=0")
        if token[0] in "01":
            if not bits.startswith(token):
                return None, 0
            bits = bits[len(token) :]
            continue
        name, _, pieces = token.rstrip("]").partition("[")
        if rule:
            rules.append(name)
        if not pieces:
            width = {"fm": 4, "pred": 4, "succ": 4, "aq": 1, "rl": 1}.get(name, 5)
            width = 3 if "'" in name else width
            fields[name] = int(bits[:width], 2) + (8 if "'" in name else 0)
            bits = bits[width:]
            continue
        value, top = fields.get(name, (0, 0))
        for piece in pieces.split("|"):
            high, _, low = piece.partition(":")
            for number in range(int(high), int(low or high) - 1, -1):
                value |= int(bits[0]) << number
                top = max(top, number)
                bits = bits[1:]
        fields[name] = (value, top)
    assert bits == ""
    for name, content in fields.items():
        if isinstance(content, tuple):
            value, top = content
            signed = name in ("imm", "offset", "upper") and value >> top
            fields[name] = value - (2 << top) if signed else value
    if any(fields[name] == 0 for name in rules):
        return None, 0
    return fields, sum(len(token) for token in layout.split() if token[0] in "01")


def reference(word: int):
    """(op, rd, rs1, rs2) and imm, as the table's text says."""
    best, most_fixed = None, 0
    for extension, (name, _, layout, last) in TABLE:
        opcode = f" {word & 3:02b}" if word & 3 != 3 else f" {word & 0x7F:07b}"
        if not layout.endswith(opcode):
            continue
        fields, fixed = read_by_layout(layout, word)
        if fields is not None and fixed > most_fixed:
            best, most_fixed = (extension, name, fields, last), fixed
    length_mask = 0xFFFF_FFFF if word & 3 == 3 else 0xFFFF
    raw = np.int64(np.uint32(word & length_mask).astype(np.int32))
    if best is None:
        return NO_INSTRUCTION, raw

    extension, name, fields, last = best
    if extension == "C":
        name, _, written = last.partition(" ")
        pattern = BY_NAME[name].operands.replace("(", ", ").replace(")", "").split(", ")
        given = written.replace("(", ", ").replace(")", "").split(", ")
        meaning = {}
        for operand, text in zip(pattern, given, strict=True):
            if text in fields:
                meaning[operand] = fields[text]
            elif text:
                meaning[operand] = ABI_NAMES.index(text) if text in ABI_NAMES else int(text)
        fields = meaning
    number = getattr(op, name.upper().replace(".", "_")) + (128 if extension == "C" else 0)
    registers = (
        fields.get("rd", 0) or SINK,
        fields.get("zimm", fields.get("rs1", 0)),
        fields.get("rs2", 0),
    )
    if name in RAW or extension in ("A", "H"):
        return (number, *registers), raw
    values = [
        fields[key] for key in ("imm", "offset", "upper", "uimm", "shamt", "csr") if key in fields
    ]
    return (number, *registers), values[0] if values else 0


def unpack(packed: int):
    packed = int(packed)
    return tuple(packed >> shift & 0xFF for shift in (0, 8, 16, 24)), packed >> 32


def check(word: int):
    registers, imm = unpack(decode(word))
    wanted, wanted_imm = reference(word)
    if wanted[0] in (op.FENCE, op.FENCE_I):
        # rs1 and rd of fences are ignored fields; only the operation and the word matter.
        registers, wanted = registers[:1], wanted[:1]
    assert (registers, imm) == (wanted, wanted_imm), f"{word:#010x}"


def words_of_rows(rng, n_each: int):
    """Random words of each row, some with a bit flipped that should be fixed."""
    for row in INSTRUCTIONS:
        for _ in range(n_each):
            word = rng.getrandbits(8 * row.length) & ~row.mask | row.match
            yield word
            yield word ^ 1 << rng.randrange(8 * row.length)


def test_words_of_every_row_decode_as_the_table_reads(seed):
    for word in words_of_rows(random.Random(seed), 20):
        check(word)


def test_random_words_decode_as_the_table_reads(seed):
    rng = random.Random(seed)
    for _ in range(4000):
        check(rng.getrandbits(32))
        check(rng.getrandbits(32) | 3)


def test_the_smallest_and_largest_operands_decode_as_the_table_reads():
    for row in INSTRUCTIONS:
        for field in row.fields.values():
            for value in (field.low, field.high):
                rest = 0
                for other in row.fields.values():
                    if other is not field and other.nonzero:
                        rest |= other.insert(other.high)
                check(row.match | field.insert(value) | rest)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x0000_0000, id="all zeros"),
        pytest.param(0xFFFF_FFFF, id="all ones"),
        pytest.param(0x4002, id="c.lwsp into x0"),
        pytest.param(0x6002, id="c.ldsp into x0"),
        pytest.param(0x2001, id="c.addiw of x0"),
        pytest.param(0x0004, id="c.addi4spn of 0"),
        pytest.param(0x6101, id="c.addi16sp of 0"),
        pytest.param(0x6081, id="c.lui of 0"),
        pytest.param(0x8002, id="c.jr of x0"),
        pytest.param(0x2000, id="c.fld"),
        pytest.param(0x9C41, id="reserved beside c.addw"),
        pytest.param(0x0205_151B, id="slliw by 32"),
        pytest.param(0x1015_252F, id="lr.w with rs2"),
        pytest.param(0x0000_2067, id="jalr with funct3 2"),
        pytest.param(0x0000_2063, id="branch with funct3 2"),
        pytest.param(0x0000_0007, id="flw"),
        pytest.param(0x7B20_0073, id="dret"),
    ],
)
def test_reserved_words_are_illegal(word):
    registers, imm = unpack(decode(word))
    assert registers == NO_INSTRUCTION
    assert imm & 0xFFFF_FFFF == word


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        pytest.param(0x0001, op.C_ADDI, id="c.nop"),
        pytest.param(0x0005, op.C_ADDI, id="c.nop with an immediate"),
        pytest.param(0x4001, op.C_ADDI, id="c.li into x0"),
        pytest.param(0x6005, op.C_LUI, id="c.lui into x0"),
        pytest.param(0x0002, op.C_SLLI, id="c.slli of x0 by 0"),
        pytest.param(0x800A, op.C_ADD, id="c.mv into x0"),
        pytest.param(0x8330_000F, op.FENCE, id="fence.tso"),
        pytest.param(0xFFF0_8F8F, op.FENCE, id="fence with reserved fields"),
        pytest.param(0xFFFF_9F8F, op.FENCE_I, id="fence.i with reserved fields"),
    ],
)
def test_hints_and_ignored_fields_are_legal(word, wanted):
    assert decode(word) & 0xFF == wanted


def test_only_the_low_half_of_a_short_instruction_counts():
    assert decode(0xABCD_8082) == decode(0x8082)


@numba.njit
def decode_all(words, out):
    for i in range(len(words)):
        out[i] = decode(words[i])


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the JIT is off in this run")
def test_compiled_and_interpreted_decoder_agree(seed):
    words = np.array(list(words_of_rows(random.Random(seed), 10)), np.int64)
    out = np.zeros_like(words)
    decode_all(words, out)
    assert out.tolist() == [int(decode.py_func(int(word))) for word in words]
    assert out.tolist() == [int(decode.py_func(word)) for word in words]


def test_without_the_jit_the_decoder_gives_the_same(seed):
    words = list(words_of_rows(random.Random(seed), 3))
    program = (
        "import sys, numpy as np\n"
        "from virtlab.isa.decode import decode\n"
        "print(*(int(decode(np.int64(word))) for word in map(int, sys.stdin.read().split())))\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        input=" ".join(map(str, words)),
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    assert list(map(int, result.stdout.split())) == [int(decode(word)) for word in words]
