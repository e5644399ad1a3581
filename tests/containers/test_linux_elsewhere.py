"""Where no box can be made: other systems, refusals, the recording; and what is no box at all."""

import json
import subprocess
import sys

import pytest

from virtlab.containers import linux
from virtlab.containers.linux import (
    DEMONSTRATIONS,
    NAMESPACES,
    RefusedError,
    box,
    boxes,
    probe,
    recorded,
    records,
    run_or_recorded,
    steps,
    trials,
)
from virtlab.containers.linux.__main__ import main


@pytest.mark.parametrize(("platform", "name"), [("win32", "Windows"), ("darwin", "macOS")])
def test_on_another_system_the_recording_is_shown_and_says_so(monkeypatch, platform, name):
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(RefusedError, match=f"boxes are made by Linux, and this is {name}"):
        box(["true"])
    assert not probe().allowed
    assert name in repr(probe())
    for demonstration in DEMONSTRATIONS:
        table = run_or_recorded(demonstration)
        assert table.recorded
        assert table.source.startswith("RECORDED on 20")
        assert "not run here" in repr(table)
        assert name in table.source


def test_the_pages_of_the_book_show_the_recording(monkeypatch):
    monkeypatch.setenv("VIRTLAB_RECORDED", "1")
    assert linux.run_or_recorded("leaks") == linux.recorded("leaks")


def test_the_package_is_imported_where_linux_modules_are_missing():
    program = """
import ctypes, os, platform, selectors, signal, socket, statistics, subprocess, sys, tempfile
for name in ("fcntl", "resource"):
    sys.modules[name] = None
for name in ("geteuid", "getegid", "fork", "O_PATH", "setgroups", "WNOWAIT"):
    if hasattr(os, name):
        delattr(os, name)
del signal.SIGKILL
sys.platform = "win32"
from virtlab.containers.linux import RefusedError, box, probe, run_or_recorded, steps
import virtlab.containers.linux.supervisor
try:
    box("echo", memory=1 << 26)
except RefusedError as error:
    print(error)
print(probe())
print(run_or_recorded("leaks").recorded)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Windows") == 2
    assert result.stdout.endswith("True\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the refusal of a Linux kernel")
def test_where_the_kernel_refuses_the_recording_says_what_was_refused(monkeypatch):
    def refuse(*_arguments, **_settings):
        raise RefusedError(1, "the box was refused in the step unshare_namespaces: no")

    monkeypatch.setattr(records, "box", refuse)
    monkeypatch.setattr(trials, "box", refuse)
    table = run_or_recorded("start_times")
    assert table.recorded
    assert table.source.endswith("the box was refused in the step unshare_namespaces: no")
    assert not probe().allowed
    assert "the step unshare_namespaces" in repr(probe())


@pytest.mark.skipif(not probe().allowed, reason=repr(probe()))
def test_a_refused_step_is_named(tmp_path):
    gone = tmp_path / "root"
    gone.mkdir()
    settings = boxes.checked_settings(
        ["true"], None, gone, None, None, None, NAMESPACES, "loopback", (), 10
    )
    gone.rmdir()
    with pytest.raises(RefusedError, match=r"in the step open_sources: .*No such file"):
        boxes.result_of(settings, *boxes.run_supervisor(settings, ""))


@pytest.mark.skipif(not probe().allowed, reason=repr(probe()))
@pytest.mark.parametrize("name", DEMONSTRATIONS)
def test_a_demonstration_run_here_has_the_shape_of_its_recording(name):
    here, there = run_or_recorded(name), recorded(name)
    assert (here.recorded, there.recorded) == (False, True)
    assert (here.title, here.columns) == (there.title, there.columns)
    if name != "steps_taken":  # how many there are depends on what limits can be set
        assert len(here.rows) == len(there.rows) or name == "allowed"
    assert all(len(row) == len(here.columns) for row in (*here.rows, *there.rows))


def test_the_recording_says_when_and_on_what_and_shows_each_leak():
    recording = json.loads(records.FILE.read_text("utf-8"))
    assert set(recording) == {"date", "kernel", "machine", "tables"}
    assert set(recording["tables"]) == set(DEMONSTRATIONS)
    assert recording["kernel"].startswith("Linux ")
    leaks = dict(recorded("leaks").rows)
    assert leaks.pop("nothing") == "nothing"
    assert set(leaks) == set(NAMESPACES)
    assert "nothing" not in leaks.values()


def test_a_demonstration_that_is_none_is_refused_in_one_sentence():
    for function in (recorded, run_or_recorded):
        with pytest.raises(ValueError, match="'boot': accepted are allowed, inside_and_outside"):
            function("boot")


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"command": []}, ValueError, "command .*accepted are a text or a list"),
        ({"command": ["a\0b"]}, ValueError, "without NUL"),
        ({"command": [1]}, ValueError, "command .*accepted"),
        ({"namespaces": ["pids"]}, ValueError, "pids is none; accepted are user, pid, mount"),
        ({"namespaces": "pid"}, TypeError, "accepted is a list"),
        ({"network": "wifi"}, ValueError, "'wifi': accepted are loopback, none, outside"),
        ({"hostname": "two words"}, ValueError, "accepted are 1 to 64 letters"),
        ({"hostname": "a" * 65}, ValueError, "accepted are 1 to 64 letters"),
        ({"hostname": "a", "namespaces": ["user"]}, ValueError, "would rename outside"),
        ({"root": "/", "namespaces": ["user"]}, ValueError, "would be outside's root"),
        ({"root": "/no/such"}, ValueError, "accepted is a directory that exists"),
        ({"visible": ["/no/such"]}, ValueError, "'/no/such': there is no such file"),
        ({"root": "/", "visible": ["/usr"]}, ValueError, "accepted is only one"),
        ({"memory": 100}, ValueError, "memory 100: accepted are 4194304 to"),
        ({"memory": "64M"}, TypeError, "memory '64M': accepted is a number of bytes"),
        ({"cpus": 0}, ValueError, "cpus 0: accepted are 0.01 to"),
        ({"cpus": float("nan")}, ValueError, "cpus nan: accepted are"),
        ({"processes": 1}, ValueError, "processes 1: accepted are 2 to"),
        ({"processes": True}, TypeError, "processes True: accepted is a number"),
        ({"timeout": -1}, ValueError, "timeout -1: accepted are"),
    ],
)
def test_a_setting_out_of_range_is_refused_in_one_sentence(settings, error, sentence):
    settings = {"command": ["true"], **settings}
    with pytest.raises(error, match=sentence) as caught:
        box(settings.pop("command"), **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not probe().allowed, reason=repr(probe()))
def test_the_command_line_runs_a_command_in_a_box(capsys):
    assert main(["sh", "-c", "echo $$; exit 9"]) == 9
    assert capsys.readouterr().out == "2\n"
    assert main(["--probe"]) == 0
    assert "A box with a root of its own (pivot_root): allowed." in capsys.readouterr().out
    assert main([]) == 2


def test_every_step_can_be_shown_and_is_short():
    from virtlab.explore.source import source

    for name in ("unshare_namespaces", "map_user", "pivot_into", "drop_capabilities", "reap"):
        shown = source(getattr(steps, name))
        assert shown.path == "virtlab/containers/linux/steps.py"
        assert shown.text.count("\n") <= 18
    assert linux.__doc__.startswith("What is a box")
