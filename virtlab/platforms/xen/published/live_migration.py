"""How does a migration go on, if one knows its first two rounds? Clark et al., R5.

    given       the domain's memory, what rounds 1 and 2 sent, the rate rule
    fitted      the working set and how fast it is written, so that pre_copy.py sends in its first
                two rounds what the paper's sent, as nearly as it can
    predicted   all that follows: rounds, volume, time, and the downtime

A domain that writes pages of one set at random is the simplest there is. Real ones have some that
are written all the time and others from time to time, and so do worse in the end: see `MISSES`.

Source: Clark et al., NSDI 2005.
"""

import math

from virtlab.platforms.xen import pre_copy
from virtlab.published.reproduction import read_reproduction

TABLE = "clark2005-results"
MISSES = {
    "R5:*:downtime*": "One set of pages written at random: what is left shrinks by the same part "
    "in every round, until little is left. In the paper it stops to shrink at some 15 MB of "
    "SPECweb99: some pages are always written again.",
    "R5:*:MMuncher:sent": "After two rounds pages are written faster than the highest rate, so by "
    "the rule the domain is stopped; the paper has another round, of 116 MB.",
}
GRID, FINER = 20, 16


def fit(memory: float, first: float, second: float, rule: dict) -> tuple[float, float]:
    """Working set (MB) and tau (s) with which two rounds send what they did, as nearly as possible.

    The sum of the squares of both logarithmic errors is the measure. A grid over the working set
    and the logarithm of tau is made finer about its best point.
    """

    def error(share: float, log_tau: float) -> float:
        found = planned(memory, share * memory, math.exp(log_tau), rule).sent_mb
        errors = [math.log(max(a, 1e-9) / b) for a, b in zip(found, (first, second), strict=False)]
        return sum(e * e for e in errors)

    best, width = (0.5, 2.0), (0.5, 7.0)
    for _ in range(FINER):
        points = [
            (best[0] + width[0] * (2 * i / GRID - 1), best[1] + width[1] * (2 * k / GRID - 1))
            for i in range(GRID + 1)
            for k in range(GRID + 1)
        ]
        inside = [point for point in points if 0 < point[0] <= 1]
        best = min(inside, key=lambda point: error(*point))
        width = (width[0] / 2.5, width[1] / 2.5)
    return best[0] * memory, math.exp(best[1])


def planned(memory: float, working: float, tau: float, rule: dict) -> pre_copy.Plan:
    """The rounds under the paper's rule."""
    return pre_copy.plan(
        memory,
        working,
        tau,
        rule["lowest rate"],
        rule["step"],
        rule["highest rate"],
        rule["little"] / 1000,
    )


def predict(inputs) -> dict[str, float]:
    """Rounds, MB, seconds and milliseconds of the targets."""
    rule, found = inputs["rule"], {}
    for row, rate in inputs["rates"].items():
        found[f"clark2005-stop-and-copy:{row}:downtime"] = inputs["copied"] * 8 / rate
    for row, sent in inputs["round_1"].items():
        found[f"{TABLE}:{row}:first round"] = sent * 8 / rule["lowest rate"]
    for row, second in inputs["round_2"].items():
        memory = inputs["memory"][row]
        going = planned(memory, *fit(memory, inputs["round_1"][row], second, rule), rule)
        found[f"{TABLE}:{row}:sent"] = sum(going.sent_mb)
        found[f"{TABLE}:{row}:rounds"] = len(going.seconds)
        found[f"{TABLE}:{row}:all rounds"] = sum(going.seconds)
        found[f"{TABLE}:{row}:downtime"] = going.downtime_ms + inputs["resume"].get(row, 0.0)
    return found


REPRODUCTION = read_reproduction("R5", predict, misses=MISSES)
