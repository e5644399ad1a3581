"""What share of the hart does a box get? The scheduler of the teaching OS, on three boxes.

The rules are those of guests/pith/kernel/shares.c. Each box has a clock that runs while it has the
hart, and the slower, the more weight it has; of the boxes that want the hart, the one whose clock
is behind is next, and has it until it waits or its slice of 10 ms is over. Who has used more than
his quota waits until it is paid back, so much a period of 100 ms. Who comes back from a wait is at
most 10 ms behind.

Each box has one program that computes for a part of 100 ms and then sleeps for the rest: one that
wants all of the hart never sleeps. Sleepers are woken between two slices. Each turn costs the box a
microsecond in the kernel, so who wants whole slices needs one more, if a short one.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_BOXES = 3
N_PERIODS = 20
MS = 10_000  # ticks of the 10 MHz clock
SLICE, PERIOD, MOST_BEHIND = 10 * MS, 100 * MS, 10 * MS
TURN = MS // 1000  # what the kernel takes of a turn, about
USUAL_WEIGHT, MAX_WEIGHT = 100, 10_000
END = N_PERIODS * PERIOD
NOBODY = -1

# Rows of the state: 1 where the program does not sleep; ticks until it does; when it wakes; ticks
# of the quota in use; the period up to which that is right; the last one in which the box was
# throttled, counted from 1; its clock, in weighted ticks.
WANTS, LEFT, WAKES, USED, SINCE, THROTTLED_IN, CLOCK = range(7)
N_STATE = 7


@njit(inner=True)
def _throttled(box, period, quota, state, throttled):
    """Whether a box has used up its quota; counts the periods in which that is so."""
    state[USED, box] -= min(state[USED, box], (period - state[SINCE, box]) * quota)
    state[SINCE, box] = period
    if quota == 0 or state[USED, box] < quota:
        return False
    if state[THROTTLED_IN, box] != period + 1:
        throttled[box] += 1
    state[THROTTLED_IN, box] = period + 1
    return True


@njit(inner=True)
def _choose(now, newest, quotas, state, throttled):
    """The box that is next, or NOBODY."""
    period = now // PERIOD
    most_behind = MOST_BEHIND * (MAX_WEIGHT // USUAL_WEIGHT)
    chosen = i64(NOBODY)
    for box in range(N_BOXES):
        if state[WANTS, box] and not _throttled(
            box, period, quotas[box] * (PERIOD // 100), state, throttled
        ):
            state[CLOCK, box] = max(state[CLOCK, box], newest - most_behind)
            if chosen == NOBODY or state[CLOCK, box] < state[CLOCK, chosen]:
                chosen = i64(box)
    return chosen


@njit(inner=True)
def _wake(now, demands, state):
    """Wake the sleepers whose time has come; returns when anybody may run if nobody can now."""
    earliest = i64(END)
    for box in range(N_BOXES):
        if demands[box] == 0:
            continue
        if state[WANTS, box] == 0 and state[WAKES, box] <= now:
            state[WANTS, box] = 1
            state[LEFT, box] = demands[box] * (PERIOD // 100)
        if state[WANTS, box] == 0:
            earliest = min(earliest, state[WAKES, box])
        else:  # its quota is used up
            earliest = min(earliest, (now // PERIOD + 1) * PERIOD)
    return earliest


@njit(inner=True)
def _spend(box, now, until, ran_in):
    """Write down who had the hart, by period."""
    while now < min(until, END):
        period = now // PERIOD
        end = min(until, (period + 1) * PERIOD)
        ran_in[box, period] += end - now
        now = end


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
    state,
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
    weight_0, weight_1, weight_2 : int64, 1 to MAX_WEIGHT
    quota_0, quota_1, quota_2 : int64, percent of the hart, 0 for no quota
    demand_0, demand_1, demand_2 : int64, percent of the hart that the box's program wants, 0 to 100
    weights, quotas, demands : (N_BOXES,) int64, written: these
    state : (N_STATE, N_BOXES) int64, written: the simulation's own
    ran_in : (N_BOXES, N_PERIODS) int64, written: ticks that each box had the hart, by period
    shares : (N_BOXES,) float64, written: percent of all the time
    share_0, share_1, share_2 : (N_PERIODS,) float64, written: percent of each period
    throttled : (N_BOXES,) int64, written: periods in which the box had to wait for its quota
    idle : (1,) float64, written: percent of the time in which nobody had the hart
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
    newest = i64(0)  # what the clock of the box chosen last said
    now = i64(0)
    _wake(now, demands, state)
    slice_end = i64(SLICE)
    while now < END:
        box = _choose(now, newest, quotas, state, throttled)
        if box == NOBODY:
            now = max(now, _wake(now, demands, state))
            _wake(now, demands, state)
            slice_end = now + SLICE
            continue
        newest = max(newest, state[CLOCK, box])
        until = slice_end
        if demands[box] < 100:
            until = min(until, now + state[LEFT, box] + TURN)
        spent = until - now
        _spend(box, now, until, ran_in)
        state[CLOCK, box] += spent * MAX_WEIGHT // weights[box]
        state[USED, box] += spent
        state[LEFT, box] -= max(spent - TURN, i64(0))
        now = until
        if demands[box] < 100 and state[LEFT, box] <= 0:
            state[WANTS, box] = 0
            state[WAKES, box] = now + PERIOD - demands[box] * (PERIOD // 100)
        if now >= slice_end:
            slice_end = now + SLICE
            _wake(now, demands, state)
    idle[0] = 100.0
    for box in range(N_BOXES):
        total = i64(0)
        for period in range(N_PERIODS):
            total += ran_in[box, period]
        shares[box] = 100.0 * total / END
        idle[0] -= shares[box]
    for period in range(N_PERIODS):
        share_0[period] = 100.0 * ran_in[0, period] / PERIOD
        share_1[period] = 100.0 * ran_in[1, period] / PERIOD
        share_2[period] = 100.0 * ran_in[2, period] / PERIOD
