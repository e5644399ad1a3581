"""Which way does a step take through Xen? A call of a domain, or its turn on the hart, lit.

A call goes from its domain to a part of the hypervisor; a turn comes from the scheduler to the
domain. Both are counted, by domain and by part.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.xen.watching import PROCESSOR

i64 = np.int64

N_DOMAINS = 4
N_PARTS = 5  # of Xen four, and the hardware
OUT, IN = range(2)  # of a domain: its calls, its turns

# Places in `state`: the step that is shown, 0 for none; whether it is a turn; the error's number;
# calls so far; turns so far; calls refused so far; calls that came to the scheduler.
SHOWN, IS_TURN, ERROR, CALLS, TURNS, REFUSED, SCHEDULER_CALLS = range(7)
N_STATE = 7
SCHEDULER = i64(PROCESSOR)  # the part from which turns come


@njit
def xen_path(
    domains, parts, turns, errors, n_steps, shown, at, state, by_domain, by_part, domain_lit,
    part_lit,
):  # fmt: skip
    """The diagram's numbers after step `shown` of those recorded; 0: before any of them.

    Parameters
    ----------
    domains, parts : (n,) int64, 0 to N_DOMAINS - 1 and to N_PARTS - 1
    turns : (n,) int64, 1 where a step is a turn
    errors : (n,) int64, the number of the error of a call that was refused, or 0
    n_steps : int64, how many are recorded; the arrays have one row even for none
    shown : int64
    at : (1,) int64, written: where the step that is shown stands among those recorded
    state : (N_STATE,) int64, written; so are all below
    by_domain : (N_DOMAINS, 2) int64, calls and turns so far
    by_part : (N_PARTS,) int64, calls and turns so far
    domain_lit : (N_DOMAINS, 2) int64, 1 for the way of the step
    part_lit : (N_PARTS,) int64
    """
    k = min(max(i64(shown), i64(0)), i64(n_steps))
    for place in range(k):
        by_domain[domains[place], turns[place]] += 1
        by_part[parts[place]] += 1
        state[TURNS] += turns[place]
        if errors[place] != 0:
            state[REFUSED] += 1
    state[CALLS] = k - state[TURNS]
    state[SCHEDULER_CALLS] = by_part[SCHEDULER] - state[TURNS]
    state[SHOWN] = k
    if k == 0:
        return
    at[0] = k - 1
    state[IS_TURN] = turns[at[0]]
    state[ERROR] = errors[at[0]]
    domain_lit[domains[at[0]], turns[at[0]]] = 1
    part_lit[parts[at[0]]] = 1
