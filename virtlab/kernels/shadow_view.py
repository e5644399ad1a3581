"""What stood in the shadow page table before an exit, and what after it? Rows of a picture."""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

MOST_ROWS = 16
COLUMNS = (
    4  # of a moment's row: guest's entry, its flags, shadow's entry, its flags; addresses or -1
)
GUEST_PA, GUEST_FLAGS, SHADOW_PA, SHADOW_FLAGS = range(COLUMNS)
V, R, W = 1, 2, 4
EMPTY, FILLED, READ_ONLY = range(3)  # a row of the shadow; READ_ONLY: the guest's own entry has W
UNMAPPED = -1

# Places in `totals`: pages that the guest maps, that the shadow has, that it has without the right
# to write that the guest gives; rows that the exit has changed.
MAPPED, IN_SHADOW, PROTECTED, CHANGED = range(4)
N_TOTALS = 4


@njit
def shadow_rows(before, after, n_rows, moment, rows, states, changed, totals):
    """The rows at one of two moments.

    Parameters
    ----------
    before, after : (MOST_ROWS, COLUMNS) int64
    n_rows : int64
    moment : int64, 0 for before, 1 for after
    rows : (MOST_ROWS, COLUMNS) int64, written: those of the moment
    states : (MOST_ROWS,) int64, written: EMPTY, FILLED or READ_ONLY
    changed : (MOST_ROWS,) int64, written: 1 where the exit has changed the shadow
    totals : (N_TOTALS,) int64, written
    """
    for k in range(n_rows):
        for column in range(COLUMNS):
            rows[k, column] = before[k, column]
            if moment:
                rows[k, column] = after[k, column]
        for column in (SHADOW_PA, SHADOW_FLAGS):
            if before[k, column] != after[k, column]:
                changed[k] = 1
        totals[CHANGED] += changed[k]
        if rows[k, GUEST_PA] != UNMAPPED:
            totals[MAPPED] += 1
        if rows[k, SHADOW_PA] == UNMAPPED:
            continue
        states[k] = FILLED
        totals[IN_SHADOW] += 1
        if rows[k, GUEST_FLAGS] & W and not rows[k, SHADOW_FLAGS] & W:
            states[k] = READ_ONLY
            totals[PROTECTED] += 1
