"""How is a kernel's code rewritten so that it can run without privilege? The code generator.

A block of guest instructions becomes a block of host instructions that does the same in U-mode.
Words in, words out: nothing here knows of memory or of hypervisors. Most instructions are copied as
they are, and guest registers are the host's registers of the same name. What is rewritten:

    the clock        the block counts its guest instructions off x26 before it begins, and leaves if
                     too few are left, so that interrupts fall where they do on the bare machine
    x26 and x27      belong to the translator; the guest's own are kept in the monitor page, and an
                     instruction that names one is surrounded by loads and stores
    loads, stores    the base register is compared with x27: addresses from GUARD up belong to the
                     monitor, and an access there calls out (software fault isolation)
    the pc           auipc and links load constants, for the code lies elsewhere
    direct jumps     a link: a call out that is replaced by a jump once its target is translated
    indirect jumps   look the target up in a table, by a hash of the guest's pc
    simple CSRs      loads and stores of the monitor page ("in-translation-cache emulation")
    sstatus          the same, as long as no interrupt can become due by it; else a call out
    all else         an ECALL: it calls out to the hypervisor

A block ends at a jump, at a call out, after MOST_INSTRUCTIONS, and where the source ends. Layout:

    word 0  lui x27           entry for indirect jumps, which have used x27
         1  addi x26, -n      entry for all others: the head
         2  bgez x26 / ecall
         4  body              straight-line code, each guest instruction at least one word
            links or look-up
            slow paths        where the branches of the body lead that nearly never jump

`origin` says for each word which guest instruction it belongs to (bits 7..0) and of which kind it
is (bits 15..8): a fault or a call out is traced back by it to the guest's exact state. Kinds below
32 are body; a kind t other than 0 says that the guest's register t is in the spill slot.

Sources: Adams & Agesen, "A Comparison of Software and Hardware Techniques for x86 Virtualization",
ASPLOS 2006, section "Software virtualization"; Wahbe, Lucco, Anderson & Graham, "Efficient
Software-Based Fault Isolation", SOSP 1993, for the comparison of addresses.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import encoding as e
from virtlab.isa import op
from virtlab.isa.decode import decode
from virtlab.isa.encode import encode, load_constant

i64 = np.int64

CLOCK, GUARDED = 26, 27  # the translator's registers: compilers use these two last
GUARD = -(1 << 17)  # accesses from here up to the last address call out
GUARD_SHIFT = 17  # an address shifted right by this is -1 there and only there

# The monitor page is the last page of the address space; x0 reaches its upper half.
MONITOR = -4096
SPILL, SECOND_SPILL, TARGET, HOLD, SAVED, SLOTS = -8, -16, -24, -32, -40, -56
# CSRs with a slot there, from SLOTS downwards, and what reading keeps of a slot.
SLOT_CSRS = np.array(
    [e.SSTATUS, e.SSCRATCH, e.SEPC, e.SCAUSE, e.STVAL, e.STVEC]
    + [e.MSCRATCH, e.MEPC, e.MCAUSE, e.MTVAL, e.MTVEC]
)
SLOT_MASKS = np.array([-1, -1, -2, -1, -1, -3, -1, -2, -1, -1, -3])

# Which code is translated decides which CSRs may be touched without calling out.
REGIME_S, REGIME_M, REGIME_VS = range(3)
# A look-up table for each: pairs of guest pc and host address, below the monitor page.
TABLE_BITS = 11  # two kernel functions 4 KiB apart are the nearest that compete for an entry
TABLE_BYTES = 16 << TABLE_BITS
TABLES = MONITOR - 3 * TABLE_BYTES

MOST_INSTRUCTIONS = 64
MOST_WORDS = 1024  # 14 for each instruction, and the ends; a branch reaches as far
HEAD, BODY = 1, 4  # of a block's words

# Kinds of host words, in `origin`.
KIND_SHIFT = 8
CALL = 32  # calls out: the hypervisor carries out the guest instruction
LEAVE = 33  # too few steps are left for the block
NEXT, BRANCH = 34, 35  # a link, to what follows and to where the branch leads
MISS = 36  # the target of an indirect jump, in TARGET, is not in the table
STALE = 37  # the head of a block that has been dropped (written by its owner)

# Parts of `out`.
ORIGINS = MOST_WORDS
SLOW = 2 * MOST_WORDS  # the branches to slow paths: place | instruction << 16 | spilled << 32
OUT_WORDS = SLOW + 2 * MOST_INSTRUCTIONS
# Entries of `about`.
N_INSTRUCTIONS, N_BYTES, SHORT, TO_NEXT, TO_BRANCH, N_SLOW = range(6)
ABOUT_WORDS = 8

SAFE_STATUS = ~(e.MSTATUS_SPP | e.MSTATUS_SPIE)  # bits of sstatus that a store alone may not change


@njit(inner=True)
def table_of(regime):
    """Address of the look-up table of a regime."""
    return i64(TABLES) + regime * TABLE_BYTES


@njit(inner=True)
def table_index(pc):
    """Which entry of the table a guest pc uses; the generated code computes the same."""
    return pc >> 1 & ((1 << TABLE_BITS) - 1)


@njit(inner=True)
def _put(out, n, o, rd, rs1, rs2, imm):
    out[n] = encode(i64(o), i64(rd), i64(rs1), i64(rs2), i64(imm))
    return n + 1


@njit(inner=True)
def _load(out, n, rd, slot):
    return _put(out, n, op.LD, rd, 0, 0, slot)


@njit(inner=True)
def _store(out, n, rs, slot):
    return _put(out, n, op.SD, 0, 0, rs, slot)


@njit(inner=True)
def _restore_guard(out, n):
    return _put(out, n, op.LUI, GUARDED, 0, 0, GUARD)


@njit(inner=True)
def _mark(out, first, end, origin):
    for k in range(first, end):
        out[ORIGINS + k] = origin


@njit(inner=True)
def _call(out, n, k, kind):
    """An ECALL on behalf of instruction k."""
    out[ORIGINS + n] = k | i64(kind) << KIND_SHIFT
    return _put(out, n, op.ECALL, 0, 0, 0, 0x73)


@njit(inner=True)
def _slow_if(out, n, about, k, spilled, o, rs1, rs2):
    """A branch to a slow path that carries out instruction k; its offset is filled in later."""
    out[SLOW + about[N_SLOW]] = n | k << 16 | spilled << 32
    about[N_SLOW] += 1
    return _put(out, n, o, 0, rs1, rs2, 0)


@njit(inner=True)
def _is_taken(register):
    return register == CLOCK or register == GUARDED


@njit(inner=True)
def _saved(register):
    """The slot of the guest's x26 or x27."""
    return i64(SAVED) - 8 * (register - CLOCK)


@njit(inner=True)
def _free_register(a, b, c):
    """One of x5, x6, x7 and x28 that is none of the three."""
    for register in (5, 6, 7, 28):
        if register != a and register != b and register != c:
            return i64(register)
    return i64(0)


@njit(inner=True)
def _sources(out, n, rd, rs1, rs2):
    """Fetch the guest's x26 and x27 if they are operands.

    Returns the registers that hold rs1 and rs2, whether x27 was used, and the register that was
    spilled for a second operand, or 0.
    """
    used, spilled = False, i64(0)
    a, b = rs1, rs2
    if _is_taken(rs1):
        n = _load(out, n, GUARDED, _saved(rs1))
        a, used = i64(GUARDED), True
    if _is_taken(rs2):
        if rs2 == rs1:
            b = i64(GUARDED)
        elif not used:
            n = _load(out, n, GUARDED, _saved(rs2))
            b, used = i64(GUARDED), True
        else:
            spilled = _free_register(rd, rs1, rs2)
            n = _store(out, n, spilled, SPILL)
            n = _load(out, n, spilled, _saved(rs2))
            b = spilled
    return n, a, b, used, spilled


@njit(inner=True)
def _undo(out, n, used, spilled):
    """Give x27 its constant back, and a spilled register its value."""
    if used:
        n = _restore_guard(out, n)
    if spilled:
        n = _load(out, n, spilled, SPILL)
    return n


@njit(inner=True)
def _copy(out, n, o, rd, rs1, rs2, imm):
    """An instruction that computes: as it is, but for x26 and x27."""
    n, a, b, used, spilled = _sources(out, n, rd, rs1, rs2)
    if not _is_taken(rd):
        n = _put(out, n, o, rd, a, b, imm)
        return _undo(out, n, used, spilled)
    n = _put(out, n, o, GUARDED, a, b, imm)
    n = _store(out, n, GUARDED, _saved(rd))
    return _undo(out, n, True, spilled)


@njit(inner=True)
def _constant(out, n, rd, value):
    """Leave a constant in the guest's register rd, if it has one."""
    if rd & 31 == 0:
        return n
    if not _is_taken(rd):
        return load_constant(out, n, rd, value)
    n = load_constant(out, n, i64(GUARDED), value)
    n = _store(out, n, GUARDED, _saved(rd))
    return _restore_guard(out, n)


@njit(inner=True)
def _access(out, n, about, k, o, rd, rs1, rs2, imm, checked):
    """A load, store or atomic operation; rs1 is not x0.

    checked : int64, bit r is set if register r has been compared with the guard in this block

    Returns the next place and the new `checked`.
    """
    offset = imm
    if o >= op.LR_W:
        offset = i64(0)
    begin = n
    base, spilled = rs1, i64(0)
    if _is_taken(rs1):
        spilled = _free_register(rd, rs2, i64(0))
        n = _store(out, n, spilled, SPILL)
        base = spilled
        n = _load(out, n, base, _saved(rs1))
    if offset < 0:  # the address itself: a small base would reach over the top
        n = _put(out, n, op.ADDI, GUARDED, base, 0, offset)
        n = _put(out, n, op.SRAI, GUARDED, GUARDED, 0, GUARD_SHIFT)
        n = _put(out, n, op.ADDI, GUARDED, GUARDED, 0, 1)
        n = _slow_if(out, n, about, k, spilled, op.BEQ, GUARDED, 0)
        n = _restore_guard(out, n)
    elif spilled or not checked >> rs1 & 1:
        n = _slow_if(out, n, about, k, spilled, op.BGEU, base, GUARDED)
        if not spilled:
            checked |= i64(1) << rs1
    data = rs2
    used = _is_taken(rs2) or _is_taken(rd)
    if _is_taken(rs2):
        n = _load(out, n, GUARDED, _saved(rs2))
        data = i64(GUARDED)
    if _is_taken(rd):
        n = _put(out, n, o, GUARDED, base, data, imm)
        n = _store(out, n, GUARDED, _saved(rd))
    else:
        n = _put(out, n, o, rd, base, data, imm)
        checked &= ~(i64(1) << (rd & 31))
    n = _undo(out, n, used, spilled)
    _mark(out, begin, n, k | spilled << KIND_SHIFT)
    if spilled:  # before it is spilled the slot holds something else
        out[ORIGINS + begin] = k
    return n, checked


@njit(inner=True)
def _csr_slot(number, regime):
    """Index of the CSR's slot, or -1: the guest may not touch it, or it has none."""
    if regime == REGIME_VS or (number >> 8 & 3 == 3 and regime != REGIME_M):
        return i64(-1)
    for k in range(len(SLOT_CSRS)):
        if SLOT_CSRS[k] == number:
            return i64(k)
    return i64(-1)


@njit(inner=True)
def _csr(out, n, about, k, o, rd, rs1, number, regime):
    """An access to a CSR within the translation cache; returns -1 if it must call out.

    rs1 : int64, the register or the immediate
    """
    index = _csr_slot(number, regime)
    rd &= 31
    by_register = o < op.CSRRWI
    stores = o == op.CSRRW or o == op.CSRRWI
    if index < 0:
        return i64(-1)
    slot, mask = SLOTS - 8 * index, SLOT_MASKS[index]
    if not stores and rs1 == 0:  # only read
        d = i64(GUARDED) if _is_taken(rd) else rd
        if rd == 0:
            return _put(out, n, op.ADDI, 0, 0, 0, 0)
        n = _load(out, n, d, slot)
        if mask != -1:
            n = _put(out, n, op.ANDI, d, d, 0, mask)
        if d != rd:
            n = _store(out, n, d, _saved(rd))
            n = _restore_guard(out, n)
        return n
    if number == e.SSTATUS:
        return _sstatus(out, n, about, k, o, rd, rs1, slot)
    if not stores:
        return i64(-1)
    if not by_register:
        if rd:
            return i64(-1)
        n = _put(out, n, op.ADDI, GUARDED, 0, 0, rs1)
        n = _store(out, n, GUARDED, slot)
        return _restore_guard(out, n)
    if rd == 0:
        if not _is_taken(rs1):
            return _store(out, n, rs1, slot)
        n = _load(out, n, GUARDED, _saved(rs1))
        n = _store(out, n, GUARDED, slot)
        return _restore_guard(out, n)
    if _is_taken(rd) or _is_taken(rs1):
        return i64(-1)
    n = _load(out, n, GUARDED, slot)  # exchange
    n = _store(out, n, rs1, slot)
    n = _put(out, n, op.ANDI, rd, GUARDED, 0, mask)
    return _restore_guard(out, n)


@njit(inner=True)
def _sstatus(out, n, about, k, o, rd, rs1, slot):
    """A write to sstatus that changes no more than SIE, SPIE and SPP, or calls out.

    SIE may be set only while HOLD says that no interrupt waits for it.
    """
    sie, none = i64(e.MSTATUS_SIE), i64(0)
    if _is_taken(rd) or (o < op.CSRRWI and _is_taken(rs1)):
        return i64(-1)
    if o == op.CSRRW and rd == 0:
        n = _load(out, n, GUARDED, slot)
        n = _put(out, n, op.XOR, GUARDED, GUARDED, rs1, 0)
        n = _put(out, n, op.ANDI, GUARDED, GUARDED, 0, SAFE_STATUS)
        n = _slow_if(out, n, about, k, none, op.BNE, GUARDED, 0)
        n = _store(out, n, rs1, slot)
        return _restore_guard(out, n)
    sets = o == op.CSRRS or o == op.CSRRSI
    if o == op.CSRRS or o == op.CSRRC:
        if rd:
            return i64(-1)
        n = _put(out, n, op.ANDI, GUARDED, rs1, 0, ~sie)
        n = _slow_if(out, n, about, k, none, op.BNE, GUARDED, 0)
    elif rs1 != sie or o == op.CSRRWI:
        return i64(-1)
    if sets:
        n = _load(out, n, GUARDED, HOLD)
        n = _slow_if(out, n, about, k, none, op.BNE, GUARDED, 0)
    n = _load(out, n, GUARDED, slot)
    if rd:
        n = _put(out, n, op.ADDI, rd, GUARDED, 0, 0)
    if o == op.CSRRSI:
        n = _put(out, n, op.ORI, GUARDED, GUARDED, 0, sie)
    elif o == op.CSRRCI:
        n = _put(out, n, op.ANDI, GUARDED, GUARDED, 0, ~sie)
    else:
        n = _put(out, n, op.OR, GUARDED, GUARDED, rs1, 0)
        if not sets:
            n = _put(out, n, op.XOR, GUARDED, GUARDED, rs1, 0)
    n = _store(out, n, GUARDED, slot)
    return _restore_guard(out, n)


@njit(inner=True)
def _branch(out, n, k, o, rs1, rs2):
    """A conditional branch: two links, and the comparison chooses one."""
    begin = n
    n, a, b, used, spilled = _sources(out, n, i64(0), rs1, rs2)
    undone = i64(used) + i64(spilled != 0)
    n = _put(out, n, o, 0, a, b, 4 * (undone + 2))
    n = _undo(out, n, used, spilled)
    _mark(out, begin, n, k)
    n = _call(out, n, k + 1, NEXT)
    begin = n
    n = _undo(out, n, used, spilled)
    _mark(out, begin, n, k)
    return _call(out, n, k + 1, BRANCH)


@njit(inner=True)
def _indirect(out, n, k, rd, rs1, imm, link, regime):
    """JALR: look the target up; x27 carries the host's address."""
    begin = n
    target = _free_register(rd, i64(0), i64(0))
    entry = _free_register(rd, target, i64(0))
    n = _store(out, n, target, SPILL)
    n = _store(out, n, entry, SECOND_SPILL)
    source = rs1
    if _is_taken(rs1):
        n = _load(out, n, target, _saved(rs1))
        source = target
    if imm:
        n = _put(out, n, op.ADDI, target, source, 0, imm)
        source = target
    n = _put(out, n, op.ANDI, target, source, 0, -2)
    n = _constant(out, n, rd, link)
    n = _put(out, n, op.SLLI, entry, target, 0, 63 - TABLE_BITS)
    n = _put(out, n, op.SRLI, entry, entry, 0, 60 - TABLE_BITS)
    n = _put(out, n, op.LUI, GUARDED, 0, 0, table_of(regime))
    n = _put(out, n, op.ADD, entry, entry, GUARDED, 0)
    n = _load_from(out, n, entry, 0)
    n = _put(out, n, op.BNE, 0, GUARDED, target, 4 * 5)
    n = _load_from(out, n, entry, 8)
    n = _load(out, n, target, SPILL)
    n = _load(out, n, entry, SECOND_SPILL)
    n = _put(out, n, op.JALR, 0, GUARDED, 0, 0)
    n = _store(out, n, target, TARGET)  # not found
    n = _load(out, n, target, SPILL)
    n = _load(out, n, entry, SECOND_SPILL)
    _mark(out, begin, n, k)
    return _call(out, n, k + 1, MISS)


@njit(inner=True)
def _load_from(out, n, base, offset):
    """x27 from memory."""
    return _put(out, n, op.LD, GUARDED, base, 0, offset)


@njit(inner=True)
def _slow_paths(out, n, about):
    """Write the slow paths, and point their branches at them."""
    for i in range(about[N_SLOW]):
        place = out[SLOW + i] & 0xFFFF
        k = out[SLOW + i] >> 16 & 0xFFFF
        spilled = out[SLOW + i] >> 32
        d = decode(out[place])
        _put(out, place, d & 0x7F, 0, d >> 16 & 0xFF, d >> 24 & 0xFF, 4 * (n - place))
        if spilled:
            out[ORIGINS + n] = k
            n = _load(out, n, spilled, SPILL)
        n = _call(out, n, k, CALL)
    return n


@njit
def translate_block(source, n_source, pc, regime, forced, out, about):
    """Translate one block.

    Parameters
    ----------
    source : (at least n_source,) int64, instruction words in the order of their addresses; of a
        16-bit instruction only the low half counts
    n_source : int64, 1 to MOST_INSTRUCTIONS
    pc : int64, the guest's address of the first
    regime : REGIME_S, REGIME_M or REGIME_VS
    forced : int64, bit k is set if instruction k shall call out, whatever it is
    out : (OUT_WORDS,) int64; the host's words, and from ORIGINS on the origin of each
    about : (ABOUT_WORDS,) int64: instructions and bytes of the guest's block, a bit for each
        instruction of 16 bits, the guest addresses of the links

    Returns
    -------
    n : int64, host words
    """
    for i in range(ABOUT_WORDS):
        about[i] = 0
    n = _restore_guard(out, i64(0))
    n = _put(out, n, op.ADDI, CLOCK, CLOCK, 0, 0)  # the count is filled in at the end
    n = _put(out, n, op.BGE, 0, CLOCK, 0, 8)
    _mark(out, i64(0), n, i64(0))
    n = _call(out, n, i64(0), LEAVE)
    checked = i64(0)
    k, at = i64(0), pc
    ended = False
    while not ended and k < n_source:
        d = decode(source[k])
        o = d & 0x7F
        length = i64(4)
        if d & op.COMPRESSED:
            length = i64(2)
            about[SHORT] |= i64(1) << k
        rd, rs1, rs2, imm = d >> 8 & 0x1F, d >> 16 & 0xFF, d >> 24 & 0xFF, d >> 32
        begin, calls = n, False
        if forced >> k & 1:
            calls = True
        elif op.LB <= o <= op.SD or op.LR_W <= o <= op.AMOMAXU_D:
            if rs1 == 0 and (imm < 0 or o >= op.LR_W):
                calls = True
            elif rs1 == 0:
                n = _copy(out, n, o, rd, rs1, rs2, imm)
                _mark(out, begin, n, k)
                checked &= ~(i64(1) << rd)
            else:
                n, checked = _access(out, n, about, k, o, rd, rs1, rs2, imm, checked)
        elif o == op.JAL or o == op.JALR or op.BEQ <= o <= op.BGEU:
            ended = True
            about[TO_NEXT], about[TO_BRANCH] = at + length, at + imm
            if o == op.JAL:
                n = _constant(out, n, rd, at + length)
                about[TO_NEXT] = at + imm
                _mark(out, begin, n, k)
                n = _call(out, n, k + 1, NEXT)
            elif o == op.JALR:
                n = _indirect(out, n, k, rd, rs1, imm, at + length, regime)
            else:
                n = _branch(out, n, k, o, rs1, rs2)
        elif o == op.FENCE or o == op.FENCE_I:
            n = _put(out, n, op.ADDI, 0, 0, 0, 0)
        elif op.CSRRW <= o <= op.CSRRCI:
            n = _csr(out, n, about, k, o, rd, rs1, imm, regime)
            calls = n < 0
            checked &= ~(i64(1) << rd)
        elif o >= op.ECALL or o == op.UNDECODED:
            calls = True
        else:
            if o == op.AUIPC and rd:
                n = _constant(out, n, rd, at + imm)
            else:
                n = _copy(out, n, o, rd, rs1, rs2, imm)
            checked &= ~(i64(1) << rd)
        if calls:
            n = _call(out, begin, k, CALL)
            ended = True
        elif not ended and not (op.LB <= o <= op.SD or op.LR_W <= o <= op.AMOMAXU_D):
            _mark(out, begin, n, k)
        k += 1
        at += length
    if not ended:
        about[TO_NEXT] = at
        n = _call(out, n, k, NEXT)
    about[N_INSTRUCTIONS], about[N_BYTES] = k, at - pc
    _put(out, i64(HEAD), op.ADDI, CLOCK, CLOCK, 0, -k)
    return _slow_paths(out, n, about)
