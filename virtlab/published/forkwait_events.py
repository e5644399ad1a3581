"""How many events does one fork and wait of our teaching OS cause? Counted on real runs.

The kernel is run twice under each monitor, once making so many processes, once more; the
difference, divided, is what one process causes from fork to wait, timer interrupts included.

    python -m virtlab.published.forkwait_events pith.elf pith.img

prints what data/reproductions/R2.toml holds. The two files are the images that
`virtlab.guests.path("pith")` and `virtlab.guests.disk("pith")` name.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from virtlab.published.adams_agesen_operations import EVENTS, MONITORS, as_toml

PROCESSES = (40, 140)


def count_forkwait(machine: Callable, image: Path, disk: Path) -> dict[str, float]:
    """The events that one process causes, by name of the count; those that do not occur left out.

    Parameters
    ----------
    machine : makes a virtual machine from the settings of `Machine`
    image, disk : the teaching OS and its disk

    Raises
    ------
    RuntimeError : the kernel did not come to its end
    """
    counted = []
    for n in PROCESSES:
        vm = machine(ram="32M", disk=disk, append=f"forkwait {n}", record=False).load(image)
        stop = vm.run(1_000_000_000)
        if vm.exit_code != 0:
            raise RuntimeError(f"forkwait {n}: {stop}")
        counted.append(vm.counts)
    few, many = counted
    return {
        name: (many[name] - few[name]) / (PROCESSES[1] - PROCESSES[0])
        for name in many
        if name.startswith(EVENTS) and many[name] != few[name]
    }


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m virtlab.published.forkwait_events IMAGE DISK", file=sys.stderr)
        return 2
    image, disk = map(Path, arguments)
    for monitor, machine in MONITORS.items():
        print(f"value.{monitor} = {as_toml(count_forkwait(machine, image, disk))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
