"""What is a domain? What the hypervisor knows of it, and the virtual machine that it runs in.

    kind      the guest                                   its virtual machine
    pv        a ported kernel                             hypervisors.paravirt
    hvm       an unmodified kernel                        hypervisors.hardware_assisted
    python    a Program: a driver domain in Python        none; it has memory, events and grants

`Domain` holds numbers, sets and records only, so that a copy of it is a snapshot. The machines are
kept apart from it.

A domain's clock is the machine's: what it could not run is time that has passed for it, like time
slept. When it waits for an event the hart goes to another domain; nobody's time jumps.

# Model: an HVM domain's disk and console are its own virtual devices, answered by the hypervisor.
In Xen a program in Domain0, QEMU, answers for them. A guest of a guest ends the domain.
"""

from dataclasses import dataclass, field

import numpy as np

from virtlab.hypervisors import paravirt_abi
from virtlab.hypervisors.direct_paging import KERNEL_ROOT, PAGES, TYPED
from virtlab.hypervisors.exits import Action, ExitReason
from virtlab.hypervisors.gstage import ROOT
from virtlab.hypervisors.hardware_assisted import HardwareAssisted
from virtlab.hypervisors.paravirt import EVENTS, Paravirt
from virtlab.hypervisors.virtual_machine import ModelError
from virtlab.isa import encoding as e
from virtlab.machine.interrupts import NEVER_TICKS
from virtlab.machine.peek import peek_csr
from virtlab.machine.state import PAGE_DIRTY, RAM_BASE
from virtlab.platforms.xen import abi

A0, A6, A7 = 10, 16, 17
MIP = np.int64(e.CSR_NUMBERS["mip"])
ACCESS_FAULTS = {
    e.CAUSE_FETCH_GUEST_PAGE: e.CAUSE_FETCH_ACCESS,
    e.CAUSE_LOAD_GUEST_PAGE: e.CAUSE_LOAD_ACCESS,
    e.CAUSE_STORE_GUEST_PAGE: e.CAUSE_STORE_ACCESS,
}


@dataclass
class Channel:
    """One end of an event channel: a port of its domain.

    state : CHANNEL_ constant of the ABI
    domain, port : the other end; of an unbound port who may bind, of a VIRQ its number as `port`
    """

    state: int = abi.CHANNEL_CLOSED
    domain: int = 0
    port: int = 0


@dataclass
class Mapping:
    """A page of another domain that a domain has mapped.

    granter, reference : whose grant it is
    page : number of the page in host memory
    """

    granter: int
    reference: int
    page: int
    writable: bool


@dataclass
class Credit:
    """What the scheduler knows of a domain; steps are steps of the machine. See scheduler.py."""

    weight: int = 256
    cap: int = 0
    credit: int = 0
    priority: int = -1
    active: bool = False
    parked: bool = False
    run_steps: int = 0
    turns: int = 0
    boosts: int = 0


@dataclass
class Domain:
    """All that the hypervisor knows of a domain.

    base : offset of its RAM in host memory
    n_pages, max_pages : frames that it has, and may have
    absent : gfns below its largest size that it does not have
    shared : offset in its RAM of the page with its event bits, None if it has nominated none
    grant_table : gfn of the page with its grant table, None if there is none
    maps : pages of others that it has mapped, by slot of its window
    ended : why it runs no more, "" while it does
    dying : it is gone, but for pages that others have mapped
    program : what runs in a python domain
    time_shift : steps by which its clock is ahead of the machine's, after a migration
    dirty_log : pages of its RAM written since the log was read last, None if nobody asks
    stage_pages : pages in use for a second stage, see dirty_log.py
    counts : events that a price can be put on, and calls that were refused
    """

    number: int
    name: str
    kind: str
    base: int
    ram_bytes: int
    n_pages: int
    max_pages: int
    shared: int | None = None
    grant_table: int | None = None
    paused: bool = False
    blocked: bool = False
    ended: str = ""
    dying: bool = False
    absent: set = field(default_factory=set)
    channels: dict = field(default_factory=dict)
    maps: dict = field(default_factory=dict)
    watches: dict = field(default_factory=dict)
    seen: list = field(default_factory=list)
    credit: Credit = field(default_factory=Credit)
    program: object = None
    time_shift: int = 0
    dirty_log: set | None = None
    stage_pages: int = 0
    counts: dict = field(default_factory=dict)

    def count(self, what: str, n: int = 1) -> None:
        """Add to a counter."""
        self.counts[what] = self.counts.get(what, 0) + n

    @property
    def runnable(self) -> bool:
        """Whether it could use the hart now."""
        return not (self.paused or self.blocked or self.ended or self.credit.parked)


class OnXen:
    """What both kinds of virtual machine have in common when a hypervisor shares out the hart.

    platform : answers calls: `hypercall(number of the domain, call, arguments)`, and faults
    """

    def __init__(self, platform, number: int, host, **settings):
        self._platform = platform
        self.number = number
        self._paused = False
        super().__init__(host=host, record=False, **settings)

    def end_turn(self) -> None:
        self._paused = True
        super().end_turn()

    def _goes_on(self, stop: int, end: int) -> bool:
        return not self._paused and super()._goes_on(stop, end)

    def run_until(self, now: int, end: int) -> int:
        """Run from machine step `now` to `end` at most; how many steps it took.

        Raises
        ------
        ModelError
            the guest did something that the model does not cover
        """
        self._hart.idle_steps = now - self.steps
        self._paused = False
        stop = self.run(end - now)
        self.last_stop = stop.reason
        taken = self.steps + int(self._hart.idle_steps) - now
        if taken > end - now:
            raise ModelError(f"domain {self.number}: it has slept on the hart, at {stop}")
        return taken

    def _ask(self, handler) -> int:
        if handler.__self__ is self:
            return int(handler())
        return super()._ask(handler)

    def _interpret(self, budget: int) -> None:
        raise ModelError(f"domain {self.number}: its guest starts a guest of its own.")

    def _call(self, number: int) -> Action:
        """Have the platform answer a call, and move on behind it."""
        hart = self._hart
        arguments = [int(value) for value in hart.x[A0 : A0 + 5]]
        result = self._platform.hypercall(self.number, number, arguments)
        hart.x[A0] = result
        hart.pc += 4
        return Action.RESUME

    def ticks_of_timer(self) -> int:
        """When the guest's timer is due, in ticks."""
        return int(self._hart.stimecmp)

    def wakes_at(self, now: int) -> int | None:
        """The step at which a sleeping guest's timer wakes it, None if it never does."""
        per_tick = int(self._hart.steps_per_tick)
        ahead = self.ticks_of_timer() - now // per_tick
        if not 0 < ahead <= NEVER_TICKS or not self._timer_matters():
            return None
        return self.ticks_of_timer() * per_tick

    def _due(self, now: int) -> bool:
        ticks = now // int(self._hart.steps_per_tick)
        return ticks >= self.ticks_of_timer() & (1 << 64) - 1

    # The window: one table of 512 entries, and one above it. Both lie behind the pages that the
    # hypervisor has for this guest, out of the guest's reach.

    def ready(self) -> None:
        """Called once an image is in place."""
        self._vms["pool_end"][0] -= 2 * e.PAGE_BYTES
        middle, leaves = self.window_tables()
        self._host.u64[middle >> 3] = table_entry(leaves)

    def window_tables(self) -> tuple[int, int]:
        """Offsets in host memory of the upper and the lower table."""
        end = int(self._vms["pool_end"][0])
        return end, end + e.PAGE_BYTES

    def map_slot(self, slot: int, page: int, writable: bool) -> bool:
        """Let a page of host memory appear in the window."""
        if not self._open_window():
            return False
        bits = e.PTE_V | e.PTE_R | e.PTE_U | e.PTE_A | e.PTE_D | writable * e.PTE_W
        ppn = (RAM_BASE >> e.PAGE_SHIFT) + page
        self._host.u64[(self.window_tables()[1] >> 3) + slot] = ppn << e.PTE_PPN_SHIFT | bits
        return True

    def unmap_slot(self, slot: int) -> None:
        """Take it out again; the hart has to forget it too."""
        self._host.u64[(self.window_tables()[1] >> 3) + slot] = 0

    def _open_window(self) -> bool:
        root = self._root()
        if root:
            middle = table_entry(self.window_tables()[0])
            self._host.u64[(root >> 3) + (abi.WINDOW >> 30)] = middle
        return bool(root)


def table_entry(offset: int) -> int:
    """The entry that leads to a table at an offset in host memory."""
    return (RAM_BASE + offset >> e.PAGE_SHIFT) << e.PTE_PPN_SHIFT | e.PTE_V


class PvMachine(OnXen, Paravirt):
    """A paravirtual domain's machine."""

    def __init__(self, platform, number, host, **settings):
        super().__init__(platform, number, host, **settings)
        self._handlers[ExitReason.HYPERCALL] = self._on_hypercall
        self._handlers[ExitReason.GUEST_PAGE_FAULT] = self._on_guest_page_fault

    def _root(self) -> int:
        """Offset of the table on which the guest's kernel runs."""
        return int(self._vms["host_base"][0]) + (int(self._state[KERNEL_ROOT]) << e.PAGE_SHIFT)

    def _word(self, where: int) -> int:
        return int(self._mem.u64[where >> 3])

    def _on_hypercall(self) -> Action:
        hart = self._hart
        number = int(hart.x[A7])
        if number == paravirt_abi.HYPERCALL_BLOCK:
            self._vms[0].hypercalls += 1
            self.block()
            hart.x[A0] = 0
            hart.pc += 4
            return Action.RESUME
        if number not in abi.CALLS:
            return Action.HANDLE
        self._vms[0].hypercalls += 1
        return self._call(number)

    def _on_guest_page_fault(self) -> Action:
        vm = self._vms[0]
        return self._platform.second_stage_fault(self.number, int(vm.gpa), int(vm.cause))

    def block(self) -> None:
        """Events are let in, and the guest waits for one."""
        self._mem.u64[paravirt_abi.SHARED_EVENTS_OFF >> 3] = 0
        self._mem.pages[0] |= PAGE_DIRTY
        self._hart.waiting = 1
        self.end_turn()

    def has_work(self, now: int) -> bool:
        """Whether an event waits for the guest, as attend_events will find it."""
        bits = self._word(paravirt_abi.SHARED_PENDING)
        if self._due(now):
            bits |= 1 << paravirt_abi.EVENT_TIMER
        free = self._word(paravirt_abi.SHARED_READ) + paravirt_abi.INPUT_RING - self._state[TYPED]
        if self._hart.uart_rx_tail > self._hart.uart_rx_head and 0 < free <= 256:
            bits |= 1 << paravirt_abi.EVENT_CONSOLE
        return bool(bits & ~self._word(paravirt_abi.SHARED_MASKED) & EVENTS)

    def _timer_matters(self) -> bool:
        return not self._word(paravirt_abi.SHARED_MASKED) & 1 << paravirt_abi.EVENT_TIMER

    def page_words(self) -> np.ndarray:
        """Kind and count of each page, see hypervisors/direct_paging.py."""
        return self._state[PAGES:]


class HvmMachine(OnXen, HardwareAssisted):
    """An unmodified guest's machine."""

    def __init__(self, platform, number, host, **settings):
        super().__init__(platform, number, host, firmware="sbi", **settings)
        self._handlers[ExitReason.ECALL] = self._on_ecall
        self._handlers[ExitReason.WFI] = self._on_wfi
        self._handlers[ExitReason.GUEST_PAGE_FAULT] = self._on_guest_page_fault

    def _root(self) -> int:
        """Offset of the G-stage table, 0 before the guest has run."""
        return int(self._state[ROOT])

    def _on_ecall(self) -> Action:
        hart = self._hart
        if hart.x[A7] != abi.EXTENSION or hart.mode != e.SUPERVISOR:
            return Action.HANDLE
        return self._call(int(hart.x[A6]))

    def _on_wfi(self) -> Action:
        self.end_turn()
        return Action.HANDLE

    def _on_guest_page_fault(self) -> Action:
        vm = self._vms[0]
        if self._platform.may_have(self.number, int(vm.gpa), int(vm.cause)):
            return Action.HANDLE
        vm.cause = ACCESS_FAULTS[int(vm.cause)]
        return Action.REFLECT

    def block(self) -> None:
        """The same as WFI."""
        self._hart.waiting = 1
        self.end_turn()

    def has_work(self, now: int) -> bool:
        """Whether WFI would go on."""
        self._hart.idle_steps = now - self.steps
        return bool(peek_csr(self._hart, MIP) & self._hart.mie)

    def _timer_matters(self) -> bool:
        return bool(self._hart.mie & e.STIP)
