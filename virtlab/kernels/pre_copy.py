"""How does a live migration go? Rounds, downtime and total time, for a size and a rate of writing.

The rounds are those of `virtlab.platforms.xen.pre_copy`, which has the rules and their source.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.xen.migration import MOST_ROUNDS
from virtlab.platforms.xen.pre_copy import LITTLE_MB
from virtlab.platforms.xen.pre_copy import pre_copy as rounds_of

f64 = np.float64
i64 = np.int64

LOWEST, STEP = 100.0, 50.0  # Mbit/s, as in Clark et al.
NEVER = 1e12  # seconds: no page is written
ROWS = MOST_ROUNDS + 1

# Places in `totals`: the downtime, ms; all the time, s; MB sent; the same as part of the memory, %;
# the downtime of stopping at once and copying all, ms; the working set, MB.
DOWNTIME, SECONDS, SENT, OF_MEMORY, NAIVE, WORKING = range(6)
N_TOTALS = 6


@njit
def pre_copy(
    memory_mb, working_percent, writing_mbit, network_mbit,
    rates, seconds, sent, left, seconds_ms, n_rounds, totals,
):  # fmt: skip
    """The rounds of one migration.

    Parameters
    ----------
    memory_mb, working_percent, writing_mbit, network_mbit : int64, the domain's memory, the part of
        it that it writes to, how fast it writes pages, and the highest rate at which they are sent
    rates, seconds, sent, left : (ROWS,) float64, written: see platforms.xen.pre_copy
    seconds_ms : (ROWS,) float64, written: the seconds in milliseconds
    n_rounds : (1,) int64, written: the last round is the stop and copy
    totals : (N_TOTALS,) float64, written
    """
    memory, highest = f64(memory_mb), f64(network_mbit)
    working = memory * working_percent / 100.0
    tau = NEVER if writing_mbit == 0 or working == 0.0 else 8.0 * working / writing_mbit
    lowest = min(LOWEST, highest)
    n_rounds[0] = rounds_of(
        memory, working, tau, lowest, STEP, highest, LITTLE_MB, i64(MOST_ROUNDS),
        rates, seconds, sent, left,
    )  # fmt: skip
    for k in range(n_rounds[0]):
        seconds_ms[k] = 1000.0 * seconds[k]
        totals[SECONDS] += seconds[k]
        totals[SENT] += sent[k]
    totals[DOWNTIME] = seconds_ms[n_rounds[0] - 1]
    totals[OF_MEMORY] = 100.0 * totals[SENT] / memory
    totals[NAIVE] = 8000.0 * memory / highest
    totals[WORKING] = working
