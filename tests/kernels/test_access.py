"""The rules for an access as numbers, against the same rules in words and plain Python."""

import itertools

import numpy as np
import pytest

from virtlab.isa import encoding as e
from virtlab.kernels import access as kernel

LETTERS = {"load": "R", "store": "W", "fetch": "X"}
NUMBERS = {"load": e.LOAD, "store": e.STORE, "fetch": e.FETCH}
FLAGS = "DAGUXWRV"


def plain_rules(flags: str, mode: str, access: str, sum_: bool, mxr: bool, adue: bool):
    """Each rule as (passed, why), up to the first that refuses."""
    needed = LETTERS[access]
    if "V" not in flags:
        yield False, "V is clear: nothing is mapped here"
    elif "W" in flags and "R" not in flags:
        yield False, "W without R is reserved"
    else:
        yield True, "V is set"
    if needed in flags:
        yield True, f"{needed} is set"
    elif access == "load" and mxr and "X" in flags:
        yield True, "R is clear, but MXR lets a load read what may be executed"
    else:
        yield False, f"{needed} is clear"
    if mode == "U":
        yield (
            (True, "U is set")
            if "U" in flags
            else (False, "U is clear: the page is the supervisor's")
        )
    elif "U" not in flags:
        yield True, "U is clear"
    elif access == "fetch":
        yield False, "U is set: a supervisor never executes a user's page"
    elif sum_:
        yield True, "U is set, but SUM lets the supervisor use user memory"
    else:
        yield False, "U is set and SUM is clear: the user's page is closed to the supervisor"
    wanted = ("A", "D") if access == "store" else ("A",)
    missing = " and ".join(flag for flag in wanted if flag not in flags)
    if not missing:
        yield True, ", ".join(f"{flag} is set" for flag in wanted)
    elif adue:
        yield True, f"the hardware sets {missing} now (menvcfg.ADUE is 1)"
    else:
        yield False, f"{missing} must be set by the kernel first (menvcfg.ADUE is 0)"


def up_to_the_refusal(rules) -> list:
    found = []
    for passed, why in rules:
        found.append((passed, why))
        if not passed:
            break
    return found


def checked(bits: int, mode: str, access: str, sum_: bool, mxr: bool, adue: bool) -> list:
    n_rules, verdict = np.zeros(1, np.int64), np.zeros(2, np.int64)
    passed, why = np.zeros((2, kernel.N_RULES), np.int64)
    switches = kernel.SUM * sum_ | kernel.MXR * mxr | kernel.ADUE * adue
    number = {"U": e.USER, "S": e.SUPERVISOR}[mode]
    kernel.check_access(bits, number, NUMBERS[access], switches, n_rules, passed, why, verdict)
    n = int(n_rules[0])
    found = [(bool(passed[k]), kernel.WHY[why[k]]) for k in range(n)]
    assert found[-1] == (bool(verdict[0]), kernel.WHY[verdict[1]])
    return found


@pytest.mark.parametrize("access", LETTERS)
@pytest.mark.parametrize("mode", ["U", "S"])
def test_every_entry_under_every_switch_is_judged_alike(mode, access):
    seen = set()
    for bits in range(256):
        flags = "".join(flag for k, flag in enumerate(FLAGS) if bits >> 7 - k & 1)
        for switches in itertools.product((False, True), repeat=3):
            found = checked(bits, mode, access, *switches)
            plain = up_to_the_refusal(plain_rules(flags, mode, access, *switches))
            assert found == plain, (flags, switches)
            seen.update(why for _, why in found)
    assert len(seen) >= 9


def test_every_reason_has_its_own_text():
    assert len(set(kernel.WHY)) == len(kernel.WHY) == kernel.MUST_SET + 3
