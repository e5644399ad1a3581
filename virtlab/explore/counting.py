"""What did this part of a run cost? The difference between two readings of the counters."""

from collections.abc import Mapping


def spent(before: Mapping, after: Mapping) -> dict:
    """Every counter of `after` less its value in `before`, nested counts (traps by cause) too.

    Parameters
    ----------
    before, after : two readings of `Machine.counters` of the same machine, in this order

    Raises
    ------
    ValueError if a counter has gone down: the readings are in the wrong order, or the machine was
    rewound between them.
    """
    difference = {}
    for name, value in after.items():
        if isinstance(value, Mapping):
            difference[name] = spent(before.get(name, {}), value)
            continue
        difference[name] = value - before.get(name, 0)
        if difference[name] < 0:
            raise ValueError(f"the counter {name!r} goes down, from {before[name]:,} to {value:,}")
    return difference
