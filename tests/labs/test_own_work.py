"""Does a learner's own work outlive a killed kernel and a full disk? Notebook, answers, machine."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbformat import v4

from virtlab.labs import progress
from virtlab.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
WORK = """
from virtlab import labs
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine
print(labs.check("02.10", 1).outcome)
m = Machine(ram="1M").load(assemble("1: addi s0, s0, 1\\n j 1b"))
m.run(10)
m.save("mine.vl")
"""
# JupyterLab's own way to save, on a disk with room for ROOM bytes more.
SAVE = """
import json, resource, signal, sys
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
import asyncio, nbformat
from nbformat import v4
from nbformat.sign import NotebookNotary
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
manager = AsyncLargeFileManager(root_dir=sys.argv[1])
manager.notary = NotebookNotary(db_file=":memory:")
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
model = {"type": "notebook", "content": v4.new_notebook(cells=[v4.new_code_cell("x" * 9000)])}
try:
    asyncio.run(manager.save(model, "mine.ipynb"))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_killed_kernel_takes_nothing_that_was_saved_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRTLAB_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    manager, client = start_new_kernel(cwd=str(tmp_path), kernel_name="python3")
    try:
        said = []
        client.execute_interactive(
            WORK, timeout=120, output_hook=lambda m: said.append(m["content"])
        )
        client.execute("while True: pass")
        os.kill(manager.provisioner.pid, signal.SIGKILL)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert {"name": "stdout", "text": "wrong\n"} in said, said
    held = progress.read_progress(tmp_path / "progress.json")
    assert held["exercises"]["02.10"]["tries"] == 1
    assert Machine.open(tmp_path / "mine.vl").registers.s0 == 5


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no file-size limit on this platform")
def test_a_notebook_that_does_not_fit_is_refused_and_the_old_one_stays(tmp_path):
    made = v4.new_notebook(cells=[v4.new_code_cell("my work")])
    nbformat.write(made, tmp_path / "mine.ipynb")
    before = (tmp_path / "mine.ipynb").read_bytes()
    command = [sys.executable, "-c", SAVE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "HTTPError" in done.stdout and "File too large" in done.stdout, done
    assert (tmp_path / "mine.ipynb").read_bytes() == before


def test_a_machine_that_does_not_fit_is_refused_and_the_old_one_stays(tmp_path, monkeypatch):
    path = tmp_path / "mine.vl"
    m = Machine(ram="1M").load_flat(bytes.fromhex("13041400 6ff0dfff"))
    m.run(10)
    m.save(path)
    before = path.read_bytes()
    m.run(10)

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="was not saved, what was there is as it was: No space"):
            m.save(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["mine.vl"]
    m.save(path)
    assert Machine.open(path).registers.s0 == 10
