"""How would KVM look on a machine that we can see into? The same names, on the model's hart.

    device.py                                  here
    /dev/kvm, a VM, a vcpu: descriptors        objects
    the processor's VT-x or AMD-V              VS-mode (virtlab.hypervisors.hardware_assisted)
    the kernel's part, unseen                  model_vcpu.py
    eventfds                                   counters that call a function when signalled

A program that uses what api.py lists runs on either. What only the model has: `modes`,
`exits_by_reason` and `halt_polling`.

# Model: a VM has one vcpu, and its slots lie in a window at RAM_BASE; the same memory cannot be in
# two slots.

Source: Linux 6.12, Documentation/virt/kvm/api.rst, as for device.py.
"""

from virtlab.machine.state import RAM_BASE
from virtlab.platforms.kvm import riscv
from virtlab.platforms.kvm.api import (
    KVM_API_VERSION,
    KVM_MEM_LOG_DIRTY_PAGES,
    KVM_MEM_READONLY,
    PAGE_BYTES,
    Capability,
    KvmError,
    check_logged,
    check_memory,
    check_open,
    check_slot,
)
from virtlab.platforms.kvm.halt_polling import HaltPolling
from virtlab.platforms.kvm.model_vcpu import Vcpu
from virtlab.platforms.kvm.processor import Processor
from virtlab.platforms.kvm.vfio import DeviceRegion

ARCHITECTURE = "riscv64"
GUESTS = riscv.GUESTS
ASSIGNABLE = ("disk",)  # of the host's own devices, those that a VM can be given; see vfio.py
WINDOW_BYTES = 16 << 20  # guest physical addresses that slots may have, from RAM_BASE on
N_SLOTS = 32
N_SOURCES = 53  # of the interrupt controller
CAPABILITIES = {
    Capability.KVM_CAP_IRQCHIP: 1,
    Capability.KVM_CAP_USER_MEMORY: 1,
    Capability.KVM_CAP_NR_VCPUS: 1,
    Capability.KVM_CAP_NR_MEMSLOTS: N_SLOTS,
    Capability.KVM_CAP_COALESCED_MMIO: 1,
    Capability.KVM_CAP_IRQFD: 1,
    Capability.KVM_CAP_IOEVENTFD: 1,
    Capability.KVM_CAP_READONLY_MEM: 1,
    Capability.KVM_CAP_IMMEDIATE_EXIT: 1,
    Capability.KVM_CAP_HALT_POLL: 1,
    Capability.KVM_CAP_EXIT_HYPERCALL: 1 << 12,
    Capability.KVM_CAP_BINARY_STATS_FD: 1,
}


class EventFd:
    """A counter that guest, kernel and program signal; see device.EventFd."""

    def __init__(self):
        self._n = 0
        self._lines: list[tuple] = []
        self._attend = None

    def signal(self, n: int = 1) -> None:
        """Add `n` to the counter."""
        self._n += n
        for vm, gsi in self._lines:
            self._n = 0
            vm.pulse(gsi)
        if self._attend is not None:
            self._attend(self.take())

    def attend(self, function) -> None:
        """Have `function(n)` called at each signal of `n`, at once: of a guest, in the kernel."""
        self._attend = function

    def take(self) -> int:
        """What the counter has come to since it was last taken; 0 if nobody has signalled."""
        taken, self._n = self._n, 0
        return taken

    def attach(self, vm, gsi: int, attached: bool) -> None:
        """Raise a VM's interrupt line at each signal, or no more."""
        if attached:
            self._lines.append((vm, gsi))
        elif (vm, gsi) in self._lines:
            self._lines.remove((vm, gsi))

    def close(self) -> None:
        """Signals lead nowhere any more."""
        self._lines.clear()
        self._attend = None


class UserMemory:
    """Pages of the program that a guest can have as its memory; see device.UserMemory."""

    def __init__(self, n_bytes: int):
        if n_bytes <= 0 or n_bytes % PAGE_BYTES:
            raise ValueError(f"{n_bytes:#x} bytes: accepted are multiples of {PAGE_BYTES:#x}.")
        self.n_pinned = 0  # devices that may reach it
        self._bytes = bytearray(n_bytes)
        self._at: tuple[Processor, int] | None = None

    def __len__(self) -> int:
        return len(self._bytes)

    def read(self, at: int, n_bytes: int) -> bytes:
        """`n_bytes` from offset `at` on."""
        check_memory(self, n_bytes, at)
        if self._at is None:
            return bytes(self._bytes[at : at + n_bytes])
        processor, gpa = self._at
        return processor.load(gpa + at, n_bytes)

    def write(self, at: int, data: bytes) -> None:
        """Put `data` at offset `at`."""
        check_memory(self, len(data), at)
        if self._at is None:
            self._bytes[at : at + len(data)] = data
        else:
            processor, gpa = self._at
            processor.store(gpa + at, bytes(data))

    def move(self, processor: Processor | None, gpa: int = 0) -> None:
        """Move the contents into the guest's RAM at `gpa`, or with None back out of it."""
        held = self.read(0, len(self))
        self._at = None if processor is None else (processor, gpa)
        self.write(0, held)

    def close(self) -> None:
        """The pages go with the last slot that uses them."""


class Kvm:
    """The model's /dev/kvm; see device.Kvm.

    Examples
    --------
    >>> with Kvm() as kvm:
    ...     vm = kvm.create_vm()
    ...     memory = kvm.user_memory(0x40000)
    ...     vm.set_user_memory_region(0, RAM_BASE, memory)
    ...     vcpu = vm.create_vcpu()
    ...     GUESTS["halt"].start(vcpu, memory)
    ...     print(vcpu.run(), vcpu.get_regs().a0)
    KVM_EXIT_HLT: the guest has nothing to do. 42
    """

    def __init__(self):
        self._vms: list[Vm] = []
        self._open = True

    def api_version(self) -> int:
        """12, as the kernel's."""
        return KVM_API_VERSION

    def check_extension(self, capability: int) -> int:
        """0 if the model has it not, else 1 or a number that says how much of it."""
        return CAPABILITIES.get(capability, 0)

    def require(self, capability: int) -> int:
        """check_extension, with a KvmError where that gives 0."""
        found = self.check_extension(capability)
        if not found:
            raise KvmError(f"{Capability(capability).name}: the model does not support it.")
        return found

    def user_memory(self, n_bytes: int) -> UserMemory:
        """Fresh pages, zeroed, for a slot."""
        return UserMemory(n_bytes)

    def eventfd(self) -> EventFd:
        """A fresh counter, for ioeventfd and irqfd."""
        return EventFd()

    def create_vm(self) -> "Vm":
        """A machine without memory and processors."""
        check_open(self._open, "creating a VM")
        vm = Vm(self)
        self._vms.append(vm)
        return vm

    def drop(self, vm: "Vm") -> None:
        """Forget a VM that has been closed."""
        if vm in self._vms:
            self._vms.remove(vm)

    def close(self) -> None:
        """Close every VM."""
        self._open = False
        for vm in list(self._vms):
            vm.close()

    def __enter__(self) -> "Kvm":
        return self

    def __exit__(self, *_) -> None:
        self.close()


class Slot:
    """A memory slot: where it begins, its pages, and which of them have been written."""

    def __init__(self, gpa: int, memory: UserMemory | DeviceRegion, flags: int):
        self.gpa, self.memory, self.flags = gpa, memory, flags
        self.dirty: set[int] = set()

    @property
    def read_only(self) -> bool:
        """Whether stores are handed out as MMIO."""
        return bool(self.flags & KVM_MEM_READONLY)

    @property
    def logged(self) -> bool:
        """Whether it keeps a dirty log."""
        return bool(self.flags & KVM_MEM_LOG_DIRTY_PAGES)

    @property
    def is_device(self) -> bool:
        """Whether it is the registers of one of the host's own devices."""
        return isinstance(self.memory, DeviceRegion)

    @property
    def n_pages(self) -> int:
        """Its size."""
        return len(self.memory) // PAGE_BYTES

    def written(self, page: int) -> None:
        """Note the first store to a page."""
        self.dirty.add(page)


class Vm:
    """A virtual machine of the model; see device.Vm."""

    def __init__(self, kvm: Kvm):
        self._kvm = kvm
        self._slots: dict[int, Slot] = {}
        self._events: list[tuple] = []
        self._lines: list[tuple] = []
        self._waiting: list[range] = []
        self._processor: Processor | None = None
        self._vcpu: Vcpu | None = None
        self._halt_poll_ns: int | None = None
        self._open = True
        self.has_irqchip = False

    # Memory

    def set_user_memory_region(self, slot: int, gpa: int, memory: UserMemory | None, flags=0):
        """From `gpa` on the guest finds `memory`; None: no more. See device.Vm."""
        n_bytes = 0 if memory is None else len(memory)
        places = {number: (held.gpa, len(held.memory)) for number, held in self._slots.items()}
        check_slot(slot, gpa, n_bytes, flags, places, N_SLOTS)
        registers = isinstance(memory, DeviceRegion)
        in_window = RAM_BASE <= gpa <= RAM_BASE + WINDOW_BYTES - n_bytes
        if registers and not 0 <= gpa <= RAM_BASE - n_bytes:
            raise ValueError(
                f"memory slot {slot}: registers at {gpa:#x}; the model accepts what ends at "
                f"{RAM_BASE:#x} at most."
            )
        if not registers and memory is not None and not in_window:
            raise ValueError(
                f"memory slot {slot}: {gpa:#x} to {gpa + n_bytes:#x}; the model accepts "
                f"{RAM_BASE:#x} to {RAM_BASE + WINDOW_BYTES:#x}."
            )
        for other, held in self._slots.items():
            if other != slot and held.memory is memory:
                raise ValueError(
                    f"memory slot {slot}: slot {other} has the same memory; the model accepts "
                    "memory of its own for each."
                )
        old = self._slots.get(slot)
        if old is not None and not old.is_device and old.memory.n_pinned:
            raise ValueError(
                f"memory slot {slot}: a device may reach its memory; accepted after unmap_dma."
            )
        self._slots.pop(slot, None)
        if old is not None and self._processor is not None and not old.is_device:
            old.memory.move(None)
            self._processor.guard(old.gpa, old.n_pages, False)
        if memory is not None:
            self._slots[slot] = Slot(gpa, memory, flags)
        if self._processor is not None:
            if memory is not None:
                self._map(self._slots[slot])
            self._processor.forget()

    def _map(self, slot: Slot) -> None:
        if slot.is_device:
            return
        slot.memory.move(self._processor, slot.gpa)
        self._processor.guard(slot.gpa, slot.n_pages, slot.logged or slot.read_only)

    def slot_of(self, gpa: int) -> Slot | None:
        """The slot that answers at `gpa`."""
        for slot in self._slots.values():
            if slot.gpa <= gpa < slot.gpa + len(slot.memory):
                return slot
        return None

    def guest_memory(self) -> list[tuple[int, UserMemory]]:
        """(gpa, memory) of every slot: what a device's DMA goes to."""
        return [(slot.gpa, slot.memory) for slot in self._slots.values() if not slot.is_device]

    def gpa_of(self, memory: UserMemory) -> int | None:
        """Where the guest finds user memory; None if in no slot."""
        return next((gpa for gpa, held in self.guest_memory() if held is memory), None)

    def processor_for_device(self) -> Processor:
        """The hart on whose board the host's devices are; see vfio.py."""
        if self._processor is None:
            raise KvmError("opening a device of the host's: accepted after create_vcpu.")
        return self._processor

    def get_dirty_log(self, slot: int) -> list[int]:
        """Pages of the slot that the guest has written since this was last asked; see device.Vm."""
        check_logged(slot, {number: held.flags for number, held in self._slots.items()})
        held = self._slots[slot]
        dirty, held.dirty = sorted(held.dirty), set()
        if dirty and self._processor is not None:
            self._processor.guard(held.gpa, held.n_pages, True)
            self._processor.forget()
        return dirty

    # Interrupts and events

    def create_irqchip(self) -> None:
        """An interrupt controller (PLIC) in the kernel. Before the first vcpu."""
        if self._vcpu is not None or self.has_irqchip:
            what = "the VM has one" if self.has_irqchip else "the VM has a vcpu already"
            raise KvmError(
                f"creating the interrupt controller: {what}; accepted is once, before a vcpu."
            )
        self.has_irqchip = True

    def irq_line(self, irq: int, level: int) -> None:
        """Set an input line of the interrupt controller to 0 or 1."""
        if not self.has_irqchip or self._processor is None:
            raise KvmError(
                f"setting interrupt line {irq}: the VM has no interrupt controller with a vcpu; "
                "create_irqchip, then create_vcpu, make one."
            )
        if not 1 <= irq <= N_SOURCES:
            raise ValueError(f"interrupt line {irq}: accepted are 1 to {N_SOURCES}.")
        self._processor.set_line(irq, level)

    def pulse(self, irq: int) -> None:
        """Raise a line, as a signalled irqfd does; the controller keeps the request."""
        self.irq_line(irq, 1)

    def irqfd(self, event: EventFd, gsi: int, deassign: bool = False) -> None:
        """Each signal of `event` requests interrupt `gsi`."""
        if not self.has_irqchip:
            raise KvmError(f"an irqfd for line {gsi}: accepted with an interrupt controller only.")
        event.attach(self, gsi, not deassign)
        self._lines.append((event, gsi))

    def ioeventfd(
        self, event: EventFd, addr: int, n_bytes: int, datamatch: int | None = None,
        pio: bool = False, deassign: bool = False,
    ) -> None:  # fmt: skip
        """A store of `n_bytes` to `addr` signals `event`, and the guest goes on; see device.Vm."""
        if pio:
            raise KvmError(f"an ioeventfd for port {addr:#x}: this processor has no ports.")
        wanted = (event, addr, n_bytes, datamatch)
        if deassign and wanted in self._events:
            self._events.remove(wanted)
        elif deassign or n_bytes not in (1, 2, 4, 8):
            raise KvmError(
                f"an ioeventfd for {n_bytes} bytes at {addr:#x}: accepted are 1, 2, 4 and 8 bytes, "
                "and to deassign one that is there."
            )
        else:
            self._events.append(wanted)

    def event_for(self, addr: int, data: bytes) -> EventFd | None:
        """The event that a store signals."""
        for event, where, n_bytes, datamatch in self._events:
            matches = datamatch is None or datamatch == int.from_bytes(data, "little")
            if where == addr and n_bytes == len(data) and matches:
                return event
        return None

    def register_coalesced_mmio(self, addr: int, n_bytes: int) -> None:
        """Stores there wait in a ring; see Vcpu.coalesced_stores."""
        self._waiting.append(range(addr, addr + n_bytes))

    def unregister_coalesced_mmio(self, addr: int, n_bytes: int) -> None:
        """Stores there exit again."""
        self._waiting = [zone for zone in self._waiting if zone != range(addr, addr + n_bytes)]

    def may_wait(self, addr: int, n_bytes: int) -> bool:
        """Whether a store may wait in the ring."""
        return any(zone.start <= addr and addr + n_bytes <= zone.stop for zone in self._waiting)

    def enable_cap(self, capability: int, *args: int) -> None:
        """Switch on what is not done unasked: KVM_CAP_HALT_POLL (at most so many ns)."""
        self._kvm.require(capability)
        if capability == Capability.KVM_CAP_HALT_POLL:
            self._halt_poll_ns = args[0]
            if self._vcpu is not None:
                self._vcpu.halt_polling.max_ns = args[0]

    # Processors

    def create_vcpu(self, number: int = 0) -> Vcpu:
        """The VM's processor, as firmware leaves it to a kernel: in S-mode, traps delegated."""
        check_open(self._open, f"creating vcpu {number}")
        if number != 0 or self._vcpu is not None:
            raise KvmError(f"creating vcpu {number}: accepted is one, number 0.")
        self._processor = Processor(WINDOW_BYTES)
        for slot in self._slots.values():
            self._map(slot)
        polling = HaltPolling()
        if self._halt_poll_ns is not None:
            polling.max_ns = self._halt_poll_ns
        self._vcpu = Vcpu(self, self._processor, polling)
        return self._vcpu

    def close(self) -> None:
        """Close the vcpu and let go of the memory, which keeps what is in it."""
        self._open = False
        if self._vcpu is not None:
            for _, memory in self.guest_memory():
                memory.move(None)
            self._vcpu.close()
        for event, gsi in self._lines:
            event.attach(self, gsi, False)
        self._vcpu = self._processor = None
        self._slots.clear()
        self._events.clear()
        self._kvm.drop(self)
