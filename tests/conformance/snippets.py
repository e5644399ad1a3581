"""The pieces that random programs are made of: each method appends a few instructions.

Snippets do not know in which mode they run. What may trap is guarded: x27 says where to go on.
"""

from tests.conformance.choices import (
    ABSENT,
    ALU,
    ATOMICS,
    BRANCHES,
    CLINT_MSIP,
    CLINT_MTIMECMP,
    CODE_LIMIT,
    COUNTER,
    CROSS,
    CSR,
    FREE,
    FREE_COMPRESSED,
    G_LEAF,
    G_MIDDLE,
    HARMLESS,
    HLV,
    HSV,
    INTERRUPT_BITS,
    LOADS,
    M_MODE,
    OTHERWISE_READ,
    POINTERS,
    PROFILES,
    READ_ONLY,
    S_LEAF,
    S_MIDDLE,
    S_MODE,
    SCRATCH,
    SLOT_PAGES,
    STORES,
    SWAPPED,
    U_MODE,
    UNCOMPARED,
    V_LEAF,
    V_MIDDLE,
    VS_MODE,
    VU_MODE,
    WEIGHTS,
    corner,
    field_value,
)
from tests.conformance.code import MASK64, Code
from tests.conformance.runtime import ALIAS, SERVICE
from virtlab.isa.instructions import BY_NAME


class Snippets:
    """The body of a program; `programs.Program` adds the state that it runs in."""

    def body(self):
        weights = dict(WEIGHTS)
        for name, factor in PROFILES[self.profile].items():
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
        if self.pmp:
            size = "w"  # Spike asks for the first byte of an SC alone
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
