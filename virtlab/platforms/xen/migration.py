"""How does a running domain change its machine? It is copied while it runs, and stopped briefly.

    round 1        all pages are sent while the domain runs; what it writes meanwhile is logged
    round n        what was written during round n - 1, unless it has been written again already
    stop and copy  the domain is paused; the rest is sent at the highest rate, and the vcpu
    the end        it goes on there, and is destroyed here

The rate rule of Clark et al.: the first round is sent at the lowest rate; each later one at the
rate at which pages were written during the round before, plus 50 Mbit/s. It is time to stop when
that would be more than the highest rate, or no more than 64 pages (256 KiB) are left.

What the guest has printed goes with it, so that its console goes on where it was. Its clock goes on
too, whatever the other machine's says. Its ports and mapped grants do not go with it. A kernel that
has front ends says so in its part of the store (control/feature-suspend). It is asked to suspend
itself before it is stopped (control/shutdown), and finds itself elsewhere when its call SCHED
SHUTDOWN returns; its front ends connect anew. A domain that has mapped pages of others or has a
device of its own is refused.

# Model: sending takes time of the network and none of the hart. The disk is shared storage; it goes
over with the vcpu; one that a back end serves is for whoever moves the domain to provide there (see
toolstack.System.migrate). A PV domain keeps its machine addresses, because they are in its page
tables and in its registers: its place must be free on the other machine. Xen has the guest
translate them at a moment that it chooses; an HVM domain may come to any place. Neither machine can
go back to a time before the move.

Source: C. Clark et al., "Live Migration of Virtual Machines", NSDI 2005, sections 3 and 5.
"""

from dataclasses import dataclass

from virtlab.hypervisors.direct_paging import ONE
from virtlab.hypervisors.exits import COUNTERS
from virtlab.hypervisors.hardware_assisted import HEADER
from virtlab.hypervisors.vs_registers import HEDELEG, HSTATUS, LEFT_SATP
from virtlab.machine.machine import DEFAULT_STEPS_PER_TICK
from virtlab.machine.ram import forget_all_code
from virtlab.platforms.xen import control, dirty_log, store_calls
from virtlab.platforms.xen.domain import Domain, HvmMachine, PvMachine
from virtlab.platforms.xen.store import home

PAGE_BITS = 4096 * 8
MBIT = 1_000_000
ENOUGH_PAGES = 64  # 256 KiB
MOST_ROUNDS = 29
CHUNK_PAGES = 64
SUSPENDED = 2  # a reason of SCHED SHUTDOWN
SUSPEND_MS = 1000  # in which a kernel has to heed


@dataclass(frozen=True)
class Round:
    """One round.

    sent, skipped : pages; skipped ones had been written again before their turn
    rate : bits a second
    ms : how long it took
    written : pages that the domain wrote meanwhile
    """

    number: int
    sent: int
    skipped: int
    rate: float
    ms: float
    written: int

    def __str__(self) -> str:
        return (
            f"round {self.number}: {self.sent} pages at {self.rate / MBIT:.0f} Mbit/s in "
            f"{self.ms:.1f} ms, {self.written} written meanwhile"
        )


class MigrationError(RuntimeError):
    """The domain cannot be moved; it goes on where it is."""


class Migration:
    """The move of one domain.

    Parameters
    ----------
    xen, number : where it runs, and which it is
    to : the other machine, of the same clock
    lowest, highest, more : rates in bits a second; `more` is added to the rate of writing

    Attributes
    ----------
    rounds : list of Round
    downtime_ms : how long the domain did not run, once that is known
    new_number : its number there

    Raises
    ------
    MigrationError
        it cannot be moved as it is, or not there

    Examples
    --------
    >>> from virtlab.isa.assembler import assemble
    >>> from virtlab.platforms.xen import Kernel, Xen
    >>> loop = Kernel(assemble(".globl paravirt_abi_1\\nparavirt_abi_1: addi s0, s0, 1\\nj .-4",
    ...                        base=0x8020_0000))
    >>> settings = dict(ram="16M", kernels={"loop": loop}, domain0="loop", domain0_ram="4M",
    ...                 steps_per_tick=1)
    >>> here, there = Xen(**settings), Xen(**settings)
    >>> number = here.control.create("traveller", "loop", "4M")
    >>> here.control.unpause(number)
    >>> move = Migration(here, number, there)
    >>> there.domains[move.run()].name, number in here.domains, len(move.rounds)
    ('traveller', False, 1)
    """

    def __init__(self, xen, number, to, lowest=100 * MBIT, highest=500 * MBIT, more=50 * MBIT):
        self.xen, self.to, self.number = xen, to, number
        self.lowest, self.highest, self.more = float(lowest), float(highest), float(more)
        if not 0 < self.lowest <= self.highest or self.more < 0:
            raise ValueError(
                f"rates {lowest}, {highest}, {more}: accepted are a lowest above 0, a highest not "
                "below it, and an addition not below 0."
            )
        self.domain = self._checked()
        self.rounds: list[Round] = []
        self.downtime_ms: float | None = None
        self.new_number: int | None = None
        self._machine = self._reserve()
        for machine in (xen, to):
            machine.forget_past()
        dirty_log.start(xen, self.domain)
        self._left = self._present()

    def _checked(self) -> Domain:
        domain = self.xen.living(self.number)
        reason = ""
        if domain is None or domain.ended:
            reason = "does not run"
        elif self.number == 0 or domain.kind == "python":
            reason = "is bound to its machine"
        elif domain.maps:
            reason = "has mapped pages of others"
        elif any(device.owner == self.number for device in self.xen.devices):
            reason = "has a device of its own"
        elif self.xen.steps_per_tick != self.to.steps_per_tick:
            reason = "would find a hart of another speed"
        elif self.to.free_pages < domain.n_pages:
            reason = "does not fit into the other machine's memory"
        if reason:
            raise MigrationError(f"domain {self.number} {reason}.")
        return domain

    def _present(self) -> set[int]:
        first = self.xen.first_gfn
        return set(range(first, first + (self.domain.ram_bytes >> 12))) - self.domain.absent

    def _reserve(self):
        """The virtual machine there, without contents."""
        here, host = self.xen.machines[self.number], self.to.host
        make = PvMachine if self.domain.kind == "pv" else HvmMachine
        host.wanted_base = self.domain.base if self.domain.kind == "pv" else None
        settings = dict(ram=self.domain.ram_bytes, disk=here._mem.disk.tobytes() or None)
        settings["steps_per_tick"] = self.to.steps_per_tick or DEFAULT_STEPS_PER_TICK
        try:
            machine = make(self.to, self.to.next_number, host, append=here._append, **settings)
        except ValueError as error:
            raise MigrationError(f"domain {self.number} finds no place there: {error}") from None
        finally:
            host.wanted_base = None
        self.to.next_number += 1
        return machine

    # Pages

    def _send(self, gfns: list[int]) -> None:
        there = self.to.host.places[self._machine].base
        u8, first = self.xen.host.mem.u8, self.xen.first_gfn
        for gfn in gfns:
            at = (gfn - first) << 12
            data = u8[self.domain.base + at : self.domain.base + at + 4096].tobytes()
            self.to.host.write(there + at, data, self._machine)

    def _pass_time(self, ms: float) -> None:
        """Sending takes this long, on a machine with nothing to do as well."""
        for xen in (self.xen, self.to):
            end = xen.now + round(ms * xen.steps_per_ms)
            xen.run(ms)
            xen.idle_steps += max(0, end - xen.now)
            xen.now = max(xen.now, end)

    def _rate(self) -> float:
        if not self.rounds:
            return self.lowest
        last = self.rounds[-1]
        return last.written * PAGE_BITS / (last.ms / 1000) + self.more

    @property
    def wants_to_stop(self) -> bool:
        """Whether another round would not help."""
        if not self.rounds:
            return False
        few = len(self._left) <= ENOUGH_PAGES
        return few or self._rate() > self.highest or len(self.rounds) >= MOST_ROUNDS

    def round(self) -> Round:
        """Send what is left, while the domain runs."""
        rate, sent, skipped = min(max(self._rate(), self.lowest), self.highest), 0, 0
        xen, began = self.xen, self.xen.now
        again: set[int] = set()
        gfns = sorted(self._left)
        for k in range(0, len(gfns), CHUNK_PAGES):
            written = dirty_log.peek(xen, self.domain) if self.rounds or k else set()
            chunk = [gfn for gfn in gfns[k : k + CHUNK_PAGES] if gfn not in written]
            skipped += len(gfns[k : k + CHUNK_PAGES]) - len(chunk)
            again |= set(gfns[k : k + CHUNK_PAGES]) & written
            self._send(chunk)
            sent += len(chunk)
            self._pass_time(len(chunk) * PAGE_BITS / rate * 1000)
        if xen.now == began:  # all pages were skipped: what writes them needs a moment to end
            self._pass_time(1)
        self._left = (dirty_log.read(xen, self.domain) | again) - self.domain.absent
        ms = (xen.now - began) / xen.steps_per_ms
        done = Round(len(self.rounds) + 1, sent, skipped, rate, ms, len(self._left))
        self.rounds.append(done)
        return done

    # The end

    def stop_and_copy(self) -> None:
        """Have the domain suspend itself if it can, pause it, and send the rest and its vcpu."""
        self._suspend()
        control.pause(self.xen, self.number)
        self._left |= dirty_log.peek(self.xen, self.domain) - self.domain.absent
        n_pages = len(self._left)
        self._send(sorted(self._left))
        dirty_log.stop(self.xen, self.domain)
        self._move_machine()
        self.downtime_ms = n_pages * PAGE_BITS / self.highest * 1000
        self._pass_time(self.downtime_ms)

    def _suspend(self) -> None:
        store, own = self.xen.store, home(self.number)
        if store.read(0, f"{own}/control/feature-suspend") != b"1":
            return
        path = f"{own}/control/shutdown"
        store_calls.change(self.xen, path, store.write(0, path, b"suspend"))
        for _ in range(SUSPEND_MS):
            if self.domain.ended:
                break
            self._pass_time(1)
        if self.domain.ended != f"shut down ({SUSPENDED})":
            store.remove(0, path)
            dirty_log.stop(self.xen, self.domain)
            self.to.host.release(self._machine)
            raise MigrationError(
                f"domain {self.number} does not suspend itself in {SUSPEND_MS:,} ms: "
                f"{self.domain.ended or 'it runs'}."
            )

    def _move_machine(self) -> None:
        here, there = self.xen.machines[self.number], self._machine
        there._harts[:] = here._harts
        for name in ("pending", "shown", "interpret", "error", "n_exits", "reasons", *COUNTERS):
            there._vms[name] = here._vms[name]
        if self.domain.kind == "pv":
            there._state[:] = here._state
        else:
            for word in (HSTATUS, HEDELEG, LEFT_SATP):
                there._state[word] = here._state[word]
            there._state[HEADER:] = here._state[HEADER:]
        there._exits[:], there._guest_log[:] = here._exits, here._guest_log
        there._mem.disk[:] = here._mem.disk
        there._console[:], there._typed[:] = here._console, here._typed
        there._history.image = here._history.image
        there._history.symbols = here._history.symbols
        there._vms["stale"] = 1
        there.ready()
        forget_all_code(there._host)

    def finish(self) -> int:
        """Let the domain go on there, and destroy it here; its number there."""
        old, to = self.domain, self.to
        domain = Domain(
            self._machine.number,
            old.name,
            old.kind,
            to.host.places[self._machine].base,
            old.ram_bytes,
            old.n_pages,
            old.max_pages,
            shared=old.shared,
            grant_table=old.grant_table,
            blocked=old.blocked,
            absent=set(old.absent),
        )
        domain.credit.weight, domain.credit.cap = old.credit.weight, old.credit.cap
        clock = self._machine.steps + int(self._machine._hart.idle_steps)
        paused_steps = round(self.downtime_ms * self.xen.steps_per_ms)
        domain.time_shift = clock + paused_steps - to.now
        to.domains[domain.number], to.machines[domain.number] = domain, self._machine
        to.store.introduce(domain.number)
        to.store.write(0, f"/local/domain/{domain.number}/name", old.name.encode())
        self._let_go_of_grants()
        to.runs_again(domain)
        control.destroy(self.xen, self.number)
        for machine in (self.xen, self.to):
            machine.forget_past()
        self.new_number = domain.number
        return domain.number

    def _let_go_of_grants(self) -> None:
        """What others have mapped to write on the machine that it leaves, nobody has here."""
        if self.domain.kind != "pv":
            return
        words = self._machine.page_words()
        for other in self.xen.domains.values():
            for mapping in other.maps.values():
                if mapping.granter == self.number and mapping.writable:
                    words[mapping.page - (self.domain.base >> 12)] -= ONE

    def run(self) -> int:
        """All of it; the domain's number there."""
        while not self.wants_to_stop:
            self.round()
        self.stop_and_copy()
        return self.finish()

    @property
    def total_pages(self) -> int:
        """Pages sent in all rounds."""
        return sum(each.sent for each in self.rounds)
