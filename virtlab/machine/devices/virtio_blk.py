"""The virtio block device: requests in memory, a register to say "look", an interrupt back.

The driver puts a chain of descriptors for each request into RAM: a header (type, sector), the data,
a status byte. It names the chain in the available ring and writes QueueNotify; the device does the
work, names the chain in the used ring and raises its interrupt.

    descriptor, 16 bytes      available ring              used ring
      0  address  u64           0  flags  u16               0  flags  u16
      8  length   u32           2  index  u16               2  index  u16
     12  flags    u16           4  chain  u16 ...           4  (chain u32, written u32) ...
     14  next     u16

Source: Virtual I/O Device (VIRTIO) Version 1.2, "Split Virtqueues", "Virtio Over MMIO" (table "MMIO
Device Register Layout", version 2) and "Block Device".

# Model: a request is done at the moment of the notification; the disk takes no time of its own.

A driver that does not accept VERSION_1 is served all the same, as QEMU does: the device has no
older layout to fall back to, and small kernels never write the upper half of the feature word.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.machine.devices.iommu import device_offset
from virtlab.machine.devices.plic import plic_set_line
from virtlab.machine.ram import dma_written, ram_load, ram_load_unaligned, ram_store
from virtlab.machine.state import BYTE, DOUBLE, HALF, NO, PAGE_DIRTY, WORD, YES

i64 = np.int64
VIRTIO_BASE = 0x1000_1000
VIRTIO_STRIDE = 0x1000
N_SLOTS = 8  # the board has eight; the block device sits in the first
BLK_SOURCE = 1  # at the PLIC

MAGIC = 0x7472_6976  # "virt"
VENDOR = 0x554D_4551  # "QEMU": some drivers ask for the board's vendor
DEVICE_BLOCK = 2
QUEUE_MAX = 1024
SECTOR_BYTES = 512
ID_BYTES = 20
DEVICE_ID = np.frombuffer(b"virtlab-disk".ljust(ID_BYTES, b"\0"), np.uint8)

FEATURE_FLUSH = 1 << 9
FEATURE_VERSION_1 = 1 << 32
FEATURES = FEATURE_FLUSH | FEATURE_VERSION_1

STATUS_DRIVER_OK = 4
STATUS_FEATURES_OK = 8
STATUS_NEEDS_RESET = 64

DESC_NEXT = 1
DESC_WRITE = 2
AVAIL_NO_INTERRUPT = 1

REQUEST_IN, REQUEST_OUT, REQUEST_FLUSH, REQUEST_GET_ID = 0, 1, 4, 8
RESULT_OK, RESULT_ERROR, RESULT_UNSUPPORTED = 0, 1, 2
CONFIG = 0x100


@njit(inner=True)
def virtio_load(hart, slot, register):
    """Read the 32-bit register of a slot; a slot without a device has device id 0."""
    if register == 0x000:
        return i64(MAGIC)
    if register == 0x004:
        return i64(2)
    present = slot == 0 and hart.disk_bytes > 0
    if register == 0x008:
        if present:
            return i64(DEVICE_BLOCK)
        return i64(0)
    if register == 0x00C:
        return i64(VENDOR)
    if not present:
        return i64(0)
    if register == 0x010:
        if hart.blk_feature_page > 1:
            return i64(0)
        return FEATURES >> (32 * hart.blk_feature_page) & 0xFFFF_FFFF
    if register == 0x034:
        if hart.blk_queue == 0:
            return i64(QUEUE_MAX)
        return i64(0)
    if register == 0x044:
        return hart.blk_queue_ready
    if register == 0x060:
        return hart.blk_interrupt
    if register == 0x070:
        return hart.blk_status
    if register == CONFIG:
        return hart.disk_bytes // SECTOR_BYTES & 0xFFFF_FFFF
    if register == CONFIG + 4:
        return hart.disk_bytes // SECTOR_BYTES >> 32
    return i64(0)


@njit(inner=True)
def _low(old, value):
    return old & ~i64(0xFFFF_FFFF) | value


@njit(inner=True)
def _high(old, value):
    return old & i64(0xFFFF_FFFF) | value << 32


@njit(inner=True)
def virtio_store(hart, mem, slot, register, value):
    """Write the 32-bit register of a slot."""
    if slot != 0 or hart.disk_bytes == 0:
        return
    value &= 0xFFFF_FFFF
    if register == 0x014:
        hart.blk_feature_page = value
    elif register == 0x020:
        if hart.blk_driver_page == 0:
            hart.blk_features = _low(hart.blk_features, value)
        elif hart.blk_driver_page == 1:
            hart.blk_features = _high(hart.blk_features, value)
    elif register == 0x024:
        hart.blk_driver_page = value
    elif register == 0x030:
        hart.blk_queue = value
    elif register == 0x050:
        if value == 0:
            serve_queue(hart, mem)
    elif register == 0x064:
        hart.blk_interrupt &= ~value
        plic_set_line(hart, i64(BLK_SOURCE), i64(hart.blk_interrupt != 0))
    elif register == 0x070:
        _write_status(hart, value)
    elif hart.blk_queue == 0:
        if register == 0x038:
            if value <= QUEUE_MAX and value & (value - 1) == 0:
                hart.blk_queue_size = value
        elif register == 0x044:
            hart.blk_queue_ready = value & 1
        elif register == 0x080:
            hart.blk_descriptors = _low(hart.blk_descriptors, value)
        elif register == 0x084:
            hart.blk_descriptors = _high(hart.blk_descriptors, value)
        elif register == 0x090:
            hart.blk_available = _low(hart.blk_available, value)
        elif register == 0x094:
            hart.blk_available = _high(hart.blk_available, value)
        elif register == 0x0A0:
            hart.blk_used = _low(hart.blk_used, value)
        elif register == 0x0A4:
            hart.blk_used = _high(hart.blk_used, value)


@njit(inner=True)
def _write_status(hart, value):
    if value == 0:  # reset
        hart.blk_status = 0
        hart.blk_features = 0
        hart.blk_interrupt = 0
        hart.blk_queue_ready = 0
        hart.blk_queue_size = 0
        hart.blk_last_available = 0
        plic_set_line(hart, i64(BLK_SOURCE), NO)
        return
    if value & STATUS_FEATURES_OK:
        if hart.blk_features & ~FEATURES:
            value &= ~STATUS_FEATURES_OK  # the driver reads back that it asked for too much
    hart.blk_status = value & 0xFF | hart.blk_status & STATUS_NEEDS_RESET


@njit(inner=True)
def _refuse(hart):
    """The driver broke a rule of the ring: the device stops until it is reset."""
    hart.blk_status |= STATUS_NEEDS_RESET
    hart.blk_interrupt |= 2
    plic_set_line(hart, i64(BLK_SOURCE), YES)


@njit(inner=True)
def serve_queue(hart, mem):
    """Do every request that the driver has made available."""
    size = hart.blk_queue_size
    ready = hart.blk_status & STATUS_DRIVER_OK and not hart.blk_status & STATUS_NEEDS_RESET
    if not ready or not hart.blk_queue_ready or size == 0:
        return
    aligned = not (hart.blk_descriptors & 15 or hart.blk_available & 1 or hart.blk_used & 3)
    table = device_offset(hart, mem, hart.blk_descriptors, 16 * size, NO)
    available = device_offset(hart, mem, hart.blk_available, 6 + 2 * size, NO)
    used = device_offset(hart, mem, hart.blk_used, 6 + 8 * size, YES)
    if not aligned or min(table, available, used) < 0:
        _refuse(hart)
        return
    done = ram_load(mem, available + 2, HALF) - hart.blk_last_available & 0xFFFF
    if done > size:  # more requests than the ring has places for
        _refuse(hart)
        return
    for _ in range(done):
        entry = hart.blk_last_available & (size - 1)
        head = ram_load(mem, available + 4 + 2 * entry, HALF)
        written = _serve_request(hart, mem, table, head)
        if written < 0:
            _refuse(hart)
            return
        index = ram_load(mem, used + 2, HALF)
        at = used + 4 + 8 * (index & (size - 1))
        ram_store(hart, mem, at, WORD, head)
        ram_store(hart, mem, at + 4, WORD, written)
        ram_store(hart, mem, used + 2, HALF, index + 1)
        hart.blk_last_available += 1
    if done and not ram_load(mem, available, HALF) & AVAIL_NO_INTERRUPT:
        hart.blk_interrupt |= 1
        plic_set_line(hart, i64(BLK_SOURCE), YES)


@njit(inner=True)
def _descriptor(hart, mem, table, index):
    """(RAM offset, length, flags, next) of a descriptor; length -1 if it is no piece of RAM.

    table : int64, offset in RAM of descriptor 0
    """
    at = table + 16 * index
    if index >= hart.blk_queue_size:
        return i64(0), i64(-1), i64(0), i64(0)
    length = ram_load(mem, at + 8, WORD)
    flags = ram_load(mem, at + 12, HALF)
    offset = device_offset(hart, mem, ram_load(mem, at, DOUBLE), length, flags & DESC_WRITE)
    if offset < 0:
        length = i64(-1)
    return offset, length, flags, ram_load(mem, at + 14, HALF)


@njit(inner=True)
def _serve_request(hart, mem, table, head):
    """Do one request. Returns the bytes written to RAM, -1 if the chain is malformed."""
    at, length, flags, link = _descriptor(hart, mem, table, head)
    if length < 16 or flags & DESC_WRITE or not flags & DESC_NEXT:
        return i64(-1)
    kind = ram_load_unaligned(mem, at, WORD)
    position = ram_load_unaligned(mem, at + 8, DOUBLE)
    result = i64(RESULT_OK)
    if kind == REQUEST_IN or kind == REQUEST_OUT:
        if position < 0 or position > hart.disk_bytes // SECTOR_BYTES:
            result = i64(RESULT_ERROR)
        position = (position & 0xFFFF_FFFF_FFFF) * SECTOR_BYTES
    elif kind != REQUEST_FLUSH and kind != REQUEST_GET_ID:
        result = i64(RESULT_UNSUPPORTED)
    written = i64(0)
    for _ in range(hart.blk_queue_size):  # a longer chain goes round in circles
        at, length, flags, following = _descriptor(hart, mem, table, link)
        if length < 0:
            return i64(-1)
        if not flags & DESC_NEXT:  # the last one is the status byte
            if length < 1 or not flags & DESC_WRITE:
                return i64(-1)
            ram_store(hart, mem, at, BYTE, result)
            return written + 1
        if result == RESULT_OK:
            if kind == REQUEST_GET_ID:
                n_bytes = min(length, i64(ID_BYTES))
                for k in range(n_bytes):
                    mem.u8[at + k] = DEVICE_ID[k]
                dma_written(hart, mem, at, n_bytes)
                written += n_bytes
            elif kind == REQUEST_IN or kind == REQUEST_OUT:
                if position + length > hart.disk_bytes:
                    result = i64(RESULT_ERROR)
                elif bool(flags & DESC_WRITE) != (kind == REQUEST_IN):
                    return i64(-1)
                else:
                    transfer(hart, mem, kind, at, position, length)
                    position += length
                    if kind == REQUEST_IN:
                        written += length
        link = following
    return i64(-1)


@njit(inner=True)
def transfer(hart, mem, kind, at, position, length):
    """Copy between RAM and disk; both ranges have been checked."""
    if kind == REQUEST_IN:
        for k in range(length):
            mem.u8[at + k] = mem.disk[position + k]
        dma_written(hart, mem, at, length)
        hart.disk_reads += 1
    else:
        for k in range(length):
            mem.disk[position + k] = mem.u8[at + k]
        if length > 0:
            for block in range(position >> 12, ((position + length - 1) >> 12) + 1):
                mem.blocks[block] |= PAGE_DIRTY
        hart.disk_writes += 1
