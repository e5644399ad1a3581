"""Compiling ahead: progress is told step by step, and what follows finds its code ready."""

import subprocess
import sys

import pytest

from virtlab import warm as warm_module
from virtlab._cache import cache_base
from virtlab.warm import STEPS, main, warm


def test_progress_is_told_before_each_step(monkeypatch):
    told = []
    for _, function in STEPS:
        monkeypatch.setattr(warm_module, function, lambda state, f=function: told.append(f))
    seconds = warm(lambda *step: told.append(step))
    assert seconds >= 0
    assert told == [
        event
        for number, (name, function) in enumerate(STEPS, 1)
        for event in ((number, len(STEPS), name), function)
    ]


def test_the_steps_run_without_anybody_watching():
    assert 0 < warm() < 300


def test_a_step_that_fails_is_not_passed_over(monkeypatch):
    def fail(state):
        raise RuntimeError("cannot compile")

    monkeypatch.setattr(warm_module, STEPS[1][1], fail)
    told = []
    with pytest.raises(RuntimeError, match="cannot compile"):
        warm(lambda *step: told.append(step))
    assert len(told) == 2


def test_a_line_is_printed_for_each_step(capsys):
    assert main() == 0
    *steps, last = capsys.readouterr().out.splitlines()
    assert steps == [f"{k}/{len(STEPS)} {name}" for k, (name, _) in enumerate(STEPS, 1)]
    assert str(cache_base()) in last and last.endswith(" s)")


def test_it_is_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "virtlab.warm"], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"1/{len(STEPS)} {STEPS[0][0]}\n")


def test_after_it_nothing_is_compiled_any_more():
    warm()
    before = {path: path.stat().st_mtime_ns for path in cache_base().rglob("*.nb?")}
    assert before
    code = (
        "from virtlab.isa.assembler import assemble\n"
        "from virtlab.machine import Event, Machine\n"
        "m = Machine(ram='1M').load(assemble('1: addi a0, a0, 1\\n ecall\\n j 1b'))\n"
        "m.run(10); m.run(10, until=Event.TRAP); m.type('x'); m.back(3); m.csrs(); m.events\n"
        "m.disassemble(); m.snapshot(); m.translate(m.pc)\n"
        "m.memory.write(1 << 31, b'x'); m.step()\n"
        "next(m.traps(1), None)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    after = {path: path.stat().st_mtime_ns for path in cache_base().rglob("*.nb?")}
    assert after == before
