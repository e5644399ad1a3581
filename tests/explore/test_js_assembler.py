"""Does the page's assembler make the same program of a text as Python's, or the same complaint?"""

import ast
import hashlib
import json
import random
import string
import unicodedata
from pathlib import Path

import pytest

from tests.explore.javascript import page_of_modules
from tests.isa.test_assembler import ERRORS
from tests.isa.test_fuzz import GOOD, WORDS
from virtlab.explore.page.tables import tables
from virtlab.isa.assembler import LARGEST_BASE, AssemblyError, assemble
from virtlab.isa.directives import DIRECTIVES
from virtlab.isa.disassembler import disassemble_bytes
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.isa.instructions import BY_NAME, INSTRUCTIONS
from virtlab.isa.operands import REGISTERS
from virtlab.isa.pseudo import PSEUDO_NAMES, PSEUDOS

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
BASE = 0x8000_0000
BASES = (0, 0x1000, BASE, 0x7FFF_F000, 0xFFFF_FFFF_8000_0000, LARGEST_BASE)

EDGES = (-0x8000_0801, -0x8000_0800, 0x7FFF_F7FF, 0x7FFF_F800)  # of what lui and auipc reach

LOAD = """
    const { makeAssembler, AssemblyError } = await import("/assembler.js");
    Object.assign(keep, makeAssembler(given), { AssemblyError });
"""
ASSEMBLE = """
    const digest = async (data) => new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    const answer = async ([text, base]) => {
      try {
        const program = keep.assemble(text, BigInt(base));
        return { ...program, data: await digest(program.data), bytes: program.data.length };
      } catch (error) {
        if (!(error instanceof keep.AssemblyError)) return { crash: String(error.stack) };
        const { line, column, message } = error;
        return { at: [line, column], message, said: String(error) };
      }
    };
    return Promise.all(given.map(answer));
"""


@pytest.fixture(scope="module")
def run(browser):
    with page_of_modules(browser) as run:
        run(LOAD, tables())
        yield run


def outcome(text: str, base: int) -> dict:
    """What Python's assembler answers, as JSON carries it."""
    try:
        program = assemble(text, base)
    except AssemblyError as error:
        at = [error.line, error.column]
        return {"at": at, "message": error.message, "said": str(error)}
    return {
        "data": hashlib.sha256(program.data).hexdigest(),
        "bytes": len(program.data),
        "base": str(program.base),
        "entry": str(program.entry),
        "symbols": [[name, str(value)] for name, value in program.symbols.items()],
        "constants": [[name, str(value)] for name, value in program.constants.items()],
        "lines": [[str(address), *rest] for address, *rest in program.lines],
    }


def compare(run, texts, base: int = BASE) -> tuple[int, int]:
    """Fails at the first difference; returns how many texts are programs and how many are not."""
    cases = [text if isinstance(text, tuple) else (text, base) for text in texts]
    here = [outcome(*case) for case in cases]
    there = run(ASSEMBLE, [[text, str(at)] for text, at in cases])
    for case, mine, theirs in zip(cases, here, there, strict=True):
        assert mine == theirs, case
    wrong = sum("message" in answer for answer in here)
    return len(here) - wrong, wrong


# Programs somebody wrote


def sources() -> list[str]:
    """Every assembly file of the project."""
    paths = [*(ROOT / "virtlab").rglob("*.[sS]"), *(ROOT / "tests").rglob("*.[sS]")]
    return [path.read_text("utf-8") for path in sorted(paths)]


def literals(code: str) -> list[str]:
    """The texts between quotes in some Python code."""
    return [
        node.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def listings() -> list[str]:
    """Whatever is quoted in a notebook's cells: the assembly in it, and words that are none."""
    texts = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            code = "".join(cell["source"])
            if cell["cell_type"] == "code" and not code.lstrip().startswith(("%", "!")):
                texts += literals(code)
    return texts


def test_every_source_and_every_listing_of_the_project(run):
    programs, _ = compare(run, [*sources(), *listings()])
    assert programs >= 7


def test_every_text_that_a_test_of_the_assembler_quotes(run):
    paths = sorted((ROOT / "tests").rglob("*.py"))
    texts = {text for path in paths for text in literals(path.read_text("utf-8"))}
    programs, wrong = compare(run, sorted(texts))
    assert programs > 300 and wrong > 300


# Programs nobody wrote


def test_any_instructions_written_out(run, seed):
    """What the disassembler writes of random words is assembled, all in one program."""
    rng = random.Random(seed)
    texts = []
    for exact in (False, True):
        words = [
            (rng.getrandbits(8 * row.length) & ~row.mask | row.match).to_bytes(row.length, "little")
            for row in INSTRUCTIONS
            for _ in range(20)
        ]
        rng.shuffle(words)
        rows = disassemble_bytes(b"".join(words), BASE, {"start": BASE}, exact)
        for first in range(0, len(rows), 100):
            part = rows[first : first + 100]
            lines = "\n".join(text for *_, text in part)
            texts.append((f".equ start, {BASE}\n{lines}", part[0][0] & -4))
    assert compare(run, texts)[0] > 10


class Writer:
    """Writes one random program, nearly all of it right."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.names = [f"name_{k}" for k in range(12)]
        self.unused = list(self.names)

    def text(self) -> str:
        rng = self.rng
        lines = ["1:"]
        for _ in range(rng.randrange(5, 60)):
            label = ""
            if self.unused and rng.random() < 0.3:
                label = f"{self.unused.pop()}: "
            elif rng.random() < 0.1:
                label = f"{rng.choice('12')}: "
            comment = rng.choice(["", "", "", " # why", " // it", " /* is */", " \t"])
            lines.append(label + self.statement() + comment + rng.choice(["", "", ";"]))
        lines += [f"{name}:" for name in self.unused]
        return "\n".join([*lines, "1: 2: ret", ""])

    def statement(self) -> str:
        rng = self.rng
        kind = rng.random()
        if kind < 0.5:
            row = rng.choice(INSTRUCTIONS)
            name = row.name + (
                rng.choice(["", ".aq", ".rl", ".aqrl"]) if "aq" in row.fields else ""
            )
            return f"{name} {self.filled(row.operands, row.fields)}"
        if kind < 0.75:
            pseudo = rng.choice(PSEUDOS)
            return f"{pseudo.name} {self.filled(', '.join(pseudo.operands), {})}"
        if kind < 0.85:
            return f"li {self.register()}, {self.expression(3)}"
        return self.directive()

    def directive(self) -> str:
        rng = self.rng
        number = rng.randrange
        return rng.choice(
            [
                f".byte {number(-128, 256)}, {number(256)}\n.balign 2",
                f".half {number(-32768, 65536)}",
                f".word {number(-(1 << 31), 1 << 32)}, {number(100)}",
                f".dword {self.name()}, {self.name()} - {self.name()}",
                '.string "text\\n\\x41", "\u00e9\U0001f600"\n.balign 4',
                '.ascii "ab"',
                f".space {2 * number(20)}, {number(256)}",
                f".balign {1 << number(7)}",
                f".align {number(7)}",
                ".data\n.balign 8",
                ".section .rodata.text",
                ".text\n.balign 4",
                f".bss\n.space {number(50)}\n.text",
                f".equ constant, {self.expression(2)}",
                f"size = {number(1000)}",
                ".globl name_1",
            ]
        )

    def name(self) -> str:
        return self.rng.choice([*self.names, "1b", "1f", "."])

    def register(self) -> str:
        return self.rng.choice(list(REGISTERS))

    def expression(self, depth: int) -> str:
        rng = self.rng
        if depth == 0 or rng.random() < 0.2:
            bits = rng.getrandbits(rng.randrange(1, 64))
            plain = [str(bits), hex(bits), bin(bits), oct(bits), f"{bits:_}", "'a'", "'\\n'"]
            return rng.choice([*plain, self.name(), self.name()])
        left, right = self.expression(depth - 1), self.expression(depth - 1)
        return rng.choice(
            [
                f"({left} {rng.choice('&|^')} {right})",
                f"{left} >> {rng.randrange(64)}",
                f"({left} / {rng.randrange(1, 99)} - {right} / {rng.randrange(-99, -1)})",
                f"{rng.choice('-~+')}({left} >> 1)",
                f"{rng.choice(['%lo', '%hi'])}({left} & 0x7fff0000)",
            ]
        )

    def filled(self, pattern: str, fields: dict) -> str:
        """An operand pattern with operands in the places of its names."""
        rng = self.rng
        words = []
        for operand in filter(None, pattern.split(", ")):
            name, _, base = operand.partition("(")
            text = self.operand(name, fields) if name else ""
            inside = base.rstrip(")")
            words.append(text + (f"({self.operand(inside, fields)})" if inside else ""))
        return rng.choice([", ", ","]).join(words)

    def operand(self, name: str, fields: dict) -> str:
        rng = self.rng
        if name == "sp":
            return rng.choice(["sp", "x2"])
        if name.endswith("'"):
            return rng.choice(["s0", "s1", "a0", "a5", "fp", "x12"])
        if name in ("rd", "rs", "rt", "rs1", "rs2"):
            return self.register()
        if name in ("pred", "succ"):
            return rng.choice(["iorw", "rw", "r", "i", "ow", "7"])
        if name == "csr":
            return rng.choice([rng.choice(list(CSR_NUMBERS)), str(rng.randrange(4096))])
        if name in ("target", "symbol"):
            return self.name()
        if name == "offset":
            return rng.choice(["1b", "1f", f". + {2 * rng.randrange(-50, 50)}", "."])
        field = fields.get(name)
        value = rng.randrange(field.low, field.high + 1, field.step) if field else rng.randrange(32)
        if name == "upper":
            value >>= 12
        return rng.choice([str(value), hex(value), f"({value} + 0)"])


def test_random_programs(run, seed):
    rng = random.Random(seed)
    texts = [(Writer(rng).text(), rng.choice(BASES)) for _ in range(400)]
    programs, wrong = compare(run, texts)
    assert programs > 60 and wrong > 20, (programs, wrong)


def test_constants_of_every_size(run, seed):
    rng = random.Random(seed)
    values = {sign * (1 << bit) + d for bit in range(64) for sign in (1, -1) for d in (-1, 0, 1)}
    values |= {rng.getrandbits(64) for _ in range(300)}
    values |= {rng.getrandbits(rng.randrange(1, 60)) << rng.randrange(8) for _ in range(300)}
    texts = [f"li t0, {value}" for value in values]
    assert compare(run, texts)[0] > 900


# Text that is no program


def test_known_errors(run):
    assert compare(run, [text for text, *_ in ERRORS])[1] == len(ERRORS)


def test_errors_of_every_other_kind(run):
    texts = [
        "nop\n\t.string \"\U0001f600\", '\U0001f600' # columns count characters",
        ".byte '\U0001f600'",
        ".word '\U0001f600', '\u00e9'",
        "/* \U0001f600 */ nop ? nop",
        "\U0001f600",
        'li "\U0001f600' + "\U0001f600" * 50 + '", 1',
        "x" * 100 + ": j " + "y" * 100,
        "j " + "y" * 100,
        "y" * 100 + " a0",
        *(f"li a0, 1{character}" for character in "\u00e9\u0663\u4e2d\U0001d7d8\u0301\u2160"),
        *(f"nop {code!s} {chr(code)}" for code in (0, 7, 0x7F, 0x85, 0xA0, 0xAD, 0x2028, 0xFEFF)),
        *(f"nop # {chr(code)}\t\x1f \ufeff\x85\u3000" for code in (0x1C, 0x20, 0xFEFF, 0x2028)),
        "nop \\",
        'nop \\"',
        "nop \ud800 # half of a pair",
        '.string "\udc00\ud800x\udfff"',
        "constructor: j constructor\n j toString",
        "__proto__: j __proto__",
        "constructor a0, 1",
        ".toString 1",
        ".word constructor",
        "csrr a0, toString",
        "li constructor, 1",
        ".string '\\constructor'",
        "100000: nop",
        "0x1: nop",
        "1_0: nop",
        "0001: j 0001b",
        "0 = 1",
        ". = 1",
        ".: nop",
        "a0 = 1",
        "k = 1\nk: nop",
        "k = ",
        ".equ k",
        ".equ k, ",
        ".equ 1, 2",
        ".section",
        ".text 1",
        ".section 5",
        ".align",
        ".align 1, 2, 3",
        ".align 20\nnop\n.balign 0x100000",
        ".balign 4, 256",
        ".balign 0",
        ".balign 1 << 21",
        ".space",
        ".space 4, -129",
        ".space 1 << 63",
        ".space 0x1000000, 1\nnop",
        ".org 1 << 25",
        ".org",
        ".bss\n.balign 64, 1",
        ".bss\n.word 0\n.space 3, 1",
        ".bss\nnop",
        ".data\n.byte 1\n.text\n.org 0\n.data\n.dword .",
        "c.nop\n.balign 32\n.byte 1\n.balign 16\n.byte 1,2,3\n.balign 8",
        ".byte 1\n.balign 2\nnop",
        "li a0, 0x_",
        "li a0, 0b",
        "li a0, 0o_",
        "li a0, 0_7",
        "li a0, 0_",
        "li a0, 1_",
        "li a0, 0X1F + 0B1 + 0O7",
        "li a0, '\\x'",
        "li a0, '\\x4'",
        "li a0, '\\0'",
        '.string "\\012\\0129\\400\\x4g\\e"',
        "li a0, 3 & 2 == 2",
        "li a0, -9223372036854775808 - 1",
        "li a0, 18446744073709551615 + 1",
        "li a0, ~18446744073709551615",
        "li a0, -18446744073709551615",
        "li a0, -7 >> 1",
        "li a0, 7 / -2 * 3 - -7 / 2",
        "lui a0, 0xfffff; lui a0, -524289",
        "c.lui a0, 32",
        "c.lui a0, 0xfffe0",
        "lui a0, %hi(-1)\n.dword %lo(-1)",
        *(f"lui a0, %hi({edge})" for edge in EDGES),
        *(f"la a0, . + {edge}" for edge in EDGES),
        '.string "\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff"',
        '.string "\\377\\200\\xff\\x7f"',
        "auipc a0, %pcrel_hi(0)",
        "addi a0, a0, %pcrel_lo(0)",
        "li a0, %lo 1",
        "fence wr, r",
        "fence 16, 1",
        "fence iorw",
        "amoadd.w.rlaq a0, a1, (a2)",
        "add.aq a0, a1, a2",
        "lr.w.aq a0, 0(a1)",
        "lw a0, 4()",
        "lw a0, (4)",
        "lw a0, 4(4)",
        "la a0, 4(a0)",
        "jr (t0); jalr (t0); jr 4(t0); jr x(t0)\n x = 8",
        "csrr a0, )",
        "addi a0, (, 1",
        "jr )(a0)",
        "sd a0, ), t0",
        "beqz 4(a0), 8",
        "nop :",
        "nop =",
        ".macro x",
        ".cfi_anything at all ?",
        ".cfi_anything at all",
        ".Word 1",
        "",
        "\n\n",
        ";;",
        "# only a comment",
        "li a0, (end & 4) * 0x12345\nend: nop",
        "/* a /* b",
        "/*/",
        "/**/ nop /***/ nop",
        "// /* no comment begins here\nnop",
        "\"/*\" '/*' # */",
        "li a0, " + "(" * 51 + "1" + ")" * 51,
        "li a0, " + "-" * 50 + "1",
        "li a0, " + "9" * 81,
        "li a0, " + "0b" + "1_" * 39,
    ]
    programs, wrong = compare(run, texts)
    assert programs > 20 and wrong > 70


def test_text_made_to_overrun_something(run):
    texts = [
        "li a0, " + "(" * 100_000,
        "li a0, " + "-" * 100_000 + "1",
        "li a0, " + "1+" * 50_000 + "1",
        "li a0, 1" + " << 63" * 1000,
        ".space 1 << 62\n" * 100,
        ".balign 0x100000\nnop\n" * 3,
        "/*" * 100_000,
        '"' * 100_001,
        "'" * 100_001,
        "a" * 100_000,
        " " * 100_000 + "nop" + " " * 100_000,
        "".join(f"la a0, l{i}\n" for i in range(500)),
        "".join(f"l{i}: .space l{i + 1} & 7\n" for i in range(500)) + "l500: nop",
        ".string " + '"a"' * 100,
        '.string "' + "\\n" * 100_000 + '"',
        "nop;" * 2_000,
        ".byte " + "1, " * 5_000 + "1",
    ]
    assert compare(run, texts)[0] >= 4


def test_words_in_any_order(run, seed):
    rng = random.Random(seed)
    texts = [
        rng.choice([" ", ""]).join(rng.choices(WORDS, k=rng.randrange(1, 30))) for _ in range(2000)
    ]
    assert compare(run, texts)[1] > 1000


def test_a_mnemonic_with_any_operands(run, seed):
    rng = random.Random(seed)
    texts = []
    for _ in range(4000):
        operands = [
            "".join(rng.choices(WORDS, k=rng.choice([1, 1, 1, 2, 3])))
            for _ in range(rng.randrange(5))
        ]
        name = rng.choice([*BY_NAME, *PSEUDO_NAMES, *DIRECTIVES])
        texts.append(f"x: y: {name} {', '.join(operands)}")
    programs, wrong = compare(run, texts)
    assert programs > 30 and wrong > 2000


def test_good_text_with_characters_changed(run, seed):
    rng = random.Random(seed)
    texts = []
    for _ in range(1500):
        text = list(GOOD)
        for _ in range(rng.randrange(1, 5)):
            place = rng.randrange(len(text))
            text[place : place + rng.randrange(2)] = rng.choice(["", rng.choice(string.printable)])
        texts.append("".join(text))
    programs, wrong = compare(run, texts)
    assert programs > 100 and wrong > 500


def test_any_characters(run, seed):
    """But those that Python's Unicode does not know: the browser's may be a later one."""
    rng = random.Random(seed)
    texts = []
    for _ in range(1500):
        codes = (rng.randrange(rng.choice([128, 128, 0x3000, 0x11_0000])) for _ in range(40))
        known = (chr(code) for code in codes if unicodedata.category(chr(code)) not in ("Cn", "Cs"))
        texts.append(rng.choice(["", "nop # "]) + "".join(known))
    assert compare(run, texts)[1] > 700


def test_an_operand_that_leaves_its_parentheses_is_refused(run):
    with pytest.raises(AssemblyError) as refusal:
        assemble("la a0, 0x80000000), x(5")
    assert str(refusal.value) == "line 1, column 21: x was not expected here"
    (answer,) = run(ASSEMBLE, [["la a0, 0x80000000), x(5", str(BASE)]])
    assert answer["said"] == str(refusal.value)


def test_a_base_that_is_no_address_is_refused(run):
    for base in (-4, 2, 1 << 64):
        message = run(
            """
            try { keep.assemble("nop", BigInt(given)); }
            catch (error) { return [error.name, error.message]; }
            """,
            str(base),
        )
        with pytest.raises(ValueError) as caught:
            assemble("nop", base)
        assert message == ["RangeError", str(caught.value)]


def test_without_a_base_a_program_begins_where_python_s_does(run):
    program = run("return keep.assemble('_start: li a0, 42\\n ret')")
    assert program["data"] == assemble("_start: li a0, 42\n ret").data.hex() == "1305a00267800000"
    assert program["base"] == program["entry"] == str(BASE)
