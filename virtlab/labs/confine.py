"""What may a learner's code do to the computer it runs on? Nothing but compute.

`confine` is called in the child process before any of the learner's text is looked at. It puts up
three fences, from the outside in:

    kernel     a seccomp filter (Linux, x86-64 and AArch64): all system calls are refused but those
               by which a process computes, allocates memory, and talks over pipes it already has
    limits     CPU time, memory, no files (where the platform has `resource`)
    Python     an audit hook refuses files, processes, sockets and foreign code with a sentence, and
               notes what was tried

The first is the one that holds against an adversary. Where it is missing, the others hold against
accidents, and `confine` says so. This file is run by itself, without the package around it.

Sources: Linux, Documentation/userspace-api/seccomp_filter.rst; include/uapi/linux/seccomp.h,
filter.h and audit.h; the system-call numbers of arch/x86/entry/syscalls/syscall_64.tbl and of
include/uapi/asm-generic/unistd.h; Python library reference, "Audit events table".
"""

import ctypes
import os
import platform
import signal
import struct
import sys

try:
    import resource
except ImportError:  # Windows
    resource = None

# Allowed system calls: read write close fstat lseek mmap mprotect munmap brk rt_sigaction
# rt_sigprocmask rt_sigreturn mremap madvise getpid exit sigaltstack gettid futex clock_gettime
# exit_group getrandom. The first number names the architecture for the kernel (AUDIT_ARCH).
ALLOWED_CALLS = {
    "x86_64": (
        0xC000003E,
        (0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 25, 28, 39, 60, 131, 186, 202, 228, 231, 318),
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 216, 233, 172, 93, 132, 178),
            *(98, 113, 94, 278),
        ),
    ),
}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
RETURN_ALLOW, RETURN_EPERM, RETURN_KILL = 0x7FFF0000, 0x00050001, 0x80000000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
OFFSET_NUMBER, OFFSET_ARCHITECTURE = 0, 4  # in struct seccomp_data

REFUSED_EVENTS = (
    *("open", "os.", "socket.", "subprocess.", "ctypes.", "shutil.", "tempfile.", "pty.", "fcntl."),
    *("mmap.", "signal.", "resource.", "syslog.", "webbrowser.", "winreg.", "_winapi.", "msvcrt."),
    *("glob.", "pathlib.", "sqlite3.", "urllib.", "sys.settrace", "sys.setprofile"),
)


def filter_program(architecture: int, calls) -> bytes:
    """The seccomp filter as BPF instructions: (code, jump if true, jump if false, operand) each."""
    steps = [(LOAD_WORD, 0, 0, OFFSET_ARCHITECTURE), (JUMP_IF_EQUAL, 1, 0, architecture)]
    steps += [(RETURN, 0, 0, RETURN_KILL), (LOAD_WORD, 0, 0, OFFSET_NUMBER)]
    for k, number in enumerate(calls):
        steps.append((JUMP_IF_EQUAL, len(calls) - k, 0, number))
    steps += [(RETURN, 0, 0, RETURN_EPERM), (RETURN, 0, 0, RETURN_ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def refuse_system_calls() -> bool:
    """Install the filter, for ever; False where there is none for this platform."""
    if not sys.platform.startswith("linux") or platform.machine() not in ALLOWED_CALLS:
        return False
    if sys.maxsize < 1 << 32:
        return False
    program = filter_program(*ALLOWED_CALLS[platform.machine()])
    held = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, and where they are
    header = ctypes.create_string_buffer(
        struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_ulong(n) for n in (1, 0, 0, 0)]
    if libc.prctl(PR_SET_NO_NEW_PRIVS, *arguments) != 0:
        return False
    where = ctypes.c_void_p(ctypes.addressof(header))
    mode = ctypes.c_ulong(SECCOMP_MODE_FILTER)
    return libc.prctl(PR_SET_SECCOMP, mode, where, ctypes.c_ulong(0), ctypes.c_ulong(0)) == 0


def limit(cpu_seconds: float, memory_bytes: int) -> None:
    """Limits of CPU time and memory, and none of the resources that an answer has no use for.

    The timer ends the process at the fraction of a second that was asked for; the resource limit
    ends one that has found a way to ignore the timer.
    """
    if resource is None:
        return
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    whole = int(cpu_seconds) + 1
    wanted = {
        "RLIMIT_CPU": (whole, whole + 1),
        "RLIMIT_AS": (memory_bytes, memory_bytes),
        "RLIMIT_FSIZE": (0, 0),
        "RLIMIT_CORE": (0, 0),
    }
    for name, pair in wanted.items():
        try:
            resource.setrlimit(getattr(resource, name), pair)
        except (AttributeError, ValueError, OSError):
            continue  # not every platform has or grants each


def refuse_events(tried: list[str]) -> None:
    """Refuse what `REFUSED_EVENTS` names with a sentence, and note it in `tried`."""

    def hook(event, arguments):
        if not event.startswith(REFUSED_EVENTS):
            return
        what = event
        if event == "open" and arguments and arguments[0] == "<answer>":
            raise FileNotFoundError("<answer>")  # Python looks for the line of a syntax error
        if event == "open" and arguments and isinstance(arguments[0], str | bytes):
            what = f"open {str(arguments[0])[:80]}"
        if len(tried) < 8:
            tried.append(what)
        raise PermissionError(f"an answer may not use files, processes or the network: {what}")

    sys.addaudithook(hook)


def confine(cpu_seconds: float, memory_bytes: int, tried: list[str]) -> str:
    """Put up the fences; returns "kernel" if the kernel holds them, else "python"."""
    limit(cpu_seconds, memory_bytes)
    held = refuse_system_calls()
    for name in ("kill", "fork", "forkpty", "killpg", "setuid", "chroot"):  # without an audit event
        for module in (os, sys.modules.get("posix")):
            if module is not None and hasattr(module, name):
                delattr(module, name)
    refuse_events(tried)
    return "kernel" if held else "python"
