"""Control groups of both versions: where they are made, what is written, and whose they are."""

import os
from pathlib import Path

import pytest

from virtlab.containers.linux import groups
from virtlab.containers.linux.groups import Place


@pytest.fixture
def version_2(tmp_path):
    """A tree as version 2 has it: the caller is in /user/app/run, and /user/app gives on."""
    proc, top = tmp_path / "proc", tmp_path / "cgroup"
    own = top / "user/app/run"
    own.mkdir(parents=True)
    (proc / "self").mkdir(parents=True)
    (proc / "self/cgroup").write_text("0::/user/app/run\n")
    (proc / "self/mountinfo").write_text(
        f"20 1 0:5 / / rw - ext4 /dev/sda rw\n30 20 0:26 / {top} rw shared:4 - cgroup2 none rw\n"
    )
    (top / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (top / "user/cgroup.subtree_control").write_text("memory pids\n")
    (top / "user/app/cgroup.subtree_control").write_text("memory\n")
    (own / "cgroup.subtree_control").write_text("\n")
    return proc, top


def test_version_2_takes_the_nearest_group_that_gives_a_controller(version_2):
    proc, top = version_2
    assert groups.places(proc) == {
        "memory": Place(2, top / "user/app"),
        "pids": Place(2, top / "user"),
        "cpu": Place(2, top),
    }


def test_version_1_makes_groups_below_the_callers_own(tmp_path):
    proc, pids = tmp_path / "proc", tmp_path / "pids"
    (pids / "service").mkdir(parents=True)
    (proc / "self").mkdir(parents=True)
    (proc / "self/cgroup").write_text("3:pids:/service\n2:cpu,cpuacct:/\n")
    (proc / "self/mountinfo").write_text(
        f"30 20 0:26 / {pids} rw - cgroup cgroup rw,pids\n"
        f"31 20 0:27 / {tmp_path}/missing rw - cgroup cgroup rw,cpu,cpuacct\n"
    )
    assert groups.places(proc) == {"pids": Place(1, pids / "service")}


def test_a_tree_mounted_from_a_group_on_is_found_within_a_container(tmp_path):
    assert groups.inside(tmp_path, "/docker/7", "/docker/7/x") == tmp_path / "x"
    assert groups.inside(tmp_path, "/docker/7", "/docker/7") == tmp_path
    assert groups.inside(tmp_path, "/", "/a/b") == tmp_path / "a/b"
    assert groups.inside(tmp_path, "/docker/7", "/") == tmp_path


def test_version_2_limits_are_written_as_the_kernel_reads_them(tmp_path):
    where = {controller: Place(2, tmp_path) for controller in ("memory", "cpu", "pids")}
    made, sentences = groups.make({"memory": 1 << 26, "cpus": 0.25, "processes": 9}, "b", where)
    group = tmp_path / "b"
    assert made == dict.fromkeys(("memory", "cpus", "processes"), str(group))
    assert (group / "memory.max").read_text() == "67108864"
    assert (group / "cpu.max").read_text() == "25000 100000"
    assert (group / "pids.max").read_text() == "9"
    assert not (group / "memory.swap.max").exists()
    assert sentences[0] == "memory: limited by a control group, version 2"


def test_version_2_counts_are_read(tmp_path):
    (tmp_path / "memory.peak").write_text("123\n")
    (tmp_path / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
    (tmp_path / "pids.events").write_text("max 4\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 9\nnr_periods 8\nnr_throttled 7\n")
    made = dict.fromkeys(("memory", "cpus", "processes"), str(tmp_path))
    expected = {"peak_bytes": 123, "out_of_memory": 1, "refused_processes": 4, "throttled": 7}
    assert groups.counts(made) == expected


def test_a_limit_without_a_place_is_not_set_and_that_is_said(tmp_path):
    made, sentences = groups.make({"memory": 1 << 26}, "b", {})
    assert made == {}
    assert sentences == ["memory: no control group with memory is writable here"]
    made, sentences = groups.make({"cpus": 1}, "b", {"cpu": Place(1, tmp_path / "gone")})
    assert made == {}
    assert sentences == ["cpus: the control group was refused (No such file or directory)"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="process numbers of Linux")
def test_only_groups_of_processes_that_are_gone_are_left_over(tmp_path):
    mine = groups.name_for(os.getpid())
    namespace = groups.pid_namespace()
    reused = f"{groups.PREFIX}{namespace}-{os.getpid()}-1"
    gone = f"{groups.PREFIX}{namespace}-{1 << 23}-77"
    elsewhere = f"{groups.PREFIX}{namespace + 1}-{1 << 23}-77"
    for name in (mine, reused, gone, elsewhere, groups.PREFIX + "x", "another"):
        (tmp_path / name).mkdir()
    found = groups.leftovers({"pids": Place(1, tmp_path), "memory": Place(1, tmp_path)})
    assert {path.name for path in found} == {reused, gone}
