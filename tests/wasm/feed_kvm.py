"""Arguments for the compiled functions of the figures of KVM, as test_every_kernel draws them."""

import numpy as np

from virtlab.hypervisors.exits import VM
from virtlab.hypervisors.gstage import ROOT
from virtlab.kernels import halt_polling, kvm_modes
from virtlab.machine import boot
from virtlab.machine.state import new_memory

i64 = np.int64
RAM_BYTES = 1 << 20


def zeros(*shape):
    return np.zeros(shape, np.int64)


def up_to(rng, end):
    """One number below `end`."""
    return i64(rng.integers(end))


def feed_mode_path(rng):
    n, parts, halves = int(rng.integers(1, 60)), kvm_modes.N_PARTS, kvm_modes.N_HALVES
    columns = rng.integers(0, parts, n), rng.integers(-1, halves, n), i64(rng.choice([0, n]))
    before = rng.integers(0, 100, parts), rng.integers(0, 100, halves)
    counts = zeros(1), zeros(kvm_modes.N_STATE), zeros(parts), zeros(halves)
    return *columns, *before, up_to(rng, n + 2), *counts, zeros(parts), zeros(halves)


def feed_mode_times(rng):
    n = int(rng.integers(1, 9))
    counts = rng.integers(0, 10 ** rng.integers(1, 9), (n, 3)) * rng.integers(0, 2, (n, 1))
    prices = up_to(rng, 10_000), up_to(rng, 40_000)
    return counts, *prices, *(zeros(n) for _ in range(4)), np.zeros((n, 3)), zeros(1)


def feed_exits_by_path(rng):
    cases, paths = (int(size) for size in rng.integers(1, 7, 2))
    counts = (rng.integers(0, 1_000, (cases, paths)) for _ in range(3))
    requests = rng.integers(1, 100, cases)
    return *counts, requests, up_to(rng, cases), *(np.zeros(paths) for _ in range(4))


def feed_halt_polling(rng):
    n = halt_polling.N_HALTS
    lengths = i64(rng.integers(5, 401)), i64(rng.integers(100, 2_001))
    settings = up_to(rng, 31), up_to(rng, 401), up_to(rng, 5)
    return *lengths, *settings, zeros(n), zeros(n), zeros(halt_polling.N_STATE)


def feed_map_device(rng):
    """A host whose pool has a few pages, and a G-stage table that is there or not."""
    harts, vms, state = boot.new_hart(), np.zeros(1, VM), zeros(8)
    boot.reset(harts[0], RAM_BYTES, 0, True, 100)
    vms["pool"] = 0x8_0000
    vms["pool_end"] = 0x8_0000 + 0x1000 * int(rng.integers(6, 9))
    mem = new_memory(RAM_BYTES, 1, np.zeros(0, np.uint8))
    if rng.integers(2):
        state[ROOT], state[0] = 0x8_0000, 4
        below = int(rng.choice([0x9_0000, 0x4000_0000])) + 0x8000_0000
        mem.u64[(0x8_0000 >> 3) + int(rng.integers(4))] = below >> 12 << 10 | 1
    gpa, hpa = (i64(int(rng.integers(1 << 20)) << 12) for _ in range(2))
    return harts, vms, state, *mem, gpa, hpa


KNOWN = {
    "virtlab.hypervisors.gstage:map_device": (
        "virtlab.machine.state:HART[:], virtlab.hypervisors.exits:VM[:], int64[:], uint8[:], "
        "uint16[:], uint32[:], int64[:], uint8[:], int64[:], uint8[:], uint8[:], int64[:, :], "
        "int64, int64",
        feed_map_device,
    ),
    "virtlab.kernels.kvm_modes:mode_path": (
        ", ".join(
            ["int64[:]"] * 2 + ["int64"] + ["int64[:]"] * 2 + ["int64"] + ["int64[:]"] * 6,
        ),
        feed_mode_path,
    ),
    "virtlab.kernels.kvm_modes:mode_times": (
        ", ".join(
            ["int64[:, :]", "int64", "int64"] + ["int64[:]"] * 4 + ["float64[:, :]", "int64[:]"]
        ),
        feed_mode_times,
    ),
    "virtlab.kernels.io_paths:exits_by_path": (
        ", ".join(["int64[:, :]"] * 3 + ["int64[:]", "int64"] + ["float64[:]"] * 4),
        feed_exits_by_path,
    ),
    "virtlab.kernels.halt_polling:halt_polling": (
        ", ".join(["int64"] * 5 + ["int64[:]"] * 3),
        feed_halt_polling,
    ),
}
