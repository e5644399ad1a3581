"""How is a chart declared? Its axes, and series that name the arrays they show.

One declaration has two pictures: `draw` makes a still one in SVG, which is what a notebook stores
and a page prints; `figure` is the same for plotly, which JupyterLab shows and the page too.
static/chart.js makes both from the same declaration, with the same characters.

Series differ in their dashes as well as in colour, and every one has its name in the legend.
"""

import dataclasses
import math
from collections.abc import Mapping
from html import escape

from virtlab.explore.drawing import svg
from virtlab.explore.palette import LIGHT
from virtlab.explore.template import Kind, Ref, Repeat, Template, TemplateError

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 680, 84, 660, 14, 244  # of the area that is drawn on
BELOW = 56  # for the axis, its ticks and its name
LEGEND, ENTRY = 24, 150  # height of a row of the legend, width of one of its entries at least
SIGN, LETTER = 48, 7  # width of an entry beside its name, and of a letter, roughly
COLOURS = ("S", "M", "U", "VS", "VU")
DASHES = (
    ("", "solid"),
    ("7 4", "dash"),
    ("2 3", "dot"),
    ("8 3 2 3", "dashdot"),
    ("12 4", "longdash"),
)
X_TICKS, Y_TICKS = 8, 6
TURNED = [0, -40, -90]  # degrees that plotly may turn names of categories by


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis.

    Parameters
    ----------
    title : a template, what is counted, with its unit
    log : bool, powers of ten at equal distances; numbers that are not above zero are left out
    zero : bool, the axis begins at zero
    categories : names instead of numbers, for the x axis; series then need no x
    """

    title: str
    log: bool = False
    zero: bool = True
    categories: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Line:
    """A line through points.

    Parameters
    ----------
    x, y : names of arrays, as long as one another; without x, the categories
    name : for the legend
    count : the name of a number: how many points there are; without it, all
    points : bool, every point has a dot
    joined : bool, a line leads from point to point; without it there are the dots alone
    steps : bool, the line keeps its height until the next point
    area : bool, what lies below is filled
    """

    x: str
    y: str
    name: str = ""
    count: str = ""
    points: bool = True
    joined: bool = True
    steps: bool = False
    area: bool = False

    type = "line"


@dataclasses.dataclass(frozen=True)
class Bars:
    """A bar for each category, beside those of the other series or, `stacked`, on top of them."""

    y: str
    name: str = ""
    count: str = ""

    type = "bars"


@dataclasses.dataclass(frozen=True)
class Mark:
    """One point that stands out: x and y name a number each, such as "y[at]"."""

    x: str
    y: str
    name: str = ""

    type = "mark"


@dataclasses.dataclass
class Series:
    """A series with its numbers."""

    declared: Line | Bars | Mark
    colour: str
    dash: tuple[str, str]
    xs: list
    ys: list


class Chart:
    """A line or bar chart.

    Parameters
    ----------
    x, y : Axis
    series : Line, Bars and Mark, at least one
    stacked : bool, bars on top of one another

    Raises
    ------
    ValueError, one sentence, if the series do not fit the axes
    """

    def __init__(self, x: Axis, y: Axis, *series, stacked: bool = False):
        if not series:
            raise ValueError("a Chart needs at least one series: a Line, Bars or a Mark")
        if y.categories:
            raise ValueError("a Chart has categories on its x axis, not on y")
        if x.categories and x.log:
            raise ValueError("an axis of categories cannot be logarithmic")
        if any(isinstance(one, Bars) for one in series) and not x.categories:
            raise ValueError("Bars need categories on the x axis: Axis(..., categories=(...))")
        if len([one for one in series if one.type != "mark"]) > len(COLOURS):
            raise ValueError(f"a Chart has at most {len(COLOURS)} series, one a colour")
        self.x, self.y, self.series, self.stacked = x, y, series, stacked
        self.titles = Template(x.title), Template(y.title)

    def check(self, kinds: Mapping[str, Kind], labels: Mapping) -> None:
        """TemplateError if a series names what is not there."""
        for title in self.titles:
            title.check(kinds, labels)
        for one in self.series:
            if one.type == "mark":
                self._number(one.x).check(kinds)
                self._number(one.y).check(kinds)
                continue
            if one.count:
                self._number(one.count).check(kinds)
            sizes = [self._size(name, kinds) for name in self._arrays(one)]
            if len(set(sizes)) > 1:
                raise TemplateError(f"{one.type} {one.y!r}: x and y have {sizes} points")
            if self.x.categories and sizes[0] > len(self.x.categories):
                raise TemplateError(
                    f"{one.type} {one.y!r}: {sizes[0]} numbers are more than the "
                    f"{len(self.x.categories)} categories"
                )

    def _arrays(self, one) -> list[str]:
        return [one.y] if self.x.categories else [one.x, one.y]

    @staticmethod
    def _size(name: str, kinds: Mapping[str, Kind]) -> int:
        kind = kinds.get(name)
        if kind is None or len(kind.shape) != 1:
            known = ", ".join(name for name, kind in kinds.items() if len(kind.shape) == 1)
            raise TemplateError(
                f"Chart: no array of one axis is called {name!r}; there are {known}"
            )
        return kind.shape[0]

    @staticmethod
    def _number(text: str) -> Ref:
        return Repeat(text, 1, "").counted()

    def data(self, scope) -> list[Series]:
        """Every series with its colour and numbers; a mark's series has one point."""
        found, n = [], 0
        for one in self.series:
            if one.type == "mark":
                point = [[self._number(name).value(scope)] for name in (one.x, one.y)]
                found.append(Series(one, "ink", DASHES[0], *point))
                continue
            ys = scope[one.y].tolist()
            xs = list(range(len(ys))) if self.x.categories else scope[one.x].tolist()
            if one.count:
                length = max(0, self._number(one.count).value(scope))
                xs, ys = xs[:length], ys[:length]
            found.append(Series(one, COLOURS[n], DASHES[n], xs, ys))
            n += 1
        return found

    def draw(self, scope, labels, description: str) -> str:
        """The still picture; `description` is read aloud in its place."""
        return Still(self, self.data(scope), scope, labels).draw(description)

    def figure(self, scope, labels) -> dict:
        """The chart for plotly: {"data": traces, "layout": ...}, in the palette's light colours."""
        traces = [self._trace(series) for series in self.data(scope)]
        x_title, y_title = (title.fill(scope, labels) for title in self.titles)
        named = sum(1 for one in self.series if one.name) > 1
        x = {"title": {"text": x_title}, "type": "log" if self.x.log else "linear"}
        if self.x.categories:
            names = list(self.x.categories)
            x |= {"tickvals": list(range(len(names))), "ticktext": names}
            x |= {"autotickangles": TURNED}  # upwards, where a page is narrow: none is cut off
        else:
            x |= {"rangemode": "tozero" if self.x.zero else "normal", "tickformat": ","}
        y = {"title": {"text": y_title}, "type": "log" if self.y.log else "linear"}
        y |= {"rangemode": "tozero" if self.y.zero else "normal", "tickformat": ","}
        layout = {
            "height": 340,
            "margin": {"l": 70, "r": 20, "t": 40 if named else 16, "b": 56},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "barmode": "stack" if self.stacked else "group",
            "showlegend": named,
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "xaxis": x,
            "yaxis": y,
        }
        return {"data": traces, "layout": layout}

    def _trace(self, series: Series) -> dict:
        one, colour = series.declared, LIGHT[series.colour]
        trace = {"x": series.xs, "y": series.ys, "name": one.name, "showlegend": bool(one.name)}
        if one.type == "bars":
            return trace | {"type": "bar", "marker": {"color": colour}}
        trace |= {"type": "scatter", "marker": {"color": colour, "size": 6}}
        if one.type == "mark":
            marker = {"color": colour, "size": 14, "symbol": "circle-open", "line": {"width": 3}}
            return trace | {"mode": "markers", "marker": marker}
        line = {"color": colour, "width": 2, "dash": series.dash[1]}
        line["shape"] = "hv" if one.steps else "linear"
        return trace | {
            "mode": _mode(one),
            "line": line,
            "fill": "tozeroy" if one.area else "none",
        }

    def css(self, look: str) -> str:
        """Rules that let the colours of plotly's picture below class `look` follow the theme."""
        rules = [
            f".{look} .js-plotly-plot text{{fill:var(--vl-ink)!important}}",
            f".{look} .js-plotly-plot .crisp{{stroke:var(--vl-line)!important}}",
        ]
        lines = [one for one in self.series if one.type != "bars"]
        bars = [one for one in self.series if one.type == "bars"]
        colours = iter(COLOURS)
        for one in self.series:
            colour = "ink" if one.type == "mark" else next(colours).lower()
            layer, place = ("bar", bars) if one.type == "bars" else ("scatter", lines)
            trace = f".{look} .{layer}layer .trace:nth-child({place.index(one) + 1})"
            use = "stroke" if one.type == "mark" else "fill"
            rules.append(
                f"{trace} .point path,{trace} path.point{{{use}:var(--vl-{colour})!important}}"
            )
            rules.append(f"{trace} .js-line{{stroke:var(--vl-{colour})!important}}")
        return "".join(rules)

    def spec(self) -> dict:
        """The chart for a page."""
        x, y = (
            dataclasses.asdict(axis) | {"title": title.spec()}
            for axis, title in zip((self.x, self.y), self.titles, strict=True)
        )
        return {
            "kind": "chart",
            "x": x,
            "y": y,
            "series": [dataclasses.asdict(one) | {"type": one.type} for one in self.series],
            "stacked": self.stacked,
        }


def ticks(low: float, high: float, most: int, whole: bool) -> list[tuple[float, str]]:
    """Round numbers from `low` to `high`, at most `most`, with their text; integers if `whole`.

    They are multiples of 1, 2 or 5 times a power of ten. static/chart.js does the same arithmetic.
    """
    for power in range(0 if whole else -9, 22):
        for digit in (1.0, 2.0, 5.0):
            up, down = (
                (digit * float(f"1e{power}"), 1.0) if power >= 0 else (digit, float(f"1e{-power}"))
            )
            first, last = math.ceil(low * down / up), math.floor(high * down / up)
            if last - first < most:
                places = [k * up / down for k in range(first, last + 1)]
                return [(place, f"{place:,.{max(0, -power)}f}") for place in places]
    return []


def decades(low: int, high: int, most: int) -> list[tuple[float, str]]:
    """Powers of ten from 10**low to 10**high, at most `most`, with their text."""
    every = -(-(high - low + 1) // most)
    return [
        (float(power), f"{float(f'1e{power}'):,.{max(0, -power)}f}")
        for power in range(low, high + 1, every)
    ]


class Scale:
    """Where on an axis a number lies.

    Parameters
    ----------
    numbers : all that are shown
    start, end : the places of the axis's ends in the picture
    """

    def __init__(self, axis: Axis, numbers: list, start: float, end: float, most: int):
        self.axis, self.start, self.end = axis, start, end
        if axis.categories:
            n = len(axis.categories)
            self.low, self.high = -0.5, n - 0.5
            self.ticks = [(float(k), name) for k, name in enumerate(axis.categories)]
        elif axis.log:
            above = [number for number in numbers if number > 0]
            self.low = math.floor(math.log10(min(above, default=1)))
            self.high = math.ceil(math.log10(max(above, default=10)))
            self.high = max(self.high, self.low + 1)
            self.ticks = decades(self.low, self.high, most)
        else:
            bounds = [0, *numbers] if axis.zero or not numbers else numbers
            self.low, self.high = float(min(bounds)), float(max(bounds))
            if self.high == self.low:
                self.high += 1.0
            whole = all(number == int(number) for number in numbers)
            self.ticks = ticks(self.low, self.high, most, whole)

    def shows(self, number) -> bool:
        """False for what a logarithmic axis has no place for."""
        return not self.axis.log or number > 0

    def at(self, number) -> float:
        """The place of a number."""
        return self.place(math.log10(number) if self.axis.log else float(number))

    def place(self, position: float) -> float:
        """The place of a tick's position."""
        return self.start + (self.end - self.start) * (position - self.low) / (self.high - self.low)


class Still:
    """The picture of a chart in SVG: axes, then series, then the legend."""

    def __init__(self, chart: Chart, data: list[Series], scope, labels):
        self.chart, self.data = chart, data
        self.titles = [title.fill(scope, labels) for title in chart.titles]
        named = [series for series in data if series.declared.name]
        self.legend = named if len(named) > 1 else []
        self.entries = _entries(self.legend)
        top = TOP + (self.entries[-1][1] - TOP + LEGEND if self.entries else 0)
        self.top, self.bottom = top, BOTTOM + top - TOP
        self.bars = [series for series in data if series.declared.type == "bars"]
        xs = [x for series in data for x in series.xs]
        ys = [y for series in data for y in series.ys]
        if chart.stacked:
            ys += [
                y
                for below, series in self._stacks()
                for y in map(sum, zip(below, series.ys, strict=False))
            ]
        self.x = Scale(chart.x, xs, LEFT, RIGHT, X_TICKS)
        self.y = Scale(chart.y, ys, self.bottom, top, Y_TICKS)

    def _stacks(self) -> list[tuple[list, Series]]:
        """Each series of bars with the heights it stands on."""
        heights = [0] * len(self.chart.x.categories)
        found = []
        for series in self.bars:
            found.append((list(heights), series))
            if self.chart.stacked:
                for k, y in enumerate(series.ys):
                    heights[k] += y
        return found

    def draw(self, description: str) -> str:
        """The whole picture."""
        shapes = [*self._axes()]
        for n, (below, series) in enumerate(self._stacks()):
            shapes.append(self._bars(n, below, series))
        for series in self.data:
            if series.declared.type != "bars":
                shapes.append(self._points(series))
        places = zip(self.entries, self.legend, strict=True)
        shapes += [self._entry(x, y, series) for (x, y), series in places]
        return svg(WIDTH, self.bottom + BELOW, description, *shapes)

    def _axes(self) -> list[str]:
        top, bottom = self.top, self.bottom
        shapes = [
            f"<polyline points='{LEFT},{top} {LEFT},{bottom} {RIGHT},{bottom}' class='wire'/>"
        ]
        for position, text in self.x.ticks:
            at = f"{self.x.place(position):.1f}"
            shapes.append(_words(at, bottom + 18, text, "muted", "middle"))
            shapes.append(f"<path d='M{at} {bottom}v4' class='wire'/>")
        for position, text in self.y.ticks:
            at = self.y.place(position)
            shapes.append(_words(LEFT - 8, f"{at + 4:.1f}", text, "muted", "end"))
            shapes.append(f"<path d='M{LEFT} {at:.1f}h-4' class='wire'/>")
        shapes.append(_words((LEFT + RIGHT) // 2, bottom + 42, self.titles[0], "", "middle"))
        turned = _words(0, 0, self.titles[1], "", "middle")
        middle = (top + bottom) // 2
        shapes.append(f"<g transform='translate(16 {middle}) rotate(-90)'>{turned}</g>")
        return shapes

    def _bars(self, n: int, below: list, series: Series) -> str:
        """All bars of one series as one path."""
        columns = 1 if self.chart.stacked else len(self.bars)
        band = (RIGHT - LEFT) / len(self.chart.x.categories)
        width = band * 0.7 / columns
        offset = -band * 0.35 + (0 if self.chart.stacked else n * width)
        path = ""
        for x, y, base in zip(series.xs, series.ys, below, strict=False):
            if y > 0:
                foot = self.y.at(base) if self.y.shows(base) else float(self.bottom)
                head = self.y.at(base + y)
                left = self.x.at(x) + offset
                path += f"M{left:.1f} {foot:.1f}V{head:.1f}h{width:.1f}V{foot:.1f}Z"
        return f"<path d='{path}' class='{series.colour.lower()}'/>" if path else ""

    def _points(self, series: Series) -> str:
        one = series.declared
        points = [
            (f"{self.x.at(x):.1f}", f"{self.y.at(y):.1f}")
            for x, y in zip(series.xs, series.ys, strict=True)
            if self.x.shows(x) and self.y.shows(y)
        ]
        if one.type == "mark":
            return "".join(f"<circle cx='{x}' cy='{y}' r='8' class='ring'/>" for x, y in points)
        if not points:
            return ""
        look = series.colour.lower()
        path = f"M{points[0][0]} {points[0][1]}"
        for x, y in points[1:]:
            path += f"H{x}V{y}" if one.steps else f"L{x} {y}"
        shapes = ""
        if one.area:
            closed = f"{path}V{self.bottom}H{points[0][0]}Z"
            shapes += f"<path d='{closed}' class='{look} faint'/>"
        dash = f" stroke-dasharray='{series.dash[0]}'" if series.dash[0] else ""
        if one.joined:
            shapes += f"<path d='{path}' class='curve of-{look}'{dash}/>"
        if one.points or not one.joined:
            shapes += "".join(
                f"<circle cx='{x}' cy='{y}' r='3' class='{look}'/>" for x, y in points
            )
        return shapes

    def _entry(self, x: int, y: int, series: Series) -> str:
        """A piece of the series and its name, in the legend."""
        look = series.colour.lower()
        words = _words(x + 32, y + 4, series.declared.name, "", "start")
        if series.declared.type == "mark":
            return f"<circle cx='{x + 12}' cy='{y}' r='8' class='ring'/>{words}"
        if series.declared.type == "bars":
            return f"<path d='M{x} {y - 6}h24v12h-24z' class='{look}'/>{words}"
        if not series.declared.joined:
            return f"<circle cx='{x + 12}' cy='{y}' r='3' class='{look}'/>{words}"
        dash = f" stroke-dasharray='{series.dash[0]}'" if series.dash[0] else ""
        return f"<path d='M{x} {y}h24' class='curve of-{look}'{dash}/>{words}"


def _mode(one: Line) -> str:
    """How plotly draws a line."""
    if not one.joined:
        return "markers"
    return "lines+markers" if one.points else "lines"


def _entries(legend: list[Series]) -> list[tuple[int, int]]:
    """The place of each entry of the legend, which has as many rows as it takes."""
    places, x, y = [], LEFT, TOP
    for series in legend:
        width = max(ENTRY, SIGN + LETTER * len(series.declared.name))
        if x > LEFT and x + width > WIDTH:
            x, y = LEFT, y + LEGEND
        places.append((x, y))
        x += width
    return places


def _words(x, y, text: str, look: str, anchor: str) -> str:
    return f"<text x='{x}' y='{y}' class='{look}' text-anchor='{anchor}'>{escape(text)}</text>"
