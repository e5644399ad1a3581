"""Templates say what Python's formats say, refuse what they cannot, and are the same in a page."""

import random

import numpy as np
import pytest
from javascript import page_of_modules

from virtlab.explore.template import Kind, Repeat, Template, TemplateError, parse

SCOPE = {
    "n": 3,
    "big": -(1 << 63),
    "share": 12.34567,
    "row": np.array([5, 6, 7]),
    "grid": np.array([[1, 2], [3, 4]], np.uint8),
    "one": np.array([9]),
    "ratio": np.array([0.125, -0.5, 1e20]),
}
KINDS = {
    name: Kind(getattr(value, "shape", ()), np.asarray(value).dtype.kind in "iu")
    for name, value in SCOPE.items()
}
LABELS = {"cause": {0: "none", 3: "<three> & more"}}


def filled(text, **scope) -> str:
    template = Template(text)
    template.check(KINDS, LABELS)
    return template.fill(SCOPE | scope, LABELS)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ("{n}, {big}", "3, -9223372036854775808"),
        ("{big:,} {big:x}", "-9,223,372,036,854,775,808 0x8000_0000_0000_0000"),
        ("{n:x} {row[2]} {row[grid[0][1]]}", "0x0003 7 7"),
        ("{grid[1][0]} {one} {one[0]}", "3 9 9"),
        (
            "{share:.1f} {share:.0f} {ratio[0]:.2f} {ratio[2]:,.1f}",
            "12.3 12 0.12 100,000,000,000,000,000,000.0",
        ),
        ("{n:.2f}", "3.00"),
        ("{n:cause} {one:cause}", "<three> & more 9"),
        ("{n?none|one|{n:,} of them}", "3 of them"),
        ("{big?none|one}", "none"),
        ("{n?a|b|c|d {|} {{x}", "d | {x"),
        ("{{n}} is {n}", "{n} is 3"),
        ("a|b", "a|b"),
        ("{n?|x}", "x"),
    ],
)
def test_a_template_is_filled(text, written):
    assert filled(text) == written


def test_a_repeat_counts_and_stops():
    row = Repeat("n", 5, "{row[i]}", between=", ", before="(", after=")")
    assert filled(["rows ", row, "."]) == "rows (5, 6, 7)."
    assert filled([row], n=2) == "(5, 6)"
    assert filled([row], n=-1) == filled([row], n=0) == ""
    assert filled(Repeat("n", 2, "{i}"), n=100) == "01"
    nested = Repeat(2, 2, Repeat(2, 2, "{grid[i][j]}", index="j"), between="/")
    assert filled(nested) == "12/34"


def test_what_is_filled_into_markup_is_escaped():
    template = Template("<b class='{n?a|b|c|d}'>{n:cause}</b>")
    assert template.fill(SCOPE, LABELS, markup=True) == "<b class='d'>&lt;three&gt; &amp; more</b>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{n", "character 1: '{' is not closed"),
        ("a } b", "character 3: '}' closes nothing"),
        ("{}", "character 2: a name is missing"),
        ("{row[1}", r"character 7: '\]' is missing"),
        ("{n!r}", "character 3: '!' is not understood"),
        ("{n?a|b", "character 1: '{' is not closed"),
        ("{m}", "nothing is called 'm'; names are n, big, share"),
        ("{row}", r"\{row\}: row has the shape \(3,\), which takes 1 indices, not 0"),
        ("{grid[0]}", "takes 2 indices, not 1"),
        ("{row[3]}", "3 is outside 0 to 2"),
        ("{row[share]}", "the index share is no integer"),
        ("{share}", "a number with a fraction needs a format such as :.1f"),
        ("{share:,}", "needs a format"),
        ("{share?a|b}", "a choice needs an integer"),
        ("{n:bad}", "no labels are called 'bad'; known are cause"),
        ("{n:0>3}", "is not understood; accepted are"),
    ],
)
def test_a_mistake_is_found_when_the_template_is_declared(text, message):
    with pytest.raises(TemplateError, match=message) as caught:
        filled(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: Repeat("n", 0, "x"), "most is 0; it must be above 0"),
        (lambda: Repeat("n m", 2, "x"), "character 2: a name of a number is expected"),
        (lambda: Repeat("n", 2, "x", index="2"), "'2' is no name for a counter"),
        (lambda: filled(Repeat("share", 2, "x")), "the count is no integer"),
        (lambda: filled(Repeat("m", 2, "x")), "nothing is called 'm'"),
        (lambda: filled(["a", 3]), "a text is a str, a Repeat or a sequence of them, not 3"),
    ],
)
def test_a_wrong_repeat_is_refused(declare, message):
    with pytest.raises(TemplateError, match=message):
        declare()


def test_an_index_outside_its_array_is_no_silent_wrap():
    with pytest.raises(TemplateError, match=r"row\[n\]\}: -1 is outside 0 to 2"):
        filled("{row[n]}", n=-1)


def test_what_is_understood_can_be_looked_at():
    nodes = parse("a{n:,}b")
    assert [type(node).__name__ for node in nodes] == ["str", "Show", "str"]
    assert (str(nodes[1].ref), nodes[1].format) == ("n", ",")


# The same in a page.

FILL = """
const { parse, fill } = await import("/template.js");
const number = (text, whole) => whole ? BigInt(text) : Number(text);
return given.map(([spec, values, labels, markup]) => {
  const read = ([name, shape, whole, data]) => [name, shape === null
    ? number(data, whole)
    : { shape, whole, data: data.map((one) => number(one, whole)) }];
  const scope = Object.fromEntries(values.map(read));
  return fill(parse(spec), scope, labels, markup);
});
"""
WORDS = ["", "a", "<b>", "é €", "{{", "}}", " - ", "&", "'q'", "0x"]
LITERALS = [word for word in WORDS if "}" not in word]
FLOATS = [0.0, -0.0, 0.5, 1.5, 2.5, 0.125, 0.25, 1e22, 1e-9, 5e-324, 1.7e308, 0.05, 2.675]


def js_number(value) -> str:
    if isinstance(value, int):
        return str(value)
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value), repr(value))


def as_given(scope: dict) -> list:
    """A scope for the page: name, shape or null, whole, numbers as text."""
    given = []
    for name, value in scope.items():
        if isinstance(value, np.ndarray):
            data = [js_number(number) for number in value.reshape(-1).tolist()]
            given.append([name, list(value.shape), value.dtype.kind in "iu", data])
        else:
            given.append([name, None, isinstance(value, int), js_number(value)])
    return given


class Writer:
    """Random scopes and templates that fit them."""

    def __init__(self, rng: random.Random):
        self.rng = rng

    def integer(self) -> int:
        rng = self.rng
        return rng.choice(
            (rng.randrange(-4, 5), rng.randrange(10**6), rng.randrange(-(1 << 63), 1 << 63))
        )

    def number(self) -> float:
        rng = self.rng
        drawn = (
            rng.choice(FLOATS) * rng.choice((1, -1)),
            rng.uniform(-1000, 1000),
            rng.randrange(1 << 20) / (1 << rng.randrange(12)),
            rng.choice((float("inf"), float("-inf"), float("nan"))),
        )
        return rng.choice(drawn)

    def scope(self) -> dict:
        rng = self.rng
        return {
            "n": rng.randrange(-2, 6),
            "big": self.integer(),
            "share": self.number(),
            "row": np.array([self.integer() for _ in range(3)], np.int64),
            "wide": np.array([self.integer() & (1 << 64) - 1 for _ in range(2)], np.uint64),
            "grid": np.array([[rng.randrange(256) for _ in range(4)] for _ in range(2)], np.uint8),
            "ratio": np.array([self.number() for _ in range(4)]),
            "at": rng.randrange(3),
        }

    def whole(self) -> str:
        return self.rng.choice(
            ("n", "big", "row[0]", "row[at]", "wide[1]", "grid[1][3]", "grid[0][at]", "at")
        )

    def text(self, depth: int = 0) -> str:
        rng, parts = self.rng, []
        for _ in range(rng.randrange(1, 4)):
            parts.append(rng.choice(LITERALS if depth else WORDS))
            kind = rng.randrange(5)
            if kind == 0:
                parts.append("{" + self.whole() + rng.choice(("", ":,", ":x", ":cause")) + "}")
            elif kind == 1:
                ref = rng.choice(("share", "ratio[2]", "ratio[at]", self.whole()))
                comma = rng.choice(("", ","))
                parts.append("{" + ref + f":{comma}.{rng.randrange(5)}f" + "}")
            elif kind == 2 and depth < 3:
                choices = [self.text(depth + 1) for _ in range(rng.randrange(1, 4))]
                parts.append("{" + self.whole() + "?" + "|".join(choices) + "}")
            elif kind == 3:
                parts.append("{|}")
        return "".join(parts)

    def template(self) -> list:
        rng = self.rng
        repeat = Repeat(
            rng.choice(("n", 2, "at")),
            rng.randrange(1, 4),
            ["{i}", self.text()],
            between=rng.choice(("", ", ")),
            before=rng.choice(("", "[")),
            after=rng.choice(("", "]")),
        )
        return rng.sample([self.text(), repeat, self.text()], rng.randrange(1, 4))


@pytest.mark.browser
def test_a_page_writes_the_same_characters(browser, seed):
    writer = Writer(random.Random(f"{seed} templates"))
    given, told = [], []
    for _ in range(3000):
        scope, text = writer.scope(), writer.template()
        template, markup = Template(text), writer.rng.random() < 0.5
        kinds = {
            name: Kind(getattr(value, "shape", ()), np.asarray(value).dtype.kind in "iu")
            for name, value in scope.items()
        }
        template.check(kinds, LABELS)
        labels = {
            name: {str(k): text for k, text in texts.items()} for name, texts in LABELS.items()
        }
        given.append([template.spec(), as_given(scope), labels, markup])
        told.append(template.fill(scope, LABELS, markup))
    with page_of_modules(browser) as run:
        found = run(FILL, given)
    for one, python, page in zip(given, told, found, strict=True):
        assert page == python, one
    assert len(set(told)) > 1000


@pytest.mark.browser
def test_decimals_are_rounded_as_python_rounds(browser, seed):
    writer = Writer(random.Random(f"{seed} decimals"))
    numbers = [writer.number() for _ in range(5000)]
    digits = [writer.rng.randrange(10) for _ in numbers]
    with page_of_modules(browser) as run:
        found = run(
            'const { fixed } = await import("/template.js");'
            "return given.map(([number, digits]) => fixed(Number(number), digits, true));",
            [[js_number(number), n] for number, n in zip(numbers, digits, strict=True)],
        )
    assert found == [f"{number:,.{n}f}" for number, n in zip(numbers, digits, strict=True)]
