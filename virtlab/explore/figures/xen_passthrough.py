"""What changes if a domain has its own device? The way of a sector, and what the IOMMU is for.

The article's Figure 2-2: a domain drives a device directly, past Domain0. Two controls choose the
way and switch the IOMMU; numbers are those of a run for one sector.
"""

from collections.abc import Sequence

import numpy as np

from virtlab.explore.controls import Choice, Switch
from virtlab.explore.drawing import box, label, way
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.kernels import disk_paths as kernel
from virtlab.platforms.xen.disk_paths import WAYS, DiskPath

WIDTH, LEFT, RIGHT = 680, 8, 672
TOP, HEIGHT_OF_DOMAIN = 8, 104
DOMAIN_WIDTH, GUEST_X = 300, 372
XEN_Y, XEN_HEIGHT = 168, 60
HARDWARE_Y, HARDWARE_HEIGHT = 290, 118
HEIGHT = HARDWARE_Y + HARDWARE_HEIGHT + 8
PAGE_WIDTH = 150


def xen_passthrough(records: Sequence[DiskPath], way: str = WAYS[0], iommu: bool = True):
    """A sector by each way to the disk.

    Parameters
    ----------
    records : of every way with the IOMMU on and off, as
        `virtlab.platforms.xen.disk_paths.disk_paths` measures them
    way, iommu : to open with

    Raises
    ------
    ValueError if a way is missing or unknown
    """
    found = {(one.way, one.iommu): one for one in records}
    if set(found) != {(name, on) for name in WAYS for on in (False, True)}:
        raise ValueError(
            f"{len(found)} records; accepted is one for each of {', '.join(WAYS)} with the IOMMU "
            "on and off"
        )
    if way not in WAYS:
        raise ValueError(f"way {way!r}; accepted are {', '.join(WAYS)}")

    def table_of(*fields: str) -> np.ndarray:
        return np.array(
            [
                [[getattr(found[name, on], field) for field in fields] for on in (False, True)]
                for name in WAYS
            ]
        )

    names = ("calls", "driver_calls", "turns", "registers", "transfers")
    flags = {
        name: table_of(name)[:, :, 0].astype(np.int64)
        for name in ("refused", "own_page", "other_page")
    }
    state, counts = "state[{}]".format, "counts[{}]".format
    k = kernel
    outcome = (
        f"{{{state(k.REFUSED)}?{{{state(k.OTHER_PAGE)}?The sector is in the domain's own page.|"
        "The sector is in a page of Domain0: the device has written where no table of the hart "
        "let the domain write.}|The IOMMU has refused the device's access, and no page has "
        "changed.}"
    )
    return Explorable(
        kernel.disk_paths,
        [
            Choice("way", "way to the disk", {name: n for n, name in enumerate(WAYS)},
                   WAYS.index(way)),
            Switch("iommu", "IOMMU on", iommu),
        ],
        {"measured": table_of(*names).astype(np.float64), **flags},
        outputs={
            "counts": ("float64", (k.N_COUNTS,)),
            "state": ("int64", (k.N_STATE,)),
        },
        title="A sector read, {way:way}: IOMMU {iommu?off|on}",
        text=(
            f"For one sector the domain makes {{{counts(k.CALLS)}:.1f}} hypercalls and accesses "
            f"{{{counts(k.REGISTERS)}:.1f}} registers of a device; Domain0 makes "
            f"{{{counts(k.DRIVER_CALLS)}:.1f}} hypercalls in {{{counts(k.TURNS)}:.1f}} turns on "
            f"the hart. {outcome}"
        ),
        table=Table(
            ("for one sector", "count"),
            ("hypercalls of the domain", f"{{{counts(k.CALLS)}:.2f}}"),
            ("registers accessed by the domain", f"{{{counts(k.REGISTERS)}:.2f}}"),
            ("hypercalls of Domain0", f"{{{counts(k.DRIVER_CALLS)}:.2f}}"),
            ("turns of Domain0 on the hart", f"{{{counts(k.TURNS)}:.2f}}"),
            ("transfers of the device assigned", f"{{{counts(k.TRANSFERS)}:.2f}}"),
        ),
        figure=Sketch(WIDTH, HEIGHT, *_domains(), *_xen(), *_hardware()),
    )  # fmt: skip


def _domains() -> list[str]:
    k = kernel
    through = f"state[{k.THROUGH}]"
    y = TOP + HEIGHT_OF_DOMAIN
    return [
        box(LEFT, TOP, DOMAIN_WIDTH, HEIGHT_OF_DOMAIN, "shade"),
        label(LEFT + 12, TOP + 20, "Domain0", "strong"),
        box(LEFT + 12, TOP + 30, DOMAIN_WIDTH - 24, 62, f"{{{through}?box|mark}}"),
        label(LEFT + 22, TOP + 50, "back end, driver of the disk", "strong"),
        label(
            LEFT + 22,
            TOP + 70,
            f"{{counts[{k.DRIVER_CALLS}]:.1f}} calls, {{counts[{k.TURNS}]:.1f}} turns",
        ),
        box(GUEST_X, TOP, DOMAIN_WIDTH, HEIGHT_OF_DOMAIN, "shade"),
        label(GUEST_X + 12, TOP + 20, "DomU", "strong"),
        box(GUEST_X + 12, TOP + 30, DOMAIN_WIDTH - 24, 62, "mark"),
        label(GUEST_X + 22, TOP + 50, f"{{{through}?driver of its own disk|front end}}", "strong"),
        label(
            GUEST_X + 22,
            TOP + 70,
            f"{{counts[{k.CALLS}]:.1f}} calls, {{counts[{k.REGISTERS}]:.1f}} registers",
        ),
        way(((GUEST_X + 60, y), (GUEST_X + 60, XEN_Y - 2)), through),
        way(((LEFT + 200, XEN_Y), (LEFT + 200, y + 2)), through),
        label(GUEST_X + 68, y + 34, "event"),
        label(LEFT + 208, y + 34, "event"),
    ]


def _xen() -> list[str]:
    k = kernel
    through = f"state[{k.THROUGH}]"
    bottom = XEN_Y + XEN_HEIGHT
    return [
        box(LEFT, XEN_Y, 500, XEN_HEIGHT, "shade"),
        label(LEFT + 24, XEN_Y + 35, "Xen hypervisor", "strong"),
        box(LEFT + 140, XEN_Y + 12, 160, 36, f"{{{through}?box|mark}}"),
        label(LEFT + 150, XEN_Y + 35, "event channels"),
        box(LEFT + 312, XEN_Y + 12, 160, 36, f"{{{through}?box|mark}}"),
        label(LEFT + 322, XEN_Y + 35, "grants: copies"),
        way(((LEFT + 392, bottom), (LEFT + 392, HARDWARE_Y - 2)), through),
        label(LEFT + 400, bottom + 36, "to the page"),
        way(((LEFT + 12, TOP + HEIGHT_OF_DOMAIN), (LEFT + 12, HARDWARE_Y - 2)), through),
        label(LEFT + 22, bottom + 36, "its own driver"),
    ]


def _hardware() -> list[str]:
    k = kernel
    own, other, asked = (f"state[{n}]" for n in (k.OWN_PAGE, k.OTHER_PAGE, k.ASKED))
    refused, through = f"state[{k.REFUSED}]", f"state[{k.THROUGH}]"
    y, inside = HARDWARE_Y, HARDWARE_Y + 44
    direct = f"{{{through}?lit|}}"
    device_x = RIGHT - 130
    return [
        box(LEFT, y, RIGHT - LEFT, HARDWARE_HEIGHT, "shade"),
        label(LEFT + 12, y + 22, "Hardware", "strong"),
        box(LEFT + 12, inside, 100, 58, f"{{{through}?box|mark}}"),
        label(LEFT + 22, inside + 24, "Domain0's"),
        label(LEFT + 22, inside + 42, "disk"),
        box(LEFT + 128, inside, PAGE_WIDTH, 58, f"{{{other}?box|mark}}"),
        label(LEFT + 138, inside + 24, "a page of Domain0"),
        label(LEFT + 138, inside + 42, f"{{{other}?unchanged|OVERWRITTEN}}", "strong"),
        box(LEFT + 290, inside, PAGE_WIDTH - 20, 58, f"{{{own}?box|mark}}"),
        label(LEFT + 300, inside + 24, "a page of DomU"),
        label(LEFT + 300, inside + 42, f"{{{own}?unchanged|the sector}}", "strong"),
        box(LEFT + 436, inside, 82, 58, f"{{{asked}?box|mark}}"),
        label(LEFT + 446, inside + 24, "IOMMU"),
        label(LEFT + 446, inside + 42, f"{{iommu?off|{{{refused}?on|refuses}}}}", "strong"),
        box(device_x, inside, 120, 58, f"{{{through}?mark|box}}"),
        label(device_x + 10, inside + 24, "DomU's disk"),
        label(device_x + 10, inside + 42, f"DMA {{counts[{k.TRANSFERS}]:.1f}}"),
        f"<polyline points='{RIGHT - 40},{TOP + HEIGHT_OF_DOMAIN} {RIGHT - 40},{inside - 2}' "
        f"class='wire {direct}'/><polygon points='{RIGHT - 40},{inside - 2} {RIGHT - 44},"
        f"{inside - 9} {RIGHT - 36},{inside - 9}' class='tip {direct}'/>",
        label(RIGHT - 48, XEN_Y + 34, "registers", "", "end"),
        f"<polyline points='{device_x},{inside + 30} {LEFT + 520},{inside + 30}' "
        f"class='wire {direct}'/>",
        *_arrival(LEFT + 128 + PAGE_WIDTH / 2, inside + 58, f"{{{other}?|lit}}"),
        *_arrival(LEFT + 365, inside + 58, f"{{{through}?{{{own}?|lit}}|}}"),
    ]


def _arrival(x: float, y: float, look: str) -> list[str]:
    """From below the IOMMU to a page."""
    start, low = LEFT + 477, y + 9
    return [
        f"<polyline points='{start},{y} {start},{low} {x:g},{low} {x:g},{y}' class='wire {look}'/>"
        f"<polygon points='{x:g},{y} {x - 4:g},{y + 7} {x + 4:g},{y + 7}' class='tip {look}'/>"
    ]
