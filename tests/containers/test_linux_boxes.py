"""Boxes on the Linux that runs the tests: by root and an ordinary user, peaceful and hostile."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from virtlab.containers.linux import NAMESPACES, attack, box, probe, steps

ALLOWED = probe()
NOBODY = steps.NOBODY
MIB = 1 << 20
PACKAGE = Path(steps.__file__).parent
AS_ROOT = os.geteuid() == 0

needs_boxes = pytest.mark.skipif(not ALLOWED.allowed, reason=str(ALLOWED))
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can leave the user namespace out")
needs_ordinary = pytest.mark.skipif(
    not (AS_ROOT and ALLOWED.ordinary and ALLOWED.allowed), reason=str(ALLOWED)
)


def needs_group(limit: str):
    allowed = ALLOWED.groups.get(limit) is not None
    return pytest.mark.skipif(not allowed, reason=str(ALLOWED))


@needs_boxes
def test_a_command_in_a_box_sees_another_system():
    look = "cat /proc/sys/kernel/hostname; echo $$; echo /proc/[0-9]*; id -u; ls /tmp; ls /sys"
    result = box(look, hostname="one")
    assert result.stdout.splitlines() == ["one", "2", "/proc/1 /proc/2", "0"]
    assert (result.status, result.ended) == (2, "exit")  # ls finds no /sys
    assert socket.gethostname() != "one"


@needs_boxes
def test_a_box_can_write_in_its_tmp_only():
    result = box("touch /tmp/mine && echo made; touch /mine /usr/mine /etc/mine /dev/mine")
    assert result.stdout == "made\n"
    assert result.stderr.count("Read-only file system") == 4
    assert not Path("/tmp/mine").exists()


@needs_boxes
def test_no_capability_is_left_and_none_can_be_got():
    status = box("cat /proc/self/status").stdout
    fields = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    sets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    assert {int(fields[name], 16) for name in sets} == {0}
    assert fields["NoNewPrivs"] == "1"


@needs_boxes
def test_the_network_of_a_box_is_its_own_loopback():
    listed = "cat /proc/net/dev"
    assert [line.split(":")[0].strip() for line in box(listed).stdout.splitlines()[2:]] == ["lo"]
    serve = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(s.getsockname()); print('reached')"
    )
    python = [sys.executable, "-I", "-S", "-c", serve]
    assert box(python).stdout == "reached\n"
    assert "Network is unreachable" in box(python, network="none").stderr


@needs_boxes
def test_the_steps_are_reported_in_their_order_and_exist():
    result = box(["true"])
    names = [step.name for step in result.steps]
    expected = "unshare_namespaces map_user become_root mount_empty_root mount_proc pivot_into"
    expected += " drop_capabilities forbid_new_privileges start_command"
    positions = [names.index(name) for name in expected.split()]
    assert positions == sorted(positions)
    assert all(hasattr(steps, name) for name in set(names) - {"start_command"})
    assert 0 < result.start_us < sum(step.took_us for step in result.steps) * 1000
    assert result.process_1 > 2


@needs_boxes
def test_a_given_root_is_taken_as_it_is(tmp_path):
    for folder in ("bin", "proc", "lib", "lib64", "usr"):
        (tmp_path / folder).mkdir()
    (tmp_path / "hello").write_text("from the root\n")
    tmp_path.chmod(0o755)
    result = box(["/bin/true"], root=tmp_path)
    assert (result.status, result.ended) == (127, "exit")
    assert "cannot start /bin/true: No such file or directory" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("bin", "hello", "lib", "lib64", "proc", "usr")
    ]


@needs_boxes
def test_a_command_ends_as_in_a_shell():
    assert box("exit 7").status == 7
    assert (box("kill -TERM $$").status, box("kill -TERM $$").ended) == (-15, "signal")
    assert box(["no-such-program"]).status == 127
    assert box(["cat"], stdin="read\n").stdout == "read\n"


@needs_boxes
def test_a_program_for_another_processor_is_refused_with_the_reason(tmp_path):
    foreign = tmp_path / "foreign"
    header = bytearray(64)
    header[:20] = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + b"\xf7\x00"  # EM_BPF: no CPU
    foreign.write_bytes(header)
    foreign.chmod(0o755)
    result = box([str(foreign)])
    assert result.status == 126
    assert "Exec format error" in result.stderr


@needs_boxes
def test_a_box_is_ended_at_its_timeout_with_all_its_processes():
    result = box("sleep 600 & sleep 600 & echo on; wait", timeout=0.5)
    assert (result.ended, result.status, result.stdout) == ("timeout", -9, "on\n")


@needs_boxes
def test_a_flood_of_output_is_cut_and_does_no_harm():
    result = box("head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; exit 3")
    assert (len(result.stdout), len(result.stderr), result.cut) == (1 << 20, 1 << 20, True)
    assert result.status == 3


@needs_group("memory")
def test_a_box_out_of_memory_loses_the_process_and_says_so():
    take = "dd if=/dev/zero of=/dev/null bs={}M count=1; echo $?"
    small = box(take.format(16), memory=64 * MIB)
    large = box(take.format(256), memory=64 * MIB)
    assert (small.stdout, small.ended) == ("0\n", "exit")
    assert (large.stdout, large.ended) == ("137\n", "memory")
    assert large.counts["out_of_memory"] == 1
    assert large.counts["peak_bytes"] <= 64 * MIB < 256 * MIB


@needs_group("memory")
def test_many_processes_together_do_not_get_past_the_memory_limit():
    together = "for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/dev/null bs=24M count=20 & done;"
    result = box(f"{together} wait", memory=64 * MIB, timeout=60)
    assert result.ended == "memory"
    assert result.counts["peak_bytes"] <= 64 * MIB


@needs_group("processes")
def test_a_fork_bomb_stops_at_the_limit():
    bomb = "i=0; while [ $i -lt 100 ]; do sleep 60 & echo; i=$((i+1)); done"
    result = box(bomb, processes=10)
    assert result.stdout.count("\n") == 8  # and process 1, and the shell
    assert result.counts["refused_processes"] >= 1


@needs_group("cpus")
def test_a_quota_makes_the_box_wait():
    loop = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    assert box(loop, cpus=0.1, timeout=120).counts["throttled"] > 0


@needs_boxes
def test_a_hostile_program_reaches_nothing_outside():
    hostile = attack(memory=256 * MIB, processes=20)
    assert len(hostile.attempts) >= 19
    assert [attempt for attempt in hostile.attempts if attempt.leaked] == []
    assert hostile.noticed == frozenset()


SEEN_OUTSIDE = {"pid": {"killed"}, "mount": {"written"}}


@needs_boxes
@pytest.mark.parametrize("left_out", NAMESPACES)
def test_a_namespace_left_out_leaks_what_it_keeps_in_and_nothing_else(left_out):
    if left_out == "user" and not AS_ROOT:
        pytest.skip("only root can leave the user namespace out")
    hostile = attack(namespaces=set(NAMESPACES) - {left_out}, processes=20)
    leaked = {attempt.what for attempt in hostile.attempts if attempt.leaked}
    expected = {attempt.what for attempt in hostile.attempts if attempt.kept_by == left_out}
    if left_out == "cgroup" and not group_name_to_see(hostile.result):
        expected = set()
    assert expected or left_out == "cgroup"
    assert leaked == expected
    assert hostile.noticed == SEEN_OUTSIDE.get(left_out, set())


def group_name_to_see(result) -> bool:
    own = Path("/proc/self/cgroup").read_text().splitlines()
    return "refused_processes" in result.counts or any(line[-2:] != ":/" for line in own)


@needs_ordinary
def test_an_ordinary_user_gets_the_same_box():
    shown = as_ordinary_user(
        """
        from virtlab.containers.linux import NAMESPACES, RefusedError, attack, box
        result = box("cat /proc/sys/kernel/hostname; echo $$; id -u", hostname="two")
        told["box"] = result.stdout.split()
        told["hostile"] = sorted(attack().leaks)
        for name in NAMESPACES[1:]:
            hostile = attack(namespaces=set(NAMESPACES) - {name})
            told[name] = sorted(hostile.leaks), sorted(hostile.noticed)
        try:
            box(["true"], namespaces=NAMESPACES[1:])
        except RefusedError as error:
            told["user"] = str(error)
        """
    )
    assert shown["box"] == ["two", "2", "0"]
    assert shown["hostile"] == []
    for name in NAMESPACES[1:-1]:
        assert shown[name] == [[name], sorted(SEEN_OUTSIDE.get(name, ()))]
    assert shown["cgroup"][0] in ([], ["cgroup"])  # every group may be called / anyway
    assert shown["user"].startswith("only root can make a box without a user namespace")


@needs_ordinary
def test_an_ordinary_user_without_control_groups_gets_the_old_limits_and_is_told():
    shown = as_ordinary_user(
        """
        from virtlab.containers.linux import box
        result = box(["dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"], memory=64 << 20)
        told["memory"] = result.status, result.permitted
        bomb = "for i in 1 2 3 4 5 6 7 8 9; do sleep 9 & echo; done"
        result = box(bomb, processes=6)
        told["processes"] = result.stdout.count("\\n"), result.permitted
        """
    )
    status, permitted = shown["memory"]
    assert status != 0
    limited = ("control group, version", "limited by setrlimit instead")
    assert any(way in sentence for way in limited for sentence in permitted)
    started, permitted = shown["processes"]
    assert started == 4  # and process 1, and the shell
    assert any(way in sentence for way in limited for sentence in permitted)


def as_ordinary_user(program: str) -> dict:
    """Run a program as `nobody`, from a copy that everybody can read; what it put into `told`."""
    lines = [line.removeprefix(" " * 8) for line in program.splitlines()]
    text = "\n".join(["import json", "told = {}", *lines, "print(json.dumps(told))"])
    folder = Path(tempfile.mkdtemp(prefix="virtlab-ordinary-"))
    try:
        package = folder / "virtlab/containers/linux"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        for parent in list(package.parents)[:2]:
            (parent / "__init__.py").touch()
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        result = subprocess.run(
            [python_for_all(), "-B", "-c", text],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(folder)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def python_for_all() -> str:
    """A Python from 3.11 on that an ordinary user can run."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            test = subprocess.run(
                [python, "-c", check], user=NOBODY, group=NOBODY, extra_groups=[], check=False
            )
        except OSError:
            continue
        if test.returncode == 0:
            return python
    pytest.skip("no Python that an ordinary user can run")


@needs_boxes
def test_boxes_are_made_from_a_program_with_many_threads():
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [None for _ in iter(stop.is_set, True)])
    busy.start()
    try:
        with ThreadPoolExecutor(6) as pool:
            names = [f"box-{i}" for i in range(12)]
            look = "cat /proc/sys/kernel/hostname"
            results = list(pool.map(lambda name: box(look, hostname=name, timeout=60), names))
    finally:
        stop.set()
        busy.join()
    assert [result.stdout.strip() for result in results] == names


@needs_root
@needs_boxes
def test_root_of_the_box_is_nobody_outside():
    assert box("cat /proc/self/uid_map").stdout.split() == ["0", str(NOBODY), "1"]
