"""How busy is every host of a cluster, hour by hour? A heat map of a day that is simulated anew.

The controls are what an administrator sets: how eager DRS is, whether HA restarts, and which host
fails when. The kernel is the simulation itself, so the page runs a day of the cluster each time.
"""

import numpy as np

from virtlab.explore.controls import Choice, Range, Switch
from virtlab.explore.drawing import label
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import cluster_day as kernel
from virtlab.platforms.vsphere.cluster import Simulation, simulation

MOST_HOSTS, MOST_VMS = 12, 120
THRESHOLDS = {"off": 0, "1, conservative": 1, "2": 2, "3": 3, "4": 4, "5, aggressive": 5}

WIDTH, LEFT, RIGHT, TOP, ROW, GAP = 680, 74, 672, 30, 24, 2
STEP = (RIGHT - LEFT) / kernel.HOURS


def crowded(hosts: int = 8, vms: int = 64, seed: int = 4) -> Simulation:
    """A cluster whose virtual machines all run on the first half of its hosts, and one more."""
    made = simulation(
        hosts, vms, seed, per_cluster=hosts, cores=6, memory_mb=49_152, failover_percent=0,
        start=False,
    )  # fmt: skip
    for vm in range(vms):
        made.adopt(vm, vm % (hosts // 2 + 1))
    return made


def cluster_day(start: Simulation | None = None, title: str = "A day of a cluster") -> Explorable:
    """A heat map of load by host and hour; controls set DRS, HA, and a host that fails.

    Parameters
    ----------
    start : a simulation of one cluster with up to 12 hosts and 120 virtual machines, in second 0,
        or `crowded()`
    title : str, begins the figure's title

    Raises
    ------
    ValueError if it has more clusters, hosts or virtual machines, or has begun
    """
    s = start or crowded()
    n, vms = len(s.hosts), len(s.vms)
    if len(s.clusters) != 1 or not 2 <= n <= MOST_HOSTS or vms > MOST_VMS or s.time:
        raise ValueError(
            f"{len(s.clusters)} clusters of {n} hosts with {vms} virtual machines after {s.time} "
            f"s; accepted are one of 2 to {MOST_HOSTS} with up to {MOST_VMS}, in second 0"
        )
    names = [f"host {k}" for k in range(n)]
    by_hour, by_host = (kernel.HOURS,), (kernel.HOURS, n)
    cells = n * kernel.HOURS
    return Explorable(
        kernel.cluster_day,
        [
            Choice("threshold", "DRS threshold", THRESHOLDS, 3),
            Switch("ha", "HA restarts", True),
            Choice("failing", "host that fails", {"none": 0} | {
                name: k + 1 for k, name in enumerate(names)
            }, 2),
            Range("hour", "fails at", 0, kernel.HOURS - 1, 1, 9, "h"),
        ],
        {
            "hosts_start": s.hosts, "vms_start": s.vms, "clusters_start": s.clusters,
            "nodes": s.nodes, **dict(zip(("parent", "first", "following"), s.links, strict=True)),
            "hosts": np.zeros_like(s.hosts), "vms": np.zeros_like(s.vms),
            "clusters": np.zeros_like(s.clusters), "work": np.zeros_like(s.work),
            "pages": np.zeros_like(s.pages), "order": np.zeros_like(s.order),
            "begins": np.zeros_like(s.begins), "chain": np.zeros_like(s.chain),
            "rounds": np.zeros_like(s.rounds), "events": np.zeros_like(s.log),
            "counts": np.zeros_like(s.counts),
            "row": np.arange(cells) // kernel.HOURS, "column": np.arange(cells) % kernel.HOURS,
            "x": (LEFT + np.arange(cells) % kernel.HOURS * STEP).round().astype(np.int64),
            "y": TOP + np.arange(cells) // kernel.HOURS * ROW,
        },
        outputs={
            "load": ("float64", by_host), "shade": ("float64", by_host),
            "failed": ("int64", by_host), "crowd": ("int64", by_host),
            "moves": ("int64", by_hour), "restarts": ("int64", by_hour),
            "imbalance": ("float64", by_hour), "delivered": ("float64", ()),
            "state": ("int64", (kernel.N_STATE,)),
        },
        title=braced(title) + ": DRS {threshold?off|at threshold {threshold}}"
        "{failing?|, {failing:failing} fails at {hour}:00}",
        text=_text(vms),
        table=_table(names),
        figure=_picture(n, cells),
        labels={"name": names},
        records={
            name: f"virtlab.platforms.vsphere.state:{dtype}"
            for names_, dtype in (
                (("hosts_start", "hosts"), "HOST"), (("vms_start", "vms"), "VM"),
                (("clusters_start", "clusters"), "CLUSTER"), (("nodes",), "NODE"),
                (("events",), "EVENT"),
            )
            for name in names_
        },
    )  # fmt: skip


def _text(vms: int) -> str:
    moves, stops, again, refused, waits, still = (f"state[{k}]" for k in range(kernel.N_STATE))
    return (
        f"{{delivered:.1f}} % of the processor time that {vms} virtual machines ask for is given. "
        f"DRS makes {{{moves}:,}} migrations, in which they stand still for {{{still}:,}} s "
        "together. The hosts' loads deviate by {imbalance[0]:.3f} after the first hour and by "
        "{imbalance[23]:.3f} after the last. "
        f"HA is {{ha?off|on}}. {{failing?No host fails, at {{hour}}:00 or later.|"
        f"The failure stops {{{stops}}} virtual machines; HA restarts "
        f"{{{again}}}, and {{{refused}}} are reported as not restarted. {{{waits}}} still wait at "
        "the day's end.}"
    )


def _table(names) -> Table:
    hosts = tuple(f"{{failed[i][{k}]?{{load[i][{k}]:.0f}}|down}}" for k in range(len(names)))
    return Table(
        ("hour", *(f"{name}, %" for name in names), "migrations", "restarts", "imbalance"),
        Repeat(
            kernel.HOURS,
            kernel.HOURS,
            ("{i}", *hosts, "{moves[i]}", "{restarts[i]}", "{imbalance[i]:.3f}"),
        ),
    )


def _picture(n: int, cells: int) -> Sketch:
    """Hosts as rows, hours as columns; how dark a cell is, is its load, and migrations below."""
    bottom = TOP + n * ROW
    width, height = round(STEP) - GAP, ROW - GAP
    cell = f"x='{{x[i]}}' y='{{y[i]}}' width='{width}' height='{height}'"
    at = "[column[i]][row[i]]"
    parts = [
        label(LEFT, 18, "load of the processors: 0 %"),
        label(RIGHT, 18, "down: crossed out", "", "end"),
        *(
            f"<rect x='{LEFT + 178 + 20 * k}' y='7' width='18' height='14' class='s' "
            f"fill-opacity='{(k + 0.5) / 5:.2f}'/>"
            for k in range(5)
        ),
        label(LEFT + 284, 18, "100 % and more"),
        *(label(LEFT - 8, TOP + k * ROW + 16, f"host {k}", "muted", "end") for k in range(n)),
        Repeat(
            cells,
            cells,
            f"{{failed{at}?<rect {cell} class='s' fill-opacity='{{shade{at}:.2f}}'/>|"
            f"<rect {cell} class='box'/><path d='M{{x[i]}} {{y[i]}}l{width} {height}m0 -{height}"
            f"l-{width} {height}' class='curve of-m'/>}}",
        ),
        label(LEFT - 8, bottom + 18, "moves", "muted", "end"),
        label(LEFT - 8, bottom + 40, "hour", "muted", "end"),
    ]
    for hour in range(kernel.HOURS):
        middle = round(LEFT + hour * STEP + width / 2)
        parts.append(label(middle, bottom + 18, f"{{moves[{hour}]}}", "", "middle"))
        if hour % 3 == 0:
            parts.append(label(middle, bottom + 40, f"{hour}", "muted", "middle"))
    return Sketch(WIDTH, bottom + 52, *parts)
