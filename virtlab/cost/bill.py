"""How much is it, and for what? Counts times prices, added up and set side by side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from virtlab.cost.prices import ASSUMED, Price, PriceList
from virtlab.cost.tariff import (
    BARE,
    EVERY_EXIT,
    EXIT,
    TECHNIQUES,
    charges,
    exit_prices,
    technique_of,
)


@dataclass(frozen=True)
class Line:
    """One event on a bill.

    event : the count, "exit:mmio"; or "entry" and "handling", which every exit by hardware pays
    share : what part of the bill it belongs to, "page walks"
    n : how often
    """

    event: str
    share: str
    n: float
    price: Price

    @property
    def cycles(self) -> float:
        return self.n * self.price.cycles


@dataclass(frozen=True)
class Bill:
    """What a run costs.

    technique : one of TECHNIQUES
    prices : name of the price list
    lines : in the tariff's order
    """

    technique: str
    prices: str
    lines: tuple[Line, ...]

    @property
    def cycles(self) -> float:
        """All of it."""
        return sum(line.cycles for line in self.lines)

    @property
    def by_event(self) -> dict[str, float]:
        """Cycles by event, the most expensive first."""
        return _descending((line.event, line.cycles) for line in self.lines)

    @property
    def by_share(self) -> dict[str, float]:
        """Cycles by part of the bill, the most expensive first."""
        return _descending((line.share, line.cycles) for line in self.lines)

    @property
    def assumed(self) -> float:
        """The part of the total, 0 to 1, that is paid at prices no source prints."""
        unknown = sum(line.cycles for line in self.lines if line.price.mark == ASSUMED)
        return unknown / self.cycles if self.cycles else 0.0

    @property
    def stand_ins(self) -> dict[str, str]:
        """Prices used that were not published for this processor, and where they come from."""
        return {
            line.price.name: line.price.origin
            for line in self.lines
            if line.price.origin != self.prices
        }

    def relative_to(self, native: "Bill") -> float:
        """How many times the cycles of another run of the same guest.

        Raises
        ------
        ValueError : the other run costs nothing
        """
        if not native.cycles:
            raise ValueError("a run that costs nothing is no measure for another.")
        return self.cycles / native.cycles

    def as_dict(self) -> dict:
        """The bill as plain numbers and texts, for JSON."""
        return {
            "technique": self.technique,
            "prices": self.prices,
            "cycles": self.cycles,
            "assumed": self.assumed,
            "lines": [
                {
                    "event": line.event,
                    "share": line.share,
                    "n": line.n,
                    "price": line.price.name,
                    "cycles_each": line.price.cycles,
                    "cycles": line.cycles,
                    "mark": line.price.mark,
                    "origin": line.price.origin,
                }
                for line in self.lines
            ],
        }

    def __str__(self) -> str:
        total = self.cycles
        rows = [("event", "times", "price", "each", "cycles", "share", "mark")]
        for line in self.lines:
            part = line.cycles / total if total else 0
            origin = "" if line.price.origin == self.prices else f" {line.price.origin}"
            rows.append(
                (
                    line.event,
                    _number(line.n),
                    line.price.name,
                    f"{line.price.cycles:,g}",
                    _number(line.cycles),
                    f"{part:.1%}",
                    f"[{line.price.mark}]{origin}",
                )
            )
        rows.append(("total", "", "", "", _number(total), "100.0%" if total else "", ""))
        return _table(rows, left=(0, 2, 6))


@dataclass(frozen=True)
class Comparison:
    """Runs of one guest, side by side: `bills` by label."""

    bills: Mapping[str, Bill]

    @property
    def slowdown(self) -> dict[str, float | None]:
        """Cycles relative to the bare machine, by label; None if that is not among the runs."""
        native = next((one for one in self.bills.values() if one.technique == BARE), None)
        return {
            label: one.relative_to(native) if native else None for label, one in self.bills.items()
        }

    def as_dict(self) -> dict:
        """The table as plain numbers and texts, for JSON."""
        return {
            label: {
                "cycles": one.cycles,
                "slowdown": self.slowdown[label],
                "shares": _parts(one),
                "assumed": one.assumed,
            }
            for label, one in self.bills.items()
        }

    def __str__(self) -> str:
        shares = dict.fromkeys(share for one in self.bills.values() for share in one.by_share)
        rows = [("technique", "cycles", "to native", *shares)]
        for label, one in self.bills.items():
            times = self.slowdown[label]
            parts = _parts(one)
            rows.append(
                (
                    label,
                    _number(one.cycles),
                    "" if times is None else f"{times:,.2f} x",
                    *(f"{parts[share]:.1%}" if share in parts else "" for share in shares),
                )
            )
        return _table(rows, left=(0,))


def price(counts: Mapping, prices: PriceList, under: str | None = None) -> Bill:
    """The bill for `counts` at `prices`.

    Parameters
    ----------
    counts : `vm.counts`, or any dict with some of its names
    prices : see `virtlab.cost.load` and `complete`
    under : the technique, if the counts alone do not tell

    Raises
    ------
    ValueError : an unknown or negative count, or an event that the list has no price for

    Examples
    --------
    >>> from virtlab.cost import complete
    >>> price({"instructions": 1000, "walk_references": 30}, complete("haswell")).cycles
    1330.0
    """
    due = charges(counts, under)
    lines = tuple(Line(event, share, n, prices[name]) for event, share, name, n in due)
    return Bill(technique_of(counts) if under is None else under, prices.name, lines)


def compare(runs: Mapping[str, Mapping], prices: PriceList) -> Comparison:
    """Bills for runs of one guest: {technique: counts}, native, emulated and virtualized together.

    A label is a technique's name, with anything behind it: "hardware-assisted, shadow".

    Raises
    ------
    ValueError : a label that begins with no technique's name, or as `price`
    """
    bills = {}
    for label, counts in runs.items():
        technique = next((name for name in TECHNIQUES if label.startswith(name)), None)
        if technique is None:
            raise ValueError(
                f"{label!r} begins with no technique's name; there are {', '.join(TECHNIQUES)}."
            )
        bills[label] = price(counts, prices, under=technique)
    return Comparison(bills)


def cycles_of(
    exits: Iterable, counts: Mapping, prices: PriceList, under: str | None = None
) -> list[float]:
    """At which cycle did each recorded exit happen?

    Between two exits the guest's instructions cost the run's mean, so that the last exit and the
    end of the run lie where the bill says. Exits no longer in the record are before the first.

    Parameters
    ----------
    exits : records with `steps` and `reason`, oldest first, as in `vm.exits`; the last of the run
    counts : of the whole run

    Returns
    -------
    list of float, the cycle in which the guest left, one for each exit

    Raises
    ------
    ValueError : as `price`; or exits that are not in order, or not of this run
    """
    bill = price(counts, prices, under)
    at_exits = [
        line.cycles
        for line in bill.lines
        if line.event.startswith(EXIT) or line.price.name in EVERY_EXIT
    ]
    direct = bill.cycles - sum(at_exits)
    steps = end = counts.get("instructions", 0)
    each = direct / end if end else 0.0
    recorded = list(exits)
    now, found = bill.cycles, []
    paid: dict[str, float] = {}  # by one exit for a reason
    for one in reversed(recorded):
        if not 0 <= one.steps <= steps:
            raise ValueError(
                f"an exit at step {one.steps:,} before one at step {steps:,}: "
                "accepted are the exits of one run in order."
            )
        reason = getattr(one.reason, "name", str(one.reason)).lower()
        if reason not in paid:
            names = exit_prices(bill.technique, reason)
            paid[reason] = sum(prices[name].cycles for name in names)
        now -= (steps - one.steps) * each + paid[reason]
        steps = one.steps
        found.append(now)
    return found[::-1]


def _parts(bill: Bill) -> dict[str, float]:
    return {share: cycles / bill.cycles for share, cycles in bill.by_share.items() if bill.cycles}


def _descending(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for name, cycles in pairs:
        sums[name] = sums.get(name, 0) + cycles
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def _number(n: float) -> str:
    return f"{n:,.0f}" if n == int(n) or n >= 1000 else f"{n:,.3g}"


def _table(rows: list[tuple], left: tuple[int, ...]) -> str:
    """Columns of text, those in `left` flush left, the others flush right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
