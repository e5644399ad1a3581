"""Translated blocks, executed, against the originals; and the encoder against the decoder."""

import random

import numpy as np
import pytest

from virtlab.isa import encoding as e
from virtlab.isa import op
from virtlab.isa import translate as t
from virtlab.isa.assembler import assemble
from virtlab.isa.decode import decode
from virtlab.isa.encode import encode, load_constant
from virtlab.isa.instructions import INSTRUCTIONS
from virtlab.machine import boot
from virtlab.machine.cpu import run
from virtlab.machine.peek import settle
from virtlab.machine.state import RAM_BASE, WATCH_EXCEPTION, new_memory

i64 = np.int64
RAM = 1 << 20
CODE, DATA, CACHE, MONITOR, TABLE, TABLES_AT = (k << 12 for k in (16, 17, 18, 20, 21, 64))
CODE_VA, DATA_VA, CACHE_VA = 0x4000_0000, 0x5000_0000, t.GUARD + 0x1000
U64 = (1 << 64) - 1


def encode_word(packed):
    packed = int(packed)
    o, rd, rs1, rs2 = (packed >> shift & 0xFF for shift in (0, 8, 16, 24))
    return int(encode(*(i64(part) for part in (o & 0x7F, rd, rs1, rs2, packed >> 32))))


# The encoder


def test_what_is_decoded_is_encoded_again(seed):
    rng = random.Random(seed)
    for row in INSTRUCTIONS:
        for _ in range(20):
            word = rng.getrandbits(32) & ~row.mask | row.match
            packed = decode(i64(word))
            if int(packed) & 0x7F == op.ILLEGAL:
                continue
            again = decode(i64(encode_word(packed)))
            passes = row.length == 4 and encode_word(packed) != word
            assert int(again) & ~op.COMPRESSED == int(packed) & ~op.COMPRESSED or passes, row.name


@pytest.mark.parametrize("value", [0, 1, -1, 2047, -2048, 2048, 1 << 31, -(1 << 31), (1 << 63) - 1])
def test_a_constant_at_the_edge_is_loaded(value):
    assert loaded(value) == value


def test_random_constants_are_loaded(seed):
    rng = random.Random(seed)
    for _ in range(300):
        value = (rng.getrandbits(64) >> rng.randrange(64) << rng.randrange(64)) & U64
        value = value - (1 << 64) if value >> 63 else value
        assert loaded(value) == value, hex(value)


def test_a_kernels_address_takes_at_most_three_instructions(seed):
    rng = random.Random(seed)
    for _ in range(100):
        address = RAM_BASE + rng.randrange(1 << 28) * 2
        assert load_constant(np.zeros(8, np.int64), i64(0), i64(5), i64(address)) <= 3


def loaded(value):
    """What the sequence for `value` leaves in its register, by a few lines of Python."""
    out = np.zeros(10, np.int64)
    n = int(load_constant(out, i64(0), i64(5), i64(value)))
    assert 1 <= n <= 8
    x = 0
    for word in out[:n]:
        packed = int(decode(word))
        o, rs1, imm = packed & 0xFF, packed >> 16 & 0xFF, packed >> 32
        assert packed >> 8 & 0xFF == 5
        if o == op.LUI:
            x = imm
        elif o == op.SLLI:
            x <<= imm
        else:
            x = (x if rs1 else 0) + imm
            if o == op.ADDIW:
                x = (x & 0xFFFF_FFFF ^ 1 << 31) - (1 << 31)
        x = (x & U64 ^ 1 << 63) - (1 << 63)
    return x


# Blocks, executed


class Host:
    """A hart in U-mode behind a page table: guest code and data, the cache, the monitor page."""

    def __init__(self):
        self.mem = new_memory(RAM, 64, np.zeros(0, np.uint8))
        self.harts = boot.new_hart()
        self.hart = self.harts[0]
        boot.reset(self.hart, RAM, 0, True, 100)
        self.hart.satp = i64(-(1 << 63) | (RAM_BASE + TABLES_AT) >> 12)
        self.hart.watch = WATCH_EXCEPTION
        self.tables = TABLES_AT
        self.map(CODE_VA, CODE, e.PTE_R | e.PTE_X)
        self.map(DATA_VA, DATA, e.PTE_R | e.PTE_W)
        self.map(CACHE_VA, CACHE, e.PTE_X)
        self.map(t.MONITOR, MONITOR, e.PTE_R | e.PTE_W)
        for page in range(3 * t.TABLE_BYTES >> 12):
            self.map(t.TABLES + (page << 12), TABLE + (page << 12), e.PTE_R)
        self.mem.u64[TABLE >> 3 : (TABLE >> 3) + 3 * t.TABLE_BYTES // 8] = -1

    def map(self, va, offset, rights):
        table = TABLES_AT
        for level in (2, 1):
            at = (table >> 3) + (va >> 12 + 9 * level & 511)
            if not self.mem.u64[at]:
                self.tables += 4096
                self.mem.u64[at] = (RAM_BASE + self.tables) >> 12 << 10 | e.PTE_V
            table = ((int(self.mem.u64[at]) >> 10) << 12) - RAM_BASE
        bits = rights | e.PTE_V | e.PTE_U | e.PTE_A | e.PTE_D
        self.mem.u64[(table >> 3) + (va >> 12 & 511)] = (RAM_BASE + offset) >> 12 << 10 | bits

    def slot(self, slot):
        return (MONITOR + 4096 + slot) >> 3

    def go(self, pc, registers, steps):
        """Run from `pc` in U-mode until a trap; returns its cause (-1: none) and place."""
        self.hart.mode = e.USER
        self.hart.pc = pc
        self.hart.x[:32] = registers
        settle(self.hart)
        before = int(self.hart.exceptions.sum())
        run(self.harts, *self.mem, i64(steps))
        if self.hart.exceptions.sum() == before:
            return -1, int(self.hart.pc)
        return int(self.hart.mcause), int(self.hart.mepc)


@pytest.fixture(scope="module")
def hosts():
    return Host(), Host()


def words_of(text, base=CODE_VA):
    data = assemble(text, base).data
    words, i = [], 0
    while i < len(data):
        low = int.from_bytes(data[i : i + 2], "little")
        size = 4 if low & 3 == 3 else 2
        words.append(int.from_bytes(data[i : i + size], "little"))
        i += size
    return words


class Block:
    """A translated block, put into the cache of a host."""

    def __init__(self, words, regime=t.REGIME_S, forced=0, pc=CODE_VA):
        source = np.zeros(t.MOST_INSTRUCTIONS, np.int64)
        source[: len(words)] = words
        self.out = np.zeros(t.OUT_WORDS, np.int64)
        self.about = np.zeros(t.ABOUT_WORDS, np.int64)
        arguments = (i64(len(words)), i64(pc), i64(regime), i64(forced), self.out, self.about)
        self.n = int(t.translate_block(source, *arguments))

    def put(self, host):
        host.mem.u32[CACHE >> 2 : (CACHE >> 2) + self.n] = self.out[: self.n]
        host.mem.code[:] = 0

    def origin(self, pc):
        """Index of the guest instruction and kind of the host's word at `pc`."""
        origin = int(self.out[t.ORIGINS + (pc - CACHE_VA >> 2)])
        return origin & 0xFF, origin >> t.KIND_SHIFT


def run_block(host, block, registers, clock=1000):
    """Execute a block from its head; returns the exit's (cause, index, kind) and the registers."""
    block.put(host)
    mem, entered = host.mem.u64, np.array(registers)
    mem[host.slot(t.SAVED)], mem[host.slot(t.SAVED - 8)] = entered[26], entered[27]
    mem[host.slot(t.SPILL)] = 0x5B11
    entered[26], entered[27] = clock, t.GUARD
    cause, pc = host.go(CACHE_VA + 4 * t.HEAD, entered, 5000)
    index, kind = block.origin(pc)
    left = np.array(host.hart.x[:32])
    if 0 < kind < 32:
        left[kind] = mem[host.slot(t.SPILL)]
    left[26], left[27] = mem[host.slot(t.SAVED)], mem[host.slot(t.SAVED - 8)]
    return (cause, index, kind), left


REGISTERS = "x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x26 x27 x28 x30".split()
COMPUTE = "add sub xor or and sll srl sra slt sltu addw subw mul mulhu div remu divw".split()
LOADS, STORES = "lb lh lw ld lbu lhu lwu".split(), "sb sh sw sd".split()
ATOMIC = "amoadd.d amoswap.w amomax.d amominu.w sc.d".split()


def random_text(rng):
    """A few instructions that may fault, then perhaps a jump."""

    def r():
        return rng.choice(REGISTERS)

    lines = []
    for _ in range(rng.randrange(1, 20)):
        kind = rng.randrange(10)
        offset = rng.choice([0, 8, 16, 40, -8, -16, 2040, -2048, rng.randrange(-2048, 2048)])
        if kind < 3:
            lines.append(f"{rng.choice(COMPUTE)} {r()}, {r()}, {r()}")
        elif kind < 4:
            lines.append(f"addi {r()}, {r()}, {rng.randrange(-2048, 2048)}")
        elif kind < 5:
            lines.append(rng.choice([f"lui {r()}, 0x12345", f"auipc {r()}, 0xfff", "fence.i"]))
        elif kind < 7:
            lines.append(f"{rng.choice(LOADS)} {r()}, {offset}({r()})")
        elif kind < 9:
            lines.append(f"{rng.choice(STORES)} {r()}, {offset}({r()})")
        else:
            lines.append(
                rng.choice([f"{rng.choice(ATOMIC)} {r()}, {r()}, ({r()})", f"lr.d {r()}, ({r()})"])
            )
    ending = rng.randrange(4)
    if ending == 0:
        lines.append(f"{rng.choice(['beq', 'bne', 'blt', 'bgeu'])} {r()}, {r()}, . + 64")
    elif ending == 1:
        lines.append(f"jal {r()}, . + 128")
    elif ending == 2:
        lines.append(f"jalr {r()}, {rng.choice([0, 3, -4])}({r()})")
    return "\n".join(lines)


def random_registers(rng):
    x = np.zeros(32, np.int64)
    for k in range(1, 32):
        x[k] = rng.choice([
            DATA_VA + 2048, DATA_VA + 8 * rng.randrange(512), DATA_VA + rng.randrange(4096),
            DATA_VA, -1, -8, 0, 7, t.GUARD, t.GUARD - 1, t.MONITOR + 64, rng.getrandbits(40),
            rng.getrandbits(63), -rng.getrandbits(63), CODE_VA + rng.randrange(64)])  # fmt: skip
    return x


def check_against_the_original(hosts, rng):
    text = random_text(rng)
    words = words_of(".option norvc\n" + text) if rng.random() < 0.5 else words_of(text)
    block, registers = Block(words), random_registers(rng)
    original, host = hosts
    data = np.frombuffer(rng.randbytes(4096), np.int64)
    code, starts = b"", []
    for word in words:
        starts.append(CODE_VA + len(code))
        code += word.to_bytes(4 if word & 3 == 3 else 2, "little")
    for each in hosts:
        each.mem.u64[DATA >> 3 : (DATA + 4096) >> 3] = data
        each.mem.u8[CODE : CODE + 4096] = 0
        each.mem.u8[CODE : CODE + len(code)] = np.frombuffer(code, np.uint8)
        each.mem.code[:] = 0
        each.hart.reservation = -1
    (cause, index, kind), after = run_block(host, block, registers)
    if kind == t.CALL:  # carried out by the hypervisor: the original stops before it
        steps = index
    elif kind < 32:
        steps = index + 1
    else:
        steps = len(words)
        assert index == len(words)
    original_cause, pc = original.go(CODE_VA, registers, steps)
    assert after.tolist() == original.hart.x[:32].tolist(), f"{text}\n{cause} {index} {kind}"
    same = host.mem.u64[DATA >> 3 : (DATA + 4096) >> 3]
    assert np.array_equal(same, original.mem.u64[DATA >> 3 : (DATA + 4096) >> 3]), text
    if kind < 32:
        assert (original_cause, pc) == (cause, starts[index]), text
        assert original.hart.mtval == host.hart.mtval, text
        return "fault"
    assert original_cause == -1 and cause == e.CAUSE_ECALL_U, text
    if kind == t.CALL:
        assert pc == starts[index]
        return "call"
    if kind == t.MISS:
        assert host.mem.u64[host.slot(t.TARGET)] == pc, text
        return "miss"
    wanted = block.about[t.TO_BRANCH] if kind == t.BRANCH else block.about[t.TO_NEXT]
    assert wanted == pc, text
    assert host.hart.x[t.CLOCK] == 1000 - len(words)
    return "branch" if kind == t.BRANCH else "next"


def test_random_blocks_do_what_the_originals_do(hosts, seed):
    rng = random.Random(seed)
    seen = {check_against_the_original(hosts, rng) for _ in range(1500)}
    assert seen == {"fault", "call", "miss", "branch", "next"}


def test_a_translated_load_cannot_see_the_monitor(hosts):
    for text in ("ld a0, 0(a1)", "ld a0, -8(a2)", "ld a0, 2040(a3)", "ld a0, -8(x0)",
                 "amoadd.d a0, a0, (a1)", "sb a0, -1(a4)", "ld s11, 0(s10)"):  # fmt: skip
        registers = np.zeros(32, np.int64)
        registers[[11, 12, 13, 14, 26]] = -8, 0, t.MONITOR - 2040, 0, -64
        (cause, index, kind), after = run_block(hosts[1], Block(words_of(text)), registers)
        assert (cause, index, kind) == (e.CAUSE_ECALL_U, 0, t.CALL), text
        assert np.array_equal(after, registers), text


def test_a_block_leaves_before_its_clock_runs_out(hosts):
    block = Block(words_of("addi a0, a0, 1\naddi a0, a0, 1\naddi a0, a0, 1"))
    for clock, kind, a0 in ((2, t.LEAVE, 0), (3, t.NEXT, 3)):
        exit_, after = run_block(hosts[1], block, np.zeros(32, np.int64), clock)
        assert exit_[2] == kind and after[10] == a0


def test_every_body_instruction_starts_where_its_origin_begins(hosts):
    """The exact stop: so many host words from one instruction to another, if nothing leaves."""
    text = (
        "addi s10, s10, 1\nld a0, 0(s11)\nfence\nadd s11, s10, s11\nsd s11, 8(a1)\naddi a2, a2, 1"
    )
    block = Block(words_of(text))
    registers = np.zeros(32, np.int64)
    registers[[11, 27]] = DATA_VA
    run_block(hosts[1], block, registers)
    starts = [
        next(w for w in range(t.BODY, block.n) if block.out[t.ORIGINS + w] & 0xFF >= k)
        for k in range(7)
    ]
    for k in range(6):
        host = hosts[1]
        entered = np.array(registers)
        entered[26], entered[27] = 100, t.GUARD
        host.mem.u64[host.slot(t.SAVED)], host.mem.u64[host.slot(t.SAVED - 8)] = 0, DATA_VA
        host.go(CACHE_VA + 4 * t.BODY, entered, starts[k] - t.BODY)
        assert host.hart.pc == CACHE_VA + 4 * starts[k]
        assert host.mem.u64[host.slot(t.SAVED)] == min(k, 1)
        assert host.hart.x[12] == 0


def csr_exit(hosts, text, a0=0, sstatus=e.MSTATUS_SPP, hold=0, regime=t.REGIME_S):
    host = hosts[1]
    registers = np.zeros(32, np.int64)
    registers[10] = a0
    for k in range(len(t.SLOT_CSRS)):
        host.mem.u64[host.slot(t.SLOTS - 8 * k)] = 100 + k
    host.mem.u64[host.slot(t.SLOTS)] = sstatus
    host.mem.u64[host.slot(t.HOLD)] = hold
    left, after = run_block(host, Block(words_of(text), regime), registers)
    slots = [int(host.mem.u64[host.slot(t.SLOTS - 8 * k)]) for k in range(len(t.SLOT_CSRS))]
    return left[2], after, slots


def test_simple_csrs_are_loads_and_stores(hosts):
    kind, x, slots = csr_exit(hosts, "csrr a1, sscratch\ncsrw sepc, a0\ncsrr a2, sepc", a0=0x33)
    assert (kind, x[11], x[12], slots[2]) == (t.NEXT, 101, 0x32, 0x33)
    kind, x, slots = csr_exit(hosts, "csrrw a0, sscratch, a0\ncsrrw s10, stval, x0", a0=7)
    assert (kind, x[10], slots[1]) == (t.CALL, 101, 7)
    kind, x, slots = csr_exit(hosts, "csrr s10, scause\ncsrw stval, s10\ncsrwi sscratch, 9")
    assert (kind, x[26], slots[4], slots[1]) == (t.NEXT, 103, 103, 9)


def test_csrs_of_m_mode_are_simple_only_for_code_of_m_mode(hosts):
    assert csr_exit(hosts, "csrr a1, mscratch", regime=t.REGIME_M)[1][11] == 106
    assert csr_exit(hosts, "csrr a1, mscratch")[0] == t.CALL
    assert csr_exit(hosts, "csrr a1, sscratch", regime=t.REGIME_VS)[0] == t.CALL


@pytest.mark.parametrize(
    ("text", "a0", "hold", "kind", "sstatus"),
    [
        ("csrsi sstatus, 2", 0, 0, t.NEXT, e.MSTATUS_SPP | 2),
        ("csrsi sstatus, 2", 0, 1, t.CALL, e.MSTATUS_SPP),
        ("csrs sstatus, a0", 2, 0, t.NEXT, e.MSTATUS_SPP | 2),
        ("csrs sstatus, a0", e.MSTATUS_SUM, 0, t.CALL, e.MSTATUS_SPP),
        ("csrc sstatus, a0", 2, 1, t.NEXT, e.MSTATUS_SPP),
        ("csrrci a1, sstatus, 2", 0, 1, t.NEXT, e.MSTATUS_SPP),
        ("csrw sstatus, a0", e.MSTATUS_SPIE, 1, t.NEXT, e.MSTATUS_SPIE),
        ("csrw sstatus, a0", e.MSTATUS_SPP | 2, 0, t.CALL, e.MSTATUS_SPP),
        ("csrs sstatus, 3", 0, 0, t.CALL, e.MSTATUS_SPP),
    ],
)
def test_sstatus_is_written_unless_it_matters_at_once(hosts, text, a0, hold, kind, sstatus):
    left, x, slots = csr_exit(hosts, text, a0, hold=hold)
    assert (left, slots[0]) == (kind, sstatus)
    assert x[11] == (e.MSTATUS_SPP if "a1" in text else 0)


def test_an_indirect_jump_finds_its_target_in_the_table(hosts):
    host = hosts[1]
    words = words_of("jalr ra, 4(a0)")
    registers = np.arange(32) * 0x111
    target = CODE_VA + 0x300
    registers[10] = target - 3
    at = (TABLE >> 3) + 2 * (target >> 1 & (1 << t.TABLE_BITS) - 1)
    host.mem.u64[at], host.mem.u64[at + 1] = target, CACHE_VA + 0x400
    host.mem.u32[(CACHE + 0x400) >> 2] = 0x73
    block = Block(words)
    block.put(host)
    entered = np.array(registers)
    entered[26], entered[27] = 10, t.GUARD
    cause, pc = host.go(CACHE_VA + 4 * t.HEAD, entered, 100)
    assert (cause, pc) == (e.CAUSE_ECALL_U, CACHE_VA + 0x400)
    registers[1] = CODE_VA + 4
    kept = [k for k in range(32) if k not in (t.CLOCK, t.GUARDED)]
    assert np.array_equal(host.hart.x[kept], registers[kept])
    host.mem.u64[at] = -1


def test_a_forced_instruction_and_what_is_privileged_call_out_and_end_the_block():
    block = Block(words_of("addi a0, a0, 1\nsd a0, 0(a1)\naddi a0, a0, 1"), forced=2)
    assert block.about[t.N_INSTRUCTIONS] == 2
    for text in ("sret", "wfi", "sfence.vma", "ecall", "ebreak", "csrw satp, a0", ".4byte 0"):
        block = Block([*words_of("nop"), *words_of(text), *words_of("nop")])
        assert block.about[t.N_INSTRUCTIONS] == 2, text
        assert block.out[t.ORIGINS + block.n - 1] == 1 | t.CALL << t.KIND_SHIFT


def test_the_longest_block_fits():
    words = words_of("sd s10, -8(s11)") * t.MOST_INSTRUCTIONS
    block = Block(words)
    assert block.n <= t.MOST_WORDS
    assert block.about[t.N_INSTRUCTIONS] == t.MOST_INSTRUCTIONS
