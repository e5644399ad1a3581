"""Rings, shares, rounds and ways of Xen's figures, against the hypervisor and plain Python."""

import random

import numpy as np
import pytest

from virtlab.kernels import credit_scheduler as credit
from virtlab.kernels import pre_copy as moving
from virtlab.kernels import xen_path as path
from virtlab.kernels import xen_ring as ring
from virtlab.platforms.xen import abi, pre_copy, rings
from virtlab.platforms.xen.domain import Domain
from virtlab.platforms.xen.program import read_u32
from virtlab.platforms.xen.scheduler import CreditScheduler, jain_index


def zeros(*shape):
    return np.zeros(shape, np.int64)


def shares_of(weights, caps):
    """Steps that each domain had, by the kernel, and Jain's index."""
    n = credit.N_DOMAINS
    ran, jain = zeros(n, credit.N_PERIODS), np.zeros(1)
    out = [zeros(n), zeros(n), zeros(credit.N_STATE, n), ran, zeros(n)]
    floats = [np.zeros(size) for size in (n, n, *[credit.N_PERIODS] * 3, 1)]
    credit.credit_scheduler(*weights, *caps, *out, *floats, jain)
    return ran.sum(axis=1).tolist(), jain[0], floats[-1][0]


def shares_by_the_scheduler(weights, caps):
    """The same by the scheduler that Xen has, for domains that never wait."""
    scheduler = CreditScheduler(credit.MS)
    domains = {k: Domain(k, str(k), "pv", 0, 4096, 1, 1) for k in range(credit.N_DOMAINS)}
    for k, domain in domains.items():
        domain.credit.weight, domain.credit.cap = weights[k], caps[k]
        scheduler.add(domain)
    now = 0
    while now < credit.END:
        while scheduler.next_tick <= now:
            scheduler.tick(domains)
        number = scheduler.choose(domains, now)
        until = min(credit.END, scheduler.horizon(domains, now))
        if number is not None:
            scheduler.charge(domains[number], until - now)
        now = until
    return [domain.credit.run_steps for domain in domains.values()]


@pytest.mark.parametrize("round_", range(12))
def test_shares_are_those_of_the_scheduler_to_the_step(seed, round_):
    rng = random.Random(seed + round_)
    weights = [rng.choice((1, 64, 256, 512, rng.randrange(1, 65536))) for _ in range(3)]
    caps = [rng.choice((0, 0, rng.randrange(1, 101))) for _ in range(3)]
    ran, jain, idle = shares_of(weights, caps)
    assert ran == shares_by_the_scheduler(weights, caps), (weights, caps)
    assert jain == pytest.approx(jain_index([n / w for n, w in zip(ran, weights, strict=True)]))
    assert idle == pytest.approx(100 * (credit.END - sum(ran)) / credit.END)


def test_shares_are_within_two_percent_of_weights_and_caps_hold():
    ran, jain, idle = shares_of((256, 512, 1024), (0, 0, 0))
    for steps, weight in zip(ran, (256, 512, 1024), strict=True):
        assert steps / credit.END == pytest.approx(weight / 1792, abs=0.02)
    assert jain > 0.999 and idle == 0
    ran, _, idle = shares_of((256, 512, 1024), (10, 0, 25))
    assert ran[0] / credit.END == pytest.approx(0.10, abs=0.01)
    assert ran[2] / credit.END == pytest.approx(0.25, abs=0.01)
    assert idle == 0  # the others take what the capped ones may not


class Page:
    """A page of bytes with the face of a Window."""

    def __init__(self):
        self.bytes = bytearray(4096)

    def read(self, offset, n_bytes):
        return bytes(self.bytes[offset : offset + n_bytes])

    def write(self, offset, data):
        self.bytes[offset : offset + len(data)] = data


def ring_of(batch, pause, avoids, shown=ring.MOST_ACTIONS):
    trace, n_actions, at = zeros(ring.MOST_ACTIONS, ring.N_COLUMNS), zeros(1), zeros(1)
    places = zeros(ring.N_PLACES), zeros(ring.N_PLACES)
    ring.xen_ring(
        batch, pause, avoids, shown, zeros(ring.N_COLUMNS), trace, n_actions, zeros(1), at, *places
    )
    return trace[: n_actions[0] + 1], [one.tolist() for one in places]


# A place of 500 bytes, so that the ring has eight as in the figure.
PLACE_BYTES = 500


@pytest.mark.parametrize(("batch", "pause"), [(1, 0), (2, 2), (3, 5), (6, 0), (1, 20), (4, 1)])
def test_every_action_is_what_the_protocol_does(batch, pause):
    """The kernel's actions, done on a real ring: the same indices, and the same notifications."""
    assert abi.places(PLACE_BYTES) == ring.N_PLACES
    page, front, back = Page(), rings.Front(PLACE_BYTES), rings.Back(PLACE_BYTES)
    rings.clear(page)
    trace, _ = ring_of(batch, pause, 1)
    for row in trace[1:].tolist():
        what, told = row[ring.WHAT], None
        if what == ring.PUT:
            for _ in range(row[ring.HOW_MANY]):
                front.put(page, b"request")
        elif what == ring.SHOW:
            told = front.push(page)
        elif what == ring.COLLECT:
            assert len(front.take(page, 7)) == row[ring.HOW_MANY]
        elif what == ring.TAKE:
            assert back.take(page, 7) is not None
        elif what == ring.ANSWER:
            back.put(page, b"answer.")
        else:
            assert back.take(page, 7) is None
            told = back.push(page)
        shared = [read_u32(page, at) for at in (abi.REQ_PROD, abi.REQ_EVENT, abi.RSP_PROD)]
        assert shared == [row[ring.REQ_PROD], row[ring.REQ_EVENT], row[ring.RSP_PROD]]
        private = [front.req_prod, front.rsp_cons, back.req_cons, back.rsp_prod]
        assert private == [row[k] for k in range(ring.REQ_MADE, ring.RSP_MADE + 1)]
        if row[ring.RSP_CONS] < row[ring.RSP_PROD] or what == ring.COLLECT:
            assert read_u32(page, abi.RSP_EVENT) == row[ring.RSP_EVENT]
        if told is not None:
            assert told == (row[ring.EVENT] in (ring.EVENT_SENT, ring.EVENT_IN_VAIN))
    assert front.rsp_cons == ring.N_REQUESTS


def test_avoidance_spares_just_the_events_that_would_be_in_vain():
    for batch in range(1, 7):
        for pause in range(0, 21, 4):
            avoiding, always = (ring_of(batch, pause, avoids)[0][-1] for avoids in (1, 0))
            assert avoiding[ring.RSP_CONS] == always[ring.RSP_CONS] == ring.N_REQUESTS
            assert avoiding[ring.IN_VAIN] == 0
            assert avoiding[ring.SENT] == always[ring.SENT] - always[ring.IN_VAIN]
            assert avoiding[ring.SPARED] == always[ring.IN_VAIN]


def test_places_hold_what_the_indices_say():
    trace, _ = ring_of(3, 1, 1)
    for shown, row in enumerate(trace.tolist()):
        places, numbers = ring_of(3, 1, 1, shown)[1]
        made, taken = row[ring.REQ_MADE], row[ring.RSP_CONS]
        assert sum(place != ring.EMPTY for place in places) == made - taken
        assert {n for n in numbers if n} == set(range(taken + 1, made + 1))
        assert places.count(ring.SHOWN) == row[ring.RSP_PROD] - taken
        assert places.count(ring.WAITING) == row[ring.REQ_PROD] - row[ring.REQ_CONS]


def test_rounds_are_those_of_the_plan():
    for domain in ((800, 22, 80, 500), (512, 50, 2000, 500), (64, 0, 0, 50), (100, 100, 10, 100)):
        rows = np.zeros((5, moving.ROWS))
        n, totals = zeros(1), np.zeros(moving.N_TOTALS)
        moving.pre_copy(*domain, *rows, n, totals)
        memory, percent, writing, network = domain
        working = memory * percent / 100
        tau = 8 * working / writing if writing and working else 1e12
        plan = pre_copy.plan(memory, working, tau, min(100, network), 50, network)
        assert rows[2, : n[0]].tolist() == list(plan.sent_mb)
        assert totals[moving.DOWNTIME] == pytest.approx(plan.downtime_ms)
        assert totals[moving.SECONDS] == pytest.approx(sum(plan.seconds))
        assert totals[moving.NAIVE] == 8000 * memory / network


@pytest.mark.parametrize("round_", range(10))
def test_a_step_is_counted_for_its_domain_and_its_part(seed, round_):
    rng = random.Random(seed + round_)
    n = rng.choice((0, 1, 30))
    rows = [
        (rng.randrange(4), path.SCHEDULER, 1, 0)
        if rng.random() < 0.4
        else (rng.randrange(4), rng.randrange(path.N_PARTS), 0, rng.choice((0, 1)))
        for _ in range(n)
    ]
    shown = rng.randrange(n + 2)
    columns = [np.array([row[k] for row in rows] or [0]) for k in range(4)]
    n_parts = path.N_PARTS
    out = [zeros(1), zeros(path.N_STATE), zeros(4, 2), zeros(n_parts), zeros(4, 2), zeros(n_parts)]
    path.xen_path(*columns, n, shown, *out)
    at, state, by_domain, by_part, domain_lit, part_lit = (one.tolist() for one in out)
    so_far = rows[: min(shown, n)]
    for k in range(4):
        calls = sum(row[0] == k and not row[2] for row in so_far)
        assert by_domain[k] == [calls, sum(row[0] == k and row[2] for row in so_far)]
    assert by_part == [sum(row[1] == k for row in so_far) for k in range(n_parts)]
    assert state[path.CALLS] + state[path.TURNS] == state[path.SHOWN] == len(so_far)
    assert state[path.REFUSED] == sum(row[3] for row in so_far)
    assert state[path.SCHEDULER_CALLS] == by_part[path.SCHEDULER] - state[path.TURNS]
    if so_far:
        domain, part, turn, _ = so_far[-1]
        assert at == [len(so_far) - 1]
        assert domain_lit[domain][turn] == part_lit[part] == 1
    assert sum(map(sum, domain_lit)) == sum(part_lit) == bool(so_far)
