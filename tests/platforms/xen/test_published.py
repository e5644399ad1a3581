"""Do R4 and R5 use what they say, and would a wrong model be noticed?"""

import pytest

from tests.platforms.xen.test_migration import ready
from virtlab.platforms.xen import pre_copy
from virtlab.platforms.xen.migration import Migration
from virtlab.platforms.xen.published import live_migration, lmbench, process_events
from virtlab.published import reproduction, scores


def inputs_of(name: str) -> dict:
    return {one.name: one.value for one in reproduction(name).inputs}


def test_every_miss_is_explained():
    for name in ("R4", "R5"):
        assert all(score.met or score.why for score in scores(name))


def test_the_frozen_counts_are_those_of_the_teaching_os():
    inputs = inputs_of("R4")
    for operation in ("fork", "exec", "sh", "page fault"):
        counted = process_events.paravirtual(operation)
        assert counted["hypercalls"] == pytest.approx(inputs["hypercalls"][operation], abs=0.01)
        assert counted["faults"] == pytest.approx(inputs["faults"][operation], abs=0.01)
        faults = process_events.monitored(operation)
        assert faults == pytest.approx(inputs["monitor_faults"][operation], abs=0.01)


def test_what_xen_has_no_part_in_costs_what_it_costs_natively():
    inputs = inputs_of("R4")
    found = lmbench.predict(inputs)
    for table, row in lmbench.WITHOUT_XEN:
        assert found[f"{table}:{row}:Xen"] == inputs["native"][table, row]
    missed = [score.id for score in scores("R4") if not score.met and score.published < 2]
    assert missed == ["R4:barham2003-processes:sig hndl:Xen"]


def test_a_guest_whose_every_system_call_is_a_hypercall_would_be_noticed():
    inputs = inputs_of("R4")
    dearer = inputs | {"hypercalls": {name: 3 * n for name, n in inputs["hypercalls"].items()}}
    found = lmbench.predict(dearer)
    assert found["barham2003-files:page fault:Xen"] > 1.1 * 2.73
    assert found["barham2003-files:mmap:Xen"] > 1.8 * 139


def test_the_working_set_that_is_fitted_sends_what_the_first_two_rounds_sent():
    inputs = inputs_of("R5")
    for row in ("SPECweb99", "MMuncher"):
        first, second = inputs["round_1"][row], inputs["round_2"][row]
        memory, rule = inputs["memory"][row], inputs["rule"]
        working, tau = live_migration.fit(memory, first, second, rule)
        found = live_migration.planned(memory, working, tau, rule).sent_mb
        assert found[:2] == pytest.approx((first, second), rel=1e-3)
        if row == "MMuncher":  # it is known to write to 256 MB
            assert working == pytest.approx(256, rel=0.05)


def test_a_quiet_domain_takes_one_round_and_a_busy_one_is_stopped():
    quiet = pre_copy.plan(64, working=16, tau=1e9)
    assert quiet.sent_mb == pytest.approx((64, 0), abs=1e-3)
    busy = pre_copy.plan(64, working=16, tau=1e-3)
    assert len(busy.seconds) == 3
    assert busy.sent_mb == pytest.approx((48, 0, 16), rel=1e-2, abs=0.5)
    assert busy.downtime_ms == pytest.approx(16 * 8 / 500 * 1000)
    with pytest.raises(ValueError, match="accepted are quantities above 0"):
        pre_copy.plan(64, working=65, tau=1)
    with pytest.raises(ValueError, match="accepted are quantities above 0"):
        pre_copy.plan(64, working=1, tau=0)


@pytest.mark.parametrize(("pages", "pause"), [(250, 3000), (200, 1000)])
def test_the_plan_is_what_a_migration_does(pages, pause):
    """A domain that writes pages at random, moved on the machine and on paper."""
    here, there, domain = ready("hvm", pages, pause)
    move = Migration(here, domain.number, there)
    began, before = here.now, here.machines[domain.number].registers.s6
    while not move.wants_to_stop:
        move.round()
    writes = here.machines[domain.number].registers.s6 - before
    move.stop_and_copy()
    seconds = (here.now - began) / here.steps_per_ms / 1000 - move.downtime_ms / 1000
    tau = pages / (writes / seconds)
    expected = pre_copy.plan(1024 * 4096 / 1e6, pages * 4096 / 1e6, tau)
    assert len(expected.seconds) - 1 == pytest.approx(len(move.rounds), abs=1)
    for one, mb in zip(move.rounds[:2], expected.sent_mb, strict=False):
        assert one.sent * 4096 / 1e6 == pytest.approx(mb, rel=0.15)
    assert sum(expected.sent_mb[:-1]) == pytest.approx(move.total_pages * 4096 / 1e6, rel=0.1)
