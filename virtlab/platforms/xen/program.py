"""What if a domain's kernel is a Python program? A driver domain that can be read in ten lines.

A Program has memory, event ports, grants and a window like any other domain, and reaches them by
the same calls, with the same checks; only its instructions are Python. It is run when one of its
ports is pending, says how many steps of the hart it took, and sleeps when nothing is left.

What a program keeps must be plain data in attributes: a snapshot copies it.
"""

import copy
import struct

from virtlab.platforms.xen import abi
from virtlab.platforms.xen.event_channels import take_pending

RAM_BASE = 0x8000_0000
STEPS_PER_EVENT = 1000


class Program:
    """A domain in Python; subclasses say what it does with its events.

    steps_per_event : int, the hart's steps that serving one event takes
    """

    steps_per_event = STEPS_PER_EVENT

    def fresh(self) -> "Program":
        """A copy for a new domain."""
        return copy.deepcopy(self)

    def start(self, xen, domain) -> None:
        """Called when the domain has been made."""

    def on_event(self, xen, domain, port: int) -> None:
        """Called for each port that was pending."""

    def run(self, xen, domain) -> int:
        """Serve what is pending; how many steps that took."""
        ports = take_pending(xen, domain)
        for port in ports:
            self.on_event(xen, domain, port)
        return self.steps_per_event * max(1, len(ports))


class PythonMachine:
    """The place of a domain in Python: memory and a window, and no hart."""

    exit_code = None

    def __init__(self, host, ram_bytes: int):
        self._host = host
        self.ram_bytes = ram_bytes
        host.place(self, ram_bytes)

    def map_slot(self, slot: int, page: int, writable: bool) -> bool:
        """Nothing to do: Python looks up its window in the domain's mappings."""
        return True

    def unmap_slot(self, slot: int) -> None:
        """Nothing to do either."""

    def end_turn(self) -> None:
        """A program is not interrupted."""


class Window:
    """A mapped page as a program sees it: `read` and `write` at offsets.

    Parameters
    ----------
    address : what GRANT MAP has returned

    Raises
    ------
    ValueError
        at a write through a mapping to be read only, or an access beyond the page
    """

    def __init__(self, xen, domain, address: int):
        self._xen, self._domain = xen, domain
        self._slot = (address - abi.WINDOW) // 4096

    def _at(self, offset: int, n_bytes: int) -> int:
        if not 0 <= offset <= 4096 - n_bytes:
            raise ValueError(f"offset {offset}: accepted are {n_bytes} bytes within the page.")
        return (self._domain.maps[self._slot].page << 12) + offset

    def read(self, offset: int, n_bytes: int) -> bytes:
        """Bytes of the page."""
        at = self._at(offset, n_bytes)
        return self._xen.host.mem.u8[at : at + n_bytes].tobytes()

    def write(self, offset: int, data: bytes) -> None:
        """Write to the page."""
        at = self._at(offset, len(data))
        if not self._domain.maps[self._slot].writable:
            raise ValueError("the page is mapped to be read only.")
        self._xen.write_host(at, data)


class OwnPage:
    """A page of a domain's own RAM, with the same face as a Window."""

    def __init__(self, xen, domain, gfn: int):
        self._xen, self._domain, self._gpa = xen, domain, gfn << 12

    def read(self, offset: int, n_bytes: int) -> bytes:
        """Bytes of the page."""
        return self._xen.read(self._domain, self._gpa + offset, n_bytes)

    def write(self, offset: int, data: bytes) -> None:
        """Write to the page."""
        self._xen.write(self._domain, self._gpa + offset, data)


def read_u32(page, offset: int) -> int:
    """A 32-bit word of a page."""
    return struct.unpack("<I", page.read(offset, 4))[0]


def write_u32(page, offset: int, value: int) -> None:
    """Write a 32-bit word of a page."""
    page.write(offset, struct.pack("<I", value & 0xFFFF_FFFF))
