"""Names for the numbers of the privileged architecture: modes, causes, CSRs, status and PTE bits.

Sources: "The RISC-V Instruction Set Manual, Volume II: Privileged Architecture", 20240411, chapters
"Control and Status Registers", "Machine-Level ISA", "Supervisor-Level ISA", "Hypervisor Extension"
and "Sstc Extension for Supervisor-mode Timer Interrupts".
"""

# Privilege modes, as encoded in mstatus.MPP. The virtualization bit V is kept beside the mode.
USER = 0
SUPERVISOR = 1
MACHINE = 3

SYSTEM_OPCODE = 0x73  # ECALL, CSR accesses and all privileged instructions

# Kinds of memory access. The cause of a fault follows from the kind.
LOAD = 0
STORE = 1
FETCH = 2

# Exception causes (table "Machine cause register (mcause) values after trap").
CAUSE_FETCH_MISALIGNED = 0
CAUSE_FETCH_ACCESS = 1
CAUSE_ILLEGAL = 2
CAUSE_BREAKPOINT = 3
CAUSE_LOAD_MISALIGNED = 4
CAUSE_LOAD_ACCESS = 5
CAUSE_STORE_MISALIGNED = 6
CAUSE_STORE_ACCESS = 7
CAUSE_ECALL_U = 8
CAUSE_ECALL_S = 9
CAUSE_ECALL_VS = 10
CAUSE_ECALL_M = 11
CAUSE_FETCH_PAGE = 12
CAUSE_LOAD_PAGE = 13
CAUSE_STORE_PAGE = 15
CAUSE_FETCH_GUEST_PAGE = 20
CAUSE_LOAD_GUEST_PAGE = 21
CAUSE_VIRTUAL_INSTRUCTION = 22
CAUSE_STORE_GUEST_PAGE = 23

EXCEPTION_NAMES = {
    0: "instruction address misaligned",
    1: "instruction access fault",
    2: "illegal instruction",
    3: "breakpoint",
    4: "load address misaligned",
    5: "load access fault",
    6: "store/AMO address misaligned",
    7: "store/AMO access fault",
    8: "environment call from U-mode",
    9: "environment call from S-mode",
    10: "environment call from VS-mode",
    11: "environment call from M-mode",
    12: "instruction page fault",
    13: "load page fault",
    15: "store/AMO page fault",
    20: "instruction guest-page fault",
    21: "load guest-page fault",
    22: "virtual instruction",
    23: "store/AMO guest-page fault",
}
INTERRUPT_NAMES = {
    1: "supervisor software interrupt",
    2: "virtual supervisor software interrupt",
    3: "machine software interrupt",
    5: "supervisor timer interrupt",
    6: "virtual supervisor timer interrupt",
    7: "machine timer interrupt",
    9: "supervisor external interrupt",
    10: "virtual supervisor external interrupt",
    11: "machine external interrupt",
    12: "supervisor guest external interrupt",
}
INTERRUPT = -(1 << 63)  # the top bit of a cause register


def cause_name(cause: int) -> str:
    """The manual's name of a cause (the value of mcause, scause or vscause)."""
    code = cause & 0xFFF
    names = INTERRUPT_NAMES if cause < 0 or cause >> 63 else EXCEPTION_NAMES
    return names.get(code, f"reserved cause {code}")


# Interrupt bits of mip, mie and their relatives.
SSIP = 1 << 1
VSSIP = 1 << 2
MSIP = 1 << 3
STIP = 1 << 5
VSTIP = 1 << 6
MTIP = 1 << 7
SEIP = 1 << 9
VSEIP = 1 << 10
MEIP = 1 << 11
SGEIP = 1 << 12
S_INTERRUPTS = SSIP | STIP | SEIP
VS_INTERRUPTS = VSSIP | VSTIP | VSEIP
HS_INTERRUPTS = VS_INTERRUPTS | SGEIP
M_INTERRUPTS = MSIP | MTIP | MEIP

# mstatus (section "Machine Status Registers (mstatus and mstatush)").
MSTATUS_SIE = 1 << 1
MSTATUS_MIE = 1 << 3
MSTATUS_SPIE = 1 << 5
MSTATUS_MPIE = 1 << 7
MSTATUS_SPP = 1 << 8
MSTATUS_MPP_SHIFT = 11
MSTATUS_MPP = 3 << 11
MSTATUS_MPRV = 1 << 17
MSTATUS_SUM = 1 << 18
MSTATUS_MXR = 1 << 19
MSTATUS_TVM = 1 << 20
MSTATUS_TW = 1 << 21
MSTATUS_TSR = 1 << 22
MSTATUS_UXL_64 = 2 << 32
MSTATUS_SXL_64 = 2 << 34
MSTATUS_GVA = 1 << 38
MSTATUS_MPV = 1 << 39

# hstatus (section "Hypervisor Status Register (hstatus)").
HSTATUS_GVA = 1 << 6
HSTATUS_SPV = 1 << 7
HSTATUS_SPVP = 1 << 8
HSTATUS_HU = 1 << 9
HSTATUS_VTVM = 1 << 20
HSTATUS_VTW = 1 << 21
HSTATUS_VTSR = 1 << 22
HSTATUS_VSXL_64 = 2 << 32

# menvcfg and henvcfg.
ENVCFG_FIOM = 1 << 0
ENVCFG_ADUE = 1 << 61
ENVCFG_STCE = -(1 << 63)

# Counter-enable bits of mcounteren, scounteren, hcounteren.
COUNTER_CYCLE = 1 << 0
COUNTER_TIME = 1 << 1
COUNTER_INSTRET = 1 << 2

# satp, vsatp, hgatp: MODE in bits 63..60, identifier below it, PPN in bits 43..0.
ATP_MODE_SHIFT = 60
ATP_BARE = 0
ATP_SV39 = 8  # Sv39 in satp and vsatp, Sv39x4 in hgatp
ATP_PPN = (1 << 44) - 1
ASID_SHIFT = 44
ASID_MASK = 0xFFFF
VMID_MASK = 0x3FFF

# Pages and page-table entries (section "Sv39: Page-Based 39-bit Virtual-Memory System").
PAGE_SHIFT = 12
PAGE_BYTES = 1 << PAGE_SHIFT
PAGE_MASK = -PAGE_BYTES
PTE_V = 1 << 0
PTE_R = 1 << 1
PTE_W = 1 << 2
PTE_X = 1 << 3
PTE_U = 1 << 4
PTE_G = 1 << 5
PTE_A = 1 << 6
PTE_D = 1 << 7
PTE_PPN_SHIFT = 10
PTE_PPN = (1 << 44) - 1  # after the shift
PTE_RESERVED = -(1 << 54)  # Svnapot's N, Svpbmt's PBMT and the reserved bits: all must be zero

# PMP configuration bits (section "Physical Memory Protection CSRs").
PMP_R = 1 << 0
PMP_W = 1 << 1
PMP_X = 1 << 2
PMP_A_SHIFT = 3
PMP_OFF = 0
PMP_TOR = 1
PMP_NA4 = 2
PMP_NAPOT = 3
PMP_L = 1 << 7

# CSR numbers (tables "Currently allocated RISC-V ... CSR addresses").
CYCLE = 0xC00
TIME = 0xC01
INSTRET = 0xC02
HPMCOUNTER3 = 0xC03
SSTATUS = 0x100
SIE = 0x104
STVEC = 0x105
SCOUNTEREN = 0x106
SENVCFG = 0x10A
SSCRATCH = 0x140
SEPC = 0x141
SCAUSE = 0x142
STVAL = 0x143
SIP = 0x144
STIMECMP = 0x14D
SATP = 0x180
VSSTATUS = 0x200
VSIE = 0x204
VSTVEC = 0x205
VSSCRATCH = 0x240
VSEPC = 0x241
VSCAUSE = 0x242
VSTVAL = 0x243
VSIP = 0x244
VSTIMECMP = 0x24D
VSATP = 0x280
HSTATUS = 0x600
HEDELEG = 0x602
HIDELEG = 0x603
HIE = 0x604
HTIMEDELTA = 0x605
HCOUNTEREN = 0x606
HGEIE = 0x607
HENVCFG = 0x60A
HTVAL = 0x643
HIP = 0x644
HVIP = 0x645
HTINST = 0x64A
HGATP = 0x680
HGEIP = 0xE12
MSTATUS = 0x300
MISA = 0x301
MEDELEG = 0x302
MIDELEG = 0x303
MIE = 0x304
MTVEC = 0x305
MCOUNTEREN = 0x306
MENVCFG = 0x30A
MCOUNTINHIBIT = 0x320
MHPMEVENT3 = 0x323
MSCRATCH = 0x340
MEPC = 0x341
MCAUSE = 0x342
MTVAL = 0x343
MIP = 0x344
MTINST = 0x34A
MTVAL2 = 0x34B
PMPCFG0 = 0x3A0
PMPADDR0 = 0x3B0
TSELECT = 0x7A0  # of the debug specification, "Trigger Registers"
TDATA1 = 0x7A1
TDATA2 = 0x7A2
TDATA3 = 0x7A3
MCYCLE = 0xB00
MINSTRET = 0xB02
MHPMCOUNTER3 = 0xB03
MVENDORID = 0xF11
MARCHID = 0xF12
MIMPID = 0xF13
MHARTID = 0xF14
MCONFIGPTR = 0xF15

_NAMED = (
    "cycle time instret sstatus sie stvec scounteren senvcfg sscratch sepc scause stval "
    "sip stimecmp satp vsstatus vsie vstvec vsscratch vsepc vscause vstval vsip "
    "vstimecmp vsatp hstatus hedeleg hideleg hie htimedelta hcounteren hgeie henvcfg "
    "htval hip hvip htinst hgatp hgeip mstatus misa medeleg mideleg mie mtvec mcounteren "
    "menvcfg mcountinhibit mscratch mepc mcause mtval mip mtinst mtval2 mcycle minstret "
    "mvendorid marchid mimpid mhartid mconfigptr tselect tdata1 tdata2 tdata3"
).split()
CSR_NUMBERS: dict[str, int] = {name: globals()[name.upper()] for name in _NAMED}
CSR_NUMBERS.update({f"pmpcfg{2 * k}": PMPCFG0 + 2 * k for k in range(2)})
CSR_NUMBERS.update({f"pmpaddr{k}": PMPADDR0 + k for k in range(16)})
CSR_NUMBERS.update({f"hpmcounter{k}": 0xC00 + k for k in range(3, 32)})
CSR_NUMBERS.update({f"mhpmcounter{k}": 0xB00 + k for k in range(3, 32)})
CSR_NUMBERS.update({f"mhpmevent{k}": 0x320 + k for k in range(3, 32)})
CSR_NAMES: dict[int, str] = {number: name for name, number in CSR_NUMBERS.items()}
