"""Are entitlements what shares, reservations and limits say? Cases computed by hand."""

import numpy as np
import pytest

from virtlab.platforms.vsphere.cpu import Tree, divvy, may_reserve, schedule


def tree(*nodes) -> Tree:
    """A tree of (name, parent's name, shares, reservation, limit, demand)."""
    made = Tree()
    for name, parent, *values in nodes:
        made.add(name, made.names.index(parent), *values)
    return made


def test_equal_demands_get_mhz_in_proportion_to_shares():
    made = tree(
        ("a", "root", 1000, 0, -1, 9000),
        ("b", "root", 2000, 0, -1, 9000),
        ("c", "root", 3000, 0, -1, 9000),
    )
    assert made.entitlements(6000) == {"root": 6000, "a": 1000, "b": 2000, "c": 3000}


def test_what_one_does_not_use_goes_to_the_others_by_shares():
    made = tree(
        ("idle", "root", 3000, 0, -1, 100),
        ("a", "root", 1000, 0, -1, 9000),
        ("b", "root", 2000, 0, -1, 9000),
    )
    got = made.entitlements(6100)
    assert (got["idle"], got["a"], got["b"]) == (100, 2000, 4000)


def test_a_reservation_is_honoured_and_the_rest_is_shared():
    made = tree(
        ("reserved", "root", 1000, 4000, -1, 5000),
        ("a", "root", 1000, 0, -1, 5000),
        ("b", "root", 1000, 0, -1, 5000),
    )
    got = made.entitlements(6000)
    assert (got["reserved"], got["a"], got["b"]) == (4000, 1000, 1000)


def test_a_limit_holds_even_where_there_is_more():
    made = tree(("limited", "root", 9000, 0, 500, 5000), ("a", "root", 1000, 0, -1, 1000))
    assert made.entitlements(9000) == {"root": 1500, "limited": 500, "a": 1000}


def test_pools_divide_before_their_members_do():
    made = tree(
        ("production", "root", 8000, 0, -1, 0),
        ("test", "root", 2000, 0, -1, 0),
        ("p1", "production", 1000, 0, -1, 9000),
        ("t1", "test", 1000, 0, -1, 9000),
        ("t2", "test", 3000, 0, -1, 9000),
    )
    got = made.entitlements(10_000)
    assert (got["p1"], got["t1"], got["t2"]) == (8000, 500, 1500)


def test_a_limit_and_a_reservation_at_once():
    # A third each would be 2333 too many for a and 1667 too few for b: a is fixed at its limit
    # first. Half of the rest each is 500 too few for b, which gets its reservation; c the rest.
    made = tree(
        ("a", "root", 1000, 0, 1000, 9000),
        ("b", "root", 1000, 5000, -1, 9000),
        ("c", "root", 1000, 0, -1, 9000),
    )
    got = made.entitlements(10_000)
    assert (got["a"], got["b"], got["c"]) == (1000, 5000, 4000)


def test_reservations_that_do_not_fit_shrink_alike():
    made = tree(("a", "root", 1, 3000, -1, 9000), ("b", "root", 1, 1000, -1, 9000))
    assert made.entitlements(2000) == {"root": 2000, "a": 1500, "b": 500}


def test_random_trees_give_all_there_is_within_all_bounds(seed):
    rng = np.random.default_rng(seed)
    for _ in range(300):
        made = Tree()
        pools = [0]
        for k in range(int(rng.integers(1, 20))):
            parent = int(rng.choice(pools))
            values = rng.integers(0, 5000, 4).astype(float)
            if rng.random() < 0.3:
                pools.append(made.add(f"n{k}", parent, values[0]))
            else:
                limit = -1 if rng.random() < 0.6 else values[2]
                made.add(f"n{k}", parent, values[0], values[1] / 9, limit, values[3])
        arrays = made.arrays()
        low, high, given = np.zeros((3, len(made.names)))
        capacity = float(rng.integers(0, 20_000))
        divvy(capacity, *arrays, low, high, given)
        parent, shares = arrays[0], arrays[3]
        assert given[0] == min(capacity, high[0])
        assert (given <= high * (1 + 1e-9) + 1e-9).all()
        enough = low[0] <= capacity
        for node in range(len(made.names)):
            children = np.flatnonzero(parent == node)
            if not children.size:
                continue
            if given[node] <= high[children].sum():
                # Shares of 0 get their reservation and no more.
                wanted = min(given[node], high[children][shares[children] > 0].sum())
                assert given[children].sum() >= wanted * (1 - 1e-9) - 1e-6
            assert given[children].sum() <= given[node] * (1 + 1e-9) + 1e-6
            if enough and low[children].sum() <= given[node]:
                assert (given[children] >= low[children] * (1 - 1e-9) - 1e-6).all()
            # Between their bounds all have the same for a share.
            free = children[(given[children] > low[children]) & (given[children] < high[children])]
            if free.size > 1:
                levels = given[free] / shares[free]
                np.testing.assert_allclose(levels, levels[0], rtol=1e-9)


def test_the_scheduler_gives_what_is_entitled():
    entitlement, demand = np.array([1000.0, 2000.0, 3000.0]), np.full(3, 9000.0)
    used, ran_in = np.zeros(3), np.zeros(3, np.int64)
    ran = schedule(entitlement, demand, used, ran_in, np.int64(2), np.int64(600), 3000.0)
    assert ran == 1200
    np.testing.assert_allclose(used / used.sum(), [1 / 6, 2 / 6, 3 / 6], atol=0.01)


def test_a_virtual_machine_runs_on_one_hart_at_a_time():
    used, ran_in = np.zeros(1), np.zeros(1, np.int64)
    ran = schedule(np.ones(1), np.full(1, 9e9), used, ran_in, np.int64(4), np.int64(10), 1000.0)
    assert (ran, used[0]) == (10, 10_000)


def test_who_has_had_its_demand_leaves_the_harts_to_others():
    used, ran_in = np.zeros(2), np.zeros(2, np.int64)
    demand = np.array([500.0, 1000.0])
    schedule(np.ones(2) * 1000, demand, used, ran_in, np.int64(1), np.int64(1000), 1000.0)
    np.testing.assert_allclose(used / 1000, [500, 500], atol=2)


def test_an_expandable_pool_asks_its_parent_for_a_reservation():
    made = tree(("pool", "root", 1000, 2000, -1, 0), ("vm", "pool", 1000, 1500, -1, 0))
    made.values[0] = (1.0, 5000.0, -1.0, 0.0)  # the root's reservation is its capacity
    assert may_reserve(made, {1: False}, 1, 500)
    assert not may_reserve(made, {1: False}, 1, 501)
    assert may_reserve(made, {1: True}, 1, 3500)  # 500 of its own, 3000 that the root has left
    assert not may_reserve(made, {1: True}, 1, 3501)


@pytest.mark.parametrize(
    "wrong", [("root", 0), ("new", 7), ("new", 0, -1), ("new", 0, 1, -1), ("new", 0, 1, 1, 1, -1)]
)
def test_a_node_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="accepted"):
        Tree().add(*wrong)
