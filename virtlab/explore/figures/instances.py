"""What does one more server take: a process, a box, a virtual machine? And how many find room?

Both figures take plain numbers that were measured by starting them on the model. The numbers lie
orders of magnitude apart, so their axes are logarithmic; a logarithm has no zero for a bar to stand
on, so each number is a dot.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from virtlab.explore.chart import Axis, Chart, Line, Mark, decades
from virtlab.explore.controls import Choice
from virtlab.explore.drawing import count, label, wire
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import instances as kernel

MOST_SERVERS = 8  # in one picture
MOST_LINES = 5  # a colour each
MIB = 1 << 20

WIDTH, TOP, ROW = 680, 10, 30
LEFT, RIGHT = 220, 570  # of the axis
MOST_TICKS = 4


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
    ValueError if there are fewer than 2 or more than 8 servers, their quantities differ, or a
    number is below 1
    """
    counts, quantities = _counts(measured, "servers", MOST_SERVERS, 1)
    controls, inputs = [], {"counts": counts} | _axes(counts)
    if len(quantities) > 1:
        options = {name: k for k, name in enumerate(quantities)}
        controls.append(Choice("quantity", "compare", options))
    else:
        inputs["quantity"] = 0
    names, n = tuple(measured), len(measured)
    return Explorable(
        kernel.compare_quantity,
        controls,
        inputs,
        outputs=_outputs(n),
        title=f"{braced(title)}: {{quantity:quantity}}",
        text=(
            "Least: {least:server}, {numbers[least]:,} {quantity:quantity}. Most: {most:server}, "
            "{numbers[most]:,}{comparable?|, {times[most]:,.1f} times as many}."
        ),
        table=Table(
            ("server", *quantities),
            *(
                (braced(name), *(f"{int(number):,}" for number in row))
                for name, row in zip(names, counts, strict=True)
            ),
        ),
        figure=_picture(names),
        labels={"server": names, "quantity": quantities},
    )


def _axes(counts: np.ndarray) -> dict[str, np.ndarray]:
    """For each quantity an axis of powers of ten, and the place of each server on it."""
    n, n_quantities = counts.shape
    ticks, tick_at = (np.zeros((n_quantities, MOST_TICKS), np.int64) for _ in range(2))
    n_ticks, places = np.zeros(n_quantities, np.int64), np.zeros((n, n_quantities), np.int64)
    for k, column in enumerate(counts.T.tolist()):
        low, high = math.floor(math.log10(min(column))), math.ceil(math.log10(max(column)))
        high = max(high, low + 1)

        def place(number, low=low, high=high) -> int:
            return round(LEFT + (RIGHT - LEFT) * (math.log10(number) - low) / (high - low))

        found = [10 ** int(power) for power, _ in decades(low, high, MOST_TICKS)]
        n_ticks[k] = len(found)
        ticks[k, : len(found)] = found
        tick_at[k, : len(found)] = [place(number) for number in found]
        places[:, k] = [place(number) for number in column]
    return {"ticks": ticks, "tick_at": tick_at, "n_ticks": n_ticks, "places": places}


def _picture(names: tuple[str, ...]) -> Sketch:
    """A dot for each server, its number beside it, and the axis."""
    parts: list = []
    bottom = TOP + ROW * len(names)
    for row, name in enumerate(names):
        y = TOP + ROW * row + ROW // 2
        at = f"{{places[{row}][quantity]}}"
        parts += [
            label(LEFT - 12, y + 5, braced(name), anchor="end"),
            f"<path d='M{LEFT} {y}H{at}' class='wire'/>",
            f"<circle cx='{at}' cy='{y}' r='7' class='s'/>",
            f"<text x='{at}' y='{y + 5}' dx='14'>{{numbers[{row}]:,}}</text>",
        ]
    tick = (
        f"<path d='M{{tick_at[quantity][i]}} {bottom}v5' class='wire'/>"
        f"<text x='{{tick_at[quantity][i]}}' y='{bottom + 19}' class='muted' "
        "text-anchor='middle'>{ticks[quantity][i]:,}</text>"
    )
    parts += [
        wire((LEFT, bottom), (RIGHT, bottom)),
        Repeat("n_ticks[quantity]", MOST_TICKS, tick, between="\n"),
        f"<text x='{(LEFT + RIGHT) // 2}' y='{bottom + 40}' text-anchor='middle'>"
        "{quantity:quantity} (log)</text>",
    ]
    return Sketch(WIDTH, bottom + 50, *parts)


def density(records: Iterable, title: str = "How many fit") -> Explorable:
    """How many servers of each kind find room in the same RAM; the control picks the RAM.

    Parameters
    ----------
    records : each with `instance` (what the reader sees), `ram_bytes` and `n`, how many were
        started in it, 0 or more: `virtlab.platforms.density.fit` measures one; the same sizes of
        whole MiB, at least two, for every kind
    title : str, begins the figure's title

    Raises
    ------
    ValueError if there are fewer than 2 or more than 5 kinds, fewer than 2 sizes, the sizes
    differ, or a number is negative
    """
    fits: dict[str, dict[int, int]] = {}
    for one in records:
        fits.setdefault(one.instance, {})[one.ram_bytes // MIB] = one.n
    fits = {name: dict(sorted(row.items())) for name, row in fits.items()}
    counts, sizes = _counts(fits, "kinds of servers", MOST_LINES, 0)
    if len(sizes) < 2:
        raise ValueError(f"a curve needs at least 2 sizes of RAM, not {len(sizes)}")
    names, n = tuple(fits), len(fits)
    lines = {f"fits_{k}": row for k, row in enumerate(counts)}
    cells = ("{sizes[i]:,}", *(f"{{{line}[i]:,}}" for line in lines))
    options = {f"{n_mib:,} MiB": k for k, n_mib in enumerate(sizes)}
    return Explorable(
        kernel.compare_quantity,
        [Choice("quantity", "RAM", options, len(sizes) - 1, slider=True)],
        {"counts": counts, "sizes": np.array(sizes), **lines},
        outputs=_outputs(n),
        title=braced(title) + " in {sizes[quantity]:,} MiB",
        text=(
            "Servers in {sizes[quantity]:,} MiB of RAM: ",
            Repeat(n, n, "{i:server} {numbers[i]:,}", between=", "),
            ".{comparable?| For one of {least:server} there is room for {times[most]:,.1f} of "
            "{most:server}.}",
        ),
        table=Table(("RAM, MiB", *names), Repeat(len(sizes), len(sizes), cells)),
        figure=Chart(
            Axis("RAM, MiB (log)", log=True),
            Axis("servers that fit (log)", log=True),
            *(Line("sizes", line, name) for line, name in zip(lines, names, strict=True)),
            *(Mark("sizes[quantity]", f"numbers[{k}]") for k in range(n)),
        ),
        labels={"server": names},
    )


def _outputs(n: int) -> dict:
    """Of the kernel, for `n` servers."""
    single = dict.fromkeys(("most", "least", "comparable"), ("int64", ()))
    return {"numbers": ("int64", (n,)), "times": ("float64", (n,)), **single}


def _counts(measured: Mapping, what: str, most: int, lowest: int) -> tuple[np.ndarray, list]:
    """The numbers as an array with a row for each server, and the names of its columns."""
    if not 2 <= len(measured) <= most:
        raise ValueError(f"{len(measured)} {what}; accepted are 2 to {most}")
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
