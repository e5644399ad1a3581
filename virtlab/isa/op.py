"""One small number for each operation the machine can execute.

The run loop compares a decoded operation with these constants one after the other; because the
numbers are dense, the compiler makes a jump table of the comparisons. Operations that are executed
alike are neighbours, so that a range test can pick a whole family (`LR_W <= op <= AMOMAXU_D`).

A 16-bit instruction has the number of the 32-bit instruction it stands for plus `COMPRESSED`, so
the length of an instruction can be read off its operation and both lengths share one description.
Only the operations that have a 16-bit form are named `C_...`.

Four numbers are no instructions: `UNDECODED` (nobody looked at this word yet), `ILLEGAL` (decoded,
and no instruction of this machine), `ROW_END` and `CROSS` (marks of the run loop for the end of a
page of decoded words, and for an instruction that begins in one page and ends in the next).
"""

UNDECODED = 0

# RV64I
LUI, AUIPC, JAL, JALR = range(1, 5)
BEQ, BNE, BLT, BGE, BLTU, BGEU = range(5, 11)
LB, LH, LW, LD, LBU, LHU, LWU = range(11, 18)
SB, SH, SW, SD = range(18, 22)
ADDI, SLTI, SLTIU, XORI, ORI, ANDI, SLLI, SRLI, SRAI = range(22, 31)
ADD, SUB, SLL, SLT, SLTU, XOR, SRL, SRA, OR, AND = range(31, 41)
ADDIW, SLLIW, SRLIW, SRAIW = range(41, 45)
ADDW, SUBW, SLLW, SRLW, SRAW = range(45, 50)

# M: multiplication and division
MUL, MULH, MULHSU, MULHU, DIV, DIVU, REM, REMU = range(50, 58)
MULW, DIVW, DIVUW, REMW, REMUW = range(58, 63)

# A: atomic memory operations, 32-bit then 64-bit, in the same order
LR_W, SC_W, AMOSWAP_W, AMOADD_W, AMOXOR_W, AMOAND_W, AMOOR_W = range(63, 70)
AMOMIN_W, AMOMAX_W, AMOMINU_W, AMOMAXU_W = range(70, 74)
LR_D, SC_D, AMOSWAP_D, AMOADD_D, AMOXOR_D, AMOAND_D, AMOOR_D = range(74, 81)
AMOMIN_D, AMOMAX_D, AMOMINU_D, AMOMAXU_D = range(81, 85)

# Ordering, environment and privileged instructions
FENCE, FENCE_I, ECALL, EBREAK, MRET, SRET, WFI = range(85, 92)
SFENCE_VMA, HFENCE_VVMA, HFENCE_GVMA = range(92, 95)

# Zicsr
CSRRW, CSRRS, CSRRC, CSRRWI, CSRRSI, CSRRCI = range(95, 101)

# H: loads and stores as the guest would make them
HLV_B, HLV_BU, HLV_H, HLV_HU, HLV_W, HLV_WU, HLV_D, HLVX_HU, HLVX_WU = range(101, 110)
HSV_B, HSV_H, HSV_W, HSV_D = range(110, 114)

ILLEGAL, ROW_END, CROSS = range(114, 117)

COMPRESSED = 128

C_LUI, C_JAL, C_JALR = LUI + COMPRESSED, JAL + COMPRESSED, JALR + COMPRESSED
C_BEQ, C_BNE = BEQ + COMPRESSED, BNE + COMPRESSED
C_LW, C_LD, C_SW, C_SD = LW + COMPRESSED, LD + COMPRESSED, SW + COMPRESSED, SD + COMPRESSED
C_ADDI, C_ADDIW, C_ANDI = ADDI + COMPRESSED, ADDIW + COMPRESSED, ANDI + COMPRESSED
C_SLLI, C_SRLI, C_SRAI = SLLI + COMPRESSED, SRLI + COMPRESSED, SRAI + COMPRESSED
C_ADD, C_SUB, C_ADDW, C_SUBW = (
    ADD + COMPRESSED,
    SUB + COMPRESSED,
    ADDW + COMPRESSED,
    SUBW + COMPRESSED,
)
C_XOR, C_OR, C_AND = XOR + COMPRESSED, OR + COMPRESSED, AND + COMPRESSED
C_EBREAK = EBREAK + COMPRESSED

NAMES = {
    number: name for name, number in globals().items() if name.isupper() and name != "COMPRESSED"
}
