"""What the figures of boxes say, from boxes that were made up."""

import pytest
from recorded_boxes import FITS, OBJECTS, SERVERS

from virtlab.explore import KernelObject, compare_instances, density, namespaces

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
    assert drawing.columns == ("server", "instructions to start", "KiB of memory")
    assert drawing.rows[1] == ("box", "61,000", "96")
    equal = compare_instances({"one": {"{pages}": 3}, "other": {"{pages}": 3}}, "Same").drawing()
    assert equal.title == "Same: {pages}"
    assert equal.text == "Least: one, 3 {pages}. Most: one, 3."


def test_how_many_fit_is_read_at_the_chosen_ram():
    figure = density(FITS)
    assert figure.drawing().title == "How many fit in 64 MiB"
    assert figure.drawing().text == (
        "In 64 MiB of RAM: 400 boxes, 10 virtual machines; 40.0 times as many boxes as virtual "
        "machines."
    )
    assert figure.drawing(quantity=0).text == "In 16 MiB of RAM: 30 boxes, 0 virtual machines."
    assert figure.drawing().rows == (("16", "30", "0"), ("64", "400", "10"))


def test_numbers_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="1 servers; accepted are 2 to 5"):
        compare_instances({"box": {"KiB": 3}})
    with pytest.raises(ValueError, match=r"b has 1 number \(MiB\); accepted are the same for all"):
        compare_instances({"a": {"KiB": 3}, "b": {"MiB": 3}})
    with pytest.raises(ValueError, match="b, KiB: 0; accepted are 1 or more"):
        compare_instances({"a": {"KiB": 3}, "b": {"KiB": 0}})
    with pytest.raises(ValueError, match="at least 2 sizes of RAM, not 1"):
        density({"a": {16: 3}, "b": {16: 1}})
