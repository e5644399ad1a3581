"""How can an unmodified kernel run without the machine? Take its privilege, and play its hart.

    on the hart        in the guest's eyes       who
    U-mode             M- or S-mode              the guest's kernel, deprivileged
    U-mode             U-mode                    the guest's programs
    HS-mode            (does not exist)          this hypervisor

Every instruction that would show or change the hart's real state traps, because U-mode may not
execute it. The hypervisor then executes it on the virtual hart: the same definition of the
instruction, another record. All other instructions run directly, at full speed.

The guest's addresses go through shadow page tables (shadow.py), in another context for the guest's
kernel than for its programs, since the hart cannot tell the two apart. Registers of devices are in
no shadow: an access to one faults and is emulated.

This works because every sensitive instruction of RISC-V is privileged: it traps. With
`silent_privileged` some are not, as on IA-32, and the guest goes wrong without anybody noticing.

# Model: while MPRV redirects the loads of the guest's M-mode, no single shadow serves its fetches
and its loads; the guest is interpreted for those few instructions.

Left out: nothing that the machine has; the H extension is emulated too, so that guests may be
hypervisors themselves.

Sources: Popek & Goldberg, "Formal Requirements for Virtualizable Third Generation Architectures",
CACM 17(7), 1974; Privileged ISA 20240411, "Supervisor-Level ISA".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors.exits import (
    ECALL,
    EXCEPTION,
    HANDLE,
    INTERPRET,
    MMIO,
    PRIVILEGED,
    REFLECT,
    RETRY,
    SHADOW_PAGE_FAULT,
    TRACE,
    TRUE_PAGE_FAULT,
    describe,
)
from virtlab.hypervisors.exits import WFI as WFI_EXIT
from virtlab.hypervisors.shadow import (
    ALL_USER,
    EAGER,
    POLICIES,
    choose_context,
    fence,
    fill_shadow,
    flush_shadow,
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
from virtlab.isa.decode import decode
from virtlab.machine.execute import fetch_word
from virtlab.machine.firmware.sbi import A7, EXT_RFENCE
from virtlab.machine.memory import effective_mode
from virtlab.machine.mmu import translate
from virtlab.machine.pmp import pmp_allows_page
from virtlab.machine.ram import in_ram
from virtlab.machine.state import BYTE, NO, PAGE_TOHOST, PAGE_WATCHED, RAM_BASE, STOP_NONE, Memory
from virtlab.machine.tlb import describe_context

i64 = np.int64
INTERPRETED_STEPS = 64  # at a time, while MPRV is set
NO_STORES = PAGE_WATCHED | PAGE_TOHOST  # pages to which no store may go unseen


# Enter


@njit(inner=True)
def enter_guest(vm, vcpu, hart, mem, guest, state):
    """Prepare the next stretch of the guest; returns its length in steps."""
    length = vcpu.horizon - vcpu.steps
    data_mode, data_virt = effective_mode(vcpu)
    if vm.interpret or data_mode != vcpu.mode or data_virt != vcpu.virt:  # MPRV
        vm.interpret = INTERPRET
        length = min(length, i64(INTERPRETED_STEPS))
        vm.interpreted += length
        return length
    hart.mode = e.USER
    hart.virt = 0
    regime = describe_context(vcpu, vcpu.mode, vcpu.virt, i64(e.LOAD))
    root, nest = i64(0), i64(0)
    if vcpu.mode != e.MACHINE:
        root = vcpu.satp
        if vcpu.virt:
            root, nest = vcpu.vsatp, vcpu.hgatp
    hart.satp = choose_context(vm, hart, mem, guest, state, regime, root, nest)
    enter(vm, vcpu, hart)
    return length


# Why did it leave?


@njit(inner=True)
def classify_exit(vm, vcpu, hart, guest):
    """Find the reason of the exit on hand from what the trap has left in the hart's CSRs."""
    cause, value = hart.scause, hart.stval
    reason = i64(EXCEPTION)
    gva, gpa, detail = value, i64(-1), i64(0)
    if cause == e.CAUSE_ILLEGAL:
        operation = decode(value) & 0x7F
        detail = value
        if operation == op.WFI:
            reason = i64(WFI_EXIT)
        elif operation != op.ILLEGAL:
            reason = i64(PRIVILEGED)
    elif cause == e.CAUSE_ECALL_U:
        reason = i64(ECALL)
        detail = vcpu.x[A7]
    elif cause == e.CAUSE_LOAD_PAGE or cause == e.CAUSE_STORE_PAGE or cause == e.CAUSE_FETCH_PAGE:
        access = _access_of(cause)
        gpa, _ = translate(vcpu, guest, gva, access, vcpu.mode, vcpu.virt, NO)
        if vcpu.fault:
            reason = i64(TRUE_PAGE_FAULT)
            gpa = i64(-1)
        elif not in_ram(vcpu, gpa, BYTE):
            reason = i64(MMIO)
        elif access == e.STORE and guest.pages[(gpa - RAM_BASE) >> 12] & NO_STORES:
            reason = i64(TRACE)
        elif not pmp_allows_page(vcpu, gpa, access, vcpu.mode):  # parts of it are out of reach
            reason = i64(MMIO)
        else:
            reason = i64(SHADOW_PAGE_FAULT)
        if reason == MMIO or reason == TRACE:
            detail = fetch_word(vcpu, guest, vcpu.pc)
    describe(vm, reason, gva, gpa, detail)


@njit(inner=True)
def _access_of(cause):
    if cause == e.CAUSE_STORE_PAGE:
        return i64(e.STORE)
    if cause == e.CAUSE_LOAD_PAGE:
        return i64(e.LOAD)
    return i64(e.FETCH)


# Handlers, one for each reason


@njit(inner=True)
def handle_privileged(vm, vcpu, hart, mem, guest, state):
    """Execute it on the virtual hart; if that has changed how addresses translate, say so."""
    satp, vsatp, hgatp = vcpu.satp, vcpu.vsatp, vcpu.hgatp
    d = decode(vm.detail)
    operation, number = d & 0x7F, d >> 32
    rs1, rs2 = d >> 16 & 0xFF, d >> 24 & 0xFF
    gva, asid = vcpu.x[rs1], vcpu.x[rs2] & e.ASID_MASK
    action = emulate(vm, vcpu, guest)
    if operation == op.SFENCE_VMA and not vcpu.virt:
        fence(vm, hart, mem, guest, state, gva, i64(rs1 != 0), asid, i64(rs2 != 0))
    elif op.SFENCE_VMA <= operation <= op.HFENCE_GVMA:
        flush_shadow(vm, hart, mem, guest, state)
    elif op.CSRRW <= operation <= op.CSRRCI:
        if e.PMPCFG0 <= number < e.PMPADDR0 + 64 or vsatp != vcpu.vsatp or hgatp != vcpu.hgatp:
            flush_shadow(vm, hart, mem, guest, state)
        root_changed(vm, hart, mem, guest, state, satp, vcpu.satp)
    return action


@njit(inner=True)
def handle_ecall(vm, vcpu, hart, mem, guest, state):
    """A program's call goes to its kernel; a kernel's call to the firmware, which is ours."""
    fences = vcpu.sbi and vcpu.mode == e.SUPERVISOR and not vcpu.virt
    fences = fences and (vm.detail == EXT_RFENCE or 5 <= vm.detail <= 7)
    action = emulate(vm, vcpu, guest)
    if fences:
        fence(vm, hart, mem, guest, state, i64(0), NO, i64(0), NO)
    return action


@njit(inner=True)
def handle_shadow_page_fault(vm, vcpu, hart, mem, guest, state):
    """The guest's table allows it: enter the page into the shadow, and let the guest try again."""
    gpa, _ = translate(vcpu, guest, vm.gva, _access_of(vm.cause), vcpu.mode, vcpu.virt, NO)
    access = _access_of(vm.cause)
    fill_shadow(vm, vcpu, hart, mem, guest, state, vm.gva, gpa, access, vcpu.mode, i64(ALL_USER))
    return i64(RETRY)


@njit(inner=True)
def handle_true_page_fault(vm, vcpu, hart, mem, guest, state):
    """The guest's own fault, with the cause that its own hart would give."""
    return emulate(vm, vcpu, guest)


@njit(inner=True)
def handle_trace(vm, vcpu, hart, mem, guest, state):
    """A store to a page table: carry it out, and drop what the entry had led to."""
    at = (vm.gpa - RAM_BASE) >> 3
    before = guest.u64[at]
    action = emulate(vm, vcpu, guest)
    traced_write(vm, hart, mem, guest, state, vm.gpa, before)
    if vm.gpa & 0xFFF > 0xFF8 or vm.gpa & 7:  # it may reach into the next entry, or page
        flush_shadow(vm, hart, mem, guest, state)
    elif vm.policy == EAGER:
        refill(vm, vcpu, hart, mem, guest, state, vm.gpa)
    return action


@njit(inner=True)
def handle_mmio(vm, vcpu, hart, mem, guest, state):
    """A device's register: the virtual hart's own device answers.

    Or a page of which PMP allows only a part. No shadow can say that, so each access is emulated,
    and code there is interpreted.
    """
    if vm.cause == e.CAUSE_FETCH_PAGE:
        vm.interpret = INTERPRET
        return i64(RETRY)
    vm.mmio += 1
    action = emulate(vm, vcpu, guest)
    if vcpu.watched_dma:  # a device has written to a page table
        vcpu.watched_dma = 0
        flush_shadow(vm, hart, mem, guest, state)
    return action


@njit(inner=True)
def handle_exception(vm, vcpu, hart, mem, guest, state):
    """Breakpoints, misaligned atomics, words that are no instruction: they are the guest's own."""
    return i64(REFLECT)


@njit(inner=True)
def handle_exit(vm, vcpu, hart, mem, guest, state):
    """The handler for the reason; returns its action."""
    reason = vm.reason
    if reason == PRIVILEGED or reason == WFI_EXIT:
        return handle_privileged(vm, vcpu, hart, mem, guest, state)
    if reason == ECALL:
        return handle_ecall(vm, vcpu, hart, mem, guest, state)
    if reason == SHADOW_PAGE_FAULT:
        return handle_shadow_page_fault(vm, vcpu, hart, mem, guest, state)
    if reason == TRUE_PAGE_FAULT:
        return handle_true_page_fault(vm, vcpu, hart, mem, guest, state)
    if reason == TRACE:
        return handle_trace(vm, vcpu, hart, mem, guest, state)
    if reason == MMIO:
        return handle_mmio(vm, vcpu, hart, mem, guest, state)
    return handle_exception(vm, vcpu, hart, mem, guest, state)


# Run


@njit
def classify(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """Look at the exit without handling it, for a handler in Python. Returns its reason, or 0."""
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    vcpu, hart, vm = vcpus[0], harts[0], vms[0]
    begin(vm, vcpu, hart, goal)
    if not vm.pending:
        return i64(0)
    classify_exit(vm, vcpu, hart, guest_memory(vm, mem, guest_log))
    return vm.reason


@njit
def resume(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """From an exit to the next entry.

    Parameters
    ----------
    vcpus, harts : (1,) of dtype HART, the virtual and the physical hart
    vms : (1,) of dtype VM
    state : (shadow_words(ram_bytes),) int64, see shadow.py
    exits : (N_EXITS, EXIT_COLUMNS) int64, guest_log : (N_EVENTS, EVENT_COLUMNS) int64
    ram8 ... log : the arrays of the host's `Memory`
    goal : int64, the guest's step at which the run ends at the latest
    action : int64, HANDLE, or what a handler in Python has answered

    Returns
    -------
    budget : int64, steps to run the hart (the vcpu, if vm.interpret) and to call again; 0 if the
        run ends here, for the reason in vcpu.stop
    """
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    vcpu, hart, vm = vcpus[0], harts[0], vms[0]
    guest = guest_memory(vm, mem, guest_log)
    if vm.interpret or vm.stale:  # the guest's tables may have changed unseen
        vm.stale = 0
        flush_shadow(vm, hart, mem, guest, state)
    new = vm.entered
    if not begin(vm, vcpu, hart, goal):
        return i64(0)
    if vm.pending:
        if new:
            classify_exit(vm, vcpu, hart, guest)
        if action == HANDLE:
            if shows(vm, vcpu):
                return i64(0)
            action = handle_exit(vm, vcpu, hart, mem, guest, state)
        settle_exit(vm, vcpu, hart, guest, exits, action)
    if vcpu.stop == STOP_NONE and attend_guest(vm, vcpu, guest):
        return enter_guest(vm, vcpu, hart, mem, guest, state)
    return i64(0)


# The class


class TrapAndEmulate(VirtualMachine):
    """A machine whose guest kernel is deprivileged and runs on shadow page tables.

    Parameters
    ----------
    policy : "lazy", "flush", "trace" or "eager", what keeps the shadow true; see shadow.py
    silent_privileged : bool, the hart has instructions that are sensitive and do not trap
    ram, firmware, disk, append, adue, record, steps_per_tick : as Machine's

    Examples
    --------
    >>> from virtlab.isa.assembler import assemble
    >>> vm = TrapAndEmulate(ram="1M").load(assemble("csrr a0, mhartid\\nli a1, 7"))
    >>> _ = vm.step(2)
    >>> vm.registers.a1, [exit.reason.name for exit in vm.exits]
    (7, ['SHADOW_PAGE_FAULT', 'PRIVILEGED'])
    """

    technique = "trap-and-emulate"
    _resume = staticmethod(resume)
    _classify = staticmethod(classify)

    def __init__(self, ram="128M", policy="trace", **settings):
        self.policy = chosen("policy", policy, POLICIES)
        super().__init__(ram, **settings)

    def _state_words(self) -> int:
        return shadow_words(self._ram_bytes)
