"""What the random programs choose from: numbers, registers, CSRs, and how much of what.

Registers of a program: it writes to FREE ones; x8, x9, x18 to x21 hold addresses; x23 counts loops;
x25 to x31 belong to the runtime (runtime.py).
"""

import random

from tests.conformance.code import MASK64
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.isa.instructions import INSTRUCTIONS

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

_NOT_ALU = "jalr jr lb lh lw ld lbu lhu lwu sb sh sw sd lwsp ldsp swsp sdsp ecall ebreak".split()
_ALU_FIELDS = {"rd", "rs1", "rs2", "rd'", "rs1'", "rs2'", "imm", "uimm", "shamt", "upper"}
ALU = [
    row
    for row in INSTRUCTIONS
    if row.extension in ("I", "M", "C")
    and set(row.fields) <= _ALU_FIELDS
    and row.name.removeprefix("c.") not in _NOT_ALU
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
# fmt: off
ABSENT = [  # numbers that neither machine has
    0x001, 0x003, 0x008, 0x015, 0x017, 0x10C, 0x10D, 0x14E, 0x150, 0x181, 0x20A, 0x2FF, 0x307,
    0x30C, 0x321, 0x322, 0x348, 0x34C, 0x3A1, 0x3A3, 0x3F0, 0x400, 0x5C0, 0x608, 0x60C, 0x612,
    0x615, 0x641, 0x681, 0x747, 0x7B0, 0x7B1, 0x7C0, 0x800, 0x9FF, 0xA00, 0xB01, 0xB20, 0xBC0,
    0xC03, 0xC1F, 0xC80, 0xCC0, 0xDB0, 0xEB0, 0xF10, 0xF16, 0xFFF,
]
# fmt: on
HARMLESS = (  # may be written with anything at any time
    "sscratch scause stval vsscratch vscause vstval mscratch mcause mtval mtval2 mtinst htval"
    " htinst sepc vsepc mepc htimedelta scounteren mcounteren hcounteren mcountinhibit senvcfg"
    " hgeie minstret mhpmcounter3 mhpmevent3 mhpmcounter31 mhpmevent31 mie sie vsie hie mideleg"
    " hideleg"
).split()
SWAPPED = (  # written, read and restored in M-mode in one breath
    "mtvec stvec vstvec satp vsatp hgatp medeleg hedeleg pmpcfg0 pmpaddr3 pmpaddr9 hstatus vsstatus"
    " menvcfg henvcfg hvip sstatus"
).split()
OTHERWISE_READ = ("hpm", "mhpm", "pmp", "marchid", "mimpid", "tselect", "tdata")
READ_ONLY = "mvendorid mhartid mconfigptr hgeip instret".split()
INTERRUPT_BITS = "mip sip vsip hip hvip".split()
STATUS_BITS = [1, 3, 5, 7, 8, 11, 12, 17, 18, 19, 20, 22, 38, 39]  # of mstatus: no FS, VS, XS, TW

# How many of each kind of snippet a program has of every other, and what a profile multiplies.
# fmt: off
WEIGHTS = dict(
    alu=5, branch=2, jump=1, memory=4, misaligned=1, cross_store=0.6, atomic=1.5, lr_sc=1.5,
    csr_read=1.5, csr_write=1, illegal=0.6, call=0.7, fence=0.7, returns=1, change_mode=1,
    swapped=0.3, patch=0.3, table=0.3, interrupt=0.3, hypervisor=0.3, wild=0.3, m_work=0.2,
    mprv=0.2, loop=0.7, wait=0.15, clint=0.1,
)
PROFILES = {
    "user": dict(alu=3, branch=3, memory=2, atomic=3, lr_sc=3, patch=4, csr_write=0.2, loop=4),
    "csr": dict(csr_read=6, csr_write=6, swapped=8, change_mode=2),
    "modes": dict(call=4, returns=4, change_mode=4, csr_write=2, m_work=6, wait=6, clint=4),
    "paging": dict(memory=4, misaligned=3, cross_store=3, table=10, mprv=6, atomic=2, loop=2),
    "virtual": dict(memory=3, hypervisor=12, table=8, cross_store=2, change_mode=3, mprv=4, loop=2),
    "guest_csr": dict(csr_read=5, csr_write=5, change_mode=4, hypervisor=6, returns=3),
    "interrupts": dict(interrupt=20, csr_write=2, change_mode=3, returns=2, wait=4, clint=10),
    "pmp": dict(memory=5, atomic=2, misaligned=0, cross_store=0, table=2, mprv=5, hypervisor=2),
}
# fmt: on
SHARES = dict(user=2, csr=3, modes=3, paging=4, virtual=4, guest_csr=3, interrupts=2, pmp=2)


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
