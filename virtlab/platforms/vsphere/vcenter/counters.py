"""What does vCenter measure? Performance counters by vSphere's names, and their values.

A counter's name is group.name.rollup, with its unit: "vSphere API Reference" 8.0,
"PerformanceManager", "Performance Counters Description". Values are whole numbers: a percentage is
in hundredths, memory in KB, readiness in milliseconds of all virtual processors in the interval.

# Model: of vSphere's several hundred counters these; of its intervals the first, five minutes.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from virtlab.platforms.vsphere.bridge import Bridge

INTERVAL_S = 300
KEPT = 288  # samples of a counter: a day
MOST = 1_000_000  # samples of all counters; of a large data centre less than a day is kept


@dataclass(frozen=True)
class Counter:
    """A performance counter; `key` is the number that samples are kept under."""

    key: int
    group: str
    name: str
    rollup: str
    unit: str
    label: str

    @property
    def full_name(self) -> str:
        """Group, name and rollup, as documents cite it."""
        return f"{self.group}.{self.name}.{self.rollup}"


COUNTERS = tuple(
    Counter(*row)
    for row in (
        (2, "cpu", "usage", "average", "percent", "Usage"),
        (6, "cpu", "usagemhz", "average", "megaHertz", "Usage in MHz"),
        (12, "cpu", "ready", "summation", "millisecond", "Ready"),
        (125, "cpu", "demand", "average", "megaHertz", "Demand"),
        (24, "mem", "usage", "average", "percent", "Host consumed %"),
        (33, "mem", "active", "average", "kiloBytes", "Active"),
        (37, "mem", "shared", "average", "kiloBytes", "Shared"),
        (70, "mem", "swapped", "average", "kiloBytes", "Swapped"),
        (90, "mem", "vmmemctl", "average", "kiloBytes", "Balloon"),
        (98, "mem", "consumed", "average", "kiloBytes", "Consumed"),
        (157, "mem", "compressed", "average", "kiloBytes", "Compressed"),
    )
)
BY_KEY = {one.key: one for one in COUNTERS}
BY_NAME = {one.full_name: one for one in COUNTERS}
MEMORY_COUNTERS = {  # those that are a field of the simulation, in MB
    "shared": "mem.shared.average",
    "ballooned": "mem.vmmemctl.average",
    "compressed": "mem.compressed.average",
    "swapped": "mem.swapped.average",
}


def measure(bridge: Bridge, seconds: int) -> Iterator[tuple[str, str, int]]:
    """What hosts and running virtual machines did in an interval: (entity, counter, value)."""
    simulation = bridge.simulation
    sums = [dict.fromkeys(MEMORY_COUNTERS, 0) | {"active": 0} for _ in bridge.hosts]
    for moid, vm in zip(bridge.vms, simulation.vms, strict=True):
        if vm["host"] < 0:
            continue
        core = float(simulation.hosts["core"][vm["host"]])
        most = min(float(vm["cpu_demand"]), vm["vcpus"] * core)
        consumed = int(vm["resident"])
        active = int(vm["touched"]) * int(vm["active_percent"]) // 100
        given = float(vm["cpu_given"])
        ready = max(most - given, 0.0) / core * seconds * 1000
        yield moid, "cpu.usagemhz.average", round(given)
        yield moid, "cpu.usage.average", round(10_000 * given / (vm["vcpus"] * core))
        yield moid, "cpu.ready.summation", round(ready)
        yield moid, "cpu.demand.average", round(float(vm["cpu_demand"]))
        yield moid, "mem.usage.average", 10_000 * active // int(vm["memory"])
        yield moid, "mem.consumed.average", 1024 * consumed
        yield moid, "mem.active.average", 1024 * active
        sums[vm["host"]]["active"] += active
        for field, name in MEMORY_COUNTERS.items():
            yield moid, name, 1024 * int(vm[field])
            sums[vm["host"]][field] += int(vm[field])
    for moid, host, total in zip(bridge.hosts, simulation.hosts, sums, strict=True):
        consumed = int(host["memory"] - host["free"])
        yield moid, "cpu.usagemhz.average", round(float(host["cpu_used"]))
        yield moid, "cpu.usage.average", round(10_000 * float(host["cpu_used"] / host["cpu"]))
        yield moid, "mem.usage.average", 10_000 * consumed // int(host["memory"])
        yield moid, "mem.consumed.average", 1024 * consumed
        yield moid, "mem.active.average", 1024 * total["active"]
        for field, name in MEMORY_COUNTERS.items():
            yield moid, name, 1024 * total[field]


class Samples:
    """The newest values of every counter of every object: a day of them, or MOST in all.

    Parameters
    ----------
    rows : (time, entity, key of the counter, value), by time
    """

    def __init__(self, rows: Iterable[tuple[int, str, int, int]] = ()):
        self._kept = defaultdict(deque)
        self.add(rows)

    def add(self, rows: Iterable[tuple[int, str, int, int]], since: int = 0) -> None:
        """Append rows, later than those that are there, and forget what is before `since`."""
        for time, entity, key, value in rows:
            self._kept[entity, key].append((time, value))
        for series in self._kept.values():
            while series and series[0][0] < since:
                series.popleft()

    def of(self, entity: str, name: str) -> list[tuple[int, int]]:
        """(time, value) of a counter, oldest first; nothing if it has never been measured."""
        return list(self._kept.get((entity, BY_NAME[name].key), ()))

    def last(self, entity: str, name: str) -> int | None:
        """The newest value of a counter."""
        rows = self._kept.get((entity, BY_NAME[name].key))
        return rows[-1][1] if rows else None

    def names(self, entity: str) -> list[str]:
        """The counters that an object has values of."""
        return [one.full_name for one in COUNTERS if self._kept.get((entity, one.key))]


def kept_since(time: int, n_rows: int) -> int:
    """The second from which on samples are kept, where an interval that ends now has `n_rows`."""
    intervals = max(1, min(KEPT, MOST // max(n_rows, 1)))
    return time - (intervals - 1) * INTERVAL_S
