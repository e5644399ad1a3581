"""The same requests by every path leave the same device behind, on both implementations."""

import random

import pytest

from virtlab.platforms.kvm.api import KVM_EXIT_HLT, KVM_EXIT_IO, KVM_EXIT_MMIO
from virtlab.platforms.kvm.guest_program import MEMORY_BYTES
from virtlab.platforms.kvm.user_space import e1000, virtio
from virtlab.platforms.kvm.user_space.board import Board, InterruptLine
from virtlab.platforms.kvm.user_space.disk import SECTOR_BYTES
from virtlab.platforms.kvm.user_space.drivers import PLACES
from virtlab.platforms.kvm.user_space.e1000 import E1000
from virtlab.platforms.kvm.user_space.io_paths import (
    BASE,
    PLAYED,
    IoPath,
    exits_for_frames,
    exits_for_sectors,
    paths_of,
)
from virtlab.platforms.kvm.user_space.player import load, store
from virtlab.platforms.kvm.user_space.uart import Uart
from virtlab.platforms.kvm.user_space.vhost import IrqFdLine, Vhost
from virtlab.platforms.kvm.user_space.wire import Wire

N_SECTORS = 16
N_SEQUENCES = 100


@pytest.fixture
def path(machine):
    """Makes a path to a device: path("disk", "virtio")."""
    opened = []

    def make(kind, by):
        contents = random.Random(7).randbytes(N_SECTORS * SECTOR_BYTES)
        opened.append(IoPath(machine, kind, by, contents))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def disk_sequence(seed):
    """(what, sector, data) of some requests; a few go to sectors that are not there."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        sector = chance.randrange(N_SECTORS + 1)
        yield chance.choice(["read", "write", "flush"]), sector, chance.randbytes(SECTOR_BYTES)


def requested(driver, sequence) -> list:
    """What a disk's driver got for each request."""
    got = []
    for what, sector, data in sequence:
        if what == "read":
            got.append(driver.read(sector))
        elif what == "write":
            got.append(driver.write(sector, data))
        else:
            got.append(driver.flush())
    return got


def model_disk(contents, sequence) -> list:
    """What a disk shall answer, said once more and simply; changes `contents`."""
    got = []
    for what, sector, data in sequence:
        here, there = slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES), sector < N_SECTORS
        if what == "read":
            got.append(bytes(contents[here]) if there else None)
        elif what == "write":
            if there:
                contents[here] = data
            got.append(there)
        else:
            got.append(None)
    return got


def test_random_disk_requests_end_alike_by_every_path(path, machine):
    paths = [path("disk", by) for by in paths_of(machine, "disk")]
    expected = bytearray(paths[0].contents)
    n_flushes = 0
    for seed in range(N_SEQUENCES):
        sequence = list(disk_sequence(seed))
        wanted = model_disk(expected, sequence)
        n_flushes += sum(what == "flush" for what, _, _ in sequence)
        for one in paths:
            assert requested(one.driver, sequence) == wanted, (seed, one.device)
            assert one.contents == expected, (seed, one.device)
            if one.path in PLAYED:  # a real disk does not tell
                assert one.device.n_flushes == n_flushes


def test_random_frames_end_alike_by_every_path(path, machine):
    paths = [path("network", by) for by in paths_of(machine, "network")]
    sent: list[bytes] = []
    for seed in range(N_SEQUENCES):
        chance = random.Random(seed)
        out = [chance.randbytes(chance.randint(14, 1514)) for _ in range(chance.randint(1, 6))]
        coming = [chance.randbytes(chance.randint(14, 1514)) for _ in range(chance.randint(0, 6))]
        sent += out
        for one in paths:
            one.driver.send(out)
            for frame in coming:
                one.wire.deliver(frame)
            assert one.driver.receive() == coming, (seed, one.device)
            assert one.wire.sent == sent, (seed, one.device)


def test_exits_for_sectors_come_out_of_the_protocol(machine):
    emulated, virtio_, vhost, *given = exits_for_sectors(machine, 3)
    # Seven registers and 256 words; a doorbell and two accesses at the interrupt.
    assert (emulated.to_program, emulated.in_kernel) == (3 * (7 + SECTOR_BYTES // 2), 0)
    assert (virtio_.to_program, virtio_.in_kernel) == (3 * 3, 0)
    assert (vhost.to_program, vhost.in_kernel) == (3 * 2, 3)
    assert [one.per_request for one in (emulated, virtio_, vhost)] == [263, 3, 3]
    # The guest's own device: the interrupt is left.
    assert [(one.path, one.to_program, one.in_kernel) for one in given] == [
        ("passthrough", 0, 3) for _ in machine.ASSIGNABLE
    ]
    assert {one.n_interrupts for one in (emulated, virtio_, vhost, *given)} == {3}


@pytest.mark.parametrize(("what", "emulated"), [("write", 264), ("flush", 7)])
def test_other_requests_differ_where_the_program_plays_each_register(machine, what, emulated):
    each = [one.per_request for one in exits_for_sectors(machine, 2, what)]
    assert each == [emulated, 3, 3, 1][: len(each)]


def test_a_request_that_no_disk_knows_is_refused(machine):
    with pytest.raises(ValueError, match="request 'erase': accepted are read, write, flush"):
        exits_for_sectors(machine, 1, "erase")


@pytest.mark.parametrize("burst", [1, 6, 15])
def test_exits_for_frames_come_out_of_the_protocol(machine, burst):
    emulated, virtio_, vhost = exits_for_frames(machine, burst, 2)
    # A tail for each frame and five accesses at the interrupt; a doorbell and two.
    assert (emulated.to_program, emulated.in_kernel) == (2 * (burst + 5), 0)
    assert (virtio_.to_program, virtio_.in_kernel) == (2 * 3, 0)
    assert (vhost.to_program, vhost.in_kernel) == (2 * 2, 2)
    assert {one.n_interrupts for one in (emulated, virtio_, vhost)} == {2}


@pytest.mark.parametrize(("kind", "by"), [("tape", "virtio"), ("network", "passthrough")])
def test_other_paths_are_refused(machine, kind, by):
    with pytest.raises(ValueError, match="accepted are disk and network"):
        IoPath(machine, kind, by)


def test_a_burst_raises_one_interrupt(path):
    for by in PLAYED:
        made = path("network", by)
        made.driver.send([b"a" * 60, b"b" * 60, b"c" * 60])
        assert made.line.level == 0
        assert made.line.n_raised == 1


def test_frames_wait_until_the_card_has_a_place(path):
    for by in PLAYED:
        made = path("network", by)
        frames = [bytes([k]) * 64 for k in range(3 * PLACES)]
        for frame in frames:
            made.wire.deliver(frame)
        received: list[bytes] = []
        for _ in range(10_000):  # a back end that is a thread takes its time
            received += made.driver.receive()
            if len(received) == len(frames):
                break
        assert received == frames


def test_a_vhost_that_is_closed_gives_the_doorbell_back(path):
    made = path("disk", "virtio")
    back_end = Vhost(made.kvm, made.vm, made.device, BASE)
    assert made.exits_of(1, lambda driver: driver.read(1)).to_program == 2
    back_end.close()
    assert made.exits_of(1, lambda driver: driver.read(1)).to_program == 3


@pytest.mark.parametrize("frames", [[], [b""], [b"x" * 4000], [b"x"] * PLACES])
def test_a_burst_that_does_not_fit_is_refused(path, frames):
    for by in PLAYED:
        with pytest.raises(ValueError, match="accepted are 1 to 15 frames"):
            path("network", by).driver.send(frames)


BROKEN = [
    (8, 0x10, 0x4000_0000),  # a descriptor that points nowhere
    (8, 0x18, 0xFFFF_FFFF),  # of more bytes than there are
    (2, 0x1E, 0x7777),  # a chain that goes on outside the table
    (2, 0x1E, 1),  # a chain that goes round in circles
]


@pytest.mark.parametrize(("n_bytes", "offset", "value"), BROKEN)
def test_a_broken_ring_stops_the_device_until_it_is_reset(path, n_bytes, offset, value):
    made = path("disk", "virtio")
    made.driver.read(0)  # leaves a chain of three descriptors behind
    ring = made.player.base + 0x1_0000
    status = BASE + virtio.DEVICE_STATUS
    accesses = [store(n_bytes, ring + offset, value)]
    accesses += [
        store(2, ring + 0x402, 2),
        store(4, BASE + virtio.QUEUE_NOTIFY, 0),
        load(4, status),
        load(4, BASE + virtio.INTERRUPT_STATUS),
    ]
    state, why = made.player.play(accesses)
    assert state & virtio.NEEDS_RESET
    assert why == virtio.CONFIGURATION_CHANGED
    assert made.player.play([store(4, status, 0), load(4, status)]) == [0]


def test_registers_of_virtio_say_who_is_there(path):
    made = path("disk", "virtio")
    registers = [virtio.MAGIC, virtio.VERSION, virtio.DEVICE_ID, virtio.CONFIG]
    values = made.player.play([load(4, BASE + register) for register in registers])
    assert values == [0x7472_6976, 2, 2, N_SECTORS]


def test_the_disk_introduces_itself(path):
    made = path("disk", "emulated")
    made.player.play([store(1, BASE + 7, 0xEC), load(1, BASE + 7)])
    words = made.player.play([load(2, BASE)] * 256)
    data = b"".join(word.to_bytes(2, "big") for word in words)
    assert data[54:94].rstrip() == b"virtlab disk"
    assert words[60] | words[61] << 16 == N_SECTORS


def test_where_nobody_is_loads_give_ones(path):
    made = path("disk", "emulated")
    values = made.player.play([load(n, 0x1006_0000) for n in (1, 2, 4, 8)])
    assert values == [(1 << 8 * n) - 1 for n in (1, 2, 4, 8)]
    assert made.board.exits["Nobody", "load"] == 4


def line_of(made, by_irqfd):
    if by_irqfd:
        event = made.kvm.eventfd()
        return IrqFdLine(event, made.vm, made.guest.irq), event
    return InterruptLine(made.vm, made.guest.irq), None


@pytest.mark.parametrize("by_irqfd", [False, True], ids=["irq_line", "irqfd"])
def test_a_frame_on_the_wire_interrupts_the_guest(prepared, by_irqfd):
    made = prepared("interrupt", irqchip=True)
    line, event = line_of(made, by_irqfd)
    wire = Wire()
    card = E1000(made.vm, wire, line)
    ring, buffers = made.machine.RAM_BASE + 0x1_0000, made.machine.RAM_BASE + 0x1_1000
    for k in range(4):
        made.memory.write(0x1_0000 + 16 * k, (buffers + 2048 * k).to_bytes(16, "little"))
    for register, value in (
        (e1000.RDBAL, ring),
        (e1000.RDLEN, 64),
        (e1000.RDT, 3),
        (e1000.RCTL, e1000.ENABLE),
        (e1000.IMS, e1000.CAUSE_RECEIVED),
    ):
        card.write(register, 4, value)
    for count in range(3):
        run = made.vcpu.run()
        assert (run.reason, run.mmio.value) == (KVM_EXIT_MMIO, count)
        assert card.read(e1000.ICR, 4) == (e1000.CAUSE_RECEIVED if count else 0)
        wire.deliver(bytes([count]) * 60)
        assert made.memory.read(0x1_1000 + 2048 * count, 60) == bytes([count]) * 60
    assert line.n_raised == 3
    if event is not None:
        event.close()


def test_two_devices_cannot_have_one_address(path):
    made = path("disk", "emulated")
    with pytest.raises(ValueError, match="Uart at 0x10001004: Disk is at 0x10001000"):
        made.board.add(BASE + 4, Uart())


def test_a_serial_port_prints_and_reads(path):
    made = path("disk", "emulated")
    uart, at = Uart(made.line), 0x1000_0000
    made.board.add(at, uart)
    made.player.play([store(1, at + 1, 1)] + [store(1, at, ord(letter)) for letter in "hello"])
    assert uart.printed == b"hello"
    assert made.line.level == 0
    uart.type(b"ab")
    assert made.line.level == 1
    loads = [load(1, at + 5), load(1, at), load(1, at), load(1, at + 5), load(1, at)]
    assert made.player.play(loads) == [0x61, ord("a"), ord("b"), 0x60, 0]
    assert made.line.level == 0


def test_stores_that_wait_arrive_before_the_access_that_exits(path):
    made = path("disk", "emulated")
    uart, at = Uart(), 0x1000_0000
    made.board.add(at, uart)
    made.vm.register_coalesced_mmio(at, 1)
    made.player.play([store(1, at, ord(letter)) for letter in "first"] + [load(1, BASE + 7)])
    assert uart.printed == b"first"
    assert made.board.waited["Uart", "store"] == 5
    assert made.board.exits["Uart", "store"] == 0


def test_the_real_guest_prints_through_a_port(real):
    with real.Kvm() as kvm:
        vm = kvm.create_vm()
        memory = kvm.user_memory(MEMORY_BYTES)
        vm.set_user_memory_region(0, real.RAM_BASE, memory)
        vcpu = vm.create_vcpu()
        real.GUESTS["port"].start(vcpu, memory)
        board, uart = Board(vcpu), Uart()
        board.add(0x3F8, uart, port=True)
        uart.type(b"?")
        assert board.run().reason == KVM_EXIT_HLT
        assert uart.printed == b"Hello"
        assert vcpu.get_regs().rax & 0xFF == ord("?")
        assert board.exits == {("Uart", "store"): 5, ("Uart", "load"): 1}
        assert int(KVM_EXIT_IO) == 2
