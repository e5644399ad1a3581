"""Exercises of chapter 03, paravirtualization: hypercalls, direct paging, several guests."""

from virtlab import guests
from virtlab.hypervisors import ExitReason, Host, Paravirt, TrapAndEmulate
from virtlab.isa.assembler import assemble
from virtlab.labs.chapters.chapter_00 import boot
from virtlab.labs.chapters.chapter_02 import HANDLER_START, WANTS_HANDLER
from virtlab.labs.exercise import Choice, Code, Draw, Exercise, Explanation, Number
from virtlab.labs.judge import BUDGET, did_not_arrive, load

IMAGE_BASE = 0x8020_0000
TECHNIQUES = {"trap-and-emulate": TrapAndEmulate, "paravirt": Paravirt}


def exits_more(draw: Draw) -> int:
    """Exits that the additional system calls cause."""
    kind = TECHNIQUES[draw.technique]
    few, many = (boot(kind, f"nullsys {n}").n_exits for n in (draw.few, draw.many))
    return many - few


def try_count_hypercalls(candidate, draw: Draw) -> str | None:
    """03.5: counted holds how often which hypercall was made."""
    vm = Paravirt(
        ram="16M", disk=guests.disk("pith"), append=f"nullsys {draw.calls}", record=False
    ).load(guests.path("pith_pv"))
    right: dict[int, int] = {}

    def handler(vcpu, exit):
        right[exit.detail] = right.get(exit.detail, 0) + 1
        return candidate.handle(vcpu, exit)

    vm.handle(ExitReason.HYPERCALL, handler)
    stop = vm.run(5_000_000)
    if stop.reason != "exit" or vm.exit_code != 0:
        return f"pith did not come to its end: {stop.detail}. Does the handler answer HANDLE?"
    given = candidate.read("counted")
    if not isinstance(given, dict):
        return "There is no dict with the name counted."
    if given == right:
        return None
    if not given:
        return "counted is empty at the end; the handler is called for each hypercall."
    if list(given.values()) and sum(v for v in given.values() if type(v) is int) == sum(
        right.values()
    ):
        return "The sum is right; the keys are not the numbers of the hypercalls (exit.detail)."
    return f"{len(right)} different hypercalls were made; counted does not agree with how often."


def draw_numbers(rng) -> dict:
    """Hypercalls that exist and do no harm, and others that do not exist."""
    n = rng.randrange(0, 12)
    return {"numbers": [rng.choice((0, 0, 8, 50, 99, 1 << 40)) for _ in range(n)]}


LIST = 0x8030_0000


def try_ask(text: str, draw: Draw) -> str | None:
    """03.9: make the hypercalls of a list, count in s0 how many are refused, and shut down."""
    vm = Paravirt(ram="4M", record=False).load(assemble(text, base=IMAGE_BASE))
    words = [len(draw.numbers), *draw.numbers]
    vm.memory.write(LIST, b"".join(w.to_bytes(8, "little") for w in words))
    stop = vm.run(BUDGET)
    if stop.reason != "exit":
        return did_not_arrive(stop, "the kernel")
    if vm.exit_code != 0:
        return f"The kernel ended with exit code {vm.exit_code}; SHUTDOWN (7) with a0 = 0 gives 0."
    asked = [e.detail for e in vm.exits if e.reason is ExitReason.HYPERCALL]
    refused = sum(1 for n in draw.numbers if n != 0)
    if asked != [*draw.numbers, 7]:
        return (
            f"The list has {len(draw.numbers)} numbers and {len(asked)} hypercalls were made, "
            "SHUTDOWN among them; they have to be those of the list, in its order."
        )
    given = vm.registers["s0"]
    if given != refused:
        return f"s0 is {given} at the end; an answer below zero is a refusal."
    return None


# 03.10: what a change of the tables may do, tried

DONE, REFUSED = "it is done", "it is refused"


def draw_update(rng) -> dict:
    """A leaf entry of the kernel's own table, and what shall stand in it."""
    target = rng.choice(("table", "own", "foreign"))
    page = {
        "table": 0x8000_1000 + (rng.randrange(3) << 12),
        "own": 0x8010_0000 + (rng.randrange(64) << 12),
        "foreign": 0x8040_0000 + (rng.randrange(64) << 12),
    }[target]
    return {"page": page, "write": rng.random() < 0.6}


def update_of(draw: Draw) -> str:
    """What the hypervisor answers to the change."""
    flags = 0xD7 if draw.write else 0xD3  # D A U (W) R V
    text = f"""
        .globl paravirt_abi_1
paravirt_abi_1:
        la    a0, request
        li    a1, 1
        li    a7, 2
        ecall
        mv    s0, a0
        li    a7, 7
        li    a0, 0
        ecall
        .balign 16
request: .dword 0x80003400, {draw.page >> 12 << 10 | flags}
"""
    vm = load(Paravirt, text, ram="4M", base=IMAGE_BASE)
    vm.run(BUDGET)
    return DONE if vm.registers["s0"] == 1 else REFUSED


# 03.11: a policy

TURN = 1000  # instructions
N_TURNS = 120


def draw_machines(rng) -> dict:
    n = rng.randrange(2, 5)
    weights = [rng.randrange(1, 6) for _ in range(n)]
    short = rng.randrange(n) if n > 2 else -1
    return {"weights": weights, "short": short, "turns": rng.randrange(5, 15)}


def try_policy(candidate, draw: Draw) -> str | None:
    """03.11: virtual machines on one hart; each gets time by its weight."""
    n = len(draw.weights)
    host = Host(ram=f"{16 * n}M")
    vms = []
    for k in range(n):
        n_rounds = draw.turns * TURN // 2 if k == draw.short else 1 << 40
        text = f"li a0, {n_rounds}\nloop: addi a0, a0, -1\nbnez a0, loop\n"
        text += "li t0, 0x100000\nli t1, 0x5555\nsw t1, 0(t0)\n"
        vms.append(TrapAndEmulate(ram="1M", host=host).load(assemble(text)))
    ran, ready = [0] * n, list(range(n))
    for turn in range(N_TURNS):
        k = candidate.call(list(ready), list(draw.weights), list(ran))
        if type(k) is not int:
            return f"The policy answered {k!r:.40}; the number of a virtual machine is asked for."
        if k not in ready:
            return f"In turn {turn} the policy chose {k}, which is not in ready, {ready}."
        stop = vms[k].run(TURN)
        ran[k] = int(vms[k].steps)
        if stop.reason != "budget":
            ready.remove(k)
    return _unfair(draw, ran, ready)


def _unfair(draw: Draw, ran: list[int], ready: list[int]) -> str | None:
    """Whether a machine that wanted to run all the time is far from its share."""
    due = {k: ran[k] / draw.weights[k] for k in ready}
    first, last = max(due, key=due.get), min(due, key=due.get)
    if ran[last] == 0:
        return f"Of the weights {draw.weights} machine {last} has never run in {N_TURNS} turns."
    slack = 2 * TURN / min(draw.weights[first], draw.weights[last])
    if due[first] - due[last] <= slack:
        return None
    return (
        f"With the weights {draw.weights} machine {first} ran {ran[first]:,} instructions and "
        f"machine {last} {ran[last]:,}: that is not in proportion, by more than two turns."
    )


EXERCISES = [
    Exercise(
        id="03.3",
        grade=2,
        title="Why the kind is set first",
        text=lambda d: (
            "`pin` in `direct_paging.py` sets the page's kind before it looks at the entries, and "
            "takes it back if one is refused. Why not afterwards?"
        ),
        kind=Explanation(
            (
                "A table of level 0 may have an entry that maps the table itself, writable.",
                "Looked at while the page is still ordinary, that entry is in order.",
                "Afterwards the page would be a table and writable, against rule 2.",
            )
        ),
        step=lambda d: "",
    ),
    Exercise(
        id="03.4",
        grade=2,
        title="When pages are given back",
        text=lambda d: (
            "`commit_updates` gives pages back to the kernel's allocator only after the hypercall. "
            "What could happen otherwise?"
        ),
        kind=Explanation(
            (
                "An UNPIN that is still in the list has not been done.",
                "The page is still a table, and the guest may not write to it.",
                "Whoever gets it from the allocator faults at the first store.",
            )
        ),
        step=lambda d: "",
    ),
    Exercise(
        id="03.5",
        grade=3,
        title="Count the hypercalls",
        text=lambda d: (
            "Write a handler for HYPERCALL that counts in the dict `counted` how often the guest "
            "asks for what, by number, and leaves the answer to the built-in handler. "
            "`exit.detail` is the number of the hypercall."
        ),
        kind=Code(
            form="handler",
            trial=try_count_hypercalls,
            start="counted = {}\n\n\n" + HANDLER_START,
            wants=WANTS_HANDLER,
            draw=lambda rng: {"calls": rng.randrange(20, 90)},
            n_trials=2,
            empty=("counted",),
        ),
        because=lambda d: "RETURN leads: every way back into a program is one.",
        step=lambda d: (
            "`counted[exit.detail] = counted.get(exit.detail, 0) + 1`, and then the answer "
            "Action.HANDLE."
        ),
    ),
    Exercise(
        id="03.9",
        grade=4,
        title="A paravirtual kernel that asks",
        text=lambda d: (
            "Write a paravirtual kernel. At 0x8030_0000 stands a number n (8 bytes), and behind it "
            "n numbers of hypercalls, 8 bytes each. Make these hypercalls in their order, count in "
            "`s0` how many are refused (the answer in `a0` is below zero), then SHUTDOWN (7) with "
            "`a0` = 0."
        ),
        kind=Code(
            form="assembly",
            trial=try_ask,
            start="        .globl paravirt_abi_1\nparavirt_abi_1:\n        li    a7, 7\n"
            "        li    a0, 0\n        ecall",
            wants="the kernel in assembly, with the symbol paravirt_abi_1",
            draw=draw_numbers,
            n_trials=6,
        ),
        step=lambda d: (
            "Keep the address in s1 and the rest of n in s2: a hypercall changes a0 alone. A round "
            "is `ld a7, 0(s1)`, `ecall`, and `bgez a0, next` over `addi s0, s0, 1`. n may be 0."
        ),
    ),
    Exercise(
        id="03.10",
        grade=2,
        title="Will the hypervisor do it?",
        text=lambda d: (
            "A paravirtual guest with 4 MiB of RAM, at 0x8000_0000, asks by MMU_UPDATE that a "
            f"level-0 entry of its kernel's table map the page {d.page:#x}, "
            + ("readable and writable." if d.write else "readable only.")
            + " The kernel's tables lie from 0x8000_1000 on, three pages and one for each 2 MiB "
            "more. What happens?"
        ),
        draw=draw_update,
        kind=Choice(
            options=lambda d: [DONE, REFUSED],
            value=update_of,
            hints=lambda d: {
                DONE: "Ask both rules: is the page the guest's own? Is it a page table, and would "
                "it be writable?",
                REFUSED: "Neither rule is against it: which one did you think of?",
            },
        ),
        step=lambda d: (
            "Rule 1: the page has to lie in the guest's own memory, below 0x8040_0000. Rule 2: no "
            "page is a page table and writable at the same time; reading a table is no harm."
        ),
    ),
    Exercise(
        id="03.11",
        grade=4,
        title="A scheduler by weight",
        text=lambda d: (
            "Virtual machines share a hart in turns of 1,000 instructions. Write "
            "`choose(ready, weights, ran)`: `ready` is the list of the numbers of those that can "
            "run, `weights` and `ran` have for each machine its weight and the instructions it has "
            "executed. Return the number of the one to run next, so that machines that are always "
            "ready get time in proportion to their weights, at most two turns off."
        ),
        kind=Code(
            form="policy",
            trial=try_policy,
            start="def choose(ready, weights, ran):\n    return ready[0]\n",
            wants="a function choose(ready, weights, ran) that returns a number of ready",
            draw=draw_machines,
        ),
        step=lambda d: (
            "A machine's instructions divided by its weight say how much it has had. Who has had "
            "least is next: `min(ready, key=...)`."
        ),
    ),
    Exercise(
        id="03.12",
        grade=1,
        title="Exits of system calls",
        text=lambda d: (
            f"Under {d.technique}, pith with 16 MiB runs `nullsys {d.few}` in one run and "
            f"`nullsys {d.many}` in another. How many exits more does the second take?"
        ),
        draw=lambda rng: {
            "technique": rng.choice(tuple(TECHNIQUES)),
            "few": rng.randrange(50, 200),
            "many": rng.randrange(300, 900),
        },
        kind=Number(
            value=exits_more,
            unit="exits",
            tolerance=0.02,
            mistakes=(
                (
                    lambda right, d: d.many - d.few,
                    "That is one exit for each call. How does the kernel get back to the program?",
                ),
                (
                    lambda right, d: 2 * (d.many - d.few),
                    "Two would be enough if the kernel knew of the hypervisor.",
                ),
                (
                    lambda right, d: 11 * (d.many - d.few),
                    "So many were needed by the kernel that has not been ported.",
                ),
            ),
        ),
        because=lambda d: "The programs are the same; what differs is how their kernel works.",
        step=lambda d: (
            "Boot both with the command in `append`, and subtract `n_exits`. Divided by the number "
            "of calls more, it says what one call costs."
        ),
    ),
]
