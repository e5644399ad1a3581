"""Which way of giving somebody a server takes least? One quantity of several, and the ratios."""

import numpy as np

from virtlab._jit import njit

i64 = np.int64


@njit
def compare_quantity(counts, quantity, numbers, times, most, least, comparable):
    """Pick a column, and say how many times the least of it each row takes.

    Parameters
    ----------
    counts : (n, n_quantities) int64, not negative
    quantity : int64, the column
    numbers : (n,) int64, written: that column
    times : (n,) float64, written: each divided by the least; 0 where the least is 0
    most, least : (1,) int64, written: the row with the highest number, with the lowest
    comparable : (1,) int64, written: 1 if the least is above 0 and the most above the least
    """
    for row in range(numbers.size):
        numbers[row] = counts[row, quantity]
        if numbers[row] > numbers[most[0]]:
            most[0] = row
        if numbers[row] < numbers[least[0]]:
            least[0] = row
    below = numbers[least[0]]
    if below > 0:
        comparable[0] = i64(numbers[most[0]] > below)
        for row in range(numbers.size):
            times[row] = numbers[row] / below
