"""What does a box on Linux show? Small runs, each a table, for the chapter and for the recording.

Each function runs boxes here and now and returns a `Table`: plain data, which a recording keeps.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from virtlab.containers.linux import steps
from virtlab.containers.linux.boxes import NAMESPACES, Result, box
from virtlab.containers.linux.hostile import attack
from virtlab.containers.linux.trials import probe

MIB = 1 << 20
# What a shell sees, without any program that a minimal system may lack.
LOOK = """
set -- /proc/[0-9]*; echo $#
echo $$
read name < /proc/sys/kernel/hostname; echo $name
n=0; while read line; do n=$((n+1)); done < /proc/self/mountinfo; echo $n
names=; while IFS=': ' read name rest; do case $rest in *[0-9]*) names="$names $name";; esac
done < /proc/net/dev; echo $names
set -- /*; echo $#
read inside outside count < /proc/self/uid_map; echo $outside
"""
QUESTIONS = (
    "processes that can be seen",
    "the number of this process",
    "host name",
    "mounts",
    "network interfaces",
    "names in the root directory",
    "who user 0 is outside",
)
STARTS = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from virtlab.containers.linux import demonstrations as d; d.time_starts(int(sys.argv[1]))"
)


@dataclass(frozen=True)
class Table:
    """Rows of plain values under headings.

    Attributes
    ----------
    title : what was asked
    columns : the headings
    rows : one tuple of texts and numbers per row
    source : where it is from: run here, or recorded, when and on what
    recorded : whether it is a recording
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple, ...]
    source: str = "run here"
    recorded: bool = False

    def __repr__(self) -> str:
        cells = [[str(value) for value in row] for row in (self.columns, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        return "\n".join((self.title, *lines, f"({self.source})"))


def allowed() -> Table:
    """What this machine permits, in sentences."""
    rows = tuple((sentence,) for sentence in probe().sentences)
    return Table("What does this machine allow?", ("tried",), rows)


def inside_and_outside() -> Table:
    """The same questions asked by the same shell, outside and in a box."""
    outside = subprocess.run(
        ["/bin/sh", "-c", LOOK], capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    inside = succeeded(box(LOOK, hostname="one")).stdout
    rows = zip(QUESTIONS, outside.splitlines(), inside.splitlines(), strict=True)
    return Table("What does a process see?", ("question", "outside", "in the box"), tuple(rows))


def succeeded(result: Result) -> Result:
    """The result of a command that has to work."""
    if result.status != 0:
        raise RuntimeError(f"the box ended with {result.status}: {result.stderr.strip()}")
    return result


def steps_taken() -> Table:
    """The steps of one box, in order, with their times; steps of the same name together."""
    took: dict[str, list[float]] = {}
    for step in succeeded(box(["true"], memory=64 * MIB, processes=16)).steps:
        took.setdefault(step.name, []).append(step.took_us)
    rows = ((name, len(times), round(sum(times))) for name, times in took.items())
    return Table("How is a box made?", ("step", "times", "microseconds"), tuple(rows))


def memory_limit() -> Table:
    """A program that takes 16, then 128 MiB, in boxes that may have 64."""
    rows = []
    for mib in (16, 128):
        take = ["dd", "if=/dev/zero", "of=/dev/null", f"bs={mib}M", "count=1"]
        result = box(take, memory=64 * MIB)
        ended = result.counts.get("out_of_memory", "not counted")
        rows.append((f"{mib} MiB", result.ended, result.status, ended))
    columns = ("the program takes", "how it ended", "status", "processes ended for memory")
    return Table("What happens at a memory limit of 64 MiB?", columns, tuple(rows))


def process_limit() -> Table:
    """A shell that starts 12 processes, in boxes that may have 32, then 8."""
    start = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & echo started; done"
    rows = []
    for most in (32, 8):
        result = box(start, processes=most)
        refused = result.counts.get("refused_processes", "not counted")
        said = result.stderr.strip().splitlines()
        rows.append((most, result.stdout.count("started"), refused, said[0] if said else ""))
    columns = ("limit", "started", "refused by the group", "what the shell said")
    return Table("What happens at a limit of processes?", columns, tuple(rows))


def processor_limit() -> Table:
    """The same loop without a quota and with a tenth of a processor."""
    loop = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    rows = []
    for cpus in (None, 0.1):
        start = time.perf_counter()
        result = succeeded(box(loop, cpus=cpus, timeout=60))
        took = time.perf_counter() - start
        rows.append((cpus or "none", round(took, 2), result.counts.get("throttled", "not counted")))
    columns = ("processors", "seconds", "periods in which it had to wait")
    return Table("What does a quota of processor time do?", columns, tuple(rows))


def leaks() -> Table:
    """The hostile program, in a whole box, and in boxes that lack one namespace each."""
    rows = []
    for left_out in (None, *NAMESPACES):
        if left_out == "user" and os.geteuid() != 0:
            rows.append(("user", "an ordinary user cannot leave it out"))
            continue
        namespaces = [name for name in NAMESPACES if name != left_out]
        leaked = [
            attempt.what
            for attempt in attack(namespaces=namespaces, processes=16).attempts
            if attempt.leaked
        ]
        rows.append((left_out or "nothing", ", ".join(leaked) or "nothing"))
    columns = ("left out", "what leaked")
    return Table("What keeps what in?", columns, tuple(rows))


def start_times(n: int = 20) -> Table:
    """How long until a process runs: forked, in namespaces of its own, in a whole box.

    Parameters
    ----------
    n : how often each is done; the table has the shortest times, which other work disturbs least
    """
    if n < 1:
        raise ValueError(f"n {n}: accepted is a number of runs from 1 on")
    home = str(Path(__file__).parents[3])
    forks = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STARTS, home, str(n)],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    rows = []
    for line in forks.stdout.splitlines():
        what, took = line.split("\t")
        rows.append((what, float(took)))
    boxes = min(succeeded(box(["true"])).start_us for _ in range(n))
    rows.append(("all of these, and a root of its own", round(boxes / 1000, 2)))
    return Table("How long does a start take?", ("what is started", "milliseconds"), tuple(rows))


def time_starts(n: int) -> None:
    """Print the shortest times of forks into namespaces; run in an interpreter of its own."""
    user = [] if os.geteuid() == 0 else ["user"]
    without_net = [name for name in NAMESPACES if name not in ("user", "net")]
    for what, names in (
        ("a process (fork)", []),
        ("with namespaces, without user and net", [*user, *without_net]),
        ("with all namespaces", list(NAMESPACES)),
    ):
        took = min(time_start(names) for _ in range(n))
        print(what, round(took * 1000, 2), sep="\t")


def time_start(names: list[str]) -> float:
    """Seconds from a fork until a process in namespaces of its own says that it runs."""
    heard, said = os.pipe()
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        if names:
            steps.unshare_namespaces(names)
        grandchild = os.fork() if names else 0
        if grandchild == 0:
            os.write(said, b"!")
        else:
            os.waitpid(grandchild, 0)
        os._exit(0)
    os.read(heard, 1)
    took = time.perf_counter() - start
    os.waitpid(child, 0)
    os.close(heard)
    os.close(said)
    return took


DEMONSTRATIONS = {
    function.__name__: function
    for function in (
        allowed,
        inside_and_outside,
        steps_taken,
        memory_limit,
        process_limit,
        processor_limit,
        leaks,
        start_times,
    )
}
