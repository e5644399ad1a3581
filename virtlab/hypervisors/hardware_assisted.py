"""What if the hart itself knew about guests? It runs the kernel, and leaves only when asked to.

    on the hart        in the guest's eyes       who
    VS-mode            S-mode                    the guest's kernel
    VU-mode            U-mode                    the guest's programs
    HS-mode            (does not exist)          this hypervisor

In VS-mode the hart has a second set of supervisor's registers: a kernel that reads `stvec` gets
`vstvec`. System calls, page faults and interrupts of the guest's own go to its kernel without an
exit (hedeleg, hideleg); the timer is the hart's (vstimecmp), and an interrupt of a device waits in
hvip until the guest accepts it.

Memory is translated in one of two ways:

    nested    gva -(the guest's table)-> gpa -(the G-stage table, hgatp)-> hpa. The guest writes its
              tables as it likes. A page enters the G-stage when it is first used; registers of
              devices never do, so an access to one is a guest-page fault and is emulated
    shadow    what the first processors of this kind offered: the hart walks a shadow page table
              (shadow.py), so page faults, satp and sfence.vma exit

What else exits is the hypervisor's choice (`exits_on`), as in the control fields of VT-x:

    exits_on       RISC-V                       VT-x
    wfi            hstatus.VTW                  "HLT exiting"
    satp           hstatus.VTVM                 "CR3-load exiting", "CR3-store", "INVLPG exiting"
    sret           hstatus.VTSR                 none (AMD-V: an intercept of IRET)
    page_fault     hedeleg bits 12, 13, 15      exception bitmap, bit 14
    ecall          hedeleg bit 8                none (interrupts n: AMD-V intercepts INTn)
    breakpoint     hedeleg bit 3                exception bitmap, bit 3

# Model: what the hart has no second set for is interpreted: the guests of a guest (its V=1, and the
# interrupts that it enables in `hie`). Kernels that start in M-mode are refused.

Sources: Privileged ISA 20240411, chapters "Hypervisor Extension" and "Sstc Extension"; Intel SDM
volume 3, "VM-Execution Control Fields"; AMD64 APM volume 2, "Instruction Intercepts"; Adams &
Agesen 2006, section "Hardware virtualization".
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors import exits as x
from virtlab.hypervisors.gstage import LARGE_PAGES, fence_hart, fill_gstage, gstage
from virtlab.hypervisors.shadow import (
    ALL_USER,
    AS_GUEST,
    BOTH_MODES,
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
from virtlab.hypervisors.vcpu import begin, emulate, enter, guest_memory, settle_exit, shows
from virtlab.hypervisors.virtual_machine import VirtualMachine, chosen
from virtlab.hypervisors.vs_registers import (
    HEDELEG,
    HSTATUS,
    LEFT_SATP,
    load_registers,
    save_registers,
)
from virtlab.isa import encoding as e
from virtlab.isa import op
from virtlab.isa.decode import decode
from virtlab.machine.boot import choose_start
from virtlab.machine.csr import HEDELEG_WRITABLE, write_csr
from virtlab.machine.execute import fetch_word
from virtlab.machine.firmware.sbi import A7, EXT_RFENCE
from virtlab.machine.loader import ImageError
from virtlab.machine.mmu import PSEUDO_WRITE, translate
from virtlab.machine.ram import in_ram
from virtlab.machine.state import (
    BYTE,
    NO,
    PAGE_TOHOST,
    PAGE_WATCHED,
    RAM_BASE,
    STOP_BUDGET,
    STOP_NONE,
    Memory,
)
from virtlab.machine.tlb import describe_context

i64 = np.int64

NESTED, SHADOW = 0, 1
PAGING = {"nested": NESTED, "shadow": SHADOW}
# Exit controls: bits to set in hstatus, bits to take out of hedeleg.
PAGE_FAULT_BITS = 1 << e.CAUSE_FETCH_PAGE | 1 << e.CAUSE_LOAD_PAGE | 1 << e.CAUSE_STORE_PAGE
EXITS_ON = {
    "wfi": (e.HSTATUS_VTW, 0),
    "satp": (e.HSTATUS_VTVM, 0),
    "sret": (e.HSTATUS_VTSR, 0),
    "page_fault": (0, PAGE_FAULT_BITS),
    "ecall": (0, 1 << e.CAUSE_ECALL_U),
    "breakpoint": (0, 1 << e.CAUSE_BREAKPOINT),
}
ACCESS = np.array([e.FETCH, e.LOAD, 0, e.STORE])  # by the last two bits of a page fault's cause
HEADER = 8  # words of the state array that both kinds of paging have, see gstage.py, shadow.py
INTERPRETED_STEPS = 256  # at a time
NO_STORES = PAGE_WATCHED | PAGE_TOHOST  # pages to which no store may go unseen


# Enter


@njit(inner=True)
def enter_guest(vm, vcpu, hart, mem, guest, state):
    """Prepare the next stretch of the guest; returns its length in steps."""
    length = vcpu.end - vcpu.steps
    if length <= 0:
        vcpu.stop = STOP_BUDGET
        return i64(0)
    if vcpu.mode == e.MACHINE or vcpu.virt or vcpu.mie & ~e.S_INTERRUPTS:
        vm.interpret = x.INTERPRET
        vm.since = vcpu.steps
        return min(length, i64(INTERPRETED_STEPS))
    hart.mode = vcpu.mode
    hart.virt = 1
    load_registers(vm, vcpu, hart, state)
    if vm.paging == SHADOW:
        hart.hgatp = 0
        hart.vsatp = shadow_of(vm, vcpu, hart, mem, guest, state)
    else:
        hart.hgatp = gstage(vm, hart, mem, state)
        hart.vsatp = state[LEFT_SATP]
        write_csr(hart, i64(e.VSATP), vcpu.satp)  # forgets an ASID that gets a new root
    enter(vm, vcpu, hart)
    hart.scounteren = vcpu.scounteren
    return length


@njit(inner=True)
def returned(vm, vcpu, hart, mem, guest, state, goal):
    """Look at how the last stretch ended; whether the guest may go on."""
    if vm.entered:
        save_registers(vm, vcpu, hart, mem, guest, state)
    return begin(vm, vcpu, hart, goal)


# Why did it leave?


@njit(inner=True)
def classify_exit(vm, vcpu, hart, guest):
    """Find the reason of the exit on hand from what the trap has left in the hart's CSRs."""
    cause, value = hart.scause, hart.stval
    reason = i64(x.EXCEPTION)
    gva, gpa, detail = value, i64(-1), i64(0)
    if cause < 0:
        reason = i64(x.INTERRUPT)
        detail = hart.plic_pending & hart.plic_enable[1]
    elif cause == e.CAUSE_VIRTUAL_INSTRUCTION:
        reason = i64(x.PRIVILEGED)
        detail = value
        if decode(value) & 0x7F == op.WFI:
            reason = i64(x.WFI)
    elif cause == e.CAUSE_ECALL_VS or cause == e.CAUSE_ECALL_U:
        reason = i64(x.ECALL)
        detail = vcpu.x[A7]
    elif PAGE_FAULT_BITS >> cause & 1:
        reason = i64(x.TRUE_PAGE_FAULT)
        if vm.paging == SHADOW:
            access = ACCESS[cause & 3]
            gpa, _ = translate(vcpu, guest, gva, access, vcpu.mode, NO, NO)
            if vcpu.fault:
                gpa = i64(-1)
                vm.cause = vcpu.fault - 1  # an access fault, if the guest's table is not in RAM
            else:
                reason = _why_not_mapped(vcpu, guest, gpa, access, i64(x.SHADOW_PAGE_FAULT))
    elif cause >= e.CAUSE_FETCH_GUEST_PAGE:
        vm.vmcs_accesses += 2  # htval, htinst
        gpa = hart.htval << 2
        if hart.htinst == 0:
            gpa |= value & 3
        access = ACCESS[cause & 3]
        if hart.htinst == PSEUDO_WRITE:  # of an accessed or dirty bit
            access = i64(e.STORE)
        reason = _why_not_mapped(vcpu, guest, gpa, access, i64(x.GUEST_PAGE_FAULT))
    if reason == x.MMIO or reason == x.TRACE:
        detail = fetch_word(vcpu, guest, vcpu.pc)
    x.describe(vm, reason, gva, gpa, detail)


@njit(inner=True)
def _why_not_mapped(vcpu, guest, gpa, access, unknown):
    if not in_ram(vcpu, gpa, BYTE):
        return i64(x.MMIO)
    if access == e.STORE and guest.pages[(gpa - RAM_BASE) >> e.PAGE_SHIFT] & NO_STORES:
        return i64(x.TRACE)
    return unknown


# Handlers, one for each reason


@njit(inner=True)
def handle_privileged(vm, vcpu, hart, mem, guest, state):
    """Execute it on the virtual hart, and let the hart forget what the guest says is stale."""
    satp = vcpu.satp
    d = decode(vm.detail)
    rs1, rs2 = d >> 16 & 0xFF, d >> 24 & 0xFF
    gva, asid = vcpu.x[rs1], vcpu.x[rs2] & e.ASID_MASK
    action = emulate(vm, vcpu, guest)
    if d & 0x7F == op.SFENCE_VMA:
        if vm.paging == SHADOW:
            fence(vm, hart, mem, guest, state, gva, i64(rs1 != 0), asid, i64(rs2 != 0))
        else:
            fence_hart(vm, hart, gva, i64(rs1 != 0), asid, i64(rs2 != 0))
    elif vm.paging == SHADOW:
        root_changed(vm, hart, mem, guest, state, satp, vcpu.satp)
    return action


@njit(inner=True)
def handle_ecall(vm, vcpu, hart, mem, guest, state):
    """A kernel's call to its firmware, which is ours; a program's call, if it was asked for."""
    fences = vcpu.mode == e.SUPERVISOR and (vm.detail == EXT_RFENCE or 5 <= vm.detail <= 7)
    action = emulate(vm, vcpu, guest)
    if fences and vm.paging == SHADOW:
        fence(vm, hart, mem, guest, state, i64(0), NO, i64(0), NO)
    elif fences:
        fence_hart(vm, hart, i64(0), NO, i64(0), NO)
    return action


@njit(inner=True)
def handle_guest_page_fault(vm, vcpu, hart, mem, guest, state):
    """The page is the guest's: enter it into the G-stage, and let the guest try again."""
    fill_gstage(vm, hart, mem, guest, state, vm.gpa)
    return i64(x.RETRY)


@njit(inner=True)
def handle_shadow_page_fault(vm, vcpu, hart, mem, guest, state):
    """The guest's table allows it: enter the page into the shadow, and let the guest try again."""
    shadow_of(vm, vcpu, hart, mem, guest, state)
    access = ACCESS[vm.cause & 3]
    gpa, _ = translate(vcpu, guest, vm.gva, access, vcpu.mode, NO, NO)
    who = i64(AS_GUEST)
    if vcpu.mode == e.USER and vcpu.satp >> e.ATP_MODE_SHIFT == 0:
        who = i64(ALL_USER)
    fill_shadow(vm, vcpu, hart, mem, guest, state, vm.gva, gpa, access, vcpu.mode, who)
    return i64(x.RETRY)


@njit(inner=True)
def handle_true_page_fault(vm, vcpu, hart, mem, guest, state):
    """The guest's own fault: its kernel gets it."""
    return i64(x.REFLECT)


@njit(inner=True)
def handle_trace(vm, vcpu, hart, mem, guest, state):
    """A store to a page that is watched: carry it out, and drop what a table's entry had led to."""
    if vm.paging == NESTED:
        return emulate(vm, vcpu, guest)
    before = guest.u64[(vm.gpa - RAM_BASE) >> 3]
    action = emulate(vm, vcpu, guest)
    traced_write(vm, hart, mem, guest, state, vm.gpa, before)
    if vm.gpa & 0xFFF > 0xFF8 or vm.gpa & 7:  # it may reach into the next entry, or page
        flush_shadow(vm, hart, mem, guest, state)
    elif vm.policy == EAGER:
        refill(vm, vcpu, hart, mem, guest, state, vm.gpa)
    return action


@njit(inner=True)
def handle_mmio(vm, vcpu, hart, mem, guest, state):
    """A device's register: the virtual hart's own device answers."""
    vm.mmio += 1
    action = emulate(vm, vcpu, guest)
    if vcpu.watched_dma:  # a device has written to a page table
        vcpu.watched_dma = 0
        flush_shadow(vm, hart, mem, guest, state)
    return action


@njit(inner=True)
def handle_interrupt(vm, vcpu, hart, mem, guest, state):
    """A device of the host's own: its request is taken, and the guest goes on.

    # Model: the host claims and completes at once, without an access to its controller.
    """
    hart.plic_pending &= ~hart.plic_enable[1]
    return i64(x.RETRY)


@njit(inner=True)
def handle_exception(vm, vcpu, hart, mem, guest, state):
    """An exception that was asked for: it is the guest's own."""
    return i64(x.REFLECT)


@njit(inner=True)
def handle_exit(vm, vcpu, hart, mem, guest, state):
    """The handler for the reason; returns its action."""
    reason = vm.reason
    if reason == x.PRIVILEGED or reason == x.WFI:
        return handle_privileged(vm, vcpu, hart, mem, guest, state)
    if reason == x.ECALL:
        return handle_ecall(vm, vcpu, hart, mem, guest, state)
    if reason == x.GUEST_PAGE_FAULT:
        return handle_guest_page_fault(vm, vcpu, hart, mem, guest, state)
    if reason == x.SHADOW_PAGE_FAULT:
        return handle_shadow_page_fault(vm, vcpu, hart, mem, guest, state)
    if reason == x.TRUE_PAGE_FAULT:
        return handle_true_page_fault(vm, vcpu, hart, mem, guest, state)
    if reason == x.TRACE:
        return handle_trace(vm, vcpu, hart, mem, guest, state)
    if reason == x.MMIO:
        return handle_mmio(vm, vcpu, hart, mem, guest, state)
    if reason == x.INTERRUPT:
        return handle_interrupt(vm, vcpu, hart, mem, guest, state)
    return handle_exception(vm, vcpu, hart, mem, guest, state)


# Memory


@njit(inner=True)
def shadow_of(vm, vcpu, hart, mem, guest, state):
    """The shadow of the guest's regime, in satp's format: one for each satp, for both modes.

    Without paging there are two, because S-mode must not have user pages and U-mode needs them.
    """
    regime = i64(BOTH_MODES)
    if vcpu.satp >> e.ATP_MODE_SHIFT == 0:
        regime = describe_context(vcpu, vcpu.mode, NO, i64(e.FETCH))
    return choose_context(vm, hart, mem, guest, state, regime, vcpu.satp, i64(0))


@njit(inner=True)
def forget(vm, hart, mem, guest, state):
    """Drop whatever came of the guest's page tables: they may have changed unseen."""
    if vm.paging == SHADOW:
        flush_shadow(vm, hart, mem, guest, state)
    else:
        fence_hart(vm, hart, i64(0), NO, i64(0), NO)


# Run


@njit
def classify(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """Look at the exit without handling it, for a handler in Python. Returns its reason, or 0."""
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    vcpu, hart, vm = vcpus[0], harts[0], vms[0]
    guest = guest_memory(vm, mem, guest_log)
    returned(vm, vcpu, hart, mem, guest, state, goal)
    if not vm.pending:
        return i64(0)
    classify_exit(vm, vcpu, hart, guest)
    return vm.reason


@njit
def resume(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """From an exit to the next entry; parameters and result as of trap_and_emulate.resume.

    state : (8,) int64, with shadow paging (shadow_words(ram_bytes),). Words 0, 1 as in shadow.py;
        2, 4 in gstage.py; 5 to 7 in vs_registers.py
    """
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    vcpu, hart, vm = vcpus[0], harts[0], vms[0]
    guest = guest_memory(vm, mem, guest_log)
    if vm.interpret:
        vm.interpreted += vcpu.steps - vm.since
    if vm.interpret or vm.stale:  # the guest's tables may have changed unseen
        vm.stale = 0
        forget(vm, hart, mem, guest, state)
    new = vm.entered
    if not returned(vm, vcpu, hart, mem, guest, state, goal):
        return i64(0)
    if vm.pending:
        if new:
            classify_exit(vm, vcpu, hart, guest)
        if action == x.HANDLE:
            if shows(vm, vcpu):
                return i64(0)
            action = handle_exit(vm, vcpu, hart, mem, guest, state)
        settle_exit(vm, vcpu, hart, guest, exits, action)
    if vcpu.stop == STOP_NONE:
        return enter_guest(vm, vcpu, hart, mem, guest, state)
    return i64(0)


# The class


class HardwareAssisted(VirtualMachine):
    """A machine whose guest runs in VS- and VU-mode.

    Parameters
    ----------
    paging : "nested" or "shadow"
    policy : "lazy", "flush", "trace" or "eager", what keeps a shadow true; see shadow.py
    large_pages : bool, nested paging maps 2 MiB at a time where it can
    exits_on : names of what shall exit beyond what must; see the table above. Shadow paging needs,
        and adds, "satp" and "page_fault"
    ram, firmware, disk, append, adue, record, steps_per_tick : as Machine's

    Examples
    --------
    >>> from virtlab.isa.assembler import assemble
    >>> vm = HardwareAssisted(ram="1M", firmware="sbi")
    >>> vm = vm.load(assemble("csrr a0, sstatus\\nli a1, 7\\nwfi"))
    >>> _ = vm.step(3)
    >>> vm.registers.a1, [exit.reason.name for exit in vm.exits]
    (7, ['GUEST_PAGE_FAULT', 'WFI'])
    """

    technique = "hardware-assisted"
    _resume = staticmethod(resume)
    _classify = staticmethod(classify)

    def __init__(
        self,
        ram="128M",
        paging="nested",
        policy="trace",
        large_pages=False,
        exits_on=("wfi",),
        **settings,
    ):
        self.paging = chosen("paging", paging, PAGING)
        self.policy = chosen("policy", policy, POLICIES)
        self._large_pages = bool(large_pages)
        if isinstance(exits_on, str):
            raise TypeError(f"exits_on {exits_on!r}: accepted is a list of {', '.join(EXITS_ON)}.")
        self._controls = [chosen("exits_on", name, EXITS_ON) for name in exits_on]
        if self.paging == SHADOW:
            self._controls += [EXITS_ON["satp"], EXITS_ON["page_fault"]]
        super().__init__(ram, **settings)

    def _state_words(self) -> int:
        return shadow_words(self._ram_bytes) if self.paging == SHADOW else HEADER

    def _new_memory(self) -> Memory:
        memory = super()._new_memory()
        if self.paging == NESTED:
            self._state[LARGE_PAGES] = self._large_pages
        self._state[HEDELEG] = HEDELEG_WRITABLE
        for set_in_hstatus, taken_from_hedeleg in self._controls:
            self._state[HSTATUS] |= set_in_hstatus
            self._state[HEDELEG] &= ~taken_from_hedeleg
        return memory

    def _power_on(self, image):
        if image is not None and choose_start(self._firmware, image) != "sbi":
            raise ImageError(
                f"{image.name}: starts in M-mode, and a guest in VS-mode has none; accepted are "
                "kernels that start in S-mode on SBI (firmware='sbi')."
            )
        return super()._power_on(image)
