"""What does a sector cost by each way to a disk, and what may its DMA reach? Measured on a machine.

    through Domain0    a request in a ring, an event, Domain0's turn, a copy through a grant, an
                       event back
    own device         the domain writes the device's registers, and the device writes the page that
                       it is told: one of the domain's own, or one of Domain0's, which is an attack

Each is measured with the IOMMU on and off. What is counted is for one sector of four kilobytes.
"""

from dataclasses import dataclass

from virtlab.machine.state import RAM_BASE
from virtlab.platforms.xen import abi
from virtlab.platforms.xen.backends import DriverDomain
from virtlab.platforms.xen.frontends import FIRST_DATA, BlockFront
from virtlab.platforms.xen.hypervisor import Kernel, Xen
from virtlab.platforms.xen.passthrough import (
    ADDRESS,
    COMMAND,
    COUNT,
    DONE,
    READ_DISK,
    SECTOR,
    STATUS,
)
from virtlab.platforms.xen.program import Program

THROUGH, OWN_PAGE, ATTACK = WAYS = (
    "through Domain0",
    "own device, own page",
    "own device, Domain0's page",
)
DISK = bytes(k % 251 for k in range(16 * 4096))
VICTIM = 60  # the page of Domain0 that is attacked, from the start of its RAM
N_REQUESTS = 4


@dataclass(frozen=True)
class DiskPath:
    """What one sector took by a way, averaged over the requests that were made.

    calls, driver_calls : hypercalls of the domain and of Domain0
    turns : of Domain0 on the hart
    registers : accesses to registers of a device
    transfers : of a device by DMA
    refused : DMAs that the IOMMU has refused
    own_page, other_page : whether the sector is in the domain's page, and in Domain0's, afterwards
    """

    way: str
    iommu: bool
    calls: float
    driver_calls: float
    turns: float
    registers: float
    transfers: float
    refused: int
    own_page: bool
    other_page: bool


def machine(iommu: bool = True) -> Xen:
    """Domain0 with back ends in Python, a domain in Python, and a disk that can be assigned."""
    kernels = {"driver": Kernel(DriverDomain({"disk": DISK})), "guest": Kernel(Program())}
    xen = Xen(
        ram="16M", kernels=kernels, domain0="driver", domain0_ram="4M", iommu=iommu, disks=[DISK]
    )
    xen.control.unpause(xen.control.create("guest", "guest", "4M"))
    return xen


def _calls(domain) -> int:
    return sum(domain.counts.get(name.lower(), 0) for name in abi.CALLS.values())


def disk_path(way: str, iommu: bool = True) -> DiskPath:
    """Measure one way.

    Raises
    ------
    ValueError
        there is no such way
    """
    if way not in WAYS:
        raise ValueError(f"no way is called {way!r}; there are {', '.join(WAYS)}.")
    xen = machine(iommu)
    driver, guest = xen.domains[0], xen.domains[1]
    if way == THROUGH:
        front = BlockFront(xen, guest.number)
        front.connect("disk")
    else:
        xen.control.assign(guest.number, 0)
    xen.run(5)
    before = _calls(guest), _calls(driver), driver.credit.turns
    registers = 0
    for k in range(N_REQUESTS):
        if way == THROUGH:
            front.read(8 * k)
            xen.run(5)
            front.answers()
        else:
            registers += _by_device(xen, guest, driver if way == ATTACK else guest, 8 * k)
            xen.run(5)
    after = _calls(guest), _calls(driver), driver.credit.turns
    calls, driver_calls, turns = (
        (now - then) / N_REQUESTS for now, then in zip(after, before, strict=True)
    )
    return DiskPath(
        way,
        iommu,
        0.0 if registers else calls,
        driver_calls,
        turns,
        registers / N_REQUESTS,
        xen.devices[0].transfers / N_REQUESTS,
        len(xen.dma_faults),
        any(xen.read(guest, page_of(FIRST_DATA), 4096)),
        any(xen.read(driver, page_of(VICTIM), 4096)),
    )


def page_of(k: int) -> int:
    """The physical address of a domain's page `k`."""
    return RAM_BASE + (k << 12)


def machine_address(domain, gpa: int) -> int:
    """Where a domain's address is in the machine's memory, as a device wants it."""
    return gpa + domain.base


def read_by_device(xen, number: int, address: int, sector: int, n_bytes: int = 4096) -> bool:
    """Have a domain's own disk, device 0, read sectors to a machine address; whether it did."""
    for register, value in ((ADDRESS, address), (SECTOR, sector), (COUNT, n_bytes)):
        xen.call(number, abi.DEVICE, abi.DEVICE_WRITE, 0, register, value)
    xen.call(number, abi.DEVICE, abi.DEVICE_WRITE, 0, COMMAND, READ_DISK)
    return xen.call(number, abi.DEVICE, abi.DEVICE_READ, 0, STATUS) == DONE


def _by_device(xen, guest, target, sector: int) -> int:
    """One request to the domain's own disk; how many registers were accessed."""
    page = page_of(FIRST_DATA if target is guest else VICTIM)
    read_by_device(xen, guest.number, machine_address(target, page), sector)
    return 5


def disk_paths() -> list[DiskPath]:
    """All ways, with the IOMMU on and off."""
    return [disk_path(way, iommu) for way in WAYS for iommu in (True, False)]
