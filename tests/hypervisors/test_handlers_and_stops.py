"""Does a run that has handlers in Python stop where it is told to?"""

import pytest

from virtlab.hypervisors import Action, ExitReason, TrapAndEmulate
from virtlab.isa.assembler import assemble

GUEST = """
        csrr  a0, mhartid
        csrr  a1, mscratch
done:   j     done
"""


@pytest.fixture
def vm():
    """A guest that reads two CSRs; a handler answers 7 for the first."""
    machine = TrapAndEmulate(ram="1M").load(assemble(GUEST))
    machine.handle(ExitReason.PRIVILEGED, seven)
    return machine


def seven(vcpu, exit):
    if exit.detail >> 20 != 0xF14:  # mhartid
        return Action.HANDLE
    vcpu.registers["a0"] = 7
    return Action.RESUME


def test_a_run_with_a_handler_stops_at_an_address(vm):
    stop = vm.run(1000, until=vm.symbols["done"])
    assert (stop.pc, vm.registers["a0"]) == (vm.symbols["done"], 7)


def test_a_run_with_a_handler_stops_when_its_budget_is_used_up(vm):
    assert vm.run(1000).steps == 1000
