"""Where does a virtual machine start, when does it move, and why? DRS, as vCenter runs it.

A host's load is what its virtual machines are entitled to, divided by its capacity (normalised
entitlement), for processors and for memory. A cluster's imbalance is the standard deviation of
its hosts' loads, the mean of both. Every five minutes:

    mandatory     hosts that enter maintenance are emptied, rules are enforced: priority 1
    balance       while the imbalance calls for it, make the move that lowers it most, of those
                  whose gain is worth their cost

Gain and cost of a move are in seconds of a host: the gain is how much more is free on the fuller
of the two hosts, for as long as loads are taken to last; the cost is the processor time that
copying the memory takes on both.

Priority: 6 - ceil(imbalance / 0.1 * sqrt(hosts)), from 2 to 5, 1 for mandatory moves. Printed in
one line, this leaves open what the root belongs to. Here it is read from left to right, (imbalance
/ 0.1) * sqrt(hosts). By the other reading, imbalance / (0.1 * sqrt(hosts)), moves among 32 hosts
would get priority 3 above an imbalance of 1.13; loads between 0 and 1 deviate by 0.5 at most, so
that DRS with its usual threshold would never move anything.

# Model: members of an affinity rule move only to keep it; no rule ties machines to hosts.

Sources: Gulati et al. 2012 for entitlement, imbalance, greedy moves and cost-benefit. The formula
of priorities is from a VMware article quoted by others; nothing that is scored depends on it.
"""

import math

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.vsphere.state import (
    BALANCE,
    CONNECTED,
    ENTERING_MAINTENANCE,
    EVACUATE,
    KEEP_APART,
    KEEP_TOGETHER,
    LEAST_LOADED,
    MAINTENANCE,
    MAINTENANCE_BEGUN,
    MIGRATED,
    NO_CPU,
    NO_HOST,
    NO_MEMORY,
    NO_REASON,
    NOT_EVACUATED,
    ONLY_FIT,
    POWERED_ON,
    RULE,
)
from virtlab.platforms.vsphere.vmotion import SWITCHOVER_MS, migrate

i64 = np.int64

MANDATORY = 1
NONE = i64(-1)  # no virtual machine, no host
MOST_MOVES = 16  # for balance, of one cluster in one interval
MIGRATION_CORES = 0.3  # of a core that copying takes on each host; assumed
NETWORK_MB_S = 119.0  # of 1 Gbit/s
STABLE_SECONDS = 300.0  # for which loads are taken to last: until DRS looks again
KEPT_FREE_PERCENT = 6  # of memory, which no reservation gets: the threshold of the state "high"


@njit
def priority_of(imbalance, n_hosts):
    """The priority of moves that balance, 2 to 5; 6 if there is nothing to do.

    imbalance : float64; n_hosts : int64
    """
    stars = math.ceil(imbalance / 0.1 * math.sqrt(float(n_hosts)))
    return i64(min(max(6 - stars, 2), 6))


@njit(inner=True)
def note(log, time, kind, reason, vm, source, target, priority, before, after):
    """Append an event; one that finds no room is counted in counts[1]. Returns its index.

    log : (n,) EVENT, (2,) int64 events so far and lost, and three arrays for a migration's rounds
    """
    events, counts, _, _, _ = log
    n = counts[0]
    if n >= events.size:
        counts[1] += 1
        return i64(events.size - 1)
    event = events[n]
    event.time = time
    event.kind = kind
    event.reason = reason
    event.vm = vm
    event.source = source
    event.target = target
    event.priority = priority
    event.before = before
    event.after = after
    event.gain = 0.0
    event.cost = 0.0
    event.seconds = 0.0
    event.stun_ms = 0.0
    counts[0] = n + 1
    return n


@njit(inner=True)
def attach(hosts, vms, v, h):
    """Put virtual machine `v` on host `h`."""
    vm = vms[v]
    host = hosts[h]
    vm.host = h
    host.vms += 1
    host.cpu_reserved += vm.cpu_reservation
    host.memory_reserved += vm.memory_reservation + vm.overhead
    host.cpu_entitled += vm.cpu_entitled
    host.memory_entitled += vm.memory_entitled


@njit(inner=True)
def detach(hosts, vms, v):
    """Take virtual machine `v` off its host."""
    vm = vms[v]
    host = hosts[vm.host]
    vm.host = -1
    host.vms -= 1
    host.cpu_reserved -= vm.cpu_reservation
    host.memory_reserved -= vm.memory_reservation + vm.overhead
    host.cpu_entitled -= vm.cpu_entitled
    host.memory_entitled -= vm.memory_entitled


@njit(inner=True)
def cpu_fits(host, vm):
    return host.cpu_reserved + vm.cpu_reservation <= host.cpu


@njit(inner=True)
def memory_fits(host, vm):
    needed = host.memory_reserved + vm.memory_reservation + vm.overhead
    return needed * 100 <= host.memory * (100 - KEPT_FREE_PERCENT)


@njit(inner=True)
def home_of_group(vms, cluster, v):
    """The host on which the others of `v`'s affinity rule are, -1 if there are none."""
    for other in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        same = vms[other].together == vms[v].together
        if same and other != v and vms[other].power == POWERED_ON:
            return i64(vms[other].host)
    return i64(-1)


@njit(inner=True)
def kept_apart(vms, cluster, v, h):
    """Whether no other of `v`'s anti-affinity rule is on host `h`."""
    if vms[v].apart < 0:
        return True
    for other in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        same = vms[other].apart == vms[v].apart
        if same and other != v and vms[other].host == h:
            return False
    return True


@njit(inner=True)
def load_with(host, vm):
    """The larger of a host's two loads with `vm` on it."""
    cpu = (host.cpu_entitled + max(vm.cpu_entitled, vm.typical)) / host.cpu
    return max(cpu, (host.memory_entitled + max(vm.memory_entitled, 1.0)) / host.memory)


@njit(inner=True)
def place(hosts, vms, cluster, v):
    """The host for virtual machine `v`: of those with room, that which is least loaded with it.

    Returns
    -------
    host : int64, -1 for none
    reason : int64, one of REASONS
    before, after : float64, the numbers behind it: the loads of the second best and of the best
        host with it; of the only one that fits, how many were looked at and its load; of a refusal,
        how many hosts were left to look at and what they lack
    """
    vm = vms[v]
    home = i64(-1)
    if vm.together >= 0:
        home = home_of_group(vms, cluster, v)
    best = i64(-1)
    load = 0.0
    second = 0.0
    connected = i64(0)
    with_cpu = i64(0)
    with_memory = i64(0)
    fit = i64(0)
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        host = hosts[h]
        if host.state != CONNECTED or h == vm.host:
            continue
        connected += 1
        if not cpu_fits(host, vm):
            continue
        with_cpu += 1
        if not memory_fits(host, vm):
            continue
        with_memory += 1
        if (home >= 0 and h != home) or not kept_apart(vms, cluster, v, h):
            continue
        fit += 1
        after = load_with(host, vm)
        if best < 0 or after < load:
            second = load
            load = after
            best = i64(h)
        elif fit == 2 or after < second:
            second = after
    if connected == 0:
        return best, i64(NO_HOST), 0.0, 0.0
    if with_cpu == 0:
        return best, i64(NO_CPU), float(connected), vm.cpu_reservation
    if with_memory == 0:
        return best, i64(NO_MEMORY), float(with_cpu), float(vm.memory_reservation + vm.overhead)
    if fit == 0:
        return best, i64(RULE), float(with_memory), 0.0
    if home >= 0:
        return best, i64(KEEP_TOGETHER), float(with_memory), load
    if fit == 1:
        return best, i64(ONLY_FIT), float(connected), load
    return best, i64(LEAST_LOADED), second, load


@njit(inner=True)
def move(hosts, vms, v, target, log, time, reason, priority, before, after):
    """Migrate `v` to host `target`: what it takes goes into the event, whose index is returned."""
    events, _, sent, lasted, speeds = log
    vm = vms[v]
    source = i64(vm.host)
    # What is shared or compressed here is sent whole; balloon and swap file stay as they are.
    vm.resident += vm.shared + vm.compressed
    vm.shared = 0
    vm.compressed = 0
    detach(hosts, vms, v)
    attach(hosts, vms, v, target)
    memory = float(vm.resident)
    hot = memory * vm.active_percent / 100.0
    _, seconds, still = migrate(
        memory,
        hot,
        vm.dirty_rate,
        vm.dirty_rate / 10.0,
        NETWORK_MB_S,
        i64(1),
        SWITCHOVER_MS,
        sent,
        lasted,
        speeds,
    )
    at = note(log, time, MIGRATED, reason, v, source, target, priority, before, after)
    events[at].seconds = seconds
    events[at].stun_ms = still
    return at


@njit(inner=True)
def evacuate(hosts, vms, cluster, time, log):
    """Empty the hosts that are entering maintenance."""
    leaving = i64(0)
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        leaving += hosts[h].state == ENTERING_MAINTENANCE
    if leaving == 0:
        return
    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        source = i64(vms[v].host)
        if source >= 0 and hosts[source].state == ENTERING_MAINTENANCE:
            target, reason, second, load = place(hosts, vms, cluster, v)
            if target >= 0:
                move(hosts, vms, v, target, log, time, EVACUATE, MANDATORY, second, load)
            else:
                note(log, time, NOT_EVACUATED, reason, v, source, NONE, MANDATORY, second, load)
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        if hosts[h].state == ENTERING_MAINTENANCE and hosts[h].vms == 0:
            hosts[h].state = MAINTENANCE
            kind, why = MAINTENANCE_BEGUN, NO_REASON
            note(log, time, kind, why, NONE, i64(h), NONE, MANDATORY, 0.0, 0.0)


@njit(inner=True)
def enforce_rules(hosts, vms, cluster, time, log):
    """Move what violates a rule, where there is room for it."""
    for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        vm = vms[v]
        if vm.power != POWERED_ON or hosts[vm.host].state != CONNECTED:
            continue
        wrong = i64(NO_REASON)
        if vm.together >= 0:
            home = home_of_group(vms, cluster, v)
            if home >= 0 and home != vm.host:
                wrong = i64(KEEP_TOGETHER)
        if vm.apart >= 0 and not kept_apart(vms, cluster, v, vm.host):
            wrong = i64(KEEP_APART)
        if wrong != NO_REASON:
            target, _, second, load = place(hosts, vms, cluster, v)
            if target >= 0:
                move(hosts, vms, v, target, log, time, wrong, MANDATORY, second, load)


@njit(inner=True)
def deviation(total, squares, n):
    """Standard deviation from the sum and the sum of squares of `n` numbers."""
    mean = total / n
    return math.sqrt(max(squares / n - mean * mean, 0.0))


@njit(inner=True)
def balance(hosts, vms, cluster, time, log):
    """Make the best move again and again, while the imbalance asks for it and one is worth it."""
    first_host = cluster.first_host
    last_host = first_host + cluster.hosts
    cluster.moves = 0
    for attempt in range(MOST_MOVES + 1):
        n = i64(0)
        cpu = 0.0
        cpu_squares = 0.0
        memory = 0.0
        memory_squares = 0.0
        for h in range(first_host, last_host):
            if hosts[h].state == CONNECTED:
                x = hosts[h].cpu_entitled / hosts[h].cpu
                y = hosts[h].memory_entitled / hosts[h].memory
                n += 1
                cpu += x
                cpu_squares += x * x
                memory += y
                memory_squares += y * y
        if n == 0:
            cluster.imbalance = 0.0
            cluster.balanced = 0.0
            return
        imbalance = deviation(cpu, cpu_squares, n) + deviation(memory, memory_squares, n)
        imbalance /= 2.0
        cluster.balanced = imbalance
        if attempt == 0:
            cluster.imbalance = imbalance
        priority = priority_of(imbalance, n)
        stop = attempt == MOST_MOVES or n < 2 or cluster.drs == 0
        if stop or priority > cluster.threshold:
            return
        best_vm = i64(-1)
        best_host = i64(-1)
        lowest = imbalance
        best_gain = 0.0
        best_cost = 0.0
        for v in range(cluster.first_vm, cluster.first_vm + cluster.vms):
            vm = vms[v]
            if vm.power != POWERED_ON or vm.together >= 0:
                continue
            source = hosts[vm.host]
            if source.state != CONNECTED:
                continue
            x0 = source.cpu_entitled / source.cpu
            y0 = source.memory_entitled / source.memory
            if x0 * n <= cpu and y0 * n <= memory:
                continue
            x1 = (source.cpu_entitled - vm.cpu_entitled) / source.cpu
            y1 = (source.memory_entitled - vm.memory_entitled) / source.memory
            copying = vm.resident / NETWORK_MB_S * MIGRATION_CORES
            for h in range(first_host, last_host):
                host = hosts[h]
                if host.state != CONNECTED or h == vm.host:
                    continue
                u0 = host.cpu_entitled / host.cpu
                w0 = host.memory_entitled / host.memory
                if u0 * n > cpu and w0 * n > memory:
                    continue
                u1 = (host.cpu_entitled + vm.cpu_entitled) / host.cpu
                w1 = (host.memory_entitled + vm.memory_entitled) / host.memory
                total = cpu + x1 - x0 + u1 - u0
                squares = cpu_squares + x1 * x1 - x0 * x0 + u1 * u1 - u0 * u0
                after = deviation(total, squares, n)
                total = memory + y1 - y0 + w1 - w0
                squares = memory_squares + y1 * y1 - y0 * y0 + w1 * w1 - w0 * w0
                after = (after + deviation(total, squares, n)) / 2.0
                if after >= lowest:
                    continue
                fuller_before = max(max(x0, y0), max(u0, w0))
                fuller_after = max(max(x1, y1), max(u1, w1))
                gain = (fuller_before - fuller_after) * STABLE_SECONDS
                cost = copying * (source.core / source.cpu + host.core / host.cpu)
                if gain <= cost or not cpu_fits(host, vm) or not memory_fits(host, vm):
                    continue
                if not kept_apart(vms, cluster, v, h):
                    continue
                lowest = after
                best_vm = i64(v)
                best_host = i64(h)
                best_gain = gain
                best_cost = cost
        if best_vm < 0:
            return
        why = i64(BALANCE)
        at = move(hosts, vms, best_vm, best_host, log, time, why, priority, imbalance, lowest)
        log[0][at].gain = best_gain
        log[0][at].cost = best_cost
        cluster.moves += 1
