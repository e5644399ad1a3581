"""Why was the guest left, when, and how often? Exits on a timeline, as a list, and by reason.

Time is counted in guest instructions, which is what a virtual machine's clock counts, so the same
guest draws the same picture every time, and `vm.goto(exit.steps)` goes to where an exit was taken.
"""

from collections.abc import Sequence

import numpy as np

from virtlab.explore.controls import Choice, Range
from virtlab.explore.drawing import Drawing, box, count, grouped_hex, label, svg, wire
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.figures.exit_words import REASONS, WAYS, Recorded, reason_words
from virtlab.explore.figures.timeline import SLIDER_STEPS, VIEW_WIDTHS, round_below
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat, braced
from virtlab.hypervisors.exits import ExitReason
from virtlab.kernels import exits as kernel

WIDTH, LANE, TOP = 680, 26, 14
LEFT, RIGHT = kernel.LEFT, kernel.RIGHT
BAR_LEFT, BAR_RIGHT, BAR_ROW = 250, 600, 26
LISTED = 60  # exits that `exit_table` shows at most


def exits(vm, title: str = "Exits") -> Explorable:
    """Every exit of a run by reason and time: how wide a view, and where does it begin?

    Parameters
    ----------
    vm : a virtual machine of virtlab.hypervisors; the figure knows its last 4096 exits
    title : str, begins the figure's title; the technique's name say

    Raises
    ------
    TypeError if `vm` records no exits
    """
    recorded = Recorded.of(vm)
    events = recorded.exits
    n_earlier = sum(recorded.earlier.values())
    begin = events[0].steps if n_earlier and events else 0
    end = max(recorded.steps, events[-1].steps if events else 0)
    span = max(end - begin, 1)
    seen = sorted({int(exit.reason) for exit in events}) or [int(ExitReason.NONE)]
    steps = [0, *(exit.steps for exit in events)]
    inputs = {
        "gaps": np.array([b - a for a, b in zip(steps, steps[1:], strict=False)] or [0]),
        "lanes": np.array([seen.index(exit.reason) for exit in events] or [0]),
        "n_exits": len(events),
        "n_lanes": len(seen),
        "begin": begin,
        "end": end,
    }
    inputs |= {name + "s": np.array(recorded.column(name)) for name in ("pc", "gva", "action")}
    note = (f" The {n_earlier:,} exits before these were counted only.",) if n_earlier else ()
    lanes = [reason_words(reason) for reason in seen]
    return Explorable(
        kernel.exit_window,
        _view(inputs, begin, span),
        inputs,
        outputs={
            "bounds": ("int64", (2,)),
            "total": ("int64", ()),
            "in_lane": ("int64", (kernel.MOST_LANES,)),
            "rates": ("float64", (kernel.MOST_LANES + 1,)),
            "n_marks": ("int64", (kernel.MOST_LANES,)),
            "marks": ("int64", (kernel.MOST_LANES, kernel.MOST_MARKS)),
            "n_ticks": ("int64", ()),
            "ticks": ("int64", (kernel.MOST_TICKS,)),
            "tick_at": ("int64", (kernel.MOST_TICKS,)),
            "tick_side": ("int64", (kernel.MOST_TICKS,)),
            "rows": ("int64", (kernel.MOST_ROWS,)),
            "row_steps": ("int64", (kernel.MOST_ROWS,)),
        },
        title=braced(title) + ", guest instructions {bounds[0]:,} to {bounds[1]:,}",
        text=(
            "{total:,} exit{total?s||s}, "
            f"{{rates[{kernel.MOST_LANES}]:,.2f}} a thousand guest instructions: ",
            Repeat("n_lanes", len(seen), "{in_lane[i]:,} {i:lane}", between=", "),
            ".",
            *note,
        ),
        table=Table(
            ("guest instruction", "reason", "pc", "address", "what the hypervisor did"),
            Repeat(
                "total",
                kernel.MOST_ROWS,
                (
                    "{row_steps[i]:,}",
                    "{lanes[rows[i]]:lane}",
                    "{pcs[rows[i]]:x}",
                    "{gvas[rows[i]]:x}",
                    "{actions[rows[i]]:way}",
                ),
            ),
        ),
        figure=_picture(lanes),
        labels={"lane": lanes, "way": {int(action): words for action, words in WAYS.items()}},
    )


def _view(inputs: dict, begin: int, span: int) -> list:
    """Controls for the window; what there is no choice of becomes an input."""
    controls: list = []
    widths = [width for width in VIEW_WIDTHS if width < span]
    if widths:
        options = {"everything": 0} | {f"{width:,} instructions": width for width in widths}
        controls.append(Choice("width", "view", options, slider=True))
    else:
        inputs["width"] = 0
    step = round_below(span // SLIDER_STEPS)
    last_start = begin + (span - 1) // step * step
    if last_start > begin:
        controls.append(Range("start", "from instruction", begin, last_start, step, begin))
    else:
        inputs["start"] = begin
    return controls


def _picture(lanes: Sequence[str]) -> Sketch:
    """A lane of marks for each reason with its count, and an axis in guest instructions."""
    left = LEFT + 40  # the picture is wider than the timeline's: names of reasons are longer
    parts: list = []
    for lane, name in enumerate(lanes):
        y = TOP + lane * LANE
        parts.append(label(left - 10, y + 13, name, anchor="end"))
        parts.append(wire((left, y + LANE - 6), (RIGHT + 40, y + LANE - 6)))
        parts.append(label(RIGHT + 50, y + 13, f"{{in_lane[{lane}]:,}}", "strong"))
        mark = f"M{{marks[{lane}][i]}} {y}v18"
        marks = Repeat(
            f"n_marks[{lane}]",
            kernel.MOST_MARKS,
            mark,
            before="<path transform='translate(40 0)' d='",
            after="' class='trap'/>",
        )
        parts.append(marks)
    y = TOP + len(lanes) * LANE
    tick = (
        f"<path d='M{{tick_at[i]}} {y}v5' class='wire'/>"
        f"<text x='{{tick_at[i]}}' y='{y + 18}' class='muted' "
        "text-anchor='{tick_side[i]?start|middle|end}'>{ticks[i]:,}</text>"
    )
    parts.append(wire((left, y), (RIGHT + 40, y)))
    axis = Repeat("n_ticks", kernel.MOST_TICKS, tick, between="\n")
    parts += ["<g transform='translate(40 0)'>", axis, "</g>"]
    parts.append(label((LEFT + RIGHT) / 2 + 40, y + 38, "guest instructions", anchor="middle"))
    return Sketch(WIDTH + 90, y + 46, *parts)


def exits_by_reason(vm, title: str = "Exits by reason") -> Drawing:
    """How often the guest was left for each reason in the whole run, the most frequent first.

    Parameters
    ----------
    vm : a virtual machine of virtlab.hypervisors
    title : str

    Raises
    ------
    TypeError if `vm` records no exits
    """
    Recorded.of(vm)
    seen = sorted(
        ((n, reason_words(reason)) for reason, n in vm.exit_counts.items() if n),
        key=lambda item: (-item[0], item[1]),
    )
    columns = ("reason", "exits", "exits a thousand guest instructions")
    if not seen:
        return Drawing(title, "The guest was never left.", columns)
    total, thousands = sum(n for n, _ in seen), max(vm.steps, 1) / 1000
    most, name = seen[0]
    text = (
        f"{count(total, 'exit')} in {vm.steps:,} guest instructions, "
        f"{total / thousands:,.2f} a thousand; most often {name}: {most:,}, "
        f"{100 * most / total:.0f} % of all."
    )
    shapes = []
    for row, (n, name) in enumerate(seen):
        y = 8 + row * BAR_ROW
        width = max(1.0, (BAR_RIGHT - BAR_LEFT) * n / most)
        shapes.append(label(BAR_LEFT - 8, y + 14, name, anchor="end"))
        shapes.append(box(BAR_LEFT, y, round(width, 1), 18, "s", 2))
        shapes.append(label(BAR_LEFT + width + 6, y + 14, f"{n:,}"))
    bottom = 8 + len(seen) * BAR_ROW
    middle = (BAR_LEFT + BAR_RIGHT) / 2
    shapes.append(label(middle, bottom + 14, "exits (number)", "muted", "middle"))
    rows = tuple((name, n, f"{n / thousands:,.3f}") for n, name in seen)
    picture = svg(WIDTH, bottom + 22, f"{title}. {text}", *shapes)
    return Drawing(title, text, columns, rows, picture)


def exit_table(vm, exits: Sequence | None = None, title: str = "Exits") -> Drawing:
    """A list of exits, each with the call that goes there and the sentence why it happened.

    Parameters
    ----------
    vm : a virtual machine of virtlab.hypervisors
    exits : some of its `exits`; without it, the last 20
    title : str

    Raises
    ------
    ValueError if there are more than 60
    """
    from virtlab.hypervisors.why import why

    chosen = list(vm.exits[-20:] if exits is None else exits)
    if len(chosen) > LISTED:
        raise ValueError(f"{len(chosen)} exits are too many to list; accepted are {LISTED}")
    rows = tuple(
        (
            f"vm.goto({exit.steps})",
            REASONS[ExitReason(exit.reason)],
            grouped_hex(exit.pc),
            exit.action.name,
            why(vm, exit),
        )
        for exit in chosen
    )
    names = sorted({row[1] for row in rows})
    text = f"{count(len(rows), 'exit')}: {', '.join(names) or 'none'}."
    return Drawing(title, text, ("to go there", "reason", "pc", "action", "why"), rows)
