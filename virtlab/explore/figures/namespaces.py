"""Which of the kernel's objects does a box see, and under which name?

There is one kernel and one table of each kind of object. A namespace is a second name for some of
them: process 1 of a box is an ordinary process of the kernel, with an ordinary number there.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from virtlab.containers.processes import KernelObject
from virtlab.containers.processes import objects as objects_of
from virtlab.explore.controls import Choice
from virtlab.explore.drawing import count, label, wire
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import namespaces as kernel

KINDS = ("process", "host name", "root directory", "port")  # in the order of the kernel's numbers
MOST_DRAWN = 24  # objects in the picture; the table has all

WIDTH, TOP, ROW = 680, 30, 30
KIND_RIGHT, OUTSIDE_X, OUTSIDE_RIGHT, INSIDE_X, INSIDE_RIGHT = 112, 122, 398, 448, 664


def namespaces(objects, title: str = "One kernel") -> Explorable:
    """What the kernel has, and what the chosen box sees of it.

    Parameters
    ----------
    objects : a machine with pith, or any sequence of KernelObject; the first 24 are drawn, the
        table has 60
    title : str, begins the figure's title

    Raises
    ------
    ValueError if there are fewer than 2 boxes in them, an object's kind is none of KINDS, or the
    machine does not run pith
    """
    if hasattr(objects, "symbols"):
        objects = objects_of(objects)
    objects = sorted(objects, key=lambda one: KINDS.index(_known(one.kind)))
    boxes = list(dict.fromkeys(box for one in objects for box in (one.box, *one.seen)))
    if len(boxes) < 2:
        raise ValueError(f"{count(len(boxes), 'box')} in these objects; a choice needs at least 2")
    words = sorted({name for one in objects for name in one.seen.values()})
    names = [
        [words.index(one.seen[box]) if box in one.seen else kernel.UNSEEN for one in objects]
        for box in boxes
    ]
    n, n_drawn = len(objects), min(len(objects), MOST_DRAWN)
    outputs = dict.fromkeys(("inside", "visible", "own"), ("int64", (n,)))
    outputs |= dict.fromkeys(("n_seen", "n_all"), ("int64", (kernel.N_KINDS,)))
    note = f" The picture has the first {n_drawn}." if n > n_drawn else ""
    return Explorable(
        kernel.seen_from,
        [Choice("viewer", "seen from", {box: k for k, box in enumerate(boxes)}, len(boxes) - 1)],
        {
            "names": np.array(names),
            "kinds": np.array([KINDS.index(one.kind) for one in objects]),
            "owners": np.array([boxes.index(one.box) for one in objects]),
        },
        outputs={**outputs, "hidden": ("int64", ())},
        title=f"{braced(title)}: what {{viewer:box}} sees",
        text=(
            f"Of the kernel's {count(n, 'object')}, {{viewer:box}} does not see {{hidden:,}}. "
            "It sees ",
            Repeat(
                kernel.N_KINDS,
                kernel.N_KINDS,
                "{n_seen[i]:,} of {n_all[i]:,} {i:kinds_of_objects}",
                between=", ",
            ),
            f".{note}",
        ),
        table=Table(
            ("object", "in the kernel", "belongs to", "in the chosen box"),
            Repeat(
                n,
                n,
                (
                    "{kinds[i]:kind}",
                    "{i:object}",
                    "{owners[i]:box}",
                    "{visible[i]?not seen|{inside[i]:name}}",
                ),
            ),
        ),
        figure=_picture(objects[:n_drawn]),
        labels={
            "box": boxes,
            "kind": KINDS,
            "kinds_of_objects": ["processes", "host names", "root directories", "ports"],
            "object": [one.name for one in objects],
            "name": words,
        },
    )


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of object; accepted are {', '.join(KINDS)}")
    return kind


def _picture(objects: Sequence[KernelObject]) -> Sketch:
    """A row for each object: the kernel's name on the left, the box's on the right."""
    n = len(objects)
    parts: list = [
        label((OUTSIDE_X + OUTSIDE_RIGHT) / 2, 18, "in the kernel", "strong", "middle"),
        f"<text x='{(INSIDE_X + INSIDE_RIGHT) / 2:g}' y='18' class='strong' "
        "text-anchor='middle'>in {viewer:box}</text>",
    ]
    for row, one in enumerate(objects):
        if row == 0 or one.kind != objects[row - 1].kind:
            parts.append(label(KIND_RIGHT, TOP + ROW * row + 18, one.kind, "muted", "end"))
    for row, one in enumerate(objects):
        y, seen = TOP + ROW * row, f"visible[{row}]"
        shown = f"{{own[{row}]?{{{seen}?shade|box}}|mark}}"
        parts += [
            _cell(OUTSIDE_X, y, OUTSIDE_RIGHT, shown, f"{{{seen}?muted|}}", escape(_words(one))),
            f"{{{seen}?|{wire((OUTSIDE_RIGHT, y + 12), (INSIDE_X, y + 12))}}}",
            _cell(
                *(INSIDE_X, y, INSIDE_RIGHT, f"{{{seen}?shade|{shown}}}", f"{{{seen}?muted|}}"),
                f"{{{seen}?not seen|{{inside[{row}]:name}}}}",
            ),
        ]
    return Sketch(WIDTH, TOP + ROW * n + 8, *parts)


def _words(one: KernelObject) -> str:
    return braced(f"{one.name} ({one.box})")


def _cell(x: int, y: int, right: int, look: str, words_look: str, words: str) -> str:
    """A box with words in it; all but the places are templates."""
    return (
        f"<rect x='{x}' y='{y}' width='{right - x}' height='24' rx='4' class='{look}'/>"
        f"<text x='{x + 10}' y='{y + 17}' class='{words_look}'>{words}</text>"
    )
