"""Who gets how much of the hart? Weights, quotas and demands of three boxes, and what follows.

A weight is a share among those who want the hart; a quota is a ceiling even when nobody else wants
it; and a box cannot get more than it asks for.
"""

from collections.abc import Sequence

from virtlab.explore.chart import Axis, Bars, Chart
from virtlab.explore.controls import Choice, Range
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import cpu_shares as kernel

WEIGHTS = (1, 10, 25, 50, 100, 150, 200, 300, 400, 800, 1_000, 10_000)


def cpu_shares(
    weights: Sequence[int] = (100, 200, 100),
    quotas: Sequence[int] = (0, 0, 0),
    demands: Sequence[int] = (100, 100, 100),
    names: Sequence[str] = ("A", "B", "C"),
) -> Explorable:
    """The hart's time by box and period of 100 ms, as the teaching OS's scheduler gives it.

    Parameters
    ----------
    weights : of the three boxes to open with, 1 to 10000
    quotas : percent of the hart, 0 to 100 in steps of 5; 0 for none
    demands : percent of the hart that each one's program wants, 0 to 100 in steps of 5
    names : of the boxes

    Raises
    ------
    ValueError if there are not three of each, or for a value that its control cannot have
    """
    for what, given in (("weights", weights), ("quotas", quotas), ("demands", demands)):
        if len(given) != kernel.N_BOXES:
            raise ValueError(f"{len(given)} {what}; accepted are {kernel.N_BOXES}, one a box")
    if len(names) != kernel.N_BOXES:
        raise ValueError(f"{len(names)} names; accepted are {kernel.N_BOXES}, one a box")
    boxes, periods = (kernel.N_BOXES,), (kernel.N_PERIODS,)
    lines = [f"share_{k}" for k in range(kernel.N_BOXES)]
    return Explorable(
        kernel.cpu_shares,
        [
            *(_weight(k, name, weights[k]) for k, name in enumerate(names)),
            *(
                Range(f"quota_{k}", f"quota of {name}", 0, 100, 5, quotas[k], "%, 0: none")
                for k, name in enumerate(names)
            ),
            *(
                Range(f"demand_{k}", f"demand of {name}", 0, 100, 5, demands[k], "%")
                for k, name in enumerate(names)
            ),
        ],
        outputs={
            **dict.fromkeys(("weights", "quotas", "demands", "throttled"), ("int64", boxes)),
            "state": ("int64", (kernel.N_STATE, *boxes)),
            "ran_in": ("int64", (*boxes, *periods)),
            "shares": ("float64", boxes),
            **dict.fromkeys(lines, ("float64", periods)),
            "idle": ("float64", ()),
        },
        title="Share of the hart: " + ", ".join(
            f"{braced(name)} {{shares[{k}]:.1f}} %" for k, name in enumerate(names)
        ),
        text=(
            "In two seconds ",
            Repeat(
                kernel.N_BOXES,
                kernel.N_BOXES,
                "{i:name} (weight {weights[i]:,}, {quotas[i]?no quota|quota {quotas[i]} %}, wants "
                "{demands[i]} %) has the hart for {shares[i]:.1f} %{throttled[i]?|, throttled in "
                "{throttled[i]} of " + f"{kernel.N_PERIODS} periods}}",
                between="; ",
            ),
            ". Nobody has it for {idle:.1f} %.",
        ),
        table=Table(
            ("ms", *(f"{name}, % of the hart" for name in names)),
            Repeat(
                kernel.N_PERIODS,
                kernel.N_PERIODS,
                ("{i:period}", *(f"{{{line}[i]:.1f}}" for line in lines)),
            ),
        ),
        figure=Chart(
            Axis(
                "period of 100 ms",
                categories=tuple(f"{k + 1}" for k in range(kernel.N_PERIODS)),
            ),
            Axis("% of the hart"),
            *(Bars(line, name) for line, name in zip(lines, names, strict=True)),
            stacked=True,
        ),
        labels={
            "name": list(names),
            "period": [f"{100 * k} to {100 * k + 100}" for k in range(kernel.N_PERIODS)],
        },
    )  # fmt: skip


def _weight(number: int, name: str, weight: int) -> Choice:
    """A slider through round weights, and the given one."""
    if not 1 <= weight <= kernel.MAX_WEIGHT:
        raise ValueError(f"weight {weight} of {name}; accepted are 1 to {kernel.MAX_WEIGHT}")
    options = {f"{value:,}": value for value in sorted({*WEIGHTS, weight})}
    return Choice(f"weight_{number}", f"weight of {name}", options, weight, slider=True)
