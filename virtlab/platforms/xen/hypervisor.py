"""What does a hypervisor with a driver domain do? It shares out a hart and a memory, and checks.

    Domain0            other domains
    control, drivers   PV: ported kernel     HVM: unmodified kernel
    -------------------------------------------------------------------
    this hypervisor    control interface, event channels, grant tables, scheduler, memory, timer
    -------------------------------------------------------------------
    hart, memory, devices, IOMMU

`Xen` is the machine with its hypervisor. Domain0 is there first; it, or Python in its name, makes
the others. `run` lets time pass: the scheduler says who has the hart until when, and the domain
runs until then, or until it waits, calls something that wakes a more urgent one, or ends.

Time is the machine's and the same for all: each step is one of the domain that has the hart, or of
nobody. A domain sees the steps that it did not get as time slept through.

Everything follows from the start and from what is done from outside. A journal notes the latter:
runs, what is typed, calls by `control` and `call`. So `goto` reaches any earlier time by a snapshot
and a replay. What is changed otherwise (`write`, a program's attributes) a replay does not know; a
`snapshot` has it.

# Model: the hypervisor's own work takes no time of the hart. When Domain0 ends the others go on; a
real machine would reboot.

Sources: P. Barham et al., "Xen and the Art of Virtualization", SOSP 2003; D. Chisnall, "The
Definitive Guide to the Xen Hypervisor", 2007.
"""

from bisect import bisect_right
from collections import namedtuple

from virtlab import guests
from virtlab.hypervisors import paravirt_abi
from virtlab.hypervisors.direct_paging import KIND, ORDINARY
from virtlab.hypervisors.exits import Action
from virtlab.hypervisors.virtual_machine import ModelError
from virtlab.machine import arguments
from virtlab.machine.boot import parse_ram
from virtlab.machine.state import PAGE_CODE, RAM_BASE
from virtlab.platforms.xen import (
    abi,
    control,
    dirty_log,
    event_channels,
    grants,
    memory,
    passthrough,
    saved,
    store_calls,
)
from virtlab.platforms.xen.domain import Domain, HvmMachine, PvMachine
from virtlab.platforms.xen.host import HostMemory
from virtlab.platforms.xen.program import Program, PythonMachine
from virtlab.platforms.xen.scheduler import DEFAULT_WEIGHT, CreditScheduler, jain_index
from virtlab.platforms.xen.store import Store

PAGE = 4096
TICKS_PER_MS = 10_000  # of the 10 MHz clock
ROOM = 256 << 20  # machine addresses beside those of RAM, for places and the hypervisor's pages
EVERY_MS = 100  # a snapshot for `goto`
MOST_EVENTS = 4096

Kernel = namedtuple("Kernel", "image disk append", defaults=(None, ""))
Kernel.__doc__ = """A kernel of the catalogue: image (path, bytes or an assembled Program), the
disk's bytes or path, and the command line. A Program (see program.py) is a domain in Python."""

Turn = namedtuple("Turn", "number first last")
Turn.__doc__ = """A turn on the hart: domain `number` (None: nobody) from step `first` to `last`."""


Call = namedtuple("Call", "step domain call op result")
Call.__doc__ = """A call of a domain: at which step, whose, which (see abi.py), and the answer."""


class Xen:
    """A machine with a Xen-like hypervisor.

    Parameters
    ----------
    ram : bytes, or text such as "64M": the frames that domains share
    kernels : dict of name and Kernel; pith_pv and pith are there too
    domain0 : name of Domain0's kernel, and `domain0_ram` its memory
    steps_per_tick : int, instructions to a tick of the 10 MHz clock
    iommu : bool, whether it is on
    disks : contents of disks that can be assigned to domains
    record : bool, keep snapshots, so that `goto` can reach any earlier step

    Raises
    ------
    ValueError, TypeError
        an argument is not acceptable; the message says what is

    Examples
    --------
    >>> from virtlab.isa.assembler import assemble
    >>> idle = Kernel(assemble(".globl paravirt_abi_1\\nparavirt_abi_1: li a7, 5\\necall\\nj .-8",
    ...                        base=0x8020_0000))
    >>> xen = Xen(ram="16M", kernels={"idle": idle}, domain0="idle", domain0_ram="4M")
    >>> guest = xen.control.create("guest", "idle", "4M")
    >>> xen.control.unpause(guest)
    >>> xen.run(100)
    'idle'
    >>> [(domain.name, domain.state) for domain in xen.control.list()]
    [('Domain-0', '-b---'), ('guest', '-b---')]
    """

    first_gfn = RAM_BASE >> 12

    def __init__(
        self,
        ram="64M",
        kernels=None,
        domain0="pith_pv",
        domain0_ram="8M",
        steps_per_tick=100,
        iommu=True,
        disks=(),
        record=True,
    ):
        self.ram_bytes = parse_ram(ram)
        self.steps_per_tick = arguments.whole(steps_per_tick, "steps_per_tick")
        self.steps_per_ms = TICKS_PER_MS * self.steps_per_tick
        self.kernels = catalogue() | dict(kernels or {})
        self.host = HostMemory(self.ram_bytes + ROOM)
        self.now = 0
        self.idle_steps = 0
        self.next_number = 0
        self.domains: dict[int, Domain] = {}
        self.machines: dict[int, object] = {}
        self.scheduler = CreditScheduler(self.steps_per_ms)
        self.store = Store()
        self.iommu = bool(iommu)
        self.devices = [passthrough.DmaDisk(bytearray(contents)) for contents in disks]
        self.dma_faults: list[passthrough.DmaFault] = []
        self.refused: dict[str, int] = {}
        self.turns: list[Turn] = []
        self.events: list[tuple] = []
        self.control = control.Control(self)
        self._journal: list[tuple] = []
        self._replaying = False
        self._record = bool(record)
        if domain0 not in self.kernels:
            names = ", ".join(self.kernels)
            raise ValueError(
                f"domain0 {domain0!r}: accepted are kernels of the catalogue: {names}."
            )
        self.build(
            "Domain-0", self.kernels[domain0], self.pages_of(domain0_ram), DEFAULT_WEIGHT, 0
        ).paused = False
        self.runs_again(self.domains[0])
        self._snapshots = [saved.take(self)]

    # Memory

    @property
    def total_pages(self) -> int:
        """Frames of the machine."""
        return self.ram_bytes >> 12

    @property
    def free_pages(self) -> int:
        """Frames that no domain has."""
        return self.total_pages - sum(domain.n_pages for domain in self.domains.values())

    @staticmethod
    def pages_of(memory) -> int:
        """Pages in a size such as "8M"."""
        return parse_ram(memory) >> 12

    def has_room(self, pages: int) -> bool:
        """Whether a place for a domain of so many pages is free."""
        return self.host._first_free(saved.place_bytes(pages << 12)) is not None

    def has_page(self, domain: Domain, gfn: int) -> bool:
        """Whether a page is the domain's and present."""
        inside = 0 <= gfn - self.first_gfn < domain.ram_bytes >> 12
        return inside and gfn not in domain.absent and domain.number in self.machines

    def host_page(self, domain: Domain, gfn: int) -> int:
        """Number of a domain's page in host memory."""
        return (domain.base >> 12) + gfn - self.first_gfn

    def gfn_of(self, domain: Domain, page: int) -> int:
        """The other way round."""
        return page - (domain.base >> 12) + self.first_gfn

    def is_table(self, domain: Domain, gfn: int) -> bool:
        """Whether a page of a PV domain is a page table, to which nobody else writes."""
        if domain.kind != "pv":
            return False
        words = self.machines[domain.number].page_words()
        return bool(words[gfn - self.first_gfn] & KIND != ORDINARY)

    def _inside(self, domain: Domain, gpa: int, n_bytes: int) -> bool:
        if n_bytes < 0 or not RAM_BASE <= gpa <= RAM_BASE + domain.ram_bytes - n_bytes:
            return False
        pages = range(gpa >> 12, (gpa + max(n_bytes, 1) - 1 >> 12) + 1)
        return all(self.has_page(domain, gfn) for gfn in pages)

    def read(self, domain: Domain, gpa: int, n_bytes: int) -> bytes | None:
        """Bytes of a domain's memory, None if they are not all there."""
        if not self._inside(domain, gpa, n_bytes):
            return None
        at = domain.base + gpa - RAM_BASE
        return self.host.mem.u8[at : at + n_bytes].tobytes()

    def write(self, domain: Domain, gpa: int, data: bytes, privileged: bool = False) -> bool:
        """Write to a domain's memory; False if that is not possible.

        Page tables are refused, unless the hypervisor does it for itself.
        """
        if not self._inside(domain, gpa, len(data)):
            return False
        if not privileged:
            pages = range(gpa >> 12, (gpa + max(len(data), 1) - 1 >> 12) + 1)
            if any(self.is_table(domain, gfn) for gfn in pages):
                return False
        self._write_pages(domain, domain.base + gpa - RAM_BASE, data)
        return True

    def _write_pages(self, domain: Domain, at: int, data: bytes) -> None:
        machine = self.machines[domain.number]
        self.host.write(at, data, None if domain.kind == "python" else machine)

    def write_host(self, at: int, data: bytes) -> None:
        """Write at an offset in host memory, whoever's it is: a device's DMA."""
        for domain in self.domains.values():
            if (
                domain.base <= at < domain.base + domain.ram_bytes
                and domain.number in self.machines
            ):
                self._write_pages(domain, at, data)
                return
        self.host.write(at, data)

    def read_word(self, domain: Domain, where: int) -> int:
        """A word at an offset in a domain's RAM, unsigned."""
        return int(self.host.mem.u64[domain.base + where >> 3]) & (1 << 64) - 1

    def write_word(self, domain: Domain, where: int, value: int) -> None:
        """Write a word at an offset in a domain's RAM."""
        self._write_pages(domain, domain.base + where, value.to_bytes(8, "little"))

    def forget_code(self, domain: Domain, gfn: int) -> None:
        """Drop what has been decoded, if it was from a page that another may write to now."""
        if self.host.mem.pages[self.host_page(domain, gfn)] & PAGE_CODE:
            saved.forget_code_of(self.machines[domain.number])

    # Windows

    def show_in_window(self, domain: Domain, slot: int, page: int, writable: bool) -> bool:
        """Let a page of host memory appear in a domain's window."""
        machine = self.machines[domain.number]
        shown = machine.map_slot(slot, page, writable)
        self.host.forget_translations()
        return shown

    def hide_in_window(self, domain: Domain, slot: int, mapping) -> None:
        """Take it out again."""
        if domain.number in self.machines:
            self.machines[domain.number].unmap_slot(slot)
            dirty_log.forget_stage(self, domain, mapping.page)
        self.host.forget_translations()

    def forget_page(self, domain: Domain, gfn: int) -> None:
        """Take a page that an HVM domain has given back out of its G-stage table."""
        dirty_log.unmap_gstage(self, domain, gfn)
        self.host.forget_translations()

    def may_have(self, number: int, gpa: int, cause: int) -> bool:
        """Whether a page that an HVM domain wants may enter its G-stage table."""
        domain = self.domains[number]
        if not self.has_page(domain, gpa >> 12):
            return False
        dirty_log.note(self, domain, gpa >> 12)
        return True

    def second_stage_fault(self, number: int, address: int, cause: int) -> Action:
        """A PV domain, while its writes are logged, came to a page that is not open to it."""
        return dirty_log.open_page(self, self.domains[number], address, cause)

    # Domains

    def living(self, number: int) -> Domain | None:
        """The domain, None if there is none or it is dying."""
        domain = self.domains.get(number)
        return None if domain is None or domain.dying else domain

    def build(self, name: str, kernel: Kernel, pages: int, weight: int, cap: int) -> Domain:
        """A new, paused domain.

        Raises
        ------
        ValueError
            the kernel cannot be loaded into so few pages, or there is no room
        """
        number = self.next_number
        machine, kind = self._machine_for(number, kernel, pages << 12)
        self.next_number += 1
        domain = Domain(
            number, name, kind, self.host.places[machine].base, pages << 12, pages, pages
        )
        domain.paused = True
        domain.shared = None if kind == "hvm" else 0
        domain.credit.weight = weight or DEFAULT_WEIGHT
        domain.credit.cap = cap
        self.domains[number], self.machines[number] = domain, machine
        self.store.introduce(number)
        self.store.write(0, f"/local/domain/{number}/name", name.encode())
        self.store.write(0, f"/local/domain/{number}/memory/target", str(pages * 4).encode())
        if kind == "python":
            domain.program = kernel.image.fresh()
            domain.program.start(self, domain)
        return domain

    def _machine_for(self, number: int, kernel: Kernel, ram_bytes: int):
        if isinstance(kernel.image, Program):
            return PythonMachine(self.host, ram_bytes), "python"
        image = kernel.image
        ported = paravirt_abi.SYMBOL in saved.symbols_of(image)
        make, kind = (PvMachine, "pv") if ported else (HvmMachine, "hvm")
        settings = dict(
            ram=ram_bytes,
            disk=kernel.disk,
            append=kernel.append,
            steps_per_tick=self.steps_per_tick,
        )
        before = set(self.host.places)
        try:
            machine = make(self, number, self.host, **settings)
            machine.load(image)
        except Exception:
            for new in set(self.host.places) - before:
                self.host.release(new)
            raise
        machine.ready()
        return machine, kind

    def bury(self, domain: Domain) -> None:
        """Return the memory of a dying domain, unless others still have pages of it."""
        if grants.any_mapped(self, domain):
            return
        machine = self.machines.pop(domain.number, None)
        if machine is not None:
            self.host.release(machine)
        del self.domains[domain.number]

    def runs_again(self, domain: Domain) -> None:
        """A domain may be able to run: it is new, or unpaused."""
        if domain.runnable:
            self.scheduler.add(domain)

    def stop_turn(self, domain: Domain) -> None:
        """A domain can run no longer; if it runs now, its turn ends."""
        self._end_turn()
        self.scheduler.remove(domain)

    def wake(self, domain: Domain) -> None:
        """A domain has got an event; if it waited, the scheduler hears of it."""
        if domain.blocked and not domain.ended and self._has_work(domain):
            domain.blocked = False
            if not domain.paused:
                self.scheduler.wake(domain)
                self._end_turn()

    def _end_turn(self) -> None:
        machine = self.machines.get(self.scheduler.current)
        if machine is not None:
            machine.end_turn()

    def _clock(self, domain: Domain) -> int:
        return self.now + domain.time_shift

    def _has_work(self, domain: Domain) -> bool:
        if domain.kind == "python":
            return bool(self.read_word(domain, domain.shared + abi.SHARED_SELECTOR))
        return self.machines[domain.number].has_work(self._clock(domain))

    # Calls of guests

    def hypercall(self, number: int, call: int, words: list[int]) -> int:
        """A call of a domain; its result. What is refused is counted.

        Parameters
        ----------
        call : number of the call, see abi.py
        words : a0 to a4
        """
        domain = self.domains[number]
        words = list(words) + [0] * (5 - len(words))
        domain.count(abi.CALLS.get(call, "UNKNOWN").lower())
        result = self._dispatch(domain, call, words)
        if result < 0:
            domain.count("refused")
            name = abi.CALLS.get(call, "UNKNOWN")
            self.refused[name] = self.refused.get(name, 0) + 1
        self.events.append(Call(self._time_in_turn(domain), number, call, words[0], result))
        del self.events[:-MOST_EVENTS]
        return result

    def _time_in_turn(self, domain: Domain) -> int:
        """The machine's step, in the middle of a turn too."""
        if domain.number != self.scheduler.current or domain.kind == "python":
            return self.now
        machine = self.machines[domain.number]
        return machine.steps + int(machine._hart.idle_steps) - domain.time_shift

    def _dispatch(self, domain: Domain, call: int, words: list[int]) -> int:
        op, a, b, c, _ = words
        if call in TABLES:
            if op not in TABLES[call]:
                return -abi.NO_CALL
            function, n = TABLES[call][op]
            return function(self, domain, *words[1 : 1 + n])
        if call == abi.CONTROL:
            return control.from_guest(self, domain, op, a, b, c)
        if call == abi.SHARED:
            return self._nominate(domain, op)
        if call == abi.SCHED:
            return self._sched(domain, op, a)
        return -abi.NO_CALL

    def _nominate(self, domain: Domain, gpa: int) -> int:
        if domain.kind != "hvm" or gpa & 0xFFF:
            return -abi.INVALID
        if not self.has_page(domain, gpa >> 12):
            return -abi.BAD_ADDRESS
        domain.shared = gpa - RAM_BASE
        return 0

    def _sched(self, domain: Domain, op: int, reason: int) -> int:
        runs = domain.number == self.scheduler.current
        if op == abi.YIELD:
            if runs:
                self._end_turn()
                self.scheduler.give_up()
            return 0
        if op == abi.BLOCK:
            if domain.kind != "python":
                self.machines[domain.number].block()
                if not runs:
                    domain.blocked = True
                    self.scheduler.remove(domain)
            return 0
        if op == abi.SHUTDOWN:
            self._end(domain, f"shut down ({reason})")
            return 0
        return -abi.NO_CALL

    def _end(self, domain: Domain, why: str) -> None:
        domain.ended = why
        self.stop_turn(domain)
        event_channels.raise_virq(self, abi.VIRQ_DOMAIN)

    def control_call(self, caller: int, function, *words) -> int:
        """A call of the control interface from Python, in the name of a domain.

        What is done so is noted in the journal, for replays.
        """
        self._note("control_call", caller, function, *words)
        domain = self.domains[caller]
        domain.count("control")
        result = -abi.NOT_PERMITTED if caller else function(self, *words)
        if result < 0:
            domain.count("refused")
            self.refused["CONTROL"] = self.refused.get("CONTROL", 0) + 1
        return result

    def call(self, number: int, call: int, *words: int) -> int:
        """A call in the name of a domain, from Python; noted in the journal."""
        self._note("call", number, call, *words)
        return self.hypercall(number, call, list(words))

    def type(self, number: int, text: str) -> None:
        """Type at a domain's console."""
        self._note("type", number, text)
        self.machines[number].type(text)
        self.wake(self.domains[number])

    def switch_iommu(self, on: bool) -> None:
        """Switch the IOMMU on or off."""
        self._note("switch_iommu", on)
        self.iommu = bool(on)

    def console(self, number: int) -> str:
        """What a domain has printed."""
        return self.machines[number].console

    # Time

    def run(self, ms: float = 1000.0, until=None) -> str:
        """Let time pass.

        Parameters
        ----------
        ms : of the machine's time, at most
        until : function of this Xen, asked after each turn whether to stop

        Returns
        -------
        why : "time", "until", or "idle" if nobody can run and no timer is set
        """
        return self.run_steps(round(ms * self.steps_per_ms), until)

    def run_steps(self, steps: int, until=None) -> str:
        """As `run`, in steps of the machine."""
        end = self.now + arguments.count(steps, "steps")
        self._note("run_to", end)
        why = self._run_to(end, until)
        if until is not None and not self._replaying:
            self._journal[-1] = (self._journal[-1][0], "run_to", self.now)
        return why

    def _run_to(self, end: int, until=None) -> str:
        scheduler = self.scheduler
        while self.now < end:
            while scheduler.next_tick <= self.now:
                scheduler.tick(self.domains)
            wake = self._wake_due()
            number = scheduler.choose(self.domains, self.now)
            if number is None and wake is None and not self._parked():
                return "idle"
            limit = min(end, scheduler.horizon(self.domains, self.now))
            limit = limit if wake is None else min(limit, wake)
            first = self.now
            if number is None:
                self.idle_steps += limit - self.now
                self.now = limit
            else:
                self._turn(self.domains[number], limit)
            if self.turns and self.turns[-1].number == number and self.turns[-1].last == first:
                first = self.turns.pop().first
            self.turns.append(Turn(number, first, self.now))
            del self.turns[:-MOST_EVENTS]
            if until is not None and until(self):
                return "until"
            if self.now - self._snapshots[-1].now >= EVERY_MS * self.steps_per_ms:
                self._keep()
        return "time"

    def _parked(self) -> bool:
        return any(
            domain.credit.parked and not (domain.ended or domain.paused or domain.blocked)
            for domain in self.domains.values()
        )

    def _wake_due(self) -> int | None:
        """Wake whom a timer wakes now; the step at which the next one does, None if none will."""
        nearest = None
        for domain in list(self.domains.values()):
            if not domain.blocked or domain.ended or domain.kind == "python":
                continue
            clock = self._clock(domain)
            if self._has_work(domain):
                domain.blocked = False
                if not domain.paused:
                    self.scheduler.wake(domain)
                continue
            at = self.machines[domain.number].wakes_at(clock)
            if at is not None and not domain.paused:
                at -= domain.time_shift
                nearest = at if nearest is None else min(nearest, at)
        return nearest

    def _turn(self, domain: Domain, limit: int) -> None:
        machine, before = self.machines[domain.number], self.now
        if domain.kind == "python":
            used = max(1, domain.program.run(self, domain))
            if not self._has_work(domain):
                domain.blocked = True
        else:
            clock = self._clock(domain)
            try:
                used = machine.run_until(clock, clock + limit - before)
            except ModelError as error:
                used = max(1, machine.steps + int(machine._hart.idle_steps) - clock)
                self._end(domain, f"crashed: {error}")
            else:
                self._see_how_it_stopped(domain, machine)
        self.now = before + used
        self.scheduler.charge(domain, used)
        if not domain.runnable:
            self.scheduler.remove(domain)

    def _see_how_it_stopped(self, domain: Domain, machine) -> None:
        if machine.exit_code is not None:
            if not domain.ended:
                self._end(domain, f"shut down ({machine.exit_code})")
        elif machine.last_stop == "reset":
            self._end(domain, "shut down (reboot)")
        elif machine.waiting or machine.last_stop == "idle":
            domain.blocked = not machine.has_work(machine.steps + int(machine._hart.idle_steps))

    # Going back

    def _note(self, name: str, *what) -> None:
        if not self._replaying:
            while self._journal and self._journal[-1][0] > self.now:
                self._journal.pop()
            while self._snapshots[-1].now > self.now:
                self._snapshots.pop()
            self._journal.append((self.now, name, *what))

    def _keep(self) -> None:
        if self._record and self._snapshots[-1].now < self.now and not self._replaying:
            self._snapshots.append(saved.take(self, len(self._journal), self._snapshots[-1]))
            if len(self._snapshots) > 32:
                self._snapshots = self._snapshots[:16:2] + self._snapshots[16:]

    def snapshot(self):
        """The whole state as it is now."""
        return saved.take(self, len(self._journal))

    def restore(self, snapshot) -> None:
        """Go to a snapshot of this machine."""
        saved.restore(self, snapshot)
        del self._journal[snapshot.n_actions :]
        at = bisect_right(self._snapshots, snapshot.now, key=lambda s: s.now)
        self._snapshots = self._snapshots[: max(at, 1)]

    def forget_past(self) -> None:
        """What is known begins now: something has happened that no replay could repeat."""
        self._journal.clear()
        self._snapshots = [saved.take(self)]

    def goto(self, step: int) -> None:
        """Go back to step `step` of the machine: a snapshot, and a replay of what was done since.

        The state is as after a run that ended there. What was done from outside at that very step
        or later is forgotten.
        """
        step = arguments.count(step, "step")
        if step > self.now:
            raise ValueError(f"step {step:,} is ahead of {self.now:,}; accepted are earlier ones.")
        if step < self._snapshots[0].now or not self._record:
            first = self._snapshots[0].now if self._record else self.now
            raise ValueError(f"cannot go to step {step:,}: what is known begins at step {first:,}.")
        at = bisect_right(self._snapshots, step, key=lambda s: s.now) - 1
        snapshot, journal = self._snapshots[at], list(self._journal)
        saved.restore(self, snapshot)
        self._replaying = True
        try:
            if snapshot.n_actions:  # the run in whose middle the snapshot was taken goes on
                self._replay(journal[snapshot.n_actions - 1], step, go_on=True)
            for action in journal[snapshot.n_actions :]:
                if action[0] >= step:
                    break
                self._replay(action, step)
        finally:
            self._replaying = False
        self._snapshots = self._snapshots[: at + 1]
        self._journal = [action for action in journal if action[0] < step]
        if self._journal and self._journal[-1][1] == "run_to":
            first, name, end = self._journal[-1]
            self._journal[-1] = (first, name, min(end, step))

    def _replay(self, action: tuple, step: int, go_on: bool = False) -> None:
        _, name, *what = action
        if name == "run_to":
            self._run_to(min(what[0], step))
        elif not go_on:
            getattr(self, name)(*what)

    # Looking

    def shares(self) -> dict[int, float]:
        """The part of the hart's time that each domain has had."""
        return {k: d.credit.run_steps / max(self.now, 1) for k, d in self.domains.items()}

    def fairness(self, numbers) -> float:
        """Jain's index of the time that some domains have had by their weights."""
        credits = [self.domains[k].credit for k in numbers]
        return jain_index([c.run_steps / c.weight for c in credits])

    def digest(self, number: int) -> str:
        """SHA-256 of a domain's RAM."""
        return saved.digest(self, self.domains[number])

    def __repr__(self) -> str:
        ms = self.now / self.steps_per_ms
        return f"Xen({self.ram_bytes >> 20} MiB, {ms:,.1f} ms, {len(self.domains)} domains)"


TABLES = {
    abi.EVENT: event_channels.EVENT_OPS,
    abi.GRANT: grants.GRANT_OPS,
    abi.MEMORY: memory.MEMORY_OPS,
    abi.STORE: store_calls.STORE_OPS,
    abi.DEVICE: passthrough.DEVICE_OPS,
}


def catalogue() -> dict[str, Kernel]:
    """The kernels that are always there: the teaching OS, ported and not, and for Xen."""
    disk = guests.disk("pith")
    usual = {name: Kernel(guests.path(name), disk) for name in ("pith_pv", "pith")}
    with_drivers = Kernel(guests.path("pith_hvm"), guests.disk("pith_hvm"))
    return usual | {"pith_xen": Kernel(guests.path("pith_xen")), "pith_hvm": with_drivers}
