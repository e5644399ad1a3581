"""The machine in WebAssembly is the machine: same registers, counters, memory, disk, events."""

import numpy as np
import pytest
from on_wasm import OnWasm, everything

from tests.conformance import harness
from virtlab import guests
from virtlab.explore.page.assets import MACHINE
from virtlab.machine import Machine

MOST_STEPS = 200_000_000
N_BATCHES = 4  # of random programs


@pytest.fixture(scope="session")
def machine_module(built):
    return built(MACHINE)


def pair(make, machine_module, monkeypatch):
    """A machine that runs natively, and the same one in WebAssembly."""
    native, other = make(), make()
    OnWasm(machine_module, other, monkeypatch)
    assert everything(native) == everything(other)
    return native, other


def run_both(machines, **arguments):
    stops = [machine.run(MOST_STEPS, **arguments) for machine in machines]
    assert stops[0] == stops[1]
    states = [everything(machine) for machine in machines]
    different = [name for name in states[0] if states[0][name] != states[1][name]]
    assert not different


def test_seven_programs_of_145_million_instructions(machine_module, monkeypatch):
    def make():
        made = Machine(ram="16M", firmware="none", record=False)
        return made.load(guests.path("integer_mix"))

    machines = pair(make, machine_module, monkeypatch)
    run_both(machines)
    assert machines[0].exit_code == 0
    assert machines[1].steps > 100_000_000


def test_the_teaching_os_boots_computes_and_writes_to_its_disk(machine_module, monkeypatch):
    disk = guests.path("pith").with_suffix(".img").read_bytes()

    def make():
        return Machine(ram="64M", disk=disk).load(guests.path("pith"))

    machines = pair(make, machine_module, monkeypatch)
    run_both(machines, until="$ ")
    for line in ("ls\n", "compute 1000 10\n", "echo text > f; cat f; selftest\n"):
        for machine in machines:
            machine.type(line)
        run_both(machines, until="$ ")
    assert "text" in machines[1].console
    assert machines[1].counters["disk_writes"] > 0
    middle = machines[1].steps // 2
    for machine in machines:
        machine.goto(middle)
    assert everything(machines[0]) == everything(machines[1])


@pytest.mark.parametrize("batch", range(N_BATCHES))
def test_random_programs_in_every_mode(batch, machine_module, seed, monkeypatch):
    first = int(np.random.default_rng([seed, batch]).integers(1 << 40))
    image, _ = harness.programs(list(range(first, first + harness.BATCH)))
    machines = pair(lambda: harness.machine_for(image.data), machine_module, monkeypatch)
    run_both(machines)
    assert machines[1].steps > 10_000
