"""Who pays for idle memory, how is memory taken back, and which pages are equal? Cases by hand."""

import numpy as np
import pytest

from virtlab.platforms.vsphere import memory
from virtlab.platforms.vsphere.cluster import simulation
from virtlab.platforms.vsphere.memory import HARD, HIGH, LOW, SOFT, allocation, next_state, sharing


def test_without_a_tax_shares_alone_decide():
    assert allocation(300, [1, 2], [0, 300], [0, 0], [300, 300], tax=0) == [100, 200]


def test_an_idle_page_costs_four_at_the_usual_tax():
    # One uses nothing, the other all: pages are as 1/4 to 1, 60 + 240.
    assert allocation(300, [1, 1], [0, 300], [0, 0], [300, 300]) == [60, 240]


def test_active_pages_are_paid_in_full_and_idle_ones_four_times():
    # At a level of 104, one pays 40 + 4 * 16 for 56 pages and the other 104 for 104.
    assert allocation(160, [1, 1], [40, 200], [0, 0], [200, 200]) == [56, 104]


def test_a_reservation_is_kept_and_a_limit_not_exceeded():
    assert allocation(300, [1, 1], [0, 300], [120, 0], [300, 300]) == [120, 180]
    assert allocation(300, [1, 1], [0, 300], [0, 0], [300, 100]) == [200, 100]


def test_who_has_enough_leaves_the_rest_free():
    assert allocation(300, [1, 1], [0, 0], [0, 0], [100, 100]) == [100, 100]


def test_reservations_that_do_not_fit_shrink_alike():
    assert allocation(100, [1, 1], [0, 0], [150, 50], [200, 200]) == [75, 25]


def test_random_allocations_are_whole_and_inside_their_bounds(seed):
    rng = np.random.default_rng(seed)
    for _ in range(300):
        n = int(rng.integers(1, 12))
        low, more, active = rng.integers(0, 1000, (3, n))
        total, high = int(rng.integers(0, 12_000)), low + more
        given = np.array(allocation(total, rng.integers(1, 9, n), active, low, high))
        assert given.sum() == min(total, high.sum()) or low.sum() > total
        assert (given <= high).all()
        assert (given >= low).all() or low.sum() > total


@pytest.mark.parametrize("wrong", [([1], [0], [2], [1], 0.5), ([1], [0], [0], [1], 1.0)])
def test_clients_that_cannot_be_are_refused(wrong):
    *lists, tax = wrong
    with pytest.raises(ValueError, match="accepted is"):
        allocation(10, *lists, tax)


@pytest.mark.parametrize(
    ("percent", "states"),
    [
        # A state is entered below its own threshold and left at the next higher one's.
        (6.0, (HIGH, HIGH, HIGH, HIGH)),
        (5.9, (HIGH, SOFT, SOFT, SOFT)),
        (4.0, (HIGH, SOFT, SOFT, SOFT)),
        (3.9, (SOFT, SOFT, HARD, HARD)),
        (2.0, (SOFT, SOFT, HARD, HARD)),
        (1.9, (HARD, HARD, HARD, LOW)),
        (1.0, (HARD, HARD, HARD, LOW)),
        (0.9, (LOW, LOW, LOW, LOW)),
        (-5.0, (LOW, LOW, LOW, LOW)),
    ],
)
def test_the_states_by_free_memory_and_by_the_state_before(percent, states):
    free = np.int64(percent * 10)
    after = [next_state(free, np.int64(1000), np.int64(before)) for before in memory.STATES]
    assert tuple(after) == states


def test_equal_pages_are_kept_once():
    found = sharing(np.array([0, 0, 0, 7, 7, 8]))
    assert found == {"pages": 6, "distinct": 3, "shared": 5, "reclaimed": 3, "zero": 3}


def test_sharing_counts_as_plain_python_does(seed):
    rng = np.random.default_rng(seed)
    for size in (1, 10, 1000):
        contents = rng.integers(0, size, size)
        _, counts = np.unique(contents, return_counts=True)
        found = sharing(contents)
        assert found["distinct"] == counts.size
        assert found["shared"] == counts[counts > 1].sum()
        assert found["reclaimed"] == size - counts.size
        assert found["zero"] == (contents == 0).sum()


def crowded(memory_mb: int, **each):
    """One host with ten virtual machines of 4 GB that touch all their memory at once."""
    simulated = simulation(1, 10, failover_percent=0, memory_mb=memory_mb, start=False)
    vms = simulated.vms
    vms["memory"], vms["memory_reservation"], vms["overhead"] = 4096, 0, 100
    vms["memory_shares"], vms["touch_rate"] = 40_960, 4096
    vms["same_percent"], vms["active_percent"] = 0, 50
    vms["together"] = vms["apart"] = -1
    for name, values in each.items():
        vms[name] = values
    for vm in range(10):
        simulated.power_on(vm)
    return simulated


def test_a_host_with_enough_memory_takes_nothing():
    simulated = crowded(65_536)
    simulated.run(hours=1)
    assert (simulated.vms["resident"] == 4096).all()
    assert simulated.hosts["free"][0] == 65_536 - 10 * (4096 + 100)
    assert simulated.hosts["reclaim"][0] == HIGH


def test_overcommitted_memory_is_compressed_and_swapped_until_six_percent_are_free():
    simulated = crowded(32_768)
    simulated.step()
    vms, host = simulated.vms, simulated.hosts[0]
    assert host["reclaim"] == LOW  # 40960 MB were touched at once
    assert (vms["compressed"] == 2 * (4096 * 10 // 100)).all()
    assert (vms["swapped"] > 0).all() and not vms["ballooned"].any()
    assert host["free"] >= 0.06 * 32_768
    assert (vms["stopped"] == 1).all()
    simulated.step()
    assert not vms["stopped"].any()
    assert host["reclaim"] == HIGH


def test_a_slow_squeeze_is_met_by_balloons_alone():
    simulated = crowded(32_768, touch_rate=10)
    states = []
    for _ in range(120):
        simulated.step()
        states.append(int(simulated.hosts["reclaim"][0]))
    vms = simulated.vms
    assert set(states) == {HIGH, SOFT}
    assert vms["ballooned"].any() and not vms["swapped"].any() and not vms["compressed"].any()


def test_memory_comes_back_when_others_stop():
    simulated = crowded(32_768)
    simulated.run(hours=1)
    assert (simulated.vms["swapped"] > 0).all()
    for vm in range(5):
        simulated.power_off(vm)
    simulated.run(hours=1)
    assert (simulated.vms["resident"][5:] == 4096).all()


def test_the_idle_give_more_than_the_busy():
    simulated = crowded(32_768, active_percent=[5] * 5 + [95] * 5)
    simulated.run(hours=1)
    resident = simulated.vms["resident"]
    assert resident[:5].max() < resident[5:].min()


def test_sharing_among_the_virtual_machines_of_a_host_frees_memory():
    simulated = crowded(65_536, same_percent=20)
    simulated.run(hours=1)
    assert (simulated.vms["shared"] == 4096 * 20 * 9 // 1000).all()
