"""What does this machine allow? Tried, not guessed: other software may forbid what the kernel can.

Container runtimes, hubs and some distributions refuse namespaces to ordinary users or to everybody,
and no file says so reliably. So each thing is tried in a process that ends at once.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from virtlab.containers.linux import calls, groups, steps
from virtlab.containers.linux.boxes import NAMESPACES, SYSTEMS, RefusedError, box

ALONE, WITH_USER = "alone", "with user"
SMALL_LIMITS = {"memory": 1 << 30, "cpus": 1, "processes": 100}
TRIALS = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from virtlab.containers.linux.trials import main; main()"
)
WHAT = {
    "user": "users",
    "pid": "process ids",
    "mount": "mounts",
    "uts": "the host name",
    "ipc": "message queues and shared memory",
    "net": "the network",
    "cgroup": "the names of control groups",
}


@dataclass(frozen=True)
class Probe:
    """What was tried, and what came of it.

    Attributes
    ----------
    allowed : whether a box with all namespaces and a root of its own can be made
    namespaces : {name: `alone`, `with user` (only together with a user namespace), or None}
    ordinary : whether an ordinary user may make a user namespace; None if it was not tried
    groups : {limit: version of the control groups that can hold it, or None}
    sentences : the same in words
    """

    allowed: bool
    namespaces: dict[str, str | None] = field(default_factory=dict)
    ordinary: bool | None = None
    groups: dict[str, int | None] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join(self.sentences)


def probe() -> Probe:
    """Try what boxes need, on this machine and as this user."""
    if sys.platform != "linux":
        name = SYSTEMS.get(sys.platform, sys.platform)
        sentence = f"This is {name}: boxes are made by Linux, so only recorded runs can be shown."
        return Probe(allowed=False, sentences=(sentence,))
    tried = trials()
    try:
        box(["true"])
        refusal = None
    except RefusedError as error:
        refusal = error.strerror or str(error)
    return Probe(
        allowed=refusal is None,
        namespaces=tried["namespaces"],
        ordinary=tried["ordinary"],
        groups=tried["groups"],
        sentences=tuple(sentences(tried, refusal)),
    )


def trials() -> dict:
    """Run `main` of this module in an interpreter of its own: the caller may have threads."""
    home = str(Path(__file__).parents[3])
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", TRIALS, home],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    return json.loads(result.stdout)


def main() -> None:
    """Try everything and print what came of it as JSON."""
    root = os.geteuid() == 0
    print(
        json.dumps(
            {
                "root": root,
                "namespaces": {name: try_namespace(name) for name in NAMESPACES},
                "ordinary": succeeds(unshare_as_nobody if root else unshare_user),
                "groups": {limit: try_group(limit) for limit in groups.CONTROLLERS},
            }
        )
    )


def try_namespace(name: str) -> str | None:
    """How a namespace can be had."""
    if succeeds(lambda: steps.unshare_namespaces([name])):
        return ALONE
    if succeeds(lambda: steps.unshare_namespaces(["user", name])):
        return WITH_USER
    return None


def unshare_user() -> None:
    steps.unshare_namespaces(["user"])


def unshare_as_nobody() -> None:
    """What an ordinary user may do, tried by root."""
    os.setgroups([])
    os.setresgid(steps.NOBODY, steps.NOBODY, steps.NOBODY)
    os.setresuid(steps.NOBODY, steps.NOBODY, steps.NOBODY)
    unshare_user()


def succeeds(attempt) -> bool:
    """Whether an attempt works in a child process, which then ends."""
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def try_group(limit: str) -> int | None:
    """Make a group with a limit, end it, and say which version it was."""
    where = groups.places()
    made, _ = groups.make({limit: SMALL_LIMITS[limit]}, groups.name_for(os.getpid()), where)
    for group in made.values():
        groups.remove(Path(group))
    return where[groups.CONTROLLERS[limit]].version if made else None


def sentences(tried: dict, refusal: str | None) -> list[str]:
    """The findings in plain words."""
    who = "root" if tried["root"] else "an ordinary user"
    said = [f"This is Linux on {calls.platform.machine()}, and you are {who}."]
    for name, how in tried["namespaces"].items():
        answer = {
            ALONE: "allowed",
            WITH_USER: "allowed together with a user namespace",
            None: "refused",
        }[how]
        said.append(f"A namespace of one's own for {WHAT[name]} ({name}): {answer}.")
    if tried["root"]:
        answer = "may" if tried["ordinary"] else "may not"
        said.append(f"An ordinary user {answer} make user namespaces, and so boxes.")
    for limit, version in tried["groups"].items():
        controller = groups.CONTROLLERS[limit]
        if version:
            said.append(f"Limit of {limit}: by control group {controller}, version {version}.")
        else:
            said.append(f"Limit of {limit}: no control group {controller} is writable.")
    if refusal is None:
        said.append("A box with a root of its own (pivot_root): allowed.")
    else:
        said.append(f"A box with a root of its own (pivot_root): {refusal}.")
    return said
