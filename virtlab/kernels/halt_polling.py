"""How long does a vcpu poll before it gives the processor away, halt after halt?

The rules are those of `virtlab.platforms.kvm.halt_polling`, which has their sources: a halt that
ends while polling leaves the interval as it is, one that ends later but within the maximum makes it
grow, one that ends after the maximum sets it back to nothing.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_HALTS = 60
GROW_START = 10  # microseconds
N_STATE = 4
SUCCESSES, WAKE_UPS, POLLED, POLLED_IN_VAIN = range(N_STATE)


@njit
def halt_polling(usual, rare, every, most, grow, lengths, polls, state):
    """N_HALTS halts, most of one length and each `every`-th of another.

    Parameters
    ----------
    usual, rare : int64, microseconds after which something comes for the guest
    every : int64, each such halt is `rare` microseconds long; 0: none is
    most : int64, halt_poll_ns in microseconds, 0: no polling
    grow : int64, halt_poll_ns_grow, 0: the interval does not grow
    lengths : (N_HALTS,) int64, written: how long each halt lasts
    polls : (N_HALTS,) int64, written: how long the vcpu polls at most in each
    state : (N_STATE,) int64, written: halts that ended while polling, halts that took the
        scheduler, microseconds of polling in all, and of polling that was in vain
    """
    poll = i64(0)
    for k in range(N_HALTS):
        length = i64(usual)
        if every > 0 and (k + 1) % every == 0:
            length = i64(rare)
        lengths[k] = length
        polls[k] = poll
        if poll > 0 and length <= poll:
            state[SUCCESSES] += 1
            state[POLLED] += length
        else:
            state[WAKE_UPS] += 1
            state[POLLED] += poll
            state[POLLED_IN_VAIN] += poll
        if most == 0 or length > most:
            poll = i64(0)
        elif length > poll and poll < most and grow > 0:
            poll = min(max(poll * grow, i64(GROW_START)), i64(most))
