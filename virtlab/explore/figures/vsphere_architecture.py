"""How do vSphere's four parts work together? Clients, vCenter, its database, and hosts.

The diagram has the parts of the book's article, Figure 2-4. A control moves through a journal of
vCenter: who asked, that it was kept in the database first, and which hosts were told.
"""

from collections.abc import Sequence

import numpy as np

from virtlab.explore.controls import Range
from virtlab.explore.drawing import box, label, line, way
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import vsphere_path as kernel
from virtlab.platforms.vsphere.watching import ASKERS, Step

MOST_STEPS, MOST_HOSTS = 200, 6

WIDTH, LEFT, RIGHT = 680, 8, 672
CLIENT_Y, CLIENT_H = 8, 54
CENTRE_Y, CENTRE_H = 100, 108
DATABASE_X, DATABASE_W = 492, 180
CENTRE_W = DATABASE_X - 40 - LEFT
HOST_Y, HOST_H = 252, 92
STORE_Y, STORE_H = 380, 40
HEIGHT = STORE_Y + STORE_H + 8
PARTS = (("DRS", "balances"), ("HA", "restarts"), ("reports", "heartbeats"))


def vsphere_architecture(steps: Sequence[Step], title: str = "vSphere") -> Explorable:
    """The four parts of vSphere; a control moves through a journal's operations.

    Parameters
    ----------
    steps : as `virtlab.platforms.vsphere.watching.steps` reads them; the last 200 are held
    title : str, begins the figure's title

    Raises
    ------
    ValueError if there is no operation, no host, or more than 6 hosts
    """
    held = list(steps)[-MOST_STEPS:]
    names = list(held[-1].crowds) if held else []
    if not 1 <= len(names) <= MOST_HOSTS:
        raise ValueError(
            f"{len(held)} operations on {len(names)} hosts; accepted are one operation or more, "
            f"on 1 to {MOST_HOSTS} hosts"
        )
    kinds = sorted({one.kind for one in held})
    n, hosts = len(held), len(names)
    place = {name: k for k, name in enumerate(names)}
    return Explorable(
        kernel.vsphere_path,
        [Range("shown", "operation", 0, n, 1, n)],
        {
            "askers": _numbers(ASKERS.index(one.asker) for one in held),
            "faults": _numbers(bool(one.fault) for one in held),
            "sources": _numbers(place.get(one.source, -1) for one in held),
            "targets": _numbers(place.get(one.target, -1) for one in held),
            "crowds": np.array([[one.crowds.get(name, 0) for name in names] for one in held]),
            "states": np.array(
                [[int(name in one.away or name not in one.crowds) for name in names]
                 for one in held]
            ),
            "kinds": _numbers(kinds.index(one.kind) for one in held),
            "n_steps": n,
        },
        outputs={
            "at": ("int64", ()),
            "state": ("int64", (kernel.N_STATE,)),
            **dict.fromkeys(("by_asker", "asker_lit"), ("int64", (kernel.N_ASKERS,))),
            **dict.fromkeys(("host_lit", "crowd", "down"), ("int64", (hosts,))),
        },
        title=braced(title) + f": {{state[{kernel.SHOWN}]?no operation yet|"
        "operation {shown}, {kinds[at]:kind}}",
        text=_text(hosts),
        table=_table(hosts),
        figure=Sketch(
            WIDTH, HEIGHT, *_clients(), *_centre(), *_database(), *_hosts(names), *_store()
        ),
        labels={
            "kind": kinds,
            "asker": list(ASKERS),
            "host": names,
            "message": [one.message for one in held],
        },
    )  # fmt: skip


def _numbers(found) -> np.ndarray:
    return np.array([int(one) for one in found], np.int64)


def _text(hosts: int):
    return (
        f"{{state[{kernel.SHOWN}]?Nothing has been asked yet.|{{askers[at]:asker}} leads to "
        "{kinds[at]:kind}; vCenter writes it into its database and then carries it out. "
        f"{{state[{kernel.FAULT}]?|It is refused: }}{{at:message}}}} So far clients have asked "
        f"{{by_asker[{kernel.CLIENT}]}} times, DRS {{by_asker[{kernel.DRS}]}}, HA "
        f"{{by_asker[{kernel.HA}]}}, and hosts have reported {{by_asker[{kernel.REPORT}]}} times. "
        f"Refused: {{state[{kernel.N_FAULTS}]}}. {{state[{kernel.ON}]}} virtual machines run: ",
        Repeat(hosts, hosts, "{i:host} {crowd[i]}{down[i]?| (away)}", between=", "),
        ".",
    )


def _table(hosts: int) -> Table:
    return Table(
        ("part", "what", "count"),
        *(
            ("asked by", asker, f"{{by_asker[{k}]}}")
            for k, asker in enumerate(ASKERS)
        ),
        Repeat(hosts, hosts, ("{i:host}", "{down[i]?running|away}", "{crowd[i]}")),
    )  # fmt: skip


def _lit(ref: str) -> str:
    return f"{{{ref}?box|mark}}"


def _clients() -> list[str]:
    lit = f"asker_lit[{kernel.CLIENT}]"
    middle = LEFT + CENTRE_W / 2
    return [
        box(LEFT, CLIENT_Y, CENTRE_W, CLIENT_H, _lit(lit)),
        label(LEFT + 12, CLIENT_Y + 22, "Clients", "strong"),
        label(LEFT + 12, CLIENT_Y + 42, "vSphere Client, scripts: the same API", "muted"),
        label(
            LEFT + CENTRE_W - 12, CLIENT_Y + 22, f"{{by_asker[{kernel.CLIENT}]}}", "", "end"
        ),
        way(((middle, CLIENT_Y + CLIENT_H), (middle, CENTRE_Y - 2)), lit),
        label(middle + 8, CLIENT_Y + CLIENT_H + 24, "SOAP over TLS", "muted"),
    ]  # fmt: skip


def _centre() -> list[str]:
    """vCenter Server with the parts that ask for operations themselves."""
    shown = f"state[{kernel.SHOWN}]"
    parts = [
        box(LEFT, CENTRE_Y, CENTRE_W, CENTRE_H, "shade"),
        label(LEFT + 12, CENTRE_Y + 22, "vCenter Server", "strong"),
        label(LEFT + 130, CENTRE_Y + 22, f"{{{shown}?|{{kinds[at]:kind}}}}", "mono"),
    ]
    width = (CENTRE_W - 24 - 16) / 3
    for k, (name, what) in enumerate(PARTS):
        x = LEFT + 12 + k * (width + 8)
        asker = k + kernel.DRS
        parts += [
            box(x, CENTRE_Y + 36, width, 60, _lit(f"asker_lit[{asker}]")),
            label(x + 10, CENTRE_Y + 58, name, "strong"),
            label(x + 10, CENTRE_Y + 80, what, "muted"),
            label(x + width - 10, CENTRE_Y + 58, f"{{by_asker[{asker}]}}", "", "end"),
        ]
    return parts


def _database() -> list[str]:
    """The database, written before anything is done."""
    shown, middle = f"state[{kernel.SHOWN}]", CENTRE_Y + CENTRE_H / 2
    x, y = DATABASE_X, CENTRE_Y + 14
    return [
        line(((LEFT + CENTRE_W, middle), (DATABASE_X, middle)), f"{{{shown}?|lit}}"),
        box(x, y, DATABASE_W, CENTRE_H - 28, _lit(shown), 12),
        label(x + 14, y + 26, "Database", "strong"),
        label(x + 14, y + 46, "objects, tasks, events", "muted"),
        label(x + 14, y + 66, "{shown} operations kept"),
    ]


def _hosts(names: list[str]) -> list[str]:
    n = len(names)
    width = (RIGHT - LEFT - 10 * (n - 1)) / n
    middle, bus = LEFT + CENTRE_W / 2, CENTRE_Y + CENTRE_H + 20
    parts = [line(((middle, CENTRE_Y + CENTRE_H), (middle, bus)))]
    for k, name in enumerate(names):
        x = LEFT + k * (width + 10)
        centre = x + width / 2
        parts += [
            way(((middle, bus), (centre, bus), (centre, HOST_Y - 2)), f"host_lit[{k}]"),
            box(x, HOST_Y, width, HOST_H, f"{{host_lit[{k}]?shade|mark}}"),
            label(x + 10, HOST_Y + 22, name, "strong"),
            label(x + 10, HOST_Y + 46, f"{{down[{k}]?{{crowd[{k}]}} running|away}}"),
            label(x + 10, HOST_Y + 70, "ESX", "muted"),
            line(((centre, HOST_Y + HOST_H), (centre, STORE_Y))),
        ]
    return parts


def _store() -> list[str]:
    return [
        box(LEFT, STORE_Y, RIGHT - LEFT, STORE_H, "shade"),
        label(LEFT + 12, STORE_Y + 25, "Shared datastores and networks", "strong"),
        label(
            RIGHT - 12, STORE_Y + 25, "a virtual machine's disk stays where it is", "muted", "end"
        ),
    ]
