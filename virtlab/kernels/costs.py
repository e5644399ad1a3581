"""What do runs of one guest cost at other prices? Sums of products, so no run is repeated.

The times that each price is due come from a run's counts (`virtlab.cost.charges`); a reader changes
the prices.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

MOST_RUNS = 4  # in a sweep
POINTS = 51
SPAN = 4.0  # a sweep goes from nothing to so many times the published price
MOST_CROSSINGS = MOST_RUNS * (MOST_RUNS - 1) // 2
MILLION = 1e6
NOBODY = -1


@njit
def cycles_by_group(
    times, cycles, group_of, native, prices, g0, g1, g2, g3, g4, totals, relative, cheapest, dearest
):
    """What each run costs with one of several price lists, in five groups.

    Parameters
    ----------
    times : (runs, items) float64, how often each run owes each item
    cycles : (lists, items) float64
    group_of : (items,) int64, 0 to 4
    native : int64, the run that the others are compared with, or NOBODY
    prices : int64, the price list
    g0 ... g4 : (runs,) float64, written: the groups' millions of cycles
    totals : (runs,) float64, written: their sums
    relative : (runs,) float64, written: totals over that of `native`, 0 without one
    cheapest, dearest : (1,) int64, written: a run
    """
    for run in range(times.shape[0]):
        for item in range(times.shape[1]):
            cost = times[run, item] * cycles[prices, item] / MILLION
            group = group_of[item]
            if group == 0:
                g0[run] += cost
            elif group == 1:
                g1[run] += cost
            elif group == 2:
                g2[run] += cost
            elif group == 3:
                g3[run] += cost
            else:
                g4[run] += cost
            totals[run] += cost
        if totals[run] < totals[cheapest[0]]:
            cheapest[0] = run
        if totals[run] > totals[dearest[0]]:
            dearest[0] = run
    for run in range(times.shape[0]):
        if native != NOBODY and totals[native] > 0.0:
            relative[run] = totals[run] / totals[native]


@njit
def price_sweep(
    times,
    cycles,
    price,
    percent,
    xs,
    y0,
    y1,
    y2,
    y3,
    here,
    here_y,
    totals,
    cheapest,
    n_crossings,
    cross_x,
    cross_y,
    cross_a,
    cross_b,
):
    """The totals of up to four runs while one price goes from 0 to SPAN times what is published.

    Parameters
    ----------
    times : (runs, prices) float64, how often each run owes each price
    cycles : (prices,) float64, as published
    price : int64, the one that changes
    percent : int64, of the published price: what is read out
    xs : (POINTS,) float64, written: values of the price, in cycles
    y0 ... y3 : (POINTS,) float64, written: the runs' totals, in millions of cycles
    here : (1,) float64, written: the price that is read out, in cycles
    here_y : (1,) float64, written: the lowest total there
    totals : (MOST_RUNS,) float64, written: all totals there
    cheapest : (1,) int64, written: the run that costs least there
    n_crossings : (1,) int64, written: how many pairs of runs cost the same at some price of xs
    cross_x, cross_y : (MOST_CROSSINGS,) float64, written: that price and that total
    cross_a, cross_b : (MOST_CROSSINGS,) int64, written: the two runs
    """
    n_runs = times.shape[0]
    most = cycles[price] * SPAN
    here[0] = cycles[price] * percent / 100.0
    for k in range(POINTS):
        xs[k] = most * k / (POINTS - 1)
    for run in range(n_runs):
        rest = _rest(times, cycles, price, run)
        slope = times[run, price] / MILLION
        totals[run] = rest + slope * here[0]
        if totals[run] < totals[cheapest[0]]:
            cheapest[0] = run
        for k in range(POINTS):
            total = rest + slope * xs[k]
            if run == 0:
                y0[k] = total
            elif run == 1:
                y1[k] = total
            elif run == 2:
                y2[k] = total
            else:
                y3[k] = total
    here_y[0] = totals[cheapest[0]]
    n = i64(0)
    for a in range(n_runs):
        for b in range(a + 1, n_runs):
            rest = _rest(times, cycles, price, a)
            difference = _rest(times, cycles, price, b) - rest
            steeper = (times[a, price] - times[b, price]) / MILLION
            if steeper == 0.0:
                continue
            at = difference / steeper
            if at < 0.0 or at > most:
                continue
            cross_x[n] = at
            cross_y[n] = rest + times[a, price] / MILLION * at
            cross_a[n] = a
            cross_b[n] = b
            n += 1
    n_crossings[0] = n


@njit(inner=True)
def _rest(times, cycles, price, run):
    """What a run costs beside one price, in millions of cycles."""
    rest = 0.0
    for item in range(cycles.size):
        if item != price:
            rest += times[run, item] * cycles[item] / MILLION
    return rest
