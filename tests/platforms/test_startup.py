"""When does the first instruction of one more run? Counted from the request."""

import pytest

from virtlab.machine import Event
from virtlab.platforms.instances import BARE, NESTED, VIRTUAL
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


def test_the_first_program_is_where_the_machine_enters_user_mode():
    machine = NESTED.switch_on("echo")
    while machine.mode not in ("U", "VU"):
        machine.run(until=Event.MODE)
    assert measure_start(NESTED.name).instructions == machine.steps


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
