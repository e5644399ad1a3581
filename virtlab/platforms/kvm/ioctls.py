"""What does the real device understand? The ioctls of /dev/kvm on x86-64, and their structures.

An ioctl's number holds the direction, the size of its argument, the type (0xAE for KVM) and a
number; `_io`, `_iow`, `_ior` and `_iowr` build it as the kernel's macros do.

Sources: Linux 6.12, include/uapi/linux/kvm.h and arch/x86/include/uapi/asm/kvm.h;
include/uapi/asm-generic/ioctl.h.
"""

import ctypes

KVMIO = 0xAE
U8, U16, U32, U64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64
GENERAL = "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags"


def fields(names: str, kind) -> tuple:
    """Fields of a structure, all of one kind."""
    return tuple((name, kind) for name in names.split())


class Regs(ctypes.Structure):
    """The general registers (struct kvm_regs)."""

    _fields_ = fields(GENERAL, U64)


class Segment(ctypes.Structure):
    """A segment register with what is behind its selector (struct kvm_segment)."""

    _fields_ = (
        ("base", U64),
        ("limit", U32),
        ("selector", U16),
        *fields("type present dpl db s l g avl unusable padding", U8),
    )


class DescriptorTable(ctypes.Structure):
    """Base and limit of GDT or IDT (struct kvm_dtable)."""

    _fields_ = (("base", U64), ("limit", U16), ("padding", U16 * 3))


class Sregs(ctypes.Structure):
    """Segments, control registers, EFER (struct kvm_sregs)."""

    _fields_ = (
        *fields("cs ds es fs gs ss tr ldt", Segment),
        ("gdt", DescriptorTable),
        ("idt", DescriptorTable),
        *fields("cr0 cr2 cr3 cr4 cr8 efer apic_base", U64),
        ("interrupt_bitmap", U64 * 4),
    )


class MemoryRegion(ctypes.Structure):
    """A memory slot (struct kvm_userspace_memory_region)."""

    _fields_ = (
        ("slot", U32),
        ("flags", U32),
        ("guest_phys_addr", U64),
        ("memory_size", U64),
        ("userspace_addr", U64),
    )


class DirtyLog(ctypes.Structure):
    """Which slot, and where its bitmap shall go (struct kvm_dirty_log)."""

    _fields_ = (("slot", U32), ("padding", U32), ("dirty_bitmap", U64))


class IrqLevel(ctypes.Structure):
    """An interrupt line and its level (struct kvm_irq_level)."""

    _fields_ = (("irq", U32), ("level", U32))


class IrqFd(ctypes.Structure):
    """An eventfd that raises an interrupt line (struct kvm_irqfd)."""

    _fields_ = (
        ("fd", U32),
        ("gsi", U32),
        ("flags", U32),
        ("resamplefd", U32),
        ("padding", U8 * 16),
    )


class IoEventFd(ctypes.Structure):
    """An address whose stores go to an eventfd (struct kvm_ioeventfd)."""

    _fields_ = (
        ("datamatch", U64),
        ("addr", U64),
        ("len", U32),
        ("fd", ctypes.c_int32),
        ("flags", U32),
        ("padding", U8 * 36),
    )


class CoalescedZone(ctypes.Structure):
    """Addresses whose stores may wait (struct kvm_coalesced_mmio_zone)."""

    _fields_ = (("addr", U64), ("size", U32), ("pio", U32))


class CoalescedStore(ctypes.Structure):
    """One store that waits (struct kvm_coalesced_mmio)."""

    _fields_ = (("phys_addr", U64), ("len", U32), ("pio", U32), ("data", U8 * 8))


class CoalescedHeader(ctypes.Structure):
    """The ring's ends: the program takes at `first`, the kernel puts at `last`."""

    _fields_ = (("first", U32), ("last", U32))


class EnableCap(ctypes.Structure):
    """A capability to switch on, with arguments (struct kvm_enable_cap)."""

    _fields_ = (("cap", U32), ("flags", U32), ("args", U64 * 4), ("padding", U8 * 64))


class StatsHeader(ctypes.Structure):
    """Where a file of counters has its descriptors and its data (struct kvm_stats_header)."""

    _fields_ = fields("flags name_size num_desc id_offset desc_offset data_offset", U32)


class StatsDescriptor(ctypes.Structure):
    """One counter; its name follows (struct kvm_stats_desc)."""

    _fields_ = (
        ("flags", U32),
        ("exponent", ctypes.c_int16),
        ("size", U16),
        ("offset", U32),
        ("bucket_size", U32),
    )


def _request(direction: int, number: int, n_bytes: int) -> int:
    return direction << 30 | n_bytes << 16 | KVMIO << 8 | number


def _io(number: int) -> int:
    return _request(0, number, 0)


def _iow(number: int, kind) -> int:
    return _request(1, number, ctypes.sizeof(kind))


def _ior(number: int, kind) -> int:
    return _request(2, number, ctypes.sizeof(kind))


KVM_GET_API_VERSION = _io(0x00)
KVM_CREATE_VM = _io(0x01)
KVM_CHECK_EXTENSION = _io(0x03)
KVM_GET_VCPU_MMAP_SIZE = _io(0x04)
KVM_CREATE_VCPU = _io(0x41)
KVM_GET_DIRTY_LOG = _iow(0x42, DirtyLog)
KVM_SET_USER_MEMORY_REGION = _iow(0x46, MemoryRegion)
KVM_CREATE_IRQCHIP = _io(0x60)
KVM_IRQ_LINE = _iow(0x61, IrqLevel)
KVM_REGISTER_COALESCED_MMIO = _iow(0x67, CoalescedZone)
KVM_UNREGISTER_COALESCED_MMIO = _iow(0x68, CoalescedZone)
KVM_IRQFD = _iow(0x76, IrqFd)
KVM_IOEVENTFD = _iow(0x79, IoEventFd)
KVM_RUN = _io(0x80)
KVM_GET_REGS = _ior(0x81, Regs)
KVM_SET_REGS = _iow(0x82, Regs)
KVM_GET_SREGS = _ior(0x83, Sregs)
KVM_SET_SREGS = _iow(0x84, Sregs)
KVM_ENABLE_CAP = _iow(0xA3, EnableCap)
KVM_GET_STATS_FD = _io(0xCE)

KVM_IRQFD_DEASSIGN = 1
KVM_IOEVENTFD_DATAMATCH, KVM_IOEVENTFD_PIO, KVM_IOEVENTFD_DEASSIGN = 1, 2, 4
KVM_STATS_TYPE_MASK = 0xF
KVM_STATS_TYPE_HISTOGRAMS = (3, 4)  # linear, logarithmic: not one number
