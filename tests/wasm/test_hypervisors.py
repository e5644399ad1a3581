"""Every hypervisor in WebAssembly is the hypervisor: same exits, records and memory as natively."""

import random

import numpy as np
import pytest
from wasmtime_runner import Place, Runner

from tests.hypervisors.comparison import VARIANTS, outcome
from tests.hypervisors.random_guests import MOST_STEPS, Guest
from virtlab import guests
from virtlab.explore.page.assets import hypervisors
from virtlab.hypervisors import TECHNIQUES, Action
from virtlab.machine.state import HART, Memory

N_RANDOM = 6
WORK = "ls; forkwait 2; ptemod 8 1; diskread 2; echo text > f; cat f\n"


@pytest.fixture(scope="session")
def module(built):
    return built(hypervisors())


class OnWasm:
    """Takes over a virtual machine that has been loaded: its arrays lie in a module's memory."""

    def __init__(self, module, vm):
        self.runner, self.vm = Runner(module), vm
        place, view = self.runner.array, self.runner.view
        ram = place(vm._host.u8)
        kinds = (np.uint16, np.uint32, np.int64)
        rest = [place(each) for each in vm._host[4:]]
        self.host = Memory(ram, *(ram.as_type(kind) for kind in kinds), *rest)
        names = ("_harts", "_physical", "_vms", "_state", "_exits", "_guest_log")
        self.records = [place(getattr(vm, name)) for name in names]
        n = vm.ram_bytes
        small = Place(ram.pointer, (n,), ram.dtype)
        pages = Place(self.host.pages.pointer, (n >> 12,), self.host.pages.dtype)
        views = (small, *(small.as_type(kind) for kind in kinds))
        self.guest = Memory(*views, pages, *self.host[5:8], self.records[-1])

        for name, record in zip(names, self.records, strict=True):
            setattr(vm, name, view(record))
        vm._harts, vm._physical = (each.view(HART) for each in (vm._harts, vm._physical))
        vm._host = Memory(*map(view, self.host))
        vm._mem = Memory(*map(view, self.guest))
        vm._hart = vm._harts[0]
        vm._steps, vm._ended_with = vm._harts["steps"], vm._harts["exit_code"]
        vm._uncollected = vm._harts["console_n"]
        vm._advance = self.advance

    def advance(self, goal: int) -> int:
        """What VirtualMachine._advance does, and the page's JavaScript."""
        call, vm = self.runner.call, self.vm
        resume = f"resume {vm.technique}"
        while True:
            budget = call(resume, *self.records, *self.host, int(goal), int(Action.HANDLE))
            if budget <= 0:
                return vm._left()
            if vm._vms["interpret"][0]:
                call("run", self.records[0], *self.guest, int(budget))
            else:
                call("run", self.records[1], *self.host, int(budget))


def differences(native, other, stops) -> list[str]:
    """What a reader could tell the two apart by."""
    found = outcome(native, stops[0]).differences(outcome(other, stops[1]))
    for name in ("_vms", "_state", "_exits", "_guest_log"):
        if getattr(native, name).tobytes() != getattr(other, name).tobytes():
            found.append(name)
    if not np.array_equal(native._host.u8, other._host.u8):
        found.append("memory of the host")
    if native.counts != other.counts:
        found.append("counts")
    return found


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_random_guests_leave_for_the_same_reasons(variant, module, seed):
    rng = random.Random(f"{seed} wasm {variant}")
    exits = 0
    for number in (rng.getrandbits(40) for _ in range(N_RANDOM)):
        guest = Guest(number)
        if not variant.takes(guest.setting):
            continue
        machines = [
            variant.make(record=False, **guest.setting.options()).load(guest.image)
            for _ in range(2)
        ]
        OnWasm(module, machines[1])
        for m in machines:
            m.type(guest.typed)
        stops = [m.run(MOST_STEPS).reason for m in machines]
        assert not differences(*machines, stops), f"seed {number:#x}"
        exits += machines[1].n_exits
    assert exits or variant.technique == "emulation"


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_the_teaching_os_boots_and_works(technique, module):
    image = guests.path("pith_pv" if technique == "paravirt" else "pith")
    settings = dict(ram="16M", disk=guests.disk("pith"), record=False)
    machines = [TECHNIQUES[technique](**settings).load(image) for _ in range(2)]
    OnWasm(module, machines[1])
    for m in machines:
        assert m.run(until="$ ").reason == "until"
        m.type(WORK)
    stops = [m.run(until="text").reason for m in machines]
    stops = [m.run(until="$ ").reason for m in machines]
    assert stops == ["until", "until"]
    assert not differences(*machines, stops)
    assert "text" in machines[1].console
