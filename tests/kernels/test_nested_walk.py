"""The grid of a two-dimensional walk against a walker that follows tables."""

import numpy as np
import pytest

from virtlab.kernels import nested_walk as kernel
from virtlab.published import walk_references as walker

LEVELS = range(1, kernel.MOST_LEVELS + 1)


def references(guest, nested, caches=kernel.NO_CACHE, shown=kernel.MOST_REFERENCES):
    """(totals, kinds, states) of a walk."""
    n, rows = kernel.MOST_REFERENCES, kernel.MOST_ROWS
    totals, kinds, states = (np.zeros(k, np.int64) for k in (kernel.N_TOTALS, n, n))
    most, now, numbers, xs, ys, row_levels, row_ys = (
        np.zeros(k, np.int64) for k in (1, 1, n, n, n, rows, rows)
    )
    kernel.nested_references(
        guest, nested, caches, shown, totals, most, now,
        kinds, states, numbers, xs, ys, row_levels, row_ys,
    )  # fmt: skip
    total = int(most[0])
    assert numbers[:total].tolist() == list(range(1, total + 1))
    assert len(set(zip(xs[:total].tolist(), ys[:total].tolist(), strict=True))) == total
    return totals.tolist(), kinds[:total].tolist(), states[:total].tolist()


def walked(guest, nested) -> list[int]:
    """The kinds of the entries that a walker reads in tables built for it."""
    page = walker.PAGE_BYTES
    memory = np.zeros(64 * page // 8, np.int64)
    free = walker.map_page(memory, 0, guest, 0, 5 * page, 3 * page, page)
    nested_root = 8 * page
    free = 9 * page
    for gpa in range(0, 8 * page, page):
        if nested:
            free = walker.map_page(memory, nested_root, nested, 0, gpa, gpa, free)
    assert 0 < free <= memory.size * 8
    addresses, kinds = walker.noted_walk()
    n = walker.walk_two_dimensional(
        memory, 0, guest, nested_root, nested, 5 * page, addresses, kinds
    )
    assert addresses[n] == 3 * page
    return kinds[:n].tolist()


@pytest.mark.parametrize("guest", LEVELS)
@pytest.mark.parametrize("nested", (0, *LEVELS))
def test_the_references_are_those_of_a_walker_in_its_order(guest, nested):
    totals, kinds, _ = references(guest, nested)
    assert totals[kernel.ALL] == (guest + 1) * (nested + 1) - 1
    assert kinds == walked(guest, nested)


def test_a_cache_of_guest_entries_leaves_21_of_24_in_memory():
    """Bhargava et al. 2008."""
    totals, _, _ = references(4, 4, kernel.GUEST_ENTRIES)
    assert totals[kernel.IN_MEMORY] == 21


@pytest.mark.parametrize("guest", LEVELS)
@pytest.mark.parametrize("nested", (0, *LEVELS))
def test_larger_caches_leave_less_to_memory_and_the_last_levels_always(guest, nested):
    left = [references(guest, nested, caches)[0] for caches in range(4)]
    assert all(
        sum(totals[kernel.IN_CACHES : kernel.IN_MEMORY + 1]) == totals[kernel.ALL]
        for totals in left
    )
    in_memory = [totals[kernel.IN_MEMORY] for totals in left]
    assert in_memory == sorted(in_memory, reverse=True)
    assert in_memory[-1] == 1 + (nested > 0)


def test_the_states_follow_the_reference_that_is_shown():
    totals, _, states = references(4, 4, kernel.GUEST_ENTRIES, shown=6)
    memory, cached = kernel.FROM_MEMORY, kernel.CACHED
    assert states[:6] == [memory] * 4 + [cached, kernel.NOW]
    assert set(states[6:]) == {kernel.AHEAD}
    assert totals[kernel.SHOWN] == 6
