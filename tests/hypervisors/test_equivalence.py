"""Equivalence: under every technique a guest ends as on bare metal.

Popek and Goldberg's first property. Virtual time is guest instructions, so that "as" means the same
step, the same registers and CSRs, the same memory, disk and console: nothing is left to judgement.
"""

import random

import numpy as np
import pytest

from tests.conformance import harness
from tests.hypervisors import comparison
from tests.hypervisors.comparison import MODIFIED, STARTS_IN_M, VARIANTS, outcome
from tests.hypervisors.random_guests import MOST_STEPS, Guest
from virtlab import guests
from virtlab.hypervisors import TECHNIQUES, Action, ExitReason
from virtlab.machine import Machine

N_RANDOM = 300
MANY, BATCHES = 10_000, 20
N_IN_MACHINE_MODE = 2  # images of 50 programs that make use of everything, the H extension too
N_SLICED = 3
MOST_REWINDS = 3
MOST_MUTANTS_NEED = 1000  # guests drawn until a broken hypervisor has been found out
PITH_WORK = """ls; cat readme | wc; echo text > f; cat f
forkwait 3; nullsys 50; ctxsw 10; pgfault 20 2; ptemod 8 2
devread 10; diskread 3; compute 1000 10; memwalk 64 3
sleep 100 & ps; kill 17; wait
selftest
shutdown
"""


def seeds(seed: int, what: str, n: int) -> list[int]:
    rng = random.Random(f"{seed} {what}")
    return [rng.getrandbits(40) for _ in range(n)]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("name", ["hello", "timer", "user_mode", "paging", "integer_mix"])
def test_a_bare_program_ends_as_without_a_hypervisor(name, variant):
    if variant.technique not in STARTS_IN_M:
        pytest.skip("the program starts in M-mode")
    machines = [make(ram="16M", record=False) for make in (Machine, variant.make)]
    stops = [m.load(guests.path(name)).run().reason for m in machines]
    a, b = (outcome(m, stop) for m, stop in zip(machines, stops, strict=True))
    assert not a.differences(b)
    assert machines[0].exit_code == 0


@pytest.fixture(scope="module")
def pith_bare():
    m = pith(Machine)
    return outcome(m, m.run().reason)


def pith(make):
    m = make(ram="64M", disk=guests.disk("pith"), record=False).load(guests.path("pith"))
    m.type(PITH_WORK)
    return m


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_teaching_os_ends_as_without_a_hypervisor(variant, pith_bare):
    m = pith(variant.make)
    found = outcome(m, m.run().reason)
    assert not pith_bare.differences(found)
    assert "selftest: 0 failed\n" in m.console
    assert m.exit_code == 0


@pytest.mark.parametrize("technique", [each for each in MODIFIED if each in TECHNIQUES])
def test_the_ported_teaching_os_prints_writes_and_ends_the_same(technique, pith_bare):
    settings = dict(ram="64M", disk=guests.disk("pith"), record=False)
    m = TECHNIQUES[technique](**settings).load(guests.path("pith_pv"))
    m.type(PITH_WORK)
    assert m.run().reason == "exit"
    assert m.exit_code == 0
    assert m.console == pith_bare.console.decode()
    assert np.array_equal(m._mem.disk, pith_bare.disk)


def describe(found: dict[int, dict], n: int) -> str:
    """A failure message: how many, and the first of each variant."""
    texts = {}
    for reports in found.values():
        for variant, text in reports.items():
            texts.setdefault(variant, []).append(text)
    lines = [f"{len(found)} of {n} guests do not end as on bare metal."]
    for variant, reports in texts.items():
        lines.append(f"\n{variant}: {len(reports)}, the first one:\n{reports[0]}")
    return "\n".join(lines)


def disagreements(chosen: list[int], most: int = 5) -> dict[int, dict]:
    """The random guests of these seeds that end otherwise somewhere, `most` of them."""
    found = {}
    for each in chosen:
        different = comparison.compare(Guest(each))
        if different:
            found[each] = different
            if len(found) >= most:
                break
    return found


def test_random_guests_end_as_without_a_hypervisor(seed):
    found = disagreements(seeds(seed, "random guests", N_RANDOM))
    assert not found, describe(found, N_RANDOM)


@pytest.mark.more_random
@pytest.mark.parametrize("batch", range(BATCHES))
def test_many_random_guests_end_as_without_a_hypervisor(batch, seed):
    chosen = seeds(seed, f"batch {batch}", MANY // BATCHES)
    found = disagreements(chosen)
    assert not found, describe(found, len(chosen))


@pytest.mark.parametrize(
    "variant", [each for each in VARIANTS if each.technique in STARTS_IN_M], ids=str
)
@pytest.mark.parametrize("batch", range(N_IN_MACHINE_MODE))
def test_programs_in_every_mode_end_as_without_a_hypervisor(variant, batch, seed):
    first = int(np.random.default_rng([seed, batch]).integers(1 << 40))
    image, _ = harness.programs(list(range(first, first + harness.BATCH)))
    a = harness.machine_for(image.data)
    b = variant.make(ram=a.ram_bytes, firmware="none", record=False).load(image.data)
    tree = b.registers["a1"]
    b.memory.write(tree, bytes(harness.spike.RAM_BASE + harness.spike.RAM_BYTES - tree))
    stops = [m.run(200_000).reason for m in (a, b)]
    assert not outcome(a, stops[0]).differences(outcome(b, stops[1])), f"first seed {first:#x}"


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_run_cut_into_pieces_and_rewound_ends_the_same(variant, seed):
    for each in seeds(seed, "pieces", N_SLICED):
        guest = Guest(each)
        if not variant.takes(guest.setting):
            continue
        expected = comparison.run(comparison.bare(guest.setting), guest)
        vm = comparison.start(variant.make(**guest.setting.options()), guest)
        rng = random.Random(each)
        stop, rewinds = None, 0
        while vm.steps < MOST_STEPS and vm.exit_code is None:
            stop = vm.run(min(rng.randrange(1, 700), MOST_STEPS - vm.steps))
            if stop.reason == "idle":
                break
            if rewinds < MOST_REWINDS and rng.random() < 0.2:
                vm.back(rng.randrange(vm.steps + 1))
                rewinds += 1
        found = outcome(vm, stop.reason)
        assert not expected.differences(found), f"seed {each:#x}"


# A test that cannot fail is none: each of these is a hypervisor with one rule broken.


def skip_fences(vm):
    """SFENCE.VMA is not obeyed."""

    def handler(vcpu, exit):
        if exit.detail >> 25 == 9 and exit.detail & 0x7FFF == 0x73:
            vcpu.skip()
            return Action.RESUME
        return Action.HANDLE

    vm.handle(ExitReason.PRIVILEGED, handler)


def ignore_traces(vm):
    """A store to a page table is carried out, and what hung on the entry stays."""

    def handler(vcpu, exit):
        vcpu.emulate()
        return Action.RESUME

    vm.handle(ExitReason.TRACE, handler)


def forget_interrupt_enable(vm):
    """CSRRSI sstatus, SIE is skipped."""

    def handler(vcpu, exit):
        if exit.detail & 0xFFF0_707F == 0x1000_6073:
            vcpu.skip()
            return Action.RESUME
        return Action.HANDLE

    vm.handle(ExitReason.PRIVILEGED, handler)


def skip_faults(vm):
    """A true page fault is not delivered, but skipped."""

    def handler(vcpu, exit):
        vcpu.pc = vcpu.pc + 4
        return Action.RESUME

    vm.handle(ExitReason.TRUE_PAGE_FAULT, handler)


def after_each_entry(vm, change):
    real = vm._resume

    def resume(*arguments):
        budget = real(*arguments)
        return change(arguments[1][0], budget) if budget > 0 else budget

    vm._resume = resume


def lose_reservations(vm):
    """An exit between LR and SC is seen by the guest."""

    def change(hart, budget):
        hart.reservation = -1
        return budget

    after_each_entry(vm, change)


def run_a_step_too_far(vm):
    """Interrupts come one instruction late."""
    after_each_entry(vm, lambda hart, budget: budget + 1)


def show_host_time(vm):
    """The clocks tell of the exits."""

    def change(hart, budget):
        hart.instret_offset += 1
        return budget

    after_each_entry(vm, change)


MUTANTS = {  # the policy of shadow paging, and what guests are mostly about that may notice
    skip_fences: ("lazy", "paging"),
    ignore_traces: ("trace", "paging"),
    forget_interrupt_enable: ("trace", "interrupts"),
    skip_faults: ("trace", None),
    lose_reservations: ("trace", None),
    run_a_step_too_far: ("trace", "interrupts"),
    show_host_time: ("trace", None),
}


@pytest.mark.parametrize("breaks", MUTANTS, ids=lambda breaks: breaks.__name__)
def test_a_hypervisor_with_one_rule_broken_is_found_out(breaks, seed):
    machines = {}
    policy, profile = MUTANTS[breaks]
    for each in seeds(seed, "mutants", MOST_MUTANTS_NEED):
        guest = Guest(each, starts_in_m=False)
        if profile not in (None, guest.profile):
            continue
        if guest.setting not in machines:
            machines[guest.setting] = TECHNIQUES["trap-and-emulate"](
                policy=policy, record=False, **guest.setting.options()
            )
        vm = comparison.start(machines[guest.setting], guest)
        if "_resume" not in vars(vm) and not vm._handlers:
            breaks(vm)
        expected = comparison.run(comparison.bare(guest.setting), guest)
        found = outcome(vm, vm.run(MOST_STEPS).reason, copy=False)
        if expected.differences(found):
            return
    pytest.fail(f"No guest of {MOST_MUTANTS_NEED} noticed: {breaks.__doc__}")


def test_every_technique_is_compared():
    compared = {variant.technique for variant in VARIANTS}
    assert compared == set(TECHNIQUES) - set(MODIFIED)
