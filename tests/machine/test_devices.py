"""The board's devices, each driven as a driver would drive it, and the device tree that names them.

Sources of what is expected: RISC-V ACLINT 1.0; RISC-V PLIC 1.0.0; PC16550D data sheet; Virtual I/O
Device (VIRTIO) 1.2, "Virtio Over MMIO" and "Block Device"; QEMU, hw/misc/sifive_test.c; Spike,
fesvr/htif.cc; Devicetree Specification 0.4, "Devicetree Blob (DTB) Format".
"""

import struct

import pytest

from virtlab.isa.assembler import assemble
from virtlab.machine import Machine

RAM = 0x8000_0000
FINISHER = 0x10_0000
CLINT = 0x200_0000
PLIC = 0xC00_0000
UART = 0x1000_0000
VIRTIO = 0x1000_1000
MSIP, MTIMECMP, MTIME = CLINT, CLINT + 0x4000, CLINT + 0xBFF8
INTERRUPT = 1 << 63
U64 = (1 << 64) - 1


def guest(text: str, **options) -> Machine:
    return Machine(**{"ram": "1M", "firmware": "none"} | options).load(assemble(text))


def reach(m: Machine, label: str) -> Machine:
    stop = m.run(1_000_000, until=m.symbols[label])
    assert stop.reason == "until", str(stop)
    return m


class Bus:
    """A machine in M-mode that makes the loads and stores that Python asks for."""

    TEXT = """
        la t0, caught
        csrw mtvec, t0
    ready:
        j ready
    load1: lbu a1, 0(a0)
    load2: lhu a1, 0(a0)
    load4: lwu a1, 0(a0)
    load8: ld a1, 0(a0)
    store1: sb a1, 0(a0)
    store2: sh a1, 0(a0)
    store4: sw a1, 0(a0)
    store8: sd a1, 0(a0)
    pending: csrr a1, mip
    .balign 4
    caught:
        nop
    """

    def __init__(self, **options):
        self.m = reach(guest(self.TEXT, **options), "ready")

    def _make(self, label: str, address: int, value: int = 0) -> bool:
        """Execute the instruction at a label; False if it trapped."""
        self.m.registers.a0 = address
        self.m.registers.a1 = value
        self.m.pc = self.m.symbols[label]
        self.m.step()
        return self.m.pc != self.m.symbols["caught"]

    def read(self, address: int, n: int = 4) -> int:
        assert self._make(f"load{n}", address)
        return self.m.registers.a1

    def write(self, address: int, value: int, n: int = 4) -> None:
        assert self._make(f"store{n}", address, value)

    def refuses(self, kind: str, address: int) -> bool:
        return not self._make(kind, address)

    def external(self) -> tuple[int, int]:
        """The external interrupts of M-mode and S-mode, as mip shows them."""
        self._make("pending", 0)
        return self.m.registers.a1 >> 11 & 1, self.m.registers.a1 >> 9 & 1


# CLINT and time


def test_msip_raises_and_lowers_the_machine_software_interrupt():
    bus = Bus()
    for value in (1, 0):
        bus.write(MSIP, value)
        assert bus.m.csr["mip"].fields["MSI"] == value
        assert bus.read(MSIP) == value
    bus.write(MSIP, 0xFFFF_FFFE)
    assert bus.read(MSIP) == 0


def test_the_timer_is_pending_from_the_moment_mtime_reaches_mtimecmp():
    bus = Bus(steps_per_tick=10)
    now = bus.read(MTIME, 8)
    bus.write(MTIMECMP, now + 5, 8)
    assert bus.read(MTIMECMP, 8) == now + 5
    seen = []
    while len(seen) < 100:
        time = bus.read(MTIME, 8)
        seen.append((time >= now + 5, bus.m.csr["mip"].fields["MTI"]))
    # A read happens during a step and mip is looked at after it, so a tick may lie between them.
    changes = [pair for pair in seen if pair[0] != pair[1]]
    assert len(changes) <= 1
    assert seen[0] == (False, 0)
    assert seen[-1] == (True, 1)


def test_mtime_can_be_set_and_mtimecmp_written_in_halves():
    bus = Bus()
    bus.write(MTIME, 0x1234_5678_0000, 8)
    assert bus.read(MTIME, 8) == 0x1234_5678_0000
    assert bus.read(MTIME + 4) == 0x1234
    bus.write(MTIMECMP, 0xFFFF_FFFF)
    bus.write(MTIMECMP + 4, 0x1234)
    assert bus.read(MTIMECMP, 8) == 0x1234_FFFF_FFFF


def test_time_advances_one_tick_in_a_hundred_steps():
    m = guest("loop: j loop")
    m.run(12_345)
    assert m.csr["time"].value == 123


def sleeper(before: str, enabled: int) -> Machine:
    """A guest that goes to sleep in M-mode, once `before` has set an alarm, and its handler."""
    return guest(
        f"""
        la t0, caught
        csrw mtvec, t0
        li t0, {enabled}
        csrw mie, t0
        {before}
        csrsi mstatus, 8
    sleep:
        wfi
        j sleep
        .balign 4
    caught:
        csrr a0, mcause
        csrr a1, time
    end:
        nop
        """
    )


def test_a_sleeping_hart_wakes_when_mtimecmp_is_reached_and_time_has_passed():
    m = sleeper(f"li t0, {MTIMECMP}\nli t1, 5000\nsd t1, 0(t0)", 1 << 7)
    reach(m, "end")
    assert (m.registers.a0, m.registers.a1) == (INTERRUPT | 7, 5000)
    assert m.steps < 50
    assert m.counters["idle_steps"] == pytest.approx(5000 * 100, abs=50)
    assert m.seconds == pytest.approx(5000 / 10e6, rel=1e-3)


def test_a_sleeping_hart_wakes_when_stimecmp_is_reached():
    alarm = "li t0, 1 << 63\ncsrw menvcfg, t0\nli t0, 700\ncsrw stimecmp, t0"
    m = sleeper(alarm, 1 << 5)
    reach(m, "end")  # mideleg is clear: the interrupt goes to M-mode
    assert (m.registers.a0, m.registers.a1) == (INTERRUPT | 5, 700)


def test_stimecmp_means_nothing_until_machine_mode_enables_it():
    m = guest("li t0, 1\ncsrw stimecmp, t0\nloop: j loop")
    m.run(1000)
    assert m.csr["mip"].fields["STI"] == 0
    m = guest("li t0, 1 << 63\ncsrw menvcfg, t0\nli t0, 1\ncsrw stimecmp, t0\nloop: j loop")
    m.run(1000)
    assert m.csr["mip"].fields["STI"] == 1


def test_nothing_to_wait_for_is_reported_as_idle():
    stop = sleeper("", 1 << 7).run(1_000_000)
    assert stop.reason == "idle"
    assert stop.steps < 50


def test_wfi_goes_on_at_once_when_an_interrupt_is_pending_though_not_enabled_in_mstatus():
    m = guest("csrwi mie, 2\ncsrwi mip, 2\nwfi\nend: nop")
    reach(m, "end")
    assert m.counters["idle_steps"] == 0


# PLIC


CLAIM = {0: PLIC + 0x20_0004, 1: PLIC + 0x20_1004}
THRESHOLD = {0: PLIC + 0x20_0000, 1: PLIC + 0x20_1000}
ENABLE = {0: PLIC + 0x2000, 1: PLIC + 0x2080}
UART_SOURCE, DISK_SOURCE = 10, 1


def with_uart_interrupt(priority: int = 1, context: int = 1, **options) -> Bus:
    """A board whose UART asks for attention, because a byte has been typed."""
    bus = Bus(**options)
    bus.write(PLIC + 4 * UART_SOURCE, priority)
    bus.write(ENABLE[context], 1 << UART_SOURCE)
    bus.write(UART + 1, 1, 1)
    bus.m.type("x")
    return bus


@pytest.mark.parametrize(("context", "expected"), [(0, (1, 0)), (1, (0, 1))])
def test_a_device_interrupt_reaches_the_context_that_enabled_it(context, expected):
    assert with_uart_interrupt(context=context).external() == expected


def test_a_claimed_interrupt_is_not_offered_again_until_it_is_completed():
    bus = with_uart_interrupt()
    assert bus.read(PLIC + 0x1000) == 1 << UART_SOURCE
    assert bus.read(CLAIM[1]) == UART_SOURCE
    assert bus.read(PLIC + 0x1000) == 0
    assert bus.external() == (0, 0)
    bus.m.type("y")
    assert bus.external() == (0, 0)
    assert bus.read(CLAIM[1]) == 0
    bus.write(CLAIM[1], UART_SOURCE)
    assert bus.external() == (0, 1)


def test_completing_what_was_never_claimed_changes_nothing():
    bus = with_uart_interrupt()
    for source in (0, UART_SOURCE, 53, 54, 1000):
        bus.write(CLAIM[1], source)
    assert bus.external() == (0, 1)


@pytest.mark.parametrize(
    ("priority", "threshold", "shown"), [(0, 0, 0), (1, 0, 1), (3, 3, 0), (4, 3, 1), (7, 7, 0)]
)
def test_only_a_priority_above_the_threshold_interrupts(priority, threshold, shown):
    bus = with_uart_interrupt(priority)
    bus.write(THRESHOLD[1], threshold)
    assert bus.read(THRESHOLD[1]) == threshold
    assert bus.external() == (0, shown)


@pytest.mark.parametrize(
    ("uart", "disk", "first"),
    [(5, 2, UART_SOURCE), (2, 5, DISK_SOURCE), (3, 3, DISK_SOURCE)],
    ids=["uart higher", "disk higher", "equal: the lower number"],
)
def test_the_source_of_the_highest_priority_is_claimed_first(uart, disk, first):
    bus = with_uart_interrupt(uart, disk=bytes(512))
    bus.write(PLIC + 4 * DISK_SOURCE, disk)
    bus.write(ENABLE[1], 1 << UART_SOURCE | 1 << DISK_SOURCE)
    Driver(bus).submit([(RAM, 8, 0)])  # too short a chain: the device complains at once
    claimed = [bus.read(CLAIM[1]) for _ in range(3)]
    assert claimed == [first, UART_SOURCE + DISK_SOURCE - first, 0]


def test_plic_registers_keep_what_the_specification_lets_them():
    bus = Bus()
    bus.write(PLIC, 7)
    bus.write(PLIC + 4 * 53, 0xFF)
    bus.write(PLIC + 4 * 54, 7)
    assert [bus.read(PLIC + 4 * k) for k in (0, 53, 54)] == [0, 7, 0]
    bus.write(ENABLE[0], 0xFFFF_FFFF)
    bus.write(ENABLE[0] + 4, 0xFFFF_FFFF)
    assert bus.read(ENABLE[0]) == 0xFFFF_FFFE  # source 0 does not exist
    assert bus.read(ENABLE[0] + 4) == (1 << (53 - 31)) - 1
    assert bus.refuses("load8", PLIC)
    assert bus.refuses("store1", PLIC)


# UART


RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR = range(UART, UART + 8)


def test_what_is_typed_is_read_in_order_and_the_line_status_says_when_it_is_there():
    bus = Bus()
    assert bus.read(LSR, 1) == 0x60
    bus.m.type("ab")
    assert bus.read(LSR, 1) == 0x61
    assert [bus.read(RBR, 1) for _ in range(3)] == [ord("a"), ord("b"), 0]
    assert bus.read(LSR, 1) == 0x60
    assert bus.m.unread_input == 0


def test_what_is_written_is_printed():
    bus = Bus()
    for byte in b"hello\n":
        bus.write(RBR, byte, 1)
    assert bus.m.console == "hello\n"


def test_the_receive_interrupt_lasts_until_the_last_byte_is_read():
    bus = Bus()
    bus.write(PLIC + 4 * UART_SOURCE, 1)
    bus.write(ENABLE[0], 1 << UART_SOURCE)
    bus.m.type("ab")
    assert bus.external() == (0, 0)
    bus.write(IER, 1, 1)
    assert bus.external() == (1, 0)
    assert bus.read(IIR, 1) & 0xF == 0x4
    bus.read(RBR, 1)
    assert bus.external() == (1, 0)
    bus.read(RBR, 1)
    assert bus.external() == (0, 0)
    assert bus.read(IIR, 1) & 0xF == 0x1


def test_the_transmit_interrupt_comes_when_enabled_and_goes_when_its_cause_is_read():
    bus = Bus()
    bus.write(PLIC + 4 * UART_SOURCE, 1)
    bus.write(ENABLE[0], 1 << UART_SOURCE)
    bus.write(IER, 2, 1)
    assert bus.external() == (1, 0)
    assert [bus.read(IIR, 1) & 0xF for _ in range(2)] == [0x2, 0x1]
    assert bus.external() == (0, 0)
    bus.write(RBR, ord("x"), 1)
    assert bus.external() == (1, 0)
    bus.write(IER, 0, 1)
    assert bus.external() == (0, 0)


def test_received_data_is_reported_before_the_empty_transmitter():
    bus = Bus()
    bus.write(IER, 3, 1)
    bus.m.type("a")
    assert bus.read(IIR, 1) & 0xF == 0x4
    bus.read(RBR, 1)
    assert bus.read(IIR, 1) & 0xF == 0x2


def test_the_divisor_hides_behind_the_latch_bit():
    bus = Bus()
    bus.write(IER, 1, 1)
    bus.write(LCR, 0x83, 1)
    bus.write(RBR, 0x34, 1)
    bus.write(IER, 0x12, 1)
    assert (bus.read(RBR, 1), bus.read(IER, 1)) == (0x34, 0x12)
    bus.write(LCR, 0x03, 1)
    assert bus.read(IER, 1) == 1
    assert bus.m.console == ""


def test_fifos_show_in_the_cause_register_when_they_are_on():
    bus = Bus()
    assert bus.read(IIR, 1) == 0x01
    bus.write(IIR, 0x07, 1)
    assert bus.read(IIR, 1) == 0xC1


def test_loop_back_prints_nothing_and_shows_the_modem_outputs_as_inputs():
    bus = Bus()
    assert bus.read(MSR, 1) & 0xF0 == 0xB0
    for outputs, inputs in ((0x1, 0x20), (0x2, 0x10), (0x4, 0x40), (0x8, 0x80), (0xF, 0xF0)):
        bus.write(MCR, 0x10 | outputs, 1)
        assert bus.read(MSR, 1) & 0xF0 == inputs
    bus.write(RBR, ord("x"), 1)
    bus.write(MCR, 0, 1)
    bus.write(RBR, ord("y"), 1)
    assert bus.m.console == "y"


def test_the_scratch_register_keeps_its_byte():
    bus = Bus()
    bus.write(SCR, 0xA5, 1)
    assert bus.read(SCR, 1) == 0xA5


# virtio block device


NEXT, WRITE = 1, 2
IN, OUT, FLUSH, GET_ID = 0, 1, 4, 8
NEEDS_RESET = 64


class Driver:
    """A driver of the block device, as short as the specification's own description of one."""

    DESCRIPTORS, AVAILABLE, USED = RAM + 0x1_0000, RAM + 0x1_1000, RAM + 0x1_2000
    HEADER, DATA, STATUS = RAM + 0x1_3000, RAM + 0x1_4000, RAM + 0x1_8000
    SIZE = 8

    def __init__(self, bus: Bus):
        self.bus, self.memory = bus, bus.m.memory
        self.sent = 0
        self.start()

    def register(self, offset: int) -> int:
        return self.bus.read(VIRTIO + offset)

    def set(self, offset: int, value: int) -> None:
        self.bus.write(VIRTIO + offset, value)

    def start(self) -> None:
        """Section "Device Initialization", and "Virtqueue Configuration" of MMIO."""
        self.set(0x070, 0)
        for status in (1, 3):
            self.set(0x070, status)
        for page, features in ((0, 1 << 9), (1, 1)):
            self.set(0x024, page)
            self.set(0x020, features)
        self.set(0x070, 11)
        assert self.register(0x070) & 8
        self.set(0x030, 0)
        self.set(0x038, self.SIZE)
        for offset, address in (
            (0x80, self.DESCRIPTORS),
            (0x90, self.AVAILABLE),
            (0xA0, self.USED),
        ):
            self.set(offset, address & 0xFFFF_FFFF)
            self.set(offset + 4, address >> 32)
        self.set(0x044, 1)
        self.set(0x070, 15)
        self.sent = 0
        for address in (self.AVAILABLE, self.USED):
            self.memory.write(address, bytes(256))

    def submit(self, chain: list[tuple[int, int, int]], links: list[int] | None = None) -> None:
        """Make a chain of (address, length, flags) available and notify the device."""
        for k, (address, length, flags) in enumerate(chain):
            following = links[k] if links else k + 1
            flags |= NEXT if links or k + 1 < len(chain) else 0
            entry = struct.pack("<QIHH", address & U64, length, flags, following)
            self.memory.write(self.DESCRIPTORS + 16 * k, entry)
        self.memory.write(self.AVAILABLE + 4 + 2 * (self.sent % self.SIZE), bytes(2))
        self.sent += 1
        self.memory.write(self.AVAILABLE + 2, struct.pack("<H", self.sent))
        self.set(0x050, 0)

    def request(self, kind: int, sector: int = 0, n: int = 512, data: bytes = b"") -> int:
        """Do one request; returns its status byte."""
        self.memory.write(self.HEADER, struct.pack("<IIQ", kind, 0, sector & U64))
        self.memory.write(self.STATUS, b"\xff")
        chain = [(self.HEADER, 16, 0)]
        if n:
            chain.append((self.DATA, n, 0 if kind == OUT else WRITE))
        self.memory.write(self.DATA, data or bytes(n))
        self.submit([*chain, (self.STATUS, 1, WRITE)])
        return self.memory.read(self.STATUS, 1)[0]

    def used(self) -> tuple[int, int, int]:
        """The used ring's index, and head and length of its newest element."""
        (index,) = struct.unpack("<H", self.memory.read(self.USED + 2, 2))
        at = self.USED + 4 + 8 * ((index - 1) % self.SIZE)
        return index, *struct.unpack("<II", self.memory.read(at, 8))


def contents(n_sectors: int) -> bytes:
    return b"".join(struct.pack("<I", k) * 128 for k in range(n_sectors))


@pytest.fixture
def driver():
    return Driver(Bus(disk=contents(16)))


def test_the_first_slot_holds_a_block_device_and_the_others_none(driver):
    assert [driver.register(k) for k in (0, 4, 8)] == [0x7472_6976, 2, 2]
    assert [driver.register(0x1000 + k) for k in (0, 4, 8)] == [0x7472_6976, 2, 0]
    assert Bus().read(VIRTIO + 8) == 0
    assert driver.bus.read(VIRTIO + 0x100, 8) == 16
    assert driver.register(0x034) >= Driver.SIZE


def test_features_that_are_not_offered_are_not_accepted(driver):
    driver.set(0x070, 0)
    driver.set(0x024, 0)
    driver.set(0x020, 1 << 5)
    driver.set(0x070, 11)
    assert driver.register(0x070) & 8 == 0
    driver.set(0x014, 0)
    assert driver.register(0x010) == 1 << 9
    driver.set(0x014, 1)
    assert driver.register(0x010) == 1


def test_a_sector_is_read_into_memory(driver):
    assert driver.request(IN, 3, 1024) == 0
    assert driver.memory.read(driver.DATA, 1024) == contents(16)[3 * 512 : 5 * 512]
    assert driver.used() == (1, 0, 1025)
    assert driver.bus.m.counters["disk_reads"] == 1


def test_a_sector_that_was_written_reads_back_and_the_image_stays_as_it_was(driver, tmp_path):
    image = tmp_path / "disk"
    image.write_bytes(contents(8))
    driver = Driver(Bus(disk=image))
    assert driver.request(OUT, 5, 512, b"new!" * 128) == 0
    assert driver.used() == (1, 0, 1)
    assert driver.request(IN, 4, 1536) == 0
    expected = contents(8)[4 * 512 : 5 * 512] + b"new!" * 128 + contents(8)[6 * 512 : 7 * 512]
    assert driver.memory.read(driver.DATA, 1536) == expected
    assert image.read_bytes() == contents(8)


def test_the_queue_wraps_around(driver):
    for k in range(3 * Driver.SIZE):
        assert driver.request(IN, k % 16) == 0
        assert driver.memory.read(driver.DATA, 4) == struct.pack("<I", k % 16)
        assert driver.used() == (k + 1, 0, 513)


def test_flush_succeeds_and_get_id_names_the_disk(driver):
    assert driver.request(FLUSH, n=0) == 0
    assert driver.request(GET_ID, n=20) == 0
    name = driver.memory.read(driver.DATA, 20)
    assert name.rstrip(b"\0").decode().isprintable()
    assert name.rstrip(b"\0")
    assert driver.used()[2] == 21


@pytest.mark.parametrize(("sector", "n"), [(16, 512), (15, 1024), (1 << 62, 512), (-1, 512)])
@pytest.mark.parametrize("kind", [IN, OUT])
def test_a_sector_outside_the_disk_is_an_error_and_touches_nothing(driver, kind, sector, n):
    assert driver.request(kind, sector, n, b"\xee" * n) == 1
    assert driver.memory.read(driver.DATA, n) == b"\xee" * n
    assert driver.register(0x070) & NEEDS_RESET == 0
    assert driver.request(IN, 15) == 0
    assert driver.memory.read(driver.DATA, 4) == struct.pack("<I", 15)


@pytest.mark.parametrize("kind", [2, 11, 13, 0xFFFF_FFFF])
def test_a_request_of_another_type_is_unsupported(driver, kind):
    assert driver.request(kind) == 2
    assert driver.request(IN) == 0


BAD_CHAINS = {
    "no data and no status": [(Driver.HEADER, 16, 0)],
    "a short header": [(Driver.HEADER, 8, 0), (Driver.STATUS, 1, WRITE)],
    "a header to write to": [(Driver.HEADER, 16, WRITE), (Driver.STATUS, 1, WRITE)],
    "a status to read from": [(Driver.HEADER, 16, 0), (Driver.STATUS, 1, 0)],
    "an empty status": [(Driver.HEADER, 16, 0), (Driver.STATUS, 0, WRITE)],
    "a header outside RAM": [(0x1000, 16, 0), (Driver.STATUS, 1, WRITE)],
    "data outside RAM": [
        (Driver.HEADER, 16, 0),
        (RAM - 256, 512, WRITE),
        (Driver.STATUS, 1, WRITE),
    ],
    "data beyond RAM": [
        (Driver.HEADER, 16, 0),
        (RAM + (1 << 20) - 256, 512, WRITE),
        (Driver.STATUS, 1, WRITE),
    ],
    "data at the end of the address space": [
        (Driver.HEADER, 16, 0),
        (-256, 512, WRITE),
        (Driver.STATUS, 1, WRITE),
    ],
    "data that a read cannot fill": [
        (Driver.HEADER, 16, 0),
        (Driver.DATA, 512, 0),
        (Driver.STATUS, 1, WRITE),
    ],
}


@pytest.mark.parametrize("chain", BAD_CHAINS.values(), ids=BAD_CHAINS)
def test_a_malformed_chain_stops_the_device_until_it_is_reset(driver, chain):
    driver.memory.write(driver.HEADER, struct.pack("<IIQ", IN, 0, 1))
    driver.submit(chain)
    assert driver.register(0x070) & NEEDS_RESET
    assert driver.register(0x060) & 2  # a configuration-change interrupt
    assert driver.used()[0] == 0
    assert driver.request(IN) == 0xFF
    driver.start()
    assert driver.register(0x070) & NEEDS_RESET == 0
    assert driver.request(IN, 2) == 0
    assert driver.memory.read(driver.DATA, 4) == struct.pack("<I", 2)


@pytest.mark.parametrize("links", [[1, 1], [0, 0], [1, 7], [1, 8], [1, 0xFFFF]])
def test_a_chain_without_end_or_out_of_the_table_stops_the_device(driver, links):
    driver.memory.write(driver.HEADER, struct.pack("<IIQ", IN, 0, 1))
    driver.submit([(driver.HEADER, 16, 0), (driver.DATA, 512, WRITE)], links)
    assert driver.register(0x070) & NEEDS_RESET


def test_the_interrupt_is_raised_acknowledged_and_may_be_declined(driver):
    bus = driver.bus
    bus.write(PLIC + 4 * DISK_SOURCE, 1)
    bus.write(ENABLE[1], 1 << DISK_SOURCE)
    driver.request(IN)
    assert (driver.register(0x060), bus.external()) == (1, (0, 1))
    driver.set(0x064, 1)
    assert (driver.register(0x060), bus.external()) == (0, (0, 0))
    driver.memory.write(driver.AVAILABLE, struct.pack("<H", 1))
    assert driver.request(IN) == 0
    assert (driver.register(0x060), bus.external()) == (0, (0, 0))


# Finisher and HTIF


@pytest.mark.parametrize(
    ("value", "reason", "code"),
    [
        (0x5555, "exit", 0),
        (0x3333, "exit", 0),
        (0x0007_3333, "exit", 7),
        (0xFFFF_3333, "exit", 0xFFFF),
        (0x7777, "reset", None),
        (0x1234, "idle", None),
    ],
)
def test_the_finisher_ends_the_run(value, reason, code):
    m = guest(f"li t0, {FINISHER}\nli t1, {value}\nsw t1, 0(t0)\nsleep: wfi\nj sleep")
    assert m.run(1000).reason == reason
    assert m.exit_code == code


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_an_odd_value_in_tohost_is_the_exit_code(code):
    m = guest(
        f"la t0, tohost\nli t1, {code << 1 | 1}\nsd t1, 0(t0)\nl: j l\n.balign 8\ntohost: .dword 0"
    )
    assert m.run(1000).reason == "exit"
    assert m.exit_code == code


def test_device_one_of_tohost_is_a_console():
    m = guest(
        """
        la t0, tohost
        li t1, 1 << 56 | 1 << 48 | 'H'
        sd t1, 0(t0)
        ld a0, 0(t0)
        addi t1, t1, 'i' - 'H'
        sd t1, 0(t0)
    end:
        j end
        .balign 8
    tohost: .dword 0
        """
    )
    reach(m, "end")
    assert m.console == "Hi"
    assert m.registers.a0 == 0  # the host has taken the command


def test_a_write_call_through_tohost_prints_and_answers_in_fromhost():
    m = guest(
        """
        la t0, call
        la t1, text
        sd t1, 16(t0)
        la t2, tohost
        sd t0, 0(t2)
        ld a0, 0(t0)
        la t2, fromhost
        ld a1, 0(t2)
    end:
        j end
        .data
        .balign 8
    tohost: .dword 0
    fromhost: .dword 0
        .balign 64
    call: .dword 64, 1, 0, 5, 0, 0, 0, 0
    text: .ascii "hello, not this"
        """
    )
    reach(m, "end")
    assert m.console == "hello"
    assert (m.registers.a0, m.registers.a1) == (5, 1)


# The bus


def test_what_is_not_there_does_not_answer():
    bus = Bus()
    for address in (0, 0x4000, FINISHER - 8, CLINT + 0x1_0000, UART + 0x100, VIRTIO + 0x8000):
        assert bus.refuses("load4", address), hex(address)
        assert bus.refuses("store4", address), hex(address)
    assert bus.refuses("load4", RAM + (1 << 20))
    assert bus.refuses("load4", RAM - 4)
    assert not bus.refuses("load4", RAM + (1 << 20) - 4)


# Device tree


def parse_tree(data: bytes) -> dict:
    """A flattened device tree as nested dicts: nodes by name, properties as bytes."""
    header = struct.unpack(">10I", data[:40])
    magic, total, structure, strings, _, version, compatible = header[:7]
    assert (magic, version, compatible) == (0xD00D_FEED, 17, 16)
    data = data[:total]
    stack: list[dict] = [{}]
    at = structure
    while True:
        (token,) = struct.unpack_from(">I", data, at)
        at += 4
        if token == 1:
            name = data[at : data.index(b"\0", at)].decode()
            at += len(name) + 4 & ~3
            stack.append(stack[-1].setdefault(name, {}))
        elif token == 2:
            stack.pop()
        elif token == 3:
            n, offset = struct.unpack_from(">II", data, at)
            name = data[strings + offset : data.index(b"\0", strings + offset)].decode()
            stack[-1][name] = data[at + 8 : at + 8 + n]
            at += 8 + (n + 3 & ~3)
        else:
            assert token == 9, f"token {token} at {at - 4:#x}"
            assert len(stack) == 1
            return stack[0][""]


@pytest.mark.parametrize("ram", [1 << 20, 128 << 20])
@pytest.mark.parametrize("firmware", ["none", "sbi"])
def test_the_device_tree_in_a1_describes_the_board(ram, firmware):
    m = guest("nop", ram=ram, firmware=firmware, append="root=/dev/vda quiet", record=False)
    assert m.registers.a0 == 0
    at = m.registers.a1
    tree = parse_tree(m.memory.read(at, RAM + ram - at))
    assert tree["chosen"]["bootargs"] == b"root=/dev/vda quiet\0"
    assert struct.unpack(">QQ", tree["memory@80000000"]["reg"]) == (RAM, ram)
    assert struct.unpack(">I", tree["cpus"]["timebase-frequency"]) == (10_000_000,)
    isa = tree["cpus"]["cpu@0"]["riscv,isa"]
    assert isa.startswith(b"rv64imac")
    soc = tree["soc"]
    places = {
        node.split("@")[0]: struct.unpack(">QQ", properties["reg"])[0]
        for node, properties in soc.items()
        if isinstance(properties, dict) and not node.startswith("virtio")
    }
    assert places == {"test": FINISHER, "clint": CLINT, "plic": PLIC, "serial": UART}
    assert struct.unpack(">I", soc["serial@10000000"]["interrupts"]) == (UART_SOURCE,)
    assert soc["serial@10000000"]["compatible"] == b"ns16550a\0"
    slots = [soc[f"virtio_mmio@{VIRTIO + 0x1000 * k:x}"] for k in range(8)]
    assert [struct.unpack(">I", s["interrupts"])[0] for s in slots] == list(range(1, 9))
    parents = {soc["serial@10000000"]["interrupt-parent"], slots[0]["interrupt-parent"]}
    assert parents == {soc["plic@c000000"]["phandle"]}
    controller = tree["cpus"]["cpu@0"]["interrupt-controller"]["phandle"]
    wires = soc["plic@c000000"]["interrupts-extended"]
    assert wires == controller + bytes([0, 0, 0, 11]) + controller + bytes([0, 0, 0, 9])
