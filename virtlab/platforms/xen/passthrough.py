"""What if a domain gets a device of its own? Then the device writes where that domain tells it to.

A device with DMA reads and writes memory by itself. The hart's tables do not bind it: an address in
a register is enough to reach any page of the machine. The IOMMU does for devices what tables do for
the hart: it knows which device is whose, and lets it reach its domain's pages only. With it off, a
domain that has been given a disk can have it read a sector over the hypervisor, over Domain0, over
anybody.

    on     address -> the page must be the owner's, present, no page table; else a fault is noted
    off    address -> memory, whatever is there

The device here is a disk with five registers:

    0 ADDRESS   machine address (an HVM domain with the IOMMU on: its own physical address)
    1 SECTOR    of 512 bytes
    2 COUNT     bytes, up to 4096, a multiple of 512
    3 COMMAND   1: read from disk to memory, 2: write to disk
    4 STATUS    0 done, 1 refused: sector or count, 2 refused: address

# Model: a DMA is done when COMMAND is written. Registers are reached by the DEVICE call instead of
mapped pages. As on real boards an IOMMU is one for all devices, on or off; and one that is off
translates nothing, so an HVM domain's driver would have to know machine addresses.

Source: Intel, "Virtualization Technology for Directed I/O", revision 4.1, section "Hardware Support
for DMA Remapping", for domains, translation and faults; RISC-V IOMMU Architecture 1.0.
"""

from dataclasses import dataclass, field

from virtlab.machine.state import RAM_BASE
from virtlab.platforms.xen import abi
from virtlab.platforms.xen.domain import Domain

ADDRESS, SECTOR, COUNT, COMMAND, STATUS = range(5)
N_REGISTERS = 5
READ_DISK, WRITE_DISK = 1, 2
DONE, BAD_REQUEST, BAD_DMA = range(3)
SECTOR_BYTES = 512
MOST_BYTES = 4096
MOST_FAULTS = 1024  # are remembered


@dataclass
class DmaDisk:
    """A disk on the bus.

    owner : number of the domain that it is assigned to, None if it is nobody's
    """

    contents: bytearray
    owner: int | None = None
    registers: list = field(default_factory=lambda: [0] * N_REGISTERS)
    transfers: int = 0


@dataclass(frozen=True)
class DmaFault:
    """What the IOMMU has refused: a device's access to an address, and for whom."""

    device: int
    domain: int
    address: int
    writing: bool


def assign(xen, number: int, device: int) -> int:
    """Give a device that nobody has to a domain."""
    if xen.living(number) is None:
        return -abi.NO_DOMAIN
    if not 0 <= device < len(xen.devices):
        return -abi.NO_ENTRY
    if xen.devices[device].owner is not None:
        return -abi.BUSY
    xen.devices[device].owner = number
    return 0


def deassign(xen, device: int) -> int:
    """Take a device back, and reset it."""
    if not 0 <= device < len(xen.devices) or xen.devices[device].owner is None:
        return -abi.NO_ENTRY
    xen.devices[device].owner = None
    xen.devices[device].registers = [0] * N_REGISTERS
    return 0


def deassign_all(xen, domain: Domain) -> None:
    """Take back all that a domain which ends has."""
    for number, device in enumerate(xen.devices):
        if device.owner == domain.number:
            deassign(xen, number)


def _device(xen, caller: Domain, device: int, register: int):
    if not 0 <= device < len(xen.devices) or not 0 <= register < N_REGISTERS:
        return None, -abi.NO_ENTRY
    if xen.devices[device].owner != caller.number:
        return None, -abi.NOT_PERMITTED
    return xen.devices[device], 0


def read_register(xen, caller: Domain, device: int, register: int) -> int:
    """A register's value, without its sign."""
    found, error = _device(xen, caller, device, register)
    return error if found is None else found.registers[register] & (1 << 63) - 1


def write_register(xen, caller: Domain, device: int, register: int, value: int) -> int:
    """Write a register; COMMAND starts a transfer."""
    found, error = _device(xen, caller, device, register)
    if found is None:
        return error
    if register != STATUS:
        found.registers[register] = value & (1 << 64) - 1
    if register == COMMAND:
        found.registers[STATUS] = _transfer(xen, caller, device, found)
    return 0


def _transfer(xen, owner: Domain, number: int, device: DmaDisk) -> int:
    address, sector, n_bytes, command, _ = device.registers
    at = sector * SECTOR_BYTES
    if command not in (READ_DISK, WRITE_DISK) or not 0 < n_bytes <= MOST_BYTES:
        return BAD_REQUEST
    if n_bytes % SECTOR_BYTES or at + n_bytes > len(device.contents):
        return BAD_REQUEST
    places = dma_pieces(xen, owner, number, address, n_bytes, command == READ_DISK)
    if places is None:
        return BAD_DMA
    for offset, length in places:
        if command == READ_DISK:
            xen.write_host(offset, bytes(device.contents[at : at + length]))
        else:
            device.contents[at : at + length] = xen.host.mem.u8[offset : offset + length].tobytes()
        at += length
    device.transfers += 1
    return DONE


def dma_pieces(xen, owner: Domain, device: int, address: int, n_bytes: int, writing: bool):
    """Where in host memory a DMA goes: [(offset, bytes)], a piece a page; None if it is refused."""
    pieces = []
    while n_bytes:
        length = min(n_bytes, 4096 - address % 4096)
        offset = address - RAM_BASE
        if xen.iommu:
            offset = _translated(xen, owner, address, writing)
        elif not 0 <= offset <= len(xen.host.mem.u8) - length:
            offset = None  # there is no memory: the bus answers with an error
        if offset is None:
            xen.dma_faults.append(DmaFault(device, owner.number, address, writing))
            del xen.dma_faults[:-MOST_FAULTS]
            return None
        pieces.append((offset, length))
        address, n_bytes = address + length, n_bytes - length
    return pieces


def _translated(xen, owner: Domain, address: int, writing: bool) -> int | None:
    gpa = address if owner.kind == "hvm" else address - owner.base
    gfn = gpa >> 12
    if not xen.has_page(owner, gfn) or (writing and xen.is_table(owner, gfn)):
        return None
    return owner.base + gpa - RAM_BASE


DEVICE_OPS = {
    abi.DEVICE_READ: (read_register, 2),
    abi.DEVICE_WRITE: (write_register, 3),
}
