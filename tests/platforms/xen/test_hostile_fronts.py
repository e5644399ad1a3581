"""Hostile front ends at Domain0's back ends: rings, grants, events and the store, all forged."""

import random

import pytest

from tests.platforms.xen.machines import KERNELS, assert_sound, grant, page, pv, started
from tests.platforms.xen.test_driver_domain import FrontEnd
from tests.platforms.xen.workloads import hash_of, hashes, pattern
from virtlab.guests import filesystem
from virtlab.platforms.xen import Guest, System, abi, rings, store_calls
from virtlab.platforms.xen.program import write_u32

FILL = "fill /tmp/f 6 5\n"
FILLED = hash_of(pattern(5, 6 * 4096))


def with_honest(**kernels) -> System:
    """Domain0 and a guest that works; `evil` has a disk's file and no domain yet."""
    here = System([Guest("a"), Guest("evil")], kernels=KERNELS | kernels)
    here.create("a")
    here.until_prompt("a")
    return here


def write(here: System, domain, name: str, value) -> None:
    """A front end writes into its part of the store, and those who watch hear of it."""
    path = f"/local/domain/{domain.number}/device/{name}"
    result = here.xen.store.write(domain.number, path, str(value).encode())
    store_calls.change(here.xen, path, result)


def block_front(here: System) -> FrontEnd:
    """A front end under the test's hand, connected."""
    domain = started(here.xen, "python")
    assert here.xl(f"block-attach {domain.number} /disks/evil") == ""
    front = FrontEnd(here.xen, domain)
    write(here, domain, "vbd/0/ring-ref", front.reference)
    write(here, domain, "vbd/0/event-channel", front.port)
    write(here, domain, "vbd/0/state", 3)
    here.xen.run(5)
    assert state(here, domain, "vbd") == b"4"
    return front


def net_fronts(here: System, mac: str) -> tuple[FrontEnd, FrontEnd]:
    """Both rings of a network's front end; they share the first one's port."""
    domain = started(here.xen, "python")
    assert here.xl(f"network-attach {domain.number} {mac}") == ""
    sending = FrontEnd(here.xen, domain, "transmit", abi.NET_TX_REQUEST.size, 1)
    receiving = FrontEnd(here.xen, domain, "receive", abi.NET_RX_REQUEST.size, 2)
    receiving.port = sending.port
    write(here, domain, "vif/0/tx-ring-ref", 1)
    write(here, domain, "vif/0/rx-ring-ref", 2)
    write(here, domain, "vif/0/event-channel", sending.port)
    write(here, domain, "vif/0/state", 3)
    here.xen.run(5)
    assert state(here, domain, "vif") == b"4"
    return sending, receiving


def state(here: System, domain, kind: str) -> bytes:
    return here.xen.store.read(0, f"/local/domain/0/backend/{kind}/{domain.number}/0/state")


def assert_unharmed(here: System) -> None:
    """Domain0 answers, and the honest guest's disk works."""
    xen = here.xen
    assert not xen.domains[0].ended, xen.console(0)[-300:]
    assert hashes(here.command(FILL.strip(), "a")) == [FILLED]
    assert filesystem.files(here.disk("a"))["tmp/f"] == pattern(5, 6 * 4096)
    assert "Domain-0" in here.xl("list")
    assert_sound(xen)


@pytest.fixture(scope="module")
def attacked():
    return block_front(here := with_honest()), here


def test_a_front_end_under_the_tests_hand_is_served(attacked):
    front, here = attacked
    front.data(0).write(0, b"written".ljust(4096, b"."))
    front.request(abi.BLOCK_WRITE, 7, 8, (100, 0, 7))
    front.push()
    assert front.answers() == [(7, abi.BLOCK_WRITE, abi.STATUS_OK)]
    assert here.domain0_files()["disks/evil"][4096:8192] == b"written".ljust(4096, b".")


@pytest.mark.parametrize(
    ("operation", "sector", "segments"),
    [
        (9, 0, [(100, 0, 7)]),
        (abi.BLOCK_READ, 0, [(100, 5, 3)]),
        (abi.BLOCK_READ, 0, [(100, 0, 8)]),
        (abi.BLOCK_READ, 0, []),
        (abi.BLOCK_READ, 256 * 8, [(100, 0, 0)]),
        (abi.BLOCK_READ, 256 * 8 - 1, [(100, 0, 1)]),
        (abi.BLOCK_WRITE, 256 * 8 - 4, [(100, 0, 7)]),
        (abi.BLOCK_WRITE, 256 * 8 - 8, [(100, 0, 7), (100, 0, 0)]),
        (abi.BLOCK_WRITE, (1 << 64) - 1, [(100, 0, 7)]),
        (abi.BLOCK_WRITE, 1 << 55, [(100, 0, 7)]),
        (abi.BLOCK_READ, 0, [(55, 0, 7)]),
        (abi.BLOCK_READ, 0, [(0xFFFF_FFFF, 0, 7)]),
        (abi.BLOCK_WRITE, 0, [(1, 0, 7), (55, 0, 7)]),
    ],
)
def test_a_wrong_request_is_answered_with_an_error(attacked, operation, sector, segments):
    front, here = attacked
    before = here.domain0_files()
    front.data(0)
    front.request(operation, 3, sector, *segments)
    front.push()
    assert front.answers() == [(3, operation, abi.STATUS_ERROR)]
    front.request(abi.BLOCK_READ, 4, 0, (100, 0, 7))
    front.push()
    assert front.answers() == [(4, abi.BLOCK_READ, abi.STATUS_OK)]
    assert here.domain0_files() == before


def test_indices_that_cannot_be_end_the_service_until_it_connects_anew():
    front = block_front(here := with_honest())
    xen, domain = here.xen, front.domain
    write_u32(front.ring, abi.REQ_PROD, 33)
    xen.call(domain.number, abi.EVENT, abi.SEND, front.port)
    xen.run(5)
    assert state(here, domain, "vbd") == b"6"
    assert not any(m.granter == domain.number for m in xen.domains[0].maps.values())
    assert_unharmed(here)
    write(here, domain, "vbd/0/state", 1)
    xen.run(5)
    assert state(here, domain, "vbd") == b"2"
    front.side = rings.Front(abi.BLOCK_PLACE_BYTES)
    rings.clear(front.ring)
    write(here, domain, "vbd/0/state", 3)
    xen.run(5)
    assert state(here, domain, "vbd") == b"4"
    front.data(0)
    front.request(abi.BLOCK_READ, 4, 0, (100, 0, 7))
    front.push()
    assert front.answers() == [(4, abi.BLOCK_READ, abi.STATUS_OK)]


def rubbish(here: System, front: FrontEnd, rng: random.Random) -> None:
    """One attack on a ring, and on what the store says of it."""
    xen, domain = here.xen, front.domain
    front.ring.write(0, rng.randbytes(4096))
    count = rng.choice((rng.randrange(300), rng.getrandbits(32)))
    write_u32(front.ring, abi.REQ_PROD, count)
    grant(xen, domain, rng.randrange(3, 512), rng.randrange(3), rng.getrandbits(32))
    for _ in range(rng.randrange(4)):
        name = rng.choice(("ring-ref", "event-channel", "state", "tx-ring-ref", "rx-ring-ref"))
        value = rng.choice((rng.randrange(8), rng.getrandbits(64), "", "x", "-1"))
        write(here, domain, f"{rng.choice(('vbd', 'vif'))}/0/{name}", value)
    xen.call(domain.number, abi.EVENT, rng.choice((abi.SEND, abi.CLOSE)), front.port)
    xen.run(rng.random() * 2)


def attack(seed: int) -> None:
    rng = random.Random(seed)
    here = with_honest()
    for k in range(3):
        front = block_front(here)
        sending, _ = net_fronts(here, f"02:00:00:00:01:{k:02x}")
        here.xen.type(1, FILL)
        for _ in range(6):
            rubbish(here, rng.choice((front, sending)), rng)
        here.until_prompt("a")
        assert hashes(here.console("a"))[-1] == FILLED
        for domain in (front.domain, sending.domain):
            here.xen.control.destroy(domain.number)
        here.xen.run(10)
        assert sorted(here.xen.domains) == [0, 1]
    assert_unharmed(here)


def test_rubbish_in_rings_grants_and_the_store_harms_nobody(seed):
    attack(seed)


@pytest.mark.more_random
@pytest.mark.parametrize("run", range(60))
def test_rubbish_in_rings_grants_and_the_store_harms_nobody_each_time(run, seed):
    attack(seed * 64 + run)


def test_nobody_sends_in_anothers_name_or_reads_anothers_packets():
    here = with_honest()
    sending, _ = net_fronts(here, "02:00:00:00:01:00")
    other, hearing = net_fronts(here, "02:00:00:00:01:01")
    hearing.data(0)
    hearing.side.put(hearing.ring, abi.NET_RX_REQUEST.pack(0, 100))
    hearing.push()
    here.xen.run(2)
    names = [bytes([2, 0, 0, 0, 1, k]) for k in range(3)]

    def answer(to: bytes, by: bytes) -> int:
        packet = to + by + b"\x08\x00" + b"for you"
        sending.data(50).write(0, packet)
        sending.side.put(sending.ring, abi.NET_TX_REQUEST.pack(150, 0, 0, 0, len(packet)))
        sending.push()
        here.xen.run(2)
        (done,) = sending.side.take(sending.ring, abi.NET_TX_RESPONSE.size)
        return abi.NET_TX_RESPONSE.unpack(done)[1]

    def heard() -> list[int]:
        found = hearing.side.take(hearing.ring, abi.NET_RX_RESPONSE.size)
        return [abi.NET_RX_RESPONSE.unpack(each)[3] for each in found]

    assert answer(names[1], names[1]) == abi.STATUS_ERROR
    assert answer(names[2], names[0]) == abi.STATUS_OK
    assert heard() == []
    assert answer(names[1], names[0]) == abi.STATUS_OK
    assert heard() == [21]
    assert other.domain.number == hearing.domain.number


# Offers a port to Domain0 and notifies it all the time.
FLOOD = """
        li      a7, 32
        li      a0, 0
        li      a1, 0
        ecall
        mv      s0, a0
flood:  li      a0, 3
        mv      a1, s0
        ecall
        li      t0, 1000
wait:   addi    t0, t0, -1
        bgtz    t0, wait
        j       flood
"""


def test_a_flood_of_events_leaves_domain0_and_the_others_their_time():
    here = with_honest(flood=pv(FLOOD))
    xen = here.xen
    domain = started(xen, "flood")
    assert here.xl(f"block-attach {domain.number} /disks/evil") == ""
    xen.run(1)
    grant(xen, domain, 1, 0, page(domain, 1))
    for name, value in (("ring-ref", 1), ("event-channel", 1), ("state", 3)):
        write(here, domain, f"vbd/0/{name}", value)
    xen.run(5)
    assert state(here, domain, "vbd") == b"4"
    began, ran = xen.now, domain.credit.run_steps
    sent = domain.counts.get("events_sent", 0)
    xen.type(1, "memwalk 10 100000000\n")
    xen.run(60)
    assert domain.counts["events_sent"] - sent > 200
    assert xen.domains[1].credit.run_steps > 0.25 * (xen.now - began)
    assert domain.credit.run_steps - ran < 0.6 * (xen.now - began)
    xen.type(1, "\x03")
    here.until_prompt("a")
    assert_unharmed(here)
    here.xl(f"destroy {domain.number}")
    assert_unharmed(here)
