"""The emulated disk: an exit for each register, and an exit for every two bytes.

The guest writes the sector's number and a command, then reads or writes the sector through one
register, 16 bits at a time (PIO). Nothing is in memory: each step is an access to a device.

    0  data            3  sector number, low      6  sector number, bits 24 to 27, and which drive
    1  error           4  sector number, middle   7  status when read, command when written
    2  sector count    5  sector number, high

Source: AT Attachment with Packet Interface 6 (ANSI INCITS 361-2002), "Register delivered data
transfer command"; commands READ SECTOR(S), WRITE SECTOR(S), FLUSH CACHE, IDENTIFY DEVICE.

# Model: the disk takes no time, so it is never busy when the guest looks.
"""

SECTOR_BYTES = 512
DATA, ERROR, COUNT, LOW, MIDDLE, HIGH, DRIVE, COMMAND = range(8)
READ, WRITE, FLUSH, IDENTIFY = 0x20, 0x30, 0xE7, 0xEC
STATUS_ERROR, STATUS_REQUEST, STATUS_READY = 0x01, 0x08, 0x40
ERROR_ABORTED, ERROR_NOT_FOUND = 0x04, 0x10
USE_LBA = 0x40


class Disk:
    """A disk of whole sectors.

    contents : bytearray, the sectors
    n_flushes : how often the guest asked that all be safe
    """

    n_bytes = 8

    def __init__(self, contents: bytearray, line=None):
        if len(contents) % SECTOR_BYTES or not contents:
            raise ValueError(f"a disk of {len(contents)} bytes: accepted are whole sectors of 512.")
        self.contents = contents
        self.n_flushes = 0
        self._line = line
        self._registers = bytearray(8)
        self._status, self._error = STATUS_READY, 0
        self._buffer, self._at, self._writes_to = bytearray(), 0, None
        self._left = 0

    def read(self, offset: int, n_bytes: int) -> int:
        """A register; DATA gives the next bytes of the sector, COMMAND the status."""
        if offset == DATA:
            return self._take(n_bytes)
        if offset == COMMAND:
            self._interrupt(0)
            return self._status
        return self._error if offset == ERROR else self._registers[offset]

    def write(self, offset: int, n_bytes: int, value: int) -> None:
        """A register; DATA takes the next bytes of the sector, COMMAND begins something."""
        if offset == DATA:
            self._put(value.to_bytes(n_bytes, "little"))
        elif offset == COMMAND:
            self._begin(value & 0xFF)
        else:
            self._registers[offset] = value & 0xFF

    def _interrupt(self, level: int) -> None:
        if self._line is not None:
            self._line.set(level)

    def _sector(self) -> int:
        low, middle, high, drive = self._registers[LOW : DRIVE + 1]
        return low | middle << 8 | high << 16 | (drive & 0xF) << 24

    def _begin(self, command: int) -> None:
        self._status, self._error = STATUS_READY, 0
        self._buffer, self._at, self._writes_to = bytearray(), 0, None
        self._left = self._registers[COUNT] or 256
        if command == FLUSH:
            self.n_flushes += 1
            self._interrupt(1)
        elif command == IDENTIFY:
            self._left = 1
            self._offer(self._identity())
        elif command in (READ, WRITE):
            self._reach(command)
        else:
            self._fail(ERROR_ABORTED)

    def _reach(self, command: int) -> None:
        """Make the sector that the registers name ready for transfer."""
        at = self._sector() * SECTOR_BYTES
        if at + SECTOR_BYTES > len(self.contents):
            self._fail(ERROR_NOT_FOUND)
        elif command == READ:
            self._offer(self.contents[at : at + SECTOR_BYTES])
        else:
            self._buffer, self._at, self._writes_to = bytearray(SECTOR_BYTES), 0, at
            self._status |= STATUS_REQUEST

    def _offer(self, data: bytes) -> None:
        self._buffer, self._at = bytearray(data), 0
        self._status |= STATUS_REQUEST
        self._interrupt(1)

    def _fail(self, error: int) -> None:
        self._status, self._error = STATUS_READY | STATUS_ERROR, error
        self._interrupt(1)

    def _take(self, n_bytes: int) -> int:
        if not self._status & STATUS_REQUEST or self._writes_to is not None:
            return (1 << 8 * n_bytes) - 1
        piece = self._buffer[self._at : self._at + n_bytes]
        self._at += n_bytes
        if self._at >= len(self._buffer):
            self._next(READ)
        return int.from_bytes(piece, "little")

    def _put(self, piece: bytes) -> None:
        if not self._status & STATUS_REQUEST or self._writes_to is None:
            return
        self._buffer[self._at : self._at + len(piece)] = piece
        self._at += len(piece)
        if self._at >= SECTOR_BYTES:
            at = self._writes_to
            self.contents[at : at + SECTOR_BYTES] = self._buffer[:SECTOR_BYTES]
            self._next(WRITE)
            self._interrupt(1)

    def _next(self, command: int) -> None:
        """One sector is through; go to the next, if more were asked for."""
        self._status, self._writes_to = STATUS_READY, None
        self._left -= 1
        if self._left:
            number = self._sector() + 1
            self._registers[LOW : HIGH + 1] = (number & 0xFF_FFFF).to_bytes(3, "little")
            self._registers[DRIVE] = self._registers[DRIVE] & 0xF0 | number >> 24 & 0xF
            self._reach(command)

    def _identity(self) -> bytes:
        words = bytearray(SECTOR_BYTES)
        model = b"virtlab disk".ljust(40)
        for at in range(0, 40, 2):  # text has its characters swapped in each word
            words[54 + at : 56 + at] = bytes((model[at + 1], model[at]))
        words[98:100] = (1 << 9).to_bytes(2, "little")  # sectors are numbered throughout (LBA)
        words[120:124] = (len(self.contents) // SECTOR_BYTES).to_bytes(4, "little")
        return bytes(words)
