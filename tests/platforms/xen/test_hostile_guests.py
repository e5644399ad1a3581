"""Guests that call at random, from within: nobody else is harmed, and the machine goes on."""

import random

import pytest

from tests.platforms.xen.machines import (
    assert_sound,
    grant,
    hvm,
    joined,
    machine,
    page,
    pv,
    started,
)

# Calls a number out of `calls` with arguments that are small, near something, or anything; and
# scribbles over the page where tables and records may lie.
FUZZER = """
        li      s1, {seed}
        li      s4, 6364136223846793005
        li      s5, 1442695040888963407
        {enter}
again:  lla     s2, arguments
        li      s3, 5
next:   mul     s1, s1, s4
        add     s1, s1, s5
        srli    t0, s1, 60
        andi    t1, t0, 3
        srli    t2, s1, 33
        beqz    t1, small
        addi    t1, t1, -1
        beqz    t1, nearby
        addi    t1, t1, -1
        beqz    t1, keep
        mv      t2, s1
        j       keep
small:  andi    t2, t2, 7
        j       keep
nearby: andi    t2, t2, 31
        srli    t3, s1, 40
        andi    t3, t3, 7
        slli    t3, t3, 3
        lla     t4, bases
        add     t4, t4, t3
        ld      t4, 0(t4)
        add     t2, t2, t4
        addi    t2, t2, -8
keep:   sd      t2, 0(s2)
        addi    s2, s2, 8
        addi    s3, s3, -1
        bgtz    s3, next
        li      t0, 0x80300000          # scribble
        srli    t1, s1, 20
        andi    t1, t1, 0x7f8
        add     t0, t0, t1
        sd      t2, 0(t0)
        lla     s2, arguments
        ld      a0, 0(s2)
        ld      a1, 8(s2)
        ld      a2, 16(s2)
        ld      a3, 24(s2)
        ld      a4, 32(s2)
        lla     t0, calls
        srli    t1, s1, 50
        andi    t1, t1, 7
        add     t0, t0, t1
        {call}
        li      t0, 36                  # of SCHED's only YIELD: the others would end the attack
        bne     t0, {number}, do
        li      t0, 3
        bgeu    a0, t0, do
        li      a0, 0
do:     ecall
        addi    s6, s6, 1
        j       again
        .balign 4
event:  {event}
        j       again
        .balign 8
calls:  .byte   32, 33, 34, 35, 36, 37, 38, 39
bases:  .dword  0x80300000, 0xc0000000, 0x80300, 0x80000, 0x802fffff, 512, 0x7ff0, 0
arguments:
        .zero   40
"""
PARTS = {
    "pv": dict(
        enter="lla a0, event\nli a7, 1\necall",
        call="lbu a7, 0(t0)",
        number="a7",
        event="li t0, 0x80000000\nsd zero, 0x108(t0)\nsd zero, 0x100(t0)",
    ),
    "hvm": dict(
        enter="lla t0, event\ncsrw stvec, t0",
        call="lbu a6, 0(t0)\nli a7, 0x0958454e",
        number="a6",
        event="nop",
    ),
}


def fuzzer(kind: str, seed: int):
    text = FUZZER.format(seed=seed, **PARTS[kind])
    return (pv if kind == "pv" else hvm)(text)


def attacked(seed: int) -> int:
    """How many calls were refused, until the guests had ruined themselves."""
    rng = random.Random(seed)
    kernels = {kind: fuzzer(kind, rng.getrandbits(62)) for kind in PARTS}
    xen = machine(kernels=kernels, disks=[bytes(8192)], record=False)
    hostile = [started(xen, "pv"), started(xen, "hvm"), started(xen, "pv")]
    victim, hog = started(xen, "python"), started(xen, "hog")
    # There is something to be had: a granted page, a joined port, a device for one of them.
    for domain in hostile:
        grant(xen, victim, 1 + domain.number, domain.number, page(victim, 5))
        joined(xen, victim, domain)
        xen.control.schedule(domain.number, weight=rng.randrange(1, 1000))
    xen.control.assign(hostile[0].number, 0)
    xen.control.pause(victim.number)
    granted = page(victim, 5) - xen.first_gfn
    tables = page(victim, 0) - xen.first_gfn
    own = [0, granted, tables]  # its event bits, what it grants, and the bits of its grants in use
    before = contents(xen, victim, own)
    for _ in range(6):
        xen.run(10)
        assert_sound(xen)
    assert contents(xen, victim, own) == before
    assert xen.domains.keys() == {0, *(d.number for d in (*hostile, victim, hog))}
    assert all(not d.ended or d.ended.startswith("crashed") for d in hostile), hostile
    assert hog.credit.run_steps > 0
    assert xen.domains[0].counts.get("refused", 0) == 0
    for domain in hostile:
        xen.control.destroy(domain.number)
    xen.control.destroy(victim.number)
    assert_sound(xen)
    assert xen.domains.keys() == {0, hog.number}
    assert xen.free_pages == xen.total_pages - 2 * 1024
    before = hog.credit.run_steps
    xen.run(20)
    assert hog.credit.run_steps >= before + 0.9 * 20 * xen.steps_per_ms
    return sum(xen.refused.values())


def contents(xen, domain, without) -> bytes:
    ram = xen.host.mem.u8[domain.base : domain.base + domain.ram_bytes].reshape(-1, 4096).copy()
    ram[without] = 0
    return ram.tobytes()


def test_guests_that_call_at_random_harm_nobody(seed):
    assert sum(attacked(seed + run) for run in range(8)) > 1000


@pytest.mark.more_random
def test_guests_that_call_at_random_harm_nobody_each_time(seed):
    assert sum(attacked(seed * 1024 + run) for run in range(300)) > 50_000
