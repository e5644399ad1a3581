"""What does a day of a cluster look like, host by host? The simulation itself, anew each time.

The same `run_interval` as in `virtlab.platforms.vsphere`: 288 intervals of five minutes on one
cluster. A host may fail, and be back hours later.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.vsphere.interval import run_interval
from virtlab.platforms.vsphere.state import (
    MIGRATED,
    NOT_RESTARTED,
    POWERED_ON,
    RESTARTED,
    VM_STOPPED,
    WAITING,
)

i64 = np.int64

INTERVAL_S, HOUR_S = 300, 3600
HOURS, PER_HOUR = 24, 12
BACK_AFTER_H = 3

# Places in `state`.
MOVES, STOPS, RESTARTS, REFUSALS, WAITS, STILL_S = range(6)
N_STATE = 6


@njit(inner=True)
def copy_records(now, start):
    """Begin with the records of the start, of any kind."""
    for k in range(start.size):
        now[k] = start[k]


@njit
def cluster_day(
    hosts_start, vms_start, clusters_start, nodes, parent, first, following, hosts, vms, clusters,
    work, pages, order, begins, chain, rounds, events, counts, threshold, ha, failing, hour, load,
    shade, failed, crowd, moves, restarts, imbalance, delivered, state,
):  # fmt: skip
    """Run a day.

    Parameters
    ----------
    hosts_start, vms_start, clusters_start : records of HOST, VM, CLUSTER; one cluster
    nodes, parent, first, following : its tree of resource pools; see `run_interval`
    hosts, vms, clusters : as those of the start, written
    work, pages, order, begins, chain, rounds, events, counts : scratch of `run_interval`
    threshold : int64, 1 to 5 for DRS's, 0 for no DRS
    ha : int64, 1 if HA restarts
    failing : int64, the host that fails, from 1 on; 0 for none
    hour : int64, of the day at which it does
    load : (HOURS, n_hosts) float64, written: per cent of each host's processors that its virtual
        machines ask for, mean of the hour; so are all below written
    shade : (HOURS, n_hosts) float64, `load` from 0 to 1
    failed : (HOURS, n_hosts) int64, 1 if the host is down at the hour's end
    crowd : (HOURS, n_hosts) int64, virtual machines on it then
    moves, restarts : (HOURS,) int64
    imbalance : (HOURS,) float64, standard deviation of the hosts' loads at the hour's end, as DRS
        leaves it
    delivered : (1,) float64, per cent of the processor time asked for that was given
    state : (N_STATE,) int64: moves; virtual machines stopped by the failure; restarts; those said
        not to be restarted; virtual machines that wait at the end; seconds of standstill in moves
    """
    copy_records(hosts, hosts_start)
    copy_records(vms, vms_start)
    copy_records(clusters, clusters_start)
    clusters[0].drs = i64(threshold > 0)
    clusters[0].threshold = max(threshold, i64(1))
    clusters[0].ha = ha
    if failing > 0:
        hosts[failing - 1].fails_at = hour * HOUR_S
        hosts[failing - 1].returns_at = (hour + BACK_AFTER_H) * HOUR_S
    asked = 0.0
    given = 0.0
    still = 0.0
    for k in range(HOURS * PER_HOUR):
        at = k // PER_HOUR
        run_interval(
            hosts, vms, clusters, nodes, parent, first, following, i64(k * INTERVAL_S),
            i64(INTERVAL_S), work, pages, order, begins, chain, rounds, events, counts,
        )  # fmt: skip
        for n in range(counts[0]):
            event = events[n]
            if event.kind == MIGRATED:
                moves[at] += 1
                state[MOVES] += 1
                still += event.stun_ms / 1000.0
            elif event.kind == RESTARTED:
                restarts[at] += 1
                state[RESTARTS] += 1
            elif event.kind == VM_STOPPED:
                state[STOPS] += 1
            elif event.kind == NOT_RESTARTED:
                state[REFUSALS] += 1
        for v in range(vms.size):
            vm = vms[v]
            if vm.power == POWERED_ON:
                h = vm.host
                load[at, h] += vm.cpu_demand / hosts[h].cpu * 100.0 / PER_HOUR
                given += vm.cpu_given
            asked += max(vm.cpu_demand, 0.0)
            if vm.power != POWERED_ON:
                asked += vm.typical
        imbalance[at] = clusters[0].balanced
        for h in range(hosts.size):
            failed[at, h] = i64(hosts[h].state != 0)
            crowd[at, h] = hosts[h].vms
    for at in range(HOURS):
        for h in range(hosts.size):
            shade[at, h] = min(load[at, h] / 100.0, 1.0)
    for v in range(vms.size):
        state[WAITS] += vms[v].power == WAITING
    state[STILL_S] = i64(still)
    delivered[0] = 100.0 * given / max(asked, 1.0)
