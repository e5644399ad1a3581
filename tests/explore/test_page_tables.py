"""Do the page's tables say what the instruction set says, and all of it?"""

import gzip
import json
import re

import pytest

from tests.explore.javascript import STATIC, page_of_modules
from virtlab.explore.page.tables import javascript_pattern, rule, tables, tables_json
from virtlab.isa import assembler, directives, encoding, instructions, operands, pseudo, source
from virtlab.isa.layout import Field, read_layout

# One more instruction exists, in custom-0 of the manual's opcode map, with a name for one use of
# it, and one more directive.
EXTENDED = """
    const { makeAssembler } = await import("/assembler.js");
    const { makeDisassembler } = await import("/disassembler.js");
    const { assemble } = makeAssembler(given);
    const { disassemble } = makeDisassembler(given);
    const word = (text) => new DataView(assemble(text).data.buffer).getUint32(0, true);
    const texts = ["twice a0, 6(a1)", "double a0", "twice a0, 0(a1)"];
    const again = texts.map((text) => disassemble(word(text)));
    return [word(texts[0]), assemble("half2 3, 4").data, again];
"""


@pytest.fixture(scope="module")
def read() -> dict:
    """The tables as the page reads them."""
    return json.loads(tables_json())


def test_json_changes_nothing(read):
    def plain(value):
        if isinstance(value, dict):
            return {str(key): plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value

    assert read == plain(tables())
    assert tables_json() == json.dumps(read, separators=(",", ":"))


def test_every_instruction_is_there_with_all_its_bits(read):
    assert len(read["instructions"]) == len(instructions.INSTRUCTIONS)
    for row, entry in zip(instructions.INSTRUCTIONS, read["instructions"], strict=True):
        name, written, length, mask, match, numbers, *expansion = entry
        fields = {}
        for number in numbers:
            field, nonzero, flat = read["fields"][number]
            pieces = tuple(tuple(flat[at : at + 3]) for at in range(0, len(flat), 3))
            fields[field] = Field(field, pieces, nonzero)
        assert (name, written, length, mask, match) == (
            row.name,
            row.operands,
            row.length,
            row.mask,
            row.match,
        )
        assert fields == row.fields
        assert expansion == ([row.expansion] if row.length == 2 else [])


def test_no_field_is_told_twice(read):
    assert len(read["fields"]) == len({json.dumps(field) for field in read["fields"]})


def test_names_and_numbers_are_those_of_the_library(read):
    assert read["csrs"] == encoding.CSR_NUMBERS
    assert read["registers"] == operands.REGISTERS
    assert tuple(read["abi_names"]) == instructions.ABI_NAMES
    assert read["access_bits"] == operands.ACCESS_BITS
    assert read["tokens"]["escapes"] == source.ESCAPES
    assert read["refused"] == directives.REFUSED
    assert int(read["assembler"]["largest_base"], 16) == assembler.LARGEST_BASE
    assert [row[2] for row in read["pseudos"]] == [row.text for row in pseudo.PSEUDOS]


def test_no_number_is_too_large_for_javascript(read):
    numbers = re.findall(r"(?<![\w\"])\d+(?![\w\"])", tables_json())
    assert len(numbers) > 1000
    assert max(map(int, numbers)) < 1 << 53


def test_a_directive_is_named_after_its_rule(read):
    assert read["directives"].keys() == directives.DIRECTIVES.keys()
    assert read["directives"][".half"] == ["emit_integers", {"n_bytes": 2}]
    assert read["directives"][".asciz"] == ["emit_strings", {"ending": "\0"}]
    assert read["directives"][".p2align"] == ["align", {"power_of_two": True}]
    assert read["directives"][".org"] == rule(directives.org) == ["org", {}]


def test_patterns_without_layout_read_the_same_text():
    text = '_start: li a0, 0x1f + %lo(x) # "why"\n.string "a\\"#", \'\\n\' /* it */ 1b // end'
    for pattern in (source.TOKEN, source.COMMENT, source.ESCAPE):
        again = re.compile(
            javascript_pattern(pattern).replace("(?<", "(?P<").replace("(?P<!", "(?<!"),
            pattern.flags & ~re.VERBOSE,
        )
        assert [match.span() for match in again.finditer(text)] == [
            match.span() for match in pattern.finditer(text)
        ]


def test_the_tables_and_the_modules_that_read_them_are_small():
    modules = b"".join(
        path.read_bytes()
        for name in ("asm_*.js", "assembler.js", "disassembler.js")
        for path in sorted(STATIC.glob(name))
    )
    assert len(gzip.compress(tables_json().encode(), 9)) < 8_000
    assert len(gzip.compress(modules, 9)) < 20_000


@pytest.mark.browser
def test_an_instruction_added_to_the_table_is_known_in_the_page(read, browser):
    mask, match, fields, width = read_layout("imm[11:0] rs1 000 rd 0001011")
    first = len(read["fields"])
    added = [[f.name, f.nonzero, [n for piece in f.pieces for n in piece]] for f in fields.values()]
    numbers = list(range(first, first + len(added)))
    extended = read | {
        "fields": [*read["fields"], *added],
        "instructions": [
            *read["instructions"],
            ["twice", "rd, imm(rs1)", width // 8, mask, match, numbers],
        ],
        "pseudos": [*read["pseudos"], ["double", ["rd"], "twice rd, 0(rd)", False]],
        "directives": read["directives"] | {"half2": ["emit_integers", {"n_bytes": 2}]},
    }
    with page_of_modules(browser) as run:
        word, data, texts = run(EXTENDED, extended)
    assert word == match | 6 << 20 | 11 << 15 | 10 << 7
    assert data == "03000400"
    assert texts == ["twice a0, 6(a1)", "double a0", "twice a0, 0(a1)"]
