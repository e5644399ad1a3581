"""What does a box see of the kernel's objects, and under which number?"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

PROCESS, HOST_NAME, ROOT, PORT = range(4)
N_KINDS = 4
UNSEEN = -1


@njit
def seen_from(names, kinds, owners, viewer, inside, visible, own, n_seen, n_all, hidden):
    """The kernel's objects as the box `viewer` sees them.

    Parameters
    ----------
    names : (n_boxes, n) int64, by box and object: under which number the box sees it, or UNSEEN
    kinds : (n,) int64, PROCESS, HOST_NAME, ROOT or PORT
    owners : (n,) int64, the box that an object belongs to, as a row of `names`
    viewer : int64, a row of `names`
    inside : (n,) int64, written: the viewer's number, UNSEEN without one
    visible, own : (n,) int64, written: 1 if the viewer sees it, if it belongs to the viewer
    n_seen, n_all : (N_KINDS,) int64, written: how many of each kind it sees, how many there are
    hidden : (1,) int64, written: how many objects the viewer does not see
    """
    for k in range(inside.size):
        inside[k] = names[viewer, k]
        n_all[kinds[k]] += 1
        if inside[k] == UNSEEN:
            hidden[0] += 1
        else:
            visible[k] = 1
            n_seen[kinds[k]] += 1
        if owners[k] == viewer:
            own[k] = 1
