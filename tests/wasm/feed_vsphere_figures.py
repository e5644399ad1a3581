"""Arguments for the kernels of chapters 08 and 09: those of their figures, at random settings."""

import copy
import functools

import numpy as np

from virtlab import explore
from virtlab.explore.figures.cluster_day import crowded
from virtlab.platforms.vsphere.watching import ASKERS, Step


def some_steps() -> list[Step]:
    """Operations that make no sense together, of every asker."""
    names = [f"esx{k}" for k in range(4)]
    return [
        Step(
            ASKERS[k % len(ASKERS)], "PowerOnVM", "done", "Fault" * (k % 5 == 0), names[k % 4],
            names[k % 3], {name: k * n for n, name in enumerate(names)}, tuple(names[: k % 3]),
        )
        for k in range(23)
    ]  # fmt: skip


FIGURES = (
    explore.vsphere_architecture(some_steps()),
    explore.cluster_day(crowded(3, 9)),
    explore.entitlement(),
    explore.idle_tax(),
    explore.host_memory(),
    explore.migration_rounds(),
    explore.failover_slots(),
    explore.hosted_io(),
    explore.choosing(),
)


def setting(control, rng):
    """One value of a control."""
    if isinstance(control, explore.Range):
        steps = round((control.high - control.low) / control.step)
        value = control.low + control.step * int(rng.integers(steps + 1))
    elif isinstance(control, explore.Switch):
        value = int(rng.integers(2))
    else:
        value = int(rng.choice(list(control.options.values())))
    return np.int64(value) if control.whole else np.float64(value)


def feed(figure, rng):
    """What the kernel is given at some setting, in its order."""
    given = {name: setting(control, rng) for name, control in figure.controls.items()}
    for name, value in figure.inputs.items():
        whole = np.int64 if isinstance(value, int) else np.float64
        given[name] = copy.deepcopy(value) if isinstance(value, np.ndarray) else whole(value)
    for name, (dtype, shape) in figure.outputs.items():
        given[name] = np.zeros(shape or (1,), dtype)
    return tuple(given[name] for name in figure.parameters)


KNOWN = {
    f"{figure.module}:{figure.name}": (figure.types(), functools.partial(feed, figure))
    for figure in FIGURES
}
