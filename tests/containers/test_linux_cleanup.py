"""Nothing is left of a box: no process, mount, control group or directory, whoever was killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from virtlab.containers.linux import NAMESPACES, box, groups, probe, remove_leftovers, steps
from virtlab.containers.linux.supervisor import children_of

ALLOWED = probe()
PACKAGE = Path(steps.__file__).parent
SEED = 20_261_123
N_BOXES, N_KILLED = 100, 20
PATIENCE_S = 60

pytestmark = pytest.mark.skipif(not ALLOWED.allowed, reason=str(ALLOWED))


class Callers:
    """Programs that start a box from a copy of the package, which marks all that they start."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.started: list[subprocess.Popen] = []
        package = folder / "virtlab/containers/linux"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        for parent in list(package.parents)[:2]:
            (parent / "__init__.py").touch()
        # A number of seconds that nothing else sleeps marks the commands in the boxes.
        self.seconds = str(random.SystemRandom().randrange(10**6, 10**9))

    def start(self, **settings) -> subprocess.Popen:
        command = f"sleep {self.seconds} & sleep {self.seconds}"
        call = f"box({command!r}, timeout=600, **{settings!r})"
        caller = subprocess.Popen(
            [sys.executable, "-B", "-c", f"from virtlab.containers.linux import box; {call}"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder), "TMPDIR": str(self.temporary)},
            stderr=subprocess.DEVNULL,
        )
        self.started.append(caller)
        return caller

    def alive(self) -> list[str]:
        """The command lines of all that is left of the callers' boxes."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = file.read_bytes()
            except OSError:
                continue
            if self.seconds.encode() in line or str(self.folder).encode() in line:
                found.append(f"{file.parent.name}: {line[:80]!r}")
        return found


def wait_until(condition) -> bool:
    """Whether a condition comes true; a slow machine gets its time."""
    for _ in range(int(PATIENCE_S / 0.05)):
        if condition():
            return True
        time.sleep(0.05)
    return False


def family(pid: int) -> list[int]:
    """A process and its first descendants, one per generation: caller, supervisor, process 1."""
    generations = [pid]
    while len(generations) < 3 and (children := children_of(generations[-1])):
        generations.append(children[0])
    return generations


@pytest.fixture
def callers(tmp_path):
    callers = Callers(tmp_path)
    yield callers
    for caller in callers.started:
        caller.kill()
        caller.wait()


def test_nothing_is_left_of_100_boxes_of_which_20_are_killed_midway(callers):
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    mounts = Path("/proc/self/mountinfo").read_text()
    children = children_of(os.getpid())  # a browser of other tests, say
    killed = set(chance.sample(range(N_BOXES), N_KILLED))
    victims = []
    for number in range(N_BOXES):
        if number not in killed:
            result = box("sleep 600 & echo $0", memory=64 << 20, processes=16)
            assert (result.status, result.ended) == (0, "exit")
            continue
        caller = callers.start(memory=64 << 20, processes=16)
        generation = chance.randrange(3)
        if chance.random() < 0.5:  # when the command runs; else at any moment of the making
            assert wait_until(lambda: len(callers.alive()) >= 5)
        else:
            time.sleep(chance.random() * 0.2)
        chain = family(caller.pid)
        victim = min(generation, len(chain) - 1)
        victims.append(victim)
        os.kill(chain[victim], signal.SIGKILL)
        if victim == 0:
            assert wait_until(lambda chain=chain: not running(chain[1:]))
        caller.wait(timeout=PATIENCE_S)
    print(f"killed: {victims} (0 caller, 1 supervisor, 2 process 1)")
    assert set(victims) == {0, 1, 2}
    assert wait_until(lambda: not callers.alive()), callers.alive()
    box(["true"])  # the next box removes the control groups that nobody could
    assert groups.leftovers(groups.places()) == []
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert list(callers.temporary.iterdir()) == []
    assert set(children_of(os.getpid())) <= set(children)


def running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if groups.start_time(pid) is not None]


@pytest.mark.skipif(not ALLOWED.groups.get("processes"), reason=str(ALLOWED))
def test_a_group_left_behind_is_found_by_its_name_and_removed(callers):
    caller = callers.start(processes=16)
    assert wait_until(lambda: len(callers.alive()) >= 5)
    _, supervisor, _ = family(caller.pid)
    group = groups.places()["pids"].folder / groups.name_for(supervisor)
    assert group.is_dir()
    assert group not in groups.leftovers(groups.places())  # its supervisor lives
    caller.kill()
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)  # before it can clean up
    caller.wait(timeout=PATIENCE_S)
    assert wait_until(lambda: not callers.alive())
    assert group in groups.leftovers(groups.places())
    assert str(group) in remove_leftovers()
    assert not group.exists()


@pytest.mark.skipif(not ALLOWED.groups.get("processes"), reason=str(ALLOWED))
def test_what_a_box_without_a_pid_namespace_leaves_is_ended_through_its_group(callers):
    namespaces = [name for name in NAMESPACES if name != "pid"]
    caller = callers.start(processes=16, namespaces=namespaces)
    assert wait_until(lambda: len(callers.alive()) >= 5)
    _, supervisor, _ = family(caller.pid)
    caller.send_signal(signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    assert wait_until(lambda: len(callers.alive()) <= 3)
    caller.kill()
    caller.wait(timeout=PATIENCE_S)
    assert callers.alive()  # orphans, which no namespace ended
    box(["true"])
    assert wait_until(lambda: not callers.alive()), callers.alive()


@pytest.mark.skipif(not ALLOWED.groups.get("processes"), reason=str(ALLOWED))
def test_a_caller_does_not_wait_for_what_got_away_when_the_supervisor_was_killed(callers):
    caller = callers.start(processes=16, namespaces=[name for name in NAMESPACES if name != "pid"])
    assert wait_until(lambda: len(callers.alive()) >= 5)
    os.kill(family(caller.pid)[1], signal.SIGKILL)
    assert caller.wait(timeout=PATIENCE_S) == 1  # it was told, and raised
    assert wait_until(lambda: not callers.alive()), callers.alive()


def test_a_box_without_a_pid_namespace_leaves_nothing_when_it_ends():
    seconds = str(random.SystemRandom().randrange(10**6, 10**9))
    namespaces = [name for name in NAMESPACES if name != "pid"]
    assert box(f"sleep {seconds} & exit 4", namespaces=namespaces).status == 4
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes())
        except OSError:
            continue
    assert not any(seconds.encode() in line for line in lines)


def test_an_interrupted_caller_ends_its_box(callers):
    caller = callers.start()
    assert wait_until(lambda: len(callers.alive()) >= 5)
    caller.send_signal(signal.SIGINT)
    caller.wait(timeout=PATIENCE_S)
    assert wait_until(lambda: not callers.alive()), callers.alive()


def test_a_supervisor_told_to_end_ends_its_box(callers):
    caller = callers.start()
    assert wait_until(lambda: len(callers.alive()) >= 5)
    _, supervisor, _ = family(caller.pid)
    os.kill(supervisor, signal.SIGTERM)
    assert caller.wait(timeout=PATIENCE_S) == 0
    assert wait_until(lambda: not callers.alive()), callers.alive()
