"""A sketch is SVG that follows its numbers."""

from xml.etree import ElementTree

import numpy as np

from virtlab.explore import Repeat, Sketch
from virtlab.explore.drawing import label

SCOPE = {"n": 2, "xs": np.array([10, 20, 30]), "height": 50}
LABELS = {"name": {2: "<two>"}}


def drawn(*parts, height="{height}") -> ElementTree.Element:
    return ElementTree.fromstring(Sketch(100, height, *parts).draw(SCOPE, LABELS, "a & b"))


def test_size_and_description_are_filled_in():
    tree = drawn()
    assert tree.get("viewBox") == "0 0 100 50"
    assert (tree.get("role"), tree.get("aria-label")) == ("img", "a & b")
    assert drawn(height=7).get("viewBox") == "0 0 100 7"


def test_shapes_are_repeated_and_take_their_looks_from_numbers():
    tree = drawn(
        Repeat("n", 3, "<rect x='{xs[i]}' y='0' width='5' height='5' class='{i?box|mark}'/>"),
        Repeat("n", 3, "M{xs[i]} 0v5", before="<path d='", after="'/>"),
        label(1, 2, "{n:name}"),
    )
    shapes = [(shape.tag, shape.get("x"), shape.get("class")) for shape in tree.iter("rect")]
    assert shapes == [("rect", "10", "box"), ("rect", "20", "mark")]
    assert tree.find("path").get("d") == "M10 0v5M20 0v5"
    assert tree.find("text").text == "<two>"


def test_a_part_that_is_empty_leaves_no_line():
    text = Sketch(10, 10, "{n?a|b|}", "<g/>").draw(SCOPE, {}, "d")
    assert text.splitlines()[1:] == ["<g/>", "</svg>"]
