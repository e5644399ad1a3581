"""Figures from fixed data: what they say in words, in the table and in the picture agrees."""

import random
import re
from xml.etree import ElementTree

import pytest
import recorded

from virtlab.explore.drawing import TABLE_ROWS, Drawing, count, grouped_hex, round_positions
from virtlab.explore.figures.access import access, bits
from virtlab.explore.figures.board import board
from virtlab.explore.figures.curve import sweep, tlb_sweep
from virtlab.explore.figures.page_table import page_table, ranges
from virtlab.explore.figures.registers import registers
from virtlab.explore.figures.timeline import EVENTS_KEPT, timeline
from virtlab.explore.figures.tlb import tlb
from virtlab.explore.figures.traps import traps
from virtlab.explore.figures.walk import walk, walks

DRAWINGS = {
    "board": board(recorded.COUNTERS),
    "empty board": board(),
    "timeline": timeline(recorded.EVENTS, recorded.END).drawing(),
    "later timeline": timeline(recorded.EVENTS, recorded.END).drawing(start=450),
    "zoomed timeline": timeline(recorded.EVENTS, 100_000).drawing(start=400, width=1_000),
    "timeline without events": timeline([], 10).drawing(),
    "timeline of nothing": timeline([], 0).drawing(),
    "traps": traps(recorded.COUNTERS["traps"]),
    "no traps": traps({}),
    "walk": walk(recorded.MAPPED).drawing(),
    "first step of a walk": walk(recorded.MAPPED).drawing(shown=1),
    "faulting walk": walk(recorded.UNMAPPED).drawing(),
    "walk without tables": walk(recorded.BARE).drawing(),
    "walk in two stages": walk(recorded.NESTED).drawing(),
    "page table": page_table(recorded.MAPPINGS),
    "empty page table": page_table([]),
    "tlb": tlb(recorded.TLB),
    "empty tlb": tlb([]),
    "access": access("DAUWRV", "S", "load").drawing(),
    "curve": sweep({0: 0, 8: 40, 4: 10}.get, [0, 8, 4], "pages", "misses", "Misses", 4).drawing(),
    "flat curve": sweep(int, [0, 1], "pages", "{misses}", "Misses").drawing(),
    "misses of a TLB": tlb_sweep(measured={32: 0, 640: 640}).drawing(),
    "registers": registers({"zero": 0, "a0": 2**64 - 5}),
}


@pytest.fixture(params=DRAWINGS, ids=str)
def drawing(request):
    return DRAWINGS[request.param]


def test_every_figure_has_a_title_words_and_columns(drawing):
    assert drawing.title
    assert drawing.text.endswith((".", "5"))
    assert drawing.columns
    assert all(len(row) == len(drawing.columns) for row in drawing.rows)


def test_every_figure_is_well_formed_and_its_picture_has_a_description(drawing):
    html = drawing.html()
    body = html[html.index("</style>") + len("</style>") :]
    tree = ElementTree.fromstring(body)
    for picture in tree.iter("svg"):
        assert picture.get("role") == "img"
        assert drawing.title in picture.get("aria-label")
        assert drawing.text in picture.get("aria-label")
    if drawing.rows:
        assert len(list(tree.iter("tr"))) == 1 + len(drawing.rows)
        assert all(head.get("scope") == "col" for head in tree.iter("th"))


def test_nothing_is_drawn_outside_the_picture(drawing):
    if not drawing.svg:
        return
    tree = ElementTree.fromstring(drawing.svg)
    width, height = map(float, tree.get("viewBox").split()[2:])
    for shape in tree.iter("rect"):
        assert 0 <= float(shape.get("x")) <= width - float(shape.get("width"))
        assert 0 <= float(shape.get("y")) <= height - float(shape.get("height"))
    for text in tree.iter("text"):
        assert 0 <= float(text.get("x")) <= width and 0 <= float(text.get("y")) <= height


def test_every_look_of_a_shape_is_defined_in_the_style_sheet(drawing):
    looks = {
        look for names in re.findall(r"class='([^']*)'", drawing.html()) for look in names.split()
    }
    for look in looks:
        assert f".{look}" in drawing.html().split("</style>")[0] or look == "vl", look


def test_the_plain_form_is_title_and_words(drawing):
    bundle = drawing._repr_mimebundle_()
    assert bundle["text/plain"] == f"{drawing.title}\n{drawing.text}"


def test_a_long_table_is_cut_and_says_so():
    long = Drawing("t", "w.", ("n",), tuple((n,) for n in range(500)))
    assert long.table().count("<tr>") == 1 + TABLE_ROWS
    assert f"The first {TABLE_ROWS} of 500 rows." in long.table()


def test_text_from_a_guest_cannot_become_markup():
    assert "<script>" not in Drawing("<script>", "<script>", ("<script>",), (("<script>",),)).html()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0x0000"),
        (0x18, "0x0018"),
        (0x8020_0000, "0x8020_0000"),
        (2**64 - 1, "0xffff_ffff_ffff_ffff"),
    ],
)
def test_addresses_are_grouped_by_four_digits(value, written):
    assert grouped_hex(value) == written


@pytest.mark.parametrize(
    ("first", "last", "positions"),
    [
        (0, 559_699, [0, 100_000, 200_000, 300_000, 400_000, 500_000]),
        (253_000, 263_000, [254_000, 256_000, 258_000, 260_000, 262_000]),
        (0, 58, [0, 10, 20, 30, 40, 50]),
        (0, 64, [0, 20, 40, 60]),
        (7, 9, [7, 8, 9]),
        (0, 1, [0, 1]),
    ],
)
def test_an_axis_is_marked_at_round_positions(first, last, positions):
    assert round_positions(first, last) == positions


def test_a_count_agrees_with_its_noun():
    words = [count(1, "trap"), count(2_000, "trap"), count(2, "root entry"), count(2, "access")]
    assert words == ["1 trap", "2,000 traps", "2 root entries", "2 accesses"]


# Timeline.


def test_the_timeline_counts_the_traps_in_its_window():
    figure = timeline(recorded.EVENTS, 1_000)
    assert "3 traps: 2 exceptions and 1 interrupt." in figure.drawing().text
    zoomed = figure.drawing(start=560)
    assert zoomed.title == "Privilege mode, instructions 560 to 1,000"
    assert "2 traps: 1 exception and 1 interrupt." in zoomed.text
    assert [row[0] for row in zoomed.rows] == ["700", "760", "900"]
    assert zoomed.rows[0][1:] == (f"interrupt: {recorded.TIMER}", "U", "S", "0x1_0008")


def test_a_view_is_as_wide_as_chosen_and_ends_with_the_run():
    figure = timeline(recorded.EVENTS, 100_000)
    assert list(figure.controls["width"].options) == [
        "everything",
        "10,000 instructions",
        "1,000 instructions",
    ]
    assert figure.drawing(width=1_000).title == "Privilege mode, instructions 0 to 1,000"
    late = figure.drawing(width=10_000, start=99_900)
    assert late.title == "Privilege mode, instructions 99,900 to 100,000"
    assert late.text.startswith("supervisor (S) mode 100 instructions (100.0 %).")


def test_a_full_ring_of_events_does_not_pretend_to_know_the_beginning():
    full = [recorded.event(10_000 + n, "return", "sret", "S", "U") for n in range(EVENTS_KEPT)]
    assert timeline(full, 20_000).drawing().title == "Privilege mode, instructions 10,000 to 20,000"


def test_more_events_than_a_figure_holds_are_cut_and_it_says_so():
    events = [recorded.event(n, "return", "sret", "S", "U") for n in range(EVENTS_KEPT + 4)]
    drawing = timeline(events, 20_000).drawing()
    assert drawing.title == "Privilege mode, instructions 4 to 20,000"
    assert drawing.text.endswith("The figure knows the last 4,096 of 4,100 events.")
    assert drawing.n_rows == 4096 and len(drawing.rows) == TABLE_ROWS
    assert "The first 60 of 4,096 rows." in drawing.table()


def test_a_run_too_short_for_a_control_has_none():
    assert not timeline([], 0).controls
    assert list(timeline([], 2).controls) == ["start"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 10, "H"), "mode 'H' is none of M, S, U, VS, VU"),
        ((recorded.EVENTS, 899), "end 899 is before the last event, at 900"),
    ],
)
def test_a_timeline_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        timeline(*arguments)


def test_a_busy_run_stays_small(seed):
    rng = random.Random(f"{seed} busy run")
    events, steps, modes = [], 0, ("S", "U")
    for n in range(EVENTS_KEPT):
        steps += rng.randrange(1, 20_000)
        kind, cause = rng.choice((("exception", recorded.ECALL), ("return", "return from trap")))
        pc = recorded.KERNEL + 2 * rng.randrange(1 << 12)
        events.append(recorded.event(steps, kind, cause, modes[n % 2], modes[(n + 1) % 2], pc))
    assert len(timeline(events, steps + 1).html()) < 60_000


# Traps.


def test_traps_are_sorted_by_number_and_zero_is_left_out():
    assert traps(recorded.COUNTERS["traps"]).rows == (
        (recorded.ECALL, 30),
        (recorded.TIMER, 9),
        ("load page fault", 1),
    )


def test_the_bars_are_in_proportion():
    tree = ElementTree.fromstring(traps({"a": 30, "b": 15}).svg)
    first, second = (float(bar.get("width")) for bar in tree.iter("rect"))
    assert first == pytest.approx(2 * second)


# Walk.


def test_a_walk_reveals_one_table_a_step():
    figure = walk(recorded.MAPPED)
    assert [len(figure.drawing(shown=shown).rows) for shown in range(5)] == [0, 1, 2, 3, 3]
    assert "VPN[2] = 255, VPN[1] = 511, VPN[0] = 510" in figure.drawing(shown=0).text
    assert figure.drawing(shown=1).text == (
        "level 2: the table at 0x8020_1000 holds 0x2008_0801 in entry 255: "
        "pointer to the next table."
    )
    assert "not known yet" in figure.drawing(shown=3).svg
    assert "0x8023_4000 + 0x0018 = 0x8023_4018" in figure.drawing(shown=4).svg


def test_a_walk_says_how_many_references_it_took_and_how_it_ended():
    assert walk(recorded.MAPPED).drawing().text == (
        "After 3 memory references the page is known: physical page 0x8023_4000 (4 KiB) "
        "plus offset 0x0018 is 0x8023_4018."
    )
    assert walk(recorded.UNMAPPED).drawing().text == (
        "After 1 memory reference the walk ends in a fault: load page fault."
    )
    assert walk(recorded.BARE).drawing().text.startswith("No table is read")


def test_a_walk_in_two_stages_names_the_stage_of_each_step():
    drawing = walk(recorded.NESTED).drawing()
    assert [row[0] for row in drawing.rows] == ["G-stage level 2", "VS-stage level 2"]
    assert "stroke-dasharray" not in drawing.svg


def test_a_superpage_keeps_the_longer_offset():
    leaf = recorded.walk_step(1, 0x8020_2000, 2, 0x2010_00CF, "DAXWRV", "leaf: 2 MiB page")
    found = type(recorded.MAPPED)(va=0x40_1234, pa=0x8040_1234, fault=None, steps=[leaf])
    text = walk(found).drawing().text
    assert "0x8040_0000 (2 MiB) plus offset 0x1234 is 0x8040_1234" in text


def test_a_walk_has_at_most_the_steps_of_two_stages():
    found = type(recorded.MAPPED)(va=0, pa=0, fault=None, steps=[recorded.MAPPED.steps[0]] * 16)
    with pytest.raises(ValueError, match="a walk of 16 steps; at most 15 exist"):
        walk(found)


def test_walks_are_of_a_machine():
    with pytest.raises(TypeError, match="walks takes the method translate of a Machine, not <"):
        walks(lambda va, access: None, {"a": 0, "b": 1})


# Page table and TLB.


def test_neighbouring_pages_fold_into_ranges():
    folded = ranges(recorded.MAPPINGS)
    assert [(r.va, r.n_pages, r.flags) for r in folded] == [
        (0x1000_0000, 1, "DAWRV"),
        (0x8020_0000, 3, "AXRV"),
        (0x8020_3000, 5, "DAWRV"),
        (0x8040_0000, 1, "DAWRV"),
        (0x3F_FFFF_F000, 1, "AXRV"),
    ]
    assert sum(r.n_bytes for r in folded) == sum(m.size_bytes for m in recorded.MAPPINGS)


def test_the_page_table_counts_pages_ranges_and_root_entries():
    text = page_table(recorded.MAPPINGS).text
    assert text == "11 pages in 5 ranges behind 3 root entries, 2.04 MiB in all."


def test_a_page_table_of_many_ranges_is_cut_in_the_picture_and_whole_in_the_table():
    many = [recorded.mapping(8192 * n, 4096 * n, 0, "RV") for n in range(40)]
    drawing = page_table(many)
    assert "and 22 ranges more" in drawing.svg
    assert len(drawing.rows) == 40


def test_the_tlb_counts_slots_by_mode():
    assert tlb(recorded.TLB).text == (
        "2 of 256 slots hold a translation: 1 for supervisor (S) mode, 1 for user (U) mode."
    )


def test_a_tlb_entry_outside_the_tlb_is_refused():
    with pytest.raises(ValueError, match="TLB index 16 is outside 0 to 7"):
        tlb(recorded.TLB, n_slots=8)


# Access.


def test_the_rule_that_refuses_is_the_last_one_shown():
    figure = access("DAUWRV", "S", "load")
    drawing = figure.drawing()
    assert drawing.title == "A load in S-mode from a page with flags DAUWRV: refused"
    assert [row[:2] for row in drawing.rows] == [
        ("Is the entry valid?", "yes"),
        ("Does the entry allow a load?", "yes"),
        ("Does the page belong to supervisor mode?", "no"),
    ]
    assert drawing.text == (
        "The access ends in a trap: load page fault, because U is set and SUM is clear: "
        "the user's page is closed to the supervisor."
    )
    allowed = figure.drawing(switches=3)
    assert allowed.title.endswith("flags DAUWRV, with SUM and MXR: allowed")
    assert allowed.text == "The access is made."
    assert figure.drawing(flags=0).title.endswith("from a page with flags none: refused")


def test_flags_of_ones_own_are_offered_too():
    assert "GV" in access("GV").controls["flags"].options
    assert access("V-R-U").drawing().title.endswith("with flags V-R-U: refused")
    assert bits("D-AGUXWRV") == 255


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("RQ", "S", "load"), "'Q' is no flag"),
        (("R", "M", "load"), "mode 'M' does not use these rules"),
        (("R", "S", "read"), "'read' is no kind of access"),
    ],
)
def test_access_refuses_what_it_does_not_know(arguments, message):
    with pytest.raises(ValueError, match=message):
        access(*arguments)


# Board and registers.


def test_the_board_carries_the_counts_of_a_run():
    text = board(recorded.COUNTERS).text
    assert "hart 1,000 instructions; trap logic 40 traps; TLB 700 hits" in text
    assert "page-table walker 12 walks; bus 5 device accesses" in text
    assert "Counted" not in board().text


def test_registers_show_what_changed_with_its_sign():
    drawing = registers({"a0": 2**64 - 5, "a1": 7, "a2": 0}, {"a0": 0, "a1": 7, "a2": 0})
    assert drawing.rows == (("a0", "0xffff_ffff_ffff_fffb", "-5"),)
    assert drawing.text == "1 register of 3 changed. a0 = -5"


# Curve.


def test_a_curve_reads_out_the_marked_point():
    drawing = DRAWINGS["curve"]
    assert drawing.title == "Misses: 4 pages"
    assert drawing.text == "4 pages: 10 misses. Between 0 and 8 pages there are 0 to 40 misses."
    assert drawing.rows == (("0", "0"), ("4", "10"), ("8", "40"))


def test_braces_in_a_name_are_no_placeholder():
    assert "0 {misses}." in DRAWINGS["flat curve"].text


def test_a_sweep_measures_every_value_once():
    asked = []
    figure = sweep(lambda n: asked.append(n) or n * n, [1, 2, 3], "pages", "misses", "TLB misses")
    assert figure.drawing(marked=3).text.startswith("3 pages: 9 misses.")
    assert asked == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "marked", "message"),
    [([1], None, "at least 2 points, not 1"), ([1, 2], 3, "3 is not among")],
)
def test_a_sweep_refuses_what_it_cannot_draw(values, marked, message):
    with pytest.raises(ValueError, match=message):
        sweep(int, values, "pages", "misses", "Misses", marked)


def test_the_misses_of_a_tlb_follow_stride_and_slots():
    figure = tlb_sweep()
    assert figure.drawing().text == (
        "A round over 288 pages has 64 TLB misses. The pages want 256 different slots of 256."
    )
    assert figure.drawing(slots=512).text.startswith("A round over 288 pages has no TLB miss.")
    assert figure.drawing(pages=128, stride=4).text == (
        "A round over 128 pages has 128 TLB misses. The pages want 64 different slots of 256."
    )
    assert figure.drawing(stride=2).title.endswith("288 pages, 2 pages apart")
