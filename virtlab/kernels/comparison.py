"""How often was one guest left under each technique? Exits a thousand guest instructions."""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

EVERY_REASON = -1


@njit
def exit_rates(counts, instructions, reason, numbers, rates, most, least):
    """Exits of several runs for one reason, or for all.

    Parameters
    ----------
    counts : (n, N_REASONS) int64, exits of each run by reason
    instructions : (n,) int64, the guest's, at least 1
    reason : int64, or EVERY_REASON
    numbers : (n,) int64, written: the exits
    rates : (n,) float64, written: the exits a thousand guest instructions
    most, least : (1,) int64, written: the run with the highest rate, with the lowest
    """
    for run in range(instructions.size):
        for k in range(counts.shape[1]):
            if reason == EVERY_REASON or k == reason:
                numbers[run] += counts[run, k]
        rates[run] = 1000.0 * numbers[run] / instructions[run]
        if rates[run] > rates[most[0]]:
            most[0] = run
        if rates[run] < rates[least[0]]:
            least[0] = run
