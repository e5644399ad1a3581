"""What the scheduler's model promises: proportion, ceiling, no idle hart while one is wanted."""

import random

import numpy as np
import pytest

from virtlab.kernels import cpu_shares as kernel

BOXES, PERIODS, PERIOD = kernel.N_BOXES, kernel.N_PERIODS, kernel.PERIOD


def shared(weights, quotas, demands):
    """Call the kernel. Returns shares, (boxes, periods) percent of each period, throttled, idle."""
    given = [np.zeros(BOXES, np.int64) for _ in range(3)]
    shape = (kernel.N_STATE, BOXES), (BOXES, PERIODS)
    state, ran_in = (np.zeros(one, np.int64) for one in shape)
    shares, lines = np.zeros(BOXES), [np.zeros(PERIODS) for _ in range(BOXES)]
    throttled, idle = np.zeros(BOXES, np.int64), np.zeros(1)
    out = *given, state, ran_in, shares, *lines, throttled, idle
    kernel.cpu_shares(*weights, *quotas, *demands, *out)
    return shares, np.array(lines), throttled, idle[0]


@pytest.mark.parametrize("weights", [(100, 100, 100), (100, 200, 100), (10, 20, 70), (1, 1, 998)])
def test_who_all_want_the_hart_have_it_in_proportion_to_their_weights(weights):
    shares, lines, _, idle = shared(weights, (0, 0, 0), (100, 100, 100))
    total = sum(weights)
    slices = 100 * (BOXES - 1) * kernel.SLICE / (PERIODS * PERIOD)  # one of each of the others
    assert shares == pytest.approx([100 * weight / total for weight in weights], abs=slices)
    assert lines.sum(axis=0) == pytest.approx([100] * PERIODS)
    assert idle == pytest.approx(0)


def test_a_quota_is_a_ceiling_even_when_nobody_else_wants_the_hart():
    shares, lines, throttled, idle = shared((100, 100, 100), (30, 0, 0), (100, 0, 0))
    assert lines[0] == pytest.approx([30] * PERIODS)
    assert throttled.tolist() == [PERIODS, 0, 0]
    assert idle == pytest.approx(70) and shares.tolist() == pytest.approx([30, 0, 0])


def test_what_a_slice_takes_too_much_is_paid_back():
    _, lines, throttled, _ = shared((100, 100, 100), (25, 0, 0), (100, 0, 0))
    assert lines[0].tolist() == pytest.approx([30, 20] * (PERIODS // 2))
    assert throttled[0] == PERIODS


def test_who_slept_has_no_claim_on_what_it_missed():
    """After its sleep a box is at most a slice behind, so it has the hart for a slice or two."""
    _, lines, *_ = shared((100, 100, 100), (0, 0, 0), (100, 40, 0))
    assert 30 < lines[1].max() <= 50


def test_what_one_box_does_not_want_goes_to_the_others_by_weight():
    shares, *_ = shared((100, 300, 100), (0, 0, 0), (20, 100, 100))
    assert 10 < shares[0] < 20  # it waits for its turn, too, and so begins the next round later
    assert shares.sum() == pytest.approx(100)
    assert shares[1] / shares[2] == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize("round_", range(40))
def test_nobody_gets_more_than_he_wants_or_may_have(seed, round_):
    rng = random.Random(seed + round_)
    weights = [rng.choice((1, 50, 100, 10_000)) for _ in range(BOXES)]
    quotas = [rng.choice((0, 5, 50, 100)) for _ in range(BOXES)]
    demands = [rng.choice((0, 10, 35, 100)) for _ in range(BOXES)]
    shares, lines, throttled, idle = shared(weights, quotas, demands)
    assert shares == pytest.approx(lines.mean(axis=1))
    assert shares.sum() + idle == pytest.approx(100)
    assert (lines.sum(axis=0) < 100 + 1e-9).all()
    for box in range(BOXES):
        turns = 100 * PERIOD / kernel.SLICE * kernel.TURN / PERIOD  # in which the kernel works
        assert shares[box] <= demands[box] + turns
        ceilings = (quotas[box] or 100) * np.arange(1, PERIODS + 1)
        a_slice = 100 * kernel.SLICE / PERIOD  # which is begun while there is quota left
        assert (np.cumsum(lines[box]) <= ceilings + a_slice + 1e-9).all()
        if not quotas[box]:
            assert throttled[box] == 0
    if any(demand == 100 and not quota for demand, quota in zip(demands, quotas, strict=True)):
        assert idle == pytest.approx(0)
