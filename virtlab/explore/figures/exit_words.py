"""What are exits called in a figure? Reasons and outcomes in words, and what a run's exits hold.

A figure takes what a `virtlab.hypervisors` machine has recorded: `exits`, of which the most recent
4096 are kept, and `exit_counts`, which counts all. What it cannot get from there it says.
"""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from virtlab.explore.controls import signed
from virtlab.hypervisors.exits import Action, ExitReason
from virtlab.hypervisors.hardware_assisted import PAGING

REASONS = {
    ExitReason.NONE: "none",
    ExitReason.ECALL: "call (ecall)",
    ExitReason.PRIVILEGED: "privileged instruction",
    ExitReason.SHADOW_PAGE_FAULT: "hidden page fault",
    ExitReason.GUEST_PAGE_FAULT: "nested page fault",
    ExitReason.TRUE_PAGE_FAULT: "true page fault",
    ExitReason.TRACE: "traced store",
    ExitReason.MMIO: "device access",
    ExitReason.EXCEPTION: "other exception",
    ExitReason.HYPERCALL: "hypercall",
    ExitReason.TIMER: "timer",
    ExitReason.INTERRUPT: "interrupt",
    ExitReason.WFI: "wait (WFI)",
    ExitReason.CALLOUT: "callout",
    ExitReason.HALT: "halt",
    ExitReason.INTERNAL_ERROR: "internal error",
}

WAYS = {
    Action.HANDLE: "not handled yet",
    Action.RESUME: "done, the guest goes on after the instruction",
    Action.RETRY: "the guest executes the instruction again",
    Action.REFLECT: "delivered to the guest's own trap handler",
    Action.STOP: "the run stops",
}

MOST_EXITS = 1_000  # that one instruction may take before the one that is asked for
USER_MODES = ("U", "VU")


def reason_words(reason: int) -> str:
    """What a reason is called in a figure."""
    return REASONS[ExitReason(reason)]


def from_programs(exit) -> bool:
    """Whether the guest was running a program, not its kernel, when it left."""
    return exit.mode in USER_MODES


def has_shadow_tables(vm) -> bool:
    """Whether the hart translates the guest's addresses with shadow page tables."""
    technique = getattr(vm, "technique", "")
    if technique == "hardware-assisted":
        return vm.paging == PAGING["shadow"]
    return technique in ("trap-and-emulate", "binary-translation")


@contextmanager
def standing_at(vm, exit):
    """Within it the machine stands at one of its exits, not yet handled; then where it was before.

    Raises
    ------
    ValueError if the machine keeps no past, or what it does from now on is another run
    """
    here = vm.steps
    # The machine may stand at the exit's step with the exit behind it: it comes from before.
    vm.goto(max(0, exit.steps - (vm.n_exits > exit.number)))
    try:
        on_hand = vm.exit_on_hand
        for _ in range(MOST_EXITS):
            if on_hand is not None and on_hand.number >= exit.number:
                break
            vm.run(1, until=ExitReason)
            on_hand = vm.exit_on_hand
        if on_hand is None or (on_hand.number, on_hand.pc) != (exit.number, exit.pc):
            raise ValueError(f"{exit} does not come again when the machine goes back to it")
        yield
    finally:
        vm.goto(here)


@dataclass(frozen=True)
class Recorded:
    """The exits of a run.

    exits : the recorded ones, oldest first
    earlier : ExitReason -> exits before those, which are counted only
    steps : the guest's instructions so far
    """

    exits: Sequence
    earlier: Mapping[int, int]
    steps: int

    @classmethod
    def of(cls, vm, exits: Sequence | None = None) -> "Recorded":
        """What `vm` has recorded, or `exits`, a list of its exits one after another.

        Raises
        ------
        TypeError if `vm` records no exits, ValueError if the first of `exits` is none of them
        """
        if not hasattr(vm, "exit_counts"):
            raise TypeError(
                f"{vm!r} has no exits; a machine of virtlab.hypervisors has, such as "
                "TrapAndEmulate(...)"
            )
        kept = list(vm.exits)
        chosen = kept if exits is None else list(exits)
        if chosen and chosen[0] not in kept:
            raise ValueError(f"{chosen[0]!r} is none of the exits that {vm!r} has kept")
        later = kept[kept.index(chosen[0]) :] if chosen else kept
        earlier = dict(vm.exit_counts)
        for exit in later:
            earlier[exit.reason] = earlier.get(exit.reason, 0) - 1
        return cls(chosen, {reason: max(n, 0) for reason, n in earlier.items() if n}, vm.steps)

    def column(self, name: str) -> list[int]:
        """One number of every exit, 0 for none; without any exit, a single zero."""
        return [signed(int(getattr(exit, name) or 0)) for exit in self.exits] or [0]
