"""What does a driver do to its device, access by access? The guest's half of each path.

Four drivers, two for a disk and two for a network card, of one face each: `read`, `write`, `flush`;
`send`, `receive`. What they do in memory costs no exit and is written there directly where it is
data (frames, sectors); rings and descriptors are stored by the guest, as is every register.

Sources: for the order of accesses Linux 3.13, drivers/net/ethernet/intel/e1000/e1000_main.c
(e1000_intr, e1000_clean, e1000_irq_enable, e1000_tx_queue), drivers/virtio/virtio_mmio.c
(vm_interrupt, vm_notify), drivers/ata/libata-sff.c (ata_sff_tf_load, ata_sff_data_xfer).
"""

from virtlab.platforms.kvm.guest_program import FREE
from virtlab.platforms.kvm.user_space import disk, e1000, virtio, virtio_blk, virtio_net
from virtlab.platforms.kvm.user_space.player import Access, Player, load, store, wait

SECTOR_BYTES = disk.SECTOR_BYTES
PLACES = 16  # of a ring
RING_BYTES = 0x1000  # of memory for each of a driver's rings
FRAME_BYTES = 2048  # of memory for each frame
ACKNOWLEDGE, DRIVER = 1, 2


class DiskDriver:
    """Drives disk.Disk, two bytes at a time."""

    def __init__(self, player: Player, base: int):
        self._player, self._base = player, base

    def _command(self, command: int, sector: int) -> list[Access]:
        low, middle, high, top = sector.to_bytes(4, "little")
        registers = (
            (disk.DRIVE, disk.USE_LBA | top & 0xF),
            (disk.COUNT, 1),
            (disk.LOW, low),
            (disk.MIDDLE, middle),
            (disk.HIGH, high),
            (disk.COMMAND, command),
        )
        commands = [store(1, self._base + register, value) for register, value in registers]
        return [*commands, load(1, self._base + disk.COMMAND)]

    def read(self, sector: int) -> bytes | None:
        """A sector, or None if the disk reports an error."""
        status = self._player.play(self._command(disk.READ, sector))[-1]
        if status & disk.STATUS_ERROR:
            return None
        words = self._player.play([load(2, self._base + disk.DATA)] * (SECTOR_BYTES // 2))
        return b"".join(word.to_bytes(2, "little") for word in words)

    def write(self, sector: int, data: bytes) -> bool:
        """Write a sector; False if the disk reports an error."""
        status = self._player.play(self._command(disk.WRITE, sector))[-1]
        if status & disk.STATUS_ERROR:
            return False
        words = (data[at : at + 2] for at in range(0, SECTOR_BYTES, 2))
        stores = [
            store(2, self._base + disk.DATA, int.from_bytes(word, "little")) for word in words
        ]
        status = self._player.play([*stores, load(1, self._base + disk.COMMAND)])[-1]
        return not status & disk.STATUS_ERROR

    def flush(self) -> None:
        """Have all that was written be safe."""
        self._player.play(self._command(disk.FLUSH, 0))


class _VirtioQueue:
    """A driver's side of one virtqueue at guest physical address `at`."""

    def __init__(self, base: int, number: int, at: int):
        self._base, self._number = base, number
        self.descriptors, self.available, self.used = at, at + 0x400, at + 0x800
        self.index = 0  # of the available ring; every request is waited for, or counted by receive
        self.n_rung = 0

    def set_up(self) -> list[Access]:
        """Tell the device where the queue is."""
        pieces = [store(4, self._base + virtio.QUEUE, self._number)]
        pieces.append(store(4, self._base + virtio.QUEUE_SIZE, PLACES))
        for register, at in (
            (virtio.QUEUE_DESCRIPTORS, self.descriptors),
            (virtio.QUEUE_AVAILABLE, self.available),
            (virtio.QUEUE_USED, self.used),
        ):
            pieces.append(store(4, self._base + register, at))
            pieces.append(store(4, self._base + register + 4, at >> 32))
        return [*pieces, store(4, self._base + virtio.QUEUE_READY, 1)]

    def describe(self, first: int, chain: list[tuple[int, int, bool]]) -> list[Access]:
        """Write (gpa, bytes, writable) of a chain into descriptors from `first` on."""
        accesses = []
        for k, (gpa, n_bytes, writable) in enumerate(chain):
            last = k == len(chain) - 1
            flags = (0 if last else virtio.NEXT) | (virtio.WRITABLE if writable else 0)
            word = n_bytes | flags << 32 | (0 if last else first + k + 1) << 48
            at = self.descriptors + 16 * (first + k)
            accesses += [store(8, at, gpa), store(8, at + 8, word)]
        return accesses

    def offer(self, head: int) -> list[Access]:
        """Name a chain in the available ring."""
        place = self.available + 4 + 2 * (self.index % PLACES)
        self.index += 1
        return [store(2, place, head), store(2, self.available + 2, self.index)]

    def notify(self) -> list[Access]:
        """Ring the doorbell."""
        self.n_rung += 1
        return [store(4, self._base + virtio.QUEUE_NOTIFY, self._number)]

    def done(self) -> list[Access]:
        """Wait until everything that was offered is used."""
        return [wait(self.used + 2, self.index)]


def _begin(base: int, queues: list[_VirtioQueue]) -> list[Access]:
    """Reset the device, agree on features, set up its queues."""
    status = base + virtio.DEVICE_STATUS
    agreed = ACKNOWLEDGE | DRIVER | virtio.FEATURES_OK
    accesses = [
        store(4, status, 0),
        store(4, status, ACKNOWLEDGE | DRIVER),
        store(4, base + virtio.DRIVER_PAGE, 1),
        store(4, base + virtio.DRIVER_FEATURES, virtio.FEATURE_VERSION_1 >> 32),
        store(4, status, agreed),
        load(4, status),
    ]
    for queue in queues:
        accesses += queue.set_up()
    return [*accesses, store(4, status, agreed | virtio.DRIVER_OK)]


def _acknowledge(base: int) -> list[Access]:
    """What the driver does at an interrupt."""
    why = base + virtio.INTERRUPT_STATUS
    return [load(4, why), store(4, base + virtio.INTERRUPT_ACK, virtio.USED_BUFFER)]


class VirtioBlkDriver:
    """Drives virtio_blk.VirtioBlk: a chain of three descriptors for each request."""

    @property
    def n_doorbells(self) -> int:
        """How often it has rung."""
        return self._queue.n_rung

    def __init__(self, player: Player, base: int):
        self._player, self._base = player, base
        at = player.base + FREE
        self._queue = _VirtioQueue(base, 0, at)
        self._header = at + RING_BYTES
        self._data, self._status = self._header + 16, self._header + 16 + SECTOR_BYTES
        player.play(_begin(base, [self._queue]))

    def _request(self, kind: int, sector: int, data: list[tuple[int, int, bool]]) -> int:
        queue = self._queue
        chain = [(self._header, 16, False), *data, (self._status, 1, True)]
        *_, result = self._player.play(
            [
                store(8, self._header, kind),
                store(8, self._header + 8, sector),
                *queue.describe(0, chain),
                *queue.offer(0),
                *queue.notify(),
                *queue.done(),
                *_acknowledge(self._base),
                load(1, self._status),
            ]
        )
        return result

    def demand(self, sector: int, gpa: int) -> bool:
        """Have the device write a sector anywhere, as a hostile driver would; whether it did.

        A device that has refused has to be reset before it does anything else.
        """
        queue = self._queue
        data = (gpa, SECTOR_BYTES, True)
        *_, status = self._player.play(
            [
                store(8, self._header, virtio_blk.REQUEST_IN),
                store(8, self._header + 8, sector),
                *queue.describe(0, [(self._header, 16, False), data, (self._status, 1, True)]),
                *queue.offer(0),
                *queue.notify(),
                *_acknowledge(self._base),
                load(4, self._base + virtio.DEVICE_STATUS),
            ]
        )
        return not status & virtio.NEEDS_RESET

    def _buffer(self) -> int:
        return self._data - self._player.base

    def read(self, sector: int) -> bytes | None:
        """A sector, or None if the disk reports an error."""
        data = [(self._data, SECTOR_BYTES, True)]
        if self._request(virtio_blk.REQUEST_IN, sector, data) != virtio_blk.RESULT_OK:
            return None
        return self._player.memory.read(self._buffer(), SECTOR_BYTES)

    def write(self, sector: int, data: bytes) -> bool:
        """Write a sector; False if the disk reports an error."""
        self._player.memory.write(self._buffer(), data)
        pieces = [(self._data, SECTOR_BYTES, False)]
        return self._request(virtio_blk.REQUEST_OUT, sector, pieces) == virtio_blk.RESULT_OK

    def flush(self) -> None:
        """Have all that was written be safe."""
        self._request(virtio_blk.REQUEST_FLUSH, 0, [])


class E1000Driver:
    """Drives e1000.E1000: a tail register for each frame, five accesses for each interrupt."""

    def __init__(self, player: Player, base: int):
        self._player, self._base = player, base
        self._transmit = player.base + FREE
        self._receive = self._transmit + RING_BYTES
        self._sent, self._received = self._receive + RING_BYTES, 0
        self._frames = self._sent + PLACES * FRAME_BYTES
        self._tail = 0
        n_bytes = PLACES * e1000.DESCRIPTOR_BYTES
        registers = [
            (e1000.CTRL, e1000.CTRL_RESET),
            (e1000.TDBAL, self._transmit),
            (e1000.TDBAH, self._transmit >> 32),
            (e1000.TDLEN, n_bytes),
            (e1000.TCTL, e1000.ENABLE),
            (e1000.RDBAL, self._receive),
            (e1000.RDBAH, self._receive >> 32),
            (e1000.RDLEN, n_bytes),
        ]
        accesses = [store(4, base + register, value) for register, value in registers]
        for k in range(PLACES):
            accesses += self._empty(k)
        accesses += [
            store(4, base + e1000.RDT, PLACES - 1),
            store(4, base + e1000.RCTL, e1000.ENABLE),
            store(4, base + e1000.IMS, e1000.CAUSE_TRANSMITTED | e1000.CAUSE_RECEIVED),
        ]
        player.play(accesses)

    def _empty(self, place: int) -> list[Access]:
        """Give a place of the receive ring back to the card."""
        at = self._receive + e1000.DESCRIPTOR_BYTES * place
        return [store(8, at, self._frames + FRAME_BYTES * place), store(8, at + 8, 0)]

    def _interrupt(self) -> list[Access]:
        """What the driver does at an interrupt: the cause, mask, flush, unmask, flush."""
        base = self._base
        return [
            load(4, base + e1000.ICR),
            store(4, base + e1000.IMC, 0xFFFF_FFFF),
            load(4, base + e1000.STATUS),
            store(4, base + e1000.IMS, e1000.CAUSE_TRANSMITTED | e1000.CAUSE_RECEIVED),
            load(4, base + e1000.STATUS),
        ]

    def send(self, frames: list[bytes]) -> None:
        """Send frames, one interrupt for all of them; PLACES - 1 at most."""
        _check_burst(frames)
        accesses = []
        for frame in frames:
            where = self._sent + FRAME_BYTES * self._tail
            self._player.memory.write(where - self._player.base, frame)
            at = self._transmit + e1000.DESCRIPTOR_BYTES * self._tail
            command = e1000.END_OF_PACKET | e1000.REPORT_STATUS
            self._tail = (self._tail + 1) % PLACES
            accesses += [
                store(8, at, where),
                store(8, at + 8, len(frame) | command << 24),
                store(4, self._base + e1000.TDT, self._tail),
            ]
        self._player.play([*accesses, *self._interrupt()])

    def receive(self) -> list[bytes]:
        """The frames that have come, after one interrupt for all of them."""
        self._player.play(self._interrupt())
        frames = []
        while True:
            at = self._receive + e1000.DESCRIPTOR_BYTES * self._received
            word = self._player.play([load(8, at + 8)])[0]
            if not word >> 32 & e1000.DONE:
                return frames
            where = self._frames + FRAME_BYTES * self._received - self._player.base
            n_bytes = (word & 0xFFFF) - e1000.FCS_BYTES
            frames.append(self._player.memory.read(where, n_bytes))
            tail = store(4, self._base + e1000.RDT, self._received)
            self._player.play([*self._empty(self._received), tail])
            self._received = (self._received + 1) % PLACES


class VirtioNetDriver:
    """Drives virtio_net.VirtioNet: one doorbell for as many frames as there are."""

    @property
    def n_doorbells(self) -> int:
        """How often it has rung."""
        return self._receive.n_rung + self._transmit.n_rung

    def __init__(self, player: Player, base: int):
        self._player, self._base = player, base
        at = player.base + FREE
        self._receive = _VirtioQueue(base, virtio_net.RECEIVE, at)
        self._transmit = _VirtioQueue(base, virtio_net.TRANSMIT, at + RING_BYTES)
        self._sent = at + 2 * RING_BYTES
        self._frames = self._sent + PLACES * FRAME_BYTES
        self._received = 0
        accesses = _begin(base, [self._receive, self._transmit])
        for k in range(PLACES):
            where = self._frames + FRAME_BYTES * k
            accesses += self._receive.describe(k, [(where, FRAME_BYTES, True)])
            accesses += self._receive.offer(k)
        player.play([*accesses, *self._receive.notify()])

    def send(self, frames: list[bytes]) -> None:
        """Send frames, one doorbell and one interrupt for all of them; PLACES - 1 at most."""
        _check_burst(frames)
        queue, accesses = self._transmit, []
        for k, frame in enumerate(frames):
            where = self._sent + FRAME_BYTES * k
            data = bytes(virtio_net.HEADER_BYTES) + frame
            self._player.memory.write(where - self._player.base, data)
            accesses += queue.describe(k, [(where, len(data), False)]) + queue.offer(k)
        self._player.play([*accesses, *queue.notify(), *queue.done(), *_acknowledge(self._base)])

    def receive(self) -> list[bytes]:
        """The frames that have come, after one interrupt for all of them."""
        queue, frames, back = self._receive, [], []
        *_, index = self._player.play([*_acknowledge(self._base), load(2, queue.used + 2)])
        while self._received & 0xFFFF != index:
            at = queue.used + 4 + 8 * (self._received % PLACES)
            word = self._player.play([load(8, at)])[0]
            head, n_bytes = word & 0xFFFF_FFFF, word >> 32
            where = self._frames + FRAME_BYTES * head - self._player.base
            frames.append(self._player.memory.read(where, n_bytes)[virtio_net.HEADER_BYTES :])
            back += queue.offer(head)
            self._received += 1
        if back:
            self._player.play([*back, *queue.notify()])
        return frames


def _check_burst(frames: list[bytes]) -> None:
    longest = FRAME_BYTES - virtio_net.HEADER_BYTES
    if not 0 < len(frames) < PLACES or any(not 0 < len(frame) <= longest for frame in frames):
        raise ValueError(
            f"{len(frames)} frames of {[len(frame) for frame in frames]} bytes: accepted are 1 to "
            f"{PLACES - 1} frames of 1 to {longest} bytes."
        )
