"""What must JavaScript know of the instruction set? Its tables, as JSON, taken from `virtlab.isa`.

The page's assembler and disassembler hold the rules (how an operand is read, which alias fits) and
get from here all that is data: instructions, registers, CSRs, pseudo-instructions, directives, the
patterns of tokens, and limits. Nothing is written twice, so an instruction added to the table in
Python can be typed on the page as well.

A directive's rule is named after the Python function that makes it, with the arguments it was made
with: ".half" is `["emit_integers", {"n_bytes": 2}]`.
"""

import inspect
import json
import re

from virtlab.isa import (
    assembler,
    directives,
    disassembler,
    encoding,
    expressions,
    instructions,
    layout,
    operands,
    pseudo,
    source,
)


def tables() -> dict:
    """All tables; only what JSON has: objects, lists, text, numbers below 2**53, true and false."""
    fields, rows = instruction_rows()
    return {
        "tokens": {
            "token": javascript_pattern(source.TOKEN),
            "comment": javascript_pattern(source.COMMENT),
            "escape": javascript_pattern(source.ESCAPE),
            "escapes": source.ESCAPES,
            "longest_number": source.LONGEST_NUMBER,
        },
        "expressions": {
            "binding": expressions.BINDING,
            "unary": expressions.UNARY,
            "deepest": expressions.DEEPEST,
        },
        "fields": fields,
        "signed": layout.SIGNED,
        "instructions": rows,
        "operand": javascript_pattern(instructions.OPERAND),
        "abi_names": instructions.ABI_NAMES,
        "registers": operands.REGISTERS,
        "register_operand": javascript_pattern(operands.REGISTER_OPERAND),
        "access_bits": operands.ACCESS_BITS,
        "orderings": operands.ORDERINGS,
        "csrs": encoding.CSR_NUMBERS,
        "pseudos": [[row.name, row.operands, row.text, row.written_only] for row in pseudo.PSEUDOS],
        "directives": {name: rule(function) for name, function in directives.DIRECTIVES.items()},
        "ignored": directives.IGNORED,
        "refused": directives.REFUSED,
        "sections": directives.SECTIONS,
        "largest_alignment": directives.LARGEST_ALIGNMENT,
        "assembler": {
            "default_base": assembler.DEFAULT_BASE,
            "largest_program": assembler.LARGEST_PROGRAM,
            "largest_base": hex(assembler.LARGEST_BASE),
            "most_passes": assembler.MOST_PASSES,
            "nop": assembler.NOP,
            "c_nop": assembler.C_NOP,
            "reach": assembler.REACH,
        },
        "near": disassembler.NEAR,
    }


def tables_json() -> str:
    """The tables as compact JSON."""
    return json.dumps(tables(), separators=(",", ":"), ensure_ascii=True)


def instruction_rows() -> tuple[list, list]:
    """The fields that occur, and the rows of the instruction table, which name fields by number.

    A field is [name, must not be zero, [word bit, width, value bit, ...]]. A row is [name,
    operands, bytes, mask, match, fields] and, for 16 bits, the instruction it stands for.
    """
    fields: list = []
    rows = []
    for row in instructions.INSTRUCTIONS:
        numbers = []
        for field in row.fields.values():
            pieces = [number for piece in field.pieces for number in piece]
            entry = [field.name, field.nonzero, pieces]
            if entry not in fields:
                fields.append(entry)
            numbers.append(fields.index(entry))
        entry = [row.name, row.operands, row.length, row.mask, row.match, numbers]
        rows.append([*entry, row.expansion] if row.length == 2 else entry)
    return fields, rows


def rule(directive) -> list:
    """The name of a directive's rule and its arguments."""
    arguments = {
        name: value.decode("ascii") if isinstance(value, bytes) else value
        for name, value in inspect.getclosurevars(directive).nonlocals.items()
    }
    return [directive.__qualname__.partition(".")[0], arguments]


def javascript_pattern(pattern: re.Pattern) -> str:
    """A pattern as `RegExp` reads it with the flag u: no layout, groups as JavaScript names them.

    Of Python's flags, VERBOSE is resolved here; ASCII is what u means without i.
    """
    text = pattern.pattern
    if pattern.flags & re.VERBOSE:
        text = re.sub(r"\s+", "", text.replace(r"\ ", r"\x20")).replace(r"\#", "#")
    return text.replace("(?P<", "(?<")
