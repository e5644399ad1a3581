"""How can a kernel be virtualized on a hart that does not trap? Never run its code; translate it.

    on the hart        in the guest's eyes       who
    U-mode             M- or S-mode              translated code of the guest's kernel
    U-mode             U-mode                    the guest's programs, as they are
    HS-mode            (does not exist)          this hypervisor and its translator

The kernel's code is translated block by block when it is first reached (virtlab.isa.translate), and
only the translation is executed. So it does not matter which instructions would trap: what is
sensitive is either a load or store of the monitor page, which holds the virtual CSRs, or a call out
to the hypervisor. With `silent_privileged` it works as well as without.

In the guest kernel's shadow the last 2 MiB of addresses are the monitor's:

    CACHE_VA   the translation cache, which can be executed and not read
    TABLES     for each regime, where the targets of indirect jumps have been translated
    MONITOR    spilled registers, virtual CSRs

Translated code compares addresses before it uses them, or faults: the guest's own accesses to
these addresses are carried out by the hypervisor on the guest's own memory.

Precise state: each word of the cache knows its guest instruction. Exact time: a block counts its
instructions before it begins, and leaves if an interrupt is due inside it; as its body is straight-
line code, the hart's own budget can then stop it anywhere. Consistent code: a store to a page with
translated code exits and drops the blocks it hits (code_pages.py). A store that keeps exiting is
translated anew as a call out, which is cheaper than a fault: adaptive binary translation.

# Model: while MPRV redirects the loads of the guest's M-mode, the guest is interpreted.

Left out: translation of programs. What a hart that fails silently shows a program of its state is
the host's state, as it was on IA-32.

Sources: Adams & Agesen, "A Comparison of Software and Hardware Techniques for x86 Virtualization",
ASPLOS 2006, sections "Software virtualization" and "Adaptive binary translation".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors import exits as x
from virtlab.hypervisors.code_pages import (
    OWN_BYTES,
    PAGES_AT,
    cache_of,
    check_views,
    flush_cache,
    load_monitor,
    publish_code,
    release,
    save_monitor,
    translate_code,
)
from virtlab.hypervisors.shadow import (
    ALL_USER,
    EAGER,
    POLICIES,
    choose_context,
    fence,
    fill_shadow,
    flush_shadow,
    pin_table,
    refill,
    root_changed,
    shadow_words,
    traced_write,
)
from virtlab.hypervisors.vcpu import (
    attend_guest,
    begin,
    emulate,
    enter,
    guest_memory,
    settle_exit,
    shows,
)
from virtlab.hypervisors.virtual_machine import VirtualMachine, chosen
from virtlab.isa import encoding as e
from virtlab.isa import op
from virtlab.isa import translate as t
from virtlab.isa import translation_cache as c
from virtlab.isa.decode import decode
from virtlab.machine.execute import fetch_word
from virtlab.machine.firmware.sbi import A7, EXT_RFENCE
from virtlab.machine.memory import effective_mode
from virtlab.machine.mmu import translate
from virtlab.machine.pmp import pmp_allows_page
from virtlab.machine.ram import in_ram
from virtlab.machine.state import (
    BYTE,
    NO,
    PAGE_TOHOST,
    PAGE_TRANSLATED,
    PAGE_WATCHES,
    RAM_BASE,
    STOP_EVENT,
    STOP_NONE,
    WATCH_PC,
    Memory,
)
from virtlab.machine.tlb import describe_context
from virtlab.machine.trap import take_fault

i64 = np.int64
INTERPRETED_STEPS = 64  # at a time, while MPRV is set
NO_STORES = PAGE_WATCHES | PAGE_TOHOST  # pages to which no store may go unseen


# Enter


@njit(inner=True)
def enter_guest(vm, vcpu, hart, mem, guest, state, cache):
    """Prepare the next stretch of the guest.

    Returns its length in steps of the hart, or 0 if the vcpu has to be attended to again.
    """
    length = vcpu.horizon - vcpu.steps
    data_mode, data_virt = effective_mode(vcpu)
    if vm.interpret or data_mode != vcpu.mode or data_virt != vcpu.virt:  # MPRV
        vm.interpret = x.INTERPRET
        length = min(length, i64(INTERPRETED_STEPS))
        vm.interpreted += length
        return length
    block, k = i64(-1), i64(0)
    if vcpu.mode != e.USER:
        if vcpu.pc == vcpu.watch_pc and vcpu.steps != vcpu.first:
            vcpu.stop, vcpu.stop_detail = STOP_EVENT, WATCH_PC
            return i64(0)
        regime = i64(t.REGIME_M) if vcpu.mode == e.MACHINE else i64(t.REGIME_S)
        if vcpu.virt:
            regime = i64(t.REGIME_VS)
        vm.lookups += 1
        block, k = c.find_code(cache, vcpu.pc, regime)
        if block < 0:
            block = translate_code(vm, vcpu, hart, mem, guest, state, cache, regime)
        if block < 0:  # the guest's own fault
            vcpu.pc = take_fault(vcpu, guest, vcpu.pc)
            vcpu.steps += 1
            vm.injections += 1
            return i64(0)
        vm.chained += i64(c.link(cache, block, k))
    hart.mode = e.USER
    hart.virt = 0
    context = describe_context(vcpu, vcpu.mode, vcpu.virt, i64(e.LOAD))
    root, nest = i64(0), i64(0)
    if vcpu.mode != e.MACHINE:
        root = vcpu.satp
        if vcpu.virt:
            root, nest = vcpu.vsatp, vcpu.hgatp
    hart.satp = choose_context(vm, hart, mem, guest, state, context, root, nest)
    if block < 0:
        enter(vm, vcpu, hart)
        return length
    if not pin_table(vm, mem, state, vm.pool - OWN_BYTES + PAGES_AT):
        flush_shadow(vm, hart, mem, guest, state)
        return i64(0)
    return _enter_code(vm, vcpu, hart, mem, cache, block, k, length)


@njit(inner=True)
def _enter_code(vm, vcpu, hart, mem, cache, block, k, length):
    """Load the monitor page and the hart for `length` guest instructions from a block's k-th on."""
    load_monitor(vcpu, cache)
    steps, stop_pc = vcpu.steps, vcpu.watch_pc
    budget, word, clock = c.enter_code(cache, vcpu.x, block, k, steps, length, stop_pc)
    publish_code(vm, hart, mem, cache)
    enter(vm, vcpu, hart)
    hart.x[t.CLOCK] = clock
    hart.x[t.GUARDED] = t.GUARD
    hart.pc = c.CACHE_VA + 4 * word
    hart.watch_pc = -1
    return budget


# Why did it leave?


@njit(inner=True)
def leave_code(vm, vcpu, cache):
    """Turn what the hart has left in the vcpu, the state of translated code, into the guest's."""
    word = (vcpu.pc - c.CACHE_VA) >> 2
    vcpu.pc, vcpu.steps = c.leave_code(cache, vcpu.x, word, vm.pending)
    save_monitor(vcpu, cache)
    vm.pc = vcpu.pc
    if cache.info[c.KIND] == t.LEAVE:  # not an exit: its clock has run out
        vm.pending = 0


@njit(inner=True)
def classify_exit(vm, vcpu, hart, guest, cache):
    """Find the reason of the exit on hand from the trap, and from what the code asks for."""
    cause, value = hart.scause, hart.stval
    reason, gva, gpa, detail = i64(x.EXCEPTION), value, i64(-1), i64(0)
    if cause == e.CAUSE_ECALL_U:
        reason, gva, kind = i64(x.CALLOUT), i64(0), cache.info[c.KIND]
        if vcpu.mode == e.USER:
            kind = i64(t.CALL)
        if kind == t.CALL:
            detail = fetch_word(vcpu, guest, vcpu.pc)
            operation = decode(detail) & 0x7F
            if operation == op.ECALL:
                reason, detail = i64(x.ECALL), vcpu.x[A7]
            elif operation == op.WFI:
                reason = i64(x.WFI)
        elif kind == t.MISS:
            detail = i64(x.ASKED_JUMP)
        else:
            detail = i64(x.ASKED_STALE) if kind == t.STALE else i64(x.ASKED_NEXT)
    elif cause == e.CAUSE_ILLEGAL:
        detail = value
        if decode(value) & 0x7F != op.ILLEGAL:
            reason = i64(x.PRIVILEGED)
    elif cause == e.CAUSE_LOAD_PAGE or cause == e.CAUSE_STORE_PAGE or cause == e.CAUSE_FETCH_PAGE:
        access = _access_of(cause)
        gpa, _ = translate(vcpu, guest, gva, access, vcpu.mode, vcpu.virt, NO)
        if vcpu.fault:
            reason, gpa = i64(x.TRUE_PAGE_FAULT), i64(-1)
        elif not in_ram(vcpu, gpa, BYTE):
            reason = i64(x.MMIO)
        elif access == e.STORE and guest.pages[(gpa - RAM_BASE) >> 12] & NO_STORES:
            reason = i64(x.TRACE)
        elif not pmp_allows_page(vcpu, gpa, access, vcpu.mode):
            reason = i64(x.MMIO)
        elif vcpu.mode != e.USER and c.CACHE_VA <= gva < 0:  # its own page, behind the cache
            reason, detail = i64(x.CALLOUT), fetch_word(vcpu, guest, vcpu.pc)
        else:
            reason = i64(x.SHADOW_PAGE_FAULT)
    x.describe(vm, reason, gva, gpa, detail)


@njit(inner=True)
def _access_of(cause):
    if cause == e.CAUSE_STORE_PAGE:
        return i64(e.STORE)
    if cause == e.CAUSE_LOAD_PAGE:
        return i64(e.LOAD)
    return i64(e.FETCH)


# Handlers, one for each reason


@njit(inner=True)
def handle_callout(vm, vcpu, hart, mem, guest, state, cache):
    """Translated code asks for a block, or for an instruction to be carried out."""
    if vm.detail < 0:
        return i64(x.RETRY)  # the block is found, and linked, when the guest is entered
    satp, vsatp, hgatp = vcpu.satp, vcpu.vsatp, vcpu.hgatp
    d = decode(vm.detail)
    operation, number = d & 0x7F, d >> 32
    rs1, rs2 = d >> 16 & 0xFF, d >> 24 & 0xFF
    gva, asid = vcpu.x[rs1], vcpu.x[rs2] & e.ASID_MASK
    loads = operation == op.LR_W or operation == op.LR_D
    if op.SB <= operation <= op.SD or (op.LR_W <= operation <= op.AMOMAXU_D and not loads):
        vm.gva = gva + number if operation <= op.SD else gva
        return handle_trace(vm, vcpu, hart, mem, guest, state, cache)
    action = emulate(vm, vcpu, guest)
    if operation == op.SFENCE_VMA and not vcpu.virt:
        fence(vm, hart, mem, guest, state, gva, i64(rs1 != 0), asid, i64(rs2 != 0))
        check_views(vcpu, guest, cache)
    elif op.SFENCE_VMA <= operation <= op.HFENCE_GVMA:
        flush_shadow(vm, hart, mem, guest, state)
        check_views(vcpu, guest, cache)
    elif op.HSV_B <= operation <= op.HSV_D:  # a store through tables that nobody watches
        flush_shadow(vm, hart, mem, guest, state)
        flush_cache(vm, hart, mem, guest, cache)
    elif op.CSRRW <= operation <= op.CSRRCI:
        pmp = e.PMPCFG0 <= number < e.PMPADDR0 + 64
        if pmp or vsatp != vcpu.vsatp or hgatp != vcpu.hgatp:
            flush_shadow(vm, hart, mem, guest, state)
            flush_cache(vm, hart, mem, guest, cache)
        elif satp != vcpu.satp:
            root_changed(vm, hart, mem, guest, state, satp, vcpu.satp)
            check_views(vcpu, guest, cache)
    return action


@njit(inner=True)
def handle_trace(vm, vcpu, hart, mem, guest, state, cache):
    """Carry out a store, and drop what depended on the bytes that it changes."""
    gpa, _ = translate(vcpu, guest, vm.gva, i64(e.STORE), vcpu.mode, vcpu.virt, NO)
    watched, before, frame = i64(0), i64(0), (gpa - RAM_BASE) >> e.PAGE_SHIFT
    if not vcpu.fault and in_ram(vcpu, gpa, BYTE):
        watched, before, vm.gpa = i64(guest.pages[frame]), guest.u64[(gpa - RAM_BASE) >> 3], gpa
        watched &= NO_STORES
    if vcpu.mode != e.USER:
        vm.adapted += i64(c.adapt(cache, vcpu.pc, watched))
    action = emulate(vm, vcpu, guest)
    if vm.gva & 0xFFF > 0xFF8:  # it may reach into the next page
        flush_shadow(vm, hart, mem, guest, state)
        flush_cache(vm, hart, mem, guest, cache)
    elif watched:
        traced_write(vm, hart, mem, guest, state, gpa, before)
        if gpa & 7:  # or into the next entry
            flush_shadow(vm, hart, mem, guest, state)
        elif vm.policy == EAGER:
            refill(vm, vcpu, hart, mem, guest, state, gpa)
        if watched & PAGE_TRANSLATED and c.code_written(cache, gpa):
            release(guest, gpa)
    return action


@njit(inner=True)
def handle_ecall(vm, vcpu, hart, mem, guest, state, cache):
    """A program's call goes to its kernel; a kernel's call to the firmware, which is ours."""
    fences = vcpu.sbi and vcpu.mode == e.SUPERVISOR and not vcpu.virt
    fences = fences and (vm.detail == EXT_RFENCE or 5 <= vm.detail <= 7)
    action = emulate(vm, vcpu, guest)
    if fences:
        fence(vm, hart, mem, guest, state, i64(0), NO, i64(0), NO)
        check_views(vcpu, guest, cache)
    return action


@njit(inner=True)
def handle_shadow_page_fault(vm, vcpu, hart, mem, guest, state):
    """The guest's table allows it: enter the page into the shadow, and let the guest try again."""
    access = _access_of(vm.cause)
    gpa, _ = translate(vcpu, guest, vm.gva, access, vcpu.mode, vcpu.virt, NO)
    fill_shadow(vm, vcpu, hart, mem, guest, state, vm.gva, gpa, access, vcpu.mode, i64(ALL_USER))
    return i64(x.RETRY)


@njit(inner=True)
def handle_exit(vm, vcpu, hart, mem, guest, state, cache):
    """The handler for the reason; returns its action."""
    reason, action = vm.reason, i64(x.REFLECT)
    if reason == x.CALLOUT:
        action = handle_callout(vm, vcpu, hart, mem, guest, state, cache)
    elif reason == x.ECALL:
        action = handle_ecall(vm, vcpu, hart, mem, guest, state, cache)
    elif reason == x.SHADOW_PAGE_FAULT:
        action = handle_shadow_page_fault(vm, vcpu, hart, mem, guest, state)
    elif reason == x.TRACE:
        action = handle_trace(vm, vcpu, hart, mem, guest, state, cache)
    elif reason == x.MMIO and vm.cause == e.CAUSE_FETCH_PAGE:  # PMP allows part of the page
        vm.interpret, action = x.INTERPRET, i64(x.RETRY)
    elif reason != x.EXCEPTION:
        vm.mmio += i64(reason == x.MMIO)
        action = emulate(vm, vcpu, guest)
    if vcpu.watched_dma:  # a device has written to a page table, or to code
        flush_shadow(vm, hart, mem, guest, state)
        if vcpu.watched_dma & PAGE_TRANSLATED:
            flush_cache(vm, hart, mem, guest, cache)
        vcpu.watched_dma = 0
    return action


# Run


@njit(inner=True)
def look(vm, vcpu, hart, guest, cache, goal):
    """See how the last stretch has ended, and why; returns whether the guest may go on."""
    entered = vm.entered
    goes_on = begin(vm, vcpu, hart, goal)
    if entered and vcpu.mode != e.USER:
        leave_code(vm, vcpu, cache)
    if entered and vm.pending:
        classify_exit(vm, vcpu, hart, guest, cache)
    return goes_on


@njit
def classify(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """Look at the exit without handling it, for a handler in Python. Returns its reason, or 0."""
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    vcpu, hart, vm = vcpus[0], harts[0], vms[0]
    cache = cache_of(vm, mem, state)
    look(vm, vcpu, hart, guest_memory(vm, mem, guest_log), cache, goal)
    if not vm.pending:
        return i64(0)
    cache.info[c.POSITION] = 0  # the handler may change registers that the block has looked at
    return vm.reason


@njit
def resume(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """From an exit to the next entry: parameters and result as in trap_and_emulate.resume.

    state : (shadow_words(ram_bytes) + INFO_WORDS,) int64, the shadow's and the cache's
    """
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    vcpu, hart, vm = vcpus[0], harts[0], vms[0]
    guest = guest_memory(vm, mem, guest_log)
    cache = cache_of(vm, mem, state)
    if vm.interpret or vm.stale or not cache.info[c.READY]:  # memory may have changed unseen
        vm.stale = 0
        flush_shadow(vm, hart, mem, guest, state)
        flush_cache(vm, hart, mem, guest, cache)
    if not look(vm, vcpu, hart, guest, cache, goal):
        return i64(0)
    if vm.pending:
        if action == x.HANDLE:
            if shows(vm, vcpu):
                return i64(0)
            action = handle_exit(vm, vcpu, hart, mem, guest, state, cache)
        settle_exit(vm, vcpu, hart, guest, exits, action)
    while vcpu.stop == STOP_NONE and attend_guest(vm, vcpu, guest):
        length = enter_guest(vm, vcpu, hart, mem, guest, state, cache)
        if length:
            return length
    return i64(0)


# The class


class BinaryTranslation(VirtualMachine):
    """A machine whose guest kernel is translated and whose programs run on shadow page tables.

    Parameters
    ----------
    policy : "lazy", "flush", "trace" or "eager", what keeps the shadow true; see shadow.py
    silent_privileged : bool, the hart has instructions that are sensitive and do not trap
    ram, firmware, disk, append, adue, record, steps_per_tick : as Machine's

    Examples
    --------
    >>> from virtlab.isa.assembler import assemble
    >>> vm = BinaryTranslation(ram="1M").load(assemble("csrr a0, mhartid\\nli a1, 7"))
    >>> _ = vm.step(2)
    >>> vm.registers.a1, [exit.reason.name for exit in vm.exits]
    (7, ['CALLOUT'])
    """

    technique = "binary-translation"
    least_pool = 2 << 20  # of which the translated code takes more than half
    _resume = staticmethod(resume)
    _classify = staticmethod(classify)

    def __init__(self, ram="128M", policy="trace", **settings):
        self.policy = chosen("policy", policy, POLICIES)
        super().__init__(ram, **settings)

    def _state_words(self) -> int:
        return shadow_words(self._ram_bytes) + c.INFO_WORDS

    def _new_memory(self) -> Memory:
        mem = super()._new_memory()
        self._vms[0].pool += OWN_BYTES
        return mem

    def _do(self, action) -> None:
        super()._do(action)
        self._state[c.POSITION - c.INFO_WORDS] = 0  # the block may have looked at another register
