"""Shadow or nested paging? The answer turns with how often a guest changes its page tables."""

import numpy as np

from virtlab import cost
from virtlab.explore.chart import Axis, Chart, Line, Mark
from virtlab.explore.controls import Choice, Range
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.figures.costs import processors
from virtlab.explore.template import Repeat
from virtlab.kernels import paging as kernel
from virtlab.published.paging_crossover import PagingPrices

LEVELS = {"3 levels (Sv39)": 3, "4 levels (x86-64, Sv48)": 4}
MOST_MISSES, MOST_UPDATES = 20.0, 20.0  # in 1,000 instructions


def paging_crossover(
    misses: float = 2.0, updates: float = 0.5, prices: str = "haswell", levels: int = 4
) -> Explorable:
    """What paging costs under both in 1,000 instructions, over the rate of page-table updates.

    Parameters
    ----------
    misses, updates : TLB misses and updates in 1,000 instructions to open with, 0 to 20
    prices : the price list to open with, one of those that have measured exits
    levels : of both page tables, 3 or 4

    Raises
    ------
    ValueError for a value that its control cannot have
    """
    lists = processors()
    if prices not in lists:
        raise ValueError(f"no price list {prices!r} with exits; accepted are {', '.join(lists)}.")
    if levels not in LEVELS.values():
        raise ValueError(f"levels {levels}; accepted are 3 and 4.")
    loaded = [cost.complete(name) for name in lists]
    paid = [[PagingPrices.of(one, n) for one in loaded] for n in LEVELS.values()]
    rate = ("in 1,000 instructions",)
    return Explorable(
        kernel.paging_crossover,
        controls=[
            Range("misses", "TLB misses", 0.0, MOST_MISSES, 0.1, float(misses), *rate),
            Range("updates", "page-table updates", 0.0, MOST_UPDATES, 0.1, float(updates), *rate),
            Choice(
                "levels",
                "page tables of",
                {words: k for k, words in enumerate(LEVELS)},
                list(LEVELS.values()).index(levels),
            ),
            Choice(
                "processor",
                "prices of",
                {one.processor: k for k, one in enumerate(loaded)},
                lists.index(prices),
                slider=True,
            ),
        ],
        inputs={
            "native_walks": np.array([[one.native_walk for one in row] for row in paid]),
            "nested_walks": np.array([[one.nested_walk for one in row] for row in paid]),
            "update_cycles": np.array([one.update for one in paid[0]]),
        },
        outputs={
            **dict.fromkeys(("xs", "shadow", "nested"), ("float64", (kernel.POINTS,))),
            **dict.fromkeys(("at", "at_y", "here_y"), ("float64", ())),
            "here": ("float64", (2,)),
            "cheaper": ("int64", ()),
        },
        title=(
            "Shadow and nested paging cross at {at:.2f} page-table updates in 1,000 instructions"
        ),
        text=(
            "With {misses:.1f} TLB misses and {updates:.1f} updates in 1,000 instructions, at the "
            "prices of {processor:processor}, paging costs {here[0]:,.0f} cycles with shadow page "
            "tables and {here[1]:,.0f} with nested ones: {cheaper?shadow|nested} paging is "
            "cheaper."
        ),
        table=Table(
            ("updates in 1,000 instructions", "shadow paging, cycles", "nested paging, cycles"),
            Repeat(
                kernel.POINTS,
                kernel.POINTS,
                ("{xs[i]:.2f}", "{shadow[i]:,.0f}", "{nested[i]:,.0f}"),
            ),
        ),
        figure=Chart(
            Axis("page-table updates in 1,000 instructions"),
            Axis("cycles for paging in 1,000 instructions"),
            Line("xs", "shadow", "shadow paging", points=False),
            Line("xs", "nested", "nested paging", points=False),
            Mark("at", "at_y", "same cost"),
            Mark("updates", "here_y", "read out"),
        ),
    )
