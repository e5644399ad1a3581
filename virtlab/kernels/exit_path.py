"""Which way did this exit take? From the guest to a part of the hypervisor, and back.

The living diagrams of the techniques show a recorded run: how many exits each part of the
hypervisor has handled so far, and, lit, the path of the last of them.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_REASONS = 16  # at most; ExitReason's numbers
MOST_PARTS = 5

PROGRAMS, KERNEL = range(2)  # who in the guest was running
BACK, INJECTED, STOPPED = range(3)  # how the hypervisor went on: enter again, deliver, end

# Places in `state`: the exit that is shown, 0 for none; its number in the run; which box of the
# guest it left + 1; which part handled it + 1; how it went on + 1; what the part used + 1; exits so
# far. All but the first and last are 0 where no exit is shown.
SHOWN, NUMBER, SOURCE, PART, WAY, DEVICE, SO_FAR = range(7)
N_STATE = 7


@njit
def exit_path(
    reasons,
    sources,
    ways,
    n_exits,
    earlier,
    part_of,
    device_of,
    shown,
    at,
    state,
    by_reason,
    by_part,
    by_way,
    box_lit,
    line_lit,
):
    """The diagram's numbers after the exit `shown` of those recorded; 0: before the first.

    Parameters
    ----------
    reasons, sources, ways : (n,) int64, of each exit: ExitReason; PROGRAMS or KERNEL; BACK,
        INJECTED or STOPPED
    n_exits : int64, how many are recorded; the arrays have one element even for none
    earlier : (N_REASONS,) int64, exits before the recorded ones, by reason
    part_of : (N_REASONS,) int64, the part that handles a reason, 0 to MOST_PARTS - 1
    device_of : (N_REASONS,) int64, the hardware that it uses then: 0 none, 1 memory, 2 devices
    shown : int64
    at : (1,) int64, written: where the exit that is shown stands among those recorded
    state : (N_STATE,) int64, written; so are all below
    by_reason : (N_REASONS,) int64, exits so far
    by_part : (MOST_PARTS,) int64, the same
    by_way : (3,) int64, of the recorded exits so far
    box_lit : (2 + MOST_PARTS + 2,) int64, 1 for the boxes that the exit passed: guest, parts,
        memory and devices
    line_lit : (2 + 2,) int64, 1 for the lines from the guest's boxes and for those back to it
    """
    k = min(max(i64(shown), i64(0)), i64(n_exits))
    state[SHOWN] = k
    for reason in range(N_REASONS):
        by_reason[reason] = earlier[reason]
        state[NUMBER] += earlier[reason]
    state[NUMBER] += k
    for place in range(k):
        by_reason[reasons[place]] += 1
        by_way[ways[place]] += 1
    for reason in range(N_REASONS):
        by_part[part_of[reason]] += by_reason[reason]
        state[SO_FAR] += by_reason[reason]
    if k == 0:
        return
    at[0] = k - 1
    reason = reasons[at[0]]
    source = sources[at[0]]
    way = ways[at[0]]
    part = part_of[reason]
    device = device_of[reason]
    state[SOURCE] = source + 1
    state[PART] = part + 1
    state[WAY] = way + 1
    state[DEVICE] = device
    box_lit[source] = 1
    box_lit[2 + part] = 1
    if device > 0:
        box_lit[2 + MOST_PARTS + device - 1] = 1
    line_lit[source] = 1
    if way == BACK:
        line_lit[2] = 1
    elif way == INJECTED:
        line_lit[3] = 1
        box_lit[KERNEL] = 1
