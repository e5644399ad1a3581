"""The TLB of a figure misses as often as the machine's, and as a plain one of any size."""

import random

import numpy as np
import pytest

from virtlab.isa.assembler import assemble
from virtlab.kernels import tlb as kernel
from virtlab.machine import Machine
from virtlab.machine.state import N_TLB

# The guest of the chapter on the machine: one gigabyte mapped onto itself, pages touched in rounds.
GUEST = """
        la    t0, table + 16
        li    t1, 0x200000cf
        sd    t1, 0(t0)
        la    t0, table
        srli  t0, t0, 12
        li    t1, 8 << 60
        or    t0, t0, t1
        csrw  satp, t0
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        li    t0, 1 << 11
        csrw  mstatus, t0
        la    t0, begin
        csrw  mepc, t0
        mret
begin:  li    s0, {rounds}
round:  li    a0, 0x80100000
        li    a1, {n}
        li    t2, {stride} * 4096
page:   ld    a2, 0(a0)
        add   a0, a0, t2
        addi  a1, a1, -1
        bnez  a1, page
        addi  s0, s0, -1
        bnez  s0, round
done:   j     done
        .balign 4096
table:  .zero 4096
"""
ROUNDS = 4


def measured(n: int, stride: int) -> int:
    """TLB misses of one round on the machine, the first round left out."""
    totals = []
    for rounds in (1, 1 + ROUNDS):
        m = Machine(ram="64M").load(assemble(GUEST.format(n=n, stride=stride, rounds=rounds)))
        m.run(until=m.symbols["done"])
        totals.append(m.counters["tlb_misses"])
    assert (totals[1] - totals[0]) % ROUNDS == 0
    return (totals[1] - totals[0]) // ROUNDS


def computed(counts, pages: int, stride: int, slots: int) -> tuple[list[int], int, int]:
    """What the kernel says: misses for each of `counts`, for `pages`, and slots that these want."""
    tags, misses = np.zeros(kernel.MOST_SLOTS, np.int64), np.zeros(len(counts), np.int64)
    here, used = np.zeros((2, 1), np.int64)
    counts = np.array(counts, np.int64)
    kernel.miss_curve(counts, pages, stride, slots, tags, misses, here, used)
    return misses.tolist(), int(here[0]), int(used[0])


def test_the_model_misses_as_often_as_the_machine(seed):
    rng = random.Random(f"{seed} tlb")
    cases = [(256, 1), (300, 1), (200, 2)]
    cases += [(rng.randrange(1, 640), rng.randrange(1, 17)) for _ in range(8)]
    for n, stride in cases:
        assert computed([n], n, stride, N_TLB)[1] == measured(n, stride), (n, stride)


def test_the_model_misses_as_often_as_a_plain_one(seed):
    rng = random.Random(f"{seed} plain tlb")
    for _ in range(50):
        n, stride = rng.randrange(1, 641), rng.randrange(1, 17)
        slots = 1 << rng.randrange(4, 11)
        held, misses = {}, 0
        for k in [*range(n), *range(n)]:
            page = kernel.FIRST_PAGE + k * stride
            misses += held.get(page % slots) != page
            held[page % slots] = page
        curve, here, used = computed([1, n], n, stride, slots)
        assert curve == [0, here]
        assert (n + here, used) == (misses, len(held))


@pytest.mark.parametrize("slots", [16, 1024])
def test_what_fits_never_misses_again(slots):
    assert computed([slots], slots, 1, slots) == ([0], 0, slots)
