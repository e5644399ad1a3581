"""What if the guest's kernel may be changed? It asks for what it may not do, and waits for events.

    on the hart        in the guest's eyes       who
    U-mode             (it knows better)         the guest's kernel, ported
    U-mode             U-mode                    the guest's programs
    HS-mode            called by hypercall       this hypervisor

The kernel has no privileged instruction left, so nothing has to be emulated, and nothing is done
that it did not ask for. It runs on the hart's own translation: its page tables are the hart's, and
their changes are checked (direct_paging.py). In U-mode like its programs, it is kept from them by a
root of its own, and each way between the two leads through here.

Devices are rings of requests in memory that both sides see; one hypercall serves all that is in a
ring. Interrupts are events: bits in that memory. What the guest calls, and what it finds where, is
in paravirt_abi.py; the other side, a port of the teaching OS, is in virtlab/guests/pith/paravirt.

Nothing that a guest says is believed: numbers, addresses and indices are checked before use, and
what is wrong is refused with an error and counted. A guest can only harm itself. What it must not
change is in the vcpu and in `state` (direct_paging.py names the words), the rest in shared memory.

# Model: a hypercall takes no time of the guest's, and what it asks of a device is done when it
returns; the event comes with the next way into the kernel.

A platform that offers more (virtlab/platforms) adds hypercalls with larger numbers, answered by a
handler, and an event of its own, EVENT_UPCALL. It may also put a second stage of translation under
the guest's tables, in machine addresses on both sides, which shows it the pages that are written:
then the guest runs in VU-mode, and what the second stage forbids is a GUEST_PAGE_FAULT.

Left out: unmodified kernels, which only hardware or emulation can run; superpages; several vcpus.

Source: P. Barham et al., "Xen and the Art of Virtualization", SOSP 2003.
"""

from typing import ClassVar

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors import paravirt_abi as abi
from virtlab.hypervisors.direct_paging import (
    KERNEL_ROOT,
    PAGES,
    PROGRAM_ROOT,
    SECOND_STAGE,
    forget,
    update_tables,
)
from virtlab.hypervisors.domain_builder import (
    MOST_RAM,
    build_domain,
    refuse_unported,
)
from virtlab.hypervisors.exits import (
    ECALL,
    EXCEPTION,
    GUEST_PAGE_FAULT,
    HANDLE,
    HYPERCALL,
    REFLECT,
    RESUME,
    STOP,
    TRUE_PAGE_FAULT,
    describe,
)
from virtlab.hypervisors.rings import look, put, receive_typed, send_event, serve, take_back_event
from virtlab.hypervisors.vcpu import begin, enter, guest_memory, settle_exit, shows
from virtlab.hypervisors.virtual_machine import VirtualMachine
from virtlab.isa import encoding as e
from virtlab.machine.arguments import whole, word
from virtlab.machine.boot import parse_ram
from virtlab.machine.firmware.sbi import A0, A1, A7
from virtlab.machine.interrupts import FAR, next_deadline, time_now, timer_due
from virtlab.machine.state import (
    NO,
    RAM_BASE,
    STOP_BUDGET,
    STOP_EVENT,
    STOP_EXIT,
    STOP_IDLE,
    STOP_NONE,
    WATCH_IDLE,
    Memory,
)
from virtlab.machine.trap import return_from_trap, take_interrupt
from virtlab.machine.views import Mapping39, mapped_ranges
from virtlab.machine.walk import ACCESSES, Walk, walk

i64 = np.int64
SP = 2
NEVER = -1  # as an unsigned time
TIMER_INTERRUPT, EXTERNAL_INTERRUPT = 5, 9  # what scause calls them
EVENT_UPCALL = 3  # a bit of `pending` that is for a platform's own events
EVENTS = 1 << abi.EVENT_TIMER | 1 << abi.EVENT_CONSOLE | 1 << abi.EVENT_DISK | 1 << EVENT_UPCALL
TRAP_STATUS = e.MSTATUS_SPP | e.MSTATUS_SPIE


# Enter


@njit(inner=True)
def enter_guest(vm, vcpu, hart, state):
    """Put the guest on the root of its kernel or its program; returns the length of the stretch."""
    root, asid = state[KERNEL_ROOT], vm.asid
    if vcpu.mode == e.USER:
        root, asid = state[PROGRAM_ROOT], vm.asid + 1
    ppn = root + ((RAM_BASE + vm.host_base) >> e.PAGE_SHIFT)
    hart.satp = i64(e.ATP_SV39) << e.ATP_MODE_SHIFT | asid << e.ASID_SHIFT | ppn
    vcpu.satp = hart.satp
    hart.mode = e.USER
    hart.virt = 0
    if state[SECOND_STAGE]:
        use_second_stage(vm, vcpu, hart, state)
    enter(vm, vcpu, hart)
    return vcpu.horizon - vcpu.steps


@njit(inner=True)
def use_second_stage(vm, vcpu, hart, state):
    """Let the guest run in VU-mode, its own tables first, the platform's below them.

    All its exceptions still come here: nothing is delegated to a VS-mode that nobody uses.
    """
    hart.virt = 1
    hart.vsatp = vcpu.satp
    page = (RAM_BASE + state[SECOND_STAGE]) >> e.PAGE_SHIFT
    hart.hgatp = i64(e.ATP_SV39) << e.ATP_MODE_SHIFT | vm.vmid << e.ASID_SHIFT | page
    hart.hstatus = i64(e.HSTATUS_VSXL_64)
    hart.vsstatus = i64(e.MSTATUS_UXL_64)
    hart.henvcfg = vcpu.menvcfg
    hart.hcounteren = i64(7)
    hart.hedeleg, hart.hideleg = i64(0), i64(0)


@njit(inner=True)
def enter_kernel(vcpu, guest):
    """After a trap on the vcpu: show the guest's kernel what its own hart would have shown."""
    put(vcpu, guest, abi.SHARED_SEPC, vcpu.sepc)
    put(vcpu, guest, abi.SHARED_SCAUSE, vcpu.scause)
    put(vcpu, guest, abi.SHARED_STVAL, vcpu.stval)
    put(vcpu, guest, abi.SHARED_SSTATUS, vcpu.mstatus & TRAP_STATUS)
    put(vcpu, guest, abi.SHARED_SP, vcpu.x[SP])
    put(vcpu, guest, abi.SHARED_EVENTS_OFF, i64(1))
    if not vcpu.mstatus & e.MSTATUS_SPP:  # from a program
        vcpu.x[SP] = look(guest, abi.SHARED_KERNEL_SP)


@njit(inner=True)
def attend_events(vm, vcpu, guest, state):
    """Between two instructions of the guest: its budget, its sleep, its events.

    Returns whether it goes on.
    """
    if vcpu.steps >= vcpu.end:
        vcpu.stop = STOP_BUDGET
        return False
    while True:
        if timer_due(time_now(vcpu), vcpu.stimecmp):
            vcpu.stimecmp = NEVER
            send_event(vcpu, guest, abi.EVENT_TIMER)
        receive_typed(vcpu, guest, state)
        due = look(guest, abi.SHARED_PENDING) & ~look(guest, abi.SHARED_MASKED)
        due &= EVENTS
        if due or not vcpu.waiting:
            break
        deadline = next_deadline(vcpu, i64(e.STIP))
        if deadline == FAR:
            vcpu.stop = STOP_IDLE
            return False
        vcpu.idle_steps += deadline - vcpu.steps
    vcpu.waiting = 0
    if due and vcpu.stvec and not look(guest, abi.SHARED_EVENTS_OFF):
        number = i64(EXTERNAL_INTERRUPT)
        if due >> abi.EVENT_TIMER & 1:
            number = i64(TIMER_INTERRUPT)
        vm.injections += 1
        vcpu.mstatus |= e.MSTATUS_SIE
        vcpu.pc = take_interrupt(vcpu, guest, vcpu.pc, number)
        enter_kernel(vcpu, guest)
    vcpu.horizon = min(vcpu.end, next_deadline(vcpu, i64(e.STIP)))
    return vcpu.stop == STOP_NONE


# Why did it leave?


@njit(inner=True)
def classify_exit(vm, vcpu, hart):
    """Find the reason of the exit on hand from what the trap has left in the hart's CSRs."""
    cause, value = hart.scause, hart.stval
    if cause == e.CAUSE_ECALL_U:
        reason = i64(ECALL)
        if vcpu.mode == e.SUPERVISOR:
            reason = i64(HYPERCALL)
        describe(vm, reason, i64(0), i64(-1), vcpu.x[A7])
    elif cause == e.CAUSE_LOAD_PAGE or cause == e.CAUSE_STORE_PAGE or cause == e.CAUSE_FETCH_PAGE:
        describe(vm, i64(TRUE_PAGE_FAULT), value, i64(-1), i64(0))
    elif cause >= e.CAUSE_FETCH_GUEST_PAGE and cause != e.CAUSE_VIRTUAL_INSTRUCTION:
        describe(vm, i64(GUEST_PAGE_FAULT), value, hart.htval << 2 | value & 3, i64(0))
    else:
        if cause == e.CAUSE_VIRTUAL_INSTRUCTION:  # in VU-mode; the guest knows U-mode only
            vm.cause = i64(e.CAUSE_ILLEGAL)
        describe(vm, i64(EXCEPTION), value, i64(-1), i64(0))


# Handlers, one for each reason


@njit(inner=True)
def handle_hypercall(vm, vcpu, hart, guest, state):
    """The guest's kernel asks; the answer goes to a0."""
    number, argument = vm.detail, vcpu.x[A0]
    vm.hypercalls += 1
    result = i64(0)
    if number == abi.HYPERCALL_MMU_UPDATE:
        result = update_tables(vm, vcpu, hart, guest, state, argument, vcpu.x[A1])
    elif number == abi.HYPERCALL_RETURN:
        if return_to_guest(vcpu, guest, state):
            return i64(RESUME)
        result = i64(-abi.ERROR_NOT_FOUND)
    elif number == abi.HYPERCALL_SET_TIMER:
        vcpu.stimecmp = argument
        take_back_event(vcpu, guest, abi.EVENT_TIMER)
    elif number == abi.HYPERCALL_BLOCK:
        put(vcpu, guest, abi.SHARED_EVENTS_OFF, i64(0))
        vcpu.waiting = 1
        if vcpu.watch & WATCH_IDLE and not look(guest, abi.SHARED_PENDING):
            vcpu.stop = STOP_EVENT
            vcpu.stop_detail = WATCH_IDLE
    elif number == abi.HYPERCALL_NOTIFY:
        result = serve(vm, vcpu, guest, state, argument)
    elif number == abi.HYPERCALL_SET_CALLBACK:
        if argument & 3:
            result = i64(-abi.ERROR_INVALID)
        else:
            vcpu.stvec = argument
    elif number == abi.HYPERCALL_SHUTDOWN:
        vcpu.exit_code = i64(argument != 0)
        vcpu.stop = STOP_EXIT
    elif number == abi.HYPERCALL_VERSION:
        result = i64(abi.ABI_VERSION)
    else:
        result = i64(-abi.ERROR_NO_CALL)
    if result < 0:
        vm.refused += 1
    vcpu.x[A0] = result
    vcpu.pc += 4
    return i64(RESUME)


@njit(inner=True)
def return_to_guest(vcpu, guest, state):
    """Go where the shared page says, as SRET would; false if there is no root for programs."""
    status = look(guest, abi.SHARED_SSTATUS)
    if not status & e.MSTATUS_SPP and state[PROGRAM_ROOT] < 0:
        return False
    vcpu.mstatus = vcpu.mstatus & ~TRAP_STATUS | status & TRAP_STATUS
    vcpu.sepc = look(guest, abi.SHARED_SEPC) & ~1
    vcpu.x[SP], vcpu.x[A7] = look(guest, abi.SHARED_SP), look(guest, abi.SHARED_A7)
    vcpu.pc = return_from_trap(vcpu, guest, vcpu.pc, NO)
    put(vcpu, guest, abi.SHARED_EVENTS_OFF, i64(vcpu.mstatus & e.MSTATUS_SIE == 0))
    return True


@njit(inner=True)
def handle_reflected(vm, vcpu, guest):
    """A program's call to its kernel, a page fault, any other exception: the kernel's business."""
    vcpu.mstatus |= e.MSTATUS_SIE
    if look(guest, abi.SHARED_EVENTS_OFF):
        vcpu.mstatus &= ~i64(e.MSTATUS_SIE)
    if vcpu.stvec == 0:  # it has not said yet where: there is nobody to tell
        vcpu.exit_code = 1
        vcpu.stop = STOP_EXIT
        return i64(RESUME)
    return i64(REFLECT)


@njit(inner=True)
def handle_exit(vm, vcpu, hart, guest, state):
    """The handler for the reason; returns its action."""
    if vm.reason == HYPERCALL:
        return handle_hypercall(vm, vcpu, hart, guest, state)
    if vm.reason == GUEST_PAGE_FAULT:  # who put the second stage there has not answered
        return i64(STOP)
    return handle_reflected(vm, vcpu, guest)


# Run


@njit
def classify(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """Look at the exit without handling it, for a handler in Python. Returns its reason, or 0."""
    vcpu, hart, vm = vcpus[0], harts[0], vms[0]
    begin(vm, vcpu, hart, goal)
    if not vm.pending:
        return i64(0)
    classify_exit(vm, vcpu, hart)
    return vm.reason


@njit
def resume(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """From an exit to the next entry; see trap_and_emulate.resume for the arguments.

    state : (PAGES + ram_bytes / 4096,) int64, see direct_paging.py
    """
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    vcpu, hart, vm = vcpus[0], harts[0], vms[0]
    guest = guest_memory(vm, mem, guest_log)
    if vm.stale:  # somebody has written to the guest's memory from outside
        vm.stale = 0
        forget(vm, hart, i64(0), NO)
    new = vm.entered
    if not begin(vm, vcpu, hart, goal):
        return i64(0)
    if vm.pending:
        if new:
            classify_exit(vm, vcpu, hart)
        if action == HANDLE:
            if shows(vm, vcpu):
                return i64(0)
            action = handle_exit(vm, vcpu, hart, guest, state)
        settle_exit(vm, vcpu, hart, guest, exits, action)
        if action == REFLECT:
            enter_kernel(vcpu, guest)
    if vcpu.stop == STOP_NONE and attend_events(vm, vcpu, guest, state):
        return enter_guest(vm, vcpu, hart, state)
    return i64(0)


# The class


class Paravirt(VirtualMachine):
    """A machine whose guest kernel has been ported to this hypervisor.

    Parameters
    ----------
    ram : int or str, up to 1016M, so that the first tables fit before the image
    disk, append, record, steps_per_tick : as Machine's

    Raises
    ------
    ValueError
        if `ram` is out of range
    ImageError
        from `load`, if the guest has no port

    Examples
    --------
    >>> from virtlab.isa.assembler import assemble
    >>> text = ".globl paravirt_abi_1\\nparavirt_abi_1: li a7, 7\\nli a0, 3\\necall"
    >>> vm = Paravirt(ram="4M").load(assemble(text, base=0x8020_0000))
    >>> vm.run().reason, vm.exit_code, [exit.reason.name for exit in vm.exits]
    ('exit', 1, ['HYPERCALL'])
    """

    technique = "paravirt"
    hypercall_names: ClassVar = dict(enumerate(abi.HYPERCALLS))
    _resume = staticmethod(resume)
    _classify = staticmethod(classify)

    def __init__(self, ram="128M", firmware="sbi", **settings):
        if firmware not in ("auto", "sbi"):
            raise ValueError(
                f"firmware {firmware!r}: a paravirtual guest runs none; accepted are auto and sbi."
            )
        if parse_ram(ram) > MOST_RAM:
            raise ValueError(f"RAM size {ram!r}: a paravirtual guest has 1016M at most.")
        self._image = None
        super().__init__(ram, firmware="sbi", **settings)

    def _state_words(self) -> int:
        return PAGES + self._ram_bytes // e.PAGE_BYTES

    def _power_on(self, image):
        if image is not None:
            refuse_unported(image)
        self._image = image
        return super()._power_on(image)

    def _new_memory(self):
        self._guest = super()._new_memory()
        return self._guest

    def _prepare(self, harts) -> None:
        super()._prepare(harts)
        base = int(self._vms[0].host_base)
        build_domain(harts[0], self._guest, self._state, base, self._image, self._append)

    # The tables hold machine addresses, and everybody is in U-mode.

    def translate(self, va: int, access: str = "load") -> Walk:
        """As Machine.translate, by the tables that the hart uses; `pa` is guest physical."""
        if access not in ACCESSES:
            raise ValueError(f"access {access!r}: accepted are {', '.join(ACCESSES)}.")
        entry, base = self.memory.entry, int(self._vms[0].host_base)
        va = word(va, "address")
        found = walk(self._hart, lambda at: entry(at - base), va, access, e.USER, False)
        if found.pa is not None:
            found.pa -= base
        return found

    def page_table(self, root: int | None = None) -> list[Mapping39]:
        """What the table at machine address `root` maps, in machine addresses (default: satp's)."""
        table, base = self.memory.table, int(self._vms[0].host_base)
        if root is None:
            root = (int(self._hart.satp) & e.ATP_PPN) << e.PAGE_SHIFT
        return mapped_ranges(lambda at: table(at - base), whole(root, "root"))
