"""Address translation: the compiled walk against the plain-Python one, on random page tables.

A case is a set of random page tables for one address, a mode, an access, and random settings of
SUM, MXR, ADUE and PMP. Entries are drawn so that the walk often gets far: mostly pointers and
leaves with nearly all rights, some with one thing wrong. `Machine.translate` foretells what will
happen; then M-mode makes the access with MPRV, or returns to the mode to fetch there.

Every word of RAM that is no table is the instruction `lui a2, k` with its own k, so that what was
loaded or executed tells where it came from.
"""

import collections
import random

import numpy as np
from stories import RAM, U64, catch, enter, machine, run_to

from virtlab.isa import encoding as e
from virtlab.isa.encoding import PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X
from virtlab.machine.peek import settle
from virtlab.machine.ram import forget_all_code

PAGES = 256  # of RAM
ROOT, VS_ROOT, G_ROOT = 64, 65, 68  # page numbers in RAM; Sv39x4 roots are 16 KiB
FREE = range(80, PAGES)
SV39 = 8 << 60
CASES = 2000
GOOD = PTE_V | PTE_R | PTE_W | PTE_X | PTE_U | PTE_A | PTE_D
MARK = 0x0123_4567_89AB_CDEF
MODES = {"U": (0, 0), "S": (1, 0), "VU": (0, 1), "VS": (1, 1)}
NO_ANSWER = {
    "load": "load access fault",
    "store": "store/AMO access fault",
    "fetch": "instruction access fault",
}
LEADS_NOWHERE = -1


def atp(page: int) -> int:
    """A value for satp, vsatp or hgatp with its table in a page of RAM, as the record holds it."""
    return (SV39 | (RAM >> 12) + page) - (1 << 64)


class Case:
    """Random settings and tables for one access, written into the machine."""

    def __init__(self, m, rng: random.Random):
        self.rng, self.words, hart = rng, m._mem.u64, m._hart
        self.drawn: set[int] = set()
        self.mode = rng.choice(tuple(MODES))
        self.access = rng.choice(("load", "store", "fetch"))
        power, virt = MODES[self.mode]
        self.va = self._address()
        hart.satp = atp(ROOT) if rng.random() < 0.95 else 0
        hart.vsatp = atp(VS_ROOT) if rng.random() < 0.9 else 0
        hart.hgatp = atp(G_ROOT) if rng.random() < 0.9 else 0
        hart.mstatus = e.MSTATUS_UXL_64 | e.MSTATUS_SXL_64 | self._lenience()
        hart.mstatus |= power << e.MSTATUS_MPP_SHIFT | e.MSTATUS_MPV * virt
        hart.vsstatus = e.MSTATUS_UXL_64 | self._lenience()
        hart.menvcfg = rng.choice((0, e.ENVCFG_ADUE))
        hart.henvcfg = rng.choice((0, e.ENVCFG_ADUE))
        self.nested = virt and hart.hgatp
        pa = self.va
        if virt and hart.vsatp:
            pa = self._walk(VS_ROOT, self.va, "VS")
        elif not virt and hart.satp:
            pa = self._walk(ROOT, self.va, "S")
        if self.nested and pa != LEADS_NOWHERE:
            self._walk(G_ROOT, pa, "G")
        self._protect(hart)

    def _address(self) -> int:
        shape = self.rng.random()
        if shape < 0.05:
            return RAM + self.rng.choice(FREE) * 4096 + 8
        if shape < 0.1:
            return self.rng.randrange(U64) & ~7
        low = self.rng.randrange(1 << 39) & ~7
        return low | (U64 >> 39 << 39) * (low >> 38)

    def _lenience(self) -> int:
        sum_, mxr = self.rng.random() < 0.5, self.rng.random() < 0.3
        return e.MSTATUS_SUM * sum_ | e.MSTATUS_MXR * mxr

    def _protect(self, hart) -> None:
        """PMP: everything is allowed; in some cases but for a page or four bytes of RAM."""
        hart.pmpcfg[:] = hart.pmpaddr[:] = 0
        k = 0
        if self.rng.random() < 0.15 and self.drawn:
            address = RAM + self.rng.choice(sorted(self.drawn))
            whole_page = self.rng.random() < 0.5
            kind = e.PMP_NAPOT if whole_page else e.PMP_NA4
            hart.pmpaddr[0] = (address >> 12 << 10 | 0x1FF) if whole_page else address >> 2
            hart.pmpcfg[0] = self.rng.randrange(8) | kind << e.PMP_A_SHIFT
            k = 1
        hart.pmpaddr[k] = (1 << 54) - 1
        hart.pmpcfg[k] = 7 | e.PMP_NAPOT << e.PMP_A_SHIFT

    def _walk(self, page: int, address: int, stage: str) -> int:
        """Draw all entries on the way of an address; returns where it leads."""
        if stage == "G" and address >> 41:
            return LEADS_NOWHERE
        for level in (2, 1, 0):
            index = address >> 12 + 9 * level & (0x7FF if stage == "G" and level == 2 else 0x1FF)
            at = page * 4096 + 8 * index
            if stage == "VS" and self.nested:
                at = self._walk(G_ROOT, RAM + at, "G") - RAM
            if not 0 <= at < PAGES * 4096:
                return LEADS_NOWHERE
            entry = self._entry(at, level, stage)
            target = (entry >> 10 & e.PTE_PPN) << 12
            if not entry & PTE_V:
                return LEADS_NOWHERE
            if entry & (PTE_R | PTE_X):
                inside = (1 << 12 + 9 * level) - 1
                return target & ~inside | address & inside
            page = (target - RAM) // 4096
        return LEADS_NOWHERE

    def _entry(self, at: int, level: int, stage: str) -> int:
        """The entry at an offset in RAM: drawn now, or as an earlier walk of this case drew it."""
        if at not in self.drawn:
            self.drawn.add(at)
            self.words[at // 8] = np.array(self._draw(level, stage), np.uint64).astype(np.int64)
        return int(self.words[at // 8]) & U64

    def _draw(self, level: int, stage: str) -> int:
        rng = self.rng
        page = (RAM >> 12) + rng.choice(FREE)
        flags = GOOD
        if rng.random() < (0.05, 0.7, 0.85)[level]:
            flags = PTE_V  # a pointer
        elif rng.random() < 0.9:
            page = page >> 9 * level << 9 * level  # superpages have to be aligned
        if stage != "G" and flags == GOOD and rng.random() < 0.5:
            flags &= ~PTE_U
        if rng.random() < 0.25:
            flags ^= 1 << rng.randrange(8)
        if rng.random() < 0.01:
            flags |= 1 << rng.randrange(54, 64)
        if rng.random() < 0.02:
            page = rng.choice((1, (1 << 20) + 1, (1 << 44) - 1, (RAM >> 12) + PAGES))
        return page << 10 | flags


def foretell(m, case: Case):
    """What `translate` says of the access."""
    hart = m._hart
    if case.access != "fetch":
        hart.mstatus |= e.MSTATUS_MPRV
        return m.translate(case.va, case.access)
    hart.mode, hart.virt = MODES[case.mode]
    try:
        return m.translate(case.va, case.access)
    finally:
        hart.mode, hart.virt = e.MACHINE, 0


def make_access(m, case: Case):
    """Carry it out; returns the record of the exception, or None."""
    hart = m._hart
    settle(hart)
    hart.x[10] = hart.mepc = np.array(case.va, np.uint64).astype(np.int64)
    hart.x[11], hart.x[12] = MARK, 0
    hart.pc = m.symbols[case.access]
    if case.access == "fetch":
        m.step()
        assert m.pc == case.va and m.mode == case.mode
    n_events = int(hart.n_events)
    m.step()
    return m.last_events(1)[0] if hart.n_events > n_events else None


def word_at(pa: int) -> int:
    """The word of RAM that holds nothing else: lui a2, k."""
    return (pa - RAM) // 4 << 12 | 12 << 7 | 0x37


def test_the_compiled_walk_does_what_the_plain_walk_says(seed):
    rng = random.Random(f"{seed} walks")
    m = machine(f"{catch('load')}\nload: ld a2, 0(a0)\nstore: sd a1, 0(a0)\nfetch: mret")
    run_to(m, "load")
    words, hart = m._mem.u64, m._hart
    first = 8  # the program fills less than 64 bytes
    program = words[:first].copy()
    m._mem.u32[2 * first :] = [word_at(RAM + at) for at in range(8 * first, len(m._mem.u8), 4)]
    plain = words[first:].copy()
    outcomes = collections.Counter()
    for k in range(CASES):
        words[:first], words[first:] = program, plain
        forget_all_code(m._mem)
        hart.mode, hart.virt, hart.waiting = e.MACHINE, 0, 0
        for tags in (hart.itlb_tag, hart.dtlb_read, hart.dtlb_write, hart.dtlb_guarded):
            tags[:] = -1
        case = Case(m, rng)
        before = words.copy()
        walk = foretell(m, case)
        told = f"case {k}, {case.mode}, {walk}"
        record = make_access(m, case)
        answers = walk.pa is not None and RAM <= walk.pa < RAM + PAGES * 4096
        fault = None if answers else walk.fault or NO_ANSWER[case.access]
        changed = {int(n) * 8 for n in np.flatnonzero(words != before)}
        if fault:
            assert record is not None and (record.cause_name, record.tval) == (fault, case.va), told
        elif case.access == "store":
            assert record is None and words[(walk.pa - RAM) // 8] == MARK, told
            changed -= {walk.pa - RAM}
        elif case.access == "load":
            at = (walk.pa - RAM) // 8
            assert record is None and hart.x[12] in (before[at], words[at]), told
        elif walk.pa - RAM not in case.drawn:  # the instruction there says where it lies
            assert record is None and m.registers.a2 >> 12 == (walk.pa - RAM) // 4, told
        for at in changed:  # hardware sets A and D in the entries it uses, and nothing else
            was, now = int(before[at // 8]), int(words[at // 8])
            assert now == was | now & (PTE_A | PTE_D), told
            assert at in {step.pte_pa - RAM for step in walk.steps}, told
        leaf = next((s for s in reversed(walk.steps) if s.stage in ("S", "VS")), None)
        if leaf and not fault and leaf.pte_pa - RAM not in range(walk.pa - RAM, walk.pa - RAM + 8):
            used = PTE_A | PTE_D * (case.access == "store")
            assert words[(leaf.pte_pa - RAM) // 8] & used == used, told
        stages = "".join(sorted({s.stage for s in walk.steps}))
        outcomes[stages, case.access, fault or (leaf and leaf.level)] += 1
    seen = {(stages, bool(level)) for stages, _, level in outcomes if isinstance(level, int)}
    assert seen >= {("S", False), ("S", True), ("VS", False), ("GVS", False), ("GVS", True)}
    faults = {fault for _, _, fault in outcomes if isinstance(fault, str)}
    assert len(faults) == 9, faults


# Two stories in which an entry of a table is more than an entry of a table.


def test_a_fence_of_one_address_forgets_the_superpage_whose_slot_a_small_page_has_used():
    """Pages A and B use one slot and lie equally far from their addresses: A is cut from a
    superpage, B is small. The fence names another page of A's superpage."""
    m = machine(
        f"""
        {catch("trap")}
        la    t0, root
        li    t1, 0x200000cf         # 0x8000_0000: a page of 1 GiB
        sd    t1, 16(t0)
        la    t1, middle             # 0xc000_0000: the next table
        srli  t1, t1, 2
        ori   t1, t1, 1
        sd    t1, 24(t0)
        la    t0, middle             # 0xc020_0000: 2 MiB at 0x8020_0000
        li    t1, 0x200800cf
        sd    t1, 8(t0)
        la    t1, leaves             # 0xc040_0000: a table of small pages
        srli  t1, t1, 2
        ori   t1, t1, 1
        sd    t1, 16(t0)
        la    t0, leaves             # its first page lies at 0x8040_0000
        li    t1, 0x201000cf
        sd    t1, 0(t0)
        la    t0, root
        srli  t0, t0, 12
        li    t1, {SV39}
        or    t0, t0, t1
        csrw  satp, t0
        {enter("S")}
begin:  li    s0, 0xc0200000
        li    s1, 0xc0400000
        lw    a0, 0(s0)              # A: read through the superpage
        sw    zero, 0(s1)            # B: written, in the same slot
        la    t0, middle
        li    t1, 0x201800cf         # the superpage moves to 0x8060_0000
        sd    t1, 8(t0)
        li    t0, 0xc0201000
        sfence.vma t0, zero
        lw    a1, 0(s0)
done:   j     done
trap:   j     trap
        .balign 4096
root:   .zero 4096
middle: .zero 4096
leaves: .zero 4096
        """,
        ram="16M",
    )
    m.memory.write(0x8020_0000, b"\x01")
    m.memory.write(0x8060_0000, b"\x02")
    run_to(m, "done")
    assert (m.registers.a0, m.registers.a1) == (1, 2)


def test_an_entry_that_is_executed_changes_when_hardware_sets_its_accessed_bit():
    """The low word of entry 0x...13 (U, R, V) is an addi; with A set it is no instruction."""
    m = machine(
        f"""
        {catch("trap")}
        la    t0, root
        la    t1, middle
        srli  t1, t1, 2
        ori   t1, t1, 1
        sd    t1, 0(t0)
        la    t0, middle
        la    t1, leaves
        srli  t1, t1, 2
        ori   t1, t1, 1
        sd    t1, 0(t0)
        la    t0, leaves
        li    t1, 0x20020013         # the page at 0x8008_0000
        sd    t1, 0(t0)
        la    s0, leaves
        li    s1, 0
again:  jr    s0                     # executes the entry, and traps behind it or at it
trap:   csrr  t1, mepc
        sub   t1, t1, s0
        bnez  s1, done
        mv    a0, t1
        li    s1, 1
        la    t0, root
        srli  t0, t0, 12
        li    t1, {SV39}
        or    t0, t0, t1
        csrw  satp, t0
        li    t0, {e.MSTATUS_MPP}
        csrc  mstatus, t0
        li    t0, {e.MSTATUS_MPRV}   # loads are the user's, through the table
        csrs  mstatus, t0
        lbu   t1, 0(zero)
        csrc  mstatus, t0
        j     again
done:   j     done
        .balign 4096
root:   .zero 4096
middle: .zero 4096
leaves: .zero 4096
        """
    )
    run_to(m, "done")
    assert m.memory.entry(m.symbols["leaves"]) == 0x2002_0053
    assert (m.registers.a0, m.registers.t1) == (4, 0)
