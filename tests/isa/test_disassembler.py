"""Words as text: round trips through the assembler, and the same text as GNU's tools."""

import random
import re
import shutil
import subprocess

import pytest

from virtlab.isa.assembler import assemble
from virtlab.isa.disassembler import disassemble, disassemble_bytes, find_row
from virtlab.isa.instructions import INSTRUCTIONS, Instruction
from virtlab.isa.pseudo import PSEUDOS

BASE = 0x8000_0000
OBJDUMP = shutil.which("riscv64-linux-gnu-objdump")
AS = shutil.which("riscv64-linux-gnu-as")
needs_gnu = pytest.mark.skipif(
    not (OBJDUMP and AS), reason="binutils-riscv64-linux-gnu is not installed"
)


def words_of_rows(rng, n_each: int):
    """Random words of each row; half of them with some registers zero, for the aliases."""
    for row in INSTRUCTIONS:
        for _ in range(n_each):
            word = rng.getrandbits(8 * row.length) & ~row.mask | row.match
            for field in row.fields.values():
                if field.name in ("rd", "rs1", "rs2") and rng.random() < 0.25:
                    word &= ~field.mask
            if find_row(word) is not None:
                yield word


def length_of(word: int) -> int:
    return 4 if word & 3 == 3 else 2


def assembled(text: str, base: int = BASE) -> int:
    return int.from_bytes(assemble(text, base).data, "little")


def test_the_exact_text_of_any_word_assembles_to_it_again(seed):
    rng = random.Random(seed)
    words = [*words_of_rows(rng, 30), *(rng.getrandbits(32) for _ in range(500))]
    for word in words:
        word &= (1 << 8 * length_of(word)) - 1
        assert assembled(disassemble(word, exact=True)) == word, disassemble(word, exact=True)
        assert assembled(disassemble(word, BASE, exact=True)) == word


def test_the_usual_text_of_a_full_word_assembles_to_it_again(seed):
    for word in words_of_rows(random.Random(seed), 30):
        if length_of(word) == 4:
            assert assembled(disassemble(word)) == word, disassemble(word)


def test_the_usual_text_of_a_short_word_means_its_expansion(seed):
    for word in words_of_rows(random.Random(seed), 20):
        row = find_row(word)
        if row.length == 4 or row.name == "c.mv":
            continue
        long_word = assembled(disassemble(word))
        assert find_row(long_word).name == row.expansion.split()[0]
        assert disassemble(long_word) == disassemble(word)


def test_every_alias_that_is_read_back_is_shown():
    for pseudo in PSEUDOS:
        if pseudo.written_only or pseudo.expansion[0][0].text.startswith("c."):
            continue
        text = f"{pseudo.name} {', '.join(pseudo.operands)}".strip()
        for name, value in {"rd": "a0", "rs": "a1", "target": ". + 8", "zimm": "3"}.items():
            text = re.sub(rf"\b{name}\b", value, text)
        text = text.replace("csr,", "mtvec,").replace(", csr", ", mtvec")
        text = text.replace("offset", "4").replace("imm", "5")
        assert disassemble(assembled(text)) == text


@pytest.mark.parametrize(
    ("word", "usual", "exact"),
    [
        (0x8082, "ret", "c.jr ra"),
        (0x00008067, "ret", "jalr zero, 0(ra)"),
        (0x4505, "li a0, 1", "c.li a0, 1"),
        (0x852E, "mv a0, a1", "c.mv a0, a1"),
        (0x00B00533, "add a0, zero, a1", "add a0, zero, a1"),
        (0x0001, "nop", "c.nop"),
        (0x1141, "addi sp, sp, -16", "c.addi sp, -16"),
        (0x7139, "addi sp, sp, -64", "c.addi16sp sp, -64"),
        (0x0808, "addi a0, sp, 16", "c.addi4spn a0, sp, 16"),
        (0xE406, "sd ra, 8(sp)", "c.sdsp ra, 8(sp)"),
        (0x9002, "ebreak", "c.ebreak"),
        (0x9582, "jalr a1", "c.jalr a1"),
        (0xA001, "j . + 0", "c.j . + 0"),
        (0xC0001073, "unimp", "csrrw zero, cycle, zero"),
        (0x30001073, "csrw mstatus, zero", "csrrw zero, mstatus, zero"),
        (0x7C002573, "csrr a0, 0x7c0", "csrrs a0, 0x7c0, zero"),
        (0x0FF0000F, "fence", "fence iorw, iorw"),
        (0x8330000F, "fence.tso", "fence.tso"),
        (0x0100000F, "pause", "pause"),
        (0x00000000, ".2byte 0x0000", ".2byte 0x0000"),
        (0xFFFFFFFF, ".4byte 0xffffffff", ".4byte 0xffffffff"),
        (0x12000073, "sfence.vma", "sfence.vma zero, zero"),
        (0x06B6252F, "amoadd.w.aqrl a0, a1, (a2)", "amoadd.w.aqrl a0, a1, (a2)"),
    ],
)
def test_known_texts(word, usual, exact):
    assert disassemble(word) == usual
    assert disassemble(word, exact=True) == exact


def test_fences_with_unused_fields_are_shown_as_data():
    assert disassemble(0x0FF0008F) == ".4byte 0x0ff0008f  # fence with unused fields set"


def test_targets_are_symbols_where_one_is_near():
    symbols = {"here": BASE + 0x100, "there": BASE + 0x8_0000}
    text = "j .\n beqz a0, .+16\n j .-12\n j .+0x7fef4 + 8"
    rows = disassemble_bytes(assemble(text, BASE + 0x100).data, BASE + 0x100, symbols)
    assert [row[3] for row in rows] == [
        "j here",
        "beqz a0, here+0x14",
        "j 0x800000fc",
        "j there+0x8",
    ]
    assert disassemble(0xFFDFF06F, pc=0) == "j 0xfffffffffffffffc"


def test_bytes_are_walked_by_instruction_length():
    rows = disassemble_bytes(bytes.fromhex("0100 13000000 8280 13 00 00"), 0x100)
    assert rows == [
        (0x100, 2, 0x0001, "nop"),
        (0x102, 4, 0x00000013, "nop"),
        (0x106, 2, 0x8082, "ret"),
        (0x108, 2, 0x0013, ".2byte 0x0013"),
        (0x10A, 1, 0x00, ".byte 0x00"),
    ]


# Against GNU binutils


def plain(text: str) -> str:
    """Without spaces, comments and symbol names, numbers in decimal."""
    text = re.sub(r"[#<].*", "", text).strip()
    text = re.sub(r"\s+", " ", text).replace(", ", ",")
    return re.sub(r"\b(0x[0-9a-f]+|\d+)\b(?!\()", lambda match: str(int(match[0], 0)), text)


def objdump(words: list[int], folder, *options) -> list[str]:
    image = folder / "words"
    image.write_bytes(b"".join(word.to_bytes(length_of(word), "little") for word in words))
    output = subprocess.run(
        [OBJDUMP, "-D", "-b", "binary", "-m", "riscv:rv64", *options, image],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [
        line.split("\t", 2)[2] for line in output.splitlines() if re.match(r"\s*[0-9a-f]+:\t", line)
    ]


def comparable(words):
    """Without what GNU names by other rules: CSRs, hints; H, off in a bare file."""
    for word in words:
        row = find_row(word)
        if row.extension == "H" or is_hint(row, word) or disassemble(word).startswith(".4byte"):
            continue
        if "csr" in row.fields:
            word = word & 0xFFFFF | 0x340 << 20
        yield word


def is_hint(row: Instruction, word: int) -> bool:
    """It changes nothing: a fence of an empty set, or a short one that writes x0 or adds 0."""
    if row.name == "fence":
        return "0" in disassemble(word)
    values = {name: field.extract(word) for name, field in row.fields.items()}
    adds_nothing = row.name == "c.nop" or (row.name == "c.addi" and values["imm"] == 0)
    return row.length == 2 and (adds_nothing or 0 in (values.get("rd", 1), values.get("shamt", 1)))


# objdump 2.40 writes the register form's name for an immediate one, and "csrw" for "csrwi".
SHORTER = re.compile(r"^(add|xor|or|and|sll|srl|sra|csr[wsc]|csrr[wsc])i?(w?) ")


@needs_gnu
def test_exact_texts_are_those_of_objdump_without_aliases(seed, tmp_path):
    words = list(comparable(words_of_rows(random.Random(seed), 30)))
    theirs = objdump(words, tmp_path, "-M", "no-aliases")
    data = b"".join(word.to_bytes(length_of(word), "little") for word in words)
    ours = [text for *_, text in disassemble_bytes(data, 0, exact=True)]
    assert list(map(plain, ours)) == list(map(plain, theirs))


@needs_gnu
def test_usual_texts_are_those_of_objdump(seed, tmp_path):
    words = list(comparable(words_of_rows(random.Random(seed), 30)))
    theirs = objdump(words, tmp_path)
    data = b"".join(word.to_bytes(length_of(word), "little") for word in words)
    ours = [text for *_, text in disassemble_bytes(data, 0)]

    def shown(text):
        return SHORTER.sub(r"\1\2 ", plain(text))

    assert list(map(shown, ours)) == list(map(shown, theirs))


@needs_gnu
def test_gnu_as_makes_the_same_words_of_our_texts(seed, tmp_path):
    texts = []
    for word in words_of_rows(random.Random(seed), 20):
        row = find_row(word)
        # GNU as leaves a branch with a relative target to the linker.
        if "offset" not in row.fields and not is_hint(row, word):
            texts.append(disassemble(word, exact=True))
    source = tmp_path / "texts.s"
    short = [f".option rvc\n{text}\n.option norvc" if text[:2] == "c." else text for text in texts]
    source.write_text(".option norelax\n.option norvc\n" + "\n".join(short) + "\n")
    built = tmp_path / "texts.o"
    march = "-march=rv64imach_zicsr_zifencei"
    subprocess.run([AS, march, "-mno-arch-attr", "-o", built, source], check=True)
    flat = tmp_path / "texts.bin"
    objcopy = OBJDUMP.replace("objdump", "objcopy")
    subprocess.run([objcopy, "-O", "binary", "-j", ".text", built, flat], check=True)
    assert flat.read_bytes() == assemble("\n".join(texts)).data
