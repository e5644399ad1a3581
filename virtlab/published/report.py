"""What do the scores look like in print? A table of text for a terminal."""

import math
from itertools import groupby

from virtlab.published.reproduction import Reproduction
from virtlab.published.scoring import Scored, rank_correlation
from virtlab.published.tables import SEPARATOR, cell


def number(value: float) -> str:
    """A number with four significant digits, whole ones as they are."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if float(value).is_integer() and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.{max(0, 3 - math.floor(math.log10(abs(value))))}f}"


def signed_percent(error: float) -> str:
    """A signed relative error in whole per cent, with a decimal below 10 %."""
    percent = 100 * error
    if percent == 0:
        return "0 %"
    return f"{percent:+.0f} %" if abs(percent) >= 10 else f"{percent:+.1f} %"


def correlations(scores: list[Scored]) -> dict[str, float]:
    """Rank correlation of predicted with published values, by "table:column" of three or more.

    Ranks themselves, and cells that all have one published value, are left out.
    """
    found = {}
    by_column = sorted(
        (one for one in scores if one.unit != "rank"),
        key=lambda one: (cell(one.cell).table, cell(one.cell).column),
    )
    for (table, column), group in groupby(
        by_column, key=lambda one: (cell(one.cell).table, cell(one.cell).column)
    ):
        members = list(group)
        if len({one.published for one in members}) >= 3:
            found[SEPARATOR.join((table, column))] = rank_correlation(
                [one.predicted for one in members], [one.published for one in members]
            )
    return found


def as_text(results: list[tuple[Reproduction, list[Scored]]]) -> str:
    """All scores, a reproduction after the other; below each its misses, explained."""
    lines = []
    for one, scores in results:
        met = sum(score.met for score in scores)
        lines += [f"{one.id}  {one.title}: {met} of {len(scores)} met", f"    {one.question}"]
        width = max(len(score.id) for score in scores)
        heads = f"{'predicted':>10} {'published':>10} {'error':>8}"
        lines.append(f"    {'':{width}} {heads}  tolerance    unit")
        for score in scores:
            lines.append(
                f"    {score.id:{width}} {number(score.predicted):>10} "
                f"{number(score.published):>10} {signed_percent(score.error):>8}  "
                f"{score.tolerance:<11}  {score.unit} [{score.provenance}]"
                + ("" if score.met else "  MISSED")
            )
        for column, value in correlations(scores).items():
            lines.append(f"    rank correlation of {column}: {value:+.2f}")
        for why, missed in misses(scores):
            lines.append("    Missed: " + ", ".join(name for name in missed))
            lines.append(f"        {why or 'not explained yet.'}")
        lines.append("")
    n = sum(len(scores) for _, scores in results)
    met = sum(score.met for _, scores in results for score in scores)
    lines.append(f"{met} of {n} scored cells met.")
    return "\n".join(lines)


def misses(scores: list[Scored]) -> list[tuple[str, list[str]]]:
    """Explanations and the ids of the misses that each explains."""
    found: dict[str, list[str]] = {}
    for score in scores:
        if not score.met:
            found.setdefault(score.why, []).append(score.id)
    return list(found.items())
