"""What does a player show of a machine? Its state and its page walks, as plain JSON.

The machine in the page (static/machine_view.js) makes the same JSON of the same machine; a test
runs both and compares.
"""

import re

from virtlab.explore.drawing import count, grouped_hex
from virtlab.explore.figures.exit_words import reason_words
from virtlab.explore.figures.timeline import describe
from virtlab.hypervisors import exits as x
from virtlab.hypervisors.exits import ExitReason
from virtlab.hypervisors.virtual_machine import MEMORY_REASONS
from virtlab.machine import Event
from virtlab.machine.views import KINDS
from virtlab.machine.walk import ACCESSES

CONSOLE_TAIL = 20_000  # characters shown
EVENTS_SHOWN = 40  # in words
EVENTS_DRAWN = 200  # in the timeline
CODE_LINES, CODE_BEFORE = 14, 4

UNTIL = {
    "trap": Event.TRAP,
    "exception": Event.EXCEPTION,
    "interrupt": Event.INTERRUPT,
    "return": Event.RETURN,
    "mode": Event.MODE,
    "idle": Event.IDLE,
}
EXIT = "exit"  # what a virtual machine can be told to stop at besides
AN_EXIT = "an exit"  # how its stop is called
EXITS_SHOWN = 40  # in words
EXITS_DRAWN = 200  # in the timeline
ANSWERS = {
    x.HANDLE: "not handled yet",
    x.RESUME: "done",
    x.RETRY: "to be tried again",
    x.REFLECT: "delivered to the guest",
    x.STOP: "the run stops",
}
STAGES = {"S": "", "VS": "VS-stage ", "G": "G-stage "}
ADDRESS_BITS = (1 << 64) - 1

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x00-\x07\x0b-\x1f\x7f]")
ERASED = re.compile(r"[^\x08\n]\x08|^\x08+|(?<=\n)\x08+")  # a character and its backspace
NUMBER = re.compile(r"0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|[0-9]+(?:_[0-9]+)*")
LONGEST_NUMBER = 80  # characters


def readable(console: str) -> str:
    """Console text as it would look on a terminal: backspace erases, escape sequences vanish."""
    text = console.replace("\r\n", "\n").replace("\r", "\n")
    while "\b" in text:
        text = ERASED.sub("", text)
    return ESCAPES.sub("", text)


def state_of(machine, stop=None) -> dict:
    """What a player draws.

    steps : instructions since reset; mode, pc : strings
    reason : why the last run stopped ("budget" = there is more to run), or "still"
    sentence : the same in words
    registers : list of [name, hexadecimal value]
    code : list of [address, instruction, is this pc]
    console : the last CONSOLE_TAIL characters
    events : list of [instruction, what happened], newest first
    trace : for the timeline, list of [instruction, index in KINDS, mode before, mode after],
        oldest first
    since : the instruction from which on `trace` is complete

    A virtual machine's has also what `exits_of` gives.
    """
    trace = machine.last_events(EVENTS_DRAWN)
    return {
        "steps": machine.steps,
        "mode": machine.mode,
        "pc": grouped_hex(machine.pc),
        "reason": stop.reason if stop else "still",
        "sentence": _sentence(machine, stop),
        "registers": [[name, grouped_hex(value)] for name, value in machine.registers.items()],
        "code": [
            [grouped_hex(address), text, address == machine.pc]
            for address, _, text in machine.disassemble(n=CODE_LINES, before=CODE_BEFORE)
        ],
        "console": readable(machine.console[-2 * CONSOLE_TAIL :])[-CONSOLE_TAIL:],
        "events": [
            [event.steps, f"{describe(event)}, {event.from_mode} to {event.to_mode}"]
            for event in reversed(trace[-EVENTS_SHOWN:])
        ],
        "trace": [
            [event.steps, KINDS.index(event.kind), event.from_mode, event.to_mode]
            for event in trace
        ],
        "since": trace[0].steps if len(trace) == EVENTS_DRAWN else 0,
    } | (exits_of(machine) if getattr(machine, "technique", "") else {})


def until_of(machine) -> dict:
    """What a player can tell this machine to stop at, by the front end's names."""
    return UNTIL | ({EXIT: ExitReason} if getattr(machine, "technique", "") else {})


def exits_of(vm) -> dict:
    """What a player draws of a virtual machine's exits.

    technique : str
    n_exits : int, since power-on
    exit_counts : list of [reason in words, exits], those that occurred
    exits : list of [instruction, what happened], newest first
    exit_trace : list of the instructions of the last EXITS_DRAWN exits, oldest first
    """
    n, log = vm.n_exits, vm.exit_log[-EXITS_DRAWN:]
    numbered = list(enumerate(log, n - len(log)))
    return {
        "technique": vm.technique,
        "n_exits": n,
        "exit_counts": [[reason_words(reason), k] for reason, k in vm.exit_counts.items()],
        "exits": [
            [int(row[x.EXIT_STEPS]), describe_exit(number, row)]
            for number, row in reversed(numbered[-EXITS_SHOWN:])
        ],
        "exit_trace": log[:, x.EXIT_STEPS].tolist(),
    }


def describe_exit(number: int, row) -> str:
    """An exit in words. row : its row of the exit log, see virtlab.hypervisors.exits."""
    reason, gva = int(row[x.EXIT_REASON]), int(row[x.EXIT_GVA]) & ADDRESS_BITS
    at = f" at {grouped_hex(gva)}" if reason in MEMORY_REASONS else ""
    pc = grouped_hex(int(row[x.EXIT_PC]) & ADDRESS_BITS)
    answer = ANSWERS[int(row[x.EXIT_ACTION])]
    return f"exit {number:,}: {reason_words(reason)}{at}, pc {pc}, {answer}"


def _sentence(machine, stop) -> str:
    """Why a run stopped, or else where the machine is."""
    if stop and stop.reason == "until" and stop.detail == AN_EXIT:
        what = _on_hand(machine.exit_on_hand)
    elif stop and stop.reason == "until":
        idle = stop.detail == Event.IDLE.value
        what = stop.detail if idle else describe(machine.last_events(1)[0])
    elif stop and stop.reason != "budget":
        what = stop.detail
    else:  # between two slices: the reader has paused
        return _where(machine)
    return what[0].upper() + what[1:] + "."


def _on_hand(exit) -> str:
    row = {x.EXIT_REASON: exit.reason, x.EXIT_GVA: exit.gva or 0, x.EXIT_PC: exit.pc}
    return describe_exit(exit.number, row | {x.EXIT_ACTION: exit.action})


def _where(machine) -> str:
    if machine.exit_code is not None:
        return f"The guest has ended with exit code {machine.exit_code}."
    asleep = ", waiting for an interrupt" if machine.waiting else ""
    return f"{machine.mode}-mode, pc {grouped_hex(machine.pc)}{asleep}."


def address_of(machine, text: str) -> int:
    """The address that a reader means: a number, pc, a register, or a name of the program.

    Raises
    ------
    ValueError, one sentence, if it is none of these
    """
    text = text.strip()
    if text in ("", "pc"):
        return machine.pc
    if text in machine.registers:
        return machine.registers[text]
    if text in machine.symbols:
        return machine.symbols[text] & ADDRESS_BITS
    if len(text) <= LONGEST_NUMBER and NUMBER.fullmatch(text):
        digits = text.lower().replace("_", "")
        value = int(digits, 16 if digits.startswith("0x") else 10)
        if value <= ADDRESS_BITS:
            return value
    raise ValueError(
        f"{text} is no address; accepted are a number of 64 bits such as 0x8020_0000, pc, "
        "a register's name, or a name of the program."
    )


def walk_of(machine, where: str, access: str) -> dict:
    """How the machine would translate an address now.

    address : string; access : "load", "store" or "fetch"
    rows : list of [step, table at, entry, value, flags, outcome]
    sentence : what came of it
    fault : bool
    """
    if access not in ACCESSES:
        raise ValueError(f"the access is one of {', '.join(ACCESSES)}.")
    found = machine.translate(address_of(machine, where), access)
    read = count(len(found.steps), "entry") if found.steps else "no entry"
    end = f"fault: {found.fault}" if found.fault else f"physical address {grouped_hex(found.pa)}"
    return {
        "address": grouped_hex(found.va),
        "access": access,
        "rows": [
            [
                f"{STAGES[step.stage]}level {step.level}",
                grouped_hex(step.table_pa),
                step.index,
                grouped_hex(step.pte),
                step.flags,
                step.outcome,
            ]
            for step in found.steps
        ],
        "sentence": f"{access} at {grouped_hex(found.va)}: {read} read, {end}.",
        "fault": found.fault is not None,
    }
