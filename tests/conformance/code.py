"""Machine code and ELF files for the random programs, from the library's own instruction table."""

import struct

from virtlab.isa.instructions import BY_NAME

MASK64 = (1 << 64) - 1


def encode(name: str, **fields: int) -> int:
    """The word of instruction `name`; fields that are not given are 0.

    A register field that the row calls rd' or rs1' is given as rd or rs1.
    """
    row = BY_NAME[name]
    word = row.match
    for field in row.fields.values():
        value = fields.get(field.name.rstrip("'"))
        if value is not None:
            word |= field.insert(value)
    return word


def signed(value: int, bits: int) -> int:
    """The low `bits` of `value` as a signed number."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class Code:
    """Instructions laid one after another from an address on, with labels for forward jumps."""

    def __init__(self, base: int):
        self.base = base
        self.data = bytearray()
        self._waiting = []  # (offset, name, fields, label)
        self._labels = {}

    @property
    def here(self) -> int:
        """The address of the next instruction."""
        return self.base + len(self.data)

    def word(self, word: int, length: int = 4) -> None:
        self.data += word.to_bytes(length, "little")

    def op(self, name: str, **fields: int) -> None:
        """Append instruction `name`."""
        self.word(encode(name, **fields), BY_NAME[name].length)

    def jump(self, name: str, label: str, **fields: int) -> None:
        """Append a branch or jump to a label that is placed later."""
        self._waiting.append((len(self.data), name, fields, label))
        self.word(0, BY_NAME[name].length)

    def label(self, label: str) -> None:
        self._labels[label] = len(self.data)

    def finish(self) -> bytes:
        """The bytes, jumps filled in."""
        for offset, name, fields, label in self._waiting:
            word = encode(name, offset=self._labels[label] - offset, **fields)
            length = BY_NAME[name].length
            self.data[offset : offset + length] = word.to_bytes(length, "little")
        self._waiting.clear()
        return bytes(self.data)

    def li(self, rd: int, value: int) -> None:
        """Load a 64-bit constant, in one to eight instructions and without memory."""
        value = signed(value, 64)
        low = signed(value, 12)
        if -(1 << 31) <= value < 1 << 31:
            if value == low:
                self.op("addi", rd=rd, rs1=0, imm=low)
                return
            self.op("lui", rd=rd, upper=signed((value - low) & 0xFFFFFFFF, 32))
            if low:
                self.op("addiw", rd=rd, rs1=rd, imm=low)
            return
        rest = signed(value - low, 64) >> 12  # 52 bits: the rest is loaded, shifted, completed
        shift = 12
        while rest & 1 == 0 and shift < 63:
            rest >>= 1
            shift += 1
        self.li(rd, rest)
        self.op("slli", rd=rd, rs1=rd, shamt=shift)
        if low:
            self.op("addi", rd=rd, rs1=rd, imm=low)

    def la(self, rd: int, address: int) -> None:
        """Load an address within 2 GiB of here."""
        distance = address - self.here
        low = signed(distance, 12)
        self.op("auipc", rd=rd, upper=distance - low)
        self.op("addi", rd=rd, rs1=rd, imm=low)


def elf(segments: list[tuple[int, bytes]], entry: int, symbols: dict[str, int]) -> bytes:
    """An ELF64 executable for RISC-V with one PT_LOAD a segment and a symbol table.

    Source: System V ABI, "Object Files"; RISC-V ELF psABI, "ELF Object File".
    """
    header, program_header, section_header, symbol = 64, 56, 64, 24
    at_data = header + program_header * len(segments)
    names = bytearray(b"\0")
    table = bytearray(symbol)
    for name, value in symbols.items():
        table += struct.pack("<IBBHQQ", len(names), 0x10, 0, 0xFFF1, value, 0)
        names += name.encode() + b"\0"
    section_names = b"\0.symtab\0.strtab\0.shstrtab\0"
    headers = bytearray()
    body = bytearray()
    for address, data in segments:
        headers += struct.pack(
            "<IIQQQQQQ", 1, 7, at_data + len(body), address, address, len(data), len(data), 1
        )
        body += data
    at_table = at_data + len(body)
    body += table
    at_names = at_data + len(body)
    body += names
    at_section_names = at_data + len(body)
    body += section_names
    at_sections = at_data + len(body)

    def section(name, kind, offset, size, link=0, info=0, entry_bytes=0):
        return struct.pack(
            "<IIQQQQIIQQ", name, kind, 0, 0, offset, size, link, info, 1, entry_bytes
        )

    sections = bytes(section_header)
    sections += section(1, 2, at_table, len(table), link=2, info=1, entry_bytes=symbol)
    sections += section(9, 3, at_names, len(names))
    sections += section(17, 3, at_section_names, len(section_names))
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = ident + struct.pack(
        "<HHIQQQIHHHHHH",
        2,  # executable
        243,  # RISC-V
        1,
        entry,
        header,
        at_sections,
        1,  # compressed instructions
        header,
        program_header,
        len(segments),
        section_header,
        4,
        3,
    )
    return head + bytes(headers) + bytes(body) + sections
