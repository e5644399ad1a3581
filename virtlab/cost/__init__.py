"""What does a run cost? Events, counted by the machine, times prices that papers have measured.

    counts    what happened: `vm.counts`, a plain dict of whole numbers
    prices    what one event costs on a processor: data/*.toml, each with source and provenance
    bill      counts times prices, added up

Since a bill is a sum of products, a price changes without running the guest again: `sweep` gives
the total for fifty values of one price, `sensitivity` says which price decides.

Left out: the time that events hide from each other. A real processor overlaps a page walk with
other work and pays for an exit again in cold caches; a sum of mean prices knows of neither.
"""

from virtlab.cost.bill import Bill, Comparison, Line, compare, cycles_of, price
from virtlab.cost.prices import Price, PriceList, complete, load, names
from virtlab.cost.sensitivity import Weight, crossover, sensitivity, sweep
from virtlab.cost.tariff import charges, counts_of, technique_of

__all__ = [
    "Bill",
    "Comparison",
    "Line",
    "Price",
    "PriceList",
    "Weight",
    "charges",
    "compare",
    "complete",
    "counts_of",
    "crossover",
    "cycles_of",
    "load",
    "names",
    "price",
    "sensitivity",
    "sweep",
    "technique_of",
]
