"""Which way did this entry into the kernel take? From a box to a part of the kernel, and back.

The living diagram of OS-level virtualization shows a recorded run: how often each box has entered
the one kernel so far, how long it has had the hart, which parts of the kernel have worked, and,
lit, the path of one entry: out of a box, to a part, and into the box that runs next.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

MOST_BOXES = 5  # columns of the diagram, the host's among them
N_PARTS = 6
N_CAUSES = 4
SYSTEM_CALL, FAULT, TIMER, DEVICE = range(N_CAUSES)
MEMORY, DEVICES = 1, 2  # the hardware that an entry uses beside the hart

# Places in `state`: the entry that is shown, 0 for none; its number in the run; the box it left
# + 1; the part that handled it + 1; the box that the hart went to + 1, 0 where the record ends;
# the hardware; all entries so far.
SHOWN, NUMBER, LEFT, PART, NEXT, HARDWARE, SO_FAR = range(7)
N_STATE = 7


@njit
def box_path(
    boxes,
    parts,
    causes,
    hardware,
    switched,
    ran,
    n_entries,
    earlier,
    shown,
    further,
    at,
    state,
    calls,
    entries,
    turns,
    instructions,
    shares,
    by_part,
    box_lit,
    next_lit,
    part_lit,
    hardware_lit,
):
    """The diagram's numbers after the entry `shown + further` of those recorded; 0: before any.

    Parameters
    ----------
    boxes : (n,) int64, the box that an entry left, 0 to MOST_BOXES - 1
    parts : (n,) int64, the part of the kernel that handled it, 0 to N_PARTS - 1
    causes : (n,) int64, SYSTEM_CALL, FAULT, TIMER or DEVICE
    hardware : (n,) int64, 0, MEMORY or DEVICES
    switched : (n,) int64, 1 if another process ran than at the entry before
    ran : (n, MOST_BOXES) int64, instructions of each box since the entry before
    n_entries : int64, how many are recorded; the arrays have one row even for none
    earlier : int64, entries of the run before those
    shown, further : int64
    at : (1,) int64, written: where the entry that is shown stands among those recorded
    state : (N_STATE,) int64, written; so are all below
    calls, entries, turns, instructions : (MOST_BOXES,) int64, of the recorded entries so far:
        system calls, all entries, process switches to the box, instructions
    shares : (MOST_BOXES,) float64, percent of the instructions
    by_part : (N_PARTS,) int64, entries that each part handled
    box_lit, next_lit : (MOST_BOXES,) int64, 1 for the box that was left, for the next one
    part_lit, hardware_lit : (N_PARTS,) and (2,) int64
    """
    k = min(max(i64(shown) + i64(further), i64(0)), i64(n_entries))
    state[SHOWN] = k
    state[NUMBER] = earlier + k
    state[SO_FAR] = earlier + k
    total = i64(0)
    for place in range(k):
        box = boxes[place]
        entries[box] += 1
        if causes[place] == SYSTEM_CALL:
            calls[box] += 1
        turns[box] += switched[place]
        by_part[parts[place]] += 1
        for each in range(MOST_BOXES):
            instructions[each] += ran[place, each]
            total += ran[place, each]
    if total > 0:
        for each in range(MOST_BOXES):
            shares[each] = 100.0 * instructions[each] / total
    if k == 0:
        return
    at[0] = k - 1
    left = boxes[at[0]]
    part = parts[at[0]]
    state[LEFT] = left + 1
    state[PART] = part + 1
    state[HARDWARE] = hardware[at[0]]
    box_lit[left] = 1
    part_lit[part] = 1
    if state[HARDWARE] > 0:
        hardware_lit[state[HARDWARE] - 1] = 1
    if k < n_entries:
        following = boxes[k]
        state[NEXT] = following + 1
        next_lit[following] = 1
