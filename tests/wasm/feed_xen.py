"""Arguments for the compiled functions of Xen and its figures, as test_every_kernel draws them."""

import numpy as np

from virtlab.kernels import credit_scheduler, disk_paths, pre_copy, xen_path, xen_ring
from virtlab.platforms.xen.migration import MOST_ROUNDS

i64, f64 = np.int64, np.float64


def zeros(*shape):
    return np.zeros(shape, np.int64)


def up_to(rng, end):
    """One number below `end`."""
    return i64(rng.integers(end))


def feed_rounds(rng):
    memory = f64(rng.integers(1, 2000))
    working, tau = memory * rng.random(), f64(10.0 ** rng.integers(-3, 5))
    rates = f64(rng.integers(1, 200)), f64(rng.integers(1, 100)), f64(rng.integers(200, 10_000))
    little, rounds = f64(rng.random()), i64(rng.integers(1, MOST_ROUNDS + 1))
    return memory, working, tau, *rates, little, rounds, *np.zeros((4, MOST_ROUNDS + 1))


def feed_pre_copy(rng):
    domain = i64(rng.integers(64, 4097)), up_to(rng, 101), up_to(rng, 2001)
    network = i64(rng.integers(1, 41) * 50)
    return *domain, network, *np.zeros((5, pre_copy.ROWS)), zeros(1), np.zeros(pre_copy.N_TOTALS)


def feed_credit_scheduler(rng):
    k, n = credit_scheduler, credit_scheduler.N_DOMAINS
    weights = (i64(1 + up_to(rng, 10 ** rng.integers(1, 5))) for _ in range(n))
    caps = (i64(5 * rng.integers(21)) if rng.random() < 0.5 else i64(0) for _ in range(n))
    whole = zeros(n), zeros(n), zeros(k.N_STATE, n), zeros(n, k.N_PERIODS), zeros(n)
    shares = (np.zeros(size) for size in (n, n, k.N_PERIODS, k.N_PERIODS, k.N_PERIODS, 1, 1))
    return *weights, *caps, *whole, *shares


def feed_xen_path(rng):
    n, k = int(rng.integers(1, 60)), xen_path
    columns = rng.integers(0, k.N_DOMAINS, n), rng.integers(0, k.N_PARTS, n)
    flags = rng.integers(0, 2, n), rng.integers(0, 3, n)
    lit = zeros(k.N_DOMAINS, 2), zeros(k.N_PARTS)
    counts = zeros(1), zeros(k.N_STATE), zeros(k.N_DOMAINS, 2), zeros(k.N_PARTS)
    return *columns, *flags, i64(rng.choice([0, n])), up_to(rng, n + 2), *counts, *lit


def feed_xen_ring(rng):
    k = xen_ring
    controls = i64(rng.integers(1, 7)), up_to(rng, 21), up_to(rng, 2), up_to(rng, k.MOST_ACTIONS)
    arrays = zeros(k.N_COLUMNS), zeros(k.MOST_ACTIONS, k.N_COLUMNS), zeros(1), zeros(1), zeros(1)
    return *controls, *arrays, zeros(k.N_PLACES), zeros(k.N_PLACES)


def feed_disk_paths(rng):
    ways, k = int(rng.integers(1, 5)), disk_paths
    flags = (rng.integers(0, 2, (ways, 2)) for _ in range(3))
    measured = rng.random((ways, 2, k.N_COUNTS)) * rng.integers(0, 2, (ways, 2, 1))
    chosen = up_to(rng, ways), up_to(rng, 2)
    return measured, *flags, *chosen, np.zeros(k.N_COUNTS), zeros(k.N_STATE)


def types(*counted: tuple[str, int]) -> str:
    """Types of parameters: each so many times."""
    return ", ".join(name for name, n in counted for _ in range(n))


KNOWN = {
    "virtlab.platforms.xen.pre_copy:pre_copy": (
        types(("float64", 7), ("int64", 1), ("float64[:]", 4)),
        feed_rounds,
    ),
    "virtlab.kernels.pre_copy:pre_copy": (
        types(("int64", 4), ("float64[:]", 5), ("int64[:]", 1), ("float64[:]", 1)),
        feed_pre_copy,
    ),
    "virtlab.kernels.credit_scheduler:credit_scheduler": (
        types(
            ("int64", 6), ("int64[:]", 2), ("int64[:, :]", 2), ("int64[:]", 1), ("float64[:]", 7)
        ),
        feed_credit_scheduler,
    ),
    "virtlab.kernels.xen_path:xen_path": (
        types(
            ("int64[:]", 4),
            ("int64", 2),
            ("int64[:]", 2),
            ("int64[:, :]", 1),
            ("int64[:]", 1),
            ("int64[:, :]", 1),
            ("int64[:]", 1),
        ),
        feed_xen_path,
    ),
    "virtlab.kernels.xen_ring:xen_ring": (
        types(("int64", 4), ("int64[:]", 1), ("int64[:, :]", 1), ("int64[:]", 5)),
        feed_xen_ring,
    ),
    "virtlab.kernels.disk_paths:disk_paths": (
        types(
            ("float64[:, :, :]", 1),
            ("int64[:, :]", 3),
            ("int64", 2),
            ("float64[:]", 1),
            ("int64[:]", 1),
        ),
        feed_disk_paths,
    ),
}
