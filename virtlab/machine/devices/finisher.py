"""Test finisher: a register through which a guest ends the machine.

Source: QEMU, hw/misc/sifive_test.c: 0x5555 passes, 0x3333 fails with the code in the upper half,
0x7777 resets.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.machine.state import STOP_EXIT, STOP_RESET

i64 = np.int64
FINISHER_BASE = 0x10_0000
FINISHER_BYTES = 0x1000
PASS = 0x5555
FAIL = 0x3333
RESET = 0x7777


@njit(inner=True)
def finisher_store(hart, value):
    """Write the finisher's register; values it does not know are ignored."""
    command = value & 0xFFFF
    if command == PASS:
        hart.exit_code = 0
        hart.stop = STOP_EXIT
    elif command == FAIL:
        hart.exit_code = value >> 16 & 0xFFFF
        hart.stop = STOP_EXIT
    elif command == RESET:
        hart.stop = STOP_RESET
