"""Where does a machine's memory come from? From the operating system, a page at its first write.

An array of NumPy's comes from the C library, which keeps what was freed, and writes zeros over all
of it when it is wanted again: a machine made after others would fill its whole RAM, however little
its guest touches. A mapping of its own costs what is written, and goes back when the machine
goes.
"""

import mmap

import numpy as np

PRIVATE = {}  # nothing is shared with a child of this process
if hasattr(mmap, "MAP_PRIVATE"):  # not on Windows, where a mapping is private
    PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}


def zeroed(n: int, dtype=np.uint8) -> np.ndarray:
    """(n,) zeros of a type, n > 0.

    Raises
    ------
    MemoryError
        the operating system has not so much
    """
    n_bytes = n * np.dtype(dtype).itemsize
    try:
        return np.frombuffer(mmap.mmap(-1, n_bytes, **PRIVATE), dtype)
    except OSError as refused:
        raise MemoryError(f"{n_bytes >> 20:,} MiB of memory cannot be had: {refused}.") from refused
