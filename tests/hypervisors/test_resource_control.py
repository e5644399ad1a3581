"""Resource control: whatever a guest does, it stays in its VM, and the host regains control.

Popek and Goldberg's second property. The hostile guests are in hostile.py, random ones join them.
Three things are looked at: that not a byte outside the VM has changed, that nothing outside has
been read (a guest ends the same whatever lies there, and as on bare metal), and that no table the
hart walks in the guest's name leads outside or can be written by the guest.
"""

import random

import pytest

from tests.hypervisors import comparison, hostile
from tests.hypervisors.board import Board, inspect
from tests.hypervisors.comparison import VARIANTS, outcome, watch
from tests.hypervisors.random_guests import Guest
from virtlab.hypervisors import Action, ExitReason, Host
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine

PATTERNS = (0x5A, 0xA5)
N_RANDOM = 25  # random guests for each variant
LOOK_EVERY = 7  # entries
N_NEIGHBOURS = 4
SHARED_STEPS = 6000
BUDGETS = (1, 2, 997, 20_000)
SETTINGS = dict(ram=hostile.RAM_BYTES, firmware="sbi", disk=bytes(8192), record=False)


def seeds(seed: int, what: str, n: int) -> list[int]:
    rng = random.Random(f"{seed} {what}")
    return [rng.getrandbits(40) for _ in range(n)]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("name", hostile.GUESTS)
def test_a_hostile_guest_stays_in_its_machine(name, variant):
    program = assemble(hostile.GUESTS[name])
    m = Machine(**SETTINGS).load(program)
    stop = m.run(200_000)
    assert stop.reason == "exit", str(stop)
    expected = outcome(m, stop.reason)
    for pattern in PATTERNS:
        board = Board(pattern)
        vm = watch(inspect(variant.make(host=board, **SETTINGS), every=LOOK_EVERY)).load(program)
        found = outcome(vm, vm.run(200_000).reason)
        assert board.intact()
        assert not expected.differences(found)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_random_guests_stay_in_their_machine(variant, seed):
    machines = {}
    for each in seeds(seed, "prisoners", N_RANDOM):
        guest = Guest(each, starts_in_m=False)
        board = Board(PATTERNS[each & 1])
        if guest.setting not in machines:
            options = guest.setting.options()
            machines[guest.setting] = variant.make(host=board, record=False, **options)
            watch(inspect(machines[guest.setting], every=LOOK_EVERY))
        vm = machines[guest.setting]
        vm._shared_host = board
        expected = comparison.run(comparison.bare(guest.setting), guest)
        found = comparison.run(vm, guest)
        assert board.intact(), f"seed {each:#x}"
        assert not expected.differences(found), f"seed {each:#x}"


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("name", hostile.ENDLESS)
def test_the_host_regains_control_after_the_very_instruction(name, variant):
    program = assemble(hostile.ENDLESS[name])
    machines = [
        Machine(**SETTINGS),
        watch(variant.make(**SETTINGS)),
    ]
    for budget in BUDGETS:
        for m in machines:
            m.load(program)
            stop = m.run(budget)
            assert (stop.reason, m.steps) == ("budget", budget)
        a, b = map(outcome, machines)
        assert not a.differences(b)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_guest_that_nothing_can_wake_gives_the_hart_back(variant):
    vm = variant.make(**SETTINGS).load(assemble(hostile.ASLEEP))
    m = Machine(**SETTINGS).load(assemble(hostile.ASLEEP))
    assert [each.run(10_000).reason for each in (m, vm)] == ["idle", "idle"]
    assert m.steps == vm.steps


@pytest.mark.parametrize("quantum", [1, 37, 5000])
def test_random_guests_of_any_techniques_share_a_hart_and_end_as_alone(quantum, seed):
    rng = random.Random(f"{seed} neighbours {quantum}")
    host = Host(ram="128M")
    inmates = []
    for variant in rng.sample(VARIANTS, N_NEIGHBOURS):
        guest = Guest(rng.getrandbits(40), starts_in_m=False)
        vm = variant.make(host=host, record=False, **guest.setting.options())
        inmates.append((variant, guest, comparison.start(vm, guest)))
    stops = host.run(SHARED_STEPS, quantum)
    for (variant, guest, vm), stop in zip(inmates, stops, strict=True):
        m = comparison.start(comparison.bare(guest.setting), guest)
        expected = outcome(m, m.run(SHARED_STEPS).reason)
        found = outcome(vm, stop.reason)
        assert not expected.differences(found), f"{variant}, seed {guest.seed:#x}"


# The inspector, and the pattern, would tell.


def test_a_table_that_leads_outside_is_found():
    vm = variant_of("trap-and-emulate").make(host=Board(0), **SETTINGS)
    inspect(vm).load(assemble("1: j 1b", 0x8000_0000))
    vm.run(10)
    root = (int(vm._physical[0].satp) & (1 << 44) - 1) << 12
    words = vm._host.u64
    words[(root - 0x8000_0000 >> 3) + 7] = 0x8000_0000 >> 2 | 0xDF  # the host, as one huge page
    with pytest.raises(AssertionError, match="leads to"):
        vm.run(10)


def test_a_hypervisor_that_writes_outside_is_found():
    board = Board(PATTERNS[0])
    vm = variant_of("trap-and-emulate").make(host=board, **SETTINGS)
    vm.load(assemble("1: ecall\n j 1b", 0x8000_0000))

    def write_below(vcpu, exit):
        vm._host.u8[int(vm._vms[0].host_base) - 1] += 1
        return Action.HANDLE

    vm.handle(ExitReason.ECALL, write_below)
    assert board.intact()
    vm.run(10)
    assert not board.intact()


def variant_of(technique: str):
    return next(each for each in VARIANTS if each.technique == technique)
