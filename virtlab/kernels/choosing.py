"""What does a mix of work cost on every candidate, and which of those that will do is cheapest?"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_KINDS = 4  # computing, system calls, processes, blocks of a disk


@njit
def choosing(
    cycles, meets, compute, calls, processes, blocks, need, millions, times, will_do, will_not,
    allowed, best, kept,
):  # fmt: skip
    """Add up a mix for every candidate.

    Parameters
    ----------
    cycles : (n, N_KINDS) float64, cycles of a million instructions, a system call, a process made
        and ended, a block read; the first candidate is a process on the host's kernel
    meets : (n, n_needs) int64, 1 for the needs that a candidate meets
    compute, calls, processes, blocks : int64, of each in a unit of work
    need : int64, what is asked for
    millions : (n,) float64, written: million cycles of a unit; so are all below written
    times : (n,) float64, how many times those of the first
    will_do, will_not : (n,) float64, `millions` of those that meet the need, and of the others;
        else 0
    allowed : (n,) int64, 1 for those that meet it
    best : (1,) int64, the cheapest of them but the first candidate, -1 for none
    kept : (1,) int64, how many meet it
    """
    best[0] = -1
    for k in range(cycles.shape[0]):
        millions[k] = (
            compute * cycles[k, 0]
            + calls * cycles[k, 1]
            + processes * cycles[k, 2]
            + blocks * cycles[k, 3]
        ) / 1e6
        times[k] = 1.0
        if millions[0] > 0.0:
            times[k] = millions[k] / millions[0]
        allowed[k] = meets[k, need]
        kept[0] += allowed[k]
        if allowed[k] > 0:
            will_do[k] = millions[k]
            if k > 0 and (best[0] < 0 or millions[k] < millions[best[0]]):
                best[0] = k
        else:
            will_not[k] = millions[k]
