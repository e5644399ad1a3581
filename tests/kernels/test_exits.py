"""Exits in a window, the path of one exit, and rates, against plain Python."""

import random
from collections import Counter

import numpy as np
import pytest

from virtlab.kernels import comparison, exit_path
from virtlab.kernels import exits as kernel

SHAPES = {
    "bounds": (2,),
    "total": (1,),
    "in_lane": (kernel.MOST_LANES,),
    "rates": (kernel.MOST_LANES + 1,),
    "n_marks": (kernel.MOST_LANES,),
    "marks": (kernel.MOST_LANES, kernel.MOST_MARKS),
    "n_ticks": (1,),
    "ticks": (kernel.MOST_TICKS,),
    "tick_at": (kernel.MOST_TICKS,),
    "tick_side": (kernel.MOST_TICKS,),
    "rows": (kernel.MOST_ROWS,),
    "row_steps": (kernel.MOST_ROWS,),
}


def window(exits, n_lanes, begin, end, start, width):
    """Call the kernel; exits : (steps, lane). Returns outputs by name."""
    steps = [0, *(exit[0] for exit in exits)]
    gaps = [after - before for before, after in zip(steps, steps[1:], strict=False)]
    filled = {
        name: np.zeros(shape, np.float64 if name == "rates" else np.int64)
        for name, shape in SHAPES.items()
    }
    columns = [np.array(gaps or [0]), np.array([exit[1] for exit in exits] or [0])]
    kernel.exit_window(*columns, len(exits), n_lanes, begin, end, start, width, *filled.values())
    return filled


@pytest.mark.parametrize("round_", range(40))
def test_every_exit_of_the_window_is_counted_in_its_lane(seed, round_):
    rng = random.Random(seed + round_)
    n_lanes = rng.randrange(1, kernel.MOST_LANES + 1)
    exits, steps = [], 0
    for _ in range(rng.choice((0, 1, 5, 700))):
        steps += rng.choice((0, 1, rng.randrange(1, 3_000)))
        exits.append((steps, rng.randrange(n_lanes)))
    begin = exits[0][0] if exits and rng.random() < 0.5 else 0
    end = steps + rng.randrange(3)
    start = rng.randrange(begin, max(end, begin + 1))
    width = rng.choice((0, 1, 100, 10**6))
    found = window(exits, n_lanes, begin, end, start, width)
    first, last = found["bounds"].tolist()
    assert (first, last) == (start, max(min(end, start + (width or end)), start + 1))
    inside = [
        (k, at, lane)
        for k, (at, lane) in enumerate(exits)
        if first <= at < last or (at == last and last >= end)
    ]
    counts = Counter(lane for _, _, lane in inside)
    assert found["total"][0] == len(inside)
    assert found["in_lane"].tolist() == [counts[lane] for lane in range(kernel.MOST_LANES)]
    shown = inside[: kernel.MOST_ROWS]
    assert found["rows"][: len(shown)].tolist() == [k for k, _, _ in shown]
    assert found["row_steps"][: len(shown)].tolist() == [at for _, at, _ in shown]
    assert found["rates"][-1] == pytest.approx(1000 * len(inside) / (last - first))
    for lane in range(n_lanes):
        places = found["marks"][lane, : found["n_marks"][lane]]
        assert len(places) == len(set(places.tolist())) <= counts[lane]
        assert (len(places) > 0) == (counts[lane] > 0)
        assert all(kernel.LEFT <= place <= kernel.RIGHT for place in places)


def path(exits, earlier, part_of, device_of, shown):
    """Call the kernel; exits : (reason, source, way)."""
    columns = [np.array([exit[k] for exit in exits] or [0]) for k in range(3)]
    shapes = (1, exit_path.N_STATE, exit_path.N_REASONS, exit_path.MOST_PARTS, 3, 9, 4)
    filled = [np.zeros(n, np.int64) for n in shapes]
    exit_path.exit_path(*columns, len(exits), earlier, part_of, device_of, shown, *filled)
    return [array.tolist() for array in filled]


@pytest.mark.parametrize("round_", range(40))
def test_the_path_of_an_exit_leads_from_a_box_to_a_part_and_back(seed, round_):
    rng = random.Random(seed + round_)
    n = rng.choice((0, 1, 50))
    exits = [(rng.randrange(16), rng.randrange(2), rng.randrange(3)) for _ in range(n)]
    earlier = np.array([rng.randrange(3) for _ in range(16)])
    part_of = np.array([rng.randrange(exit_path.MOST_PARTS) for _ in range(16)])
    device_of = np.array([rng.randrange(3) for _ in range(16)])
    shown = rng.randrange(n + 1)
    at, state, by_reason, by_part, by_way, box_lit, line_lit = path(
        exits, earlier, part_of, device_of, shown
    )
    so_far = Counter(reason for reason, _, _ in exits[:shown])
    assert by_reason == [so_far[k] + earlier[k] for k in range(16)]
    assert sum(by_part) == sum(by_reason) == state[exit_path.SO_FAR] == state[exit_path.NUMBER]
    assert by_way == [sum(way == k for _, _, way in exits[:shown]) for k in range(3)]
    if not shown:
        assert not any(box_lit) and not any(line_lit) and at == [0]
        return
    reason, source, way = exits[shown - 1]
    assert at == [shown - 1]
    assert box_lit[2 + part_of[reason]] == 1 and sum(box_lit[2:7]) == 1
    assert box_lit[7:] == [int(device_of[reason] == 1), int(device_of[reason] == 2)]
    injected = way == exit_path.INJECTED
    assert box_lit[:2] == [int(source == 0), int(source == 1 or injected)]
    assert line_lit == [1 - source, source, int(way == exit_path.BACK), int(injected)]


def test_rates_are_exits_a_thousand_instructions():
    counts = np.array([[0, 3, 5], [0, 0, 1]])
    numbers, rates = np.zeros(2, np.int64), np.zeros(2)
    most, least = np.zeros(1, np.int64), np.zeros(1, np.int64)
    every = comparison.EVERY_REASON
    comparison.exit_rates(counts, np.array([1000, 100]), every, numbers, rates, most, least)
    assert (numbers.tolist(), rates.tolist()) == ([8, 1], [8.0, 10.0])
    assert (most[0], least[0]) == (1, 0)
    numbers[:], most[:], least[:] = 0, 0, 0
    comparison.exit_rates(counts, np.array([1000, 100]), 1, numbers, rates, most, least)
    assert (numbers.tolist(), most[0], least[0]) == ([3, 0], 0, 1)
