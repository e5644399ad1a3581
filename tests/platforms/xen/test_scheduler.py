"""The credit scheduler: shares by weight, caps, boosts, and nothing lost."""

import pytest

from tests.platforms.xen.machines import assert_sound, machine, pv, refused, started
from virtlab.platforms.xen import abi, jain_index
from virtlab.platforms.xen.domain import Domain
from virtlab.platforms.xen.scheduler import BOOST, OVER, UNDER, CreditScheduler

TEN_SECONDS = 10_000


@pytest.mark.parametrize(
    "weights", [(256, 256), (512, 256), (512, 256, 128), (100, 300, 700, 900), (1000, 10)], ids=str
)
def test_shares_follow_the_weights(weights):
    xen = machine(record=False)
    kinds = ("hog", "hvm_hog", "hog", "hvm_hog")
    hogs = [started(xen, k, weight=w) for k, w in zip(kinds, weights, strict=False)]
    assert xen.run(TEN_SECONDS) == "time"
    for domain, weight in zip(hogs, weights, strict=True):
        fair = xen.now * weight / sum(weights)
        # Within 2 % of the fair share, or two turns if those are more: a share is made of turns.
        allowed = max(0.02 * fair, 2 * xen.scheduler.slice)
        assert abs(domain.credit.run_steps - fair) <= allowed
    if min(weights) * 10 > sum(weights):
        assert xen.fairness([domain.number for domain in hogs]) > 0.999
    assert_sound(xen)


def test_a_cap_holds_and_others_get_what_is_left():
    xen = machine(record=False)
    capped, other = started(xen, "hog", cap=20), started(xen, "hog")
    xen.run(TEN_SECONDS)
    assert capped.credit.run_steps / xen.now == pytest.approx(0.20, rel=0.02)
    assert other.credit.run_steps / xen.now == pytest.approx(0.80, rel=0.02)
    assert xen.idle_steps == 0


@pytest.mark.parametrize("cap", [5, 25, 50, 90])
def test_a_capped_domain_that_is_alone_leaves_the_hart_idle(cap):
    xen = machine(record=False)
    domain = started(xen, "hog", cap=cap)
    xen.run(TEN_SECONDS)
    assert domain.credit.run_steps / xen.now == pytest.approx(cap / 100, rel=0.02)
    assert domain.credit.run_steps + xen.idle_steps + xen.domains[0].credit.run_steps == xen.now


def test_every_step_is_somebodys():
    xen = machine(record=False)
    for weight in (100, 200):
        started(xen, "hog", weight=weight)
    xen.run(500)
    used = sum(domain.credit.run_steps for domain in xen.domains.values())
    assert used + xen.idle_steps == xen.now
    assert all(a.last == b.first for a, b in zip(xen.turns, xen.turns[1:], strict=False))


def test_weight_and_cap_may_change_while_it_runs():
    xen = machine(record=False)
    a, b = started(xen, "hog"), started(xen, "hog")
    xen.run(3000)
    xen.control.schedule(a.number, weight=768)
    before = a.credit.run_steps, b.credit.run_steps, xen.now
    xen.run(TEN_SECONDS)
    gained = a.credit.run_steps - before[0], b.credit.run_steps - before[1]
    assert gained[0] / (xen.now - before[2]) == pytest.approx(0.75, rel=0.02)
    xen.control.schedule(a.number, cap=10)
    xen.control.schedule(a.number, cap=0)
    assert not a.credit.parked
    assert refused(xen, 0, "schedule", a.number, 65536) == abi.INVALID
    assert refused(xen, 0, "schedule", a.number, 1, 101) == abi.INVALID


# Sleeps 5 ms, counts, and so on; its callback puts the loop's address into sepc's place.
SLEEPER = """
        lla     a0, woken
        li      a7, 1
        ecall
sleep:  rdtime  a0
        li      t0, 50000
        add     a0, a0, t0
        li      a7, 4
        ecall
        li      a7, 5
        ecall
        .balign 4
woken:  rdtime  t0
        mv      s2, s1
        mv      s1, t0
        addi    s0, s0, 1
        j       sleep
"""


def test_a_domain_that_wakes_for_its_timer_is_served_at_once():
    xen = machine(kernels={"sleeper": pv(SLEEPER)})
    sleeper = started(xen, "sleeper")
    hogs = [started(xen, "hog") for _ in range(3)]
    xen.run(1000)
    vm = xen.machines[sleeper.number]
    # Every 5 ms, late by the millisecond at most that the one who runs may keep the hart, and by
    # what waking and setting the timer anew takes.
    assert vm.registers.s0 >= 1000 // 7
    assert 50_000 <= vm.registers.s1 - vm.registers.s2 <= 61_000
    assert sleeper.credit.boosts > 100
    assert sleeper.credit.run_steps < xen.now // 100
    assert min(domain.credit.run_steps for domain in hogs) > 0.31 * xen.now


def test_a_sleeping_domain_does_not_move_anybodys_clock():
    xen = machine(kernels={"sleeper": pv(SLEEPER)})
    sleeper, hog = started(xen, "sleeper"), started(xen, "hog")
    xen.run(200)
    for domain in (sleeper, hog):
        vm = xen.machines[domain.number]
        assert vm.steps + int(vm._hart.idle_steps) <= xen.now


def test_when_nobody_can_run_time_goes_on_to_the_next_timer():
    xen = machine(kernels={"sleeper": pv(SLEEPER)})
    sleeper = started(xen, "sleeper")
    assert xen.run(1000) == "time"
    assert xen.machines[sleeper.number].registers.s0 == 199
    assert xen.idle_steps > 0.99 * xen.now
    idle = machine()
    assert idle.run(1000) == "idle"


def accounts(*settings) -> tuple[CreditScheduler, dict]:
    scheduler = CreditScheduler(steps_per_ms=10)
    domains = {}
    for number, (weight, cap) in enumerate(settings):
        domain = Domain(number, "", "pv", 0, 0, 0, 0)
        domain.credit.weight, domain.credit.cap, domain.credit.active = weight, cap, True
        domains[number] = domain
    return scheduler, domains


def test_credits_are_given_by_weight_and_what_a_cap_leaves_goes_to_the_others():
    scheduler, domains = accounts((100, 0), (200, 0), (300, 10))
    assert scheduler.fair_shares(list(domains.values())) == {0: 90, 1: 180, 2: 30}
    scheduler, domains = accounts((1, 50), (1, 50))
    assert scheduler.fair_shares(list(domains.values())) == {0: 150, 1: 150}
    assert scheduler.fair_shares([]) == {}


def test_who_owes_is_over_and_who_owes_more_than_its_cap_is_parked():
    scheduler, domains = accounts((100, 0), (100, 10))
    for domain in domains.values():
        scheduler.charge(domain, 400)
    scheduler.account(domains)
    assert [domain.credit.priority for domain in domains.values()] == [OVER, OVER]
    assert [domain.credit.parked for domain in domains.values()] == [False, True]
    for _ in range(20):
        scheduler.account(domains)
    assert [domain.credit.priority for domain in domains.values()] == [UNDER, UNDER]
    assert not domains[1].credit.parked


def test_only_who_owes_nothing_is_boosted():
    scheduler, domains = accounts((100, 0), (100, 0))
    domains[1].credit.priority = OVER
    for domain in domains.values():
        scheduler.wake(domain)
    assert [domain.credit.priority for domain in domains.values()] == [BOOST, OVER]
    assert scheduler.choose(domains, 0) == 0
    scheduler.tick(domains)
    assert domains[0].credit.priority == UNDER


def test_jains_index():
    assert jain_index([3, 3, 3]) == 1
    assert jain_index([1, 0, 0, 0]) == 0.25
    with pytest.raises(ValueError, match="one at least is not 0"):
        jain_index([0, 0])
