"""The palette can be told apart: from the page, and by readers who see colours differently."""

import itertools
import math

import pytest

from virtlab.explore.palette import DARK, LIGHT, MODE_NAMES, MODES, style

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
VISION = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
WHITE = (0.9505, 1.0, 1.089)


def linear(colour):
    values = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def luminance(colour):
    return times(TO_XYZ, linear(colour))[1]


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def lab(colour, vision):
    seen = [min(1, max(0, v)) for v in times(VISION[vision], linear(colour))]
    x, y, z = (v / w for v, w in zip(times(TO_XYZ, seen), WHITE, strict=True))
    f = [v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


@pytest.fixture(params=[LIGHT, DARK], ids=["light", "dark"])
def colours(request):
    return request.param


def test_text_has_a_contrast_of_four_and_a_half_to_one(colours):
    for ink in ("ink", "muted", "alarm"):
        assert contrast(colours[ink], colours["paper"]) >= 4.5
    assert contrast(colours["ink"], colours["shade"]) >= 4.5
    assert contrast(colours["ink"], colours["mark"]) >= 4.5
    assert contrast(colours["muted"], colours["shade"]) >= 4.5


def test_shapes_have_a_contrast_of_three_to_one(colours):
    for name in ("line", *MODES):
        assert contrast(colours[name], colours["paper"]) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_modes_can_be_told_apart(colours, vision):
    for one, other in itertools.combinations(MODES, 2):
        assert math.dist(lab(colours[one], vision), lab(colours[other], vision)) >= 20


def test_the_contrast_of_black_and_white_is_twenty_one():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_every_mode_has_a_colour_and_a_name_and_the_style_sheet_defines_them():
    assert set(MODES) == set(MODE_NAMES)
    for name in LIGHT:
        assert f"--vl-{name.lower()}:{LIGHT[name]}" in style()
        assert f"--vl-{name.lower()}:{DARK[name]}" in style()
