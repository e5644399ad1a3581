"""Exercises of chapter 09, which one when: needs before cost, and what a wake-up adds up to."""

from virtlab.labs.exercise import Choice, Code, Draw, Exercise, Explanation, Number
from virtlab.platforms import choosing
from virtlab.platforms.choosing import BOX, CANDIDATES, NEEDS, NESTED

ONE_KERNEL = ("process", "box")  # whoever shares it has to be trusted
NEIGHBOURS = {True: "trusted", False: "strangers"}
NEEDED = (*NEEDS[:3], f"{NEEDS[2]}, on a processor without VT-x or AMD-V")
GIB = 1 << 20  # in KiB


def will_do(name: str, meets: bool, trusted: bool) -> bool:
    """Whether a candidate that meets the need also keeps strangers apart."""
    return meets and (trusted or name not in ONE_KERNEL)


def cheapest(bill: dict, fit: list[str]) -> str:
    """The candidate that costs least."""
    return min(fit, key=lambda name: bill[name])


# 09.4: a rule

N_CASES = 12  # of a hidden variant


def draw_cases(rng) -> dict:
    """Bills at random, so that no order of the candidates is right in all of them."""
    names = [one.name for one in CANDIDATES]
    cases = []
    for _ in range(N_CASES):
        some = rng.sample(names, rng.randrange(2, len(names) + 1))
        bill = {name: rng.randrange(1000, 100_000) for name in some}
        meets = {name: rng.random() < 0.6 for name in some}
        cases.append((bill, meets, rng.random() < 0.5))
    some = rng.sample(names, 4)
    hopeless = dict.fromkeys(some, False)
    return {"cases": [*cases, (dict.fromkeys(some, 5), hopeless, True)]}


def try_rule(candidate, draw: Draw) -> str | None:
    """09.4: each case is judged by itself; the first that is wrong gives the hint."""
    for bill, meets, trusted in draw.cases:
        answer = candidate.call(bill, meets, trusted)
        fit = [name for name in bill if will_do(name, meets[name], trusted)]
        hint = _fault(answer, bill, meets, fit)
        if hint:
            return f"With {NEIGHBOURS[trusted]} as neighbours the answer was {answer!r:.40}. {hint}"
    return None


def _fault(answer, bill: dict, meets: dict, fit: list[str]) -> str | None:
    if answer is not None and (type(answer) is not str or answer not in bill):
        return f"Accepted are the names in the bill, {', '.join(bill)}, and None."
    if not fit:
        return "None of them will do: that has to be said." if answer is not None else None
    if answer is None:
        return f"Is there none? {fit[0]} will do."
    if not meets[answer]:
        return "That one does not meet the need, however cheap it is."
    if answer not in fit:
        return "That one shares its kernel with them."
    best = cheapest(bill, fit)
    return f"{best} will do, too, and costs less." if bill[best] < bill[answer] else None


# 09.10: wake-ups


def per_cent(draw: Draw, product: str | None = None) -> float:
    """Per cent of a core that goes into waking the back end."""
    way = choosing.ways()[product or draw.product]
    return 100 * way * draw.requests / (draw.ghz * 1e9)


# 09.11: which one


def draw_customer(rng) -> dict:
    names = ["box", "hosted", "Xen PV", "KVM", "ESX"]
    bill = dict(zip(names, rng.sample(range(11, 60), len(names)), strict=True))
    if rng.random() < 0.7:  # the box is cheap, as in life, and so is the modified guest
        bill["box"], bill["Xen PV"] = 9, 10
    return {"bill": bill, "need": rng.randrange(len(NEEDED)), "trusted": rng.random() < 0.4}


def meets_need(name: str, need: int) -> bool:
    """Whether a candidate meets a need, found out on the model."""
    return choosing.meets(choosing.candidate(name).where)[need]


def fitting(draw: Draw) -> list[str]:
    """The candidates of the bill that will do."""
    names = draw.bill
    return [name for name in names if will_do(name, meets_need(name, draw.need), draw.trusted)]


def which_one(draw: Draw) -> str:
    """The cheapest that will do."""
    return cheapest(draw.bill, fitting(draw))


def why_not(draw: Draw) -> dict[str, str]:
    """A hint for each that is wrong."""
    fit, hints = fitting(draw), {}
    for name in draw.bill:
        if name in fit:
            hints[name] = "It will do. Is there none that will do and costs less?"
        elif meets_need(name, draw.need):
            hints[name] = "Strangers would share its kernel."
        else:
            hints[name] = f"Needed is {NEEDED[draw.need]}: can it do that?"
    return hints


# 09.12: density


def fit_in(draw: Draw, where: str) -> int:
    """Servers that fit into the memory."""
    return draw.gib * GIB // choosing.kilobytes(where)


EXERCISES = [
    Exercise(
        id="09.4",
        grade=3,
        title="A rule that chooses",
        text=lambda d: (
            "Write `advise(bill, meets, trusted)`. `bill` has for each candidate's name the "
            "cycles of one unit of work, `meets` has for each whether it meets the customer's "
            "need, and `trusted` says whether the neighbours are. Strangers must not share a "
            "kernel: neither 'process' nor 'box' will do for them. Return the name of the cheapest "
            "that will do, or None if there is none."
        ),
        kind=Code(
            form="policy",
            trial=try_rule,
            start="def advise(bill, meets, trusted):\n    return min(bill, key=bill.get)\n",
            wants="a function advise(bill, meets, trusted) that returns a name or None",
            draw=draw_cases,
        ),
        step=lambda d: (
            "First the names that will do: `fit = [name for name in bill if meets[name] and "
            "(trusted or name not in ('process', 'box'))]`. Then the cheapest of them, if any."
        ),
    ),
    Exercise(
        id="09.6",
        grade=4,
        title="A decision, defended",
        text=lambda d: (
            "Defend your candidate for customer C, strangers who upload programs and pay by the "
            'second, to somebody who pays for it and says: "A box with a system call filter '
            'starts faster and is just as safe."'
        ),
        kind=Explanation(
            (
                "It names one candidate, and what would change the decision.",
                "A number of the chapter speaks for it, of cost, density or the wall; one against.",
                "A filter narrows the wall of system calls; that half of the objection is granted.",
                "What passes the filter still meets the one kernel of all.",
                "What is slow to start is the system inside, not the virtual machine.",
            )
        ),
        step=lambda d: "",
    ),
    Exercise(
        id="09.10",
        grade=2,
        title="What waking costs",
        text=lambda d: (
            f"A virtual machine under {d.product} asks for {d.requests:,} blocks a second, one at "
            f"a time. How many per cent of a core of {d.ghz} GHz go into the way to the device, "
            "beyond the exits? (`choosing.ways()` has cycles a request.)"
        ),
        draw=lambda rng: {
            "product": rng.choice(("KVM", "Xen")),
            "requests": 500 * rng.randrange(2, 60),
            "ghz": rng.choice((2.2, 2.4, 3, 3.5)),
        },
        kind=Number(
            value=per_cent,
            unit="%",
            tolerance=0.02,
            mistakes=(
                (
                    lambda right, d: per_cent(d, "KVM" if d.product == "Xen" else "Xen"),
                    "That is the other product's way.",
                ),
                (lambda right, d: right / 100, "That is a fraction; asked are per cent."),
                (lambda right, d: 2 * right, "Only the way out wakes somebody."),
                (lambda right, d: right * d.ghz, "A core has more cycles a second than 1e9."),
            ),
        ),
        because=lambda d: "Requests a second times cycles a request, over the core's cycles.",
        step=lambda d: (
            f"`choosing.ways()['{d.product}']` times {d.requests:,} is cycles a second; a core of "
            f"{d.ghz} GHz has {d.ghz * 1e9:,.0f}."
        ),
    ),
    Exercise(
        id="09.11",
        grade=2,
        title="Which one will do?",
        text=lambda d: (
            "A unit of a customer's work costs, in millions of cycles: "
            + ", ".join(f"{name} {cost}" for name, cost in d.bill.items())
            + f". Needed: {NEEDED[d.need]}. The neighbours are {NEIGHBOURS[d.trusted]}"
            + ("" if d.trusted else ", who must not share a kernel")
            + ". Which is the cheapest that will do?"
        ),
        draw=draw_customer,
        kind=Choice(
            options=lambda d: list(d.bill),
            value=which_one,
            hints=why_not,
        ),
        because=lambda d: "Needs rule out; cost decides among the rest.",
        step=lambda d: (
            "`choosing.meets(choosing.candidate(name).where)` says for each of `choosing.NEEDS` "
            "whether a candidate meets it. Cross out those that do not; for strangers cross out "
            "the box as well."
        ),
    ),
    Exercise(
        id="09.12",
        grade=1,
        title="How many in the same memory?",
        text=lambda d: (
            f"A host has {d.gib} GiB for servers like this chapter's. How many more of them fit "
            "into boxes than into virtual machines with nested paging? (`choosing.kilobytes` says "
            "what one takes; leave out every other limit.)"
        ),
        draw=lambda rng: {"gib": rng.randrange(2, 65)},
        kind=Number(
            value=lambda d: fit_in(d, BOX) - fit_in(d, NESTED),
            unit="servers",
            mistakes=(
                (lambda right, d: fit_in(d, BOX), "So many boxes; how many more is that?"),
                (lambda right, d: fit_in(d, NESTED), "So many virtual machines; and boxes?"),
                (
                    lambda right, d: (
                        d.gib * GIB // (choosing.kilobytes(NESTED) + choosing.kilobytes(BOX))
                    ),
                    "Each kind has the memory for itself.",
                ),
            ),
        ),
        because=lambda d: "Memory over what one takes, rounded down, for each of the two.",
        step=lambda d: (
            f"{d.gib} GiB are {d.gib * GIB:,} KiB. Divide by "
            f"`choosing.kilobytes('{BOX}')` and by `choosing.kilobytes('{NESTED}')`, drop the "
            "rests, and subtract."
        ),
    ),
]
