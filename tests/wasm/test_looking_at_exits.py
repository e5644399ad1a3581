"""What Python alone calls of a hypervisor, for handlers of a reader's own, in WebAssembly too."""

import numpy as np
import pytest
from wasmtime_runner import Runner

from virtlab import guests
from virtlab.explore.page.assets import ARRAYS, HART, RESUME, VM
from virtlab.hypervisors import TECHNIQUES, ExitReason
from virtlab.hypervisors.view import emulate_once

N_STEPS = 180_000
STOPS = 12  # exits that are looked at
HANDLE = -1


def pith(technique: str):
    """The teaching OS; its snapshots would be taken of arrays that it does not run on."""
    name = "pith_pv" if technique == "paravirt" else "pith"
    given = {"ram": "16M", "firmware": "sbi", "disk": guests.disk(name), "record": False}
    return TECHNIQUES[technique](**given).load(guests.path(name))


class Twin:
    """The arrays of a virtual machine in a module's memory."""

    def __init__(self, module, vm):
        self.runner = Runner(module)
        place = self.runner.array
        *records, u8, _, _, _, pages, code, disk, blocks, log = vm._arguments
        ram = place(u8)
        views = [ram, *(ram.as_type(kind) for kind in (np.uint16, np.uint32, np.int64))]
        self.arguments = [place(array) for array in records]
        self.memory = [*views, *(place(array) for array in (pages, code, disk, blocks, log))]

    def assert_like(self, vm) -> None:
        """Every array has the contents of the machine's own."""
        mine = [self.runner.view(place) for place in (*self.arguments, *self.memory)]
        for ours, its in zip(mine, vm._arguments, strict=True):
            assert ours.tobytes() == its.tobytes()


@pytest.fixture(scope="module")
def looking(built):
    """What only Python calls, compiled for a page."""
    classifiers = [
        (f"classify {name}", f"{kind._classify.__module__}:classify", RESUME)
        for name, kind in TECHNIQUES.items()
    ]
    types = f"{HART}[:], {VM}[:], int64[:, :], {ARRAYS}"
    return built([*classifiers, ("emulate_once", "virtlab.hypervisors.view:emulate_once", types)])


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_an_exit_is_classified_and_emulated_alike(technique, looking):
    vm = pith(technique)
    for _ in range(STOPS):
        vm.run(N_STEPS, until=ExitReason)
        twin = Twin(looking, vm)
        given = (*twin.arguments, *twin.memory)
        found = vm._classify(*vm._arguments, vm.steps, HANDLE)
        assert twin.runner.call(f"classify {technique}", *given, vm.steps, HANDLE) == found
        assert bool(found) == (vm.exit_on_hand is not None)
        twin.assert_like(vm)
        if found == ExitReason.PRIVILEGED:
            vcpus, _, vms, _, _, guest_log = twin.arguments
            expected = emulate_once(vm._harts, vm._vms, vm._guest_log, *vm._host)
            actual = twin.runner.call("emulate_once", vcpus, vms, guest_log, *twin.memory)
            assert actual == expected
            twin.assert_like(vm)
            return
