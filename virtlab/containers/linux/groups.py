"""How are a box's processor time, memory and number of processes limited, and undone again?

By control groups: directories of a file system of the kernel's own. Writing a number into one of
a directory's files sets a limit, writing a process id into `cgroup.procs` moves a process in,
removing the directory ends the group. Version 1 has one tree per controller, version 2 one for all.

A box's group is always made below the caller's own, so that the caller's limits hold for its boxes
too. One exception is version 2's: a group that has processes cannot give controllers to groups
below it, so there the nearest group above that can give them is taken.

The name of a group says which process looks after it (`virtlab-box-` pid namespace, process id,
its start time). A group whose process is gone was left behind, and the next box removes it.

Sources: Linux kernel documentation (6.1), "Control Group v2" (Admin Guide) and "Control Groups
version 1"; Linux man-pages 6.03, cgroups(7), proc(5).
"""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PREFIX = "virtlab-box-"
CONTROLLERS = {"memory": "memory", "cpus": "cpu", "processes": "pids"}  # limit: its controller
PERIOD_US = 100_000  # in which the quota of processor time is counted: the kernel's own default
SWAP = "memory.swap.max"
REMOVAL_TRIES = 200
REMOVAL_PAUSE_S = 0.01


@dataclass(frozen=True)
class Place:
    """Where groups for a controller can be made.

    Attributes
    ----------
    version : 1 or 2
    folder : path of the group below which a box's group is made
    """

    version: int
    folder: Path


def places(proc: Path = Path("/proc")) -> dict[str, Place]:
    """For every controller that limits boxes: the place of its groups, if there is one.

    A place is a directory where the caller may make directories; whether the kernel then allows
    what is written there shows only when it is written.
    """
    own = own_groups(proc)
    found = {}
    for kind, options, mounted, shown in group_mounts(proc):
        for controller in CONTROLLERS.values():
            if kind == "cgroup" and controller in options and controller in own:
                place = Place(1, inside(mounted, shown, own[controller]))
            elif kind == "cgroup2" and "" in own:
                folder = giving(inside(mounted, shown, own[""]), mounted, controller)
                if folder is None:
                    continue
                place = Place(2, folder)
            else:
                continue
            if os.access(place.folder, os.W_OK | os.X_OK):
                found.setdefault(controller, place)
    return found


def own_groups(proc: Path) -> dict[str, str]:
    """The caller's group in each tree: {controller: path}, with "" for version 2."""
    groups = {}
    for line in (proc / "self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    return groups


def group_mounts(proc: Path) -> list[tuple[str, list[str], Path, str]]:
    """The mounted trees: (`cgroup` or `cgroup2`, options, where, which group is its root)."""
    mounts = []
    for line in (proc / "self/mountinfo").read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            fields = before.split()
            mounts.append((kind, options.split(","), Path(fields[4]), fields[3]))
    return mounts


def inside(mounted: Path, shown: str, group: str) -> Path:
    """Where a group is found, if the tree is mounted from the group `shown` on."""
    if group == shown or group.startswith(shown.rstrip("/") + "/"):
        group = group[len(shown.rstrip("/")) :]
    return mounted / group.lstrip("/")


def giving(folder: Path, top: Path, controller: str) -> Path | None:
    """Version 2: the nearest group, from `folder` up to `top`, that gives a controller on."""
    for group in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            if controller in (group / "cgroup.subtree_control").read_text().split():
                return group
        if group == top:
            return None
    return None


def make(limits: dict[str, float], name: str, where: dict[str, Place]) -> tuple[dict, list[str]]:
    """Make a box's groups and set its limits.

    Parameters
    ----------
    limits : {"memory": bytes, "cpus": processors, "processes": count}, any of them
    name : the groups' name
    where : as `places` found them

    Returns
    -------
    made : {limit: path of the group that holds it}, only the limits that were set
    sentences : what was set and what was refused, one sentence each
    """
    made, sentences = {}, []
    for limit, value in limits.items():
        controller = CONTROLLERS[limit]
        place = where.get(controller)
        if place is None:
            sentences.append(f"{limit}: no control group with {controller} is writable here")
            continue
        group = place.folder / name
        try:
            group.mkdir(exist_ok=True)
            made[limit] = str(group)
            for file, text in settings(limit, value, place.version):
                if file != SWAP or (group / file).exists():  # a kernel without swap has none
                    (group / file).write_text(text)
        except OSError as error:
            sentences.append(f"{limit}: the control group was refused ({error.strerror})")
            if made.pop(limit, None) and str(group) not in made.values():
                remove(group)
        else:
            sentences.append(f"{limit}: limited by a control group, version {place.version}")
    return made, sentences


def settings(limit: str, value: float, version: int) -> list[tuple[str, str]]:
    """Which files of a group hold a limit, and what is written there."""
    quota = str(round(value * PERIOD_US))
    if version == 1:
        return {
            "memory": [("memory.limit_in_bytes", str(value))],
            "processes": [("pids.max", str(value))],
            "cpus": [("cpu.cfs_period_us", str(PERIOD_US)), ("cpu.cfs_quota_us", quota)],
        }[limit]
    return {
        "memory": [("memory.max", str(value)), (SWAP, "0")],
        "processes": [("pids.max", str(value))],
        "cpus": [("cpu.max", f"{quota} {PERIOD_US}")],
    }[limit]


def counts(made: dict[str, str]) -> dict[str, int]:
    """What the groups counted: what the box used at most, and how often it met its limits.

    Keys, where the kernel has them: `peak_bytes`, `out_of_memory` (processes ended for it),
    `refused_processes`, `throttled` (periods in which the quota was used up).
    """
    found = {}
    if "memory" in made:
        group = Path(made["memory"])
        peak = number(group / "memory.peak", group / "memory.max_usage_in_bytes")
        ended = field(group / "memory.events", "oom_kill")
        if ended is None:
            ended = field(group / "memory.oom_control", "oom_kill")
        found |= {"peak_bytes": peak, "out_of_memory": ended}
    if "processes" in made:
        found["refused_processes"] = field(Path(made["processes"], "pids.events"), "max")
    if "cpus" in made:
        found["throttled"] = field(Path(made["cpus"], "cpu.stat"), "nr_throttled")
    return {key: value for key, value in found.items() if value is not None}


def number(*files: Path) -> int | None:
    """The number in the first of the files that is there."""
    for file in files:
        with contextlib.suppress(OSError):
            return int(file.read_text())
    return None


def field(file: Path, key: str) -> int | None:
    """The number behind a key in a file of lines `key number`."""
    with contextlib.suppress(OSError):
        for line in file.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == key:
                return int(value)
    return None


def remove(group: Path) -> bool:
    """End a group: its processes, if any are left, and then the directory.

    The kernel lets go of a group a moment after its last process has ended, hence the tries.
    """
    for _ in range(REMOVAL_TRIES):
        with contextlib.suppress(OSError):
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            time.sleep(REMOVAL_PAUSE_S)
        else:
            return True
    return False


def name_for(pid: int) -> str:
    """The name of the groups that a process looks after."""
    return f"{PREFIX}{pid_namespace()}-{pid}-{start_time(pid)}"


def pid_namespace() -> int:
    """The number of the caller's pid namespace: a process id means something only within it."""
    return Path("/proc/self/ns/pid").stat().st_ino


def start_time(pid: int) -> int | None:
    """When a process was started, in ticks after boot; None if there is none of that number."""
    try:
        stat = Path("/proc", str(pid), "stat").read_text(errors="surrogateescape")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])  # field 22 of proc(5), counted from 3


def leftovers(where: dict[str, Place]) -> list[Path]:
    """Groups of boxes whose supervisor is gone."""
    found = []
    for folder in {place.folder for place in where.values()}:
        for group in folder.glob(PREFIX + "*"):
            namespace, _, process = group.name.removeprefix(PREFIX).partition("-")
            pid, _, started = process.partition("-")
            own = namespace == str(pid_namespace())
            if own and pid.isdecimal() and str(start_time(int(pid))) != started:
                found.append(group)
    return found


def remove_leftovers() -> list[str]:
    """Remove what killed boxes left behind; returns the groups' paths.

    Only groups can be left: a box's mounts and its files in memory end with its processes, and
    those end with the supervisor.
    """
    return [str(group) for group in leftovers(places()) if remove(group)]
