"""Exercises of chapter 06, Xen: shares and caps, a grant, rounds of a migration."""

import functools

from virtlab.isa.assembler import assemble
from virtlab.labs.exercise import Choice, Draw, Exercise, Number
from virtlab.platforms.xen import Kernel, Program, Xen, abi
from virtlab.platforms.xen.pre_copy import plan

BASE = 0x8020_0000
ENTRY = ".globl paravirt_abi_1\nparavirt_abi_1:\n"


@functools.cache
def kernels() -> dict:
    """A Domain0 that waits, a domain that computes, and one that is a Python program."""
    texts = {"idle": "again: li a7, 5\necall\nj again", "hog": "again: addi s0, s0, 1\nj again"}
    made = {name: Kernel(assemble(ENTRY + text, base=BASE)) for name, text in texts.items()}
    return made | {"python": Kernel(Program())}


def machine() -> Xen:
    """Xen with a Domain0 that waits, and a short millisecond."""
    settings = {"ram": "64M", "domain0": "idle", "domain0_ram": "4M", "steps_per_tick": 1}
    return Xen(kernels=kernels(), record=False, **settings)


def started(xen: Xen, kernel: str, **settings):
    """A new domain of 4 MiB that runs."""
    number = xen.control.create(kernel, kernel, "4M", **settings)
    xen.control.unpause(number)
    return xen.domains[number]


def share_of_b(draw: Draw) -> float:
    """Per cent of the hart that domain b has had in ten seconds."""
    xen = machine()
    started(xen, "hog", weight=draw.a, **({"cap": draw.cap} if draw.cap else {}))
    b = started(xen, "hog", weight=draw.b)
    xen.run(10_000)
    return 100 * b.credit.run_steps / xen.now


# 06.11: what a grant allows

WRITABLE, READABLE = "the page appears, writable", "the page appears, to be read only"
REFUSED, NO_ENTRY = "refused: access is not granted", "refused: there is no such grant"
TABLE_PAGE, GIVEN_PAGE = Xen.first_gfn + 768, Xen.first_gfn + 769


def map_of(draw: Draw) -> str:
    """What the hypervisor answers to MAP."""
    xen = machine()
    a, b, c = (started(xen, "python") for _ in range(3))
    xen.call(a.number, abi.GRANT, abi.SETUP, TABLE_PAGE)
    flags = (abi.PERMIT if draw.permit else 0) | (abi.READ_ONLY if draw.entry_read_only else 0)
    entry = abi.GRANT_ENTRY.pack(flags, b.number, GIVEN_PAGE)
    xen.write(a, (TABLE_PAGE << 12) + abi.GRANT_ENTRY.size * 5, entry)
    caller = b if draw.for_caller else c
    wanted = abi.MAP_READ_ONLY if draw.ask_read_only else 0
    granter = a if draw.has_table else c
    answer = xen.call(caller.number, abi.GRANT, abi.MAP, granter.number, 5, wanted)
    if answer >= 0:
        return READABLE if draw.ask_read_only else WRITABLE
    return NO_ENTRY if answer == -abi.NO_ENTRY else REFUSED


def draw_grant(rng) -> dict:
    """An entry, and who asks for what."""
    return {
        "permit": rng.random() < 0.85,
        "entry_read_only": rng.random() < 0.5,
        "for_caller": rng.random() < 0.75,
        "ask_read_only": rng.random() < 0.5,
        "has_table": rng.random() < 0.85,
    }


def grant_text(d: Draw) -> str:
    """The question of 06.11."""
    caller, granter = ("B" if d.for_caller else "C"), ("A" if d.has_table else "C")
    return (
        "Domain A has a grant table; entry 5 names domain B and a page of A's. The entry has "
        + ("PERMIT" if d.permit else "no PERMIT")
        + (" and READ_ONLY. " if d.entry_read_only else ", and no READ_ONLY. ")
        + ("" if d.has_table else "Domain C has no grant table. ")
        + f"Domain {caller} asks to MAP reference 5 of domain {granter}, "
        + ("to be read only. " if d.ask_read_only else "writable. ")
        + "What does it get?"
    )


def n_rounds(draw: Draw) -> int:
    """Rounds of a migration, the stop and copy among them."""
    return len(plan(draw.memory, draw.working, draw.tau).seconds)


EXERCISES = [
    Exercise(
        id="06.10",
        grade=1,
        title="Weight and cap",
        text=lambda d: (
            f"Two domains compute all the time on one hart. a has the weight {d.a}"
            + (f" and a cap of {d.cap} %" if d.cap else "")
            + f", b the weight {d.b} and no cap. What part of the hart does b get?"
        ),
        draw=lambda rng: {
            "a": rng.choice((128, 256, 512, 768)),
            "b": rng.choice((128, 256, 512)),
            "cap": rng.choice((0, 10, 20, 30, 60)),
        },
        kind=Number(
            value=share_of_b,
            unit="%",
            tolerance=0.03,
            mistakes=(
                (
                    lambda right, d: 100 * d.b / (d.a + d.b),
                    "That is by weight. Does a's cap leave more?",
                ),
                (lambda right, d: 100 - right, "That is what a gets."),
                (
                    lambda right, d: 100.0 - d.cap if d.cap else -1.0,
                    "A cap is a bound. By weight a does not even get that much.",
                ),
                (lambda right, d: 50.0, "Equal parts are for equal weights."),
            ),
        ),
        because=lambda d: "a gets the smaller of its share by weight and its cap; b has the rest.",
        step=lambda d: (
            f"By weight a would get {d.a} of {d.a + d.b}."
            + (f" Its cap is {d.cap} %: the smaller holds." if d.cap else "")
            + " Nobody idles while b can run."
        ),
    ),
    Exercise(
        id="06.11",
        grade=2,
        title="What a grant allows",
        text=grant_text,
        draw=draw_grant,
        kind=Choice(
            options=lambda d: [WRITABLE, READABLE, REFUSED, NO_ENTRY],
            value=map_of,
            hints=lambda d: {
                WRITABLE: "Does the entry permit, for this domain, and writing?",
                READABLE: "Nothing is turned into less than was asked for: yes or no.",
                REFUSED: "Does the caller ask for more than the entry says, or for another's?",
                NO_ENTRY: "There is an entry; does it permit what is asked for?",
            },
        ),
        because=lambda d: "The hypervisor looks: table, PERMIT, the domain, then the right.",
        step=lambda d: (
            "Ask in this order: has the named domain a grant table? Has the entry PERMIT, and is "
            "the caller the domain in it? Is writing asked for and READ_ONLY set?"
        ),
    ),
    Exercise(
        id="06.12",
        grade=1,
        title="Rounds of a migration",
        text=lambda d: (
            f"A domain of {d.memory} MB has a working set of {d.working} MB and writes as many "
            f"pages as that in {d.tau} s. How many rounds does "
            f"`pre_copy.plan({d.memory}, {d.working}, {d.tau})` foresee, the stop and copy among "
            "them?"
        ),
        draw=lambda rng: {
            "memory": rng.choice((64, 128, 256, 512, 1024)),
            "working": rng.choice((1, 2, 4, 8, 16, 32)),
            "tau": rng.choice((1, 2, 5, 10, 60, 600)),
        },
        kind=Number(
            value=n_rounds,
            unit="rounds",
            mistakes=(
                (lambda right, d: right - 1, "The stop and copy is a round as well."),
                (lambda right, d: 1, "What is written while the first round runs is sent again."),
            ),
        ),
        because=lambda d: "It ends when little is left, or when the network cannot keep up.",
        step=lambda d: (
            "`from virtlab.platforms.xen import pre_copy`; the plan's `seconds` has an entry for "
            "each round."
        ),
    ),
]
