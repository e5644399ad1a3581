"""Who had the machine, and when? Privilege mode over instructions, with the traps that changed it.

Time is counted in instructions, so the same guest draws the same picture every time. An event is
anything with the fields of `virtlab.machine.EventRecord`; a list of them need not begin at reset,
because the machine keeps the most recent ones only.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from virtlab.explore.drawing import (
    Drawing,
    box,
    count,
    grouped_hex,
    label,
    round_positions,
    svg,
    wire,
)
from virtlab.explore.palette import MODE_NAMES, MODES

EVENTS_KEPT = 4096  # the machine's ring: a full one says that earlier events are gone

WIDTH, LEFT, RIGHT = 680, 120, 664
LANE, TOP = 34, 14


@dataclasses.dataclass(frozen=True)
class Interval:
    """A stretch of instructions executed in one mode: first included, last excluded."""

    mode: str
    first: int
    last: int


def intervals(events: Sequence, end: int) -> list[Interval]:
    """The stretches between the events, from the first known instruction to `end`."""
    if not events:
        return []
    first = events[0].steps if len(events) >= EVENTS_KEPT else 0
    mode, stretches = events[0].from_mode, []
    for event in events:
        if event.steps > first and event.to_mode != mode:
            stretches.append(Interval(mode, first, event.steps))
            first = event.steps
        mode = event.to_mode
    if end > first:
        stretches.append(Interval(mode, first, end))
    return stretches


def instructions_by_mode(stretches: Sequence[Interval], first: int, last: int) -> dict[str, int]:
    """Instructions executed in each mode between two positions, in the order of MODES."""
    total = Counter()
    for stretch in stretches:
        total[stretch.mode] += max(0, min(stretch.last, last) - max(stretch.first, first))
    return {mode: total[mode] for mode in MODES if total[mode]}


def timeline(
    events: Sequence, end: int, window: tuple[int, int] | None = None, mode: str = "M"
) -> Drawing:
    """Draw which mode ran from instruction `window[0]` to `window[1]`, and every trap between.

    Parameters
    ----------
    events : list of event records, oldest first
    end : int, instructions executed so far
    window : two positions in instructions; without it, everything that is known
    mode : the mode all along where there is no event at all

    Raises
    ------
    ValueError if the window is empty or reversed.
    """
    stretches = intervals(events, end) or [Interval(mode, 0, end)]
    first, last = window or (stretches[0].first, max(end, 1))
    if last <= first:
        raise ValueError(f"the window ({first}, {last}) is empty; it needs a first below its last")
    inside = [event for event in events if first <= event.steps < last]
    traps = [event for event in inside if event.kind != "return"]
    title = f"Privilege mode, instructions {first:,} to {last:,}"
    by_mode = instructions_by_mode(stretches, first, last)
    text = _in_words(by_mode, traps, last - first)
    columns = ("instruction", "event", "from", "to", "pc")
    rows = tuple(
        (event.steps, describe(event), event.from_mode, event.to_mode, grouped_hex(event.pc))
        for event in inside
    )
    return Drawing(title, text, columns, rows, _picture(stretches, traps, first, last, title, text))


def describe(event) -> str:
    """What happened, in the manual's words."""
    if event.kind == "return":
        return event.cause_name
    return f"{event.kind}: {event.cause_name}"


def _in_words(by_mode: dict[str, int], traps: Sequence, n_instructions: int) -> str:
    shares = ", ".join(
        f"{MODE_NAMES[mode]} mode {number:,} instructions ({100 * number / n_instructions:.1f} %)"
        for mode, number in by_mode.items()
    )
    exceptions = sum(trap.kind == "exception" for trap in traps)
    interrupts = sum(trap.kind == "interrupt" for trap in traps)
    return (
        f"{shares or 'Nothing ran'}. {count(len(traps), 'trap')}: "
        f"{count(exceptions, 'exception')} and {count(interrupts, 'interrupt')}."
    )


def _picture(stretches, traps, first: int, last: int, title: str, text: str) -> str:
    """Lanes for the modes that ran, marks for the traps beneath, an axis in instructions."""
    lanes = [mode for mode in MODES if any(stretch.mode == mode for stretch in stretches)]
    scale = (RIGHT - LEFT) / (last - first)

    def x(position: int) -> float:
        return LEFT + (min(max(position, first), last) - first) * scale

    shapes = []
    for row, mode in enumerate(lanes):
        y = TOP + row * LANE
        shapes.append(label(LEFT - 10, y + 16, MODE_NAMES[mode], anchor="end"))
        shapes.append(wire((LEFT, y + LANE - 7), (RIGHT, y + LANE - 7)))
        bars = [
            (x(stretch.first), x(stretch.last))
            for stretch in stretches
            if stretch.mode == mode and stretch.last > first and stretch.first < last
        ]
        path = "".join(f"M{a:.1f} {y}H{b:.1f}V{y + 22}H{a:.1f}Z" for a, b in _merged(bars))
        if path:
            shapes.append(f"<path d='{path}' class='{mode.lower()}'/>")
    y = TOP + len(lanes) * LANE
    for kind in ("exception", "interrupt"):
        marks = sorted({round(x(trap.steps)) for trap in traps if trap.kind == kind})
        shapes.append(label(LEFT - 10, y + 13, kind + "s", anchor="end"))
        path = "".join(f"M{at:g} {y}v18" for at in marks)
        shapes.append(f"<path d='{path}' class='trap'/>" if path else "")
        y += 26
    shapes.append(wire((LEFT, y), (RIGHT, y)))
    for position in round_positions(first, last):
        at = round(x(position), 1)
        anchor = "start" if at < LEFT + 30 else "end" if at > RIGHT - 30 else "middle"
        shapes.append(wire((at, y), (at, y + 5)))
        shapes.append(label(at, y + 18, f"{position:,}", "muted", anchor))
    shapes.append(label((LEFT + RIGHT) / 2, y + 38, "instructions since reset", anchor="middle"))
    return svg(WIDTH, y + 46, f"{title}. {text}", *shapes)


def _merged(bars: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Bars at least one unit wide, joined where less than half a unit lies between them.

    A boot has thousands of mode changes; at the picture's resolution they are a few hundred bars.
    """
    merged: list[tuple[float, float]] = []
    for start, stop in bars:
        stop = max(stop, start + 1)
        if merged and start - merged[-1][1] < 0.5:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def box_key(x: float, y: float, mode: str) -> str:
    """A small square in a mode's colour with the mode's name, for a figure without lanes."""
    return box(x, y, 12, 12, mode.lower(), 2) + label(x + 18, y + 11, MODE_NAMES[mode])
