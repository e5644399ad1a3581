"""Who answers when the guest touches what is not memory? The program's half of the machine.

`Board.run` is the loop of every user-space hypervisor: run the vcpu; look at the exit reason; have
the device that owns the address answer; run again. It comes back with what is no access to a
device: the guest halts, shuts down, calls.

A device has `n_bytes` (how many addresses it takes), `read(offset, n_bytes)` and
`write(offset, n_bytes, value)`. Where nobody is, loads give all ones and stores are lost, as on
a bus that nobody drives.

Source: Linux 6.12, Documentation/virt/kvm/api.rst, "The kvm_run structure" and
"KVM_(UN)REGISTER_COALESCED_MMIO": stores that wait come before the access that made the exit.
"""

from collections import Counter

from virtlab.platforms.kvm.api import KVM_EXIT_IO, KVM_EXIT_IO_IN, KVM_EXIT_MMIO, Run


class Nobody:
    """Addresses without a device."""

    n_bytes = 0

    def read(self, _offset: int, n_bytes: int) -> int:
        """All ones."""
        return (1 << 8 * n_bytes) - 1

    def write(self, _offset: int, _n_bytes: int, _value: int) -> None:
        """Lost."""


class InterruptLine:
    """A device's line to the interrupt controller in the kernel; it may be connected to nothing.

    level : 0 or 1
    n_raised : how often it went from 0 to 1
    """

    def __init__(self, vm=None, irq: int = 0):
        self._vm, self._irq = vm, irq
        self.level = 0
        self.n_raised = 0

    def set(self, level: int) -> None:
        """Set the line."""
        if level == self.level:
            return
        self.level = level
        self.n_raised += level
        if self._vm is not None:
            self._vm.irq_line(self._irq, level)


class Board:
    """Devices at their addresses, and the loop.

    exits : Counter of (device's class name, "load" or "store") of accesses that were exits
    waited : Counter of the same of stores that waited in the ring
    """

    def __init__(self, vcpu):
        self.vcpu = vcpu
        self._places: dict[bool, list[tuple[int, object]]] = {False: [], True: []}
        self.exits: Counter = Counter()
        self.waited: Counter = Counter()

    def add(self, base: int, device, port: bool = False) -> None:
        """Put a device at a guest physical address, or at a port.

        Raises
        ------
        ValueError
            another device is there
        """
        for start, other in self._places[port]:
            if base < start + other.n_bytes and start < base + device.n_bytes:
                raise ValueError(
                    f"{type(device).__name__} at {base:#x}: {type(other).__name__} is at "
                    f"{start:#x}; accepted are addresses that no device has."
                )
        self._places[port].append((base, device))

    def _find(self, address: int, port: bool):
        for base, device in self._places[port]:
            if base <= address < base + device.n_bytes:
                return device, address - base
        return NOBODY, 0

    def run(self) -> Run:
        """Run the guest until it wants what no device can give; returns that exit."""
        while True:
            run = self.vcpu.run()
            for address, data in self.vcpu.coalesced_stores():
                device, offset = self._find(address, False)
                device.write(offset, len(data), int.from_bytes(data, "little"))
                self.waited[type(device).__name__, "store"] += 1
            if run.exit_reason == KVM_EXIT_MMIO:
                self._mmio(run)
            elif run.exit_reason == KVM_EXIT_IO:
                self._port(run)
            else:
                return run

    def _mmio(self, run: Run) -> None:
        mmio = run.mmio
        device, offset = self._find(mmio.phys_addr, False)
        if mmio.is_write:
            self.exits[type(device).__name__, "store"] += 1
            device.write(offset, mmio.len, mmio.value)
        else:
            self.exits[type(device).__name__, "load"] += 1
            mmio.value = device.read(offset, mmio.len)

    def _port(self, run: Run) -> None:
        size, device_offset = run.io.size, self._find(run.io.port, True)
        device, offset = device_offset
        if run.io.direction == KVM_EXIT_IO_IN:
            self.exits[type(device).__name__, "load"] += 1
            values = [device.read(offset, size) for _ in range(run.io.count)]
            run.io_data = b"".join(value.to_bytes(size, "little") for value in values)
            return
        self.exits[type(device).__name__, "store"] += 1
        data = run.io_data
        for at in range(0, len(data), size):
            device.write(offset, size, int.from_bytes(data[at : at + size], "little"))


NOBODY = Nobody()
