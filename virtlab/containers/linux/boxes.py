"""How does a program, or a notebook, start a box and get back what happened in it?

`box` checks what is asked, starts the supervisor in an interpreter of its own, passes it the
settings, collects what the command prints, and waits. The caller may have threads: nothing here
forks and goes on in Python.
"""

import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from virtlab.containers.linux import calls, groups, steps

NAMESPACES = tuple(calls.CLONE_FLAGS)
NETWORKS = ("loopback", "none", "outside")
LEAST_MEMORY = 4 << 20  # less than process 1 itself takes while it makes the root
LEAST_PROCESSES = 2  # process 1 and the command
MOST_OUTPUT = 1 << 20  # bytes kept of each stream
SYSTEMS = {"win32": "Windows", "darwin": "macOS"}
SUPERVISOR = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from virtlab.containers.linux.supervisor import main; main(*map(int, sys.argv[1:]))"
)


class RefusedError(OSError):
    """The kernel, or the system this is, does not allow the box; says which step and why."""


@dataclass(frozen=True)
class Step:
    """One step on the way to a box.

    Attributes
    ----------
    name : the function in `virtlab.containers.linux.steps`
    start_us, took_us : microseconds since the first step's start, and of this step
    """

    name: str
    start_us: float
    took_us: float


@dataclass(frozen=True)
class Result:
    """What came of a box.

    Attributes
    ----------
    status : exit code of the command, or minus the number of the signal that ended it
    ended : `exit`, `signal`, `memory` (a process was ended at the memory limit), `timeout`,
        `stopped`
    stdout, stderr : text; `cut` says if more than 1 MiB came and the rest was thrown away
    steps : the steps taken, in order, with their times
    permitted : a sentence for each limit and each step that this machine allows only in part
    counts : what the control groups counted: `peak_bytes`, `out_of_memory`, `refused_processes`,
        `throttled`, as far as there are such groups
    namespaces : the box's own ones
    process_1 : the number of its process 1 outside
    """

    status: int
    ended: str
    stdout: str
    stderr: str
    steps: tuple[Step, ...] = ()
    permitted: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    namespaces: tuple[str, ...] = NAMESPACES
    process_1: int | None = None
    cut: bool = False

    @property
    def start_us(self) -> float:
        """From the first step to the start of the command, in microseconds."""
        return max((step.start_us + step.took_us for step in self.steps), default=0.0)


def box(
    command: str | Sequence[str],
    *,
    hostname: str | None = None,
    root: str | os.PathLike | None = None,
    memory: int | None = None,
    cpus: float | None = None,
    processes: int | None = None,
    namespaces: Iterable[str] = NAMESPACES,
    network: str = "loopback",
    visible: Iterable[str | os.PathLike] = (),
    stdin: str = "",
    timeout: float = 10.0,
) -> Result:
    """Run a command in a box of the running Linux kernel, and wait for its end.

    Parameters
    ----------
    command : program and arguments; a text is run by `/bin/sh -c`
    hostname : the name inside, `box` if not given; needs the `uts` namespace
    root : a directory that becomes the box's root, as it is; without it a minimal one is made
        in memory: the system's programs and libraries read-only, a /proc of its own, an empty /tmp
    memory : limit in bytes, of the box as a whole
    cpus : processors' worth of time, such as 0.25
    processes : limit of processes at once, process 1 included
    namespaces : which of NAMESPACES the box has of its own; what is left out is shared with outside
    network : `loopback` (only itself), `none`, or `outside` (leaves out the `net` namespace)
    visible : further files or directories of outside that the made root shows, read-only
    stdin : text that the command reads
    timeout : seconds until the box is ended

    Raises
    ------
    ValueError, TypeError : a setting is out of range
    RefusedError : the kernel does not allow a step, or this is not Linux; see `probe`

    Examples
    --------
    >>> box("echo $$ of $(cat /proc/sys/kernel/hostname)", hostname="one").stdout
    '2 of one\\n'
    """
    settings = checked_settings(
        command, hostname, root, memory, cpus, processes, namespaces, network, visible, timeout
    )
    if sys.platform != "linux":
        raise RefusedError(
            f"boxes are made by Linux, and this is {SYSTEMS.get(sys.platform, sys.platform)}: "
            "recorded() shows a recorded run"
        )
    if "user" not in settings["namespaces"] and os.geteuid() != 0:
        raise RefusedError("only root can make a box without a user namespace: leave `user` in")
    return result_of(settings, *run_supervisor(settings, stdin))


def checked_settings(
    command, hostname, root, memory, cpus, processes, namespaces, network, visible, timeout
) -> dict:
    """What the supervisor is told; raises ValueError or TypeError for what makes no sense."""
    command = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    if not command or not all(isinstance(part, str) and "\0" not in part for part in command):
        raise ValueError(f"command {command!r}: accepted are a text or a list of texts without NUL")
    if isinstance(namespaces, str):
        raise TypeError(f"namespaces {namespaces!r}: accepted is a list of names, not one text")
    asked = set(namespaces)
    if unknown := asked - set(NAMESPACES):
        raise ValueError(
            f"namespaces: {', '.join(sorted(map(str, unknown)))} is none; accepted are "
            + ", ".join(NAMESPACES)
        )
    if network not in NETWORKS:
        raise ValueError(f"network {network!r}: accepted are {', '.join(NETWORKS)}")
    if network == "outside":
        asked -= {"net"}
    if hostname is not None:
        if "uts" not in asked:
            raise ValueError(f"hostname {hostname!r} would rename outside too: leave `uts` in")
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?", hostname):
            raise ValueError(
                f"hostname {hostname!r}: accepted are 1 to 64 letters, digits, . and -"
            )
    elif "uts" in asked:
        hostname = "box"
    paths = [str(Path(path).absolute()) for path in visible]
    for path in paths:
        if not Path(path).exists():
            raise ValueError(f"visible {path!r}: there is no such file or directory")
    if root is not None:
        root = str(Path(root).absolute())
        if "mount" not in asked:
            raise ValueError(f"root {root!r} would be outside's root too: leave `mount` in")
        if not Path(root).is_dir():
            raise ValueError(f"root {root!r}: accepted is a directory that exists")
        if paths:
            raise ValueError("visible: a root of one's own is taken as it is; accepted is only one")
    links, sources = ([], [root]) if root else minimal_root(command, paths)
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    nobody = (steps.NOBODY, steps.NOBODY)
    ordinary = (os.geteuid(), os.getegid()) if hasattr(os, "geteuid") else nobody
    return {
        "command": command,
        "hostname": hostname,
        "root": root,
        "links": links,
        "sources": sources,
        "limits": limits(memory, cpus, processes),
        "namespaces": [name for name in NAMESPACES if name in asked],
        "network": network,
        "timeout": number("timeout", timeout, 0.001, 86_400, "seconds"),
        "outside": nobody if is_root else ordinary,
    }


def limits(memory, cpus, processes) -> dict[str, float]:
    """The limits that are set."""
    found = {}
    if memory is not None:
        found["memory"] = int(number("memory", memory, LEAST_MEMORY, 1 << 50, "bytes"))
    if cpus is not None:
        found["cpus"] = number("cpus", cpus, 0.01, 4096, "processors")
    if processes is not None:
        most = 1 << 22  # PID_MAX_LIMIT, proc(5)
        found["processes"] = int(number("processes", processes, LEAST_PROCESSES, most, "processes"))
    return found


def number(name: str, value, least: float, most: float, unit: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} {value!r}: accepted is a number of {unit}")
    if not least <= value <= most:
        raise ValueError(f"{name} {value}: accepted are {least} to {most} {unit}")
    return value


def minimal_root(command: list[str], visible: list[str]) -> tuple[list[str], list[str]]:
    """Links to copy, and what to show of outside: programs, libraries, and what was asked for."""
    wanted = [*steps.SYSTEM, *steps.SYSTEM_FILES, *needed(command), *visible]
    links = [path for path in steps.SYSTEM if Path(path).is_symlink()]
    sources = []
    for path in wanted:
        shown = any(steps.is_below(path, source) for source in sources)
        if path not in links and Path(path).exists() and not shown:
            sources.append(path)
    return links, sources


def needed(command: list[str]) -> list[str]:
    """What a command needs beside the system: its own file, or this Python's directories."""
    program = Path(command[0])
    if not program.is_absolute():
        return []
    pythons = [str(Path(prefix)) for prefix in (sys.prefix, sys.base_prefix)]
    places = (str(program), str(program.resolve()))
    if any(steps.is_below(place, prefix) for place in places for prefix in pythons):
        return pythons
    if any(steps.is_below(str(program), folder) for folder in steps.SYSTEM):
        return []
    return [str(program)]


def run_supervisor(settings: dict, stdin: str) -> tuple[list[dict], dict[str, bytes], bool]:
    """Start the supervisor, and collect its report and the box's output until all is over."""
    orders_read, orders = os.pipe()
    report, report_write = os.pipe()
    home = str(Path(__file__).parents[3])
    arguments = [sys.executable, "-I", "-S", "-c", SUPERVISOR, home]
    with tempfile.TemporaryFile() as text:
        text.write(stdin.encode())
        text.seek(0)
        try:
            process = subprocess.Popen(
                [*arguments, str(orders_read), str(report_write)],
                stdin=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(orders_read, report_write),
                start_new_session=True,
                cwd="/",
            )
        except BaseException:
            os.close(orders)
            os.close(report)
            raise
        finally:
            os.close(orders_read)
            os.close(report_write)
    try:
        # A supervisor that is gone already shows below: it has reported nothing.
        send(orders, (json.dumps(settings) + "\n").encode())
        streams = {"report": report, "out": process.stdout.fileno(), "err": process.stderr.fileno()}
        collected, cut = collect(streams)
    finally:
        os.close(orders)  # whatever happened here, this ends the box
        process.wait()
        process.stdout.close()
        process.stderr.close()
        os.close(report)
    if process.returncode < 0:
        groups.remove_leftovers()
    lines = [json.loads(line) for line in collected.pop("report").splitlines()]
    return lines, collected, cut


def send(pipe: int, text: bytes) -> None:
    try:
        while text:
            text = text[os.write(pipe, text) :]
    except BrokenPipeError:
        return


def collect(streams: dict[str, int]) -> tuple[dict[str, bytes], bool]:
    """Read several pipes until `report` is closed, keeping at most MOST_OUTPUT bytes of each.

    With the report ends the box. What it printed is in the pipes by then; nobody waits for more,
    since what got away from a box without a pid namespace may hold them open.
    """
    collected = dict.fromkeys(streams, b"")
    cut = False
    patience = None
    left = MOST_OUTPUT  # of reads after the end: more than a pipe holds
    with selectors.DefaultSelector() as selector:
        for name, stream in streams.items():
            selector.register(stream, selectors.EVENT_READ, name)
        while selector.get_map() and left > 0 and (ready := selector.select(patience)):
            for key, _ in ready:
                part = os.read(key.fd, 65536)
                if not part:
                    selector.unregister(key.fd)
                    patience = 0 if key.data == "report" else patience
                left -= len(part) if patience == 0 else 0
                kept = part[: MOST_OUTPUT - len(collected[key.data])]
                cut |= len(kept) < len(part)
                collected[key.data] += kept
    return collected, cut


def result_of(settings: dict, lines: list[dict], output: dict[str, bytes], cut: bool) -> Result:
    """Put the supervisor's report into a Result, or raise what it was refused."""
    end = next((line["end"] for line in lines if "end" in line), None)
    for line in lines:
        if "refused" in line:
            place = f"in the step {line['refused']}" if line["refused"] else "while making it"
            raise RefusedError(
                line["number"],
                f"the box was refused {place}: {line['sentence']}; probe() says what is allowed",
            )
    if end is None:
        said = output["err"].decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else "it was killed from outside"
        raise RefusedError(f"the box's supervisor ended before the box did: {reason}")
    taken = [line for line in lines if "step" in line]
    first = min((line["start_ns"] for line in taken), default=0)
    status = next((line["command"] for line in lines if "command" in line), end["status"])
    return Result(
        status=status,
        ended=ending(end, status),
        stdout=output["out"].decode(errors="replace"),
        stderr=output["err"].decode(errors="replace"),
        steps=tuple(
            Step(line["step"], (line["start_ns"] - first) / 1000, line["took_ns"] / 1000)
            for line in sorted(taken, key=lambda line: line["start_ns"])
        ),
        permitted=tuple(line["permitted"] for line in lines if "permitted" in line),
        counts=end["counts"],
        namespaces=tuple(settings["namespaces"]),
        process_1=next(line["process_1"] for line in lines if "process_1" in line),
        cut=cut,
    )


def ending(end: dict, status: int) -> str:
    """In one word, how a box ended."""
    if end["how"] == "timeout":
        return "timeout"
    if end["how"] == "stop":
        return "stopped"
    if end["counts"].get("out_of_memory"):
        return "memory"
    return "signal" if status < 0 else "exit"
