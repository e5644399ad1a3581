"""Arguments for the compiled functions of Xen and its figures, as test_every_kernel draws them."""

import numpy as np

from virtlab.platforms.xen.migration import MOST_ROUNDS

i64, f64 = np.int64, np.float64


def feed_pre_copy(rng):
    memory = f64(rng.integers(1, 2000))
    working, tau = memory * rng.random(), f64(10.0 ** rng.integers(-3, 5))
    rates = f64(rng.integers(1, 200)), f64(rng.integers(1, 100)), f64(rng.integers(200, 10_000))
    little, rounds = f64(rng.random()), i64(rng.integers(1, MOST_ROUNDS + 1))
    return memory, working, tau, *rates, little, rounds, *np.zeros((4, MOST_ROUNDS + 1))


KNOWN = {
    "virtlab.platforms.xen.pre_copy:pre_copy": (
        ", ".join(["float64"] * 7 + ["int64"] + ["float64[:]"] * 4),
        feed_pre_copy,
    ),
}
