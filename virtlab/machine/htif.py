"""tohost and fromhost: how a test program talks to the simulator that runs it.

A program that exports the symbol `tohost` stores a command there. An odd value ends the run, with
exit code value >> 1. Device 0 otherwise names a block of memory with a system call, of which write
is served; device 1 is a console.

Source: RISC-V ISA simulator (Spike), fesvr/htif.cc, fesvr/device.cc and fesvr/syscall.cc.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.machine.devices.uart import console_put
from virtlab.machine.ram import in_ram, ram_load, ram_store
from virtlab.machine.state import (
    CONSOLE_PIECE,
    DOUBLE,
    RAM_BASE,
    STOP_EXIT,
)

i64 = np.int64
SYS_WRITE = 64
ERROR = -1


@njit(inner=True)
def serve_tohost(hart, mem):
    """Act on what the guest has stored in tohost."""
    at = hart.tohost - RAM_BASE
    command = ram_load(mem, at, DOUBLE)
    if command == 0:
        return
    device = command >> 56 & 0xFF
    action = command >> 48 & 0xFF
    payload = command & 0xFFFF_FFFF_FFFF
    if device == 0 and payload & 1:
        hart.exit_code = payload >> 1
        hart.stop = STOP_EXIT
        return
    if device == 0 and in_ram(hart, payload, i64(64)) and payload & 7 == 0:
        call = payload - RAM_BASE
        done = i64(ERROR)
        if ram_load(mem, call, DOUBLE) == SYS_WRITE:
            done = _write(
                hart, mem, ram_load(mem, call + 16, DOUBLE), ram_load(mem, call + 24, DOUBLE)
            )
        ram_store(hart, mem, call, DOUBLE, done)
        if hart.fromhost:
            ram_store(hart, mem, hart.fromhost - RAM_BASE, DOUBLE, i64(1))
    elif device == 1 and action == 1:
        console_put(hart, payload & 0xFF)
    ram_store(hart, mem, at, DOUBLE, i64(0))


@njit(inner=True)
def _write(hart, mem, address, n_bytes):
    """Print n_bytes of RAM; returns how many, or ERROR. A long text is taken in pieces."""
    if n_bytes < 0 or not in_ram(hart, address, n_bytes):
        return i64(ERROR)
    n_bytes = min(n_bytes, i64(CONSOLE_PIECE))
    for k in range(n_bytes):
        console_put(hart, i64(mem.u8[address - RAM_BASE + k]))
    return n_bytes
