"""How will a migration go, without running one? Rounds out of a size, a rate of writing, a network.

The domain's memory has two parts: pages that it never writes, and a working set of which it writes
pages at random. After t seconds the part of the working set that has been written is

    1 - exp(-t / tau)        tau = bytes of the working set / bytes of pages written in a second

A page of a round's list is sent unless it has been written again before its turn. Turns are spread
evenly over the round, so of a list of written pages the part tau / T (1 - exp(-T / tau)) is sent.
T, how long the round takes, follows from what is sent, so it is found by bisection.

Rates and the end are those of migration.py: Clark et al., NSDI 2005. Quantities are MB of a million
bytes, seconds and Mbit/s.
"""

import math
from dataclasses import dataclass

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.xen.migration import ENOUGH_PAGES, MOST_ROUNDS

i64 = np.int64

LITTLE_MB = ENOUGH_PAGES * 4096 / 1e6
HALVINGS = 50
FEW = 1e-3  # of tau


@njit(inner=True)
def _kept(x):
    """The part of a list that is sent in a round of x times tau, (1 - exp(-x)) / x."""
    if x < FEW:  # where the difference would lose its digits
        return 1.0 - x / 2 * (1.0 - x / 3 * (1.0 - x / 4))
    return (1.0 - math.exp(-x)) / x


@njit(inner=True)
def written_mb(working, tau, seconds):
    """What has been written of a working set after some seconds, MB."""
    return working * (seconds / tau) * _kept(seconds / tau)


@njit(inner=True)
def round_seconds(never, written, tau, rate):
    """How long a round takes at `rate` that sends `never` and a list of `written` pages, MB."""
    low, high = 0.0, 8.0 * (never + written) / rate
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if 8.0 * (never + written * _kept(middle / tau)) > rate * middle:
            low = middle
        else:
            high = middle
    return high


@njit
def pre_copy(
    memory, working, tau, lowest, step, highest, little, most_rounds, rates, seconds, sent, left
):
    """The rounds of a migration, the last of them the stop and copy; returns how many.

    Parameters
    ----------
    memory, working : float64, MB; the working set is a part of the memory
    tau : float64, seconds, above 0
    lowest, step, highest : float64, Mbit/s, above 0
    little : float64, MB: no more rounds if no more is left
    most_rounds : int64, before the stop and copy
    rates, seconds, sent, left : (more than most_rounds,) float64, written: of each round its rate
        in Mbit/s, how long it took, MB sent, and MB written meanwhile
    """
    never, to_send = memory - working, working
    rate, n = lowest, i64(0)
    while n < most_rounds:
        rates[n] = min(max(rate, lowest), highest)
        seconds[n] = round_seconds(never, to_send, tau, rates[n])
        sent[n] = rates[n] * seconds[n] / 8.0
        left[n] = written_mb(working, tau, seconds[n])
        to_send, never = left[n], 0.0
        rate = step if seconds[n] == 0.0 else 8.0 * left[n] / seconds[n] + step
        n += 1
        if to_send <= little or rate > highest:
            break
    rates[n], seconds[n], sent[n], left[n] = highest, 8.0 * to_send / highest, to_send, 0.0
    return n + 1


@dataclass(frozen=True)
class Plan:
    """Rounds as they are expected, the stop and copy among them.

    sent_mb, seconds : by round
    """

    sent_mb: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def downtime_ms(self) -> float:
        """How long the domain stands still for the copy."""
        return 1000 * self.seconds[-1]


def plan(
    memory: float,
    working: float,
    tau: float,
    lowest: float = 100.0,
    step: float = 50.0,
    highest: float = 500.0,
    little: float = LITTLE_MB,
) -> Plan:
    """The rounds of a migration.

    Parameters
    ----------
    memory, working : MB
    tau : seconds in which a working set's worth of pages is written
    lowest, step, highest : Mbit/s
    little : MB

    Raises
    ------
    ValueError : a working set larger than the memory, or a quantity that is not above 0

    Examples
    --------
    >>> quiet = plan(100, working=10, tau=1e6)
    >>> len(quiet.seconds), round(quiet.seconds[0], 1)
    (2, 8.0)
    """
    if not 0 <= working <= memory or min(memory, tau, lowest, step, highest) <= 0 or little < 0:
        raise ValueError(
            f"memory {memory} MB, working set {working} MB, tau {tau} s, rates {lowest}, {step}, "
            f"{highest} Mbit/s; accepted are quantities above 0 and a working set within the memory"
        )
    arrays = np.zeros((4, MOST_ROUNDS + 1))
    numbers = [np.float64(x) for x in (memory, working, tau, lowest, step, highest, little)]
    n = pre_copy(*numbers, i64(MOST_ROUNDS), *arrays)
    return Plan(tuple(arrays[2, :n].tolist()), tuple(arrays[1, :n].tolist()))
