"""Arguments for the compiled functions of the figures of boxes, as test_every_kernel draws them."""

import numpy as np

from virtlab.kernels import box_path, box_window, cpu_shares, namespaces

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


def feed_box_path(rng):
    n, boxes, parts = int(rng.integers(1, 60)), box_path.MOST_BOXES, box_path.N_PARTS
    columns = (rng.integers(0, size, n) for size in (boxes, parts, box_path.N_CAUSES, 3, 2))
    ran = rng.integers(0, 10**6, (n, boxes))
    chosen = up_to(rng, 100), up_to(rng, n + 2), up_to(rng, 5)
    counts = (zeros(boxes) for _ in range(4))
    lit = zeros(parts), zeros(boxes), zeros(boxes), zeros(parts), zeros(2)
    outputs = zeros(1), zeros(box_path.N_STATE), *counts, np.zeros(boxes), *lit
    return *columns, ran, i64(rng.choice([0, n])), *chosen, *outputs


def feed_box_window(rng):
    n, m = (int(size) for size in rng.integers(1, 400, 2))
    lanes, ticks = box_window.MOST_LANES, box_window.MOST_TICKS
    n_lanes, begin = i64(rng.integers(1, lanes + 1)), up_to(rng, 10**6)
    gaps, page_gaps = (rng.integers(0, 10 ** rng.integers(1, 6), size) for size in (n, m))
    end = begin + i64(gaps.sum() + rng.integers(1, 10_000))
    turns = gaps, rng.integers(0, n_lanes, n), i64(rng.choice([0, n]))
    pages = page_gaps, rng.integers(0, n_lanes, m), rng.integers(0, 5_000, m)
    scales = rng.integers(0, 2, lanes) * rng.integers(1, 5_000, lanes)
    chosen = i64(rng.integers(begin, end) // 1000), i64(rng.choice([0, 10**5, 10**6]))
    bars = zeros(lanes), zeros(lanes, box_window.MOST_BARS), zeros(lanes, box_window.MOST_BARS)
    steps = (zeros(lanes, box_window.MOST_STEPS) for _ in range(2))
    return (
        *(*turns, *pages, i64(rng.choice([0, m])), scales, n_lanes, begin, end, *chosen),
        *(zeros(2), np.zeros(2), zeros(lanes), np.zeros(lanes), zeros(lanes), *bars),
        *(zeros(lanes), zeros(lanes), zeros(lanes), *steps, zeros(1), zeros(ticks)),
        *(np.zeros(ticks), zeros(ticks), zeros(ticks)),
    )


def feed_cpu_shares(rng):
    n, periods = cpu_shares.N_BOXES, cpu_shares.N_PERIODS
    weights = rng.integers(1, 10**4, n)
    quotas, demands = rng.integers(0, 2, n) * rng.integers(1, 101, n), rng.integers(0, 101, n)
    state = zeros(n), zeros(n), zeros(n), zeros(cpu_shares.N_STATE, n)
    lines = (np.zeros(periods) for _ in range(n))
    return (
        *(i64(one) for one in (*weights, *quotas, *demands)),
        *(*state, zeros(n, periods), np.zeros(n), *lines, zeros(n), np.zeros(1)),
    )


KNOWN = {
    "virtlab.kernels.cpu_shares:cpu_shares": (
        ", ".join(
            ["int64"] * 9
            + ["int64[:]"] * 3
            + ["int64[:, :]"] * 2
            + ["float64[:]"] * 4
            + ["int64[:]", "float64[:]"]
        ),
        feed_cpu_shares,
    ),
    "virtlab.kernels.box_path:box_path": (
        ", ".join(
            ["int64[:]"] * 5
            + ["int64[:, :]"]
            + ["int64"] * 4
            + ["int64[:]"] * 6
            + ["float64[:]"]
            + ["int64[:]"] * 5
        ),
        feed_box_path,
    ),
    "virtlab.kernels.box_window:box_window": (
        ", ".join(
            ["int64[:]", "int64[:]", "int64"]
            + ["int64[:]"] * 3
            + ["int64", "int64[:]"]
            + ["int64"] * 5
            + ["int64[:]", "float64[:]", "int64[:]", "float64[:]"]
            + ["int64[:]"] * 2
            + ["int64[:, :]"] * 2
            + ["int64[:]"] * 3
            + ["int64[:, :]"] * 2
            + ["int64[:]"] * 2
            + ["float64[:]"]
            + ["int64[:]"] * 2
        ),
        feed_box_window,
    ),
    "virtlab.kernels.instances:compare_quantity": (
        "int64[:, :], int64, int64[:], float64[:], int64[:], int64[:], int64[:]",
        feed_quantities,
    ),
    "virtlab.kernels.namespaces:seen_from": (
        ", ".join(["int64[:, :]", "int64[:]", "int64[:]", "int64"] + ["int64[:]"] * 6),
        feed_seen_from,
    ),
}
