"""What the scheduler's model promises: proportion, ceiling, no idle hart while one is wanted."""

import random

import numpy as np
import pytest

from virtlab.kernels import cpu_shares as kernel

BOXES, PERIODS, PERIOD = kernel.N_BOXES, kernel.N_PERIODS, kernel.PERIOD
STATE = 9  # arrays of the simulation's own state


def shared(weights, quotas, demands):
    """Call the kernel. Returns shares, (boxes, periods) percent of each period, throttled, idle."""
    state = [np.zeros(BOXES, np.int64) for _ in range(STATE)]
    ran, ran_in = np.zeros(BOXES, np.int64), np.zeros((BOXES, PERIODS), np.int64)
    shares, lines = np.zeros(BOXES), [np.zeros(PERIODS) for _ in range(BOXES)]
    throttled, idle = np.zeros(BOXES, np.int64), np.zeros(1)
    out = *state, ran, ran_in, shares, *lines, throttled, idle
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


def test_what_one_box_does_not_want_goes_to_the_others_by_weight():
    shares, *_ = shared((100, 300, 100), (0, 0, 0), (20, 100, 100))
    assert shares == pytest.approx([20, 60, 20], abs=1)


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
        ceiling = quotas[box] or 100
        assert (lines[box] <= ceiling + 1e-9).all()
        assert shares[box] <= min(demands[box], ceiling) + 1e-9
        if not quotas[box]:
            assert throttled[box] == 0
    if any(demand == 100 and not quota for demand, quota in zip(demands, quotas, strict=True)):
        assert idle == pytest.approx(0)
