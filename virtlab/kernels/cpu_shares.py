"""What share of the hart does a box get? The scheduler of the teaching OS, on three boxes.

The rule is that of guests/pith/kernel/process.c: of the boxes that want the hart and have quota
left, the one with the least weighted run time gets it, until it waits, or until the slice ends,
which ends every 10 ms; a box whose quota of this period of 100 ms is used up waits for the next.

Each box has one program that computes for a while and then sleeps for the rest of 100 ms: one that
never sleeps wants the whole hart. What the kernel itself takes is left out.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_BOXES = 3
N_PERIODS = 20
SLICE, PERIOD = 10_000, 100_000  # microseconds
USUAL_WEIGHT = 100
NOBODY = -1


@njit(inner=True)
def _choose(wants, used_up, weighted):
    """The box with the least weighted run time of those that can run, or NOBODY."""
    chosen = i64(NOBODY)
    for box in range(N_BOXES):
        if wants[box] and not used_up[box]:
            if chosen == NOBODY or weighted[box] < weighted[chosen]:
                chosen = i64(box)
    return chosen


@njit(inner=True)
def _earliest(wants, used_up, wakes, demands, period_end):
    """When somebody can run again, although nobody can now."""
    earliest = i64(N_PERIODS * PERIOD)
    for box in range(N_BOXES):
        if wants[box]:
            if used_up[box]:
                earliest = min(earliest, period_end)
        elif demands[box] > 0:
            earliest = min(earliest, wakes[box])
    return earliest


@njit
def cpu_shares(
    weight_0,
    weight_1,
    weight_2,
    quota_0,
    quota_1,
    quota_2,
    demand_0,
    demand_1,
    demand_2,
    weights,
    quotas,
    demands,
    wants,
    left,
    wakes,
    used,
    used_up,
    weighted,
    ran,
    ran_in,
    shares,
    share_0,
    share_1,
    share_2,
    throttled,
    idle,
):
    """Two seconds of three boxes, from the moment at which all programs begin.

    Parameters
    ----------
    weight_0, weight_1, weight_2 : int64, 1 to 10000
    quota_0, quota_1, quota_2 : int64, percent of the hart in each period of 100 ms; 0 for no quota
    demand_0, demand_1, demand_2 : int64, percent of the hart that the box's program wants, 0 to 100
    weights, quotas, demands, wants, left, wakes, used, used_up, weighted : (N_BOXES,) int64,
        written: the simulation's own state
    ran : (N_BOXES,) int64, written: microseconds that each box had the hart
    ran_in : (N_BOXES, N_PERIODS) int64, written: the same by period
    shares : (N_BOXES,) float64, written: percent of all the time
    share_0, share_1, share_2 : (N_PERIODS,) float64, written: percent of each period
    throttled : (N_BOXES,) int64, written: periods in which the quota was used up
    idle : (1,) float64, written: percent of the time in which nobody had it
    """
    weights[0] = weight_0
    weights[1] = weight_1
    weights[2] = weight_2
    quotas[0] = quota_0
    quotas[1] = quota_1
    quotas[2] = quota_2
    demands[0] = demand_0
    demands[1] = demand_1
    demands[2] = demand_2
    for box in range(N_BOXES):
        left[box] = demands[box] * (PERIOD // 100)
        wants[box] = i64(demands[box] > 0)
    now = i64(0)
    slice_end = i64(SLICE)
    period_end = i64(PERIOD)
    while now < N_PERIODS * PERIOD:
        box = _choose(wants, used_up, weighted)
        if box == NOBODY:
            now = _earliest(wants, used_up, wakes, demands, period_end)
            slice_end = now + SLICE
        else:
            until = min(slice_end, period_end)
            if demands[box] < 100:
                until = min(until, now + left[box])
            if quotas[box] > 0:
                until = min(until, now + quotas[box] * (PERIOD // 100) - used[box])
            spent = until - now
            ran_in[box, now // PERIOD] += spent
            weighted[box] += spent * USUAL_WEIGHT // weights[box]
            used[box] += spent
            left[box] -= spent
            now = until
            if quotas[box] > 0 and used[box] >= quotas[box] * (PERIOD // 100):
                used_up[box] = 1
                throttled[box] += 1
            if demands[box] < 100 and left[box] <= 0:
                wants[box] = 0
                wakes[box] = now + PERIOD - demands[box] * (PERIOD // 100)
        if now >= slice_end:
            slice_end = now + SLICE
        if now >= period_end:
            period_end += PERIOD
            for box in range(N_BOXES):
                used[box] = 0
                used_up[box] = 0
        for box in range(N_BOXES):
            if not wants[box] and demands[box] > 0 and wakes[box] <= now:
                wants[box] = 1
                left[box] = demands[box] * (PERIOD // 100)
    idle[0] = 100.0
    for box in range(N_BOXES):
        for period in range(N_PERIODS):
            ran[box] += ran_in[box, period]
        shares[box] = 100.0 * ran[box] / (N_PERIODS * PERIOD)
        idle[0] -= shares[box]
    for period in range(N_PERIODS):
        share_0[period] = 100.0 * ran_in[0, period] / PERIOD
        share_1[period] = 100.0 * ran_in[1, period] / PERIOD
        share_2[period] = 100.0 * ran_in[2, period] / PERIOD
