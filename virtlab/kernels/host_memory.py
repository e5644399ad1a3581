"""A host has promised more memory than it has: what happens, minute by minute?

So many virtual machines of one size on one host, which all begin to use their memory. The rules are
`virtlab.platforms.vsphere.memory.reclaim_on_host`, those of the simulation.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.vsphere.memory import BALLOON_PERCENT, cache_of, reclaim_on_host

i64 = np.int64

N_ROWS, MINUTES = 20, 6  # a row is kept every six minutes
HOST_MB, VM_MB, OVERHEAD_MB = 16_384, 2048, 100
MOST_VMS, ACTIVE_PERCENT = 16, 30
N_STATES = 4

# Columns of `mb`.
RESIDENT, SHARED, BALLOONED, COMPRESSED, SWAPPED, FREE, TOUCHED = range(7)
N_COLUMNS = 7


@njit
def host_memory(
    host, vms, order, shares, pages, n_vms, same, balloon, touch, mb, states, first_in, resident,
    shared, ballooned, compressed, swapped, missing, stopped,
):  # fmt: skip
    """Two hours of a host, in intervals of a minute.

    Parameters
    ----------
    host : (1,) HOST, vms : (MOST_VMS,) VM, order : (MOST_VMS,) int64, shares : (MOST_VMS,) float64,
        pages : (4, MOST_VMS) int64; scratch, written
    n_vms : int64, up to MOST_VMS
    same : int64, per cent of touched memory that others have too
    balloon : int64, 1 if the guests have the balloon's driver
    touch : int64, MB that each virtual machine newly touches in a minute
    mb : (N_ROWS, N_COLUMNS) int64, written: MB of all virtual machines together, and of the host
        free, at the end of each six minutes; so are all below written
    states : (N_ROWS,) int64, the host's state of memory, the worst of the six minutes
    first_in : (N_STATES,) int64, minute after which it is in this state for the first time; 0 if it
        never is, or begins in it
    resident, shared, ballooned, compressed, swapped : (N_ROWS,) float64, as `mb`, in GB
    missing : (1,) int64, MB promised that the host does not have
    stopped : (1,) int64, virtual machines that did not run in the worst minute
    """
    host[0].memory = HOST_MB
    host[0].free = HOST_MB
    host[0].reclaim = 0
    for k in range(n_vms):
        vm = vms[k]
        vm.memory = VM_MB
        vm.memory_shares = 10.0 * VM_MB
        vm.memory_reservation = 0
        vm.overhead = OVERHEAD_MB
        vm.touch_rate = touch
        vm.same_percent = same
        vm.active_percent = ACTIVE_PERCENT
        vm.balloon_percent = BALLOON_PERCENT * balloon
        vm.touched = 0
        vm.resident = 0
        vm.shared = 0
        vm.ballooned = 0
        vm.compressed = 0
        vm.swapped = 0
        vm.stopped = 0
        order[k] = k
    missing[0] = max(n_vms * (VM_MB + OVERHEAD_MB) - HOST_MB, i64(0))
    columns = (pages[0], pages[1], pages[2], pages[3])
    for t in range(N_ROWS):
        for minute in range(MINUTES):
            reclaim_on_host(host[0], vms, order, i64(0), i64(n_vms), i64(1), shares, columns)
            stand = i64(0)
            for k in range(n_vms):
                stand += vms[k].stopped
            stopped[0] = max(stopped[0], stand)
            now = host[0].reclaim
            states[t] = max(states[t], now)
            if now > 0 and first_in[now] == 0:
                first_in[now] = t * MINUTES + minute + 1
        for k in range(n_vms):
            vm = vms[k]
            # What the compression cache takes is memory of the host, too.
            mb[t, RESIDENT] += vm.resident + cache_of(vm.compressed)
            mb[t, SHARED] += vm.shared
            mb[t, BALLOONED] += vm.ballooned
            mb[t, COMPRESSED] += vm.compressed - cache_of(vm.compressed)
            mb[t, SWAPPED] += vm.swapped
            mb[t, TOUCHED] += vm.touched
        mb[t, FREE] = host[0].free
        resident[t] = mb[t, RESIDENT] / 1024.0
        shared[t] = mb[t, SHARED] / 1024.0
        ballooned[t] = mb[t, BALLOONED] / 1024.0
        compressed[t] = mb[t, COMPRESSED] / 1024.0
        swapped[t] = mb[t, SWAPPED] / 1024.0
