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

from tests.conformance.code import MASK64, Code
from tests.conformance.runtime import ALIAS, SERVICE, SLOTS
from virtlab.isa.encoding import CSR_NAMES, CSR_NUMBERS
from virtlab.isa.instructions import BY_NAME, INSTRUCTIONS

SLOT_BYTES = 0x1_8000
BATCH = 50  # programs in an image
CODE, DATA = 0x0, 0x2000  # offsets in a slot
S_ROOT, S_IDENTITY, S_MIDDLE, S_LEAF = 0x6000, 0x7000, 0x8000, 0x9000
V_ROOT, V_IDENTITY, V_MIDDLE, V_LEAF = 0xA000, 0xB000, 0xC000, 0xD000
G_IDENTITY, G_MIDDLE, G_ROOT, G_LEAF = 0xE000, 0xF000, 0x1_0000, 0x1_4000
SLOT_PAGES = 0x15
RAM_BASE, RAM_SUPERPAGES = 0x8000_0000, 8
SUPERPAGE, GIGAPAGE = 0x4020_0000, 0xC000_0000
CODE_LIMIT = DATA - 64

V, R, W, X, U, G, A, D = (1 << k for k in range(8))
SV39 = 8 << 60

U_MODE, S_MODE, M_MODE, VU_MODE, VS_MODE = 0, 1, 3, 4, 5

CORNERS = (
    [0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 0x7F, 0x80, 0xFF, 0x7FF, 0x800, 0xFFF]
    + [0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000]
    + [0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA, (1 << 63) - 1, 1 << 63]
    + [MASK64, MASK64 - 1, MASK64 - 0x7FF, 0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_7FFF_FFFF]
)

ALU = [
    row
    for row in INSTRUCTIONS
    if row.extension in ("I", "M", "C")
    and set(row.fields)
    <= {"rd", "rs1", "rs2", "rd'", "rs1'", "rs2'", "imm", "uimm", "shamt", "upper"}
    and row.name.removeprefix("c.")
    not in "jalr jr lb lh lw ld lbu lhu lwu sb sh sw sd lwsp ldsp swsp sdsp ecall ebreak".split()
]
LOADS = {"lb": 1, "lh": 2, "lw": 4, "ld": 8, "lbu": 1, "lhu": 2, "lwu": 4}
STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}
ATOMICS = [row.name for row in INSTRUCTIONS if row.extension == "A" and row.name.startswith("amo")]
HLV = [row.name for row in INSTRUCTIONS if row.name.startswith("hlv")]
HSV = [row.name for row in INSTRUCTIONS if row.name.startswith("hsv")]
BRANCHES = "beq bne blt bge bltu bgeu".split()

FREE = list(range(1, 8)) + [10, 11, 12, 13, 14, 15, 16, 17, 22, 24]  # registers to write to
FREE_COMPRESSED = [10, 11, 12, 13, 14, 15]
POINTERS = {8: "data", 9: "alias", 18: "superpage", 19: "gigapage", 20: "odd"}
CROSS = 21  # points to a page boundary that only crossing stores use
COUNTER = 23  # of loops
SCRATCH = 30
CLINT_MSIP, CLINT_MTIMECMP = 0x200_0000, 0x200_4000

CSR = CSR_NUMBERS
UNCOMPARED = {CSR["cycle"], CSR["mcycle"], CSR["time"]}  # see differences.md
ABSENT = [0x001, 0x003, 0x008, 0x015, 0x017, 0x10C, 0x10D, 0x14E, 0x150, 0x180 + 1, 0x20A, 0x2FF]
ABSENT += [0x307, 0x30C, 0x321, 0x322, 0x342 + 6, 0x34C, 0x3A1, 0x3A3, 0x3F0, 0x400, 0x5C0, 0x608]
ABSENT += [
    0x60C,
    0x612,
    0x615,
    0x641,
    0x681,
    0x747,
    0x7B0,
    0x7B1,
    0x7C0,
    0x800,
    0x9FF,
    0xA00,
    0xB01,
]
ABSENT += [0xB20, 0xBC0, 0xC03, 0xC1F, 0xC80, 0xCC0, 0xDB0, 0xEB0, 0xF10, 0xF16, 0xFFF]
HARMLESS = (  # may be written with anything at any time
    "sscratch scause stval vsscratch vscause vstval mscratch mcause mtval mtval2 mtinst htval"
    " htinst sepc vsepc mepc htimedelta scounteren mcounteren hcounteren mcountinhibit senvcfg"
    " hgeie"
    " minstret mhpmcounter3 mhpmevent3 mhpmcounter31 mhpmevent31 mie sie vsie hie mideleg hideleg"
).split()
SWAPPED = (  # written, read and restored in M-mode in one breath
    "mtvec stvec vstvec satp vsatp hgatp medeleg hedeleg pmpcfg0 pmpaddr3 pmpaddr9 hstatus vsstatus"
    " menvcfg henvcfg hvip sstatus"
).split()
OTHERWISE_READ = ("hpm", "mhpm", "pmp", "marchid", "mimpid", "tselect", "tdata")
READ_ONLY = "mvendorid mhartid mconfigptr hgeip instret".split()
INTERRUPT_BITS = "mip sip vsip hip hvip".split()
STATUS_BITS = [1, 3, 5, 7, 8, 11, 12, 17, 18, 19, 20, 22, 38, 39]  # of mstatus: no FS, VS, XS, TW

PROFILES = {
    "user": 2,
    "csr": 3,
    "modes": 3,
    "paging": 4,
    "virtual": 4,
    "guest_csr": 3,
    "interrupts": 2,
    "pmp": 2,
}


def corner(rng: random.Random) -> int:
    """A 64-bit number, mostly one that is at an edge of something."""
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(CORNERS)
    if kind < 0.7:
        return (rng.choice(CORNERS) + rng.randrange(-2, 3)) & MASK64
    if kind < 0.85:
        return rng.getrandbits(rng.randrange(1, 65))
    return rng.getrandbits(64)


def field_value(rng: random.Random, field) -> int:
    """A value that the immediate field can hold, edges preferred."""
    if field.nonzero and field.low == 0:
        low = field.step
    else:
        low = field.low
    value = rng.choice([low, field.high, 0, field.step, -field.step, None, None, None])
    if value is None or not low <= value <= field.high or (field.nonzero and value == 0):
        value = low + field.step * rng.randrange((field.high - low) // field.step + 1)
    if field.nonzero and value == 0:
        value = field.step
    return value


def slot_of(seed: int) -> int:
    """The address of the slot that the program of `seed` uses, alone or among others."""
    return SLOTS + seed % BATCH * SLOT_BYTES


class Program:
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
        self.profile = rng.choices(list(PROFILES), list(PROFILES.values()))[0]
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

    # The body.

    def body(self):
        weights = dict(
            alu=5, branch=2, jump=1, memory=4, misaligned=1, cross_store=0.6, atomic=1.5, lr_sc=1.5,
            csr_read=1.5, csr_write=1, illegal=0.6, call=0.7, fence=0.7, returns=1, change_mode=1,
            swapped=0.3, patch=0.3, table=0.3, interrupt=0.3, hypervisor=0.3, wild=0.3, m_work=0.2,
            mprv=0.2, loop=0.7, wait=0.15, clint=0.1,
        )  # fmt: skip
        for name, factor in {
            "user": dict(
                alu=3, branch=3, memory=2, atomic=3, lr_sc=3, patch=4, csr_write=0.2, loop=4
            ),
            "csr": dict(csr_read=6, csr_write=6, swapped=8, change_mode=2),
            "modes": dict(call=4, returns=4, change_mode=4, csr_write=2, m_work=6, wait=6, clint=4),
            "paging": dict(
                memory=4, misaligned=3, cross_store=3, table=10, mprv=6, atomic=2, loop=2
            ),
            "virtual": dict(
                memory=3, hypervisor=12, table=8, cross_store=2, change_mode=3, mprv=4, loop=2
            ),
            "guest_csr": dict(csr_read=5, csr_write=5, change_mode=4, hypervisor=6, returns=3),
            "interrupts": dict(
                interrupt=20, csr_write=2, change_mode=3, returns=2, wait=4, clint=10
            ),
            "pmp": dict(
                memory=5, atomic=2, misaligned=0, cross_store=0, table=2, mprv=5, hypervisor=2
            ),
        }[self.profile].items():
            weights[name] *= factor
        if self.pmp:
            weights["misaligned"] = weights["cross_store"] = 0
        if self.mode == M_MODE:
            weights["m_work"] *= 3
        if not self.tables:
            weights["table"] = 0
        names = list(weights)
        for _ in range(self.rng.randrange(20, 55)):
            if len(self.code.data) > CODE_LIMIT - 1600:
                break
            getattr(self, self.rng.choices(names, list(weights.values()))[0])()

    def guard(self, following: int):
        """Let a trap in the next `following` bytes go on behind them."""
        self.code.op("auipc", rd=27)
        self.code.op("addi", rd=27, rs1=27, imm=8 + following)

    def guarded(self, name: str, **fields: int):
        self.guard(BY_NAME[name].length)
        self.code.op(name, **fields)

    def guarded_block(self, emit):
        """Emit several instructions of which a trap skips the rest."""
        start = len(self.code.data)
        self.guard(0)
        emit()
        size = len(self.code.data) - start - 8
        patch = Code(0)
        patch.op("addi", rd=27, rs1=27, imm=8 + size)
        self.code.data[start + 4 : start + 8] = patch.data

    def any_register(self) -> int:
        return self.rng.choice(FREE + [0, 8, 9])

    def alu(self):
        for _ in range(self.rng.randrange(1, 5)):
            self.alu_instruction()

    def alu_instruction(self):
        rng = self.rng
        row = rng.choice(ALU)
        fields = {}
        for name, field in row.fields.items():
            if name in ("rd", "rd'"):
                low = field.name.endswith("'")
                fields["rd"] = rng.choice(FREE_COMPRESSED if low else FREE)
            elif name in ("rs1", "rs2", "rs1'", "rs2'"):
                low = field.name.endswith("'")
                fields[name.rstrip("'")] = rng.choice(FREE_COMPRESSED if low else FREE + [8, 9, 20])
            else:
                fields[name] = field_value(rng, field)
        if row.name == "c.addi16sp":
            fields.pop("rd", None)
        self.code.op(row.name, **fields)

    def branch(self):
        rng = self.rng
        label = self.new_label()
        if rng.random() < 0.3:
            name = rng.choice(["c.beqz", "c.bnez"])
            self.code.jump(name, label, rs1=rng.choice(FREE_COMPRESSED))
        else:
            self.code.jump(
                rng.choice(BRANCHES), label, rs1=self.any_register(), rs2=self.any_register()
            )
        for _ in range(rng.randrange(0, 3)):
            self.alu_instruction()
        self.code.label(label)

    def new_label(self) -> str:
        self.labels += 1
        return f"label{self.labels}"

    def jump(self):
        rng, code = self.rng, self.code
        kind = rng.randrange(3)
        label = self.new_label()
        if kind == 0:
            code.jump("jal", label, rd=rng.choice([0, 1, 5]))
        elif kind == 1:
            code.jump("c.j", label)
        else:
            register = rng.choice([6, 7, 10])
            filler = 2 * rng.randrange(0, 4)
            code.op("auipc", rd=register)
            low = rng.randrange(2)  # the lowest bit of a target is ignored
            if rng.random() < 0.5:
                code.op("jalr", rd=rng.choice([0, 1, register]), rs1=register, imm=8 + filler + low)
            else:
                code.op("addi", rd=register, rs1=register, imm=10 + filler + low)
                code.op(rng.choice(["c.jr", "c.jalr"]), rs1=register)
            for _ in range(filler // 2):
                code.op("c.nop")
        if kind < 2:
            for _ in range(rng.randrange(0, 3)):
                self.alu_instruction()
            code.label(label)

    def pointer(self) -> int:
        weights = [
            3,
            4 if self.tables else 1,
            2 if self.tables else 0.3,
            2 if self.tables else 0.3,
            1,
        ]
        return self.rng.choices(list(POINTERS), weights)[0]

    def memory(self):
        rng = self.rng
        for _ in range(rng.randrange(1, 4)):
            register = self.pointer()
            if rng.random() < 0.15 and register in (8, 9):
                self.compressed_access(register)
            elif rng.random() < 0.55:
                name = rng.choice(list(LOADS))
                offset = self.offset(LOADS[name])
                self.guarded(name, rd=rng.choice(FREE), rs1=register, imm=offset)
            else:
                name = rng.choice(list(STORES))
                offset = self.offset(STORES[name])
                self.guarded(name, rs2=self.any_register(), rs1=register, imm=offset)

    def compressed_access(self, register: int):
        rng = self.rng
        name = rng.choice(["c.lw", "c.ld", "c.sw", "c.sd"])
        offset = rng.randrange(BY_NAME[name].fields["uimm"].high + 1)
        offset &= -BY_NAME[name].fields["uimm"].step
        self.guarded(name, rd=rng.choice(FREE_COMPRESSED), rs2=10, rs1=register, uimm=offset)

    def offset(self, size: int) -> int:
        """An aligned distance from the middle of the page that stays in the page."""
        return size * self.rng.randrange(-2048 // size, 2048 // size)

    def misaligned(self):
        """Misaligned loads and stores in a page, and loads across its ends."""
        rng = self.rng
        register = self.rng.choice([8, 9, 18, 19])
        if rng.random() < 0.5:
            name = rng.choice(["lh", "lw", "ld", "lhu", "lwu"])
            offset = rng.choice([rng.randrange(-2048, 2048), 2048 - rng.randrange(1, LOADS[name])])
            self.guarded(name, rd=rng.choice(FREE), rs1=register, imm=min(offset, 2047))
        else:
            name = rng.choice(["sh", "sw", "sd"])
            offset = rng.randrange(-2048, 2048 - STORES[name])
            self.guarded(name, rs2=self.any_register(), rs1=register, imm=offset)

    def cross_store(self):
        """A store across a page boundary and a load of the same bytes, or neither."""
        rng = self.rng
        name = rng.choice(["sh", "sw", "sd"])
        offset = -rng.randrange(1, STORES[name])

        def emit():
            self.code.op(name, rs2=self.any_register(), rs1=CROSS, imm=offset)
            self.code.op("l" + name[1], rd=rng.choice(FREE), rs1=CROSS, imm=offset)

        self.guarded_block(emit)

    def address(self, size: int) -> int:
        """A register that now holds a pointer plus something, mostly aligned to `size`."""
        rng = self.rng
        offset = self.offset(size)
        if rng.random() < 0.1:
            offset = min(offset + rng.randrange(size), 2047)
        register = rng.choice([22, 24])
        self.code.op("addi", rd=register, rs1=self.pointer(), imm=offset)
        return register

    def atomic(self):
        rng = self.rng
        name = rng.choice(ATOMICS)
        register = self.address(4 if name.endswith("w") else 8)
        order = dict(aq=rng.randrange(2), rl=rng.randrange(2))
        rd = rng.choice(FREE + [0])
        self.guarded(name, rd=rd, rs1=register, rs2=self.any_register(), **order)

    def lr_sc(self):
        rng = self.rng
        size = rng.choice(["w", "d"])
        register = self.address(8)
        self.guarded("lr." + size, rd=rng.choice(FREE[:-2]), rs1=register)
        for _ in range(rng.randrange(3)):
            rng.choice([self.alu_instruction, self.alu_instruction, self.memory, self.csr_read])()
        if rng.random() < 0.2:
            register = self.address(8)
        elif rng.random() < 0.1:
            self.code.op("addi", rd=register, rs1=register, imm=4)
            size = "w"
        if rng.random() < 0.1:
            size = "d" if size == "w" else "w"
        rd = rng.choice(FREE[:-2])
        self.guarded("sc." + size, rd=rd, rs1=register, rs2=self.any_register())

    def csr_number(self) -> int:
        rng = self.rng
        kind = rng.random()
        if kind < 0.12:
            return rng.choice(ABSENT)
        names = [name for name in CSR if not name.startswith(OTHERWISE_READ)]
        if kind < 0.2:
            names = ["pmpcfg0", "pmpcfg2", "pmpaddr0", "pmpaddr15", "mhpmcounter3", "mhpmevent31"]
        return CSR[rng.choice(names)]

    def csr_read(self):
        rng = self.rng
        number = self.csr_number()
        rd = 29 if number in UNCOMPARED else rng.choice(FREE)
        name = rng.choice(["csrrs", "csrrc", "csrrsi", "csrrci"])
        self.guarded(name, rd=rd, csr=number, rs1=0, zimm=0)

    def csr_write(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.45:
            names = HARMLESS
        elif kind < 0.55:
            names = INTERRUPT_BITS
        elif kind < 0.6:
            names = READ_ONLY + ["cycle", "time"]
        else:
            names = ["mstatus", "sstatus", "vsstatus", "hstatus", "medeleg", "hedeleg", "hvip"]
            names += ["satp", "vsatp", "hgatp", "menvcfg", "henvcfg"]
            if self.timers:
                names += [self.timer]
        name = rng.choice(names)
        number = CSR[name]
        rd = 29 if number in UNCOMPARED else rng.choice(FREE + [0])
        if name in HARMLESS and rng.random() < 0.3:
            immediate = rng.choice(["csrrwi", "csrrsi", "csrrci"])
            self.guarded(immediate, rd=rd, csr=number, zimm=rng.randrange(32))
        else:
            register = rng.choice([6, 7, 10])
            self.code.li(register, self.csr_value(name))
            whole = ["csrrw"] if name in ("satp", "vsatp", "hgatp", "menvcfg", "henvcfg") else []
            self.guarded(
                rng.choice(whole or ["csrrw", "csrrs", "csrrc"]), rd=rd, csr=number, rs1=register
            )
        if name in (
            "satp",
            "vsatp",
            "hgatp",
            "menvcfg",
            "henvcfg",
            "mstatus",
            "vsstatus",
            "sstatus",
        ):
            self.fences()
        if rng.random() < 0.5 and number not in UNCOMPARED:
            self.guarded("csrrs", rd=rng.choice(FREE), csr=number, rs1=0)

    def fences(self):
        for name in ("sfence.vma", "hfence.vvma", "hfence.gvma"):
            self.guarded(name)

    def fence(self):
        rng = self.rng
        name = rng.choice(["fence", "fence.i", "sfence.vma", "hfence.vvma", "hfence.gvma"])
        if "vma" in name:
            fields = dict(rs1=rng.choice([0, 8, 9]), rs2=rng.choice([0, 0, 10]))
        else:
            fields = dict(pred=rng.randrange(16), succ=rng.randrange(16)) if name == "fence" else {}
        self.guarded(name, **fields)

    def illegal(self):
        rng = self.rng
        reserved = [0x0000_0000, 0xFFFF_FFFF, 0x0020_0073, 0x7B20_0073, 0x7020_0073, 0x1600_0073]
        reserved += [0x0000_200F, 0xF200_0053, 0x0000_2007, 0x6000_1013, 0x0E00_5033, 0x1014_252F]
        reserved += [0x0010_00F3, 0x1020_00F3, 0x1200_00F3, 0x0000_4073, 0x6000_4073 | 4 << 20]
        short = [0x0000, 0x8000, 0x9C41, 0x9CC1, 0x2000, 0xA000, 0x2001, 0x6001, 0x6101, 0x4002]
        short += [0x6002, 0x8002, 0x2002, 0xA002, 0x9002]
        if rng.random() < 0.5:
            self.guard(2)
            self.code.word(rng.choice(short), 2)
        else:
            self.guard(4)
            word = rng.choice(reserved)
            self.code.word(word)

    def call(self):
        rng = self.rng
        self.code.li(17, rng.choice([SERVICE, 0, 1]))
        self.guarded(rng.choice(["ecall", "ecall", "ebreak", "c.ebreak"]))

    def address_for(self, register: int, mode: int):
        """Turn the resume address of M or S in `register` into one that `mode` can execute at."""
        translated = self.vsatp_on if mode == VU_MODE else self.satp_on
        if mode in (U_MODE, VU_MODE) and translated:
            self.code.li(SCRATCH, ALIAS - self.base)
            self.code.op("add", rd=register, rs1=register, rs2=SCRATCH)

    def enter(self, mode: int):
        """From M-mode (elsewhere it traps and goes on) to `mode` with MRET."""
        rng, code = self.rng, self.code

        def emit():
            code.op("addi", rd=29, rs1=27, imm=0)
            self.address_for(29, mode)
            code.op("csrrw", csr=CSR["mepc"], rs1=29)
            code.li(SCRATCH, 3 << 11 | 1 << 39)
            code.op("csrrc", csr=CSR["mstatus"], rs1=SCRATCH)
            chosen = (mode & 3) << 11 | (mode >> 2) << 39
            if rng.random() < 0.6:
                chosen |= self.mstatus() & (1 << 7 | 1 << 18 | 1 << 19 | 1 << 5 | 1 << 8)
            if rng.random() < 0.1:
                chosen |= self.mstatus() & (1 << 20 | 1 << 22)
            code.li(SCRATCH, chosen)
            code.op("csrrs", csr=CSR["mstatus"], rs1=SCRATCH)
            code.op("mret")

        self.guarded_block(emit)

    def returns(self):
        """SRET from M, HS or VS."""
        rng, code = self.rng, self.code
        mode = rng.choice([U_MODE, S_MODE])
        virtual = VS_MODE in self.modes and rng.random() < 0.6

        def emit():
            code.op("addi", rd=29, rs1=27, imm=0)
            self.address_for(29, mode + 4 if virtual else mode)
            code.op("csrrw", csr=CSR["sepc"], rs1=29)
            code.li(SCRATCH, 1 << 8)
            code.op("csrrs" if mode == S_MODE else "csrrc", csr=CSR["sstatus"], rs1=SCRATCH)
            if virtual:
                code.op("csrrsi", rd=0, csr=CSR["hstatus"], zimm=0)
                code.li(SCRATCH, 1 << 7)
                code.op("csrrs", csr=CSR["hstatus"], rs1=SCRATCH)
            code.op("sret")

        self.guarded_block(emit)

    def change_mode(self):
        """Ask M-mode in, and go on in another mode."""
        rng = self.rng
        self.code.li(17, SERVICE)
        self.guarded("ecall")
        if rng.random() < 0.5:
            self.m_work()
        mode = rng.choice(self.modes)
        if mode != M_MODE:
            self.enter(mode)

    def service_work(self):
        for _ in range(self.rng.randrange(1, 3)):
            self.swapped()

    def m_work(self):
        self.rng.choice([self.swapped, self.csr_write, self.mprv])()

    def swapped(self):
        """Write a register that the program depends on, read it, and put it back: in M-mode."""
        rng, code = self.rng, self.code
        name = rng.choice(SWAPPED)
        number = CSR[name]
        value = corner(rng)
        if name == "sstatus" or name == "vsstatus":
            value &= ~(0x1_FE00 & ~(1 << 8))
        if name in ("menvcfg", "henvcfg"):
            value = value & ~(1 << 63) | (self.menvcfg if name == "menvcfg" else self.henvcfg)
        if name == "pmpcfg0":
            value &= 0x7F7F_7F7F_7F7F_7F7F  # locked entries cannot be put back
        code.li(6, value)

        def emit():
            code.op("csrrci", rd=29, csr=CSR["mstatus"], zimm=8)
            code.op("csrrw", rd=28, csr=number, rs1=6)
            code.op("csrrs", rd=7, csr=number, rs1=0)
            code.op("csrrw", csr=number, rs1=28)
            code.op("csrrs", rd=7, csr=number, rs1=0)

        self.guarded_block(emit)

    def patch(self):
        """Overwrite an instruction, order the fetch behind the store, and execute it."""
        rng, code = self.rng, self.code
        words = [BY_NAME[name].match | rng.choice(FREE) << 7 for name in ("addi", "xori", "ori")]
        word = rng.choice(words) | rng.getrandbits(12) << 20 | rng.choice(FREE) << 15
        code.li(6, word)

        def ahead():
            code.op("auipc", rd=7)
            distance = 12 if rng.random() < 0.8 else 16
            code.op("sw", rs1=7, rs2=6, imm=distance)
            code.op("fence.i")
            code.op("addi", rd=10, rs1=10, imm=rng.randrange(-2048, 2048))
            code.op("addi", rd=11, rs1=11, imm=rng.randrange(-2048, 2048))

        def behind():  # the second time round, it has been executed and decoded before
            code.li(COUNTER, 2)
            code.op("auipc", rd=7)
            code.op("addi", rd=10, rs1=10, imm=rng.randrange(-2048, 2048))
            code.op("addi", rd=11, rs1=11, imm=rng.randrange(-2048, 2048))
            code.op("sw", rs1=7, rs2=6, imm=rng.choice([4, 8]))
            code.op("fence.i")
            code.op("addi", rd=COUNTER, rs1=COUNTER, imm=-1)
            code.op("bne", rs1=COUNTER, rs2=0, offset=-20)

        self.guarded_block(rng.choice([ahead, behind]))

    def loop(self):
        """Do the same a few times, so that translations and decoded instructions are met again."""
        rng, code = self.rng, self.code
        code.li(COUNTER, rng.randrange(2, 5))
        start = code.here
        for _ in range(rng.randrange(1, 4)):
            rng.choice([self.alu, self.alu, self.memory, self.csr_read, self.atomic])()
        code.op("addi", rd=COUNTER, rs1=COUNTER, imm=-1)
        code.op("bne", rs1=COUNTER, rs2=0, offset=start - code.here)

    def wait(self):
        """From M-mode into WFI in another mode, where it traps or finds an interrupt pending."""
        rng, code = self.rng, self.code
        mode = rng.choice(self.modes)
        traps = 1 << 21 if mode == VS_MODE or rng.random() < 0.3 else 0  # TW
        if mode == VS_MODE and rng.random() < 0.5:
            traps = 0  # VTW does it

        def emit():
            code.op("csrrci", csr=CSR["mstatus"], zimm=10)
            code.op("csrrsi", csr=CSR["mideleg"], zimm=2)
            code.op("csrrwi", csr=CSR["mie"], zimm=2)
            code.op("csrrwi", csr=CSR["mip"], zimm=2)
            if mode != M_MODE:
                code.li(SCRATCH, 1 << 21)
                code.op("csrrs", csr=CSR["hstatus"], rs1=SCRATCH)
                code.li(SCRATCH, 3 << 11 | 1 << 39 | 1 << 21)
                code.op("csrrc", csr=CSR["mstatus"], rs1=SCRATCH)
                code.li(SCRATCH, (mode & 3) << 11 | (mode >> 2) << 39 | traps)
                code.op("csrrs", csr=CSR["mstatus"], rs1=SCRATCH)
                code.op("addi", rd=29, rs1=27, imm=-4)
                self.address_for(29, mode)
                code.op("csrrw", csr=CSR["mepc"], rs1=29)
                code.op("mret")
            code.op("wfi")

        self.guarded_block(emit)
        if traps:
            self.code.li(17, SERVICE)
            self.guarded("ecall")
            code.li(7, 1 << 21)
            self.guarded("csrrc", csr=CSR["mstatus"], rs1=7)

    def clint(self):
        """In M-mode: raise an interrupt through the CLINT, take it, and lower it."""
        rng, code = self.rng, self.code
        address, name = rng.choice([(CLINT_MSIP, "sw"), (CLINT_MTIMECMP, "sd")])
        raised, lowered = (1, 0) if address == CLINT_MSIP else (0, MASK64)

        def emit():
            code.op("csrrci", csr=CSR["mstatus"], zimm=8)
            code.li(7, rng.getrandbits(13))
            code.op("csrrw", csr=CSR["mie"], rs1=7)
            code.li(6, address)
            code.li(7, raised)
            code.op(name, rs1=6, rs2=7)
            code.op("csrrs", rd=10, csr=CSR["mip"], rs1=0)
            code.op("csrrsi", csr=CSR["mstatus"], zimm=8)
            code.op("csrrci", csr=CSR["mstatus"], zimm=8)
            code.li(7, lowered)
            code.op(name, rs1=6, rs2=7)
            code.op("csrrs", rd=10, csr=CSR["mip"], rs1=0)

        self.guarded_block(emit)

    def table(self):
        """Change or read a page-table entry, through the identity map."""
        rng, code = self.rng, self.code
        leaf = rng.choice([S_LEAF, V_LEAF, G_LEAF])
        middle = {S_LEAF: S_MIDDLE, V_LEAF: V_MIDDLE, G_LEAF: G_MIDDLE}[leaf]
        offset = leaf + 8 * rng.randrange(2, SLOT_PAGES)
        value = self.tables[offset]
        if rng.random() < 0.2:
            offset = middle + 8
            value = self.tables[offset]
        if rng.random() < 0.7:
            value ^= 1 << rng.choice([0, 1, 2, 3, 4, 6, 7, 6, 7])
        else:
            value = value & ~0x3FF | self.flags(0.3)
        if offset == middle + 8:
            value = self.large(value)
        code.li(6, offset)
        code.op("add", rd=6, rs1=6, rs2=25)
        code.li(7, value)
        if rng.random() < 0.3:
            self.guarded("ld", rd=10, rs1=6)
        # An entry is changed only where the fences that must follow are allowed: HS and M, or VS.
        fences = ["hfence.vvma", "hfence.gvma", "sfence.vma"]
        if leaf == V_LEAF and rng.random() < 0.5:
            fences = ["sfence.vma"]

        def emit():
            for name in fences:
                code.op(name)
            code.op("sd", rs1=6, rs2=7)
            for name in fences:
                code.op(name)

        self.guarded_block(emit)
        self.fences()
        self.memory()

    def interrupt(self):
        """Raise, allow and forbid interrupts at all levels."""
        rng = self.rng
        for _ in range(rng.randrange(1, 4)):
            names = INTERRUPT_BITS + ["mie", "sie", "hie", "vsie", "mideleg", "hideleg"]
            names += ["mstatus", "sstatus", "vsstatus"]
            if self.timers:
                names += [self.timer]
            name = rng.choice(names)
            if name.endswith("status"):
                bits = {"mstatus": 8, "sstatus": 2, "vsstatus": 2}[name]
                setter = rng.choice(["csrrsi", "csrrsi", "csrrci"])
                self.guarded(setter, rd=0, csr=CSR[name], zimm=bits)
                continue
            self.code.li(6, self.csr_value(name))
            write = "csrrw" if "timecmp" in name else rng.choice(["csrrw", "csrrs", "csrrc"])
            self.guarded(write, rd=rng.choice(FREE), csr=CSR[name], rs1=6)
            self.guarded("csrrs", rd=rng.choice(FREE), csr=CSR[name], rs1=0)

    def hypervisor(self):
        """Loads and stores as the guest would, from any mode."""
        rng = self.rng
        for _ in range(rng.randrange(1, 4)):
            if rng.random() < 0.6:
                name = rng.choice(HLV)
                size = {"b": 1, "h": 2, "w": 4, "d": 8}[name.split(".")[1][0]]
                self.guarded(name, rd=rng.choice(FREE[:-2]), rs1=self.address(size))
            else:
                name = rng.choice(HSV)
                size = {"b": 1, "h": 2, "w": 4, "d": 8}[name.split(".")[1][0]]
                self.guarded(name, rs1=self.address(size), rs2=self.any_register())

    def wild(self):
        """Jump to where nothing is."""
        rng = self.rng
        targets = [0, 2, 0x2000, 0x4000_0000 - 2, 0x8100_0000, 1 << 38, 1 << 56, MASK64 - 1]
        self.code.li(7, rng.choice(targets))
        self.guarded("jalr", rd=rng.choice([0, 1]), rs1=7, imm=rng.choice([0, 1, 2]))

    def mprv(self):
        """In M-mode: access memory with the rights of another mode."""
        rng, code = self.rng, self.code
        mode = rng.choice([U_MODE, S_MODE, VS_MODE, VU_MODE, M_MODE])
        bits = 1 << 17 | (mode & 3) << 11 | (mode >> 2) << 39
        name = rng.choice(["ld", "lw", "lbu", "sw", "sd", "amoadd.w", "lr.d"])
        register = self.address(8)
        code.li(6, 3 << 11 | 1 << 39)
        code.li(7, bits)

        def emit():
            code.op("csrrc", csr=CSR["mstatus"], rs1=6)
            code.op("csrrs", rd=28, csr=CSR["mstatus"], rs1=7)
            code.op(name, rd=rng.choice(FREE[:-2]), rs1=register, rs2=10)

        self.guarded_block(emit)
        code.li(6, 1 << 17)
        self.guarded("csrrc", csr=CSR["mstatus"], rs1=6)


__all__ = ["CSR_NAMES", "PROFILES", "Program"]
