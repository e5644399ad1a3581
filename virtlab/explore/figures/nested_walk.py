"""Why can one TLB miss of a guest cost 24 memory references? The two-dimensional walk as a grid.

Each row finds one guest entry: first through the nested tables to where that entry is, then the
entry itself. The last row finds the page. A control moves from reference to reference; others
change the number of levels and what the walk's caches hold.
"""

from virtlab.explore.controls import Choice, Range
from virtlab.explore.drawing import box, box_key, label
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat
from virtlab.kernels import nested_walk as kernel

WIDTH = kernel.ROW_X + (kernel.MOST_LEVELS + 1) * kernel.CELL
CELL_WIDTH, CELL_HEIGHT = kernel.CELL - 10, kernel.ROW - 8
CACHES = {
    "nothing": kernel.NO_CACHE,
    "upper guest entries": kernel.GUEST_ENTRIES,
    "upper entries of both": kernel.BOTH_DIMENSIONS,
    "and where guest tables are": kernel.NESTED_TLB,
}
STATES = ("not reached", "read from memory", "in a cache", "not needed", "read now")
LOOKS = "{states[i]?box|shade|box|box|mark}"
INK = "{states[i]?muted|strong|muted|muted|strong}"


def nested_walk(guest: int = 4, nested: int = 4, shown: int | None = None) -> Explorable:
    """The references of a walk through two sets of tables, numbered in their order.

    Parameters
    ----------
    guest, nested : the levels to open with, 1 to 5 and 0 to 5
    shown : the reference to open at, without it the last one

    Raises
    ------
    ValueError for a number outside its range
    """
    last = kernel.MOST_REFERENCES
    everything = (guest + 1) * (nested + 1) - 1
    totals = {name: f"totals[{getattr(kernel, name)}]" for name in ("ALL", "IN_CACHES", "LEFT_OUT")}
    memory, at = f"totals[{kernel.IN_MEMORY}]", f"totals[{kernel.SHOWN}]"
    cells = kernel.MOST_REFERENCES
    return Explorable(
        kernel.nested_references,
        controls=[
            Range("guest", "guest levels", 1, kernel.MOST_LEVELS, 1, guest),
            Range("nested", "nested levels", 0, kernel.MOST_LEVELS, 1, nested),
            Choice("caches", "walk caches hold", CACHES),
            Range(
                "shown",
                "reference",
                0,
                last,
                1,
                everything if shown is None else shown,
                limit="most",
            ),
        ],
        outputs={
            "totals": ("int64", (kernel.N_TOTALS,)),
            "most": ("int64", ()),
            "now": ("int64", ()),
            **dict.fromkeys(("kinds", "states", "numbers", "xs", "ys"), ("int64", (cells,))),
            "row_levels": ("int64", (kernel.MOST_ROWS,)),
            "row_ys": ("int64", (kernel.MOST_ROWS,)),
        },
        title=(
            "Walk through {guest} guest level{guest?s||s} and {nested} nested: "
            f"{{{memory}}} reference{{{memory}?s||s}} to memory"
        ),
        text=(
            f"The whole walk reads {{{totals['ALL']}}} entries: guest levels times nested levels, "
            "plus guest levels, plus nested levels. "
            f"In caches: {{{totals['IN_CACHES']}}}; not needed: {{{totals['LEFT_OUT']}}}; "
            f"read from memory: {{{memory}}}. "
            f"{{{at}?Nothing has been read yet.|Reference {{{at}}} is {{kinds[now]:entry}}.}}"
        ),
        table=Table(
            ("reference", "entry", "where it is found"),
            Repeat(totals["ALL"], cells, ("{numbers[i]}", "{kinds[i]:entry}", "{states[i]:state}")),
        ),
        figure=_picture(),
        labels={
            "entry": _entries(),
            "short": _short(),
            "state": STATES,
            "row": {7: "where the page is"}
            | {level: f"where gL{level + 1} is" for level in range(kernel.MOST_LEVELS)},
        },
    )


def _entries() -> dict[int, str]:
    """Each kind of reference in words."""
    levels = range(kernel.MOST_LEVELS)
    words = {
        level * 8 + 7: f"gL{level + 1}, the guest's entry of level {level + 1}" for level in levels
    }
    for level in (*levels, 7):
        to = "the page" if level == 7 else f"gL{level + 1}"
        words |= {level * 8 + n: f"nL{n + 1}, nested, on the way to {to}" for n in levels}
    return words


def _short() -> dict[int, str]:
    return {kind: words.partition(",")[0] for kind, words in _entries().items()}


def _picture() -> Sketch:
    guest_column = kernel.ROW_X + kernel.MOST_LEVELS * kernel.CELL + CELL_WIDTH / 2
    crossed = f"<path d='M6 6L{CELL_WIDTH - 6} {CELL_HEIGHT - 6}' class='wire'/>"
    dashed = (
        f"<rect x='3' y='3' width='{CELL_WIDTH - 6}' height='{CELL_HEIGHT - 6}' rx='3' "
        "class='wire' stroke-dasharray='4 3'/>"
    )
    cell = (
        "<g transform='translate({xs[i]} {ys[i]})'>"
        + box(0, 0, CELL_WIDTH, CELL_HEIGHT, LOOKS)
        + f"{{states[i]?|  |{dashed}|{crossed}|  }}"
        + label(10, 24, "{numbers[i]}", INK)
        + label(CELL_WIDTH - 8, 24, "{kinds[i]:short}", "mono", "end")
        + "</g>"
    )
    row = f"<g transform='translate(0 {{row_ys[i]}})'>{label(8, 24, '{row_levels[i]:row}')}</g>"
    key_y = f"<g transform='translate(0 {{totals[{kernel.BOTTOM}]}})'>"
    keys = [
        box_key(8, -22, "shade", "read from memory"),
        box_key(168, -22, "mark", "read now"),
        box_key(280, -22, "box", "cached (dashed), not needed (crossed)"),
    ]
    return Sketch(
        WIDTH,
        f"{{totals[{kernel.BOTTOM}]}}",
        label(kernel.ROW_X, 24, "through the nested tables: nL5 to nL1", "muted"),
        label(guest_column, 24, "guest's entry", "muted", "middle"),
        Repeat(f"totals[{kernel.ROWS}]", kernel.MOST_ROWS, row),
        Repeat(f"totals[{kernel.ALL}]", kernel.MOST_REFERENCES, cell, between="\n"),
        key_y + "".join(keys) + "</g>",
    )
