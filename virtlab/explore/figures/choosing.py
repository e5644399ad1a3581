"""Which one, when? The reader's mix of work on every technique and product of the book."""

import numpy as np

from virtlab.explore.chart import Axis, Bars, Chart
from virtlab.explore.controls import Choice, Range
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.template import Repeat
from virtlab.kernels import choosing as kernel
from virtlab.platforms import choosing as platforms

KINDS = ("compute", "nullsys", "forkwait", "diskread")  # in the order of the controls
MILLION = 1_000_000
UNMODIFIED = 2  # the need that the figure opens with


def choosing(
    compute: int = 2, calls: int = 500, processes: int = 2, blocks: int = 20
) -> Explorable:
    """Cost of a unit of work by candidate, with what each can run and how it isolates.

    Parameters
    ----------
    compute : million instructions in a unit of work, 0 to 100
    calls : system calls, 0 to 10,000 in steps of 100
    processes : processes made and ended, 0 to 50
    blocks : blocks read from a disk, 0 to 500 in steps of 5

    Raises
    ------
    ValueError for a value that its control cannot have
    """
    found, all_ = platforms.cycles(), platforms.CANDIDATES
    instructions = platforms.measured_instructions("compute")
    rows = [
        [found[one.name][kind] * (MILLION / instructions if kind == "compute" else 1)
         for kind in KINDS]
        for one in all_
    ]  # fmt: skip
    n = len(all_)
    walls = [platforms.wall(one.where) for one in all_]
    can = [platforms.compatible(one.where) for one in all_]
    return Explorable(
        kernel.choosing,
        [
            Range("compute", "computing", 0, 100, 1, compute, "M instr."),
            Range("calls", "system calls", 0, 10_000, 100, calls),
            Range("processes", "processes", 0, 50, 1, processes),
            Range("blocks", "disk blocks", 0, 500, 5, blocks),
            Choice("need", "the server needs", {
                name: k for k, name in enumerate(platforms.NEEDS)
            }, UNMODIFIED),
        ],
        {
            "cycles": np.array(rows),
            "meets": np.array([platforms.meets(one.where) for one in all_]).astype(np.int64),
            "memory": np.array([platforms.kilobytes(one.where) for one in all_]),
            "own": np.array([int(one.own_kernel) for one in can]),
            "unmodified": np.array([int(one.unmodified) for one in can]),
            "extension": np.array([int(one.extension) for one in can]),
            "ways": np.array([number for number, _ in walls]),
        },
        outputs={
            **dict.fromkeys(("millions", "times", "will_do", "will_not"), ("float64", (n,))),
            "allowed": ("int64", (n,)),
            "best": ("int64", ()),
            "kept": ("int64", ()),
        },
        title="{compute:,} million instructions, {calls:,} system calls, {processes} processes, "
        "{blocks} blocks: of {kept} that will do, the cheapest with a wall is {best:name}",
        text=(
            "The server needs {need:need}. Cycles, in those of a process on the host's kernel: ",
            Repeat(n, n, "{i:name} {times[i]:,.2f}{allowed[i]? (will not do)|}", between=", "),
            ".",
        ),
        table=Table(
            ("candidate", "what it is", "times as long", "million cycles", "will do", "own kernel",
             "unmodified", "needs VT-x", "wall", "KiB a server"),
            Repeat(n, n, (
                "{i:name}", "{i:what}", "{times[i]:,.2f}", "{millions[i]:,.2f}",
                "{allowed[i]?no|yes}", "{own[i]?no|yes}", "{unmodified[i]?no|yes}",
                "{extension[i]?no|yes}", "{ways[i]} {i:wall}", "{memory[i]:,}",
            )),
        ),
        figure=Chart(
            Axis("candidate", categories=tuple(one.name for one in all_)),
            Axis("million cycles (log)", log=True),
            Bars("will_do", "will do"),
            Bars("will_not", "will not do"),
            stacked=True,
        ),
        labels={
            "name": [one.name for one in all_],
            "what": [one.what for one in all_],
            "wall": [text for _, text in walls],
        },
    )  # fmt: skip
