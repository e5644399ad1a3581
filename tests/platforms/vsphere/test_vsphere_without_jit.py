"""The same hours of a data centre with the JIT off, without a warning."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, warnings
warnings.simplefilter("error")
from virtlab.platforms.vsphere.cluster import simulation
from virtlab.platforms.vsphere.cpu import Tree
from virtlab.platforms.vsphere.memory import allocation
from virtlab.platforms.vsphere.vmotion import plan

made = simulation(4, 40, seed=5, memory_mb=24_576)
made.fail(1, at=1000, returns=4000)
made.isolate(2, at=5000)
made.enter_maintenance(3)
made.run(hours=2)
tree = Tree()
for k in range(5):
    tree.add(f"n{k}", shares=k, reservation=100 * (k == 1), demand=500)
print(json.dumps([
    [made.why(event) for event in made.events],
    [made.vms[name].tolist() for name in ("host", "resident", "swapped", "cpu_given")],
    tree.entitlements(1234),
    allocation(300, [1, 2], [10, 200], [0, 0], [300, 300]),
    plan(4000, 2000, 500).seconds,
]))
"""


def told(jit: bool) -> list:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "NUMBA_DISABLE_JIT": str(int(not jit))},
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_data_centre_is_the_same_with_the_jit_off():
    with_jit, without = told(True), told(False)
    assert len(with_jit[0]) > 40
    assert with_jit == without
