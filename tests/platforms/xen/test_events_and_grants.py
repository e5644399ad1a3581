"""Event channels and grants: what they do, and that no forged number gets anybody anything."""

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
from virtlab.hypervisors import paravirt_abi
from virtlab.hypervisors.direct_paging import KIND, ORDINARY
from virtlab.platforms.xen import abi
from virtlab.platforms.xen.event_channels import take_pending
from virtlab.platforms.xen.grants import entry_at, write_entry

KINDS = ("hog", "hvm_hog", "python")


@pytest.fixture
def pair():
    xen = machine()
    return xen, started(xen, "python"), started(xen, "python")


# Events


def test_a_port_is_offered_bound_used_and_closed(pair):
    xen, a, b = pair
    port, other = joined(xen, a, b)
    assert take_pending(xen, b) == [other]  # binding is an event of its own
    for _ in range(5):
        assert xen.call(a.number, abi.EVENT, abi.SEND, port) == 0
    assert b.counts["events_merged"] == 4
    assert take_pending(xen, b) == [other]
    assert take_pending(xen, b) == []
    assert xen.call(b.number, abi.EVENT, abi.SEND, other) == 0
    assert take_pending(xen, a) == [port]
    assert xen.call(a.number, abi.EVENT, abi.CLOSE, port) == 0
    assert xen.call(a.number, abi.EVENT, abi.STATUS, port) == abi.CHANNEL_CLOSED
    assert xen.call(b.number, abi.EVENT, abi.STATUS, other) == abi.CHANNEL_UNBOUND
    assert_sound(xen)


def test_a_masked_port_waits(pair):
    xen, a, b = pair
    port, other = joined(xen, a, b)
    take_pending(xen, b)
    xen.write_word(b, abi.SHARED_CHANNELS_MASKED, 1 << other)
    upcalls = b.counts["upcalls"]
    xen.call(a.number, abi.EVENT, abi.SEND, port)
    assert b.counts["upcalls"] == upcalls
    assert take_pending(xen, b) == []
    assert xen.call(b.number, abi.EVENT, abi.UNMASK, other) == 0
    assert b.counts["upcalls"] == upcalls + 1
    assert take_pending(xen, b) == [other]


def test_ports_that_are_not_the_callers_are_refused(pair):
    xen, a, b = pair
    c = started(xen, "python")
    port = xen.call(a.number, abi.EVENT, abi.ALLOC_UNBOUND, b.number)
    for caller, op, words, error in (
        (c, abi.BIND_INTERDOMAIN, (a.number, port), abi.INVALID),  # it was offered to b
        (b, abi.BIND_INTERDOMAIN, (a.number, port + 1), abi.INVALID),
        (b, abi.BIND_INTERDOMAIN, (77, port), abi.NO_DOMAIN),
        (b, abi.ALLOC_UNBOUND, (77,), abi.NO_DOMAIN),
        (b, abi.SEND, (0,), abi.INVALID),
        (b, abi.SEND, (1 << 40,), abi.INVALID),
        (b, abi.SEND, (-1,), abi.INVALID),
        (b, abi.CLOSE, (port,), abi.INVALID),
        (b, abi.UNMASK, (512,), abi.INVALID),
        (b, abi.STATUS, (0,), abi.INVALID),
        (b, abi.BIND_VIRQ, (abi.VIRQ_DOMAIN,), abi.NOT_PERMITTED),
        (b, 99, (), abi.NO_CALL),
    ):
        assert xen.call(caller.number, abi.EVENT, op, *words) == -error, (op, words)
    assert xen.call(b.number, abi.EVENT, abi.BIND_INTERDOMAIN, a.number, port) > 0
    assert xen.call(b.number, abi.EVENT, abi.BIND_INTERDOMAIN, a.number, port) == -abi.INVALID


def test_there_are_511_ports(pair):
    xen, a, b = pair
    got = [xen.call(a.number, abi.EVENT, abi.ALLOC_UNBOUND, b.number) for _ in range(512)]
    assert got[:511] == list(range(1, 512))
    assert got[511] == -abi.NO_SPACE


# A guest that binds port 1 of domain 0, and then answers each event with one of its own. PV: the
# callback; HVM: an interrupt. Both take pending bits out of the shared page with one AMO.
PV_ANSWERS = """
        lla     a0, upcall
        li      a7, 1
        ecall
        li      a7, 32
        li      a0, 1
        li      a1, 0
        li      a2, 1
        ecall
        mv      s0, a0
sleep:  li      a7, 5
        ecall
        j       sleep
        .balign 4
upcall: li      t0, 0x80000000
        addi    t1, t0, 0x108
        li      t2, -9
        amoand.d t2, t2, (t1)           # the upcall's own bit of `pending`
        addi    t1, t0, 0x180
        amoswap.d t2, zero, (t1)        # the selector
        addi    t1, t0, 0x480
        amoswap.d t3, zero, (t1)        # word 0 of the channels
        addi    s1, s1, 1
        li      a7, 32
        li      a0, 3
        mv      a1, s0
        ecall
        j       sleep
"""
HVM_ANSWERS = """
        li      a7, 0x0958454e
        li      a6, 38
        li      a0, 0x80300000
        ecall                           # the shared page
        li      t0, 0x0c000000
        li      t1, 1
        sw      t1, 64(t0)              # priority of source 16
        li      t2, 0x0c002080
        li      t1, 0x10000
        sw      t1, 0(t2)               # enabled in context 1
        li      t1, 0x200
        csrw    sie, t1
        li      a6, 32
        li      a0, 1
        li      a1, 0
        li      a2, 1
        ecall
        mv      s0, a0
sleep:  wfi
        li      t2, 0x0c201004
        lw      t3, 0(t2)               # claim
        beqz    t3, sleep
        sw      t3, 0(t2)               # complete
        li      t0, 0x80300000
        addi    t1, t0, 0x180
        amoswap.d t4, zero, (t1)
        addi    t1, t0, 0x480
        amoswap.d t4, zero, (t1)
        addi    s1, s1, 1
        li      a6, 32
        li      a0, 3
        mv      a1, s0
        ecall
        j       sleep
"""


@pytest.mark.parametrize("kernel", [pv(PV_ANSWERS), hvm(HVM_ANSWERS)], ids=["pv", "hvm"])
def test_a_guest_is_interrupted_by_an_event_and_answers(kernel):
    xen = machine(kernels={"answers": kernel}, domain0="python")
    number = xen.control.create("answers", "answers", "4M")
    assert xen.call(0, abi.EVENT, abi.ALLOC_UNBOUND, number) == 1
    xen.control.unpause(number)
    for k in range(5):
        assert xen.run(20) == "idle"
        vm = xen.machines[number]
        assert vm.registers.s0 == 1
        assert vm.registers.s1 == k + 1  # the first is that of binding
        assert xen.domains[0].counts["events"] == k + 1
        assert xen.call(0, abi.EVENT, abi.SEND, 1) == 0
    assert_sound(xen)


def test_an_event_takes_the_hart_from_one_that_only_computes():
    xen = machine(kernels={"answers": pv(PV_ANSWERS)}, domain0="python")
    number = xen.control.create("answers", "answers", "4M")
    xen.call(0, abi.EVENT, abi.ALLOC_UNBOUND, number)
    xen.control.unpause(number)
    hog = started(xen, "hog")
    xen.run(100)
    before = xen.machines[number].registers.s1
    xen.call(0, abi.EVENT, abi.SEND, 1)
    xen.run(1.5)
    assert xen.machines[number].registers.s1 == before + 1
    assert hog.credit.run_steps > 0.98 * xen.now


# Sends to port 1 as often as it can.
FLOOD = """
        li      a7, 32
        li      a0, 1
        li      a1, 0
        li      a2, 1
        ecall
        mv      s0, a0
flood:  li      a0, 3
        mv      a1, s0
        ecall
        j       flood
"""


def test_a_flood_of_events_costs_the_flooder_its_own_time():
    xen = machine(kernels={"flood": pv(FLOOD)}, domain0="python")
    number = xen.control.create("flood", "flood", "4M")
    xen.call(0, abi.EVENT, abi.ALLOC_UNBOUND, number)
    xen.control.unpause(number)
    other = started(xen, "hog")
    xen.run(300)
    flooder = xen.domains[number]
    assert flooder.counts["events_sent"] > 1000
    total = flooder.credit.run_steps + xen.domains[0].credit.run_steps
    assert other.credit.run_steps >= 0.3 * xen.now
    assert flooder.credit.run_steps <= 0.52 * xen.now
    assert total + other.credit.run_steps + xen.idle_steps == xen.now


# Grants


@pytest.mark.parametrize("granter", KINDS)
@pytest.mark.parametrize("reference", [0, 511])
def test_a_page_is_granted_mapped_written_and_taken_back(granter, reference):
    xen = machine()
    a, b = started(xen, granter), started(xen, "python")
    xen.run(1)
    gfn = page(a, 5)
    xen.write(a, gfn << 12, b"hello")
    grant(xen, a, reference, b.number, gfn)
    address = xen.call(b.number, abi.GRANT, abi.MAP, a.number, reference, 0)
    assert address == abi.WINDOW
    mapping = b.maps[0]
    assert xen.host.mem.u8[mapping.page << 12 : (mapping.page << 12) + 5].tobytes() == b"hello"
    flags = entry_at(xen, a, reference)[0]
    assert flags == abi.PERMIT | abi.READING | abi.WRITING
    assert xen.call(b.number, abi.GRANT, abi.UNMAP, address) == 0
    assert entry_at(xen, a, reference)[0] == abi.PERMIT
    assert xen.call(b.number, abi.GRANT, abi.UNMAP, address) == -abi.BAD_HANDLE
    write_entry(xen, a, reference, 0, b.number, gfn)
    assert xen.call(b.number, abi.GRANT, abi.MAP, a.number, reference, 0) == -abi.NO_ACCESS
    assert_sound(xen)


# Maps the grant in s1 of domain s0, adds 1 to its first word, copies the word to s2, and unmaps it.
USE = """
        {enter}
        li      a0, 1
        li      a1, 1
        li      a2, 3
        li      a3, {flags}
        ecall
        mv      s0, a0
        bltz    a0, stay
        ld      s2, 0(s0)
        {store}
        li      a0, 2
        mv      a1, s0
        {again}
        ecall
        mv      s3, a0
        ld      s4, 0(s0)
stay:   j       stay
        .balign 4
fault:  csrr    s5, scause
        j       stay
"""
ENTER = {
    "pv": ("lla a0, pv_fault\nli a7, 1\necall\nli a7, 33", ""),
    "hvm": ("lla t0, fault\ncsrw stvec, t0\nli a7, 0x0958454e\nli a6, 33", ""),
}


def user(kind: str, flags: int, store: str):
    """A guest that uses a grant."""
    enter, again = ENTER[kind]
    text = USE.format(enter=enter, flags=flags, store=store, again=again)
    if kind == "pv":
        text = text.replace("csrr    s5, scause", "li t0, 0x80000000\nld s5, 0xc8(t0)")
        text = text.replace("fault:", "pv_fault:")
    return (pv if kind == "pv" else hvm)(text)


@pytest.mark.parametrize("kind", ["pv", "hvm"])
def test_a_guest_maps_a_page_of_another_and_loses_it_again(kind):
    xen = machine(kernels={"user": user(kind, 0, "addi s2, s2, 1\nsd s2, 0(s0)")})
    granter = started(xen, "python")
    number = xen.control.create("user", "user", "4M")
    gfn = page(granter, 5)
    xen.write(granter, gfn << 12, (41).to_bytes(8, "little"))
    grant(xen, granter, 3, number, gfn)
    xen.control.unpause(number)
    xen.run(5)
    registers = xen.machines[number].registers
    assert (registers.s0, registers.s2, registers.s3) == (abi.WINDOW, 42, 0)
    assert registers.s5 == (13 if kind == "pv" else 5)  # unmapped: a fault of its own
    assert xen.read(granter, gfn << 12, 8) == (42).to_bytes(8, "little")
    assert not xen.domains[number].maps
    assert_sound(xen)


def test_what_is_mapped_to_be_read_cannot_be_written():
    xen = machine(kernels={"user": user("pv", abi.MAP_READ_ONLY, "sd s2, 0(s0)")})
    granter = started(xen, "python")
    number = xen.control.create("user", "user", "4M")
    grant(xen, granter, 3, number, page(granter, 5), abi.READ_ONLY)
    xen.control.unpause(number)
    xen.run(5)
    assert xen.machines[number].registers.s5 == 15
    assert xen.read(granter, page(granter, 5) << 12, 8) == bytes(8)
    # And a page that is granted to be read cannot be mapped otherwise.
    assert xen.call(number, abi.GRANT, abi.MAP, granter.number, 3, 0) == -abi.NO_ACCESS


def test_forged_references_are_refused(pair):
    xen, a, b = pair
    c = started(xen, "hog")
    assert xen.call(b.number, abi.GRANT, abi.MAP, a.number, 0, 0) == -abi.NO_ENTRY  # no table yet
    gfn = page(a, 5)
    grant(xen, a, 1, b.number, gfn)
    for caller, words, error in (
        (b, (a.number, 2, 0), abi.NO_ACCESS),  # an empty entry
        (c, (a.number, 1, 0), abi.NO_ACCESS),  # it is for b
        (a, (a.number, 1, 0), abi.NO_ACCESS),
        (b, (a.number, 512, 0), abi.NO_ENTRY),
        (b, (a.number, -1, 0), abi.NO_ENTRY),
        (b, (a.number, 1 << 62, 0), abi.NO_ENTRY),
        (b, (99, 1, 0), abi.NO_DOMAIN),
        (b, (abi.SELF, 1, 0), abi.NO_DOMAIN),
    ):
        assert xen.call(caller.number, abi.GRANT, abi.MAP, *words) == -error, words
    for frame in (0, xen.first_gfn - 1, xen.first_gfn + 1024, (1 << 32) - 1):
        grant(xen, a, 1, b.number, frame)
        assert xen.call(b.number, abi.GRANT, abi.MAP, a.number, 1, 0) == -abi.BAD_ADDRESS
    for gfn in (0, xen.first_gfn + 1024, -1):
        assert xen.call(b.number, abi.GRANT, abi.SETUP, gfn) == -abi.BAD_ADDRESS
    assert not any(domain.maps for domain in xen.domains.values())
    assert_sound(xen)


def test_a_page_table_is_granted_to_be_read_at_most():
    xen = machine()
    a, b = started(xen, "hog"), started(xen, "python")
    table = xen.first_gfn + 1
    assert xen.call(a.number, abi.GRANT, abi.SETUP, table) == -abi.NO_ACCESS
    grant(xen, a, 1, b.number, table)
    assert xen.call(b.number, abi.GRANT, abi.MAP, a.number, 1, 0) == -abi.NO_ACCESS
    assert xen.call(b.number, abi.GRANT, abi.MAP, a.number, 1, abi.MAP_READ_ONLY) > 0
    record = abi.GRANT_COPY.pack(abi.SELF, page(b, 1), 0, a.number, 1, 0, 8, 2, 0)
    at = page(b, 2) << 12
    xen.write(b, at, record)
    assert xen.call(b.number, abi.GRANT, abi.COPY, at, 1) == -abi.NO_ACCESS
    # Nor does a buffer of a call of its own lead there.
    table_address = table << 12
    assert xen.call(a.number, abi.GRANT, abi.COPY, table_address, 1) < 0
    assert not xen.write(a, table_address, bytes(8))


def test_a_mapped_page_cannot_become_a_table_or_be_given_back():
    xen = machine()
    a, b = started(xen, "call"), started(xen, "python")
    gfn = page(a, 5)
    grant(xen, a, 1, b.number, gfn)
    words = xen.machines[a.number].page_words()
    count = int(words[gfn - xen.first_gfn])
    address = xen.call(b.number, abi.GRANT, abi.MAP, a.number, 1, 0)
    assert words[gfn - xen.first_gfn] > count
    assert words[gfn - xen.first_gfn] & KIND == ORDINARY
    at = page(a, 9) << 12
    xen.write(a, at, gfn.to_bytes(8, "little"))
    assert xen.call(a.number, abi.MEMORY, abi.DECREASE, at, 1) == -abi.BUSY
    assert xen.call(a.number, abi.GRANT, abi.SETUP, page(a, 8)) == -abi.BUSY
    xen.call(b.number, abi.GRANT, abi.UNMAP, address)
    assert words[gfn - xen.first_gfn] == count


def test_the_way_to_the_window_is_not_the_guests_to_change():
    """Its root has one entry that leads outside its memory, and it must not be replaced."""
    xen = machine()
    a, b = started(xen, "call"), started(xen, "python")
    grant(xen, b, 1, a.number, page(b, 5))
    assert xen.call(a.number, abi.GRANT, abi.MAP, b.number, 1, 0) == abi.WINDOW
    vm = xen.machines[a.number]
    entry = paravirt_abi.FIRST_TABLE + a.base + 8 * (abi.WINDOW >> 30)
    at = page(a, 9) << 12
    for value in (0, 1):
        xen.write(a, at, entry.to_bytes(8, "little") + value.to_bytes(8, "little"))
        registers = vm._hart.x
        registers[17], registers[10], registers[11] = 2, at + a.base, 1
        steps = vm.steps
        while vm.steps < steps + 2:
            xen.run_steps(1)
        assert int(registers[10]) == -paravirt_abi.ERROR_NOT_PERMITTED
    assert vm.page_words().min() >= 0


def test_bytes_are_copied_between_granted_pages(pair):
    xen, a, b = pair
    for k, data in ((5, b"from a to b"), (6, b"")):
        xen.write(a, page(a, k) << 12, data)
    grant(xen, a, 1, b.number, page(a, 5), abi.READ_ONLY)
    grant(xen, a, 2, b.number, page(a, 6))
    at = page(b, 2) << 12
    xen.write(
        b,
        at,
        abi.GRANT_COPY.pack(a.number, 1, 0, abi.SELF, page(b, 3), 100, 11, 1, 0)
        + abi.GRANT_COPY.pack(abi.SELF, page(b, 3), 100, a.number, 2, 7, 4, 2, 0),
    )
    assert xen.call(b.number, abi.GRANT, abi.COPY, at, 2) == 2
    assert xen.read(b, (page(b, 3) << 12) + 100, 11) == b"from a to b"
    assert xen.read(a, (page(a, 6) << 12) + 7, 4) == b"from"
    assert entry_at(xen, a, 1)[0] == abi.PERMIT | abi.READ_ONLY  # no trace is left
    for record, error in (
        ((abi.SELF, page(b, 3), 0, a.number, 1, 0, 4, 2, 0), abi.NO_ACCESS),
        ((a.number, 1, 4090, abi.SELF, page(b, 3), 0, 11, 1, 0), abi.INVALID),
        ((a.number, 9, 0, abi.SELF, page(b, 3), 0, 11, 1, 0), abi.NO_ACCESS),
        ((a.number, page(a, 5), 0, abi.SELF, page(b, 3), 0, 11, 0, 0), abi.NOT_PERMITTED),
        ((a.number, 1, 0, abi.SELF, 3, 0, 11, 1, 0), abi.BAD_ADDRESS),
    ):
        xen.write(b, at, abi.GRANT_COPY.pack(*record))
        assert xen.call(b.number, abi.GRANT, abi.COPY, at, 1) == -error, record
        assert abi.GRANT_COPY.unpack(xen.read(b, at, abi.GRANT_COPY.size))[-1] == -error
    assert xen.call(b.number, abi.GRANT, abi.COPY, at, 65) == -abi.INVALID
    assert xen.call(b.number, abi.GRANT, abi.COPY, 0x1000, 1) == -abi.BAD_ADDRESS


def test_a_granter_that_dies_stays_until_its_pages_are_unmapped(pair):
    xen, a, b = pair
    free = xen.free_pages
    grant(xen, a, 1, b.number, page(a, 5))
    address = xen.call(b.number, abi.GRANT, abi.MAP, a.number, 1, 0)
    xen.control.destroy(a.number)
    assert xen.control.info(a.number).state == "---sd"
    assert xen.free_pages == free
    assert xen.call(b.number, abi.GRANT, abi.MAP, a.number, 1, 0) == -abi.NO_DOMAIN
    assert xen.call(b.number, abi.GRANT, abi.UNMAP, address) == 0
    assert a.number not in xen.domains
    assert xen.free_pages == free + 1024
    assert_sound(xen)


def test_a_domain_that_dies_returns_what_it_has_mapped(pair):
    xen, a, b = pair
    grant(xen, a, 1, b.number, page(a, 5))
    xen.call(b.number, abi.GRANT, abi.MAP, a.number, 1, 0)
    xen.control.destroy(b.number)
    assert entry_at(xen, a, 1)[0] == abi.PERMIT
    assert sorted(xen.domains) == [0, a.number]
    assert_sound(xen)


# Everything at once


def some_value(rng, near) -> int:
    """A number as a hostile guest would try it."""
    close = rng.choice(near) + rng.randrange(-16, 17)
    return rng.choice((rng.randrange(8), close, rng.getrandbits(64), -1))


def test_random_calls_of_hostile_domains_harm_nobody(seed):
    """Any call with any arguments, from guests of all kinds; the others' memory stays as it was."""
    rng = random.Random(seed ^ 6)
    for _ in range(4):
        xen = machine(disks=[bytes(8192)])
        hostile = [started(xen, kernel) for kernel in ("call", "hvm_hog", "python")]
        victims = [started(xen, kernel) for kernel in ("idle", "hvm_hog")]
        xen.run(5)
        for victim in victims:
            xen.control.pause(victim.number)
            xen.write(victim, page(victim, 100) << 12, b"precious" * 1024)
        before = [xen.digest(victim.number) for victim in victims]

        near = (0, 0x8030_0000, abi.WINDOW, 1 << 31, xen.first_gfn, xen.first_gfn + 700)
        for _ in range(400):
            domain = rng.choice(hostile)
            if rng.random() < 0.2:  # rubbish where tables and records may lie
                at = rng.choice((page(domain, 0) << 12, 0x8030_0000))
                xen.write(domain, at, rng.randbytes(512))
            call = rng.choice((*abi.CALLS, 0, 99))
            if (call, op := rng.randrange(10)) == (abi.SCHED, abi.SHUTDOWN):
                continue
            xen.call(domain.number, call, op, *(some_value(rng, near) for _ in range(3)))
        assert_sound(xen)
        assert [xen.digest(victim.number) for victim in victims] == before
        assert sum(xen.refused.values()) > 100
        xen.run(50)
        assert_sound(xen)
        assert [xen.digest(victim.number) for victim in victims] == before
        for domain in hostile:
            xen.control.destroy(domain.number)
        assert sorted(xen.domains) == [0, *(victim.number for victim in victims)]
        assert xen.free_pages == xen.total_pages - 3 * 1024
