"""Which price decides? Elasticities, the price at which an order turns, and sweeps.

A bill is a sum of products, so all three are exact and need no second run: with n the number of
times a price p is due,

    total(p') = total - n p + n p'          elasticity = d ln total / d ln p = n p / total
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from virtlab.cost.prices import PriceList
from virtlab.cost.tariff import charges


@dataclass(frozen=True)
class Weight:
    """How much a price weighs.

    elasticity : per cent by which the total grows when the price grows by one per cent
    n : how often the price is due
    flips_at : cycles of this price at which both runs cost the same; None if at none, or if there
        is no other run
    """

    price: str
    elasticity: float
    n: float
    flips_at: float | None = None

    def __str__(self) -> str:
        turn = "" if self.flips_at is None else f"; the order flips at {self.flips_at:,.0f} cycles"
        return f"{self.price}: 1 % more makes the run {self.elasticity:.2f} % dearer{turn}"


def sensitivity(
    counts: Mapping,
    prices: PriceList,
    under: str | None = None,
    against: Mapping | None = None,
    against_under: str | None = None,
) -> list[Weight]:
    """The prices that a run pays, the one that decides most first.

    Parameters
    ----------
    counts, under : as in `virtlab.cost.price`
    against, against_under : another run of the same guest: at which price do the two change places?

    Raises
    ------
    ValueError : as `virtlab.cost.price`
    """
    mine = _times_due(counts, under)
    theirs = {} if against is None else _times_due(against, against_under)
    cycles = {name: prices[name].cycles for name in mine | theirs}
    total = sum(n * cycles[name] for name, n in mine.items())
    found = [
        Weight(
            name,
            mine.get(name, 0) * cycles[name] / total if total else 0.0,
            mine.get(name, 0),
            None if against is None else _crossover(mine, theirs, cycles, name),
        )
        for name in mine | theirs
    ]
    return sorted(found, key=lambda one: -one.elasticity)


def crossover(
    first: Mapping,
    second: Mapping,
    prices: PriceList,
    name: str,
    under: tuple[str | None, str | None] = (None, None),
) -> float | None:
    """The cycles of price `name` at which two runs cost the same; None if there are none from 0 on.

    Raises
    ------
    ValueError : as `virtlab.cost.price`
    """
    prices[name]
    mine, theirs = (_times_due(c, u) for c, u in zip((first, second), under, strict=True))
    cycles = {one: prices[one].cycles for one in mine | theirs}
    return _crossover(mine, theirs, cycles, name)


def sweep(
    counts: Mapping,
    prices: PriceList,
    name: str,
    values: Iterable[float],
    under: str | None = None,
) -> np.ndarray:
    """Total cycles for each of `values` of the price `name`; nothing is run again.

    Returns
    -------
    (len(values),) float64

    Raises
    ------
    ValueError : as `virtlab.cost.price`; or values that are not cycles from 0 on
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not np.all(np.isfinite(values) & (values >= 0)):
        raise ValueError(f"values of {name} have to be a list of cycles from 0 on.")
    due = _times_due(counts, under)
    if name not in due:
        prices[name]  # a name that is no price is refused; a price that is not due changes nothing
    rest = sum(n * prices[one].cycles for one, n in due.items() if one != name)
    return rest + due.get(name, 0) * values


def _times_due(counts: Mapping, under: str | None) -> dict[str, float]:
    """How often each price is due."""
    times: dict[str, float] = {}
    for _event, _share, name, n in charges(counts, under):
        times[name] = times.get(name, 0) + n
    return times


def _crossover(mine: dict, theirs: dict, cycles: dict, name: str) -> float | None:
    difference = sum(
        (theirs.get(one, 0) - mine.get(one, 0)) * cycles[one] for one in cycles if one != name
    )
    more = mine.get(name, 0) - theirs.get(name, 0)
    if not more or difference / more < 0:
        return None
    return difference / more
