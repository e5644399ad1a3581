"""Do the counts of a workload agree with the machine's own, and do all places run the same?"""

import pytest

from virtlab import cost
from virtlab.platforms.instances import BARE, INSTANCES, VIRTUAL, finish, instance
from virtlab.platforms.workloads import WORKLOADS, compare, measure, measure_everywhere, run

UNCHANGED = [one.name for one in VIRTUAL if one.guest == "pith"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_an_unchanged_guest_does_the_same_everywhere(name):
    found = measure_everywhere(name, (BARE.name, *UNCHANGED))
    bare = found.pop(BARE.name)
    assert bare.exits == 0
    for where, one in found.items():
        assert one.instructions == bare.instructions, where
        assert one.system_calls == bare.system_calls, where
        assert sum(one.exits_by_reason.values()) == pytest.approx(one.exits), where


@pytest.mark.parametrize("where", [BARE.name, "trap-and-emulate", "hardware-assisted, nested"])
def test_a_round_is_the_difference_of_the_machines_own_counters(where):
    few, many = (run(f"nullsys {n}", where) for n in (500, 1500))
    found = measure("nullsys", where)
    assert found.instructions == (many.steps - few.steps) / 1000
    assert found.exits == (getattr(many, "n_exits", 0) - getattr(few, "n_exits", 0)) / 1000
    if where == BARE.name:
        walks = [machine.counters["walk_references"] for machine in (few, many)]
        assert found.references == (walks[1] - walks[0]) / 1000


def test_a_system_call_is_one_ecall_and_exits_only_where_the_kernel_is_deprivileged():
    found = measure_everywhere("nullsys", [name for name in INSTANCES if "box" not in name])
    assert all(one.system_calls == 1 for one in found.values())
    assert found["hardware-assisted, nested"].exits < 0.01
    assert found["trap-and-emulate"].exits > found["paravirt"].exits >= 2


def test_a_walk_over_many_pages_reads_five_times_the_entries_in_two_dimensions():
    flat, nested = (measure("memwalk", where) for where in (BARE.name, "hardware-assisted, nested"))
    assert flat.references == pytest.approx(3 * 512, rel=0.01)
    assert nested.references == pytest.approx(5 * flat.references, rel=0.01)  # 15 for 3


def test_what_is_counted_can_be_priced():
    found = measure_everywhere("forkwait", (BARE.name, *(one.name for one in VIRTUAL)))
    slowdown = compare(found, cost.complete("sandy-bridge")).slowdown
    assert slowdown[BARE.name] == 1
    assert all(times > 1 for name, times in slowdown.items() if name != BARE.name)


def test_what_is_not_there_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"^no workload is named 'sing'; there are [^\n]+\.$"):
        measure("sing", BARE.name)
    with pytest.raises(ValueError, match=r"^no instance is named 'jail'; there are [^\n]+\.$"):
        measure("nullsys", "jail")


def test_a_command_that_fails_is_no_measurement():
    with pytest.raises(RuntimeError, match="nosuch: no such file or directory"):
        finish(instance(BARE.name).switch_on("nosuch"), "nosuch")
