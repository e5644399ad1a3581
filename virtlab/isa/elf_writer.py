"""A Program as a minimal ELF executable that any RISC-V loader, simulator or debugger reads.

    file header, program header, padding, the program, symbols, names, section headers

One segment, readable, writable and executable, holds the whole program at its address: a teaching
program may well write into its own text. Every label is a global symbol.

Source: Tool Interface Standard, Executable and Linking Format 1.2, "Object Files"; RISC-V ELF psABI
1.0, "ELF Object Files".
"""

import struct

from virtlab.isa.assembler import Program

# magic, type, machine, version, entry, phoff, shoff, flags, then six sizes and counts
FILE_HEADER = "<16sHHIQQQIHHHHHH"
PROGRAM_HEADER = "<IIQQQQQQ"  # type, flags, offset, vaddr, paddr, filesz, memsz, align
SECTION_HEADER = "<IIQQQQIIQQ"  # name, type, flags, addr, offset, size, link, info, align, entsize
SYMBOL = "<IBBHQQ"  # name, info, other, section, value, size

MAGIC = b"\x7fELF" + bytes([2, 1, 1])  # 64-bit, little-endian, version 1
ET_EXEC, EM_RISCV, EF_RISCV_RVC = 2, 243, 1
PT_LOAD, READ_WRITE_EXECUTE = 1, 7
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB = 1, 2, 3
WRITE_ALLOCATE_EXECUTE = 7
GLOBAL_SYMBOL = 1 << 4
PROGRAM_SECTION, SYMBOL_SECTION, NAME_SECTION, HEADING_SECTION = 1, 2, 3, 4
PAGE_BYTES = 4096


def program_to_elf(program: Program) -> bytes:
    """An ELF64 RISC-V executable of `program`, with its labels as symbols.

    The program is loaded at `program.base` and starts at `program.entry`.
    """
    # A loader maps whole pages: the place in the file and the address agree within a page.
    start = PAGE_BYTES + program.base % PAGE_BYTES
    names = b"\0"
    symbols = struct.pack(SYMBOL, 0, 0, 0, 0, 0, 0)
    for name, address in program.symbols.items():
        entry = (len(names), GLOBAL_SYMBOL, 0, PROGRAM_SECTION, address, 0)
        symbols += struct.pack(SYMBOL, *entry)
        names += name.encode() + b"\0"
    headings = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"

    symbols_at = aligned(start + len(program.data))
    names_at = symbols_at + len(symbols)
    headings_at = names_at + len(names)
    sections_at = aligned(headings_at + len(headings))
    n_bytes = len(program.data)
    sections = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (1, SHT_PROGBITS, WRITE_ALLOCATE_EXECUTE, program.base, start, n_bytes, 0, 0, 4, 0),
        (7, SHT_SYMTAB, 0, 0, symbols_at, len(symbols), NAME_SECTION, 1, 8, 24),
        (15, SHT_STRTAB, 0, 0, names_at, len(names), 0, 0, 1, 0),
        (23, SHT_STRTAB, 0, 0, headings_at, len(headings), 0, 0, 1, 0),
    ]
    header = struct.pack(
        FILE_HEADER,
        MAGIC,
        ET_EXEC,
        EM_RISCV,
        1,
        program.entry,
        struct.calcsize(FILE_HEADER),
        sections_at,
        EF_RISCV_RVC,
        struct.calcsize(FILE_HEADER),
        struct.calcsize(PROGRAM_HEADER),
        1,
        struct.calcsize(SECTION_HEADER),
        len(sections),
        HEADING_SECTION,
    )
    segment = struct.pack(
        PROGRAM_HEADER,
        PT_LOAD,
        READ_WRITE_EXECUTE,
        start,
        program.base,
        program.base,
        n_bytes,
        n_bytes,
        PAGE_BYTES,
    )
    image = bytearray(header + segment)
    for offset, part in (
        (start, program.data),
        (symbols_at, symbols),
        (names_at, names),
        (headings_at, headings),
        (sections_at, b"".join(struct.pack(SECTION_HEADER, *row) for row in sections)),
    ):
        image += bytes(offset - len(image)) + part
    return bytes(image)


def aligned(offset: int) -> int:
    """`offset`, or the next multiple of 8."""
    return offset + 7 & ~7
