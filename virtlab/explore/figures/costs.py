"""What did it cost, and which price decides? Runs of one guest, priced and set side by side.

The counts are those of real runs; the prices are published ones (`virtlab.cost`). A figure keeps
how often each price is due, so it answers at once and runs nothing again.
"""

from collections.abc import Mapping

import numpy as np

from virtlab import cost
from virtlab.cost.tariff import BARE
from virtlab.explore.chart import Axis, Bars, Chart, Line, Mark
from virtlab.explore.controls import Choice, Range
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import costs as kernel

GROUPS = {  # of a bill, in the order of the bars from the bottom up; other shares join the last
    "instructions": ("instructions",),
    "page walks": ("page walks",),
    "interpretation, translation": ("interpretation", "translation"),
    "exits": ("exits and entries", "handlers", "control structure"),
    "page tables, rings": ("shadow page tables", "paravirtual requests"),
}
PERCENT = 5  # a step of the price's slider
Due = tuple[str, str]  # the share of a bill and the name of a price


def charged(machine) -> list[tuple[str, str, str, float]]:
    """What a machine's run owes, as `virtlab.cost.charges`; a bare machine owes for its own work.

    Raises
    ------
    ValueError if it has not run
    """
    if not machine.steps:
        raise ValueError(f"{machine!r} has not run yet: there is nothing to pay for")
    technique = getattr(machine, "technique", "") or BARE
    return cost.charges(cost.counts_of(machine), technique)


def _due(machines: Mapping[str, object]) -> tuple[list[Due], np.ndarray]:
    """What any of the runs owes, and how often each owes it: (runs, items)."""
    bills = []
    for machine in machines.values():
        bill: dict[Due, float] = {}
        for _, share, price, n in charged(machine):
            bill[share, price] = bill.get((share, price), 0.0) + n
        bills.append(bill)
    items = list(dict.fromkeys(item for bill in bills for item in bill))
    return items, np.array([[bill.get(item, 0.0) for item in items] for bill in bills])


def processors() -> list[str]:
    """The processors whose exits have been measured, the oldest first."""
    return [name for name in cost.names() if "vm_entry" in cost.load(name)]


def compare_cycles(
    machines: Mapping[str, object], prices: str = "haswell", title: str = "Cycles"
) -> Explorable:
    """What each run costs, and for what; the control chooses the processor whose prices are paid.

    Parameters
    ----------
    machines : what the reader sees -> a machine that has run; one of class Machine is native
    prices : the price list to open with, one of those that have measured exits
    title : str, begins the figure's title

    Raises
    ------
    ValueError if there are fewer than two machines, one has not run, or `prices` is no such list
    """
    if len(machines) < 2:
        raise ValueError(f"a comparison needs at least 2 machines, not {len(machines)}")
    lists = processors()
    if prices not in lists:
        raise ValueError(f"no price list {prices!r} with exits; accepted are {', '.join(lists)}.")
    items, times = _due(machines)
    loaded = [cost.complete(name) for name in lists]
    cycles = np.array([[one[price].cycles for _, price in items] for one in loaded])
    places = {share: k for k, shares in enumerate(GROUPS.values()) for share in shares}
    names, n = tuple(machines), len(machines)
    bare = [not getattr(machine, "technique", "") for machine in machines.values()]
    native = bare.index(True) if True in bare else kernel.NOBODY
    groups = {f"g{k}": name for k, name in enumerate(GROUPS)}
    to_native = " ({relative[#]:,.2f} times native)" if native != kernel.NOBODY else ""
    columns = ["technique", *(f"{name}, million cycles" for name in GROUPS), "in all"]
    cells = ["{i:run}", *(f"{{{name}[i]:,.3f}}" for name in groups), "{totals[i]:,.3f}"]
    if native != kernel.NOBODY:
        columns.append("times native")
        cells.append("{relative[i]:,.2f}")
    return Explorable(
        kernel.cycles_by_group,
        controls=[
            Choice(
                "prices",
                "prices of",
                {one.processor: k for k, one in enumerate(loaded)},
                lists.index(prices),
                slider=True,
            )
        ],
        inputs={
            "times": times,
            "cycles": cycles,
            "group_of": np.array([places.get(share, len(GROUPS) - 1) for share, _ in items]),
            "native": native,
        },
        outputs={
            **dict.fromkeys((*groups, "totals", "relative"), ("float64", (n,))),
            "cheapest": ("int64", ()),
            "dearest": ("int64", ()),
        },
        title=braced(title) + ", at the prices of {prices:prices}",
        text=(
            "The cheapest: {cheapest:run}, {totals[cheapest]:,.3f} million cycles"
            + to_native.replace("#", "cheapest")
            + ". The dearest: {dearest:run}, {totals[dearest]:,.3f} million"
            + to_native.replace("#", "dearest")
            + "."
        ),
        table=Table(columns, Repeat(n, n, tuple(cells))),
        figure=Chart(
            Axis("technique", categories=names),
            Axis("million cycles"),
            *(Bars(name, words) for name, words in groups.items()),
            stacked=True,
        ),
        labels={"run": names},
    )


def price_sensitivity(
    machines: Mapping[str, object],
    price: str | None = None,
    prices: str = "haswell",
    title: str = "Which price decides?",
) -> Explorable:
    """The totals of two to four runs as one price changes; where two cost the same is marked.

    Parameters
    ----------
    machines : what the reader sees -> a machine that has run
    price : the price to open with; without it, the one that weighs most in the dearest run
    prices : the price list, see `virtlab.cost.names`
    title : str, begins the figure's title

    Raises
    ------
    ValueError if there are fewer than two machines or more than four, one has not run, or none of
    them pays `price`
    """
    if not 2 <= len(machines) <= kernel.MOST_RUNS:
        raise ValueError(f"{len(machines)} machines; accepted are 2 to {kernel.MOST_RUNS}")
    paid = cost.complete(prices)
    items, owed = _due(machines)
    due = list(dict.fromkeys(name for _, name in items if paid[name].cycles > 0))
    times = np.zeros((len(machines), len(due)))
    for column, (_, name) in enumerate(items):
        if name in due:
            times[:, due.index(name)] += owed[:, column]
    cycles = np.array([paid[name].cycles for name in due])
    weights = (times * cycles)[np.argmax(times @ cycles)]
    if price is None:
        beside = [k for k, name in enumerate(due) if name != "instruction"] or [0]
        price = due[max(beside, key=lambda k: weights[k])]
    if price not in due:
        raise ValueError(f"none of the runs pays {price!r}; accepted are {', '.join(due)}.")
    if len(due) < 2:
        raise ValueError("the runs pay one price alone; there is nothing to compare it with")
    names, n = tuple(machines), len(machines)
    ys = [f"y{k}" for k in range(kernel.MOST_RUNS)]
    crossings = Repeat(
        "n_crossings",
        kernel.MOST_CROSSINGS,
        "{cross_a[i]:run} and {cross_b[i]:run} cost the same at {cross_x[i]:,.0f} cycles",
        between="; ",
        after=".",
    )
    floats = {"xs": (kernel.POINTS,), "here": (), "here_y": (), "totals": (kernel.MOST_RUNS,)}
    floats |= dict.fromkeys(ys, (kernel.POINTS,))
    floats |= dict.fromkeys(("cross_x", "cross_y"), (kernel.MOST_CROSSINGS,))
    integers = {"cheapest": (), "n_crossings": ()}
    integers |= dict.fromkeys(("cross_a", "cross_b"), (kernel.MOST_CROSSINGS,))
    return Explorable(
        kernel.price_sweep,
        controls=[
            Choice(
                "price",
                "price of",
                {paid[name].unit.removeprefix("cycles per "): k for k, name in enumerate(due)},
                due.index(price),
            ),
            Range(
                "percent",
                "price, of the published one",
                0,
                int(100 * kernel.SPAN),
                PERCENT,
                100,
                "%",
            ),
        ],
        inputs={"times": times, "cycles": cycles},
        outputs={name: ("float64", shape) for name, shape in floats.items()}
        | {name: ("int64", shape) for name, shape in integers.items()},
        title=braced(title) + " {here:,.0f} cycles for: {price:price}",
        text=(
            "Cheapest: {cheapest:run}, {here_y:,.3f} million cycles. All: ",
            Repeat(n, n, "{i:run} {totals[i]:,.3f}", between=", "),
            " million. ",
            crossings,
        ),
        table=Table(
            ("price, cycles", *(f"{name}, million cycles" for name in names)),
            Repeat(
                kernel.POINTS,
                kernel.POINTS,
                ("{xs[i]:,.1f}", *(f"{{{y}[i]:,.3f}}" for y in ys[:n])),
            ),
        ),
        figure=Chart(
            Axis("price of one event, cycles"),
            Axis("million cycles"),
            *(Line("xs", y, name, points=False) for y, name in zip(ys, names, strict=False)),
            Line("cross_x", "cross_y", "same cost", count="n_crossings", joined=False),
            Mark("here", "here_y", "read out"),
        ),
        labels={"run": names},
    )
