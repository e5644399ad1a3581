"""How does a guest that writes page tables run on tables that it never sees? Shadow page tables.

    guest's table     gva -> gpa      written by the guest, read by nobody but the hypervisor
    shadow table      gva -> hpa      written by the hypervisor, walked by the hart

A shadow table begins empty. Each page enters it when the guest first uses it: the hart faults, the
guest's own table is walked as its hart would walk it, and if that allows the access the result is
entered (a hidden fault); if not, the fault is the guest's own (a true fault). A page that has not
been written yet is entered without the right to write, so that the first store faults and the
guest's dirty bit is set. Superpages are entered in pieces of 4 KiB.

A shadow holds what one translation regime of the guest sees: a `context`. The guest's kernel and
its programs need two where both run in U-mode on the hart.

When the guest changes its tables, entries go stale. Four policies, to be compared:

    LAZY    as a TLB: SFENCE.VMA drops what the architecture says it must; contexts are kept
    FLUSH   a change of satp or any fence drops everything
    TRACE   the guest's tables are write-protected; each store to one exits (is traced), is carried
            out, and drops what hung on the entry. Fences have nothing left to do
    EAGER   as TRACE, and the new entry is entered at once, before it is used

Layout of an entry of the shadow: as the architecture's, and in the bits it leaves to software the
level of the guest's leaf (bits 9..8), which tells what a fence of one address must drop.

Left out: sharing of shadow tables between contexts, and shadowing by superpages.

Sources: Privileged ISA 20240411, "Supervisor Memory-Management Fence Instruction"; Adams & Agesen
2006, sections on tracing, hidden and true page faults; for the reverse map and its limits KVM's
Documentation/virt/kvm/x86/mmu.rst.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa import encoding as e
from virtlab.machine.mmu import leaf_allows, translate
from virtlab.machine.pmp import pmp_allows_page
from virtlab.machine.ram import in_ram
from virtlab.machine.state import (
    BYTE,
    NO,
    PAGE_DIRTY,
    PAGE_TOHOST,
    PAGE_WATCHED,
    PAGE_WATCHES,
    RAM_BASE,
)
from virtlab.machine.tlb import (
    CONTEXT_MODE_SHIFT,
    describe_context,
    flush_all,
    flush_contexts,
)

i64 = np.int64

LAZY, FLUSH, TRACE, EAGER = range(4)
POLICIES = {"lazy": LAZY, "flush": FLUSH, "trace": TRACE, "eager": EAGER}

# The state array: a header, the contexts, then one word for each page of the guest's RAM.
NEXT, FREE, CURRENT, CLOCK = range(4)  # first page never used, freed pages, context in use, age
CONTEXTS = 8
N_CONTEXTS = 64
C_MODE, C_ROOT, C_NEST, C_TABLE, C_GIGA, C_USED = range(6)  # a context's words; C_TABLE 0: empty
CONTEXT_WORDS = 8
FRAMES = CONTEXTS + N_CONTEXTS * CONTEXT_WORDS
FRAME_WORDS = 2
F_TABLE, F_WRITER = range(2)

# F_TABLE: is the page a page table of the guest, of which level, and what does it map?
TRACED = 1
LEVEL_SHIFT, LEVEL_BITS = 1, 3
MANY = 1 << 3  # used at more than one level or address: a store to it drops everything
WRITES_SHIFT = 4
WRITES = 0xFF << WRITES_SHIFT  # stores to it since it was last walked
PATIENCE = 32  # after so many a page is not taken for a table any longer
WHERE_SHIFT = 12  # the address that the table's first entry maps

# F_WRITER: the address (bits 63..12) at which a shadow lets the guest write to the page.
HAS_WRITER, SEVERAL_WRITERS = 1, 2

SHADOW_BITS = e.PTE_V | e.PTE_A | e.PTE_D
ORIGIN_SHIFT = 8
PINNED = 1 << 8  # in an entry that points to a table: the hypervisor's own, not the guest's
NO_TABLE = -1
ALL_USER, AS_GUEST = 0, 1  # whether a shadow's pages belong to U-mode, or to whom the guest says
BOTH_MODES = 0  # in C_MODE: the context serves the guest's S-mode and U-mode, AS_GUEST


def shadow_words(ram_bytes: int) -> int:
    """Length of the part of the state array that this module uses."""
    return FRAMES + FRAME_WORDS * (ram_bytes >> e.PAGE_SHIFT)


@njit(inner=True)
def keeps_trace(vm):
    """Whether stores to the guest's page tables are watched."""
    return vm.policy == TRACE or vm.policy == EAGER


@njit(inner=True)
def _frame(state, gpa):
    """Where in `state` the words of a page of the guest's RAM are."""
    return FRAMES + FRAME_WORDS * ((gpa - RAM_BASE) >> e.PAGE_SHIFT)


# Pages of the hypervisor's own


@njit(inner=True)
def _put(mem, at, value):
    """Write a word of the hypervisor's own pages, so that a snapshot sees it."""
    mem.u64[at >> 3] = value
    mem.pages[at >> e.PAGE_SHIFT] |= PAGE_DIRTY


@njit(inner=True)
def new_page(vm, mem, state):
    """Offset in host RAM of an empty page of the pool, or NO_TABLE if none is left."""
    page = state[FREE]
    if page:
        state[FREE] = mem.u64[page >> 3]
    else:
        page = vm.pool + (state[NEXT] << e.PAGE_SHIFT)
        if page >= vm.pool_end:
            return i64(NO_TABLE)
        state[NEXT] += 1
    for k in range(512):
        mem.u64[(page >> 3) + k] = 0
    mem.pages[page >> e.PAGE_SHIFT] |= PAGE_DIRTY
    return page


@njit(inner=True)
def _free_page(mem, state, page):
    _put(mem, page, state[FREE])
    state[FREE] = page


@njit(inner=True)
def flush_shadow(vm, hart, mem, guest, state):
    """Drop every shadow table, and all tracing with it."""
    state[NEXT] = 0
    state[FREE] = 0
    state[CURRENT] = 0
    for k in range(N_CONTEXTS):
        state[CONTEXTS + k * CONTEXT_WORDS + C_TABLE] = 0
    if keeps_trace(vm):
        for frame in range(vm.ram_bytes >> e.PAGE_SHIFT):
            at = FRAMES + FRAME_WORDS * frame
            if state[at + F_TABLE] & TRACED:
                guest.pages[frame] &= 0xFF & ~PAGE_WATCHED
            state[at + F_TABLE] = 0
            state[at + F_WRITER] = 0
    flush_all(hart)
    vm.shadow_flushes += 1


# Contexts


@njit(inner=True)
def choose_context(vm, hart, mem, guest, state, mode, root, nest):
    """Find or make the shadow of a translation regime, and load it into satp's format.

    Parameters
    ----------
    mode, root, nest : int64, what tells one regime from another: who runs, under which satp (or
        vsatp), behind which hgatp

    Returns
    -------
    atp : int64, MODE, ASID and PPN of the shadow
    """
    oldest = i64(0)
    for k in range(-1, N_CONTEXTS):
        c = CONTEXTS + k * CONTEXT_WORDS
        if k < 0:  # most often it is the one used last
            c = CONTEXTS + state[CURRENT] * CONTEXT_WORDS
        if state[c + C_TABLE] and state[c + C_MODE] == mode:
            if state[c + C_ROOT] == root and state[c + C_NEST] == nest:
                oldest = (c - CONTEXTS) // CONTEXT_WORDS
                return _use_context(vm, state, oldest)
        if k >= 0:
            older = CONTEXTS + oldest * CONTEXT_WORDS
            if state[c + C_TABLE] == 0 or state[older + C_TABLE] == 0:
                if state[older + C_TABLE]:
                    oldest = i64(k)
            elif state[c + C_USED] < state[older + C_USED]:
                oldest = i64(k)
    table = new_page(vm, mem, state)
    if table == NO_TABLE:
        flush_shadow(vm, hart, mem, guest, state)
        oldest = i64(0)
        table = new_page(vm, mem, state)
    c = CONTEXTS + oldest * CONTEXT_WORDS
    if state[c + C_TABLE]:
        drop_context(vm, hart, mem, state, oldest)
    state[c + C_MODE], state[c + C_ROOT], state[c + C_NEST] = mode, root, nest
    state[c + C_TABLE] = table
    state[c + C_GIGA] = 0
    return _use_context(vm, state, oldest)


@njit(inner=True)
def _use_context(vm, state, number):
    state[CURRENT] = number
    state[CLOCK] += 1
    c = CONTEXTS + number * CONTEXT_WORDS
    state[c + C_USED] = state[CLOCK]
    page = (RAM_BASE + state[c + C_TABLE]) >> e.PAGE_SHIFT
    return i64(e.ATP_SV39) << e.ATP_MODE_SHIFT | (vm.asid + number) << e.ASID_SHIFT | page


@njit(inner=True)
def drop_context(vm, hart, mem, state, number):
    """Free all tables of a context."""
    c = CONTEXTS + number * CONTEXT_WORDS
    root = state[c + C_TABLE]
    for k in range(512):
        pte = mem.u64[(root >> 3) + k]
        if pte:
            _free_branch(mem, state, pte, i64(1))
    _free_page(mem, state, root)
    state[c + C_TABLE] = 0
    vm.shadow_invalidations += 1
    asid = (vm.asid + number) << 16  # where a TLB context keeps the ASID
    flush_contexts(hart, asid, i64(e.ASID_MASK) << 16, i64(0), NO)


@njit(inner=True)
def _table_of(pte):
    """Offset in host RAM of the table that a shadow entry points to."""
    return ((pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT) - RAM_BASE


@njit(inner=True)
def _free_branch(mem, state, pte, level):
    """Free the table of `level` that an entry points to, and those below it."""
    table = _table_of(pte)
    if level == 1:
        for k in range(512):
            below = mem.u64[(table >> 3) + k]
            if below and not below & PINNED:
                _free_page(mem, state, _table_of(below))
    _free_page(mem, state, table)


# A table of the hypervisor's own


@njit(inner=True)
def pin_table(vm, mem, state, table):
    """Map the last 2 MiB of the context in use by a table of the hypervisor's own.

    The guest's own pages there are then in no shadow: `fill_shadow` leaves them out.

    Parameters
    ----------
    table : int64, offset in host RAM

    Returns
    -------
    pinned : bool, False if no page was left for the table above it
    """
    at = state[CONTEXTS + state[CURRENT] * CONTEXT_WORDS + C_TABLE] + 511 * 8
    pte = mem.u64[at >> 3]
    if pte == 0:
        middle = new_page(vm, mem, state)
        if middle == NO_TABLE:
            return False
        pte = ((RAM_BASE + middle) >> e.PAGE_SHIFT) << e.PTE_PPN_SHIFT | e.PTE_V
        _put(mem, at, pte)
    at = _table_of(pte) + 511 * 8
    if mem.u64[at >> 3] == 0:
        page = (RAM_BASE + table) >> e.PAGE_SHIFT
        _put(mem, at, page << e.PTE_PPN_SHIFT | e.PTE_V | PINNED)
    return True


# Filling


@njit(inner=True)
def fill_shadow(vm, vcpu, hart, mem, guest, state, gva, gpa, access, mode, who):
    """Enter the page of `gva` into the shadow in use; `translate` has just found it at `gpa`.

    Parameters
    ----------
    vcpu : its walk_leaf, walk_level and walk_table say what the guest's own walk found
    gva, gpa : int64, byte addresses; gpa lies in the guest's RAM
    access : LOAD, STORE or FETCH, the one that is allowed
    mode : int64, the guest's own mode, in which it may
    who : ALL_USER or AS_GUEST

    Returns
    -------
    filled : bool, False if no page was left for a table: everything has been dropped, try again
    """
    atp = vcpu.satp
    if vcpu.virt:
        atp = vcpu.vsatp
    translates = mode != e.MACHINE and atp >> e.ATP_MODE_SHIFT != 0
    level = i64(0)
    leaf = i64(e.PTE_R | e.PTE_W | e.PTE_X | e.PTE_D)
    if translates:
        level = vcpu.walk_level
        leaf = vcpu.walk_leaf
        if keeps_trace(vm) and not vcpu.virt:
            _trace_tables(vm, vcpu, hart, mem, guest, state, gva, level)
    bits = i64(SHADOW_BITS) | level << ORIGIN_SHIFT
    if who == ALL_USER:
        bits |= e.PTE_U | _rights(vcpu, leaf, mode, translates)
    else:
        bits |= leaf & (e.PTE_U | e.PTE_R | e.PTE_X)
        if leaf & e.PTE_D:
            bits |= leaf & e.PTE_W
    frame = (gpa - RAM_BASE) >> e.PAGE_SHIFT
    if guest.pages[frame] & (PAGE_WATCHES | PAGE_TOHOST):
        bits &= ~e.PTE_W
    if not pmp_allows_page(vcpu, gpa, i64(e.STORE), mode):
        bits &= ~e.PTE_W
    if not pmp_allows_page(vcpu, gpa, i64(e.FETCH), mode):
        bits &= ~e.PTE_X
    if not pmp_allows_page(vcpu, gpa, i64(e.LOAD), mode):
        bits &= ~(e.PTE_R | e.PTE_W)

    c = CONTEXTS + state[CURRENT] * CONTEXT_WORDS
    if level == 2:
        state[c + C_GIGA] = 1
    table = state[c + C_TABLE]
    for step in range(2, 0, -1):
        at = table + (gva >> (e.PAGE_SHIFT + 9 * step) & 0x1FF) * 8
        pte = mem.u64[at >> 3]
        if pte == 0:
            below = new_page(vm, mem, state)
            if below == NO_TABLE:
                flush_shadow(vm, hart, mem, guest, state)
                return False
            pte = ((RAM_BASE + below) >> e.PAGE_SHIFT) << e.PTE_PPN_SHIFT | e.PTE_V
            _put(mem, at, pte)
        if pte & PINNED:
            return True
        table = _table_of(pte)
    at = table + (gva >> e.PAGE_SHIFT & 0x1FF) * 8
    hpa = (gpa & e.PAGE_MASK) + vm.host_base
    before = mem.u64[at >> 3]
    if vcpu.virt:  # two walks decided: what one access found, and earlier ones
        bits &= ~(e.PTE_R | e.PTE_W | e.PTE_X) | _right_of(access)
        if before >> e.PTE_PPN_SHIFT & e.PTE_PPN == hpa >> e.PAGE_SHIFT:
            bits |= before & (e.PTE_R | e.PTE_W | e.PTE_X)
    if before:  # what it allowed until now may be remembered
        flush_contexts(hart, i64(0), i64(0), gva, i64(1))
    _put(mem, at, (hpa >> e.PAGE_SHIFT) << e.PTE_PPN_SHIFT | bits)
    if bits & e.PTE_W and keeps_trace(vm):
        _note_writer(state, gpa, gva)
    vm.shadow_fills += 1
    return True


@njit(inner=True)
def _right_of(access):
    if access == e.FETCH:
        return i64(e.PTE_X)
    if access == e.STORE:
        return i64(e.PTE_R | e.PTE_W)
    return i64(e.PTE_R)


@njit(inner=True)
def _rights(vcpu, leaf, mode, translates):
    """R, W and X of a shadow's page for a mode of the guest, which the hart does not know.

    W waits for the guest's dirty bit.
    """
    if not translates:
        return i64(e.PTE_R | e.PTE_W | e.PTE_X)
    status = vcpu.mstatus
    if vcpu.virt:
        status = vcpu.vsstatus
    user = i64(mode == e.USER)
    may_touch_user = status & e.MSTATUS_SUM
    readable = (status | vcpu.mstatus) & e.MSTATUS_MXR
    rights = i64(0)
    if leaf_allows(leaf, i64(e.LOAD), user, may_touch_user, readable):
        rights |= e.PTE_R
    if leaf & e.PTE_D and leaf_allows(leaf, i64(e.STORE), user, may_touch_user, readable):
        rights |= e.PTE_W | e.PTE_R
    if leaf_allows(leaf, i64(e.FETCH), user, may_touch_user, readable):
        rights |= e.PTE_X
    return rights


# Tracing


@njit(inner=True)
def _note_writer(state, gpa, gva):
    at = _frame(state, gpa) + F_WRITER
    writer = gva & e.PAGE_MASK | HAS_WRITER
    if state[at] == 0:
        state[at] = writer
    elif state[at] != writer:
        state[at] |= SEVERAL_WRITERS


@njit(inner=True)
def _trace_tables(vm, vcpu, hart, mem, guest, state, gva, leaf_level):
    """Write-protect the tables that the guest's walk has just read."""
    for level in range(2, leaf_level - 1, -1):
        table = vcpu.walk_table[level]
        at = _frame(state, table)
        where = i64(0)
        if level < 2:
            span = e.PAGE_SHIFT + 9 * (level + 1)
            where = gva >> span << span
        word = i64(TRACED) | level << LEVEL_SHIFT | where
        before = state[at + F_TABLE]
        if not before & TRACED:
            guest.pages[(table - RAM_BASE) >> e.PAGE_SHIFT] |= PAGE_WATCHED
            protect_page(vm, hart, mem, state, table)
        elif (before ^ word) & ~(WRITES | MANY):
            word |= MANY
        state[at + F_TABLE] = word | before & MANY


@njit(inner=True)
def protect_page(vm, hart, mem, state, gpa):
    """Take the right to write to a page of the guest out of every shadow."""
    at = _frame(state, gpa) + F_WRITER
    writer = state[at]
    state[at] = 0
    if writer == 0:
        return
    for k in range(N_CONTEXTS):
        root = state[CONTEXTS + k * CONTEXT_WORDS + C_TABLE]
        if root == 0:
            continue
        if writer & SEVERAL_WRITERS:
            _protect_everywhere(mem, root, gpa + vm.host_base)
            continue
        leaf = _find_leaf(mem, root, writer & e.PAGE_MASK)
        if leaf:
            _put(mem, leaf, mem.u64[leaf >> 3] & ~e.PTE_W)
    if writer & SEVERAL_WRITERS:
        flush_all(hart)
    else:
        flush_contexts(hart, i64(0), i64(0), writer & e.PAGE_MASK, i64(1))


@njit(inner=True)
def _protect_everywhere(mem, root, hpa):
    """Search the whole shadow: rare, and with some ten tables quick."""
    page = hpa >> e.PAGE_SHIFT
    for i in range(512):
        if mem.u64[(root >> 3) + i] == 0:
            continue
        middle = _table_of(mem.u64[(root >> 3) + i])
        for j in range(512):
            if mem.u64[(middle >> 3) + j] == 0:
                continue
            table = _table_of(mem.u64[(middle >> 3) + j])
            for k in range(512):
                pte = mem.u64[(table >> 3) + k]
                if pte & e.PTE_W and pte >> e.PTE_PPN_SHIFT & e.PTE_PPN == page:
                    _put(mem, table + 8 * k, pte & ~e.PTE_W)


@njit(inner=True)
def _find_leaf(mem, root, gva):
    """Offset in host RAM of the shadow's entry for the page of `gva`, 0 if it has none."""
    table = root
    for level in range(2, 0, -1):
        pte = mem.u64[(table >> 3) + (gva >> (e.PAGE_SHIFT + 9 * level) & 0x1FF)]
        if pte == 0:
            return i64(0)
        table = _table_of(pte)
    at = table + (gva >> e.PAGE_SHIFT & 0x1FF) * 8
    if mem.u64[at >> 3] == 0:
        return i64(0)
    return at


@njit(inner=True)
def traced_write(vm, hart, mem, guest, state, gpa, before):
    """The guest has written to a page that is traced: drop what hung on the entry.

    Parameters
    ----------
    gpa : int64, where it has written
    before : int64, the 64-bit entry there before the write
    """
    at = _frame(state, gpa) + F_TABLE
    word = state[at]
    if not word & TRACED:
        return
    vm.traced_writes += 1
    if word & MANY:
        flush_shadow(vm, hart, mem, guest, state)
        return
    level = word >> LEVEL_SHIFT & LEVEL_BITS
    where = word >> WHERE_SHIFT << WHERE_SHIFT
    if (word & WRITES) >> WRITES_SHIFT >= PATIENCE:  # it is no table any longer
        _untrace(hart, mem, guest, state, gpa, level, where)
        return
    state[at] = word + (1 << WRITES_SHIFT)
    if not before & e.PTE_V:
        return  # nothing can have come of it
    gva = where + ((gpa & 0xFF8) >> 3 << (e.PAGE_SHIFT + 9 * level))
    if level == 2:
        gva = gva << 25 >> 25  # addresses are 39 bits, the highest is copied upwards
    drop_range(vm, hart, mem, state, gva, level)
    if not before & (e.PTE_R | e.PTE_X) and level > 0:  # a table that hangs here no longer
        child = (before >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT
        if 0 <= child - RAM_BASE < vm.ram_bytes:
            below = state[_frame(state, child) + F_TABLE]
            here = TRACED | (level - 1) << LEVEL_SHIFT | gva  # and not, or also, elsewhere
            if below & ~WRITES == here:
                guest.pages[(child - RAM_BASE) >> e.PAGE_SHIFT] &= 0xFF & ~PAGE_WATCHED
                state[_frame(state, child) + F_TABLE] = 0


@njit(inner=True)
def refill(vm, vcpu, hart, mem, guest, state, gpa):
    """EAGER: enter what the guest has just written to one of its tables, before it is used.

    Only a leaf of a page, and only if the guest has set its accessed bit: that bit says that the
    page has been used.
    """
    word = state[_frame(state, gpa) + F_TABLE]
    pte = guest.u64[(gpa - RAM_BASE) >> 3]
    leaf = pte & e.PTE_V and pte & e.PTE_A and pte & (e.PTE_R | e.PTE_X)
    if vcpu.virt or not leaf or not word & TRACED or word & MANY:
        return
    if word >> LEVEL_SHIFT & LEVEL_BITS:
        return
    gva = (word >> WHERE_SHIFT << WHERE_SHIFT) + ((gpa & 0xFF8) << 9)
    access = i64(e.LOAD)
    if not pte & e.PTE_R:
        access = i64(e.FETCH)
    used = state[CURRENT]
    for k in range(N_CONTEXTS):
        c = CONTEXTS + k * CONTEXT_WORDS
        if state[c + C_TABLE] == 0 or state[c + C_NEST] or state[c + C_ROOT] != vcpu.satp:
            continue
        mode, who = state[c + C_MODE] >> CONTEXT_MODE_SHIFT & 3, i64(ALL_USER)
        if state[c + C_MODE] == BOTH_MODES:
            mode, who = i64(e.USER) if pte & e.PTE_U else i64(e.SUPERVISOR), i64(AS_GUEST)
        elif state[c + C_MODE] != describe_context(vcpu, mode, NO, i64(e.LOAD)):
            continue  # under another SUM or MXR the rights are others
        environment = vcpu.menvcfg
        vcpu.menvcfg &= ~e.ENVCFG_ADUE  # the guest has not used the page yet: no bit may show it
        to, _ = translate(vcpu, guest, gva, access, mode, NO, NO)
        vcpu.menvcfg = environment
        if vcpu.fault or vcpu.walk_table[0] != gpa & e.PAGE_MASK or not in_ram(vcpu, to, BYTE):
            continue
        state[CURRENT] = k
        if not fill_shadow(vm, vcpu, hart, mem, guest, state, gva, to, access, mode, who):
            return
    state[CURRENT] = used


@njit(inner=True)
def _untrace(hart, mem, guest, state, gpa, level, where):
    """Stop watching a page. What came of it is dropped, so nothing depends on it."""
    state[_frame(state, gpa) + F_TABLE] = 0
    guest.pages[(gpa - RAM_BASE) >> e.PAGE_SHIFT] &= 0xFF & ~PAGE_WATCHED
    for k in range(N_CONTEXTS):
        root = state[CONTEXTS + k * CONTEXT_WORDS + C_TABLE]
        if root == 0:
            continue
        if level == 2:
            for index in range(512):
                _drop_branch(mem, state, root, index << 30, i64(2))
        else:
            _drop_branch(mem, state, root, where, level + 1)
    flush_all(hart)


# Dropping


@njit(inner=True)
def drop_range(vm, hart, mem, state, gva, level):
    """Drop from every shadow what one entry of the guest's table of this level maps."""
    vm.shadow_invalidations += 1
    for k in range(N_CONTEXTS):
        root = state[CONTEXTS + k * CONTEXT_WORDS + C_TABLE]
        if root:
            _drop_branch(mem, state, root, gva, level)
    if level > 0:
        flush_all(hart)
    else:
        flush_contexts(hart, i64(0), i64(0), gva, i64(1))


@njit(inner=True)
def _drop_branch(mem, state, root, gva, level):
    """Clear the entry of `level` on the way to `gva`, and free the tables below it."""
    table = root
    step = i64(2)
    while step > level:
        pte = mem.u64[(table >> 3) + (gva >> (e.PAGE_SHIFT + 9 * step) & 0x1FF)]
        if pte == 0 or pte & PINNED:
            return
        table = _table_of(pte)
        step -= 1
    at = table + (gva >> (e.PAGE_SHIFT + 9 * level) & 0x1FF) * 8
    pte = mem.u64[at >> 3]
    if pte and not (level == 1 and pte & PINNED):
        if level > 0:
            _free_branch(mem, state, pte, level - 1)
        _put(mem, at, i64(0))


@njit(inner=True)
def fence(vm, hart, mem, guest, state, gva, one_page, asid, one_asid):
    """SFENCE.VMA by the guest: what the policy has to do about it.

    Parameters
    ----------
    gva : int64, and one_page : flag, 0 for all addresses
    asid : int64, and one_asid : flag, 0 for all address spaces
    """
    if keeps_trace(vm):
        return
    if vm.policy == FLUSH:
        flush_shadow(vm, hart, mem, guest, state)
        return
    for k in range(N_CONTEXTS):
        c = CONTEXTS + k * CONTEXT_WORDS
        if state[c + C_TABLE] == 0:
            continue
        if one_asid and state[c + C_ROOT] >> e.ASID_SHIFT & e.ASID_MASK != asid:
            continue
        if not one_page or state[c + C_GIGA]:
            drop_context(vm, hart, mem, state, i64(k))
        else:
            _drop_page(vm, hart, mem, state[c + C_TABLE], gva)


@njit(inner=True)
def _drop_page(vm, hart, mem, root, gva):
    """Drop a page, and its neighbours that stem from a superpage: any address names all of it."""
    table = root
    for level in range(2, 0, -1):
        pte = mem.u64[(table >> 3) + (gva >> (e.PAGE_SHIFT + 9 * level) & 0x1FF)]
        if pte == 0 or pte & PINNED:
            return
        table = _table_of(pte)
    index = gva >> e.PAGE_SHIFT & 0x1FF
    vm.shadow_invalidations += 1
    for k in range(512):
        pte = mem.u64[(table >> 3) + k]
        if pte and (k == index or pte >> ORIGIN_SHIFT & 3):
            _put(mem, table + 8 * k, i64(0))
            page = (gva >> e.PAGE_SHIFT & ~0x1FF | k) << e.PAGE_SHIFT
            flush_contexts(hart, i64(0), i64(0), page, i64(1))


@njit(inner=True)
def root_changed(vm, hart, mem, guest, state, before, after):
    """The guest has written satp. A new root under an old ASID also forgets that ASID."""
    if before == after or keeps_trace(vm):
        return
    if vm.policy == FLUSH:
        flush_shadow(vm, hart, mem, guest, state)
    elif (before ^ after) & e.ATP_PPN and (before ^ after) >> e.ASID_SHIFT & e.ASID_MASK == 0:
        asid = after >> e.ASID_SHIFT & e.ASID_MASK
        fence(vm, hart, mem, guest, state, i64(0), NO, asid, i64(1))
