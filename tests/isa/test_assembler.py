"""What the assembler makes of text, and what it says about text it cannot use."""

import random

import pytest

from virtlab.isa.assembler import LARGEST_PROGRAM, AssemblyError, assemble
from virtlab.isa.decode import decode
from virtlab.isa.instructions import BY_NAME
from virtlab.isa.layout import wrap
from virtlab.isa.op import ADDI, ADDIW, LUI, SLLI, SRLI
from virtlab.isa.pseudo import load_constant

BASE = 0x8000_0000


def words(text: str, base: int = BASE) -> list[int]:
    data = assemble(text, base).data
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


def data(text: str) -> bytes:
    return assemble(".data\n" + text).data


# Instructions


@pytest.mark.parametrize(
    ("written", "real"),
    [
        ("nop", "addi zero, zero, 0"),
        ("mv a0, s1", "addi x10, x9, 0"),
        ("not a0, a1", "xori a0, a1, -1"),
        ("neg a0, a1", "sub a0, x0, a1"),
        ("negw a0, a1", "subw a0, x0, a1"),
        ("sext.w a0, a1", "addiw a0, a1, 0"),
        ("zext.b a0, a1", "andi a0, a1, 0xff"),
        ("seqz a0, a1", "sltiu a0, a1, 1"),
        ("snez a0, a1", "sltu a0, x0, a1"),
        ("sltz a0, a1", "slt a0, a1, x0"),
        ("sgtz a0, a1", "slt a0, x0, a1"),
        ("beqz a0, .+8", "beq a0, x0, .+8"),
        ("bnez a0, .+8", "bne a0, x0, .+8"),
        ("blez a0, .+8", "bge x0, a0, .+8"),
        ("bgez a0, .+8", "bge a0, x0, .+8"),
        ("bltz a0, .+8", "blt a0, x0, .+8"),
        ("bgtz a0, .+8", "blt x0, a0, .+8"),
        ("bgt a0, a1, .+8", "blt a1, a0, .+8"),
        ("ble a0, a1, .+8", "bge a1, a0, .+8"),
        ("bgtu a0, a1, .+8", "bltu a1, a0, .+8"),
        ("bleu a0, a1, .+8", "bgeu a1, a0, .+8"),
        ("j .-4", "jal x0, .-4"),
        ("jal .+4", "jal ra, .+4"),
        ("jr t0", "jalr x0, 0(t0)"),
        ("jr 8(t0)", "jalr x0, 8(t0)"),
        ("jalr t0", "jalr ra, 0(t0)"),
        ("jalr a0, t0", "jalr a0, 0(t0)"),
        ("jalr a0, t0, 4", "jalr a0, 4(t0)"),
        ("ret", "jalr x0, 0(ra)"),
        ("csrr a0, mstatus", "csrrs a0, 0x300, x0"),
        ("csrw mstatus, a0", "csrrw x0, 0x300, a0"),
        ("csrs mstatus, a0", "csrrs x0, 0x300, a0"),
        ("csrc mstatus, a0", "csrrc x0, 0x300, a0"),
        ("csrwi mstatus, 8", "csrrwi x0, 0x300, 8"),
        ("csrw mstatus, 8", "csrrwi x0, 0x300, 8"),
        ("csrsi mstatus, 8", "csrrsi x0, 0x300, 8"),
        ("csrci mstatus, 8", "csrrci x0, 0x300, 8"),
        ("rdcycle a0", "csrrs a0, 0xc00, x0"),
        ("rdtime a0", "csrrs a0, 0xc01, x0"),
        ("rdinstret a0", "csrrs a0, 0xc02, x0"),
        ("fence", "fence iorw, iorw"),
        ("fence", "fence 15, 15"),
        ("sfence.vma", "sfence.vma x0, x0"),
        ("sfence.vma a0", "sfence.vma a0, x0"),
        ("hfence.gvma", "hfence.gvma x0, x0"),
        ("lw a0, (a1)", "lw a0, 0(a1)"),
        ("lr.w a0, 0(a1)", "lr.w a0, (a1)"),
        ("lui a0, -1", "lui a0, 0xfffff"),
        ("c.lui a0, -1", "c.lui a0, 0xfffff"),
        ("addi fp, fp, 1", "addi x8, s0, 1"),
        ("ADDI a0, a0, 1", "addi a0, a0, 1"),
    ],
)
def test_what_people_write_is_the_real_instruction(written, real):
    assert assemble(written).data == assemble(real).data


def test_known_words():
    assert words("addi a0, a1, -1") == [0xFFF58513]
    assert words("amoadd.w.aqrl a0, a1, (a2)") == [0x06B6252F]
    assert words("sd ra, 8(sp); ecall") == [0x00113423, 0x00000073]
    assert words("fence.tso; pause") == [0x8330000F, 0x0100000F]
    assert assemble("c.addi sp, -16\n c.sdsp ra, 8(sp)").data.hex() == "411106e4"


def test_nothing_is_compressed_unless_written_so():
    assert len(assemble("addi a0, a0, 1").data) == 4
    assert len(assemble("c.addi a0, 1").data) == 2


# Constants


def value_of(text: str) -> int:
    """What the instructions of a `li` leave in its register, by the manual's rules."""
    value = 0
    for word in words(text):
        packed = int(decode(word))
        number, source, imm = packed & 0xFF, packed >> 16 & 0xFF, packed >> 32
        if source == 0:
            value = 0
        if number == LUI:
            value = imm
        elif number == ADDI:
            value = wrap(value + imm)
        elif number == ADDIW:
            value = (value + imm & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000
        elif number == SLLI:
            value = wrap(value << imm)
        elif number == SRLI:
            value = wrap((value & (1 << 64) - 1) >> imm)
        else:
            pytest.fail(f"li used the word {word:#010x}")
    return value


def test_li_makes_every_kind_of_constant(seed):
    rng = random.Random(seed)
    constants = {0, 1, -1, 2047, 2048, -2048, -2049, (1 << 64) - 1, 0x7FFF_FFFF, 0x8000_0000}
    constants |= {
        sign * (1 << bit) + d for bit in range(63) for sign in (1, -1) for d in (-1, 0, 1)
    }
    constants |= {rng.getrandbits(64) for _ in range(500)}
    constants |= {rng.getrandbits(rng.randrange(1, 64)) << rng.randrange(8) for _ in range(500)}
    constants = {value for value in constants if -(1 << 63) <= value < 1 << 64}
    for value in constants:
        assert value_of(f"li a0, {value}") == wrap(value), hex(value)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (2047, 1),
        (0x1000, 1),
        (0x12345678, 2),
        (0xFFFF_FFFF, 2),
        (0x7FFF_FFFF_FFFF_FFFF, 2),
        (1 << 40, 2),
        (0x8000_0000, 2),
        (0x1234_5678_9ABC_DEF0, 8),
    ],
)
def test_li_is_as_short_as_usual(value, count):
    assert len(load_constant(value)) == count


def test_li_never_needs_more_than_eight_instructions(seed):
    rng = random.Random(seed)
    assert max(len(load_constant(wrap(rng.getrandbits(64)))) for _ in range(5000)) <= 8


# Names


def test_labels_are_known_before_and_after_their_line():
    assert words("j next\n nop\nnext: j next") == words("j .+8\n nop\n j .")


def test_a_numeric_label_is_the_nearest_one_in_its_direction():
    text = "1: nop\n1: j 1b\n j 1f\n1: j 1b\n 2: j 1b"
    assert words(text) == words("nop\n j .\n j .+4\n j .\n j .-4")


def test_la_call_and_tail_reach_their_symbol_from_any_base():
    for base in (0, 0x1000, BASE, 0x7FFF_FFFF_F000):
        program = assemble(
            "nop\n la a0, data\n call data\n tail data\n .space 5000\ndata: nop", base
        )
        for at in (4, 12, 20):
            upper, lower = (
                int(decode(int.from_bytes(program.data[at + k : at + k + 4], "little"))) >> 32
                for k in (0, 4)
            )
            assert base + at + upper + lower == program.symbols["data"]


def test_loads_and_stores_by_name():
    assert words("x: lw a0, x\n sd a1, x, t0") == words(
        "auipc a0, 0\n lw a0, 0(a0)\n auipc t0, 0\n sd a1, -8(t0)"
    )


def test_absolute_and_relative_halves_of_an_address():
    text = "lui a0, %hi(0x12345fff)\n addi a0, a0, %lo(0x12345fff)"
    assert words(text) == words("lui a0, 0x12346\n addi a0, a0, -1")
    text = "here: auipc a0, %pcrel_hi(there)\n ld a0, %pcrel_lo(here)(a0)\nthere: .dword 0"
    assert words(text) == [*words("auipc a0, 0\n ld a0, 8(a0)"), 0, 0]


def test_constants_and_expressions():
    assert value_of(".equ a, 6\n b = a * 7\n li a0, b + (1 << 4) - ~0") == 59
    assert value_of("li a0, 2 + 3 * 4 << 1 & 0xff | 0x100 ^ 1") == 2 + 3 * 4 << 1 & 0xFF | 0x100 ^ 1
    assert value_of("li a0, -7 / 2") == -3
    assert value_of("li a0, 'A' + '\\n' + 0b11 + 0o10 + 0x1_0") == 65 + 10 + 3 + 8 + 16


def test_a_constant_may_be_set_again_and_used_before_it_is_set():
    assert data(".byte last\n .set last, 1\n .byte last\n .set last, 2\n .byte last") == bytes(
        [2, 1, 2]
    )


def test_sizes_may_depend_on_names_defined_later():
    program = assemble("li a0, end - start\nstart: .space size\nend: .equ size, 5000")
    assert program.symbols["start"] == BASE + 8
    assert program.symbols["end"] - program.symbols["start"] == 5000


def test_symbols_are_labels_and_constants_are_apart():
    program = assemble(".equ k, 3\n_first: nop\n_start: nop")
    assert program.symbols == {"_first": BASE, "_start": BASE + 4}
    assert program.constants == {"k": 3}
    assert program.entry == BASE + 4


# Data, sections, lines


def test_data_directives():
    assert data(".byte 1, -1, 'a'") == b"\1\xffa"
    assert data(".half 0x1234") == data(".short 0x1234") == data(".2byte 0x1234") == b"\x34\x12"
    assert data(".word -2, 0x8000_0000") == b"\xfe\xff\xff\xff\0\0\0\x80"
    assert data(".dword 1") == data(".quad 1") == data(".8byte 1") == b"\1\0\0\0\0\0\0\0"
    assert data('.ascii "a#b", "\\x41\\n\\0\\"\\\\"') == b'a#bA\n\0"\\'
    assert data('.string "a", "é"') == data('.asciz "a", "é"') == b"a\0\xc3\xa9\0"
    assert data(".space 3, 0xff") == b"\xff\xff\xff"
    assert data(".zero 2\n .skip 1") == b"\0\0\0"


def test_alignment_pads_code_with_no_operations_and_data_with_zeros():
    assert words("nop\n .balign 16") == words("nop\n nop\n nop\n nop")
    assert assemble("c.nop\n .align 3\n nop").data == assemble("c.nop\n c.nop\n nop\n nop").data
    assert data(".byte 1\n .p2align 2\n .byte 2") == b"\1\0\0\0\2"
    assert data(".byte 1\n .balign 4, 7") == b"\1\7\7\7"


def test_org_counts_from_the_section_or_is_an_address():
    assert len(assemble("nop\n .org 0x20").data) == 0x20
    assert len(assemble(f"nop\n .org {BASE + 0x20:#x}").data) == 0x20


def test_sections_follow_one_another_whatever_their_order_in_the_text():
    text = """
        .data
        d: .word 7
        .text
        t: j u
        .bss
        b: .space 8
        .section .rodata.str
        r: .byte 5
        .text
        u: ret
    """
    program = assemble(text)
    where = program.symbols
    assert where["t"] == BASE and where["u"] == BASE + 4
    assert where["r"] == BASE + 16 and where["d"] == BASE + 32 and where["b"] == BASE + 48
    assert program.data[32:36] == b"\7\0\0\0"
    assert len(program.data) == 56


def test_a_section_begins_where_its_largest_alignment_asks():
    program = assemble("nop\n.data\n.byte 1\n.balign 4096\npage: .byte 2")
    assert program.symbols["page"] == BASE + 0x2000
    assert program.data[0x1000] == 1


def test_lines_tell_where_each_statement_went():
    program = assemble("_start:\n  li a0, 0x12345678 # two\n\nx: .byte 1, 2; c.nop")
    assert program.lines == [
        (BASE, 8, 2, "  li a0, 0x12345678 # two"),
        (BASE + 8, 2, 4, "x: .byte 1, 2; c.nop"),
        (BASE + 10, 2, 4, "x: .byte 1, 2; c.nop"),
    ]
    assert "12345537 6785051b" in program.listing()


def test_comments_of_all_kinds():
    text = 'nop # a\n nop // b\n nop /* c\n nop */ ; nop\n .ascii "/*" # */'
    assert assemble(text).data == assemble("nop\nnop\nnop\nnop\n").data + b"/*"


def test_what_only_a_linker_needs_is_accepted():
    text = ".globl f\n.type f, @function\n.option norvc\n.cfi_startproc\nf: ret\n.size f, .-f"
    assert words(text) == words("ret")


# Errors

ERRORS = [
    ("adi a0, a0, 1", 1, 1, "adi is not an instruction; did you mean andi?"),
    (".strng 1", 1, 1, ".strng is not a directive of this assembler; did you mean .string?"),
    ("nop\n  addi a0, a1", 2, 3, "addi takes rd, rs1, imm"),
    ("addi a0, a1, 5000", 1, 14, "5000 does not fit in addi, which takes -2048 to 2047"),
    ("addi a0, a1, a2", 1, 14, "a2 is a register; a value was expected here"),
    ("addi a0, a33, 1", 1, 10, "a33 is not a register; did you mean a3?"),
    ("lw a0, 4(a9)", 1, 10, "a9 is not a register"),
    ("slliw a0, a0, 32", 1, 15, "32 does not fit in slliw, which takes 0 to 31"),
    ("sd a0, 2048(sp)", 1, 8, "2048 does not fit in sd, which takes -2048 to 2047"),
    ("lui a0, 0x100000", 1, 9, "1048576 does not fit in lui, which takes -524288 to 524287"),
    ("csrr a0, mstatu", 1, 10, "mstatu is no CSR of this machine; did you mean mstatus?"),
    ("csrwi mstatus, 32", 1, 16, "32 does not fit in csrwi, which takes 0 to 31"),
    ("beqz a0, .+4096", 1, 10, "beqz cannot reach 0x80001000 from 0x80000000"),
    ("beqz a0, .+4096", 1, 10, "it reaches -4096 to 4094 in steps of 2"),
    ("j .+3", 1, 3, "it reaches -1048576 to 1048574 in steps of 2"),
    ("c.lw a0, 0(t0)", 1, 12, "c.lw takes registers s0, s1 and a0 to a5 here, not t0"),
    ("c.lwsp a0, 0(a1)", 1, 14, "c.lwsp takes sp here, not a1"),
    ("c.addi16sp sp, 8", 1, 16, "takes -512 to 496 in steps of 16"),
    ("c.addi4spn a0, sp, 0", 1, 20, "c.addi4spn cannot have 0 here, the encoding is reserved"),
    ("c.mv a0, zero", 1, 10, "c.mv cannot have register zero here"),
    ("lr.w a0, 4(a1)", 1, 10, "lr.w has no room for an offset"),
    ("fence wr, rw", 1, 7, "fence takes sets such as rw, iorw or r"),
    ("li a0", 1, 1, "li takes rd, imm"),
    ("mv a0, 5", 1, 8, "mv takes rd, rs"),
    ("la a0, nowhere", 1, 8, "nowhere is not defined"),
    ("there: la a0, theer", 1, 15, "theer is not defined; did you mean there?"),
    ("j 1f", 1, 3, "there is no label 1: after this line"),
    ("j 1b\n1: nop", 1, 3, "there is no label 1: before this line"),
    ("x: nop\nx: nop", 2, 1, "x is already defined on line 1"),
    ("x: nop\n.equ x, 1", 2, 6, "x is already a label on line 1"),
    ("a0: nop", 1, 1, "a0 is a register and cannot name anything else"),
    ("nop nop", 1, 1, "nop takes no operands"),
    ("addi a0,, 1", 1, 9, "an operand is missing before this comma"),
    ("addi a0, a0,", 1, 12, "an operand is missing after this comma"),
    ("addi a0, a0, 1 +", 1, 16, "a value is missing after +"),
    ("addi a0, a0, (1", 1, 14, "this parenthesis is not closed"),
    ("addi a0, a0, 1 2", 1, 16, "2 was not expected here"),
    ("addi a0, a0, %hi 1", 1, 14, "%hi needs parentheses"),
    ("addi a0, a0, %high(1)", 1, 14, "%high is not known"),
    ("lui a0, %hi(0x80000000)", 1, 9, "lui reaches -0x8000_0800 to 0x7fff_f7ff, not 0x80000000"),
    ("la a0, 0x1_0000_0000", 1, 1, "0x100000000 is 2147483648 bytes away; auipc reaches"),
    (".byte 1\nli a0, 1", 2, 1, "an instruction cannot stand at the odd address"),
    ("li a0, 1 << 64", 1, 10, "a shift is by 0 to 63, not by 64"),
    ("li a0, 1 / 0", 1, 10, "division by zero"),
    ("li a0, 1 << 63 << 1", 1, 16, "does not fit in 64 bits"),
    ("li a0, 0x1_0000_0000_0000_0000", 1, 8, "the number does not fit in 64 bits"),
    ("li a0, 010", 1, 8, "010 begins with 0; write 0o10 if octal is meant"),
    ("li a0, 12ab", 1, 8, "12ab is not a number"),
    ("li a0, 'ab'", 1, 8, "a character literal is one character"),
    ("li a0, ?", 1, 8, "the character '?' has no meaning here"),
    ("li a0, '\\q'", 1, 8, "the escape \\q is not known"),
    ('.string "abc', 1, 9, "this string has no closing quote"),
    (".string abc", 1, 9, '.string takes strings, such as "hello\\n"'),
    ("nop\n/* never closed", 2, 1, "this comment has no closing */"),
    (".byte 256", 1, 7, "256 does not fit in .byte: -128 to 255"),
    ('.byte "a"', 1, 7, ".byte takes values; .string takes text"),
    (".space 1 << 60", 1, 1, "the program would be larger than 16 MiB"),
    (".space -1", 1, 1, ".space cannot leave -1 bytes"),
    (".balign 3", 1, 1, ".balign takes a power of two up to 0x100000, not 3"),
    (".align 21", 1, 1, ".align takes an exponent from 0 to 20, not 21"),
    (".org 8\n.org 4", 2, 1, ".org cannot go back from 0x80000008 to 0x80000004"),
    (".section .init", 1, 10, "the sections are .text, .rodata, .data and .bss, not .init"),
    (".bss\n.byte 1", 2, 7, ".bss holds zeros only"),
    ('.include "x"', 1, 1, "no other file is read"),
    (".byte 1\nnop", 2, 1, "an instruction cannot stand at the odd address 0x80000001"),
    ("5", 1, 1, "an instruction was expected, not 5"),
]


@pytest.mark.parametrize(("text", "line", "column", "part"), ERRORS)
def test_an_error_says_where_and_what_is_accepted(text, line, column, part):
    with pytest.raises(AssemblyError) as caught:
        assemble(text)
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)
    assert part in caught.value.message
    assert str(caught.value) == f"line {line}, column {column}: {caught.value.message}"
    assert "\n" not in str(caught.value)


def test_a_size_that_depends_on_itself_is_refused():
    with pytest.raises(AssemblyError, match="does not settle"):
        assemble("li a0, (end & 4) * 0x12345\nend: nop")


def test_the_limit_is_the_whole_program():
    with pytest.raises(AssemblyError, match="line 2, column 1: the program would be larger"):
        assemble(f".space {LARGEST_PROGRAM}\nnop")
    assert len(assemble(f".space {LARGEST_PROGRAM}").data) == LARGEST_PROGRAM


@pytest.mark.parametrize("base", [-4, 2, 1 << 64])
def test_a_base_that_is_no_address_is_refused(base):
    with pytest.raises(ValueError, match="a multiple of 4"):
        assemble("nop", base)


def test_every_row_of_the_table_can_be_written():
    for row in BY_NAME.values():
        text = row.operands.replace("rd'", "a0").replace("rs1'", "a1").replace("rs2'", "a2")
        for name, value in {
            "rd": "t0",
            "rs1": "t1",
            "rs2": "t2",
            "pred": "rw",
            "succ": "w",
        }.items():
            text = text.replace(name, value)
        for name in ("uimm", "zimm", "shamt", "upper", "imm", "csr"):
            text = text.replace(name, "16")
        text = text.replace("offset", ". + 16")
        assert len(assemble(f"{row.name} {text}").data) == row.length, row.name
