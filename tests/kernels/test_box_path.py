"""The path of an entry into the kernel, and what each box did up to it, against plain Python."""

import random

import numpy as np
import pytest

from virtlab.kernels import box_path as kernel

BOXES, PARTS = kernel.MOST_BOXES, kernel.N_PARTS
NAMES = (
    "at", "state", "calls", "entries", "turns", "instructions", "shares", "by_part", "box_lit",
    "next_lit", "part_lit", "hardware_lit",
)  # fmt: skip
SIZES = (1, kernel.N_STATE, *[BOXES] * 5, PARTS, BOXES, BOXES, PARTS, 2)


def path(rows, ran, earlier, shown, further):
    """Call the kernel; rows : (box, part, cause, hardware, switched). Returns outputs by name."""
    columns = [np.array([row[k] for row in rows] or [0]) for k in range(5)]
    out = {
        name: np.zeros(size, np.float64 if name == "shares" else np.int64)
        for name, size in zip(NAMES, SIZES, strict=True)
    }
    ran = np.array(ran or [[0] * BOXES])
    kernel.box_path(*columns, ran, len(rows), earlier, shown, further, *out.values())
    return {name: array.tolist() for name, array in out.items()}


@pytest.mark.parametrize("round_", range(40))
def test_an_entry_leads_from_a_box_to_a_part_and_to_the_next_box(seed, round_):
    rng = random.Random(seed + round_)
    n = rng.choice((0, 1, 50))
    sizes = (BOXES, PARTS, kernel.N_CAUSES, 3, 2)
    rows = [tuple(rng.randrange(size) for size in sizes) for _ in range(n)]
    ran = [[rng.randrange(1_000) for _ in range(BOXES)] for _ in range(n)]
    earlier, shown, further = rng.randrange(9), rng.randrange(n + 1), rng.randrange(3)
    found = path(rows, ran, earlier, shown, further)
    shown = min(shown + further, n)
    so_far = rows[:shown]
    for box in range(BOXES):
        own = [row for row in so_far if row[0] == box]
        assert found["entries"][box] == len(own)
        assert found["calls"][box] == sum(row[2] == kernel.SYSTEM_CALL for row in own)
        assert found["turns"][box] == sum(row[4] for row in own)
        assert found["instructions"][box] == sum(each[box] for each in ran[:shown])
    if sum(found["instructions"]):
        assert sum(found["shares"]) == pytest.approx(100)
    assert found["by_part"] == [sum(row[1] == part for row in so_far) for part in range(PARTS)]
    state = found["state"]
    assert (state[kernel.SHOWN], state[kernel.NUMBER]) == (shown, earlier + shown)
    lit = [found[name] for name in ("box_lit", "next_lit", "part_lit", "hardware_lit")]
    if not shown:
        assert not any(any(each) for each in lit) and found["at"] == [0]
        return
    box, part, _, hardware, _ = rows[shown - 1]
    following = rows[shown][0] if shown < n else -1
    assert found["at"] == [shown - 1]
    assert lit[0] == [int(k == box) for k in range(BOXES)]
    assert lit[1] == [int(k == following) for k in range(BOXES)]
    assert lit[2] == [int(k == part) for k in range(PARTS)]
    assert lit[3] == [int(k == hardware) for k in (kernel.MEMORY, kernel.DEVICES)]
    expected = [box + 1, part + 1, following + 1, hardware]
    assert [state[k] for k in (kernel.LEFT, kernel.PART, kernel.NEXT, kernel.HARDWARE)] == expected
