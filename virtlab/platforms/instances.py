"""Where can a program run? On the kernel, in a box on that kernel, or in a virtual machine.

The same program of the teaching OS, so that whatever differs is the price of the isolation:

    bare              a process on the kernel, the kernel on the hardware
    bare, in a box    the same kernel, the process in a box of its own
    (technique)       a kernel of its own in a virtual machine, under each way of making one

The names begin as the labels of `virtlab.cost.compare` do. Everything is counted in the guest's
instructions, so a run repeats exactly.

Left out: a kernel for the hypervisor itself. It runs beside the model, and its work is counted as
exits and priced, not executed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from virtlab import guests
from virtlab.hypervisors import TECHNIQUES, VirtualMachine
from virtlab.machine import Machine

RAM = "16M"
BUDGET = 400_000_000  # instructions: many times what any run here takes


@dataclass(frozen=True)
class Instance:
    """A way to run a program.

    name : begins with the name of a technique as `virtlab.cost` has them
    make : Machine, or a kind of VirtualMachine
    settings : further arguments of `make`
    guest : the kernel's image
    boxed : whether the program runs in a box of the kernel
    """

    name: str
    make: type
    settings: Mapping = field(default_factory=dict)
    guest: str = "pith"
    boxed: bool = False

    @property
    def is_virtual(self) -> bool:
        """Whether it has a kernel of its own."""
        return issubclass(self.make, VirtualMachine)

    def switch_on(self, command: str, box_options: str = "", **settings) -> Machine:
        """The machine, loaded, at its reset; the kernel will run `command`, or read the console.

        Parameters
        ----------
        command : for the kernel's shell; empty: the shell waits for what is typed
        box_options : for the program `box`, if it runs in one
        settings : of the machine, over those that are usual here
        """
        if self.boxed and command:
            command = " ".join(["box", *box_options.split(), command])
        usual = {"ram": RAM, "disk": guests.disk(self.guest), "record": False, "append": command}
        if self.guest == "pith":
            usual["firmware"] = "sbi"
        return self.make(**usual | self.settings | settings).load(guests.path(self.guest))


def _virtual(technique: str, paging: str = "") -> Instance:
    """The instance of a technique, with a kind of paging where it has several."""
    return Instance(
        f"{technique}, {paging}" if paging else technique,
        TECHNIQUES[technique],
        {"paging": paging} if paging else {},
        guest="pith_pv" if technique == "paravirt" else "pith",
    )


BARE = Instance("bare", Machine)
BOX = Instance("bare, in a box", Machine, boxed=True)
VIRTUAL = (
    _virtual("emulation"),
    _virtual("trap-and-emulate"),
    _virtual("binary-translation"),
    _virtual("paravirt"),
    _virtual("hardware-assisted", "shadow"),
    _virtual("hardware-assisted", "nested"),
)
INSTANCES = {one.name: one for one in (BARE, BOX, *VIRTUAL)}
NESTED = INSTANCES["hardware-assisted, nested"]  # what a processor of today offers


def instance(name: str) -> Instance:
    """The way to run a program that has this name.

    Raises
    ------
    ValueError : there is none
    """
    if name not in INSTANCES:
        raise ValueError(f"no instance is named {name!r}; there are {'; '.join(INSTANCES)}.")
    return INSTANCES[name]


def finish(machine: Machine, what: str) -> Machine:
    """Run to the end.

    Raises
    ------
    RuntimeError : the guest did not come to its end, or reports a failure
    """
    stop = machine.run(BUDGET)
    if machine.exit_code != 0:
        last = machine.console.splitlines()[-1:] or ["nothing printed"]
        raise RuntimeError(f"{what}: {stop} Its last line: {last[0]}")
    return machine
