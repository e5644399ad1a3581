"""Which way does a sector take, and where may it arrive? The counts of one way, and what is lit."""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

# What is counted of a way, for one sector.
CALLS, DRIVER_CALLS, TURNS, REGISTERS, TRANSFERS = range(5)
N_COUNTS = 5
# Places in `state`: whether the way leads through Domain0; whether the IOMMU was asked; whether the
# DMA was refused; whether the sector is in the domain's page; and in Domain0's.
THROUGH, ASKED, REFUSED, OWN_PAGE, OTHER_PAGE = range(5)
N_STATE = 5


@njit
def disk_paths(measured, refused, own_page, other_page, way, iommu, counts, state):
    """The counts of one way, and its state.

    Parameters
    ----------
    measured : (ways, 2, N_COUNTS) float64, with the IOMMU off and on
    refused, own_page, other_page : (ways, 2) int64, DMAs refused, and where the sector arrived
    way, iommu : int64
    counts : (N_COUNTS,) float64, written
    state : (N_STATE,) int64, written
    """
    for k in range(N_COUNTS):
        counts[k] = measured[way, iommu, k]
    state[THROUGH] = i64(measured[way, iommu, TURNS] > 0)
    state[ASKED] = i64(iommu and measured[way, iommu, REGISTERS] > 0)
    state[REFUSED] = i64(refused[way, iommu] > 0)
    state[OWN_PAGE] = own_page[way, iommu]
    state[OTHER_PAGE] = other_page[way, iommu]
