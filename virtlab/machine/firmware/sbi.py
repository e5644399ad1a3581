"""The built-in SBI: the calls that an S-mode kernel makes to the firmware below it.

    ecall with a7 = extension, a6 = function, a0.. = arguments; returns a0 = error, a1 = value

On other machines this is a program in M-mode, such as OpenSBI. Here the machine answers by itself,
in no time, and M-mode stays empty. Extensions: base, TIME, IPI, RFENCE, HSM, SRST, DBCN, and the
legacy calls 0 to 8.

Source: RISC-V Supervisor Binary Interface Specification 2.0, the chapter of each extension.

# Model: there is one hart, so fences and interrupts sent to other harts have nobody to go to, and
# the only hart refuses to stop.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import encoding as e
from virtlab.machine.devices.uart import console_put, take_received, uart_update
from virtlab.machine.ram import dma_written, in_ram
from virtlab.machine.state import (
    CONSOLE_PIECE,
    RAM_BASE,
    STOP_EXIT,
    STOP_RESET,
)
from virtlab.machine.tlb import flush_all

i64 = np.int64
A0, A1, A2, A3, A4, A6, A7 = 10, 11, 12, 13, 14, 16, 17

SUCCESS = 0
FAILED = -1
NOT_SUPPORTED = -2
INVALID_PARAMETER = -3
INVALID_ADDRESS = -5
ALREADY_AVAILABLE = -6

EXT_BASE = 0x10
EXT_TIME = 0x5449_4D45
EXT_IPI = 0x73_5049
EXT_RFENCE = 0x5246_4E43
EXT_HSM = 0x48_534D
EXT_SRST = 0x5352_5354
EXT_DBCN = 0x4442_434E
LAST_LEGACY = 8

SPEC_VERSION = 2 << 24  # 2.0
IMPLEMENTATION_ID = 0x7669_7274  # "virt": not a registered number
IMPLEMENTATION_VERSION = 1
ALL_HARTS = -1

RESET_SHUTDOWN = 0
RESET_WARM = 2
REASON_FAILURE = 1  # 0 is none; later numbers are reserved or some other implementation's
SUSPEND_RETENTIVE = 0
SUSPEND_NON_RETENTIVE = 0x8000_0000


@njit(inner=True)
def _answer(hart, error, value):
    hart.x[A0] = error
    hart.x[A1] = value


@njit(inner=True)
def sbi_call(hart, mem):
    """Serve the environment call that the registers describe."""
    hart.sbi_calls += 1
    extension = hart.x[A7]
    function = hart.x[A6]
    if extension == EXT_BASE:
        _base(hart, function)
    elif extension == EXT_TIME and function == 0:
        _set_timer(hart, hart.x[A0])
        _answer(hart, i64(SUCCESS), i64(0))
    elif extension == EXT_IPI and function == 0:
        _send_ipi(hart)
    elif extension == EXT_RFENCE and 0 <= function <= 6:
        _remote_fence(hart)
    elif extension == EXT_HSM and 0 <= function <= 3:
        _hart_state(hart, function)
    elif extension == EXT_SRST and function == 0:
        _system_reset(hart)
    elif extension == EXT_DBCN and 0 <= function <= 2:
        _debug_console(hart, mem, function)
    elif 0 <= extension <= LAST_LEGACY:
        _legacy(hart, extension)
    else:
        _answer(hart, i64(NOT_SUPPORTED), i64(0))
    hart.horizon = 0


@njit(inner=True)
def _base(hart, function):
    value = i64(0)
    if function == 0:
        value = i64(SPEC_VERSION)
    elif function == 1:
        value = i64(IMPLEMENTATION_ID)
    elif function == 2:
        value = i64(IMPLEMENTATION_VERSION)
    elif function == 3:
        value = i64(_has_extension(hart.x[A0]))
    elif function > 6 or function < 0:
        _answer(hart, i64(NOT_SUPPORTED), i64(0))
        return
    _answer(hart, i64(SUCCESS), value)


@njit(inner=True)
def _has_extension(extension):
    if 0 <= extension <= LAST_LEGACY or extension == EXT_BASE or extension == EXT_TIME:
        return True
    if extension == EXT_IPI or extension == EXT_RFENCE or extension == EXT_HSM:
        return True
    return extension == EXT_SRST or extension == EXT_DBCN


@njit(inner=True)
def _set_timer(hart, when):
    """The supervisor timer interrupt is pending from `when` on, and not before (through Sstc)."""
    hart.stimecmp = when


@njit(inner=True)
def _is_for_us(mask, base):
    """Whether a hart mask names hart 0, and no hart that does not exist."""
    return base == ALL_HARTS or (base == 0 and mask & ~1 == 0)


@njit(inner=True)
def _send_ipi(hart):
    mask, base = hart.x[A0], hart.x[A1]
    if not _is_for_us(mask, base):
        _answer(hart, i64(INVALID_PARAMETER), i64(0))
        return
    if base == ALL_HARTS or mask & 1:
        hart.mip |= e.SSIP
    _answer(hart, i64(SUCCESS), i64(0))


@njit(inner=True)
def _remote_fence(hart):
    if not _is_for_us(hart.x[A0], hart.x[A1]):
        _answer(hart, i64(INVALID_PARAMETER), i64(0))
        return
    flush_all(hart)
    _answer(hart, i64(SUCCESS), i64(0))


@njit(inner=True)
def _hart_state(hart, function):
    """HSM: start, stop, status, suspend."""
    error = i64(SUCCESS)
    value = i64(0)
    if function == 0:
        error = i64(ALREADY_AVAILABLE) if hart.x[A0] == 0 else i64(INVALID_PARAMETER)
    elif function == 1:
        error = i64(FAILED)
    elif function == 2:
        if hart.x[A0] != 0:
            error = i64(INVALID_PARAMETER)
    elif hart.x[A0] & 0xFFFF_FFFF == SUSPEND_RETENTIVE:  # what WFI does
        hart.waiting = 1
    elif hart.x[A0] & 0xFFFF_FFFF == SUSPEND_NON_RETENTIVE:
        error = i64(NOT_SUPPORTED)
    else:
        error = i64(INVALID_PARAMETER)
    _answer(hart, error, value)


@njit(inner=True)
def _system_reset(hart):
    kind = hart.x[A0] & 0xFFFF_FFFF
    reason = hart.x[A1] & 0xFFFF_FFFF
    if kind > RESET_WARM or reason > REASON_FAILURE:
        _answer(hart, i64(INVALID_PARAMETER), i64(0))
    elif kind == RESET_SHUTDOWN:
        hart.exit_code = i64(reason != 0)
        hart.stop = STOP_EXIT
    else:
        hart.stop = STOP_RESET


@njit(inner=True)
def _debug_console(hart, mem, function):
    """DBCN: write, read, write one byte. Writes may be partial, as the specification allows."""
    if function == 2:
        console_put(hart, hart.x[A0] & 0xFF)
        _answer(hart, i64(SUCCESS), i64(0))
        return
    n_bytes, address = hart.x[A0], hart.x[A1]
    if hart.x[A2] != 0 or n_bytes < 0 or not in_ram(hart, address, n_bytes):
        _answer(hart, i64(INVALID_PARAMETER), i64(0))
        return
    offset = address - RAM_BASE
    done = i64(0)
    if function == 0:
        n_bytes = min(n_bytes, i64(CONSOLE_PIECE))
        while done < n_bytes:
            console_put(hart, i64(mem.u8[offset + done]))
            done += 1
    else:
        while done < n_bytes:
            byte = take_received(hart)
            if byte < 0:
                break
            mem.u8[offset + done] = np.uint8(byte)
            done += 1
        dma_written(hart, mem, offset, done)
        uart_update(hart)
    _answer(hart, i64(SUCCESS), done)


@njit(inner=True)
def _legacy(hart, extension):
    """Calls of version 0.1, which return in a0 alone."""
    result = i64(0)
    if extension == 0:
        _set_timer(hart, hart.x[A0])
    elif extension == 1:
        console_put(hart, hart.x[A0] & 0xFF)
    elif extension == 2:
        result = take_received(hart)
        uart_update(hart)
    elif extension == 3:
        hart.mip &= ~e.SSIP
    elif extension == 4:
        hart.mip |= e.SSIP
    elif extension == LAST_LEGACY:
        hart.exit_code = 0
        hart.stop = STOP_EXIT
    else:
        flush_all(hart)
    hart.x[A0] = result
