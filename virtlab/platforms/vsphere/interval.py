"""What happens in a cluster in five minutes? One interval of the simulation, compiled.

In this order: hosts return; hosts fail or are cut off, and what ran on them stops; HA restarts it
where there is room; demands change; entitlements are divvied; DRS empties hosts that enter
maintenance, enforces rules and balances; hosts divide their processors and their memory.

# Model: within an interval only failures have a second of their own; all else happens at its end.
# Model: a migration's processor time is weighed before it is made, and not taken from the hosts.

Sources: those of `cpu`, `memory`, `drs` and `ha`.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.vsphere.admission import percent_left, slots_left
from virtlab.platforms.vsphere.cpu import divvy_part, fill
from virtlab.platforms.vsphere.drs import (
    NONE,
    attach,
    balance,
    detach,
    enforce_rules,
    evacuate,
    note,
    place,
)
from virtlab.platforms.vsphere.ha import FAILURE_S, ISOLATION_S
from virtlab.platforms.vsphere.memory import reclaim_on_host
from virtlab.platforms.vsphere.state import (
    ADMISSION,
    CONNECTED,
    DISABLED,
    ENTERING_MAINTENANCE,
    FILES_LOCKED,
    HIGH_PRIORITY,
    HOST_FAILED,
    HOST_ISOLATED,
    HOST_RETURNED,
    ISOLATED,
    MAINTENANCE,
    NO_REASON,
    NO_SLOT,
    NOT_PLACED,
    NOT_RESPONDING,
    NOT_RESTARTED,
    PLACED,
    POWER_OFF,
    POWERED_OFF,
    POWERED_ON,
    RESTART_DISABLED,
    RESTARTED,
    VM_STOPPED,
    WAITING,
)

i64 = np.int64

DAY_S = 86_400
IDLE_PERCENT = 25  # of idle memory that counts as demand: PercentIdleMBInMemDemand
RANDOM_BITS = 16


@njit(inner=True)
def draw(vm):
    """The next of a virtual machine's random numbers, from 0 up to but not 1."""
    vm.noise = (vm.noise * 1103515245 + 12345) & 0x7FFFFFFF
    return (vm.noise >> (31 - RANDOM_BITS)) / (1 << RANDOM_BITS)


@njit(inner=True)
def forget(vm):
    """A virtual machine that stops has no memory and no demand any more."""
    vm.touched = 0
    vm.resident = 0
    vm.shared = 0
    vm.ballooned = 0
    vm.compressed = 0
    vm.swapped = 0
    vm.stopped = 0
    vm.cpu_demand = 0.0
    vm.cpu_entitled = 0.0
    vm.cpu_given = 0.0
    vm.memory_entitled = 0.0


@njit(inner=True)
def stop_all(hosts, vms, cluster, h, second, noticed, log):
    """Stop every virtual machine of host `h`; HA, if it is on, restarts them from `noticed` on."""
    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        vm = vms[v]
        if vm.host != h:
            continue
        detach(hosts, vms, v)
        forget(vm)
        vm.power = WAITING
        vm.down_since = second
        vm.restart_at = noticed
        vm.reported = 0
        note(log, second, VM_STOPPED, NO_REASON, i64(v), i64(h), NONE, NONE, 0.0, 0.0)
        if cluster.ha == 0 or vm.restart == DISABLED:
            vm.power = POWERED_OFF
            why = RESTART_DISABLED
            note(log, second, NOT_RESTARTED, why, i64(v), i64(h), NONE, NONE, 0.0, 0.0)


@njit(inner=True)
def host_changes(hosts, vms, cluster, time, end, log):
    """Hosts that return, fail or are cut off before `end`."""
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        host = hosts[h]
        source = i64(h)
        lost = host.state == NOT_RESPONDING or host.state == ISOLATED
        if lost and 0 <= host.returns_at < end:
            host.state = CONNECTED
            note(log, host.returns_at, HOST_RETURNED, NO_REASON, NONE, source, NONE, NONE, 0.0, 0.0)
            host.returns_at = -1
        if 0 <= host.fails_at < end:
            second = max(host.fails_at, time)
            host.fails_at = -1
            host.isolated_at = -1
            if host.state != NOT_RESPONDING:
                host.state = NOT_RESPONDING
                note(log, second, HOST_FAILED, NO_REASON, NONE, source, NONE, NONE, 0.0, 0.0)
                stop_all(hosts, vms, cluster, source, second, second + FAILURE_S, log)
        if 0 <= host.isolated_at < end:
            second = max(host.isolated_at, time)
            host.isolated_at = -1
            if host.state == CONNECTED or host.state == ENTERING_MAINTENANCE:
                host.state = ISOLATED
                note(log, second, HOST_ISOLATED, NO_REASON, NONE, source, NONE, NONE, 0.0, 0.0)
                if cluster.ha == 1 and cluster.isolation == POWER_OFF:
                    off, noticed = second + ISOLATION_S, second + FAILURE_S
                    stop_all(hosts, vms, cluster, source, off, noticed, log)
                elif cluster.ha == 1:
                    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
                        if vms[v].host == h:
                            at, why = second + FAILURE_S, FILES_LOCKED
                            note(log, at, NOT_RESTARTED, why, i64(v), source, NONE, NONE, 0.0, 0.0)


@njit(inner=True)
def start(vms, v):
    """What a virtual machine is when it has just started."""
    vm = vms[v]
    forget(vm)
    vm.power = POWERED_ON
    vm.down_since = -1
    vm.reported = 0


@njit(inner=True)
def restart_all(hosts, vms, cluster, end, log):
    """Restart what waits, by priority, as soon as its host's silence has been noticed."""
    for priority in range(HIGH_PRIORITY, DISABLED, -1):
        for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
            vm = vms[v]
            if vm.power != WAITING or vm.restart != priority or vm.restart_at > end:
                continue
            target, reason, second, load = place(hosts, vms, cluster, v)
            noticed = vm.restart_at
            if target >= 0:
                at = noticed
                if vm.reported == 1:
                    at = end
                events = log[0]
                k = note(log, at, RESTARTED, reason, i64(v), NONE, target, priority, second, load)
                events[k].seconds = float(at - vm.down_since)
                start(vms, v)
                attach(hosts, vms, v, target)
            elif vm.reported == 0:
                vm.reported = 1
                kind = NOT_RESTARTED
                note(log, noticed, kind, reason, i64(v), NONE, NONE, priority, second, load)


@njit(inner=True)
def change_demands(vms, cluster, end):
    """Demand by the time of day, a triangle around its highest, and by chance."""
    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        vm = vms[v]
        chance = draw(vm)
        if vm.power != POWERED_ON:
            continue
        since = (end - vm.phase) % DAY_S
        away = min(since, DAY_S - since) / (DAY_S / 2.0)
        demand = vm.typical * (1.0 + vm.swing * (1.0 - 2.0 * away)) * (0.75 + 0.5 * chance)
        vm.cpu_demand = max(demand, 0.0)


@njit(inner=True)
def entitle(hosts, vms, cluster, nodes, links, work):
    """Divvy the processors and the memory of the hosts that take part down the tree of pools."""
    shares, reservation, limit, demand, _, _, given = work
    cpu = 0.0
    memory = 0.0
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        host = hosts[h]
        if host.state != NOT_RESPONDING and host.state != MAINTENANCE:
            cpu += host.cpu
            memory += host.memory
        host.cpu_entitled = 0.0
        host.memory_entitled = 0.0
    offset = cluster.first_node
    for node in range(offset, offset + cluster.nodes):
        shares[node] = nodes[node].cpu_shares
        reservation[node] = nodes[node].cpu_reservation
        limit[node] = nodes[node].cpu_limit
        demand[node] = 0.0
    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        demand[vms[v].node] = vms[v].cpu_demand
    size = i64(cluster.nodes)
    divvy_part(cpu, offset, size, links, work)
    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        vms[v].cpu_entitled = given[vms[v].node]
    for node in range(offset, offset + cluster.nodes):
        shares[node] = nodes[node].memory_shares
        reservation[node] = nodes[node].memory_reservation
        limit[node] = nodes[node].memory_limit
        demand[node] = 0.0
    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        vm = vms[v]
        active = vm.touched * vm.active_percent / 100.0
        demand[vm.node] = active + (vm.touched - active) * IDLE_PERCENT / 100.0
        if vm.power == POWERED_ON:
            demand[vm.node] += vm.overhead
    divvy_part(memory, offset, size, links, work)
    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        vm = vms[v]
        vm.memory_entitled = given[vm.node]
        if vm.host >= 0:
            hosts[vm.host].cpu_entitled += vm.cpu_entitled
            hosts[vm.host].memory_entitled += vm.memory_entitled


@njit(inner=True)
def sort_by_host(vms, cluster, order, begins, hosts):
    """Write the cluster's running virtual machines into `order`, host by host.

    order : (n_vms,) int64; those of host h are order[begins[h]:begins[h] + hosts[h].vms]
    """
    at = cluster.first_vm
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        begins[h] = at
        at += hosts[h].vms
    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        h = vms[v].host
        if h >= 0:
            order[begins[h]] = v
            begins[h] += 1
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        begins[h] -= hosts[h].vms


@njit(inner=True)
def run_hosts(hosts, vms, cluster, minutes, order, begins, chain, work, pages):
    """Divide each host's memory, then its processors, by shares as large as entitlements."""
    shares, _, _, _, low, high, given = work
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        host = hosts[h]
        begin = begins[h]
        end = begin + host.vms
        reclaim_on_host(host, vms, order, begin, end, minutes, shares, pages)
        for k in range(begin, end):
            vm = vms[order[k]]
            most = min(vm.cpu_demand, vm.vcpus * host.core)
            if vm.cpu_limit >= 0.0:
                most = min(most, vm.cpu_limit)
            if vm.stopped == 1:
                most = 0.0
            shares[k] = vm.cpu_entitled
            high[k] = most
            low[k] = min(vm.cpu_reservation, most)
            chain[k] = k + 1
        host.cpu_used = 0.0
        if end > begin:
            chain[end - 1] = -1
            fill(host.cpu, i64(begin), chain, i64(0), shares, low, high, given)
        for k in range(begin, end):
            vms[order[k]].cpu_given = given[k]
            host.cpu_used += given[k]


@njit
def run_interval(
    hosts,
    vms,
    clusters,
    nodes,
    parent,
    first,
    following,
    time,
    seconds,
    work,
    pages,
    order,
    begins,
    chain,
    rounds,
    events,
    counts,
):
    """Simulate every cluster for one interval.

    Parameters
    ----------
    hosts, vms, clusters, nodes : records of HOST, VM, CLUSTER, NODE; written
    parent, first, following : (n_nodes,) int64, the resource-pool trees; see `cpu.divvy`
    time, seconds : int64, when the interval begins, and its length
    work : (7, n) float64, pages : (4, n) int64, scratch; n at least n_nodes and n_vms + 1
    order, chain : (n,) int64, scratch; begins : (n_hosts,) int64, scratch
    rounds : (3, m) float64, scratch for a migration's rounds
    events : (k,) EVENT, written
    counts : (2,) int64, written: events, and events that found no room
    """
    end = time + seconds
    log = (events, counts, rounds[0], rounds[1], rounds[2])
    rows = (work[0], work[1], work[2], work[3], work[4], work[5], work[6])
    columns = (pages[0], pages[1], pages[2], pages[3])
    links = (parent, first, following)
    counts[0] = 0
    counts[1] = 0
    for c in range(clusters.size):
        cluster = clusters[c]
        host_changes(hosts, vms, cluster, time, end, log)
        if cluster.ha == 1:
            restart_all(hosts, vms, cluster, end, log)
        change_demands(vms, cluster, end)
        entitle(hosts, vms, cluster, nodes, links, rows)
        evacuate(hosts, vms, cluster, end, log)
        if cluster.drs == 1:
            enforce_rules(hosts, vms, cluster, end, log)
        balance(hosts, vms, cluster, end, log)
        sort_by_host(vms, cluster, order, begins, hosts)
        run_hosts(hosts, vms, cluster, seconds // 60, order, begins, chain, rows, columns)


@njit
def power_on(hosts, vms, clusters, v, time, rounds, events, counts):
    """Start virtual machine `v` where DRS places it, if admission control lets it.

    Parameters
    ----------
    hosts, vms, clusters : records, written; `v` has been powered off
    v, time : int64
    rounds, events, counts : as for `run_interval`; the event is appended

    Returns
    -------
    host : int64, -1 if it was not started
    """
    log = (events, counts, rounds[0], rounds[1], rounds[2])
    cluster = clusters[vms[v].cluster]
    if cluster.ha == 1 and cluster.failover_percent > 0:
        left, asked = percent_left(hosts, vms, cluster, v), float(cluster.failover_percent)
        if left < asked:
            note(log, time, NOT_PLACED, ADMISSION, v, NONE, NONE, NONE, left, asked)
            return NONE
    if cluster.ha == 1 and cluster.tolerate > 0:
        slots, needed = slots_left(hosts, vms, cluster, v)
        if slots < needed:
            note(log, time, NOT_PLACED, NO_SLOT, v, NONE, NONE, NONE, float(slots), float(needed))
            return NONE
    target, reason, second, load = place(hosts, vms, cluster, v)
    if target < 0:
        note(log, time, NOT_PLACED, reason, v, NONE, NONE, NONE, second, load)
        return NONE
    start(vms, v)
    vms[v].cpu_entitled = vms[v].typical
    attach(hosts, vms, v, target)
    note(log, time, PLACED, reason, v, NONE, target, NONE, second, load)
    return target


@njit
def adopt(hosts, vms, v, h):
    """Let virtual machine `v`, which is off, run on host `h`; nobody is asked."""
    start(vms, v)
    vms[v].cpu_entitled = vms[v].typical
    attach(hosts, vms, v, h)


@njit
def power_off(hosts, vms, v):
    """Stop virtual machine `v`, wherever it runs, or while it waits for a restart."""
    if vms[v].host >= 0:
        detach(hosts, vms, v)
    forget(vms[v])
    vms[v].power = POWERED_OFF
    vms[v].down_since = -1
