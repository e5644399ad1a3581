"""How does a paravirtual guest reach a device without one? Two sides take turns at a ring.

A ring is memory that both sides see, and two indices that only count up: how much has been put in,
how much has been taken out. The side that takes checks that the difference can be, because the
other side may write anything there; the index that it goes by itself is its own, and what the guest
finds in the shared page is a copy.

    console, out    bytes           the guest prints, then NOTIFY
    console, in     bytes           somebody types, then an event
    disk            8 requests      the guest asks, then NOTIFY; it is done at once, then an event

This is the hypervisor's end, the backend. The frontends are the kernel's uart.c and disk.c.

Source: P. Barham et al., "Xen and the Art of Virtualization", SOSP 2003, section "Data transfer:
I/O rings".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors import paravirt_abi as abi
from virtlab.hypervisors.direct_paging import (
    ANSWERED,
    ONE,
    ORDINARY,
    PAGES,
    TAKEN,
    TYPED,
    page_of,
)
from virtlab.isa import encoding as e
from virtlab.machine.devices.uart import console_put, received_count, take_received
from virtlab.machine.devices.virtio_blk import REQUEST_IN, REQUEST_OUT, SECTOR_BYTES, transfer
from virtlab.machine.ram import ram_store
from virtlab.machine.state import BYTE, DOUBLE, RAM_BASE

i64 = np.int64


@njit(inner=True)
def look(guest, where):
    """A word of the shared page, which is the first page of the guest's RAM."""
    return i64(guest.u64[where >> 3])


@njit(inner=True)
def put(vcpu, guest, where, value):
    """Write a word of the shared page."""
    ram_store(vcpu, guest, i64(where), DOUBLE, value)


@njit(inner=True)
def send_event(vcpu, guest, port):
    """Tell the guest that something has happened at a port."""
    put(vcpu, guest, abi.SHARED_PENDING, look(guest, abi.SHARED_PENDING) | i64(1) << port)


@njit(inner=True)
def take_back_event(vcpu, guest, port):
    """What had happened at a port no longer matters."""
    put(vcpu, guest, abi.SHARED_PENDING, look(guest, abi.SHARED_PENDING) & ~(i64(1) << port))


@njit(inner=True)
def serve(vm, vcpu, guest, state, port):
    """Do all that is in a ring; 0 or an error, negated."""
    if port == abi.EVENT_CONSOLE:
        printed = look(guest, abi.SHARED_PRINTED)
        if not 0 <= printed - state[TAKEN] <= abi.OUTPUT_RING:
            return i64(-abi.ERROR_INVALID)
        while state[TAKEN] != printed:  # also if the run stops for a byte: a run repeats exactly
            console_put(vcpu, i64(guest.u8[abi.SHARED_OUTPUT + state[TAKEN] % abi.OUTPUT_RING]))
            state[TAKEN] += 1
            vm.ring_requests += 1
        put(vcpu, guest, abi.SHARED_TAKEN, state[TAKEN])
        return i64(0)
    if port == abi.EVENT_DISK:
        requested = look(guest, abi.SHARED_REQUESTED)
        if not 0 <= requested - state[ANSWERED] <= abi.DISK_RING:
            return i64(-abi.ERROR_INVALID)
        while state[ANSWERED] != requested:
            place = state[ANSWERED] % abi.DISK_RING
            status = serve_disk(
                vm, vcpu, guest, state, abi.SHARED_REQUESTS + abi.REQUEST_BYTES * place
            )
            put(vcpu, guest, abi.SHARED_STATUSES + 8 * place, status)
            state[ANSWERED] += 1
            vm.ring_requests += 1
            vm.refused += status
        put(vcpu, guest, abi.SHARED_ANSWERED, state[ANSWERED])
        send_event(vcpu, guest, abi.EVENT_DISK)
        return i64(0)
    return i64(-abi.ERROR_NOT_FOUND)


@njit(inner=True)
def serve_disk(vm, vcpu, guest, state, at):
    """Carry out one request of the disk's ring; its status, 0 done or 1 refused."""
    operation, sector = look(guest, at), look(guest, at + 8)
    n_sectors, address = look(guest, at + 16), look(guest, at + 24)
    page = page_of(vm, address)
    if page < 0 or not 0 < n_sectors <= e.PAGE_BYTES // SECTOR_BYTES:
        return i64(1)
    n_bytes = n_sectors * SECTOR_BYTES
    if (address & ~e.PAGE_MASK) + n_bytes > e.PAGE_BYTES:
        return i64(1)
    if sector < 0 or sector > vcpu.disk_bytes // SECTOR_BYTES - n_sectors:
        return i64(1)
    kind = i64(REQUEST_OUT)
    if operation == abi.DISK_READ:  # it writes to memory: not to a table
        kind = i64(REQUEST_IN)
        if state[PAGES + page] % ONE != ORDINARY:
            return i64(1)
    elif operation != abi.DISK_WRITE:
        return i64(1)
    gpa = address - vm.host_base
    transfer(vcpu, guest, kind, gpa - RAM_BASE, sector * SECTOR_BYTES, n_bytes)
    return i64(0)


@njit(inner=True)
def receive_typed(vcpu, guest, state):
    """Move what has been typed into the guest's ring, as far as there is room."""
    before = state[TYPED]
    while (
        received_count(vcpu) > 0
        and 0 <= state[TYPED] - look(guest, abi.SHARED_READ) < abi.INPUT_RING
    ):
        place = i64(abi.SHARED_INPUT + state[TYPED] % abi.INPUT_RING)
        ram_store(vcpu, guest, place, BYTE, take_received(vcpu))
        state[TYPED] += 1
    if state[TYPED] != before:
        put(vcpu, guest, abi.SHARED_TYPED, state[TYPED])
        send_event(vcpu, guest, abi.EVENT_CONSOLE)
