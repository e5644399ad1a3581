"""What is a guest, before it runs? Some bytes with their meaning beside them, and where they go.

Each implementation has a table GUESTS of such programs, of the same names and with the same effect:

    halt        adds 40 and 2 in the result register, and has nothing to do
    mmio        stores 4 bytes to a device, loads 4 from it, adds 1, stores the lowest byte back
    dirty       writes two pages, halts; then a third, and halts
    fault       meets a fault, and its handler cannot be reached
    hypercall   asks the hypervisor: number 12, arguments 0x1000, 2, 0x10
    odd         accesses a device by an instruction that KVM does not emulate
    interrupt   waits for interrupts, and after each stores the number of them to a device
    storm       stores to an address again and again; address and number are in two registers
    player      makes the accesses of a table in its memory one by one (see user_space/player.py)
"""

from collections.abc import Callable
from dataclasses import dataclass

MEMORY_BYTES = 0x4_0000  # a guest's memory; some of them use all of it
CODE = 0x1000  # where in its memory a program begins
TABLE = 0x8000  # of the player
TABLE_BYTES = 0x8000
FREE = 0x1_0000  # from here on memory is the driver's
DEVICE = 0x1000_0000  # guest physical address of a device's registers
WRITTEN = (0x20, 0x22, 0x23)  # pages that `dirty` writes


@dataclass(frozen=True)
class GuestProgram:
    """A guest program for one of the implementations.

    name : as in GUESTS
    listing : lines of an offset, bytes in hex, and text
    code : the bytes
    result : the register that holds the result
    prepare : sets a vcpu's registers, and what it needs in memory beside the code
    device : guest physical address of its device
    irq : the interrupt line that it listens to
    arguments : registers in which it finds what it needs to know
    """

    name: str
    listing: str
    code: bytes
    result: str
    prepare: Callable
    device: int = DEVICE
    irq: int = 0
    arguments: tuple[str, ...] = ()

    def start(self, vcpu, memory) -> None:
        """Put it into memory, whose slot begins at RAM_BASE, and the vcpu to its first step."""
        memory.write(CODE, self.code)
        self.prepare(vcpu, memory)


def assembled(rows: str) -> tuple[bytes, str]:
    """Code and listing of rows of bytes in hex, two spaces or more, and text.

    Raises
    ------
    ValueError
        a row has no bytes, or what stands there is not hex
    """
    code, lines = b"", []
    for row in rows.strip().splitlines():
        digits, _, text = row.strip().partition("  ")
        try:
            piece = bytes.fromhex(digits)
        except ValueError:
            raise ValueError(
                f"row {row.strip()!r}: accepted are bytes in hex, then text."
            ) from None
        if not piece:
            raise ValueError(f"row {row.strip()!r}: accepted are bytes in hex, then text.")
        lines.append(f"{CODE + len(code):04x}  {piece.hex(' '):24}{text.strip()}")
        code += piece
    return code, "\n".join(lines)
