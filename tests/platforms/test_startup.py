"""When does the first instruction of one more run? Counted from the request."""

import pytest

from virtlab.machine import Event
from virtlab.platforms.instances import BARE, BOX, NESTED, VIRTUAL
from virtlab.platforms.startup import measure_start, measure_unikernel, system_call


def test_the_numbers_of_system_calls_are_those_of_the_kernels_source():
    assert [system_call(name) for name in ("SYS_NULL", "SYS_FORK", "SYS_EXEC")] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"^no system call is named 'SYS_NAP'; there are SYS_NULL"):
        system_call("SYS_NAP")


@pytest.mark.parametrize("one", VIRTUAL, ids=lambda one: one.name)
def test_a_virtual_machine_starts_a_kernel_first(one):
    start, process = measure_start(one.name), measure_start(BARE.name)
    assert start.instructions < start.from_request
    assert start.from_request > process.from_request
    assert (start.exits > 0) == (one.name != "emulation")


@pytest.mark.parametrize("one", [BARE, NESTED], ids=lambda one: one.name)
def test_the_first_program_is_where_the_machine_enters_user_mode(one):
    machine = one.switch_on("echo")
    stop = machine.run(until=Event.MODE)
    entry, first = machine.pc, stop.steps
    machine.step()
    while machine.mode not in ("U", "VU"):  # an interrupt came first
        machine.run(until=entry)
        machine.step()
    assert stop.reason == "until" and machine.steps - first < 1000
    if one is NESTED:
        assert measure_start(NESTED.name).instructions == machine.steps


def test_a_box_takes_less_to_start_than_a_virtual_machine_and_more_than_a_process():
    process, box, vm = (measure_start(one.name) for one in (BARE, BOX, NESTED))
    assert process.from_request < box.from_request < vm.from_request
    assert box.instructions < box.from_request
    assert box.exits == 0


def test_a_process_is_made_by_fork_and_exec():
    start = measure_start(BARE.name)
    assert start.instructions == start.from_request == start.counts["instructions"]
    assert start.exits == 0


def test_a_unikernel_that_does_nothing_has_no_start():
    start = measure_unikernel()
    assert start.instructions < 10
    assert start.counts["exit:guest_page_fault"] == 1  # its only page
    with pytest.raises(ValueError, match=r"^'bare' runs no unikernel; accepted are such as"):
        measure_unikernel(BARE.name)
