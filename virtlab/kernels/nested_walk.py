"""Which entries does a two-dimensional page walk read, in which order, and which are cached?

The guest's tables lie at guest physical addresses, so the address of each of their entries is
translated through the nested tables first; at the end the page's own address is. References are
numbered in the order in which hardware reads them, as `virtlab.published.walk_references` counts
them in tables that it walks.

A cache of the walk holds entries above the last level only, because those of the last level are
used by one page each. What is drawn is a walk whose caches hold all that they can hold.

Sources: Bhargava et al. 2008 for the walk of 24 references and for a cache of guest entries, which
leaves 21 of them; Bugnion, Nieh and Tsafrir 2017, section 5.3, for n m + n + m.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

MOST_LEVELS = 5
MOST_REFERENCES = (MOST_LEVELS + 1) * (MOST_LEVELS + 1) - 1
MOST_ROWS = MOST_LEVELS + 1

NO_CACHE, GUEST_ENTRIES, BOTH_DIMENSIONS, NESTED_TLB = range(4)
AHEAD, FROM_MEMORY, CACHED, SKIPPED, NOW = range(5)  # of a reference

# Places of the grid in the picture.
ROW_X, TOP, CELL, ROW = 132, 50, 88, 46

# Places in `totals`: references in all; those found in caches, left out, and read from memory; the
# reference that is shown, 0 for none; rows of the grid; its height.
ALL, IN_CACHES, LEFT_OUT, IN_MEMORY, SHOWN, ROWS, BOTTOM = range(7)
N_TOTALS = 7


@njit
def nested_references(
    guest,
    nested,
    caches,
    shown,
    totals,
    most,
    now,
    kinds,
    states,
    numbers,
    xs,
    ys,
    row_levels,
    row_ys,
):
    """A walk through `guest` levels of the guest's tables and `nested` levels below them.

    Parameters
    ----------
    guest : int64, 1 to MOST_LEVELS
    nested : int64, 0 to MOST_LEVELS; 0: no second dimension
    caches : int64, NO_CACHE; GUEST_ENTRIES: the guest's above its last level; BOTH_DIMENSIONS: the
        nested ones too; NESTED_TLB: and where the pages of the guest's tables are
    shown : int64, the reference up to which the walk is shown
    totals : (N_TOTALS,) int64, written; so are all below
    most : (1,) int64, the number of references
    now : (1,) int64, the index of the reference that is shown
    kinds : (MOST_REFERENCES,) int64, of each reference: guest level * 8 + nested level, a level of
        7 meaning the page itself and the guest's own entry
    states : (MOST_REFERENCES,) int64, AHEAD to NOW
    numbers : (MOST_REFERENCES,) int64, 1 for the first
    xs, ys : (MOST_REFERENCES,) int64, the place of its cell
    row_levels : (MOST_ROWS,) int64, of each row of the grid: its guest level, 7 for the page
    row_ys : (MOST_ROWS,) int64, the row's place
    """
    n = i64(0)
    rows = guest
    if nested > 0:
        rows = guest + 1
    for row in range(rows):
        level = guest - 1 - row
        if row == guest:
            level = i64(7)
        row_levels[row] = level
        row_ys[row] = TOP + row * ROW
        for column in range(nested + 1):
            if column == nested and row == guest:
                continue
            upper = column < nested - 1
            cached = caches >= BOTH_DIMENSIONS and upper
            kind = level * 8 + nested - 1 - column
            if column == nested:
                upper = row < guest - 1
                cached = caches >= GUEST_ENTRIES and upper
                kind = level * 8 + 7
            skipped = caches == NESTED_TLB and column < nested and row < guest
            kinds[n] = kind
            numbers[n] = n + 1
            xs[n] = ROW_X + (MOST_LEVELS - nested + column) * CELL
            ys[n] = TOP + row * ROW
            states[n] = FROM_MEMORY
            if skipped:
                states[n] = SKIPPED
                totals[LEFT_OUT] += 1
            elif cached:
                states[n] = CACHED
                totals[IN_CACHES] += 1
            else:
                totals[IN_MEMORY] += 1
            n += 1
    totals[ALL] = n
    most[0] = n
    at = min(max(i64(shown), i64(0)), n)
    totals[SHOWN] = at
    for k in range(at, n):
        states[k] = AHEAD
    if at > 0:
        now[0] = at - 1
        states[at - 1] = NOW
    totals[ROWS] = rows
    totals[BOTTOM] = TOP + rows * ROW + 34
