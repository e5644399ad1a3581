"""Figures from fixed data: what they say in words, in the table and in the picture agrees."""

import itertools
import re
from xml.etree import ElementTree

import pytest
import recorded

from virtlab.explore.drawing import TABLE_ROWS, Drawing, count, grouped_hex, round_positions
from virtlab.explore.figures.access import access, access_rules
from virtlab.explore.figures.board import board
from virtlab.explore.figures.curve import curve
from virtlab.explore.figures.page_table import page_table, ranges
from virtlab.explore.figures.registers import registers
from virtlab.explore.figures.timeline import instructions_by_mode, intervals, timeline
from virtlab.explore.figures.tlb import tlb
from virtlab.explore.figures.traps import traps
from virtlab.explore.figures.walk import fields, walk

DRAWINGS = {
    "board": board(recorded.COUNTERS),
    "empty board": board(),
    "timeline": timeline(recorded.EVENTS, recorded.END),
    "zoomed timeline": timeline(recorded.EVENTS, recorded.END, (450, 600)),
    "timeline without events": timeline([], 10),
    "traps": traps(recorded.COUNTERS["traps"]),
    "no traps": traps({}),
    "walk": walk(recorded.MAPPED),
    "first step of a walk": walk(recorded.MAPPED, 1),
    "faulting walk": walk(recorded.UNMAPPED),
    "walk without tables": walk(recorded.BARE),
    "page table": page_table(recorded.MAPPINGS),
    "empty page table": page_table([]),
    "tlb": tlb(recorded.TLB),
    "empty tlb": tlb([]),
    "access": access("DAUWRV", "S", "load"),
    "curve": curve([(0, 0), (8, 40), (4, 10)], "pages", "misses", "Misses", 4),
    "flat curve": curve([(0, 0), (1, 0)], "pages", "misses", "Misses"),
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


def test_intervals_cover_every_instruction_once():
    stretches = intervals(recorded.EVENTS, recorded.END)
    assert [(s.mode, s.first, s.last) for s in stretches[:3]] == [
        ("M", 0, 100),
        ("S", 100, 400),
        ("U", 400, 500),
    ]
    assert stretches[-1].last == recorded.END
    assert all(a.last == b.first for a, b in itertools.pairwise(stretches))


def test_instructions_by_mode_add_up_to_the_window():
    stretches = intervals(recorded.EVENTS, recorded.END)
    assert instructions_by_mode(stretches, 0, 1_000) == {"M": 100, "S": 510, "U": 390}
    assert instructions_by_mode(stretches, 450, 600) == {"S": 50, "U": 100}


def test_a_full_ring_of_events_does_not_pretend_to_know_the_beginning():
    full = [recorded.event(10_000 + n, "return", "sret", "S", "U") for n in range(4096)]
    assert intervals(full, 20_000)[0].first == 10_000


def test_the_timeline_counts_the_traps_in_its_window():
    assert "3 traps: 2 exceptions and 1 interrupt." in timeline(recorded.EVENTS, 1_000).text
    zoomed = timeline(recorded.EVENTS, 1_000, (450, 600))
    assert "1 trap: 1 exception and 0 interrupts." in zoomed.text
    assert len(zoomed.rows) == 2


def test_a_boot_with_thousands_of_mode_changes_stays_small():
    events = []
    for n in range(4096):
        modes = ("S", "U") if n % 2 else ("U", "S")
        events.append(recorded.event(1_000 * n, "exception", recorded.ECALL, *modes))
    assert len(timeline(events, 4_096_000).html()) < 40_000


def test_an_empty_window_is_refused_with_its_bounds():
    with pytest.raises(ValueError, match=r"window \(600, 600\) is empty"):
        timeline(recorded.EVENTS, 1_000, (600, 600))


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


def test_an_address_is_cut_into_its_fields_without_loss():
    va = recorded.MAPPED.va
    vpn2, vpn1, vpn0, offset = fields(va).values()
    assert vpn2 << 30 | vpn1 << 21 | vpn0 << 12 | offset == va


def test_a_walk_reveals_one_table_a_step():
    for shown in range(4):
        assert len(walk(recorded.MAPPED, shown).rows) == shown
    assert "not known yet" in walk(recorded.MAPPED, 3).svg
    assert "0x8023_4000 + 0x0018 = 0x8023_4018" in walk(recorded.MAPPED, 4).svg


def test_a_walk_says_how_many_references_it_took_and_how_it_ended():
    assert walk(recorded.MAPPED).text == (
        "After 3 memory references the page is known: physical page 0x8023_4000 (4 KiB) "
        "plus offset 0x0018 is 0x8023_4018."
    )
    assert walk(recorded.UNMAPPED).text == (
        "After 1 memory reference the walk ends in a fault: load page fault."
    )
    assert walk(recorded.BARE).text.startswith("No table is read")


def test_a_superpage_keeps_the_longer_offset():
    leaf = recorded.walk_step(1, 0x8020_2000, 2, 0x2010_00CF, "DAXWRV", "leaf: 2 MiB page")
    found = type(recorded.MAPPED)(va=0x40_1234, pa=0x8040_1234, fault=None, steps=[leaf])
    assert "0x8040_0000 (2 MiB) plus offset 0x1234 is 0x8040_1234" in walk(found).text


def test_a_step_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="step 5 of this walk does not exist; it has steps 0 to 4"):
        walk(recorded.MAPPED, 5)


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


@pytest.mark.parametrize(
    ("flags", "mode", "kind", "switches", "allowed"),
    [
        ("DAUWRV", "U", "store", {}, True),
        ("DAWRV", "U", "load", {}, False),
        ("DAUWRV", "S", "load", {}, False),
        ("DAUWRV", "S", "load", {"sum_": True}, True),
        ("AUXRV", "S", "fetch", {"sum_": True}, False),
        ("AUXV", "U", "load", {}, False),
        ("AUXV", "U", "load", {"mxr": True}, True),
        ("AUWRV", "U", "store", {}, False),
        ("AUWRV", "U", "store", {"adue": True}, True),
        ("AUWRV", "U", "load", {}, True),
        ("UWRV", "U", "load", {}, False),
        ("DAUWV", "U", "store", {}, False),
        ("", "S", "load", {"sum_": True, "mxr": True, "adue": True}, False),
    ],
)
def test_access_follows_the_rules_of_the_manual(flags, mode, kind, switches, allowed):
    assert access_rules(flags, mode, kind, **switches)[-1][1] is allowed


def test_the_rule_that_refuses_is_the_last_one_shown():
    drawing = access("DAUWRV", "S", "load")
    assert drawing.title.endswith("refused")
    assert [row[1] for row in drawing.rows] == ["yes", "yes", "no"]
    assert "SUM is clear" in drawing.text


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
        access_rules(*arguments)


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
    assert drawing.rows == ((0, 0), (4, 10), (8, 40))


@pytest.mark.parametrize(
    ("points", "marked", "message"),
    [([(1, 1)], None, "at least 2 points, not 1"), ([(1, 1), (2, 2)], 3, "3 is not among")],
)
def test_a_curve_refuses_what_it_cannot_draw(points, marked, message):
    with pytest.raises(ValueError, match=message):
        curve(points, "pages", "misses", "Misses", marked)
