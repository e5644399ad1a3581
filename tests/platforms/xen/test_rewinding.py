"""Going back: the same start and the same actions lead to the same state, however runs are cut."""

import pytest

from tests.platforms.xen.machines import assert_sound, machine, started
from tests.platforms.xen.test_driver_domain import DISK, FrontEnd
from virtlab.platforms.xen import Kernel, abi
from virtlab.platforms.xen.backends import DriverDomain


def state_of(xen) -> dict:
    """What a reader can see of a machine."""
    return dict(
        now=xen.now,
        idle=xen.idle_steps,
        domains={k: repr(d) for k, d in xen.domains.items() if d.kind != "python"},
        digests={k: xen.digest(k) for k in xen.machines},
        consoles={k: xen.console(k) for k, m in xen.machines.items() if hasattr(m, "console")},
        registers={
            k: (m.pc, m.steps, dict(m.registers))
            for k, m in xen.machines.items()
            if hasattr(m, "pc")
        },
        queue=(xen.scheduler.current, xen.scheduler.since, tuple(xen.scheduler.queue)),
        frames=xen.free_pages,
        turns=tuple(xen.turns),
        refused=dict(xen.refused),
    )


def worked(steps_per_tick: int = 100):
    xen = machine(steps_per_tick=steps_per_tick, domain0="pith_pv", domain0_ram="8M")
    numbers = [0]
    for kernel in ("pith_pv", "pith"):
        numbers.append(xen.control.create(kernel, kernel, "8M", weight=100 * len(numbers)))
        xen.control.unpause(numbers[-1])
    for number in numbers:
        xen.type(number, "selftest\n")
    started(xen, "hog", cap=30)
    return xen


def test_two_machines_with_the_same_past_are_the_same():
    first, second = worked(), worked()
    for xen in (first, second):
        xen.run(150)
        xen.control.pause(1)
        xen.run(150)
    assert state_of(first) == state_of(second)


def test_a_snapshot_brings_back_what_was():
    xen = worked()
    xen.run(120)
    snapshot, then = xen.snapshot(), state_of(xen)
    xen.run(100)
    after = state_of(xen)
    xen.control.destroy(2)
    started(xen, "hog")
    xen.run(50)
    xen.restore(snapshot)
    assert state_of(xen) == then
    assert_sound(xen)
    xen.run(100)
    assert state_of(xen) == after


def test_any_earlier_step_can_be_reached_again():
    xen = worked()
    seen = {}
    for _ in range(12):
        xen.run(45)
        seen[xen.now] = state_of(xen)
        if len(seen) == 4:
            xen.control.destroy(1)
        if len(seen) == 6:
            xen.type(2, "ls\n")
        if len(seen) == 8:
            started(xen, "hog", weight=1000)
    end = xen.now
    for step in reversed(seen):
        xen.goto(step)
        assert state_of(xen) == seen[step], step
        assert_sound(xen)
    assert xen.now == min(seen)
    with pytest.raises(ValueError, match="accepted are earlier ones"):
        xen.goto(end)


def test_going_back_and_on_again_is_as_if_nothing_had_happened():
    xen, straight = worked(), worked()
    straight.run(300)
    xen.run(300)
    xen.goto(100 * xen.steps_per_ms + 4321)
    assert xen.now == 100 * xen.steps_per_ms + 4321
    xen.run_steps(straight.now - xen.now)
    one, other = state_of(xen), state_of(straight)
    assert one["consoles"] == other["consoles"]
    assert one["now"] == other["now"]
    xen.goto(200 * xen.steps_per_ms)
    assert xen.now == 200 * xen.steps_per_ms


def test_rings_and_programs_go_back_too():
    xen = machine(kernels={"driver": Kernel(DriverDomain({"disk": DISK}))}, domain0="driver")
    front = FrontEnd(xen, started(xen, "python"))
    assert front.connect(image="disk") > 0
    front.data(0).write(0, b"written".ljust(4096))
    xen.run(5)
    snapshot = xen.snapshot()
    front.request(abi.BLOCK_WRITE, 1, 0, (100, 0, 7))
    front.push()
    xen.run(5)
    driver = xen.domains[0].program
    assert bytes(driver.images["disk"][:7]) == b"written"
    xen.restore(snapshot)
    driver = xen.domains[0].program
    assert bytes(driver.images["disk"]) == DISK
    assert driver.served["block"] == 0
    assert_sound(xen)


def test_without_a_record_there_is_no_way_back():
    xen = machine(record=False)
    started(xen, "hog")
    xen.run(50)
    with pytest.raises(ValueError, match="what is known begins at step 500,000"):
        xen.goto(10)
