"""May one more virtual machine start, so that those of a failed host could be restarted?

HA's admission control on the records of a running cluster: what slots are left after the failures
that the cluster provides for, and what per cent no reservation takes. `ha` has the same in plain
Python with the manual's example; a test holds the two against each other.

A virtual machine that waits for its restart counts as one that runs.

Source: vSphere Availability, "Slot Size Calculation" and "Cluster Resources Percentage".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.vsphere.ha import DEFAULT_CPU_MHZ
from virtlab.platforms.vsphere.state import CONNECTED, POWERED_OFF

i64 = np.int64


@njit(inner=True)
def slots_in(host, cpu, memory):
    """How many slots of `cpu` MHz and `memory` MB a host has; none if it takes no part."""
    if host.state != CONNECTED:
        return i64(0)
    slots = host.cpu // cpu
    if memory > 0.0:
        slots = min(slots, host.memory // memory)
    return i64(slots)


@njit(inner=True)
def slots_left(hosts, vms, cluster, v):
    """Slots that remain when the `tolerate` largest hosts have failed, and how many are needed."""
    cpu = 0.0
    memory = 0.0
    needed = i64(0)
    for other in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        vm = vms[other]
        if vm.power != POWERED_OFF or other == v:
            needed += 1
            reserved = vm.cpu_reservation
            if reserved == 0.0:
                reserved = float(DEFAULT_CPU_MHZ)
            cpu = max(cpu, reserved)
            memory = max(memory, float(vm.memory_reservation + vm.overhead))
    left = i64(0)
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        mine = slots_in(hosts[h], cpu, memory)
        larger = i64(0)  # hosts that fail before this one
        for other in range(cluster.first_host, cluster.first_host + cluster.hosts):
            theirs = slots_in(hosts[other], cpu, memory)
            larger += theirs > mine or (theirs == mine and other < h)
        if larger >= cluster.tolerate:
            left += mine
    return left, needed


@njit(inner=True)
def percent_left(hosts, vms, cluster, v):
    """Per cent of processors or memory, the fewer, that no reservation would take."""
    cpu = 0.0
    memory = i64(0)
    for h in range(cluster.first_host, cluster.first_host + cluster.hosts):
        if hosts[h].state == CONNECTED:
            cpu += hosts[h].cpu
            memory += hosts[h].memory
    cpu_needed = 0.0
    memory_needed = i64(0)
    for other in range(cluster.first_vm, cluster.first_vm + cluster.vms):
        vm = vms[other]
        if vm.power != POWERED_OFF or other == v:
            reserved = vm.cpu_reservation
            if reserved == 0.0:
                reserved = float(DEFAULT_CPU_MHZ)
            cpu_needed += reserved
            memory_needed += vm.memory_reservation + vm.overhead
    if cpu == 0.0 or memory == 0:
        return 0.0
    return min(100.0 * (cpu - cpu_needed) / cpu, 100.0 * (memory - memory_needed) / memory)
