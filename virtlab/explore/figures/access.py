"""May this access be made? The rules for one page-table entry, one after another, with the verdict.

The rules and their reasons are the kernel's (`virtlab.kernels.access`), which says where they come
from and what is left out.
"""

from virtlab.explore.controls import Choice
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.palette import MODE_NAMES
from virtlab.explore.template import Repeat
from virtlab.isa import encoding as e
from virtlab.kernels import access as kernel
from virtlab.machine.walk import ACCESSES, FLAG_LETTERS

ENTRIES = ("DAUWRV", "AUXRV", "DAWRV", "AXRV", "AUXV", "AUWRV", "XRV", "")
MODES = {"U": e.USER, "S": e.SUPERVISOR}
SWITCHES = {
    "SUM and MXR clear": 0,
    "SUM set": kernel.SUM,
    "MXR set": kernel.MXR,
    "SUM and MXR set": kernel.SUM | kernel.MXR,
    "ADUE set": kernel.ADUE,
}
WITH = {
    0: "",
    kernel.SUM: ", with SUM",
    kernel.MXR: ", with MXR",
    kernel.SUM | kernel.MXR: ", with SUM and MXR",
    kernel.ADUE: ", with ADUE",
}
RULES = (
    "Is the entry valid?|"
    "Does the entry allow a {kind:kind}?|"
    "Does the page belong to {mode?user|supervisor} mode?|"
    "Are A and D up to date?"
)


def bits(flags: str) -> int:
    """The low eight bits of an entry from its letters; "-" stands for a clear one.

    Raises
    ------
    ValueError for a letter that is no flag.
    """
    letters = flags.replace("-", "")
    strange = sorted(set(letters) - set(FLAG_LETTERS))
    if strange:
        raise ValueError(
            f"{strange[0]!r} is no flag of a page-table entry; flags are {FLAG_LETTERS}"
        )
    return sum(1 << 7 - FLAG_LETTERS.index(letter) for letter in set(letters))


def access(flags: str = "DAUWRV", mode: str = "S", kind: str = "load") -> Explorable:
    """Who may do what with a page? Flags, mode, kind of access, and the switches of the CSRs.

    Parameters
    ----------
    flags : letters set in the leaf entry, out of "DAGUXWRV"
    mode : "S" or "U" (machine mode does not translate)
    kind : "load", "store" or "fetch"

    Raises
    ------
    ValueError for another letter, mode or access.
    """
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} does not use these rules; use 'S' or 'U'")
    if kind not in ACCESSES:
        raise ValueError(f"{kind!r} is no kind of access; use 'load', 'store' or 'fetch'")
    named = {bits(entry): entry for entry in ENTRIES}
    named = {bits(flags): flags} | named
    options = {name or "none (not mapped)": value for value, name in named.items()}
    return Explorable(
        kernel.check_access,
        controls=[
            Choice("flags", "flags in the entry", options, bits(flags)),
            Choice(
                "mode", "mode", {MODE_NAMES[m]: number for m, number in MODES.items()}, MODES[mode]
            ),
            Choice("kind", "access", ACCESSES, ACCESSES[kind]),
            Choice("switches", "switches", SWITCHES),
        ],
        outputs={
            "n_rules": ("int64", ()),
            "passed": ("int64", (kernel.N_RULES,)),
            "why": ("int64", (kernel.N_RULES,)),
            "verdict": ("int64", (2,)),
        },
        title=(
            "A {kind:kind} in {mode?U|S}-mode from a page with flags {flags:letters}"
            "{switches:with}: {verdict[0]?refused|allowed}"
        ),
        text=(
            "{verdict[0]?The access ends in a trap: {kind:fault}, because {verdict[1]:why}.|"
            "The access is made.}"
        ),
        table=Table(
            ("rule", "passed", "why"),
            Repeat(
                "n_rules",
                kernel.N_RULES,
                (f"{{i?{RULES}}}", "{passed[i]?no|yes}", "{why[i]:why}"),
            ),
        ),
        labels={
            "letters": {value: name or "none" for value, name in named.items()},
            "with": WITH,
            "why": kernel.WHY,
            "fault": {
                e.LOAD: e.EXCEPTION_NAMES[e.CAUSE_LOAD_PAGE],
                e.STORE: e.EXCEPTION_NAMES[e.CAUSE_STORE_PAGE],
                e.FETCH: e.EXCEPTION_NAMES[e.CAUSE_FETCH_PAGE],
            },
        },
    )
