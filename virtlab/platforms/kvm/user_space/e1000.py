"""The emulated network card: a card of 1999, register by register, as if it were still there.

Frames are in memory; a ring of descriptors says where. The driver moves the tail of a ring (TDT,
RDT), the card its head (TDH, RDH). What costs exits is the rest: the tail of each frame, the cause
of each interrupt (ICR), and masking (IMC) and unmasking it (IMS).

    transmit descriptor, 16 bytes              receive descriptor, 16 bytes
      0  address  u64                            0  address  u64
      8  length   u16                            8  length   u16
     11  command  u8   EOP 1, RS 8              12  status   u8   DD 1, EOP 2
     12  status   u8   DD 1

Source: Intel, "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual",
317453, revision 4.0, "Receive and Transmit Description" and "Register Descriptions".

# Model: frames take no time; of the card's offloads, filters, statistics and EEPROM there is none.
"""

from virtlab.platforms.kvm.user_space.dma import Dma
from virtlab.platforms.kvm.user_space.wire import Wire

CTRL, STATUS, ICR, ITR, ICS, IMS, IMC = 0x0000, 0x0008, 0x00C0, 0x00C4, 0x00C8, 0x00D0, 0x00D8
RCTL, TCTL = 0x0100, 0x0400
RDBAL, RDBAH, RDLEN, RDH, RDT = 0x2800, 0x2804, 0x2808, 0x2810, 0x2818
TDBAL, TDBAH, TDLEN, TDH, TDT = 0x3800, 0x3804, 0x3808, 0x3810, 0x3818
CTRL_RESET = 1 << 26
STATUS_FULL_DUPLEX, STATUS_LINK_UP = 1, 2
ENABLE = 2  # in RCTL and TCTL
CAUSE_TRANSMITTED, CAUSE_RECEIVED = 1 << 0, 1 << 7  # TXDW, RXT0
END_OF_PACKET, REPORT_STATUS = 1, 8
DONE, RX_END_OF_PACKET = 1, 2
DESCRIPTOR_BYTES = 16
FCS_BYTES = 4  # the card hands the checksum of a frame over as well
BUFFER_BYTES = 2048


class E1000:
    """A card in the manner of Intel's 82540EM.

    Parameters
    ----------
    vm : whose memory holds rings and frames
    wire : where frames go and come from
    line : InterruptLine, or None
    """

    n_bytes = 0x2_0000

    def __init__(self, vm, wire: Wire, line=None):
        self._dma, self._wire, self._line = Dma(vm), wire, line
        wire.connect(self)
        self._registers: dict[int, int] = {}
        self._partial = b""
        self._reset()

    def _reset(self) -> None:
        self._registers = {STATUS: STATUS_FULL_DUPLEX | STATUS_LINK_UP}
        self._partial = b""
        self._cause = self._mask = 0
        self._update()

    def _update(self) -> None:
        if self._line is not None:
            self._line.set(int(bool(self._cause & self._mask)))

    def _raise(self, cause: int) -> None:
        self._cause |= cause
        self._update()

    def read(self, offset: int, _n_bytes: int) -> int:
        """A register; reading ICR takes the causes away."""
        if offset == ICR:
            cause, self._cause = self._cause, 0
            self._update()
            return cause
        if offset == IMS:
            return self._mask
        return self._registers.get(offset, 0)

    def write(self, offset: int, _n_bytes: int, value: int) -> None:
        """A register; moving a tail makes the card look at its ring."""
        value &= 0xFFFF_FFFF
        if offset == CTRL and value & CTRL_RESET:
            self._reset()
        elif offset == ICS:
            self._raise(value)
        elif offset == IMS:
            self._mask |= value
            self._update()
        elif offset == IMC:
            self._mask &= ~value
            self._update()
        elif offset not in (ICR, STATUS):
            self._registers[offset] = value
            if offset in (TDT, TCTL):
                self._transmit()
            elif offset in (RDT, RCTL):
                self.fetch()

    def _ring(self, base_low: int) -> tuple[int, int]:
        """Address and number of descriptors of the ring whose registers begin at `base_low`."""
        base = self._registers.get(base_low, 0) | self._registers.get(base_low + 4, 0) << 32
        return base & ~0xF, self._registers.get(base_low + 8, 0) // DESCRIPTOR_BYTES

    def _transmit(self) -> None:
        base, n_places = self._ring(TDBAL)
        if not self._registers.get(TCTL, 0) & ENABLE or n_places == 0:
            return
        tail = self._registers.get(TDT, 0) % n_places
        head = self._registers.get(TDH, 0) % n_places
        reported = False
        while head != tail:
            at = base + DESCRIPTOR_BYTES * head
            command = self._dma.number(at + 11, 1)
            address, length = self._dma.number(at, 8), self._dma.number(at + 8, 2)
            self._partial += self._dma.read(address, length)
            if command & END_OF_PACKET:
                self._wire.sent.append(self._partial)
                self._partial = b""
            if command & REPORT_STATUS:
                self._dma.set_number(at + 12, 1, DONE)
                reported = True
            head = (head + 1) % n_places
        self._registers[TDH] = head
        if reported:
            self._raise(CAUSE_TRANSMITTED)

    def fetch(self) -> None:
        """Put frames that wait on the wire into the receive ring, as far as it has places."""
        base, n_places = self._ring(RDBAL)
        if not self._registers.get(RCTL, 0) & ENABLE or n_places == 0:
            return
        tail = self._registers.get(RDT, 0) % n_places
        head, received = self._registers.get(RDH, 0) % n_places, False
        while head != tail and (frame := self._wire.next_frame()) is not None:
            at = base + DESCRIPTOR_BYTES * head
            data = frame[: BUFFER_BYTES - FCS_BYTES] + bytes(FCS_BYTES)
            self._dma.write(self._dma.number(at, 8), data)
            self._dma.set_number(at + 8, 2, len(data))
            self._dma.set_number(at + 12, 1, DONE | RX_END_OF_PACKET)
            self._wire.taken()
            head, received = (head + 1) % n_places, True
        self._registers[RDH] = head
        if received:
            self._raise(CAUSE_RECEIVED)
