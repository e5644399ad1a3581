"""Is a bill what one gets with pencil and paper?"""

import json
from dataclasses import dataclass

import pytest
from runs import BARE, NESTED, TRAPPED

from virtlab.cost import charges, compare, complete, cycles_of, load, price, technique_of

HASWELL = complete("haswell")
P4 = complete("pentium-4-672")


@dataclass
class Exit:
    steps: int
    reason: str


def test_the_bare_machine_pays_for_instructions_and_walks():
    assert price(BARE, HASWELL).cycles == 10_000 + 30 * 11


def test_hardware_assistance_pays_exit_entry_handler_and_control_structure():
    bill = price(NESTED, HASWELL)
    assert bill.technique == "hardware-assisted"
    exits = 3 * 383 + 2 * 604
    entries = 5 * 318
    assert bill.cycles == 9_990 + 30 * 11 + 200 * 11 + exits + entries + 5 * 516 + 20 * 5
    assert bill.by_share["exits and entries"] == exits + entries
    assert bill.by_event["handling"] == 5 * 516
    assert list(bill.by_event.values()) == sorted(bill.by_event.values(), reverse=True)


def test_trap_and_emulate_pays_a_trap_for_every_exit():
    assert price(TRAPPED, P4).cycles == 9_980 + 20 * 2030


def test_binary_translation_pays_for_translating_for_callouts_and_for_traps():
    counts = {
        "instructions": 1000,
        "hart_instructions": 1500,
        "translated_blocks": 10,
        "translated_instructions": 50,
        "chained": 8,
        "lookups": 7,
        "exits": 6,
        "exit:callout": 4,
        "exit:true_page_fault": 2,
    }
    bill = price(counts, P4)
    assert bill.technique == "binary-translation"
    assert bill.cycles == 1500 + 50 * 2300 + 7 * 40 + 4 * 1254 + 2 * 2030


def test_paravirt_pays_hypercalls_and_bounced_traps():
    counts = {
        "instructions": 100,
        "hart_instructions": 100,
        "hypercalls": 3,
        "batched_updates": 40,
        "ring_requests": 2,
        "exit:hypercall": 3,
        "exit:ecall": 5,
    }
    bill = price(counts, complete("xeon-2003"))
    assert bill.technique == "paravirt"
    assert bill.cycles == pytest.approx(100 + 3 * 2880 + 5 * 816 + 40 * 100 + 2 * 500)


def test_emulation_pays_for_each_instruction_and_nothing_for_its_exits():
    counts = {"instructions": 90, "interpreted": 90, "memory_checks": 30, "exit:mmio": 4}
    bill = price(counts, P4)
    assert bill.technique == "emulation"
    assert bill.cycles == 90 * 236 + 30 * 12
    assert bill.relative_to(price({"instructions": 90}, P4)) == pytest.approx(240)


def test_the_technique_can_be_given_where_the_counts_do_not_tell():
    counts = {"instructions": 10, "hart_instructions": 10, "exits": 1, "exit:trace": 1}
    assert technique_of(counts) == "trap-and-emulate"
    assert price(counts, P4, under="binary-translation").technique == "binary-translation"
    hardware = price(counts, P4, under="hardware-assisted").by_event
    assert hardware["exit:trace"] + hardware["entry"] == 1931 + 2409


def test_a_missing_price_is_named_when_it_is_needed_and_not_before():
    ivy = load("ivy-bridge", stand_in=["sandy-bridge", "opteron-simulated", "assumed"])
    assert price(NESTED, ivy).stand_ins["vmexit_ept"] == "sandy-bridge"
    alone = load("ivy-bridge", stand_in=["opteron-simulated", "assumed"])
    with pytest.raises(ValueError, match="ivy-bridge has no price"):
        price(NESTED, alone)
    assert price(BARE, alone).cycles == 10_330


def test_a_bill_says_how_much_of_it_rests_on_assumptions():
    bill = price(NESTED, HASWELL)
    assert bill.assumed == pytest.approx(9_990 / bill.cycles)
    assert price({}, HASWELL).assumed == 0


def test_the_printed_table_adds_up_and_names_the_stand_ins():
    lines = str(price(NESTED, HASWELL)).splitlines()
    assert lines[0].split() == ["event", "times", "price", "each", "cycles", "share", "mark"]
    assert lines[-1].split()[:2] == ["total", f"{price(NESTED, HASWELL).cycles:,.0f}"]
    cycles = [int(line.split()[4].replace(",", "")) for line in lines[1:-1]]
    assert sum(cycles) == price(NESTED, HASWELL).cycles
    assert any(line.endswith("[B] sandy-bridge") for line in lines)


def test_native_emulated_and_virtualized_side_by_side():
    emulated = {"instructions": 10_000, "interpreted": 10_000}
    runs = {"bare": BARE, "emulation": emulated, "hardware-assisted, nested": NESTED}
    table = compare(runs, HASWELL)
    assert table.slowdown["bare"] == 1
    assert table.slowdown["emulation"] == pytest.approx(2_360_000 / 10_330)
    plain = json.loads(json.dumps(table.as_dict()))
    assert plain["hardware-assisted, nested"]["cycles"] == price(NESTED, HASWELL).cycles
    for label in runs:
        assert sum(plain[label]["shares"].values()) == pytest.approx(1)
    assert json.loads(json.dumps(table.bills["bare"].as_dict()))["cycles"] == 10_330
    words = str(table).splitlines()
    assert words[0].startswith("technique") and words[2].startswith("emulation")
    assert "228.46 x" in words[2]


def test_without_a_bare_run_there_is_no_slowdown():
    assert compare({"trap-and-emulate": TRAPPED}, P4).slowdown == {"trap-and-emulate": None}
    with pytest.raises(ValueError, match="costs nothing"):
        price(TRAPPED, P4).relative_to(price({}, P4))


def test_exits_lie_on_the_cycle_axis_where_the_bill_puts_them():
    exits = [Exit(1000, "privileged"), Exit(4000, "ecall"), Exit(4000, "privileged")]
    counts = {
        "instructions": 5000,
        "hart_instructions": 5000,
        "exit:privileged": 2,
        "exit:ecall": 1,
    }
    assert cycles_of(exits, counts, P4) == [1000, 4000 + 2030, 4000 + 2 * 2030]


def test_exits_that_are_no_longer_recorded_are_before_the_first():
    counts = {"instructions": 5000, "hart_instructions": 5000, "exit:privileged": 10}
    (last,) = cycles_of([Exit(5000, "privileged")], counts, P4)
    assert last == 5000 + 9 * 2030


def test_exits_of_hardware_assistance_pay_their_own_reason():
    counts = {
        "instructions": 1000,
        "hart_instructions": 1000,
        "vmcs_accesses": 10,
        "exit:mmio": 1,
        "exit:privileged": 1,
    }
    first, second = cycles_of([Exit(0, "mmio"), Exit(1000, "PRIVILEGED")], counts, HASWELL)
    assert first == pytest.approx(0)
    assert second == pytest.approx(1000 + 10 * 5 + 383 + 318 + 516)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"coffee": 1}, "no count is named 'coffee'"),
        ({"exit:coffee": 1}, "no count is named 'exit:coffee'"),
        ({"exits": -1}, "the count exits is -1"),
        ({"instructions": "many"}, "the count instructions is 'many'"),
        ({"instructions": float("nan")}, "the count instructions is nan"),
        ({"instructions": True}, "the count instructions is True"),
        ({"exits": 3, "exit:mmio": 2}, "exits is 3, but the exits by reason add up to 2"),
    ],
)
def test_what_is_no_count_gets_one_sentence(counts, said):
    with pytest.raises(ValueError, match=said) as caught:
        price(counts, P4)
    assert "\n" not in str(caught.value)


def test_other_mistakes_get_one_sentence():
    with pytest.raises(TypeError, match="counts are a dict"):
        charges([1, 2])
    with pytest.raises(ValueError, match="no technique 'magic'"):
        price(BARE, P4, under="magic")
    with pytest.raises(ValueError, match="'magic' begins with no technique's name"):
        compare({"magic": BARE}, P4)
    with pytest.raises(ValueError, match="an exit at step 9 before one at step 5"):
        cycles_of([Exit(9, "ecall"), Exit(5, "ecall")], TRAPPED, P4)
    with pytest.raises(ValueError, match="no exit reason is named 'coffee'"):
        cycles_of([Exit(9, "coffee")], TRAPPED, P4)


def test_what_is_checked_while_an_instruction_is_emulated_is_paid_with_the_exit():
    checks = TRAPPED | {"memory_checks": 7, "emulated": 20, "dispatches": 20}
    assert price(checks, P4).cycles == price(TRAPPED, P4).cycles
