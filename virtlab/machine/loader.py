"""Reading images: ELF files and Linux's flat Image, checked before a byte of RAM is touched.

Source: System V ABI, "ELF Header" and "Program Header"; RISC-V ELF psABI 1.0 for the machine
number; Linux, Documentation/arch/riscv/boot-image-header.rst.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path

from virtlab.machine.state import RAM_BASE

ELF_MAGIC = b"\x7fELF"
MACHINE_RISCV = 243
MACHINE_NAMES = {
    2: "SPARC",
    3: "x86 (32-bit)",
    4: "Motorola 68000",
    8: "MIPS",
    20: "PowerPC",
    21: "PowerPC 64-bit",
    22: "IBM S/390",
    40: "Arm (32-bit)",
    62: "x86-64",
    183: "Arm 64-bit (AArch64)",
    258: "LoongArch",
}
PT_LOAD, PT_NOTE = 1, 4
SHT_SYMTAB = 2
STT_FUNC_OR_LESS = 2
IMAGE_MAGIC = b"RISCV\0\0\0"
IMAGE_MAGIC2 = b"RSC\x05"
KERNEL_OFFSET = 0x20_0000  # where firmware leaves room for itself
MAX_SYMBOLS = 1_000_000


class ImageError(ValueError):
    """An image that cannot be loaded; the message is one sentence."""


@dataclass
class Segment:
    """A piece of an image: `data` at physical address `pa`, then zeros up to n_bytes."""

    pa: int
    data: bytes
    n_bytes: int


@dataclass
class Image:
    """What a loader has found: segments, the physical entry point, and names for addresses."""

    name: str
    segments: list[Segment]
    entry: int
    symbols: dict[str, int] = field(default_factory=dict)


def read_image(source, name: str | None = None) -> Image:
    """Read an ELF file or a Linux Image.

    Parameters
    ----------
    source : path, or the bytes themselves
    name : what to call it in error messages

    Raises
    ------
    ImageError
        not an ELF, another architecture, 32-bit, truncated, or segments that overlap
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        name = name or "image"
    else:
        path = Path(source)
        name = name or path.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror}).") from None
    if data[:4] == ELF_MAGIC:
        return _read_elf(data, name)
    if data[0x30:0x38] == IMAGE_MAGIC or data[0x38:0x3C] == IMAGE_MAGIC2:
        return _read_linux(data, name)
    raise ImageError(
        f"{name}: not an ELF file (it begins with {data[:4].hex(' ') or 'nothing'}); "
        "accepted are 64-bit RISC-V ELF files and Linux Image files."
    )


def flat_image(data: bytes, pa: int = RAM_BASE, name: str = "image") -> Image:
    """A plain memory image that is loaded and entered at `pa`."""
    if not data:
        raise ImageError(f"{name}: is empty; expected at least one instruction.")
    return Image(name, [Segment(pa, bytes(data), len(data))], pa)


def _read_linux(data: bytes, name: str) -> Image:
    if len(data) < 64:
        raise ImageError(
            f"{name}: truncated, the Linux Image header has 64 bytes, not {len(data)}."
        )
    text_offset, image_bytes = struct.unpack_from("<QQ", data, 8)
    if text_offset >= 1 << 40 or image_bytes >= 1 << 40:
        raise ImageError(f"{name}: the Linux Image header gives impossible sizes.")
    pa = RAM_BASE + text_offset  # 0 in kernels that start in M-mode
    return Image(name, [Segment(pa, data, max(len(data), image_bytes))], pa)


def _read_elf(data: bytes, name: str) -> Image:
    if len(data) < 20:
        raise ImageError(f"{name}: truncated, an ELF header has 64 bytes, the file {len(data)}.")
    if data[5] != 1:
        raise ImageError(f"{name}: a big-endian ELF file; accepted are little-endian RISC-V files.")
    (machine,) = struct.unpack_from("<H", data, 18)
    if machine != MACHINE_RISCV:
        other = MACHINE_NAMES.get(machine, f"ELF machine number {machine}")
        raise ImageError(
            f"{name}: built for {other}, and this machine is 64-bit RISC-V; "
            "a guest can only run on hardware it was built for."
        )
    if data[4] != 2:
        raise ImageError(f"{name}: a 32-bit RISC-V file; accepted are 64-bit files (rv64).")
    if len(data) < 64:
        raise ImageError(f"{name}: truncated, an ELF header has 64 bytes, the file {len(data)}.")
    kind, entry, phoff, shoff = struct.unpack_from("<H6xQQQ", data, 16)
    phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", data, 54)
    if kind not in (2, 3):
        raise ImageError(f"{name}: an ELF file of type {kind}; accepted are executables (type 2).")
    if phnum == 0 or phentsize < 56 or phoff + phnum * phentsize > len(data):
        raise ImageError(f"{name}: truncated or without program headers, there is nothing to load.")
    segments = []
    start = None
    for k in range(phnum):
        fields = struct.unpack_from("<IIQQQQQ", data, phoff + k * phentsize)
        segment_type, _, offset, va, pa, file_bytes, memory_bytes = fields
        if segment_type != PT_LOAD or memory_bytes == 0:
            continue
        if file_bytes > memory_bytes or offset + file_bytes > len(data):
            raise ImageError(
                f"{name}: truncated, segment {k} ends at byte {offset + file_bytes} "
                f"of a file of {len(data)} bytes."
            )
        if va <= entry < va + memory_bytes:
            start = entry - va + pa
        if offset == 0:
            skipped = _headers_below_ram(data, phoff, phentsize, phnum, pa, file_bytes)
            if skipped == memory_bytes:
                continue
            pa, offset = pa + skipped, skipped
            file_bytes, memory_bytes = file_bytes - skipped, memory_bytes - skipped
        segments.append(Segment(pa, data[offset : offset + file_bytes], memory_bytes))
    if not segments:
        raise ImageError(f"{name}: has no loadable segment.")
    _refuse_overlaps(segments, name)
    if start is None:
        raise ImageError(f"{name}: the entry point {entry:#x} lies in none of its segments.")
    return Image(name, segments, start, _symbols(data, shoff, shentsize, shnum))


def _headers_below_ram(data, phoff: int, phentsize: int, phnum: int, pa: int, n_bytes: int) -> int:
    """Bytes below RAM, at the start of a segment that begins with the file, that no program misses.

    A linker that is told where the text begins, and nothing more, puts the file's own headers and
    notes before it, in a segment outside RAM. 0 if anything else is there too.
    """
    below = min(RAM_BASE - pa, n_bytes)
    end = phoff + phnum * phentsize
    for k in range(phnum):
        kind, offset, note_bytes = struct.unpack_from("<I4xQ16xQ", data, phoff + k * phentsize)
        if kind == PT_NOTE and offset <= end + 8:
            end = max(end, offset + note_bytes)
    return below if below > 0 and not any(data[end:below]) else 0


def _refuse_overlaps(segments: list[Segment], name: str) -> None:
    ordered = sorted(segments, key=lambda s: s.pa)
    for low, high in zip(ordered, ordered[1:], strict=False):
        if low.pa + low.n_bytes > high.pa:
            raise ImageError(
                f"{name}: segments overlap, one fills {low.pa:#x} to {low.pa + low.n_bytes:#x}, "
                f"another begins at {high.pa:#x}."
            )


def _symbols(data: bytes, shoff: int, shentsize: int, shnum: int) -> dict[str, int]:
    """Names of functions, objects and labels; an unreadable symbol table is no reason to refuse."""
    found: dict[str, int] = {}
    if shentsize < 64 or shoff == 0 or shoff + shnum * shentsize > len(data):
        return found
    sections = [
        struct.unpack_from("<IIQQQQIIQQ", data, shoff + k * shentsize) for k in range(shnum)
    ]
    for section in sections:
        if section[1] != SHT_SYMTAB or section[6] >= shnum:
            continue
        offset, n_bytes, strings = section[4], section[5], sections[section[6]]
        names = data[strings[4] : strings[4] + strings[5]]
        n_symbols = min(n_bytes // 24, MAX_SYMBOLS, max(0, len(data) - offset) // 24)
        for k in range(n_symbols):
            at, info, _, shndx, value = struct.unpack_from("<IBBHQ", data, offset + 24 * k)
            if info & 0xF > STT_FUNC_OR_LESS or shndx == 0 or at >= len(names):
                continue
            end = names.find(b"\0", at)
            text = names[at : end if end >= 0 else len(names)].decode("ascii", "replace")
            if text and not text.startswith((".L", "$")):
                found[text] = value
    return found
