"""What is a third-generation machine? Popek and Goldberg's formal model, and the PDP-10's flaw.

A state is (E, M, P, R): executable storage, mode, program counter, relocation-bounds register. An
address a of a program is word base + a of storage if a < bound; else the access is a memory trap.
Beside them stands a device that can be started, since a monitor owns devices too. One accumulator
and three words of storage are what a program sees. Relocating a program means moving its words and
its base together; a program must not notice.

| instruction | what it does |
|---|---|
| load, store, add | accumulator and the word at address 1 |
| jump, jump if zero | to address 2 |
| load psw | mode, pc, base and bound from the words at 0; privileged |
| store bounds | base into the accumulator; privileged |
| start io | start the device; privileged |
| halt | stop the processor; privileged |
| call supervisor | trap, in either mode |
| jrst 1 | PDP-10: jump and go to user mode; in user mode just a jump |

`store bounds, unprotected` is the same without the protection: the smallest machine on which a
program can see where it is.

Source: Popek and Goldberg 1974; for JRST 1 Bugnion, Nieh and Tsafrir 2017, chapter 2.
"""

from dataclasses import dataclass, replace

from virtlab.published.sensitive import MEMORY_TRAP, USER, Effect, Processor

PRIVILEGED = ("load psw", "store bounds", "start io", "halt")
INSTRUCTIONS = (
    "load", "store", "add", "jump", "jump if zero", *PRIVILEGED, "call supervisor",
)  # fmt: skip
RESOURCES = ("mode", "base", "bound", "device", "halted")


@dataclass(frozen=True)
class State:
    """The machine: `words` are the program's own, wherever `base` has put them."""

    mode: str
    base: int
    bound: int
    words: tuple[int, ...]
    accumulator: int = 0
    pc: int = 0
    device: int = 0
    halted: int = 0


def execute(name: str, program: tuple, setting: tuple, mode: str) -> Effect:
    """Execute one instruction of a program (accumulator, words) at (base, bound, device)."""
    accumulator, words = program
    base, bound, device = setting
    before = State(mode, base, bound, words, accumulator, device=device)
    if (name in PRIVILEGED and mode == USER) or name == "call supervisor":
        return Effect(trap="trap")
    if bound < 3:
        return Effect(trap=MEMORY_TRAP)
    after = replace(before, **step(name, before))
    changed = {
        (key, getattr(after, key))
        for key in RESOURCES
        if getattr(after, key) != getattr(before, key)
    }
    return Effect((after.accumulator, after.words, after.pc), frozenset(changed))


def step(name: str, now: State) -> dict:
    """The fields that an instruction changes."""
    here, there = {"pc": now.pc + 1}, {"pc": 2}
    words = now.words
    match name:
        case "load":
            return here | {"accumulator": words[1]}
        case "store":
            return here | {"words": (words[0], now.accumulator, words[2])}
        case "add":
            return here | {"accumulator": now.accumulator + words[1]}
        case "jump":
            return there
        case "jump if zero":
            return there if now.accumulator == 0 else here
        case "load psw":
            return {"mode": USER, "base": words[0], "bound": words[1], "pc": words[2]}
        case "store bounds" | "store bounds, unprotected":
            return here | {"accumulator": now.base}
        case "start io":
            return here | {"device": now.device + 1}
        case "halt":
            return here | {"halted": 1}
        case "jrst 1":
            return there | {"mode": USER}
    raise ValueError(f"no instruction {name!r}; there are {', '.join(INSTRUCTIONS)}.")


def machine(*extra: str, name: str = "third generation") -> Processor:
    """The model machine with `extra` instructions."""
    programs = tuple((accumulator, (40, 7, 5)) for accumulator in (0, 3))
    settings = ((8, 8, 0), (24, 8, 0), (8, 6, 0), (8, 8, 9), (8, 2, 0))
    return Processor(name, (*INSTRUCTIONS, *extra), programs, settings, execute)


MODEL_MACHINE = machine()
PDP_10 = machine("jrst 1", name="PDP-10")
