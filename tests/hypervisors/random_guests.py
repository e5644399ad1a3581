"""Random guests for hypervisors, each from one number, its seed.

A guest is a kernel (kernel.py), up to three address spaces with random rights, and a random stream
of pieces: arithmetic, memory, atomics, CSRs, page-table edits, switches of the address space,
devices, interrupts, self-modifying code. The stream hops between user and supervisor mode (and
machine mode, if the guest began there) and runs one to three times, so that what a hypervisor has
remembered of the first time is put to the test by the next.

Memory of every address space, when translation is on:

    0x0000_0000 + x   the devices, as one 1 GiB page
    0x4000_0000 + x   page x / 4096 of RAM, random rights; here user code runs
    0x4020_0000 + x   the first 2 MiB of RAM as one superpage, random rights
    0x8000_0000 + x   RAM itself, for the kernel, in pages of one of the three sizes
    0xC000_0000 + x   RAM as one 1 GiB page, random rights

What the guests avoid, because two correct machines may differ in it: an edit of a page table that
is not followed by the fence the architecture asks for (so no page-table page is mapped writable but
for the kernel), global mappings that are not the same everywhere, stores to code without fence.i.
"""

import random
from dataclasses import dataclass

from tests.conformance.choices import (
    CORNERS,
    COUNTER,
    FREE,
    SCRATCH,
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
from tests.conformance.choices import CSR as NUMBERS
from tests.conformance.code import MASK64, Code, elf
from tests.conformance.snippets import Snippets
from tests.hypervisors import kernel
from tests.hypervisors.kernel import (
    ALIAS,
    BASE,
    BUFFERS,
    CODE,
    DATA,
    FLAGS,
    LEAF,
    NOTES,
    PAGES,
    QUEUE,
    SERVICE,
    SPACES,
    SPARE,
    TABLE_PAGES,
    TABLES,
)

RAM_BYTES = 1 << 20
SUPERPAGE, GIGAPAGE = 0x4020_0000, 0xC000_0000
CODE_ROOM = DATA - CODE - 600
DISK_BYTES = 32 << 10
STEPS_PER_TICK = 3
MOST_STEPS = 30_000
SV39 = 8 << 60
ALL = V | R | W | X | A | D
UART, VIRTIO, PLIC, CLINT, FINISHER = 0x1000_0000, 0x1000_1000, 0xC00_0000, 0x200_0000, 0x10_0000

# fmt: off
WEIGHTS = dict(
    alu=4, branch=2, jump=1, memory=5, misaligned=0.8, cross_store=0.5, atomic=2, lr_sc=1.5,
    csr_read=2, csr_write=2, illegal=0.7, call=1, fence=0.7, change_mode=2.5, patch=0.7, loop=1.5,
    table=2.5, switch_space=1, bare_phase=0.3, share_table=0.4, sleep=0.4, timer=1.2,
    software_interrupt=0.5, status=1, uart=0.6, plic=0.6, disk=0.5, disk_table=0.15, firmware=0.5,
    wild=0.3, clocks=0.8, device=0.3, copy=0.3, run_data=0.3,
)
PROFILES = {
    "user": dict(alu=3, memory=2, atomic=2, loop=3, change_mode=0.5, call=2),
    "paging": dict(table=4, switch_space=3, memory=2, share_table=3, disk_table=3, copy=3, loop=2),
    "interrupts": dict(timer=5, software_interrupt=5, sleep=4, status=3, plic=3, uart=3),
    "devices": dict(uart=5, plic=4, disk=6, device=4, disk_table=2),
    "code": dict(patch=6, loop=4, run_data=6, branch=2, jump=3),
    "privileged": dict(csr_read=4, csr_write=4, fence=3, illegal=2, status=3, clocks=3),
    "wild": dict(wild=12, device=4, illegal=3),
}
SHARES = dict(user=2, paging=4, interrupts=3, devices=2, code=2, privileged=3, wild=1)
READ = """
    sstatus sie stvec scounteren senvcfg sscratch sepc scause stval sip satp stimecmp cycle time
    instret mstatus medeleg mideleg mie mip mtvec mcounteren menvcfg mscratch mepc mcause mtval
    mhartid mvendorid mcycle minstret mcountinhibit pmpcfg0 pmpcfg2 pmpaddr0 pmpaddr3 hpmcounter3
""".split()
ABSENT = [0x001, 0x105 + 0x200, 0x7C0, 0x5C0, 0x9FF, 0xC1F, 0xFFF, 0x010, 0x1FF]
WRITTEN = "sscratch scause stval sscratch scounteren senvcfg sip sie sstatus".split()
M_WRITTEN = """
    mscratch mcause mtval mcounteren mcountinhibit mideleg mie mip minstret mcycle mstatus
""".split()
# fmt: on


@dataclass(frozen=True)
class Setting:
    """How the machine is made that runs a guest."""

    firmware: str = "sbi"  # or "none": the guest starts in M-mode
    adue: bool = True

    def options(self) -> dict:
        return dict(
            ram=RAM_BYTES,
            firmware=self.firmware,
            adue=self.adue,
            steps_per_tick=STEPS_PER_TICK,
            disk=disk(),
        )


SETTINGS = [Setting(), Setting(adue=False), Setting("none")]


def disk() -> bytes:
    """Sectors of random bytes; from the eighth on, pieces of page tables."""
    rng = random.Random("disk")
    data = bytearray(rng.randbytes(DISK_BYTES))
    for sector in range(8, 16):
        for k in range(64):
            page = rng.randrange(TABLES >> 12)
            flags = rng.choice([0, V | R | A, ALL, ALL | U, V | R | W | U | A, V | X | A, V | R])
            if CODE >> 12 <= k < DATA >> 12:
                page, flags = k, ALL | U
            if page < CODE >> 12:
                flags &= ~W
            entry = (BASE >> 12) + page << 10 | flags
            data[512 * sector + 8 * k : 512 * sector + 8 * k + 8] = entry.to_bytes(8, "little")
    return bytes(data)


class Guest(Snippets):
    """One random guest.

    Attributes
    ----------
    seed : int
    profile : str, what it is mostly about
    setting : Setting, of the machine it wants
    typed : bytes, typed at the console before it starts
    image : bytes, an ELF file
    """

    def __init__(self, seed: int, starts_in_m: bool | None = None):
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.profile = rng.choices(list(SHARES), list(SHARES.values()))[0]
        in_m = rng.random() < 0.2 if starts_in_m is None else starts_in_m
        adue = rng.random() < 0.6
        self.setting = Setting("none") if in_m else Setting("sbi", adue)
        self.in_m = in_m
        self.base = BASE
        self.code = Code(BASE + CODE)
        self.tables = {}  # offset in RAM -> entry
        self.labels = 0
        self.pmp = False
        self.user = False  # whether the stream is probably in user mode
        self.paged = rng.random() < 0.9
        self.satp_on = self.paged
        self.vsatp_on = False
        self.timers = True
        self.timer_csr = "stimecmp"
        self.modes = [0, 1, 3] if in_m else [0, 1]
        self.typed = rng.randbytes(rng.randrange(12)) if rng.random() < 0.3 else b""
        self.asids = rng.choice([[0, 0, 0], [1, 2, 3], [0, 1, 0xFFFF], [7, 7, 8]])
        self.shares = rng.random() < 0.4  # whether a table may hang in several places
        self.build_tables()
        self.set_up()
        self.body()
        self.end()
        words = {
            kernel.ROUNDS: rng.choice([1, 2, 2, 3]),
            kernel.INTERRUPTS: rng.choice([3, 10, 40]),
            kernel.REPAIR: rng.choice([A | D, A | D | V, A | D | V | R | X | U, V | R | A]),
            kernel.LEAF: BASE + self.leaf(0),
            kernel.DICE: rng.getrandbits(63) | 1,
            kernel.FLAGS: rng.getrandbits(6) & ~kernel.STARTS_IN_M
            | (kernel.STARTS_IN_M if in_m else 0),
        }
        if in_m:
            words[kernel.FLAGS] &= ~(kernel.TIMER_BY_SBI | kernel.ENDS_BY_SBI)
        self.repairs = words[kernel.FLAGS] & kernel.REPAIRS
        notes = bytearray(512)
        for at, value in words.items():
            notes[at : at + 8] = value.to_bytes(8, "little")
        numbers = b"".join(corner(rng).to_bytes(8, "little") for _ in range(256))
        runtime = kernel.build()
        segments = [(BASE, runtime.data), (BASE + NOTES, bytes(notes))]
        segments += [(BASE + CODE, self.code.finish()), (BASE + DATA, numbers * 8)]
        segments += self.table_segments()
        self.image = elf(segments, runtime.entry, {})

    # Page tables.

    def root(self, space: int) -> int:
        return TABLES + (space * TABLE_PAGES << 12)

    def middle(self, space: int) -> int:
        return self.root(space) + 0x1000

    def leaf(self, space: int) -> int:
        return self.root(space) + 0x2000

    def entry(self, offset: int, target: int, flags: int):
        self.tables[offset] = target >> 12 << 10 | flags

    def flags(self, usable: float = 0.5) -> int:
        """Random rights of a leaf; with probability `usable` all of them."""
        rng = self.rng
        if rng.random() < usable:
            return ALL | U
        flags = V if rng.random() < 0.93 else 0
        flags |= rng.choice([R, R | W, X, R | X, R | W | X, R | W | X, W, W | X, R])
        for bit, chance in ((U, 0.6), (A, 0.7), (D, 0.6), (1 << 8, 0.1), (1 << 9, 0.1)):
            if rng.random() < chance:
                flags |= bit
        if rng.random() < 0.03:
            flags |= rng.choice([1 << 54, 1 << 60, 1 << 61, 1 << 62, 1 << 63])
        return flags

    def leaf_entry(self, page: int) -> int:
        """A random entry for a page of the alias: page-table pages only to be read."""
        rng = self.rng
        target = BASE + (page << 12)
        code = CODE >> 12 <= page < DATA >> 12
        flags = self.flags(0.93 if code else 0.45)
        if not code and rng.random() < 0.2:
            target = BASE + (rng.randrange(PAGES) << 12)
        elif not code and rng.random() < 0.04:
            target = rng.choice([0x3000_0000, 0x8100_0000, UART, PLIC, FINISHER, 0xFFF_FFFF_F000])
        at = target - BASE
        if 0 <= at < CODE or TABLES <= at < PAGES << 12 or QUEUE <= at < BUFFERS:
            flags &= ~W
            if not flags & X:
                flags |= R
        return target >> 12 << 10 | flags

    def large(self, target: int) -> int:
        """An entry for a superpage that holds everything, so it must not be writable for users."""
        flags = self.flags(0.4)
        if not flags & (R | X):
            flags |= R
        if flags & U or self.rng.random() < 0.5:
            flags &= ~W
        return target >> 12 << 10 | flags

    def build_tables(self):
        rng = self.rng
        size = rng.choice(["giga", "mega", "page", "mixed"])
        common = G if rng.random() < 0.5 else 0
        for space in range(SPACES):
            root, middle, leaf = self.root(space), self.middle(space), self.leaf(space)
            identity, pages = root + 0x3000, root + 0x4000
            kind = rng.choice(["giga", "mega", "page"]) if size == "mixed" else size
            everywhere = ALL | (common if size != "mixed" else 0)
            if kind == "giga":
                self.entry(root + 16, BASE, everywhere)
            else:
                self.entry(root + 16, BASE + identity, V)
                if kind == "mega":
                    self.entry(identity, BASE, everywhere)
                else:
                    self.entry(identity, BASE + pages, V)
                    for page in range(RAM_BYTES >> 12):
                        self.entry(pages + 8 * page, BASE + (page << 12), everywhere)
            devices = V | R | W | A | D | (U if rng.random() < 0.3 else 0)
            self.entry(root, 0, devices)
            self.entry(root + 8, BASE + middle, V)
            self.entry(middle, BASE + leaf, V)
            self.tables[middle + 8] = self.large(BASE + (0x1000 if rng.random() < 0.05 else 0))
            self.tables[root + 24] = self.large(BASE)
            for page in range(PAGES):
                self.tables[leaf + 8 * page] = self.leaf_entry(page)

    def table_segments(self):
        pages = {}
        for offset, value in self.tables.items():
            page = pages.setdefault(offset >> 12, bytearray(4096))
            page[offset & 0xFFF : (offset & 0xFFF) + 8] = (value & MASK64).to_bytes(8, "little")
        return [(BASE + (page << 12), bytes(data)) for page, data in pages.items()]

    # Beginning, body and end.

    def write(self, name: str, value: int):
        """Write a CSR of the mode the guest is in."""
        self.code.li(SCRATCH, value & MASK64)
        self.code.op("csrrw", rs1=SCRATCH, csr=NUMBERS[name])

    def satp(self, space: int = 0) -> int:
        return SV39 | self.asids[space] << 44 | (BASE + self.root(space)) >> 12

    def set_up(self):
        code, rng = self.code, self.rng
        code.li(31, kernel.PATIENCE)
        code.li(27, 0)
        symbols = kernel.build().symbols
        vectored = rng.randrange(2)
        if self.in_m:
            self.write("mtvec", symbols["m_vectors"] + rng.randrange(2))
            self.write("menvcfg", 1 << 63 | (1 << 61) * rng.randrange(2))
            self.write("mcounteren", 7 if rng.random() < 0.9 else rng.getrandbits(3))
            medeleg = rng.choice([0xB1FF, 0xB1FF, 0xB1FF & rng.getrandbits(16), 0])
            self.write("medeleg", medeleg & ~(1 << 9))
            self.write("mideleg", rng.choice([0x222, 0x222, 0, rng.getrandbits(12)]))
            self.set_up_pmp()
            self.write("mie", rng.choice([0, 0, 0x88, 0x888]))
        self.write("stvec", symbols["s_vectors"] + vectored)
        self.write("scounteren", 7 if rng.random() < 0.7 else rng.getrandbits(3))
        self.write("stimecmp", MASK64)
        if rng.random() < 0.6 or self.profile == "interrupts":
            self.write("sie", rng.choice([0x222, 0x222, 0x20, rng.getrandbits(10)]))
        if self.paged:
            self.write("satp", self.satp())
            if rng.random() < 0.8 or not self.in_m:
                code.op("sfence.vma")
        if rng.random() < 0.5 or self.profile == "interrupts":
            self.set_timer(rng.randrange(400))
        self.fill_registers()
        if self.in_m:
            if rng.random() < 0.9:
                self.enter(rng.choice([0, 1]))
        elif rng.random() < 0.5:
            self.to_user()

    def set_up_pmp(self):
        """All memory for all modes; sometimes with a hole, locked or not."""
        rng, code = self.rng, self.code
        config = 0
        if rng.random() < 0.3:
            at = BASE + DATA + 0x2000 + rng.randrange(0, 0x1000, 8)
            self.write("pmpaddr3", at >> 2 | rng.choice([0, 1, 3, 511]))
            config = (0x18 | rng.getrandbits(3)) << 24
        self.write("pmpaddr7", MASK64)
        self.write("pmpcfg0", 0x1F << 56 | config)
        code.op("sfence.vma")

    def fill_registers(self):
        """Random numbers from the data pages in the free registers, addresses in the pointers."""
        code, rng = self.code, self.rng
        code.li(5, BASE + DATA)
        for register in FREE:
            if register != 5:
                code.op("ld", rd=register, rs1=5, imm=8 * rng.randrange(256))
        page = DATA + 0x1800  # the middle of the second data page
        code.li(8, BASE + page)
        code.li(9, ALIAS + page if self.paged else BASE + page + 0x1000)
        code.li(18, SUPERPAGE + page)
        code.li(19, GIGAPAGE + page)
        odd = [0, MASK64 - 7, 1 << 38, (1 << 39) - 8, -(1 << 38), 1 << 41, 0x7FFF_FFF8, 0x8100_0000]
        odd += [1 << 56, ALIAS + 0x1F_0000, ALIAS + NOTES, ALIAS + self.leaf(0), corner(rng)]
        code.li(20, rng.choice(odd) & MASK64)
        boundary = DATA + 0x3000
        code.li(21, rng.choice([BASE, ALIAS if self.paged else BASE]) + boundary)
        code.op("ld", rd=5, rs1=5)

    def body(self):
        weights = dict(WEIGHTS)
        if self.in_m:
            weights |= dict(m_work=2, mprv=1, clint=0.7)
        for name, factor in PROFILES[self.profile].items():
            weights[name] *= factor
        if not self.shares:
            weights["share_table"] = 0
        if not self.paged:
            for name in ("table", "switch_space", "share_table", "disk_table", "bare_phase"):
                weights[name] = 0
        names, shares = list(weights), list(weights.values())
        for _ in range(self.rng.randrange(10, 60)):
            if len(self.code.data) > CODE_ROOM - 1200:
                break
            getattr(self, self.rng.choices(names, shares)[0])()

    def end(self):
        """Ask for the end of the round, from whatever mode."""
        code = self.code
        code.li(31, 0)
        code.op("ecall")
        if not self.in_m:  # in S-mode that was a call to the firmware
            code.li(27, 0)
            code.op("ebreak")
        assert len(code.data) < DATA - CODE, "the guest does not fit in its code pages"

    # Modes.

    def address_for(self, register: int, mode: int):
        if mode == 0 and self.paged:
            self.code.li(SCRATCH, BASE - ALIAS)
            self.code.op("sub", rd=register, rs1=register, rs2=SCRATCH)

    def to_user(self):
        """From S-mode (or M-mode; elsewhere it traps and goes on) to U-mode."""
        code, rng = self.code, self.rng

        def emit():
            code.op("csrrci", csr=NUMBERS["sstatus"], zimm=2)
            code.op("addi", rd=29, rs1=27, imm=0)
            self.address_for(29, 0)
            code.op("csrrw", csr=NUMBERS["sepc"], rs1=29)
            code.li(SCRATCH, 1 << 8)
            code.op("csrrc", csr=NUMBERS["sstatus"], rs1=SCRATCH)
            if rng.random() < 0.7:
                code.op("csrrsi", csr=NUMBERS["sstatus"], zimm=0)
                code.li(SCRATCH, self.sstatus() & ~2 & ~(1 << 8))
                code.op("csrrs", csr=NUMBERS["sstatus"], rs1=SCRATCH)
            code.op("sret")

        self.guarded_block(emit)
        self.user = True

    def to_kernel(self):
        self.code.li(17, SERVICE)
        self.guarded("ecall")
        self.user = False

    def kernel_work(self):
        """What follows is for the kernel; mostly, make it so."""
        if self.user and self.rng.random() < 0.7:
            self.to_kernel()

    def change_mode(self):
        rng = self.rng
        if self.in_m and rng.random() < 0.4:
            self.to_kernel()
            self.enter(rng.choice([0, 1, 1]))
        elif self.user:
            self.to_kernel()
        else:
            self.to_user()

    def enter(self, mode: int):
        """From M-mode (elsewhere it traps and goes on) to `mode` with MRET."""
        code = self.code

        def emit():
            code.op("csrrci", csr=NUMBERS["mstatus"], zimm=10)
            code.op("addi", rd=29, rs1=27, imm=0)
            self.address_for(29, mode)
            code.op("csrrw", csr=NUMBERS["mepc"], rs1=29)
            code.li(SCRATCH, 3 << 11)
            code.op("csrrc", csr=NUMBERS["mstatus"], rs1=SCRATCH)
            code.li(SCRATCH, mode << 11 | self.mstatus() & (0xC_0180))
            code.op("csrrs", csr=NUMBERS["mstatus"], rs1=SCRATCH)
            code.op("mret")

        self.guarded_block(emit)
        self.user = mode == 0

    def sstatus(self) -> int:
        rng = self.rng
        return sum(1 << bit for bit in (1, 5, 8, 18, 19) if rng.random() < 0.5)

    def mstatus(self) -> int:
        rng = self.rng
        value = self.sstatus()
        return value | sum(1 << bit for bit in (3, 7, 20, 21, 22) if rng.random() < 0.2)

    def status(self):
        """Change SUM, MXR, SIE and look at user memory."""
        bits = self.rng.choice([1 << 18, 1 << 19, 3 << 18, 2, 2 | 1 << 18, 1 << 19 | 2])
        self.code.li(7, bits)
        self.guarded(self.rng.choice(["csrrs", "csrrs", "csrrc"]), csr=NUMBERS["sstatus"], rs1=7)
        self.memory()

    def m_work(self):
        rng = self.rng
        if rng.random() < 0.5:
            self.to_kernel()
        name = rng.choice(M_WRITTEN)
        value = self.mstatus() if name == "mstatus" else corner(rng)
        self.code.li(6, value)
        self.guarded(
            rng.choice(["csrrw", "csrrs", "csrrc"]), rd=rng.choice(FREE), csr=NUMBERS[name], rs1=6
        )

    # CSRs.

    def csr_number(self) -> int:
        rng = self.rng
        if rng.random() < 0.08:
            return rng.choice(ABSENT)
        return NUMBERS[rng.choice(READ)]

    def csr_read(self):
        rng = self.rng
        name = rng.choice(["csrrs", "csrrc", "csrrsi", "csrrci"])
        self.guarded(name, rd=rng.choice(FREE), csr=self.csr_number(), rs1=0, zimm=0)

    def csr_write(self):
        rng = self.rng
        self.kernel_work()
        name = rng.choice(WRITTEN)
        register = rng.choice([6, 7, 10])
        if name == "sstatus":
            value = self.sstatus()
        elif name in ("sip", "sie"):
            value = rng.choice([0, 2, 0x222, 0x20, rng.getrandbits(10)])
        else:
            value = corner(rng)
        rd = rng.choice(FREE + [0])
        if rng.random() < 0.25 and name not in ("sstatus",):
            immediate = rng.choice(["csrrwi", "csrrsi", "csrrci"])
            self.guarded(immediate, rd=rd, csr=NUMBERS[name], zimm=rng.randrange(32))
        else:
            self.code.li(register, value)
            write = rng.choice(["csrrw", "csrrs", "csrrc"])
            self.guarded(write, rd=rd, csr=NUMBERS[name], rs1=register)
        if rng.random() < 0.5:
            self.guarded("csrrs", rd=rng.choice(FREE), csr=NUMBERS[name], rs1=0)

    def clocks(self):
        rng = self.rng
        for name in rng.choices(["time", "cycle", "instret"], k=rng.randrange(1, 4)):
            self.guarded("csrrs", rd=rng.choice(FREE), csr=NUMBERS[name], rs1=0)

    def fence(self):
        rng = self.rng
        name = rng.choice(["fence", "fence.i", "sfence.vma", "sfence.vma"])
        fields = dict(rs1=rng.choice([0, 8, 9]), rs2=rng.choice([0, 0, 10]))
        self.guarded(name, **(fields if name == "sfence.vma" else {}))

    # Page tables.

    def edit(self, offset: int, value: int, fence, through: int = 25):
        """Store an entry and fence it, in one piece that a trap skips."""
        code = self.code
        code.li(6, offset)
        if through != 25:
            code.li(22, GIGAPAGE - BASE)
            code.op("add", rd=6, rs1=6, rs2=22)
        code.op("add", rd=6, rs1=6, rs2=25)
        code.li(7, value & MASK64)

        def emit():
            code.op("csrrci", csr=NUMBERS["sstatus"], zimm=2)  # a user traps here, and stores not
            code.op("sd", rs1=6, rs2=7)
            fence()

        self.guarded_block(emit)

    def fence_all(self):
        rng, code = self.rng, self.code
        if rng.random() < 0.15 and not self.in_m:  # the firmware does it
            code.li(10, 0)
            code.li(11, MASK64)
            code.li(16, 1)
            code.li(17, 0x52464E43)
            code.op("ecall")
        code.op("sfence.vma")

    def table(self):
        """Change the entry of a page, and use it."""
        self.kernel_work()
        rng, code = self.rng, self.code
        space = rng.randrange(SPACES)
        if rng.random() < 0.75:
            page = rng.choice(
                [DATA >> 12, (DATA >> 12) + 1, (DATA >> 12) + 1, rng.randrange(PAGES)]
            )
            offset = self.leaf(space) + 8 * page
            value = self.tables[offset]
            if CODE >> 12 <= page < DATA >> 12:
                value = (BASE >> 12) + page << 10 | self.flags(0.9)
            elif rng.random() < 0.6:
                value ^= 1 << rng.choice([0, 1, 3, 4, 6, 7, 6, 7])
            else:
                value = self.leaf_entry(page)
            if value >> 10 << 12 < BASE + CODE or value >> 10 << 12 >= BASE + TABLES:
                value &= ~W
            va = ALIAS + (page << 12) + rng.randrange(0, 4096, 8)
        elif rng.random() < 0.5:
            offset, va = self.middle(space) + 8, 0
            value = self.large(BASE)
        else:
            offset, va = self.root(space) + 24, GIGAPAGE + DATA + 0x1800
            value = self.large(BASE)

        def one():
            code.li(22, va)
            if rng.random() < 0.4:
                code.li(24, self.asids[space])
                code.op("sfence.vma", rs1=22, rs2=24)
            else:
                code.op("sfence.vma", rs1=22)

        # A fence of one address or address space is enough only if no other leads to the entry.
        fences = [self.fence_all] if self.shares or va == 0 else [self.fence_all, one, one]
        through = 19 if rng.random() < 0.1 else 25
        self.edit(offset, value, rng.choice(fences), through)
        self.memory()

    def share_table(self):
        """Hang a table of one address space, or a whole region, into another one."""
        self.kernel_work()
        rng = self.rng
        space, other = rng.randrange(SPACES), rng.randrange(SPACES)
        choice = rng.randrange(5)
        if choice == 0:
            offset, value = self.middle(space), (BASE + self.leaf(other)) >> 12 << 10 | V
        elif choice == 1:
            offset, value = self.root(space) + 8, (BASE + self.middle(other)) >> 12 << 10 | V
        elif choice == 2:  # the superpage, in small pages
            offset, value = self.middle(space) + 8, (BASE + self.leaf(other)) >> 12 << 10 | V
        elif choice == 3:  # the same page mapped twice
            offset = self.root(space) + 8 * rng.choice([4, 5, 511])
            value = (BASE + self.middle(other)) >> 12 << 10 | V
        else:
            offset = self.middle(space)
            value = self.tables[offset]

        self.edit(offset, value, self.fence_all)
        self.memory()

    def switch_space(self):
        self.kernel_work()
        rng, code = self.rng, self.code
        space = rng.randrange(SPACES)
        code.li(6, self.satp(space))
        code.li(7, NOTES + LEAF)
        code.op("add", rd=7, rs1=7, rs2=25)
        code.li(10, BASE + self.leaf(space))
        shared = self.asids.count(self.asids[space]) > 1

        def emit():
            code.op("csrrw", rd=rng.choice([0, 11]), csr=NUMBERS["satp"], rs1=6)
            code.op("sd", rs1=7, rs2=10)
            if shared or rng.random() < 0.3:
                code.op("sfence.vma")

        self.guarded_block(emit)
        self.memory()

    def bare_phase(self):
        """Translation off, some work at physical addresses, and on again."""
        self.kernel_work()
        rng, code = self.rng, self.code

        def emit():
            code.op("csrrw", rd=22, csr=NUMBERS["satp"], rs1=0)
            code.op("ld", rd=10, rs1=8, imm=8 * rng.randrange(-256, 256))
            code.op("sd", rs1=8, rs2=11, imm=8 * rng.randrange(-256, 256))
            code.op("csrrw", csr=NUMBERS["satp"], rs1=22)

        self.guarded_block(emit)

    def copy(self):
        """Copy half a page with a loop: data, or one leaf table onto another as fork does."""
        rng, code = self.rng, self.code
        fence = False
        if self.paged and rng.random() < 0.5:
            source, target = (self.leaf(rng.randrange(SPACES)) for _ in range(2))
            fence = True
        else:
            source, target = DATA + 0x1000, rng.choice([DATA, BUFFERS, SPARE])
        code.li(6, BASE + source)
        code.li(7, BASE + target)
        code.li(22, rng.choice([8, 40]))

        def emit():
            if fence:
                code.op("csrrci", csr=NUMBERS["sstatus"], zimm=2)
            code.op("ld", rd=10, rs1=6)
            code.op("sd", rs1=7, rs2=10)
            code.op("addi", rd=6, rs1=6, imm=8)
            code.op("addi", rd=7, rs1=7, imm=8)
            code.op("addi", rd=22, rs1=22, imm=-1)
            code.op("bne", rs1=22, rs2=0, offset=-20)
            if fence:
                code.op("sfence.vma")

        self.guarded_block(emit)

    # Code.

    def run_data(self):
        """Write a small function into a data page, execute it there, and again with a change."""
        rng, code = self.rng, self.code
        at = DATA + 0x2000 + 16 * rng.randrange(200)
        word = Code(0)
        word.op("addi", rd=10, rs1=10, imm=rng.randrange(-2048, 2048))
        word.op("jalr", rd=0, rs1=1)
        code.li(6, BASE + at)
        code.li(7, int.from_bytes(word.data, "little"))
        code.li(24, rng.choice([BASE, ALIAS if self.paged else BASE]) + at)
        code.li(COUNTER, rng.randrange(1, 4))

        def emit():
            code.op("sd", rs1=6, rs2=7)
            code.op("fence.i")
            code.op("jalr", rd=1, rs1=24)
            code.op("addi", rd=10, rs1=10, imm=1)
            code.li(22, rng.choice([1 << 20, 1 << 22, 1 << 25]))
            start = len(code.data)
            code.op("add", rd=7, rs1=7, rs2=22)
            code.op("addi", rd=COUNTER, rs1=COUNTER, imm=-1)
            back = start - emit_start
            code.op("bne", rs1=COUNTER, rs2=0, offset=-(back + 8))

        emit_start = len(code.data) + 8
        self.guarded_block(emit)

    def wild(self):
        """Jump to where nothing is, or access it."""
        rng, code = self.rng, self.code
        targets = [0, 2, 0x2000, ALIAS - 2, 0x8010_0000, 1 << 38, 1 << 56, MASK64 - 1, UART]
        targets += [BASE + DATA + 2 * rng.randrange(64), BASE + SPARE, FINISHER, 0xFFFF_FFFF]
        if self.paged:
            targets += [ALIAS + DATA + 2 * rng.randrange(64), ALIAS + (PAGES << 12)]
        code.li(7, rng.choice(targets))
        if rng.random() < 0.5:
            self.guarded("jalr", rd=rng.choice([0, 1]), rs1=7, imm=rng.choice([0, 1, 2]))
        else:
            code.li(7, rng.choice(targets[:9] + CORNERS))
            name = rng.choice(["ld", "lb", "lw", "amoadd.w", "lr.d", "lhu"])
            self.guarded(name, rd=rng.choice(FREE[:-2]), rs1=7, rs2=10)

    # Devices and interrupts.

    def set_timer(self, ahead: int):
        code = self.code
        code.op("csrrs", rd=11, csr=NUMBERS["time"], rs1=0)
        code.op("addi", rd=11, rs1=11, imm=ahead)
        code.op("csrrw", csr=NUMBERS["stimecmp"], rs1=11)

    def timer(self):
        """Set the timer a little ahead, through the CSR or the firmware."""
        self.kernel_work()
        rng, code = self.rng, self.code
        if rng.random() < 0.6:
            self.guarded("csrrsi", csr=NUMBERS["sstatus"], zimm=2)
            code.li(7, 0x20)
            self.guarded("csrrs", csr=NUMBERS["sie"], rs1=7)
        ahead = rng.choice([0, 1, rng.randrange(100), rng.randrange(100), -1])
        code.op("addi", rd=10, rs1=0, imm=ahead)
        if ahead >= 0:
            self.guarded("csrrs", rd=11, csr=NUMBERS["time"], rs1=0)
            code.op("add", rd=10, rs1=10, rs2=11)
        if rng.random() < 0.4 and not self.in_m:
            code.li(16, 0)
            code.li(17, rng.choice([0x54494D45, 0]))
            self.guarded("ecall")
        else:
            self.guarded("csrrw", csr=NUMBERS["stimecmp"], rs1=10)

    def sleep(self):
        """WFI, mostly with a timer set."""
        self.kernel_work()
        rng, code = self.rng, self.code
        if rng.random() < 0.9:
            code.li(7, 0x20)

            def emit():
                code.op("csrrs", csr=NUMBERS["sie"], rs1=7)
                code.op("csrrs", rd=11, csr=NUMBERS["time"], rs1=0)
                code.op("addi", rd=11, rs1=11, imm=rng.choice([0, 1, 2, 9, 50, 1000]))
                code.op("csrrw", csr=NUMBERS["stimecmp"], rs1=11)
                code.op("wfi")

            self.guarded_block(emit)
        else:
            self.guarded("wfi")

    def software_interrupt(self):
        rng, code = self.rng, self.code
        if rng.random() < 0.5:
            self.guarded("csrrsi", csr=NUMBERS["sie"], zimm=2)
        if rng.random() < 0.5:
            self.guarded("csrrsi", csr=NUMBERS["sstatus"], zimm=2)
        if rng.random() < 0.5 or self.in_m:
            self.guarded(rng.choice(["csrrsi", "csrrci"]), csr=NUMBERS["sip"], zimm=2)
        else:
            code.li(10, rng.choice([1, 1, 0, 2]))
            code.li(11, rng.choice([0, 0, MASK64, 1]))
            code.li(16, 0)
            code.li(17, rng.choice([0x735049, 0x735049, 4, 3]))
            self.guarded("ecall")

    def access_device(self, address: int, size: str, value: int | None):
        code = self.code
        code.li(6, address)
        if value is None:
            self.guarded("l" + size, rd=self.rng.choice(FREE[2:-2]), rs1=6)
        else:
            code.li(7, value)
            self.guarded("s" + size, rs1=6, rs2=7)

    def uart(self):
        rng = self.rng
        for _ in range(rng.randrange(1, 5)):
            register = rng.choice([0, 0, 0, 1, 1, 2, 3, 5, 5, 7])
            store = rng.random() < 0.6
            values = [rng.randrange(32, 127), 0x83, 3, 2, 1, 0, rng.getrandbits(8)]
            if register == 1:
                values = [0, 1, 2, 3]
            elif register == 3:
                values = [3, 0x83, 3]
            self.access_device(UART + register, "b", rng.choice(values) if store else None)

    def plic(self):
        rng = self.rng
        choices = [
            (PLIC + 4 * rng.choice([1, 10]), rng.choice([0, 1, 1, 7])),
            (PLIC + 0x2080, rng.choice([0, 0x402, 0x402, 0x400, 2])),
            (PLIC + 0x20_1000, rng.choice([0, 0, 0, 1, 7])),
            (PLIC + 0x20_1004, rng.choice([None, None, 1, 10])),
            (PLIC + 0x1000, None),
            (PLIC + 0x2000, rng.choice([0, 0x402])),
        ]
        if rng.random() < 0.3:  # everything that an interrupt needs
            self.access_device(PLIC + 4, "w", 1)
            self.access_device(PLIC + 40, "w", 2)
            self.access_device(PLIC + 0x2080, "w", 0x402)
            self.access_device(PLIC + 0x20_1000, "w", 0)
            self.code.li(7, 0x222)
            self.guarded("csrrs", csr=NUMBERS["sie"], rs1=7)
            self.access_device(UART + 1, "b", 3)
        for address, value in rng.sample(choices, rng.randrange(1, 4)):
            self.access_device(address, "w", value)

    def request(self, write: bool, sector: int, target: int, n_bytes: int):
        """One request to the block device: the ring is set up anew, from the kernel's rights."""
        rng, code = self.rng, self.code
        queue = BASE + QUEUE

        def word(at: int, value: int, size: str = "w"):
            code.li(7, value)
            if -2048 <= at - 0x400 < 2048:
                code.op("s" + size, rs1=6, rs2=7, imm=at - 0x400)
            else:
                raise AssertionError(at)

        def emit():
            code.op("csrrci", csr=NUMBERS["sstatus"], zimm=2)
            code.li(6, queue + 0x400)
            header, status = BASE + BUFFERS + 0xF00, BASE + BUFFERS + 0xF20
            pieces = [(header, 16, 1, 1), (target, n_bytes, 1 | (0 if write else 2), 2)]
            for k, (address, length, flags, link) in enumerate([*pieces, (status, 1, 2, 0)]):
                word(16 * k, address, "d")
                word(16 * k + 8, length | flags << 32 | link << 48, "d")
            word(0x100, 1 << 16)  # available: flags 0, index 1
            word(0x104, 0, "h")
            word(0x200, 0)
            code.li(6, header)
            code.li(7, int(write))
            code.op("sd", rs1=6, rs2=7)
            code.li(7, sector)
            code.op("sd", rs1=6, rs2=7, imm=8)
            code.li(6, VIRTIO)
            registers = [(0x70, 0), (0x70, 1), (0x70, 3), (0x24, 1), (0x20, 1), (0x70, 11)]
            registers += [(0x30, 0), (0x38, 8), (0x80, queue), (0x84, 0), (0x90, queue + 0x100)]
            registers += [(0xA0, queue + 0x200), (0x44, 1), (0x70, 15), (0x50, 0)]
            for register, value in registers:
                code.li(7, value)
                code.op("sw", rs1=6, rs2=7, imm=register)
            code.op("lw", rd=10, rs1=6, imm=0x60)
            code.op("fence.i")
            code.op("sfence.vma")

        if rng.random() < 0.7:
            self.to_kernel()
        self.guarded_block(emit)

    def disk(self):
        self.kernel_work()
        rng = self.rng
        if rng.random() < 0.5:
            target = rng.choice([BUFFERS, DATA + 0x1400, DATA, SPARE])
            self.request(False, rng.choice([0, 1, 5, 60, 63, 64]), BASE + target, 512)
        else:
            target = rng.choice([BUFFERS, DATA + 0x1400, NOTES, self.leaf(0)])
            length = rng.choice([512, 1024, 64, 0])
            target = rng.choice([BASE + target, BASE + target, 0x8010_0000 - 64, 0x7FFF_FF00])
            self.request(True, rng.choice([0, 1, 2, 63, 100]), target, length)

    def disk_table(self):
        """The device itself writes page-table entries."""
        rng = self.rng
        self.request(
            False, rng.randrange(8, 16), BASE + self.leaf(rng.randrange(SPACES)), 8 * PAGES
        )

    def device(self):
        """Any register of any device, with any width."""
        rng = self.rng
        base = rng.choice(
            [UART, VIRTIO, PLIC, PLIC + 0x2000, PLIC + 0x20_0000, CLINT, VIRTIO + 4096]
        )
        base = rng.choice([base, base, CLINT + 0xBFF8, CLINT + 0x4000, FINISHER + 4, 0x3000])
        address = base + rng.choice([0, 4, 8, 0x10, 0x34, 0x60, 0x70, 0x100, rng.randrange(256)])
        value = None if rng.random() < 0.6 else corner(rng)
        self.access_device(address, rng.choice("bhwd"), value)

    def clint(self):
        """In M-mode: raise an interrupt through the CLINT, take it, and lower it."""
        rng, code = self.rng, self.code
        if rng.random() < 0.5:
            self.to_kernel()
        address, name = rng.choice([(CLINT, "sw"), (CLINT + 0x4000, "sd")])

        def emit():
            code.li(7, 0x88)
            code.op("csrrs", csr=NUMBERS["mie"], rs1=7)
            code.li(6, address)
            code.li(7, rng.choice([1, 0]) if name == "sw" else rng.choice([0, 200, 1000]))
            code.op(name, rs1=6, rs2=7)
            code.op("csrrs", rd=10, csr=NUMBERS["mip"], rs1=0)
            code.op("csrrsi", csr=NUMBERS["mstatus"], zimm=8)

        self.guarded_block(emit)

    def firmware(self):
        """Calls that the firmware serves, and some that it does not."""
        rng, code = self.rng, self.code
        extension, function, argument = rng.choice(
            [
                (0x10, rng.randrange(-1, 8), rng.choice([0x10, 0x54494D45, 0x99])),
                (0x4442434E, 2, rng.randrange(32, 127)),
                (0x4442434E, 0, rng.choice([0, 5, 300])),
                (0x4442434E, 1, 4),
                (1, 0, rng.randrange(32, 127)),
                (2, 0, 0),
                (0x48534D, rng.choice([0, 2, 1]), rng.randrange(2)),
                (0x52464E43, rng.randrange(8), 1),
                (0x999, 0, 0),
                (0x53525354, 0, 7),
            ]
        )
        code.li(10, argument)
        code.li(
            11, BASE + rng.choice([DATA, BUFFERS, RAM_BYTES - 2, -4]) if extension > 0x99 else 0
        )
        code.li(12, 0)
        code.li(16, function)
        code.li(17, extension)
        self.guarded("ecall")


def guest(seed: int, starts_in_m: bool | None = None) -> Guest:
    """The random guest of `seed`."""
    return Guest(seed, starts_in_m)


__all__ = ["FLAGS", "MOST_STEPS", "RAM_BYTES", "SETTINGS", "Guest", "Setting", "disk", "guest"]
