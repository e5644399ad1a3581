"""When has the model met a published number? Tolerance classes, signed errors, ranks.

| tolerance | met when |
|---|---|
| exact | predicted and published are equal |
| within 10 % | the error is at most 10 % of the published number, either way |
| within 2x | predicted is at least half and at most twice the published number |
| order only | a rank: the ranks are equal; else both numbers are on the same side of the pivot |

The pivot is 0 for a unit that begins with "%", a gain or a loss, and 1 for any other, a ratio: a
prediction is met if it has the published sign, or says as published which of two is larger.

The error is signed and relative, (predicted - published) / published; where the published number
is 0 it is the predicted number itself.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral

from virtlab.published.tables import Cell

EXACT, WITHIN_10, WITHIN_2X, ORDER = TOLERANCES = (
    "exact",
    "within 10 %",
    "within 2x",
    "order only",
)
KEYS = (
    "id",
    "source",
    "provenance",
    "unit",
    "predicted",
    "published",
    "error",
    "tolerance",
    "met",
)


@dataclass(frozen=True)
class Scored:
    """One published number and what the model says of it."""

    id: str  # "R3:bhargava2008-table1:WebServer:ratio", with ":rank" behind it for a rank
    source: str
    provenance: str
    unit: str
    predicted: float
    published: float
    error: float
    tolerance: str
    met: bool
    cell: str
    why: str = ""  # a miss's explanation

    def as_dict(self) -> dict:
        """The fields that are published: `KEYS`."""
        return {key: getattr(self, key) for key in KEYS}


def signed_error(predicted: float, published: float) -> float:
    """(predicted - published) / published, or predicted itself where published is 0."""
    if published == 0:
        return float(predicted)
    return (predicted - published) / abs(published)


def is_met(tolerance: str, unit: str, predicted: float, published: float) -> bool:
    """Whether a prediction is inside its tolerance; see the module's table."""
    if tolerance == EXACT:
        return predicted == published
    if tolerance == WITHIN_10:
        return abs(signed_error(predicted, published)) <= 0.10
    if tolerance == WITHIN_2X:
        low, high = sorted((published / 2, published * 2))
        return low <= predicted <= high
    if tolerance != ORDER:
        raise ValueError(f"tolerance {tolerance!r}; accepted are {', '.join(TOLERANCES)}.")
    if unit == "rank":
        return predicted == published
    pivot = 0 if unit.startswith("%") else 1
    return _side(predicted - pivot) == _side(published - pivot)


def _side(difference: float) -> int:
    return (difference > 0) - (difference < 0)


def rank_of(key: str, values: dict[str, float]) -> float:
    """The rank of `values[key]`, 1 for the smallest; equal values share the mean of their ranks."""
    smaller = sum(value < values[key] for value in values.values())
    equal = sum(value == values[key] for value in values.values())
    return smaller + (equal + 1) / 2


def rank_correlation(predicted: list[float], published: list[float]) -> float:
    """Spearman's rank correlation of two lists of equal length; 0 if one of them is constant."""
    columns = []
    for values in (predicted, published):
        named = {str(k): value for k, value in enumerate(values)}
        ranks = [rank_of(key, named) for key in named]
        mean = sum(ranks) / len(ranks)
        columns.append([rank - mean for rank in ranks])
    x, y = columns
    spread = math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))
    return sum(a * b for a, b in zip(x, y, strict=True)) / spread if spread else 0.0


def _plain(value) -> int | float:
    """A number that JSON can hold, for one of NumPy's too."""
    return int(value) if isinstance(value, Integral) else float(value)


def score(
    name: str,
    source: Cell,
    unit: str,
    predicted: float,
    published: float,
    tolerance: str,
    explain: Callable[[], str],
) -> Scored:
    """Compare one predicted with one published number."""
    predicted, published = _plain(predicted), _plain(published)
    met = is_met(tolerance, unit, predicted, published)
    return Scored(
        id=name,
        source=source.source,
        provenance=source.provenance,
        unit=unit,
        predicted=predicted,
        published=published,
        error=signed_error(predicted, published),
        tolerance=tolerance,
        met=met,
        cell=source.key,
        why="" if met else explain(),
    )
