"""Which instructions betray or endanger a virtual machine monitor? Popek and Goldberg's classes.

Nothing is looked up: a processor is given as a function that executes one instruction in a state,
and every instruction is executed in every pair of states that the definitions compare.

A state has four parts:

    mode        supervisor or user
    resources   what the monitor has to own: relocation and bounds, interrupt flag, tables, devices
    program     what the running program sees and may change: its registers, its memory
    pc          counted as part of what the program sees

| class | an instruction is in it if |
|---|---|
| privileged | it traps in user mode and not in supervisor mode, in all states |
| control-sensitive | in some state it changes the mode or a resource without a trap |
| resource-sensitive | in some mode its effect on the program depends on a resource |
| mode-sensitive | its effect on the program, or on the resources, depends on the mode |
| user-sensitive | it is control- or resource-sensitive in user mode |
| innocuous | it is none of the sensitive |

Resource-sensitive is the paper's location-sensitive, for every resource and not only for the
relocation register. It and mode-sensitive are the paper's behaviour-sensitive. States in which the
instruction traps for its memory access are left out, as in the paper, and two effects are compared
only where neither is a trap: after a trap the monitor decides.

The theorems:

    1  A monitor can be built if every sensitive instruction is privileged.
    2  A machine is recursively virtualizable if theorem 1 holds and its monitor can be built
       without a dependence on timing. No enumeration of instructions can show the second half.
    3  A hybrid monitor, which interprets all of the guest's supervisor mode, can be built if every
       user-sensitive instruction is privileged.

Source: Popek and Goldberg 1974, as told by Bugnion, Nieh and Tsafrir, "Hardware and Software
Support for Virtualization" (2017), chapter 2.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

SUPERVISOR, USER = "supervisor", "user"
MEMORY_TRAP = "memory"


@dataclass(frozen=True)
class Effect:
    """What one instruction did. After a trap only `trap` counts."""

    program: Hashable = None  # registers, memory and pc as the program sees them afterwards
    changed: frozenset = frozenset()  # (resource, new value) of what it changed; "mode" is one
    trap: str = ""  # "" if none; MEMORY_TRAP, or any other name

    @property
    def resources(self) -> frozenset:
        """The changed resources without the mode."""
        return frozenset(one for one in self.changed if one[0] != "mode")


@dataclass(frozen=True)
class Processor:
    """An instruction set to be classified.

    execute : function (instruction, program, setting, mode) -> Effect
    programs : states of the program to try
    settings : values of the resources to try; the first is the plain one
    modes : the modes to try; of a processor whose guests run in user mode alone, kernel and all,
        only that. Then privileged means that it traps there in all states.
    """

    name: str
    instructions: tuple[str, ...]
    programs: tuple
    settings: tuple
    execute: Callable[..., Effect]
    modes: tuple[str, ...] = (SUPERVISOR, USER)


@dataclass
class Verdict:
    """What the enumeration found out about one instruction."""

    name: str
    privileged: bool = True
    control: bool = False
    resource: bool = False
    mode: bool = False
    user: bool = False  # control- or resource-sensitive in user mode
    tried: int = field(default=0, repr=False)  # pairs of states without a memory trap

    @property
    def sensitive(self) -> bool:
        return self.control or self.resource or self.mode

    @property
    def critical(self) -> bool:
        """Sensitive and not privileged: what a monitor that waits for traps never sees."""
        return self.sensitive and not self.privileged

    @property
    def classes(self) -> str:
        """The classes in words."""
        names = {
            "privileged": self.privileged,
            "control-sensitive": self.control,
            "resource-sensitive": self.resource,
            "mode-sensitive": self.mode,
            "user-sensitive": self.user,
            "innocuous": not self.sensitive,
        }
        return ", ".join(name for name, holds in names.items() if holds)


def classify_instruction(processor: Processor, name: str) -> Verdict:
    """Execute one instruction in all pairs of states; see the module's table.

    Raises
    ------
    ValueError : every state ended in a memory trap, so that nothing can be said
    """
    verdict = Verdict(name)
    for program in processor.programs:
        effects = {
            mode: [processor.execute(name, program, one, mode) for one in processor.settings]
            for mode in processor.modes
        }
        for now in zip(*effects.values(), strict=True):
            if MEMORY_TRAP in [effect.trap for effect in now]:
                continue
            below, above = now[-1], now[:-1]
            verdict.tried += 1
            verdict.privileged &= bool(below.trap) and not any(effect.trap for effect in above)
            if above and not above[0].trap and not below.trap:
                verdict.mode |= above[0].program != below.program
                verdict.mode |= above[0].resources != below.resources
        for mode, found in effects.items():
            done = [effect for effect in found if not effect.trap]
            control = any(effect.changed for effect in done)
            resource = len({effect.program for effect in done}) > 1
            verdict.control |= control
            verdict.resource |= resource
            verdict.user |= mode == USER and (control or resource)
    if not verdict.tried:
        raise ValueError(f"{processor.name}: {name} ends in a memory trap in every state.")
    return verdict


@dataclass(frozen=True)
class Classification:
    """All instructions of a processor, classified."""

    processor: str
    verdicts: dict[str, Verdict]

    def names(self, **wanted: bool) -> tuple[str, ...]:
        """Instructions with these properties: `names(sensitive=True, privileged=False)`."""
        return tuple(
            name
            for name, verdict in self.verdicts.items()
            if all(getattr(verdict, key) == value for key, value in wanted.items())
        )

    @property
    def critical(self) -> tuple[str, ...]:
        """Sensitive, unprivileged instructions."""
        return self.names(critical=True)

    @property
    def theorem_1(self) -> bool:
        """Every sensitive instruction is privileged; then theorem 2 asks only for timing."""
        return not self.critical

    @property
    def theorem_3(self) -> bool:
        """Every user-sensitive instruction is privileged."""
        return not self.names(user=True, privileged=False)


def classify(processor: Processor) -> Classification:
    """Classify every instruction of `processor`."""
    verdicts = {name: classify_instruction(processor, name) for name in processor.instructions}
    return Classification(processor.name, verdicts)
