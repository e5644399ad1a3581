"""The same requests by every path with the JIT off, without a warning."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, warnings
warnings.simplefilter("error")
from virtlab.machine.state import RAM_BASE
from virtlab.platforms.kvm import model
from virtlab.platforms.kvm.user_space.io_paths import PATHS, IoPath

told = []
for path in PATHS:
    with IoPath(model, "disk", path, bytes(range(256)) * 8) as one:
        n = one.exits_of(2, lambda driver: [driver.write(1, b"x" * 512), driver.read(1)])
        told.append([n.to_program, n.in_kernel, n.n_interrupts, one.contents.hex()])
        told.append(one.vcpu.exits_by_reason())
        if path == "passthrough":
            told.append([one.driver.demand(0, RAM_BASE + 0x80_0000), one.device.fault])
print(json.dumps(told))
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


def test_every_path_is_the_same_with_the_jit_off():
    with_it = told(True)
    assert told(False) == with_it
    assert with_it[-1] == [False, 0x8080_0000]
