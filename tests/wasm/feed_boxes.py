"""Arguments for the compiled functions of the figures of boxes, as test_every_kernel draws them."""

import numpy as np

from virtlab.kernels import namespaces

i64 = np.int64


def zeros(*shape):
    return np.zeros(shape, np.int64)


def up_to(rng, end):
    """One number below `end`."""
    return i64(rng.integers(end))


def feed_quantities(rng):
    n, n_quantities = (int(size) for size in rng.integers(1, 7, 2))
    counts = rng.integers(0, 10 ** rng.integers(1, 10), (n, n_quantities))
    return counts, up_to(rng, n_quantities), zeros(n), np.zeros(n), zeros(1), zeros(1), zeros(1)


def feed_seen_from(rng):
    n, n_boxes = int(rng.integers(1, 40)), int(rng.integers(1, 7))
    names = rng.integers(-1, 5, (n_boxes, n))
    columns = (rng.integers(0, size, n) for size in (namespaces.N_KINDS, n_boxes))
    kinds = zeros(namespaces.N_KINDS), zeros(namespaces.N_KINDS)
    return names, *columns, up_to(rng, n_boxes), zeros(n), zeros(n), zeros(n), *kinds, zeros(1)


KNOWN = {
    "virtlab.kernels.instances:compare_quantity": (
        "int64[:, :], int64, int64[:], float64[:], int64[:], int64[:], int64[:]",
        feed_quantities,
    ),
    "virtlab.kernels.namespaces:seen_from": (
        ", ".join(["int64[:, :]", "int64[:]", "int64[:]", "int64"] + ["int64[:]"] * 6),
        feed_seen_from,
    ),
}
