"""Does a machine take the memory that its guest writes, and give it back?"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from virtlab.isa.assembler import assemble
from virtlab.machine import Machine
from virtlab.machine.zeroed import zeroed

MIB = 1 << 20
STORES = assemble("li t0, 0x80100000\nsd t0, 0(t0)\nj .")


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def machine() -> Machine:
    m = Machine(ram="64M").load(STORES)
    m.run(100)
    return m


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_machines_made_after_others_take_no_more_than_their_guests_write():
    for _ in range(3):
        machine()
    before = resident()
    several = [machine() for _ in range(6)]
    assert resident() - before < 6 * 4 * MIB
    del several
    assert resident() - before < 4 * MIB


def test_memory_is_zero_even_where_there_was_something_before():
    zeroed(MIB)[:] = 255
    again = zeroed(MIB // 8, np.int64)
    assert again.dtype == np.int64 and len(again) == MIB // 8 and not again.any()


def test_what_cannot_be_had_is_a_memory_error():
    with pytest.raises(MemoryError, match=r"MiB of memory cannot be had"):
        zeroed(1 << 60)
