"""How does a program run a guest on the processor at hand? It opens /dev/kvm, and asks by ioctl.

Three kinds of file descriptors, each made from the one above it:

    /dev/kvm    Kvm     what the kernel can do
    a VM        Vm      memory slots, interrupt lines, eventfds
    a vcpu      Vcpu    registers, KVM_RUN, and the page `Run` that it shares with the kernel

The guest's memory is this process's own: a slot says that guest physical addresses from one on are
the pages of a `UserMemory`. While a guest runs, KVM_RUN does not return; what it returns with is
the exit reason. A signal ends the run as well (KVM_EXIT_INTR).

Works on Linux, x86-64, with the standard library. `close` (or `with`) gives everything back: a VM
closes its vcpus, a Kvm its VMs, and memory is unmapped with the last slot that uses it.

Source: Linux 6.12, Documentation/virt/kvm/api.rst, a section for each ioctl.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import platform
import select
import threading
from collections import namedtuple

from virtlab.platforms.kvm import ioctls as io
from virtlab.platforms.kvm import x86
from virtlab.platforms.kvm.api import (
    KVM_API_VERSION,
    KVM_EXIT_INTR,
    PAGE_BYTES,
    Capability,
    KvmError,
    Run,
    check_logged,
    check_memory,
    check_open,
    check_slot,
    dirty_pages,
)

try:
    import fcntl
except ImportError:  # not a Unix: opening says so
    fcntl = None

ARCHITECTURE = "x86-64"
RAM_BASE = 0  # where a machine of this architecture has its memory
GUESTS = x86.GUESTS
ASSIGNABLE = ()  # a real device of the reader's is not taken from its driver here
PATH = "/dev/kvm"
RING_BYTES = PAGE_BYTES  # of stores that wait

Probe = namedtuple("Probe", "works sentence")
Probe.__doc__ = (
    """Whether the device can be used here, and one sentence that says so or says why not."""
)

REFUSALS = {
    errno.ENOENT: "there is no such device: the kernel has no KVM, or this is a container without "
    "it",
    errno.EACCES: "this user may not open it; the owner of the machine can add the user to the "
    "group kvm",
    errno.EPERM: "this user may not open it, or a container forbids it",
    errno.ENODEV: "the processor's virtualization is off or missing",
    errno.ENXIO: "the processor's virtualization is off or missing",
}


def probe(path: str = PATH) -> Probe:
    """Open the device and close it again: the only way to know that it works."""
    try:
        Kvm(path).close()
    except KvmError as refusal:
        return Probe(False, str(refusal))
    return Probe(True, f"{path} opens and speaks version {KVM_API_VERSION}.")


def _ask(fd: int, request: int, argument, doing: str):
    """One ioctl; its refusal is a KvmError that says what was being done."""
    check_open(fd >= 0, doing)
    try:
        return fcntl.ioctl(fd, request, argument)
    except OSError as refusal:
        why = os.strerror(refusal.errno)
        raise KvmError(f"{doing}: the kernel refuses ({why}).", refusal.errno) from None


class EventFd:
    """A counter in the kernel that guest, kernel and program can wait for and signal."""

    def __init__(self):
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread: threading.Thread | None = None
        self._closing = False

    def signal(self, n: int = 1) -> None:
        """Add `n` to the counter."""
        os.eventfd_write(self.fd, n)

    def take(self) -> int:
        """What the counter has come to since it was last taken; 0 if nobody has signalled."""
        try:
            return os.eventfd_read(self.fd)
        except BlockingIOError:
            return 0

    def attend(self, function) -> None:
        """Have a thread call `function(n)` after `n` signals or more, until this is closed."""
        self._thread = threading.Thread(target=self._wait, args=(function,), daemon=True)
        self._thread.start()

    def _wait(self, function) -> None:
        while True:
            select.select([self.fd], [], [])
            n = self.take()
            if self._closing:
                return
            function(n)

    def close(self) -> None:
        """Give the descriptor back; a thread that attends to it ends first."""
        if self._thread is not None:
            self._closing = True
            self.signal()
            self._thread.join()
            self._thread = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class UserMemory:
    """Pages of this process that a guest can have as its memory: read, write, slices."""

    def __init__(self, n_bytes: int):
        if n_bytes <= 0 or n_bytes % PAGE_BYTES:
            raise ValueError(f"{n_bytes:#x} bytes: accepted are multiples of {PAGE_BYTES:#x}.")
        self._map = mmap.mmap(-1, n_bytes)

    def __len__(self) -> int:
        return len(self._map)

    def read(self, at: int, n_bytes: int) -> bytes:
        """`n_bytes` from offset `at` on."""
        check_memory(self, n_bytes, at)
        return self._map[at : at + n_bytes]

    def write(self, at: int, data: bytes) -> None:
        """Put `data` at offset `at`."""
        check_memory(self, len(data), at)
        self._map[at : at + len(data)] = bytes(data)

    def hold(self):
        """The first byte as an object; the pages stay mapped as long as somebody has it."""
        return ctypes.c_uint8.from_buffer(self._map)

    def close(self) -> None:
        """Unmap the pages; those that a slot still uses, when it goes."""
        with contextlib.suppress(BufferError):
            self._map.close()


class Kvm:
    """/dev/kvm, open.

    Raises
    ------
    KvmError
        it cannot be opened, or speaks another version; the sentence says why

    Examples
    --------
    The whole life of a guest; model.Kvm() takes the place of Kvm() without another change.

        with Kvm() as kvm:
            vm = kvm.create_vm()
            memory = kvm.user_memory(0x10000)
            vm.set_user_memory_region(0, RAM_BASE, memory)
            vcpu = vm.create_vcpu()
            GUESTS["halt"].start(vcpu, memory)
            print(vcpu.run())
    """

    def __init__(self, path: str = PATH):
        self.fd = -1
        self._vms: list[Vm] = []
        if fcntl is None or platform.machine() != "x86_64":
            raise KvmError(
                f"{path} is used here on Linux with an x86-64 processor; this is "
                f"{platform.system()} on {platform.machine()}."
            )
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as refusal:
            why = REFUSALS.get(refusal.errno, os.strerror(refusal.errno))
            raise KvmError(f"{path} does not open: {why}.", refusal.errno) from None
        try:
            version = _ask(self.fd, io.KVM_GET_API_VERSION, 0, f"asking {path} for its version")
            if version != KVM_API_VERSION:
                raise KvmError(f"{path} speaks version {version}; accepted is {KVM_API_VERSION}.")
        except KvmError:
            self.close()
            raise

    def api_version(self) -> int:
        """KVM_GET_API_VERSION: 12 since 2007."""
        return _ask(self.fd, io.KVM_GET_API_VERSION, 0, "asking for the version")

    def check_extension(self, capability: int) -> int:
        """KVM_CHECK_EXTENSION: 0 if the kernel has it not, else 1 or a number that it explains."""
        doing = f"asking for capability {capability}"
        return _ask(self.fd, io.KVM_CHECK_EXTENSION, int(capability), doing)

    def require(self, capability: int) -> int:
        """check_extension, with a KvmError where that gives 0."""
        found = self.check_extension(capability)
        if not found:
            name = Capability(capability).name
            raise KvmError(f"{name}: this kernel does not support it on this processor.")
        return found

    def user_memory(self, n_bytes: int) -> UserMemory:
        """Fresh pages, zeroed, for a slot."""
        return UserMemory(n_bytes)

    def eventfd(self) -> EventFd:
        """A fresh eventfd, for ioeventfd and irqfd."""
        return EventFd()

    def create_vm(self) -> "Vm":
        """KVM_CREATE_VM: a machine without memory and processors."""
        vm = Vm(self, _ask(self.fd, io.KVM_CREATE_VM, 0, "creating a VM"))
        self._vms.append(vm)
        return vm

    def drop(self, vm: "Vm") -> None:
        """Forget a VM that has been closed."""
        if vm in self._vms:
            self._vms.remove(vm)

    def close(self) -> None:
        """Close every VM and the device."""
        for vm in list(self._vms):
            vm.close()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> "Kvm":
        return self

    def __exit__(self, *_) -> None:
        self.close()


class Vm:
    """A virtual machine; made by Kvm.create_vm."""

    def __init__(self, kvm: Kvm, fd: int):
        self._kvm = kvm
        self.fd = fd
        self._vcpus: list[Vcpu] = []
        self._slots: dict[int, tuple[int, int]] = {}
        self._held: dict[int, tuple] = {}

    def set_user_memory_region(self, slot: int, gpa: int, memory: UserMemory | None, flags=0):
        """KVM_SET_USER_MEMORY_REGION: from `gpa` on the guest finds `memory`; None: no more.

        Parameters
        ----------
        slot : the number of the slot; one that exists is changed
        flags : KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY

        Raises
        ------
        ValueError
            see api.check_slot
        """
        n_slots = self._kvm.check_extension(Capability.KVM_CAP_NR_MEMSLOTS)
        n_bytes = 0 if memory is None else len(memory)
        check_slot(slot, gpa, n_bytes, flags, self._slots, n_slots)
        first = None if memory is None else memory.hold()
        where = 0 if first is None else ctypes.addressof(first)
        region = io.MemoryRegion(slot, flags, gpa, n_bytes, where)
        _ask(self.fd, io.KVM_SET_USER_MEMORY_REGION, region, f"setting memory slot {slot}")
        if memory is None:
            self._slots.pop(slot, None)
            self._held.pop(slot, None)
        else:
            self._slots[slot] = (gpa, n_bytes)
            self._held[slot] = (first, memory, flags)

    def guest_memory(self) -> list[tuple[int, UserMemory]]:
        """(gpa, memory) of every slot: what a device's DMA goes to."""
        return [(self._slots[slot][0], self._held[slot][1]) for slot in self._slots]

    def get_dirty_log(self, slot: int) -> list[int]:
        """KVM_GET_DIRTY_LOG: pages that the guest has written since this was last asked.

        Numbers count from the slot's first page. What this program itself writes is not logged.

        Raises
        ------
        ValueError
            the slot does not exist, or keeps no log
        """
        check_logged(slot, {number: held[2] for number, held in self._held.items()})
        bitmap = bytearray(-(-self._slots[slot][1] // PAGE_BYTES // 64) * 8)
        there = ctypes.c_uint8.from_buffer(bitmap)
        log = io.DirtyLog(slot, 0, ctypes.addressof(there))
        _ask(self.fd, io.KVM_GET_DIRTY_LOG, log, f"reading the dirty log of slot {slot}")
        return dirty_pages(bitmap)

    def create_irqchip(self) -> None:
        """KVM_CREATE_IRQCHIP: interrupt controllers in the kernel. Before the first vcpu."""
        _ask(self.fd, io.KVM_CREATE_IRQCHIP, 0, "creating the interrupt controllers")

    def irq_line(self, irq: int, level: int) -> None:
        """KVM_IRQ_LINE: set an input line of the interrupt controllers to 0 or 1."""
        line = io.IrqLevel(irq, level)
        _ask(self.fd, io.KVM_IRQ_LINE, line, f"setting interrupt line {irq}")

    def irqfd(self, event: EventFd, gsi: int, deassign: bool = False) -> None:
        """KVM_IRQFD: each signal of `event` raises and lowers interrupt line `gsi`."""
        wanted = io.IrqFd(event.fd, gsi, io.KVM_IRQFD_DEASSIGN if deassign else 0)
        _ask(self.fd, io.KVM_IRQFD, wanted, f"an irqfd for line {gsi}")

    def ioeventfd(
        self, event: EventFd, addr: int, n_bytes: int, datamatch: int | None = None,
        pio: bool = False, deassign: bool = False,
    ) -> None:  # fmt: skip
        """KVM_IOEVENTFD: a store of `n_bytes` to `addr` signals `event`, and the guest goes on.

        Parameters
        ----------
        datamatch : only a store of this value; None: of any
        pio : `addr` is a port
        """
        flags = io.KVM_IOEVENTFD_PIO if pio else 0
        flags |= io.KVM_IOEVENTFD_DEASSIGN if deassign else 0
        flags |= 0 if datamatch is None else io.KVM_IOEVENTFD_DATAMATCH
        wanted = io.IoEventFd(datamatch or 0, addr, n_bytes, event.fd, flags)
        _ask(self.fd, io.KVM_IOEVENTFD, wanted, f"an ioeventfd for {n_bytes} bytes at {addr:#x}")

    def register_coalesced_mmio(self, addr: int, n_bytes: int) -> None:
        """KVM_REGISTER_COALESCED_MMIO: stores there wait in a ring; see Vcpu.coalesced_stores."""
        zone = io.CoalescedZone(addr, n_bytes, 0)
        _ask(self.fd, io.KVM_REGISTER_COALESCED_MMIO, zone, f"stores to {addr:#x} that wait")

    def unregister_coalesced_mmio(self, addr: int, n_bytes: int) -> None:
        """KVM_UNREGISTER_COALESCED_MMIO: stores there exit again."""
        zone = io.CoalescedZone(addr, n_bytes, 0)
        _ask(self.fd, io.KVM_UNREGISTER_COALESCED_MMIO, zone, f"stores to {addr:#x} that exit")

    def enable_cap(self, capability: int, *args: int) -> None:
        """KVM_ENABLE_CAP: switch on what the kernel has but does not do unasked."""
        self._kvm.require(capability)
        wanted = io.EnableCap(int(capability), 0, (ctypes.c_uint64 * 4)(*args))
        _ask(self.fd, io.KVM_ENABLE_CAP, wanted, f"enabling {Capability(capability).name}")

    def create_vcpu(self, number: int = 0) -> "Vcpu":
        """KVM_CREATE_VCPU: a processor, as it is after a reset."""
        fd = _ask(self.fd, io.KVM_CREATE_VCPU, number, f"creating vcpu {number}")
        n_bytes = _ask(self._kvm.fd, io.KVM_GET_VCPU_MMAP_SIZE, 0, "asking for a vcpu's page")
        ring = self._kvm.check_extension(Capability.KVM_CAP_COALESCED_MMIO)
        vcpu = Vcpu(fd, n_bytes, ring * PAGE_BYTES)
        self._vcpus.append(vcpu)
        return vcpu

    def close(self) -> None:
        """Close the vcpus and the VM; let go of its memory."""
        while self._vcpus:
            self._vcpus.pop().close()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self._held.clear()
        self._slots.clear()
        self._kvm.drop(self)


class Vcpu:
    """A virtual processor; made by Vm.create_vcpu.

    kvm_run : the Run page, right after each run
    n_runs : how often it was entered from this program
    """

    def __init__(self, fd: int, n_bytes: int, ring_at: int):
        self.fd = fd
        self.n_runs = 0
        self._page = mmap.mmap(fd, n_bytes)
        self._ring_at = ring_at
        self.kvm_run = Run.from_buffer(self._page)

    def _get(self, kind, request: int):
        found = kind()
        _ask(self.fd, request, found, f"reading {kind.__name__.lower()}")
        return found

    def get_regs(self) -> io.Regs:
        """KVM_GET_REGS: rax to r15, rip, rflags."""
        return self._get(io.Regs, io.KVM_GET_REGS)

    def set_regs(self, regs: io.Regs) -> None:
        """KVM_SET_REGS."""
        _ask(self.fd, io.KVM_SET_REGS, regs, "setting regs")

    def get_sregs(self) -> io.Sregs:
        """KVM_GET_SREGS: segments, tables, control registers, EFER."""
        return self._get(io.Sregs, io.KVM_GET_SREGS)

    def set_sregs(self, sregs: io.Sregs) -> None:
        """KVM_SET_SREGS."""
        _ask(self.fd, io.KVM_SET_SREGS, sregs, "setting sregs")

    def run(self) -> Run:
        """KVM_RUN: the guest runs until it needs somebody; returns the page that says whom.

        What the program answers to an exit reaches the guest at the beginning of the next run:
        registers are right after that, which may be a run with immediate_exit.

        Raises
        ------
        KvmError
            the kernel cannot run the guest as it is
        """
        check_open(self.fd >= 0, "running a vcpu")
        self.n_runs += 1
        try:
            fcntl.ioctl(self.fd, io.KVM_RUN, 0)
        except InterruptedError:
            self.kvm_run.exit_reason = KVM_EXIT_INTR
        except OSError as refusal:
            why = os.strerror(refusal.errno)
            rip = self.get_regs().rip
            raise KvmError(f"KVM_RUN at rip {rip:#x}: {why}.", refusal.errno) from None
        return self.kvm_run

    def coalesced_stores(self) -> list[tuple[int, bytes]]:
        """(guest physical address, data) of the stores that wait, oldest first; takes them out."""
        ring = io.CoalescedHeader.from_buffer(self._page, self._ring_at)
        n_places = (RING_BYTES - ctypes.sizeof(ring)) // ctypes.sizeof(io.CoalescedStore)
        taken = []
        while ring.first != ring.last:
            at = self._ring_at + ctypes.sizeof(ring) + ring.first * 24
            store = io.CoalescedStore.from_buffer(self._page, at)
            taken.append((store.phys_addr, bytes(store.data[: store.len])))
            ring.first = (ring.first + 1) % n_places
        return taken

    def stats(self) -> dict[str, int]:
        """KVM_GET_STATS_FD: what the kernel has counted for this vcpu, by the kernel's names."""
        fd = _ask(self.fd, io.KVM_GET_STATS_FD, 0, "opening the vcpu's counters")
        try:
            header = io.StatsHeader.from_buffer_copy(os.pread(fd, 24, 0))
            step = ctypes.sizeof(io.StatsDescriptor) + header.name_size
            block = os.pread(fd, step * header.num_desc, header.desc_offset)
            counted = {}
            for at in range(0, len(block), step):
                one = io.StatsDescriptor.from_buffer_copy(block, at)
                name = block[at + ctypes.sizeof(one) : at + step].split(b"\0")[0].decode()
                if one.flags & io.KVM_STATS_TYPE_MASK not in io.KVM_STATS_TYPE_HISTOGRAMS:
                    data = os.pread(fd, 8, header.data_offset + one.offset)
                    counted[name] = int.from_bytes(data, "little")
            return counted
        finally:
            os.close(fd)

    def modes(self) -> dict[str, int | None]:
        """What each mode has done: None (guest: nobody counts), exits (kernel), returns (user)."""
        return {"guest": None, "kernel": self.stats()["exits"], "user": self.n_runs}

    def close(self) -> None:
        """Close the vcpu; its page goes with the last Run that somebody keeps."""
        if self.fd >= 0:
            self.kvm_run = None
            with contextlib.suppress(BufferError):
                self._page.close()
            os.close(self.fd)
            self.fd = -1
