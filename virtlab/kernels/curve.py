"""What was measured at the point that a reader picks?"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64


@njit
def read_out(xs, ys, marked, at_marked, least, most):
    """Find a measured point, and how low and high all of them are.

    Parameters
    ----------
    xs, ys : (n,) int64, the points
    marked : int64, one of `xs`
    at_marked, least, most : (1,) int64, written: the y of that point, the lowest and highest y
    """
    least[0] = most[0] = ys[0]
    for k in range(xs.size):
        least[0] = min(least[0], ys[k])
        most[0] = max(most[0], ys[k])
        if xs[k] == marked:
            at_marked[0] = ys[k]
