"""Which questions can a reader put to a figure? The live figures of the book, one function each.

Every function takes plain data, as its still counterpart in `figures` does, and returns a `Live`.
All controls work by keyboard: Tab reaches them, the arrow keys move them.
"""

from collections.abc import Callable, Sequence

from virtlab.explore.figures import access as access_figure
from virtlab.explore.figures import curve as curve_figure
from virtlab.explore.figures import timeline as timeline_figure
from virtlab.explore.figures import walk as walk_figure
from virtlab.explore.live import Live
from virtlab.explore.palette import LIGHT, MODE_NAMES, MODES

VIEW_WIDTHS = (10_000_000, 1_000_000, 100_000, 10_000, 1_000)


def _wide(control):
    control.style.description_width = "9em"
    control.layout.width = "100%"
    control.layout.max_width = "40rem"
    return control


def timeline(events: Sequence, end: int, mode: str = "M") -> Live:
    """Privilege mode over instructions: how wide a view, and where does it begin?

    Parameters as for `figures.timeline.timeline`. It opens on everything that is known.
    """
    import ipywidgets

    stretches = timeline_figure.intervals(events, end)
    begin = stretches[0].first if stretches else 0
    whole = max(end - begin, 1)
    options = [("everything", whole)]
    options += [(f"{width:,} instructions", width) for width in VIEW_WIDTHS if width < whole]
    width = _wide(ipywidgets.SelectionSlider(options=options, description="view"))
    first = _wide(ipywidgets.IntSlider(begin, begin, begin, description="from instruction"))
    first.disabled = True

    def fit(change) -> None:
        """Change the width around the event nearest to the view's middle, or the middle itself."""
        middle = first.value + change.old // 2
        middle = min(
            (event.steps for event in events), key=lambda s: abs(s - middle), default=middle
        )
        latest = max(begin, end - change.new)
        first.set_trait("disabled", latest == begin)
        first.max, first.step = latest, max(1, change.new // 10)
        first.value = min(max(begin, middle - change.new // 2), latest)

    width.observe(fit, names="value")

    def draw(width: int, first: int):
        return timeline_figure.timeline(events, end, (first, first + width), mode)

    chart = TimelineChart(stretches, [event for event in events if event.kind != "return"])
    return Live({"width": width, "first": first}, draw, chart)


class TimelineChart:
    """The timeline as a plotly FigureWidget, for zooming and for reading single traps."""

    def __init__(self, stretches: Sequence, traps: Sequence):
        import plotly.graph_objects as go

        modes = [mode for mode in MODES if any(s.mode == mode for s in stretches)]
        traces = [self._lane(mode, stretches) for mode in modes]
        traces += [self._marks(kind, traps) for kind in ("exception", "interrupt")]
        self.look = "vl-lanes-" + "-".join(modes).lower()
        self.css = "".join(
            f".{self.look} .scatterlayer .trace:nth-child({place}) .js-line"
            f"{{stroke:var(--vl-{mode.lower()})!important}}"
            for place, mode in enumerate(modes, 1)
        ) + (
            f".{self.look} .js-plotly-plot text{{fill:var(--vl-ink)!important}}"
            f".{self.look} .js-plotly-plot .point{{stroke:var(--vl-ink)!important}}"
            f".{self.look} .js-plotly-plot .crisp{{stroke:var(--vl-line)!important}}"
        )
        lanes = [MODE_NAMES[mode] for mode in modes] + ["exceptions", "interrupts"]
        layout = go.Layout(
            title={"text": "", "font": {"size": 15}},
            height=110 + 40 * len(lanes),
            margin={"l": 130, "r": 20, "t": 40, "b": 50},
            paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)",
            showlegend=False,
            xaxis={"title": {"text": "instructions since reset"}, "tickformat": ",d"},
            yaxis={"categoryorder": "array", "categoryarray": lanes[::-1], "fixedrange": True},
        )
        self.widget = go.FigureWidget(traces, layout)

    @staticmethod
    def _lane(mode: str, stretches: Sequence) -> dict:
        x = [at for s in stretches if s.mode == mode for at in (s.first, s.last, None)]
        return {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": [MODE_NAMES[mode]] * len(x),
            "line": {"width": 18, "color": LIGHT[mode], "simplify": False},
            "name": MODE_NAMES[mode],
            "hovertemplate": "%{x:,d}",
        }

    @staticmethod
    def _marks(kind: str, traps: Sequence) -> dict:
        chosen = [trap for trap in traps if trap.kind == kind]
        return {
            "type": "scatter",
            "mode": "markers",
            "x": [trap.steps for trap in chosen],
            "y": [kind + "s"] * len(chosen),
            "text": [trap.cause_name for trap in chosen],
            "marker": {"symbol": "line-ns-open", "size": 14, "color": LIGHT["ink"]},
            "name": kind + "s",
            "hovertemplate": "%{x:,d}<br>%{text}",
        }

    def show(self, drawing, width: int, first: int) -> None:
        """Bring the reader's view up, title and axis in one message."""
        with self.widget.batch_update():
            self.widget.layout.title.text = drawing.title
            self.widget.layout.xaxis.range = (first, first + width)


def walk(found) -> Live:
    """A page-table walk: what is known after each step? Opens with the result."""
    import ipywidgets

    last = len(found.steps) + 1
    shown = _wide(ipywidgets.IntSlider(last, 0, last, description="step"))
    return Live({"shown": shown}, lambda shown: walk_figure.walk(found, shown))


def walks(translate: Callable, addresses: dict[str, int]) -> Live:
    """Walks of several addresses, each for a load, a store and a fetch.

    Parameters
    ----------
    translate : function (va, access) -> Walk, such as `Machine.translate`
    addresses : what the reader sees -> virtual address
    """
    import ipywidgets

    where = _wide(ipywidgets.Dropdown(options=list(addresses.items()), description="address"))
    kind = _wide(ipywidgets.Dropdown(options=list(access_figure.ACCESSES), description="access"))
    shown = _wide(ipywidgets.IntSlider(4, 0, 4, description="step"))

    def draw(where: int, kind: str, shown: int):
        found = translate(where, kind)
        return walk_figure.walk(found, min(shown, len(found.steps) + 1))

    return Live({"where": where, "kind": kind, "shown": shown}, draw)


def sweep(
    measure: Callable[[int], int],
    values: Sequence[int],
    x_name: str,
    y_name: str,
    title: str,
    marked: int | None = None,
) -> Live:
    """A number measured for every value once; the control picks the point that is read out.

    Parameters
    ----------
    measure : function of one value, returns a count
    values : the values to measure, at least two
    x_name, y_name, title : as for `figures.curve.curve`
    marked : the value to open with, without it the first
    """
    import ipywidgets

    points = [(value, measure(value)) for value in values]
    options = [(f"{value:,}", value) for value in values]
    first = values[0] if marked is None else marked
    slider = ipywidgets.SelectionSlider(options=options, value=first, description=x_name)

    def draw(marked: int):
        return curve_figure.curve(points, x_name, y_name, title, marked)

    return Live({"marked": _wide(slider)}, draw)


def access(flags: str = "DAUWRV", mode: str = "S", kind: str = "load") -> Live:
    """Who may do what with a page? Flags, mode, kind of access, and the switches of sstatus."""
    import ipywidgets

    entries = ("DAUWRV", "AUXRV", "DAWRV", "AXRV", "AUXV", "AUWRV", "XRV", "")
    entries = entries if flags in entries else (flags, *entries)
    names = [(entry or "none (not mapped)", entry) for entry in entries]
    switches = {
        "SUM and MXR clear": (False, False),
        "SUM set": (True, False),
        "MXR set": (False, True),
        "SUM and MXR set": (True, True),
    }
    controls = {
        "flags": ipywidgets.Dropdown(options=names, value=flags, description="flags in the entry"),
        "mode": ipywidgets.Dropdown(
            options=[(MODE_NAMES["U"], "U"), (MODE_NAMES["S"], "S")], value=mode, description="mode"
        ),
        "kind": ipywidgets.Dropdown(
            options=list(access_figure.ACCESSES), value=kind, description="access"
        ),
        "switches": ipywidgets.Dropdown(options=list(switches.items()), description="sstatus"),
    }

    def draw(flags: str, mode: str, kind: str, switches: tuple[bool, bool]):
        return access_figure.access(flags, mode, kind, *switches)

    return Live({name: _wide(control) for name, control in controls.items()}, draw)
