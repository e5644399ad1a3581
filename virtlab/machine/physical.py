"""RAM by physical address, as a reader sees and changes it."""

import numpy as np

from virtlab.machine.arguments import whole
from virtlab.machine.state import RAM_BASE


class PhysicalMemory:
    """RAM by physical address: `read`, `write`, and single page-table entries."""

    def __init__(self, ram: np.ndarray, on_write):
        self._u8 = ram
        self._on_write = on_write

    def holds(self, pa: int, n: int) -> bool:
        """True if [pa, pa + n) lies in RAM."""
        return pa >= RAM_BASE and pa + n <= RAM_BASE + len(self._u8)

    def _check(self, pa: int, n: int) -> int:
        if n < 0 or not self.holds(pa, n):
            raise ValueError(
                f"{pa:#x} to {pa + n:#x} is not RAM, which is {RAM_BASE:#x} "
                f"to {RAM_BASE + len(self._u8):#x}."
            )
        return pa - RAM_BASE

    def read(self, pa: int, n: int) -> bytes:
        """`n` bytes at `pa`."""
        n = whole(n, "number of bytes")
        at = self._check(whole(pa, "address"), n)
        return self._u8[at : at + n].tobytes()

    def write(self, pa: int, data: bytes) -> None:
        """Replace the bytes at `pa`; a replay does it again at the same step."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"memory takes bytes, not {type(data).__name__}.")
        pa, data = whole(pa, "address"), bytes(data)
        self._check(pa, len(data))
        self._on_write(pa, data)

    def entry(self, pa: int) -> int | None:
        """The 64-bit word at `pa`, unsigned, or None if it is not RAM."""
        if not self.holds(pa, 8):
            return None
        at = pa - RAM_BASE
        return int.from_bytes(self._u8[at : at + 8].tobytes(), "little")

    def table(self, pa: int) -> np.ndarray | None:
        """The 512 page-table entries at `pa`, (512,) uint64, or None if they are not in RAM."""
        if not self.holds(pa, 4096):
            return None
        at = pa - RAM_BASE
        return np.frombuffer(self._u8[at : at + 4096].tobytes(), np.uint64)
