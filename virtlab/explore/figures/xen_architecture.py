"""How is a hypervisor with a driver domain built? Domains, Xen and the hardware, with a real run.

The diagram has the layers of the book's article, Figure 2-1: Domain0 with the control software at
the left, the other domains beside it, Xen's parts below, then the hardware. A control moves through
the calls and turns of a run; each lights its way and is counted. A request for a disk can be
followed: the domain sends an event, Domain0 gets the hart, asks its disk, copies through the
domain's grant, sends an event back, and the domain gets the hart.
"""

from collections.abc import Sequence

import numpy as np

from virtlab.explore.controls import Range
from virtlab.explore.drawing import box, label, line, way
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import braced
from virtlab.kernels import xen_path as kernel
from virtlab.platforms.xen import abi
from virtlab.platforms.xen.watching import Step, watch

MOST_STEPS = 400  # that a figure holds: of a longer run, the last

WIDTH, LEFT, RIGHT = 680, 8, 672
DOMAIN_Y, DOMAIN_HEIGHT = 8, 112
BUS_Y = 158
XEN_Y, XEN_HEIGHT = 196, 128
PART_Y, PART_HEIGHT = XEN_Y + 32, 84
HARDWARE_Y, HARDWARE_HEIGHT = 362, 60
HEIGHT = HARDWARE_Y + HARDWARE_HEIGHT + 8
PARTS = (
    ("control interface", "domains, XenStore", "Domain0 only"),
    ("virtual CPU", "credit scheduler", "who has the hart"),
    ("virtual RAM", "grants, balloon", "whose page it is"),
    ("virtual disk, NIC", "events, IOMMU", "whose device it is"),
)
HARDWARE = ("hart", "memory", "disk", "network")
DISK = "Domain0's disk"
KINDS = {"pv": "paravirtual kernel", "hvm": "unmodified kernel", "python": "kernel in Python"}


def xen_architecture(
    xen, since: int = 0, shown: int | None = None, title: str = "Xen"
) -> Explorable:
    """Domain0, the other domains, Xen and the hardware; a control moves through a run.

    Parameters
    ----------
    xen : a Xen; it has at most three domains beside Domain0
    since : the machine's step from which calls and turns are shown; the last 400 of them
    shown : which of them to open with, the last if not said
    title : str, begins the figure's title

    Raises
    ------
    ValueError if there are more domains
    """
    domains = [xen.domains[number] for number in sorted(xen.domains)]
    rows = [(domain.number, domain.name, KINDS[domain.kind]) for domain in domains]
    return figure_of(rows, watch(xen, since), shown, title)


def figure_of(
    domains: Sequence[tuple[int, str, str]],
    steps: Sequence[Step],
    shown: int | None = None,
    title: str = "Xen",
) -> Explorable:
    """The same from plain data: domains as (number, name, kernel), and what happened."""
    if not 0 < len(domains) <= kernel.N_DOMAINS:
        raise ValueError(
            f"{len(domains)} domains; accepted are 1 to {kernel.N_DOMAINS}, Domain0 among them"
        )
    places = {number: k for k, (number, _, _) in enumerate(domains)}
    held = [step for step in steps if step.domain in places][-MOST_STEPS:]
    n = len(held)
    names = sorted({step.name for step in held}) or ["nothing"]
    inputs = {
        "domains": _numbers(places[step.domain] for step in held),
        "parts": _numbers(step.part for step in held),
        "turns": _numbers(step.turn for step in held),
        "errors": _numbers(step.refused for step in held),
        "n_steps": n,
        "steps": _numbers(step.step for step in held),
        "names": _numbers(names.index(step.name) for step in held),
    }
    controls = [Range("shown", "step", 0, n, 1, n if shown is None else shown)] if n else []
    if not n:
        inputs["shown"] = 0
    return Explorable(
        kernel.xen_path,
        controls,
        inputs,
        outputs={
            "at": ("int64", ()),
            "state": ("int64", (kernel.N_STATE,)),
            **dict.fromkeys(("by_domain", "domain_lit"), ("int64", (kernel.N_DOMAINS, 2))),
            **dict.fromkeys(("by_part", "part_lit"), ("int64", (kernel.N_PARTS,))),
        },
        title=f"{braced(title)}: {{state[{kernel.SHOWN}]?nothing yet|"
        f"step {{state[{kernel.SHOWN}]}} of {n}}}",
        text=_text(n),
        table=_table(domains),
        figure=Sketch(WIDTH, HEIGHT, *_domains(domains), *_xen(), *_hardware()),
        labels={
            "name": names,
            "domain": [name for _, name, _ in domains],
            "part": [*(name for name, _, _ in PARTS), DISK],
            "error": dict(abi.ERRORS),
        },
    )


def _numbers(found) -> np.ndarray:
    return np.array([int(number) for number in found] or [0], np.int64)


def _text(n: int) -> str:
    if not n:
        return "Nothing was recorded."
    call = (
        "{domains[at]:domain} calls Xen: {names[at]:name}. The call comes to the part "
        f"'{{parts[at]:part}}'{{state[{kernel.ERROR}]?|, and is refused: "
        f"{{state[{kernel.ERROR}]:error}}}}."
    )
    turn = "the scheduler gives the hart to {domains[at]:domain}."
    return (
        f"{{state[{kernel.SHOWN}]?Nothing is lit.|At step {{steps[at]:,}} of the machine "
        f"{{state[{kernel.IS_TURN}]?{call}|{turn}}}}} Calls so far: {{state[{kernel.CALLS}]}}, "
        f"refused: {{state[{kernel.REFUSED}]}}, turns: {{state[{kernel.TURNS}]}}."
    )


def _table(domains) -> Table:
    return Table(
        ("box", "calls so far", "turns so far"),
        *(
            (braced(name), f"{{by_domain[{k}][0]:,}}", f"{{by_domain[{k}][1]:,}}")
            for k, (_, name, _) in enumerate(domains)
        ),
        *((f"Xen: {name}", *_of_part(k)) for k, (name, _, _) in enumerate(PARTS)),
        (DISK, f"{{by_part[{len(PARTS)}]:,}}", "0"),
    )


def _of_part(part: int) -> tuple[str, str]:
    """Calls and turns of a part of Xen; all turns are the scheduler's."""
    if part != kernel.SCHEDULER:
        return f"{{by_part[{part}]:,}}", "0"
    return f"{{state[{kernel.SCHEDULER_CALLS}]:,}}", f"{{state[{kernel.TURNS}]:,}}"


def _domains(domains) -> list[str]:
    """The domains, and the ways of their calls and turns to the bus."""
    n = len(domains)
    width = (RIGHT - LEFT - 8 * (n - 1)) / n
    parts = [line(((LEFT + 30, BUS_Y), (RIGHT - 30, BUS_Y)))]
    for k, (number, name, what) in enumerate(domains):
        x = LEFT + k * (width + 8)
        calls, turns = f"domain_lit[{k}][{kernel.OUT}]", f"domain_lit[{k}][{kernel.IN}]"
        drivers = "virtual devices" if what == KINDS["hvm"] else "front ends"
        drivers = drivers if number else "control, drivers"
        bottom = DOMAIN_Y + DOMAIN_HEIGHT
        parts += [
            box(x, DOMAIN_Y, width, DOMAIN_HEIGHT, "shade"),
            box(x, DOMAIN_Y, width, 50, f"{{{calls}?{{{turns}?box|mark}}|mark}}"),
            label(x + 10, DOMAIN_Y + 22, braced(name), "strong"),
            label(x + 10, DOMAIN_Y + 42, f"domain {number}", "muted"),
            label(x + 10, DOMAIN_Y + 70, what),
            label(x + 10, DOMAIN_Y + 92, drivers, "muted"),
            way(((x + 24, bottom), (x + 24, BUS_Y)), calls),
            way(((x + width / 2 + 16, BUS_Y), (x + width / 2 + 16, bottom + 2)), turns),
            label(x + 32, bottom + 24, f"calls {{by_domain[{k}][0]:,}}"),
            label(x + width / 2 + 24, bottom + 24, f"turns {{by_domain[{k}][1]:,}}"),
        ]
    return parts


def _xen() -> list[str]:
    """Xen, its parts, and the ways from the bus to them."""
    parts = [
        box(LEFT, XEN_Y, RIGHT - LEFT, XEN_HEIGHT, "shade"),
        label(LEFT + 12, XEN_Y + 21, "Xen hypervisor", "strong"),
    ]
    width = (RIGHT - LEFT - 24 - 8 * 3) / 4
    for k, (name, what, role) in enumerate(PARTS):
        x = LEFT + 12 + k * (width + 8)
        lit = f"part_lit[{k}]"
        parts += [
            way(((x + width - 20, BUS_Y), (x + width - 20, PART_Y - 2)), lit),
            box(x, PART_Y, width, PART_HEIGHT, f"{{{lit}?box|mark}}"),
            label(x + 8, PART_Y + 18, name, "strong"),
            label(x + 8, PART_Y + 36, what, "muted"),
            label(x + 8, PART_Y + 53, role, "muted"),
            label(x + 8, PART_Y + 74, f"{{by_part[{k}]:,}}"),
        ]
    return parts


def _hardware() -> list[str]:
    """The hardware; Domain0's drivers reach it, and a domain that has a device of its own."""
    asked = f"part_lit[{len(PARTS)}]"
    looks = (f"part_lit[{kernel.SCHEDULER}]", "part_lit[2]", asked)
    parts = [
        way(((WIDTH / 2, XEN_Y + XEN_HEIGHT), (WIDTH / 2, HARDWARE_Y - 2)), asked),
        box(LEFT, HARDWARE_Y, RIGHT - LEFT, HARDWARE_HEIGHT, "shade"),
        label(LEFT + 12, HARDWARE_Y + 22, "Hardware", "strong"),
    ]
    width = 128
    for k, name in enumerate(HARDWARE):
        x = LEFT + 108 + k * (width + 8)
        parts += [
            box(
                x,
                HARDWARE_Y + 10,
                width,
                HARDWARE_HEIGHT - 20,
                f"{{{looks[k]}?box|mark}}" if k < len(looks) else "box",
            ),
            label(
                x + width / 2,
                HARDWARE_Y + 35,
                f"{name}: {{by_part[{len(PARTS)}]:,}}" if name == "disk" else name,
                "",
                "middle",
            ),
        ]
    return parts
