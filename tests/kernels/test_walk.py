"""The compiled walk against the plain-Python one, on random page tables, modes and settings."""

import collections
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_walks import MODES, PAGES, Case

from virtlab.isa import encoding as e
from virtlab.kernels import walk as kernel
from virtlab.machine.state import HART, RAM_BASE
from virtlab.machine.walk import ACCESSES, WalkStep, flag_text, walk

U64 = (1 << 64) - 1
CASES = 4000
CAUSES = {name: cause for cause, name in e.EXCEPTION_NAMES.items()}


def empty_machine():
    """As much of a machine as `Case` writes to: the hart's record and RAM."""
    harts = np.zeros(1, HART)
    harts[0].ram_bytes = PAGES * 4096
    words = np.zeros(PAGES * 512, np.int64)
    return SimpleNamespace(_hart=harts[0], _mem=SimpleNamespace(u64=words), harts=harts)


def walked(m, va: int, access: str, mode: int, virt: int):
    """What the kernel says: (steps, pa or None, fault or None), in the plain walk's words."""
    steps = np.full((kernel.STEP_ROWS, kernel.STEP_COLUMNS), -7)
    result = np.full(kernel.RESULT_VALUES, -7)
    signed = va - (1 << 64 if va >> 63 else 0)
    kernel.walk_steps(m.harts, m._mem.u64, signed, ACCESSES[access], mode, virt, steps, result)
    n, pa, fault = result.tolist()
    assert not steps[n:].any()
    found = [
        WalkStep(
            kernel.STAGES[stage],
            level,
            table & U64,
            index,
            at & U64,
            pte & U64,
            flag_text(pte),
            kernel.OUTCOMES[outcome],
        )
        for stage, level, table, index, at, pte, outcome in steps[:n].tolist()
    ]
    if fault != kernel.NO_FAULT:
        assert pa == 0
        return found, None, e.EXCEPTION_NAMES[fault]
    return found, pa & U64, None


def told(m, va: int, access: str, mode: int, virt: int):
    """What the plain walk says, in the same form."""

    def entry(pa: int):
        offset = pa - RAM_BASE
        inside = 0 <= offset < 8 * len(m._mem.u64)
        return int(m._mem.u64[offset // 8]) & U64 if inside else None

    found = walk(m._hart, entry, va, access, mode, virt)
    return found.steps, found.pa, found.fault


def compare(seed, n_cases: int) -> tuple[collections.Counter, int]:
    """Walk random tables twice; returns how often each outcome was seen and the longest walk."""
    rng = random.Random(f"{seed} walk_steps")
    m = empty_machine()
    seen, longest = collections.Counter(), 0
    for k in range(n_cases):
        m._mem.u64[:] = 0
        case = Case(m, rng)
        mode, virt = MODES[case.mode] if rng.random() < 0.98 else (e.MACHINE, 0)
        before = m.harts.tobytes(), m._mem.u64.tobytes()
        found = walked(m, case.va, case.access, mode, virt)
        assert found == told(m, case.va, case.access, mode, virt), f"case {k}, {case.mode}"
        assert (m.harts.tobytes(), m._mem.u64.tobytes()) == before
        seen.update(step.outcome for step in found[0])
        seen[found[2]] += 1
        longest = max(longest, len(found[0]))
    return seen, longest


def test_the_compiled_steps_are_the_plain_ones(seed):
    seen, longest = compare(seed, CASES)
    assert longest == kernel.MOST_STEPS < kernel.STEP_ROWS
    assert set(seen) >= set(kernel.OUTCOMES), "an outcome was never drawn"
    assert {CAUSES[name] for name in seen if name in CAUSES} == set(
        kernel.PAGE_FAULTS + kernel.ACCESS_FAULTS + kernel.GUEST_FAULTS
    )


def test_every_outcome_has_its_own_text():
    assert len(set(kernel.OUTCOMES)) == len(kernel.OUTCOMES) == kernel.NOT_DIRTY + 1


@pytest.mark.parametrize("va", [0, RAM_BASE, 1 << 38, 1 << 63, U64, (1 << 63) - 1, -1 & U64])
def test_the_ends_of_the_address_range(va):
    m = empty_machine()
    m._hart.pmpaddr[0], m._hart.pmpcfg[0] = (1 << 54) - 1, 7 | e.PMP_NAPOT << e.PMP_A_SHIFT
    for mode, virt in (*MODES.values(), (e.MACHINE, 0)):
        for atp in (0, -(1 << 63) | RAM_BASE >> 12):
            m._hart.satp = m._hart.vsatp = m._hart.hgatp = atp
            for access in ACCESSES:
                setting = va, access, mode, virt
                assert walked(m, *setting) == told(m, *setting), f"{va:#x} {setting}"


def test_it_is_the_same_with_the_jit_off(seed):
    program = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}\n"
        f"import conftest, warnings; warnings.simplefilter('error')\n"
        f"import test_walk; print(test_walk.compare({seed}, 150)[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3
