"""How long does a migration take, and how long does the virtual machine stand still? Pre-copy.

The first round sends all memory while the virtual machine runs; each further round sends what was
written during the one before. When the rest is small enough the virtual machine stops, the rest is
sent, and it goes on at its destination. If it writes faster than the network sends, rounds do not
shrink; then its processors are slowed down (stun during page send) until they do.

Of a virtual machine's memory a hot part is written again and again, the rest once in a while, each
at its own rate.

# Model: stun scales the rate of writing; a page that is sent is not read from anywhere but memory.

Sources: Nelson, Lim & Hutchins, USENIX 2005, for pre-copy and its end. That slowed processors ended
what did not converge from vSphere 5 on is documented without figures; those below are assumed.
"""

from dataclasses import dataclass

import numpy as np

from virtlab._jit import njit

i64 = np.int64

SWITCHOVER_MS = 500.0  # the rest is sent at once when it takes no longer than this
SHRINK = 0.7  # a round that leaves more than this part of the one before makes no progress
STUN_SHARE = 0.5  # of the network's rate, which a stunned virtual machine writes at
MOST_ROUNDS = 30


@njit(inner=True)
def written(seconds, memory, hot, hot_rate, cold_rate, speed):
    """MB of different pages written in so many seconds at `speed`, 1 for full."""
    dirty = min(hot, hot_rate * speed * seconds)
    return dirty + min(memory - hot, cold_rate * speed * seconds)


@njit(inner=True)
def migrate(memory, hot, hot_rate, cold_rate, rate, stun, switchover_ms, sent, seconds, speeds):
    """See `precopy`; returns rounds, total seconds, ms of standstill."""
    left = memory
    total = 0.0
    speed = 1.0
    n = i64(0)
    while n < sent.size - 1:
        if n > 0 and left / rate * 1000.0 <= switchover_ms:
            break
        duration = left / rate
        sent[n] = left
        seconds[n] = duration
        speeds[n] = speed
        n += 1
        total += duration
        dirty = written(duration, memory, hot, hot_rate, cold_rate, speed)
        if dirty > SHRINK * left:
            if not stun:
                left = dirty
                break  # more rounds would send as much again
            speed = min(speed, STUN_SHARE * rate / max(hot_rate + cold_rate, 1e-9))
        left = dirty
    sent[n] = left
    seconds[n] = left / rate
    speeds[n] = 0.0
    return n + 1, total + left / rate, left / rate * 1000.0


@njit
def precopy(
    memory, hot, hot_rate, cold_rate, rate, stun, switchover_ms, sent, seconds, speeds, result
):
    """Migrate a virtual machine.

    Parameters
    ----------
    memory, hot : float64, MB in all, MB of the hot part
    hot_rate, cold_rate : float64, MB written in a second
    rate : float64, MB that the network sends in a second
    stun : int64, 1 for stun during page send
    switchover_ms : float64, ms in which the rest has to be sent for the last round to begin
    sent, seconds, speeds : (n,) float64, n at least 2, written: each round's MB, its duration, and
        the speed of the virtual machine in it, 1 for full, 0 in the last
    result : (3,) float64, written: rounds, seconds in all, ms of standstill
    """
    rounds, total, still = migrate(
        memory, hot, hot_rate, cold_rate, rate, stun, switchover_ms, sent, seconds, speeds
    )
    result[0] = rounds
    result[1] = total
    result[2] = still


@dataclass(frozen=True)
class Migration:
    """What a migration takes: its rounds, and what they add up to."""

    sent_mb: tuple[float, ...]
    seconds: tuple[float, ...]
    speeds: tuple[float, ...]

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds)

    @property
    def stun_ms(self) -> float:
        """How long the virtual machine stands still."""
        return 1000 * self.seconds[-1]


def plan(memory, hot, hot_rate, cold_rate=0.0, rate=119.0, stun=True, switchover_ms=SWITCHOVER_MS):
    """The rounds of a migration; MB and MB a second. 119 MB/s is a network of 1 Gbit/s.

    Raises
    ------
    ValueError : a size or a rate is out of range
    """
    if not 0 <= hot <= memory or rate <= 0 or hot_rate < 0 or cold_rate < 0:
        raise ValueError(
            f"{hot} MB hot of {memory}, written at {hot_rate} and {cold_rate} MB/s, sent at "
            f"{rate}: accepted are 0 <= hot <= memory, rates of 0 and more, a network that sends."
        )
    room = np.zeros((3, MOST_ROUNDS))
    result = np.zeros(3)
    numbers = [float(one) for one in (memory, hot, hot_rate, cold_rate, rate)]
    precopy(*numbers, np.int64(stun), float(switchover_ms), *room, result)
    n = int(result[0])
    return Migration(*(tuple(row[:n].tolist()) for row in room))
