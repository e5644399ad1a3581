"""Which box had the hart in this stretch of a run, and how much memory did each hold?

Bars and steps are at the picture's resolution, as in `timeline`. Time is the guest's clock, so the
time in which nobody could run, and the hart waited, is there too.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.kernels.timeline import LEFT, MOST_BARS, MOST_TICKS, RIGHT, place, scale, stretch

__all__ = ["LEFT", "MOST_BARS", "MOST_LANES", "MOST_STEPS", "MOST_TICKS", "RIGHT", "box_window"]

i64 = np.int64

MOST_LANES = 8  # the last one that is used is for the time in which no box ran
MOST_STEPS = RIGHT - LEFT + 1  # of a lane's memory: one for each unit of the picture
HEIGHT = 22  # of a lane's memory at its scale's end, in units of the picture
NS_PER_US = 1000
NS_PER_MS = 1e6


@njit(inner=True)
def _step(lane, at, pages, scales, n_steps, step_at, step_height):
    """Append a step of a lane's memory; the last of those at one unit stays."""
    height = i64(0)
    if scales[lane] > 0:
        height = min((pages * HEIGHT + scales[lane] - 1) // scales[lane], i64(HEIGHT))
    n = n_steps[lane]
    if n > 0 and step_at[lane, n - 1] == at:
        n -= 1
    step_at[lane, n] = at
    step_height[lane, n] = height
    n_steps[lane] = n + 1


@njit
def box_window(
    gaps,
    lanes,
    n_turns,
    page_gaps,
    page_lanes,
    pages,
    n_pages,
    scales,
    n_lanes,
    begin,
    end,
    start_us,
    width,
    bounds,
    bounds_ms,
    ran,
    shares,
    turns,
    n_bars,
    bar_from,
    bar_to,
    held,
    peak,
    n_steps,
    step_at,
    step_height,
    n_ticks,
    ticks,
    ticks_ms,
    tick_at,
    tick_side,
):
    """Who ran from a time on, and what each held. Times are in nanoseconds but for `start_us`.

    Parameters
    ----------
    gaps : (n,) int64, time from one turn's begin to the next one's; the first one's from `begin`
    lanes : (n,) int64, whose turn it is, 0 to n_lanes - 1
    n_turns : int64, how many there are; the arrays have one element even for none
    page_gaps, page_lanes, pages : (m,) int64, the same for changes of memory: time since the
        change before, which lane's, pages from then on
    n_pages : int64, how many changes there are
    scales : (MOST_LANES,) int64, pages at the end of each lane's scale; 0: no memory is drawn
    n_lanes : int64, at most MOST_LANES
    begin, end : int64, of what was recorded
    start_us : int64, the begin of the window in microseconds, before `end`
    width : int64, its length, 0 for up to the end
    bounds : (2,) int64 and bounds_ms : (2,) float64, written: the window, in ns and in ms
    ran, shares : (MOST_LANES,) int64 and float64, written: time in the window, percent of it
    turns : (MOST_LANES,) int64, written: turns that began in the window
    n_bars : (MOST_LANES,) int64; bar_from, bar_to : (MOST_LANES, MOST_BARS) int64, written
    held, peak : (MOST_LANES,) int64, written: pages at the window's end, most in it
    n_steps : (MOST_LANES,) int64; step_at, step_height : (MOST_LANES, MOST_STEPS) int64, written
    n_ticks : (1,) int64; ticks, tick_at, tick_side : (MOST_TICKS,) int64; ticks_ms : (MOST_TICKS,)
        float64, written: the axis
    """
    first = max(i64(start_us) * NS_PER_US, i64(begin))
    last = i64(end)
    if width > 0:
        last = min(last, first + width)
    last = max(last, first + 1)
    bounds[0] = first
    bounds[1] = last
    since = i64(begin)
    for k in range(n_turns):
        since += gaps[k]
        until = i64(end)
        if k + 1 < n_turns:
            until = since + gaps[k + 1]
        stretch(lanes[k], since, until, first, last, ran, n_bars, bar_from, bar_to)
        if first <= since < last:
            turns[lanes[k]] += 1
    for lane in range(n_lanes):
        shares[lane] = 100.0 * ran[lane] / (last - first)
    since = i64(begin)
    for k in range(n_pages):
        since += page_gaps[k]
        if since >= last:
            break
        lane = page_lanes[k]
        if since <= first:
            peak[lane] = 0
            n_steps[lane] = 0
        held[lane] = pages[k]
        peak[lane] = max(peak[lane], pages[k])
        at = place(since, first, last)
        _step(lane, at, pages[k], scales, n_steps, step_at, step_height)
    scale(first, last, n_ticks, ticks, tick_at, tick_side)
    for k in range(n_ticks[0]):
        ticks_ms[k] = ticks[k] / NS_PER_MS
    for k in range(2):
        bounds_ms[k] = bounds[k] / NS_PER_MS
