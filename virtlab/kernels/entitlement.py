"""Who is entitled to how many MHz? Shares, a reservation and a limit in two resource pools.

`virtlab.platforms.vsphere.cpu.divvy` on one tree: the root, the pools production and test, two
virtual machines, a and b, in the first and one, c, in the second.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.platforms.vsphere.cpu import divvy

i64 = np.int64

ROOT, PRODUCTION, TEST, A, B, C = range(6)
N_NODES, N_VMS = 6, 3
PARENTS = (-1, ROOT, ROOT, PRODUCTION, PRODUCTION, TEST)
TEST_SHARES, VM_SHARES = 4000.0, 1000.0
CAPACITY = 10_400.0


@njit
def entitlement(
    parent, first, following, production, reserved, limited, wanted, shares, reservation, limit,
    demand, low, high, given, wants, gets,
):  # fmt: skip
    """Divvy CAPACITY down the tree.

    Parameters
    ----------
    parent, first, following : (N_NODES,) int64, the tree; see `cpu.linked`
    production : int64, shares of that pool; test has TEST_SHARES
    reserved : int64, MHz that c reserves
    limited : int64, MHz that a gets at most; 0 for no limit
    wanted : int64, MHz that b asks for; a and c ask for all there is
    shares, reservation, limit, demand, low, high, given : (N_NODES,) float64, written; `given` is
        what each node is entitled to
    wants, gets : (N_VMS,) float64, written: demand and entitlement of a, b and c
    """
    for node in range(N_NODES):
        limit[node] = -1.0
        shares[node] = VM_SHARES
        demand[node] = 0.0
    shares[PRODUCTION] = float(production)
    shares[TEST] = TEST_SHARES
    # A pool backs what its virtual machines reserve.
    reservation[C] = float(reserved)
    reservation[TEST] = float(reserved)
    if limited > 0:
        limit[A] = float(limited)
    demand[A] = CAPACITY
    demand[B] = float(wanted)
    demand[C] = CAPACITY
    divvy(
        CAPACITY, parent, first, following, shares, reservation, limit, demand, low, high, given
    )  # fmt: skip
    for vm in range(N_VMS):
        wants[vm] = demand[A + vm]
        gets[vm] = given[A + vm]
