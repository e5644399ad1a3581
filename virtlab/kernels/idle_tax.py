"""What does the idle memory tax take from whom? Two virtual machines with the same shares.

`virtlab.platforms.vsphere.memory.allocate_taxed` for every tax from 0 to 99 %. Sizes are those of
Waldspurger 2002, section 5.4: together the two want more than there is.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.vsphere.memory import allocate_taxed

i64 = np.int64

N_TAXES = 100
TOTAL_MB, VM_MB = 358, 256


@njit
def idle_tax(
    tax, idle_active, busy_active, shares, active, low, high, given, taxes, idle, busy, at
):  # fmt: skip
    """Allocate for every tax.

    Parameters
    ----------
    tax : int64, per cent, that is marked
    idle_active, busy_active : int64, per cent of each one's memory that is in use
    shares : (2,) float64, active, low, high, given : (2,) int64; scratch, written
    taxes : (N_TAXES,) int64, written: per cent; so are all below written
    idle, busy : (N_TAXES,) int64, MB that each one gets
    at : (1,) int64, the place of `tax`
    """
    for k in range(2):
        shares[k] = 1.0
        low[k] = 0
        high[k] = VM_MB
    active[0] = VM_MB * idle_active // 100
    active[1] = VM_MB * busy_active // 100
    for k in range(N_TAXES):
        allocate_taxed(i64(TOTAL_MB), k / 100.0, shares, active, low, high, given)
        taxes[k] = k
        idle[k] = given[0]
        busy[k] = given[1]
    at[0] = min(max(tax, i64(0)), i64(N_TAXES - 1))
