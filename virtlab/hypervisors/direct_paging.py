"""How can a guest own the tables that the hart walks, and not the machine? It asks for each change.

With direct paging there are no shadows: the hart translates by the guest's own tables, which hold
machine addresses. The guest may read them. It changes them by requests, and each is checked, so
that two rules hold whatever the guest does:

    1  no entry leads outside the guest's memory
    2  no page is a page table and writable at the same time

Every page therefore has a kind and a count of what relies on it:

    kind                    counted                                 becomes another kind when
    ordinary                entries that make it writable           PIN, and the count is 0
    table of level 0, 1, 2  entries that lead to it, roots in use   UNPIN, and the count is 0
    absent                  (given back to the host)                the host gives it again

PIN looks at all 512 entries of the page: a table of level k may lead to tables of level k - 1 that
are pinned already, one of level 0 to any of the guest's pages. So a check never goes deeper than
one page, and a batch of requests ends in bounded time.

    request                address               value       done if
    PTE                    of the entry          the entry   it lies in a table, and may stand there
    PIN                    of the page           its level   rules 1 and 2 hold for all its entries
    UNPIN                  of the page           -           nothing relies on the table
    SWITCH                 of a root (level 2)   -           it is one: programs run on it
    FLUSH_PAGE, FLUSH_ALL  virtual, -            -           always

An entry of a table in use that leads outside the guest's memory is the hypervisor's own, as for the
pages that other guests have granted, and is not the guest's to change.

Entries never hold G, reserved bits or superpages; leaves have U, since the kernel runs in U-mode.

What the hart remembers is forgotten whenever a right is taken away, before the guest runs again: a
page could otherwise become a table while the TLB still lets the guest write to it.

Left out: Xen's promotion of whole trees by one PIN, its counts of pages merely mapped (here no page
ever leaves a guest), and writable page tables.

Source: P. Barham et al., "Xen and the Art of Virtualization", SOSP 2003, section "Virtual address
translation": types of pages with counts, pinning, batched updates.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors.paravirt_abi import (
    ERROR_BAD_ADDRESS,
    ERROR_BUSY,
    ERROR_INVALID,
    ERROR_NOT_FOUND,
    ERROR_NOT_PERMITTED,
    MAX_UPDATES,
    SHARED_UPDATES_DONE,
    UPDATE_FLUSH_ALL,
    UPDATE_FLUSH_PAGE,
    UPDATE_PIN,
    UPDATE_PTE,
    UPDATE_SWITCH,
    UPDATE_UNPIN,
)
from virtlab.isa import encoding as e
from virtlab.machine.ram import in_ram, ram_store
from virtlab.machine.state import DOUBLE, NO, RAM_BASE, YES
from virtlab.machine.tlb import CONTEXT_ASID_SHIFT, flush_contexts

i64 = np.int64

# Words of the state; of pages in guest RAM the number, -1 for none.
KERNEL_ROOT, PROGRAM_ROOT = 0, 1
ANSWERED, TAKEN, TYPED = 2, 3, 4  # the hypervisor's own indices of the rings
SECOND_STAGE = 5  # offset in host RAM of a G-stage table below the guest's own, 0: none
PAGES = 8  # from here a word a page: kind + ONE * count
KIND = 7  # ORDINARY, 1 + the level of the table, or ABSENT
ORDINARY = 0
ROOT = 3
ABSENT = 4
ONE = 8

N_ENTRIES = 512
RIGHTS = e.PTE_R | e.PTE_W | e.PTE_X
NEVER_SET = e.PTE_RESERVED | e.PTE_G
LEAF_BITS = RIGHTS | e.PTE_U | e.PTE_A | e.PTE_D


@njit(inner=True)
def page_of(vm, address):
    """The guest's page at a machine address, -1 if it is not the guest's."""
    at = address - RAM_BASE - vm.host_base
    if at < 0 or at >= vm.ram_bytes:
        return i64(-1)
    return at >> e.PAGE_SHIFT


@njit(inner=True)
def _page_in(vm, pte):
    """The guest's page to which an entry leads, -1 if it is not the guest's."""
    return page_of(vm, (pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT)


@njit(inner=True)
def take_entry(vm, state, level, pte):
    """Check an entry of a table of `level`, and count it; 0 or an error."""
    if not pte & e.PTE_V:
        return i64(0)
    if pte & NEVER_SET:
        return i64(ERROR_INVALID)
    page = _page_in(vm, pte)
    if page < 0:
        return i64(ERROR_NOT_PERMITTED)
    kind = state[PAGES + page] & KIND
    if level > 0:
        if pte & LEAF_BITS:  # no superpages
            return i64(ERROR_INVALID)
        if kind != level:  # 1 + (level - 1)
            return i64(ERROR_NOT_PERMITTED)
        state[PAGES + page] += ONE
        return i64(0)
    if kind == ABSENT:
        return i64(ERROR_NOT_PERMITTED)
    if not pte & RIGHTS or not pte & e.PTE_U or pte & (e.PTE_R | e.PTE_W) == e.PTE_W:
        return i64(ERROR_INVALID)
    if pte & e.PTE_W:
        if kind != ORDINARY:
            return i64(ERROR_NOT_PERMITTED)
        state[PAGES + page] += ONE
    return i64(0)


@njit(inner=True)
def drop_entry(vm, state, level, pte):
    """Undo take_entry. Returns whether a right is gone that the hart may remember."""
    if not pte & e.PTE_V or (level == 0 and not pte & e.PTE_W):
        return False
    state[PAGES + _page_in(vm, pte)] -= ONE
    return True


@njit(inner=True)
def pin(vm, guest, state, page, level):
    """Make an ordinary page a table of `level`; 0 or an error."""
    if level < 0 or level > 2:
        return i64(ERROR_INVALID)
    if state[PAGES + page] != ORDINARY:
        return i64(ERROR_BUSY)
    state[PAGES + page] = 1 + level  # first, so that it cannot make itself writable
    first = page * N_ENTRIES
    for k in range(N_ENTRIES):
        error = take_entry(vm, state, level, guest.u64[first + k])
        if error:
            for before in range(k):
                drop_entry(vm, state, level, guest.u64[first + before])
            state[PAGES + page] = ORDINARY
            return error
    return i64(0)


@njit(inner=True)
def unpin(vm, guest, state, page):
    """Make a table on which nothing relies an ordinary page; 0 or an error."""
    kind = state[PAGES + page] & KIND
    if kind == ORDINARY or kind == ABSENT:
        return i64(ERROR_NOT_FOUND)
    if state[PAGES + page] >= ONE:
        return i64(ERROR_BUSY)
    level = state[PAGES + page] - 1
    for k in range(N_ENTRIES):
        drop_entry(vm, state, level, guest.u64[page * N_ENTRIES + k])
    state[PAGES + page] = ORDINARY
    return i64(0)


@njit(inner=True)
def switch_root(vm, state, page):
    """Let programs run on a pinned root; 0 or an error."""
    if state[PAGES + page] & KIND != ROOT:
        return i64(ERROR_NOT_FOUND)
    state[PAGES + page] += ONE
    if state[PROGRAM_ROOT] >= 0:
        state[PAGES + state[PROGRAM_ROOT]] -= ONE
    state[PROGRAM_ROOT] = page
    return i64(0)


@njit(inner=True)
def forget(vm, hart, va, one_page):
    """Drop what the hart remembers of this guest's tables, or of one virtual page."""
    for number in range(2):  # the kernel's address space and the programs'
        asid = (vm.asid + number) << CONTEXT_ASID_SHIFT
        flush_contexts(hart, asid, i64(e.ASID_MASK << CONTEXT_ASID_SHIFT), va, one_page)


@njit(inner=True)
def carry_out(vm, vcpu, hart, guest, state, request, value):
    """Carry out one request. Returns 0 or an error, and whether the hart must forget all."""
    what, address = request & 7, request & ~7
    if what == UPDATE_FLUSH_PAGE:
        forget(vm, hart, address, YES)
        return i64(0), False
    if what == UPDATE_FLUSH_ALL:
        return i64(0), True
    page = page_of(vm, address)
    if page < 0:
        return i64(ERROR_BAD_ADDRESS), False
    if what == UPDATE_PTE:
        level = (state[PAGES + page] & KIND) - 1
        if level < 0 or level >= ROOT:
            return i64(ERROR_NOT_FOUND), False
        at = address - RAM_BASE - vm.host_base
        before = guest.u64[at >> 3]
        if before & e.PTE_V and _page_in(vm, before) < 0:
            return i64(ERROR_NOT_PERMITTED), False
        error = take_entry(vm, state, level, value)
        if error:
            return error, False
        gone = drop_entry(vm, state, level, before)
        ram_store(vcpu, guest, at, DOUBLE, value)
        return i64(0), gone
    if what == UPDATE_PIN:
        return pin(vm, guest, state, page, value), False
    if what == UPDATE_UNPIN:
        return unpin(vm, guest, state, page), True
    if what == UPDATE_SWITCH:
        return switch_root(vm, state, page), True
    return i64(ERROR_INVALID), False


@njit(inner=True)
def update_tables(vm, vcpu, hart, guest, state, requests, count):
    """Carry out a batch, in order, up to the first request that is refused.

    Parameters
    ----------
    requests : int64, machine address of `count` pairs of words, a multiple of 8

    Returns
    -------
    result : int64, how many were carried out, or an error, negated
    """
    if count < 0 or count > MAX_UPDATES:
        return i64(-ERROR_INVALID)
    gpa = requests - vm.host_base
    if gpa & 7 or not in_ram(vcpu, gpa, 16 * count):
        return i64(-ERROR_BAD_ADDRESS)
    first = (gpa - RAM_BASE) >> 3
    done, error, stale = i64(0), i64(0), False
    while done < count and not error:
        request, value = guest.u64[first + 2 * done], guest.u64[first + 2 * done + 1]
        error, gone = carry_out(vm, vcpu, hart, guest, state, request, value)
        stale = stale or gone
        done += i64(error == 0)
    if stale:
        forget(vm, hart, i64(0), NO)
    vm.batched_updates += done
    ram_store(vcpu, guest, i64(SHARED_UPDATES_DONE), DOUBLE, done)
    return -error if error else done
