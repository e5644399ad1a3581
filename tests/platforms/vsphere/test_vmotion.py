"""Rounds of a migration, computed by hand."""

import pytest

from virtlab.platforms.vsphere.vmotion import plan


def test_an_idle_machine_takes_one_round_and_hardly_stands_still():
    migration = plan(1190, hot=100, hot_rate=0)
    assert migration.sent_mb == (1190, 0)
    assert migration.seconds == (10, 0)
    assert migration.stun_ms == 0


def test_each_round_sends_what_was_written_during_the_one_before():
    # At a tenth of the network's rate rounds shrink to a tenth; 40 MB take 400 ms.
    migration = plan(4000, hot=4000, hot_rate=10, rate=100, switchover_ms=500)
    assert migration.sent_mb == (4000, 400, 40)
    assert migration.total_seconds == 44.4
    assert migration.stun_ms == 400


def test_the_hot_part_bounds_a_round():
    migration = plan(4000, hot=200, hot_rate=90, cold_rate=10, rate=100, switchover_ms=100)
    # 40 s write all 200 MB that are hot and 400 of the others; 6 s then write 200 and 60.
    assert migration.sent_mb[:3] == (4000, 600, 260)


def test_who_writes_faster_than_the_network_stands_still_for_all_of_it():
    migration = plan(4000, hot=2000, hot_rate=500, rate=100, stun=False)
    assert migration.sent_mb == (4000, 2000, 2000)
    assert migration.stun_ms == 20_000


def test_stun_during_page_send_makes_it_converge():
    migration = plan(4000, hot=2000, hot_rate=500, rate=100, stun=True)
    assert migration.stun_ms <= 500
    assert min(migration.speeds[:-1]) == 0.1  # 50 MB/s are written instead of 500
    assert migration.speeds[0] == 1 and migration.speeds[-1] == 0
    # The price: the virtual machine ran at a tenth of its speed meanwhile.
    assert sum(t for t, v in zip(migration.seconds, migration.speeds, strict=True) if v == 0.1) > 20


@pytest.mark.parametrize("wrong", [(100, 200, 1), (100, 50, -1), (100, 50, 1, 0, 0)])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="accepted are"):
        plan(*wrong)
