"""What does one more server take: a process, a box, a virtual machine? And how many find room?

Both figures take plain numbers that were measured by starting them on the model. The numbers lie
orders of magnitude apart, so their axes are logarithmic.
"""

from collections.abc import Mapping

import numpy as np

from virtlab.explore.chart import Axis, Bars, Chart, Line, Mark
from virtlab.explore.controls import Choice
from virtlab.explore.drawing import count
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import instances as kernel

MOST_KINDS = 5  # of servers in one figure: a colour each

OUTPUTS_OF_ONE = dict.fromkeys(("most", "least", "comparable"), ("int64", ()))


def compare_instances(
    measured: Mapping[str, Mapping[str, int]], title: str = "One more server"
) -> Explorable:
    """What one more server takes, for one quantity at a time: start-up, memory and so on.

    Parameters
    ----------
    measured : what the reader sees -> quantity with its unit -> number, at least 1; every server
        has the same quantities: {"box": {"instructions to start": 60_000, "KiB of memory": 96}}
    title : str, begins the figure's title

    Raises
    ------
    ValueError if there are fewer than 2 servers, their quantities differ, or a number is below 1
    """
    counts, quantities = _counts(measured, "servers", 1)
    controls, inputs = [], {"counts": counts}
    if len(quantities) > 1:
        options = {name: k for k, name in enumerate(quantities)}
        controls.append(Choice("quantity", "compare", options))
        chosen = "{quantity:quantity}"
    else:
        inputs["quantity"] = 0
        chosen = braced(quantities[0])
    names, n = tuple(measured), len(measured)
    return Explorable(
        kernel.compare_quantity,
        controls,
        inputs,
        outputs={"numbers": ("int64", (n,)), "times": ("float64", (n,)), **OUTPUTS_OF_ONE},
        title=f"{braced(title)}: {chosen}",
        text=(
            f"Least: {{least:server}}, {{numbers[least]:,}} {chosen}. Most: {{most:server}}, "
            "{numbers[most]:,}{comparable?|, {times[most]:,.1f} times as many}."
        ),
        table=Table(
            ("server", *quantities),
            *(
                (braced(name), *(f"{int(number):,}" for number in row))
                for name, row in zip(names, counts, strict=True)
            ),
        ),
        figure=Chart(
            Axis("server", categories=names), Axis(f"{chosen} (log)", log=True), Bars("numbers")
        ),
        labels={"server": names},
    )


def density(fits: Mapping[str, Mapping[int, int]], title: str = "How many fit") -> Explorable:
    """How many servers of each kind find room in the same RAM; the control picks the RAM.

    Parameters
    ----------
    fits : what the reader sees -> MiB of RAM -> how many were started in it, 0 or more; the same
        sizes, at least two, for every kind
    title : str, begins the figure's title

    Raises
    ------
    ValueError if there are fewer than 2 kinds or sizes, the sizes differ, or a number is negative
    """
    fits = {name: dict(sorted(row.items())) for name, row in fits.items()}
    counts, sizes = _counts(fits, "kinds of servers", 0)
    if len(sizes) < 2:
        raise ValueError(f"a curve needs at least 2 sizes of RAM, not {len(sizes)}")
    names, n = tuple(fits), len(fits)
    lines = {f"fits_{k}": row for k, row in enumerate(counts)}
    cells = ("{sizes[i]:,}", *(f"{{{line}[i]:,}}" for line in lines))
    return Explorable(
        kernel.compare_quantity,
        [Choice("quantity", "RAM", {f"{n_mib:,} MiB": k for k, n_mib in enumerate(sizes)},
                len(sizes) - 1, slider=True)],
        {"counts": counts, "sizes": np.array(sizes), **lines},
        outputs={"numbers": ("int64", (n,)), "times": ("float64", (n,)), **OUTPUTS_OF_ONE},
        title=braced(title) + " in {sizes[quantity]:,} MiB",
        text=(
            "In {sizes[quantity]:,} MiB of RAM: ",
            Repeat(n, n, "{numbers[i]:,} {i:server}", between=", "),
            "{comparable?.|; {times[most]:,.1f} times as many {most:server} as {least:server}.}",
        ),
        table=Table(("RAM, MiB", *names), Repeat(len(sizes), len(sizes), cells)),
        figure=Chart(
            Axis("RAM, MiB (log)", log=True),
            Axis("servers that fit (log)", log=True),
            *(Line("sizes", line, name) for line, name in zip(lines, names, strict=True)),
            *(Mark("sizes[quantity]", f"numbers[{k}]") for k in range(n)),
        ),
        labels={"server": names},
    )  # fmt: skip


def _counts(measured: Mapping, what: str, lowest: int) -> tuple[np.ndarray, list]:
    """The numbers as an array with a row for each server, and the names of its columns."""
    if not 2 <= len(measured) <= MOST_KINDS:
        raise ValueError(f"{len(measured)} {what}; accepted are 2 to {MOST_KINDS}")
    columns = list(next(iter(measured.values())))
    for name, row in measured.items():
        if not columns or list(row) != columns:
            raise ValueError(
                f"{name} has {count(len(row), 'number')} ({', '.join(map(str, row)) or 'none'}); "
                f"accepted are the same for all: {', '.join(map(str, columns)) or 'at least one'}"
            )
        for column, number in row.items():
            if number < lowest:
                raise ValueError(f"{name}, {column}: {number}; accepted are {lowest} or more")
    return np.array([list(map(int, row.values())) for row in measured.values()]), columns
