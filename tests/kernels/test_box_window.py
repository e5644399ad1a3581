"""Turns on the hart and memory in a window of time, against plain Python."""

import random
from itertools import pairwise

import numpy as np
import pytest

from virtlab.kernels import box_window as kernel

LANES = kernel.MOST_LANES
SHAPES = {
    "bounds": (2,),
    "bounds_ms": (2,),
    "ran": (LANES,),
    "shares": (LANES,),
    "turns": (LANES,),
    "n_bars": (LANES,),
    "bar_from": (LANES, kernel.MOST_BARS),
    "bar_to": (LANES, kernel.MOST_BARS),
    "held": (LANES,),
    "peak": (LANES,),
    "n_steps": (LANES,),
    "step_at": (LANES, kernel.MOST_STEPS),
    "step_height": (LANES, kernel.MOST_STEPS),
    "n_ticks": (1,),
    "ticks": (kernel.MOST_TICKS,),
    "ticks_ms": (kernel.MOST_TICKS,),
    "tick_at": (kernel.MOST_TICKS,),
    "tick_side": (kernel.MOST_TICKS,),
}
FLOATS = ("bounds_ms", "shares", "ticks_ms")


def gaps(times, begin):
    return np.array([b - a for a, b in pairwise([begin, *times])] or [0])


def window(turns, changes, scales, n_lanes, begin, end, start_us, width):
    """Call the kernel; turns : (time, lane), changes : (time, lane, pages). Outputs by name."""
    out = {
        name: np.zeros(shape, np.float64 if name in FLOATS else np.int64)
        for name, shape in SHAPES.items()
    }
    kernel.box_window(
        gaps([turn[0] for turn in turns], begin),
        np.array([turn[1] for turn in turns] or [0]),
        len(turns),
        gaps([change[0] for change in changes], begin),
        *(np.array([change[k] for change in changes] or [0]) for k in (1, 2)),
        len(changes),
        np.array(scales),
        *(n_lanes, begin, end, start_us, width),
        *out.values(),
    )
    return out


def drawn(rng):
    """A run at random: turns, changes, scales, number of lanes, begin and end."""
    n_lanes, begin = rng.randrange(1, LANES + 1), rng.randrange(10**6)
    turns, changes, time = [], [], begin
    for _ in range(rng.choice((0, 1, 5, 500))):
        turns.append((time, rng.randrange(n_lanes)))
        if rng.random() < 0.3:
            changes.append((time, rng.randrange(n_lanes), rng.randrange(200)))
        time += rng.choice((0, 1, rng.randrange(1, 30_000)))
    scales = [rng.choice((0, 100, 199)) for _ in range(LANES)]
    return turns, changes, scales, n_lanes, begin, time + rng.randrange(1, 3_000)


@pytest.mark.parametrize("round_", range(40))
def test_each_lane_has_its_time_and_its_memory(seed, round_):
    rng = random.Random(seed + round_)
    turns, changes, scales, n_lanes, begin, end = drawn(rng)
    start_us = rng.randrange(begin // 1000, (end - 1) // 1000 + 1)
    width = rng.choice((0, 10_000, 10**6, 10**8))
    found = window(turns, changes, scales, n_lanes, begin, end, start_us, width)
    first, last = found["bounds"].tolist()
    assert first == max(start_us * 1000, begin)
    assert last == max(min(end, first + (width or end)), first + 1)
    assert found["bounds_ms"].tolist() == [first / 1e6, last / 1e6]
    stretches = [
        (time, until, lane)
        for (time, lane), until in zip(turns, [*(time for time, _ in turns[1:]), end], strict=False)
    ]
    for lane in range(n_lanes):
        own = [(time, until) for time, until, who in stretches if who == lane]
        inside = [max(0, min(until, last) - max(time, first)) for time, until in own]
        assert found["ran"][lane] == sum(inside)
        assert found["shares"][lane] == pytest.approx(100 * sum(inside) / (last - first))
        assert found["turns"][lane] == sum(first <= time < last for time, _ in own)
        bars = found["n_bars"][lane]
        assert (bars > 0) == any(inside)
        places = np.ravel([found["bar_from"][lane, :bars], found["bar_to"][lane, :bars]], "F")
        assert (np.diff(places) > 0).all()
        before = [pages for time, who, pages in changes if who == lane and time <= first]
        within = [pages for time, who, pages in changes if who == lane and first < time < last]
        known = before[-1:] + within
        assert found["held"][lane] == (known[-1] if known else 0)
        assert found["peak"][lane] == max(known, default=0)
        n = found["n_steps"][lane]
        assert bool(n) == bool(known)
        if n:
            scale, height = scales[lane], found["step_height"][lane, n - 1]
            full = min(kernel.HEIGHT, -(-known[-1] * kernel.HEIGHT // scale)) if scale else 0
            assert height == full
            assert (np.diff(found["step_at"][lane, :n]) > 0).all()
    assert found["ticks_ms"].tolist() == [tick / 1e6 for tick in found["ticks"]]
