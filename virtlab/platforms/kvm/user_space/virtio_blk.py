"""The virtio disk: a chain of header, data and status for each request, however long.

Source: Virtual I/O Device (VIRTIO) Version 1.2, "Block Device".
"""

from virtlab.platforms.kvm.user_space.disk import SECTOR_BYTES
from virtlab.platforms.kvm.user_space.virtio import (
    FEATURE_VERSION_1,
    Piece,
    RingError,
    VirtioDevice,
)

REQUEST_IN, REQUEST_OUT, REQUEST_FLUSH = 0, 1, 4
RESULT_OK, RESULT_ERROR, RESULT_UNSUPPORTED = 0, 1, 2
FEATURE_FLUSH = 1 << 9


class VirtioBlk(VirtioDevice):
    """A virtio disk.

    contents : bytearray, the sectors
    n_flushes : how often the guest asked that all be safe
    """

    device_id = 2
    features = FEATURE_VERSION_1 | FEATURE_FLUSH

    def __init__(self, vm, contents: bytearray, line=None):
        if len(contents) % SECTOR_BYTES or not contents:
            raise ValueError(f"a disk of {len(contents)} bytes: accepted are whole sectors of 512.")
        self.contents = contents
        self.n_flushes = 0
        super().__init__(vm, line)

    @property
    def configuration(self) -> bytes:
        """The capacity in sectors, 8 bytes."""
        return (len(self.contents) // SECTOR_BYTES).to_bytes(8, "little")

    def serve(self, number: int, chain: list[Piece]) -> int:
        """One request: header, data, status."""
        header, data, status = chain[0], chain[1:-1], chain[-1]
        if len(chain) < 2 or header.n_bytes < 16 or header.writable or not status.writable:
            raise RingError(f"a request of {len(chain)} pieces")
        kind = self.dma.number(header.gpa, 4)
        at = self.dma.number(header.gpa + 8, 8) * SECTOR_BYTES
        result, written = RESULT_OK, 0
        if kind == REQUEST_FLUSH:
            self.n_flushes += 1
        elif kind not in (REQUEST_IN, REQUEST_OUT):
            result = RESULT_UNSUPPORTED
        elif at + sum(piece.n_bytes for piece in data) > len(self.contents):
            result = RESULT_ERROR
        else:
            for piece in data:
                if piece.writable != (kind == REQUEST_IN):
                    raise RingError("data that goes the wrong way")
                if kind == REQUEST_IN:
                    self.dma.write(piece.gpa, bytes(self.contents[at : at + piece.n_bytes]))
                    written += piece.n_bytes
                else:
                    self.contents[at : at + piece.n_bytes] = self.dma.read(piece.gpa, piece.n_bytes)
                at += piece.n_bytes
        self.dma.set_number(status.gpa, 1, result)
        return written + 1
