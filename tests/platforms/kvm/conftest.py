"""A machine for each implementation: the model everywhere, the real device where it opens."""

import sys
from collections import namedtuple
from pathlib import Path

import pytest

from virtlab.platforms.kvm import device, model
from virtlab.platforms.kvm.guest_program import MEMORY_BYTES

ROOT = str(Path(__file__).resolve().parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

PROBE = device.probe()
NEEDS_DEVICE = pytest.mark.skipif(not PROBE.works, reason=PROBE.sentence)
MACHINES = [
    pytest.param(model, id="model"),
    pytest.param(device, id="device", marks=NEEDS_DEVICE),
]

Prepared = namedtuple("Prepared", "machine kvm vm memory vcpu guest")


@pytest.fixture(params=MACHINES)
def machine(request):
    """The module that implements the interface."""
    return request.param


@pytest.fixture
def real():
    """The real device's module; the test is skipped where it does not open."""
    if not PROBE.works:
        pytest.skip(PROBE.sentence)
    return device


@pytest.fixture
def prepared(machine):
    """Makes a guest ready to run: prepared("mmio", flags=..., irqchip=...)."""
    opened = []

    def prepare(name, flags=0, irqchip=False):
        kvm = machine.Kvm()
        opened.append(kvm)
        vm = kvm.create_vm()
        if irqchip:
            vm.create_irqchip()
        memory = kvm.user_memory(MEMORY_BYTES)
        vm.set_user_memory_region(0, machine.RAM_BASE, memory, flags)
        vcpu = vm.create_vcpu()
        guest = machine.GUESTS[name]
        guest.start(vcpu, memory)
        return Prepared(machine, kvm, vm, memory, vcpu, guest)

    yield prepare
    for kvm in opened:
        kvm.close()
