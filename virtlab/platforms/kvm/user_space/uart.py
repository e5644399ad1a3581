"""UART: the serial port of every board, here in the program: one exit for each character.

Source: National Semiconductor PC16550D data sheet, "Registers".

# Model: characters take no time; of the modem, the FIFOs and the divisor there is nothing but
registers that keep what is written.
"""

DATA, INTERRUPT_ENABLE, IDENTIFY, LINE_CONTROL, MODEM_CONTROL, LINE_STATUS, MODEM_STATUS = range(7)
DIVISOR_ACCESS = 0x80
DATA_READY, TRANSMITTER_EMPTY = 0x01, 0x60
RECEIVED_INTERRUPT = 0x01
NO_INTERRUPT, RECEIVED = 0x01, 0x04


class Uart:
    """A 16550 that prints into `printed` and reads what `type` was given."""

    n_bytes = 8

    def __init__(self, line=None):
        self.printed = bytearray()
        self._typed = bytearray()
        self._registers = bytearray(8)
        self._line = line

    def type(self, text: bytes) -> None:
        """What a person types."""
        self._typed += text
        self._update()

    def _update(self) -> None:
        if self._line is not None:
            wanted = self._registers[INTERRUPT_ENABLE] & RECEIVED_INTERRUPT
            self._line.set(int(bool(self._typed) and bool(wanted)))

    def read(self, offset: int, _n_bytes: int) -> int:
        """A register; reading DATA takes a character."""
        divisor = self._registers[LINE_CONTROL] & DIVISOR_ACCESS
        if offset == DATA and not divisor:
            character = self._typed.pop(0) if self._typed else 0
            self._update()
            return character
        if offset == LINE_STATUS:
            return TRANSMITTER_EMPTY | (DATA_READY if self._typed else 0)
        if offset == IDENTIFY:
            wanted = self._registers[INTERRUPT_ENABLE] & RECEIVED_INTERRUPT
            return RECEIVED if self._typed and wanted else NO_INTERRUPT
        return self._registers[offset]

    def write(self, offset: int, _n_bytes: int, value: int) -> None:
        """A register; writing DATA prints."""
        if offset == DATA and not self._registers[LINE_CONTROL] & DIVISOR_ACCESS:
            self.printed.append(value & 0xFF)
            return
        self._registers[offset] = value & 0xFF
        self._update()
