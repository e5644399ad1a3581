"""What does the library really do? Its own source, shown in the notebook, never retyped.

`source(function)` prints the lines as they stand in the file, with their numbers and a link. Book
and library cannot drift apart.
"""

import inspect
import textwrap
from html import escape
from pathlib import Path

from pygments import lex
from pygments.lexers import CLexer, PythonLexer
from pygments.token import Comment, Keyword, Operator, String

from virtlab.explore.palette import style

ROOT = Path(__file__).parents[2]  # the folder that holds the package
LOOKS = ((Comment, "comment"), (String, "string"), (Keyword, "keyword"), (Operator.Word, "keyword"))


class Source:
    """Lines of a file: a function's or a class's.

    Attributes
    ----------
    path : str, relative to the folder that holds the package, with forward slashes
    first : int, number of the first line
    text : str, the lines
    """

    def __init__(self, path: str, first: int, text: str):
        self.path, self.first, self.text = path, first, text

    @property
    def last(self) -> int:
        return self.first + self.text.count("\n") - 1

    @property
    def place(self) -> str:
        return f"{self.path}, lines {self.first} to {self.last}"

    def __repr__(self) -> str:
        lines = self.text.splitlines()
        numbered = (f"{self.first + n:4}  {line}".rstrip() for n, line in enumerate(lines))
        return f"{self.place}\n" + "\n".join(numbered)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.html()}

    def html(self) -> str:
        """Highlighted, with line numbers that are not copied along, and a link to the file."""
        lines = _highlighted(self.text, CLexer if self.path.endswith((".c", ".h")) else PythonLexer)
        numbered = "\n".join(
            f"<span class='number'>{self.first + n:4} </span> {line}"
            for n, line in enumerate(lines)
        )
        link = f"<a href='../{self.path}'>{escape(self.place)}</a>"
        return (
            f"<style>{style()}</style>\n<div class='vl vl-source'><p>{link}</p>\n"
            f"<pre tabindex='0'>{numbered}</pre></div>"
        )


def source(thing, start: str | None = None, end: str | None = None) -> Source:
    """The source of a function, compiled or not, of a class, of a file, or of a part of one.

    Parameters
    ----------
    thing : function or class of the package; or str, a file of it: "guests/pith/kernel/box.c"
    start : text of the first line to show; without it, the whole from its beginning
    end : text of the last line to show, looked for from there on; without it, to the end

    Raises
    ------
    TypeError if `thing` is not defined in a file of this package.
    ValueError if no line contains `start`, or none from there on contains `end`.
    """
    if isinstance(thing, str):
        return _of_file(thing, start, end)
    plain = getattr(thing, "py_func", thing)  # Numba's dispatcher keeps the original here
    plain = inspect.unwrap(plain) if callable(plain) else plain
    try:
        path = Path(inspect.getsourcefile(plain)).resolve().relative_to(ROOT)
        lines, first = inspect.getsourcelines(plain)
    except (TypeError, OSError, ValueError):
        raise TypeError(
            f"{thing!r} has no source in virtlab; give a function or a class of the package"
        ) from None
    return _part(path, lines, max(first, 1), start, end)


def _of_file(name: str, start: str | None, end: str | None) -> Source:
    path = ROOT / "virtlab" / name
    if not path.resolve().is_relative_to(ROOT / "virtlab") or not path.is_file():
        raise TypeError(f"{name!r} has no source in virtlab; give a file of the package")
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return _part(path.relative_to(ROOT), lines, 1, start, end)


def _part(path: Path, lines: list[str], first: int, start: str | None, end: str | None) -> Source:
    begin = _line_with(lines, start, 0) if start else 0
    stop = _line_with(lines, end, begin) + 1 if end else len(lines)
    return Source(path.as_posix(), first + begin, textwrap.dedent("".join(lines[begin:stop])))


def _line_with(lines: list[str], text: str, begin: int) -> int:
    for number in range(begin, len(lines)):
        if text in lines[number]:
            return number
    raise ValueError(f"no line contains {text!r} from line {begin + 1} of the source on")


def _highlighted(text: str, lexer: type) -> list[str]:
    """Lines of HTML; a token that spans lines is closed and opened again at each end."""
    lines = [""]
    for kind, value in lex(text, lexer(stripnl=False)):
        look = next((name for group, name in LOOKS if kind in group), "")
        for n, part in enumerate(value.split("\n")):
            if n:
                lines.append("")
            if part:
                lines[-1] += f"<span class='{look}'>{escape(part)}</span>" if look else escape(part)
    return lines[: text.count("\n")]
