"""Which one, when? The same mix of work on every technique and product of the book, side by side.

A `Candidate` is a product, or a technique without one: the way in which its guests run (an instance
of `instances`) and the way in which a request to a device leaves. Of each is found by running:

    cycles       of one round of each kind of work, counted and priced
    memory       that one more server takes
    wall         system calls that a neighbour can try on the shared kernel, or kinds of exits that
                 he can cause
    compatible   whether a kernel of its own starts, unmodified, on a processor whose privileged
                 instructions fail silently in user mode, as those of x86 did

A mix says how many rounds of each kind of work one unit of the reader's work takes: `bills(mix)`.

# Model: a product is its technique and its way to a device; all else of it is left out.

Sources: for the way of a request, Sugerman, Venkitachalam & Lim 2001 (Workstation) and Dall and
others 2016 (KVM, Xen on x86). ESX has its drivers below its guests and pays nothing on top.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from virtlab import cost, guests
from virtlab.platforms.density import measure_memory
from virtlab.platforms.instances import finish, instance
from virtlab.platforms.workloads import compare, measure_everywhere
from virtlab.published.tables import table

KINDS = ("compute", "nullsys", "forkwait", "pgfault", "ctxsw", "diskread")
PRICES = "haswell"
PENTIUM_MHZ = 733  # of the processor on which Workstation's world switch was measured
BOX, EMULATION, TRAPPED = "bare, in a box", "emulation", "trap-and-emulate"
TRANSLATED, PARAVIRT = "binary-translation", "paravirt"
SHADOW, NESTED = "hardware-assisted, shadow", "hardware-assisted, nested"
HARDWARE = "hardware-assisted"  # how the names of those begin that need VT-x or AMD-V
TRY = "nullsys 5"  # what a kernel has to come to


@dataclass(frozen=True)
class Candidate:
    """A product or technique.

    name : short, for a figure
    what : what it is
    where : one of `instances.INSTANCES`
    device : how a request to a device leaves: a row of WAYS
    """

    name: str
    what: str
    where: str
    device: str = "direct"


CANDIDATES = (
    Candidate("process", "a process on the host's kernel", "bare"),
    Candidate("box", "a container: Docker, LXC, a zone", BOX),
    Candidate("QEMU", "emulation, QEMU by itself", EMULATION),
    Candidate("trapped", "full virtualization without translation: z/VM", TRAPPED),
    Candidate("hosted", "VMware Workstation, 2000", TRANSLATED, "hosted"),
    Candidate("ESX '01", "ESX Server, 2001", TRANSLATED),
    Candidate("Xen PV", "Xen with modified guests", PARAVIRT, "Xen"),
    Candidate("KVM '07", "KVM on the first processors with VT-x", SHADOW, "KVM"),
    Candidate("KVM", "KVM with nested paging and vhost", NESTED, "KVM"),
    Candidate("Xen HVM", "Xen with unmodified guests", NESTED, "Xen"),
    Candidate("ESX", "ESXi with nested paging", NESTED),
)


def ways() -> dict[str, float]:
    """Cycles that a request to a device takes beyond its exit, by the way that it leaves."""
    switch = table("sugerman2001-send").value("world switch", "time") * PENTIUM_MHZ
    out = table("dall2016-transitions")
    return {
        "direct": 0.0,
        "hosted": 2 * switch,
        "KVM": float(out.value("I/O latency out", "KVM x86")),
        "Xen": float(out.value("I/O latency out", "Xen x86")),
    }


def candidate(name: str) -> Candidate:
    """The candidate of this name.

    Raises
    ------
    ValueError : there is none
    """
    for one in CANDIDATES:
        if one.name == name:
            return one
    raise ValueError(
        f"no candidate is named {name!r}; there are {', '.join(one.name for one in CANDIDATES)}."
    )


@functools.cache
def _measured(kind: str) -> dict:
    return measure_everywhere(kind)


def measured_instructions(kind: str) -> float:
    """Instructions of one round as a process on the host's kernel."""
    return _measured(kind)["bare"].instructions


@functools.cache
def cycles() -> dict[str, dict[str, float]]:
    """Cycles of one round: by candidate and kind of work. Takes some ten seconds the first time."""
    prices = cost.complete(PRICES)
    found: dict[str, dict[str, float]] = {one.name: {} for one in CANDIDATES}
    way = ways()
    for kind in KINDS:
        bills = compare(_measured(kind), prices).bills
        for one in CANDIDATES:
            requests = 1 if kind == "diskread" else 0
            found[one.name][kind] = bills[one.where].cycles + requests * way[one.device]
    return found


def bills(mix: Mapping[str, float]) -> dict[str, float]:
    """Cycles of one unit of work, by candidate.

    mix : kind of work -> rounds in a unit

    Raises
    ------
    ValueError : a kind is unknown, a number is negative, or there is no work at all
    """
    for kind, rounds in mix.items():
        if kind not in KINDS:
            raise ValueError(f"no kind of work {kind!r}; there are {', '.join(KINDS)}.")
        if rounds < 0:
            raise ValueError(f"{rounds} rounds of {kind}; accepted are 0 and more.")
    if not any(mix.values()):
        raise ValueError("a mix without work; accepted is one kind of work at least.")
    return {
        name: sum(rounds * each[kind] for kind, rounds in mix.items())
        for name, each in cycles().items()
    }


@functools.cache
def kilobytes(where: str) -> int:
    """Memory that one more server takes in this instance, its hypervisor's included."""
    return 4 * measure_memory(where).pages


def system_calls() -> int:
    """How many system calls the shared kernel offers."""
    return len(re.findall(r"^ {4}SYS_\w+,", guests.source("pith", "common/abi.h"), re.MULTILINE))


def wall(where: str) -> tuple[int, str]:
    """How many ways lead through the wall to what neighbours share, and what they are."""
    if not instance(where).is_virtual:
        return system_calls(), "system calls"
    kinds = {reason for kind in KINDS for reason in _measured(kind)[where].exits_by_reason}
    return len(kinds), "kinds of exits"


@dataclass(frozen=True)
class Compatible:
    """What a candidate lets one run, and what it asks for.

    own_kernel : a server has a kernel of its own, so that it may be another system
    unmodified : that kernel needs no change
    silent : nothing goes wrong where privileged instructions of user mode fail silently
    extension : it needs a processor with VT-x, AMD-V or the like
    """

    own_kernel: bool
    unmodified: bool
    silent: bool
    extension: bool


@functools.cache
def compatible(where: str) -> Compatible:
    """Found out by starting a kernel there, on such a processor."""
    one = instance(where)
    extension = where.startswith(HARDWARE)
    if not one.is_virtual:
        return Compatible(False, True, True, False)
    vm = finish(one.switch_on(TRY, silent_privileged=not extension), TRY)
    silent = not extension and vm.betrayed is None
    return Compatible(True, one.guest == "pith", silent, extension)


NEEDS = (
    "nothing in particular",
    "another kernel than the host's",
    "another kernel, unmodified",
    "that, without VT-x or AMD-V",
)


def meets(where: str) -> tuple[bool, ...]:
    """Whether an instance meets each of NEEDS."""
    one = compatible(where)
    whole = one.own_kernel and one.unmodified
    return True, one.own_kernel, whole, whole and one.silent and not one.extension


def verdict(mix: Mapping[str, float], need: int, name: str) -> str:
    """Whether the candidate of this name will do, and what it costs beside the cheapest that will.

    mix : see `bills`; need : place in NEEDS. The process on the host's kernel is never the cheapest
    that will do: whoever asks wants neighbours apart.

    Raises
    ------
    ValueError : there is no such need or candidate, or the mix is none
    """
    if need not in range(len(NEEDS)):
        raise ValueError(f"no need {need}; accepted are 0 to {len(NEEDS) - 1}.")
    bill, one = bills(mix), candidate(name)
    fit = [other.name for other in CANDIDATES[1:] if meets(other.where)[need]]
    best = min(fit, key=lambda other: bill[other])
    number, what = wall(one.where)
    will = "will do" if meets(one.where)[need] else f"WILL NOT DO (needed is {NEEDS[need]})"
    return (
        f"{name} {will}: {bill[name] / bill[best]:.2f} times the cycles of {best}, "
        f"{kilobytes(one.where):,} KiB, {number} {what}."
    )
