"""Random programs for comparing the machine with Spike, each from one number, its seed.

A program owns a slot of memory: code, data, and page tables for S, VS and the G stage. It sets up a
random state in M-mode (delegation, translation, PMP, environment bits), enters a random mode, runs
some dozens of random snippets, and ends by showing its data and page tables. Snippets only jump
forward, and every instruction that may trap is preceded by

    auipc x27, 0 ; addi x27, x27, distance     where the trap handlers go on (see runtime.py)

so that a program ends whatever happens, and need not know in which mode it really is.

Virtual memory of a program with translation, the same for satp and for vsatp, and with guest
physical addresses on the left for hgatp:

    0x8000_0000 + x   identity, supervisor, superpages: handlers, code and data stay reachable
    0x4000_0000 + x   page x / 4096 of the slot, random rights (code pages nearly always usable)
    0x4020_0000 + x   the 2 MiB around the slot as one superpage, random rights
    0xC000_0000 + x   all RAM as one 1 GiB page, random rights

The VS-stage tables themselves may be reached through the random part of the G stage.

What the programs avoid, because two correct machines may differ in it, is listed in differences.md.
"""

import random

from tests.conformance.choices import (
    BATCH,
    CODE,
    CODE_LIMIT,
    CROSS,
    CSR,
    DATA,
    FREE,
    G_IDENTITY,
    G_LEAF,
    G_MIDDLE,
    G_ROOT,
    GIGAPAGE,
    INTERRUPT_BITS,
    M_MODE,
    RAM_BASE,
    RAM_SUPERPAGES,
    S_IDENTITY,
    S_LEAF,
    S_MIDDLE,
    S_MODE,
    S_ROOT,
    SCRATCH,
    SHARES,
    SLOT_BYTES,
    SLOT_PAGES,
    STATUS_BITS,
    SUPERPAGE,
    SV39,
    U_MODE,
    V_IDENTITY,
    V_LEAF,
    V_MIDDLE,
    V_ROOT,
    VS_MODE,
    VU_MODE,
    A,
    D,
    G,
    R,
    U,
    V,
    W,
    X,
    corner,
)
from tests.conformance.code import MASK64, Code
from tests.conformance.runtime import ALIAS, SLOTS
from tests.conformance.snippets import Snippets


def slot_of(seed: int) -> int:
    """The address of the slot that the program of `seed` uses, alone or among others."""
    return SLOTS + seed % BATCH * SLOT_BYTES


class Program(Snippets):
    """One random program: `seed` decides all of it; it goes on at `after` when it is over.

    Attributes
    ----------
    seed : int
    profile : str, what it is mostly about
    base : int, address of its slot and of its first instruction
    segments : list of (address, bytes)
    """

    def __init__(self, seed: int, after: int, clean: int):
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.base = slot_of(seed)
        self.profile = rng.choices(list(SHARES), list(SHARES.values()))[0]
        self.code = Code(self.base + CODE)
        self.tables = {}  # offset in the slot -> entry
        self.labels = 0
        self.choose()
        self.begin(clean)
        self.set_up()
        self.body()
        self.end(after)
        numbers = b"".join(corner(rng).to_bytes(8, "little") for _ in range(384))
        data = numbers[:2048] * 2 + numbers[2048:] * 4 + rng.randbytes(8192)
        self.segments = [(self.base, self.code.finish()), (self.base + DATA, data)]
        assert len(self.code.data) < CODE_LIMIT, "the program does not fit in its code pages"
        self.segments += self.table_segments()

    # What the whole program keeps to.

    def choose(self):
        rng, profile = self.rng, self.profile
        hyper = profile in ("virtual", "guest_csr") or rng.random() < 0.2
        paging = profile == "paging" or rng.random() < 0.5
        self.satp_on = paging and rng.random() < 0.9
        self.vsatp_on = hyper and rng.random() < 0.7
        self.hgatp_on = hyper and rng.random() < 0.85
        self.tables_used = self.satp_on or self.vsatp_on or self.hgatp_on or rng.random() < 0.5
        self.wild_roots = rng.random() < 0.15
        self.pmp = profile == "pmp"
        self.vmid = rng.choice([0, 1, 0x3FFF])
        self.timers = rng.random() < 0.4
        self.timer = rng.choice(["stimecmp", "vstimecmp"])  # the only one written
        modes = [U_MODE, S_MODE, M_MODE]
        if hyper:
            modes = [M_MODE, S_MODE, U_MODE] + [VS_MODE, VU_MODE] * 3
        self.modes = modes
        self.mode = rng.choice(modes)

    # Page tables.

    def entry(self, offset: int, target: int, flags: int):
        self.tables[offset] = target >> 12 << 10 | flags

    def large(self, entry: int) -> int:
        """`entry`, but not one that makes a table of the large page it points to."""
        return entry if entry & (R | W | X) else entry | R

    def flags(self, usable: float = 0.5) -> int:
        """Random rights of a leaf; with probability `usable` all of them."""
        rng = self.rng
        if rng.random() < usable:
            return V | R | W | X | U | A | D
        flags = V if rng.random() < 0.95 else 0
        flags |= rng.choice([R, R | W, X, R | X, R | W | X, R | W | X, W, W | X, 0])
        for bit, chance in ((U, 0.6), (G, 0.2), (A, 0.8), (D, 0.75)):
            if rng.random() < chance:
                flags |= bit
        if rng.random() < 0.1:
            flags |= rng.choice([1 << 8, 1 << 9])  # for software, ignored
        if rng.random() < 0.04:
            flags |= rng.choice([1 << 54, 1 << 60, 1 << 61, 1 << 62, 1 << 63])
        return flags

    def stage(self, root: int, identity: int, middle: int, leaf: int, user: int, usable: float):
        """The tables of one stage. `user`: U of the identity map; `usable`: of the slot's pages."""
        rng, base = self.rng, self.base
        self.entry(root + 2 * 8, base + identity, V)
        for k in range(RAM_SUPERPAGES):
            self.entry(identity + 8 * k, RAM_BASE + (k << 21), V | R | W | X | user | A | D)
        self.entry(root + 8, base + middle, V if rng.random() < 0.98 else V | U)
        self.entry(middle, base + leaf, V if rng.random() < 0.97 else rng.choice([0, V | A, V | D]))
        frame = base & ~0x1F_FFFF
        if rng.random() < 0.1:
            frame += 0x1000  # a misaligned superpage
        self.entry(middle + 8, frame, self.large(self.flags(usable)))
        frame = RAM_BASE + (rng.random() < 0.1) * 0x20_0000
        self.entry(root + 3 * 8, frame, self.large(self.flags(usable)))
        for page in range(SLOT_PAGES):
            target = base + (page << 12)
            if page < DATA >> 12:
                flags = self.flags(0.95)
            else:
                flags = self.flags(usable)
            if rng.random() < 0.02:
                target = rng.choice(
                    [0x3000_0000, 0x8100_0000, 0x3FFF_FFFF_F000, 0xFF_FFFF_FFFF_F000]
                )
            self.entry(leaf + 8 * page, target, flags)

    def build_tables(self):
        self.stage(S_ROOT, S_IDENTITY, S_MIDDLE, S_LEAF, 0, 0.4)
        self.stage(V_ROOT, V_IDENTITY, V_MIDDLE, V_LEAF, 0, 0.5)
        self.stage(G_ROOT, G_IDENTITY, G_MIDDLE, G_LEAF, U, 0.6)
        if self.rng.random() < 0.5:  # the VS tables of the random part come through the G stage's
            self.entry(V_ROOT + 8, ALIAS + V_MIDDLE, V)
            self.entry(V_MIDDLE, ALIAS + V_LEAF, V)
        if self.rng.random() < 0.5:  # and so do the pages
            for page in range(SLOT_PAGES):
                at = V_LEAF + 8 * page
                self.tables[at] = self.tables[at] & 0x3FF | (ALIAS + (page << 12)) >> 12 << 10

    def table_segments(self):
        if not self.tables:
            return []
        pages = {}
        for offset, value in self.tables.items():
            page = pages.setdefault(offset >> 12, bytearray(4096))
            page[offset & 0xFFF : (offset & 0xFFF) + 8] = (value & MASK64).to_bytes(8, "little")
        return [(self.base + (page << 12), bytes(data)) for page, data in pages.items()]

    # Beginning and end.

    def begin(self, clean: int):
        code = self.code
        distance = clean - code.here
        low = (distance & 0xFFF) - ((distance & 0x800) << 1)
        code.op("auipc", rd=5, upper=distance - low)
        code.op("jalr", rd=5, rs1=5, imm=low)
        code.la(25, self.base)
        self.leave_at = len(code.data)
        code.op("addi")  # the next two instructions load x26; where to is known at the end
        code.op("addi")

    def end(self, after: int):
        code = self.code
        code.li(31, 0)
        code.op("ecall")
        leave = Code(self.base + self.leave_at)
        leave.la(26, code.here)
        code.data[self.leave_at : self.leave_at + 8] = leave.data
        rng = self.rng
        code.op("lui", rd=5, upper=DATA)
        code.op("add", rd=5, rs1=5, rs2=25)
        for _ in range(8):
            code.op("ld", rd=rng.choice([6, 7, 10, 11, 12]), rs1=5, imm=8 * rng.randrange(0, 256))
        code.op("lui", rd=5, upper=DATA + 0x1000)
        code.op("add", rd=5, rs1=5, rs2=25)
        for _ in range(8):
            code.op("ld", rd=rng.choice([6, 7, 10, 11, 12]), rs1=5, imm=8 * rng.randrange(0, 256))
        if self.tables:
            for offset in rng.sample(sorted(self.tables), 6):
                code.li(5, offset)
                code.op("add", rd=5, rs1=5, rs2=25)
                code.op("ld", rd=6, rs1=5)
        code.la(5, after)
        code.op("jalr", rs1=5)

    def write(self, name: str, value: int):
        """Write a CSR in M-mode."""
        self.code.li(SCRATCH, value)
        self.code.op("csrrw", rs1=SCRATCH, csr=CSR[name])

    def set_up(self):
        code, rng = self.code, self.rng
        if self.tables_used:
            self.build_tables()
        self.medeleg_mask = 0xFC_B7FE & ~(1 << 9)
        self.hedeleg_mask = 0xC_B1FF
        if self.wild_roots or self.pmp:
            self.medeleg_mask &= ~(1 << 1 | 1 << 12 | 1 << 20)
            self.hedeleg_mask &= ~(1 << 1 | 1 << 12)
        stce = 1 << 63 if self.timers else 0
        adue = 1 << 61 if rng.random() < 0.5 else 0
        self.menvcfg = stce | adue
        self.henvcfg = (stce if rng.random() < 0.7 else 0) | (adue if rng.random() < 0.7 else 0)
        delegate = rng.random()
        if delegate < 0.4:
            medeleg = self.medeleg_mask
        elif delegate < 0.8:
            medeleg = rng.getrandbits(24) & self.medeleg_mask
        else:
            medeleg = 0
        self.write("medeleg", medeleg)
        self.write("mideleg", rng.choice([0, MASK64, rng.getrandbits(13)]))
        if VS_MODE in self.modes:
            hedeleg = rng.choice([0, self.hedeleg_mask, rng.getrandbits(20) & self.hedeleg_mask])
            self.write("hedeleg", hedeleg)
            self.write("hideleg", rng.choice([0, MASK64, rng.getrandbits(13)]))
            self.write("hcounteren", rng.choice([0, 7, rng.getrandbits(3)]))
            self.write("hstatus", self.hstatus())
            self.write("vsstatus", self.sstatus())
        self.write("mcounteren", rng.choice([7, 7, rng.getrandbits(3)]))
        self.write("scounteren", rng.choice([7, rng.getrandbits(3)]))
        if self.menvcfg or rng.random() < 0.2:
            self.write("menvcfg", self.menvcfg)
            self.write("henvcfg", self.henvcfg)
        if self.timers:
            self.write(self.timer, rng.choice([0, MASK64, MASK64]))
        if self.pmp:
            self.set_up_pmp()
        for name in ("mtvec", "stvec", "vstvec"):
            if rng.random() < 0.3:
                code.op("csrrsi", csr=CSR[name], zimm=1)
        if self.satp_on:
            self.write("satp", self.satp())
        if self.vsatp_on:
            self.write("vsatp", self.atp(V_ROOT))
        if self.hgatp_on:
            self.write("hgatp", self.atp(G_ROOT))
        if self.profile == "interrupts" or rng.random() < 0.15:
            self.write("mie", rng.getrandbits(13))
            self.write("hvip", rng.choice([0, 0x444, rng.getrandbits(13)]))
        self.fill_registers()
        if rng.random() < 0.3:
            self.service_work()
        if self.mode != M_MODE or rng.random() < 0.3:
            self.enter(self.mode)

    def fill_registers(self):
        """Random numbers from the data page in the free registers, addresses in the pointers."""
        code, rng, base = self.code, self.rng, self.base
        code.op("lui", rd=5, upper=DATA)
        code.op("add", rd=5, rs1=5, rs2=25)
        for register in FREE:
            if register != 5:
                code.op("ld", rd=register, rs1=5, imm=8 * rng.randrange(256))
        page = DATA + 0x1800  # the middle of the second data page
        code.li(8, base + page)
        code.li(9, ALIAS + page)
        code.li(18, SUPERPAGE + (base & 0x1F_FFFF) + page)
        code.li(19, GIGAPAGE + (base - RAM_BASE) + page)
        odd = [0, MASK64 - 7, 1 << 38, (1 << 39) - 8, -(1 << 38), 1 << 41, 0x80FF_FFFD, 0x8100_0000]
        odd += [1 << 56, ALIAS + 0x1F_0000, 0x7FFF_F7E9, corner(rng) | 1 << 45]
        code.li(20, rng.choice(odd) & (-8 if self.pmp else -1))
        boundary = DATA + 0x3000
        code.li(CROSS, rng.choice([base, base, ALIAS, SUPERPAGE + (base & 0x1F_FFFF)]) + boundary)
        code.op("ld", rd=5, rs1=5)

    def set_up_pmp(self):
        """Entry 0 keeps the runtime reachable, the last one the rest; those between are random."""
        rng, base = self.rng, self.base
        self.write("pmpaddr0", RAM_BASE >> 2 | 0x3FF)  # 8 KiB
        configuration = 0x1D
        for k in range(1, 7):
            mode = rng.randrange(4)
            if k == 1 and mode == 1:
                mode = 0
            address = base + DATA + rng.randrange(0, 0x4000, 4)
            if mode == 3:
                size = rng.choice([8, 16, 32, 64, 4096, 8192])
                encoded = (address & ~(size - 1)) >> 2 | (size >> 3) - 1
            else:
                encoded = address >> 2
            if rng.random() < 0.1:
                encoded = rng.getrandbits(54)
            self.write(f"pmpaddr{k}", encoded)
            configuration |= (mode << 3 | rng.getrandbits(3)) << 8 * k
        self.write("pmpcfg0", configuration)
        if rng.random() < 0.2:
            self.write("pmpcfg2", 0)  # nothing else is allowed below M-mode
        self.code.op("sfence.vma")

    # Values for CSRs.

    def hstatus(self) -> int:
        rng = self.rng
        value = 0
        for bit, chance in ((6, 0.3), (7, 0.5), (8, 0.5), (9, 0.5), (20, 0.2), (22, 0.1)):
            if rng.random() < chance:
                value |= 1 << bit
        return value

    def sstatus(self) -> int:
        rng = self.rng
        return sum(1 << bit for bit in (1, 5, 8, 18, 19) if rng.random() < 0.5)

    def mstatus(self) -> int:
        rng = self.rng
        rare = (17, 20, 22)
        return sum(1 << bit for bit in STATUS_BITS if rng.random() < (0.15 if bit in rare else 0.5))

    def atp(self, root: int) -> int:
        """A value for satp, vsatp or hgatp. One VMID a program: VS can only fence its own."""
        rng = self.rng
        if root == G_ROOT:
            return SV39 | self.vmid << 44 | (self.base + root) >> 12
        return SV39 | rng.choice([0, 1, 2, 0xFFFF]) << 44 | (self.base + root) >> 12

    def satp(self) -> int:
        return self.atp(S_ROOT)

    def random_atp(self, root: int) -> int:
        """A value for satp and its relatives in the middle of a program."""
        rng = self.rng
        identifier = (
            self.vmid << 44 | rng.getrandbits(44) if root == G_ROOT else rng.getrandbits(60)
        )
        choices = [rng.choice([1, 2, 5, 9, 10, 15]) << 60 | identifier]
        if self.tables:
            choices += [self.atp(root)] * 3
        if self.wild_roots:
            other = self.atp(rng.choice([S_ROOT, V_ROOT])) & (1 << 44) - 1
            choices += [identifier & ~((1 << 44) - 1), SV39 | identifier & (15 << 60) - 1]
            choices += [SV39 | identifier & ~((1 << 44) - 1) | other]
        return rng.choice(choices)

    def csr_value(self, name: str) -> int:
        """A value that `name` may be given without derailing the program for good."""
        rng = self.rng
        if name == "mstatus":
            return self.mstatus()
        if name in ("sstatus", "vsstatus"):
            return self.sstatus()
        if name == "hstatus":
            return self.hstatus()
        if name == "medeleg":
            return rng.getrandbits(24) & self.medeleg_mask
        if name == "hedeleg":
            return rng.getrandbits(20) & self.hedeleg_mask
        if name in ("satp", "vsatp"):
            return self.random_atp(S_ROOT if name == "satp" else V_ROOT)
        if name == "hgatp":
            return self.random_atp(G_ROOT)
        if name in ("stimecmp", "vstimecmp"):
            return rng.choice([0, MASK64])
        if name == "menvcfg":
            return self.menvcfg ^ rng.choice([0, 1 << 61]) | rng.getrandbits(32)
        if name == "henvcfg":
            return self.henvcfg ^ rng.choice([0, 1 << 61]) | rng.getrandbits(32)
        if name in INTERRUPT_BITS or name in ("mie", "sie", "hie", "vsie"):
            return rng.choice([0, MASK64, rng.getrandbits(13), 1 << rng.randrange(13)])
        return corner(rng)
