"""The assembler's directives: data, alignment, constants and sections.

    .byte .half .word .dword   values of 1, 2, 4, 8 bytes (.2byte .short .4byte .long .8byte .quad)
    .ascii .asciz .string      strings; the last two end each with a zero byte
    .space N [, fill]          N bytes of fill, or zeros (.zero and .skip too)
    .align N, .p2align N       up to a multiple of 2**N bytes; .balign N to a multiple of N
    .org N                     on to N bytes behind the start of the section, or to the address N
    .equ name, value           a constant (.set and name = value too); may be defined again
    .text .rodata .data .bss   continue this section (.section NAME too)

IGNORED ones say things to a linker or debugger that mean nothing here; REFUSED ones would change
the program, so they are errors. Each function takes the assembler's pass, the directive's token
and the tokens behind it.
"""

from virtlab.isa.operands import split_operands
from virtlab.isa.source import Token, string_bytes

SECTIONS = (".text", ".rodata", ".data", ".bss")  # in the order they have in memory
LARGEST_ALIGNMENT = 1 << 20  # bytes


def emit_integers(n_bytes: int):
    """A directive for values of `n_bytes` bytes, signed or unsigned."""

    def directive(state, token: Token, tokens: tuple) -> None:
        low, high = -(1 << 8 * n_bytes - 1), (1 << 8 * n_bytes) - 1
        for operand in split_operands(tokens):
            if operand[0].kind == "string":
                raise operand[0].error(f"{token.text} takes values; .string takes text")
            value = state.value(operand)
            if state.final and not low <= value <= high:
                raise operand[0].error(f"{value} does not fit in {token.text}: {low} to {high}")
            state.emit(operand[0], (value & high).to_bytes(n_bytes, "little"))

    return directive


def emit_strings(ending: bytes):
    """A directive for strings, each followed by `ending`."""

    def directive(state, token: Token, tokens: tuple) -> None:
        for operand in split_operands(tokens):
            if len(operand) != 1 or operand[0].kind != "string":
                raise operand[0].error(f'{token.text} takes strings, such as "hello\\n"')
            state.emit(operand[0], string_bytes(operand[0]) + ending)

    return directive


def read_values(state, token: Token, tokens: tuple, form: str, most: int) -> list[int]:
    """One to `most` values."""
    operands = split_operands(tokens)
    if not 1 <= len(operands) <= most:
        raise token.error(f"{token.text} takes {form}")
    return [state.value(operand) for operand in operands]


def read_fill(state, token: Token, values: list[int]) -> int | None:
    """The byte to fill with, if one was given."""
    if len(values) < 2:
        return None
    if not -128 <= values[1] <= 255:
        raise token.error(f"the fill byte {values[1]} is not in -128 to 255")
    return values[1] & 0xFF


def space(state, token: Token, tokens: tuple) -> None:
    values = read_values(state, token, tokens, "a number of bytes and, if wanted, a fill byte", 2)
    n_bytes = values[0]
    if n_bytes < 0:
        if state.final:
            raise token.error(f"{token.text} cannot leave {n_bytes} bytes")
        n_bytes = 0
    fill = read_fill(state, token, values)
    state.make_room(token, n_bytes)
    state.emit(token, bytes([fill or 0]) * n_bytes)


def align(power_of_two: bool):
    """An alignment directive whose operand is the exponent, or the number of bytes itself."""

    def directive(state, token: Token, tokens: tuple) -> None:
        form = "an alignment and, if wanted, a fill byte"
        values = read_values(state, token, tokens, form, 2)
        wanted = values[0]
        if power_of_two:
            if not 0 <= wanted <= 20:
                raise token.error(f"{token.text} takes an exponent from 0 to 20, not {wanted}")
            wanted = 1 << wanted
        elif wanted == 0 and not state.final:
            wanted = 1  # not known yet
        if not 1 <= wanted <= LARGEST_ALIGNMENT or wanted & wanted - 1:
            raise token.error(f"{token.text} takes a power of two up to 0x100000, not {wanted}")
        state.alignment[state.section] = max(state.alignment[state.section], wanted)
        state.pad(token, -state.address % wanted, read_fill(state, token, values))

    return directive


def org(state, token: Token, tokens: tuple) -> None:
    (value,) = read_values(state, token, tokens, "an offset in the section or an address", 1)
    start = state.starts[state.section]
    target = value if value >= start else start + value
    if target < state.address:
        if state.final:
            raise token.error(f".org cannot go back from {state.address:#x} to {target:#x}")
        return
    state.make_room(token, target - state.address)
    state.emit(token, bytes(target - state.address))


def equ(state, token: Token, tokens: tuple) -> None:
    if len(tokens) < 2 or tokens[1].text != ",":
        raise token.error(f"{token.text} takes name, value")
    state.define(tokens[0], tokens[2:], tokens[1])


def change_section(state, token: Token, tokens: tuple) -> None:
    name = token.text
    if name == ".section":
        if not tokens:
            raise token.error(".section takes a name: .text, .rodata, .data or .bss")
        token, name = tokens[0], tokens[0].text
    elif tokens:
        raise tokens[0].error(f"{name} takes no operands")
    for known in SECTIONS:
        if name == known or name.startswith(known + "."):
            state.section = known
            return
    raise token.error(f"the sections are .text, .rodata, .data and .bss, not {name[:40]}")


DIRECTIVES = {
    **dict.fromkeys((".byte",), emit_integers(1)),
    **dict.fromkeys((".half", ".short", ".2byte"), emit_integers(2)),
    **dict.fromkeys((".word", ".long", ".4byte"), emit_integers(4)),
    **dict.fromkeys((".dword", ".quad", ".8byte"), emit_integers(8)),
    ".ascii": emit_strings(b""),
    **dict.fromkeys((".asciz", ".string"), emit_strings(b"\0")),
    **dict.fromkeys((".space", ".zero", ".skip"), space),
    **dict.fromkeys((".align", ".p2align"), align(power_of_two=True)),
    ".balign": align(power_of_two=False),
    ".org": org,
    **dict.fromkeys((".equ", ".set"), equ),
    **dict.fromkeys((".section", ".text", ".rodata", ".data", ".bss"), change_section),
}

IGNORED = (".globl", ".global", ".local", ".weak", ".hidden", ".type", ".size")
IGNORED += (".file", ".ident", ".attribute", ".option")

REFUSED = {
    ".include": "no other file is read; put the text here",
    ".incbin": "no other file is read; write the bytes with .byte",
    ".macro": "there are no macros; write the instructions out",
    ".rept": "there is no repetition of text; write the lines out, or use .space for data",
    ".if": "there is no conditional assembly; leave out the lines that are not wanted",
    ".comm": "common symbols need a linker; write a label and .space in .bss",
}
