"""The virtio network card: one queue of frames to send, one of buffers to receive into.

Source: Virtual I/O Device (VIRTIO) Version 1.2, "Network Device": a header of 12 bytes stands
before each frame.
"""

from virtlab.platforms.kvm.user_space.virtio import Piece, RingError, VirtioDevice
from virtlab.platforms.kvm.user_space.wire import Wire

RECEIVE, TRANSMIT = 0, 1
HEADER_BYTES = 12
N_BUFFERS_AT = 10  # in the header: how many buffers a received frame fills


class VirtioNet(VirtioDevice):
    """A virtio network card on a wire."""

    device_id = 1
    n_queues = 2

    def __init__(self, vm, wire: Wire, line=None):
        self._wire = wire
        wire.connect(self)
        super().__init__(vm, line)

    def fetch(self) -> None:
        """Put frames that wait on the wire into the guest's buffers, as far as there are any."""
        self.look(RECEIVE)

    def serve(self, number: int, chain: list[Piece]) -> int | None:
        """Send the frame of a chain, or receive one into it if there is one."""
        if number == TRANSMIT:
            if any(piece.writable for piece in chain):
                raise RingError("a frame to send that the device may write")
            data = b"".join(self.dma.read(piece.gpa, piece.n_bytes) for piece in chain)
            self._wire.sent.append(data[HEADER_BYTES:])
            return 0
        frame = self._wire.next_frame()
        if frame is None:
            return None
        header = bytearray(HEADER_BYTES)
        header[N_BUFFERS_AT] = 1
        data = bytes(header) + frame
        room = sum(piece.n_bytes for piece in chain)
        if room < len(data) or not all(piece.writable for piece in chain):
            raise RingError(f"a buffer of {room} bytes for a frame of {len(frame)}")
        left = data
        for piece in chain:
            self.dma.write(piece.gpa, left[: piece.n_bytes])
            left = left[piece.n_bytes :]
        self._wire.taken()
        return len(data)
