"""What share of the hart does a domain get? Xen's credit scheduler on three domains that compute.

The rules are those of `virtlab.platforms.xen.scheduler`, which has their sources, for domains that
never wait: credits are given every 30 ms by weight, none gets more than its cap; who owes credits
is OVER and comes after those that are UNDER; who has a cap and owes more than it allows is parked
until it owes nothing; a turn takes 30 ms at most.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_DOMAINS = 3
N_PERIODS = 20
MS = 10_000  # steps
SLICE, TICK, RATELIMIT = 30 * MS, 10 * MS, MS
TICKS_PER_ACCOUNTING = 3
PERIOD = 500 * MS
END = N_PERIODS * PERIOD
UNDER, OVER = -1, -2
NOBODY = -1

# Rows of the state: credits; priority; whether it is active, and parked; its place in the queue,
# NOBODY if it is not there; what an accounting gives it, NOBODY while that is open.
CREDIT, PRIORITY, ACTIVE, PARKED, PLACE, FAIR = range(6)
N_STATE = 6


@njit(inner=True)
def _peak(cap):
    return SLICE * cap // 100 if cap > 0 else i64(SLICE)


@njit(inner=True)
def _last_place(state):
    """The next place at the end of the queue."""
    last = i64(NOBODY)
    for k in range(N_DOMAINS):
        last = max(last, state[PLACE, k])
    return last + 1


@njit(inner=True)
def _first(state):
    """The first in the queue of the highest priority, or NOBODY."""
    found = i64(NOBODY)
    for k in range(N_DOMAINS):
        if state[PLACE, k] == NOBODY or state[PARKED, k]:
            continue
        if found == NOBODY or state[PRIORITY, k] > state[PRIORITY, found]:
            found = i64(k)
        elif state[PRIORITY, k] == state[PRIORITY, found]:
            if state[PLACE, k] < state[PLACE, found]:
                found = i64(k)
    return found


@njit(inner=True)
def _share_out(weights, caps, state):
    """Credits by weight; what a capped domain cannot take is shared out among the others."""
    total = i64(SLICE)
    for k in range(N_DOMAINS):
        state[FAIR, k] = NOBODY
    for _ in range(N_DOMAINS + 1):
        sum_of_weights, full, open_credits = i64(0), i64(0), i64(0)
        for k in range(N_DOMAINS):
            if state[ACTIVE, k] and state[FAIR, k] == NOBODY:
                sum_of_weights += weights[k]
        if sum_of_weights == 0:
            return
        for k in range(N_DOMAINS):
            if state[ACTIVE, k] and state[FAIR, k] == NOBODY:
                if total * weights[k] >= _peak(caps[k]) * sum_of_weights:
                    state[FAIR, k] = _peak(caps[k])
                    open_credits += state[FAIR, k]
                    full += 1
        total -= open_credits
        if full == 0:
            for k in range(N_DOMAINS):
                if state[ACTIVE, k] and state[FAIR, k] == NOBODY:
                    state[FAIR, k] = total * weights[k] // sum_of_weights
            return


@njit(inner=True)
def _account(weights, caps, current, state):
    """What happens every 30 ms; returns who has the hart, or NOBODY if that one is parked."""
    _share_out(weights, caps, state)
    for k in range(N_DOMAINS):
        if not state[ACTIVE, k]:
            continue
        state[CREDIT, k] += state[FAIR, k]
        if state[CREDIT, k] < 0:
            state[PRIORITY, k] = OVER
            if caps[k] > 0 and state[CREDIT, k] < -_peak(caps[k]):
                state[PARKED, k] = 1
                state[PLACE, k] = NOBODY
                if current == k:
                    current = i64(NOBODY)
            elif caps[k] == 0:
                state[CREDIT, k] = max(state[CREDIT, k], i64(-SLICE))
            continue
        state[PRIORITY, k] = UNDER
        if state[PARKED, k]:
            state[PARKED, k] = 0
            state[PLACE, k] = _last_place(state)
    return current


@njit(inner=True)
def _spend(who, now, until, ran_in):
    """Write down who had the hart, by period."""
    while now < until:
        period = now // PERIOD
        end = min(until, (period + 1) * PERIOD)
        ran_in[who, period] += end - now
        now = end


@njit
def credit_scheduler(
    weight_0, weight_1, weight_2, cap_0, cap_1, cap_2,
    weights, caps, state, ran_in, turns, shares, entitled, share_0, share_1, share_2, idle, jain,
):  # fmt: skip
    """Ten seconds of three domains that compute, from the moment at which all begin.

    Parameters
    ----------
    weight_0, weight_1, weight_2 : int64, 1 to 65,535
    cap_0, cap_1, cap_2 : int64, percent of the hart, 0 for no cap
    weights, caps : (N_DOMAINS,) int64, written: these
    state : (N_STATE, N_DOMAINS) int64, written: the simulation's own
    ran_in : (N_DOMAINS, N_PERIODS) int64, written: steps that each had the hart, by period
    turns : (N_DOMAINS,) int64, written
    shares : (N_DOMAINS,) float64, written: percent of all the time
    entitled : (N_DOMAINS,) float64, written: percent by weight alone
    share_0, share_1, share_2 : (N_PERIODS,) float64, written: percent of each period
    idle : (1,) float64, written: percent of the time in which nobody had the hart
    jain : (1,) float64, written: Jain's index of the shares by weight
    """
    weights[0] = weight_0
    weights[1] = weight_1
    weights[2] = weight_2
    caps[0] = cap_0
    caps[1] = cap_1
    caps[2] = cap_2
    for k in range(N_DOMAINS):
        state[PRIORITY, k] = UNDER
        state[PLACE, k] = k
    now, since, next_tick, ticks = i64(0), i64(0), i64(TICK), i64(0)
    current = i64(NOBODY)
    while now < END:
        if next_tick <= now:
            next_tick += TICK
            ticks += 1
            if current != NOBODY:
                state[ACTIVE, current] = 1
            if ticks % TICKS_PER_ACCOUNTING == 0:
                current = _account(weights, caps, current, state)
        if current != NOBODY:
            other, ran = _first(state), now - since
            lower = other != NOBODY and state[PRIORITY, other] > state[PRIORITY, current]
            if ran >= SLICE or (ran >= RATELIMIT and lower):
                state[PLACE, current] = _last_place(state)
                current = i64(NOBODY)
        if current == NOBODY:
            current = _first(state)
            if current != NOBODY:
                state[PLACE, current] = NOBODY
                turns[current] += 1
                since = now
        until = min(i64(END), next_tick)
        if current != NOBODY:
            until = min(until, since + SLICE)
            if now - since < RATELIMIT:
                until = min(until, since + RATELIMIT)
            state[CREDIT, current] -= until - now
            _spend(current, now, until, ran_in)
        now = until
    sum_of_weights, sum_of_ratios, sum_of_squares = 0.0, 0.0, 0.0
    nobody = i64(END)
    for k in range(N_DOMAINS):
        sum_of_weights += weights[k]
    for k in range(N_DOMAINS):
        total = i64(0)
        for period in range(N_PERIODS):
            total += ran_in[k, period]
        shares[k] = 100.0 * total / END
        entitled[k] = 100.0 * weights[k] / sum_of_weights
        nobody -= total
        ratio = shares[k] / weights[k]
        sum_of_ratios += ratio
        sum_of_squares += ratio * ratio
    idle[0] = 100.0 * nobody / END
    jain[0] = sum_of_ratios * sum_of_ratios / (N_DOMAINS * sum_of_squares)
    for period in range(N_PERIODS):
        share_0[period] = 100.0 * ran_in[0, period] / PERIOD
        share_1[period] = 100.0 * ran_in[1, period] / PERIOD
        share_2[period] = 100.0 * ran_in[2, period] / PERIOD
