"""What can a hostile program in a box reach? It tries, and prints one line per attempt.

This file is read by `hostile.py` and given to a Python inside the box on its standard input: it
can import the standard library only. Its argument is a JSON object that tells it what is outside,
so that it does not have to guess: an isolation that needs secrecy would be none.

Every attempt belongs to the namespace that is to stop it, or to the dropped capabilities. None of
them harms outside when it succeeds, beyond what `hostile.py` has put there for the purpose.
"""

import ctypes
import errno
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

library = ctypes.CDLL(None, use_errno=True)
MS_REMOUNT_BIND = 32 | 4096
NEW_USER_NAMESPACE = 0x1000_0000


def call(name, *arguments):
    """A function of the C library; raises OSError if it answers -1."""
    if getattr(library, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def see_a_process(outside):
    os.getpgid(outside["process"])


def kill_a_process(outside):
    os.kill(outside["process"], signal.SIGTERM)


def read_a_file(outside):
    Path(outside["file"]).read_text()


def write_a_file(outside):
    file = os.open(outside["file"], os.O_WRONLY | os.O_APPEND)
    os.write(file, b"hostile\n")
    os.close(file)


def write_where_it_may_read(outside):
    Path(outside["shown"], "hostile").touch()


def read_the_host_name(outside):
    if socket.gethostname() != outside["host_name"]:
        raise OSError(errno.ENOENT, "another name")


def read_a_message_queue(outside):
    call("msgget", ctypes.c_int(outside["queue"]), ctypes.c_int(0))


def connect_to_localhost(outside):
    socket.create_connection(("127.0.0.1", outside["port"]), timeout=5).close()


def connect_by_name(outside):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + outside["socket"])


def read_its_group_name(outside):
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    paths = [line.split(":", 2)[2] for line in lines]
    if not set(paths) - {"/"}:
        raise OSError(errno.ENOENT, "every group is called /")


def read_a_file_of_root(outside):
    Path(outside["shown"], "of-root").read_text()


def change_the_kernel(outside):
    os.close(os.open("/proc/sys/vm/swappiness", os.O_WRONLY))  # opened only, nothing written


def make_a_user_namespace(outside):
    child = os.fork()
    if child == 0:
        try:
            call("unshare", ctypes.c_int(NEW_USER_NAMESPACE))
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if number:
        raise OSError(number, "unshare")


def change_the_host_name(outside):
    socket.sethostname(socket.gethostname())


def mount_a_file_system(outside):
    call("mount", b"none", b"/tmp", b"tmpfs", ctypes.c_ulong(0), None)


def make_a_root_writable(outside):
    call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REMOUNT_BIND), None)


def make_a_disk(outside):
    os.mknod("/tmp/hostile-disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))


def leave_by_chroot(outside):
    os.chroot("/tmp")


def forge_packets(outside):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW):
        pass


ATTEMPTS = {
    "pid": (see_a_process, kill_a_process),
    "mount": (read_a_file, write_a_file, write_where_it_may_read),
    "uts": (read_the_host_name,),
    "ipc": (read_a_message_queue,),
    "net": (connect_to_localhost, connect_by_name),
    "cgroup": (read_its_group_name,),
    "user": (read_a_file_of_root, change_the_kernel, make_a_user_namespace),
    "capabilities": (
        change_the_host_name,
        mount_a_file_system,
        make_a_root_writable,
        make_a_disk,
        leave_by_chroot,
        forge_packets,
    ),
}


def main():
    """Try everything, in order."""
    outside = json.loads(sys.argv[1])
    for kept_by, attempts in ATTEMPTS.items():
        for attempt in attempts:
            try:
                attempt(outside)
            except OSError as error:
                result = "kept in", errno.errorcode.get(error.errno, str(error))
            else:
                result = "LEAKED", ""
            print(kept_by, attempt.__name__.replace("_", " "), *result, sep="\t", flush=True)


if __name__ == "__main__":
    main()
