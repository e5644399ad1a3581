"""In JupyterLab controls move figures; here without a browser."""

import sys
import time

import pytest
import recorded

from virtlab.explore import (
    Choice,
    Explorable,
    Range,
    Switch,
    access,
    sweep,
    timeline,
    tlb_sweep,
    walk,
)
from virtlab.explore.live import WIDGET_VIEW, Live


def half(share, on, many, out, most):
    """A kernel in plain Python."""
    out[0] = share / 2 if on else 0.0
    most[0] = 2 + many


def halves() -> Explorable:
    return Explorable(
        half,
        [
            Range("share", "share", 0.0, 1.0, 0.25, 0.5, "percent"),
            Switch("on", "switched on", True),
            Range("many", "how many", 0, 10, 1, 5),
        ],
        outputs={"out": ("float64", ()), "most": ("int64", ())},
        title="{share:.2f}",
        text="{out:.3f}, {most}",
    )


def test_each_control_is_the_widget_of_its_kind():
    controls = halves().live.controls
    names = {name: type(control).__name__ for name, control in controls.items()}
    assert names == {"share": "FloatSlider", "on": "Checkbox", "many": "IntSlider"}
    assert controls["share"].description == "share (percent)"
    assert (controls["many"].min, controls["many"].max, controls["many"].value) == (0, 10, 5)
    kinds = {type(control).__name__ for control in access().live.controls.values()}
    assert kinds == {"Dropdown"}


def test_moving_a_control_renews_title_words_and_table():
    live = halves().live
    assert live.drawing.text == "0.250, 7"
    live.controls["share"].value = 1.0
    live.controls["many"].value = 1
    assert (live.drawing.title, live.drawing.text) == ("1.00", "0.500, 3")
    live.controls["on"].value = False
    assert live.drawing.text == "0.000, 3"
    assert "0.000, 3" in live._words.value and "1.00" in live._picture.value


def test_a_slider_stays_below_its_limit_and_comes_back():
    figure = Explorable(
        limited,
        [
            Choice("way", "way", {"long": 4, "short": 2}),
            Range("at", "step", 0, 4, 1, 4, limit="last"),
        ],
        outputs={"last": ("int64", ()), "shown": ("int64", ())},
        title="{shown} of {last}",
    )
    live = figure.live
    live.controls["way"].value = 2
    assert (live.controls["at"].max, live.controls["at"].value) == (2, 2)
    assert live.drawing.title == "2 of 2"
    live.controls["way"].value = 4
    assert (live.controls["at"].max, live.controls["at"].value) == (4, 4)
    live.controls["at"].value = 1
    live.controls["way"].value = 2
    assert live.drawing.title == "1 of 2"


def limited(way, at, last, shown):
    """A kernel in plain Python."""
    last[0], shown[0] = way, min(at, way)


def test_an_edited_kernel_answers_and_a_broken_one_says_what_is_wrong(monkeypatch):
    live = halves().live

    def broken(share, on, many, out, most):
        raise ZeroDivisionError("by <many>")

    monkeypatch.setattr(sys.modules[__name__], "half", broken)
    live.controls["many"].value = 2
    assert "ZeroDivisionError: by &lt;many&gt;" in live._words.value

    def doubled(share, on, many, out, most):
        out[0], most[0] = 2 * share, many

    monkeypatch.setattr(sys.modules[__name__], "half", doubled)
    live.controls["many"].value = 3
    assert live.drawing.text == "1.000, 3"


def test_a_chart_is_plotlys_and_follows():
    live = tlb_sweep().live
    assert [trace.name for trace in live.chart.data] == ["model", "read out"]
    assert live.chart.data[1].y == (64,)
    live.controls["slots"].value = 512
    assert live.chart.data[1].y == (0,)
    assert list(live.chart.data[0].y) == live.explorable.evaluate(slots=512)["misses"].tolist()
    assert live.chart.layout.xaxis.title.text == "pages touched a round"


def test_charts_of_other_series_do_not_colour_one_another():
    one, other = tlb_sweep().live, tlb_sweep(measured={1: 1, 2: 2}).live
    looks = [live.widget._dom_classes[-1] for live in (one, other)]
    assert looks[0] != looks[1]
    css = one.explorable.figure.css(looks[0])
    assert css.count("{") == css.count("}") and all(
        looks[0] in rule for rule in css.split("}") if rule
    )


def test_a_figure_without_a_picture_shows_its_table_unfolded():
    assert access().live.widget.children[-1].value.startswith("<div")
    assert walk(recorded.MAPPED).live.widget.children[-1].titles == ("Data as a table",)


FIGURES = {
    "timeline": lambda: timeline(recorded.EVENTS, recorded.END),
    "walk": lambda: walk(recorded.MAPPED),
    "access": lambda: access(),
    "sweep": lambda: sweep(abs, [1, 2, 3], "pages", "misses", "Misses"),
    "tlb": lambda: tlb_sweep(),
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_what_is_stored_is_the_still_figure_and_a_fixed_text(make):
    one, other = make()._repr_mimebundle_(), make()._repr_mimebundle_()
    assert set(one) == {"text/plain", "text/html", WIDGET_VIEW}
    assert one["text/plain"] == other["text/plain"]
    assert one["text/html"] == other["text/html"]
    assert len(one["text/html"]) < 60_000


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_every_control_changes_its_figure(make):
    figure = make()
    live = Live(figure)
    for name, control in live.controls.items():
        before = live.drawing
        if hasattr(control, "options"):
            control.value = next(v for _, v in control.options if v != control.value)
        else:
            lower = control.value > control.min
            control.value += -control.step if lower else control.step
        assert live.drawing != before, name
        assert live._table.value == live.drawing.table()


def test_a_moved_control_answers_within_a_fifth_of_a_second():
    events = [
        recorded.event(
            1_000 * n, "exception", recorded.ECALL, *(("S", "U") if n % 2 else ("U", "S"))
        )
        for n in range(4096)
    ]
    live = timeline(events, 4_096_000).live
    live.controls["width"].value = 100_000
    durations = []
    for start in range(0, 3_000_000, 300_000):
        begin = time.perf_counter()
        live.controls["start"].value = start
        durations.append(time.perf_counter() - begin)
    assert sorted(durations)[len(durations) // 2] < 0.2
