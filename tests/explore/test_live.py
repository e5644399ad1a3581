"""Controls move figures, without a browser."""

import time

import pytest
import recorded

from virtlab.explore import controls
from virtlab.explore.live import WIDGET_VIEW


def test_a_view_of_the_timeline_narrows_around_the_event_nearest_to_its_middle():
    events = [*recorded.EVENTS, recorded.event(40_000, "return", "return from trap", "S", "U")]
    live = controls.timeline(events, 100_000)
    assert live.drawing.title == "Privilege mode, instructions 0 to 100,000"
    assert live.controls["first"].disabled
    live.controls["width"].value = 10_000
    assert live.drawing.title == "Privilege mode, instructions 35,000 to 45,000"
    assert tuple(live.chart.widget.layout.xaxis.range) == (35_000, 45_000)
    assert live.chart.widget.layout.title.text == live.drawing.title


def test_a_view_without_events_narrows_around_its_middle():
    live = controls.timeline([], 100_000)
    live.controls["width"].value = 10_000
    assert live.drawing.title == "Privilege mode, instructions 45,000 to 55,000"


def test_the_view_moves_and_stays_within_the_run():
    live = controls.timeline(recorded.EVENTS, 100_000)
    live.controls["width"].value = 1_000
    live.controls["first"].value = 10**9
    assert live.drawing.title == "Privilege mode, instructions 99,000 to 100,000"
    live.controls["first"].value = 300
    assert live.drawing.text.startswith("supervisor (S) mode 610 instructions")
    live.controls["width"].value = 100_000
    assert live.drawing.title == "Privilege mode, instructions 0 to 100,000"


def test_each_mode_has_its_lane_and_each_trap_its_mark():
    chart = controls.timeline(recorded.EVENTS, 1_000).chart.widget
    lanes = {trace.name: trace for trace in chart.data}
    assert list(lanes) == [
        "machine (M)",
        "supervisor (S)",
        "user (U)",
        "exceptions",
        "interrupts",
    ]
    assert list(lanes["machine (M)"].x) == [0, 100, None]
    assert list(lanes["exceptions"].x) == [500, 900]
    assert list(lanes["interrupts"].text) == [recorded.TIMER]


def test_a_walk_opens_with_its_result_and_goes_back_to_the_address():
    live = controls.walk(recorded.MAPPED)
    assert live.drawing.title.endswith("step 4 of 4")
    live.controls["shown"].value = 0
    assert live.drawing.text.startswith("The address is cut into its fields")


def test_walks_ask_for_the_chosen_address_and_access():
    asked = []

    def translate(va, access):
        asked.append((va, access))
        return recorded.MAPPED if va == recorded.MAPPED.va else recorded.UNMAPPED

    addresses = {"stack": recorded.MAPPED.va, "nothing": recorded.UNMAPPED.va}
    live = controls.walks(translate, addresses)
    assert asked == [(recorded.MAPPED.va, "load")]
    live.controls["where"].value = recorded.UNMAPPED.va
    live.controls["kind"].value = "store"
    assert asked[1:] == [(recorded.UNMAPPED.va, "load"), (recorded.UNMAPPED.va, "store")]
    assert live.drawing.title == "Walk of 0x4000_0018, step 2 of 2"


def test_access_changes_its_verdict_with_the_switches():
    live = controls.access("DAUWRV", "S", "load")
    assert live.drawing.title.endswith("refused")
    live.controls["switches"].value = (True, False)
    assert live.drawing.title.endswith("with SUM: allowed")
    live.controls["mode"].value = "U"
    assert live.drawing.title.endswith("allowed")


def test_a_sweep_measures_once_and_reads_out_the_chosen_point():
    asked = []
    live = controls.sweep(
        lambda n: asked.append(n) or n * n, [1, 2, 3], "pages", "misses", "TLB misses"
    )
    live.controls["marked"].value = 3
    assert live.drawing.title == "TLB misses: 3 pages"
    assert live.drawing.text.startswith("3 pages: 9 misses.")
    assert asked == [1, 2, 3]


def test_a_figure_without_a_picture_shows_its_table_unfolded():
    assert controls.access().widget.children[-1].value.startswith("<div")
    assert controls.walk(recorded.MAPPED).widget.children[-1].titles == ("Data as a table",)


def test_charts_with_other_lanes_do_not_colour_one_another():
    one = controls.timeline(recorded.EVENTS, recorded.END).chart
    other = controls.timeline(recorded.EVENTS[1:5], recorded.END).chart
    assert one.look != other.look
    assert one.css.count("{") == one.css.count(f".{one.look} ")


LIVES = {
    "timeline": lambda: controls.timeline(recorded.EVENTS, recorded.END),
    "walk": lambda: controls.walk(recorded.MAPPED),
    "access": lambda: controls.access(),
}


@pytest.mark.parametrize("make", LIVES.values(), ids=LIVES)
def test_what_is_stored_is_the_still_figure_and_a_fixed_text(make):
    one, other = make()._repr_mimebundle_(), make()._repr_mimebundle_()
    assert set(one) == {"text/plain", "text/html", WIDGET_VIEW}
    assert one["text/plain"] == other["text/plain"]
    assert one["text/html"] == other["text/html"]
    assert len(one["text/html"]) < 60_000


@pytest.mark.parametrize("make", LIVES.values(), ids=LIVES)
def test_the_table_follows_the_figure(make):
    live = make()
    assert live._table.value == live.drawing.table()


def test_a_moved_control_answers_within_a_fifth_of_a_second():
    events = [
        recorded.event(
            1_000 * n, "exception", recorded.ECALL, *(("S", "U") if n % 2 else ("U", "S"))
        )
        for n in range(4096)
    ]
    live = controls.timeline(events, 4_096_000)
    live.controls["width"].value = 100_000
    durations = []
    for first in range(0, 3_000_000, 300_000):
        begin = time.perf_counter()
        live.controls["first"].value = first
        durations.append(time.perf_counter() - begin)
    assert sorted(durations)[len(durations) // 2] < 0.2
