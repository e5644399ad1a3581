"""Hostile guests: whatever a guest does, the machine stays sound and the process alive.

The arrays that compiled code reads and writes are put between margins of known bytes before a guest
runs; an access past their ends would change the margins, or end the process. The guests:

    wild words     instructions drawn at random, in every mode, with random registers, CSRs and
                   page tables; a trap handler in locked memory draws new ones after every trap
    wild stores    loads and stores of random addresses, in devices, at the edges of RAM, anywhere
    wild rings     a virtio driver that writes nonsense into its registers, rings and descriptors

All follow from the seed, which pytest prints; `--seed` runs the same ones again.
"""

import random
import struct

import numpy as np
import pytest

from virtlab.isa.assembler import assemble
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.isa.instructions import INSTRUCTIONS
from virtlab.machine import Machine

RAM = 0x8000_0000
MARGIN = 4096
PATTERN = 0xA5
DEVICES = {
    "finisher": (0x10_0000, 0x1000), "CLINT": (0x200_0000, 0x1_0000),
    "PLIC": (0xC00_0000, 0x60_0000), "UART": (0x1000_0000, 0x100),
    "virtio": (0x1000_1000, 0x8000),
}  # fmt: skip
READABLE = [name for name in CSR_NUMBERS if not name.startswith("hpmcounter")]  # no Zihpm
DISK = bytes(range(256)) * 8
MODES = {"M", "S", "U", "VS", "VU"}
REASONS = {"budget", "exit", "idle", "reset"}

# What the handler of the wild words needs, each in pages of its own.
HANDLER, STATE, SETS, TABLES, CODE = (RAM + k * 0x1000 for k in (0, 8, 16, 64, 128))
N_SETS = 256
SET_BYTES = 512
N_TABLES = 48
N_CODE = 96
DRAWN_CSRS = (
    "satp", "hgatp", "vsatp", "medeleg", "mideleg", "hedeleg", "hideleg", "stvec", "vstvec",
    "hstatus", "vsstatus", "menvcfg", "henvcfg", "mcounteren", "stimecmp", "vstimecmp", "hvip",
    "mie", "htimedelta", "hie", "mepc", "mstatus",
)  # fmt: skip


def handler() -> str:
    """M-mode code that after a trap goes on with the next of N_SETS states, at another place.

    The timer brings it back within a thousand steps even from a guest that took over its own traps.
    It is locked against every mode, so that the guest cannot write into it; its data is not.
    """
    csrs = [f"ld a0, {256 + 8 * k}(t0)\n csrw {name}, a0" for k, name in enumerate(DRAWN_CSRS)]
    seldom, often = "\n".join(csrs[:-2]), "\n".join(csrs[-2:])
    registers = "\n".join(f"ld x{k}, {8 * k}(t0)" for k in range(1, 32) if k != 5)
    return f"""
        la    t0, again
        csrw  mtvec, t0
        li    t0, {(HANDLER >> 2) | 0x1FF}
        csrw  pmpaddr0, t0                # the first page
        li    t0, -1
        csrw  pmpaddr1, t0
        li    t0, {0x1F << 8 | 0x9D}      # locked, NAPOT, not writable; then all there is
        csrw  pmpcfg0, t0
        .balign 4
again:  li    t1, {STATE}
        ld    t0, 0(t1)
        addi  t2, t0, 1
        sd    t2, 0(t1)
        andi  t0, t0, {N_SETS - 1}
        slli  t0, t0, 9
        li    t1, {SETS}
        add   t0, t0, t1
        li    t1, 0x200bff8
        ld    t2, 0(t1)
        addi  t2, t2, 10
        li    t1, 0x2004000
        sd    t2, 0(t1)
        ld    t2, {8 * 31}(t0)
        andi  t1, t2, 7
        bnez  t1, 1f
        {seldom}
1:      {often}
        li    a0, 0x80
        csrs  mie, a0
        {registers}
        ld    t0, 40(t0)
        mret
    """


def wild_word(rng: random.Random) -> bytes:
    """One instruction: a real one with random operands, or any bits at all."""
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.choice((2, 4)))
    row = rng.choice(INSTRUCTIONS)
    word = row.match | rng.getrandbits(8 * row.length) & ~row.mask
    if row.name.startswith("csr") and kind < 0.9:
        word = word & 0xFFFFF | rng.choice(list(CSR_NUMBERS.values())) << 20
    return (word & (1 << 8 * row.length) - 1).to_bytes(row.length, "little")


def wild_address(rng: random.Random, ram_bytes: int) -> int:
    """An address: in RAM, around its ends, in a device, around a page's end, or any at all."""
    kind = rng.randrange(8)
    if kind < 3:
        return RAM + rng.randrange(ram_bytes)
    if kind == 3:
        return rng.choice((RAM, RAM + ram_bytes)) + rng.randrange(-16, 17)
    if kind == 4:
        base, n_bytes = rng.choice(list(DEVICES.values()))
        return base + rng.randrange(-8, n_bytes + 8)
    if kind == 5:
        return RAM + (rng.randrange(ram_bytes) & ~0xFFF) + rng.randrange(-8, 8)
    if kind == 6:
        return rng.getrandbits(39)
    return rng.getrandbits(64)


def wild_value(rng: random.Random, ram_bytes: int) -> int:
    """A register's contents."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randrange(-4096, 4096) & (1 << 64) - 1
    if kind == 1:
        return rng.choice((0, 1 << 63, (1 << 63) - 1, (1 << 64) - 1, 1 << rng.randrange(64)))
    return wild_address(rng, ram_bytes)


def wild_csr(rng: random.Random, name: str, ram_bytes: int) -> int:
    """A value for a CSR, more often than not one that means something."""
    if rng.random() < 0.1:
        return rng.getrandbits(64)
    if name in ("satp", "vsatp", "hgatp"):
        if rng.random() < 0.4:
            return 0
        page = (TABLES >> 12) + rng.randrange(N_TABLES)
        asid = rng.getrandbits(16) if rng.random() < 0.3 else 0
        return 8 << 60 | asid << 44 | (page & ~3 if name == "hgatp" else page)
    if name in ("stvec", "vstvec", "mepc"):
        return CODE + rng.randrange(N_CODE * 4096) & ~1
    if name == "mstatus":
        bits = rng.getrandbits(64) & 0x00C0_0000_007E_1FFF  # not the modes' own bits alone
        return bits & ~(3 << 11) | rng.choice((0, 1, 3)) << 11 | rng.getrandbits(1) << 39
    if name.startswith(("mideleg", "medeleg", "hedeleg", "hideleg")) and rng.random() < 0.5:
        return 0
    return rng.getrandbits(64) & rng.getrandbits(64)


def wild_page(rng: random.Random, ram_bytes: int) -> bytes:
    """A page table whose entries mostly point to other tables, or to pages of RAM."""
    entries = []
    for _ in range(512):
        if rng.random() < 0.1:
            entries.append(rng.getrandbits(64))
            continue
        table = rng.random() < 0.4
        page = (TABLES >> 12) + rng.randrange(N_TABLES) if table else 0
        page = page or (wild_address(rng, ram_bytes) & (1 << 56) - 1) >> 12
        entries.append(page << 10 | (1 if table else rng.getrandbits(8) | 1))
    return struct.pack("<512Q", *entries)


def guarded(m: Machine) -> list[tuple[np.ndarray, int]]:
    """Put the machine's arrays between margins; returns what `assert_sound` needs to look at."""
    buffers, moved = [], {}
    for name, array in m._mem._asdict().items():
        if name in ("u16", "u32", "u64"):
            moved[name] = moved["u8"].view(array.dtype)
            continue
        buffer = np.full(array.nbytes + 2 * MARGIN, PATTERN, np.uint8)
        inner = buffer[MARGIN : MARGIN + array.nbytes].view(array.dtype).reshape(array.shape)
        inner[...] = array
        buffers.append((buffer, array.nbytes))
        moved[name] = inner
    m._mem = m._host = type(m._mem)(**moved)
    return buffers


def assert_sound(m: Machine, buffers: list) -> None:
    """Nothing beside the arrays was written, and everything can still be looked at."""
    for buffer, n_bytes in buffers:
        assert (buffer[:MARGIN] == PATTERN).all() and (buffer[MARGIN + n_bytes :] == PATTERN).all()
    assert m.mode in MODES
    assert m.registers["zero"] == 0
    assert 0 <= m.pc < 1 << 64 and m.pc % 2 == 0
    assert len(m.csrs()) > 50
    assert all(0 <= m.csr[name].value < 1 << 64 for name in READABLE)
    assert isinstance(m.console, str) and str(m) and m.counters["steps"] == m.steps
    assert len(m.last_events(10)) <= 10
    for access in ("load", "store", "fetch"):
        for va in (m.pc, m.registers.sp, 0, (1 << 64) - 1):
            assert m.translate(va, access).steps is not None
    assert isinstance(m.disassemble(), list)
    assert isinstance(m.tlb, list)


def advance(m: Machine, n: int) -> str:
    """Run `n` steps, or to the guest's end; the count must be exact."""
    before = m.steps
    stop = m.run(n)
    assert stop.reason in REASONS and stop.steps == m.steps
    assert m.steps - before == n if stop.reason == "budget" else before <= m.steps <= before + n
    return stop.reason


def wild_machine(rng: random.Random, ram: int) -> Machine:
    """A machine full of wild words and page tables, at the beginning of the handler."""
    m = Machine(ram=ram, firmware="none", disk=DISK, steps_per_tick=rng.choice((10, 100)))
    m.load(assemble(handler(), HANDLER))
    sets = b""
    for _ in range(N_SETS):
        values = [wild_value(rng, ram) for _ in range(32)]
        values += [wild_csr(rng, name, ram) for name in DRAWN_CSRS]
        sets += struct.pack(f"<{len(values)}Q", *values).ljust(SET_BYTES, b"\0")
    m.memory.write(SETS, sets)
    m.memory.write(TABLES, b"".join(wild_page(rng, ram) for _ in range(N_TABLES)))
    words = b"".join(wild_word(rng) for _ in range(4096))
    pages = [words[k : k + 4096] for k in range(0, len(words) - 4095, 4096)]
    m.memory.write(CODE, b"".join(rng.choice(pages) for _ in range(N_CODE)))
    return m


@pytest.mark.parametrize("k", range(8))
def test_wild_words_leave_the_machine_sound(seed, k):
    rng = random.Random(f"{seed} words {k}")
    ram = rng.choice((1, 2, 4)) << 20
    m = wild_machine(rng, ram)
    buffers = guarded(m)
    for n in (1, 999, 9_000, 90_000, 900_000, 500_000):
        ended = advance(m, n)
        assert_sound(m, buffers)
        if ended != "budget":
            break
    assert sum(m.counters["traps"].values()) > 0


def test_wild_words_reach_every_mode_and_most_traps(seed):
    rng = random.Random(f"{seed} coverage")
    modes, causes = set(), set()
    for _ in range(6):
        m = wild_machine(rng, 1 << 20)
        m.run(300_000)
        modes |= {event.from_mode for event in m.events} | {event.to_mode for event in m.events}
        causes |= set(m.counters["traps"])
    assert modes >= MODES
    assert causes >= {
        "illegal instruction", "virtual instruction", "instruction page fault", "load page fault",
        "store/AMO page fault", "load access fault", "store/AMO access fault", "breakpoint",
        "instruction guest-page fault", "machine timer interrupt",
    }  # fmt: skip


@pytest.mark.parametrize("k", range(3))
def test_a_wild_guest_can_be_gone_back_over(seed, k):
    rng = random.Random(f"{seed} back {k}")
    m = wild_machine(rng, 1 << 20)
    buffers = guarded(m)
    advance(m, 20_000)
    then = (m.steps, m.pc, m.mode, list(m.registers.values()), m.console, m.counters)
    kept = m.snapshot()
    advance(m, 300_000)
    m.goto(then[0])
    assert then == (m.steps, m.pc, m.mode, list(m.registers.values()), m.console, m.counters)
    m.run(10_000)
    m.restore(kept)
    assert then == (m.steps, m.pc, m.mode, list(m.registers.values()), m.console, m.counters)
    assert_sound(m, buffers)


@pytest.mark.parametrize("k", range(3))
def test_wild_calls_of_the_firmware_leave_the_machine_sound(seed, k):
    rng = random.Random(f"{seed} firmware {k}")
    ids = [0, 1, 2, 3, 4, 5, 6, 7, 0x10, 0x54494D45, 0x735049, 0x52464E43, 0x48534D, 0x4442434E]
    calls = [wild_value(rng, 1 << 20) for _ in range(6 * 4096)]
    for at in range(0, len(calls), 6):
        calls[at + 4] = rng.randrange(8)
        calls[at + 5] = rng.choice(ids) if rng.random() < 0.95 else rng.getrandbits(32)
    text = """
        li    s0, 0x80020000
        li    s1, 4096
    1:  ld    a0, 0(s0)
        ld    a1, 8(s0)
        ld    a2, 16(s0)
        ld    a3, 24(s0)
        ld    a6, 32(s0)
        ld    a7, 40(s0)
        ecall
        addi  s0, s0, 48
        addi  s1, s1, -1
        bnez  s1, 1b
    done: j done
    """
    m = Machine(ram="1M", firmware="sbi").load(assemble(text))
    m.memory.write(RAM + 0x2_0000, struct.pack(f"<{len(calls)}Q", *calls))
    m.type("typed ahead")
    buffers = guarded(m)
    advance(m, 100_000)
    assert m.counters["sbi_calls"] > 0
    assert_sound(m, buffers)


# A guest that carries out a list of accesses: address, value, and which of eight it is.
ACCESSES = """
        la    t0, next
        csrw  mtvec, t0
        li    s0, {script}
        li    s1, {n}
        li    s2, {again}
again:  addi  s2, s2, -1
        mv    s3, s0
        mv    s4, s1
        j     go
        .balign 4
next:   addi  s3, s3, 24
        addi  s4, s4, -1
        beqz  s4, round
go:     ld    a0, 0(s3)
        ld    a1, 8(s3)
        ld    t0, 16(s3)
        slli  t0, t0, 3
        la    t1, table
        add   t1, t1, t0
        jr    t1
table:  sb    a1, 0(a0)
        j     next
        sh    a1, 0(a0)
        j     next
        sw    a1, 0(a0)
        j     next
        sd    a1, 0(a0)
        j     next
        lbu   a1, 0(a0)
        j     next
        lhu   a1, 0(a0)
        j     next
        lw    a1, 0(a0)
        j     next
        amoor.d a1, a1, (a0)
        j     next
round:  bnez  s2, again
done:   j     done
"""
SCRIPT = RAM + 0x4_0000


def accesses(script: list[tuple[int, int, int]], again: int, ram: int) -> Machine:
    """A machine with the guest above and its list."""
    text = ACCESSES.format(script=SCRIPT, n=len(script), again=again)
    m = Machine(ram=ram, firmware="none", disk=DISK).load(assemble(text))
    m.memory.write(SCRIPT, b"".join(struct.pack("<QQQ", *row) for row in script))
    return m


@pytest.mark.parametrize("device", DEVICES)
def test_wild_accesses_to_a_device_leave_the_machine_sound(seed, device):
    rng = random.Random(f"{seed} {device}")
    base, n_bytes = DEVICES[device]
    script = []
    for _ in range(5000):
        address = base + (rng.randrange(-8, n_bytes + 8) if rng.random() < 0.6 else
                          rng.randrange(0, min(n_bytes, 0x120), 4))  # fmt: skip
        script.append((address, wild_value(rng, 1 << 20), rng.randrange(8)))
    m = accesses(script, 4, 1 << 20)
    m.type("something to read")
    buffers = guarded(m)
    while advance(m, 400_000) == "reset":  # the guest may ask for it; nobody has to listen
        pass
    assert m.counters["device_reads"] + m.counters["device_writes"] > 0
    assert_sound(m, buffers)


@pytest.mark.parametrize("k", range(3))
def test_wild_stores_everywhere_leave_the_machine_sound(seed, k):
    rng = random.Random(f"{seed} stores {k}")
    ram = rng.choice((1, 2, 4)) << 20
    script = [
        (wild_address(rng, ram), wild_value(rng, ram), rng.randrange(8)) for _ in range(10_000)
    ]
    # The list and its reader are spared, or the guest would soon be another.
    script = [row for row in script if not RAM <= row[0] < SCRIPT + 0x4_0000]
    m = accesses(script, 50, ram)
    buffers = guarded(m)
    for _ in range(20):
        ended = advance(m, 250_000)
        assert_sound(m, buffers)
        if ended == "exit":
            break
    assert m.counters["traps"]["load access fault"] > 100
    assert m.counters["traps"]["store/AMO access fault"] > 100


def wild_rings(rng: random.Random, ram: int) -> Machine:
    """A virtio driver gone mad: plausible set-up, implausible rings, and both again and again."""
    rings = RAM + 0xC_0000
    script = []

    def register(offset: int, value: int) -> None:
        script.append((0x1000_1000 + offset, value, 2))

    def address() -> int:
        where = rng.randrange(6)
        if where < 3:
            return rings + 16 * rng.randrange(64)
        if where == 3:
            return RAM + ram - rng.randrange(1, 64)
        return rng.choice((0, RAM - 8, 1 << 63, (1 << 64) - 8, wild_address(rng, ram)))

    for _ in range(400):
        sane = rng.random() < 0.7
        register(0x70, rng.choice((0, 0, 0, rng.getrandbits(8))))
        register(0x70, 1 | 2)
        register(0x20, rng.choice((0, 0, 0, rng.getrandbits(32))))
        register(0x70, 11)
        register(0x30, rng.choice((0, 0, 0, 1)))
        sizes = (8, 8, 1024, 1) if sane else (1, 2, 8, 7, 0, 1024, 1025, 0xFFFF_FFFF)
        register(0x38, rng.choice(sizes))
        for k, offset in enumerate((0x80, 0x90, 0xA0)):
            where = rings + 0x1000 * k if sane else address()
            register(offset, where & 0xFFFF_FFFF)
            register(offset + 4, where >> 32)
        register(0x44, rng.choice((1, 1, 1, 0, 2)))
        register(0x70, 15)
        for _ in range(rng.randrange(4)):
            at = rings + 16 * rng.randrange(64)
            script.append((at, address(), 3))
            script.append((at + 8, rng.choice((1, 16, 512, 513, 0x2000, 0xFFFF_FFFF, 0)), 2))
            script.append((at + 12, rng.randrange(8), 1))
            script.append((at + 14, rng.choice((0, 1, 2, rng.getrandbits(16))), 1))
        if sane:
            # A request as it should be, but for what the other lines have spoilt or now do spoil.
            header, data = rings + 0x3000, rings + 0x3800
            for k, (to, n_bytes, flags) in enumerate(
                ((header, 16, 1), (data, 512, 1 | rng.choice((0, 2))), (data + 0x400, 1, 2))
            ):
                script.append((rings + 16 * k, to if rng.random() < 0.9 else address(), 3))
                script.append((rings + 16 * k + 8, n_bytes | flags << 32 | (k + 1) << 48, 3))
            script.append((header, rng.choice((0, 0, 1, 1, 4, 8, 11)), 2))
            script.append((header + 8, rng.choice((0, 1, 3, 4, 1 << 55, (1 << 64) - 1)), 3))
            script.append((rings + 0x1002, rng.choice((1, 1, 2, rng.getrandbits(16))), 1))
            script.append((rings + 0x1004, rng.choice((0, 0, 1, rng.getrandbits(16))), 1))
        for _ in range(rng.randrange(1, 3)):
            register(0x50, rng.choice((0, 0, 0, 1, rng.getrandbits(32))))
        register(0x64, rng.getrandbits(32))
    m = accesses(script, 100, ram)
    filling = []
    for _ in range(64):
        if rng.random() < 0.5:
            sector = rng.choice((0, 1, 3, 4, 1 << 55, (1 << 64) - 1))
            filling.append(struct.pack("<IIQ", rng.choice((0, 1, 4, 8, 11)), 0, sector))
        else:
            fields = (address(), rng.choice((16, 512, 1)), rng.randrange(8), rng.randrange(8))
            filling.append(struct.pack("<QIHH", *fields))
    m.memory.write(rings, b"".join(filling))
    return m


@pytest.mark.parametrize("k", range(6))
def test_wild_rings_leave_the_machine_sound(seed, k):
    rng = random.Random(f"{seed} rings {k}")
    ram = rng.choice((1, 2)) << 20
    m = wild_rings(rng, ram)
    buffers = guarded(m)
    for _ in range(4):
        advance(m, 100_000)
        assert_sound(m, buffers)
    m.goto(50_000)
    assert_sound(m, buffers)


def test_wild_rings_do_reach_the_disk():
    rng = random.Random("rings reach")  # always the same: few of the wild set-ups get this far
    reads = writes = 0
    for _ in range(12):
        m = wild_rings(rng, 1 << 20)
        m.run(200_000)
        reads += m.counters["disk_reads"]
        writes += m.counters["disk_writes"]
    assert reads > 0 and writes > 0


def test_a_chain_of_descriptors_without_an_end_is_left(seed):
    rng = random.Random(f"{seed} endless")
    for target in (0, 1, 5, 7, 8, 0xFFFF):
        rings = RAM + 0xC_0000
        script = [
            (0x1000_1000 + offset, value, 2)
            for offset, value in (
                (0x70, 11), (0x38, 8), (0x80, rings), (0x90, rings + 0x1000),
                (0xA0, rings + 0x2000), (0x44, 1), (0x70, 15), (0x50, 0),
            )
        ]  # fmt: skip
        m = accesses(script, 1, 1 << 20)
        chain = [struct.pack("<QIHH", RAM, 512, 1 | 2 * rng.getrandbits(1), target)] * 8
        m.memory.write(rings, b"".join(chain))
        m.memory.write(rings + 0x1002, (0xFFFF).to_bytes(2, "little"))
        buffers = guarded(m)
        advance(m, 10_000)
        assert_sound(m, buffers)
