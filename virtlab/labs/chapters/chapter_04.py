"""Exercises of chapter 04, hardware assistance: what still exits, and walks in two dimensions."""

import functools

from virtlab import cost, guests
from virtlab.hypervisors import BinaryTranslation, ExitReason, HardwareAssisted, TrapAndEmulate
from virtlab.labs.chapters.chapter_00 import boot
from virtlab.labs.chapters.chapter_02 import HANDLER_START, WANTS_HANDLER
from virtlab.labs.exercise import Choice, Code, Draw, Exercise, Explanation, Number
from virtlab.labs.judge import load, run_to
from virtlab.machine import Machine
from virtlab.published.walk_references import count_references

POLICIES = ("flush", "lazy", "trace", "eager")
LEVELS = {"Sv39": 3, "Sv48": 4, "Sv57": 5}
NESTED = {"Sv39x4": 3, "Sv48x4": 4, "Sv57x4": 5}
CONTROLS = (("wfi",), ("ecall",), ("sret",), ("sret", "ecall"), ("wfi", "sret", "ecall"))


def best_policy(draw: Draw) -> str:
    """The policy with the fewest exits in the first generation."""
    settings = {"paging": "shadow"}
    exits = {
        p: boot(HardwareAssisted, draw.command, policy=p, **settings).n_exits for p in POLICIES
    }
    return min(exits, key=exits.get)


def references(draw: Draw) -> int:
    """Entries that a walk reads, by walking tables and counting."""
    leaf = 1 if draw.large else 0
    return int(count_references(LEVELS[draw.guest], NESTED[draw.nested], nested_leaf=leaf))


def first_touches(draw: Draw) -> int:
    """Exits of a guest that reads the same pages again and again."""
    text = f"""
        li    a0, {draw.rounds}
round:  li    t0, 0x80010000
        li    t1, {draw.pages}
        li    t2, 4096
page:   ld    a1, 0(t0)
        add   t0, t0, t2
        addi  t1, t1, -1
        bnez  t1, page
        csrw  sscratch, a1
        addi  a0, a0, -1
        bnez  a0, round
done:   j     done
"""
    m = load(HardwareAssisted, text, firmware="sbi")
    run_to(m, "done")
    return m.n_exits


def large_touches(draw: Draw) -> int:
    """Exits of a guest that reads pages far apart, with 2 MiB pages in the second table."""
    text = f"""
        li    t0, 0x80000000
        li    t1, {draw.pages}
        li    t2, {draw.stride << 10}
page:   ld    a1, 0(t0)
        add   t0, t0, t2
        addi  t1, t1, -1
        bnez  t1, page
done:   j     done
"""
    settings = {"ram": "32M", "firmware": "sbi", "large_pages": True}
    m = load(HardwareAssisted, text, **settings)
    run_to(m, "done")
    return m.n_exits


TECHNIQUES = {
    "trap-and-emulate": (TrapAndEmulate, {}),
    "binary-translation": (BinaryTranslation, {}),
    "hardware-assisted, shadow": (HardwareAssisted, {"paging": "shadow"}),
    "hardware-assisted, nested": (HardwareAssisted, {}),
}


def cheapest(draw: Draw) -> str:
    """The technique that takes fewest cycles for a command, at a processor's prices."""
    slowdown = cost.compare(counts_of(draw.command), cost.complete(draw.processor)).slowdown
    return min(TECHNIQUES, key=slowdown.get)


@functools.cache
def counts_of(command: str) -> dict:
    """What happened under each technique, and on the bare machine."""
    kinds = TECHNIQUES | {"bare": (Machine, {})}
    machines = {name: boot(kind, command, **settings) for name, (kind, settings) in kinds.items()}
    return {name: cost.counts_of(m) for name, m in machines.items()}


def exits_by_choice(draw: Draw) -> int:
    """Exits more for more system calls, with some controls set."""
    few, many = (
        boot(HardwareAssisted, f"nullsys {n}", exits_on=draw.controls).n_exits
        for n in (200, 200 + draw.calls)
    )
    return many - few


def try_note_waits(candidate, draw: Draw) -> str | None:
    """04.5: waits holds the guest's step of each wfi."""
    vm = HardwareAssisted(
        ram="16M", disk=guests.disk("pith"), append=draw.command, record=False
    ).load(guests.path("pith"))
    right: list[int] = []

    def handler(vcpu, exit):
        right.append(exit.steps)
        return candidate.handle(vcpu, exit)

    vm.handle(ExitReason.WFI, handler)
    stop = vm.run(20_000_000)
    if stop.reason != "exit" or vm.exit_code != 0:
        return f"pith did not come to its end: {stop.detail}. Does the handler answer HANDLE?"
    given = candidate.read("waits")
    if not isinstance(given, list):
        return "There is no list with the name waits."
    if given == right:
        return None
    if len(given) == len(right):
        return "As many entries as waits, but they are not the guest's steps (exit.steps)."
    times = "once" if len(right) == 1 else f"{len(right)} times"
    return f"The guest waited {times}, and waits has {len(given)} entries."


EXERCISES = [
    Exercise(
        id="04.1",
        grade=1,
        title="Which policy for the first generation?",
        text=lambda d: (
            f"With paging='shadow', which policy has the fewest exits for `{d.command}` (16 MiB)?"
        ),
        draw=lambda rng: {"command": rng.choice(("ctxsw 200", "forkwait 20", "ptemod", "pgfault"))},
        kind=Choice(
            options=lambda d: list(POLICIES),
            value=best_policy,
            hints=lambda d: {
                "flush": "A flush drops what was still right, and every page of it faults again.",
                "lazy": "Every fence exits here. Are the tables changed more often than used?",
                "trace": "Each store to a table exits. How often is one changed and not used?",
                "eager": "It fills entries at once. Are they used before they change again?",
            },
        ),
        step=lambda d: (
            f"Boot HardwareAssisted with `append='{d.command}'`, paging='shadow' and each policy, "
            "and compare `n_exits`."
        ),
    ),
    Exercise(
        id="04.2",
        grade=1,
        title="References of a nested walk",
        text=lambda d: (
            f"How many entries does one walk read, with {d.guest} in the guest over {d.nested}"
            + (" with 2 MiB pages in the second table" if d.large else "")
            + ", if no cache helps?"
        ),
        draw=lambda rng: {
            "guest": rng.choice(tuple(LEVELS)),
            "nested": rng.choice(tuple(NESTED)),
            "large": rng.random() < 0.4,
        },
        kind=Number(
            value=references,
            unit="references",
            mistakes=(
                (
                    lambda right, d: LEVELS[d.guest] + NESTED[d.nested],
                    "The entries of the guest's table lie at addresses that are translated, too.",
                ),
                (
                    lambda right, d: LEVELS[d.guest] * NESTED[d.nested],
                    "The guest's entries themselves are read, and the page's address comes last.",
                ),
                (
                    lambda right, d: (LEVELS[d.guest] + 1) * (NESTED[d.nested] + 1) - 1,
                    "A page of 2 MiB ends the walk of the second table one level earlier.",
                ),
                (lambda right, d: right + 1, "The page itself is not an entry."),
            ),
        ),
        because=lambda d: "Each guest entry needs a nested walk and a read; the page needs one.",
        step=lambda d: (
            f"{d.guest} has {LEVELS[d.guest]} levels. For each of them walk the second table, then "
            "read the guest's entry. At the end walk the second table once more, for the page."
        ),
    ),
    Exercise(
        id="04.3",
        grade=2,
        title="Why hgatp may be zero",
        text=lambda d: (
            "In `enter_guest`, shadow paging sets `hart.hgatp = 0`. Why may the guest not reach "
            "other memory then?"
        ),
        kind=Explanation(
            (
                "With hgatp off, what the first table gives is a host physical address.",
                "The first table is the shadow, which only the hypervisor writes.",
                "The shadow is filled with the guest's own pages only.",
            )
        ),
        step=lambda d: "",
    ),
    Exercise(
        id="04.4",
        grade=2,
        title="Two kinds of sret",
        text=lambda d: (
            "The guest's `sret` is not an exit, and the hypervisor's `sret` enters a guest. What "
            "tells the two apart?"
        ),
        kind=Explanation(
            (
                "V, the virtualization mode, tells them apart.",
                "In VS-mode sret uses vsstatus and vsepc and leaves V alone.",
                "In HS-mode it takes the new V from hstatus.SPV.",
            )
        ),
        step=lambda d: "",
    ),
    Exercise(
        id="04.5",
        grade=3,
        title="Note the waits",
        text=lambda d: (
            "Write a handler for WFI that appends `exit.steps` to the list `waits` at each wait, "
            "and lets the built-in handler do the rest."
        ),
        kind=Code(
            form="handler",
            trial=try_note_waits,
            start="waits = []\n\n\n" + HANDLER_START,
            wants=WANTS_HANDLER,
            draw=lambda rng: {"command": rng.choice(("sleep 1", "sleep 2", "sleep 1; sleep 1"))},
            n_trials=3,
            empty=("waits",),
        ),
        because=lambda d: "Nobody wants to run while the program sleeps, so the kernel waits.",
        step=lambda d: "`waits.append(exit.steps)`, and then the answer Action.HANDLE.",
    ),
    Exercise(
        id="04.9",
        grade=2,
        title="What memory still costs",
        text=lambda d: (
            "Under hardware assistance with nested paging, a guest kernel of one page of code "
            f"reads {d.pages} pages of data, and writes `sscratch`, in each of {d.rounds} rounds. "
            "How many exits are there in all?"
        ),
        draw=lambda rng: {"pages": rng.randrange(2, 60), "rounds": rng.randrange(2, 30)},
        kind=Number(
            value=first_touches,
            unit="exits",
            mistakes=(
                (lambda right, d: d.pages, "The code is in memory as well."),
                (
                    lambda right, d: d.pages * d.rounds,
                    "A page is entered into the second table once, and stays there.",
                ),
                (
                    lambda right, d: d.pages + 1 + d.rounds,
                    "In VS-mode sscratch means vsscratch, which is the guest's own.",
                ),
                (
                    lambda right, d: (d.pages + 1) * d.rounds,
                    "A page is entered into the second table once, and stays there.",
                ),
            ),
        ),
        because=lambda d: "One for each page that is touched for the first time, code included.",
        step=lambda d: (
            "Go through what could exit. The register: no, it is the guest's. A page that was used "
            "before: no. So the first touch of each page is left: of code, and of data."
        ),
    ),
    Exercise(
        id="04.10",
        grade=2,
        title="Exits by choice",
        text=lambda d: (
            f"With exits_on={d.controls!r}, how many exits more does `nullsys {200 + d.calls}` "
            "take than `nullsys 200` (pith, 16 MiB, nested paging)?"
        ),
        draw=lambda rng: {"controls": rng.choice(CONTROLS), "calls": rng.randrange(100, 600)},
        kind=Number(
            value=exits_by_choice,
            unit="exits",
            mistakes=(
                (
                    lambda right, d: d.calls if len(d.controls) != 1 else 0,
                    "Which of the controls does a system call meet, on its way in and back?",
                ),
                (
                    lambda right, d: 2 * d.calls,
                    "Which of the controls does a system call meet, on its way in and back?",
                ),
                (lambda right, d: 3 * d.calls, "A system call does not wait: no wfi is executed."),
            ),
        ),
        because=lambda d: "A call is one ecall and one sret; what is not chosen does not exit.",
        step=lambda d: (
            "Write down what one system call executes that could exit: the program's ecall, the "
            "kernel's sret. Of these count those in exits_on, and multiply by the calls."
        ),
    ),
    Exercise(
        id="04.11",
        grade=2,
        title="First touches of large pages",
        text=lambda d: (
            "With large_pages=True the second table maps 2 MiB at a time. A guest kernel of one "
            f"page, at 0x8000_0000, reads one word at that address and then every {d.stride} KiB, "
            f"{d.pages} words in all. How many exits are there?"
        ),
        draw=lambda rng: {
            "pages": rng.randrange(8, 30),
            "stride": rng.choice((256, 512, 640, 1024)),
        },
        kind=Number(
            value=large_touches,
            unit="exits",
            mistakes=(
                (lambda right, d: d.pages, "Several of these words lie in the same 2 MiB."),
                (
                    lambda right, d: right + 1,
                    "The code lies in the first 2 MiB, and so does the first word.",
                ),
                (lambda right, d: right - 1, "Do not forget the last, half-used 2 MiB."),
            ),
        ),
        because=lambda d: "One for each 2 MiB that is touched.",
        step=lambda d: (
            f"The last word lies {d.pages - 1} times {d.stride} KiB behind the first. In which "
            "2 MiB is that, if the first 2 MiB are number 1?"
        ),
    ),
    Exercise(
        id="04.12",
        grade=1,
        title="Which is cheapest?",
        text=lambda d: (
            f"pith with 16 MiB runs `{d.command}`. At the prices of the processor "
            f"{d.processor!r}, which technique takes the fewest cycles?"
        ),
        draw=lambda rng: {
            "command": rng.choice(("forkwait 20", "nullsys 2000", "ptemod", "devread 2000")),
            "processor": rng.choice(("prescott", "westmere", "haswell")),
        },
        kind=Choice(
            options=lambda d: list(TECHNIQUES),
            value=cheapest,
            hints=lambda d: {
                "trap-and-emulate": "How many exits has it, and what is one worth here?",
                "binary-translation": "Translating has a price, which a short run hardly earns.",
                "hardware-assisted, shadow": "It still keeps a shadow, by exits of the hardware.",
                "hardware-assisted, nested": "Few exits are left. But what does one cost there?",
            },
        ),
        because=lambda d: "Counts say how often, prices how long.",
        step=lambda d: (
            "`cost.compare({name: cost.counts_of(m), ...}, cost.complete("
            f'"{d.processor}")).slowdown` has a number for each, with the bare machine among them.'
        ),
    ),
]
