"""Do the invariants hold in every step under random failures, and is all as it should be?"""

import numpy as np
import pytest
from invariants import assert_sound, random_scenario

from virtlab.platforms.vsphere import state as s
from virtlab.platforms.vsphere.cluster import Event, sentence, simulation

SAMPLE, MANY = 24, 1000


@pytest.mark.parametrize("k", range(SAMPLE))
def test_a_random_scenario_keeps_every_invariant(seed, k):
    assert random_scenario(seed + k) > 0


@pytest.mark.more_random
def test_a_thousand_random_scenarios_keep_every_invariant(seed):
    for k in range(MANY):
        random_scenario(seed + SAMPLE + k, steps=12)


def test_the_same_seed_gives_the_same_day():
    first, second = simulation(8, 80, seed=3), simulation(8, 80, seed=3)
    for one in (first, second):
        one.fail(2, at=4000)
        one.run(hours=3)
    assert first.events == second.events
    assert first.vms.tobytes() == second.vms.tobytes()
    assert simulation(8, 80, seed=4).vms.tobytes() != simulation(8, 80, seed=3).vms.tobytes()


def events_of(simulated, *kinds):
    return [event for event in simulated.events if event.kind in kinds]


def test_a_failed_host_is_restarted_elsewhere_in_order_of_priority():
    simulated = simulation(4, 20, seed=1, cores=16)
    simulated.step()
    mine = np.flatnonzero(simulated.vms["host"] == 1)
    assert mine.size
    simulated.fail(1, at=400, returns=2000)
    simulated.step()
    restarted = events_of(simulated, s.RESTARTED)
    assert {event.vm for event in restarted} == set(mine.tolist())
    assert all(event.time == 415 and event.seconds == 15 for event in restarted)
    priorities = [int(simulated.vms["restart"][event.vm]) for event in restarted]
    assert priorities == sorted(priorities, reverse=True)
    assert 1 not in simulated.vms["host"]
    simulated.run(hours=1)
    assert [event.time for event in events_of(simulated, s.HOST_RETURNED)] == [2000]


def test_without_ha_a_failure_is_reported_and_nothing_restarts():
    simulated = simulation(4, 20, ha=False)
    mine = simulated.vms["host"] == 0
    simulated.fail(0)
    simulated.step()
    assert (simulated.vms["power"] == s.POWERED_OFF).tolist() == mine.tolist()
    assert len(events_of(simulated, s.NOT_RESTARTED)) == mine.sum()


@pytest.mark.parametrize("response", s.ISOLATION_RESPONSES)
def test_an_isolated_host_keeps_its_machines_or_lets_them_go(response):
    simulated = simulation(4, 20, isolation=response, cores=16)
    mine = np.flatnonzero(simulated.vms["host"] == 2)
    simulated.isolate(2, at=100, returns=5000)
    simulated.step()
    assert_sound(simulated)
    if response == s.LEAVE_POWERED_ON:
        assert (simulated.vms["host"][mine] == 2).all()
        assert {event.reason for event in events_of(simulated, s.NOT_RESTARTED)} == {s.FILES_LOCKED}
    else:
        assert (simulated.vms["host"][mine] != 2).all()
        assert {event.time for event in events_of(simulated, s.VM_STOPPED)} == {113}
        assert {event.time for event in events_of(simulated, s.RESTARTED)} == {115}


def test_maintenance_empties_a_host_and_keeps_it_empty():
    simulated = simulation(4, 20, cores=16)
    simulated.enter_maintenance(3)
    simulated.step()
    assert simulated.hosts["state"][3] == s.MAINTENANCE
    assert {event.reason for event in events_of(simulated, s.MIGRATED)} >= {s.EVACUATE}
    simulated.run(hours=2)
    assert 3 not in simulated.vms["host"]
    simulated.exit_maintenance(3)
    simulated.run(hours=2)
    assert simulated.hosts["vms"][3] > 0


def test_what_cannot_be_restarted_waits_and_is_restarted_when_there_is_room():
    simulated = simulation(2, 12, failover_percent=0, memory_mb=8192, start=False)
    simulated.vms["memory_reservation"], simulated.vms["overhead"] = 1000, 0
    simulated.vms["together"] = simulated.vms["apart"] = -1
    for vm in range(12):
        simulated.power_on(vm)
    simulated.fail(0, returns=1000)
    simulated.step()
    waiting = simulated.vms["power"] == s.WAITING
    assert waiting.sum() == len(events_of(simulated, s.NOT_RESTARTED)) > 0
    assert {event.reason for event in events_of(simulated, s.NOT_RESTARTED)} == {s.NO_MEMORY}
    simulated.run(hours=1)
    assert not (simulated.vms["power"] == s.WAITING).any()
    assert len(events_of(simulated, s.NOT_RESTARTED)) == waiting.sum()


def test_admission_control_keeps_the_percentage_free():
    simulated = simulation(2, 10, failover_percent=50, start=False)
    simulated.vms["cpu_reservation"], simulated.vms["memory_reservation"] = 5200, 0
    placed = [simulated.power_on(vm).kind == s.PLACED for vm in range(10)]
    assert placed == [True] * 4 + [False] * 6  # 4 * 5200 MHz is half of 2 * 20800 MHz
    last = simulated.events[-1]
    assert last.reason == s.ADMISSION
    assert simulated.why(last) == (
        "VM 9 does not start: 38 % would stay unreserved, and HA keeps 50 % for failovers."
    )


def test_admission_control_keeps_a_slot_for_everybody():
    """The manual's example: slots of 2 GHz and 2 GB, hosts with 4, 3 and 3 of them."""
    simulated = simulation(3, 8, failover_percent=0, tolerate=1, start=False)
    simulated.hosts["cpu"], simulated.hosts["memory"] = [9000, 9000, 6000], [9000, 6000, 6000]
    simulated.vms["together"] = simulated.vms["apart"] = -1
    simulated.vms["cpu_reservation"], simulated.vms["overhead"] = 1000, 0
    simulated.vms["cpu_reservation"][:2] = 2000
    simulated.vms["memory_reservation"] = 1000
    simulated.vms["memory_reservation"][2] = 2000
    placed = [simulated.power_on(vm).kind == s.PLACED for vm in range(8)]
    assert placed == [True] * 6 + [False] * 2
    assert simulated.why(simulated.events[-1]) == (
        "VM 7 does not start: after the failures that HA provides for 6 slots would be left for "
        "7 virtual machines."
    )


def test_each_choice_and_refusal_says_its_numbers():
    simulated = simulation(2, 6, failover_percent=0, start=False)
    simulated.vms["together"] = simulated.vms["apart"] = -1
    simulated.vms["cpu_reservation"], simulated.vms["memory_reservation"] = 0, 0
    simulated.vms["overhead"], simulated.vms["typical"] = 0, 2080
    simulated.vms["cpu_reservation"][2], simulated.vms["memory_reservation"][3] = 30_000, 64_000
    simulated.hosts["cpu_reserved"][1] = 20_000
    simulated.vms["cpu_reservation"][1] = 2000
    simulated.vms["apart"][4:] = 7
    said = [simulated.why(simulated.power_on(vm)) for vm in range(5)]
    assert said == [
        "VM 0 starts on host 0, which is the least loaded with it (10%, the next one 10%).",
        "VM 1 starts on host 0, which is the only one of 2 that may take it (load with it 20%).",
        "VM 2 does not start: none of 2 hosts has the 30,000 MHz free that it reserves.",
        "VM 3 does not start: none of 2 hosts has the 64,000 MB free that it reserves and needs "
        "besides.",
        "VM 4 starts on host 1, which is the least loaded with it (10%, the next one 30%).",
    ]
    simulated.enter_maintenance(0)
    assert "a rule forbids all hosts with room (1)." in simulated.why(simulated.power_on(5))


def test_a_balancing_move_says_what_it_gains_and_what_it_costs():
    simulated = simulation(8, 80, seed=3)
    simulated.run(hours=12)
    moves = [e for e in events_of(simulated, s.MIGRATED) if e.reason == s.BALANCE]
    assert moves
    assert all(0 < move.cost < move.gain <= 300 for move in moves)
    assert all("s of a host for" in simulated.why(move) for move in moves)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda one: one.power_on(0), "virtual machine 0 is not powered off"),
        (lambda one: one.power_off(99), "no virtual machine 99; accepted are 0 to 9"),
        (lambda one: one.fail(2), "no host 2; accepted are 0 to 1"),
        (lambda one: one.fail(0, at=-1), "second -1 is over"),
        (lambda one: one.exit_maintenance(0), "host 0 is connected, not in maintenance"),
        (lambda one: one.step(90), "an interval of 90 s"),
        (lambda one: simulation(0, 1), "accepted are"),
        (lambda one: simulation(1, 1, threshold=6), "accepted are 1 to 5"),
    ],
)
def test_a_mistake_gets_one_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call(simulation(2, 10, failover_percent=0))


def test_every_event_and_reason_has_a_sentence():
    blank = dict.fromkeys(Event.__dataclass_fields__, 1)
    for kind in s.EVENT_KINDS:
        for reason in range(s.NO_REASON):
            text = sentence(Event(**blank | {"kind": kind, "reason": reason}))
            assert text[0].isupper() and text.endswith(".")
