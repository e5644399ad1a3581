"""Address translation, protection and the TLB.

Random page tables are walked twice: by the machine, at full speed, for the loads, stores and jumps
of a guest; and by `Machine.translate`, which is plain Python written from the manual. Then stories
about what the TLB may remember, about physical memory protection, and about accesses that cross a
page.

Sources: Privileged ISA 20240411, "Virtual Address Translation Process", "Two-Stage Address
Translation", "Supervisor Memory-Management Fence Instruction", "Physical Memory Protection".
"""

import random
from dataclasses import dataclass

import pytest

from virtlab.isa.assembler import assemble
from virtlab.isa.encoding import cause_name
from virtlab.machine import Machine

RAM = 0x8000_0000
RAM_BYTES = 8 << 20
MEGAPAGE = 2 << 20
U64 = (1 << 64) - 1
V, R, W, X, U, G, A, D = (1 << k for k in range(8))
SUM, MXR, MPRV = 1 << 18, 1 << 19, 1 << 17
MODE_BITS = {"S": 1 << 11, "U": 0, "VS": 1 << 39 | 1 << 11, "VU": 1 << 39}
MODE_MASK = 1 << 39 | 3 << 11
SV39 = 8 << 60
ADUE = 1 << 61
GIGAPAGE_RAM = 0x2000_0000  # a leaf for the 1 GiB at RAM, its flags still to be added


def guest(text: str, **options) -> Machine:
    return Machine(**{"ram": "1M", "firmware": "none"} | options).load(assemble(text))


def reach(m: Machine, label: str) -> Machine:
    stop = m.run(1_000_000, until=m.symbols[label])
    assert stop.reason == "until", str(stop)
    return m


def csrs(m: Machine, *names: str) -> list[int]:
    return [m.csr[name].value for name in names]


# Random tables


# The guest takes a list of accesses (address, routine, value) and notes for each one the value
# found, the cause of the trap + 1 or 0, and mtval. It runs in the mode under test; code and list
# lie in a page that is mapped to itself. s4 is set when the accesses are M-mode's, through MPRV.
HARNESS = f"""
start:
    la t0, trap
    csrw mtvec, t0
    csrw menvcfg, s6
    csrw henvcfg, s6
    li t0, {SUM | MXR | MPRV | MODE_MASK}
    csrc mstatus, t0
    csrw satp, s7
    csrw vsatp, s8
    csrw hgatp, s9
    csrw vsstatus, s10
    sfence.vma
    hfence.vvma
    hfence.gvma
    csrs mstatus, s3
    bnez s4, loop
    la t0, loop
    csrw mepc, t0
    mret
loop:
    ld a0, 0(s0)
    ld a1, 8(s0)
    ld a2, 16(s0)
    li a3, 0
    li a4, 0
    jalr a1
    sd a2, 24(s0)
    sd a3, 32(s0)
    sd a4, 40(s0)
    addi s0, s0, 48
    bne s0, s1, loop
    ebreak
load1: lbu a2, 0(a0)
    ret
load2: lhu a2, 0(a0)
    ret
load4: lwu a2, 0(a0)
    ret
load8: ld a2, 0(a0)
    ret
store1: sb a2, 0(a0)
    ret
store2: sh a2, 0(a0)
    ret
store4: sw a2, 0(a0)
    ret
store8: sd a2, 0(a0)
    ret
fetch2: jr a0
    .balign 4
trap:
    csrr a3, mcause
    li t0, 3
    beq a3, t0, over
    addi a3, a3, 1
    csrr a4, mtval
    bnez s4, again
    csrw mepc, ra
    mret
again:
    li t0, {MODE_MASK}
    csrc mstatus, t0
    csrs mstatus, s3
    jr ra
over:
    nop
"""

LIST_PA = RAM + 0x1_0000
TABLES_PA = RAM + 0x4_0000
N_TABLES = 48  # pages for tables, behind the list
DATA_PA = RAM + MEGAPAGE  # everything from here on is data
RETURN = 0x8082  # c.jr ra: what every word of data starts with
INDICES = (0, 1, 7, 511)  # of the entries that are filled
OUTSIDE = 0x9000_0000  # behind RAM, where nothing answers


class World:
    """Random tables over one machine, and a list of accesses to try."""

    def __init__(self, m: Machine, rng: random.Random, mode: str, mprv: bool, adue: bool):
        self.m, self.rng = m, rng
        self.mode, self.mprv, self.adue = mode, mprv, adue
        self.virtual = mode.startswith("V")
        self.tables = bytearray(N_TABLES * 4096)
        self.free = 0

    def page(self, n: int = 1) -> int:
        """Physical address of `n` fresh table pages, aligned to their size."""
        self.free += -self.free % n
        at = self.free
        self.free += n
        assert self.free <= N_TABLES
        return TABLES_PA + at * 4096

    def put(self, at: int, entry: int) -> None:
        offset = at - TABLES_PA
        self.tables[offset : offset + 8] = entry.to_bytes(8, "little")

    def flags(self, guest_stage: bool) -> int:
        """Flags of a leaf, valid and usable more often than not."""
        rng = self.rng
        user = U if guest_stage or self.mode in ("U", "VU") else 0
        flags = rng.choice((R | W | X, R | W | X, R | W, R | X, R, X))
        flags |= V | user | rng.choice((A | D,) * 6 + (A, 0, D)) | rng.choice((0, 0, G))
        if rng.random() < 0.12:
            flags ^= U
        if rng.random() < 0.1:
            flags ^= 1 << rng.randrange(8)
        if rng.random() < 0.04:
            flags |= 1 << rng.randrange(54, 64)
        return flags

    def leaf(self, level: int, guest_stage: bool, guest_physical: bool) -> int:
        """A leaf that maps data, or now and then nothing, or is a misaligned superpage."""
        rng = self.rng
        size = 4096 << 9 * level
        if level == 2:
            target = RAM
        else:
            target = DATA_PA + rng.randrange((RAM_BYTES - MEGAPAGE) // size) * size
        if guest_physical and rng.random() < 0.7:
            # somewhere among the guest physical addresses that the second stage may map
            indices = [rng.choice(INDICES) for _ in range(3)]
            target = (rng.choice((0, 1, 3)) << 30 | indices[1] << 21 | indices[2] << 12) & -size
        if rng.random() < 0.05:
            target = OUTSIDE
        if level and rng.random() < 0.1:
            target |= 4096 << rng.randrange(9 * level)
        return target >> 12 << 10 | self.flags(guest_stage)

    def fill(self, table: int, level: int, guest_stage: bool, indices=INDICES) -> None:
        """Fill a table's entries: leaves, pointers, and a few that are malformed."""
        rng = self.rng
        for index in indices:
            kind = rng.random()
            if kind < 0.08:
                entry = rng.getrandbits(54) & ~V
            elif kind < (0.75, 0.35, 0.2)[2 - level] if level else kind < 0.12:
                if level and self.free < N_TABLES:
                    below = self.page()
                    self.fill(below, level - 1, guest_stage)
                else:
                    below = TABLES_PA
                if self.virtual and not guest_stage and rng.random() < 0.15:
                    below = below - TABLES_PA + (1 << 30)  # by another guest physical address
                entry = below >> 12 << 10 | V
                if rng.random() < 0.06:
                    entry |= rng.choice((U, A, D, G, 1 << 54, 1 << 63))
            else:
                entry = self.leaf(level, guest_stage, self.virtual and not guest_stage)
            self.put(table + 8 * index, entry)

    def build(self) -> dict[str, int]:
        """Make the tables; returns the registers that start the guest."""
        identity = GIGAPAGE_RAM | V | R | W | X | A | D | (U if self.mode in ("U", "VU") else 0)
        registers = dict.fromkeys(("s7", "s8", "s9", "s10"), 0)
        if self.virtual:
            groot = self.page(4)
            self.put(groot + 16, GIGAPAGE_RAM | V | R | W | X | U | A | D)
            self.fill(groot, 2, True, (0, 1, 3, 2047))
            registers["s9"] = SV39 | groot >> 12
        if not self.virtual or self.rng.random() < 0.8:
            root = self.page()
            self.put(root + 16, identity)
            self.fill(root, 2, False, (0, 1, 3, 255, 256, 511))
            registers["s8" if self.virtual else "s7"] = SV39 | root >> 12
        self.paged = bool(registers["s8"] or registers["s7"])
        self.m.memory.write(TABLES_PA, bytes(self.tables))
        sum_mxr = self.rng.choice((0, SUM, MXR, SUM | MXR))
        registers["s3"] = MODE_BITS[self.mode] | sum_mxr | MPRV * self.mprv
        registers["s10"] = self.rng.choice((0, SUM, MXR, SUM | MXR))
        registers["s4"] = int(self.mprv)
        registers["s6"] = ADUE * self.adue
        return registers

    def address(self, n: int) -> int:
        """An address for an access of n bytes, near a filled entry at each level."""
        rng = self.rng
        top = rng.choice((0, 0, 1, 3, 255, 256, 511))
        va = top << 30 | rng.choice(INDICES) << 21 | rng.choice(INDICES) << 12
        if rng.random() < 0.1:
            va ^= rng.randrange(512) << rng.choice((12, 21))
        va |= rng.choice((0, 8, 0x7F8, 0xFF8, rng.randrange(512) * 8))
        if rng.random() < 0.25:
            va += rng.randrange(8) & -n if rng.random() < 0.5 else rng.randrange(8)
        if self.paged and top >= 256:
            va |= U64 & -1 << 39
        if rng.random() < 0.02:
            va ^= 1 << rng.randrange(39, 64)
        return va & U64


@dataclass
class Access:
    """One access: what is tried, and the two pages it may lie in as Python translates them."""

    kind: str
    n: int
    va: int
    value: int
    walks: list  # of (first byte, number of bytes, Walk)


def choose(world: World, m: Machine) -> Access | None:
    """An access, unless it would change the tables or the code."""
    rng = world.rng
    kind = rng.choice(("load", "load", "store") if world.mprv else ("load", "store", "fetch"))
    n = 2 if kind == "fetch" else rng.choice((1, 2, 4, 8))
    va = world.address(n)
    if kind == "fetch":
        va &= -8
    first = min(n, 4096 - va % 4096)
    if first < n and va + first > U64:
        return None
    walks = [(va, first, m.translate(va, kind))]
    if first < n:
        walks.append((va + first, n - first, m.translate(va + first, kind)))
    for _, _, walk in walks:
        if walk.pa is not None and walk.pa < DATA_PA:
            return None
    # What is stored leaves the first halfword of each word of memory a return instruction.
    value = rng.randbytes(n)
    fixed = dict(enumerate(RETURN.to_bytes(2, "little")))
    value = bytes(fixed.get((va + j) % 8, byte) for j, byte in enumerate(value))
    return Access(kind, n, va, int.from_bytes(value, "little"), walks)


ACCESS_FAULTS = {"load": 5, "store": 7, "fetch": 1}


def expected_trap(access: Access) -> tuple[str, int] | None:
    """(cause, mtval) of the trap that an access must take, None if it must succeed."""
    for start, n, walk in access.walks:
        if walk.pa is None:
            return walk.fault, start
        if walk.pa + n > RAM + RAM_BYTES:
            return cause_name(ACCESS_FAULTS[access.kind]), start
    return None


def check_world(world: World, n_accesses: int) -> int:
    """Run a world and compare; returns how many accesses succeeded."""
    m = world.m
    registers = world.build()
    for name, value in registers.items():
        m.registers[name] = value
    m.pc = m.symbols["start"]
    reach(m, "loop")
    mode = "M" if world.mprv else world.mode
    assert m.mode == mode
    accesses = [a for a in (choose(world, m) for _ in range(n_accesses)) if a]
    records = b"".join(
        b"".join(
            x.to_bytes(8, "little") for x in (a.va, m.symbols[f"{a.kind}{a.n}"], a.value, 0, 0, 0)
        )
        for a in accesses
    )
    m.memory.write(LIST_PA, records)
    m.registers.s0 = LIST_PA
    m.registers.s1 = LIST_PA + len(records)
    data = bytearray(m.memory.read(DATA_PA, RAM_BYTES - MEGAPAGE))
    reach(m, "over")
    results = m.memory.read(LIST_PA, len(records))
    done = 0
    must: dict[int, int] = {}
    may: dict[int, int] = {}
    for k, a in enumerate(accesses):
        value, cause, tval = (
            int.from_bytes(results[48 * k + at : 48 * k + at + 8], "little") for at in (24, 32, 40)
        )
        trap = expected_trap(a)
        text = f"{mode} {a.kind} of {a.n} at {a.va:#x}\n" + "\n".join(str(w) for _, _, w in a.walks)
        seen = (cause_name(cause - 1), tval) if cause else None
        assert seen == trap, f"expected {trap}, seen {seen}\n{text}"
        for _, _, walk in a.walks:
            # Nested walks mark several leaves; the entry of the first stage is the one to check.
            leaves = [s for s in walk.steps if s.stage != "G" and s.outcome.startswith("leaf")]
            for step in leaves:
                used = A | (D if a.kind == "store" else 0)
                may[step.pte_pa] = may.get(step.pte_pa, 0) | used
                if trap is None:
                    must[step.pte_pa] = must.get(step.pte_pa, 0) | used
        if trap:
            continue
        done += 1
        at = [walk.pa - DATA_PA + j for _, n, walk in a.walks for j in range(n)]
        if a.kind == "store":
            for j, place in enumerate(at):
                data[place] = a.value >> 8 * j & 0xFF
        elif a.kind == "load":
            assert value == int.from_bytes(bytes(data[p] for p in at), "little"), text
    assert m.memory.read(DATA_PA, RAM_BYTES - MEGAPAGE) == data
    after = m.memory.read(TABLES_PA, N_TABLES * 4096)
    if not world.adue:
        assert after == world.tables
    elif not world.virtual:
        for offset in range(0, len(after), 8):
            before = int.from_bytes(world.tables[offset : offset + 8], "little")
            now = int.from_bytes(after[offset : offset + 8], "little")
            pa = TABLES_PA + offset
            assert now & ~before & ~may.get(pa, 0) == 0, f"{pa:#x}: {before:#x} became {now:#x}"
            assert before & ~now == 0
            assert must.get(pa, 0) & ~now == 0, f"{pa:#x}: {now:#x} lacks a bit of {must[pa]:#x}"
    return done


@pytest.mark.parametrize("adue", [True, False], ids=["hardware sets A and D", "A and D fault"])
@pytest.mark.parametrize(
    ("mode", "mprv"),
    [("S", False), ("U", False), ("S", True), ("U", True), ("VS", False), ("VU", False)],
    ids=["S", "U", "M as S", "M as U", "VS", "VU"],
)
def test_the_machine_translates_random_tables_as_the_manual_says(mode, mprv, adue, seed):
    """12 kinds of world, 16 of each, 60 accesses in each: some 10,000 accesses."""
    rng = random.Random(f"{seed} {mode} {mprv} {adue}")
    m = guest(HARNESS, ram=RAM_BYTES, record=False)
    pattern = b"".join(RETURN.to_bytes(2, "little") + rng.randbytes(6) for _ in range(512))
    done = 0
    for _ in range(16):
        m.memory.write(DATA_PA, pattern * ((RAM_BYTES - MEGAPAGE) // 4096))
        done += check_world(World(m, rng, mode, mprv, adue), 60)
    assert 40 < done < 900  # neither all broken nor all sound


# What the TLB remembers


# S-mode, RAM mapped to itself, and the page at 0 mapped to `one` by the entry `lowest`; a second
# root with tables of its own maps it to `three`.
PAGED = """
    la t0, trap
    csrw mtvec, t0
    la t1, low
    srli t1, t1, 2
    ori t1, t1, 1
    la t2, root
    sd t1, 0(t2)
    la t1, lowest
    srli t1, t1, 2
    ori t1, t1, 1
    la t2, low
    sd t1, 0(t2)
    la s1, one
    srli s1, s1, 2
    ori s1, s1, 0xc7
    la s2, two
    srli s2, s2, 2
    ori s2, s2, 0xc7
    la s0, lowest
    sd s1, 0(s0)
    sd s1, 8(s0)
    la t1, low2
    srli t1, t1, 2
    ori t1, t1, 1
    la t2, root2
    sd t1, 0(t2)
    la t1, lowest2
    srli t1, t1, 2
    ori t1, t1, 1
    la t2, low2
    sd t1, 0(t2)
    la t1, three
    srli t1, t1, 2
    ori t1, t1, 0xc7
    la t2, lowest2
    sd t1, 0(t2)
    li s9, 1 << 44
    la s10, root
    srli s10, s10, 12
    li t1, 8 << 60
    or s10, s10, t1
    la s11, root2
    srli s11, s11, 12
    or s11, s11, t1
    csrw satp, s10
    li t0, 1 << 11
    csrs mstatus, t0
    la t0, begin
    csrw mepc, t0
    mret
begin:
"""
TABLES = """
end:
    nop
    .balign 4
trap:
    csrr a7, mcause
    nop
    .data
    .balign 4096
root: .dword 0, 0, 0x200000cf
    .space 4072
root2: .dword 0, 0, 0x200000cf
    .space 4072
low: .space 4096
low2: .space 4096
lowest: .space 4096
lowest2: .space 4096
one: .dword 1
    .space 4088
two: .dword 2
    .space 4088
three: .dword 3
    .space 4088
"""


def paged(text: str) -> Machine:
    return reach(guest(PAGED + text + TABLES), "end")


@pytest.mark.parametrize(
    ("fence", "after"),
    [
        ("nop", 1),
        ("fence.i", 1),
        ("sfence.vma", 2),
        ("sfence.vma zero, zero", 2),
        ("sfence.vma a6, zero", 2),
        ("sfence.vma a6, a5", 2),
        ("sfence.vma zero, a5", 2),
        ("sfence.vma a4, zero", 1),
        ("sfence.vma a6, a3", 1),
        ("sfence.vma zero, a3", 1),
        ("hfence.vvma", 1),
        ("hfence.gvma", 1),
    ],
)
def test_a_changed_entry_is_seen_after_its_fence_and_not_before(fence, after):
    """a6: the address; a4: that of the page behind; a5: the ASID in satp; a3: another ASID."""
    m = paged(
        f"""
        li a6, 0
        li a5, 0
        li a4, 4096
        li a3, 5
        ld a0, 0(zero)
        sd s2, 0(s0)
        ld a1, 0(zero)
        {fence}
        ld a2, 0(zero)
        """
    )
    r = m.registers
    assert (r.a0, r.a1, r.a2) == (1, 1, after)


def test_a_page_taken_away_can_be_read_until_the_fence_and_faults_after_it():
    m = guest(
        PAGED
        + """
        ld a0, 0(zero)
        sd zero, 0(s0)
        ld a1, 0(zero)
        sfence.vma zero, zero
    here:
        ld a2, 0(zero)
        """
        + TABLES
    )
    reach(m, "trap")
    assert (m.registers.a0, m.registers.a1) == (1, 1)
    assert csrs(m, "mcause", "mepc", "mtval") == [13, m.symbols["here"], 0]


def test_an_entry_that_was_invalid_is_not_remembered():
    """A handler makes the missing entry and returns to the load, with no fence between."""
    m = guest(
        "la t0, repair\ncsrw stvec, t0\nli t0, 1 << 13\ncsrw medeleg, t0\n"
        + PAGED
        + """
        li t0, 8192
        ld a0, 0(t0)
        j end
        .balign 4
    repair:
        sd s2, 16(s0)
        addi s4, s4, 1
        sret
        """
        + TABLES
    )
    reach(m, "end")
    assert (m.registers.a0, m.registers.s4) == (2, 1)


def test_entries_of_an_asid_survive_a_switch_of_satp_and_are_not_seen_under_another():
    """Page 1 is remembered for ASID 1, and changed; ASID 2 looks at page 0 through its own root."""
    m = paged(
        """
        or t0, s10, s9
        slli t1, s9, 1
        or t1, s11, t1
        li t3, 4096
        csrw satp, t0
        ld a0, 0(zero)
        ld a0, 0(t3)
        sd s2, 8(s0)
        csrw satp, t1
        ld a1, 0(zero)
        csrw satp, t0
        ld a2, 0(t3)
        li t2, 2
        sfence.vma zero, t2
        ld a3, 0(t3)
        li t2, 1
        sfence.vma zero, t2
        ld a4, 0(t3)
        """
    )
    r = m.registers
    assert [r.a0, r.a1, r.a2, r.a3, r.a4] == [1, 3, 1, 1, 2]


def test_a_remembered_read_gives_no_right_to_write():
    m = guest(
        PAGED
        + """
        andi t0, s1, -5
        sd t0, 0(s0)
        ld a0, 0(zero)
    here:
        sd a0, 0(zero)
        """
        + TABLES
    )
    reach(m, "trap")
    assert csrs(m, "mcause", "mepc") == [15, m.symbols["here"]]


def test_what_the_supervisor_remembers_is_no_right_of_the_user():
    m = guest(
        PAGED
        + """
        ori t0, s1, 0x10
        la t1, root
        li t2, 0x200000df
        sd t2, 24(t1)
        ld a0, 0(zero)
        la t0, user
        li t1, 0x40000000
        add t0, t0, t1
        csrw sepc, t0
        csrw sstatus, zero
        sret
    user:
        ld a1, 0(zero)
        """
        + TABLES
    )
    reach(m, "trap")
    assert m.registers.a0 == 1
    assert csrs(m, "mcause", "mepc") == [13, m.symbols["user"] + 0x4000_0000]


def test_clearing_sum_takes_the_users_pages_away_at_once():
    m = guest(
        PAGED
        + f"""
        ori t0, s1, 0x10
        sd t0, 0(s0)
        li t0, {SUM}
        csrs sstatus, t0
        ld a0, 0(zero)
        csrc sstatus, t0
    here:
        ld a1, 0(zero)
        """
        + TABLES
    )
    reach(m, "trap")
    assert m.registers.a0 == 1
    assert csrs(m, "mcause", "mepc") == [13, m.symbols["here"]]


def test_the_dirty_bit_is_set_by_the_first_store_though_a_load_came_first():
    m = paged(
        """
        andi t0, s1, 0x3f
        srli s1, s1, 8
        slli s1, s1, 8
        or s1, s1, t0
        sd s1, 0(s0)
        ld a0, 0(zero)
        ld a1, 0(s0)
        sd zero, 0(zero)
        ld a2, 0(s0)
        """
    )
    r = m.registers
    assert [r.a1 & (A | D), r.a2 & (A | D)] == [A, A | D]


def test_a_superpage_is_forgotten_as_a_whole():
    """The fence names another address of the superpage than the one that was remembered."""
    m = guest(
        PAGED
        + """
        la t2, root
        li t0, 0x200000cf
        sd t0, 24(t2)
        la a6, one
        li t0, 0x40000000
        add a6, a6, t0
        ld a0, 0(a6)
        sd zero, 24(t2)
        ld a1, 0(a6)
        li t0, 0xf0000000
        sfence.vma t0, zero
    here:
        ld a2, 0(a6)
        """
        + TABLES
    )
    reach(m, "trap")
    assert (m.registers.a0, m.registers.a1) == (1, 1)
    assert csrs(m, "mcause", "mepc") == [13, m.symbols["here"]]


# Physical memory protection


def protected(
    entries: list[tuple[int, int]], text: str, mode: str = "U", more: str = ""
) -> Machine:
    """A machine with PMP entries (configuration, address register), run in a mode to its trap."""
    registers = "".join(
        f"li t0, {address}\ncsrw pmpaddr{k}, t0\n" for k, (_, address) in enumerate(entries)
    )
    config = sum(c << 8 * k for k, (c, _) in enumerate(entries))
    config -= config >> 63 << 64
    entry = "" if mode == "M" else f"li t0, {MODE_BITS[mode]}\ncsrs mstatus, t0\n"
    leave = "" if mode == "M" else "la t0, begin\ncsrw mepc, t0\nmret\n"
    m = guest(
        f"""
        csrw pmpcfg0, zero
        la t0, trap
        csrw mtvec, t0
        {registers}
        li t0, {config}
        csrw pmpcfg0, t0
        {entry}
        {more}
        {leave}
    begin:
        la s0, data
        {text}
    after:
        ecall
        .balign 4
    trap:
        nop
        .data
        .balign 4096
    data:
        .space 8192
        """
    )
    return reach(m, "trap")


PR, PW, PX, TOR, NA4, NAPOT, LOCKED = 1, 2, 4, 1 << 3, 2 << 3, 3 << 3, 1 << 7
DATA = RAM + 0x1000  # where `data` lies, behind one page of code
CODE = (NAPOT | PR | PX, RAM >> 2 | 0x1FF)


def napot(pa: int, n_bytes: int) -> int:
    return pa >> 2 | (n_bytes >> 3) - 1


REGIONS = {
    "TOR": ([(0, DATA >> 2), (TOR | PR | PW, (DATA + 64) >> 2), CODE], 0, 64),
    "NA4": ([(NA4 | PR | PW, DATA + 8 >> 2), CODE], 8, 4),
    "NAPOT 8": ([(NAPOT | PR | PW, napot(DATA + 16, 8)), CODE], 16, 8),
    "NAPOT 64": ([(NAPOT | PR | PW, napot(DATA + 64, 64)), CODE], 64, 64),
    "NAPOT 4096": ([(NAPOT | PR | PW, napot(DATA, 4096)), CODE], 0, 4096),
}


@pytest.mark.parametrize(("entries", "start", "n"), REGIONS.values(), ids=REGIONS)
@pytest.mark.parametrize(("letter", "cause"), [("l", 5), ("s", 7)])
def test_a_protected_region_begins_and_ends_where_it_says(entries, start, n, letter, cause):
    inside = [start, start + n - 4]
    outside = [start - 4] * (start > 0) + [start + n]
    for at in inside + outside:
        text = f"li t1, {at}\nadd s0, s0, t1\nhere: {letter}w a0, 0(s0)"
        m = protected(entries, text)
        assert m.symbols["data"] == DATA
        if at in inside:
            assert csrs(m, "mcause", "mepc") == [8, m.symbols["after"]], at
        else:
            assert csrs(m, "mcause", "mepc", "mtval") == [cause, m.symbols["here"], DATA + at], at


def test_an_access_that_is_only_partly_inside_a_region_is_refused():
    entries = [(NAPOT | PR | PW, napot(DATA, 8)), (NA4 | PR | PW, DATA + 8 >> 2), CODE]
    m = protected(entries, "addi s0, s0, 8\nhere: ld a0, 0(s0)")
    assert csrs(m, "mcause", "mepc") == [5, m.symbols["here"]]


def test_the_first_entry_that_matches_decides():
    everything = (NAPOT | PR | PW | PX, (1 << 54) - 1)
    m = protected([(NAPOT | PR, napot(DATA, 64)), everything], "ld a0, 0(s0)\nhere: sd a0, 8(s0)")
    assert csrs(m, "mcause", "mepc", "mtval") == [7, m.symbols["here"], DATA + 8]
    m = protected([everything, (NAPOT | PR, napot(DATA, 64))], "ld a0, 0(s0)\nhere: sd a0, 8(s0)")
    assert csrs(m, "mcause", "mepc") == [8, m.symbols["after"]]


def test_without_a_matching_entry_machine_mode_may_and_others_may_not():
    assert protected([CODE], "here: ld a0, 0(s0)", "S").csr["mcause"].value == 5
    assert protected([CODE], "here: ld a0, 0(s0)", "M").csr["mcause"].value == 11


def test_a_locked_entry_binds_machine_mode_and_cannot_be_changed():
    entries = [(LOCKED | NAPOT | PR, napot(DATA, 64))]
    attempts = "csrw pmpcfg0, zero\nli t0, 77\ncsrw pmpaddr0, t0\n"
    m = protected(entries, f"ld a0, 0(s0)\n{attempts}here: sd a0, 0(s0)", "M")
    assert csrs(m, "mcause", "mepc", "mtval") == [7, m.symbols["here"], DATA]
    assert csrs(m, "pmpcfg0", "pmpaddr0") == [LOCKED | NAPOT | PR, napot(DATA, 64)]


def test_a_locked_top_of_range_locks_its_bottom_too():
    entries = [(0, DATA >> 2), (LOCKED | TOR | PR, (DATA + 64) >> 2)]
    m = protected(entries, "li t0, 77\ncsrw pmpaddr0, t0", "M")
    assert m.csr["pmpaddr0"].value == DATA >> 2


@pytest.mark.parametrize("mode", ["S", "U"])
def test_code_may_be_executable_in_a_part_of_a_page_only(mode):
    """The first 64 bytes of the data page run; the instruction behind them does not."""
    entries = [(NAPOT | PX, napot(DATA, 64)), CODE]
    fill = "\n".join(f"li t1, 0x00150513\nsw t1, {4 * k}(t0)" for k in range(20))
    m = protected(entries, "li a0, 0\njr s0", mode, f"la t0, data\n{fill}")
    assert csrs(m, "mcause", "mepc", "mtval") == [1, DATA + 64, DATA + 64]
    assert m.registers.a0 == 16


def test_an_instruction_that_reaches_out_of_the_executable_part_is_not_fetched():
    entries = [(NAPOT | PX, napot(DATA, 64)), CODE]
    fill = "li t1, 0x0513\nsh t1, 62(t0)\nli t1, 0x0015\nsh t1, 64(t0)"
    m = protected(entries, "jr 62(s0)", "U", f"la t0, data\n{fill}")
    assert csrs(m, "mcause", "mepc", "mtval") == [1, DATA + 62, DATA + 64]


def test_a_change_of_protection_is_seen_at_once():
    entries = [(NAPOT | PR | PW, napot(DATA, 4096))]
    mprv = f"li t0, {MPRV | 3 << 11}\ncsrc mstatus, t0\nli t0, {MPRV | 1 << 11}\ncsrs mstatus, t0"
    text = f"{mprv}\nld a0, 0(s0)\ncsrwi pmpcfg0, 0\nhere: ld a1, 0(s0)"
    m = protected(entries, text, "M")
    assert csrs(m, "mcause", "mepc", "mtval") == [5, m.symbols["here"], DATA]


def test_page_tables_are_read_with_the_supervisors_rights():
    """A walk that PMP forbids is an access fault of the access that needed it."""
    table = f"li t0, {SV39 - (1 << 64) | DATA >> 12}\ncsrw satp, t0\n"
    m = protected([CODE], "nop", "S", table)
    assert csrs(m, "mcause", "mepc", "mtval") == [1, m.symbols["begin"], m.symbols["begin"]]


# Misaligned and page-crossing accesses


@pytest.mark.parametrize(("load", "n"), [("lhu", 2), ("lwu", 4), ("ld", 8)])
def test_a_misaligned_load_finds_the_same_bytes(load, n):
    m = guest(f"ready: j ready\nload: {load} a1, 0(a0)\nend: nop")
    m.run(10)
    data = bytes(range(1, 65))
    for base in (RAM + 0x4000, RAM + 0x5000 - 32):
        m.memory.write(base, data)
        for at in range(40):
            m.registers.a0 = base + at
            m.pc = m.symbols["load"]
            m.step()
            assert m.registers.a1 == int.from_bytes(data[at : at + n], "little"), (base, at)


@pytest.mark.parametrize(("store", "n"), [("sh", 2), ("sw", 4), ("sd", 8)])
def test_a_misaligned_store_changes_its_bytes_and_no_others(store, n):
    m = guest(f"ready: j ready\nstore: {store} a1, 0(a0)\nend: nop")
    m.run(10)
    m.registers.a1 = 0x1122_3344_5566_7788
    base = RAM + 0x5000 - 32
    for at in range(40):
        m.memory.write(base, bytes(64))
        m.registers.a0 = base + at
        m.pc = m.symbols["store"]
        m.step()
        expected = bytes(at) + (0x1122_3344_5566_7788).to_bytes(8, "little")[:n]
        assert m.memory.read(base, 64) == expected + bytes(64 - len(expected)), at


def test_a_store_across_a_page_that_cannot_be_written_changes_neither_page():
    """The first page is mapped, the one behind it is not; the fault names the second page."""
    m = guest(
        PAGED
        + """
        sd zero, 8(s0)
        li t0, 4092
        li t1, -1
    here:
        sd t1, 0(t0)
        """
        + TABLES
    )
    reach(m, "trap")
    assert csrs(m, "mcause", "mepc", "mtval") == [15, m.symbols["here"], 4096]
    assert m.memory.read(m.symbols["one"] + 4092, 4) == bytes(4)


def test_an_instruction_across_two_pages_comes_from_both_translations():
    """Virtual pages 0 and 1 lie apart in memory: the second half comes from the second frame."""
    m = guest(
        PAGED
        + """
        ori s1, s1, 8
        ori s2, s2, 8
        sd s1, 0(s0)
        sd s2, 8(s0)
        la t0, one
        li t1, 4094
        add t0, t0, t1
        li t2, 0x0513
        sh t2, 0(t0)
        la t0, two
        li t2, 0x02a0
        sh t2, 0(t0)
        li t2, 0x8082
        sh t2, 2(t0)
        li t1, 4094
        jalr t1
        """
        + TABLES
    )
    reach(m, "end")
    assert m.registers.a0 == 42


def test_a_device_wants_its_accesses_aligned():
    m = guest("la t0, trap\ncsrw mtvec, t0\nli t0, 0x0200bff9\nhere: lw a0, 0(t0)\ntrap: nop")
    reach(m, "trap")
    assert m.csr["mcause"].value in (4, 5)
    assert m.csr["mepc"].value == m.symbols["here"]


# Code that changes itself


def test_a_store_into_code_is_seen_by_the_next_execution_without_a_fence():
    """The loop's own instruction counts up its immediate: 1 + 2 + ... + 1000."""
    m = guest(
        """
        la s0, change
        li t0, 1000
        li a0, 0
        lw t1, 0(s0)
        li t2, 1 << 20
    change:
        addi a0, a0, 1
        add t1, t1, t2
        sw t1, 0(s0)
        addi t0, t0, -1
        bnez t0, change
    end:
        nop
        """
    )
    reach(m, "end")
    immediates = [(k & 0xFFF) - (0x1000 if k & 0x800 else 0) for k in range(1, 1001)]
    assert m.registers.a0 == sum(immediates)


def test_code_that_is_changed_through_another_mapping_is_seen_too():
    """The page at 0 executes; its frame is written through the identity mapping."""
    m = guest(
        PAGED
        + """
        ori s1, s1, 8
        sd s1, 0(s0)
        la s3, one
        li t0, 0x4505
        sh t0, 0(s3)
        li t0, 0x8082
        sh t0, 2(s3)
        li t1, 0
        jalr t1
        mv s4, a0
        li t0, 0x4509
        sh t0, 0(s3)
        jalr t1
        mv s5, a0
        """
        + TABLES
    )
    reach(m, "end")
    assert (m.registers.s4, m.registers.s5) == (1, 2)


# LR and SC


def atomics(text: str) -> Machine:
    m = guest(
        f"""
        la t0, trap
        csrw mtvec, t0
        la s0, data
        {text}
    end:
        nop
        .balign 4
    trap:
        csrr t5, mepc
        addi t5, t5, 4
        csrw mepc, t5
        csrr t6, mcause
        mret
        .balign 64
    data: .dword 5, 6
        """
    )
    return reach(m, "end")


def test_a_store_conditional_succeeds_once_after_its_load_reserved():
    m = atomics("lr.d a0, (s0)\nli t1, 9\nsc.d a1, t1, (s0)\nsc.d a2, zero, (s0)\nld a3, 0(s0)")
    r = m.registers
    assert (r.a0, r.a1, r.a2, r.a3) == (5, 0, 1, 9)


@pytest.mark.parametrize(
    "between",
    ["ecall", "addi s0, s0, 8", "lr.d zero, (s1)"],
    ids=["a trap", "another address", "another reservation"],
)
def test_a_store_conditional_fails_when_the_reservation_is_gone(between):
    m = atomics(f"addi s1, s0, 8\nlr.d a0, (s0)\n{between}\nsc.d a1, zero, (s0)")
    assert m.registers.a1 == 1
    assert m.memory.read(m.symbols["data"], 16) == b"\5" + bytes(7) + b"\6" + bytes(7)


def test_a_word_loaded_reserved_is_sign_extended():
    m = atomics("li t1, -2\nsw t1, 0(s0)\nlr.w a0, (s0)\nsc.w a1, zero, (s0)")
    assert (m.registers.a0, m.registers.a1) == (U64 - 1, 0)


@pytest.mark.parametrize(
    ("instruction", "causes"),
    [("lr.w a0, (s0)", (4, 5)), ("sc.w a0, a1, (s0)", (6, 7)), ("amoadd.d a0, a1, (s0)", (6, 7))],
)
def test_a_misaligned_atomic_traps(instruction, causes):
    m = atomics(f"addi s0, s0, 2\n{instruction}")
    assert m.registers.t6 in causes
    assert m.csr["mtval"].value == m.symbols["data"] + 2
