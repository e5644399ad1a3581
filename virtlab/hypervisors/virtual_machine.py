"""How does a reader hold a virtual machine? As a machine: load, run, step, step back, look inside.

A VirtualMachine is a Machine whose instructions somebody else executes. What it shows is the
guest's view: its registers, its CSRs, its RAM at guest physical addresses, its console. Behind it
is a host: one physical hart, and memory that holds the guest's RAM and, behind it, the pages of the
hypervisor.

The loop that every technique shares is `_advance`: the hypervisor's compiled `resume` brings the
guest from an exit to its next entry, the machine's compiled `run` executes it until it leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from virtlab.hypervisors import exits as x
from virtlab.hypervisors.exits import COUNTERS, VM, Action, ExitReason
from virtlab.hypervisors.view import VcpuView
from virtlab.isa import encoding as e
from virtlab.machine import arguments, boot, views
from virtlab.machine.arguments import hex64
from virtlab.machine.csr import MEDELEG_WRITABLE
from virtlab.machine.machine import CODE_ROWS, Machine, run_hart
from virtlab.machine.ram import forget_all_code
from virtlab.machine.state import (
    EVENT_COLUMNS,
    N_EVENTS,
    PAGE_WATCHES,
    STOP_TRAP,
    Memory,
    new_memory,
)
from virtlab.machine.stops import Stop, Watch, watch_for

POOL_BYTES = 8 << 20  # for the hypervisor's own pages
LEAST_POOL, MOST_POOL = 256 << 10, 1 << 30
POOL_UNIT = 16 << 10  # the root of a G-stage table is as large, and as aligned
ALONE = "because one of several virtual machines on a host cannot be taken back alone."
ROW_SPAN = CODE_ROWS * e.PAGE_BYTES  # a guest's RAM begins at a multiple (see ram.drop_row)


class ModelError(RuntimeError):
    """The guest did something that the model does not cover; the message says what and where."""


@dataclass(frozen=True)
class Exit:
    """One way from the guest to the hypervisor.

    number : int, counted from 0 since power-on
    steps : guest instructions before the one that left
    gva, gpa : the address of a memory access and where it leads, None if that means nothing here
    detail : the instruction word of PRIVILEGED and WFI, the call's number of ECALL and HYPERCALL
    cause : the exception number, None if it was none
    mode : the guest's own mode: "M", "S", "U", "VS" or "VU"
    instructions : executed by the hart for the guest until then, hidden faults not counted
    """

    number: int
    steps: int
    pc: int
    reason: ExitReason
    action: Action
    gva: int | None
    gpa: int | None
    detail: int
    cause: int | None
    mode: str
    instructions: int

    def __str__(self) -> str:
        where = "" if self.gva is None else f" at {hex64(self.gva)}"
        return (
            f"exit {self.number:,} at step {self.steps:,}, pc {hex64(self.pc)}: "
            f"{self.reason.name}{where}, {self.action.name}"
        )


MEMORY_REASONS = (
    ExitReason.SHADOW_PAGE_FAULT,
    ExitReason.GUEST_PAGE_FAULT,
    ExitReason.TRUE_PAGE_FAULT,
    ExitReason.TRACE,
    ExitReason.MMIO,
)


def chosen(name: str, value, options: dict):
    """The entry of `options` for `value`; a ValueError says what is accepted."""
    if value not in options:
        raise ValueError(f"{name} {value!r}: accepted are {', '.join(map(str, options))}.")
    return options[value]


class VirtualMachine(Machine):
    """What the five techniques have in common; see their own modules.

    pool : bytes for the hypervisor's own pages; they lie behind the guest's RAM, and RAM and pool
        together are rounded up to 4 MiB of its host

    A subclass gives `technique` (its name), `_resume` and `_classify` (compiled functions of the
    form described in trap_and_emulate.resume), and `_state_words`.
    """

    technique = ""
    _resume: Callable
    _classify: Callable
    policy = 0
    paging = 0
    least_pool = LEAST_POOL

    def __init__(self, ram="128M", host=None, pool=POOL_BYTES, **settings):
        self._handlers: dict[ExitReason, Callable] = {}
        self._goal = 0
        self._shared_host = host
        if host is not None:
            if not hasattr(host, "place"):
                raise TypeError(f"host {host!r}: accepted are a Host and None.")
            if settings.get("record"):
                raise ValueError("record=True: accepted with a host of its own only, " + ALONE)
            settings["record"] = False
        self._pool_bytes = arguments.whole(pool, "pool")
        if pool % POOL_UNIT or not self.least_pool <= pool <= MOST_POOL:
            raise ValueError(
                f"pool {pool:,}: accepted are multiples of {POOL_UNIT:,} bytes from "
                f"{self.least_pool:,} to {MOST_POOL:,}."
            )
        super().__init__(ram, **settings)

    def _state_words(self) -> int:
        """Length of the technique's state array."""
        return 1

    # Its place on the host

    def _power_on(self, image):
        if image is not None:  # refuse what cannot be loaded while all is still as it was
            scratch = new_memory(self._ram_bytes, 1, self._disk_source)
            boot.boot(boot.new_hart()[0], scratch, image, self._firmware, self._append)
        return super()._power_on(image)

    def _new_memory(self) -> Memory:
        whole = -(-(self._ram_bytes + self._pool_bytes) // ROW_SPAN) * ROW_SPAN
        disk = self._disk_source.copy()
        self._vms = np.zeros(1, VM)
        vm = self._vms[0]
        if self._shared_host is None:
            vm.host_base, vm.vmid, vm.asid = 0, 1, 1
            self._host = new_memory(whole, CODE_ROWS, disk)
            self._physical = boot.new_hart()
            reset_host_hart(self._physical[0], len(self._host.u8))
        else:
            place = self._shared_host.place(self, whole)
            vm.host_base, vm.vmid, vm.asid = place.base, place.number, place.asid
            blocks = np.zeros((len(disk) + 4095) >> 12, np.uint8)
            self._host = place.mem._replace(disk=disk, blocks=blocks)
            self._physical = place.harts
        vm.ram_bytes = self._ram_bytes
        vm.pool_end = vm.host_base + whole
        vm.pool = vm.pool_end - self._pool_bytes
        vm.policy, vm.paging = self.policy, self.paging
        self._running = self._physical
        self._state = np.zeros(self._state_words(), np.int64)
        self._exits = np.zeros((x.N_EXITS, x.EXIT_COLUMNS), np.int64)
        self._guest_log = np.zeros((N_EVENTS, EVENT_COLUMNS), np.int64)
        a, b, host = int(vm.host_base), int(vm.host_base) + self._ram_bytes, self._host
        return Memory(
            host.u8[a:b],
            host.u16[a >> 1 : b >> 1],
            host.u32[a >> 2 : b >> 2],
            host.u64[a >> 3 : b >> 3],
            host.pages[a >> 12 : b >> 12],
            host.code,
            host.disk,
            host.blocks,
            self._guest_log,
        )

    def _prepare(self, harts) -> None:
        self._running = self._physical
        self._watched = np.zeros(len(self._host.pages), np.uint8)
        # The arguments of `resume`, of which only the last two change.
        self._arguments = (
            harts,
            self._physical,
            self._vms,
            self._state,
            self._exits,
            self._guest_log,
            *self._host,
        )

    def _also(self) -> tuple[np.ndarray, ...]:
        self._watched[:] = self._host.pages & PAGE_WATCHES
        return (self._physical, self._vms, self._state, self._exits, self._guest_log, self._watched)

    def _decode_anew(self) -> None:
        if self._shared_host is None:
            super()._decode_anew()
        else:  # what others have decoded stays, and so do the guards of their pages
            forget_all_code(self._host)

    def snapshot(self):
        """As Machine.snapshot; refused on a host that others share."""
        if self._shared_host is not None:
            raise ValueError("snapshot: accepted with a host of its own only, " + ALONE)
        return super().snapshot()

    def _restore(self, wanted, history) -> None:
        super()._restore(wanted, history)
        self._host.pages[:] = self._host.pages & ~np.uint8(PAGE_WATCHES) | wanted.extra[-1]

    # Running

    def _advance(self, goal: int) -> int:
        """Run the guest to its step `goal` at most; returns why it stopped."""
        self._goal = goal
        with np.errstate(over="ignore"):
            action = int(Action.HANDLE)
            while True:
                budget = self._resume(*self._arguments, self._goal, action)
                action = int(Action.HANDLE)
                if budget <= 0:
                    return self._left()
                if self._vms["interpret"][0]:
                    self._interpret(budget)
                else:
                    run_hart(self._physical, *self._host, budget)
                # Any other end of the stretch is for `resume` to see; a look would use it up.
                if self._handlers and self._left_by_trap():
                    reason = self._classify(*self._arguments, self._goal, action)
                    handler = self._handlers.get(ExitReason(reason)) if reason else None
                    if handler is not None:
                        action = self._ask(handler)

    def end_turn(self) -> None:
        """From a handler: the run pauses when the exit on hand has been handled."""
        self._goal = min(self._goal, self.steps + 1)

    def _interpret(self, budget: int) -> None:
        """Run the vcpu itself, on the guest's memory.

        Rows of decoded instructions are known by page numbers, and the guest's are the host's only
        if its RAM begins where the host's does.
        """
        elsewhere = bool(self._vms["host_base"][0])
        if elsewhere:
            forget_all_code(self._host)
        run_hart(self._harts, *self._mem, budget)
        if elsewhere:
            forget_all_code(self._mem)

    def _left_by_trap(self) -> bool:
        vm, hart = self._vms[0], self._physical[0]
        return bool(vm.entered and not vm.interpret and hart.stop == STOP_TRAP)

    def _left(self) -> int:
        if self._vms["error"][0]:
            raise ModelError(f"{self.technique}: the guest cannot go on after {self._on_hand()}.")
        return int(self._hart.stop)

    def _ask(self, handler: Callable) -> int:
        """Have a handler in Python answer the exit on hand."""
        vcpu = VcpuView(self)
        pc = int(self._hart.pc)
        action = handler(vcpu, self._on_hand())
        if not isinstance(action, Action):
            raise TypeError(
                f"the handler {getattr(handler, '__name__', handler)!r} answered {action!r}; "
                "accepted are Action.RESUME, RETRY, REFLECT, STOP and HANDLE (the built-in one)."
            )
        if action is Action.RESUME and int(self._hart.pc) == pc and not vcpu.emulated:
            vcpu.skip()
        return int(action)

    def handle(self, reason: ExitReason, handler: Callable | None) -> None:
        """Have `handler(vcpu, exit)` answer the exits of one reason; None: the built-in one again.

        It is called between the exit and the next entry, again in each replay, and returns an
        Action. `vcpu` is a VcpuView, `exit` an Exit.
        """
        reason = ExitReason(reason)
        if handler is None:
            self._handlers.pop(reason, None)
        elif callable(handler):
            self._handlers[reason] = handler
        else:
            raise TypeError(f"handler {handler!r}: accepted are a function and None.")

    def run(self, budget: int | None = None, *, until=None) -> Stop:
        """As Machine.run; `until` may also be an ExitReason, or the class itself for any exit.

        The run then stops before the exit is handled: `vm.exit_on_hand` says what it is.
        """
        vm = self._vms[0]
        if until is ExitReason or isinstance(until, ExitReason):
            any_exit = until is ExitReason
            vm.watch_exits = -1 if any_exit else 1 << int(until)
            try:
                return self._run(
                    arguments.count(10**9 if budget is None else budget, "budget"),
                    Watch(what="an exit" if any_exit else f"an exit for {until.name}"),
                )
            finally:
                vm.watch_exits = 0
        watch_for(until)  # says what is accepted
        return super().run(budget, until=until)

    def _do(self, action) -> None:
        super()._do(action)
        if action.kind == "memory":  # page tables may have been changed behind everybody's back
            self._vms[0].stale = 1

    def save(self, path) -> None:
        """A virtual machine cannot be saved to a file."""
        raise ValueError("a virtual machine cannot be saved to a file; accepted are bare machines.")

    # Looking

    def _exit_at(self, row, number: int, action: int) -> Exit:
        reason = ExitReason(int(row[x.EXIT_REASON]))
        memory = reason in MEMORY_REASONS
        gpa, cause, mode = (int(row[k]) for k in (x.EXIT_GPA, x.EXIT_CAUSE, x.EXIT_MODE))
        return Exit(
            number=number,
            steps=int(row[x.EXIT_STEPS]),
            pc=int(row[x.EXIT_PC]) & arguments.U64,
            reason=reason,
            action=Action(action),
            gva=int(row[x.EXIT_GVA]) & arguments.U64 if memory else None,
            gpa=gpa if memory and gpa >= 0 else None,
            detail=int(row[x.EXIT_DETAIL]) & arguments.U64,
            cause=None if cause < 0 else cause,
            mode=views.mode_name(mode & 3, mode >> 2),
            instructions=int(row[x.EXIT_INSTRUCTIONS]),
        )

    def _on_hand(self) -> Exit:
        vm, row = self._vms[0], np.zeros(x.EXIT_COLUMNS, np.int64)
        row[x.EXIT_STEPS] = self._hart.steps
        row[x.EXIT_PC], row[x.EXIT_REASON] = vm.pc, vm.reason
        row[x.EXIT_GVA], row[x.EXIT_GPA], row[x.EXIT_DETAIL] = vm.gva, vm.gpa, vm.detail
        row[x.EXIT_CAUSE], row[x.EXIT_MODE] = vm.cause, vm.mode
        row[x.EXIT_INSTRUCTIONS] = vm.hart_instructions
        return self._exit_at(row, int(vm.n_exits), int(Action.HANDLE))

    @property
    def exit_on_hand(self) -> Exit | None:
        """The exit at which the run has stopped, not yet handled; None if there is none."""
        return self._on_hand() if self._vms[0].pending else None

    @property
    def n_exits(self) -> int:
        """Exits since power-on."""
        return int(self._vms[0].n_exits)

    @property
    def exits(self) -> list[Exit]:
        """The last 4096 exits, oldest first."""
        n = self.n_exits
        first = max(0, n - x.N_EXITS)
        rows = [self._exits[k % x.N_EXITS] for k in range(first, n)]
        return [
            self._exit_at(row, first + k, int(row[x.EXIT_ACTION])) for k, row in enumerate(rows)
        ]

    @property
    def exit_log(self) -> np.ndarray:
        """The same as numbers: (n, EXIT_COLUMNS) int64, see virtlab.hypervisors.exits."""
        n = self.n_exits
        return self._exits[np.arange(max(0, n - x.N_EXITS), n) % x.N_EXITS]

    @property
    def exit_counts(self) -> dict[ExitReason, int]:
        """Exits by reason since power-on; reasons that did not occur are left out."""
        counts = self._vms[0].reasons
        return {reason: int(counts[reason]) for reason in ExitReason if counts[reason]}

    @property
    def counts(self) -> dict[str, int]:
        """Every event that a price can be put on, since power-on."""
        vm, hart, vcpu = self._vms[0], self._physical[0], self._hart
        counted = {"instructions": self.steps, "exits": self.n_exits}
        counted |= {f"exit:{reason.name.lower()}": int(vm.reasons[reason]) for reason in ExitReason}
        counted |= {name: int(vm[name]) for name in COUNTERS}
        counted |= {
            "dispatches": int(vm.interpreted + vm.emulated),
            "memory_checks": int(vcpu.data_accesses),
            "walks": int(hart.walks),
            "walk_references": int(hart.walk_references),
            "gstage_references": int(hart.gstage_references),
            "tlb_misses": int(hart.data_misses + hart.fetch_misses),
            "memory_accesses": int(hart.data_accesses),
            "software_walks": int(vcpu.walks),
            "disk_requests": int(vcpu.disk_reads + vcpu.disk_writes),
        }
        return counted

    @property
    def own_pages(self) -> int:
        """Pages of 4 KiB that the hypervisor uses for this guest: tables, translated code."""
        vm = self._vms[0]
        end = int(vm.pool_end)
        pages = self._host.u8[end - self._pool_bytes : end].reshape(-1, e.PAGE_BYTES)
        return int(np.count_nonzero(pages.any(axis=1)))

    @property
    def betrayed(self) -> str | None:
        """With `silent_privileged`: the first instruction that should have trapped and did not."""
        vcpu = self._hart
        if not vcpu.silent_count:
            return None
        pc = int(vcpu.silent_pc) & arguments.U64
        return f"{self.disassemble(pc, 1, 0)[0][2]} at {hex64(pc)}"

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self._ram_bytes >> 20} MiB, step {self.steps:,}, "
            f"{self.mode}-mode, {self.n_exits:,} exits)"
        )


def reset_host_hart(hart, ram_bytes: int) -> None:
    """The physical hart as a hypervisor in HS-mode wants it: every trap of a guest is its own."""
    boot.reset(hart, ram_bytes, 0, True, 100)
    hart.host = 1
    hart.mode = e.SUPERVISOR
    hart.medeleg = MEDELEG_WRITABLE
    hart.mideleg |= e.S_INTERRUPTS
    hart.menvcfg |= e.ENVCFG_STCE
    hart.mcounteren = hart.hcounteren = 7
