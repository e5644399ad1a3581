"""Which of the guest's pages has code been translated from, and is the translation still true?

The memory side of the translation cache (virtlab.isa.translation_cache), as shadow.py is that of
page tables. The cache lies in pages of the hypervisor's own, before its pool:

    code      the host's words, mapped for the guest's kernel at CACHE_VA, only to be executed
    origins   what each word stands for
    tables    targets of indirect jumps, mapped at TABLES, only to be read
    monitor   the monitor page, mapped at MONITOR
    pages     the page table of the last 2 MiB, which all shadows of the guest's kernel share

A page with translated code is flagged PAGE_TRANSLATED and write-protected in the shadow, so that
every store to it exits; what the guest's page tables say of it is asked again after fences.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors.shadow import flush_shadow, keeps_trace, protect_page
from virtlab.isa import encoding as e
from virtlab.isa import translate as t
from virtlab.isa import translation_cache as c
from virtlab.machine.csr import read_csr, write_csr
from virtlab.machine.execute import locate_code
from virtlab.machine.interrupts import pending_interrupts
from virtlab.machine.mmu import translate
from virtlab.machine.pmp import pmp_allows_page
from virtlab.machine.ram import ram_store
from virtlab.machine.state import (
    DOUBLE,
    NO,
    PAGE_DIRTY,
    PAGE_TRANSLATED,
    RAM_BASE,
    WORD,
)

i64 = np.int64

ORIGINS_AT = 4 * c.CACHE_WORDS
TABLES_AT = 2 * ORIGINS_AT
MONITOR_AT = TABLES_AT + 3 * t.TABLE_BYTES
PAGES_AT = MONITOR_AT + e.PAGE_BYTES
OWN_BYTES = PAGES_AT + e.PAGE_BYTES


@njit(inner=True)
def cache_of(vm, mem, state):
    """The arrays of the translation cache, which are parts of host RAM and of the state."""
    at = vm.pool - OWN_BYTES
    return c.Cache(
        state[len(state) - c.INFO_WORDS :],
        mem.u32[at >> 2 : (at + ORIGINS_AT) >> 2],
        mem.u32[(at + ORIGINS_AT) >> 2 : (at + TABLES_AT) >> 2],
        mem.u64[(at + TABLES_AT) >> 3 : (at + MONITOR_AT) >> 3],
        mem.u64[(at + MONITOR_AT) >> 3 : (at + PAGES_AT) >> 3],
    )


@njit(inner=True)
def flush_cache(vm, hart, mem, guest, cache):
    """Forget all translations."""
    info, own = cache.info, vm.pool - OWN_BYTES
    for view in range(info[c.N_VIEWS]):
        release(guest, info[c.VIEWS + view * c.VIEW_WORDS + c.V_GPA])
    new = not info[c.READY]
    c.empty_cache(cache)
    if not new:
        return
    for page in range(512):  # the page table of the last 2 MiB
        va = i64(c.CACHE_VA) + (page << e.PAGE_SHIFT)
        at, rights = va - c.CACHE_VA, i64(e.PTE_X)
        if va >= t.MONITOR:
            at, rights = i64(MONITOR_AT), i64(e.PTE_R | e.PTE_W)
        elif va >= t.TABLES:
            at, rights = va - t.TABLES + TABLES_AT, i64(e.PTE_R)
        elif at >= ORIGINS_AT:
            continue
        frame = (RAM_BASE + own + at) >> e.PAGE_SHIFT
        bits = rights | e.PTE_V | e.PTE_U | e.PTE_A | e.PTE_D
        ram_store(hart, mem, own + PAGES_AT + 8 * page, DOUBLE, frame << e.PTE_PPN_SHIFT | bits)


@njit(inner=True)
def release(guest, gpa):
    guest.pages[(gpa - RAM_BASE) >> e.PAGE_SHIFT] &= 0xFF & ~PAGE_TRANSLATED


@njit(inner=True)
def publish_code(vm, hart, mem, cache):
    """Let the hart, which keeps decoded copies, and the next snapshot see what has changed."""
    info, own = cache.info, vm.pool - OWN_BYTES
    for k in range(info[c.TOUCHED]):
        first = info[c.TOUCHED + 1 + 2 * k]
        for word in range(first, first + info[c.TOUCHED + 2 + 2 * k]):
            ram_store(hart, mem, own + 4 * word, WORD, i64(cache.code[word]))
            mem.pages[(own + ORIGINS_AT + 4 * word) >> e.PAGE_SHIFT] |= PAGE_DIRTY
    info[c.TOUCHED] = 0
    first = MONITOR_AT
    if info[c.NEW_TARGETS]:
        first = TABLES_AT
    info[c.NEW_TARGETS] = 0
    for at in range(own + first, own + PAGES_AT, e.PAGE_BYTES):
        mem.pages[at >> e.PAGE_SHIFT] |= PAGE_DIRTY


@njit(inner=True)
def translate_code(vm, vcpu, hart, mem, guest, state, cache, regime):
    """Translate the block at the vcpu's pc; returns its number, or -1 if it cannot be fetched.

    An instruction that lies in two pages is a block of its own.
    """
    info, pc = cache.info, vcpu.pc
    n, forced, other = i64(0), i64(0), i64(-1)
    at = locate_code(vcpu, guest, pc)
    if vcpu.fault:
        return i64(-1)
    if c.is_full(cache):
        flush_cache(vm, hart, mem, guest, cache)
    gpa, end = RAM_BASE + at, (at & e.PAGE_MASK) + e.PAGE_BYTES
    most = i64(t.MOST_INSTRUCTIONS)
    if not pmp_allows_page(vcpu, gpa, i64(e.FETCH), vcpu.mode):
        most = i64(1)
    while n < most and at < end:
        word, length = i64(guest.u16[at >> 1]), i64(2)
        if word & 3 == 3:
            length = i64(4)
            if at + 2 < end:
                word |= i64(guest.u16[(at >> 1) + 1]) << 16
            elif n:
                break
            else:
                rest = locate_code(vcpu, guest, pc + 2)
                if vcpu.fault:
                    return i64(-1)
                word |= i64(guest.u16[rest >> 1]) << 16
                other = _view(vm, hart, mem, guest, state, cache, pc + 2, RAM_BASE + rest, regime)
        info[c.SOURCE + n] = word
        forced |= i64(c.is_adapted(cache, pc)) << n
        n += 1
        at += length
        pc += length
    view = _view(vm, hart, mem, guest, state, cache, vcpu.pc, gpa, regime)
    block = c.add_block(cache, vcpu.pc, regime, view, other, n, forced)
    vm.translated_blocks += 1
    vm.translated_instructions += info[c.block_at(block) + c.B_N]
    return block


@njit(inner=True)
def _view(vm, hart, mem, guest, state, cache, pc, gpa, regime):
    """The view of a page whose code is about to be translated; no store goes there unseen."""
    frame = (gpa - RAM_BASE) >> e.PAGE_SHIFT
    if not guest.pages[frame] & PAGE_TRANSLATED:
        guest.pages[frame] |= PAGE_TRANSLATED
        if keeps_trace(vm):
            protect_page(vm, hart, mem, state, gpa)
        else:
            flush_shadow(vm, hart, mem, guest, state)
    return c.find_view(cache, pc & e.PAGE_MASK, gpa & e.PAGE_MASK, regime)


@njit(inner=True)
def check_views(vcpu, guest, cache):
    """Drop the views whose address leads elsewhere by now, or has not been used there yet.

    The second, because the first fetch sets the accessed bit of the guest's table: it must be made.
    """
    adue = vcpu.menvcfg
    vcpu.menvcfg &= ~e.ENVCFG_ADUE
    for view in range(cache.info[c.N_VIEWS]):
        at = c.VIEWS + view * c.VIEW_WORDS
        regime, gva = cache.info[at + c.V_REGIME], cache.info[at + c.V_GVA]
        if regime == t.REGIME_S or regime == t.REGIME_VS:
            virt = i64(regime == t.REGIME_VS)
            gpa, _ = translate(vcpu, guest, gva, i64(e.FETCH), i64(e.SUPERVISOR), virt, NO)
            if vcpu.fault or gpa != cache.info[at + c.V_GPA]:
                if c.drop_view(cache, i64(view)):
                    release(guest, cache.info[at + c.V_GPA])
    vcpu.menvcfg = adue


@njit(inner=True)
def load_monitor(vcpu, cache):
    """The virtual CSRs that translated code reads and writes by itself, into the monitor page."""
    for j in range(len(t.SLOT_CSRS)):
        cache.monitor[c.slot_of(i64(t.SLOTS) - 8 * j)] = read_csr(vcpu, i64(t.SLOT_CSRS[j]))
    waits = pending_interrupts(vcpu) & vcpu.mie != 0
    cache.monitor[c.slot_of(i64(t.HOLD))] = i64(waits)


@njit(inner=True)
def save_monitor(vcpu, cache):
    """Back again, each as a write of the guest to that CSR: nothing else can come of it."""
    for j in range(len(t.SLOT_CSRS)):
        write_csr(vcpu, i64(t.SLOT_CSRS[j]), cache.monitor[c.slot_of(i64(t.SLOTS) - 8 * j)])
