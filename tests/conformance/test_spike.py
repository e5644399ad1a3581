"""The machine does what Spike does, instruction by instruction.

Compared: pc, instruction, mode, the register written and its value, and that no other register
changes. The programs read what traps and CSR writes leave behind into registers. Every comparison
also runs the program again at full speed, which must end in the same state as the stepped run.
What is left out, and why: differences.md.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conformance import corners, harness
from tests.conformance.choices import BATCH, PROFILES
from virtlab.isa.instructions import INSTRUCTIONS

pytestmark = pytest.mark.spike

N_PROGRAMS = 2000
N_MORE_PROGRAMS = 40_000
N_WITHOUT_JIT = 6

LISTS = {
    "arithmetic": corners.arithmetic,
    "compressed": corners.compressed,
    "jumps": corners.jumps,
    "memory": corners.memory,
    "system": corners.system,
}


def first_seed(seed: int) -> int:
    """Where the seeds of a run's programs begin: a whole number of batches."""
    return (seed << 20) * BATCH


@pytest.mark.parametrize("name", LISTS)
def test_instructions_on_corner_operands(name):
    result = harness.compare(LISTS[name]().image())
    assert result.ended
    assert result.same, result.report()


def test_the_corner_lists_leave_no_instruction_out():
    executed = set().union(*(make().used for make in LISTS.values()))
    assert executed == {row.name for row in INSTRUCTIONS}


def test_every_halfword_is_the_same_instruction_or_none():
    result = harness.compare(corners.every_halfword().image())
    assert result.ended
    assert result.same, result.report()


def test_words_near_instructions(seed):
    result = harness.compare(corners.near_words(seed, 10_000).image())
    assert result.ended
    assert result.same, result.report()


@pytest.mark.parametrize("number", range(8))
def test_locked_pmp_entries_bind_machine_mode_too(seed, number):
    result = harness.compare(corners.locked_pmp(seed * 8 + number).image())
    assert result.ended
    assert result.same, result.report()


def test_random_programs(seed):
    found = harness.disagreements(first_seed(seed), N_PROGRAMS)
    assert not found, harness.describe(found)


@pytest.mark.more_random
def test_many_more_random_programs(seed):
    found = harness.disagreements(first_seed(seed) + (1 << 19) * BATCH, N_MORE_PROGRAMS)
    assert not found, harness.describe(found)


def test_random_programs_reach_what_they_are_meant_to_test():
    """A fixed sample takes every trap there is, in every handler, and visits every mode."""
    mcauses, scauses, modes, events = set(), set(), set(), set()
    profiles = set()
    for batch in range(12):
        image, made = harness.programs(list(range(batch * BATCH, (batch + 1) * BATCH)))
        profiles |= {program.profile for program in made}
        result = harness.compare(image)
        assert result.ended
        trace = result.trace
        modes |= set(trace["mode"].tolist())
        for seen, csr in ((mcauses, 0x342), (scauses, 0x142)):
            handler = trace["word"] == csr << 20 | 2 << 12 | 28 << 7 | 0x73
            seen |= set(trace["value"][handler].astype(np.int64).tolist())
        events |= {(e.kind, e.to_mode) for e in result.machine.events}
    synchronous = {1, 2, 3, 5, 7, 8, 10, 12, 13, 15, 20, 21, 22, 23}
    assert {c for c in mcauses if c >= 0} == synchronous | {9, 11}
    assert {c for c in scauses if c >= 0} == synchronous
    interrupts = {c & 0xFF for c in mcauses | scauses if c < 0}
    assert interrupts == {1, 2, 3, 5, 6, 7, 9, 10}
    assert modes == {0, 1, 3}
    assert {to for kind, to in events if kind == "return"} == {"M", "S", "U", "VS", "VU"}
    assert profiles == set(PROFILES)


def test_a_difference_is_found():
    """One flipped bit in what Spike is said to have done is reported at its row."""
    image, _ = harness.programs([0])
    trace = harness.spike.run(image.data)
    row = int(np.flatnonzero(trace["rd"] == 6)[20])
    trace["value"][row] ^= 1
    assert harness.follow_trace(harness.machine_for(image.data), trace) == row


def test_the_same_with_the_jit_off(seed, root):
    """Spike again, with every compiled function run as plain Python."""
    command = [sys.executable, "-m", "tests.conformance.replay"]
    command += [str(first_seed(seed)), str(N_WITHOUT_JIT)]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
