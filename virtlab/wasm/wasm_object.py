"""How does an object file become a module that a page can load?

LLVM's object file of a single compilation has all code and data in it already. What a linker would
still do is done here: move the constants behind the stack, write each index and address in as few
bytes as it needs (LLVM leaves five for every one), rename the memory, name the exports.

The module's memory: the stack at address 0, growing downwards, so that one too deep leaves memory
and traps instead of overwriting something; then the constants, up to `data_end`; then free.

Source: "WebAssembly Object File Linking", the tool conventions' document on relocations, for the
sections `linking` and `reloc.*`; "WebAssembly Core Specification", release 2.0, "Binary Format".
"""

from dataclasses import dataclass

STACK_BYTES = 1 << 16
ALIGNMENT = 16
PAGE_BYTES = 1 << 16

CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, COUNT = (
    range(13)
)
ORDER = (TYPE, IMPORT, FUNCTION, EXPORT, COUNT, CODE, DATA)

# Relocations: a place in a section, and what kind of number is written there.
FUNCTION_INDEX, MEMORY_LEB, MEMORY_SLEB, MEMORY_WORD = 0, 3, 4, 5
TYPE_INDEX, GLOBAL_INDEX = 6, 7
WITH_ADDEND = {MEMORY_LEB, MEMORY_SLEB, MEMORY_WORD, 8, 9}
UNSIGNED = {FUNCTION_INDEX, MEMORY_LEB, TYPE_INDEX, GLOBAL_INDEX}
PADDED_BYTES = 5
KIND_FUNCTION, KIND_TABLE, KIND_MEMORY, KIND_GLOBAL = range(4)
SYMBOL_TABLE = 8
UNDEFINED, EXPLICIT_NAME = 0x10, 0x40


class Reader:
    """A position in bytes, and what can be read there."""

    def __init__(self, data: bytes, at: int = 0):
        self.data, self.at = data, at

    def byte(self) -> int:
        """One byte."""
        self.at += 1
        return self.data[self.at - 1]

    def unsigned(self) -> int:
        """An unsigned number in LEB128."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self) -> int:
        """A signed number in LEB128."""
        start = self.at
        value = self.unsigned()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) & 1 else value

    def take(self, n: int) -> bytes:
        """The next `n` bytes."""
        self.at += n
        return self.data[self.at - n : self.at]

    def name(self) -> str:
        """A text with its length in front."""
        return self.take(self.unsigned()).decode()

    @property
    def more(self) -> bool:
        """True until the end."""
        return self.at < len(self.data)


def unsigned(value: int) -> bytes:
    """`value` in LEB128, in as few bytes as possible."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def signed(value: int) -> bytes:
    """`value` in signed LEB128, in as few bytes as possible."""
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value & 0x7F])


def vector(items: list[bytes]) -> bytes:
    """A count and the items."""
    return unsigned(len(items)) + b"".join(items)


def sized(data: bytes) -> bytes:
    """A length and the bytes."""
    return unsigned(len(data)) + data


def named(text: str) -> bytes:
    """A text with its length in front."""
    return sized(text.encode())


@dataclass
class Object:
    """An object file, taken apart.

    sections : contents by number
    imports : (kind, name, description) in order
    functions : index of each exported function, by name
    relocations : for the code and the data, (kind, offset in the section) in order
    """

    sections: dict
    imports: list
    functions: dict
    relocations: dict


def read(data: bytes) -> Object:
    """Take an object file apart."""
    reader = Reader(data, 8)
    order, found = [], Object({}, [], {}, {CODE: [], DATA: []})
    while reader.more:
        number = reader.byte()
        section = Reader(reader.take(reader.unsigned()))
        order.append(number)
        if number != CUSTOM:
            found.sections[number] = section.data
            if number == IMPORT:
                found.imports = [_import(section) for _ in range(section.unsigned())]
            continue
        name = section.name()
        if name == "linking":
            found.functions = _function_symbols(section)
        elif name.startswith("reloc."):
            changed = order[section.unsigned()]
            if changed in found.relocations:
                found.relocations[changed] = _relocations(section)
    return found


def _import(section: Reader) -> tuple:
    section.name()  # the module: env
    name, kind = section.name(), section.byte()
    start = section.at
    if kind == KIND_FUNCTION:
        section.unsigned()
    elif kind == KIND_GLOBAL:
        section.take(2)
    else:
        section.take(1 if kind == KIND_TABLE else 0)
        for _ in range(1 + (section.unsigned() & 1)):
            section.unsigned()
    return kind, name, section.data[start : section.at]


def _function_symbols(section: Reader) -> dict:
    """Index of each function that is defined here, by name."""
    indices = {}
    section.unsigned()  # the version
    while section.more:
        kind, part = section.byte(), Reader(section.take(section.unsigned()))
        if kind != SYMBOL_TABLE:
            continue
        for _ in range(part.unsigned()):
            kind, flags = part.byte(), part.unsigned()
            if kind == 1:  # data: a name, and where if it is defined
                part.name()
                for _ in range(0 if flags & UNDEFINED else 3):
                    part.unsigned()
            elif kind == 3:  # a section
                part.unsigned()
            else:
                index = part.unsigned()
                if not flags & UNDEFINED or flags & EXPLICIT_NAME:
                    name = part.name()
                    if kind == KIND_FUNCTION and not flags & UNDEFINED:
                        indices[name] = index
    return indices


def _relocations(section: Reader) -> list:
    found = []
    for _ in range(section.unsigned()):
        kind, offset = section.byte(), section.unsigned()
        section.unsigned()  # the symbol: LLVM has written the number already
        if kind in WITH_ADDEND:
            section.signed()
        found.append((kind, offset))
    return found


def module(data: bytes, exports: dict[str, str]) -> tuple[bytes, int, list[str]]:
    """The module of an object file, the end of its constants, and the functions it imports.

    exports : for each name in the module, that of the function in the object file
    """
    found = read(data)
    base = STACK_BYTES
    segments = _segments(found, base)
    end = max([base, *(at + len(content) for at, content in segments)])
    end = -(-end // ALIGNMENT) * ALIGNMENT
    sections = {
        TYPE: found.sections[TYPE],
        IMPORT: vector([_imported(each, end) for each in found.imports]),
        FUNCTION: found.sections[FUNCTION],
        EXPORT: vector(
            [
                named(name) + bytes([KIND_FUNCTION]) + unsigned(found.functions[symbol])
                for name, symbol in exports.items()
            ]
        ),
        CODE: _code(found, base),
    }
    if segments:
        sections[DATA] = vector([_segment(at, content) for at, content in segments])
    if COUNT in found.sections and segments:
        sections[COUNT] = unsigned(len(segments))
    out = data[:8] + b"".join(
        bytes([number]) + sized(sections[number]) for number in ORDER if number in sections
    )
    functions = [name for kind, name, _ in found.imports if kind == KIND_FUNCTION]
    return out, end, functions


def _imported(wanted: tuple, end: int) -> bytes:
    kind, name, description = wanted
    if kind == KIND_MEMORY:
        name, description = "memory", b"\0" + unsigned(-(-end // PAGE_BYTES))
    return named("env") + named(name) + bytes([kind]) + description


def _segments(found: Object, base: int) -> list[tuple[int, bytes]]:
    """(address, bytes) of the constants, moved up by `base`."""
    if DATA not in found.sections:
        return []
    content = bytearray(found.sections[DATA])
    for kind, offset in found.relocations[DATA]:
        if kind != MEMORY_WORD:
            raise ValueError(f"relocation {kind} in the constants is not known")
        word = int.from_bytes(content[offset : offset + 4], "little") + base
        content[offset : offset + 4] = word.to_bytes(4, "little")
    reader, segments = Reader(bytes(content)), []
    for _ in range(reader.unsigned()):
        reader.take(2)  # in memory 0, at the address of an i32.const
        address = reader.signed() + base
        reader.byte()  # end
        segments.append((address, reader.take(reader.unsigned())))
    return segments


def _segment(address: int, content: bytes) -> bytes:
    return b"\0\x41" + signed(address) + b"\x0b" + sized(content)


def _code(found: Object, base: int) -> bytes:
    """The code section with every index and address rewritten, in as few bytes as it needs."""
    section = found.sections[CODE]
    places = iter([*found.relocations[CODE], (None, len(section) + 1)])
    kind, offset = next(places)
    reader, bodies = Reader(section), []
    for _ in range(reader.unsigned()):
        n_bytes = reader.unsigned()
        at, end = reader.at, reader.at + n_bytes
        body = bytearray()
        while offset < end:
            body += section[at:offset]
            at = offset + PADDED_BYTES
            body += _number(Reader(section, offset), kind, base)
            kind, offset = next(places)
        bodies.append(sized(bytes(body) + section[at:end]))
        reader.at = end
    return vector(bodies)


def _number(place: Reader, kind: int, base: int) -> bytes:
    """The number at `place` as it shall be."""
    if kind in UNSIGNED:
        return unsigned(place.unsigned() + (base if kind == MEMORY_LEB else 0))
    if kind == MEMORY_SLEB:
        return signed(place.signed() + base)
    raise ValueError(f"relocation {kind} in the code is not known")
