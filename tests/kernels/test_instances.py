"""Quantities of several servers beside one another, against plain Python."""

import random

import numpy as np
import pytest

from virtlab.kernels import instances as kernel


def compared(counts, quantity):
    """Call the kernel; returns numbers, times, most, least and comparable."""
    n = len(counts)
    out = np.zeros(n, np.int64), np.zeros(n), *(np.zeros(1, np.int64) for _ in range(3))
    kernel.compare_quantity(np.array(counts), quantity, *out)
    return [array.tolist() for array in out]


@pytest.mark.parametrize("round_", range(40))
def test_a_column_is_compared_with_its_least(seed, round_):
    rng = random.Random(seed + round_)
    n, n_columns = rng.randrange(1, 6), rng.randrange(1, 5)
    counts = [
        [rng.choice((0, 1, rng.randrange(10**9))) for _ in range(n_columns)] for _ in range(n)
    ]
    quantity = rng.randrange(n_columns)
    column = [row[quantity] for row in counts]
    numbers, times, [most], [least], [comparable] = compared(counts, quantity)
    assert numbers == column
    assert (column[most], column[least]) == (max(column), min(column))
    assert comparable == int(0 < min(column) < max(column))
    if min(column):
        assert times == pytest.approx([number / min(column) for number in column])
    else:
        assert times == [0.0] * n
