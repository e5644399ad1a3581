"""Which system calls make a box, and how does Python reach them?

Python's standard library has no `unshare` before 3.12, and no `mount`, `pivot_root`, `prctl` or
`capset` at all, so they are called in the C library. Each function here is one call: it returns
nothing and raises OSError with the kernel's error number and what was asked.

Sources: the kernel's user headers (linux/sched.h, linux/mount.h, linux/prctl.h,
linux/capability.h, asm/unistd.h of Linux 6.1) and Linux man-pages 6.03: unshare(2), mount(2),
umount2(2), pivot_root(2), prctl(2), capset(2), netdevice(7).
"""

import ctypes
import functools
import os
import platform

# The namespaces in the order of the kernel's own documentation, namespaces(7), with their flags.
CLONE_FLAGS = {
    "user": 0x1000_0000,
    "pid": 0x2000_0000,
    "mount": 0x0002_0000,
    "uts": 0x0400_0000,
    "ipc": 0x0800_0000,
    "net": 0x4000_0000,
    "cgroup": 0x0200_0000,
}

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CAPABILITY_VERSION_3 = 0x2008_0522

# The C library has no function for pivot_root: its number differs from one processor to another.
PIVOT_ROOT = {
    "x86_64": 155,
    "i686": 217,
    "aarch64": 41,
    "riscv64": 41,
    "loongarch64": 41,
    "armv7l": 218,
    "ppc64le": 203,
    "s390x": 217,
}


@functools.cache
def library() -> ctypes.CDLL:
    """The C library that this Python runs on."""
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> None:
    """Raise what the kernel answered, if it answered no."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def text(value: str | None) -> ctypes.c_char_p:
    return ctypes.c_char_p(None if value is None else os.fsencode(value))


def word(value: int) -> ctypes.c_ulong:
    return ctypes.c_ulong(value)


def unshare(flags: int) -> None:
    """Give the caller namespaces of its own; `pid` counts from its next child on."""
    checked(library().unshare(ctypes.c_int(flags)), f"unshare {flags:#x}")


def mount(
    source: str | None, target: str, kind: str | None, flags: int = 0, data: str = ""
) -> None:
    """Mount a file system of a kind, or with MS_BIND a directory that is there already."""
    result = library().mount(
        text(source), text(target), text(kind), word(flags), text(data or None)
    )
    checked(result, f"mount {kind or source or 'flags'} on {target}")


def detach(target: str) -> None:
    """Take a mount, and all below it, out of sight; it ends when its last user does."""
    checked(library().umount2(text(target), ctypes.c_int(MNT_DETACH)), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """Make one mount the root of the mount namespace and move the old root to `put_old`."""
    number = PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(
            f"pivot_root has no known number on {platform.machine()!r}; known: "
            + ", ".join(PIVOT_ROOT)
        )
    checked(library().syscall(word(number), text(new_root), text(put_old)), "pivot_root")


def prctl(option: int, first: int = 0, what: str = "prctl") -> None:
    """Change one property of the calling process."""
    zero = word(0)
    checked(library().prctl(ctypes.c_int(option), word(first), zero, zero, zero), what)


class CapabilityHeader(ctypes.Structure):
    """Which process, and which layout: struct __user_cap_header_struct."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilitySets(ctypes.Structure):
    """32 capabilities' bits in three sets: struct __user_cap_data_struct."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def give_up_capabilities() -> None:
    """Empty the caller's effective, permitted and inheritable sets."""
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    sets = (CapabilitySets * 2)()
    checked(library().capset(ctypes.byref(header), ctypes.byref(sets)), "capset")
