"""Is the order of containers and virtual machines predicted from real runs, and missed openly?"""

import pytest

from virtlab.platforms import comparison
from virtlab.published import cell, containers, reproduction, scores

INPUTS = {one.name: one.value for one in reproduction("R8").inputs}
MISSED = {
    "R8:felter2015-table1:RandomAccess:KVM untuned:rank",
    "R8:manco2017-start:unikernel, usual tools:total:rank",
    "R8:gvisor-syscall:system call:runsc KVM:rank",
}


@pytest.mark.parametrize(
    "name, measured", [("counts", comparison.counts), ("start", comparison.starts)]
)
def test_the_frozen_counts_are_those_of_real_runs(name, measured):
    flat, frozen = _leaves(measured()), _leaves(INPUTS[name])
    assert list(flat) == list(frozen)
    assert flat == pytest.approx(frozen, rel=0.1, abs=1)


def test_the_frozen_memory_is_what_an_instance_takes():
    assert comparison.memory() == pytest.approx(INPUTS["memory"], rel=0.1)


def _leaves(tree, path=()) -> dict:
    if not isinstance(tree, dict):
        return {path: tree}
    return {
        key: n for name, part in tree.items() for key, n in _leaves(part, (*path, name)).items()
    }


def test_the_cycles_by_hand():
    counts = {
        "instructions": 1000,
        "walk_references": 3,
        "gstage_references": 12,
        "exit:guest_page_fault": 2,
        "exit:timer": 1,
    }
    by_hand = 1000 + 15 * 11 + 2 * (588 + 460) + 365 + 460
    assert containers.cycles(INPUTS, counts) == by_hand


def test_only_ranks_are_scored_and_the_misses_are_explained():
    found = scores("R8")
    assert all(one.unit == "rank" and one.tolerance == "order only" for one in found)
    assert all(one.provenance in "PD" for one in found)
    assert {one.id for one in found if not one.met} == MISSED
    assert all(one.why for one in found if not one.met)


def test_no_explanation_is_left_over():
    missed = {one.why for one in scores("R8") if not one.met}
    assert missed == set(containers.MISSES.values())


def test_a_container_is_priced_as_native_and_a_guest_never_below_it():
    for workload in INPUTS["counts"]:
        box, vm = (containers.slowdown(INPUTS, workload, where) for where in ("box", "vm"))
        # A switch also weighs box against box, and a path is looked for in layer and base.
        most = {"ctxsw": 1.3, "diskread": 1.05}.get(workload, 1.02)
        assert 1 <= box < most, workload
        assert box < vm, workload


def test_a_prediction_changes_with_the_counts_that_it_rests_on():
    unit = "manco2017-start:Docker:total"
    dearer = dict(INPUTS, start=dict(INPUTS["start"], box={"instructions": 10**9}))
    assert containers.predict(dearer)[unit] > 100 * containers.predict(INPUTS)[unit]
    assert unit not in {key for one in reproduction("R8").inputs for key in one.cells}
    assert cell(unit).value == 200
