"""What does a driver domain do? It serves the rings of others: a disk for each, and a bridge.

    front end (DomU)      grants its ring page to the driver domain, offers a port, and writes both
                          numbers into the store: ring-ref and event-channel, then state = 4
    back end (here)       maps the ring, binds the port, and serves what comes

    disk      a request names up to 11 pieces of pages by grant; data is copied between them and
              the disk's image by the grant COPY call, so no page of a guest stays mapped
    network   a packet that a domain transmits is copied into the page that its receiver has granted
              for it: by address learned, or to all others

Nothing in a ring is believed. A request is copied before it is looked at; what is wrong with it is
answered with an error; and a ring whose indices cannot be is served no longer. What a domain leaves
behind is unmapped when its port is closed.

Source: Xen, xen/include/public/io/blkif.h, netif.h; K. Fraser et al., "Safe Hardware Access with
the Xen Virtual Machine Monitor", OASIS 2004.
"""

from dataclasses import dataclass, field

from virtlab.platforms.xen import abi
from virtlab.platforms.xen.program import OwnPage, Program, Window
from virtlab.platforms.xen.rings import Back, BadRingError

SECTOR_BYTES = 512
PAGE = 4096
SCRATCH = 16  # gfn from the start of RAM: data on its way
RECORD = 17  # and the records of a grant copy
BROADCAST = b"\xff" * 6
MOST_PACKET = 1514


def copy_granted(xen, domain, other: int, reference: int, offset: int, n_bytes: int, to_guest):
    """Copy between the scratch page and a granted one by the COPY call; 0 or an error."""
    here = (abi.SELF, xen.first_gfn + SCRATCH, offset)
    there = (other, reference, offset)
    ends = (*here, *there) if to_guest else (*there, *here)
    flags = abi.DESTINATION_IS_GRANT if to_guest else abi.SOURCE_IS_GRANT
    at = xen.first_gfn + RECORD << 12
    xen.write(domain, at, abi.GRANT_COPY.pack(*ends, n_bytes, flags, 0))
    result = xen.hypercall(domain.number, abi.GRANT, [abi.COPY, at, 1])
    return min(result, 0)


@dataclass
class Connection:
    """A ring that is served.

    address : where it is mapped in the window
    reason : why it is served no longer, "" while it is
    """

    domain: int
    address: int
    back: Back
    kind: str
    image: str = ""
    mac: bytes = b""
    buffers: list = field(default_factory=list)  # (id, reference) that wait for packets
    partner: int = 0  # of a network's two rings the port of the other
    reason: str = ""


class DriverDomain(Program):
    """A driver domain: block and network back ends.

    Parameters
    ----------
    images : dict of name and disk contents, a multiple of 512 bytes

    Attributes
    ----------
    connections : by port
    served : requests by kind; `notified` and `spared` count notifications made and avoided
    """

    def __init__(self, images=None):
        self.images = {name: bytearray(data) for name, data in (images or {}).items()}
        self.connections: dict[int, Connection] = {}
        self.served = {"block": 0, "transmit": 0, "receive": 0}
        self.notified = self.spared = self.refused = self.dropped = 0

    # Connecting

    def connect(self, xen, domain, kind: str, front: int, reference: int, port: int, **what) -> int:
        """Serve a ring of another domain; the port of this end, or an error."""
        call = xen.hypercall
        address = call(domain.number, abi.GRANT, [abi.MAP, front, reference, 0])
        if address < 0:
            return address
        own = call(domain.number, abi.EVENT, [abi.BIND_INTERDOMAIN, front, port])
        if own < 0:
            call(domain.number, abi.GRANT, [abi.UNMAP, address])
            return own
        sizes = {
            "block": abi.BLOCK_PLACE_BYTES,
            "transmit": abi.NET_TX_REQUEST.size,
            "receive": abi.NET_RX_REQUEST.size,
        }
        self.connections[own] = Connection(front, address, Back(sizes[kind]), kind, **what)
        return own

    def connect_from_store(self, xen, domain, front: int) -> int:
        """Serve the disk that a domain has described in the store; the port, or an error."""
        path = f"/local/domain/{front}/device/vbd/0"
        values = [
            xen.store.read(domain.number, f"{path}/{name}")
            for name in ("ring-ref", "event-channel", "image")
        ]
        if any(isinstance(value, int) for value in values):
            return -abi.NO_ENTRY
        reference, port, image = (value.decode() for value in values)
        if not (reference.isdecimal() and port.isdecimal()) or image not in self.images:
            return -abi.INVALID
        own = self.connect(xen, domain, "block", front, int(reference), int(port), image=image)
        if own > 0:
            xen.store.write(domain.number, f"{path}/backend-state", b"4")
        return own

    def disconnect(self, xen, domain, port: int, reason: str) -> None:
        """Serve a ring no longer, and leave nothing of it mapped."""
        connection = self.connections[port]
        if not connection.reason:
            connection.reason = reason
            xen.hypercall(domain.number, abi.GRANT, [abi.UNMAP, connection.address])
            xen.hypercall(domain.number, abi.EVENT, [abi.CLOSE, port])

    # Serving

    def on_event(self, xen, domain, port: int) -> None:
        connection = self.connections.get(port)
        if connection is None or connection.reason:
            return
        state = xen.hypercall(domain.number, abi.EVENT, [abi.STATUS, port])
        if state != abi.CHANNEL_JOINED:
            self.disconnect(xen, domain, port, "its domain has gone")
            return
        try:
            serve = {"block": self._block, "transmit": self._transmit, "receive": self._receive}
            serve[connection.kind](xen, domain, connection)
        except BadRingError as error:
            self.refused += 1
            self.disconnect(xen, domain, port, str(error))
            return
        self._finish(xen, domain, port)

    def _finish(self, xen, domain, port: int) -> None:
        connection = self.connections[port]
        page = Window(xen, domain, connection.address)
        if connection.back.push(page):
            self.notified += 1
            xen.hypercall(domain.number, abi.EVENT, [abi.SEND, port])
        else:
            self.spared += 1

    def _block(self, xen, domain, connection: Connection) -> None:
        page = Window(xen, domain, connection.address)
        while (request := connection.back.take(page, abi.BLOCK_PLACE_BYTES)) is not None:
            operation, n_segments, _, number, sector = abi.BLOCK_REQUEST.unpack_from(request)
            done = self._carry_out(xen, domain, connection, request, operation, n_segments, sector)
            self.refused += not done
            self.served["block"] += 1
            status = abi.STATUS_OK if done else abi.STATUS_ERROR
            connection.back.put(page, abi.BLOCK_RESPONSE.pack(number, operation, status))

    def _carry_out(self, xen, domain, connection, request, operation, n_segments, sector) -> bool:
        image = self.images[connection.image]
        if operation not in (abi.BLOCK_READ, abi.BLOCK_WRITE):
            return False
        if not 0 < n_segments <= abi.MOST_SEGMENTS:
            return False
        for k in range(n_segments):
            at = abi.BLOCK_REQUEST.size + k * abi.BLOCK_SEGMENT.size
            reference, first, last = abi.BLOCK_SEGMENT.unpack_from(request, at)
            n_sectors = last + 1 - first
            if not (first <= last < PAGE // SECTOR_BYTES):
                return False
            if sector + n_sectors > len(image) // SECTOR_BYTES:
                return False
            offset, n_bytes = first * SECTOR_BYTES, n_sectors * SECTOR_BYTES
            scratch = OwnPage(xen, domain, xen.first_gfn + SCRATCH)
            place = slice(sector * SECTOR_BYTES, sector * SECTOR_BYTES + n_bytes)
            reading = operation == abi.BLOCK_READ
            if reading:
                scratch.write(offset, bytes(image[place]))
            other = connection.domain
            if copy_granted(xen, domain, other, reference, offset, n_bytes, reading):
                return False
            if not reading:
                image[place] = scratch.read(offset, n_bytes)
            sector += n_sectors
        return True

    # The bridge

    def _receive(self, xen, domain, connection: Connection) -> None:
        """Note the pages that wait for packets; they are answered when one has come."""
        page = Window(xen, domain, connection.address)
        while (request := connection.back.take(page, abi.NET_RX_REQUEST.size)) is not None:
            connection.buffers.append(abi.NET_RX_REQUEST.unpack(request))

    def _transmit(self, xen, domain, connection: Connection) -> None:
        page = Window(xen, domain, connection.address)
        while (request := connection.back.take(page, abi.NET_TX_REQUEST.size)) is not None:
            reference, offset, _, number, n_bytes = abi.NET_TX_REQUEST.unpack(request)
            status = self._forward(xen, domain, connection, reference, offset, n_bytes)
            self.refused += status != abi.STATUS_OK
            self.served["transmit"] += 1
            connection.back.put(page, abi.NET_TX_RESPONSE.pack(number, status))

    def _forward(self, xen, domain, connection, reference, offset, n_bytes) -> int:
        if not 14 <= n_bytes <= MOST_PACKET or offset + n_bytes > PAGE:
            return abi.STATUS_ERROR
        if copy_granted(xen, domain, connection.domain, reference, offset, n_bytes, False):
            return abi.STATUS_ERROR
        packet = OwnPage(xen, domain, xen.first_gfn + SCRATCH).read(offset, n_bytes)
        to, connection.mac = packet[:6], packet[6:12]
        known = {c.mac: c for c in self.connections.values() if c.kind == "transmit" and c.mac}
        for port, other in self.connections.items():
            if other.kind != "receive" or other.reason or other.domain == connection.domain:
                continue
            if to in known and known[to].domain != other.domain:
                continue
            self._deliver(xen, domain, port, other, packet)
        return abi.STATUS_OK

    def _deliver(self, xen, domain, port: int, receiver: Connection, packet: bytes) -> None:
        if not receiver.buffers:
            self.dropped += 1  # as a switch does whose receiver is too slow
            return
        number, reference = receiver.buffers.pop(0)
        OwnPage(xen, domain, xen.first_gfn + SCRATCH).write(0, packet)
        failed = copy_granted(xen, domain, receiver.domain, reference, 0, len(packet), True)
        status = abi.STATUS_ERROR if failed else len(packet)
        self.refused += bool(failed)
        self.served["receive"] += 1
        page = Window(xen, domain, receiver.address)
        receiver.back.put(page, abi.NET_RX_RESPONSE.pack(number, 0, 0, status))
        self._finish(xen, domain, port)
