"""Slots, percentages and the order of restarts: cases by hand."""

import pytest

from virtlab.platforms.vsphere import state as s
from virtlab.platforms.vsphere.ha import (
    Needs,
    Slot,
    admit,
    failover_capacity,
    free_percent,
    restart_order,
    slot_size,
    slots_after,
    slots_of,
)

HOSTS = [Needs(9000, 9000), Needs(9000, 6000), Needs(6000, 6000)]
VMS = [Needs(2000, 1000)] * 2 + [Needs(1000, 2000)] + [Needs(1000, 1000)] * 2


def test_the_manuals_example():
    slot = slot_size(VMS)
    assert slot == Slot(2000, 2000)
    assert [slots_of(host, slot) for host in HOSTS] == [4, 3, 3]
    assert [slots_after(HOSTS, slot, failed) for failed in range(4)] == [10, 6, 3, 0]
    assert failover_capacity(HOSTS, VMS) == 1


def test_one_large_reservation_makes_all_slots_large():
    slot = slot_size([*VMS, Needs(6000, 1000)])
    assert [slots_of(host, slot) for host in HOSTS] == [1, 1, 1]
    assert failover_capacity(HOSTS, [*VMS, Needs(6000, 1000)]) == 0


def test_without_reservations_a_slot_has_32_mhz():
    assert slot_size([Needs(0, 100)]) == Slot(32, 100)
    assert slots_of(Needs(3200, 1000), Slot(32, 100)) == 10


def test_percentages_are_of_reservations():
    cpu, memory = free_percent(HOSTS, VMS)
    assert (round(cpu, 2), round(memory, 2)) == (70.83, 71.43)  # 17 of 24 GHz, 15 of 21 GB
    assert free_percent([], VMS) == (0, 0)


def test_admission_by_slots_and_by_percentage_says_why():
    assert admit(HOSTS, VMS, Needs(1000, 1000), tolerate=1)[0]  # the sixth of six slots
    allowed, why = admit(HOSTS, [*VMS, VMS[0]], Needs(1000, 1000), tolerate=1)
    assert not allowed
    assert why == (
        "With it 0 hosts could fail and leave a slot for each of 7 virtual machines; "
        "1 are asked for."
    )
    assert admit(HOSTS, VMS, Needs(5000, 1000), percent=50)[0]
    allowed, why = admit(HOSTS, VMS, Needs(5001, 1000), percent=50)
    assert not allowed
    assert why == (
        "With it 50 % of CPU and 67 % of memory would stay unreserved; 50 % are asked for."
    )


def test_restarts_go_by_priority_and_leave_the_disabled_out():
    priorities = {
        "low": s.LOW_PRIORITY,
        "off": s.DISABLED,
        "first": s.HIGH_PRIORITY,
        "medium": s.MEDIUM_PRIORITY,
        "second": s.HIGH_PRIORITY,
    }
    assert restart_order(priorities) == ["first", "second", "medium", "low"]


def test_no_virtual_machine_has_no_slot():
    with pytest.raises(ValueError, match="accepted is one or more"):
        slot_size([])
