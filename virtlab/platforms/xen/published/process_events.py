"""How many events does a process cause, from its making to its end? Counted on real runs.

    fork        a process made, ended and waited for: the workload forkwait
    exec        the same, but it runs another program: `echo` from the shell
    sh          a shell is run, which runs that program
    page fault  a page touched for the first time

Each is run a few times and more times on the teaching OS; the difference, divided, is one of it. A
paravirtual kernel of this book returns to a program by a hypercall; XenoLinux does so by itself,
so such returns, one for every system call and every fault, are left out.

    python -m virtlab.platforms.xen.published.process_events

prints what data/reproductions/R4.toml holds.
"""

import sys

from virtlab import cost
from virtlab.platforms import instances, workloads

PARAVIRT, TRANSLATION = "paravirt", "binary-translation"
MONITOR_EXITS = ("exit:shadow_page_fault", "exit:true_page_fault", "exit:trace")
SETUP = "echo echo a > f"
LINES = {"exec": "echo a", "sh": "sh < f"}
FEW, MANY = 2, 22


def counts_of(operation: str, where: str) -> dict[str, float]:
    """What one of an operation causes: counts by name.

    Raises
    ------
    KeyError : there is no such operation
    """
    if operation == "fork":
        return dict(workloads.measure("forkwait", where).counts)
    if operation == "page fault":
        return dict(workloads.measure("pgfault", where).counts)
    few, many = (_typed([SETUP, *[LINES[operation]] * n, "shutdown"], where) for n in (FEW, MANY))
    return {name: (many[name] - few[name]) / (MANY - FEW) for name in many}


def _typed(lines: list[str], where: str) -> dict[str, float]:
    """What a run causes in which lines are typed, one after the other has done its work."""
    machine = instances.instance(where).switch_on("")
    for line in lines:
        machine.run(instances.BUDGET, until="$ ")
        machine.type(line + "\n")
    return cost.counts_of(instances.finish(machine, "; ".join(lines)))


def paravirtual(operation: str) -> dict[str, float]:
    """Hypercalls, returns left out, and faults sent on, of one operation."""
    found = counts_of(operation, PARAVIRT)
    faults = found["exit:true_page_fault"]
    returns = found["exit:ecall"] + faults
    return {"hypercalls": found["hypercalls"] - returns, "faults": faults}


def monitored(operation: str) -> float:
    """Page-fault exits of one operation under a monitor with shadow page tables."""
    found = counts_of(operation, TRANSLATION)
    return sum(found.get(name, 0) for name in MONITOR_EXITS)


def main() -> int:
    for operation in ("fork", *LINES, "page fault"):
        events = {name: round(n, 2) for name, n in paravirtual(operation).items()}
        print(f"{operation:12} {events}, monitor's faults {monitored(operation):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
