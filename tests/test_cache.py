"""Machine code shared by many users: nobody waits for a compile or changes that of others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from virtlab import _cache

ROOT = Path(__file__).resolve().parents[1]
# One compiled function, and whether Numba found it in the cache or compiled it.
CALL = """
import warnings
warnings.simplefilter("always")
import numpy as np
from virtlab.isa.decode import decode
decode(np.int64(0x00A00093))
print(sum(decode.stats.cache_hits.values()), sum(decode.stats.cache_misses.values()))
"""
# What may be written to a file, in bytes: as if the disk had that much room.
NO_ROOM = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
"""
pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners of files are POSIX's")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def shared(tmp_path):
    """A shared cache of two functions, as a teacher leaves it."""
    folder = tmp_path / "shared" / "0123"
    (folder / "cpu_1").mkdir(parents=True)
    for name in ("run.nbi", "run.1.nbc", "run.2.nbc", "step.nbi", "step.1.nbc"):
        (folder / "cpu_1" / name).write_bytes(b"shared " + name.encode())
        (folder / "cpu_1" / name).chmod(0o444)
    return folder


def test_what_is_shared_is_copied_to_each_user(shared, tmp_path, monkeypatch):
    before = files(shared)
    monkeypatch.setenv("VIRTLAB_SHARED_CACHE", str(shared.parent))
    for user in ("ann", "bob"):
        monkeypatch.setenv("VIRTLAB_CACHE", str(tmp_path / user))
        assert files(_cache.own_folder("0123")) == before
    # What a user compiles or spoils is the user's alone, and stays when the kernel starts again.
    mine = tmp_path / "bob" / "0123" / "cpu_1" / "run.nbi"
    mine.write_bytes(b"poison")
    (mine.parent / "run.1.nbc").unlink()
    assert files(_cache.own_folder("0123"))["cpu_1/run.nbi"] == b"poison"
    assert not (mine.parent / "run.1.nbc").exists()  # the two are not mixed
    assert files(shared) == before == files(tmp_path / "ann" / "0123")


def test_an_interrupted_copy_is_done_again(shared, tmp_path):
    own = tmp_path / "own"
    (own / "cpu_1").mkdir(parents=True)
    (own / "cpu_1" / "run.1.nbc").write_bytes(b"half")
    assert _cache.borrow(shared, own) == 2
    assert files(own) == files(shared)
    assert _cache.borrow(shared, own) == 0


@pytest.mark.parametrize("what", ["", "cpu_1", ".."])
def test_a_folder_that_others_can_write_to_is_not_used(shared, tmp_path, what):
    (shared / what).chmod(0o777)
    with pytest.warns(RuntimeWarning, match="is not used: others can write"):
        assert _cache.borrow(shared, tmp_path / "own") == 0
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize("change", ["mode", "link"])
def test_a_file_that_others_can_change_is_not_used(shared, tmp_path, change):
    index = shared / "cpu_1" / "run.nbi"
    if change == "mode":
        index.chmod(0o666)
    else:
        index.rename(tmp_path / "elsewhere")
        index.symlink_to(tmp_path / "elsewhere")
    assert _cache.borrow(shared, tmp_path / "own") == 1
    assert set(files(tmp_path / "own")) == {"cpu_1/step.nbi", "cpu_1/step.1.nbc"}


def call(own: Path, before: str = "", **environment) -> subprocess.CompletedProcess:
    known = {k: v for k, v in os.environ.items() if k not in ("NUMBA_DISABLE_JIT",)}
    known |= {"VIRTLAB_CACHE": str(own), "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", before + CALL]
    return subprocess.run(command, env=known, capture_output=True, text=True, timeout=120)


def test_a_second_user_compiles_nothing(tmp_path):
    """Numba finds in the user's own folder what somebody else has compiled."""
    teacher = call(tmp_path / "shared")
    assert teacher.stdout.split() == ["0", "1"], teacher.stderr
    before = files(tmp_path / "shared")
    student = call(tmp_path / "ann", VIRTLAB_SHARED_CACHE=str(tmp_path / "shared"))
    assert student.stdout.split() == ["1", "0"] and not student.stderr
    assert files(tmp_path / "shared") == before
    assert call(tmp_path / "ann").stdout.split() == ["1", "0"]


@pytest.mark.parametrize("room", [1000, 5000])
def test_a_full_disk_costs_the_cache_and_not_the_run(tmp_path, room):
    """Whether it is full from the start or gets full when code is to be kept."""
    done = call(tmp_path / "ann", NO_ROOM.replace("ROOM", str(room)))
    assert done.stdout.split() == ["0", "1"]
    assert "is not kept in" in done.stderr and "File too large" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_none_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VIRTLAB_CACHE", str(tmp_path / "file"))
    with pytest.warns(RuntimeWarning, match="is not kept in .*file.*compiled anew"):
        folder = _cache.own_folder("0123")
    assert folder.is_dir() and tmp_path not in folder.parents
