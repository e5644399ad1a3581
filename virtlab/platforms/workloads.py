"""What does one more system call, process or page cost there? The workloads of chapters 02 to 04.

A workload runs twice, with few rounds and with many; the difference divided by the rounds is what
one round costs, and the start of the machine falls out of it. What is counted, for one round:

    instructions     that the guest executed, its kernel's included
    system calls     that its kernel received: ecall from user mode
    exits            to the hypervisor; there are none without one
    references       to entries of page tables, by the walks of both dimensions

A box needs one capability for `diskread`, which goes past the block cache; it is left to the box.

>>> call = measure("nullsys", "bare")
>>> call.system_calls, call.exits
(1.0, 0.0)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from virtlab import cost
from virtlab.cost.prices import PriceList
from virtlab.platforms.instances import INSTANCES, finish, instance

ECALL = "environment call from U-mode"


@dataclass(frozen=True)
class Workload:
    """A program and what a round of it is.

    few, many : arguments of the two runs
    rounds : that the second run has more
    round : one of them, in words
    box_options : what a box has to leave it
    """

    few: str
    many: str
    rounds: int
    round: str
    box_options: str = ""


WORKLOADS = {
    "nullsys": Workload("500", "1500", 1000, "a system call that does nothing"),
    "forkwait": Workload("10", "40", 30, "a process made, ended and waited for"),
    "ctxsw": Workload("50", "250", 200, "a byte to another process and back"),
    "pgfault": Workload("64 2", "64 10", 512, "a page touched for the first time"),
    "ptemod": Workload("64 2", "64 10", 512, "a page mapped, protected and unmapped"),
    "diskread": Workload(
        "20", "100", 80, "a block read from the disk", box_options="-share capabilities"
    ),
    "compute": Workload("20000 32", "100000 64", 1, "primes and a matrix, without a system call"),
    "memwalk": Workload("512 10", "512 60", 50, "a walk over 512 pages, twice what a TLB holds"),
}


@dataclass(frozen=True)
class Measured:
    """What one round of a workload costs in one place; every count is that of a round.

    counts : by the names of `virtlab.cost`, so that they can be priced
    """

    workload: str
    instance: str
    counts: Mapping[str, float]
    system_calls: float

    @property
    def instructions(self) -> float:
        """Executed by the guest."""
        return self.counts["instructions"]

    @property
    def exits(self) -> float:
        """To the hypervisor."""
        return self.counts.get("exits", 0.0)

    @property
    def references(self) -> float:
        """Page-table entries read by the hart, in both dimensions; an emulator's own not."""
        return self.counts["walk_references"] + self.counts["gstage_references"]

    @property
    def exits_by_reason(self) -> dict[str, float]:
        """Exits by reason; those that do not occur are left out."""
        return {
            name.removeprefix("exit:"): n
            for name, n in self.counts.items()
            if name.startswith("exit:") and n
        }


def workload(name: str) -> Workload:
    """The workload of this name.

    Raises
    ------
    ValueError : there is none
    """
    if name not in WORKLOADS:
        raise ValueError(f"no workload is named {name!r}; there are {', '.join(WORKLOADS)}.")
    return WORKLOADS[name]


def run(command: str, where: str, box_options: str = "", **settings):
    """The machine after it has run a command of the teaching OS to its end.

    Raises
    ------
    ValueError : no instance is named `where`
    RuntimeError : the command failed
    """
    machine = instance(where).switch_on(command, box_options, **settings)
    return finish(machine, f"{command}, {where}")


def measure(name: str, where: str, **settings) -> Measured:
    """What one round of a workload costs there. Takes less than a second once all is compiled.

    Parameters
    ----------
    name : one of WORKLOADS
    where : one of INSTANCES
    settings : of the machine, such as large_pages=True

    Raises
    ------
    ValueError : there is no such workload or instance
    RuntimeError : the guest did not come to its end
    """
    what = workload(name)
    few, many = (
        run(f"{name} {arguments}", where, what.box_options, **settings)
        for arguments in (what.few, what.many)
    )
    before, after = cost.counts_of(few), cost.counts_of(many)
    calls = [machine.counters["traps"].get(ECALL, 0) for machine in (few, many)]
    each = {event: _difference(before, after, event) / what.rounds for event in after}
    if "exits" in each:
        each["exits"] = sum(n for event, n in each.items() if event.startswith("exit:"))
    return Measured(name, where, each, (calls[1] - calls[0]) / what.rounds)


def _difference(before: Mapping, after: Mapping, event: str) -> int:
    """What the longer run has more; an event of the start alone may have come out rarer there."""
    return max(0, after[event] - before[event])


def measure_everywhere(name: str, places: Iterable[str] = tuple(INSTANCES)) -> dict[str, Measured]:
    """`measure` in several places: by instance."""
    return {where: measure(name, where) for where in places}


def compare(measured: Mapping[str, Measured], prices: PriceList) -> cost.Comparison:
    """The bills of one workload in several places, side by side.

    Raises
    ------
    ValueError : the list has no price for an event; see `virtlab.cost.complete`
    """
    return cost.compare({where: one.counts for where, one in measured.items()}, prices)
