"""What the figures of boxes say, from boxes that were made up."""

import math
import re

import pytest
from recorded_boxes import FITS, OBJECTS, SERVERS, fake_recording

from virtlab import guests
from virtlab.containers.processes import KernelObject
from virtlab.containers.recording import HOST, IDLE, SYSTEM_CALL
from virtlab.explore import (
    boxes,
    boxes_architecture,
    compare_instances,
    cpu_shares,
    density,
    namespaces,
)
from virtlab.explore.figures.boxes_architecture import MOST_ENTRIES, PART_OF, PARTS
from virtlab.explore.figures.instances import LEFT, RIGHT
from virtlab.machine import Machine

# Namespaces.


def test_each_box_has_its_own_names_for_the_same_objects():
    figure = namespaces(OBJECTS)
    boxes = figure.labels["box"]
    seen = {}
    for number, box in boxes.items():
        drawing = figure.drawing(viewer=number)
        assert drawing.title == f"One kernel: what {box} sees"
        seen[box] = {row[1]: row[3] for row in drawing.rows}
    assert seen["host"]["7, serve <x>"] == "7" and seen["web"]["7, serve <x>"] == "1"
    assert seen["db"]["9, hog {cpu}"] == "1" and seen["web"]["9, hog {cpu}"] == "not seen"
    assert seen["web"]["/boxes/web"] == "/"
    for box, names in seen.items():
        expected = {one.name: one.seen.get(box, "not seen") for one in OBJECTS}
        assert names == expected


def test_the_words_count_what_a_box_does_not_see():
    figure = namespaces(OBJECTS, "pith")
    host = next(number for number, box in figure.labels["box"].items() if box == "host")
    drawing = figure.drawing(viewer=host)
    assert drawing.title == "pith: what host sees"
    assert drawing.text == (
        "Of the kernel's 7 objects, host does not see 2. It sees 3 of 3 processes, 1 of 2 host "
        "names, 1 of 1 root directories, 0 of 1 ports."
    )
    assert drawing.svg.count("class='mark'") == 4  # init and the host name, on both sides
    assert drawing.svg.count(">not seen<") == 2


def test_a_picture_of_many_objects_has_the_first():
    many = [KernelObject("process", f"{k}", "host", {"host": f"{k}"}) for k in range(40)]
    drawing = namespaces([*many, *OBJECTS]).drawing()
    assert drawing.text.endswith("The picture has the first 24.")
    assert len(drawing.rows) == 47


def test_objects_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="1 box in these objects; a choice needs at least 2"):
        namespaces([KernelObject("port", "80", "web", {"web": "80"})])
    with pytest.raises(ValueError, match="'pipe' is no kind of object; accepted are process, "):
        namespaces([KernelObject("pipe", "80", "web", {"host": "80"})])


# What one more server takes.


def test_servers_are_compared_by_one_quantity_at_a_time():
    figure = compare_instances(SERVERS)
    drawing = figure.drawing()
    assert drawing.title == "One more server: instructions to start"
    assert drawing.text == (
        "Least: process, 30,000 instructions to start. Most: virtual machine, 9,000,000, "
        "300.0 times as many."
    )
    assert "KiB of memory (log)" in figure.drawing(quantity=1).svg
    assert drawing.columns == ("server", "instructions to start", "KiB of memory", "{pages}")
    assert drawing.rows[1] == ("box", "61,000", "96", "24")
    equal = compare_instances({"one": {"{pages}": 3}, "other": {"{pages}": 3}}, "Same").drawing()
    assert equal.title == "Same: {pages}"
    assert equal.text == "Least: one, 3 {pages}. Most: one, 3."


def test_each_server_has_its_place_on_an_axis_of_powers_of_ten():
    svg = compare_instances(SERVERS).drawing().svg
    dots = [int(x) for x in re.findall(r"<circle cx='(\d+)'", svg)]
    places = dict(zip(SERVERS, dots, strict=True))
    assert ">10,000<" in svg and ">10,000,000<" in svg
    decade = (RIGHT - LEFT) / 3
    for name, row in SERVERS.items():
        above = math.log10(row["instructions to start"]) - 4
        assert places[name] == round(LEFT + decade * above)
    alone = {"one": {"pages": 1}, "other": {"pages": 1}}
    assert f"<circle cx='{LEFT}'" in compare_instances(alone).drawing().svg


def test_how_many_fit_is_read_at_the_chosen_ram():
    figure = density(FITS)
    assert figure.drawing(quantity=1).title == "How many fit in 64 MiB"
    assert figure.drawing(quantity=1).text == (
        "Servers in 64 MiB of RAM: box 400, virtual machine 10. For one of virtual machine there "
        "is room for 40.0 of box."
    )
    at_16 = figure.drawing(quantity=0).text
    assert at_16 == "Servers in 16 MiB of RAM: box 30, virtual machine 0."
    assert figure.drawing().rows == (("16", "30", "0"), ("64", "400", "10"), ("128", "900", "22"))


def test_numbers_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="1 servers; accepted are 2 to 8"):
        compare_instances({"box": {"KiB": 3}})
    with pytest.raises(ValueError, match=r"b has 1 number \(MiB\); accepted are the same for all"):
        compare_instances({"a": {"KiB": 3}, "b": {"MiB": 3}})
    with pytest.raises(ValueError, match="b, KiB: 0; accepted are 1 or more"):
        compare_instances({"a": {"KiB": 3}, "b": {"KiB": 0}})
    with pytest.raises(ValueError, match="at least 2 sizes of RAM, not 1"):
        density([one for one in FITS if one.ram_bytes == 16 << 20])


# OS-level virtualization, entry by entry.


def test_every_system_call_has_a_part_of_the_kernel():
    calls = re.findall(r"^    SYS_(\w+),", guests.source("pith", "common/abi.h"), re.MULTILINE)
    assert {call.lower() for call in calls} <= PART_OF.keys()
    parts = [call for part in PARTS for call in part.calls]
    assert len(parts) == len(set(parts))


def test_the_entry_that_is_shown_is_lit_from_its_box_to_its_part():
    recording = fake_recording(40, 3)
    figure = boxes_architecture(recording)
    for shown in (1, 17, 40):
        entry = recording.entries[shown - 1]
        drawing = figure.drawing(shown=shown)
        assert drawing.title == f"OS-level virtualization: entry {shown} into the kernel"
        inside = "" if entry.who.box == HOST else f", inside {entry.who.inside}"
        assert (
            f"{entry.who.program} (process {entry.who.number}{inside}) of "
            f"{recording.names[entry.who.box]} "
            f"left the hart to the kernel: {entry.cause}, {entry.what}."
        ) in drawing.text
        assert f"At instruction {entry.steps:,}" in drawing.text
        following = recording.entries[shown : shown + 1]
        assert [recording.names[one.who.box] for one in following] == re.findall(
            "Then (.*) had the hart", drawing.text
        )
        assert drawing.svg.count("class='mark'") in (2, 3)
        assert f">{entry.who.program}<" in drawing.svg
    nothing = figure.drawing(shown=0)
    assert "No entry is lit." in nothing.text and "class='mark'" not in nothing.svg


def test_the_boxes_are_counted_up_to_the_entry_that_is_shown():
    recording = fake_recording(40, 3)
    drawing = boxes_architecture(recording).drawing(shown=30)
    rows = {row[0]: row[1:] for row in drawing.rows}
    so_far = recording.entries[:30]
    for box, name in recording.names.items():
        own = [entry for entry in so_far if entry.who.box == box]
        ran = sum(entry.instructions.get(box, 0) for entry in so_far)
        assert rows[name][0] == f"{len(own):,}"
        assert rows[name][1] == f"{sum(entry.cause == SYSTEM_CALL for entry in own):,}"
        assert rows[name][3] == f"{ran:,}"
    files = [entry for entry in so_far if entry.what in ("read", "write")]
    assert rows["the kernel's files"][0] == f"{len(files):,}"


def test_a_long_run_has_a_slider_through_it_and_one_for_what_lies_between():
    figure = boxes_architecture(fake_recording(900, 3))
    assert (figure.controls["shown"].step, figure.controls["further"].high) == (5, 5)
    assert figure.drawing(shown=20, further=3).title.endswith("entry 23 into the kernel")
    assert figure.drawing(further=5).title.endswith("entry 900 into the kernel")
    longer = boxes_architecture(fake_recording(MOST_ENTRIES + 10, 3))
    assert longer.drawing(shown=0, further=1).title.endswith("entry 11 into the kernel")
    assert longer.drawing().text.endswith("The 10 entries before these are not shown.")


def test_more_boxes_than_the_diagram_has_room_for_share_the_last():
    recording = fake_recording(300, 9)
    rows = boxes_architecture(recording).drawing(further=2).rows
    assert rows[4][0] == "5 other boxes"
    assert sum(int(row[1]) for row in rows[:5]) == 300
    shown = {row[0] for row in rows[:4]}
    outside = [entry for entry in recording.entries if recording.names[entry.who.box] not in shown]
    assert rows[4][1] == f"{len(outside)}"


# Turns on the hart, and memory.


def test_a_boxs_time_and_memory_are_those_of_the_window():
    recording = fake_recording(200, 3)
    figure = boxes(recording)
    drawing = figure.drawing()
    ends = [*(turn.time for turn in recording.turns[1:]), recording.end]
    names = {**recording.names, IDLE: "nobody"}
    rows = {row[0]: row[1:] for row in drawing.rows}
    for box, name in names.items():
        spent = [
            end - turn.time
            for turn, end in zip(recording.turns, ends, strict=True)
            if turn.box == box
        ]
        assert rows[name][0] == f"{sum(spent):,}"
        assert rows[name][2] == f"{len(spent):,}"
        held = [one.pages for one in recording.pages if one.box == box]
        assert rows[name][3:5] == (f"{[0, *held][-1]:,}", f"{max(held, default=0):,}")
    assert rows["web 1"][5] == "64" and rows["web 2"][5] == "none"
    assert "web 1 holds" in drawing.text and "of 64" in drawing.text
    narrow = figure.drawing(width=10**5, start_us=100)
    assert narrow.title == "Who had the hart, 0.100 to 0.200 ms"


def test_many_boxes_share_a_lane():
    recording = fake_recording(300, 12)
    drawing = boxes(recording, "Many").drawing()
    assert [row[0] for row in drawing.rows][-2:] == ["6 other boxes", "nobody"]
    total = sum(int(row[1].replace(",", "")) for row in drawing.rows)
    assert total == recording.end - recording.begin
    assert drawing.title.startswith("Many, ")


def test_a_recording_of_nothing_has_figures_too():
    nothing = fake_recording(0, 2)
    assert boxes_architecture(nothing).drawing().title.endswith("without any entry into the kernel")
    assert "host 100.0 %" in boxes(nothing).drawing().text


# Shares of the hart.


def test_shares_follow_the_sliders():
    figure = cpu_shares(names=("web", "db", "batch"))
    assert figure.drawing().title == "Share of the hart: web 25.0 %, db 50.0 %, batch 25.0 %"
    capped = figure.drawing(quota_1=20, demand_2=10)
    assert (
        "db (weight 200, quota 20 %, wants 100 %) has the hart for 20.0 %, throttled in 20 of"
        in (capped.text)
    )
    assert [row[2] for row in capped.rows] == ["20.0"] * 20
    assert capped.rows[1][0] == "100 to 200"
    assert "Nobody has it for 100.0 %." in figure.drawing(demand_0=0, demand_1=0, demand_2=0).text


def test_shares_of_boxes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="2 weights; accepted are 3, one a box"):
        cpu_shares((1, 2))
    with pytest.raises(ValueError, match="weight 0 of A; accepted are 1 to 10000"):
        cpu_shares((0, 1, 2))
    with pytest.raises(ValueError, match="no whole number of steps of 5"):
        cpu_shares(quotas=(3, 0, 0))
    assert "weight 7," in cpu_shares((7, 1, 2)).drawing().text


# On the model itself.


@pytest.fixture(scope="module")
def served():
    """The teaching OS with a server in each of two boxes, just when `ps` runs."""
    command = "box -name web serve 7 & box -name db serve 7 & sleep 1; ps"
    machine = Machine(ram="32M", disk=guests.disk("pith"), append=command)
    machine.load(guests.path("pith")).run(until="running ps")
    return machine


def test_a_run_of_the_teaching_os_is_drawn(served):
    drawing = boxes_architecture(served, "pith").drawing()
    rows = {row[0]: row for row in drawing.rows}
    assert drawing.title.startswith("pith: entry ")
    assert int(rows["web"][2]) >= 3 and rows["web"][2] == rows["db"][2]
    assert float(rows["host"][5]) > 50
    held = boxes(served).drawing()
    assert [row[0] for row in held.rows] == ["host", "web", "db", "nobody"]
    assert float(held.rows[3][2]) > 98  # of the second, all but some milliseconds


def test_the_namespaces_of_a_run_are_drawn(served):
    figure = namespaces(served)
    seen = {}
    for number, box in figure.labels["box"].items():
        rows = figure.drawing(viewer=number).rows
        seen[box] = [row[3] for row in rows if row[0] == "process" and "serve" in row[1]]
    assert seen["web"] == ["1", "not seen"] and seen["db"] == ["not seen", "1"]
    assert all(name.isdigit() for name in seen["host"])
