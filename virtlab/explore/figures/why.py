"""Why did this exit happen? The sentence, the operands, and the page walk behind it."""

from virtlab.explore.drawing import Drawing, grouped_hex
from virtlab.explore.figures.exit_words import WAYS, reason_words, standing_at
from virtlab.hypervisors.why import why as sentence_of
from virtlab.isa.encoding import cause_name

ACCESS_OF = {12: "fetch", 13: "load", 15: "store", 20: "fetch", 21: "load", 23: "store"}
STAGES = {"S": "", "VS": "VS-stage ", "G": "G-stage "}


def why(vm, exit=None) -> Drawing:
    """Why an exit happened: the rule in words, its operands, and each step of the page walk.

    The machine goes back to the exit, because the guest may have changed its tables since, and is
    afterwards where it was.

    Parameters
    ----------
    vm : a virtual machine of virtlab.hypervisors
    exit : one of its exits; without it, the one at which the run has stopped

    Raises
    ------
    ValueError if there is no such exit
    """
    if exit is None:
        if vm.exit_on_hand is None:
            raise ValueError("the run has not stopped at an exit; give one of vm.exits.")
        return _drawing(vm, vm.exit_on_hand, vm.exit_on_hand)
    with standing_at(vm, exit):
        return _drawing(vm, exit, vm.exit_on_hand)


def _drawing(vm, exit, on_hand) -> Drawing:
    """The exit as it ended, `exit`, and as it was on hand."""
    ((_, _, text),) = vm.disassemble(exit.pc, 1, 0)
    rows = [
        ("reason", reason_words(exit.reason)),
        ("guest instructions before", f"{exit.steps:,}"),
        ("pc", grouped_hex(exit.pc)),
        ("instruction", text),
        ("guest's own mode", exit.mode),
    ]
    if exit.cause is not None:
        rows.append(("exception on the hart", cause_name(exit.cause)))
    if exit.gva is not None:
        rows.append(("guest virtual address", grouped_hex(exit.gva)))
        leads = "nowhere" if exit.gpa is None else grouped_hex(exit.gpa)
        rows.append(("guest physical address", leads))
        walk = vm.translate(exit.gva, ACCESS_OF.get(exit.cause, "load"))
        rows += [
            (
                f"walk, {STAGES[step.stage]}level {step.level}",
                f"entry {step.index} at {grouped_hex(step.pte_pa)} holds "
                f"{grouped_hex(step.pte)} ({step.flags}): {step.outcome}",
            )
            for step in walk.steps
        ]
        end = f"fault: {walk.fault}" if walk.fault else grouped_hex(walk.pa)
        rows.append(("walk, result", end))
    rows.append(("what the hypervisor did", WAYS[exit.action]))
    sentence = sentence_of(vm, exit).partition("\n")[0]
    title = f"Why exit {exit.number:,} happened"
    return Drawing(title, sentence, ("what", "value"), tuple(rows))
