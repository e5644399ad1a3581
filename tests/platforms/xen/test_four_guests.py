"""Domain0, two PV guests and an HVM one at work; one is killed at any point, and nobody suffers."""

import random

import pytest

from tests.platforms.xen.machines import assert_sound
from tests.platforms.xen.test_rewinding import state_of
from tests.platforms.xen.workloads import LINES, N_BLOCKS, four, has_done, hash_of, hashes, pattern
from virtlab.guests import filesystem
from virtlab.machine import Machine
from virtlab.platforms.xen import abi
from virtlab.platforms.xen.hypervisor import catalogue

TAKES_MS = 400  # at most


@pytest.fixture(scope="module")
def done():
    here = four()
    assert here.xen.run(TAKES_MS, until=lambda xen: all(has_done(here, n) for n in LINES)) == (
        "until"
    )
    return here


def test_all_do_their_work_and_what_they_hold_is_right(done):
    for name, seed in (("a", 11), ("b", 12)):
        assert filesystem.files(done.disk(name))["tmp/f"] == pattern(seed, 4096 * N_BLOCKS)
    assert done.domain0_files()["tmp/f"] == pattern(10, 4096 * N_BLOCKS)
    kernel = catalogue()["pith"]
    alone = Machine(ram="8M", disk=kernel.disk).load(kernel.image)
    alone.run(until="$ ")
    alone.type(LINES["c"])
    alone.run(2_000_000_000)
    assert alone.console == done.console("c")
    assert alone._mem.disk.tobytes() == done.disk("c")
    assert_sound(done.xen)


def test_each_has_used_the_hart_and_domain0_for_the_others(done):
    xen = done.xen
    steps = {k: domain.credit.run_steps for k, domain in xen.domains.items()}
    assert min(steps.values()) > 0
    assert sum(steps.values()) + xen.idle_steps == xen.now
    assert xen.domains[0].counts["grant_bytes"] > 3 * 4096 * N_BLOCKS
    assert [xen.domains[k].kind for k in sorted(xen.domains)] == ["pv", "pv", "pv", "hvm"]
    assert not xen.domains[3].maps
    assert all(not domain.ended for domain in xen.domains.values())


def killed_at_random(seed: int) -> None:
    rng = random.Random(seed)
    here = four()
    xen = here.xen
    victim = rng.choice("abc")
    xen.run_steps(rng.randrange(90 * xen.steps_per_ms))
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
    others = {"Domain-0", "a", "b", "c"} - {victim}
    partner = {"a": "b", "b": "a"}.get(victim)
    xen.run(TAKES_MS, until=lambda xen: all(has_done(here, n) for n in others - {partner}))
    for name in others - {partner}:
        assert has_done(here, name), f"{name} after {victim}: {here.console(name)[-300:]}"
    if partner:  # whose disk work does not need the victim; and it can be interrupted
        xen.run(100)
        assert hashes(here.console(partner))[:1] == [
            hash_of(pattern({"a": 11, "b": 12}[partner], 4096 * N_BLOCKS))
        ]
        xen.type(here.number[partner], "\x03")
        here.until_prompt(partner)
    again = here.create(victim)  # on the disk that it has left
    assert again == 4
    if victim == "c":
        here.until_prompt(victim)
    else:
        xen.run(100)
        assert f"/local/domain/0/backend/vbd/{again}/0/state = 4\n" in here.command("store")
    assert not any(path.startswith(f"backend/vbd/{number}") for path in backends(here))
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
