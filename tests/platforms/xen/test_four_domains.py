"""Domain0, two paravirtual domains and an unmodified one at once, each as if it were alone."""

import hashlib

import pytest

from tests.platforms.xen.machines import assert_sound, machine
from virtlab import guests
from virtlab.platforms.xen import Kernel
from virtlab.platforms.xen.domain import PvMachine

WORK = "selftest\nls\ndiskread\ncat readme\nforkwait\nctxsw\n"
KERNELS = ("pith_pv", "pith_pv", "pith")


def system(*kernels: str):
    xen = machine(domain0="pith_pv", domain0_ram="8M", steps_per_tick=100)
    numbers = [0]
    for kernel in kernels:
        numbers.append(xen.control.create(kernel, kernel, "8M"))
        xen.control.unpause(numbers[-1])
    for number in numbers:
        xen.type(number, WORK)
    assert xen.run(20_000) == "idle"
    return xen, numbers


@pytest.fixture(scope="module")
def four():
    return system(*KERNELS)


def disk_of(xen, number: int) -> str:
    return hashlib.sha256(xen.machines[number]._mem.disk.tobytes()).hexdigest()


def test_all_do_their_work_as_if_alone(four):
    xen, numbers = four
    kinds = [xen.domains[number].kind for number in numbers]
    assert kinds == ["pv", "pv", "pv", "hvm"]
    consoles = [xen.console(number) for number in numbers]
    for text in ("selftest: 0 failed", "100 blocks", "made for reading", "1000 round trips"):
        assert all(text in console for console in consoles)
    assert consoles[0] == consoles[1] == consoles[2] == consoles[3]
    alone, _ = system()
    assert consoles[0] == alone.console(0)
    assert {disk_of(xen, number) for number in numbers} == {disk_of(alone, 0)}
    assert_sound(xen)


def test_each_used_the_hart_and_nobody_more_than_its_part(four):
    xen, numbers = four
    steps = [xen.domains[number].credit.run_steps for number in numbers]
    assert min(steps) > 0
    assert sum(steps) + xen.idle_steps == xen.now
    assert max(turn.last - turn.first for turn in xen.turns if turn.number is not None) <= (
        len(numbers) * xen.scheduler.slice
    )


def test_none_reaches_memory_that_is_not_its_own(four):
    """Every leaf that the hart can reach leads to the domain's own place, or to a grant."""
    xen, numbers = four
    for number in numbers:
        machine_of = xen.machines[number]
        domain = xen.domains[number]
        if not isinstance(machine_of, PvMachine):
            continue
        first, last = domain.base, domain.base + domain.ram_bytes
        for mapping in machine_of.page_table():
            at = mapping.pa - 0x8000_0000
            assert first <= at < last, f"domain {number}: {mapping}"


def test_a_kernel_of_ones_own_takes_a_disk_and_a_command_line():
    kernel = Kernel(guests.path("pith_pv"), guests.disk("pith"), "/bin/ls")
    xen = machine(kernels={"mine": kernel}, domain0="mine", domain0_ram="8M", steps_per_tick=100)
    xen.run(100)
    assert "bin/" in xen.console(0)
