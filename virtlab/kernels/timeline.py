"""Who had the machine in this stretch of a run? Modes as bars, traps as marks, an axis, counts.

The bars are at the picture's resolution: a boot has thousands of mode changes, of which a picture
a few hundred units wide can show a few hundred. Time is counted in instructions.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_MODES = 5
LEFT, RIGHT = 120, 664  # of the lanes, in units of the picture
MOST_BARS = 280  # of a lane: each takes a unit, and so does the gap after it
MOST_MARKS = RIGHT - LEFT + 1
MOST_TICKS = 6
MOST_ROWS = 60
EXCEPTION, INTERRUPT, RETURN = range(3)


@njit(inner=True)
def place(position, first, last):
    """Where an instruction lies in the picture, to the nearest unit."""
    inside = min(max(position, first), last) - first
    span = last - first
    return LEFT + (2 * inside * (RIGHT - LEFT) + span) // (2 * span)


@njit(inner=True)
def stretch(mode, since, until, first, last, instructions, n_bars, bar_from, bar_to):
    """Count a stretch of one mode and draw what of it lies in the window."""
    if since < last and until > first and until > since:
        instructions[mode] += min(until, last) - max(since, first)
        start = place(since, first, last)
        stop = max(place(until, first, last), start + 1)
        n = n_bars[mode]
        if n > 0 and start <= bar_to[mode, n - 1]:
            bar_to[mode, n - 1] = max(bar_to[mode, n - 1], stop)
        else:
            bar_from[mode, n] = start
            bar_to[mode, n] = stop
            n_bars[mode] = n + 1


@njit(inner=True)
def _mark(kind, position, first, last, n_marks, marks):
    at = place(position, first, last)
    n = n_marks[kind]
    if n == 0 or marks[kind, n - 1] != at:
        marks[kind, n] = at
        n_marks[kind] = n + 1


@njit(inner=True)
def scale(first, last, n_ticks, ticks, tick_at, tick_side):
    """Multiples of 1, 2 or 5 times a power of ten, at most MOST_TICKS of them."""
    step = i64(1)
    digit = 1
    while last // step - (first - 1) // step > MOST_TICKS:
        if digit == 1:
            digit = 2
            step = step * 2
        elif digit == 2:
            digit = 5
            step = step // 2 * 5
        else:
            digit = 1
            step = step * 2
    n = i64(0)
    position = -(-first // step) * step
    while position <= last:
        at = place(position, first, last)
        ticks[n] = position
        tick_at[n] = at
        tick_side[n] = 1
        if at < LEFT + 30:
            tick_side[n] = 0
        elif at > RIGHT - 30:
            tick_side[n] = 2
        n += 1
        position += step
    n_ticks[0] = n


@njit
def window(
    gaps,
    kinds,
    from_modes,
    to_modes,
    n_events,
    begin,
    end,
    mode,
    start,
    width,
    bounds,
    n_ran,
    ran,
    instructions,
    shares,
    n_bars,
    bar_from,
    bar_to,
    n_marks,
    marks,
    n_ticks,
    ticks,
    tick_at,
    tick_side,
    n_rows,
    traps,
    rows,
    row_steps,
):
    """What happened from instruction `start` on, `width` instructions long.

    Parameters
    ----------
    gaps : (n,) int64, instructions from one event to the next; the first one's from reset
    kinds : (n,) int64, EXCEPTION, INTERRUPT or RETURN
    from_modes, to_modes : (n,) int64, the mode before and after, 0 to N_MODES - 1
    n_events : int64, how many there are; the arrays have one element even for none
    begin, end : int64, the first instruction that is known and the number executed so far
    mode : int64, the mode all along if there is no event
    start : int64, the first instruction of the window, below `end`
    width : int64, its length, 0 for up to the end
    bounds : (2,) int64, written: the window's first instruction and the one after its last
    n_ran, ran : (1,) and (N_MODES,) int64, written: the modes that ran in the window
    instructions, shares : (N_MODES,) int64 and float64, written: how many, and percent of all
    n_bars : (N_MODES,) int64; bar_from, bar_to : (N_MODES, MOST_BARS) int64, written
    n_marks : (2,) int64; marks : (2, MOST_MARKS) int64, written, of exceptions and interrupts
    n_ticks : (1,) int64; ticks, tick_at, tick_side : (MOST_TICKS,) int64, written: the axis; the
        text begins at its place, is centred there or ends there
    n_rows : (4,) int64, written: events in the window, and of each kind
    traps : (1,) int64, written: exceptions and interrupts in the window
    rows, row_steps : (MOST_ROWS,) int64, written: the first events in the window, and when
    """
    first = i64(start)
    last = i64(end)
    if width > 0:
        last = min(last, first + width)
    last = max(last, first + 1)
    bounds[0] = first
    bounds[1] = last
    now = i64(mode)
    if n_events > 0:
        now = i64(from_modes[0])
    running = now  # the mode of the stretch that began at `since` and goes on at `position`
    since = i64(begin)
    position = i64(begin)
    steps = i64(0)
    for k in range(n_events):
        steps += gaps[k]
        if steps > position:
            if now != running:
                stretch(
                    running, since, position, first, last, instructions, n_bars, bar_from, bar_to
                )
                running = now
                since = position
            position = steps
        now = i64(to_modes[k])
        if first <= steps < last:
            kind = i64(kinds[k])
            if n_rows[0] < MOST_ROWS:
                rows[n_rows[0]] = k
                row_steps[n_rows[0]] = steps
            n_rows[0] += 1
            n_rows[1 + kind] += 1
            if kind != RETURN:
                traps[0] += 1
                _mark(kind, steps, first, last, n_marks, marks)
    if now != running and end > position:
        stretch(running, since, position, first, last, instructions, n_bars, bar_from, bar_to)
        running = now
        since = position
    stretch(running, since, i64(end), first, last, instructions, n_bars, bar_from, bar_to)
    for k in range(N_MODES):
        shares[k] = 100.0 * instructions[k] / (last - first)
        if instructions[k] > 0:
            ran[n_ran[0]] = k
            n_ran[0] += 1
    scale(first, last, n_ticks, ticks, tick_at, tick_side)
