"""At which rate of page-table updates does nested paging become cheaper than shadow paging?

The cycles are `virtlab.published.paging_crossover`'s; here a reader chooses the rates and the
processor.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.published.paging_crossover import paging_cycles

i64 = np.int64

POINTS = 61
LEAST_SPAN = 1.0  # updates in 1,000 instructions that the axis shows at least
SHADOW, NESTED = range(2)


@njit
def paging_crossover(
    misses,
    updates,
    levels,
    processor,
    native_walks,
    nested_walks,
    update_cycles,
    xs,
    shadow,
    nested,
    at,
    at_y,
    here,
    here_y,
    cheaper,
):
    """Cycles that paging costs in 1,000 instructions, by rate of updates.

    Parameters
    ----------
    misses : float64, TLB misses in 1,000 instructions
    updates : float64, page-table updates in 1,000 instructions: what is read out
    levels, processor : int64, which of the prices
    native_walks, nested_walks : (n_levels, n_processors) float64, cycles of a walk
    update_cycles : (n_processors,) float64, of an update under shadow paging, above 0
    xs : (POINTS,) float64, written: rates of updates
    shadow, nested : (POINTS,) float64, written
    at, at_y : (1,) float64, written: where both cost the same
    here : (2,) float64, written: both at the rate that is read out
    here_y : (1,) float64, written: the lower of them
    cheaper : (1,) int64, written: SHADOW or NESTED
    """
    native = native_walks[levels, processor]
    two_dimensional = nested_walks[levels, processor]
    update = update_cycles[processor]
    at[0] = misses * (two_dimensional - native) / update
    at_y[0] = misses * two_dimensional
    most = max(max(LEAST_SPAN, 2.0 * at[0]), 1.25 * updates)
    for k in range(POINTS):
        xs[k] = most * k / (POINTS - 1)
    paging_cycles(xs, misses, native, two_dimensional, update, shadow, nested)
    here[SHADOW] = misses * native + updates * update
    here[NESTED] = at_y[0]
    cheaper[0] = SHADOW
    if here[NESTED] < here[SHADOW]:
        cheaper[0] = NESTED
    here_y[0] = here[cheaper[0]]
