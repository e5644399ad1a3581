"""What does a guest's block driver do? Grant pages, put requests into a ring, send an event, wait.

The counterpart of backends.py, for a domain in Python (see program.py): the same steps that a
kernel's front end takes, one method each, so that they can be taken by hand.

    connect    the ring page is granted, a port offered, and both are written into the store
    read       requests for sectors, each into a granted page; the driver domain is told if it asked
    answers    the responses that have come

Source: Xen, xen/include/public/io/blkif.h.
"""

from virtlab.platforms.xen import abi, rings
from virtlab.platforms.xen.program import OwnPage, Program

RING, TABLE, FIRST_DATA = 33, 32, 40  # gfns from the start of RAM
RING_REFERENCE, FIRST_REFERENCE = 1, 8
SECTORS_A_PAGE = 8


class BlockFront:
    """The block driver of a domain whose kernel is a plain Program.

    Parameters
    ----------
    xen, number : the machine, and the domain
    driver : number of the driver domain

    Raises
    ------
    ValueError
        the domain's kernel is not in Python
    """

    kernel = Program

    def __init__(self, xen, number: int, driver: int = 0):
        self.xen, self.domain, self.driver = xen, xen.domains[number], driver
        if self.domain.kind != "python":
            raise ValueError(
                f"domain {number} is of kind {self.domain.kind}; accepted are those in Python."
            )
        self.side = rings.Front(abi.BLOCK_PLACE_BYTES)
        self.ring = OwnPage(xen, self.domain, xen.first_gfn + RING)
        self.port = 0
        self.calls = 0
        rings.clear(self.ring)

    def call(self, call: int, *words: int) -> int:
        """A hypercall of this domain."""
        self.calls += 1
        return self.xen.call(self.domain.number, call, *words)

    def grant(self, reference: int, gfn: int) -> None:
        """Let the driver domain use a page: an entry of the table, and no hypercall."""
        entry = abi.GRANT_ENTRY.pack(abi.PERMIT, self.driver, gfn)
        table = self.xen.first_gfn + TABLE << 12
        self.xen.write(self.domain, table + abi.GRANT_ENTRY.size * reference, entry)

    def connect(self, image: str) -> int:
        """Introduce the ring to the driver domain, by the store; its port there, or an error."""
        xen, number = self.xen, self.domain.number
        self.call(abi.GRANT, abi.SETUP, xen.first_gfn + TABLE)
        self.grant(RING_REFERENCE, xen.first_gfn + RING)
        self.port = self.call(abi.EVENT, abi.ALLOC_UNBOUND, self.driver)
        path = f"/local/domain/{number}/device/vbd/0"
        for name, value in (
            ("ring-ref", RING_REFERENCE),
            ("event-channel", self.port),
            ("image", image),
        ):
            xen.store.write(number, f"{path}/{name}", str(value).encode())
        driver = xen.domains[self.driver]
        return driver.program.connect_from_store(xen, driver, number)

    def read(self, *sectors: int) -> bool:
        """Put a request for each eight sectors from those given; whether an event was sent."""
        for k, sector in enumerate(sectors):
            self.grant(FIRST_REFERENCE + k, self.xen.first_gfn + FIRST_DATA + k)
            head = abi.BLOCK_REQUEST.pack(abi.BLOCK_READ, 1, 0, k, sector)
            piece = abi.BLOCK_SEGMENT.pack(FIRST_REFERENCE + k, 0, SECTORS_A_PAGE - 1)
            self.side.put(self.ring, head + piece)
        wanted = self.side.push(self.ring)
        if wanted:
            self.call(abi.EVENT, abi.SEND, self.port)
        return wanted

    def answers(self) -> list[tuple[int, int]]:
        """Responses that have come: (number of the request, status)."""
        found = self.side.take(self.ring, abi.BLOCK_RESPONSE.size)
        return [abi.BLOCK_RESPONSE.unpack(each)[::2] for each in found]

    def data(self, k: int) -> bytes:
        """What request `k` has brought."""
        return OwnPage(self.xen, self.domain, self.xen.first_gfn + FIRST_DATA + k).read(0, 4096)
