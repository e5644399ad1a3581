"""What a linker made, written again in one plain form.

Two linkers agree on what a machine looks at and differ in everything else: padding, the order of
sections, names of local labels.  The build reads the linker's file and writes an ELF file that has
the segments, one section for each of them, and the symbols that stand in the source.  So the images
are small, the same source gives the same bytes, and a disassembler finds its way.

Left out: relocation, dynamic linking, debug information, 32-bit and big-endian files.

Source: System V Application Binary Interface, Edition 4.1, "Object Files"; RISC-V ELF psABI
Specification, Version 1.0, "ELF Object Files".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")  # type flags offset va pa n_file n_memory alignment
SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")  # name type flags va offset n link info align entry
SYMBOL = struct.Struct("<IBBHQQ")  # name type other section value n

MAGIC = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1; then the operating system
SYSTEM_NONE, SYSTEM_PITH = 0, 112  # from 64 on they are free for each processor's own systems
ET_EXEC, EM_RISCV, EF_RISCV_RVC = 2, 243, 1
PT_LOAD, PF_X, PF_W = 1, 1, 2
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS = 1, 2, 3, 8
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHN_UNDEF, SHN_ABS = 0, 0xFFF1  # not a place, and a number rather than a place
STT_FUNC = 2  # the last type of symbol that names a place: 0 label, 1 object, 2 function


@dataclass(frozen=True)
class Segment:
    """Bytes for one range of addresses; memory beyond them, up to n_memory bytes, is zero."""

    address: int
    data: bytes
    n_memory: int
    flags: int


@dataclass(frozen=True)
class Symbol:
    """A name for an address; `info` is its binding (local 0, global 1) times 16, and its type."""

    name: str
    address: int
    n_bytes: int
    info: int


@dataclass(frozen=True)
class Image:
    """A program: where it starts, what lies where, what the places are called, and for which OS."""

    entry: int
    segments: list[Segment]
    symbols: list[Symbol]
    system: int = SYSTEM_NONE


def read(data: bytes) -> Image:
    """The program in an ELF file that a linker made for 64-bit RISC-V."""
    header = FILE_HEADER.unpack_from(data)
    if header[0][:6] != MAGIC[:6] or header[2] != EM_RISCV:
        raise ValueError("this is not an ELF file for 64-bit RISC-V")
    entry, programs_at, sections_at, n_programs, n_sections = *header[4:7], header[10], header[12]

    segments = []
    for i in range(n_programs):
        row = PROGRAM_HEADER.unpack_from(data, programs_at + i * PROGRAM_HEADER.size)
        kind, flags, offset, address, _, n_file, n_memory, _ = row
        if kind == PT_LOAD and n_memory:
            segments.append(Segment(address, data[offset : offset + n_file], n_memory, flags))

    sections = [
        SECTION_HEADER.unpack_from(data, sections_at + i * SECTION_HEADER.size)
        for i in range(n_sections)
    ]
    symbols = []
    for _, kind, _, _, offset, n_bytes, link, *_ in sections:
        if kind != SHT_SYMTAB:
            continue
        for at in range(offset, offset + n_bytes, SYMBOL.size):
            name_at, info, _, section, address, size = SYMBOL.unpack_from(data, at)
            name = _text(data, sections[link][4] + name_at)
            of_source = name and not name.startswith((".L", "$"))
            is_number = section == SHN_ABS and info >> 4 == 0  # .equ, and no place in memory
            if of_source and section != SHN_UNDEF and not is_number and info & 15 <= STT_FUNC:
                symbols.append(Symbol(name, address, size, info))
    # Local names come first, as the format asks, and then by address.
    symbols.sort(key=lambda s: (s.info >> 4, s.address, s.name))
    return Image(entry, segments, symbols, header[0][len(MAGIC)])


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


class _Body:
    """What follows the headers, and where in the file each part of it has come to lie."""

    def __init__(self, start: int):
        self.start = start
        self.data = b""

    def append(self, part: bytes, alignment: int = 8) -> int:
        self.data += bytes(-(self.start + len(self.data)) % alignment)
        offset = self.start + len(self.data)
        self.data += part
        return offset


def write(image: Image) -> bytes:
    """An ELF file: headers, segments, symbols and their names, sections."""
    body = _Body(FILE_HEADER.size + PROGRAM_HEADER.size * len(image.segments))
    headings = b"\0"
    programs, sections, places = b"", [bytes(SECTION_HEADER.size)], []

    def add_section(name, kind, flags, address, offset, n, link=0, info=0, alignment=1, entry=0):
        nonlocal headings
        row = (len(headings), kind, flags, address, offset, n, link, info, alignment, entry)
        sections.append(SECTION_HEADER.pack(*row))
        headings += name + b"\0"

    for segment in image.segments:
        offset, n, address = body.append(segment.data), len(segment.data), segment.address
        row = (segment.flags, offset, address, address, n, segment.n_memory)
        programs += PROGRAM_HEADER.pack(PT_LOAD, *row, 1)  # 1: nothing is promised to a pager
        flags = SHF_ALLOC
        flags |= SHF_EXECINSTR if segment.flags & PF_X else 0
        flags |= SHF_WRITE if segment.flags & PF_W else 0
        name = b".text" if flags & SHF_EXECINSTR else b".data" if flags & SHF_WRITE else b".rodata"
        if n:
            places.append((address, address + n, len(sections)))
            add_section(name, SHT_PROGBITS, flags, address, offset, n)
        if segment.n_memory > n:
            rest = segment.n_memory - n
            places.append((address + n, address + segment.n_memory, len(sections)))
            add_section(b".bss", SHT_NOBITS, flags, address + n, offset + n, rest)

    table, names = bytes(SYMBOL.size), b"\0"
    for symbol in image.symbols:
        # A name for the end of a section belongs to it, unless the next one begins there.
        inside = [i for start, end, i in places if start <= symbol.address <= end]
        section = inside[-1] if inside else SHN_ABS
        row = (len(names), symbol.info, 0, section, symbol.address, symbol.n_bytes)
        table += SYMBOL.pack(*row)
        names += symbol.name.encode() + b"\0"
    first_global = 1 + sum(symbol.info >> 4 == 0 for symbol in image.symbols)
    offset, n = body.append(table), len(table)
    link = len(sections) + 1
    add_section(b".symtab", SHT_SYMTAB, 0, 0, offset, n, link, first_global, 8, SYMBOL.size)
    add_section(b".strtab", SHT_STRTAB, 0, 0, body.append(names, 1), len(names))
    n = len(headings) + len(b".shstrtab\0")
    add_section(b".shstrtab", SHT_STRTAB, 0, 0, body.start + len(body.data), n)
    body.append(headings, 1)
    sections_at = body.append(b"".join(sections))

    header = FILE_HEADER.pack(
        MAGIC + bytes([image.system]),
        ET_EXEC,
        EM_RISCV,
        1,
        image.entry,
        FILE_HEADER.size,
        sections_at,
        EF_RISCV_RVC,
        FILE_HEADER.size,
        PROGRAM_HEADER.size,
        len(image.segments),
        SECTION_HEADER.size,
        len(sections),
        len(sections) - 1,
    )
    return header + programs + body.data
