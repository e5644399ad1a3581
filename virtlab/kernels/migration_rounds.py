"""What is sent in each round of a migration, and how long does the guest stand still?

`virtlab.platforms.vsphere.vmotion.migrate`, for a virtual machine that writes a part of its memory
again and again.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.vsphere.vmotion import SWITCHOVER_MS, migrate

i64 = np.int64

N_ROUNDS = 30
HOT_PART = 0.25  # of memory, that is written again and again


@njit
def migration_rounds(
    memory_gb, writes, network, stun, sent, seconds, speeds, ends, percent, n_rounds, total,
    still_ms, times,
):  # fmt: skip
    """Migrate a virtual machine.

    Parameters
    ----------
    memory_gb : int64
    writes : int64, MB written in a second, in a quarter of the memory
    network : int64, MB sent in a second
    stun : int64, 1: what does not converge is slowed down
    sent, seconds, speeds : (N_ROUNDS,) float64, written: MB, duration and speed of the virtual
        machine, 1 for full; so are all below written
    ends : (N_ROUNDS,) float64, second at which each round ends
    percent : (N_ROUNDS,) float64, `speeds` in per cent
    n_rounds : (1,) int64
    total : (1,) float64, seconds
    still_ms : (1,) float64, that the virtual machine stands still
    times : (1,) float64, what is sent, in multiples of the memory
    """
    memory = 1024.0 * memory_gb
    n, lasted, still = migrate(
        memory, HOT_PART * memory, float(writes), 0.0, float(network), stun, SWITCHOVER_MS, sent,
        seconds, speeds,
    )  # fmt: skip
    n_rounds[0] = n
    total[0] = lasted
    still_ms[0] = still
    end = 0.0
    for k in range(n):
        end += seconds[k]
        ends[k] = end
        percent[k] = 100.0 * speeds[k]
        times[0] += sent[k] / memory
