"""Who is at work while an operation goes through vCenter? One operation lit, and all counted.

The parts are those of the article's Figure 2-4: clients, vCenter Server with its database, hosts.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_ASKERS = 4  # a client; vCenter's own DRS; its HA; a host that reports
CLIENT, DRS, HA, REPORT = range(N_ASKERS)
SHOWN, FAULT, N_FAULTS, ON, OFF = range(5)  # places in `state`
N_STATE = 5


@njit
def vsphere_path(
    askers, faults, sources, targets, crowds, states, n_steps, shown, at, state, by_asker,
    asker_lit, host_lit, crowd, down,
):  # fmt: skip
    """The diagram's numbers at operation `shown` of those recorded; 0: before any of them.

    Parameters
    ----------
    askers : (n,) int64, who asked for each
    faults : (n,) int64, 1 for those that ended in a fault
    sources, targets : (n,) int64, the host that a virtual machine leaves, and the one that it comes
        to or that is spoken of; -1 for none
    crowds : (n, n_hosts) int64, virtual machines on each host after it
    states : (n, n_hosts) int64, 1 for a host that is not there or takes none
    n_steps, shown : int64
    at : (1,) int64, written: where the operation stands; so are all below written
    state : (N_STATE,) int64: 1 if one is shown; 1 if it is a fault; faults so far; virtual machines
        that run now; hosts that are down or in maintenance
    by_asker : (N_ASKERS,) int64, operations so far
    asker_lit : (N_ASKERS,) int64, 1 for who asked for this one
    host_lit, crowd, down : (n_hosts,) int64: 1 for hosts it concerns; virtual machines; 1 if down
    """
    k = min(max(i64(shown), i64(0)), i64(n_steps))
    for n in range(k):
        by_asker[askers[n]] += 1
        state[N_FAULTS] += faults[n]
    if k == 0:
        return
    at[0] = k - 1
    state[SHOWN] = 1
    state[FAULT] = faults[at[0]]
    asker_lit[askers[at[0]]] = 1
    for h in range(crowds.shape[1]):
        crowd[h] = crowds[at[0], h]
        down[h] = states[at[0], h]
        state[ON] += crowd[h]
        state[OFF] += down[h]
        host_lit[h] = i64(faults[at[0]] == 0 and (h == sources[at[0]] or h == targets[at[0]]))
