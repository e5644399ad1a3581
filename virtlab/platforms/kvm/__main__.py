"""Does /dev/kvm work here, and what does an exit cost? `python -m virtlab.platforms.kvm`.

(nothing)        probe, and measure, beside what papers say; without a device show the recorded
                 run, marked as such
--record FILE    write a record of this machine to FILE (- for standard output)
"""

import argparse
import json
import sys
from pathlib import Path

from virtlab.platforms.kvm import device, exit_costs, recorded

INTERPRETED = (
    "The processor shows no virtualization extensions: KVM interprets much of what a guest's "
    "kernel\nexecutes, so that a store costs about as much in the guest as in the kernel."
)


def table(found: dict) -> str:
    """The figures of a record as text."""
    machine = found["machine"]
    lines = [f"{machine['processor']}, {machine['system']}"]
    if not machine["virtualization_extensions"]:
        lines.append(INTERPRETED)
    lines += [
        "",
        f"{'a store to':12}{'stores':>10}{'runs':>10}{'ns a store':>12}{'runs/s':>10}",
    ]
    for path, one in found["stores"].items():
        lines.append(
            f"{path:12}{one['n_stores']:>10,}{one['exits_to_the_program']:>10,}"
            f"{one['ns_per_store']:>12,}{one['exits_per_second']:>10,}"
        )
    return "\n".join(lines)


def beside(costs: list[exit_costs.ExitCost]) -> str:
    """Costs of exits, one a line."""
    rows = [f"{one.ns:>10,.0f}  {one.way}; {one.machine} ({one.source})" for one in costs]
    return "\n".join([f"{'ns':>10}  an exit's cost", *rows])


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m virtlab.platforms.kvm", description=__doc__)
    parser.add_argument("--record", metavar="FILE", help="write a record of this machine")
    wanted = parser.parse_args(arguments)
    probe = device.probe()
    if wanted.record is None:
        print(probe.sentence)
        if probe.works:
            print(table(recorded.record(device)))
        else:
            found = recorded.load()
            print(f"Recorded on {found['date']} on another machine:")
            print(table(found))
        print(beside(exit_costs.measured() + exit_costs.published()))
        return 0
    if not probe.works:
        print(f"Nothing recorded: {probe.sentence}", file=sys.stderr)
        return 1
    text = json.dumps(recorded.record(device), indent=2) + "\n"
    if wanted.record == "-":
        print(text, end="")
    else:
        Path(wanted.record).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
