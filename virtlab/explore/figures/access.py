"""May this access be made? The rules for one page-table entry, one after another, with the verdict.

The rules are those of "Virtual Address Translation Process", with the meaning of SUM and MXR from
"Memory Privilege in mstatus Register", in "The RISC-V Instruction Set Manual, Volume II: Privileged
Architecture", 20240411. Left out: whether the entry is a leaf and whether a superpage is aligned,
which depend on more than the flags; physical memory protection, which is checked afterwards.
"""

from virtlab.explore.drawing import Drawing

ACCESSES = {"load": "R", "store": "W", "fetch": "X"}
FAULTS = {
    "load": "load page fault",
    "store": "store/AMO page fault",
    "fetch": "instruction page fault",
}


def access_rules(
    flags: str, mode: str, access: str, sum_: bool = False, mxr: bool = False, adue: bool = False
) -> list[tuple[str, bool, str]]:
    """Each rule as (question, passed, why), up to the first that refuses.

    Parameters
    ----------
    flags : letters set in the leaf entry, out of "DAGUXWRV"; "-" stands for a clear one
    mode : "S" or "U" (machine mode does not translate)
    access : "load", "store" or "fetch"
    sum_, mxr : the bits SUM and MXR of sstatus
    adue : menvcfg.ADUE, whether the hardware sets A and D itself

    Raises
    ------
    ValueError for another letter, mode or access.
    """
    flags = flags.replace("-", "")
    strange = sorted(set(flags) - set("DAGUXWRV"))
    if strange:
        raise ValueError(f"{strange[0]!r} is no flag of a page-table entry; flags are DAGUXWRV")
    if mode not in ("S", "U"):
        raise ValueError(f"mode {mode!r} does not use these rules; use 'S' or 'U'")
    if access not in ACCESSES:
        raise ValueError(f"{access!r} is no kind of access; use 'load', 'store' or 'fetch'")
    passed: list[tuple[str, bool, str]] = []
    for rule in (_valid, _right, _owner, _accessed):
        verdict = rule(flags, mode, access, sum_, mxr, adue)
        passed.append(verdict)
        if not verdict[1]:
            break
    return passed


def _valid(flags, mode, access, sum_, mxr, adue):
    question = "Is the entry valid?"
    if "V" not in flags:
        return question, False, "V is clear: nothing is mapped here"
    if "W" in flags and "R" not in flags:
        return question, False, "W without R is reserved"
    return question, True, "V is set"


def _right(flags, mode, access, sum_, mxr, adue):
    needed = ACCESSES[access]
    question = f"Does the entry allow a {access}?"
    if needed in flags:
        return question, True, f"{needed} is set"
    if access == "load" and mxr and "X" in flags:
        return question, True, "R is clear, but MXR lets a load read what may be executed"
    return question, False, f"{needed} is clear"


def _owner(flags, mode, access, sum_, mxr, adue):
    question = f"Does the page belong to {'user' if mode == 'U' else 'supervisor'} mode?"
    if mode == "U":
        if "U" in flags:
            return question, True, "U is set"
        return question, False, "U is clear: the page is the supervisor's"
    if "U" not in flags:
        return question, True, "U is clear"
    if access == "fetch":
        return question, False, "U is set: a supervisor never executes a user's page"
    if sum_:
        return question, True, "U is set, but SUM lets the supervisor use user memory"
    return question, False, "U is set and SUM is clear: the user's page is closed to the supervisor"


def _accessed(flags, mode, access, sum_, mxr, adue):
    question = "Are A and D up to date?"
    needed = ("A", "D") if access == "store" else ("A",)
    missing = [flag for flag in needed if flag not in flags]
    if not missing:
        return question, True, "A is set" + (", D is set" if access == "store" else "")
    names = " and ".join(missing)
    if adue:
        return question, True, f"the hardware sets {names} now (menvcfg.ADUE is 1)"
    return question, False, f"{names} must be set by the kernel first (menvcfg.ADUE is 0)"


def access(
    flags: str, mode: str, access: str, sum_: bool = False, mxr: bool = False, adue: bool = False
) -> Drawing:
    """The rules and the verdict as a figure; parameters as for `access_rules`."""
    verdicts = access_rules(flags, mode, access, sum_, mxr, adue)
    allowed = verdicts[-1][1]
    switches = [name for name, on in (("SUM", sum_), ("MXR", mxr), ("ADUE", adue)) if on]
    title = (
        f"A {access} in {mode}-mode from a page with flags {flags or 'none'}"
        + (f", with {' and '.join(switches)}" if switches else "")
        + (": allowed" if allowed else ": refused")
    )
    text = (
        "The access is made."
        if allowed
        else f"The access ends in a trap: {FAULTS[access]}, because {verdicts[-1][2]}."
    )
    rows = tuple((question, "yes" if ok else "no", why) for question, ok, why in verdicts)
    return Drawing(title, text, ("rule", "passed", "why"), rows)
