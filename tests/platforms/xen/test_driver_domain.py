"""Split drivers: rings between front ends and a driver domain, and what hostile front ends try."""

import hashlib
import random
import struct

import pytest

from tests.platforms.xen.machines import assert_sound, grant, machine, page, pv, started
from virtlab.platforms.xen import Kernel, abi, rings
from virtlab.platforms.xen.backends import DriverDomain
from virtlab.platforms.xen.program import OwnPage, read_u32, write_u32

DISK = bytes(random.Random(6).randbytes(64 * 4096))


@pytest.fixture
def with_driver():
    """A machine whose Domain0 is a driver domain in Python."""
    return machine(kernels={"driver": Kernel(DriverDomain({"disk": DISK}))}, domain0="driver")


class FrontEnd:
    """A front end in Python: the block driver of a domain, as its kernel would have it."""

    def __init__(self, xen, domain, kind="block", place=abi.BLOCK_PLACE_BYTES, first=1):
        self.xen, self.domain, self.kind = xen, domain, kind
        self.gfn = page(domain, first)
        self.ring = OwnPage(xen, domain, self.gfn)
        rings.clear(self.ring)
        self.side = rings.Front(place)
        self.reference = first
        grant(xen, domain, first, 0, self.gfn)
        self.port = xen.call(domain.number, abi.EVENT, abi.ALLOC_UNBOUND, 0)

    def connect(self, **what) -> int:
        """Have the driver domain serve the ring."""
        xen, driver = self.xen, self.xen.domains[0]
        connect = driver.program.connect
        return connect(
            xen, driver, self.kind, self.domain.number, self.reference, self.port, **what
        )

    def data(self, k: int) -> OwnPage:
        """Page `k` for data, granted as reference 100 + k."""
        grant(self.xen, self.domain, 100 + k, 0, page(self.domain, 20 + k))
        return OwnPage(self.xen, self.domain, page(self.domain, 20 + k))

    def request(self, operation, number, sector, *segments) -> None:
        head = abi.BLOCK_REQUEST.pack(operation, len(segments), 0, number, sector)
        body = b"".join(abi.BLOCK_SEGMENT.pack(*segment) for segment in segments)
        self.side.put(self.ring, head + body)

    def push(self) -> bool:
        notify = self.side.push(self.ring)
        if notify:
            assert self.xen.call(self.domain.number, abi.EVENT, abi.SEND, self.port) == 0
        return notify

    def answers(self) -> list[tuple]:
        self.xen.run(5)
        found = self.side.take(self.ring, abi.BLOCK_RESPONSE.size)
        return [abi.BLOCK_RESPONSE.unpack(each) for each in found]


@pytest.fixture
def front(with_driver):
    front = FrontEnd(with_driver, started(with_driver, "python"))
    assert front.connect(image="disk") > 0
    with_driver.run(5)
    return front


def test_the_layout_is_that_of_a_ring():
    assert abi.places(abi.BLOCK_PLACE_BYTES) == 32
    assert abi.BLOCK_PLACE_BYTES == 112
    assert abi.places(abi.NET_TX_REQUEST.size) == 256
    assert abi.places(abi.NET_RX_REQUEST.size) == 256


def test_a_domain_reads_its_disk_through_the_driver_domain(front):
    pages = [front.data(k) for k in range(11)]
    front.request(abi.BLOCK_READ, 7, 16, *((100 + k, 0, 7) for k in range(11)))
    front.request(abi.BLOCK_READ, 8, 3, (100, 2, 4))
    front.push()
    assert front.answers() == [(7, abi.BLOCK_READ, 0), (8, abi.BLOCK_READ, 0)]
    read = b"".join(each.read(0, 4096) for each in pages)
    expected = bytearray(DISK[16 * 512 : 16 * 512 + 11 * 4096])
    expected[1024:2560] = DISK[3 * 512 : 6 * 512]
    assert hashlib.sha256(read).digest() == hashlib.sha256(expected).digest()
    assert_sound(front.xen)


def test_what_is_written_is_read_again(front):
    first, second = front.data(0), front.data(1)
    first.write(0, b"by way of Domain0".ljust(4096, b"."))
    front.request(abi.BLOCK_WRITE, 1, 100, (100, 0, 7))
    front.request(abi.BLOCK_READ, 2, 100, (101, 0, 7))
    front.push()
    assert [status for _, _, status in front.answers()] == [0, 0]
    assert second.read(0, 4096) == first.read(0, 4096)
    image = front.xen.domains[0].program.images["disk"]
    assert bytes(image[51200:55296]) == first.read(0, 4096)
    assert front.xen.domains[0].maps.keys() == {0}  # the ring, and no page of data


def test_a_ring_full_of_requests_takes_one_notification_each_way(front):
    front.data(0)
    driver = front.xen.domains[0].program
    for k in range(32):
        front.request(abi.BLOCK_READ, k, k, (100, 0, 0))
    with pytest.raises(ValueError, match="the ring is full; accepted are 32"):
        front.request(abi.BLOCK_READ, 32, 0, (100, 0, 0))
    sent, notified = front.domain.counts.get("events_sent", 0), driver.notified
    assert front.push()
    assert [number for number, _, status in front.answers() if status == 0] == list(range(32))
    assert front.domain.counts["events_sent"] == sent + 1
    assert driver.notified == notified + 1


def test_who_is_at_work_is_not_notified(front):
    front.data(0)
    for k in range(3):  # the driver domain has not been on the hart meanwhile
        front.request(abi.BLOCK_READ, k, k, (100, 0, 0))
        assert front.push() == (k == 0)
    assert len(front.answers()) == 3
    front.request(abi.BLOCK_READ, 9, 0, (100, 0, 0))
    assert front.push()  # it sleeps again


def test_indices_wrap_around(front):
    front.data(0)
    back = front.xen.domains[0].program.connections[1].back
    near = 0xFFFF_FFFF - 3
    front.side.req_prod = front.side.rsp_cons = back.req_cons = back.rsp_prod = near
    for where in (abi.REQ_PROD, abi.RSP_PROD):
        write_u32(front.ring, where, near)
    for where in (abi.REQ_EVENT, abi.RSP_EVENT):
        write_u32(front.ring, where, near + 1)
    for _ in range(3):
        for k in range(3):
            front.request(abi.BLOCK_READ, k, k, (100, 0, 0))
        assert front.push()
        assert len(front.answers()) == 3
    assert read_u32(front.ring, abi.RSP_PROD) == 5


@pytest.mark.parametrize(
    ("operation", "sector", "segments"),
    {
        "a reference that is not granted": (0, 0, [(300, 0, 7)]),
        "a reference beyond the table": (0, 0, [(1 << 31, 0, 7)]),
        "no segments": (0, 0, []),
        "sectors in the wrong order": (0, 0, [(100, 5, 4)]),
        "sectors beyond the page": (0, 0, [(100, 0, 8)]),
        "beyond the disk": (0, 64 * 8, [(100, 0, 0)]),
        "far beyond the disk": (1, (1 << 64) - 1, [(100, 0, 0)]),
        "no such operation": (9, 0, [(100, 0, 0)]),
        "a second segment that is wrong": (0, 0, [(100, 0, 0), (301, 0, 0)]),
    }.values(),
)
def test_a_request_that_is_wrong_is_answered_with_an_error(front, operation, sector, segments):
    front.data(0)
    front.request(operation, 5, sector, *segments)
    front.request(abi.BLOCK_READ, 6, 0, (100, 0, 7))
    front.push()
    assert [(number, status) for number, _, status in front.answers()] == [(5, -1), (6, 0)]
    assert bytes(front.xen.domains[0].program.images["disk"]) == DISK
    assert_sound(front.xen)


def test_too_many_segments_are_an_error(front):
    head = abi.BLOCK_REQUEST.pack(abi.BLOCK_READ, 255, 0, 5, 0)
    front.side.put(front.ring, head)
    front.push()
    assert front.answers() == [(5, abi.BLOCK_READ, -1)]


def test_a_ring_whose_indices_cannot_be_is_served_no_longer(front):
    driver = front.xen.domains[0]
    write_u32(front.ring, abi.REQ_PROD, 33)
    front.xen.call(front.domain.number, abi.EVENT, abi.SEND, front.port)
    front.xen.run(5)
    assert driver.program.connections[1].reason.startswith("req_prod is 33")
    assert not driver.maps
    assert front.xen.call(front.domain.number, abi.EVENT, abi.STATUS, front.port) == 1
    assert_sound(front.xen)


def test_a_front_end_does_not_believe_its_driver_domain_either(front):
    write_u32(front.ring, abi.RSP_PROD, 1)
    with pytest.raises(rings.BadRingError, match="rsp_prod is 1, with 0 requests"):
        front.side.take(front.ring, abi.BLOCK_RESPONSE.size)


def test_random_rubbish_in_a_ring_harms_nobody(with_driver, seed):
    rng = random.Random(seed)
    honest = FrontEnd(with_driver, started(with_driver, "python"))
    assert honest.connect(image="disk") > 0
    honest.data(0)
    for _ in range(20):
        front = FrontEnd(with_driver, started(with_driver, "python"))
        assert front.connect(image="disk") > 0
        for _ in range(5):
            front.ring.write(0, rng.randbytes(4096))
            count = rng.choice((rng.randrange(33), rng.getrandbits(32)))
            write_u32(front.ring, abi.REQ_PROD, count)
            grant(with_driver, front.domain, rng.randrange(512), 0, rng.getrandbits(32))
            with_driver.call(front.domain.number, abi.EVENT, abi.SEND, front.port)
            with_driver.run(1)
        honest.request(abi.BLOCK_READ, 1, 0, (100, 0, 7))
        honest.push()
        assert [status for _, _, status in honest.answers()] == [0]
        with_driver.control.destroy(front.domain.number)
        with_driver.run(5)
        assert_sound(with_driver)
    assert sorted(with_driver.domains) == [0, honest.domain.number]


def test_the_store_says_where_the_ring_is(with_driver):
    xen = with_driver
    front = FrontEnd(xen, started(xen, "python"))
    path = f"/local/domain/{front.domain.number}/device/vbd/0"
    driver = xen.domains[0]
    assert driver.program.connect_from_store(xen, driver, front.domain.number) == -abi.NO_ENTRY
    for name, value in (("ring-ref", "1"), ("event-channel", str(front.port)), ("image", "disk")):
        assert xen.store.write(front.domain.number, f"{path}/{name}", value.encode()) == 0
    assert driver.program.connect_from_store(xen, driver, front.domain.number) > 0
    assert xen.store.read(front.domain.number, f"{path}/backend-state") == b"4"
    xen.store.write(front.domain.number, f"{path}/ring-ref", b"-1")
    assert driver.program.connect_from_store(xen, driver, front.domain.number) == -abi.INVALID


def test_a_domain_that_dies_leaves_nothing_mapped_in_its_driver_domain(front):
    xen, number = front.xen, front.domain.number
    front.data(0)
    front.request(abi.BLOCK_READ, 1, 0, (100, 0, 7))
    front.push()
    xen.control.destroy(number)
    assert number in xen.domains  # dying: the ring is mapped
    xen.run(5)
    assert number not in xen.domains
    assert xen.domains[0].program.connections[1].reason == "its domain has gone"
    assert xen.free_pages == xen.total_pages - 1024


# A front end in assembly: reads sector 3 and then 5 through its ring, and keeps their first words.
ASSEMBLY_FRONT = """
        lla     a0, upcall
        li      a7, 1
        ecall
        li      s0, 0x80300000          # the grant table, then the ring, then a page for data
        li      a7, 33
        li      a0, 0
        li      a1, 0x80300
        ecall                           # GRANT SETUP
        li      t0, 0x8030100000001  # reference 1: the ring, for domain 0
        sd      t0, 8(s0)
        li      t0, 0x8030200000001  # reference 2: the data
        sd      t0, 16(s0)
        li      s1, 0x80301000
        li      t0, 1
        sw      t0, 4(s1)               # req_event
        sw      t0, 12(s1)              # rsp_event
        li      a7, 32
        li      a0, 0
        li      a1, 0
        ecall                           # EVENT ALLOC_UNBOUND
        mv      s2, a0                  # the port; Domain0 connects now
        li      s3, 3                   # the sector
        li      s4, 0                   # requests made
        li      a7, 5
        ecall
        j       .
        .balign 4
upcall: li      t0, 0x80000000
        li      t2, -9
        addi    t1, t0, 0x108
        amoand.d t2, t2, (t1)
        addi    t1, t0, 0x180
        amoswap.d t2, zero, (t1)
        addi    t1, t0, 0x480
        amoswap.d t2, zero, (t1)
        lw      t3, 8(s1)               # rsp_prod
        bne     t3, s4, sleep
        beqz    s4, ask                 # the first event is that of connecting
        li      t4, 0x80302000
        ld      t5, 0(t4)
        mv      s6, s5
        mv      s5, t5                  # what has been read
        li      t6, 2
        beq     s4, t6, done
        li      s3, 5
ask:    li      t0, 112                 # a place of the ring: operation 0, one segment
        mul     t0, t0, s4
        add     t0, t0, s1
        li      t1, 0x100
        sd      t1, 64(t0)
        sd      s4, 72(t0)
        sd      s3, 80(t0)
        li      t1, 2                   # reference 2, sectors 0 to 0
        sd      t1, 88(t0)
        addi    s4, s4, 1
        sw      s4, 12(s1)              # rsp_event: wake me at its response
        fence
        sw      s4, 0(s1)               # req_prod
        li      a7, 32
        li      a0, 3
        mv      a1, s2
        ecall                           # EVENT SEND
sleep:  li      a7, 5
        ecall
        j       .
done:   li      a7, 5
        ecall
        j       done
"""


def test_a_front_end_in_assembly_reads_its_disk():
    kernels = {"driver": Kernel(DriverDomain({"disk": DISK})), "front": pv(ASSEMBLY_FRONT)}
    xen = machine(kernels=kernels, domain0="driver")
    domain = started(xen, "front")
    xen.run(5)
    vm = xen.machines[domain.number]
    assert vm.registers.s2 == 1
    driver = xen.domains[0]
    connected = driver.program.connect(xen, driver, "block", domain.number, 1, 1, image="disk")
    assert connected == 1
    xen.call(0, abi.EVENT, abi.SEND, connected)
    xen.run(50)
    words = [struct.unpack_from("<Q", DISK, 512 * sector)[0] for sector in (3, 5)]
    assert (vm.registers.s6, vm.registers.s5) == tuple(words)
    assert driver.program.served["block"] == 2
    assert_sound(xen)


# The bridge


class NetFront:
    """Both rings of a network front end."""

    def __init__(self, xen, domain, mac: bytes):
        self.xen, self.domain, self.mac = xen, domain, mac
        self.tx = FrontEnd(xen, domain, "transmit", abi.NET_TX_REQUEST.size, 1)
        self.rx = FrontEnd(xen, domain, "receive", abi.NET_RX_REQUEST.size, 2)
        assert self.tx.connect() > 0
        assert self.rx.connect() > 0
        self.sent = 0

    def listen(self, n: int) -> None:
        for k in range(n):
            self.rx.data(k)
            self.rx.side.put(self.rx.ring, abi.NET_RX_REQUEST.pack(k, 100 + k))
        self.rx.push()
        self.xen.run(1)

    def send(self, to: bytes, payload: bytes) -> None:
        packet = to + self.mac + b"\x08\x00" + payload
        self.tx.data(50).write(0, packet)
        self.tx.side.put(self.tx.ring, abi.NET_TX_REQUEST.pack(150, 0, 0, self.sent, len(packet)))
        self.sent += 1
        self.tx.push()
        self.xen.run(1)

    def received(self) -> list[bytes]:
        found = []
        for each in self.rx.side.take(self.rx.ring, abi.NET_RX_RESPONSE.size):
            number, offset, _, n_bytes = abi.NET_RX_RESPONSE.unpack(each)
            buffer = OwnPage(self.xen, self.domain, page(self.domain, 20 + number))
            found.append(buffer.read(offset, n_bytes) if n_bytes > 0 else b"")
        return found

    def transmitted(self) -> list[int]:
        found = self.tx.side.take(self.tx.ring, abi.NET_TX_RESPONSE.size)
        return [abi.NET_TX_RESPONSE.unpack(each)[1] for each in found]


def test_domains_exchange_packets_through_the_bridge(with_driver):
    xen = with_driver
    a, b, c = (NetFront(xen, started(xen, "python"), bytes([2, 0, 0, 0, 0, k])) for k in (1, 2, 3))
    for each in (a, b, c):
        each.listen(4)
    a.send(b"\xff" * 6, b"who is there?")  # to all
    assert [len(each.received()) for each in (a, b, c)] == [0, 1, 1]
    b.send(a.mac, b"I am")
    assert [packet[14:] for packet in a.received()] == [b"I am"]
    assert c.received() == []  # the bridge has learned where a is
    a.send(b.mac, b"good")
    assert [packet[14:] for packet in b.received()] == [b"good"]
    assert a.transmitted() == [0, 0]
    assert xen.domains[0].program.dropped == 0
    a.send(b.mac, b"x" * 2000)
    assert a.transmitted() == [-1]
    for _ in range(5):
        a.send(b.mac, b"more than there is room for")
    assert len(b.received()) == 2
    assert xen.domains[0].program.dropped == 3
    assert_sound(xen)


# A driver domain in assembly: looks every 0.1 ms whether domain 1 has offered port 1 and granted
# its ring as reference 1; then serves reads of one sector from the 16 sectors at 0x8031_0000.
ASSEMBLY_BACK = """
        lla     a0, upcall
        li      a7, 1
        ecall
retry:  rdtime  a0
        addi    a0, a0, 1000
        li      a7, 4
        ecall
sleep:  li      a7, 5
        ecall
        j       sleep
        .balign 4
upcall: li      t0, 0x80000000
        addi    t1, t0, 0x108
        amoswap.d t2, zero, (t1)
        addi    t1, t0, 0x180
        amoswap.d t2, zero, (t1)
        addi    t1, t0, 0x480
        amoswap.d t2, zero, (t1)
        bnez    s0, serve
        li      a7, 33
        li      a0, 1
        li      a1, 1
        li      a2, 1
        li      a3, 0
        ecall                           # GRANT MAP of the ring
        bltz    a0, retry
        mv      s8, a0
        li      a7, 32
        li      a0, 1
        li      a1, 1
        li      a2, 1
        ecall                           # EVENT BIND_INTERDOMAIN
        mv      s1, a0
        mv      s0, s8
        li      a7, 32
        li      a0, 3
        mv      a1, s1
        ecall                           # it is connected
serve:  lw      t0, 0(s0)               # req_prod
        beq     t0, s2, finish
        fence
        andi    t1, s2, 31              # its place
        li      t2, 112
        mul     t1, t1, t2
        add     s9, t1, s0
        ld      s3, 72(s9)              # number, sector and reference, each read once
        ld      s4, 80(s9)
        lwu     s5, 88(s9)
        li      s6, -1
        li      t0, 16
        bgeu    s4, t0, answer
        li      a7, 33
        li      a0, 1
        li      a1, 1
        mv      a2, s5
        li      a3, 0
        ecall                           # GRANT MAP of the data
        bltz    a0, answer
        mv      s7, a0
        li      t0, 0x80310000
        slli    t1, s4, 9
        add     t0, t0, t1
        mv      t2, s7
        addi    t3, t0, 512
copy:   ld      t4, 0(t0)
        sd      t4, 0(t2)
        addi    t0, t0, 8
        addi    t2, t2, 8
        bltu    t0, t3, copy
        li      a7, 33
        li      a0, 2
        mv      a1, s7
        ecall                           # GRANT UNMAP
        li      s6, 0
answer: sd      s3, 64(s9)
        sb      zero, 72(s9)
        sh      s6, 74(s9)
        addi    s2, s2, 1
        lw      t2, 8(s0)               # rsp_prod before
        fence
        sw      s2, 8(s0)
        lw      t3, 12(s0)              # rsp_event
        sub     t4, s2, t3
        sub     t5, s2, t2
        bgeu    t4, t5, serve           # it is not among the new ones
        li      a7, 32
        li      a0, 3
        mv      a1, s1
        ecall                           # EVENT SEND
        addi    s10, s10, 1
        j       serve
finish: addi    t0, s2, 1
        sw      t0, 4(s0)               # req_event, and look once more
        fence
        lw      t0, 0(s0)
        bne     t0, s2, serve
        j       sleep
"""


def test_both_ends_in_assembly_and_no_python_between_them():
    kernels = {"back": pv(ASSEMBLY_BACK), "front": pv(ASSEMBLY_FRONT)}
    xen = machine(kernels=kernels, domain0="back")
    xen.write(xen.domains[0], 0x8031_0000, DISK[:8192])
    domain = started(xen, "front")
    hog = started(xen, "hog")
    xen.run(50)
    vm, driver = xen.machines[domain.number], xen.machines[0]
    words = [struct.unpack_from("<Q", DISK, 512 * sector)[0] for sector in (3, 5)]
    assert (vm.registers.s6, vm.registers.s5) == tuple(words)
    assert (driver.registers.s2, driver.registers.s10) == (2, 2)
    assert xen.domains[0].counts["grants_mapped"] == 3
    assert xen.domains[0].counts["grants_unmapped"] == 2
    assert hog.credit.run_steps > 0.95 * xen.now
    assert_sound(xen)


def test_a_driver_domain_in_assembly_answers_what_is_wrong_with_an_error():
    xen = machine(kernels={"back": pv(ASSEMBLY_BACK)}, domain0="back")
    xen.write(xen.domains[0], 0x8031_0000, DISK[:8192])
    front = FrontEnd(xen, started(xen, "python"))
    front.data(0)
    xen.run(5)
    for sector, reference in ((3, 100), (16, 100), (1 << 63, 100), (3, 101), (3, 1 << 31)):
        front.request(abi.BLOCK_READ, sector, sector, (reference, 0, 0))
    front.push()
    assert [status for _, _, status in front.answers()] == [0, -1, -1, -1, -1]
    assert front.data(0).read(0, 512) == DISK[1536:2048]
    xen.control.destroy(front.domain.number)  # it has the ring mapped, and never looks
    xen.run(5)
    assert xen.control.info(front.domain.number).state.endswith("sd")
    assert_sound(xen)
