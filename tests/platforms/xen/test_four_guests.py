"""Domain0, two PV guests and an HVM one at work; one is killed at any point, and nobody suffers."""

import random

import pytest

from tests.platforms.xen.machines import assert_sound
from tests.platforms.xen.test_rewinding import state_of
from tests.platforms.xen.workloads import EXPECTED, FILES, LINES, N_BYTES, four, has_done, hashes
from virtlab.guests import filesystem
from virtlab.platforms.xen import abi

TAKES_MS = 600  # at most
# Who can do all of its work without a guest.
UNCONCERNED = {"a": {"Domain-0"}, "b": {"Domain-0"}, "c": {"Domain-0", "b"}}


@pytest.fixture(scope="module")
def done():
    here = four()
    assert here.xen.run(TAKES_MS, until=lambda xen: all(has_done(here, n) for n in LINES)) == (
        "until"
    )
    return here


def test_all_do_their_work_and_what_they_hold_is_right(done):
    assert [done.xen.domains[k].kind for k in range(4)] == ["pv", "pv", "pv", "hvm"]
    for name in "abc":
        assert filesystem.files(done.disk(name))["tmp/f"] == FILES[name]
    assert done.domain0_files()["tmp/f"] == FILES["Domain-0"]
    assert_sound(done.xen)


def test_each_has_used_the_hart_and_domain0_for_the_others(done):
    xen = done.xen
    steps = {k: domain.credit.run_steps for k, domain in xen.domains.items()}
    assert min(steps.values()) > 0
    assert sum(steps.values()) + xen.idle_steps == xen.now
    assert xen.domains[0].counts["grant_bytes"] > 3 * N_BYTES
    assert all(not xen.domains[k].maps for k in range(1, 4))
    assert all(not domain.ended for domain in xen.domains.values())


def killed_at_random(seed: int) -> None:
    rng = random.Random(seed)
    here = four()
    xen = here.xen
    victim = rng.choice("abc")
    xen.run_steps(rng.randrange(200 * xen.steps_per_ms))
    free, number = xen.free_pages, here.number[victim]
    pages = xen.domains[number].n_pages
    xen.control.destroy(number)
    xen.run(60)  # Domain0 hears of it, and lets go of what it had mapped
    assert number not in xen.domains
    assert xen.free_pages == free + pages
    assert all(m.granter != number for d in xen.domains.values() for m in d.maps.values())
    assert all(
        end.domain != number or end.state != abi.CHANNEL_JOINED
        for domain in xen.domains.values()
        for end in domain.channels.values()
    )
    assert_sound(xen)
    xen.run(TAKES_MS, until=lambda xen: all(has_done(here, n) for n in UNCONCERNED[victim]))
    for name in UNCONCERNED[victim]:
        assert has_done(here, name), f"{name} after {victim}: {here.console(name)[-300:]}"
    for name in {"a", "b", "c"} - {victim, *UNCONCERNED[victim]}:  # that it does not wait for ever
        xen.run(100)
        assert hashes(here.console(name))[:1] == EXPECTED[name][:1]
        xen.type(here.number[name], "\x03")
        here.until_prompt(name)
    again = here.create(victim)  # on the disk that it has left
    assert again == 4
    xen.run(100)
    assert f"backend/vif/{again}/0/state" in backends(here)
    assert not any(f"/{number}/" in path for path in backends(here))
    assert_sound(xen)


def backends(here) -> list[str]:
    return [
        line.split(" = ")[0].removeprefix("/local/domain/0/")
        for line in here.command("store").splitlines()
        if line.startswith("/local/domain/0/backend/")
    ]


@pytest.mark.parametrize("run", range(3))
def test_killing_any_guest_at_any_point_leaves_the_others_sound(run, seed):
    killed_at_random(seed + run)


@pytest.mark.more_random
@pytest.mark.parametrize("run", range(40))
def test_killing_any_guest_at_any_point_leaves_the_others_sound_each_time(run, seed):
    killed_at_random(seed * 64 + run)


def test_the_whole_system_is_deterministic_and_goes_back():
    """Two runs are the same; and a step in the middle of the work is reached again, and left."""
    one, other = four(), four()
    begin = one.xen.now
    assert begin == other.xen.now
    middle, end = begin + 57_654_321, begin + 130_000_000
    one.xen.run_steps(middle - begin)
    then = state_of(one.xen)
    one.xen.run_steps(end - middle)
    after = state_of(one.xen)
    other.xen.run_steps(end - begin)
    assert {**state_of(other.xen), "turns": ()} == {**after, "turns": ()}
    one.xen.goto(middle)
    assert state_of(one.xen) == then
    one.xen.run_steps(end - middle)
    assert state_of(one.xen) == after
