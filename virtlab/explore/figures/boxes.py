"""Which box had the hart, and when? And how much memory did it hold, against its limit?

Time is the guest's clock, not the count of instructions: a box that has used up its quota waits
while nobody runs, and that is to be seen.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from virtlab.containers.recording import IDLE, Pages, Recording, Turn, replay
from virtlab.explore.controls import Choice, Range
from virtlab.explore.drawing import label, wire
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.figures.timeline import SLIDER_STEPS, round_below
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import box_window as kernel

VIEWS = {"1 s": 10**9, "100 ms": 10**8, "10 ms": 10**7, "1 ms": 10**6, "100 µs": 10**5}
NS_PER_US = 1000
MOST_BOXES = kernel.MOST_LANES - 2  # with a lane each, beside those of all others and of nobody
MOST_TURNS = 20_000  # that a figure holds: of a longer recording, the last

SHIFT, TOP, LANE, LOW_LANE = 50, 14, 64, 34
LEFT, RIGHT = kernel.LEFT + SHIFT, kernel.RIGHT + SHIFT
WIDTH = RIGHT + 86
BAR = 22  # height of a turn
PAGES_Y = BAR + 6  # from a lane's top to where its memory's scale ends
COLUMNS = (
    "box",
    "time with the hart, ns",
    "% of the time",
    "turns",
    "pages at the end",
    "most pages",
    "page limit",
)


def boxes(run, title: str = "Who had the hart") -> Explorable:
    """Each box's turns on the hart and its memory: how wide a view, and where does it begin?

    Parameters
    ----------
    run : a machine with pith, whose run since its reset is replayed and recorded; or a Recording,
        as `virtlab.containers.recording.record` makes it of any part of a run; the figure holds its
        last 20,000 turns, and has a lane for the host, for each of the 5 boxes that had the hart
        longest, and for all others together
    title : str, begins the figure's title

    Raises
    ------
    TypeError, ValueError if the run of that machine cannot be replayed and recorded
    """
    recording = run if isinstance(run, Recording) else replay(run)
    shown = recording.busiest(MOST_BOXES)
    n_others = len(recording.names) - len(shown)
    n_lanes = len(shown) + (n_others > 0) + 1
    lane_of = dict.fromkeys(recording.names, len(shown))
    lane_of |= {number: lane for lane, number in enumerate(shown)} | {IDLE: n_lanes - 1}
    turns = recording.turns[-MOST_TURNS:]
    begin = turns[0].time if len(turns) < len(recording.turns) else recording.begin
    end = max(recording.end, begin + 1)
    changes = [one for one in recording.pages if one.box in shown]
    limits = [recording.max_pages.get(number, 0) for number in shown]
    names = [recording.names[number] for number in shown]
    lanes = [*names, *([f"{n_others} other boxes"] if n_others else []), "nobody"]
    inputs = _columns(turns, changes, begin, lane_of)
    inputs["scales"] = _scales(limits, changes, shown)
    controls = _view(inputs, begin, end)
    return Explorable(
        kernel.box_window,
        controls,
        inputs | {"n_lanes": n_lanes, "begin": begin, "end": end},
        outputs=_outputs(),
        title=f"{braced(title)}, {{bounds_ms[0]:,.3f}} to {{bounds_ms[1]:,.3f}} ms",
        text=(
            "Of this time each had the hart for: ",
            Repeat("n_lanes", n_lanes, "{i:lane} {shares[i]:.1f} %", between=", "),
            ". At the end ",
            Repeat(len(shown), len(shown), "{i:lane} holds {held[i]:,}{i:of_limit}", between=", "),
            " pages.",
        ),
        table=Table(
            COLUMNS,
            Repeat(
                "n_lanes",
                n_lanes,
                (
                    "{i:lane}",
                    "{ran[i]:,}",
                    "{shares[i]:.1f}",
                    "{turns[i]:,}",
                    "{held[i]:,}",
                    "{peak[i]:,}",
                    "{i:limit}",
                ),
            ),
        ),
        figure=_picture(lanes, limits),
        labels={
            "lane": lanes,
            "limit": _padded([f"{limit:,}" if limit else "none" for limit in limits], n_lanes),
            "of_limit": [f" of {limit:,}" if limit else "" for limit in limits],
        },
    )


def _padded(texts: list[str], n: int) -> list[str]:
    return texts + [""] * (n - len(texts))


def _columns(
    turns: Sequence[Turn], changes: Sequence[Pages], begin: int, lane_of: Mapping[int, int]
) -> dict:
    """Turns and changes of memory in columns of numbers; without any, columns of one zero."""

    def gaps(times: Sequence[int]) -> np.ndarray:
        times = [begin, *(max(time, begin) for time in times)]
        return np.array([b - a for a, b in zip(times, times[1:], strict=False)] or [0])

    return {
        "gaps": gaps([turn.time for turn in turns]),
        "lanes": np.array([lane_of[turn.box] for turn in turns] or [0]),
        "n_turns": len(turns),
        "page_gaps": gaps([one.time for one in changes]),
        "page_lanes": np.array([lane_of[one.box] for one in changes] or [0]),
        "pages": np.array([one.pages for one in changes] or [0]),
        "n_pages": len(changes),
    }


def _scales(limits: Sequence[int], changes: Sequence[Pages], shown: Sequence[int]) -> np.ndarray:
    """Where the scale of each box's memory ends: at its limit, or the most that it held."""
    scales = np.zeros(kernel.MOST_LANES, np.int64)
    for lane, (number, limit) in enumerate(zip(shown, limits, strict=True)):
        scales[lane] = limit or max((one.pages for one in changes if one.box == number), default=0)
    return scales


def _view(inputs: dict, begin: int, end: int) -> list:
    """Controls for the window; what there is no choice of becomes an input."""
    controls: list = []
    options = {words: width for words, width in VIEWS.items() if width < end - begin}
    if options:
        controls.append(Choice("width", "view", {"everything": 0} | options, slider=True))
    else:
        inputs["width"] = 0
    first, last = begin // NS_PER_US, (end - 1) // NS_PER_US
    step = round_below((last - first) // SLIDER_STEPS)
    last = first + (last - first) // step * step
    if last > first:
        controls.append(Range("start_us", "from", first, last, step, first, "µs"))
    else:
        inputs["start_us"] = first
    return controls


def _outputs() -> dict:
    lanes, ticks = (kernel.MOST_LANES,), (kernel.MOST_TICKS,)
    bars, steps = (*lanes, kernel.MOST_BARS), (*lanes, kernel.MOST_STEPS)
    return {
        "bounds": ("int64", (2,)),
        "bounds_ms": ("float64", (2,)),
        **dict.fromkeys(("ran", "turns", "n_bars", "held", "peak", "n_steps"), ("int64", lanes)),
        "shares": ("float64", lanes),
        **dict.fromkeys(("bar_from", "bar_to"), ("int64", bars)),
        **dict.fromkeys(("step_at", "step_height"), ("int64", steps)),
        "n_ticks": ("int64", ()),
        **dict.fromkeys(("ticks", "tick_at", "tick_side"), ("int64", ticks)),
        "ticks_ms": ("float64", ticks),
    }


def _picture(lanes: Sequence[str], limits: Sequence[int]) -> Sketch:
    """For each box a bar where it had the hart and its memory beneath, and an axis in ms."""
    parts: list = []
    y = TOP
    for lane, name in enumerate(lanes):
        has_pages = lane < len(limits)
        parts.append(label(LEFT - 10, y + 16, braced(name), "strong", "end"))
        parts.append(wire((LEFT, y + BAR), (RIGHT, y + BAR)))
        parts.append(label(RIGHT + 8, y + 16, f"{{shares[{lane}]:.1f}} %", "strong"))
        look = "tip" if lane == len(lanes) - 1 else "s"
        bar = f"M{{bar_from[{lane}][i]}} {y}H{{bar_to[{lane}][i]}}V{y + BAR}"
        bar += f"H{{bar_from[{lane}][i]}}Z"
        parts.append(_shifted(f"n_bars[{lane}]", kernel.MOST_BARS, bar, f"' class='{look}'/>"))
        if has_pages:
            parts += _memory(lane, y + PAGES_Y, limits[lane])
        y += LANE if has_pages else LOW_LANE
    tick = (
        f"<path d='M{{tick_at[i]}} {y}v5' class='wire'/>"
        f"<text x='{{tick_at[i]}}' y='{y + 18}' class='muted' "
        "text-anchor='{tick_side[i]?start|middle|end}'>{ticks_ms[i]:,.3f}</text>"
    )
    parts.append(wire((LEFT, y), (RIGHT, y)))
    axis = Repeat("n_ticks", kernel.MOST_TICKS, tick, between="\n")
    parts += [f"<g transform='translate({SHIFT} 0)'>", axis, "</g>"]
    parts.append(label((LEFT + RIGHT) / 2, y + 38, "ms since reset", anchor="middle"))
    return Sketch(WIDTH, y + 46, *parts)


def _memory(lane: int, top: int, limit: int) -> list:
    """What a box held, as a height; its limit is the line at the top."""
    bottom = top + kernel.HEIGHT
    of_limit = f" of {limit:,}" if limit else ""
    step = f"H{{step_at[{lane}][i]}}V{{step_height[{lane}][i]}}"
    pages = Repeat(
        f"n_steps[{lane}]",
        kernel.MOST_STEPS,
        step,
        before=f"<path transform='translate({SHIFT} {bottom}) scale(1 -1)' d='M{kernel.LEFT} 0",
        after=f"H{kernel.RIGHT}V0Z' class='u'/>",
    )
    return [
        label(LEFT - 10, bottom - 5, "pages", "muted", "end"),
        wire((LEFT, bottom), (RIGHT, bottom)),
        wire((LEFT, top), (RIGHT, top), dashed=True) if limit else "",
        pages,
        label(RIGHT + 8, bottom - 5, f"{{held[{lane}]:,}}{of_limit}", "muted"),
    ]


def _shifted(count: str, most: int, each: str, after: str) -> Repeat:
    """One path of many pieces, right of where the kernel places them."""
    return Repeat(
        count, most, each, before=f"<path transform='translate({SHIFT} 0)' d='", after=after
    )
