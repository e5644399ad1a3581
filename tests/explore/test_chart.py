"""A chart says the same in its two pictures; what it cannot draw is refused in one sentence."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from virtlab.explore import Axis, Bars, Chart, Line, Mark
from virtlab.explore.chart import BOTTOM, LEFT, RIGHT, TOP, ticks
from virtlab.explore.palette import LIGHT
from virtlab.explore.template import Kind

SCOPE = {
    "xs": np.array([0, 5, 10]),
    "ys": np.array([0, 20, 40]),
    "zs": np.array([1.5, 2.5, 0.0]),
    "n": 2,
    "names": np.array([1, 2]),
}
KINDS = {name: Kind(getattr(value, "shape", ())) for name, value in SCOPE.items()}
PLAIN = Chart(Axis("pages"), Axis("misses"), Line("xs", "ys", "model"), Mark("n", "ys[1]", "here"))
BARS = Chart(
    Axis("kind", categories=("a & b", "c", "d")),
    Axis("count"),
    Bars("ys", "one"),
    Bars("zs", "two"),
)


def tree_of(chart, **scope) -> ElementTree.Element:
    chart.check(KINDS, {})
    return ElementTree.fromstring(chart.draw(SCOPE | scope, {}, "description"))


def texts(tree) -> list[str]:
    return [text.text for text in tree.iter("text")]


def test_points_lie_where_the_axes_say():
    tree = tree_of(Chart(Axis("pages"), Axis("misses"), Line("xs", "ys")))
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in tree.iter("circle")]
    middle = ((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2)
    assert dots == [(LEFT, BOTTOM), middle, (RIGHT, TOP)]
    assert {"pages", "misses", "0", "10", "20", "40"} <= set(texts(tree))


def test_a_mark_stands_out_and_the_legend_names_both():
    tree = tree_of(PLAIN)
    assert [ring.get("class") for ring in tree.iter("circle")].count("ring") == 2
    assert {"model", "here"} <= set(texts(tree))


def test_only_as_many_points_as_counted_are_drawn():
    chart = Chart(Axis("x"), Axis("y"), Line("xs", "ys", count="n"))
    assert len(list(tree_of(chart).iter("circle"))) == 2
    assert not list(tree_of(chart, n=0).iter("circle"))
    assert chart.figure(SCOPE, {})["data"][0]["x"] == [0, 5]


def test_bars_stand_side_by_side_or_on_top_of_one_another():
    side = [path.get("d") for path in tree_of(BARS).iter("path") if path.get("class") in ("s", "m")]
    heads = [re.findall(r"V([\d.]+)h", path) for path in side]
    assert [len(found) for found in heads[:2]] == [2, 2]
    stacked = Chart(BARS.x, BARS.y, *BARS.series, stacked=True)
    second = next(path for path in tree_of(stacked).iter("path") if path.get("class") == "m")
    feet = re.findall(r" ([\d.]+)V[\d.]+h", second.get("d"))
    assert float(feet[1]) < float(feet[0])
    assert {"a & b", "c", "d", "one", "two"} <= set(texts(tree_of(stacked)))


def test_a_logarithmic_axis_has_powers_of_ten_and_leaves_zero_out():
    chart = Chart(Axis("x"), Axis("y", log=True), Line("xs", "big"))
    scope = SCOPE | {"big": np.array([0, 10, 100_000])}
    chart.check(KINDS | {"big": Kind((3,))}, {})
    tree = ElementTree.fromstring(chart.draw(scope, {}, "d"))
    assert {"10", "100", "1,000", "10,000", "100,000"} <= set(texts(tree))
    assert len(list(tree.iter("circle"))) == 2
    assert chart.figure(scope, {})["layout"]["yaxis"]["type"] == "log"


def test_steps_and_areas_have_their_paths():
    chart = Chart(Axis("x"), Axis("y"), Line("xs", "ys", points=False, steps=True, area=True))
    area, line = [p.get("d") for p in tree_of(chart).iter("path") if "v4" not in p.get("d")][-2:]
    assert line.startswith(f"M{LEFT}.0 ") and "H" in line and "L" not in line
    assert area == f"{line}V{BOTTOM}H{LEFT}.0Z"
    trace = chart.figure(SCOPE, {})["data"][0]
    assert (trace["line"]["shape"], trace["fill"], trace["mode"]) == ("hv", "tozeroy", "lines")


def test_plotly_takes_the_figure_as_it_is():
    import plotly.graph_objects as go

    for chart in (PLAIN, BARS):
        given = chart.figure(SCOPE, {})
        figure = go.Figure(given["data"], given["layout"])
        assert [trace.name for trace in figure.data] == [one.name for one in chart.series]
        assert figure.layout.yaxis.title.text == chart.y.title
    assert PLAIN.figure(SCOPE, {})["data"][0]["line"]["color"] == LIGHT["S"]


@pytest.mark.parametrize(
    ("low", "high", "whole", "written"),
    [
        (0.0, 640.0, True, ["0", "200", "400", "600"]),
        (0.0, 1.0, True, ["0", "1"]),
        (0.0, 1.0, False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-0.003, 0.004, False, ["-0.002", "0.000", "0.002", "0.004"]),
        (
            999_000.0,
            1_001_000.0,
            True,
            ["999,000", "999,500", "1,000,000", "1,000,500", "1,001,000"],
        ),
        (0.0, 3e20, True, ["0", "100,000,000,000,000,000,000"]),
    ],
)
def test_an_axis_is_marked_at_round_numbers(low, high, whole, written):
    found = [text for _, text in ticks(low, high, 6, whole)]
    assert len(found) <= 6
    assert found[: len(written)] == written


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: Chart(Axis("x"), Axis("y")), "a Chart needs at least one series"),
        (lambda: Chart(Axis("x"), Axis("y"), Bars("ys")), "Bars need categories on the x axis"),
        (
            lambda: Chart(Axis("x"), Axis("y", categories=("a",)), Line("xs", "ys")),
            "categories on its x axis, not on y",
        ),
        (
            lambda: Chart(Axis("x", log=True, categories=("a",)), Axis("y"), Bars("ys")),
            "an axis of categories cannot be logarithmic",
        ),
        (lambda: Chart(Axis("x"), Axis("y"), *[Line("xs", "ys")] * 6), "at most 5 series"),
        (
            lambda: tree_of(Chart(Axis("x"), Axis("y"), Line("xs", "no"))),
            "is called 'no'; there are",
        ),
        (
            lambda: tree_of(Chart(Axis("x"), Axis("y"), Line("names", "ys"))),
            r"line 'ys': x and y have \[2, 3\] points",
        ),
        (
            lambda: tree_of(Chart(Axis("x", categories=("a",)), Axis("y"), Bars("ys"))),
            "bars 'ys': 3 numbers are more than the 1 categories",
        ),
        (
            lambda: tree_of(Chart(Axis("{no}"), Axis("y"), Line("xs", "ys"))),
            "nothing is called 'no'",
        ),
        (lambda: tree_of(Chart(Axis("x"), Axis("y"), Mark("n", "ys"))), r"ys has the shape \(3,\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(declare, message):
    with pytest.raises(ValueError, match=message):
        declare()
