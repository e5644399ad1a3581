"""Does DRS place, move and hold still for the right reasons?"""

import numpy as np
import pytest

from virtlab.platforms.vsphere import state as s
from virtlab.platforms.vsphere.cluster import simulation
from virtlab.platforms.vsphere.drs import priority_of


def quiet(hosts: int, vms: int, **settings):
    """A cluster of equal virtual machines that demand 1,000 MHz all day and nothing is random."""
    simulated = simulation(hosts, vms, failover_percent=0, start=False, **settings)
    one = simulated.vms
    one["typical"], one["swing"], one["vcpus"] = 1000, 0, 2
    one["cpu_reservation"], one["memory_reservation"], one["overhead"] = 0, 0, 100
    one["memory"], one["touch_rate"] = 2048, 2048
    one["together"] = one["apart"] = -1
    simulated.nodes["cpu_reservation"] = simulated.nodes["memory_reservation"] = 0
    return simulated


def crowd(simulated, host: int):
    """Start all on one host, by keeping the others away meanwhile."""
    simulated.hosts["state"] = s.MAINTENANCE
    simulated.hosts["state"][host] = s.CONNECTED
    for vm in range(len(simulated.vms)):
        simulated.power_on(vm)
    simulated.hosts["state"] = s.CONNECTED


@pytest.mark.parametrize(
    ("imbalance", "hosts", "priority"),
    [
        # 6 - ceil(imbalance / 0.1 * sqrt(hosts)), at least 2.
        (0.0, 4, 6),
        (0.04, 4, 5),
        (0.06, 4, 4),
        (0.11, 4, 3),
        (0.16, 4, 2),
        (0.9, 4, 2),
        (0.04, 16, 4),
    ],
)
def test_the_priority_read_from_left_to_right(imbalance, hosts, priority):
    assert priority_of(imbalance, np.int64(hosts)) == priority


def test_a_virtual_machine_starts_on_the_least_loaded_host():
    simulated = quiet(4, 12)
    for vm in range(12):
        simulated.power_on(vm)
    assert np.bincount(simulated.vms["host"]).tolist() == [3, 3, 3, 3]
    assert {event.reason for event in simulated.events} == {s.LEAST_LOADED}


def test_a_crowded_host_is_relieved_until_the_imbalance_is_not_worth_a_move():
    simulated = quiet(4, 16, threshold=4)
    crowd(simulated, 1)
    simulated.step()
    assert np.bincount(simulated.vms["host"]).max() <= 10  # of 16
    moves = [event for event in simulated.events if event.kind == s.MIGRATED]
    assert all(event.reason == s.BALANCE and event.after < event.before for event in moves)
    assert len(moves) == len({event.vm for event in moves})  # none moved twice
    cluster = simulated.clusters[0]
    assert priority_of(cluster["balanced"], np.int64(4)) > cluster["threshold"]


def test_without_drs_nothing_moves():
    simulated = quiet(4, 16, drs=False)
    crowd(simulated, 1)
    simulated.run(hours=1)
    assert (simulated.vms["host"] == 1).all()


def test_a_conservative_threshold_applies_mandatory_moves_only():
    simulated = quiet(4, 16, threshold=1)
    crowd(simulated, 1)
    simulated.vms["apart"][:2] = 0
    simulated.run(hours=1)
    moves = [event for event in simulated.events if event.kind == s.MIGRATED]
    assert [(event.reason, event.priority) for event in moves] == [(s.KEEP_APART, 1)]


def test_a_move_that_costs_more_than_it_gains_is_not_made():
    dear = quiet(4, 16, threshold=5)
    dear.vms["memory"] = dear.vms["touch_rate"] = 16_384
    dear.vms["active_percent"] = 1
    dear.vms["typical"] = 20
    cheap = quiet(4, 16, threshold=5)
    cheap.vms["typical"] = 20
    cheap.vms["memory"] = cheap.vms["touch_rate"] = 256
    for simulated in (dear, cheap):
        simulated.hosts["memory"] = simulated.hosts["free"] = 4_000_000
        crowd(simulated, 0)
        simulated.clusters["drs"] = 0  # until all memory is there to be copied
        simulated.step()
        simulated.clusters["drs"] = 1
        simulated.step()
    moved = [sum(e.kind == s.MIGRATED for e in one.events) for one in (dear, cheap)]
    assert moved[0] == 0 < moved[1]


def test_rules_are_kept_when_placing_and_restored_when_broken():
    simulated = quiet(4, 8)
    simulated.vms["together"][:3] = 0
    simulated.vms["apart"][3:7] = 1
    for vm in range(8):
        simulated.power_on(vm)
    hosts = simulated.vms["host"]
    assert len(set(hosts[:3])) == 1 and len(set(hosts[3:7])) == 4
    crowd_again = quiet(4, 8)
    crowd(crowd_again, 2)
    crowd_again.vms["apart"][3:7] = 1
    crowd_again.step()
    assert len(set(crowd_again.vms["host"][3:7])) == 4


def test_a_group_that_is_spread_is_brought_together():
    simulated = quiet(4, 8)
    for vm in range(8):
        simulated.power_on(vm)
    simulated.vms["together"][:4] = 7
    assert len(set(simulated.vms["host"][:4])) == 4
    simulated.step()
    simulated.step()
    assert len(set(simulated.vms["host"][:4])) == 1


def test_a_rule_that_cannot_be_kept_refuses_the_start():
    simulated = quiet(2, 3)
    simulated.vms["apart"] = 0
    kinds = [simulated.power_on(vm).kind for vm in range(3)]
    assert kinds == [s.PLACED, s.PLACED, s.NOT_PLACED]
    assert simulated.why(simulated.events[-1]) == (
        "VM 2 does not start: a rule forbids all hosts with room (2)."
    )


def test_a_reservation_without_room_refuses_the_start():
    simulated = quiet(2, 3, ha=False)
    simulated.vms["cpu_reservation"] = 15_000
    kinds = [simulated.power_on(vm).kind for vm in range(3)]
    assert kinds == [s.PLACED, s.PLACED, s.NOT_PLACED]
    assert simulated.events[-1].reason == s.NO_CPU
    assert simulated.events[1].reason == s.ONLY_FIT


def test_pools_decide_when_processors_are_short():
    simulated = quiet(1, 30, memory_mb=1 << 20)
    simulated.vms["typical"] = 4000
    for vm in range(30):
        simulated.power_on(vm)
    simulated.run(hours=1)
    by_pool = simulated.vms["cpu_given"].reshape(10, 3).sum(axis=0)
    np.testing.assert_allclose(by_pool / by_pool.sum(), [4 / 7, 2 / 7, 1 / 7], rtol=1e-6)
