"""Does a box hold against a program that wants out? A hostile program, and things for it to reach.

`attack` puts a process, files, a message queue, and two listening sockets outside, lets the program
`escape.py` try each of them from inside a box, and looks outside at what became of them.
"""

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from virtlab.containers.linux import calls, steps, supervisor
from virtlab.containers.linux.boxes import NAMESPACES, RefusedError, Result, box

IPC_CREAT, IPC_RMID = 0o1000, 0
OPEN_TO_ALL = 0o666
SLEEP = ("sleep", "600")


@dataclass(frozen=True)
class Attempt:
    """One thing the hostile program tried.

    Attributes
    ----------
    kept_by : the namespace that is to stop it, or `capabilities`
    what : in words
    leaked : whether it worked
    reason : the kernel's error, if it did not
    """

    kept_by: str
    what: str
    leaked: bool
    reason: str


@dataclass(frozen=True)
class Attack:
    """All attempts, what outside noticed (`killed`, `written`), and the box's own result."""

    attempts: tuple[Attempt, ...]
    noticed: frozenset[str]
    result: Result

    @property
    def leaks(self) -> set[str]:
        """The namespaces through which something leaked."""
        return {attempt.kept_by for attempt in self.attempts if attempt.leaked}


def attack(**settings) -> Attack:
    """Run the hostile program in a box.

    Parameters
    ----------
    settings : those of `box`, without `command`, `stdin` and `visible`

    Raises
    ------
    RefusedError : the box was refused, or its program could not be run
    """
    program = Path(__file__).with_name("escape.py").read_text("utf-8")
    as_nobody = os.geteuid() == 0 and "user" in settings.get("namespaces", NAMESPACES)
    with targets(as_nobody) as (outside, look):
        command = [python_for(settings), "-I", "-S", "-", json.dumps(outside)]
        result = box(command, stdin=program, visible=[outside["shown"]], **settings)
        noticed = look()
    if result.status != 0:
        raise RefusedError(f"the hostile program ended early: {result.stderr.strip()[-200:]}")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    attempts = (Attempt(kept, what, how == "LEAKED", why) for kept, what, how, why in lines)
    return Attack(tuple(attempts), frozenset(noticed), result)


def python_for(settings: dict) -> str:
    """This Python; or the system's, if the box could not reach this one.

    A box of root's runs as `nobody`. If it has no root of its own, but outside's mounts, a Python
    in a directory that is closed to others is closed to it.
    """
    here = Path(sys.executable).resolve()
    open_to_all = all(folder.stat().st_mode & stat.S_IXOTH for folder in here.parents)
    if "mount" in settings.get("namespaces", NAMESPACES) or open_to_all or os.geteuid() != 0:
        return sys.executable
    return shutil.which("python3", path=supervisor.ENVIRONMENT["PATH"]) or sys.executable


@contextlib.contextmanager
def targets(as_nobody: bool) -> Iterator[tuple[dict, object]]:
    """What there is outside to be reached; and a function that says what became of it.

    The process and the files belong to whom the box's root is outside: that the box cannot reach
    them is due to the namespaces and not to another owner.
    """
    owner = {"user": steps.NOBODY, "group": steps.NOBODY, "extra_groups": []} if as_nobody else {}
    name = f"virtlab-{secrets.token_hex(8)}"
    key = secrets.randbelow(1 << 30) + 1
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="virtlab-target-"))
        stack.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        file, shown = folder / "file", folder / "shown"
        file.write_text("of outside\n")
        file.chmod(OPEN_TO_ALL)
        shown.mkdir()
        shown.chmod(0o777)
        of_root = shown / "of-root"
        of_root.write_text("of root\n")
        of_root.chmod(0o600 if os.geteuid() == 0 else 0)
        process = stack.enter_context(subprocess.Popen(SLEEP, cwd="/", **owner))
        stack.callback(process.kill)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        named = stack.enter_context(socket.socket(socket.AF_UNIX))
        named.bind("\0" + name)
        named.listen()
        queue = calls.library().msgget(ctypes.c_int(key), ctypes.c_int(IPC_CREAT | OPEN_TO_ALL))
        stack.callback(calls.library().msgctl, queue, IPC_RMID, None)
        outside = {
            "process": process.pid,
            "file": str(file),
            "shown": str(shown),
            "host_name": socket.gethostname(),
            "queue": key,
            "port": listener.getsockname()[1],
            "socket": name,
        }

        def look() -> set[str]:
            noticed = set()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.1)
                noticed.add("killed")
            if file.read_text() != "of outside\n" or (shown / "hostile").exists():
                noticed.add("written")
            if socket.gethostname() != outside["host_name"]:
                noticed.add("renamed")
            return noticed

        yield outside, look
