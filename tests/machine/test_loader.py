"""Images: what is loaded where, and one clear sentence for every file that cannot be."""

import random
import struct

import pytest

from virtlab.isa.assembler import assemble
from virtlab.isa.elf_writer import program_to_elf
from virtlab.machine import ImageError, Machine
from virtlab.machine.loader import read_image

RAM = 0x8000_0000
TEXT = """
_start: li   a0, 42
        j    _start
table:  .dword 1, 2
"""
# Where a field of an ELF file stands, and how it is packed: the file header, the first program
# header behind it, and room for a second one, for elf_writer begins the program at a page.
FIELDS = {
    "class": (4, "<B"), "order": (5, "<B"), "type": (16, "<H"), "machine": (18, "<H"),
    "entry": (24, "<Q"), "phoff": (32, "<Q"), "shoff": (40, "<Q"), "phentsize": (54, "<H"),
    "phnum": (56, "<H"), "shentsize": (58, "<H"), "shnum": (60, "<H"),
    "kind": (64, "<I"), "offset": (72, "<Q"), "va": (80, "<Q"), "pa": (88, "<Q"),
    "filesz": (96, "<Q"), "memsz": (104, "<Q"),
}  # fmt: skip
HEADER_BYTES = 56


def elf(text: str = TEXT, base: int = RAM, second: tuple | None = None, **fields: int) -> bytes:
    """An ELF file with some fields replaced, and perhaps a `second` segment (pa, memsz)."""
    data = bytearray(program_to_elf(assemble(text, base)))
    if second:
        pa, memsz = second
        struct.pack_into("<IIQQQQQQ", data, 120, 1, 7, 0, pa, pa, 0, memsz, 1)
        fields["phnum"] = 2
    for name, value in fields.items():
        at, form = FIELDS[name]
        struct.pack_into(form, data, at, value)
    return bytes(data)


def linux(text_offset: int = 0x20_0000, image_bytes: int = 0x1000, n_bytes: int = 256) -> bytes:
    """A Linux Image: a jump to itself, the header, padding."""
    header = struct.pack("<IIQQQII", 0x6F, 0, text_offset, image_bytes, 0, 2, 0)
    header += bytes(8) + b"RISCV\0\0\0" + b"RSC\x05" + bytes(4)
    return header.ljust(n_bytes, b"\0")


def refusal(data: bytes, ram="1M") -> str:
    """The one sentence with which an image is refused."""
    with pytest.raises(ImageError) as caught:
        Machine(ram=ram, firmware="none").load(data)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return message


def test_a_segment_is_loaded_and_entered():
    m = Machine(ram="1M", firmware="none").load(elf())
    program = assemble(TEXT)
    assert m.pc == program.entry == RAM
    assert m.memory.read(RAM, len(program.data)) == program.data
    m.step()
    assert m.registers.a0 == 42


def test_symbols_are_found():
    assert read_image(elf()).symbols == dict(assemble(TEXT).symbols)
    assert Machine(ram="1M").load(elf()).symbols["table"] == assemble(TEXT).symbols["table"]


def test_a_file_and_its_bytes_give_the_same_image(tmp_path):
    path = tmp_path / "guest.elf"
    path.write_bytes(elf())
    from_path, from_bytes = read_image(path), read_image(elf(), "guest.elf")
    assert from_path == from_bytes
    assert read_image(str(path)) == from_path


def test_a_segment_ends_with_as_many_zeros_as_its_header_says():
    image = read_image(elf(memsz=0x3000))
    (segment,) = image.segments
    assert segment.n_bytes == 0x3000 and len(segment.data) == len(assemble(TEXT).data)
    m = Machine(ram="1M", firmware="none").load(elf(memsz=0x3000))
    rest = 0x3000 - len(segment.data)
    assert m.memory.read(RAM + len(segment.data), rest) == bytes(rest)


def test_zeros_stay_zero_when_the_machine_is_used_again():
    m = Machine(ram="1M", firmware="none").load(elf(memsz=0x3000))
    m.memory.write(RAM + 0x2000, b"left over")
    m.load(elf(memsz=0x3000))
    assert m.memory.read(RAM + 0x2000, 9) == bytes(9)


def test_two_segments_may_touch():
    n_bytes = len(assemble(TEXT).data)
    image = read_image(elf(second=(RAM + n_bytes, 4096)))
    assert [(s.pa, s.n_bytes) for s in image.segments] == [
        (RAM, n_bytes),
        (RAM + n_bytes, 4096),
    ]


def test_a_virtual_entry_point_becomes_a_physical_one():
    # A kernel that is linked high and loaded low: its entry is given as a virtual address.
    high = 0xFFFF_FFFF_8000_0000
    image = read_image(elf(va=high, pa=RAM + 0x1000, entry=high + 4))
    assert image.entry == RAM + 0x1004
    assert Machine(ram="1M", firmware="none").load(elf(va=high, entry=high + 4)).pc == RAM + 4


def test_a_segment_that_occupies_nothing_is_passed_over():
    assert len(read_image(elf(second=(0, 0))).segments) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"machine": 62}, ["x86-64", "64-bit RISC-V"]),
        ({"machine": 183}, ["Arm 64-bit", "64-bit RISC-V"]),
        ({"machine": 8}, ["MIPS"]),
        ({"machine": 4242}, ["ELF machine number 4242"]),
        ({"class": 1}, ["32-bit", "64-bit files"]),
        ({"order": 2}, ["big-endian", "little-endian"]),
        ({"type": 1}, ["type 1", "executables"]),
        ({"phnum": 0}, ["program headers"]),
        ({"phoff": 1 << 63}, ["program headers"]),
        ({"phentsize": 8}, ["program headers"]),
        ({"filesz": 1 << 40, "memsz": 1 << 40}, ["truncated", "segment 0"]),
        ({"offset": 1 << 63}, ["truncated", "segment 0"]),
        ({"kind": 6}, ["no loadable segment"]),
        ({"entry": 0x1234}, ["entry point 0x1234"]),
        ({"pa": 0x1000}, ["does not fit", "0x1000", "0x80000000 to 0x80100000"]),
        ({"pa": RAM + (1 << 20)}, ["does not fit", "0x80100000"]),
        ({"pa": (1 << 64) - 4}, ["does not fit", "0xfffffffffffffffc"]),
        ({"memsz": (1 << 64) - 1}, ["does not fit", "0x80000000 to 0x80100000"]),
        ({"memsz": 1 << 20}, ["overlap", "device tree"]),
        ({"second": (RAM + 8, 64)}, ["segments overlap", "0x80000008"]),
        ({"second": (RAM, 64)}, ["segments overlap", "0x80000000"]),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_sentence(fields, says):
    message = refusal(elf(**fields))
    for text in says:
        assert text in message


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", ["not an ELF file", "nothing", "accepted are"]),
        (b"#!/bin/sh\n", ["not an ELF file", "23 21 2f 62", "Linux Image"]),
        (elf()[:10], ["truncated", "64 bytes", "10"]),
        (elf()[:40], ["truncated", "64 bytes", "40"]),
        (elf()[:80], ["truncated"]),
        (elf()[:4100], ["truncated", "4100 bytes"]),
        (linux()[:60], ["truncated", "64 bytes", "60"]),
        (linux(text_offset=1 << 50), ["Linux Image", "impossible"]),
        (linux(image_bytes=1 << 50), ["Linux Image", "impossible"]),
        (linux(text_offset=1 << 30), ["does not fit", "0xc0000000"]),
    ],
)
def test_other_bytes_are_refused_in_one_sentence(data, says):
    message = refusal(data, ram="16M")
    for text in says:
        assert text in message


def test_a_refusal_names_the_file(tmp_path):
    path = tmp_path / "kernel.bin"
    path.write_bytes(elf(machine=62))
    with pytest.raises(ImageError, match=r"^kernel\.bin: built for x86-64"):
        read_image(path)
    with pytest.raises(ImageError, match=r"nothing-here: cannot be read \(No such file"):
        read_image(tmp_path / "nothing-here")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path)


def test_a_refused_image_leaves_the_machine_usable():
    m = Machine(ram="1M", firmware="none").load(elf())
    refusal(elf(pa=0x1000))
    with pytest.raises(ImageError):
        m.load(elf(pa=0x1000))
    m.load(elf())
    m.step()
    assert m.registers.a0 == 42


def test_firmware_and_image_may_not_overlap():
    firmware = assemble(TEXT).data
    with pytest.raises(ImageError, match="program and firmware overlap"):
        Machine(ram="1M", firmware=firmware).load(assemble(TEXT))
    with pytest.raises(ImageError, match=r"empty"):
        Machine(ram="1M", firmware=b"")


def test_a_linux_image_is_loaded_where_its_header_says():
    image = read_image(linux())
    assert image.entry == RAM + 0x20_0000
    assert image.segments[0].n_bytes == 0x1000
    m = Machine(ram="16M").load(linux())
    assert (m.pc, m.mode) == (RAM + 0x20_0000, "S")
    assert m.memory.read(m.pc, 256) == linux()
    low = Machine(ram="16M").load(linux(text_offset=0))
    assert (low.pc, low.mode) == (RAM, "M")


def test_the_room_that_a_linux_image_asks_for_is_kept_free():
    assert "overlap" in refusal(linux(image_bytes=14 << 20), ram="16M")
    assert "does not fit" in refusal(linux(image_bytes=15 << 20), ram="16M")


def test_a_broken_symbol_table_is_no_reason_to_refuse():
    for fields in ({"shoff": 1 << 62}, {"shnum": 0xFFFF}, {"shentsize": 1}, {"shoff": 3}):
        m = Machine(ram="1M", firmware="none").load(elf(**fields))
        m.step()
        assert m.registers.a0 == 42
    assert read_image(elf(shoff=0)).symbols == {}


def test_an_elf_file_that_ends_early_gives_a_sentence_or_an_image():
    whole = elf()
    refused = 0
    for n in range(len(whole)):
        try:
            image = read_image(whole[:n])
        except ImageError as error:
            refused += 1
            assert str(error).endswith("."), n
        else:
            assert image.segments == read_image(whole).segments, n
    assert refused >= 4096 + len(assemble(TEXT).data)


def test_flipped_bits_give_a_sentence_or_an_image(seed):
    rng = random.Random(f"{seed} flips")
    whole = elf(second=(RAM + 0x4000, 64))
    # Headers at both ends of the file; what lies between is padding.
    places = [k for k in range(len(whole)) if k < 176 or k >= 4096]
    refused = loaded = 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 5))):
            data[rng.choice(places)] ^= 1 << rng.randrange(8)
        try:
            image = read_image(bytes(data))
        except ImageError as error:
            refused += 1
            assert str(error).endswith(".")
            continue
        loaded += 1
        assert all(len(s.data) <= s.n_bytes for s in image.segments)
        assert any(s.pa <= image.entry < s.pa + s.n_bytes for s in image.segments)
    assert refused > 300 and loaded > 300


def test_a_machine_takes_a_broken_file_or_says_why(seed):
    rng = random.Random(f"{seed} broken files")
    whole = elf(second=(RAM + 0x4000, 64))
    places = [*range(16, 176), *range(4096, len(whole))]
    ran = 0
    for _ in range(300):
        data = bytearray(whole)
        data[rng.choice(places)] = rng.randrange(256)
        m = Machine(ram="64K", firmware="none")
        try:
            m.load(bytes(data))
        except ImageError:
            continue
        m.run(100)
        ran += m.steps > 0
    assert ran > 100


def test_random_bytes_behind_either_magic_give_a_sentence_or_an_image(seed):
    rng = random.Random(f"{seed} random bytes")
    for _ in range(2000):
        data = bytearray(rng.randbytes(rng.choice((20, 63, 64, 65, 120, 500))))
        if rng.random() < 0.5:
            data[:7] = b"\x7fELF\2\1\1"
            data[16:20] = struct.pack("<HH", 2, 243)
        else:
            data[0x38:0x3C] = b"RSC\x05"
        try:
            read_image(bytes(data))
        except ImageError as error:
            assert str(error).endswith(".")
