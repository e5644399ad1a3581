"""Which counts does the reproduction R8 rest on? Measured here, frozen in its data file.

    python -m virtlab.platforms.comparison

prints what data/reproductions/R8.toml holds: one round of five workloads, natively, in a box and in
a virtual machine; the start of one more of each; and the memory that it takes.
"""

from collections.abc import Mapping

from virtlab.isa.encoding import PAGE_BYTES
from virtlab.platforms.density import measure_memory
from virtlab.platforms.instances import BARE, BOX, NESTED
from virtlab.platforms.startup import measure_start, measure_unikernel
from virtlab.platforms.workloads import measure

PLACES = {"native": BARE.name, "box": BOX.name, "vm": NESTED.name}
WORKLOADS = ("compute", "memwalk", "diskread", "nullsys", "ctxsw")
KEPT = ("instructions", "walk_references", "gstage_references", "exit:")  # or how they begin
DIGITS = 4  # behind the point


def _kept(counts: Mapping[str, float]) -> dict[str, float]:
    """What is priced, without what does not occur."""
    return {name: round(n, DIGITS) for name, n in counts.items() if name.startswith(KEPT) and n > 0}


def counts() -> dict[str, dict[str, dict[str, float]]]:
    """Events of one round, by workload and place."""
    return {
        workload: {name: _kept(measure(workload, where).counts) for name, where in PLACES.items()}
        for workload in WORKLOADS
    }


def starts() -> dict[str, dict[str, float]]:
    """Events from the request through the first instruction of the program, by what is started."""
    found = {
        "process": measure_start(BARE.name),
        "box": measure_start(BOX.name),
        "vm": measure_start(NESTED.name),
        "unikernel": measure_unikernel(),
    }
    return {name: _kept(start.counts) for name, start in found.items()}


def memory() -> dict[str, int]:
    """Bytes that one box takes, and one virtual machine with its hypervisor's pages."""
    places = {name: where for name, where in PLACES.items() if name != "native"}
    return {name: measure_memory(where).pages * PAGE_BYTES for name, where in places.items()}


def _inline(values: Mapping[str, float]) -> str:
    return "{ " + ", ".join(f'"{name}" = {n:.10g}' for name, n in values.items()) + " }"


def main() -> None:
    for workload, places in counts().items():
        print(f"\n[input.value.{workload}]")
        for name, found in places.items():
            print(f"{name} = {_inline(found)}")
    print("\n# start")
    for name, found in starts().items():
        print(f"value.{name} = {_inline(found)}")
    print(f"\n# memory\nvalue = {_inline(memory())}")


if __name__ == "__main__":
    main()
