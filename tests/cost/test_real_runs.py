"""Can every technique's real counts be priced, and do its exits lie inside the bill?"""

import pytest

from virtlab import guests
from virtlab.cost import compare, complete, counts_of, cycles_of, price, technique_of
from virtlab.cost.tariff import COUNTS, REASONS
from virtlab.hypervisors import TECHNIQUES, ExitReason
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine
from virtlab.published.adams_agesen_operations import listing

PRICES = complete("westmere")


def test_the_tariff_knows_every_exit_reason():
    assert list(REASONS) == [reason.name.lower() for reason in ExitReason]


def finished(technique: str):
    """A machine that has taken eight page faults under a technique, or bare, and ended."""
    settings = {"ram": "1M", "firmware": "sbi", "record": False}
    kernel = assemble(listing("pgfault", 8))
    if technique == "paravirt":  # which wants a kernel made for it
        kernel = guests.path("pith_pv")
        settings |= {"ram": "16M", "disk": guests.disk("pith_pv"), "append": "pgfault 8 1"}
    kind = TECHNIQUES.get(technique, Machine)
    machine = kind(**settings).load(kernel)
    machine.run(1_000_000)
    assert machine.exit_code == 0
    return machine


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_real_run_can_be_priced(technique):
    vm = finished(technique)
    assert set(vm.counts) <= set(COUNTS)
    assert technique_of(vm.counts) == technique
    bill = price(vm.counts, PRICES)
    assert bill.cycles > vm.counts["hart_instructions"] + vm.counts["interpreted"] > 0
    exits = vm.exits
    cycles = cycles_of(exits, vm.counts, PRICES)
    assert len(exits) == min(vm.n_exits, 4096) == len(cycles)
    assert cycles == sorted(cycles)
    assert all(-1e-6 <= cycle <= bill.cycles for cycle in cycles)


def test_the_bare_machine_is_the_measure_of_the_others():
    same_kernel = [name for name in TECHNIQUES if name != "paravirt"]
    runs = {name: counts_of(finished(name)) for name in ("bare", *same_kernel)}
    assert len({counts["instructions"] for counts in runs.values()}) == 1
    assert technique_of(runs["bare"]) == "bare"
    slowdown = compare(runs, PRICES).slowdown
    assert slowdown["bare"] == 1
    assert all(slowdown[name] > 1 for name in same_kernel)
