"""The machine as a reader holds it: load, run, step, step back, look inside.

A thin class over the compiled run loop. It cuts runs into slices of a few milliseconds, so that an
interrupt from the keyboard is answered at once and finds the machine between two instructions;
takes a snapshot at the end of a slice, so that any earlier step is a snapshot and a short replay
away; and collects what the guest prints.

What happens depends on the image, the settings, and the actions from outside with their steps, but
never on how a run is cut into pieces.
"""

from dataclasses import replace

import numpy as np

from virtlab.isa import encoding as e
from virtlab.machine import arguments, boot, saved, snapshot, views
from virtlab.machine.arguments import U64, count
from virtlab.machine.cpu import run as run_hart
from virtlab.machine.csr_fields import SHOWN, CsrValue
from virtlab.machine.devices.uart import uart_update
from virtlab.machine.history import Action, History
from virtlab.machine.keyboard import uninterrupted
from virtlab.machine.listing import listing
from virtlab.machine.loader import Image, Segment, flat_image, read_image
from virtlab.machine.peek import settle
from virtlab.machine.physical import PhysicalMemory
from virtlab.machine.ram import forget_all_code
from virtlab.machine.snapshot import PAGE, Snapshot
from virtlab.machine.state import (
    N_TLB,
    PAGE_DIRTY,
    RAM_BASE,
    STOP_BUDGET,
    STOP_CONSOLE,
    STOP_EVENT,
    STOP_EXIT,
    STOP_IDLE,
    STOP_RESET,
    UART_RX_BYTES,
    WATCH_CONSOLE,
    new_memory,
)
from virtlab.machine.stops import REASONS, Event, Stop, Watch, watch_for
from virtlab.machine.tlb import mark_writable_dirty, unguard_all
from virtlab.machine.walk import ACCESSES, Walk, walk

SLICE_STEPS = 4_000_000
CODE_ROWS = 1024
DEFAULT_BUDGET = 1_000_000_000
DEFAULT_STEPS_PER_TICK = 100  # 10 MHz ticks: the model retires 10**9 instructions a second
MOST_STEPS_PER_TICK = 10_000  # times the furthest timer, NEVER_TICKS, still fits 64 bits
CLOCK_HZ = 10_000_000
COMPILED = hasattr(run_hart, "py_func")  # False with NUMBA_DISABLE_JIT=1


class Machine:
    """A RISC-V machine: one hart, RAM, and the devices of QEMU's `virt` board.

    Parameters
    ----------
    ram : bytes, or text such as "128M"
    firmware : "auto", "none", "sbi", or a firmware file (path or bytes); see virtlab.machine.boot
    disk : path or bytes of a block device's contents, or None; a file is never changed
    append : the kernel's command line
    adue : bool, whether page-table walks set accessed and dirty bits at reset, or fault
    record : bool, keep snapshots, so that `back` and `goto` can reach any earlier step
    steps_per_tick : instructions to a tick of the 10 MHz clock
    silent_privileged : bool, some privileged instructions do nothing in U-mode instead of trapping

    Raises
    ------
    ValueError, TypeError
        an argument is not acceptable; the message says what is
    ImageError
        a firmware or disk file cannot be used

    Examples
    --------
    >>> from virtlab.isa.assembler import assemble
    >>> m = Machine(ram="1M").load(assemble("li a0, 6\\nli a1, 7\\nmul a2, a0, a1"))
    >>> _ = m.step(3)
    >>> m.registers.a2
    42
    """

    def __init__(
        self,
        ram="128M",
        firmware="auto",
        disk=None,
        append="",
        adue=True,
        record=True,
        steps_per_tick=DEFAULT_STEPS_PER_TICK,
        silent_privileged=False,
    ):
        self._ram_bytes = boot.parse_ram(ram)
        self._firmware = boot.read_firmware(firmware)
        self._disk_source = arguments.read_disk(disk)
        self._append = arguments.command_line(append)
        self._adue = bool(adue)
        self._record = bool(record)
        self._silent = bool(silent_privileged)
        self._steps_per_tick = arguments.whole(steps_per_tick, "steps_per_tick")
        if not 1 <= steps_per_tick <= MOST_STEPS_PER_TICK:
            raise ValueError(
                f"steps_per_tick {steps_per_tick} is out of range; accepted are 1 to "
                f"{MOST_STEPS_PER_TICK}."
            )
        self._power_on(None)

    # Loading

    def load(self, image) -> "Machine":
        """Load an ELF file or Linux Image (path or bytes) or an assembled Program, and reset.

        Raises
        ------
        ImageError
            not an ELF, another architecture, 32-bit, truncated, overlapping, or outside RAM; the
            machine is then as it was
        """
        if hasattr(image, "symbols") and hasattr(image, "base"):
            segment = Segment(image.base, image.data, len(image.data))
            loaded = Image("program", [segment], image.entry, dict(image.symbols))
        else:
            loaded = read_image(image)
        return self._power_on(loaded)

    def load_flat(self, data: bytes, pa: int = RAM_BASE) -> "Machine":
        """Load a plain memory image at `pa`, enter it there, and reset."""
        return self._power_on(flat_image(data, arguments.whole(pa, "address")))

    def reset(self) -> "Machine":
        """Power off and on again: RAM is zero but for the image, the disk as it was given."""
        return self._power_on(self._history.image)

    def _power_on(self, image: Image | None) -> "Machine":
        before = self.__dict__.copy()
        try:
            return self._switch_on(image)
        except Exception:  # the image is refused, and the machine is as it was
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _switch_on(self, image: Image | None) -> "Machine":
        mem = self._new_memory()
        harts = boot.new_hart()
        self._running = harts
        boot.reset(harts[0], self._ram_bytes, len(mem.disk), self._adue, self._steps_per_tick)
        harts[0].pc = RAM_BASE
        harts[0].silent = self._silent
        if image is not None:
            boot.boot(harts[0], mem, image, self._firmware, self._append)
        settle(harts[0])
        self._prepare(harts)
        self._mem, self._harts, self._hart = mem, harts, harts[0]
        # Views of single fields: NumPy takes microseconds to find a field of a record by its name.
        self._steps, self._ended_with = harts["steps"], harts["exit_code"]
        self._uncollected = harts["console_n"]
        self._console = bytearray()
        self._typed = bytearray()
        self._base = replace(snapshot.first(harts, self._host), extra=self._copies())
        self._history = History(image, {} if image is None else image.symbols, [self._base])
        return self

    # What a virtual machine has more of: it sees a part of its host's memory, and is run by the
    # host's hart, whose state belongs to a snapshot too.

    def _new_memory(self):
        """The memory that the guest sees, zeroed; also sets `_host`, the memory that holds it."""
        self._host = new_memory(self._ram_bytes, CODE_ROWS, self._disk_source.copy())
        return self._host

    def _prepare(self, harts) -> None:
        """Called when the image is in place."""

    def _also(self) -> tuple[np.ndarray, ...]:
        """Further arrays that belong to the state."""
        return ()

    def _copies(self) -> tuple[np.ndarray, ...]:
        return tuple(array.copy() for array in self._also())

    def _decode_anew(self) -> None:
        """Drop all decoded instructions."""
        forget_all_code(self._host)
        unguard_all(self._running[0])

    # Running

    def run(self, budget: int | None = None, *, until=None) -> Stop:
        """Run until something happens, `budget` steps at most (10**9 if not given).

        Parameters
        ----------
        until : Event to wait for, an int (stop before the instruction at this pc is executed), or
            text (stop when the console has printed it)

        A KeyboardInterrupt is delivered between two instructions, within some milliseconds.
        """
        budget = DEFAULT_BUDGET if budget is None else count(budget, "budget")
        return self._run(budget, watch_for(until))

    def traps(self, n: int, budget: int = DEFAULT_BUDGET):
        """Yield after each of the next `n` traps, with the hart's record; for handlers in Python.

        Leaner than `run` in a loop. What a handler changes in the record itself is not known to a
        replay; `registers`, `pc` and `memory` are the ways to change the machine that are. Ends
        early with the budget, or when the guest stops for another reason than a trap.
        """
        left, end = count(n, "number of traps"), self.steps + count(budget, "budget")
        self._arm(watch_for(Event.TRAP))
        goal = self._begin_slice(end)
        while left and self._ended_with[0] < 0:
            stop = self._advance(goal)
            if stop == STOP_EVENT:
                left -= 1
                self._collect()
                yield self._hart
                continue
            self._end_slice()
            if not self._goes_on(stop, end):
                return
            goal = self._begin_slice(end)

    def step(self, n: int = 1) -> Stop:
        """Execute `n` instructions."""
        return self._run(count(n, "number of steps"), Watch())

    def back(self, n: int = 1) -> Stop:
        """Go back `n` instructions, to the state as it was."""
        n = count(n, "number of steps")
        if n > self.steps:
            raise ValueError(f"cannot go back {n:,} steps from step {self.steps:,}.")
        return self.goto(self.steps - n)

    def goto(self, steps: int) -> Stop:
        """Go to any step: run forwards, or restore the nearest snapshot before it and replay.

        The machine is then as it was when it arrived there. What was typed or written at that very
        step, or later, is done again when the machine runs on, unless something else is done first.
        """
        steps = count(steps, "step")
        if steps < self.steps:
            if not self._record:
                raise ValueError("cannot go back: the machine was made with record=False.")
            self._restore(self._history.nearest(steps), self._history)
        stop = self._stop("budget", "the step asked for")
        while self.steps < steps:
            before = self.steps
            stop = self._run(steps - before, Watch())
            if stop.reason != "reset" or self.steps == before:
                break
        return stop

    def _arm(self, watch: Watch) -> None:
        """Tell the run loop what to watch; the instruction to stop at is decoded anew."""
        hart = self._hart
        if hart.watch_pc != watch.pc:
            self._decode_anew()
        hart.watch = watch.mask
        hart.watch_pc = watch.pc
        hart.watch_byte = watch.text[-1] if watch.text else -1
        hart.first = hart.steps

    def _run(self, budget: int, watch: Watch) -> Stop:
        if self._ended_with[0] >= 0:
            return self._ended(STOP_EXIT, watch)
        self._arm(watch)
        end = self.steps + budget
        printed = searched = len(self._console)
        with uninterrupted(self._interrupted) as interrupted:
            while True:
                stop = self._advance(self._begin_slice(end))
                self._end_slice()
                if watch.text:
                    start = max(printed, searched - len(watch.text) + 1)
                    if self._console.find(watch.text, start) >= 0:
                        return self._ended(STOP_EVENT, watch)
                    searched = len(self._console)
                if interrupted.is_set() or not self._goes_on(stop, end):
                    return self._ended(stop, watch)

    def _begin_slice(self, end: int) -> int:
        """Do what is due from outside; returns the step at which the next slice ends at the latest.

        Input that found no room in the UART is offered again at multiples of SLICE_STEPS, and when
        the guest is idle, so that it comes at the same steps in every run.
        """
        now = self.steps
        self._do_due()
        if now % SLICE_STEPS == 0:
            self._feed()
        goal = min(end, (now // SLICE_STEPS + 1) * SLICE_STEPS)
        due = self._history.next_steps
        return goal if due is None else min(goal, due)

    def _advance(self, goal: int) -> int:
        """Run the hart to step `goal` at most; returns why it stopped."""
        if COMPILED:
            return run_hart(self._harts, *self._mem, goal - self._steps[0])
        with np.errstate(over="ignore"):  # NumPy's own arithmetic warns of what wraps around
            return run_hart(self._harts, *self._mem, goal - self._steps[0])

    def _end_slice(self) -> None:
        """Collect what was printed, and take the snapshot that is due."""
        self._collect()
        if self._record and self.steps % SLICE_STEPS == 0:
            if self._history.snapshots[-1].steps < self.steps:
                self._history.keep(self._take())

    def _goes_on(self, stop: int, end: int) -> bool:
        """Whether a run to step `end` goes on after a slice that ended with `stop`."""
        if self._ended_with[0] >= 0:
            return False
        if stop == STOP_BUDGET:
            return self.steps < end
        if stop == STOP_IDLE:
            return self._history.next_steps == self.steps or self._feed()
        return stop == STOP_CONSOLE or (
            stop == STOP_EVENT and self._hart.stop_detail == WATCH_CONSOLE
        )

    def _ended(self, stop: int, watch: Watch) -> Stop:
        code = int(self._ended_with[0])
        stop = STOP_EXIT if code >= 0 and stop != STOP_EVENT else stop
        stop = STOP_BUDGET if stop not in REASONS else stop  # interrupted between two slices
        texts = {
            STOP_BUDGET: "the budget of steps is used up",
            STOP_EXIT: f"the guest has ended with exit code {code}",
            STOP_IDLE: "the guest waits for input, and nothing inside the machine can wake it",
            STOP_RESET: "the guest asked for a reboot",
            STOP_EVENT: watch.what,
        }
        return self._stop(REASONS[stop], texts[stop])

    def _interrupted(self) -> str:
        return str(self._stop("interrupted", "interrupted"))

    def _stop(self, reason: str, detail: str) -> Stop:
        return Stop(reason, self.steps, self.pc, self.mode, detail)

    def _collect(self) -> None:
        """Take what the guest has printed out of its buffer."""
        n = int(self._uncollected[0])
        if n:
            self._console += self._hart.console[:n].tobytes()
            self._uncollected[0] = 0

    # Actions from outside, recorded for replay

    def type(self, text: str | bytes) -> None:
        """Type text at the guest's console. It waits in the UART's queue until the guest reads."""
        if not isinstance(text, str | bytes):
            raise TypeError(f"type takes text, not {type(text).__name__}.")
        data = text.encode() if isinstance(text, str) else text
        if data:
            self._act("type", 0, data)

    def _act(self, kind: str, where: int, data: bytes) -> None:
        self._history.add(Action(self.steps, kind, where, data))
        self._do_due()

    def _do_due(self) -> None:
        while action := self._history.take_due(self.steps):
            self._do(action)

    def _do(self, action: Action) -> None:
        hart, data = self._hart, action.data
        if action.kind == "type":
            self._typed += data
            self._feed()
        elif action.kind == "memory":
            at = action.where - RAM_BASE
            self._mem.u8[at : at + len(data)] = np.frombuffer(data, np.uint8)
            self._mem.pages[at // PAGE : (at + len(data) - 1) // PAGE + 1] |= PAGE_DIRTY
            forget_all_code(self._host)
        elif action.kind == "register":
            hart.x[action.where] = int.from_bytes(data, "little", signed=True)
        else:
            hart.pc = int.from_bytes(data, "little", signed=True)
            hart.waiting = 0

    def _feed(self) -> bool:
        """Move what was typed into the UART's queue as far as it fits; True if anything moved."""
        hart = self._hart
        room = UART_RX_BYTES - int(hart.uart_rx_tail - hart.uart_rx_head)
        piece = bytes(self._typed[:room])
        if not piece:
            return False
        del self._typed[: len(piece)]
        at = int(hart.uart_rx_tail) + np.arange(len(piece))
        hart.uart_rx[at % UART_RX_BYTES] = np.frombuffer(piece, np.uint8)
        hart.uart_rx_tail += len(piece)
        with np.errstate(over="ignore"):
            uart_update(hart)
        return True

    # Snapshots

    def snapshot(self) -> Snapshot:
        """The whole state as it is now, and the way that led here."""
        with uninterrupted(self._interrupted):
            return replace(self._take(), history=self._history.up_to(self.steps))

    def _take(self) -> Snapshot:
        taken = snapshot.take(
            self._harts, self._host, self._base, self._console, self._typed, self._history.done
        )
        mark_writable_dirty(self._running[0], self._host)
        self._base = replace(taken, extra=self._copies())
        return self._base

    def restore(self, wanted: Snapshot) -> None:
        """Go back to a snapshot. The machine has no future then: nothing will be typed again."""
        if not isinstance(wanted, Snapshot) or wanted.history is None:
            raise TypeError(f"restore takes what snapshot has returned, not {wanted!r}.")
        sizes = [(len(s.pages), len(s.blocks)) for s in (wanted, self._base)]
        if sizes[0] != sizes[1]:
            raise ValueError("the snapshot is of a machine with other RAM or another disk.")
        self._restore(wanted, wanted.history.up_to(wanted.steps))

    def _restore(self, wanted: Snapshot, history: History) -> None:
        with uninterrupted(self._interrupted):
            snapshot.restore(self._harts, self._host, self._base, wanted)
            for array, saved_array in zip(self._also(), wanted.extra, strict=True):
                array[:] = saved_array
            mark_writable_dirty(self._running[0], self._host)
            self._base = wanted
            self._console[:] = wanted.console
            self._typed[:] = wanted.typed
            self._history = history
            self._history.done = wanted.actions_done

    def save(self, path) -> None:
        """Write the state to a file that `Machine.open` reads. The past is not saved."""
        settings = {
            "ram": self._ram_bytes,
            "append": self._append,
            "adue": self._adue,
            "steps_per_tick": self._steps_per_tick,
            "silent_privileged": self._silent,
        }
        saved.write_saved(path, self.snapshot(), self._mem.disk, settings, self.symbols)

    @classmethod
    def open(cls, path) -> "Machine":
        """A machine in the state that `save` wrote. It can go back to that step, not further.

        Raises
        ------
        ValueError
            not such a file, one of another version, or a damaged one
        """
        state = saved.read_saved(path)
        m = cls(firmware="none", disk=state.disk.tobytes() or None, **state.settings)
        m._mem.u8.reshape(-1, PAGE)[state.numbers] = state.pages
        m._mem.pages[state.numbers] |= PAGE_DIRTY
        m._mem.log[:] = state.log
        m._harts[:] = state.hart
        settle(m._hart)
        m._console += state.console
        m._typed += state.typed
        m._history = History(None, state.symbols, [m._take()])
        return m

    # Looking

    @property
    def steps(self) -> int:
        """The position: instructions attempted since reset."""
        return int(self._steps[0])

    @property
    def symbols(self) -> dict[str, int]:
        """Names of the image and their addresses."""
        return self._history.symbols

    @property
    def pc(self) -> int:
        """Address of the next instruction, unsigned."""
        return int(self._hart.pc) & U64

    @pc.setter
    def pc(self, value: int) -> None:
        value = arguments.word(value, "pc")
        if value & 1:
            raise ValueError(f"pc {value:#x} is odd; accepted are even addresses.")
        self._act("pc", 0, value.to_bytes(8, "little"))

    @property
    def mode(self) -> str:
        """The privilege mode: "M", "S", "U", "VS" or "VU"."""
        return views.mode_name(self._hart.mode, self._hart.virt)

    @property
    def registers(self) -> views.Registers:
        """x0 to x31 by name; assigning changes the machine."""
        return views.Registers(self._hart, self._write_register)

    def _write_register(self, number: int, value: int) -> None:
        if number:
            self._act("register", number, value.to_bytes(8, "little"))

    @property
    def csr(self) -> views.Csrs:
        """CSRs by name: `m.csr["mstatus"].fields`."""
        return views.Csrs(self._hart)

    def csrs(self) -> list[CsrValue]:
        """All CSRs but the performance counters and PMP entries."""
        return [self.csr[name] for name in SHOWN]

    def translate(self, va: int, access: str = "load") -> Walk:
        """Translate `va` as the hart would now, with every page-table entry on the way."""
        if access not in ACCESSES:
            raise ValueError(f"access {access!r}: accepted are {', '.join(ACCESSES)}.")
        va = arguments.word(va, "address")
        hart = self._hart
        mode, virt = int(hart.mode), bool(hart.virt)
        if access != "fetch" and mode == e.MACHINE and hart.mstatus & e.MSTATUS_MPRV:
            mode = int(hart.mstatus & e.MSTATUS_MPP) >> e.MSTATUS_MPP_SHIFT
            virt = mode != e.MACHINE and bool(hart.mstatus & e.MSTATUS_MPV)
        return walk(hart, self.memory.entry, va, access, mode, virt)

    @property
    def events(self) -> list[views.EventRecord]:
        """The last 4096 traps and returns, oldest first."""
        return views.event_records(self._hart, self._mem.log)

    def last_events(self, n: int) -> list[views.EventRecord]:
        """The last `n` traps and returns, oldest first."""
        return views.event_records(self._hart, self._mem.log, count(n, "number of events"))

    @property
    def tlb(self) -> list[views.TlbEntry]:
        """What both TLBs hold."""
        return views.tlb_entries(self._hart)

    @property
    def tlb_slots(self) -> int:
        """Entries of each TLB."""
        return N_TLB

    def page_table(self, root: int | None = None) -> list[views.Mapping39]:
        """What the table at physical address `root` maps (default: satp's, or vsatp's in V=1)."""
        if root is None:
            atp = int(self._hart.vsatp if self._hart.virt else self._hart.satp) & U64
            if atp >> e.ATP_MODE_SHIFT == 0:
                return []
            root = (atp & e.ATP_PPN) << e.PAGE_SHIFT
        return views.mapped_ranges(self.memory.table, arguments.whole(root, "root"))

    @property
    def counters(self) -> dict:
        """Everything the machine has counted since reset."""
        return views.counters(self._hart)

    @property
    def console(self) -> str:
        """All the guest has printed so far."""
        return self._console.decode("utf-8", "replace")

    @property
    def exit_code(self) -> int | None:
        """The guest's exit code, None while it has not ended."""
        code = int(self._ended_with[0])
        return None if code < 0 else code

    @property
    def waiting(self) -> bool:
        """True while the hart sleeps in WFI."""
        return bool(self._hart.waiting)

    @property
    def unread_input(self) -> int:
        """Bytes typed that the guest has not read."""
        return len(self._typed) + int(self._hart.uart_rx_tail - self._hart.uart_rx_head)

    @property
    def seconds(self) -> float:
        """The guest's time since reset, in seconds of its 10 MHz clock."""
        return (self.steps + int(self._hart.idle_steps)) / self._steps_per_tick / CLOCK_HZ

    @property
    def ram_bytes(self) -> int:
        """Size of RAM."""
        return self._ram_bytes

    @property
    def memory(self) -> PhysicalMemory:
        """RAM by physical address: `m.memory.read(pa, n)`, `m.memory.write(pa, data)`."""
        return PhysicalMemory(self._mem.u8, lambda pa, data: self._act("memory", pa, data))

    def read_virtual(self, va: int, n: int) -> bytes:
        """`n` bytes at virtual address `va` as the hart would load them."""
        va, n = arguments.word(va, "address"), count(n, "number of bytes")
        data = b""
        while len(data) < n:
            at = va + len(data) & U64
            found = self.translate(at)
            if found.pa is None:
                raise ValueError(f"cannot read {at:#x}: {found.fault}.")
            data += self.memory.read(found.pa, min(n - len(data), PAGE - at % PAGE))
        return data

    def disassemble(self, pc: int | None = None, n: int = 12, before: int = 4) -> list[tuple]:
        """(address, word, text) of `n` instructions, up to `before` of them ahead of `pc`.

        What lies ahead is found by going back to an address from which decoding reaches `pc`.
        """
        pc = self.pc if pc is None else arguments.word(pc, "pc")
        n, before = count(n, "number of lines"), count(before, "number of lines")
        return listing(self._halfword, pc, n, max(0, min(before, n - 1)), self.symbols)

    def _halfword(self, va: int) -> int | None:
        """The 16 bits that a fetch at `va` would find."""
        pa = self.translate(va, "fetch").pa
        if pa is None or not self.memory.holds(pa, 2):
            return None
        return int.from_bytes(self.memory.read(pa, 2), "little")

    def __repr__(self) -> str:
        return f"Machine({self._ram_bytes >> 20} MiB, step {self.steps:,}, {self.mode}-mode)"
