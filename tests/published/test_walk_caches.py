"""Do the caches on the way of a walk keep what they should, and is the program what it claims?"""

import numpy as np
import pytest

from virtlab.published import reproduction, table
from virtlab.published.walk_caches import (
    FIRST_PAGE,
    build_tables,
    empty_caches,
    find_size,
    find_stay,
    latencies,
    make_workload,
    misses_per_visit,
    references_left,
    settings_for,
    touch,
    walk_cycles,
    walk_latency,
)
from virtlab.published.walk_caches_by_stay import ratio_by_size
from virtlab.published.walk_references import noted_walk, walk_two_dimensional


def inputs_of(name: str, **other):
    return {one.name: one.value for one in reproduction(name).inputs} | other


@pytest.fixture
def inputs():
    return inputs_of("R3b", visits=20_000)


def walk_twice(inputs, **caches) -> list[tuple[int, int]]:
    """Cycles and references left to the L2 cache of a cold and of a warm walk."""
    tables = build_tables(1, np.zeros(1, np.int64), nested=True)
    seen, left = noted_walk(), np.zeros(1, np.int64)
    n = walk_two_dimensional(tables.memory, *tables.roots, FIRST_PAGE << 12, *seen)
    kept = empty_caches(inputs)
    settings = settings_for(tables, inputs, **caches)
    return [(int(walk_cycles(*seen, n, settings, *kept, left)), int(left[0])) for _ in range(2)]


def test_the_least_recently_used_tag_leaves():
    tags = np.full(3, -1, np.int64)
    assert [touch(tags, 0, 3, tag) for tag in (7, 8, 9, 7, 5, 8, 7)] == [
        False, False, False, True, False, False, True,
    ]  # fmt: skip
    assert tags.tolist() == [7, 8, 5]


def test_a_set_does_not_disturb_its_neighbours():
    tags = np.arange(6, dtype=np.int64)
    assert not touch(tags, 2, 2, 9)
    assert tags.tolist() == [0, 1, 9, 2, 4, 5]


def test_1d_pwc_leaves_21_of_24(inputs):
    assert references_left("1D_PWC", inputs) == (24, 21)
    assert references_left("", inputs) == (24, 24)
    # The guest's leaf, and the leaf of each of five nested walks.
    assert references_left("2D_PWC", inputs) == (24, 6)


def test_a_warm_walk_costs_what_its_hits_cost(inputs):
    core = inputs["core"]
    assert (core["L2 hit"], core["PWC hit"], core["NTLB hit"]) == (11, 2, 2)
    assert walk_twice(inputs)[1] == (24 * 11, 24)
    assert walk_twice(inputs, pwc="1D_PWC")[1] == (21 * 11 + 3 * 2, 21)
    assert walk_twice(inputs, pwc="2D_PWC")[1] == (6 * 11 + 18 * 2, 6)
    # Four times the nested TLB answers; what is left is the guest's own entries and the last walk.
    assert walk_twice(inputs, ntlb=True)[1] == (4 * 2 + 8 * 11, 8)
    assert walk_twice(inputs, pwc="2D_PWC", ntlb=True)[1] == (4 * 2 + 6 * 2 + 2 * 11, 2)


def test_a_cold_walk_waits_for_memory(inputs):
    cold, warm = walk_twice(inputs)
    # Four lines of guest tables, six of nested ones: the page lies 16 MiB above the guest's tables,
    # in another leaf table and another line of the table above it. The rest is read again.
    n_lines = 10
    assert cold[1] == warm[1] == 24
    assert cold[0] == n_lines * 100 + (24 - n_lines) * 11


def test_a_program_misses_as_often_as_it_is_asked_to(inputs):
    rate = 294.3
    found = find_size(rate, inputs)
    per_visit = misses_per_visit(found, inputs["core"])
    assert per_visit / inputs["instructions_per_visit"] * 100_000 == pytest.approx(rate, rel=0.1)
    one_less = make_workload(found.n_pages - 1, inputs)
    assert misses_per_visit(one_less, inputs["core"]) < rate / 100_000 * 100


def test_a_program_stays_longer_where_it_shall_miss_less():
    inputs = inputs_of("R3c", visits=20_000, pages=4096)
    often, seldom = (find_stay(rate, inputs) for rate in (30, 3))
    assert seldom.accesses == pytest.approx(10 * often.accesses, rel=0.1)


def test_a_miss_rate_beyond_all_sizes_is_refused(inputs):
    with pytest.raises(ValueError, match="too many"):
        find_size(2000, inputs)


def test_a_page_that_is_mapped_wrongly_is_noticed(inputs):
    workload = make_workload(1000, inputs)
    tables = build_tables(1000, workload.order, nested=True)
    tables.frames[workload.order[0]] += 4096
    with pytest.raises(ValueError, match="no walk that ends well"):
        walk_latency(workload, tables, inputs)


def test_every_cache_makes_walks_shorter_and_repeats_exactly(inputs):
    workload = find_size(200, inputs)
    cycles = latencies(workload, inputs)
    assert cycles["native"] < cycles["2 MiB nested pages"] * 2
    assert cycles["2D"] > cycles["2D_PWC"] > cycles["NTLB"] > cycles["2 MiB nested pages"]
    assert latencies(workload, inputs) == cycles


def test_the_published_ratios_lie_between_small_and_large_programs():
    inputs = inputs_of("R3c", visits=50_000)
    found = ratio_by_size(inputs, 294.3, (4, 64, 1024))
    assert found[4] > found[64] > found[1024]
    published = [table("bhargava2008-table1").value(row, "ratio") for row in inputs["misses"]]
    assert found[4] > max(published)
    assert found[1024] < min(published)
