"""How does one make a box on Linux, step by step?

A box is an ordinary process that the kernel shows less to. No step here is large: each is a system
call or two, in this order, and `supervisor.py` does nothing but call them.

    who                step
    supervisor         map_user                     from outside: who root inside is outside
    maker              join_groups                  the control groups that limit the box
                       unshare_namespaces           an own view of each kind of object
                       open_sources                 hold what the root will show
                       become_root                  user 0, of the box only
    process 1          set_host_name
                       make_mounts_private          nothing mounted inside is seen outside
                       mount_empty_root, make_tmp, show, make_devices, write_names, mount_proc
                       forbid_namespaces            the box makes none of its own
                       pivot_into                   the new root in, the old one out of sight
                       raise_loopback
                       drop_capabilities, forbid_new_privileges
                       reap
    the command        limit_resources, then exec

Left out beside what container runtimes do: a filter of system calls (seccomp), the masking of
parts of /proc and /sys, device rules, an image's layers, a network to the world.

Sources: Linux man-pages 6.03, namespaces(7), user_namespaces(7), pid_namespaces(7),
mount_namespaces(7), pivot_root(2), cgroups(7), capabilities(7), prctl(2).
"""

import errno
import os
import re
import signal
import socket
import stat
import struct
import sys
from pathlib import Path

from virtlab.containers.linux import calls

if sys.platform != "win32":  # where these modules are missing the steps can still be read
    import fcntl
    import resource

NOBODY = 65534  # the number that Linux keeps for a user who owns nothing
# Where programs and their libraries are. On most systems all but the first are links into it.
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
)
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives")
DEVICES = ("null", "zero", "full", "random", "urandom")
DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "shm": "/tmp",
}
# A directory of outside to mount the new root over. It stays untouched: only the box's own mount
# namespace sees the mount. The first one is taken that holds nothing the box is to be shown.
MOUNT_POINTS = ("/media", "/srv", "/mnt", "/opt", "/home", "/tmp")

MOST_CAPABILITIES = 64  # as many as the sets have bits
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def join_groups(groups: list[str]) -> None:
    """Enter the control groups; every child is born into them."""
    for group in groups:
        Path(group, "cgroup.procs").write_text("0")  # 0: the process that writes


def unshare_namespaces(names: list[str]) -> None:
    """Leave the namespaces of outside; the own ones start empty, or as copies (mount, uts)."""
    flags = 0
    for name in names:
        flags |= calls.CLONE_FLAGS[name]
    calls.unshare(flags)


def map_user(pid: int, uid: int, gid: int) -> None:
    """Say who user 0 and group 0 of the box are outside.

    A box that root starts gets `nobody`: even what escapes owns nothing. An ordinary user can only
    give what it has, itself; and must first give up dropping groups, since a group may also be
    what keeps its members from a file.
    """
    process = Path("/proc", str(pid))
    (process / "setgroups").write_text("deny")
    (process / "uid_map").write_text(f"0 {uid} 1")
    (process / "gid_map").write_text(f"0 {gid} 1")


def open_sources(paths: list[str]) -> dict[str, int]:
    """Open what the root will show, while the process is still who it was outside."""
    return {path: os.open(path, os.O_PATH) for path in paths}


def become_root() -> None:
    """Be user 0 of the own user namespace: every capability over it, none over outside."""
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def set_host_name(name: str) -> None:
    socket.sethostname(name)


def make_mounts_private() -> None:
    """The copy of the mount table no longer hears of changes outside, nor tells of its own."""
    calls.mount("none", "/", None, calls.MS_REC | calls.MS_PRIVATE)


def mount_point(sources: list[str]) -> str:
    """A directory that may be mounted over, since nothing the box needs lies in it."""
    for place in MOUNT_POINTS:
        if Path(place).is_dir() and not any(is_below(source, place) for source in sources):
            return place
    raise OSError("no directory to mount the new root on; looked at " + ", ".join(MOUNT_POINTS))


def is_below(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def mount_empty_root(root: str) -> None:
    """A root in memory, which ends with the last process that sees it."""
    calls.mount("tmpfs", root, "tmpfs", calls.MS_NOSUID | calls.MS_NODEV, "mode=755")


def show(root: str, path: str, source: int) -> None:
    """Let the box see a file or directory of outside, at the same place, read-only."""
    target = Path(root + path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(os.fstat(source).st_mode):
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    bind(f"/proc/self/fd/{source}", str(target))
    make_read_only(str(target))


def show_link(root: str, path: str) -> None:
    """Copy a link such as /bin -> usr/bin."""
    Path(root + path).symlink_to(Path(path).readlink())


def bind(source: str, target: str) -> None:
    """Mount what is at `source`, with all that is mounted below it, at `target` too."""
    calls.mount(source, target, None, calls.MS_BIND | calls.MS_REC)


def make_read_only(target: str) -> None:
    """No writing, no set-user-id programs and no devices in a mount and in those below it.

    The kernel changes one mount at a time, and inside a user namespace it insists on what a mount
    already forbids: hence each one's own `noexec` is kept.
    """
    for place in mounts_below(target):
        kept = os.statvfs(place).f_flag & calls.MS_NOEXEC
        flags = calls.MS_RDONLY | calls.MS_NOSUID | calls.MS_NODEV | kept
        calls.mount("none", place, None, calls.MS_REMOUNT | calls.MS_BIND | flags)


def mounts_below(target: str) -> list[str]:
    """The mounts at and below a directory, outermost first, as /proc/self/mountinfo has them."""
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    places = [unescaped(line.split()[4]) for line in lines]
    return [place for place in dict.fromkeys(places) if is_below(place, target)]


def unescaped(field: bytes) -> str:
    """A path of mountinfo: blanks and the like stand as backslash and three octal digits."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), field))


def make_tmp(root: str) -> None:
    """The one place of the made root where the box can write, in memory."""
    Path(root, "tmp").mkdir(exist_ok=True)
    calls.mount("tmpfs", f"{root}/tmp", "tmpfs", calls.MS_NOSUID | calls.MS_NODEV, "mode=1777")


def make_devices(root: str) -> None:
    """The devices that programs count on and that give nothing away; no disk, no terminal.

    Nobody can make device files in a user namespace, so those of outside are mounted.
    """
    folder = Path(root, "dev")
    folder.mkdir(exist_ok=True)
    for name in DEVICES:
        (folder / name).touch()
        bind(f"/dev/{name}", str(folder / name))
    for name, target in DEVICE_LINKS.items():
        (folder / name).symlink_to(target)


def write_names(root: str, host_name: str) -> None:
    """The names that `id`, `ls -l` and a browser of localhost ask for."""
    folder = Path(root, "etc")
    folder.mkdir(exist_ok=True)
    (folder / "passwd").write_text("root:x:0:0:root:/tmp:/bin/sh\n")
    (folder / "group").write_text("root:x:0:\n")
    (folder / "hosts").write_text(f"127.0.0.1 localhost {host_name}\n")


def mount_proc(root: str) -> None:
    """The processes of the own pid namespace, and no others, as files.

    Before the old root goes: inside a user namespace the kernel allows a new /proc only to whom
    it already shows a whole one.
    """
    Path(root, "proc").mkdir(exist_ok=True)
    flags = calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC
    calls.mount("proc", f"{root}/proc", "proc", flags)


def show_outer_proc(root: str) -> None:
    """Without a pid namespace of its own the box has to live with the /proc of outside."""
    Path(root, "proc").mkdir(exist_ok=True)
    bind("/proc", f"{root}/proc")


def close_root(root: str) -> None:
    """Nothing can be added to the made root any more."""
    flags = calls.MS_RDONLY | calls.MS_NOSUID | calls.MS_NODEV
    calls.mount("none", root, None, calls.MS_REMOUNT | calls.MS_BIND | flags)


def pivot_into(root: str) -> None:
    """Swap the roots, then let go of the old one: no path leads outside any more.

    Unlike chroot, which moves one process's idea of `/` and leaves the mounts within reach. The
    old root lands on top of the new one for a moment: pivot_root(2), "pivot_root(".", ".")".
    """
    os.chdir(root)
    calls.pivot_root(".", ".")
    calls.detach(".")
    os.chdir("/")


def raise_loopback() -> None:
    """Switch on `lo`, the only network interface of a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        flags = struct.unpack("16sh14x", answer)[1] | IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags))


def forbid_namespaces() -> None:
    """No user namespace inside this one: a new one would hand all capabilities out again."""
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


def drop_capabilities() -> None:
    """Lose every privilege of root, and every way to get one by starting a program."""
    for capability in range(MOST_CAPABILITIES):
        try:
            calls.prctl(calls.PR_CAPBSET_DROP, capability, "drop a capability")
        except OSError as error:
            if error.errno != errno.EINVAL:  # this kernel has no capability of that number
                raise
    calls.prctl(calls.PR_CAP_AMBIENT, calls.PR_CAP_AMBIENT_CLEAR_ALL, "clear ambient capabilities")
    calls.give_up_capabilities()


def forbid_new_privileges() -> None:
    """From here on a set-user-id program is a program like any other."""
    calls.prctl(calls.PR_SET_NO_NEW_PRIVS, 1, "no new privileges")


def hide_process() -> None:
    """Not even a process of the same user may trace this one or look into its files."""
    calls.prctl(calls.PR_SET_DUMPABLE, 0, "hide process 1")


def die_with_parent() -> None:
    """The kernel ends this process when the one that made it ends, however it ends."""
    calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL, "die with the parent")


def adopt_orphans() -> None:
    """Processes whose parent is gone become children of this one, not of the system's first."""
    calls.prctl(calls.PR_SET_CHILD_SUBREAPER, 1, "adopt orphans")


def limit_resources(limits: dict[str, int]) -> None:
    """The old limits of setrlimit, for who may not use control groups: memory is per process."""
    if "memory" in limits:
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    if "processes" in limits:
        resource.setrlimit(resource.RLIMIT_NPROC, (limits["processes"], limits["processes"]))


def reap(command: int) -> int:
    """Process 1's duty: wait for every orphan of the box, until the command ends.

    Returns the command's wait status. When process 1 then ends, the kernel ends all the rest.
    """
    while True:
        pid, status = os.wait()
        if pid == command:
            return status
