"""What do a program and KVM say to one another? Numbers, records and names that both sides share.

    /dev/kvm        open         api_version, check_extension, create_vm
    a VM            create_vm    set_user_memory_region, get_dirty_log, create_irqchip, irq_line,
                                 ioeventfd, irqfd, register_coalesced_mmio, create_vcpu
    a vcpu          create_vcpu  get_regs, set_regs, get_sregs, set_sregs, run

A vcpu has a page that the kernel and the program share, `Run`: after each run it holds the exit
reason and, in a record of its own, what the guest wants. The program answers in the same record and
runs the vcpu again. device.py speaks this to the kernel of the machine at hand, model.py to the
model; a program that keeps to the names here runs on both.

Source: Linux 6.12, include/uapi/linux/kvm.h, and Documentation/virt/kvm/api.rst, sections "General
description", "API description" and "The kvm_run structure".
"""

import ctypes
import enum

KVM_API_VERSION = 12
PAGE_BYTES = 4096


class ExitReason(enum.IntEnum):
    """Why KVM_RUN has come back; the numbers are the kernel's."""

    KVM_EXIT_UNKNOWN = 0
    KVM_EXIT_EXCEPTION = 1
    KVM_EXIT_IO = 2
    KVM_EXIT_HYPERCALL = 3
    KVM_EXIT_DEBUG = 4
    KVM_EXIT_HLT = 5
    KVM_EXIT_MMIO = 6
    KVM_EXIT_IRQ_WINDOW_OPEN = 7
    KVM_EXIT_SHUTDOWN = 8
    KVM_EXIT_FAIL_ENTRY = 9
    KVM_EXIT_INTR = 10
    KVM_EXIT_INTERNAL_ERROR = 17
    KVM_EXIT_SYSTEM_EVENT = 24


KVM_EXIT_UNKNOWN = ExitReason.KVM_EXIT_UNKNOWN
KVM_EXIT_EXCEPTION = ExitReason.KVM_EXIT_EXCEPTION
KVM_EXIT_IO = ExitReason.KVM_EXIT_IO
KVM_EXIT_HYPERCALL = ExitReason.KVM_EXIT_HYPERCALL
KVM_EXIT_DEBUG = ExitReason.KVM_EXIT_DEBUG
KVM_EXIT_HLT = ExitReason.KVM_EXIT_HLT
KVM_EXIT_MMIO = ExitReason.KVM_EXIT_MMIO
KVM_EXIT_IRQ_WINDOW_OPEN = ExitReason.KVM_EXIT_IRQ_WINDOW_OPEN
KVM_EXIT_SHUTDOWN = ExitReason.KVM_EXIT_SHUTDOWN
KVM_EXIT_FAIL_ENTRY = ExitReason.KVM_EXIT_FAIL_ENTRY
KVM_EXIT_INTR = ExitReason.KVM_EXIT_INTR
KVM_EXIT_INTERNAL_ERROR = ExitReason.KVM_EXIT_INTERNAL_ERROR
KVM_EXIT_SYSTEM_EVENT = ExitReason.KVM_EXIT_SYSTEM_EVENT

KVM_EXIT_IO_IN, KVM_EXIT_IO_OUT = 0, 1
KVM_SYSTEM_EVENT_SHUTDOWN, KVM_SYSTEM_EVENT_RESET = 1, 2
KVM_INTERNAL_ERROR_EMULATION = 1
KVM_HC_MAP_GPA_RANGE = 12  # the hypercall that x86 can be told to hand out

KVM_MEM_LOG_DIRTY_PAGES = 1
KVM_MEM_READONLY = 2


class Capability(enum.IntEnum):
    """What can be asked for with check_extension; the numbers are the kernel's."""

    KVM_CAP_IRQCHIP = 0
    KVM_CAP_USER_MEMORY = 3
    KVM_CAP_NR_VCPUS = 9
    KVM_CAP_NR_MEMSLOTS = 10
    KVM_CAP_COALESCED_MMIO = 15
    KVM_CAP_IRQFD = 32
    KVM_CAP_IOEVENTFD = 36
    KVM_CAP_S390_UCONTROL = 73  # of another architecture: neither machine here has it
    KVM_CAP_READONLY_MEM = 81
    KVM_CAP_IMMEDIATE_EXIT = 136
    KVM_CAP_HALT_POLL = 182
    KVM_CAP_EXIT_HYPERCALL = 201
    KVM_CAP_BINARY_STATS_FD = 203


class KvmError(RuntimeError):
    """KVM has refused; the message is one sentence: what, where, and what is accepted.

    errno : the number that the kernel gave, 0 if it gave none
    """

    def __init__(self, sentence: str, errno: int = 0):
        super().__init__(sentence)
        self.errno = errno


# The page that kernel and program share


class _Data(ctypes.Structure):
    @property
    def value(self) -> int:
        """The bytes as a little-endian number."""
        return int.from_bytes(bytes(self.data)[: self.len], "little")

    @value.setter
    def value(self, number: int) -> None:
        self.data[:] = (number & (1 << 64) - 1).to_bytes(8, "little")


class Mmio(_Data):
    """An access to a guest physical address that no memory slot answers.

    phys_addr, len : where, and how many bytes (1 to 8)
    is_write : 1 if the guest stores `data`; else the program puts there what the guest shall load
    value : the same bytes as a number
    """

    _fields_ = (
        ("phys_addr", ctypes.c_uint64),
        ("data", ctypes.c_uint8 * 8),
        ("len", ctypes.c_uint32),
        ("is_write", ctypes.c_uint8),
    )


class Io(ctypes.Structure):
    """An access to an x86 port; `count` times `size` bytes are at `data_offset`: Run.io_data."""

    _fields_ = (
        ("direction", ctypes.c_uint8),
        ("size", ctypes.c_uint8),
        ("port", ctypes.c_uint16),
        ("count", ctypes.c_uint32),
        ("data_offset", ctypes.c_uint64),
    )


class Hypercall(ctypes.Structure):
    """The guest asks its hypervisor: number, six arguments; the program answers in `ret`."""

    _fields_ = (
        ("nr", ctypes.c_uint64),
        ("args", ctypes.c_uint64 * 6),
        ("ret", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    )


class Internal(ctypes.Structure):
    """What KVM could not do: KVM_INTERNAL_ERROR_EMULATION is an instruction it cannot emulate."""

    _fields_ = (
        ("suberror", ctypes.c_uint32),
        ("ndata", ctypes.c_uint32),
        ("data", ctypes.c_uint64 * 16),
    )


class SystemEvent(ctypes.Structure):
    """The guest ends or restarts its machine: KVM_SYSTEM_EVENT_SHUTDOWN, _RESET."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("ndata", ctypes.c_uint32),
        ("data", ctypes.c_uint64 * 16),
    )


class FailEntry(ctypes.Structure):
    """Why the processor would not enter the guest, in the processor's own numbers."""

    _fields_ = (("hardware_entry_failure_reason", ctypes.c_uint64), ("cpu", ctypes.c_uint32))


class _Records(ctypes.Union):
    _fields_ = (
        ("mmio", Mmio),
        ("io", Io),
        ("hypercall", Hypercall),
        ("internal", Internal),
        ("system_event", SystemEvent),
        ("fail_entry", FailEntry),
        ("_padding", ctypes.c_uint8 * 256),
    )


SHUTDOWN = (
    "the guest's processor has given up, since the handler of a fault cannot be reached either "
    "(on x86 a triple fault)"
)


class Run(ctypes.Structure):
    """The page shared with the kernel (struct kvm_run): why the guest left, and the answer.

    exit_reason : see ExitReason; `reason` is the same with its name
    immediate_exit : set to 1, the next run comes back at once with KVM_EXIT_INTR
    mmio, io, hypercall, internal, system_event, fail_entry : the record for that reason
    """

    _anonymous_ = ("records",)
    _fields_ = (
        ("request_interrupt_window", ctypes.c_uint8),
        ("immediate_exit", ctypes.c_uint8),
        ("_padding", ctypes.c_uint8 * 6),
        ("exit_reason", ctypes.c_uint32),
        ("ready_for_interrupt_injection", ctypes.c_uint8),
        ("if_flag", ctypes.c_uint8),
        ("flags", ctypes.c_uint16),
        ("cr8", ctypes.c_uint64),
        ("apic_base", ctypes.c_uint64),
        ("records", _Records),
    )

    @property
    def reason(self) -> ExitReason:
        """The exit reason with its name; a KvmError for a number that is not in ExitReason."""
        try:
            return ExitReason(self.exit_reason)
        except ValueError:
            raise KvmError(
                f"the kernel gives exit reason {self.exit_reason}, which is not among those known "
                f"here: {', '.join(str(int(known)) for known in ExitReason)}."
            ) from None

    @property
    def io_data(self) -> bytes:
        """The bytes of a port access; assign what an `in` shall read."""
        return ctypes.string_at(*self._io_place())

    @io_data.setter
    def io_data(self, data: bytes) -> None:
        at, n_bytes = self._io_place()
        if len(data) != n_bytes:
            raise ValueError(f"the access is of {n_bytes} bytes; given are {len(data)}.")
        ctypes.memmove(at, bytes(data), n_bytes)

    def _io_place(self) -> tuple[int, int]:
        if self.exit_reason != KVM_EXIT_IO:
            raise ValueError(f"{self.reason.name} has no data of a port; KVM_EXIT_IO has.")
        return ctypes.addressof(self) + self.io.data_offset, self.io.size * self.io.count

    def __str__(self) -> str:
        return f"{self.reason.name}: {self._said()}."

    def _said(self) -> str:
        reason = self.exit_reason
        if reason == KVM_EXIT_MMIO:
            mmio = self.mmio
            kind = f"store of {mmio.value:#x} to" if mmio.is_write else "load from"
            return f"{mmio.len}-byte {kind} {mmio.phys_addr:#x}, where there is no memory slot"
        if reason == KVM_EXIT_IO:
            kind = "in from"
            if self.io.direction == KVM_EXIT_IO_OUT:
                kind = f"out of {int.from_bytes(self.io_data, 'little'):#x} to"
            times = "" if self.io.count == 1 else f"{self.io.count} times "
            return f"{times}{self.io.size}-byte {kind} port {self.io.port:#x}"
        if reason == KVM_EXIT_HYPERCALL:
            return f"hypercall {self.hypercall.nr:#x}"
        if reason == KVM_EXIT_SYSTEM_EVENT:
            kinds = {KVM_SYSTEM_EVENT_SHUTDOWN: "ends", KVM_SYSTEM_EVENT_RESET: "restarts"}
            return f"the guest {kinds.get(self.system_event.type, 'changes')} its machine"
        if reason == KVM_EXIT_INTERNAL_ERROR:
            if self.internal.suberror == KVM_INTERNAL_ERROR_EMULATION:
                return "an instruction that KVM would have to emulate is not one it can"
            return f"KVM cannot go on, suberror {self.internal.suberror}"
        if reason == KVM_EXIT_FAIL_ENTRY:
            why = self.fail_entry.hardware_entry_failure_reason
            return f"the processor refuses the vcpu's registers, its reason is {why:#x}"
        said = {
            KVM_EXIT_HLT: "the guest has nothing to do",
            KVM_EXIT_SHUTDOWN: SHUTDOWN,
            KVM_EXIT_INTR: "a signal or immediate_exit, not the guest, has ended the run",
        }
        return said.get(reason, "nothing more is known")


# What both implementations check before they ask anybody


def check_slot(slot: int, gpa: int, n_bytes: int, flags: int, slots: dict, n_slots: int) -> None:
    """Refuse a memory slot that cannot be, in one sentence.

    Parameters
    ----------
    n_bytes : 0 to take the slot away
    slots : {slot: (gpa, n_bytes)} of those that exist
    n_slots : how many there may be

    Raises
    ------
    ValueError
        the number, the address, the size or the flags are not acceptable, or it overlaps another
    """
    if not 0 <= slot < n_slots:
        raise ValueError(f"memory slot {slot}: accepted are 0 to {n_slots - 1}.")
    if n_bytes == 0 and slot not in slots:
        raise ValueError(f"memory slot {slot}: there is none; there are {sorted(slots)}.")
    if gpa < 0 or gpa % PAGE_BYTES or n_bytes % PAGE_BYTES or n_bytes < 0:
        raise ValueError(
            f"memory slot {slot}: {n_bytes:#x} bytes at {gpa:#x}; accepted are whole pages, "
            f"multiples of {PAGE_BYTES:#x}."
        )
    if flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY):
        raise ValueError(
            f"memory slot {slot}: flags {flags:#x}; accepted are KVM_MEM_LOG_DIRTY_PAGES (1) and "
            "KVM_MEM_READONLY (2)."
        )
    if gpa + n_bytes > 1 << 64:
        raise ValueError(
            f"memory slot {slot}: {gpa:#x} and {n_bytes:#x} bytes more; accepted is what ends at "
            "2**64 at most."
        )
    if n_bytes and slot in slots and n_bytes != slots[slot][1]:
        raise ValueError(
            f"memory slot {slot}: {n_bytes:#x} bytes, and it has {slots[slot][1]:#x}; accepted is "
            "to take it away (None) first."
        )
    for other, (start, length) in slots.items():
        if other != slot and gpa < start + length and start < gpa + n_bytes:
            raise ValueError(
                f"memory slot {slot}: {gpa:#x} to {gpa + n_bytes:#x} overlaps slot {other}, which "
                f"is {start:#x} to {start + length:#x}; accepted is what no other slot has."
            )


def check_logged(slot: int, flags: dict[int, int]) -> None:
    """Refuse to read the dirty log of a slot that has none."""
    if not flags.get(slot, 0) & KVM_MEM_LOG_DIRTY_PAGES:
        logged = [number for number, held in flags.items() if held & KVM_MEM_LOG_DIRTY_PAGES]
        raise ValueError(
            f"memory slot {slot} has no dirty log; accepted are those with "
            f"KVM_MEM_LOG_DIRTY_PAGES, which are {logged}."
        )


def check_open(is_open: bool, doing: str) -> None:
    """Refuse to use what has been closed."""
    if not is_open:
        raise KvmError(f"{doing}: it has been closed; accepted is one that is open.")


def check_memory(memory, n_bytes: int, at: int) -> None:
    """Refuse an access outside user memory."""
    if at < 0 or n_bytes < 0 or at + n_bytes > len(memory):
        raise ValueError(
            f"{n_bytes} bytes at {at:#x} are outside the memory; accepted are 0 to "
            f"{len(memory):#x}."
        )


def dirty_pages(bitmap: bytes) -> list[int]:
    """The numbers of the pages whose bits are set, page 0 being the slot's first."""
    return [
        8 * k + bit for k, byte in enumerate(bitmap) if byte for bit in range(8) if byte >> bit & 1
    ]
