"""What a caller may pass: checked here, and refused in one sentence that says what is accepted."""

from pathlib import Path

import numpy as np

U64 = (1 << 64) - 1
SECTOR_BYTES = 512


def hex64(value: int) -> str:
    """A 64-bit number in hex, an underscore after every four digits."""
    digits = f"{value & U64:016x}"
    return "0x" + "_".join(digits[k : k + 4] for k in range(0, 16, 4))


def signed(value: int) -> int:
    """The signed number with the same 64 bits."""
    value &= U64
    return value - (1 << 64) if value >> 63 else value


def whole(value, what: str) -> int:
    """`value` as an int; booleans and fractions are refused."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{what} {value!r} is not a whole number.")
    return int(value)


def count(value, what: str) -> int:
    """A whole number from 0 to 2**60."""
    value = whole(value, what)
    if not 0 <= value < 1 << 60:
        raise ValueError(f"{what} {value} is out of range; accepted are 0 to 2**60.")
    return value


def word(value, what: str) -> int:
    """A 64-bit number, signed or unsigned; returned as the bits, unsigned."""
    value = whole(value, what)
    if not -(1 << 63) <= value <= U64:
        raise ValueError(f"{what} {value:#x} has more than 64 bits.")
    return value & U64


def command_line(text) -> str:
    """The kernel's command line."""
    if not isinstance(text, str):
        raise TypeError(f"append {text!r}: accepted is text.")
    if "\0" in text:
        raise ValueError(f"append {text!r}: accepted is text without NUL characters.")
    return text


def read_disk(disk) -> np.ndarray:
    """A disk's bytes from a path or from bytes, a copy, padded to whole sectors; empty for None."""
    if disk is None:
        return np.zeros(0, np.uint8)
    if isinstance(disk, bytes | bytearray | memoryview):
        data = bytes(disk)
    elif isinstance(disk, str | Path):
        try:
            data = Path(disk).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"disk {str(disk)!r}: cannot be read ({reason}).") from None
    else:
        raise TypeError(f"disk {disk!r}: accepted are a path, bytes, or None.")
    if not data:
        raise ValueError("the disk is empty; a disk has at least one sector of 512 bytes.")
    return np.frombuffer(data + bytes(-len(data) % SECTOR_BYTES), np.uint8).copy()
