"""What went on in a machine? Calls and turns on the hart in one list, each with who and where to.

`watch(xen)` reads what the machine remembers (`events`, `turns`) since a step and puts it in order.
A call comes to a part of the hypervisor, which may reach another domain: an event wakes one, a
grant reaches a page of one. A turn gives the hart to a domain. Domain0's drivers reach the hardware
by a ring of its own; that it has put a request there is a call too, NOTIFY.
"""

from collections import namedtuple

from virtlab.hypervisors import paravirt_abi
from virtlab.hypervisors.exits import ExitReason
from virtlab.platforms.xen import abi

CONTROL, PROCESSOR, MEMORY, DEVICES, HARDWARE = range(5)
NOTIFY = paravirt_abi.HYPERCALLS.index("NOTIFY")
PART_OF = {
    abi.CONTROL: CONTROL,
    abi.STORE: CONTROL,
    abi.SCHED: PROCESSOR,
    abi.GRANT: MEMORY,
    abi.MEMORY: MEMORY,
    abi.EVENT: DEVICES,
    abi.SHARED: DEVICES,
    abi.DEVICE: DEVICES,
}
GRANT_NAMES = ("SETUP", "MAP", "UNMAP", "COPY")
EVENT_NAMES = ("ALLOC_UNBOUND", "BIND_INTERDOMAIN", "BIND_VIRQ", "SEND", "CLOSE", "UNMASK")
EVENT_NAMES += ("STATUS",)
MEMORY_NAMES = ("CURRENT", "MAXIMUM", "DECREASE", "INCREASE")
SCHED_NAMES = ("YIELD", "BLOCK", "SHUTDOWN")
STORE_NAMES = ("READ", "WRITE", "REMOVE", "LIST", "WATCH", "UNWATCH", "NEXT")
DEVICE_NAMES = ("READ", "WRITE")
NAMES = {
    abi.GRANT: GRANT_NAMES,
    abi.EVENT: EVENT_NAMES,
    abi.MEMORY: MEMORY_NAMES,
    abi.SCHED: SCHED_NAMES,
    abi.STORE: STORE_NAMES,
    abi.DEVICE: DEVICE_NAMES,
    abi.CONTROL: tuple(name.upper() for name in abi.CONTROLS),
}

Step = namedtuple("Step", "step domain part turn name refused")
Step.__doc__ = """Something that happened at a step of the machine: a call of `domain` that came to
a `part` of the hypervisor, or (`turn`) the hart given to it. `name` says which call; `refused` is
the error's number, or 0."""


def watch(xen, since: int = 0) -> list[Step]:
    """Calls and turns from step `since` on, in order; turns of nobody are left out."""
    found: list[Step] = []
    turns = [
        Step(max(turn.first, since), turn.number, PROCESSOR, True, "turn", 0)
        for turn in xen.turns
        if turn.last > since and turn.number is not None
    ]
    for call in xen.events:
        if call.step < since:
            continue
        # A turn comes before the calls that are made in it, and after those of others at its step.
        while turns and turns[0].step <= call.step:
            if turns[0].step == call.step and turns[0].domain != call.domain:
                break
            found.append(turns.pop(0))
        refused = max(0, -call.result)
        part = PART_OF.get(call.call, CONTROL)
        found.append(Step(call.step, call.domain, part, False, name_of(call), refused))
    return sorted([*found, *turns, *requests(xen, since)], key=lambda one: one.step)


def requests(xen, since: int = 0) -> list[Step]:
    """Where Domain0 has asked its own devices, its disk and its console.

    Exits are noted by the instructions that Domain0 had executed; its turns on the hart say at
    which steps of the machine that was.
    """
    if xen.domains[0].kind != "pv":
        return []
    asked = [
        one.steps
        for one in xen.machines[0].exits
        if one.reason == ExitReason.HYPERCALL and one.detail == NOTIFY
    ]
    found, executed = [], xen.domains[0].credit.run_steps
    for turn in reversed([turn for turn in xen.turns if turn.number == 0]):
        before = executed - (turn.last - turn.first)
        for steps in asked:
            at = turn.first + steps - before
            if before <= steps < executed and at >= since:
                found.append(Step(at, 0, HARDWARE, False, "NOTIFY its disk", 0))
        executed = before
    return found


def name_of(call) -> str:
    """A call's name, such as "EVENT SEND"; its number where it has none."""
    group = abi.CALLS.get(call.call, f"call {call.call}")
    names = NAMES.get(call.call, ())
    if call.call == abi.SHARED or not 0 <= call.op < len(names):
        return group
    return f"{group} {names[call.op]}"
