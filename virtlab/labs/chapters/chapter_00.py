"""Exercises of chapter 00, the start page: run something, and count."""

from virtlab import guests
from virtlab.hypervisors import (
    BinaryTranslation,
    HardwareAssisted,
    Paravirt,
    TrapAndEmulate,
)
from virtlab.labs.exercise import Choice, Draw, Exercise, Number
from virtlab.machine import Machine

COMMANDS = ("echo hi", "ls /bin", "cat readme", "ps", "uptime", "free", "grep programs readme")
WORK = ("echo hi", "ls /bin", "nullsys 300", "forkwait 5", "devread 300")
STEPPING_IN = (TrapAndEmulate, BinaryTranslation, Paravirt, HardwareAssisted)


def boot(kind, command: str, **settings):
    """pith on a machine of `kind` with 16 MiB, run until the command is done and power is off."""
    image = "pith_pv" if kind is Paravirt else "pith"
    settings = {"ram": "16M", "firmware": "sbi", "record": False} | settings
    m = kind(disk=guests.disk("pith"), append=command, **settings)
    m.load(guests.path(image)).run(40_000_000)
    return m


def exceptions(draw: Draw) -> int:
    """Traps of a whole run that were no interrupts."""
    counted = boot(Machine, draw.command).counters["traps"]
    return sum(n for cause, n in counted.items() if "interrupt" not in cause)


def all_traps(draw: Draw) -> int:
    """Exceptions and interrupts of the same run."""
    return sum(boot(Machine, draw.command).counters["traps"].values())


def fewest(draw: Draw) -> str:
    """The technique with the fewest exits for a command."""
    exits = {kind.technique: boot(kind, draw.command).n_exits for kind in STEPPING_IN}
    return min(exits, key=exits.get)


def register_reads(draw: Draw) -> int:
    """Exits that reading a device's register more often costs more."""
    kind = next(kind for kind in STEPPING_IN if kind.technique == draw.technique)
    few, many = (boot(kind, f"devread {n}").n_exits for n in (draw.few, draw.few + draw.more))
    return many - few


EXERCISES = [
    Exercise(
        id="00.1",
        grade=1,
        title="Who has to step in least?",
        text=lambda d: (
            f"pith boots with 16 MiB, runs `{d.command}` and switches itself off. "
            "Under which technique are there fewest exits?"
        ),
        draw=lambda rng: {"command": rng.choice(WORK)},
        kind=Choice(
            options=lambda d: [kind.technique for kind in STEPPING_IN],
            value=fewest,
            hints=lambda d: {
                "trap-and-emulate": "There every privileged instruction of the kernel exits.",
                "binary-translation": "It saves exits for instructions, not those for memory.",
                "paravirt": "It asks seldom, but its programs' calls all pass the hypervisor. "
                "How many system calls are made here?",
                "hardware-assisted": "No system call exits there, but each access to a device "
                "does. How many of those are there?",
            },
        ),
        step=lambda d: (
            f"Boot it under each: `kind(ram='16M', firmware='sbi', disk=guests.disk('pith'), "
            f"append='{d.command}')`, load the image, run, and compare `n_exits`."
        ),
    ),
    Exercise(
        id="00.2",
        grade=1,
        title="Exceptions of a whole run",
        text=lambda d: (
            f"pith boots on the bare machine with 16 MiB, runs `{d.command}` and switches itself "
            "off. How many exceptions are there, that is, traps that are no interrupts?"
        ),
        draw=lambda rng: {"command": rng.choice(COMMANDS)},
        kind=Number(
            value=exceptions,
            unit="exceptions",
            mistakes=(
                (lambda right, d: all_traps(d), "These are all traps: interrupts are among them."),
                (
                    lambda right, d: all_traps(d) - right,
                    "These are the interrupts; the others are asked for.",
                ),
            ),
        ),
        because=lambda d: "Most are system calls: a trap that the program asks for.",
        step=lambda d: (
            "`machine.counters['traps']` has a number for each cause; the causes of interrupts "
            "have the word interrupt in their names. Add up the others."
        ),
    ),
    Exercise(
        id="00.3",
        grade=1,
        title="What a device costs",
        text=lambda d: (
            "The program `devread n` reads a register of the disk n times. Under "
            f"{d.technique}, how many exits more does pith take with `devread "
            f"{d.few + d.more}` than with `devread {d.few}` (16 MiB of RAM)?"
        ),
        draw=lambda rng: {
            "technique": rng.choice(
                ("trap-and-emulate", "binary-translation", "hardware-assisted")
            ),
            "few": rng.randrange(100, 500),
            "more": rng.randrange(40, 400),
        },
        kind=Number(
            value=register_reads,
            unit="exits",
            mistakes=(
                (
                    lambda right, d: 0,
                    "A device is an address that no table maps, under every technique.",
                ),
                (
                    lambda right, d: 2 * d.more,
                    "An exit is the way out and back; it is counted once.",
                ),
                (
                    lambda right, d: d.few + d.more,
                    "That is all reads of the longer run; how many more are they?",
                ),
            ),
        ),
        because=lambda d: "The program reads the register itself, and each read is one exit.",
        step=lambda d: (
            "Boot both with the command in `append`, subtract `n_exits`, and divide by the reads "
            "that the second makes more."
        ),
    ),
]
