"""Which mode had the processor: guest, kernel, or user? One exit lit, and all of them priced.

KVM adds a mode to Linux's two. A guest executes in guest mode; an exit brings kvm.ko to work in
kernel mode; what it cannot answer goes to the program in user mode, and back the same way.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_PARTS = 3  # of kvm.ko: memory slots, devices, processor
N_HALVES = 2  # of the program: its devices, its run loop
DEVICES, LOOP = range(N_HALVES)
KEPT = -1  # the kernel answered

# Places in `state`: the exit that is shown, 0 for none; whether the kernel kept it; whether it went
# to the program; exits so far; those that the kernel kept; those that went to the program.
SHOWN, IN_KERNEL, IN_PROGRAM, EXITS, KEPT_SO_FAR, RETURNS = range(6)
N_STATE = 6


@njit
def mode_path(
    parts, halves, n_exits, before_parts, before_halves, shown, at, state, by_part, by_half,
    part_lit, half_lit,
):  # fmt: skip
    """The diagram's numbers after exit `shown` of those recorded; 0: before any of them.

    Parameters
    ----------
    parts : (n,) int64, the part of kvm.ko that an exit came to, 0 to N_PARTS - 1
    halves : (n,) int64, the half of the program that answered it, or KEPT
    n_exits : int64, how many are recorded; the arrays have one row even for none
    before_parts, before_halves : (N_PARTS,) and (N_HALVES,) int64, counts of the exits before those
    shown : int64
    at : (1,) int64, written: where the exit that is shown stands among those recorded
    state : (N_STATE,) int64, written; so are all below
    by_part, by_half : (N_PARTS,) and (N_HALVES,) int64, exits so far
    part_lit, half_lit : (N_PARTS,) and (N_HALVES,) int64, 1 for those on the way of the exit
    """
    k = min(max(i64(shown), i64(0)), i64(n_exits))
    for part in range(N_PARTS):
        by_part[part] = before_parts[part]
    for half in range(N_HALVES):
        by_half[half] = before_halves[half]
    for place in range(k):
        by_part[parts[place]] += 1
        if halves[place] != KEPT:
            by_half[halves[place]] += 1
    for part in range(N_PARTS):
        state[EXITS] += by_part[part]
    for half in range(N_HALVES):
        state[RETURNS] += by_half[half]
    state[KEPT_SO_FAR] = state[EXITS] - state[RETURNS]
    state[SHOWN] = k
    if k == 0:
        return
    at[0] = k - 1
    part_lit[parts[at[0]]] = 1
    half = halves[at[0]]
    if half == KEPT:
        state[IN_KERNEL] = 1
    else:
        state[IN_PROGRAM] = 1
        half_lit[half] = 1


@njit
def mode_times(
    counts, per_exit, per_return, guest, kernel, user, totals, shares, dearest
):  # fmt: skip
    """Cycles of each mode in several runs, at prices that a reader chooses.

    Parameters
    ----------
    counts : (n, 3) int64, instructions of the guest, exits, returns to the program
    per_exit, per_return : int64, cycles of an exit with its entry, and of the way to the program
        and back in addition; an instruction takes one cycle
    guest, kernel, user, totals : (n,) int64, written: cycles
    shares : (n, 3) float64, written: percent of the total
    dearest : (1,) int64, written: the run with the largest total
    """
    for k in range(counts.shape[0]):
        guest[k] = counts[k, 0]
        kernel[k] = counts[k, 1] * per_exit
        user[k] = counts[k, 2] * per_return
        totals[k] = guest[k] + kernel[k] + user[k]
        if totals[k] > 0:
            shares[k, 0] = 100.0 * guest[k] / totals[k]
            shares[k, 1] = 100.0 * kernel[k] / totals[k]
            shares[k, 2] = 100.0 * user[k] / totals[k]
        if totals[k] > totals[dearest[0]]:
            dearest[0] = k
