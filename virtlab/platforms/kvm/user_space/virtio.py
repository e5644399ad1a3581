"""A device made for virtual machines: requests in memory, one register that says "look".

The driver writes chains of descriptors into memory and names them in the available ring; then it
writes QueueNotify, which is one exit for as many requests as it likes. The device names what it has
done in the used ring and raises its interrupt. Both sides can ask not to be told.

    descriptor, 16 bytes      available ring              used ring
      0  address  u64           0  flags  u16               0  flags  u16
      8  length   u32           2  index  u16               2  index  u16
     12  flags    u16           4  chain  u16 ...           4  (chain u32, written u32) ...
     14  next     u16

Source: Virtual I/O Device (VIRTIO) Version 1.2, "Split Virtqueues" and "Virtio Over MMIO" (table
"MMIO Device Register Layout", version 2).

# Model: a request is done at the moment of the notification.
"""

import threading
from collections import namedtuple
from dataclasses import dataclass

from virtlab.platforms.kvm.user_space.dma import Dma

MAGIC, VERSION, DEVICE_ID, VENDOR = 0x000, 0x004, 0x008, 0x00C
DEVICE_FEATURES, DEVICE_PAGE, DRIVER_FEATURES, DRIVER_PAGE = 0x010, 0x014, 0x020, 0x024
QUEUE, QUEUE_MAX, QUEUE_SIZE, QUEUE_READY, QUEUE_NOTIFY = 0x030, 0x034, 0x038, 0x044, 0x050
INTERRUPT_STATUS, INTERRUPT_ACK, DEVICE_STATUS = 0x060, 0x064, 0x070
QUEUE_DESCRIPTORS, QUEUE_AVAILABLE, QUEUE_USED = 0x080, 0x090, 0x0A0
CONFIG = 0x100

MAGIC_VALUE = 0x7472_6976  # "virt"
VENDOR_VALUE = 0x4C54_5256  # "VRTL"
LARGEST_QUEUE = 256
FEATURE_VERSION_1 = 1 << 32
DRIVER_OK, FEATURES_OK, NEEDS_RESET = 4, 8, 64
USED_BUFFER, CONFIGURATION_CHANGED = 1, 2
NEXT, WRITABLE = 1, 2
NO_INTERRUPT = 1

Piece = namedtuple("Piece", "gpa n_bytes writable")
Piece.__doc__ = """One descriptor of a chain: guest memory that the device may read, or write."""


@dataclass
class Queue:
    """A virtqueue as the device knows it; addresses are guest physical."""

    size: int = 0
    ready: int = 0
    descriptors: int = 0
    available: int = 0
    used: int = 0
    last_available: int = 0


class RingError(Exception):
    """The driver broke a rule of the ring; the device stops until it is reset."""


class VirtioDevice:
    """The transport: registers and queues. A device is a subclass with `serve` and constants.

    serve(number, chain) : does the request of a chain; returns the bytes written to guest memory,
        or None to leave the chain where it is
    n_notifications : doorbells that have been rung
    n_interrupts : times the driver was told
    """

    n_bytes = 0x1000
    device_id = 0
    n_queues = 1
    features = FEATURE_VERSION_1

    def __init__(self, vm, line=None):
        self.dma, self._line = Dma(vm), line
        self.n_notifications = self.n_interrupts = 0
        self._lock = threading.RLock()  # a back end may be a thread of its own, see vhost.py
        self._reset()

    def _reset(self) -> None:
        self._queues = [Queue() for _ in range(self.n_queues)]
        self._selected = self._device_page = self._driver_page = 0
        self._accepted = 0
        self._status = self._interrupt = 0
        self._set_line()

    def _set_line(self) -> None:
        if self._line is not None:
            self._line.set(int(self._interrupt != 0))

    @property
    def configuration(self) -> bytes:
        """The device's own configuration space."""
        return b""

    def serve(self, number: int, chain: list[Piece]) -> int | None:
        """The request of a chain; see the class."""
        raise RingError(f"a device without requests was given one of {len(chain)} pieces")

    # Registers

    def read(self, offset: int, n_bytes: int) -> int:
        """A register."""
        with self._lock:
            return self._read(offset, n_bytes)

    def _read(self, offset: int, n_bytes: int) -> int:
        if offset >= CONFIG:
            at = offset - CONFIG
            return int.from_bytes(self.configuration[at : at + n_bytes], "little")
        queue = self._queue()
        registers = {
            MAGIC: MAGIC_VALUE,
            VERSION: 2,
            DEVICE_ID: self.device_id,
            VENDOR: VENDOR_VALUE,
            DEVICE_FEATURES: self.features >> 32 * min(self._device_page, 2) & 0xFFFF_FFFF,
            QUEUE_MAX: LARGEST_QUEUE if queue else 0,
            QUEUE_READY: queue.ready if queue else 0,
            INTERRUPT_STATUS: self._interrupt,
            DEVICE_STATUS: self._status,
        }
        return registers.get(offset, 0)

    def write(self, offset: int, _n_bytes: int, value: int) -> None:
        """A register; QueueNotify has the device look at a queue."""
        with self._lock:
            self._write(offset, value & 0xFFFF_FFFF)

    def _write(self, offset: int, value: int) -> None:
        if offset == QUEUE_NOTIFY:
            self.notify(value)
        elif offset == DEVICE_STATUS:
            self._write_status(value)
        elif offset == INTERRUPT_ACK:
            self._interrupt &= ~value
            self._set_line()
        elif offset == DEVICE_PAGE:
            self._device_page = value
        elif offset == DRIVER_PAGE:
            self._driver_page = value
        elif offset == DRIVER_FEATURES and self._driver_page < 2:
            shift = 32 * self._driver_page
            self._accepted = self._accepted & ~(0xFFFF_FFFF << shift) | value << shift
        elif offset == QUEUE:
            self._selected = value
        else:
            self._write_queue(offset, value)

    def _queue(self) -> Queue | None:
        return self._queues[self._selected] if self._selected < self.n_queues else None

    def _write_queue(self, offset: int, value: int) -> None:
        queue = self._queue()
        if queue is None:
            return
        if offset == QUEUE_SIZE:
            if value <= LARGEST_QUEUE and value & (value - 1) == 0:
                queue.size = value
        elif offset == QUEUE_READY:
            queue.ready = value & 1
        for start, name in (
            (QUEUE_DESCRIPTORS, "descriptors"),
            (QUEUE_AVAILABLE, "available"),
            (QUEUE_USED, "used"),
        ):
            if offset in (start, start + 4):
                shift = 8 * (offset - start)
                kept = getattr(queue, name) & ~(0xFFFF_FFFF << shift)
                setattr(queue, name, kept | value << shift)

    def _write_status(self, value: int) -> None:
        if value == 0:
            self._reset()
            return
        if value & FEATURES_OK and self._accepted & ~self.features:
            value &= ~FEATURES_OK  # the driver reads back that it asked for too much
        self._status = value & 0xFF | self._status & NEEDS_RESET

    # Queues

    def notify(self, number: int, n_rung: int = 1) -> None:
        """The doorbell of a queue, rung once or more: do every request that is available."""
        with self._lock:
            self.n_notifications += n_rung
            self.look(number)

    def look(self, number: int) -> None:
        """Serve a queue as far as `serve` goes; tell the driver if anything was done."""
        with self._lock:
            self._look(number)

    def _look(self, number: int) -> None:
        if number >= self.n_queues or not self._status & DRIVER_OK or self._status & NEEDS_RESET:
            return
        queue, done = self._queues[number], 0
        if not queue.ready or queue.size == 0:
            return
        try:
            while queue.last_available != self.dma.number(queue.available + 2, 2):
                place = queue.last_available % queue.size
                head = self.dma.number(queue.available + 4 + 2 * place, 2)
                written = self.serve(number, self._chain(queue, head))
                if written is None:
                    break
                self._use(queue, head, written)
                queue.last_available = queue.last_available + 1 & 0xFFFF
                done += 1
        except RingError:
            self._status |= NEEDS_RESET
            self._tell(CONFIGURATION_CHANGED)
        if done and not self.dma.number(queue.available, 2) & NO_INTERRUPT:
            self._tell(USED_BUFFER)

    def _tell(self, why: int) -> None:
        self.n_interrupts += 1
        self._interrupt |= why
        self._set_line()

    def _chain(self, queue: Queue, index: int) -> list[Piece]:
        pieces: list[Piece] = []
        while len(pieces) < queue.size:
            at = queue.descriptors + 16 * index
            if index >= queue.size or not self.dma.holds(at, 16):
                raise RingError(f"descriptor {index} of {queue.size}")
            gpa, n_bytes = self.dma.number(at, 8), self.dma.number(at + 8, 4)
            flags = self.dma.number(at + 12, 2)
            if not self.dma.holds(gpa, n_bytes):
                raise RingError(f"descriptor {index} is of {n_bytes} bytes at {gpa:#x}")
            pieces.append(Piece(gpa, n_bytes, bool(flags & WRITABLE)))
            if not flags & NEXT:
                return pieces
            index = self.dma.number(at + 14, 2)
        raise RingError("a chain that goes round in circles")

    def _use(self, queue: Queue, head: int, written: int) -> None:
        index = self.dma.number(queue.used + 2, 2)
        at = queue.used + 4 + 8 * (index % queue.size)
        if not self.dma.set_number(at, 8, head | written << 32):
            raise RingError(f"the used ring is at {queue.used:#x}, where no memory is")
        self.dma.set_number(queue.used + 2, 2, index + 1)
