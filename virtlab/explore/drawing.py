"""What does a figure consist of? A title, a picture, the same in words, and its data as a table.

`Drawing` holds the four and shows them wherever a notebook is read: JupyterLab, a static page, a
plain text log. It knows nothing of widgets. The functions below it write the few SVG shapes that
the figures are made of; colours come from the style sheet in `palette`, so a picture follows the
theme.
"""

import dataclasses
import itertools
from html import escape

from virtlab.explore.palette import style
from virtlab.explore.template import grouped_hex

__all__ = [
    "Drawing",
    "arrow",
    "box",
    "box_key",
    "count",
    "grouped_hex",
    "label",
    "line",
    "round_positions",
    "svg",
    "way",
    "wire",
]

TABLE_ROWS = 60  # a longer table is cut, and says so

Cell = str | int


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 trap, 2,000 traps."""
    if noun.endswith("ry"):
        plural = noun[:-1] + "ies"
    else:
        plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure from plain data.

    Attributes
    ----------
    title : str, what is drawn, with the state a reader has chosen
    text : str, the text alternative, computed from the data
    columns : names of the table's columns, with units
    rows : the data, one tuple a row; addresses are strings in hex, counts are ints
    svg : str, the picture; empty where the table is the figure
    n_rows : int, how many rows there are if `rows` are only the first of them
    """

    title: str
    text: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    svg: str = ""
    n_rows: int = 0

    def __repr__(self) -> str:
        return f"{self.title}\n{self.text}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.html()}

    def html(self) -> str:
        """The whole figure with its style sheet."""
        return f"<style>{style()}</style>\n<div class='vl'>{self.figure()}</div>"

    def figure(self) -> str:
        """The whole figure; the table is folded where there is a picture."""
        table = self.table()
        if self.svg and table:
            table = f"<details><summary>Data as a table</summary>{table}</details>"
        return self.picture(table)

    def picture(self, table: str = "") -> str:
        """Title, picture and text alternative as a `figure` element, without the style sheet."""
        return (
            f"<figure><figcaption>{escape(self.title)}</figcaption>\n"
            + (f"<div class='vl-scroll' tabindex='0'>{self.svg}</div>\n" if self.svg else "")
            + f"<p>{escape(self.text)}</p>\n{table}</figure>"
        )

    def table(self) -> str:
        """The data as an HTML table with a caption and column headers; empty without data."""
        if not self.columns:
            return ""
        head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>\n"
            for row in self.rows[:TABLE_ROWS]
        )
        cut, n_rows = "", max(self.n_rows, len(self.rows))
        shown = min(TABLE_ROWS, len(self.rows))
        if n_rows > shown:
            cut = f"<p>The first {shown} of {count(n_rows, 'row')}.</p>"
        return (
            f"<div class='vl-scroll' tabindex='0'><table aria-label='{escape(self.title)}'>"
            f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>{cut}"
        )


def _cell(cell: Cell) -> str:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    text = escape(str(cell))
    return f"<code>{text}</code>" if text.startswith("0x") else text


def round_positions(first: int, last: int, most: int = 6) -> list[int]:
    """Multiples of 1, 2 or 5 times a power of ten from `first` to `last`, at most `most`."""
    for step in (digit * 10**power for power in itertools.count() for digit in (1, 2, 5)):
        positions = range(-(-first // step) * step, last + 1, step)
        if len(positions) <= most:
            return list(positions)


def svg(width: int, height: int, description: str, *shapes: str) -> str:
    """One picture; `description` is read aloud in its place."""
    return (
        f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='{escape(description)}'>\n"
        + "\n".join(shape for shape in shapes if shape)
        + "\n</svg>"
    )


def label(x: float, y: float, text: str, look: str = "", anchor: str = "start") -> str:
    """Text whose baseline starts (or ends, or is centred) at x, y."""
    return f"<text x='{x:g}' y='{y:g}' class='{look}' text-anchor='{anchor}'>{escape(text)}</text>"


def box(x: float, y: float, width: float, height: float, look: str = "box", radius: int = 4) -> str:
    """A rectangle."""
    return (
        f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='{radius}' "
        f"class='{look}'/>"
    )


def box_key(x: float, y: float, look: str, text: str) -> str:
    """A small square in a colour with what it stands for, for a figure without lanes."""
    return box(x, y, 12, 12, look, 2) + label(x + 18, y + 11, text)


def wire(*points: tuple[float, float], dashed: bool = False) -> str:
    """A line through the points."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    dashes = " stroke-dasharray='4 3'" if dashed else ""
    return f"<polyline points='{path}' class='wire'{dashes}/>"


def arrow(*points: tuple[float, float], dashed: bool = False) -> str:
    """A line with a tip at its last point; the last leg is horizontal or vertical."""
    (x0, y0), (x, y) = points[-2:]
    if x0 == x:
        back = -7 if y > y0 else 7
        corners = f"{x:g},{y:g} {x - 4:g},{y + back:g} {x + 4:g},{y + back:g}"
    else:
        back = -7 if x > x0 else 7
        corners = f"{x:g},{y:g} {x + back:g},{y - 4:g} {x + back:g},{y + 4:g}"
    return wire(*points, dashed=dashed) + f"<polygon points='{corners}' class='tip'/>"


def line(points, look: str = "") -> str:
    """A line through the points, in a further look."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f"<polyline points='{path}' class='wire {look}'/>"


def way(points, lit: str = "", tip: bool = True) -> str:
    """A line with a tip at its last point, vertical there; thicker where the number `lit` is 1."""
    (_, y0), (x, y) = points[-2:]
    look = f"{{{lit}?|lit}}" if lit else ""
    drawn = line(points, look)
    if not tip:
        return drawn
    back = -7 if y > y0 else 7
    corners = f"{x:g},{y:g} {x - 4:g},{y + back:g} {x + 4:g},{y + back:g}"
    return drawn + f"<polygon points='{corners}' class='tip {look}'/>"
