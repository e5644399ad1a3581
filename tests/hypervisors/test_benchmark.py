"""Does the hypervisors' benchmark answer as promised: one JSON object with the agreed keys?"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from virtlab.hypervisors import TECHNIQUES

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "hypervisors.py"
SHADOW = "hardware-assisted, shadow"


@pytest.fixture
def benchmark():
    spec = importlib.util.spec_from_file_location("hypervisors_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_json_has_the_agreed_keys(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "COMPUTE", "compute 300000 8")
    monkeypatch.setattr(benchmark, "COMPUTE_STEPS", 1_000_000)
    monkeypatch.setattr(benchmark, "WORKLOADS", {"nullsys": "nullsys 20"})
    monkeypatch.setattr(sys, "argv", ["hypervisors.py", "--json", "--rounds", "1"])
    benchmark.main()
    measured = json.loads(capsys.readouterr().out)
    techniques = {*TECHNIQUES, SHADOW}
    assert set(measured) == {"relative_mips", "boot_s", "exits_per_kinstr", "sweep_s"}
    assert set(measured["relative_mips"]) == techniques
    assert set(measured["boot_s"]) == {*techniques, "bare"}
    assert set(measured["exits_per_kinstr"]) == techniques
    for exits in measured["exits_per_kinstr"].values():
        assert set(exits) == {"boot", "nullsys"}
    assert all(number > 0 for number in measured["relative_mips"].values())
    assert measured["exits_per_kinstr"]["trap-and-emulate"]["nullsys"] > 1


def test_every_workload_of_the_agreement_is_measured(benchmark):
    agreed = "nullsys forkwait ctxsw pgfault ptemod devread diskread compute memwalk".split()
    assert list(benchmark.WORKLOADS) == agreed


def test_a_mistake_gets_one_sentence():
    command = [sys.executable, str(SCRIPT), "--round", "many"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and result.stdout == ""
    assert "invalid int value: 'many'" in result.stderr
