"""Does every price say where it comes from, and is it what the source prints?"""

import re
from pathlib import Path

import facts
import pytest

from virtlab.cost import complete, load, names
from virtlab.cost.prices import ASSUMED, MARKS, PRICES, parse
from virtlab.cost.tariff import COUNTS, DIRECT, PAID_WITH, REASONS, TECHNIQUES, exit_prices

ROOT = Path(__file__).resolve().parents[2]
SOUND = """
processor = "p"
position = 1
[sources.s]
reference = "Adams2006"
place = "Table 1"
mark = "P"
[prices]
vm_entry = { cycles = 1, source = "s" }
"""


@pytest.mark.parametrize("name", names())
def test_every_price_has_a_unit_a_source_that_the_book_lists_and_a_mark(name):
    references = (ROOT / "book" / "references.bib").read_text("utf-8")
    keys = set(re.findall(r"@\w+\{(\w+),", references))
    for key, one in load(name).items():
        assert one.name == key and one.origin == name
        assert one.unit == f"cycles per {PRICES[key]}"
        assert one.mark in MARKS
        reference, _, place = one.source.partition(", ")
        assert place
        assert (one.mark == ASSUMED) == (name == ASSUMED)
        assert reference in keys or one.mark == ASSUMED


@pytest.mark.parametrize("row", facts.TABLE_4_3)
def test_the_instructions_cost_what_table_4_3_prints(row):
    for name, cycles in zip(facts.GENERATIONS, facts.TABLE_4_3[row], strict=True):
        found = load(name)
        assert (found[row].cycles if row in found else None) == cycles, name


def test_the_round_trips_are_those_of_table_4_2():
    found = {n: load(n)["round_trip"].cycles for n in names() if "round_trip" in load(n)}
    assert found == facts.TABLE_4_2


def test_adams_and_agesens_processors_cost_what_their_table_1_prints():
    for row, (p4, core) in facts.ADAMS_TABLE_1.items():
        assert load("pentium-4-672")[row].cycles == p4
        assert load("core-2-duo")[row].cycles == core


def test_what_the_text_of_adams_and_agesen_says_of_software():
    p4 = load("pentium-4-672")
    software = ("trap", "callout", "in_cache_emulation", "translation", "lookup")
    assert [p4[name].cycles for name in software] == [2030, 1254, 216, 2300, 51 - 11]


def test_what_is_derived_follows_from_what_is_printed():
    assert load("sandy-bridge")["handler"].cycles == 1300 - facts.TABLE_4_2["sandy-bridge"]
    assert load("xeon-2003")["hypercall"].cycles == pytest.approx((1.97 - 0.77) * 2400)
    assert load("xeon-2003")["bounce"].cycles == pytest.approx((1.40 - 1.06) * 2400)
    assert load("qemu-2005")["dispatch"].cycles == 30 * 4 * 2 - 4
    assert load(ASSUMED)["memory_check"].cycles == 4 * 3


def test_ivy_bridge_has_no_nested_page_fault_until_the_caller_says_whose_stands_in():
    with pytest.raises(ValueError, match="ivy-bridge has no price 'vmexit_ept'"):
        load("ivy-bridge")["vmexit_ept"]
    chosen = load("ivy-bridge", stand_in=["haswell", "sandy-bridge"])
    assert (chosen["vmexit_ept"].cycles, chosen["vmexit_ept"].origin) == (604, "haswell")
    assert chosen.stand_ins["vmexit_ept"] == "haswell"
    assert chosen["vm_entry"].origin == "ivy-bridge"


def test_a_completed_list_takes_the_nearest_in_time_and_the_assumed_ones_last():
    found = complete("ivy-bridge")
    assert set(found) == set(PRICES)
    assert found["vmexit_ept"].origin == "sandy-bridge"  # as near as Haswell, and older
    assert complete("prescott")["vmexit_ept"].origin == "westmere"
    assert found["instruction"].origin == ASSUMED
    assert found.get("vm_entry").origin == "ivy-bridge"


def test_a_list_with_another_price_says_that_the_reader_chose_it():
    found = load("haswell").replace(vm_entry=100)
    assert (found["vm_entry"].cycles, found["vm_entry"].mark) == (100, ASSUMED)
    assert load("haswell")["vm_entry"].cycles == 318


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_every_count_is_priced_or_paid_with_another(technique):
    paying = {name for name, _, _ in DIRECT}
    assert not paying & set(PAID_WITH)
    assert set(COUNTS) == paying | set(PAID_WITH) | {f"exit:{reason}" for reason in REASONS}
    everything = complete("haswell")
    for reason in REASONS:
        assert all(name in everything for name in exit_prices(technique, reason))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('mark = "P"', 'mark = "X"', "mark 'X'"),
        ('mark = "P"', "", "mark is missing"),
        ("vm_entry =", "vm_enter =", "vm_enter: no such price"),
        ("cycles = 1", "cycles = -1", "vm_entry is -1"),
        ("cycles = 1", 'cycles = "1"', "vm_entry is '1'"),
        ("cycles = 1,", "", "cycles is missing"),
        ('source = "s"', 'source = "t"', "source 't' is not among"),
        ("position = 1", "", "position is missing"),
        ("processor =", "processor", "not TOML"),
    ],
)
def test_a_faulty_list_is_refused_in_one_sentence(old, new, said):
    assert parse("sound", SOUND)[1]["vm_entry"].cycles == 1
    with pytest.raises(ValueError, match=said) as caught:
        parse("faulty", SOUND.replace(old, new))
    assert "faulty" in str(caught.value) and str(caught.value).count("\n") == 0


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no price list 'i486'"):
        load("i486")
    with pytest.raises(ValueError, match="no price list 'i486'"):
        complete("i486")
    with pytest.raises(ValueError, match="no price is named 'coffee'"):
        load("haswell")["coffee"]
    with pytest.raises(ValueError, match="no price is named 'coffee'"):
        load("haswell").replace(coffee=1)
    with pytest.raises(ValueError, match="price vm_entry is -3"):
        load("haswell").replace(vm_entry=-3)
