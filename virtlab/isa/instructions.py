"""Every instruction of the machine, in one table.

Each row is a line of the manual's own listing: the mnemonic, how its operands are written, its bits
from the most significant to the least, and what it does. Decoder, assembler and disassembler are
derived from these lines, so an instruction is added or corrected in one place.

How to read the bits:

    0100000        these bits are fixed
    rd rs1 rs2     a register, five bits
    rd' rs1' rs2'  a register among x8..x15, three bits
    imm[11:5]      bits 11 to 5 of the immediate stand here
    offset[12|10:5]  bit 12, then bits 10 to 5
    rs1!=0         the field must not be zero: zero is reserved, or is another row

`imm`, `offset` and `upper` are signed, `uimm`, `shamt` and `csr` are not. An `offset` is relative to
the instruction's own address; an `upper` is written in assembly shifted right by twelve. Fields that
no operand names (the odd fields of fence) are ignored by the hart and written as zero.
A row of 16 bits says which 32-bit instruction it stands for. The row with the most fixed bits
wins, so c.jr is not taken for c.mv. HINTs are ordinary rows: they execute and change nothing.

Left out: floating point, vectors and every extension not named at a heading below.

Sources: The RISC-V Instruction Set Manual, Volume I: Unprivileged Architecture, 20240411, "RV32/64G
Instruction Set Listings" and "RVC Instruction Set Listings"; Volume II: Privileged Architecture,
20240411, "RISC-V Privileged Instruction Set Listings".
"""

import re
from dataclasses import dataclass

from virtlab.isa import op
from virtlab.isa.layout import read_layout

RV64I = """
lui   | rd, upper    | upper[31:12] rd 0110111             | rd = upper << 12
auipc | rd, upper    | upper[31:12] rd 0010111             | rd = pc + (upper << 12)
jal   | rd, offset   | offset[20|10:1|11|19:12] rd 1101111 | Jump, link in rd
jalr  | rd, imm(rs1) | imm[11:0] rs1 000 rd 1100111        | Jump to rs1 + imm, link in rd

beq  | rs1, rs2, offset | offset[12|10:5] rs2 rs1 000 offset[4:1|11] 1100011 | Jump if equal
bne  | rs1, rs2, offset | offset[12|10:5] rs2 rs1 001 offset[4:1|11] 1100011 | Jump if not equal
blt  | rs1, rs2, offset | offset[12|10:5] rs2 rs1 100 offset[4:1|11] 1100011 | Jump if <, signed
bge  | rs1, rs2, offset | offset[12|10:5] rs2 rs1 101 offset[4:1|11] 1100011 | Jump if >=, signed
bltu | rs1, rs2, offset | offset[12|10:5] rs2 rs1 110 offset[4:1|11] 1100011 | Jump if <, unsigned
bgeu | rs1, rs2, offset | offset[12|10:5] rs2 rs1 111 offset[4:1|11] 1100011 | Jump if >=, unsigned

lb  | rd, imm(rs1)  | imm[11:0] rs1 000 rd 0000011           | Load a byte, sign-extended
lh  | rd, imm(rs1)  | imm[11:0] rs1 001 rd 0000011           | Load 16 bits, sign-extended
lw  | rd, imm(rs1)  | imm[11:0] rs1 010 rd 0000011           | Load 32 bits, sign-extended
ld  | rd, imm(rs1)  | imm[11:0] rs1 011 rd 0000011           | Load 64 bits
lbu | rd, imm(rs1)  | imm[11:0] rs1 100 rd 0000011           | Load a byte, zero-extended
lhu | rd, imm(rs1)  | imm[11:0] rs1 101 rd 0000011           | Load 16 bits, zero-extended
lwu | rd, imm(rs1)  | imm[11:0] rs1 110 rd 0000011           | Load 32 bits, zero-extended
sb  | rs2, imm(rs1) | imm[11:5] rs2 rs1 000 imm[4:0] 0100011 | Store the low byte of rs2
sh  | rs2, imm(rs1) | imm[11:5] rs2 rs1 001 imm[4:0] 0100011 | Store the low 16 bits of rs2
sw  | rs2, imm(rs1) | imm[11:5] rs2 rs1 010 imm[4:0] 0100011 | Store the low 32 bits of rs2
sd  | rs2, imm(rs1) | imm[11:5] rs2 rs1 011 imm[4:0] 0100011 | Store all 64 bits of rs2

addi  | rd, rs1, imm   | imm[11:0] rs1 000 rd 0010011         | rd = rs1 + imm
slti  | rd, rs1, imm   | imm[11:0] rs1 010 rd 0010011         | rd = 1 if rs1 < imm, signed
sltiu | rd, rs1, imm   | imm[11:0] rs1 011 rd 0010011         | rd = 1 if rs1 < imm, unsigned
xori  | rd, rs1, imm   | imm[11:0] rs1 100 rd 0010011         | rd = rs1 xor imm
ori   | rd, rs1, imm   | imm[11:0] rs1 110 rd 0010011         | rd = rs1 or imm
andi  | rd, rs1, imm   | imm[11:0] rs1 111 rd 0010011         | rd = rs1 and imm
slli  | rd, rs1, shamt | 000000 shamt[5:0] rs1 001 rd 0010011 | rd = rs1 shifted left
srli  | rd, rs1, shamt | 000000 shamt[5:0] rs1 101 rd 0010011 | rd = rs1 shifted right, zeros in
srai  | rd, rs1, shamt | 010000 shamt[5:0] rs1 101 rd 0010011 | rd = rs1 shifted right, sign in

add   | rd, rs1, rs2   | 0000000 rs2 rs1 000 rd 0110011        | rd = rs1 + rs2
sub   | rd, rs1, rs2   | 0100000 rs2 rs1 000 rd 0110011        | rd = rs1 - rs2
sll   | rd, rs1, rs2   | 0000000 rs2 rs1 001 rd 0110011        | rd = rs1 shifted left by rs2
slt   | rd, rs1, rs2   | 0000000 rs2 rs1 010 rd 0110011        | rd = 1 if rs1 < rs2, signed
sltu  | rd, rs1, rs2   | 0000000 rs2 rs1 011 rd 0110011        | rd = 1 if rs1 < rs2, unsigned
xor   | rd, rs1, rs2   | 0000000 rs2 rs1 100 rd 0110011        | rd = rs1 xor rs2
srl   | rd, rs1, rs2   | 0000000 rs2 rs1 101 rd 0110011        | rd = rs1 shifted right, zeros in
sra   | rd, rs1, rs2   | 0100000 rs2 rs1 101 rd 0110011        | rd = rs1 shifted right, sign in
or    | rd, rs1, rs2   | 0000000 rs2 rs1 110 rd 0110011        | rd = rs1 or rs2
and   | rd, rs1, rs2   | 0000000 rs2 rs1 111 rd 0110011        | rd = rs1 and rs2
addiw | rd, rs1, imm   | imm[11:0] rs1 000 rd 0011011          | addi on the low 32 bits
slliw | rd, rs1, shamt | 0000000 shamt[4:0] rs1 001 rd 0011011 | slli on the low 32 bits
srliw | rd, rs1, shamt | 0000000 shamt[4:0] rs1 101 rd 0011011 | srli on the low 32 bits
sraiw | rd, rs1, shamt | 0100000 shamt[4:0] rs1 101 rd 0011011 | srai on the low 32 bits
addw  | rd, rs1, rs2   | 0000000 rs2 rs1 000 rd 0111011        | add on the low 32 bits
subw  | rd, rs1, rs2   | 0100000 rs2 rs1 000 rd 0111011        | sub on the low 32 bits
sllw  | rd, rs1, rs2   | 0000000 rs2 rs1 001 rd 0111011        | sll on the low 32 bits
srlw  | rd, rs1, rs2   | 0000000 rs2 rs1 101 rd 0111011        | srl on the low 32 bits
sraw  | rd, rs1, rs2   | 0100000 rs2 rs1 101 rd 0111011        | sra on the low 32 bits

fence  | pred, succ | fm pred succ rs1 000 rd 0001111      | Order memory accesses
ecall  |            | 000000000000 00000 000 00000 1110011 | Call the environment
ebreak |            | 000000000001 00000 000 00000 1110011 | Breakpoint
"""

ZIFENCEI = """
fence.i |  | imm[11:0] rs1 001 rd 0001111 | Order fetches after stores
"""

ZICSR = """
csrrw  | rd, csr, rs1  | csr[11:0] rs1 001 rd 1110011  | rd = csr; csr = rs1
csrrs  | rd, csr, rs1  | csr[11:0] rs1 010 rd 1110011  | rd = csr; set the bits of rs1
csrrc  | rd, csr, rs1  | csr[11:0] rs1 011 rd 1110011  | rd = csr; clear the bits of rs1
csrrwi | rd, csr, zimm | csr[11:0] zimm 101 rd 1110011 | rd = csr; csr = zimm
csrrsi | rd, csr, zimm | csr[11:0] zimm 110 rd 1110011 | rd = csr; set the bits of zimm
csrrci | rd, csr, zimm | csr[11:0] zimm 111 rd 1110011 | rd = csr; clear the bits of zimm
"""

M = """
mul    | rd, rs1, rs2 | 0000001 rs2 rs1 000 rd 0110011 | Low 64 bits of rs1 * rs2
mulh   | rd, rs1, rs2 | 0000001 rs2 rs1 001 rd 0110011 | High 64 bits, signed * signed
mulhsu | rd, rs1, rs2 | 0000001 rs2 rs1 010 rd 0110011 | High 64 bits, signed * unsigned
mulhu  | rd, rs1, rs2 | 0000001 rs2 rs1 011 rd 0110011 | High 64 bits, unsigned * unsigned
div    | rd, rs1, rs2 | 0000001 rs2 rs1 100 rd 0110011 | rs1 / rs2, signed, towards zero
divu   | rd, rs1, rs2 | 0000001 rs2 rs1 101 rd 0110011 | rs1 / rs2, unsigned
rem    | rd, rs1, rs2 | 0000001 rs2 rs1 110 rd 0110011 | Remainder of div
remu   | rd, rs1, rs2 | 0000001 rs2 rs1 111 rd 0110011 | Remainder of divu
mulw   | rd, rs1, rs2 | 0000001 rs2 rs1 000 rd 0111011 | mul on the low 32 bits
divw   | rd, rs1, rs2 | 0000001 rs2 rs1 100 rd 0111011 | div on the low 32 bits
divuw  | rd, rs1, rs2 | 0000001 rs2 rs1 101 rd 0111011 | divu on the low 32 bits
remw   | rd, rs1, rs2 | 0000001 rs2 rs1 110 rd 0111011 | rem on the low 32 bits
remuw  | rd, rs1, rs2 | 0000001 rs2 rs1 111 rd 0111011 | remu on the low 32 bits
"""

# Read, change and write memory as one; rd is what memory held before. These are the 32-bit rows;
# the 64-bit ones differ in one bit of the width and are derived below.
A = """
lr.w      | rd, (rs1)      | 00010 aq rl 00000 rs1 010 rd 0101111 | Load and reserve
sc.w      | rd, rs2, (rs1) | 00011 aq rl rs2 rs1 010 rd 0101111   | Store if reserved; rd = 0 if so
amoswap.w | rd, rs2, (rs1) | 00001 aq rl rs2 rs1 010 rd 0101111   | Swap memory and rs2
amoadd.w  | rd, rs2, (rs1) | 00000 aq rl rs2 rs1 010 rd 0101111   | Add rs2 to memory
amoxor.w  | rd, rs2, (rs1) | 00100 aq rl rs2 rs1 010 rd 0101111   | Exclusive or rs2 into memory
amoand.w  | rd, rs2, (rs1) | 01100 aq rl rs2 rs1 010 rd 0101111   | And rs2 into memory
amoor.w   | rd, rs2, (rs1) | 01000 aq rl rs2 rs1 010 rd 0101111   | Or rs2 into memory
amomin.w  | rd, rs2, (rs1) | 10000 aq rl rs2 rs1 010 rd 0101111   | Keep the lesser, signed
amomax.w  | rd, rs2, (rs1) | 10100 aq rl rs2 rs1 010 rd 0101111   | Keep the greater, signed
amominu.w | rd, rs2, (rs1) | 11000 aq rl rs2 rs1 010 rd 0101111   | Keep the lesser, unsigned
amomaxu.w | rd, rs2, (rs1) | 11100 aq rl rs2 rs1 010 rd 0101111   | Keep the greater, unsigned
"""

PRIVILEGED = """
mret       |          | 0011000 00010 00000 000 00000 1110011 | Return from a trap taken in M-mode
sret       |          | 0001000 00010 00000 000 00000 1110011 | Return from a trap taken in S-mode
wfi        |          | 0001000 00101 00000 000 00000 1110011 | Wait for an interrupt
sfence.vma | rs1, rs2 | 0001001 rs2 rs1 000 00000 1110011     | Drop translations of rs1 in ASID rs2
"""

H = """
hfence.vvma | rs1, rs2   | 0010001 rs2 rs1 000 00000 1110011 | Drop VS-stage translations
hfence.gvma | rs1, rs2   | 0110001 rs2 rs1 000 00000 1110011 | Drop G-stage translations
hlv.b       | rd, (rs1)  | 0110000 00000 rs1 100 rd 1110011  | Load a byte as the guest would
hlv.bu      | rd, (rs1)  | 0110000 00001 rs1 100 rd 1110011  | The same, zero-extended
hlv.h       | rd, (rs1)  | 0110010 00000 rs1 100 rd 1110011  | Load 16 bits as the guest would
hlv.hu      | rd, (rs1)  | 0110010 00001 rs1 100 rd 1110011  | The same, zero-extended
hlvx.hu     | rd, (rs1)  | 0110010 00011 rs1 100 rd 1110011  | The same, needing execute permission
hlv.w       | rd, (rs1)  | 0110100 00000 rs1 100 rd 1110011  | Load 32 bits as the guest would
hlv.wu      | rd, (rs1)  | 0110100 00001 rs1 100 rd 1110011  | The same, zero-extended
hlvx.wu     | rd, (rs1)  | 0110100 00011 rs1 100 rd 1110011  | The same, needing execute permission
hlv.d       | rd, (rs1)  | 0110110 00000 rs1 100 rd 1110011  | Load 64 bits as the guest would
hsv.b       | rs2, (rs1) | 0110001 rs2 rs1 100 00000 1110011 | Store a byte as the guest would
hsv.h       | rs2, (rs1) | 0110011 rs2 rs1 100 00000 1110011 | Store 16 bits as the guest would
hsv.w       | rs2, (rs1) | 0110101 rs2 rs1 100 00000 1110011 | Store 32 bits as the guest would
hsv.d       | rs2, (rs1) | 0110111 rs2 rs1 100 00000 1110011 | Store 64 bits as the guest would
"""

# The last column is the instruction a row stands for.
C = """
c.addi4spn | rd', sp, uimm    | 000 uimm[5:4|9:6|2|3]!=0 rd' 00             | addi rd', sp, uimm
c.lw       | rd', uimm(rs1')  | 010 uimm[5:3] rs1' uimm[2|6] rd' 00         | lw rd', uimm(rs1')
c.ld       | rd', uimm(rs1')  | 011 uimm[5:3] rs1' uimm[7:6] rd' 00         | ld rd', uimm(rs1')
c.sw       | rs2', uimm(rs1') | 110 uimm[5:3] rs1' uimm[2|6] rs2' 00        | sw rs2', uimm(rs1')
c.sd       | rs2', uimm(rs1') | 111 uimm[5:3] rs1' uimm[7:6] rs2' 00        | sd rs2', uimm(rs1')
c.nop      |                  | 000 0 00000 00000 01                        | addi zero, zero, 0
c.addi     | rd, imm          | 000 imm[5] rd imm[4:0] 01                   | addi rd, rd, imm
c.addiw    | rd, imm          | 001 imm[5] rd!=0 imm[4:0] 01                | addiw rd, rd, imm
c.li       | rd, imm          | 010 imm[5] rd imm[4:0] 01                   | addi rd, zero, imm
c.addi16sp | sp, imm          | 011 imm[9]!=0 00010 imm[4|6|8:7|5]!=0 01    | addi sp, sp, imm
c.lui      | rd, upper        | 011 upper[17]!=0 rd upper[16:12]!=0 01      | lui rd, upper
c.srli     | rd', shamt       | 100 shamt[5] 00 rd' shamt[4:0] 01           | srli rd', rd', shamt
c.srai     | rd', shamt       | 100 shamt[5] 01 rd' shamt[4:0] 01           | srai rd', rd', shamt
c.andi     | rd', imm         | 100 imm[5] 10 rd' imm[4:0] 01               | andi rd', rd', imm
c.sub      | rd', rs2'        | 100 0 11 rd' 00 rs2' 01                     | sub rd', rd', rs2'
c.xor      | rd', rs2'        | 100 0 11 rd' 01 rs2' 01                     | xor rd', rd', rs2'
c.or       | rd', rs2'        | 100 0 11 rd' 10 rs2' 01                     | or rd', rd', rs2'
c.and      | rd', rs2'        | 100 0 11 rd' 11 rs2' 01                     | and rd', rd', rs2'
c.subw     | rd', rs2'        | 100 1 11 rd' 00 rs2' 01                     | subw rd', rd', rs2'
c.addw     | rd', rs2'        | 100 1 11 rd' 01 rs2' 01                     | addw rd', rd', rs2'
c.j        | offset           | 101 offset[11|4|9:8|10|6|7|3:1|5] 01        | jal zero, offset
c.beqz     | rs1', offset     | 110 offset[8|4:3] rs1' offset[7:6|2:1|5] 01 | beq rs1', zero, offset
c.bnez     | rs1', offset     | 111 offset[8|4:3] rs1' offset[7:6|2:1|5] 01 | bne rs1', zero, offset
c.slli     | rd, shamt        | 000 shamt[5] rd shamt[4:0] 10               | slli rd, rd, shamt
c.lwsp     | rd, uimm(sp)     | 010 uimm[5] rd!=0 uimm[4:2|7:6] 10          | lw rd, uimm(sp)
c.ldsp     | rd, uimm(sp)     | 011 uimm[5] rd!=0 uimm[4:3|8:6] 10          | ld rd, uimm(sp)
c.jr       | rs1              | 100 0 rs1!=0 00000 10                       | jalr zero, 0(rs1)
c.mv       | rd, rs2          | 100 0 rd rs2!=0 10                          | add rd, zero, rs2
c.ebreak   |                  | 100 1 00000 00000 10                        | ebreak
c.jalr     | rs1              | 100 1 rs1!=0 00000 10                       | jalr ra, 0(rs1)
c.add      | rd, rs2          | 100 1 rd rs2!=0 10                          | add rd, rd, rs2
c.swsp     | rs2, uimm(sp)    | 110 uimm[5:2|7:6] rs2 10                    | sw rs2, uimm(sp)
c.sdsp     | rs2, uimm(sp)    | 111 uimm[5:3|8:6] rs2 10                    | sd rs2, uimm(sp)
"""

EXTENSIONS = {
    "I": RV64I,
    "Zifencei": ZIFENCEI,
    "Zicsr": ZICSR,
    "M": M,
    "A": A + A.replace(".w ", ".d ").replace(" 010 rd ", " 011 rd "),
    "privileged": PRIVILEGED,
    "H": H,
    "C": C,
}

# fmt: off
ABI_NAMES = (
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
)
# fmt: on


@dataclass(frozen=True)
class Instruction:
    """One row of the table.

    Attributes
    ----------
    name, operands, description, extension : str
        As written in the table.
    op : int
        The operation of `virtlab.isa.op` that this row decodes to.
    length : int
        Bytes, 2 or 4.
    mask, match : int
        A word is this instruction if `word & mask == match` and no `nonzero` field is zero.
    fields : dict of str to Field
    expansion : str
        For a 16-bit row, the 32-bit instruction it stands for; for a 32-bit row, its own text.
    """

    name: str
    operands: str
    op: int
    extension: str
    length: int
    mask: int
    match: int
    fields: dict
    expansion: str
    description: str

    @property
    def nonzero(self) -> int:
        """Bits of the word of which at least one must be set; 0 if there is no such rule."""
        return sum(field.mask for field in self.fields.values() if field.nonzero)

    def accepts(self, word: int) -> bool:
        """Whether `word` is this instruction, or a row with more fixed bits of the same opcode."""
        return word & self.mask == self.match and (not self.nonzero or word & self.nonzero != 0)


def read_rows() -> list[Instruction]:
    """The table as Instruction objects, in the order above."""
    rows = []
    for extension, text in EXTENSIONS.items():
        for line in filter(None, text.splitlines()):
            name, operands, layout, last = (cell.strip() for cell in line.split(" | "))
            mask, match, fields, width = read_layout(layout)
            if extension == "C":
                expansion, base = last, last.split()[0]
                number = getattr(op, base.upper()) + op.COMPRESSED
                last = f"Short for {expansion}"
            else:
                expansion = f"{name} {operands}".strip()
                number = getattr(op, name.upper().replace(".", "_"))
            rows.append(
                Instruction(
                    name,
                    operands,
                    number,
                    extension,
                    width // 8,
                    mask,
                    match,
                    fields,
                    expansion,
                    last,
                )
            )
    return rows


INSTRUCTIONS = read_rows()
BY_NAME = {row.name: row for row in INSTRUCTIONS}

OPERAND = re.compile(r"[^\s,()]+")


def roles(row: Instruction) -> dict:
    """What fills the operands of the 32-bit instruction that `row` stands for.

    Returns a dict from that instruction's operand names to a Field of `row`, or to the number that
    an expansion such as "jalr zero, 0(rs1)" fixes.
    """
    mnemonic, _, written = row.expansion.partition(" ")
    wanted = OPERAND.findall(BY_NAME[mnemonic].operands)
    filled = {}
    for name, text in zip(wanted, OPERAND.findall(written), strict=True):
        if text in row.fields:
            filled[name] = row.fields[text]
        else:
            filled[name] = ABI_NAMES.index(text) if text in ABI_NAMES else int(text)
    return filled
