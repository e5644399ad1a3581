"""A live figure is declared once; a mistake in it is found at once and said in one sentence."""

import json
import re
import sys
import types

import numpy as np
import pytest

from virtlab.explore import (
    Axis,
    Chart,
    Choice,
    Explorable,
    Line,
    Range,
    Repeat,
    Sketch,
    Switch,
    Table,
)
from virtlab.explore.explorable import chunks
from virtlab.machine.state import HART


def double(n, sign, offsets, total, rows):
    """A kernel in plain Python: rows of n, doubled."""
    total[0] = 0
    for k in range(3):
        rows[k] = 2 * n * (-1 if sign else 1) + offsets[k]
        total[0] += rows[k]


def nothing():
    """A kernel that takes nothing."""


def of_records(harts, here):
    """A kernel that reads a record."""
    here[0] = harts[0].satp


def declared(**changes) -> Explorable:
    """A small figure; `changes` replace parts of its declaration."""
    given = {
        "kernel": double,
        "controls": [Range("n", "number", 0, 20, 2, 4, unit="pages"), Switch("sign", "negative")],
        "inputs": {"offsets": np.array([1, 2, 3])},
        "outputs": {"total": ("int64", ()), "rows": ("int64", (3,))},
        "title": "{n} doubled",
        "text": "Together {total:,}.",
        "table": Table(("row", "value"), Repeat(3, 3, ("{i}", "{rows[i]:,}"))),
    }
    return Explorable(**(given | changes))


def test_a_figure_follows_its_values():
    figure = declared()
    assert (figure.drawing().title, figure.drawing().text) == ("4 doubled", "Together 30.")
    drawing = figure.drawing(n=6, sign=True)
    assert drawing.text == "Together -30."
    assert drawing.rows == (("0", "-11"), ("1", "-10"), ("2", "-9"))
    assert repr(figure) == "4 doubled\nTogether 30."


def test_outputs_are_zero_before_each_call_and_inputs_are_a_copy():
    offsets = np.array([1, 2, 3])
    figure = declared(inputs={"offsets": offsets})
    offsets[:] = 100
    assert figure.drawing().text == figure.drawing().text == "Together 30."


def test_an_edited_and_reloaded_kernel_is_picked_up(monkeypatch):
    figure = declared()

    def tripled(n, sign, offsets, total, rows):
        total[0] = 3 * n

    monkeypatch.setattr(sys.modules[__name__], "double", tripled)
    assert figure.drawing().text == "Together 12."
    assert figure.kernel is tripled


def stray() -> types.FunctionType:
    def inner():
        pass

    return inner


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"controls": []}, "the kernel double takes 'n', which is no control, input or output"),
        ({"kernel": nothing}, "the control 'n' is not a parameter of the kernel nothing"),
        (
            {"kernel": nothing, "controls": []},
            "the output 'total' is not a parameter of the kernel nothing, which takes nothing",
        ),
        ({"kernel": stray()}, "the kernel inner cannot be found in the module"),
        ({"controls": [Switch("n", "n"), Switch("n", "m")]}, "'n' is declared twice"),
        ({"controls": [Switch("a b", "n")]}, "'a b' is no name that a kernel's parameter can have"),
        ({"controls": ["n"]}, "'n' is no control: Range, Choice or Switch"),
        ({"inputs": {"offsets": "abc"}}, "the input 'offsets': 'abc' is no number"),
        ({"inputs": {"offsets": 1 << 64}}, "0x10000000000000000 does not fit into 64 bits"),
        ({"inputs": {"offsets": np.array(["a"])}}, "the input 'offsets' is 1 elements of <U1"),
        ({"inputs": {"offsets": np.zeros(0)}}, "the input 'offsets' is 0 elements"),
        ({"outputs": {"total": "int64"}}, r"the output 'total' is 'int64'; accepted is \(dtype"),
        ({"outputs": {"total": ("complex128", ())}}, "the output 'total' is complex128"),
        ({"outputs": {"total": ("int64", (0,))}}, "of sizes above 0"),
        ({"title": "{m}"}, "title: {m}: nothing is called 'm'"),
        ({"text": "{rows}"}, r"text: {rows}: rows has the shape \(3,\)"),
        ({"table": Table(("a",), ("{n:bad}",))}, "table: {n:bad}: no labels are called 'bad'"),
        ({"figure": Sketch(10, 10, "{rows[3]}")}, r"figure: {rows\[3\]}: 3 is outside 0 to 2"),
        ({"figure": Sketch(10, "{m}")}, "figure: {m}: nothing is called 'm'"),
        ({"labels": {"x": ["a"]}}, "labels cannot be called 'x'"),
        (
            {"controls": [Range("n", "n", 0, 4, 1, 4, limit="rows"), Switch("sign", "s")]},
            r"{rows}: rows has the shape \(3,\)",
        ),
        (
            {"controls": [Range("n", "n", 0, 4, 1, 4, limit="most"), Switch("sign", "s")]},
            "its limit 'most' is no integer output",
        ),
    ],
)
def test_a_mistake_in_a_declaration_is_one_sentence(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        declared(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: Range("n", "n", 4, 4, 1, 4), "low 4 is not below high 4"),
        (lambda: Range("n", "n", 0, 4, 0, 4), "the step 0 is not above 0"),
        (lambda: Range("n", "n", 0, 5, 2, 4), "high 5 is no whole number of steps of 2 above 0"),
        (lambda: Range("n", "n", 0, 6, 2, 3), "value 3 is no whole number of steps"),
        (lambda: Range("n", "n", 0, 6, 2, 8), "n = 8 is outside 0 to 6"),
        (lambda: Range("n", "n", 0, "6", 2, 4), "Range 'n': '6' is no number"),
        (lambda: Choice("c", "c", {"a": 1}), "has 1 options; it needs at least 2"),
        (lambda: Choice("c", "c", {"a": 1, "b": 1}), "two options have the same value"),
        (lambda: Choice("c", "c", {"a": 1, "b": None}), "option 'b': None is no number"),
        (lambda: Choice("c", "c", {"a": 1, "b": 2}, 3), r"none of its options: a \(1\), b \(2\)"),
        (lambda: Switch("s", "s", 2), "s = 2 is neither on"),
        (lambda: Table(("a", "b"), ("1",)), "a tuple of 2 texts, one a column"),
        (lambda: declared().drawing(m=3), "no control is called 'm'; controls are n, sign"),
        (lambda: declared().drawing(n=21), "n = 21 is outside 0 to 20"),
    ],
)
def test_a_control_that_cannot_be_is_refused(declare, message):
    with pytest.raises(ValueError, match=message):
        declare()


def test_a_choice_knows_unsigned_addresses_and_writes_its_options():
    figure = declared(
        controls=[
            Choice("n", "address", {"low": 0, "top": 0xFFFF_FFFF_FFFF_F000}),
            Switch("sign", "s"),
        ],
        title="{n:n} at {n:x}",
    )
    assert figure.drawing(n=0xFFFF_FFFF_FFFF_F000).title == "top at 0xffff_ffff_ffff_f000"
    assert figure.drawing(n=-4096).title == figure.drawing(n=0xFFFF_FFFF_FFFF_F000).title


def test_an_array_of_records_needs_the_name_of_its_dtype():
    harts = np.zeros(1, HART)
    given = {
        "kernel": of_records,
        "controls": [],
        "inputs": {"harts": harts},
        "outputs": {"here": ("int64", ())},
        "title": "t",
        "text": "w",
        "table": None,
    }
    with pytest.raises(ValueError, match=r"whose dtype has to be named: records=\{'harts'"):
        declared(**given)
    figure = declared(**given, records={"harts": "virtlab.machine.state:HART"})
    assert figure.types() == "virtlab.machine.state:HART[:], int64[:]"
    assert sum(len(text) for _, text in figure.spec()["inputs"]["harts"]["chunks"]) == 0


def test_the_types_are_those_of_the_parameters():
    assert declared().types() == "int64, int64, int64[:], int64[:], int64[:]"
    halves = declared(controls=[Range("n", "n", 0, 1, 0.5, 0.5), Switch("sign", "s")], title="")
    assert halves.types().startswith("float64, int64")


def test_what_is_stored_is_the_declaration_and_the_still_figure():
    figure = declared()
    bundle = figure._repr_mimebundle_()
    assert bundle["text/plain"] == "4 doubled\nTogether 30."
    assert "application/vnd.jupyter.widget-view+json" in bundle
    html = bundle["text/html"]
    assert html == declared().html()
    script = re.search(r"<script type='application/json'>(.*?)</script>", html, re.DOTALL)[1]
    spec = json.loads(script)
    assert spec == json.loads(json.dumps(figure.spec()))
    assert (spec["kind"], spec["kernel"]) == ("explorable", f"{__name__}:double")
    assert figure.drawing().figure() in html


def test_a_script_cannot_end_early_in_what_is_stored():
    html = declared(title="</script><!--<b> {n}").html()
    assert html.count("</script>") == 1 and "<!--" not in html.split("</script>")[0]
    assert "&lt;/script&gt;&lt;!--&lt;b&gt; 4" in html


def test_runs_of_zeros_are_not_sent():
    data = bytearray(1 << 20)
    data[1000:1003] = b"abc"
    data[-1] = 7
    offsets = [offset for offset, _ in chunks(bytes(data))]
    assert offsets == [960, (1 << 20) - 64]
    assert chunks(bytes(1000)) == []


def test_a_figure_may_have_nothing_but_words():
    words = declared(table=None).drawing()
    assert words.svg == "" and words.table() == ""


def test_a_chart_and_its_table_share_the_same_numbers():
    figure = declared(figure=Chart(Axis("row"), Axis("value"), Line("offsets", "rows")))
    assert "<svg" in figure.drawing().svg
    assert figure.drawing().rows == (("0", "9"), ("1", "10"), ("2", "11"))
