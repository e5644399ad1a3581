"""Can every technique's real counts be priced, and do its exits lie inside the bill?"""

import pytest

from virtlab import guests
from virtlab.cost import complete, cycles_of, price, technique_of
from virtlab.cost.tariff import COUNTS, REASONS
from virtlab.hypervisors import TECHNIQUES, ExitReason
from virtlab.isa.assembler import assemble
from virtlab.published.adams_agesen_operations import listing

PRICES = complete("westmere")


def test_the_tariff_knows_every_exit_reason():
    assert list(REASONS) == [reason.name.lower() for reason in ExitReason]


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_real_run_can_be_priced(technique):
    kernel = assemble(listing("pgfault", 8))
    settings = {"ram": "1M", "firmware": "sbi", "record": False}
    if technique == "paravirt":  # which wants a kernel made for it
        kernel = guests.path("pith_pv")
        settings |= {"ram": "16M", "disk": guests.disk("pith_pv"), "append": "pgfault 8 1"}
    vm = TECHNIQUES[technique](**settings).load(kernel)
    vm.run(1_000_000)
    assert vm.exit_code == 0
    assert set(vm.counts) <= set(COUNTS)
    assert technique_of(vm.counts) == technique
    bill = price(vm.counts, PRICES)
    assert bill.cycles >= vm.counts["instructions"]
    exits = vm.exits
    cycles = cycles_of(exits, vm.counts, PRICES)
    assert len(exits) == vm.n_exits == len(cycles)
    assert cycles == sorted(cycles)
    assert all(-1e-6 <= cycle <= bill.cycles for cycle in cycles)
