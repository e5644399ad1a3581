"""Whoever is killed, and whenever: the others go on, and all that it had comes back."""

import random

import pytest

from tests.platforms.xen.machines import assert_sound, machine, started
from tests.platforms.xen.test_driver_domain import DISK, FrontEnd
from virtlab.platforms.xen import Kernel, abi
from virtlab.platforms.xen.backends import DriverDomain


def killed_at_random(seed: int) -> None:
    """Four domains at work; one after the other is killed at a random step."""
    rng = random.Random(seed)
    xen = machine(
        kernels={"driver": Kernel(DriverDomain({"disk": DISK}))},
        domain0="driver",
        steps_per_tick=100,
        disks=[bytes(8192)],
    )
    systems = []
    for kernel in ("pith_pv", "pith_pv", "pith"):
        number = xen.control.create(kernel, kernel, "8M")
        xen.control.unpause(number)
        xen.type(number, "selftest\n")
        systems.append(number)
    front = FrontEnd(xen, started(xen, "python"))
    assert front.connect(image="disk") > 0
    front.data(0)
    xen.control.assign(front.domain.number, 0)
    free = xen.free_pages
    victims = [*systems[1:], front.domain.number]
    rng.shuffle(victims)
    for victim in victims:
        for k in range(rng.randrange(3)):
            if victim == front.domain.number and front.side.free:
                front.request(abi.BLOCK_READ, k, k, (100, 0, 7))
                front.push()
            xen.run_steps(rng.randrange(20_000_000))
        pages = xen.domains[victim].n_pages
        xen.control.destroy(victim)
        xen.run(1)
        free += pages
        assert victim not in xen.domains
        assert xen.free_pages == free
        assert_sound(xen)
    assert xen.devices[0].owner is None
    assert not xen.domains[0].maps
    xen.run(2000)
    assert "selftest: 0 failed" in xen.console(systems[0])
    again = FrontEnd(xen, started(xen, "python"))  # the driver domain serves the next one
    assert again.connect(image="disk") > 0
    again.data(0)
    again.request(abi.BLOCK_READ, 1, 0, (100, 0, 7))
    again.push()
    assert again.answers() == [(1, abi.BLOCK_READ, 0)]


@pytest.mark.parametrize("run", range(3))
def test_killing_any_domain_leaves_the_others_sound(run, seed):
    killed_at_random(seed + run)


@pytest.mark.more_random
@pytest.mark.parametrize("run", range(40))
def test_killing_any_domain_leaves_the_others_sound_each_time(run, seed):
    killed_at_random(seed * 64 + run)


def test_a_domain_is_killed_in_the_middle_of_its_turn_by_domain0():
    """Domain0 wakes for an event of the victim's, and destroys it: it gets no further step."""

    class Killer(DriverDomain):
        def on_event(self, xen, domain, port):
            xen.hypercall(0, abi.CONTROL, [abi.DESTROY, 1])

    xen = machine(kernels={"killer": Kernel(Killer())}, domain0="killer")
    victim, other = started(xen, "hog"), started(xen, "hog")
    offered = xen.call(0, abi.EVENT, abi.ALLOC_UNBOUND, victim.number)
    port = xen.call(victim.number, abi.EVENT, abi.BIND_INTERDOMAIN, 0, offered)
    xen.run(10)
    ran = victim.credit.run_steps
    xen.call(victim.number, abi.EVENT, abi.SEND, port)
    xen.run(100)
    assert victim.number not in xen.domains
    assert victim.credit.run_steps <= ran + xen.steps_per_ms
    assert other.credit.run_steps > 0.9 * (xen.now - 10 * xen.steps_per_ms)
    assert_sound(xen)
