"""What the figures of exits say, from exits that were made up."""

import pytest
from recorded_exits import ACTIONS, FakeVm

from virtlab import cost
from virtlab.cost.tariff import COUNTS
from virtlab.explore import (
    architecture,
    compare_cycles,
    compare_exits,
    exits,
    exits_by_reason,
    nested_walk,
    price_sensitivity,
)
from virtlab.explore.figures.architecture import DESIGNS, FIRST_GENERATION, MOST_SHOWN
from virtlab.explore.figures.costs import processors
from virtlab.explore.figures.exit_words import REASONS, WAYS
from virtlab.hypervisors.exits import Action, ExitReason
from virtlab.hypervisors.hardware_assisted import PAGING
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine

TECHNIQUES = [name for name in DESIGNS if name != FIRST_GENERATION]


def test_every_reason_and_every_action_has_words():
    assert set(REASONS) == set(ExitReason)
    assert set(WAYS) == set(Action)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_each_technique_has_a_part_for_each_reason(technique):
    handled = [reason for part in DESIGNS[technique].parts for reason in part.reasons]
    assert len(handled) == len(set(handled))
    text = architecture(FakeVm(technique)).drawing().text
    assert "Handled by: " in text


def test_the_first_generation_has_shadow_page_tables():
    vm = FakeVm("hardware-assisted")
    assert "G-stage" in architecture(vm).drawing().svg
    vm.paging = PAGING["shadow"]
    assert "shadow" in architecture(vm).drawing().svg


def test_the_architecture_lights_the_exit_that_is_shown():
    vm = FakeVm(n=2)
    figure = architecture(vm)
    first, second = vm.exits
    drawing = figure.drawing(shown=1)
    assert drawing.title == "Full virtualization: trap and emulate: exit 1 of the run"
    assert f"At instruction {first.steps:,}, pc" in drawing.text
    assert REASONS[first.reason] in drawing.text and WAYS[first.action] in drawing.text
    assert drawing.svg.count("class='mark'") >= 2
    assert "So far 2 exits" in figure.drawing().text
    assert figure.drawing(shown=0).svg.count("class='mark'") == 0
    rows = {row[0]: row[2] for row in figure.drawing().rows}
    assert rows[REASONS[second.reason]] == "1"


def test_the_architecture_counts_the_exits_that_were_lost_too():
    vm = FakeVm(n=MOST_SHOWN + 50, lost=1_000)
    figure = architecture(vm)
    assert figure.drawing().title.endswith("exit 1,250 of the run")
    assert "So far 1,050 exits" in figure.drawing(shown=0).text
    few = vm.exits[10:20]
    assert architecture(vm, few).drawing().title.endswith(f"exit {1_000 + 20:,} of the run")


def test_the_architecture_tells_why():
    vm = FakeVm(n=3)
    figure = architecture(vm, vm.exits, ["one", "two", "three {and more}"])
    assert "two" in figure.drawing(shown=2).text
    assert "three {and more}" in figure.drawing().text
    with pytest.raises(ValueError, match="2 sentences for 3 exits; one each"):
        architecture(vm, vm.exits, ["one", "two"])


def test_what_is_no_virtual_machine_is_refused():
    with pytest.raises(TypeError, match="runs under no technique"):
        architecture(Machine(ram="64K"))
    with pytest.raises(TypeError, match="has no exits"):
        exits(Machine(ram="64K"))
    with pytest.raises(ValueError, match="is none of the exits"):
        architecture(FakeVm(seed=1), FakeVm(seed=2).exits[:3])


def test_a_run_without_exits_has_figures_too():
    vm = FakeVm(n=0)
    assert architecture(vm).drawing().text.startswith("No exit was taken.")
    assert exits(vm).drawing().text.startswith("0 exits")
    assert exits_by_reason(vm).text == "The guest was never left."


def test_the_timeline_counts_its_window_and_says_what_it_does_not_know():
    vm = FakeVm(n=300, lost=7)
    drawing = exits(vm, "pith").drawing()
    assert drawing.title.startswith("pith, guest instructions ")
    assert drawing.text.startswith("300 exits, ")
    assert drawing.text.endswith("The 7 exits before these were counted only.")
    assert drawing.n_rows == 300
    assert drawing.rows[0][1] == REASONS[vm.exits[0].reason]


def test_exits_by_reason_are_of_the_whole_run():
    vm = FakeVm(n=300, lost=1_000)
    drawing = exits_by_reason(vm)
    assert drawing.text.startswith("1,300 exits in ")
    assert drawing.rows[0][:2] == (
        "privileged instruction",
        vm.exit_counts[ExitReason.PRIVILEGED],
    )
    assert sum(row[1] for row in drawing.rows) == 1_300


def test_techniques_are_compared_by_rate():
    bare = Machine(ram="64K")
    with pytest.raises(ValueError, match="bare has not run yet"):
        compare_exits({"bare": bare, "other": FakeVm()})
    bare.step(0)
    vm = FakeVm(n=200)
    other = FakeVm(n=100, seed=5)
    figure = compare_exits({"one": vm, "other": other})
    rows = figure.drawing().rows
    assert [row[1] for row in rows] == ["200", "100"]
    assert rows[0][3] == f"{1000 * 200 / vm.steps:,.3f}"
    one = figure.drawing(reason=int(ExitReason.MMIO)).rows[0][1]
    assert one == str(vm.exit_counts[ExitReason.MMIO])
    assert "device access" in figure.drawing(reason=int(ExitReason.MMIO)).title
    with pytest.raises(ValueError, match="at least 2"):
        compare_exits({"one": vm})


def priced(technique: str, seed: int = 1, **counts) -> FakeVm:
    """A run whose counts can be paid for."""
    vm = FakeVm(technique, seed=seed)
    vm.counts |= counts
    return vm


def runs() -> dict:
    bare = Machine(ram="64K").load(assemble("j ."))
    bare.step(300_000)
    return {
        "bare": bare,
        "trapped": priced("trap-and-emulate", shadow_fills=100),
        "assisted": priced("hardware-assisted", 2, vmcs_accesses=900, gstage_references=4_000),
    }


def test_cycles_are_the_bills_of_the_cost_model():
    machines = runs()
    figure = compare_cycles(machines)
    for name, machine in list(machines.items())[1:]:
        for k, prices in enumerate(processors()):
            bill = cost.charges(known(machine.counts), machine.technique)
            paid = cost.complete(prices)
            expected = sum(n * paid[price].cycles for _, _, price, n in bill) / 1e6
            row = next(row for row in figure.drawing(prices=k).rows if row[0] == name)
            assert row[6] == f"{expected:,.3f}"
            groups = sum(float(cell.replace(",", "")) for cell in row[1:6])
            assert groups == pytest.approx(expected, abs=0.003)
    bare = figure.drawing().rows[0]
    assert (bare[1], bare[7]) == ("0.300", "1.00")
    assert "times native" in figure.drawing().text


def test_without_a_bare_machine_nothing_is_native():
    machines = {name: machine for name, machine in runs().items() if name != "bare"}
    assert "native" not in compare_cycles(machines).drawing().text
    with pytest.raises(ValueError, match="at least 2"):
        compare_cycles({"one": machines["trapped"]})
    with pytest.raises(ValueError, match="no price list 'z80' with exits"):
        compare_cycles(machines, "z80")


def test_a_price_that_changes_is_paid_as_often_as_it_is_due():
    machines = runs()
    figure = price_sensitivity(machines, "trap")
    paid = cost.complete("haswell")
    assert "trap of deprivileged code" in figure.drawing().title
    for percent in (0, 100, 250):
        prices = paid.replace(trap=paid["trap"].cycles * percent / 100)
        text = figure.drawing(percent=percent).text
        for name, machine in list(machines.items())[1:]:
            bill = cost.price(known(machine.counts), prices, machine.technique)
            assert f"{name} {bill.cycles / 1e6:,.3f}" in text


def test_where_two_runs_cost_the_same_is_the_cost_models_crossover():
    machines = runs()
    one, other = machines["trapped"], machines["assisted"]
    paid = cost.complete("haswell")
    at = cost.crossover(
        known(one.counts), known(other.counts), paid, "trap", (one.technique, other.technique)
    )
    text = price_sensitivity(machines, "trap").drawing().text
    assert f"trapped and assisted cost the same at {at:,.0f} cycles" in text


def test_a_sensitivity_opens_with_the_price_that_weighs_most():
    machines = runs()
    dear = machines["trapped"]
    first = cost.sensitivity(known(dear.counts), cost.complete("haswell"), dear.technique)[0]
    assert first.price == "trap"
    assert "trap of" in price_sensitivity(machines).drawing().title
    with pytest.raises(ValueError, match="none of the runs pays 'vmxon'"):
        price_sensitivity(machines, "vmxon")
    with pytest.raises(ValueError, match="5 machines; accepted are 2 to 4"):
        price_sensitivity(dict.fromkeys("abcde", dear))


def known(counts: dict) -> dict:
    return {name: n for name, n in counts.items() if name in COUNTS}


def test_the_nested_walk_says_which_reference_is_read():
    figure = nested_walk()
    assert figure.drawing().title.endswith("24 references to memory")
    assert "Reference 5 is gL4" in figure.drawing(shown=5).text
    assert figure.drawing(guest=3, nested=3).title.endswith("15 references to memory")
    assert figure.drawing(caches=1).title.endswith("21 references to memory")
    assert len(figure.drawing(guest=5, nested=5, shown=1).rows) == 35


def test_the_fake_exits_have_every_way_back():
    assert set(ACTIONS.values()) == set(Action) - {Action.HANDLE}
