"""Several virtual machines on one hart: each as if alone, none sees another."""

import gc
import weakref

import numpy as np
import pytest

from tests.hypervisors.comparison import outcome
from virtlab import guests
from virtlab.hypervisors import (
    BinaryTranslation,
    Emulation,
    HardwareAssisted,
    Host,
    Paravirt,
    TrapAndEmulate,
)
from virtlab.hypervisors.host import UNSEEN, Turn
from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine
from virtlab.machine.loader import ImageError
from virtlab.machine.state import RAM_BASE
from virtlab.machine.tlb import CONTEXT_VMID_SHIFT, KEY_SHIFT

COUNT = assemble("again: addi a0, a0, 1\nj again")
WORK = (
    (TrapAndEmulate, dict(), "forkwait 3; ls"),
    (HardwareAssisted, dict(), "pgfault 20 2; ls | wc"),
    (TrapAndEmulate, dict(policy="lazy"), "ptemod 8 2; echo hi > x; cat x"),
    (HardwareAssisted, dict(paging="shadow"), "forkwait 3; cat readme"),
    (Emulation, dict(), "ctxsw 5; ls"),
    (HardwareAssisted, dict(large_pages=True, exits_on=()), "forkwait 2; devread 5"),
)
# From 4 KiB to 4 KiB through 64 MiB from the base of RAM on, a load and a store each. What answers
# is counted in s1 and s2; a fault skips the access.
LOOK_EVERYWHERE = """
        la    t0, fault
        csrw  stvec, t0
        li    s0, 0x80000000
        li    s3, 0x84000000
        li    a7, 0x5a
    next:
        ld    t1, 8(s0)
        addi  s1, s1, 1
        sd    t1, 8(s0)
        addi  s2, s2, 1
        li    t2, 0x1000
        add   s0, s0, t2
        bltu  s0, s3, next
        li    a7, 8
        ecall
    .balign 4
    fault:
        csrr  t3, sepc
        addi  t3, t3, 8
        csrw  sepc, t3
        csrw  sscratch, s0
        sret
"""
# The same, through a page table that maps all of the first 4 GiB by gigabyte pages.
LOOK_THROUGH_A_TABLE = """
        la    t0, table
        li    t1, 0x000000cf
        li    t2, 0x10000000
        li    t4, 512
    fill:
        sd    t1, 0(t0)
        addi  t0, t0, 8
        add   t1, t1, t2
        addi  t4, t4, -1
        bnez  t4, fill
        la    t0, table
        srli  t0, t0, 12
        li    t1, 8
        slli  t1, t1, 60
        or    t0, t0, t1
        csrw  satp, t0
        sfence.vma
"""
TABLE = """
    .balign 4096
    table:
        .zero 4096
"""
HOSTILE = {
    "physical addresses": LOOK_EVERYWHERE,
    "a page table": LOOK_THROUGH_A_TABLE + LOOK_EVERYWHERE + TABLE,
}


def pith(make, append, **settings):
    vm = make(ram="16M", disk=guests.disk("pith"), append=append, **settings)
    return vm.load(guests.path("pith"))


@pytest.fixture(scope="module")
def alone():
    machines = [pith(Machine, append, record=False) for _, _, append in WORK]
    return [outcome(m, m.run().reason) for m in machines]


@pytest.mark.parametrize("quantum", [50_021, 400_000])
def test_each_ends_as_alone(quantum, alone):
    host = Host(ram="192M")
    vms = [pith(make, append, host=host, **choice) for make, choice, append in WORK]
    stops = host.run(quantum=quantum)
    for vm, stop, expected in zip(vms, stops, alone, strict=True):
        assert not expected.differences(outcome(vm, stop.reason)), vm
    numbers = [turn.number for turn in host.turns]
    assert numbers[: len(vms)] == [1, 2, 3, 4, 5, 6]  # in turns, not one after the other
    assert all(turn.last - turn.first <= quantum for turn in host.turns)


def test_a_ported_guest_shares_its_host_too():
    settings = dict(ram="16M", disk=guests.disk("pith"), append="forkwait 3; ls")
    expected = Paravirt(record=False, **settings).load(guests.path("pith_pv"))
    expected.run()
    host = Host(ram="64M")
    pith(HardwareAssisted, "forkwait 2", host=host)
    vm = Paravirt(host=host, **settings).load(guests.path("pith_pv"))
    assert [stop.reason for stop in host.run(quantum=60_000)] == ["exit", "exit"]
    assert (vm.steps, vm.console) == (expected.steps, expected.console)
    assert np.array_equal(vm._mem.disk, expected._mem.disk)


def test_a_guest_that_shares_nothing_prints_on_its_own_console():
    host = Host(ram="64M")
    a, b = (pith(make, "", host=host) for make in (TrapAndEmulate, HardwareAssisted))
    host.run(3_000_000)
    a.type("echo to the first\n")
    b.type("echo to the second > f\n")
    host.run(3_000_000)
    assert "\nto the first\n" in a.console and "second" not in a.console
    assert "first" not in b.console
    assert not np.array_equal(a._mem.disk, b._mem.disk)


@pytest.mark.parametrize("looks", HOSTILE)
@pytest.mark.parametrize(
    ("make", "choice"),
    [
        (TrapAndEmulate, dict(policy="trace")),
        (TrapAndEmulate, dict(policy="lazy")),
        (HardwareAssisted, dict()),
        (HardwareAssisted, dict(large_pages=True)),
        (HardwareAssisted, dict(paging="shadow")),
    ],
    ids=str,
)
def test_a_guest_that_looks_everywhere_finds_its_own_memory_only(make, choice, looks):
    """The host has memory at each address that is tried; all but the guest's is full of a mark."""
    host = Host(ram="64M")
    before = TrapAndEmulate(ram="4M", host=host).load(COUNT)
    vm = make(ram="4M", host=host, firmware="sbi", **choice).load(assemble(HOSTILE[looks]))
    after = HardwareAssisted(ram="4M", host=host, firmware="sbi").load(COUNT)
    inside = host.place_of(vm)
    own = np.zeros(host.ram_bytes, bool)
    own[inside.start - RAM_BASE : inside.stop - RAM_BASE] = True
    for other in (before, after):
        ram = other._mem.u8
        ram[len(ram) // 2 :] = 0xA5
    untouched = host._mem.u8[~own].copy()
    stop = vm.run(2_000_000)
    assert stop.reason == "exit"
    assert vm.registers.s1 == vm.registers.s2 == (4 << 20) >> 12
    assert np.array_equal(host._mem.u8[~own], untouched)

    bare = Machine(ram="4M", firmware="sbi").load(assemble(HOSTILE[looks]))
    expected = outcome(bare, bare.run(2_000_000).reason)
    assert not expected.differences(outcome(vm, stop.reason))


def tags_by_vmid(host) -> dict[int, int]:
    hart = host._harts[0]
    found = {}
    for tag in hart.itlb_tag[hart.itlb_tag != -1]:
        vmid = int(hart.context[tag >> KEY_SHIFT & 511]) >> CONTEXT_VMID_SHIFT & e.VMID_MASK
        found[vmid] = found.get(vmid, 0) + 1
    return found


def test_a_switch_to_another_vm_forgets_no_translation():
    """Two loops in different pages: their translations stay, so no turn begins with a miss."""
    far = assemble("j away\n.zero 8192\naway: addi a0, a0, 1\nj away")
    host = Host(ram="32M")
    a = HardwareAssisted(ram="1M", host=host, firmware="sbi").load(COUNT)
    b = HardwareAssisted(ram="1M", host=host, firmware="sbi").load(far)
    host.run(1000, quantum=100)
    assert tags_by_vmid(host) == {1: 1, 2: 1}  # the page where each loop is
    misses = int(host._harts[0].fetch_misses)
    n_exits = a.n_exits + b.n_exits
    host.run(10_000, quantum=100)
    assert len(host.turns) == 20 + 200
    assert int(host._harts[0].fetch_misses) == misses
    assert a.n_exits + b.n_exits == n_exits
    assert (a.registers.a0, b.registers.a0) == (5500, 5500)


def test_the_turns_are_shared_fairly():
    host = Host(ram="32M")
    vms = [HardwareAssisted(ram="1M", host=host, firmware="sbi").load(COUNT) for _ in range(2)]
    stops = host.run(250, quantum=100)
    assert [stop.reason for stop in stops] == ["budget", "budget"]
    assert [vm.steps for vm in vms] == [250, 250]
    assert host.turns == [
        *(Turn(k, 0, 100) for k in (1, 2)),
        *(Turn(k, 100, 200) for k in (1, 2)),
        *(Turn(k, 200, 250) for k in (1, 2)),
    ]


def test_a_vm_switched_on_again_keeps_its_place_and_forgets_its_past():
    host = Host(ram="32M")
    store = assemble("la t0, word\nli t1, 77\nsd t1, 0(t0)\nj .\n.balign 8\nword: .dword 0")
    look = assemble("la t0, word\nnop\nld t1, 0(t0)\nj .\n.balign 8\nword: .dword 0")
    vm = TrapAndEmulate(ram="1M", host=host)
    place = host.place_of(vm)
    for program, found in ((store, 77), (look, 0)):
        vm.load(program)
        host.run(50)
        assert vm.registers.t1 == found
        assert host.place_of(vm) == place
    assert host.vms == [vm]


def test_an_image_that_cannot_be_loaded_leaves_the_vm_as_it_was():
    host = Host(ram="32M")
    vm = TrapAndEmulate(ram="1M", host=host).load(COUNT)
    host.run(100)
    with pytest.raises(ImageError, match="does not fit"):
        vm.load(guests.path("pith"))
    host.run(100)
    assert (vm.steps, vm.registers.a0) == (200, 100)


def test_an_interpreted_guest_beside_one_at_the_same_page_numbers():
    """Rows of decoded instructions are found by page number: those of two VMs must not mix."""
    other = assemble("again: addi a0, a0, 2\nj again")
    host = Host(ram="64M")
    a = TrapAndEmulate(ram="1M", host=host).load(COUNT)
    b = Emulation(ram="1M", host=host).load(other)
    c = HardwareAssisted(ram="1M", host=host, firmware="sbi").load(COUNT)
    host.run(1000, quantum=10)
    assert [vm.registers.a0 for vm in (a, b, c)] == [500, 1000, 500]


def test_what_cannot_be_done_is_said_in_one_sentence():
    host = Host(ram="16M")
    vm = TrapAndEmulate(ram="4M", host=host).load(COUNT)
    with pytest.raises(ValueError, match="needs 12 MiB of its host and 4 are left of 16"):
        TrapAndEmulate(ram="4M", host=host)
    with pytest.raises(ValueError, match="record=True: accepted with a host of its own only"):
        TrapAndEmulate(ram="1M", host=host, record=True)
    with pytest.raises(ValueError, match="snapshot: accepted with a host of its own only"):
        vm.snapshot()
    vm.run(10)
    with pytest.raises(ValueError, match="cannot go back"):
        vm.back(1)
    with pytest.raises(TypeError, match="accepted are a Host and None"):
        TrapAndEmulate(ram="1M", host="localhost")
    with pytest.raises(ValueError, match="quantum 0"):
        host.run(10, quantum=0)
    with pytest.raises(ValueError, match="is not on this host"):
        Host(ram="16M").place_of(vm)


def test_a_smaller_pool_lets_more_virtual_machines_find_room():
    with pytest.raises(ValueError, match=r"12 MiB of its host and 4 are left of 16"):
        _switch_on_twice(Host(ram="16M"))
    host = Host(ram="16M")
    vms = _switch_on_twice(host, pool=1 << 20)
    host.run(100)
    assert [len(host.place_of(vm)) for vm in vms] == [4 << 20, 4 << 20]
    assert all(vm.registers.a0 == 50 and 0 < vm.own_pages <= 256 for vm in vms)


def _switch_on_twice(host, **settings):
    settings |= {"ram": "2M", "host": host, "firmware": "sbi"}
    return [HardwareAssisted(**settings).load(COUNT) for _ in range(2)]


@pytest.mark.parametrize("pool", [0, 4096, 300_001, 2 << 30])
def test_a_pool_that_is_no_pool_is_refused(pool):
    with pytest.raises(ValueError, match=r"^pool [\d,]+: accepted are [^\n]+\.$"):
        HardwareAssisted(ram="1M", pool=pool)


def test_a_guest_ends_the_same_with_the_least_pool_that_its_hypervisor_accepts():
    for kind in (TrapAndEmulate, HardwareAssisted, BinaryTranslation):
        settings = {"ram": "16M", "disk": guests.disk("pith"), "record": False}
        vms = [
            kind(append="forkwait 2; pgfault 20 2", **settings, **more).load(guests.path("pith"))
            for more in ({}, {"pool": kind.least_pool})
        ]
        for vm in vms:
            vm.run(40_000_000)
        assert vms[0].steps == vms[1].steps and vms[0].exit_code == 0
        assert np.array_equal(outcome(vms[0]).ram, outcome(vms[1]).ram)


def test_hosts_that_nobody_uses_give_their_memory_back():
    """As when a reader runs a cell again and again; Python's own search is put off meanwhile."""
    gc.disable()
    try:
        hosts = [made_with_a_guest() for _ in range(2 * (UNSEEN >> 26) + 2)]
        gone = [host() is None for host in hosts]
    finally:
        gc.enable()
    assert gone == sorted(gone, reverse=True) and sum(gone) > UNSEEN >> 26


def made_with_a_guest():
    """A host and its virtual machine, which hold each other and are held by nobody else."""
    host = Host(ram="64M")
    TrapAndEmulate(ram="1M", host=host).load(COUNT)
    return weakref.ref(host)
