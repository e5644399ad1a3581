"""A guest that reads and writes everywhere, in random modes and with random page tables.

The machine's arrays are laid into larger ones whose margins hold a pattern. Whatever the guest
does, the margins must keep it: no access ever leaves RAM, the disk, or the decoded code.
"""

import random

import numpy as np
import pytest

from virtlab.isa.assembler import assemble
from virtlab.machine import Machine
from virtlab.machine import machine as machine_module
from virtlab.machine.state import RAM_BASE, new_memory

RAM = 1 << 20
MARGIN = 1 << 16  # bytes before and behind each array
PATTERN = 0xA5
STEPS = 200_000
N_GUESTS = 16

# Accesses of every width at addresses of every kind, in a mode and with tables the host chooses.
# a2: state of the dice; a3: mstatus to begin with; a4: satp; a5: hgatp; a6: vsatp
WANDERER = """
_start:
  la t0, trap
  csrw mtvec, t0
  li t0, -1
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0
  csrw satp, a4
  csrw hgatp, a5
  csrw vsatp, a6
  csrw menvcfg, a2            # hardware updates of A and D, or not
  csrw henvcfg, a2
  la t0, loop
  csrw mepc, t0
  csrw mstatus, a3
  mret
.balign 4
trap:
  csrr s11, mepc
  csrr s10, mcause
  li s9, 1
  beq s10, s9, home           # the code itself cannot be fetched: start again
  li s9, 12
  beq s10, s9, home
  li s9, 20
  beq s10, s9, home
  li s9, 2
  beq s10, s9, home
  addi s11, s11, 4
  j back
home:
  la s11, loop
  li s9, 0x20800              # in M-mode, with the rights of S or VS
  csrs mstatus, s9
back:
  csrw mepc, s11
  csrr s9, mstatus
  xor s9, s9, a2
  li s10, 0x60e0000           # SUM, MXR, MPRV as the dice fall
  and s9, s9, s10
  csrc mstatus, s10
  csrs mstatus, s9
  mret
loop:
  slli t0, a2, 13
  xor a2, a2, t0
  srli t0, a2, 7
  xor a2, a2, t0
  slli t0, a2, 17
  xor a2, a2, t0
  andi t1, a2, 63
  srl t2, a2, t1              # any number of bits
  sra t3, a2, t1              # negative ones too
  la t4, _start
  li t5, 0xfffff
  and t5, t5, a2
  add t4, t4, t5              # in RAM, or just behind
  srli t5, a2, 40
  li t6, 0x7ffffff8
  add t6, t6, t1              # around the beginning of RAM
  ld s2, 0(t2)
  sd a2, 0(t3)
  lw s2, 0(t4)
  sw a2, -3(t4)
  sd a2, 5(t6)
  ld s3, 0(t6)
  lbu s3, 0(t5)
  sb a2, 0(t2)
  amoadd.d s4, a2, (t3)
  amoxor.w s4, a2, (t4)
  lr.d s5, (t4)
  sc.d s5, a2, (t4)
  sh a2, 0(t6)
  lhu s6, 1(t3)
  hlv.d s7, (t4)
  hsv.d a2, (t2)
  sfence.vma
  li t0, 0x100                # one page below, one behind
  slli t0, t0, 12
  li t1, 0x80000000
  add t0, t0, t1
  sd a2, -1(t0)
  ld s8, -7(t0)
  li t0, 0x10001000
  and t1, a2, t5
  andi t1, t1, 0xfc
  add t0, t0, t1
  sw a2, 0(t0)                # the block device
  lw s8, 0(t0)
  j loop
"""


class Margins:
    """Makes memories whose arrays lie between margins, and checks the margins."""

    def __init__(self):
        self.whole = []

    def make(self, ram_bytes, n_rows, disk):
        memory = new_memory(ram_bytes, n_rows, disk)
        places = {name: self._place(getattr(memory, name)) for name in memory._fields}
        ram = places["u8"]
        views = dict(u16=ram.view(np.uint16), u32=ram.view(np.uint32), u64=ram.view(np.int64))
        return memory._replace(**places | views)

    def _place(self, array):
        whole = np.full(array.nbytes + 2 * MARGIN, PATTERN, np.uint8)
        inner = whole[MARGIN : MARGIN + array.nbytes]
        self.whole.append((whole, array.nbytes))
        placed = inner.view(array.dtype).reshape(array.shape)
        placed[...] = array
        return placed

    def intact(self) -> bool:
        return all(
            (whole[:MARGIN] == PATTERN).all() and (whole[MARGIN + n :] == PATTERN).all()
            for whole, n in self.whole
        )


@pytest.fixture
def margins(monkeypatch):
    made = Margins()
    monkeypatch.setattr(machine_module, "new_memory", made.make)
    return made


def random_entries(rng: random.Random, n: int) -> bytes:
    """Page-table entries: many valid, many pointing to tables, into RAM, or nowhere."""
    entries = bytearray()
    for _ in range(n):
        frame = rng.choice([rng.randrange(RAM >> 12) + (RAM_BASE >> 12), rng.getrandbits(44)])
        flags = rng.choice([0x01, 0xDF, 0xCF, 0xD7, rng.getrandbits(8), 0])
        entries += (frame << 10 | flags).to_bytes(8, "little")
    return bytes(entries)


@pytest.mark.parametrize("guest", range(N_GUESTS))
def test_a_guest_that_reads_and_writes_everywhere(guest, seed, margins):
    rng = random.Random(seed * N_GUESTS + guest)
    program = assemble(WANDERER, RAM_BASE)
    machine = Machine(ram=RAM, firmware="none", disk=bytes(1 << 16), record=False)
    for _ in range(3):
        machine.load(program)
        tables = RAM_BASE + 0x1_0000
        machine.memory.write(tables, random_entries(rng, 0x8000 // 8))
        code = (RAM_BASE >> 12 << 10 | 0xCF).to_bytes(8, "little")
        for root in (0, 0x4000):  # the code stays reachable, by a gigapage
            machine.memory.write(tables + root + 16, code)
        paged = 8 << 60
        registers = machine.registers
        registers["a2"] = rng.getrandbits(64) | 1
        mode = rng.choice([0, 1, 3])
        virtual = rng.choice([0, 1]) if mode != 3 else 0
        registers["a3"] = mode << 11 | virtual << 39 | rng.choice([0, 1 << 18, 3 << 18])
        registers["a4"] = rng.choice([0, paged | tables >> 12])
        registers["a5"] = rng.choice([0, paged | (tables + 0x4000) >> 12])
        registers["a6"] = rng.choice([0, paged | tables >> 12])
        machine.run(STEPS)
        assert margins.intact()
        assert 0 <= machine.steps <= STEPS
