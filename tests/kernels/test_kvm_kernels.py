"""Exits by mode, by path, and polling before a halt, against plain Python."""

import random

import numpy as np
import pytest

from virtlab.kernels import halt_polling as polling
from virtlab.kernels import io_paths as paths
from virtlab.kernels import kvm_modes as modes
from virtlab.platforms.kvm.halt_polling import HaltPolling


def zeros(*shape):
    return np.zeros(shape, np.int64)


@pytest.mark.parametrize("round_", range(30))
def test_an_exit_goes_to_a_part_and_perhaps_to_the_program(seed, round_):
    rng = random.Random(seed + round_)
    n = rng.choice((0, 1, 40))
    rows = [(rng.randrange(3), rng.randrange(-1, 2)) for _ in range(n)]
    before = [rng.randrange(9) for _ in range(3)], [rng.randrange(9) for _ in range(2)]
    shown = rng.randrange(n + 2)
    columns = [np.array([row[k] for row in rows] or [0]) for k in range(2)]
    out = [zeros(1), zeros(modes.N_STATE), zeros(3), zeros(2), zeros(3), zeros(2)]
    modes.mode_path(*columns, n, *map(np.array, before), shown, *out)
    at, state, by_part, by_half, part_lit, half_lit = (one.tolist() for one in out)
    shown = min(shown, n)
    so_far = rows[:shown]
    assert by_part == [before[0][k] + sum(row[0] == k for row in so_far) for k in range(3)]
    assert by_half == [before[1][k] + sum(row[1] == k for row in so_far) for k in range(2)]
    assert state[modes.EXITS] == sum(by_part) and state[modes.RETURNS] == sum(by_half)
    assert state[modes.KEPT_SO_FAR] == state[modes.EXITS] - state[modes.RETURNS]
    if not shown:
        assert at == [0] and not any(part_lit) and not any(half_lit)
        return
    part, half = rows[shown - 1]
    assert at == [shown - 1] and part_lit == [int(k == part) for k in range(3)]
    assert half_lit == [int(k == half) for k in range(2)]
    assert state[modes.IN_KERNEL] == int(half < 0) and state[modes.IN_PROGRAM] == int(half >= 0)


def test_each_mode_costs_its_count_times_its_price():
    counts = np.array([[1_000, 10, 2], [0, 0, 0], [50, 100, 100]])
    guest, kernel, user, totals = (zeros(3) for _ in range(4))
    shares, dearest = np.zeros((3, 3)), zeros(1)
    modes.mode_times(counts, 20, 300, guest, kernel, user, totals, shares, dearest)
    assert guest.tolist() == [1_000, 0, 50] and kernel.tolist() == [200, 0, 2_000]
    assert user.tolist() == [600, 0, 30_000] and totals.tolist() == [1_800, 0, 32_050]
    assert shares[0].tolist() == pytest.approx([100 / 1.8, 20 / 1.8, 60 / 1.8])
    assert shares[1].tolist() == [0, 0, 0] and dearest.tolist() == [2]


def test_exits_are_divided_by_the_requests_of_the_case():
    program, in_kernel = np.array([[263, 3], [12, 4]]), np.array([[0, 0], [0, 2]])
    out = [np.zeros(2) for _ in range(4)]
    paths.exits_by_path(program, in_kernel, np.ones((2, 2), int), np.array([1, 4]), 1, *out)
    assert [one.tolist() for one in out] == [[3, 1], [0, 0.5], [0.25, 0.25], [3, 1.5]]


@pytest.mark.parametrize("round_", range(60))
def test_polling_follows_the_rules_of_the_model(seed, round_):
    rng = random.Random(seed + round_)
    usual, rare = rng.randrange(5, 400), rng.randrange(100, 2_000)
    every, most, grow = rng.randrange(6), rng.choice((0, 10, 50, 200, 400)), rng.randrange(5)
    lengths, polls = zeros(polling.N_HALTS), zeros(polling.N_HALTS)
    state = zeros(polling.N_STATE)
    polling.halt_polling(usual, rare, every, most, grow, lengths, polls, state)
    model = HaltPolling(max_ns=1_000 * most, grow=grow)
    for k in range(polling.N_HALTS):
        assert polls[k] == model.poll_ns // 1_000
        is_rare = every and (k + 1) % every == 0
        assert lengths[k] == (rare if is_rare else usual)
        model.halted(1_000 * int(lengths[k]))
    counts = model.counts
    assert state[polling.SUCCESSES] == counts["halt_successful_poll"]
    assert state[polling.WAKE_UPS] == counts["halt_wakeup"]
    assert 1_000 * state[polling.POLLED_IN_VAIN] == counts["halt_poll_fail_ns"]
    in_all = counts["halt_poll_fail_ns"] + counts["halt_poll_success_ns"]
    assert 1_000 * state[polling.POLLED] == in_all
