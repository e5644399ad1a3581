"""The window of a timeline against plain Python: modes, bars, marks, ticks and rows."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest

from virtlab.explore.drawing import round_positions
from virtlab.kernels import timeline as kernel

SPAN = kernel.RIGHT - kernel.LEFT
SHAPES = {
    "bounds": (2,),
    "n_ran": (1,),
    "ran": (kernel.N_MODES,),
    "instructions": (kernel.N_MODES,),
    "shares": (kernel.N_MODES,),
    "n_bars": (kernel.N_MODES,),
    "bar_from": (kernel.N_MODES, kernel.MOST_BARS),
    "bar_to": (kernel.N_MODES, kernel.MOST_BARS),
    "n_marks": (2,),
    "marks": (2, kernel.MOST_MARKS),
    "n_ticks": (1,),
    "ticks": (kernel.MOST_TICKS,),
    "tick_at": (kernel.MOST_TICKS,),
    "tick_side": (kernel.MOST_TICKS,),
    "n_rows": (4,),
    "traps": (1,),
    "rows": (kernel.MOST_ROWS,),
    "row_steps": (kernel.MOST_ROWS,),
}


def window(events, begin, end, mode, start, width):
    """Call the kernel; events : (steps, kind, from_mode, to_mode). Returns outputs by name."""
    steps = [0, *(event[0] for event in events)]
    gaps = [after - before for before, after in zip(steps, steps[1:], strict=False)]
    columns = [gaps, *([event[k] for event in events] for k in (1, 2, 3))]
    columns = [np.array(column or [0], np.int64) for column in columns]
    filled = {
        name: np.zeros(shape, np.float64 if name == "shares" else np.int64)
        for name, shape in SHAPES.items()
    }
    kernel.window(*columns, len(events), begin, end, mode, start, width, *filled.values())
    return filled


def modes_of(events, begin, end, mode) -> list[tuple[int, int, int]]:
    """Stretches (mode, first, last) of a run, as long as they can be."""
    now, since, found = events[0][2] if events else mode, begin, []
    for steps, now_after in [*((event[0], event[3]) for event in events), (end, None)]:
        if steps > since:
            if found and found[-1][0] == now:
                found[-1] = (now, found[-1][1], steps)
            else:
                found.append((now, since, steps))
            since = steps
        now = now_after
    return found


def random_run(rng):
    """Events of a random run: (events, begin, end)."""
    n = rng.choice((0, 1, 3, 40, 1000))
    most = rng.choice((3, 50, 10_000))
    steps, mode, events = 0, rng.randrange(kernel.N_MODES), []
    for _ in range(n):
        steps += rng.choice((0, 1, rng.randrange(most)))
        after = rng.randrange(kernel.N_MODES)
        events.append((steps, rng.randrange(3), mode, after))
        mode = after
    begin = events[0][0] if events and rng.random() < 0.3 else 0
    return events, begin, max(steps, begin) + rng.randrange(1, most)


def place(position, first, last):
    """Where a position lies in the picture: exact halves go up."""
    exact = SPAN * (min(max(position, first), last) - first) / (last - first)
    return kernel.LEFT + int(exact + 0.5)


def test_a_window_of_a_random_run_says_what_plain_python_says(seed):
    rng = random.Random(f"{seed} timeline")
    for case in range(300):
        events, begin, end = random_run(rng)
        start = rng.randrange(begin, end)
        width = rng.choice((0, 1, rng.randrange(1, end - begin + 10)))
        got = window(events, begin, end, 2, start, width)
        first, last = start, min(end, start + width) if width else end
        assert got["bounds"].tolist() == [first, last], case
        time = Counter()
        covered: dict[int, set] = {}
        for mode, since, until in modes_of(events, begin, end, 2):
            if since < last and until > first:
                time[mode] += min(until, last) - max(since, first)
                a = place(since, first, last)
                covered.setdefault(mode, set()).update(
                    range(a, max(place(until, first, last), a + 1))
                )
        assert got["instructions"].tolist() == [time[k] for k in range(kernel.N_MODES)], case
        assert got["ran"][: int(got["n_ran"][0])].tolist() == sorted(+time), case
        assert got["shares"].tolist() == [
            100 * time[k] / (last - first) for k in range(kernel.N_MODES)
        ]
        for mode in range(kernel.N_MODES):
            n = got["n_bars"][mode]
            bars = list(
                zip(
                    got["bar_from"][mode][:n].tolist(),
                    got["bar_to"][mode][:n].tolist(),
                    strict=True,
                )
            )
            assert {x for a, b in bars for x in range(a, b)} == covered.get(mode, set()), case
            assert all(b < a for (_, b), (a, _) in itertools.pairwise(bars))
        inside = [(k, event) for k, event in enumerate(events) if first <= event[0] < last]
        kinds = Counter(event[1] for _, event in inside)
        assert got["n_rows"].tolist() == [len(inside), kinds[0], kinds[1], kinds[2]], case
        assert got["traps"][0] == kinds[0] + kinds[1]
        shown = inside[: kernel.MOST_ROWS]
        assert got["rows"][: len(shown)].tolist() == [k for k, _ in shown]
        assert got["row_steps"][: len(shown)].tolist() == [event[0] for _, event in shown]
        for kind in (0, 1):
            marks = sorted(
                {place(event[0], first, last) for _, event in inside if event[1] == kind}
            )
            assert got["marks"][kind][: got["n_marks"][kind]].tolist() == marks
        ticks = got["ticks"][: int(got["n_ticks"][0])].tolist()
        assert ticks == round_positions(first, last, kernel.MOST_TICKS)
        assert got["tick_at"][: len(ticks)].tolist() == [place(t, first, last) for t in ticks]


def test_the_most_bars_that_a_lane_can_have_fit_its_array():
    events, mode = [], 1
    for steps in range(1, SPAN * 4):
        events.append((steps * 10, 0, mode, 3 - mode))
        mode = 3 - mode
    end = SPAN * 40
    for width in (0, end // 2, SPAN * 10, SPAN * 9, 100):
        got = window(events, 0, end, 0, 0, width)
        assert got["n_bars"].max() <= kernel.MOST_BARS
    assert window(events, 0, end, 0, 0, SPAN * 10)["n_bars"].max() > SPAN // 2 - 2


@pytest.mark.parametrize("end", [1, 10**15])
def test_a_run_without_events_is_in_one_mode(end):
    got = window([], 0, end, 4, 0, 0)
    assert got["instructions"].tolist() == [0, 0, 0, 0, end]
    assert (got["bar_from"][4][0], got["bar_to"][4][0]) == (kernel.LEFT, kernel.RIGHT)
