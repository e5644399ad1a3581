"""The same counts and cycles with the JIT off, without a warning."""

import json
import os
import subprocess
import sys

PROGRAM = """
import json, warnings
warnings.simplefilter("error")
from virtlab.published import reproduction
from virtlab.published.paging_crossover import PagingPrices, crossover
from virtlab.published.riscv import processor
from virtlab.published.sensitive import classify_instruction
from virtlab.published.walk_caches import latencies, make_workload, references_left
from virtlab.published.walk_references import count_references

inputs = {one.name: one.value for one in reproduction("R3b").inputs} | {"visits": 600}
machine = processor(silent_privileged=True)
print(json.dumps([
    [count_references(guest, nested) for guest in (3, 4, 5) for nested in (0, 3, 4, 5)],
    references_left("1D_PWC", inputs),
    latencies(make_workload(700, inputs), inputs),
    list(crossover([0, 1, 10], 1.29, PagingPrices(44, 264, 971)).shadow),
    [classify_instruction(machine, name).classes for name in ("add", "sret", "wfi", "csrr sip")],
]))
"""


def told(jit: bool) -> list:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "NUMBA_DISABLE_JIT": str(int(not jit))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_with_and_without_the_jit_the_same_comes_out():
    compiled, plain = told(True), told(False)
    assert plain == compiled
    assert compiled[1] == [24, 21]
