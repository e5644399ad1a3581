"""Which exits fell into this stretch of a run? A lane for each reason, marks, an axis, counts.

Marks are at the picture's resolution, as in `timeline`: a boot has thousands of exits, of which a
picture a few hundred units wide can show a few hundred a lane. Time is counted in guest
instructions.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.kernels.timeline import LEFT, MOST_MARKS, MOST_TICKS, RIGHT, place, scale

__all__ = ["LEFT", "MOST_LANES", "MOST_MARKS", "MOST_ROWS", "MOST_TICKS", "RIGHT", "exit_window"]

i64 = np.int64

MOST_LANES = 16
MOST_ROWS = 60


@njit
def exit_window(
    gaps,
    lanes,
    n_exits,
    n_lanes,
    begin,
    end,
    start,
    width,
    bounds,
    total,
    in_lane,
    rates,
    n_marks,
    marks,
    n_ticks,
    ticks,
    tick_at,
    tick_side,
    rows,
    row_steps,
):
    """What exits there were from instruction `start` on, `width` instructions long.

    Parameters
    ----------
    gaps : (n,) int64, guest instructions from one exit to the next; the first one's from reset
    lanes : (n,) int64, the lane of each exit's reason, 0 to n_lanes - 1
    n_exits : int64, how many there are; the arrays have one element even for none
    n_lanes : int64, at most MOST_LANES
    begin, end : int64, the first instruction that is known and the number executed so far
    start : int64, the first instruction of the window, below `end`
    width : int64, its length, 0 for up to the end
    bounds : (2,) int64, written: the window's first instruction and the one after its last
    total : (1,) int64, written: exits in the window
    in_lane : (MOST_LANES,) int64, written: exits in the window by lane
    rates : (MOST_LANES + 1,) float64, written: the same a thousand instructions; then of all
    n_marks : (MOST_LANES,) int64; marks : (MOST_LANES, MOST_MARKS) int64, written
    n_ticks : (1,) int64; ticks, tick_at, tick_side : (MOST_TICKS,) int64, written: the axis
    rows, row_steps : (MOST_ROWS,) int64, written: the first exits in the window, and when
    """
    first = max(i64(start), i64(begin))
    last = i64(end)
    if width > 0:
        last = min(last, first + width)
    last = max(last, first + 1)
    bounds[0] = first
    bounds[1] = last
    # An exit at the very end of a run belongs to it: the instruction is about to be executed.
    until = last
    if last >= end:
        until = last + 1
    steps = i64(0)
    for k in range(n_exits):
        steps += gaps[k]
        if first <= steps < until:
            lane = lanes[k]
            if total[0] < MOST_ROWS:
                rows[total[0]] = k
                row_steps[total[0]] = steps
            total[0] += 1
            in_lane[lane] += 1
            at = place(steps, first, last)
            n = n_marks[lane]
            if n == 0 or marks[lane, n - 1] != at:
                marks[lane, n] = at
                n_marks[lane] = n + 1
    for lane in range(n_lanes):
        rates[lane] = 1000.0 * in_lane[lane] / (last - first)
    rates[MOST_LANES] = 1000.0 * total[0] / (last - first)
    scale(first, last, n_ticks, ticks, tick_at, tick_side)
