"""Is what a reader has done safe? Killed kernels, full disks, two kernels, damaged files."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from virtlab import labs
from virtlab.labs import progress
from virtlab.labs.chapters import EXERCISES
from virtlab.labs.exercise import Explanation

SOURCE = Path(progress.__file__)
# progress.py needs nothing but the standard library, so a second kernel starts at once.
SECOND = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("progress", {str(SOURCE)!r})
progress = importlib.util.module_from_spec(spec)
spec.loader.exec_module(progress)
"""


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VIRTLAB_PROGRESS", str(tmp_path / "mine" / "progress.json"))
    return tmp_path / "mine" / "progress.json"


def second(code: str, **settings) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", SECOND + code], text=True, **settings)


def test_answers_are_kept_in_one_file(path):
    labs.check("02.1", 1)
    labs.check("02.1", 172)
    labs.check("02.1", "")
    held = json.loads(path.read_text())
    entry = held["exercises"]["02.1"]
    assert [a["answer"] for a in entry["answers"]] == ["1", "172"]
    assert entry["tries"] == 2 and entry["right"] and entry["seeds_right"] == [0]
    assert {p.name for p in path.parent.iterdir()} == {"progress.json", "progress.json.lock"}


def test_a_wrong_answer_after_a_right_one_takes_nothing_away():
    labs.check("02.1", 172)
    for k in range(30):
        labs.check("02.1", k)
    entry = progress.read_progress()["exercises"]["02.1"]
    assert entry["right"] and entry["tries"] == 31
    assert len(entry["answers"]) == progress.MOST_ANSWERS
    assert entry["answers"][0]["outcome"] == "right" and entry["answers"][-1]["answer"] == "29"


def test_code_is_kept_as_its_source():
    def mine(vcpu, exit):
        return None

    labs.check("02.5", mine)
    assert (
        "def mine(vcpu, exit)"
        in progress.read_progress()["exercises"]["02.5"]["answers"][0]["answer"]
    )


def test_progress_is_a_table_and_can_be_taken_away(path, tmp_path):
    labs.check("02.1", 172)
    labs.check("02.3", "words")
    drawing = labs.exercises()
    row = next(r for r in drawing.rows if r[0] == "02.1")
    judged = [one for one in EXERCISES.values() if not isinstance(one.kind, Explanation)]
    assert row[3:] == ("yes", "1", "1") and f"1 of {len(judged)} right" in drawing.text
    assert next(r for r in drawing.rows if r[0] == "02.3")[3] == "own judgement"
    copy = labs.export(tmp_path / "mine.json")
    assert json.loads(copy.read_text()) == json.loads(path.read_text())
    with labs.export(tmp_path / "mine.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == progress.COLUMNS
    assert any(r[0] == "02.1" and r[3] == "yes" for r in rows)
    with pytest.raises(ValueError, match="exists already"):
        labs.export(tmp_path / "mine.csv")
    with pytest.raises(ValueError, match=r"\.json or \.csv"):
        labs.export(tmp_path / "mine.txt")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_a_disk_that_does_not_take_it_costs_one_record_and_no_verdict(path, monkeypatch, code):
    labs.check("02.1", 1)
    before = path.read_bytes()

    def full(number):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as m:
        m.setattr(os, "fsync", full)
        verdict = labs.check("02.1", 172)
    assert verdict.right
    assert verdict.remark.startswith("This answer is not in your progress file, which is as it was")
    assert os.strerror(code) in verdict.remark
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.part"))
    assert labs.check("02.1", 172).remark == ""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no file-size limit on this platform")
def test_a_write_that_really_fails_leaves_the_old_file(path):
    progress.record("02.1", 0, "wrong", "x" * 5000)
    before = path.read_bytes()
    code = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    code += "print(progress.record('02.1', 0, 'right', '1'))\n"
    said = second(code, stdout=subprocess.PIPE).communicate(timeout=60)[0]
    assert said.startswith("This answer is not in your progress file, which is as it was")
    assert path.read_bytes() == before and not list(path.parent.glob("*.part"))


def test_a_home_that_cannot_be_written_to_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VIRTLAB_PROGRESS", str(tmp_path / "file" / "progress.json"))
    verdict = labs.check("02.1", 172)
    assert verdict.right and "not in your progress file" in verdict.remark
    assert "\n" not in verdict.remark


def test_a_killed_kernel_leaves_a_whole_file_and_no_lock(path):
    progress.record("02.1", 0, "right", "172")
    code = "n = 0\nwhile True:\n    n += 1\n    progress.record('02.2', 0, 'wrong', 'x' * 20000)\n"
    code += "    if n == 3: print('goes', flush=True)\n"
    for pause in (0.0, 0.003, 0.011, 0.017):
        kernel = second(code, stdout=subprocess.PIPE)
        assert kernel.stdout.readline() == "goes\n"
        time.sleep(pause)
        kernel.kill()
        kernel.wait()
        kernel.stdout.close()
        held = progress.read_progress()["exercises"]
        assert held["02.1"]["right"] and held["02.2"]["tries"] >= 3
        assert progress.record("02.1", 0, "right", "172") == ""


def test_two_kernels_at_once_lose_nothing():
    each = "progress.record(f'0{n % 5}.1', n, 'wrong', str(n))"
    code = "print([" + each + " for n in range(FIRST, FIRST + 25)])"
    kernels = [second(code.replace("FIRST", str(25 * k)), stdout=subprocess.PIPE) for k in range(3)]
    said = [kernel.communicate(timeout=60)[0] for kernel in kernels]
    assert said == [f"{[''] * 25}\n"] * 3
    held = progress.read_progress()["exercises"]
    assert sum(entry["tries"] for entry in held.values()) == 75
    answers = {int(a["answer"]) for entry in held.values() for a in entry["answers"]}
    assert answers == set(range(75))


def test_a_kernel_that_holds_the_lock_is_not_waited_for_without_end(path, monkeypatch):
    path.parent.mkdir()
    code = f"import pathlib\nwith progress.locked(pathlib.Path({str(path)!r})):\n"
    code += "    print('held', flush=True)\n    sys.stdin.read()\n"
    kernel = second(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert kernel.stdout.readline() == "held\n"
    monkeypatch.setattr(progress, "WAIT_SECONDS", 0.1)
    verdict = labs.check("02.1", 172)
    assert verdict.right and "another kernel is writing" in verdict.remark
    kernel.communicate("", timeout=60)
    assert labs.check("02.1", 172).remark == ""


DAMAGED = [
    *(b"", b"{", b"[]", b"\xff\xfe", b'{"format": 99, "exercises": {}}', b"[" * 100_000),
    *(b'{"format": 1, "exercises": {"02.1": 7}}', b'{"format": 1, "exercises": []}'),
    b'{"format": 1, "exercises": {"02.1": {"tries": "x"}}}',
]


@pytest.mark.parametrize("data", DAMAGED, ids=lambda d: repr(d)[:30])
def test_a_damaged_file_is_put_aside_and_never_overwritten(path, data):
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(progress.ProgressError, match="damaged, or of another version"):
        labs.exercises()
    verdict = labs.check("02.1", 172)
    assert verdict.right and "progress-aside-1.json" in verdict.remark
    assert (path.parent / "progress-aside-1.json").read_bytes() == data
    assert progress.read_progress()["exercises"]["02.1"]["right"]
    path.write_bytes(b"again")
    assert "progress-aside-2.json" in labs.check("02.1", 172).remark
    assert (path.parent / "progress-aside-1.json").read_bytes() == data


def test_nothing_is_kept_where_nobody_reads(monkeypatch, tmp_path):
    monkeypatch.setenv("VIRTLAB_PROGRESS", "off")
    monkeypatch.chdir(tmp_path)
    assert labs.check("02.1", 172) and progress.read_progress()["exercises"] == {}
    assert list(tmp_path.iterdir()) == []


def test_without_the_variable_it_is_in_the_readers_home(monkeypatch, tmp_path):
    monkeypatch.delenv("VIRTLAB_PROGRESS")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert progress.progress_path() == tmp_path / ".virtlab" / "progress.json"
