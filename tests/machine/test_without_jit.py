"""The same with the JIT off: NumPy's own arithmetic gives the same registers, memory and events.

A sample of guests runs compiled, in this process, and as plain Python, in one other process: traps,
paging, the timer, atomics, every arithmetic instruction on corner operands, the UART, the disk.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stories import catch, machine, state
from test_replay import BUSY
from test_views import PAGED

CORNERS = (0, 1, -1, 2, 31, 63, 64, 0x7FFF_FFFF, -0x8000_0000, 0x8000_0000, 0xFFFF_FFFF,
           0x7FFF_FFFF_FFFF_FFFF, -0x8000_0000_0000_0000, 0x0123_4567_89AB_CDEF)  # fmt: skip
BINARY = """add sub sll slt sltu xor srl sra or and addw subw sllw srlw sraw mul mulh mulhsu mulhu
div divu rem remu mulw divw divuw remw remuw""".split()
AMOS = "amoswap amoadd amoxor amoand amoor amomin amomax amominu amomaxu".split()


def arithmetic() -> str:
    """Every operation on every pair of corner operands, mixed into s1."""
    operations = "".join(
        f"{name} t2, t0, t1\n xor s1, s1, t2\n slli t3, s1, 7\n srli s1, s1, 57\n or s1, s1, t3\n"
        for name in BINARY
    )
    return f"""
        la    s2, corners
        li    s3, {len(CORNERS)}
    1:  la    s4, corners
        li    s5, {len(CORNERS)}
        ld    t0, 0(s2)
    2:  ld    t1, 0(s4)
        {operations}
        addi  s4, s4, 8
        addi  s5, s5, -1
        bnez  s5, 2b
        addi  s2, s2, 8
        addi  s3, s3, -1
        bnez  s3, 1b
    3:  j     3b
        .balign 8
    corners: .dword {", ".join(str(value) for value in CORNERS)}
    """


def atomics() -> str:
    """Every atomic operation in both widths, and reservations."""
    swaps = "".join(
        f"{name}.{width} t2, t1, (s0)\n xor s1, s1, t2\n slli s1, s1, 1\n"
        for name in AMOS
        for width in "wd"
    )
    return f"""
        la    s0, cell
        li    t1, -0x123456789
        {swaps}
        lr.d  t0, (s0)
        addi  t0, t0, 1
        sc.d  s2, t0, (s0)
        sc.d  s3, t0, (s0)
        lw    s4, 1(s0)
        sd    t1, 3(s0)
        ld    s5, 5(s0)
    1:  j     1b
        .balign 4096
        .zero 4096 - 8
    cell: .dword 0x8000000080000001, 7, 8
    """


DISK = f"""
        {catch("trap")}
        li    s0, 0x10001000
        li    t0, 15
        sw    t0, 0x70(s0)
        li    t0, 8
        sw    t0, 0x38(s0)
        la    t0, table
        sw    t0, 0x80(s0)
        la    t0, offered
        sw    t0, 0x90(s0)
        la    t0, used
        sw    t0, 0xa0(s0)
        li    t0, 1
        sw    t0, 0x44(s0)
        la    t1, table
        la    t0, header
        sd    t0, 0(t1)
        la    t0, sector
        sd    t0, 16(t1)
        la    t0, verdict
        sd    t0, 32(t1)
        sw    zero, 0x50(s0)
        lbu   a0, verdict
        la    t0, sector
        ld    a1, 8(t0)
        lw    a2, 0x60(s0)
trap:   j     trap
        .balign 16
table:  .dword 0, 0x0001000100000010, 0, 0x0002000300000200, 0, 0x0000000200000001
offered: .half 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        .balign 8
used:   .zero 80
header: .dword 0, 1
verdict: .dword 255
sector: .zero 512
"""
STORIES = {
    "arithmetic": (arithmetic(), 14 * 14 * (4 + 5 * len(BINARY)) + 300, {}),
    "atomics": (atomics(), 100, {}),
    "paging": (PAGED, 70, {}),
    "traps, timer and UART": (BUSY, 8_000, {}),
    "disk": (DISK, 60, {"disk": bytes(range(256)) * 4}),
}


def told(name: str) -> str:
    """A story run to its end, and what can be seen of the machine then as one number."""
    text, n, options = STORIES[name]
    m = machine(text, **options)
    m.type("typed")
    m.run(n)
    assert m.steps == n
    seen = {key: value for key, value in state(m).items() if key != "events"}
    seen["events"] = [str(event) for event in m.events]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


@pytest.fixture(scope="module")
def plain(root) -> dict:
    """The numbers that plain Python comes to."""
    program = (
        "import json, sys, warnings\n"
        "warnings.simplefilter('error')\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_without_jit as t\n"
        "print(json.dumps({name: t.told(name) for name in t.STORIES}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", STORIES)
def test_plain_python_comes_to_the_same_state(plain, name):
    assert plain[name] == told(name)


def test_the_stories_happen():
    m = machine(DISK, disk=bytes(range(256)) * 4)
    m.run(60)
    assert (m.registers.a0, m.registers.a2) == (0, 1)
    assert m.registers.a1 == int.from_bytes(bytes(range(8, 16)), "little")
    m = machine(atomics())
    m.run(100)
    assert (m.registers.s2, m.registers.s3) == (0, 1)
