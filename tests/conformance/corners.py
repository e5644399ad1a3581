"""Every instruction of the table with operands at the edges, and every encoding near one.

Unlike the random programs these are plain lists of instructions that run in M-mode on physical
memory. Registers while they run:

    x6 ... x19   corner values       x20 x21 x22   results and addresses
    x24          the middle of the data page         x25 ... x31  see runtime.py
"""

import random

from tests.conformance import runtime
from tests.conformance.choices import CORNERS, HLV, HSV, LOADS, STORES
from tests.conformance.code import MASK64, Code, encode
from tests.conformance.harness import Image, image
from tests.conformance.runtime import SERVICE
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.isa.instructions import BY_NAME, INSTRUCTIONS, Instruction

CODE = 0x8010_0000
DATA = 0x8080_0000  # one page of data, its middle in x24
MIDDLE = DATA + 0x800
OPERANDS = list(range(6, 20))
RESULT, ADDRESS, OTHER, BUFFER = 20, 21, 22, 24
SETS = [
    [0, 1, 2, 5, 31, 32, 63, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 63, (1 << 63) - 1]
    + [MASK64, MASK64 - 1],
    [3, 7, 0x80, 0xFF, 0x8000, 0x1_0000_0000, 0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA]
    + [0x1234_5678_9ABC_DEF0, 0xFEDC_BA98_7654_3210, 0xFFFF_FFFF_8000_0000]
    + [0xFFFF_FFFF_7FFF_FFFF, 1 << 62, 0xC000_0000_0000_0000],
]
MANY = 1 << 40  # traps


class Corners:
    """Code that executes instructions one after another; `used` are the names of all of them."""

    def __init__(self):
        self.rt = runtime.build(CODE)
        self.code = Code(CODE)
        self.used = set()
        self.data = bytearray()
        for value in SETS[0] + SETS[1] + CORNERS:
            self.data += value.to_bytes(8, "little")
        code = self.code
        code.la(5, self.rt.symbols["clean"])
        code.op("jalr", rd=5, rs1=5)
        code.la(26, self.rt.symbols["finish"])
        code.la(BUFFER, MIDDLE)
        code.li(31, MANY)
        code.li(17, 0)

    def image(self) -> Image:
        self.code.li(31, 0)
        self.code.op("ecall")
        data = bytes(self.data).ljust(4096, b"\x5a")
        return image([(CODE, self.code.finish()), (DATA, data)], CODE, self.rt)

    def op(self, name: str, **fields: int):
        self.used.add(name)
        self.code.op(name, **fields)

    def guarded(self, name: str, **fields: int):
        length = BY_NAME[name].length
        self.code.op("auipc", rd=27)
        self.code.op("addi", rd=27, rs1=27, imm=8 + length)
        self.op(name, **fields)

    def load_operands(self, which: int):
        """Fill the operand registers with one of the sets of corners."""
        for k, register in enumerate(OPERANDS):
            offset = DATA - MIDDLE + 8 * (which * len(OPERANDS) + k)
            self.code.op("ld", rd=register, rs1=BUFFER, imm=offset)


def immediates(field, rng: random.Random, most: int = 70) -> list[int]:
    """All values of a small immediate, the edges and some others of a large one."""
    count = (field.high - field.low) // field.step + 1
    if count <= most:
        values = [field.low + k * field.step for k in range(count)]
    else:
        values = [field.low, field.low + field.step, -field.step, 0, field.step, field.high]
        values += [field.low + field.step * rng.randrange(count) for _ in range(most - len(values))]
    return [v for v in values if field.low <= v <= field.high and not (field.nonzero and v == 0)]


def is_plain(row: Instruction) -> bool:
    """Whether the row only computes: registers and an immediate in, one register out."""
    kinds = {field.name.rstrip("'") for field in row.fields.values()}
    name = row.expansion.split()[0]
    return (
        row.extension in ("I", "M", "C")
        and kinds <= {"rd", "rs1", "rs2", "imm", "uimm", "shamt", "upper"}
        and name not in (*LOADS, *STORES, "jalr", "ecall", "ebreak")
    )


def arithmetic() -> Corners:
    """All instructions that only compute, full and compressed."""
    made = Corners()
    rng = random.Random(1)
    for which in range(len(SETS)):
        made.load_operands(which)
        for row in INSTRUCTIONS:
            if not is_plain(row) or row.extension == "C":
                continue
            registers = [name for name in ("rs1", "rs2") if name in row.fields]
            constants = [n for n in row.fields if n in ("imm", "shamt", "upper")]
            if len(registers) == 2:
                for a in OPERANDS:
                    for b in OPERANDS:
                        made.op(row.name, rd=RESULT, rs1=a, rs2=b)
                made.op(row.name, rd=0, rs1=7, rs2=8)
                made.op(row.name, rd=RESULT, rs1=0, rs2=0)
                made.op(row.name, rd=RESULT, rs1=RESULT, rs2=9)
                made.op(row.name, rd=RESULT, rs1=10, rs2=RESULT)
            elif registers:
                for value in immediates(row.fields[constants[0]], rng):
                    for a in OPERANDS:
                        made.op(row.name, rd=RESULT, rs1=a, **{constants[0]: value})
                made.op(row.name, rd=RESULT, rs1=RESULT, **{constants[0]: 1})
            elif which == 0:
                for value in immediates(row.fields[constants[0]], rng):
                    made.op(row.name, rd=RESULT, **{constants[0]: value})
    return made


def compressed() -> Corners:
    """All 16-bit instructions that only compute, with every register and many immediates."""
    made = Corners()
    rng = random.Random(2)
    for row in INSTRUCTIONS:
        if row.extension != "C" or not is_plain(row):
            continue
        for _ in range(120):
            fields = {}
            for name, field in row.fields.items():
                kind = name.rstrip("'")
                if kind in ("rd", "rs1", "rs2"):
                    choices = range(8, 16) if name.endswith("'") else [*range(1, 24), 28, 29, 30]
                    fields[kind] = rng.choice(choices)
                else:
                    fields[kind] = rng.choice(immediates(field, rng))
            for kind in ("rd", "rs1", "rs2"):
                if kind in fields:
                    offset = 8 * rng.randrange(60) - 0x800
                    made.code.op("ld", rd=fields[kind], rs1=BUFFER, imm=offset)
            made.op(row.name, **fields)
        if "rd" in row.fields and not row.fields["rd"].nonzero:  # HINTs
            kinds = {n: f.step for n, f in row.fields.items() if n in ("imm", "shamt", "upper")}
            rs2 = {"rs2": 7} if "rs2" in row.fields else {}
            made.op(row.name, rd=0, **kinds, **rs2)
    return made


def jumps() -> Corners:
    """Branches on all pairs of corners, jumps forward and back, in both lengths."""
    made = Corners()
    code = made.code
    label = 0

    def over(name: str, instructions: int, **fields: int):
        nonlocal label
        label += 1
        made.used.add(name)
        code.jump(name, f"over{label}", **fields)
        for k in range(instructions):
            code.op("addi", rd=RESULT, rs1=RESULT, imm=k + 1)
        code.label(f"over{label}")

    for which in range(len(SETS)):
        made.load_operands(which)
        for name in "beq bne blt bge bltu bgeu".split():
            for a in OPERANDS:
                for b in OPERANDS:
                    over(name, 1, rs1=a, rs2=b)
        for name in ("c.beqz", "c.bnez"):
            for a in range(8, 16):
                over(name, 1, rs1=a)
    for distance in (0, 1, 5, 200):
        over("jal", distance, rd=1)
        over("jal", distance, rd=0)
        over("c.j", distance)
        over("bge", distance, rs1=0, rs2=0)
    made.code.op("addi", rd=8, rs1=0, imm=0)
    over("c.beqz", 30, rs1=8)
    # Back and forth: to A, back to B, on to C.
    back = [("jal", dict(rd=1), 4), ("beq", dict(rs1=0, rs2=0), 4), ("c.j", {}, 2)]
    back += [("c.beqz", dict(rs1=8), 2)]
    for name, fields, length in back:
        code.op("jal", rd=0, offset=12)
        code.op("addi", rd=RESULT, rs1=RESULT, imm=7)
        code.op("jal", rd=0, offset=4 + length)
        made.op(name, offset=-8, **fields)
    for register in (1, 5, 8, 20):
        for imm in (12, 13, 2047, -2048, 1):
            code.op("auipc", rd=register)
            for step in (8 - imm // 2, 8 - imm + imm // 2 + imm % 2):
                code.op("addi", rd=register, rs1=register, imm=step)
            made.op("jalr", rd=register, rs1=register, imm=imm)
        for name in ("c.jr", "c.jalr"):
            code.op("auipc", rd=register)
            code.op("addi", rd=register, rs1=register, imm=10)
            made.op(name, rs1=register)
    return made


def memory() -> Corners:
    """Loads and stores at every alignment, compressed ones, atomics on corners, LR and SC."""
    made = Corners()
    code = made.code
    rng = random.Random(3)
    for which in range(len(SETS)):
        made.load_operands(which)
        for name, size in STORES.items():
            for k, register in enumerate(OPERANDS):
                made.op(name, rs2=register, rs1=BUFFER, imm=16 * k + k % 8)
                code.op("ld", rd=RESULT, rs1=BUFFER, imm=16 * k)
                code.op("ld", rd=RESULT, rs1=BUFFER, imm=16 * k + 8)
            made.op(name, rs2=7, rs1=BUFFER, imm=-2048)
            made.op(name, rs2=8, rs1=BUFFER, imm=2048 - size)
        for name, size in LOADS.items():
            for offset in range(-2048, 2047 - size, 37):
                made.op(name, rd=RESULT, rs1=BUFFER, imm=offset)
            for offset in (-2048, 2048 - size, *range(-9, 9)):
                made.op(name, rd=RESULT, rs1=BUFFER, imm=offset)
            made.op(name, rd=0, rs1=BUFFER, imm=0)
    made.load_operands(1)
    for row in INSTRUCTIONS:
        if row.extension == "C" and row.expansion.split()[0] in ("lw", "ld", "sw", "sd"):
            pointer = "rs1'" in row.fields
            for value in immediates(row.fields["uimm"], rng):
                fields = dict(uimm=value)
                if pointer:
                    fields["rs1"] = rng.randrange(8, 16)
                    code.op("addi", rd=fields["rs1"], rs1=BUFFER, imm=0)
                else:
                    code.op("addi", rd=2, rs1=BUFFER, imm=-value % 8)
                fields["rd"] = rng.randrange(8, 16)
                fields["rs2"] = rng.randrange(8, 16)
                made.op(row.name, **fields)
    code.op("addi", rd=2, rs1=0, imm=0)
    for row in INSTRUCTIONS:
        if row.extension != "A" or not row.name.startswith("amo"):
            continue
        for which in range(len(SETS)):
            made.load_operands(which)
            for a in OPERANDS[::2]:
                for b in OPERANDS[1:]:
                    code.op("sd", rs1=BUFFER, rs2=a, imm=64)
                    code.op("addi", rd=ADDRESS, rs1=BUFFER, imm=64)
                    order = dict(aq=rng.randrange(2), rl=rng.randrange(2))
                    made.op(row.name, rd=RESULT, rs1=ADDRESS, rs2=b, **order)
                    code.op("ld", rd=RESULT, rs1=BUFFER, imm=64)
        made.op(row.name, rd=0, rs1=ADDRESS, rs2=7)
        made.op(row.name, rd=ADDRESS, rs1=ADDRESS, rs2=8)
        code.op("addi", rd=ADDRESS, rs1=BUFFER, imm=66)
        made.guarded(row.name, rd=RESULT, rs1=ADDRESS, rs2=7)
    for size, step in (("w", 4), ("d", 8)):
        for offset in (64, 64 + step, 65):
            code.op("addi", rd=ADDRESS, rs1=BUFFER, imm=64)
            code.op("addi", rd=OTHER, rs1=BUFFER, imm=offset)
            made.guarded(f"lr.{size}", rd=RESULT, rs1=ADDRESS)
            made.guarded(f"sc.{size}", rd=RESULT, rs1=OTHER, rs2=7)
            made.guarded(f"sc.{size}", rd=RESULT, rs1=ADDRESS, rs2=8)
            code.op("ld", rd=RESULT, rs1=ADDRESS)
            made.guarded(f"lr.{size}", rd=RESULT, rs1=OTHER)
            code.op("sd", rs1=ADDRESS, rs2=9)
            made.guarded(f"sc.{size}", rd=RESULT, rs1=ADDRESS, rs2=10)
            code.op("ld", rd=RESULT, rs1=ADDRESS)
    return made


def system() -> Corners:
    """CSR instructions in all forms, fences, calls, returns, WFI, guest accesses from M-mode."""
    made = Corners()
    code = made.code
    made.load_operands(0)
    for csr in ("mscratch", "sscratch", "mstatus", "cycle", "mvendorid", "hgeip"):
        for name in ("csrrw", "csrrs", "csrrc"):
            for rd in (RESULT, 0):
                for rs1 in (0, 7, RESULT):
                    if csr == "mstatus":  # only SUM, which changes nothing here
                        code.li(RESULT, 1 << 18)
                        rs1 = RESULT if rs1 else 0
                    shown = 29 if csr == "cycle" and rd else rd
                    made.guarded(name, rd=shown, rs1=rs1, csr=CSR_NUMBERS[csr])
        for name in ("csrrwi", "csrrsi", "csrrci"):
            for rd in (29, 0):
                for zimm in (0, 2):
                    made.guarded(name, rd=rd, zimm=zimm, csr=CSR_NUMBERS[csr])
    code.op("csrrw", csr=CSR_NUMBERS["mstatus"])
    for pred in range(16):
        made.op("fence", pred=pred, succ=15 - pred)
    made.op("fence", fm=8, pred=3, succ=3, rd=3, rs1=4)
    made.op("fence.i")
    made.op("fence.i", rd=3, rs1=4, imm=-1)
    for name in ("sfence.vma", "hfence.vvma", "hfence.gvma"):
        for rs1, rs2 in ((0, 0), (7, 0), (0, 7), (7, 8)):
            made.op(name, rs1=rs1, rs2=rs2)
    for name in ("ecall", "ebreak", "c.ebreak"):
        made.guarded(name)
    code.op("c.nop")
    for name in (*HLV, *HSV):
        for offset in (0, 1, 8, 15):
            code.op("addi", rd=ADDRESS, rs1=BUFFER, imm=offset)
            fields = dict(rd=RESULT) if name in HLV else dict(rs2=15)
            made.guarded(name, rs1=ADDRESS, **fields)
            code.op("ld", rd=RESULT, rs1=BUFFER)
    # WFI goes on at once, because a software interrupt is pending and enabled, though not taken.
    code.op("csrrwi", csr=CSR_NUMBERS["mie"], zimm=2)
    code.op("csrrwi", csr=CSR_NUMBERS["mip"], zimm=2)
    made.op("wfi")
    code.op("csrrwi", csr=CSR_NUMBERS["mip"], zimm=0)
    # MRET to M-mode, then SRET to S-mode, and back by a call.
    code.li(RESULT, 3 << 11)
    code.op("csrrs", csr=CSR_NUMBERS["mstatus"], rs1=RESULT)
    code.op("auipc", rd=RESULT)
    code.op("addi", rd=RESULT, rs1=RESULT, imm=16)
    code.op("csrrw", csr=CSR_NUMBERS["mepc"], rs1=RESULT)
    made.op("mret")
    code.li(RESULT, 1 << 8)
    code.op("csrrs", csr=CSR_NUMBERS["mstatus"], rs1=RESULT)
    code.op("auipc", rd=RESULT)
    code.op("addi", rd=RESULT, rs1=RESULT, imm=16)
    code.op("csrrw", csr=CSR_NUMBERS["sepc"], rs1=RESULT)
    made.op("sret")
    code.li(17, SERVICE)
    made.guarded("ecall")
    return made


def is_jump(word: int) -> bool:
    """Whether a halfword may go somewhere else than to the next instruction, or to a handler."""
    quadrant, funct3 = word & 3, word >> 13
    if quadrant == 1:
        return funct3 >= 5
    return quadrant == 2 and funct3 == 4 and word & 0x7C == 0 and word & 0xF80 != 0


def every_halfword() -> Corners:
    """Each of the 16-bit encodings that is not a jump, legal or not."""
    made = Corners()
    code = made.code
    for n, word in enumerate(w for w in range(1 << 16) if w & 3 != 3 and not is_jump(w)):
        if n % 8 == 0:
            for register in (2, *range(8, 16)):
                code.op("addi", rd=register, rs1=BUFFER, imm=-64 * (register & 7))
        code.op("auipc", rd=27)
        code.op("addi", rd=27, rs1=27, imm=10)
        code.word(word, 2)
        code.op("addi", rd=31, rs1=0, imm=2047)
        code.op("addi", rd=17, rs1=0, imm=0)
        if word >> 7 & 31 == BUFFER:
            code.la(BUFFER, MIDDLE)
        if word >> 7 & 31 == 26:
            code.la(26, made.rt.symbols["finish"])
    return made


OPCODES_LEFT_OUT = (0x6F, 0x67, 0x63, 0x17, 0x37)  # jumps, and what makes addresses of code


def near_words(seed: int, n: int) -> Corners:
    """Random words and instructions with some bits flipped, which may be reserved encodings."""
    made = Corners()
    code = made.code
    rng = random.Random(seed)
    rows = [row for row in INSTRUCTIONS if row.length == 4]
    done = 0
    while done < n:
        if rng.random() < 0.3:
            word = rng.getrandbits(32) | 3
        else:
            row = rng.choice(rows)
            word = row.match | rng.getrandbits(32) & ~row.mask
            for _ in range(rng.randrange(3)):
                word ^= 1 << rng.randrange(2, 32)
        opcode, funct3 = word & 0x7F, word >> 12 & 7
        if opcode in OPCODES_LEFT_OUT or word & 0x1F == 0x1F:
            continue
        if opcode in (0x03, 0x23, 0x2F) or (opcode == 0x73 and funct3 == 4):
            word = word & ~(31 << 15) | BUFFER << 15  # not a random address
        if opcode == 0x73 and (funct3 not in (0, 4) or word in (encode("wfi"), *RETURNS)):
            continue
        if done % 6 == 0:
            made.load_operands(1)  # none of them is near code
            for register in (1, 2, 3, 4, 5, 20, 21, 22, 23):
                code.op("addi", rd=register, rs1=BUFFER, imm=-64 * (register & 7))
        code.op("auipc", rd=27)
        code.op("addi", rd=27, rs1=27, imm=12)
        code.word(word)
        code.li(31, 2047)
        code.li(17, 0)
        if word >> 7 & 31 in (BUFFER, 26):
            code.la(BUFFER, MIDDLE)
            code.la(26, made.rt.symbols["finish"])
        done += 1
    return made


RETURNS = (encode("mret"), encode("sret"))


def locked_pmp(seed: int) -> Corners:
    """Random PMP entries, many of them locked, and M-mode accesses around their borders.

    An image of its own, because only a reset unlocks an entry.
    """
    made = Corners()
    code = made.code
    rng = random.Random(seed)
    for n in range(20):
        k = n if n < 8 else rng.randrange(8)
        address = DATA + rng.randrange(0, 4096, 4)
        size = rng.choice([8, 16, 64, 512])
        code.li(6, rng.choice([address >> 2, (address & -size) >> 2 | (size >> 3) - 1]))
        code.op("csrrw", csr=CSR_NUMBERS[f"pmpaddr{k}"], rs1=6)
        code.op("csrrs", rd=7, csr=CSR_NUMBERS[f"pmpaddr{k}"], rs1=0)
        if n < 7:
            continue
        entries = rng.getrandbits(64) & 0x9F9F_9F9F_9F9F_9F9F & ~8  # entry 0 has no lower border
        entries &= rng.getrandbits(64) | ~0x8080_8080_8080_8080  # a quarter of them locked
        code.li(6, entries)
        code.op("csrrw", csr=CSR_NUMBERS["pmpcfg0"], rs1=6)
        code.op("csrrs", rd=7, csr=CSR_NUMBERS["pmpcfg0"], rs1=0)
        for _ in range(12):
            offset = address - MIDDLE + rng.choice([-8, -4, 0, 4, 8])
            name = rng.choice(["ld", "lw", "lbu", "sw", "sd", "sb"])
            step = {**LOADS, **STORES}[name]
            offset = min(max(offset & -step, -2048), 2048 - step)
            made.guarded(name, rd=RESULT, rs2=7, rs1=BUFFER, imm=offset)
    return made
