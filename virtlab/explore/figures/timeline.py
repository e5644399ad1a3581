"""Who had the machine, and when? Privilege mode over instructions, with the traps that changed it.

Time is counted in instructions, so the same guest draws the same picture every time. An event is
anything with the fields of `virtlab.machine.EventRecord`; a list of them need not begin at reset,
because the machine keeps the most recent ones only.
"""

from collections.abc import Sequence

import numpy as np

from virtlab.explore.controls import Choice, Range
from virtlab.explore.drawing import label, wire
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.palette import MODE_NAMES, MODES
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat
from virtlab.kernels import timeline as kernel

EVENTS_KEPT = 4096  # the machine's ring: a full one says that earlier events are gone
KINDS = ("exception", "interrupt", "return")
VIEW_WIDTHS = (10_000_000, 1_000_000, 100_000, 10_000, 1_000)
SLIDER_STEPS = 1000

WIDTH, LANE, TOP = 680, 34, 14
LEFT, RIGHT = kernel.LEFT, kernel.RIGHT

TEXT = (
    Repeat(
        "n_ran",
        kernel.N_MODES,
        "{ran[i]:lane} mode {instructions[ran[i]]:,} instructions ({shares[ran[i]]:.1f} %)",
        between=", ",
    ),
    "{n_ran?Nothing ran|}. {traps:,} trap{traps?s||s}: {n_rows[1]:,} exception{n_rows[1]?s||s} and "
    "{n_rows[2]:,} interrupt{n_rows[2]?s||s}.",
)


def timeline(events: Sequence, end: int, mode: str = "M") -> Explorable:
    """Which mode ran when, and every trap: how wide a view, and where does it begin?

    Parameters
    ----------
    events : list of event records, oldest first; at most the last 4096 are shown
    end : int, instructions executed so far
    mode : the mode all along where there is no event at all

    Raises
    ------
    ValueError if `end` is before the last event or `mode` is no mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} is none of {', '.join(MODES)}")
    if end < (events[-1].steps if events else 0):
        raise ValueError(f"end {end:,} is before the last event, at {events[-1].steps:,}")
    n_given, events = len(events), events[-EVENTS_KEPT:]
    begin = events[0].steps if len(events) >= EVENTS_KEPT else 0
    span = max(end - begin, 1)
    words = list(dict.fromkeys(describe(event) for event in events)) or [""]
    inputs = _packed(events, words) | {
        "n_events": len(events),
        "begin": begin,
        "end": end,
        "mode": MODES.index(mode),
    }
    controls = []
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
    note = ()
    if n_given > len(events):
        note = (f" The figure knows the last {len(events):,} of {n_given:,} events.",)
    return Explorable(
        kernel.window,
        controls,
        inputs,
        outputs={
            "bounds": ("int64", (2,)),
            "n_ran": ("int64", ()),
            "ran": ("int64", (kernel.N_MODES,)),
            "instructions": ("int64", (kernel.N_MODES,)),
            "shares": ("float64", (kernel.N_MODES,)),
            "n_bars": ("int64", (kernel.N_MODES,)),
            "bar_from": ("int64", (kernel.N_MODES, kernel.MOST_BARS)),
            "bar_to": ("int64", (kernel.N_MODES, kernel.MOST_BARS)),
            "n_marks": ("int64", (2,)),
            "marks": ("int64", (2, kernel.MOST_MARKS)),
            "n_ticks": ("int64", ()),
            "ticks": ("int64", (kernel.MOST_TICKS,)),
            "tick_at": ("int64", (kernel.MOST_TICKS,)),
            "tick_side": ("int64", (kernel.MOST_TICKS,)),
            "n_rows": ("int64", (4,)),
            "traps": ("int64", ()),
            "rows": ("int64", (kernel.MOST_ROWS,)),
            "row_steps": ("int64", (kernel.MOST_ROWS,)),
        },
        title="Privilege mode, instructions {bounds[0]:,} to {bounds[1]:,}",
        text=TEXT + note,
        table=Table(
            ("instruction", "event", "from", "to", "pc"),
            Repeat(
                "n_rows[0]",
                kernel.MOST_ROWS,
                (
                    "{row_steps[i]:,}",
                    "{words[rows[i]]:event}",
                    "{from_modes[rows[i]]:mode_name}",
                    "{to_modes[rows[i]]:mode_name}",
                    "{pcs[rows[i]]:x}",
                ),
            ),
        ),
        figure=_picture(_modes_seen(events, begin, end, mode)),
        labels={"event": words, "mode_name": MODES, "lane": [MODE_NAMES[name] for name in MODES]},
    )


def describe(event) -> str:
    """What happened, in the manual's words."""
    if event.kind == "return":
        return event.cause_name
    return f"{event.kind}: {event.cause_name}"


def _packed(events: Sequence, words: list[str]) -> dict[str, np.ndarray]:
    """The events in columns; without any, columns of one zero."""

    def column(numbers) -> np.ndarray:
        return np.array(list(numbers) or [0], np.uint64).view(np.int64)

    steps = [0, *(event.steps for event in events)]
    return {
        "gaps": column(after - before for before, after in zip(steps, steps[1:], strict=False)),
        "kinds": column(KINDS.index(event.kind) for event in events),
        "from_modes": column(MODES.index(event.from_mode) for event in events),
        "to_modes": column(MODES.index(event.to_mode) for event in events),
        "pcs": column(event.pc for event in events),
        "words": column(words.index(describe(event)) for event in events),
    }


def _modes_seen(events: Sequence, begin: int, end: int, mode: str) -> list[str]:
    """The modes that a lane is needed for, in the order of MODES."""
    seen, now, since = set(), events[0].from_mode if events else mode, begin
    for event in events:
        if event.steps > since:
            seen.add(now)
            since = event.steps
        now = event.to_mode
    if end > since or not seen:
        seen.add(now)
    return [name for name in MODES if name in seen]


def round_below(number: int) -> int:
    """The largest of 1, 2, 5, 10, 20, 50, ... that is not above `number`, or 1."""
    step = 1
    for factor in (1, 2, 5):
        power = 1
        while factor * power <= number:
            step = max(step, factor * power)
            power *= 10
    return step


def _picture(modes: Sequence[str]) -> Sketch:
    """Lanes for the modes that ran, marks for the traps beneath, an axis in instructions."""
    parts: list = []
    for row, name in enumerate(modes):
        y, mode = TOP + row * LANE, MODES.index(name)
        parts.append(label(LEFT - 10, y + 16, MODE_NAMES[name], anchor="end"))
        parts.append(wire((LEFT, y + LANE - 7), (RIGHT, y + LANE - 7)))
        bar = (
            f"M{{bar_from[{mode}][i]}} {y}H{{bar_to[{mode}][i]}}V{y + 22}H{{bar_from[{mode}][i]}}Z"
        )
        parts.append(_path(f"n_bars[{mode}]", kernel.MOST_BARS, bar, name.lower()))
    y = TOP + len(modes) * LANE
    for kind in (kernel.EXCEPTION, kernel.INTERRUPT):
        parts.append(label(LEFT - 10, y + 13, KINDS[kind] + "s", anchor="end"))
        mark = f"M{{marks[{kind}][i]}} {y}v18"
        parts.append(_path(f"n_marks[{kind}]", kernel.MOST_MARKS, mark, "trap"))
        y += 26
    parts.append(wire((LEFT, y), (RIGHT, y)))
    tick = (
        f"<path d='M{{tick_at[i]}} {y}v5' class='wire'/>"
        f"<text x='{{tick_at[i]}}' y='{y + 18}' class='muted' "
        "text-anchor='{tick_side[i]?start|middle|end}'>{ticks[i]:,}</text>"
    )
    parts.append(Repeat("n_ticks", kernel.MOST_TICKS, tick, between="\n"))
    parts.append(label((LEFT + RIGHT) / 2, y + 38, "instructions since reset", anchor="middle"))
    return Sketch(WIDTH, y + 46, *parts)


def _path(count: str, most: int, each: str, look: str) -> Repeat:
    """One path of many pieces; nothing where there is no piece."""
    return Repeat(count, most, each, before="<path d='", after=f"' class='{look}'/>")
