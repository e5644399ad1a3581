"""The notebook shows the library as it stands in its files."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from virtlab.explore import source
from virtlab.explore.drawing import Drawing
from virtlab.explore.left_out import departures, left_out
from virtlab.explore.source import ROOT
from virtlab.isa.decode import decode


def test_the_lines_are_those_of_the_file():
    shown = source(Drawing)
    lines = (ROOT / shown.path).read_text(encoding="utf-8").splitlines()
    assert shown.text.splitlines() == lines[shown.first - 1 : shown.last]
    assert shown.path == "virtlab/explore/drawing.py"


def test_a_compiled_function_shows_its_python():
    shown = source(decode)
    assert shown.path == "virtlab/isa/decode.py"
    assert "def decode(" in shown.text


def test_the_html_holds_the_same_text_with_numbers_and_a_link():
    shown = source(Drawing.table)
    html = shown.html()
    tree = ElementTree.fromstring(html[html.index("</style>") + len("</style>") :])
    text = "".join(tree.find("pre").itertext())
    numbered = [f"{shown.first + n:4}  {line}" for n, line in enumerate(shown.text.splitlines())]
    assert text.splitlines() == numbered
    assert tree.find("p/a").get("href") == "../virtlab/explore/drawing.py"


def test_a_part_keeps_its_place_in_the_file():
    part = source(Drawing, "def table", "return")
    lines = (ROOT / part.path).read_text(encoding="utf-8").splitlines()
    assert part.text.startswith("def table(self)")
    assert lines[part.first - 1].strip() == part.text.splitlines()[0]
    assert part.text.splitlines()[-1].strip() == lines[part.last - 1].strip() == 'return ""'


def test_a_file_of_a_guest_is_shown_in_part():
    shown = source("guests/pith/kernel/box.c", "bool box_may(", "}")
    assert shown.path == "virtlab/guests/pith/kernel/box.c"
    lines = (ROOT / shown.path).read_text(encoding="utf-8").splitlines()
    assert shown.text.splitlines() == lines[shown.first - 1 : shown.last]
    assert "<span class='keyword'>return</span>" in shown.html()


@pytest.mark.parametrize("name", ["guests/pith/kernel/nothing.c", "../pyproject.toml", "guests"])
def test_a_file_that_is_not_of_the_package_is_refused(name):
    with pytest.raises(TypeError, match="give a file of the package"):
        source(name)


@pytest.mark.parametrize(("start", "end"), [("no such line", None), ("def table", "no such line")])
def test_a_part_that_is_not_there_is_refused(start, end):
    with pytest.raises(ValueError, match="no line contains 'no such line'"):
        source(Drawing, start, end)


def test_two_calls_print_the_same():
    assert source(decode)._repr_mimebundle_() == source(decode)._repr_mimebundle_()


@pytest.mark.parametrize("thing", [len, 3, Path])
def test_what_is_not_in_the_package_is_refused(thing):
    with pytest.raises(TypeError, match="has no source in virtlab"):
        source(thing)


def test_departures_are_collected_with_the_lines_that_follow(tmp_path):
    folder = tmp_path / "machine"
    folder.mkdir()
    (folder / "bus.py").write_text(
        "x = 1\n# Model: one hart,\n# so no ordering.\ny = 2  # Model: y is free.\n"
        "\n# an ordinary comment\n# Model: last.\n# Model: really last.\n",
        encoding="utf-8",
    )
    assert departures(folder) == [
        ("machine/bus.py", 2, "one hart, so no ordering."),
        ("machine/bus.py", 4, "y is free."),
        ("machine/bus.py", 7, "last."),
        ("machine/bus.py", 8, "really last."),
    ]


def test_departures_in_docstrings_end_with_their_paragraph(tmp_path):
    folder = tmp_path / "machine"
    folder.mkdir()
    (folder / "tlb.py").write_text(
        '"""A TLB.\n\n# Model: it forgets\nmore than hardware.\n\nSource: none.\n\n'
        '# Model: it is large.\n"""\n',
        encoding="utf-8",
    )
    assert [text for _, _, text in departures(folder)] == [
        "it forgets more than hardware.",
        "it is large.",
    ]


def test_the_machine_says_what_it_leaves_out():
    drawing = left_out()
    assert drawing.rows
    assert drawing.text.startswith(f"{len(drawing.rows)} remark")
    with pytest.raises(ValueError, match="no sub-package or module 'machines'"):
        left_out("machines")


def test_a_module_says_what_it_leaves_out_under_the_same_name_as_its_package():
    whole, alone = left_out("machine"), left_out("machine.execute")
    assert alone.rows == tuple(row for row in whole.rows if "/execute.py" in row[1])
    assert alone.rows
