"""The real device alone: opening it, giving all back, ports, signals."""

import gc
import signal
from pathlib import Path

import pytest

from virtlab.platforms.kvm import device
from virtlab.platforms.kvm.api import (
    KVM_EXIT_HLT,
    KVM_EXIT_HYPERCALL,
    KVM_EXIT_INTR,
    KVM_EXIT_IO,
    KVM_EXIT_IO_IN,
    KVM_EXIT_IO_OUT,
    KVM_EXIT_MMIO,
    KVM_HC_MAP_GPA_RANGE,
    Capability,
    KvmError,
)
from virtlab.platforms.kvm.guest_program import MEMORY_BYTES


def held() -> tuple[int, int]:
    """(open file descriptors, mapped ranges of /dev/kvm and vcpus) of this process."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return len(list(Path("/proc/self/fd").iterdir())), sum("kvm" in line for line in maps)


def n_maps() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


def one_life(machine) -> None:
    kvm = machine.Kvm()
    vm = kvm.create_vm()
    memory = kvm.user_memory(MEMORY_BYTES)
    vm.set_user_memory_region(0, machine.RAM_BASE, memory)
    vcpu = vm.create_vcpu()
    machine.GUESTS["halt"].start(vcpu, memory)
    event = kvm.eventfd()
    vm.ioeventfd(event, 0x1000_0000, 4)
    assert vcpu.run().reason == KVM_EXIT_HLT
    vcpu.stats()
    kvm.close()
    event.close()
    memory.close()


def test_a_thousand_lives_leave_nothing_behind(real):
    one_life(real)
    gc.collect()
    before, maps_before = held(), n_maps()
    for _ in range(1000):
        one_life(real)
    gc.collect()
    assert held() == before
    # The heap may have grown by a few ranges; a leak would be a thousand.
    assert n_maps() - maps_before < 50


def test_a_refused_step_leaves_nothing_behind_either(real):
    def refused_life():
        with real.Kvm() as kvm:
            vm = kvm.create_vm()
            memory = kvm.user_memory(MEMORY_BYTES)
            with pytest.raises(ValueError, match="memory slot"):
                vm.set_user_memory_region(0, 1, memory)
            vm.create_vcpu()
            with pytest.raises(KvmError, match="creating vcpu 0: the kernel refuses"):
                vm.create_vcpu()

    refused_life()
    before = held()
    for _ in range(20):
        refused_life()
    gc.collect()
    assert held() == before


def test_memory_stays_mapped_while_a_slot_uses_it(real):
    with real.Kvm() as kvm:
        vm = kvm.create_vm()
        memory = kvm.user_memory(MEMORY_BYTES)
        vm.set_user_memory_region(0, real.RAM_BASE, memory)
        vcpu = vm.create_vcpu()
        real.GUESTS["halt"].start(vcpu, memory)
        memory.close()
        assert vcpu.run().reason == KVM_EXIT_HLT


def test_probing_is_one_sentence(tmp_path):
    found = device.probe()
    assert found.sentence.endswith(".")
    missing = device.probe(str(tmp_path / "kvm"))
    assert not missing.works
    assert "does not open" in missing.sentence or "is used here on Linux" in missing.sentence


def test_what_is_not_the_device_is_refused(real, tmp_path):
    file = tmp_path / "kvm"
    file.write_bytes(b"")
    before = held()
    found = real.probe(str(file))
    assert not found.works and "the kernel refuses" in found.sentence
    assert held() == before


def test_ports_are_exits_of_their_own(real):
    with real.Kvm() as kvm:
        vm = kvm.create_vm()
        memory = kvm.user_memory(MEMORY_BYTES)
        vm.set_user_memory_region(0, real.RAM_BASE, memory)
        vcpu = vm.create_vcpu()
        guest = real.GUESTS["port"]
        guest.start(vcpu, memory)
        printed = b""
        while (run := vcpu.run()).reason == KVM_EXIT_IO and run.io.direction == KVM_EXIT_IO_OUT:
            assert (run.io.port, run.io.size, run.io.count) == (0x3F8, 1, 1)
            printed += run.io_data
        assert printed == b"Hello"
        assert (run.reason, run.io.direction) == (KVM_EXIT_IO, KVM_EXIT_IO_IN)
        with pytest.raises(ValueError, match="the access is of 1 bytes; given are 2"):
            run.io_data = b"no"
        run.io_data = b"!"
        assert vcpu.run().reason == KVM_EXIT_HLT
        assert vcpu.get_regs().rax & 0xFF == ord("!")
        with pytest.raises(ValueError, match="KVM_EXIT_HLT has no data of a port"):
            _ = run.io_data


class Alarm:
    """Ends a run by a signal after some milliseconds, in case nothing else does."""

    def __init__(self, milliseconds: int):
        self._seconds = milliseconds / 1000

    def __enter__(self):
        self._before = signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, self._seconds)

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)


def test_a_signal_ends_the_run_of_a_guest_that_waits(real):
    with real.Kvm() as kvm:
        vm = kvm.create_vm()
        vm.create_irqchip()
        memory = kvm.user_memory(MEMORY_BYTES)
        vm.set_user_memory_region(0, real.RAM_BASE, memory)
        vcpu = vm.create_vcpu()
        real.GUESTS["interrupt"].start(vcpu, memory)
        assert vcpu.run().reason == KVM_EXIT_MMIO
        with Alarm(20):
            run = vcpu.run()
        assert run.reason == KVM_EXIT_INTR
        assert "a signal or immediate_exit" in str(run)


def test_a_hypercall_is_handed_out_where_the_kernel_can(real):
    with real.Kvm() as kvm:
        if not kvm.check_extension(Capability.KVM_CAP_EXIT_HYPERCALL) >> KVM_HC_MAP_GPA_RANGE & 1:
            pytest.skip("this kernel hands out no hypercalls")
        vm = kvm.create_vm()
        vm.enable_cap(Capability.KVM_CAP_EXIT_HYPERCALL, 1 << KVM_HC_MAP_GPA_RANGE)
        memory = kvm.user_memory(MEMORY_BYTES)
        vm.set_user_memory_region(0, real.RAM_BASE, memory)
        vcpu = vm.create_vcpu()
        real.GUESTS["hypercall"].start(vcpu, memory)
        with Alarm(200):
            run = vcpu.run()
        if run.reason == KVM_EXIT_INTR:
            pytest.skip("the processor of this KVM has no instruction for hypercalls")
        assert (run.reason, run.hypercall.nr) == (KVM_EXIT_HYPERCALL, KVM_HC_MAP_GPA_RANGE)
        assert list(run.hypercall.args[:3]) == [0x1000, 2, 0x10]
        run.hypercall.ret = 7
        assert vcpu.run().reason == KVM_EXIT_HLT
        assert vcpu.get_regs().rax == 7


def test_a_guest_with_impossible_registers_is_refused_in_one_sentence(real):
    with real.Kvm() as kvm:
        vcpu = kvm.create_vm().create_vcpu()
        sregs = vcpu.get_sregs()
        sregs.cr0 = 1 << 31  # paging without protection
        with pytest.raises(KvmError, match=r"^setting sregs: the kernel refuses \([^.]*\)\.$"):
            vcpu.set_sregs(sregs)
