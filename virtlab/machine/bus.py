"""The bus: what answers at a physical address. RAM first, then the board's devices, else nothing.

    0x0010_0000  test finisher     0x0c00_0000  PLIC            0x1000_1000  virtio, eight slots
    0x0200_0000  CLINT             0x1000_0000  UART 16550      0x8000_0000  RAM

Source: QEMU, hw/riscv/virt.c, table `virt_memmap`.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.machine.devices.clint import CLINT_BASE, CLINT_BYTES, clint_load, clint_store
from virtlab.machine.devices.finisher import FINISHER_BASE, FINISHER_BYTES, finisher_store
from virtlab.machine.devices.plic import PLIC_BASE, PLIC_BYTES, plic_load, plic_store
from virtlab.machine.devices.uart import UART_BASE, UART_BYTES, uart_load, uart_store
from virtlab.machine.devices.virtio_blk import (
    CONFIG,
    N_SLOTS,
    VIRTIO_BASE,
    VIRTIO_STRIDE,
    virtio_load,
    virtio_store,
)

i64 = np.int64


@njit(inner=True)
def device_load(hart, pa, n_bytes):
    """Read 1, 2, 4 or 8 aligned bytes from a device.

    Returns
    -------
    value : int64, zero-extended
    answered : bool, False if no device is there or it refuses the size
    """
    hart.device_reads += 1
    hart.horizon = 0
    if UART_BASE <= pa < UART_BASE + UART_BYTES:
        return uart_load(hart, pa - UART_BASE), True
    if CLINT_BASE <= pa < CLINT_BASE + CLINT_BYTES:
        offset = pa - CLINT_BASE
        word = clint_load(hart, offset)
        return _part(word, offset & 7, n_bytes), True
    if PLIC_BASE <= pa < PLIC_BASE + PLIC_BYTES:
        if n_bytes != 4:
            return i64(0), False
        return plic_load(hart, pa - PLIC_BASE), True
    if VIRTIO_BASE <= pa < VIRTIO_BASE + N_SLOTS * VIRTIO_STRIDE:
        slot = (pa - VIRTIO_BASE) // VIRTIO_STRIDE
        register = (pa - VIRTIO_BASE) % VIRTIO_STRIDE
        if register >= CONFIG:  # configuration space allows every size
            low = virtio_load(hart, slot, register & ~7)
            high = virtio_load(hart, slot, (register & ~7) + 4)
            return _part(low | high << 32, register & 7, n_bytes), True
        if n_bytes != 4:
            return i64(0), False
        return virtio_load(hart, slot, register), True
    if FINISHER_BASE <= pa < FINISHER_BASE + FINISHER_BYTES:
        return i64(0), True
    hart.device_reads -= 1
    return i64(0), False


@njit(inner=True)
def _part(word, at, n_bytes):
    """Bytes at..at+n_bytes of a 64-bit word, zero-extended."""
    if n_bytes == 8:
        return word
    return word >> (8 * at) & ((i64(1) << (8 * n_bytes)) - 1)


@njit(inner=True)
def device_store(hart, mem, pa, n_bytes, value):
    """Write 1, 2, 4 or 8 aligned bytes to a device; False if none is there or it refuses."""
    hart.device_writes += 1
    hart.horizon = 0
    if UART_BASE <= pa < UART_BASE + UART_BYTES:
        uart_store(hart, pa - UART_BASE, value)
        return True
    if CLINT_BASE <= pa < CLINT_BASE + CLINT_BYTES:
        offset = pa - CLINT_BASE
        if n_bytes < 8:
            shift = 8 * (offset & 7)
            mask = ((i64(1) << (8 * n_bytes)) - 1) << shift
            value = clint_load(hart, offset) & ~mask | (value << shift) & mask
        clint_store(hart, offset, value)
        return True
    if PLIC_BASE <= pa < PLIC_BASE + PLIC_BYTES:
        if n_bytes != 4:
            return False
        plic_store(hart, pa - PLIC_BASE, value)
        return True
    if VIRTIO_BASE <= pa < VIRTIO_BASE + N_SLOTS * VIRTIO_STRIDE:
        if n_bytes != 4:
            return False
        slot = (pa - VIRTIO_BASE) // VIRTIO_STRIDE
        virtio_store(hart, mem, slot, (pa - VIRTIO_BASE) % VIRTIO_STRIDE, value)
        return True
    if FINISHER_BASE <= pa < FINISHER_BASE + FINISHER_BYTES:
        finisher_store(hart, value)
        return True
    hart.device_writes -= 1
    return False
