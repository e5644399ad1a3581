"""What is known after each step of a page-table walk? The numbers that its picture shows.

The picture has the virtual address on top, cut into its fields, then a panel for each entry that is
read, then the physical address or the fault. A walk comes from a recording (`recorded_walk`) or is
made here, in a copy of the machine's page tables (`machine_walk`).
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa.encoding import FETCH, PAGE_SHIFT
from virtlab.kernels.walk import (
    NO_FAULT,
    RESULT_FAULT,
    RESULT_PA,
    RESULT_STEPS,
    STAGE_S,
    STEP_ENTRY,
    STEP_LEVEL,
    STEP_STAGE,
    walk_steps,
)

i64 = np.int64

FIELDS = 4  # VPN[2], VPN[1], VPN[0], offset in the page
FLAGS = 8  # D A G U X W R V
PANELS_TOP, PANEL_STEP, RESULT_HEIGHT = 76, 82, 56  # in units of the picture
FIELD_X, FIELD_STEP = 176, 120

# How far the walk is shown, and how it ends.
(
    SAYS_FIELDS,
    SAYS_STEP,
    SAYS_NO_TABLE,
    SAYS_NO_TABLE_FAULT,
    SAYS_FAULT,
    SAYS_PAGE,
) = range(6)

UNREAD, READ, NEWEST = range(3)

# How the walk ends in the picture: not yet, in a fault, at a page, at the address itself.
ENDS_LATER, ENDS_IN_FAULT, ENDS_AT_PAGE, ENDS_AS_IT_IS = range(4)

# Places in `state`: how many steps are shown, and the most there are to show; how many of them are
# entries; the row of the newest entry; what the words say (SAYS_); how many panels, and how many
# dashed lines from a field to the result; 1 for two stages; the top of the picture's result, and
# the picture's height; how it ends (ENDS_).
(
    KNOWN,
    LAST,
    KNOWN_STEPS,
    NEWEST_ROW,
    SAYS,
    PANELS,
    LINES,
    NESTED,
    BOTTOM,
    HEIGHT,
    ENDED,
) = range(11)
N_STATE = 11

PAGE_LEVEL, PAGE_AT, PAGE_OFFSET = range(3)


@njit(inner=True)
def _view(va, shown, steps, result, state, fields, panel_y, panel_x, panel_state, flags, page):
    n = result[RESULT_STEPS]
    last = n + 1
    known = min(max(i64(shown), i64(0)), last)
    state[KNOWN] = known
    state[KNOWN_STEPS] = min(known, n)
    state[LAST] = last
    state[NEWEST_ROW] = min(max(known - 1, i64(0)), max(n - 1, i64(0)))
    state[PANELS] = n
    state[BOTTOM] = PANELS_TOP + n * PANEL_STEP
    state[HEIGHT] = state[BOTTOM] + RESULT_HEIGHT
    fields[3] = va & 0xFFF
    for level in range(3):
        fields[2 - level] = va >> (PAGE_SHIFT + 9 * level) & 0x1FF
    state[LINES] = n
    for k in range(n):
        panel_y[k] = PANELS_TOP + k * PANEL_STEP
        panel_x[k] = FIELD_X + (2 - steps[k, STEP_LEVEL]) * FIELD_STEP
        panel_state[k] = UNREAD
        if k < known:
            panel_state[k] = READ
        if k == known - 1:
            panel_state[k] = NEWEST
        for bit in range(FLAGS):
            flags[k, bit] = steps[k, STEP_ENTRY] >> (FLAGS - 1 - bit) & 1
        if steps[k, STEP_STAGE] != STAGE_S:
            state[NESTED] = 1
    if state[NESTED]:
        state[LINES] = 0
    faulted = result[RESULT_FAULT] != NO_FAULT
    if n > 0:
        page[PAGE_LEVEL] = steps[n - 1, STEP_LEVEL]
        page[PAGE_OFFSET] = result[RESULT_PA] & (
            (i64(1) << (PAGE_SHIFT + 9 * page[PAGE_LEVEL])) - 1
        )
    page[PAGE_AT] = result[RESULT_PA] - page[PAGE_OFFSET]
    state[ENDED] = ENDS_LATER
    if known == 0:
        state[SAYS] = SAYS_FIELDS
    elif known <= n:
        state[SAYS] = SAYS_STEP
    elif faulted:
        state[ENDED] = ENDS_IN_FAULT
        state[SAYS] = SAYS_FAULT
        if n == 0:
            state[SAYS] = SAYS_NO_TABLE_FAULT
    elif n == 0:
        state[ENDED] = ENDS_AS_IT_IS
        state[SAYS] = SAYS_NO_TABLE
    else:
        state[ENDED] = ENDS_AT_PAGE
        state[SAYS] = SAYS_PAGE


@njit
def recorded_walk(
    va, steps, result, shown, state, fields, panel_y, panel_x, panel_state, flags, page
):
    """A walk that was recorded, shown up to step `shown`.

    Parameters
    ----------
    va : int64
    steps, result : as `walk_steps` fills them
    shown : int64, 0 for the address alone, 1 for the first entry, one more than all for the result
    state : (N_STATE,) int64, written; so are all below
    fields : (FIELDS,) int64, of the address
    panel_y, panel_x, panel_state : (STEP_ROWS,) int64, of each panel: its top, the left end of the
        field that found its entry, and UNREAD, READ or NEWEST
    flags : (STEP_ROWS, FLAGS) int64, of each entry, 0 or 1
    page : (3,) int64, level and address of the page that was found, and the offset in it
    """
    _view(va, shown, steps, result, state, fields, panel_y, panel_x, panel_state, flags, page)


@njit
def machine_walk(
    harts,
    ram64,
    modes,
    where,
    kind,
    shown,
    steps,
    result,
    state,
    fields,
    panel_y,
    panel_x,
    panel_state,
    flags,
    page,
    most_steps,
):
    """A walk through the machine's page tables; parameters as for `recorded_walk`, and these.

    Parameters
    ----------
    harts, ram64 : as for `walk_steps`
    modes : (4,) int64, mode and V of data accesses, then of fetches
    where, kind : int64, the virtual address and LOAD, STORE or FETCH
    most_steps : (1,) int64, written: the last step of this walk
    """
    at = 0
    if kind == FETCH:
        at = 2
    walk_steps(harts, ram64, i64(where), i64(kind), modes[at], modes[at + 1], steps, result)
    va = i64(where)
    _view(va, shown, steps, result, state, fields, panel_y, panel_x, panel_state, flags, page)
    most_steps[0] = state[LAST]
