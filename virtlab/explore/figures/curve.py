"""How does one number follow another? Measured points, one of them read out; and a TLB to try.

`sweep` draws what a function measured. `tlb_sweep` computes the misses of a loop over pages anew
for every stride and size of TLB that a reader chooses, beside what was measured on the machine.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from virtlab.explore.chart import Axis, Chart, Line, Mark
from virtlab.explore.controls import Choice, Range
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import curve as curve_kernel
from virtlab.kernels import tlb as tlb_kernel

MOST_PAGES, PAGES_STEP = 640, 32
SLOTS = tuple(1 << power for power in range(4, 11))


def sweep(
    measure: Callable[[int], int],
    values: Sequence[int],
    x_name: str,
    y_name: str,
    title: str,
    marked: int | None = None,
) -> Explorable:
    """A number measured for every value once; the control picks the point that is read out.

    Parameters
    ----------
    measure : function of one value, returns a count
    values : the values to measure, at least two, none twice
    x_name, y_name : names of the axes, with units
    title : str
    marked : the value to open with, without it the first

    Raises
    ------
    ValueError if there are fewer than two values or `marked` is not among them.
    """
    values = sorted(values)
    if len(values) < 2:
        raise ValueError(f"a curve needs at least 2 points, not {len(values)}")
    if marked is not None and marked not in values:
        raise ValueError(f"{marked} is not among the measured values of {x_name}")
    ys = [measure(value) for value in values]
    named = {"x_name": braced(x_name), "y_name": braced(y_name)}
    return Explorable(
        curve_kernel.read_out,
        controls=[
            Choice("marked", x_name, {f"{value:,}": value for value in values}, marked, slider=True)
        ],
        inputs={"xs": np.array(values), "ys": np.array(ys)},
        outputs={"at_marked": ("int64", ()), "least": ("int64", ()), "most": ("int64", ())},
        title=braced(title) + ": {marked:,} " + named["x_name"],
        text=(
            "{{marked:,}} {x_name}: {{at_marked:,}} {y_name}. Between {{xs[0]:,}} and "
            "{{xs[{last}]:,}} {x_name} there are {{least:,}} to {{most:,}} {y_name}."
        ).format(last=len(values) - 1, **named),
        table=Table((x_name, y_name), Repeat(len(values), len(values), ("{xs[i]:,}", "{ys[i]:,}"))),
        figure=Chart(
            Axis(named["x_name"]),
            Axis(named["y_name"]),
            Line("xs", "ys", "measured"),
            Mark("marked", "at_marked", "read out"),
        ),
    )


def tlb_sweep(
    pages: int = 288, stride: int = 1, slots: int = 256, measured: Mapping[int, int] | None = None
) -> Explorable:
    """TLB misses of a round in which n pages are touched, `stride` pages apart.

    Parameters
    ----------
    pages : the number of pages to open with, a multiple of 32 up to 640
    stride : from one page to the next, in pages, 1 to 16
    slots : of the TLB, a power of two from 16 to 1024
    measured : number of pages -> misses a round on the machine, drawn beside the model

    Raises
    ------
    ValueError for a number outside its range.
    """
    counts = np.arange(PAGES_STEP, MOST_PAGES + 1, PAGES_STEP)
    inputs = {"counts": counts}
    series = [Line("counts", "misses", "model")]
    columns, cells = ["pages", "misses a round, model"], ["{counts[i]:,}", "{misses[i]:,}"]
    if measured:
        inputs["measured_pages"] = np.array(sorted(measured))
        inputs["measured_misses"] = np.array([measured[n] for n in sorted(measured)])
        series.append(Line("measured_pages", "measured_misses", "measured, stride 1"))
    table = [Repeat(len(counts), len(counts), tuple(cells))]
    return Explorable(
        tlb_kernel.miss_curve,
        controls=[
            Range("pages", "pages touched", PAGES_STEP, MOST_PAGES, PAGES_STEP, pages, "pages"),
            Range("stride", "stride in pages", 1, 16, 1, stride),
            Choice("slots", "TLB", {f"{n:,} slots": n for n in SLOTS}, slots, slider=True),
        ],
        inputs=inputs,
        outputs={
            "tags": ("int64", (tlb_kernel.MOST_SLOTS,)),
            "misses": ("int64", counts.shape),
            "here": ("int64", ()),
            "used": ("int64", ()),
        },
        title="A TLB of {slots:,} slots: {pages:,} pages, {stride} page{stride?s||s} apart",
        text=(
            "A round over {pages:,} pages has {here?no TLB miss|1 TLB miss|{here:,} TLB misses}. "
            "The pages want {used:,} different slots of {slots:,}."
        ),
        table=Table(columns, *table),
        figure=Chart(
            Axis("pages touched a round"),
            Axis("TLB misses a round"),
            *series,
            Mark("pages", "here", "read out"),
        ),
    )
