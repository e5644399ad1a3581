"""Do the reproductions of vSphere use what they say, and would a wrong model be noticed?"""

import pytest

from virtlab.platforms.vsphere import hosted
from virtlab.platforms.vsphere.hosted import PATHS, Path, accesses_before_interrupt, count_events
from virtlab.platforms.vsphere.published import page_sharing, slots
from virtlab.published import reproduction, scores


def test_the_example_of_slots_is_met_exactly():
    assert all(score.met and score.tolerance == "exact" for score in scores("R10"))


def test_slots_that_round_up_would_be_noticed(monkeypatch):
    monkeypatch.setattr(slots, "slots_of", lambda host, slot: -(-host.cpu // slot.cpu))
    assert not all(score.met for score in reproduction("R10").scores())


def test_sharing_and_the_tax_are_met():
    assert all(score.met for score in scores("R9"))


def test_an_allocation_that_ignores_the_tax_would_be_noticed(monkeypatch):
    right = page_sharing.allocation
    monkeypatch.setattr(page_sharing, "allocation", lambda *a: right(*a[:-1], 0.0))
    missed = [score.id for score in reproduction("R9").scores() if not score.met]
    assert missed == ["R9:waldspurger2002-idle-tax:tax 75 %:gain"]


def test_images_have_the_pages_that_were_asked_for():
    contents = page_sharing.images(machines=3, pages=10, zero=2, common=5)
    found = page_sharing.sharing(contents)
    assert found == {"pages": 30, "distinct": 15, "shared": 21, "reclaimed": 15, "zero": 6}


def test_the_idle_ladder_has_its_order_and_its_misses_are_explained():
    found = {score.id: score for score in scores("R11")}
    assert all(score.met for name, score in found.items() if name.endswith("rank"))
    assert all(score.met or score.why for score in found.values())


def test_events_of_twelve_packets_by_hand():
    # Two packets an interrupt; two accesses a packet, 2 + 4 ports and 4 of the PIC an interrupt.
    counts = {name: count_events(path, 12, 2, 4) for name, path in PATHS.items()}
    assert counts["version 2.0"] == {
        "vmapp_accesses": 12 + 6 * 4,
        "vmm_accesses": 12 + 6 * (2 + 4),
        "world_switches": 12,
        "interrupts": 6,
        "selects": 6,
    }
    assert counts["without send combining"]["world_switches"] == 2 * 12 + 12
    assert counts["optimized"]["world_switches"] == 2 * 4
    assert counts["optimized"]["selects"] == 0
    assert counts["ESX"]["world_switches"] == counts["ESX"]["vmapp_accesses"] == 0


def test_a_third_of_the_accesses_transmit_with_two_packets_an_interrupt():
    assert accesses_before_interrupt(1 / 3) == pytest.approx(2)


@pytest.mark.parametrize(
    "call",
    [
        lambda: hosted.accesses_before_interrupt(1.0),
        lambda: count_events(Path(combined=0), 1, 1, 1),
        lambda: count_events(Path(), 0, 1, 1),
    ],
)
def test_what_cannot_be_is_refused(call):
    with pytest.raises(ValueError):
        call()
