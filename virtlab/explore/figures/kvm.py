"""What do exits cost under KVM? Time by mode, exits by I/O path, and polling before a halt.

The first two take counts of runs on the model (or of a real device); the third computes the rules
of halt polling anew for every setting.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from virtlab.explore.chart import Axis, Bars, Chart, Line
from virtlab.explore.controls import Choice, Range
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import halt_polling as polling_kernel
from virtlab.kernels import io_paths as path_kernel
from virtlab.kernels import kvm_modes as mode_kernel

MODES = ("guest", "kernel", "user")
MOST_RUNS = 8


def mode_times(
    runs: Mapping[str, Mapping[str, int]], title: str = "Time by mode", per_exit: int = 1_300,
    per_return: int = 4_000,
) -> Explorable:  # fmt: skip
    """Cycles in guest, kernel and user mode of several runs; controls set the prices.

    Parameters
    ----------
    runs : what the reader sees -> {"guest": instructions, "kernel": exits, "user": returns}, as
        `Vcpu.modes` counts them
    title : str
    per_exit : cycles of an exit, its handling in the kernel and the entry, 0 to 10,000; 1,300 is
        KVM's hypercall on a Xeon E5-2450 (Dall and others, ISCA 2016)
    per_return : cycles of the way to the program and back in addition, 0 to 40,000

    Raises
    ------
    ValueError if there are none or more than 8 runs, or a mode is missing
    """
    if not 1 <= len(runs) <= MOST_RUNS:
        raise ValueError(f"{len(runs)} runs; accepted are 1 to {MOST_RUNS}")
    for name, modes in runs.items():
        if set(modes) != set(MODES):
            raise ValueError(f"{name} has the modes {list(modes)}; accepted are {', '.join(MODES)}")
    names, n = tuple(runs), len(runs)
    row = ("{i:run}", *(f"{{{mode}[i]:,}}" for mode in MODES), "{totals[i]:,}")
    return Explorable(
        mode_kernel.mode_times,
        [
            Range("per_exit", "exit and entry", 0, 10_000, 100, per_exit, "cycles"),
            Range("per_return", "to the program", 0, 40_000, 500, per_return, "cycles"),
        ],
        {"counts": np.array([[modes[mode] for mode in MODES] for modes in runs.values()])},
        outputs={
            **dict.fromkeys((*MODES, "totals"), ("int64", (n,))),
            "shares": ("float64", (n, 3)),
            "dearest": ("int64", ()),
        },
        title=braced(title) + ": {per_exit:,} cycles an exit, {per_return:,} more to the program",
        text=(
            Repeat(
                n,
                n,
                "{i:run}: guest mode {shares[i][0]:.1f} %, kernel mode {shares[i][1]:.1f} %, user "
                "mode {shares[i][2]:.1f} %",
                between="; ",
            ),
            ". Most cycles: {dearest:run}, {totals[dearest]:,}.",
        ),
        table=Table(
            ("run", *(f"{mode} mode, cycles" for mode in MODES), "cycles"),
            Repeat(n, n, row),
        ),
        figure=Chart(
            Axis("run", categories=names),
            Axis("cycles"),
            *(Bars(mode, f"{mode} mode") for mode in MODES),
            stacked=True,
        ),
        labels={"run": names},
    )


def io_paths(cases: Mapping[str, Iterable], title: str = "Exits for one request") -> Explorable:
    """Exits for one request by path, and who answers them; the control picks the request.

    Parameters
    ----------
    cases : what the reader sees -> records with `path`, `n_requests`, `to_program`, `in_kernel` and
        `n_interrupts`, as `virtlab.platforms.kvm.user_space.io_paths` counts them; the same paths,
        at least two, and at least two cases
    title : str

    Raises
    ------
    ValueError if there are fewer than two cases or paths, or the paths differ
    """
    found = {name: list(records) for name, records in cases.items()}
    if len(found) < 2:
        raise ValueError(f"{len(found)} kinds of requests; accepted are at least 2")
    paths = tuple(record.path for record in next(iter(found.values())))
    for name, records in found.items():
        own = tuple(record.path for record in records)
        if own != paths or len(own) < 2:
            raise ValueError(
                f"{name} has the paths {', '.join(own) or 'none'}; accepted are at least 2, the "
                f"same for all: {', '.join(paths)}"
            )

    def numbers(field: str) -> np.ndarray:
        return np.array([[getattr(one, field) for one in records] for records in found.values()])

    n = len(paths)
    floats = dict.fromkeys(("to_program", "to_kernel", "interrupts", "each"), ("float64", (n,)))
    cells = (
        "{i:path}", "{to_program[i]:.2f}", "{to_kernel[i]:.2f}", "{each[i]:.2f}",
        "{interrupts[i]:.2f}",
    )  # fmt: skip
    return Explorable(
        path_kernel.exits_by_path,
        [Choice("case", "request", {name: k for k, name in enumerate(found)})],
        {
            "program": numbers("to_program"),
            "in_kernel": numbers("in_kernel"),
            "raised": numbers("n_interrupts"),
            "requests": numbers("n_requests")[:, 0],
        },
        outputs=floats,
        title=braced(title) + ": {case:case}",
        text=(
            "Exits for one request: ",
            Repeat(n, n, "{i:path} {each[i]:.2f}", between=", "),
            ". Of these the program answers: ",
            Repeat(n, n, "{i:path} {to_program[i]:.2f}", between=", "),
            ".",
        ),
        table=Table(
            (
                "path",
                "exits that the program answers",
                "exits that the kernel keeps",
                "exits for one request",
                "interrupts for one request",
            ),
            Repeat(n, n, cells),
        ),
        figure=Chart(
            Axis("path", categories=paths),
            Axis("exits for one request"),
            Bars("to_program", "answered by the program"),
            Bars("to_kernel", "kept by the kernel"),
            stacked=True,
        ),
        labels={"path": paths},
    )


def halt_polling(
    usual: int = 50, rare: int = 1_000, every: int = 15, most: int = 200, grow: int = 2
) -> Explorable:
    """How long a vcpu polls before it gives the processor away; controls set halts and parameters.

    Parameters
    ----------
    usual, rare : microseconds after which something comes for the guest, 5 to 400 and 100 to 2,000
    every : each such halt is a rare one, 0 to 30; 0: none is
    most : halt_poll_ns, in microseconds, 0 to 400
    grow : halt_poll_ns_grow, 0 to 4
    """
    n, state = polling_kernel.N_HALTS, polling_kernel
    return Explorable(
        polling_kernel.halt_polling,
        [
            Range("grow", "halt_poll_ns_grow", 0, 4, 1, grow),
            Range("most", "halt_poll_ns", 0, 400, 10, most, "us"),
            Range("usual", "usual halt", 5, 400, 5, usual, "us"),
            Range("every", "one long halt in", 0, 30, 1, every),
        ],
        {"rare": rare, "numbers": np.arange(1, n + 1)},
        outputs={
            **dict.fromkeys(("lengths", "polls"), ("int64", (n,))),
            "state": ("int64", (state.N_STATE,)),
        },
        title="Halt polling: halts of {usual} us, at most {most} us of polling",
        text=(
            f"Of {n} halts {{state[{state.SUCCESSES}]}} end while the vcpu polls, and "
            f"{{state[{state.WAKE_UPS}]}} take the scheduler. Polling takes "
            f"{{state[{state.POLLED}]:,}} us of the processor, {{state[{state.POLLED_IN_VAIN}]:,}} "
            "us of them in vain."
        ),
        table=Table(
            ("halt", "its length, us", "polling at most, us"),
            Repeat(n, n, ("{numbers[i]}", "{lengths[i]:,}", "{polls[i]:,}")),
        ),
        figure=Chart(
            Axis("halt"),
            Axis("microseconds (log)", log=True),
            Line("numbers", "lengths", "the halt lasts", joined=False),
            Line("numbers", "polls", "polls at most", steps=True),
        ),
    )
