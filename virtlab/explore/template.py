"""How does a figure say its numbers? Text with placeholders, filled alike by Python and by a page.

    {n}                 a control's value or an element of an array; {row[2]}, {cause[order[i]]}
    {n:,}               an integer with its thousands apart: 12,000
    {n:x}               an unsigned 64-bit address: 0x8020_0000
    {n:.1f}  {n:,.1f}   a number with one decimal, rounded as Python rounds
    {n:cause}           the text that the labels `cause` have for it, else the number
    {n?none|one|{n:,}}  a choice by integer, 0 for the first part; beyond the last means the last
    {{  }}  {|}         a brace, and a bar that does not part a choice

A `Repeat` writes a text several times, with `i` for 0, 1 and so on; several texts and repeats one
after another make one text. An integer has 64 bits and is exact. A number with a fraction needs a
format, because languages differ in how they write one.

static/template.js understands the same and writes the same characters; the tests hold the two
against each other.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from html import escape

NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
NUMBER = re.compile(r"\d+", re.ASCII)
FORMAT = re.compile(r"(,?)(?:\.(\d)f)?|x|[A-Za-z_]\w*", re.ASCII)
ACCEPTED = "{name}, {name[2]}, {name:,}, {name:x}, {name:.1f}, {name:labels} or {name?zero|one}"


class TemplateError(ValueError):
    """A template that cannot be filled; its text says what is wrong and where."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is known of a name before it has a value.

    shape : of the array, () for a single number
    whole : bool, an integer
    """

    shape: tuple[int, ...] = ()
    whole: bool = True


@dataclasses.dataclass(frozen=True)
class Ref:
    """A number by name: `name[index]...`, each index an int or a Ref."""

    name: str
    indices: tuple = ()

    def __str__(self) -> str:
        return self.name + "".join(f"[{index}]" for index in self.indices)

    def check(self, kinds: Mapping[str, Kind]) -> Kind:
        """The kind of the number; TemplateError if there is none of that name and shape."""
        kind = kinds.get(self.name)
        if kind is None:
            known = ", ".join(kinds) or "none"
            raise TemplateError(f"{{{self}}}: nothing is called {self.name!r}; names are {known}")
        single = kind.shape in ((), (1,)) and not self.indices
        if not single and len(self.indices) != len(kind.shape):
            raise TemplateError(
                f"{{{self}}}: {self.name} has the shape {kind.shape}, which takes "
                f"{len(kind.shape)} indices, not {len(self.indices)}"
            )
        for index, size in zip(self.indices, kind.shape, strict=False):
            if isinstance(index, Ref):
                if not index.check(kinds).whole:
                    raise TemplateError(f"{{{self}}}: the index {index} is no integer")
            elif index >= size:
                raise TemplateError(f"{{{self}}}: {index} is outside 0 to {size - 1}")
        return kind

    def value(self, scope: Mapping) -> int | float:
        """The number, out of `scope`: name -> number or array."""
        found = scope[self.name]
        if not hasattr(found, "shape"):
            return found
        place = 0
        for index, size in zip(self.indices, found.shape, strict=False):
            at = index.value(scope) if isinstance(index, Ref) else index
            if not 0 <= at < size:
                raise TemplateError(f"{{{self}}}: {at} is outside 0 to {size - 1}")
            place = place * size + at
        return found.reshape(-1)[place].item()


@dataclasses.dataclass(frozen=True)
class Show:
    """A number in a format."""

    ref: Ref
    format: str

    def check(self, kinds, labels) -> None:
        """TemplateError if the format does not fit the number or is unknown."""
        whole, where = self.ref.check(kinds).whole, f"{{{self.ref}:{self.format}}}"
        shape = FORMAT.fullmatch(self.format)
        if not shape:
            raise TemplateError(f"{where} is not understood; accepted are {ACCEPTED}")
        if shape[2]:
            return
        if not whole:
            raise TemplateError(f"{where}: a number with a fraction needs a format such as :.1f")
        if self.format not in ("", ",", "x", *labels):
            known = ", ".join(labels) or "none"
            raise TemplateError(f"{where}: no labels are called {self.format!r}; known are {known}")

    def write(self, scope, labels) -> str:
        """The number in words."""
        number = self.ref.value(scope)
        if self.format == "":
            return str(number)
        if self.format == "x":
            return grouped_hex(number & 0xFFFF_FFFF_FFFF_FFFF)
        if self.format in labels:
            return labels[self.format].get(number, str(number))
        return format(number, self.format)


@dataclasses.dataclass(frozen=True)
class Choose:
    """One of several texts, by integer."""

    ref: Ref
    parts: tuple[tuple, ...]

    def check(self, kinds, labels) -> None:
        """TemplateError if the number is no integer or a part is wrong."""
        if not self.ref.check(kinds).whole:
            raise TemplateError(f"{{{self.ref}?...}}: a choice needs an integer")
        for part in self.parts:
            _check(part, kinds, labels)


def grouped_hex(value: int) -> str:
    """An address as the book prints it: 0x8020_0000."""
    digits = f"{value:_x}"
    return "0x" + (digits if len(digits) > 4 else f"{value:04x}")


def braced(text: str) -> str:
    """A text as a template that says just this."""
    return text.replace("{", "{{").replace("}", "}}")


def parse(text: str) -> tuple:
    """The nodes of a template: str, Show and Choose.

    Raises
    ------
    TemplateError, one sentence with the place
    """
    nodes, at = _parse(text, 0, inside=False)
    if at < len(text):
        raise _error(text, at, "'}' closes nothing; write }} for a brace")
    return nodes


def _error(text: str, at: int, problem: str) -> TemplateError:
    return TemplateError(f"template {text!r}, character {at + 1}: {problem}")


def _parse(text: str, at: int, inside: bool) -> tuple[tuple, int]:
    """Nodes from `at` to the end of the text, a lone '}', or `inside` a choice to a '|'."""
    nodes: list = [""]
    while at < len(text):
        pair = text[at : at + 2]
        if pair in ("{{", "}}") and not (inside and pair == "}}"):
            nodes[-1] += pair[0]
            at += 2
        elif text.startswith("{|}", at):
            nodes[-1] += "|"
            at += 3
        elif text[at] == "{":
            node, at = _placeholder(text, at)
            nodes += [node, ""]
        elif text[at] == "}" or (inside and text[at] == "|"):
            break
        else:
            nodes[-1] += text[at]
            at += 1
    return tuple(node for node in nodes if node != ""), at


def _placeholder(text: str, at: int) -> tuple[Show | Choose, int]:
    start = at
    ref, at = _ref(text, at + 1)
    if text[at : at + 1] == "?":
        parts = []
        while text[at : at + 1] in ("?", "|"):
            part, at = _parse(text, at + 1, inside=True)
            parts.append(part)
        node: Show | Choose = Choose(ref, tuple(parts))
    elif text[at : at + 1] == ":":
        end = at + 1
        while end < len(text) and text[end] not in "{}|?":
            end += 1
        node, at = Show(ref, text[at + 1 : end]), end
    else:
        node = Show(ref, "")
    if at >= len(text):
        raise _error(text, start, "'{' is not closed; write {{ for a brace")
    if text[at] != "}":
        raise _error(text, at, f"{text[at]!r} is not understood; accepted are {ACCEPTED}")
    return node, at + 1


def _ref(text: str, at: int) -> tuple[Ref, int]:
    name = NAME.match(text, at)
    if not name:
        raise _error(text, at, f"a name is missing; accepted are {ACCEPTED}")
    at, indices = name.end(), []
    while text[at : at + 1] == "[":
        number = NUMBER.match(text, at + 1)
        if number:
            index, at = int(number[0]), number.end()
        else:
            index, at = _ref(text, at + 1)
        if text[at : at + 1] != "]":
            raise _error(text, at, "']' is missing")
        indices.append(index)
        at += 1
    return Ref(name[0], tuple(indices)), at


def _check(nodes: Sequence, kinds, labels) -> None:
    for node in nodes:
        if not isinstance(node, str):
            node.check(kinds, labels)


def _fill(nodes: Sequence, scope, labels, markup: bool) -> str:
    written = []
    for node in nodes:
        if isinstance(node, str):
            written.append(node)
        elif isinstance(node, Show):
            words = node.write(scope, labels)
            written.append(escape(words) if markup else words)
        else:
            part = min(max(node.ref.value(scope), 0), len(node.parts) - 1)
            written.append(_fill(node.parts[part], scope, labels, markup))
    return "".join(written)


@dataclasses.dataclass(frozen=True)
class Repeat:
    """A text written several times, with a counter for its number.

    Parameters
    ----------
    count : how often: an int, or the name of a number, such as "n" or "n[2]"
    most : int, never more often than this
    each : a text, or for the rows of a table a tuple of texts
    between : str, written between two
    before, after : str, written around all of them, if there is one at all
    index : the counter's name
    """

    count: int | str
    most: int
    each: object
    between: str = ""
    before: str = ""
    after: str = ""
    index: str = "i"

    def __post_init__(self):
        if not NAME.fullmatch(self.index):
            raise TemplateError(f"Repeat: {self.index!r} is no name for a counter")
        if self.most < 1:
            raise TemplateError(f"Repeat({self.count!r}): most is {self.most}; it must be above 0")
        self.counted()

    def counted(self) -> int | Ref:
        """`count`, understood."""
        if isinstance(self.count, int):
            return self.count
        ref, at = _ref(self.count, 0)
        if at != len(self.count):
            raise _error(self.count, at, "a name of a number is expected, such as n or n[2]")
        return ref

    def check(self, kinds) -> dict[str, Kind]:
        """The names known inside; TemplateError if the count is no integer."""
        count = self.counted()
        if isinstance(count, Ref) and not count.check(kinds).whole:
            raise TemplateError(f"Repeat({self.count!r}): the count is no integer")
        return {**kinds, self.index: Kind()}

    def total(self, scope) -> int:
        """How often it would be written without `most`."""
        count = self.counted()
        return count.value(scope) if isinstance(count, Ref) else count

    def scopes(self, scope) -> list[dict]:
        """The names of each round."""
        return [{**scope, self.index: k} for k in range(min(self.total(scope), self.most))]


class Template:
    """A text, understood once: a str, a Repeat, or a sequence of them one after another."""

    def __init__(self, text):
        parts = text if isinstance(text, list | tuple) else [text]
        self.parts: list = []
        for part in parts:
            if isinstance(part, str):
                self.parts.append((part, parse(part)))
            elif isinstance(part, Repeat):
                self.parts.append((part, Template(part.each)))
            else:
                raise TemplateError(
                    f"a text is a str, a Repeat or a sequence of them, not {part!r}"
                )

    def check(self, kinds: Mapping[str, Kind], labels: Mapping) -> None:
        """TemplateError if the text needs what is not there; labels : name -> int -> str."""
        for part, inner in self.parts:
            if isinstance(part, str):
                _check(inner, kinds, labels)
            else:
                inner.check(part.check(kinds), labels)

    def fill(self, scope: Mapping, labels: Mapping, markup: bool = False) -> str:
        """The text with its numbers; as `markup` what is filled in is escaped."""
        written = []
        for part, inner in self.parts:
            if isinstance(part, str):
                written.append(_fill(inner, scope, labels, markup))
                continue
            rounds = [inner.fill(each, labels, markup) for each in part.scopes(scope)]
            if rounds:
                written.append(part.before + part.between.join(rounds) + part.after)
        return "".join(written)

    def spec(self) -> list:
        """The text for a page: a list of str and of what a Repeat consists of."""
        return [
            part if isinstance(part, str) else repeat_spec(part, inner.spec())
            for part, inner in self.parts
        ]


def repeat_spec(repeat: Repeat, each) -> dict:
    """A Repeat for a page."""
    given = {"count": repeat.count, "most": repeat.most, "each": each}
    for name, usual in (("between", ""), ("before", ""), ("after", ""), ("index", "i")):
        if getattr(repeat, name) != usual:
            given[name] = getattr(repeat, name)
    return given
