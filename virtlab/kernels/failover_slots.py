"""How many hosts may fail? HA's slots on the three hosts of the manual's example.

A slot is as large as the largest reservation of processors and the largest of memory; the largest
hosts fail first.

Source: vSphere Availability, "Using Slots to Compute the Current Failover Capacity".
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_HOSTS = 3
CPU = (9000, 9000, 6000)  # MHz
MEMORY = (9000, 6000, 6000)  # MB


@njit
def failover_slots(cpu, memory, n_vms, n_failed, by_cpu, by_memory, alive, lost, total, left, may):
    """Slots by host, and what is left.

    Parameters
    ----------
    cpu, memory : int64, MHz and MB, the largest reservations
    n_vms : int64, virtual machines that need a slot each
    n_failed : int64, hosts that fail, the ones with most slots first
    by_cpu, by_memory : (N_HOSTS,) int64, written: slots for which each would do; so are all below
    alive, lost : (N_HOSTS,) int64, slots of hosts that run and that have failed
    total, left : (1,) int64, slots before and after the failures
    may : (1,) int64, how many hosts may fail with a slot left for each
    """
    for k in range(N_HOSTS):
        by_cpu[k] = CPU[k] // cpu
        by_memory[k] = MEMORY[k] // memory
        alive[k] = min(by_cpu[k], by_memory[k])
        total[0] += alive[k]
    most = max(alive[0], alive[1], alive[2])
    least = min(alive[0], alive[1], alive[2])
    if total[0] - most >= n_vms:
        may[0] = 1
        if least >= n_vms:
            may[0] = 2
    for n in range(N_HOSTS):
        largest = i64(0)
        for k in range(N_HOSTS):
            if alive[k] > alive[largest]:
                largest = i64(k)
        if n < n_failed:
            lost[largest] = alive[largest]
            alive[largest] = 0
    left[0] = alive[0] + alive[1] + alive[2]
