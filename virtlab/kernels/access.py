"""May this access be made? The rules for one leaf entry, one after another, as numbers.

The rules are those of "Virtual Address Translation Process", with the meaning of SUM and MXR from
"Memory Privilege in mstatus Register", in "The RISC-V Instruction Set Manual, Volume II: Privileged
Architecture", 20240411. Left out: whether the entry is a leaf and whether a superpage is aligned,
which depend on more than the flags; physical memory protection, which is checked afterwards.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa.encoding import FETCH, LOAD, PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X, STORE
from virtlab.isa.encoding import USER as USER_MODE

i64 = np.int64

RULE_VALID, RULE_RIGHT, RULE_OWNER, RULE_USED = range(4)
N_RULES = 4

SUM, MXR, ADUE = 1, 2, 4  # bits of `switches`

# Why a rule lets an access pass, or not. After RIGHT_SET and RIGHT_CLEAR comes the kind of access
# (LOAD, STORE, FETCH), after SETS and MUST_SET the bits meant (A, D, both).
(
    V_CLEAR,
    W_WITHOUT_R,
    V_SET,
    RIGHT_SET,
    MXR_READS,
    RIGHT_CLEAR,
    U_SET,
    U_CLEAR_REFUSED,
    U_CLEAR,
    NEVER_RUNS,
    SUM_ALLOWS,
    SUM_CLEAR,
    A_SET,
    A_AND_D_SET,
    SETS,
    MUST_SET,
) = (0, 1, 2, 3, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 21)

WHY = (
    "V is clear: nothing is mapped here",
    "W without R is reserved",
    "V is set",
    "R is set",
    "W is set",
    "X is set",
    "R is clear, but MXR lets a load read what may be executed",
    "R is clear",
    "W is clear",
    "X is clear",
    "U is set",
    "U is clear: the page is the supervisor's",
    "U is clear",
    "U is set: a supervisor never executes a user's page",
    "U is set, but SUM lets the supervisor use user memory",
    "U is set and SUM is clear: the user's page is closed to the supervisor",
    "A is set",
    "A is set, D is set",
    "the hardware sets A now (menvcfg.ADUE is 1)",
    "the hardware sets D now (menvcfg.ADUE is 1)",
    "the hardware sets A and D now (menvcfg.ADUE is 1)",
    "A must be set by the kernel first (menvcfg.ADUE is 0)",
    "D must be set by the kernel first (menvcfg.ADUE is 0)",
    "A and D must be set by the kernel first (menvcfg.ADUE is 0)",
)


@njit(inner=True)
def _valid(flags):
    if not flags & PTE_V:
        return i64(0), i64(V_CLEAR)
    if flags & PTE_W and not flags & PTE_R:
        return i64(0), i64(W_WITHOUT_R)
    return i64(1), i64(V_SET)


@njit(inner=True)
def _right(flags, kind, switches):
    needed = i64(PTE_X)
    if kind == LOAD:
        needed = i64(PTE_R)
    elif kind == STORE:
        needed = i64(PTE_W)
    if flags & needed:
        return i64(1), RIGHT_SET + kind
    if kind == LOAD and switches & MXR and flags & PTE_X:
        return i64(1), i64(MXR_READS)
    return i64(0), RIGHT_CLEAR + kind


@njit(inner=True)
def _owner(flags, mode, kind, switches):
    if mode == USER_MODE:
        if flags & PTE_U:
            return i64(1), i64(U_SET)
        return i64(0), i64(U_CLEAR_REFUSED)
    if not flags & PTE_U:
        return i64(1), i64(U_CLEAR)
    if kind == FETCH:
        return i64(0), i64(NEVER_RUNS)
    if switches & SUM:
        return i64(1), i64(SUM_ALLOWS)
    return i64(0), i64(SUM_CLEAR)


@njit(inner=True)
def _used(flags, kind, switches):
    missing = i64(0)  # 1: A, 2: D, 3: both
    if not flags & PTE_A:
        missing += 1
    if kind == STORE and not flags & PTE_D:
        missing += 2
    if missing == 0:
        if kind == STORE:
            return i64(1), i64(A_AND_D_SET)
        return i64(1), i64(A_SET)
    if switches & ADUE:
        return i64(1), SETS + missing - 1
    return i64(0), MUST_SET + missing - 1


@njit
def check_access(flags, mode, kind, switches, n_rules, passed, why, verdict):
    """Apply the rules up to the first that refuses.

    Parameters
    ----------
    flags : int64, the low eight bits of the entry
    mode : int64, USER or SUPERVISOR
    kind : int64, LOAD, STORE or FETCH
    switches : int64, SUM, MXR and ADUE
    n_rules : (1,) int64, written: how many rules were applied
    passed, why : (N_RULES,) int64, written: for each rule 1 or 0, and an index into WHY
    verdict : (2,) int64, written: whether the access may be made, and the last rule's `why`
    """
    for rule in range(N_RULES):
        if rule == RULE_VALID:
            ok, reason = _valid(flags)
        elif rule == RULE_RIGHT:
            ok, reason = _right(flags, i64(kind), switches)
        elif rule == RULE_OWNER:
            ok, reason = _owner(flags, mode, kind, switches)
        else:
            ok, reason = _used(flags, kind, switches)
        passed[rule] = ok
        why[rule] = reason
        verdict[0] = ok
        verdict[1] = reason
        n_rules[0] = rule + 1
        if not ok:
            return
