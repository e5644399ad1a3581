"""What does each technique make of the same guest? Exits side by side."""

from collections.abc import Mapping

import numpy as np

from virtlab.explore.chart import Axis, Bars, Chart
from virtlab.explore.controls import Choice
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.figures.exit_words import REASONS, reason_words
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import comparison as kernel


def compare_exits(machines: Mapping[str, object], title: str = "Exits") -> Explorable:
    """Exits a thousand guest instructions of several runs, for all reasons or for one.

    Parameters
    ----------
    machines : what the reader sees -> a machine that has run; one without a hypervisor has no exits
    title : str, begins the figure's title

    Raises
    ------
    ValueError if there are fewer than two machines, or one has not run
    """
    if len(machines) < 2:
        raise ValueError(f"a comparison needs at least 2 machines, not {len(machines)}")
    for name, machine in machines.items():
        if not machine.steps:
            raise ValueError(f"{name} has not run yet: a rate needs instructions")
    counts = np.zeros((len(machines), len(REASONS)), np.int64)
    for row, machine in enumerate(machines.values()):
        for reason, n in getattr(machine, "exit_counts", {}).items():
            counts[row, reason] = n
    seen = np.flatnonzero(counts.any(axis=0)).tolist()
    controls, inputs = [], {"counts": counts}
    if seen:
        options = {"all reasons": kernel.EVERY_REASON}
        options |= {reason_words(reason): reason for reason in seen}
        controls.append(Choice("reason", "exits for", options))
    else:
        inputs["reason"] = kernel.EVERY_REASON
    names = tuple(machines)
    n = len(names)
    return Explorable(
        kernel.exit_rates,
        controls,
        inputs | {"instructions": np.array([machine.steps for machine in machines.values()])},
        outputs={
            "numbers": ("int64", (n,)),
            "rates": ("float64", (n,)),
            "most": ("int64", ()),
            "least": ("int64", ()),
        },
        title=braced(title) + (": {reason:reason}" if seen else ": none"),
        text=(
            "Most often: {most:run}, {rates[most]:,.3f} exits a thousand guest instructions. "
            "Least often: {least:run}, {rates[least]:,.3f}."
        ),
        table=Table(
            ("technique", "exits", "guest instructions", "exits a thousand guest instructions"),
            Repeat(n, n, ("{i:run}", "{numbers[i]:,}", "{instructions[i]:,}", "{rates[i]:,.3f}")),
        ),
        figure=Chart(
            Axis("technique", categories=names),
            Axis("exits a thousand guest instructions"),
            Bars("rates"),
        ),
        labels={"run": names},
    )
