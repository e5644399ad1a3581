"""A measured point is found, and how low and high all are."""

import random

import numpy as np

from virtlab.kernels.curve import read_out


def test_the_point_and_the_bounds_are_those_of_plain_python(seed):
    rng = random.Random(f"{seed} curve")
    for _ in range(50):
        xs = rng.sample(range(-100, 100), rng.randrange(1, 30))
        ys = [rng.randrange(-(1 << 40), 1 << 40) for _ in xs]
        marked = rng.choice(xs)
        found = np.zeros((3, 1), np.int64)
        read_out(np.array(xs), np.array(ys), marked, *found)
        assert found[:, 0].tolist() == [ys[xs.index(marked)], min(ys), max(ys)]
