"""UART: the 16550 serial port that is the guest's console.

What the guest writes is sent at once; what the reader types waits in a queue that plays the part of
the receive FIFO and of the person at the keyboard, so clearing the FIFO loses nothing that was
typed. Two interrupts: data received, transmitter empty.

Source: National Semiconductor PC16550D data sheet, "Registers" and "Interrupts".

# Model: characters take no time, modem lines are always ready, and there are no line errors;
in loop-back mode data bytes are dropped.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.machine.devices.plic import plic_set_line
from virtlab.machine.state import (
    CONSOLE_BYTES,
    CONSOLE_ROOM,
    STOP_CONSOLE,
    STOP_EVENT,
    UART_RX_BYTES,
    WATCH_CONSOLE,
)

i64 = np.int64
UART_BASE = 0x1000_0000
UART_BYTES = 0x100
UART_SOURCE = 10  # at the PLIC

RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR = range(8)
IER_RECEIVED = 1
IER_EMPTY = 2
LCR_DLAB = 0x80
LSR_READY = 0x01
LSR_EMPTY = 0x60  # holding register and transmitter empty
MSR_READY = 0xB0  # carrier, data set ready, clear to send
MCR_LOOP = 0x10
FCR_ENABLE = 0x01
IIR_NONE = 0x01
IIR_EMPTY = 0x02
IIR_RECEIVED = 0x04
IIR_FIFOS = 0xC0


@njit(inner=True)
def console_put(hart, byte):
    """Print one byte. The buffer has room: the run stops to have it collected before it is full."""
    hart.console[hart.console_n] = byte & 0xFF
    hart.console_n += 1
    if hart.console_n >= CONSOLE_BYTES - CONSOLE_ROOM:
        hart.stop = STOP_CONSOLE
    elif hart.watch & WATCH_CONSOLE and byte & 0xFF == hart.watch_byte:
        hart.stop = STOP_EVENT
        hart.stop_detail = WATCH_CONSOLE


@njit(inner=True)
def received_count(hart):
    """Bytes typed and not yet read."""
    return hart.uart_rx_tail - hart.uart_rx_head


@njit(inner=True)
def take_received(hart):
    """The oldest typed byte, -1 if there is none."""
    if received_count(hart) == 0:
        return i64(-1)
    byte = i64(hart.uart_rx[hart.uart_rx_head % UART_RX_BYTES])
    hart.uart_rx_head += 1
    return byte


@njit
def uart_update(hart):
    """Bring the interrupt line in step with the registers and the queue."""
    received = hart.uart_ier & IER_RECEIVED != 0 and received_count(hart) > 0
    empty = hart.uart_ier & IER_EMPTY != 0 and hart.uart_thre != 0
    plic_set_line(hart, i64(UART_SOURCE), i64(received or empty))


@njit(inner=True)
def uart_load(hart, register):
    """Read a byte register."""
    if register == RBR_THR:
        if hart.uart_lcr & LCR_DLAB:
            return hart.uart_divisor & 0xFF
        byte = take_received(hart)
        uart_update(hart)
        return max(byte, i64(0))
    if register == IER:
        if hart.uart_lcr & LCR_DLAB:
            return hart.uart_divisor >> 8
        return hart.uart_ier
    if register == IIR_FCR:
        fifos = i64(0)
        if hart.uart_fcr & FCR_ENABLE:
            fifos = i64(IIR_FIFOS)
        if hart.uart_ier & IER_RECEIVED and received_count(hart) > 0:
            return fifos | IIR_RECEIVED
        if hart.uart_ier & IER_EMPTY and hart.uart_thre:
            hart.uart_thre = 0  # reading the cause takes the transmitter's interrupt back
            uart_update(hart)
            return fifos | IIR_EMPTY
        return fifos | IIR_NONE
    if register == LCR:
        return hart.uart_lcr
    if register == MCR:
        return hart.uart_mcr
    if register == LSR:
        status = i64(LSR_EMPTY)
        if received_count(hart) > 0:
            status |= LSR_READY
        return status
    if register == MSR:
        if hart.uart_mcr & MCR_LOOP:  # the modem outputs are wired back to the inputs
            out = hart.uart_mcr
            return (out & 2) << 3 | (out & 1) << 5 | (out & 0xC) << 4
        return i64(MSR_READY)
    if register == SCR:
        return hart.uart_scr
    return i64(0)


@njit(inner=True)
def uart_store(hart, register, value):
    """Write a byte register."""
    value &= 0xFF
    if register == RBR_THR:
        if hart.uart_lcr & LCR_DLAB:
            hart.uart_divisor = hart.uart_divisor & 0xFF00 | value
        else:
            if not hart.uart_mcr & MCR_LOOP:
                console_put(hart, value)
            hart.uart_thre = 1
            uart_update(hart)
    elif register == IER:
        if hart.uart_lcr & LCR_DLAB:
            hart.uart_divisor = hart.uart_divisor & 0xFF | value << 8
        else:
            if value & ~hart.uart_ier & IER_EMPTY:
                hart.uart_thre = 1  # enabled while empty: the interrupt comes at once
            hart.uart_ier = value & 0x0F
            uart_update(hart)
    elif register == IIR_FCR:
        hart.uart_fcr = value
    elif register == LCR:
        hart.uart_lcr = value
    elif register == MCR:
        hart.uart_mcr = value & 0x1F
    elif register == SCR:
        hart.uart_scr = value
