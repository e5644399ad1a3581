"""The machine as a reader holds it: load, run, step, step back, look inside.

A thin class over the compiled run loop. It cuts runs into slices of a few milliseconds, so that an
interrupt from the keyboard is answered at once and finds the machine between two instructions;
takes a snapshot at the end of a slice, so that any earlier step is a snapshot and a short replay
away; and collects what the guest prints.
"""

import contextlib
import enum
import io
import json
import signal
import threading
import zipfile
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from virtlab.isa import encoding as e
from virtlab.isa import op
from virtlab.isa.decode import decode
from virtlab.isa.disassembler import disassemble
from virtlab.machine import boot, snapshot
from virtlab.machine.cpu import run as run_hart
from virtlab.machine.csr_fields import SHOWN, CsrValue
from virtlab.machine.devices.uart import uart_update
from virtlab.machine.loader import Image, Segment, flat_image, read_image
from virtlab.machine.peek import peek_csr, settle
from virtlab.machine.ram import forget_all_code
from virtlab.machine.snapshot import Snapshot
from virtlab.machine.state import (
    HART,
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
    WATCH_EXCEPTION,
    WATCH_IDLE,
    WATCH_INTERRUPT,
    WATCH_MODE,
    WATCH_RETURN,
    new_memory,
)
from virtlab.machine.tlb import unguard_all
from virtlab.machine.views import (
    U64,
    EventRecord,
    Mapping39,
    Registers,
    TlbEntry,
    event_records,
    hex64,
    mapped_ranges,
    mode_name,
    tlb_entries,
)
from virtlab.machine.walk import ACCESSES, Walk, walk

SLICE_STEPS = 4_000_000
SNAPSHOTS_KEPT = 64
CODE_ROWS = 1024
DEFAULT_BUDGET = 1_000_000_000
DEFAULT_STEPS_PER_TICK = 100  # 10 MHz ticks: the model retires 10**9 instructions a second
FORMAT = 1


class Event(enum.Enum):
    """What `Machine.run` can be told to wait for."""

    TRAP = "a trap"
    EXCEPTION = "an exception"
    INTERRUPT = "an interrupt"
    RETURN = "a return from a trap"
    MODE = "a change of privilege mode"
    IDLE = "the guest waiting in WFI"
    EXIT = "the guest's end"


_WATCH = {
    Event.TRAP: WATCH_EXCEPTION | WATCH_INTERRUPT,
    Event.EXCEPTION: WATCH_EXCEPTION,
    Event.INTERRUPT: WATCH_INTERRUPT,
    Event.RETURN: WATCH_RETURN,
    Event.MODE: WATCH_MODE,
    Event.IDLE: WATCH_IDLE,
    Event.EXIT: 0,
}
_REASONS = {
    STOP_BUDGET: "budget",
    STOP_EVENT: "until",
    STOP_EXIT: "exit",
    STOP_IDLE: "idle",
    STOP_RESET: "reset",
}


@dataclass(frozen=True)
class Stop:
    """Why a run ended and where.

    reason : "budget", "until", "exit", "idle" (waits for input that only the outside can give),
        or "reset" (the guest asked for a reboot)
    """

    reason: str
    steps: int
    pc: int
    mode: str
    detail: str

    def __str__(self) -> str:
        return (
            f"Stopped at step {self.steps:,}, pc {hex64(self.pc)}, {self.mode}-mode: {self.detail}."
        )


@dataclass(frozen=True)
class _Action:
    """Something from outside that changed the machine, kept so that a replay can do it again."""

    steps: int
    kind: str  # "type", "memory", "register" or "pc"
    where: int
    data: bytes


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
    ):
        self._ram_bytes = boot.parse_ram(ram)
        self._firmware = boot.read_firmware(firmware)
        self._disk_source = _read_disk(disk)
        self._append = _one_line(append)
        self._adue = bool(adue)
        self._record = bool(record)
        if not isinstance(steps_per_tick, int) or not 1 <= steps_per_tick <= 1_000_000:
            raise ValueError(
                f"steps_per_tick {steps_per_tick!r} is out of range; accepted are 1 to 1000000."
            )
        self._steps_per_tick = steps_per_tick
        self._image: Image | None = None
        self.symbols: dict[str, int] = {}
        self._power_on()

    # Loading

    def load(self, image) -> "Machine":
        """Load an ELF file or Linux Image (path or bytes) or an assembled Program, and reset.

        Raises
        ------
        ImageError
            not an ELF, another architecture, 32-bit, truncated, overlapping, or outside RAM
        """
        if hasattr(image, "symbols") and hasattr(image, "base"):
            segment = Segment(image.base, image.data, len(image.data))
            self._image = Image("program", [segment], image.entry, dict(image.symbols))
        else:
            self._image = read_image(image)
        return self.reset()

    def load_flat(self, data: bytes, pa: int = RAM_BASE) -> "Machine":
        """Load a plain memory image at `pa`, enter it there, and reset."""
        self._image = flat_image(data, pa)
        return self.reset()

    def reset(self) -> "Machine":
        """Power off and on again: RAM is zero but for the image, the disk as it was given."""
        self._power_on()
        return self

    def _power_on(self) -> None:
        self._mem = new_memory(self._ram_bytes, CODE_ROWS, self._disk_source.copy())
        self._harts = boot.new_hart()
        self._hart = self._harts[0]
        boot.reset(
            self._hart, self._ram_bytes, len(self._mem.disk), self._adue, self._steps_per_tick
        )
        if self._image is not None:
            boot.boot(self._hart, self._mem, self._image, self._firmware, self._append)
            self.symbols = self._image.symbols
        else:
            self._hart.pc = RAM_BASE
        settle(self._hart)
        self._console = bytearray()
        self._actions: list[_Action] = []
        self._actions_done = 0
        self._pending_input = bytearray()
        first = Snapshot(
            steps=0,
            hart=self._harts.copy(),
            pages=snapshot.loaded_pages(self._mem.u8, self._mem.pages),
            blocks=snapshot.all_pages(self._mem.disk),
            console_bytes=0,
            actions_done=0,
        )
        self._mem.pages[:] &= 0xFF & ~PAGE_DIRTY
        self._base = first
        self._snapshots = [first]

    # Running

    def run(self, budget: int | None = None, *, until=None) -> Stop:
        """Run until something happens, `budget` steps at most (10**9 if not given).

        Parameters
        ----------
        until : Event to wait for, an int (stop before the instruction at this pc is executed), or
            text (stop when the console has printed it)

        A KeyboardInterrupt is delivered between two instructions, within some milliseconds.
        """
        budget = DEFAULT_BUDGET if budget is None else _count(budget, "budget")
        return self._run(budget, self._watch(until))

    def traps(self, n: int, budget: int = DEFAULT_BUDGET):
        """Yield after each of the next `n` traps, with the hart's record; for handlers in Python.

        Leaner than `run` in a loop: nothing is recorded for going back. Ends early with the budget,
        or when the guest stops for another reason than a trap.
        """
        hart, mem = self._hart, self._mem
        hart.watch, hart.watch_pc, hart.watch_byte = _WATCH[Event.TRAP], -1, -1
        end = int(hart.steps) + _count(budget, "budget")
        seen = 0
        with np.errstate(over="ignore"):
            while seen < n and hart.exit_code < 0:
                stop = run_hart(hart, *mem, end - hart.steps)
                if stop == STOP_EVENT:
                    seen += 1
                    yield hart
                elif stop == STOP_CONSOLE:
                    self._collect()
                else:
                    break
        self._collect()

    def step(self, n: int = 1) -> Stop:
        """Execute `n` instructions."""
        return self._run(_count(n, "number of steps"), self._watch(None))

    def back(self, n: int = 1) -> Stop:
        """Go back `n` instructions, to the state as it was."""
        n = _count(n, "number of steps")
        if n > self.steps:
            raise ValueError(f"cannot go back {n:,} steps from step {self.steps:,}.")
        return self.goto(self.steps - n)

    def goto(self, steps: int) -> Stop:
        """Go to any step: run forwards, or restore the nearest snapshot before it and replay."""
        steps = _count(steps, "step")
        if steps < self.steps:
            if not self._record:
                raise ValueError("cannot go back: the machine was made with record=False.")
            k = bisect_right(self._snapshots, steps, key=lambda s: s.steps) - 1
            self._restore(self._snapshots[k])
        if steps == self.steps:
            return self._stop("budget", "the step asked for")
        return self._run(steps - self.steps, self._watch(None))

    def _watch(self, until) -> dict:
        watch = {"mask": 0, "pc": -1, "text": None, "what": ""}
        if until is None:
            return watch
        if isinstance(until, Event):
            watch["mask"] = _WATCH[until]
            watch["what"] = until.value
        elif isinstance(until, str) and until:
            watch.update(
                mask=WATCH_CONSOLE, text=until.encode(), what=f"the console shows {until!r}"
            )
        elif isinstance(until, int | np.integer) and not isinstance(until, bool):
            if until & 1 or not -(1 << 63) <= until <= U64:
                raise ValueError(f"pc {until:#x} is not an even 64-bit address.")
            watch.update(pc=_signed(int(until)), what=f"pc is {hex64(int(until))}")
        else:
            raise TypeError(f"until={until!r}: accepted are an Event, a pc, or console text.")
        return watch

    def _run(self, budget: int, watch: dict) -> Stop:
        hart = self._hart
        if hart.exit_code >= 0:
            return self._stop("exit", self._exit_text())
        if hart.watch_pc != watch["pc"]:
            forget_all_code(self._mem)
            unguard_all(hart)
        hart.watch = watch["mask"]
        hart.watch_pc = watch["pc"]
        hart.watch_byte = watch["text"][-1] if watch["text"] else -1
        printed = len(self._console)
        end = int(hart.steps) + budget
        with _deferred_interrupt() as interrupt:
            while True:
                stop = self._slice(end)
                if stop == STOP_CONSOLE:
                    if hart.exit_code >= 0:
                        stop = STOP_EXIT
                elif stop == STOP_EVENT and hart.stop_detail == WATCH_CONSOLE:
                    start = max(printed, len(self._console) - len(watch["text"]))
                    if self._console[start:].endswith(watch["text"]):
                        return self._stop("until", watch["what"])
                elif (stop == STOP_BUDGET and hart.steps < end) or (
                    stop == STOP_IDLE and self._feed()
                ):
                    pass
                else:
                    return self._ended(stop, watch)
                if stop == STOP_EXIT:
                    return self._ended(stop, watch)
                if interrupt.is_set():
                    break
        raise KeyboardInterrupt(str(self._stop("interrupted", "interrupted")))

    def _ended(self, stop: int, watch: dict) -> Stop:
        texts = {
            STOP_BUDGET: "the budget of steps is used up",
            STOP_EXIT: self._exit_text(),
            STOP_IDLE: "the guest waits for input, and nothing inside the machine can wake it",
            STOP_RESET: "the guest asked for a reboot",
            STOP_EVENT: watch["what"],
        }
        return self._stop(_REASONS[stop], texts[stop])

    def _exit_text(self) -> str:
        return f"the guest has ended with exit code {int(self._hart.exit_code)}"

    def _stop(self, reason: str, detail: str) -> Stop:
        return Stop(reason, self.steps, self.pc, self.mode, detail)

    def _slice(self, end: int) -> int:
        """Run to `end` at most, and to the next input or snapshot that is due; collect output."""
        hart = self._hart
        self._replay_actions()
        self._feed()
        now = int(hart.steps)
        goal = min(end, (now // SLICE_STEPS + 1) * SLICE_STEPS)
        if self._actions_done < len(self._actions):
            goal = min(goal, self._actions[self._actions_done].steps)
        with np.errstate(over="ignore"):
            stop = int(run_hart(hart, *self._mem, goal - now))
        self._collect()
        if self._record and int(hart.steps) % SLICE_STEPS == 0 and hart.steps > now:
            self._keep_snapshot()
        if stop == STOP_IDLE and self._actions_done < len(self._actions):
            if self._actions[self._actions_done].steps == int(hart.steps):
                return STOP_CONSOLE  # the input that wakes the guest has been recorded
        return stop

    def _collect(self) -> None:
        """Take what the guest has printed out of its buffer."""
        n = int(self._hart.console_n)
        if n:
            self._console += self._hart.console[:n].tobytes()
            self._hart.console_n = 0

    # Input from outside, recorded for replay

    def type(self, text: str) -> None:
        """Type text at the guest's console. It waits in the UART's queue until the guest reads."""
        if not isinstance(text, str):
            raise TypeError(f"type takes text, not {type(text).__name__}.")
        self._forget_future()
        self._pending_input += text.encode()
        self._feed()

    def _feed(self) -> bool:
        """Move pending input into the UART's queue as far as it fits; True if anything moved."""
        room = UART_RX_BYTES - int(self._hart.uart_rx_tail - self._hart.uart_rx_head)
        piece = bytes(self._pending_input[:room])
        if not piece:
            return False
        del self._pending_input[: len(piece)]
        self._act("type", 0, piece)
        return True

    def _act(self, kind: str, where: int, data: bytes) -> None:
        self._forget_future()
        self._actions.append(_Action(self.steps, kind, where, data))
        self._replay_actions()

    def _forget_future(self) -> None:
        """A new input starts a new history: what was recorded after this step no longer holds."""
        del self._actions[self._actions_done :]
        self._snapshots = [s for s in self._snapshots if s.steps <= self.steps]

    def _replay_actions(self) -> None:
        hart = self._hart
        while self._actions_done < len(self._actions):
            action = self._actions[self._actions_done]
            if action.steps != int(hart.steps):
                break
            self._actions_done += 1
            if action.kind == "type":
                for byte in action.data:
                    hart.uart_rx[hart.uart_rx_tail % UART_RX_BYTES] = byte
                    hart.uart_rx_tail += 1
                with np.errstate(over="ignore"):
                    uart_update(hart)
            elif action.kind == "memory":
                at = action.where - RAM_BASE
                self._mem.u8[at : at + len(action.data)] = np.frombuffer(action.data, np.uint8)
                self._mem.pages[at >> 12 : (at + len(action.data) + 4095) >> 12] |= PAGE_DIRTY
                forget_all_code(self._mem)
            elif action.kind == "register":
                hart.x[action.where] = int.from_bytes(action.data, "little", signed=True)
            else:
                hart.pc = int.from_bytes(action.data, "little", signed=True)

    # Snapshots

    def snapshot(self) -> Snapshot:
        """The whole state as it is now."""
        self._base = snapshot.take(
            self._harts, self._mem, self._base, len(self._console), self._actions_done
        )
        return self._base

    def restore(self, wanted: Snapshot) -> None:
        """Go back to a snapshot of this machine."""
        if len(wanted.pages) != len(self._base.pages) or len(wanted.blocks) != len(
            self._base.blocks
        ):
            raise ValueError("the snapshot is of a machine with other RAM or another disk.")
        self._restore(wanted)

    def _restore(self, wanted: Snapshot) -> None:
        snapshot.restore(self._harts, self._mem, self._base, wanted)
        self._base = wanted
        del self._console[wanted.console_bytes :]
        self._actions_done = wanted.actions_done

    def _keep_snapshot(self) -> None:
        taken = self.snapshot()
        if self._snapshots[-1].steps < taken.steps:
            self._snapshots.append(taken)
        if len(self._snapshots) > SNAPSHOTS_KEPT:
            half = SNAPSHOTS_KEPT // 2
            self._snapshots = self._snapshots[:half:2] + self._snapshots[half:]

    def save(self, path) -> None:
        """Write the state to a file that `Machine.open` reads. The past is not saved."""
        taken = self.snapshot()
        kept = [k for k, page in enumerate(taken.pages) if page is not snapshot.ZERO_PAGE]
        settings = {
            "format": FORMAT,
            "ram": self._ram_bytes,
            "append": self._append,
            "adue": self._adue,
            "steps_per_tick": self._steps_per_tick,
            "symbols": self.symbols,
        }
        arrays = {
            "settings": np.frombuffer(json.dumps(settings).encode(), np.uint8),
            "hart": self._harts.view(np.uint8),
            "numbers": np.array(kept, np.int64),
            "pages": np.frombuffer(b"".join(taken.pages[k] for k in kept), np.uint8),
            "disk": self._mem.disk,
            "console": np.frombuffer(bytes(self._console), np.uint8),
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        target = Path(path)
        partial = target.with_name(target.name + ".part")
        partial.write_bytes(buffer.getvalue())
        partial.replace(target)

    @classmethod
    def open(cls, path) -> "Machine":
        """A machine in the state that `save` wrote.

        Raises
        ------
        ValueError
            not such a file, or one of another version
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                data = {name: file[name] for name in file.files}
            settings = json.loads(data["settings"].tobytes())
            if settings["format"] != FORMAT or len(data["hart"]) != HART.itemsize:
                raise ValueError(f"{path}: saved by another version of virtlab.")
            m = cls(
                settings["ram"],
                "none",
                data["disk"].tobytes() or None,
                settings["append"],
                settings["adue"],
                True,
                settings["steps_per_tick"],
            )
            pages = data["pages"].reshape(-1, snapshot.PAGE)
            for number, page in zip(data["numbers"].tolist(), pages, strict=True):
                at = number * snapshot.PAGE
                m._mem.u8[at : at + snapshot.PAGE] = page
                m._mem.pages[number] |= PAGE_DIRTY
            m._harts.view(np.uint8)[:] = data["hart"]
        except (OSError, KeyError, zipfile.BadZipFile, json.JSONDecodeError) as error:
            raise ValueError(f"{path}: not a saved machine ({error}).") from None
        m.symbols = settings["symbols"]
        m._console[:] = data["console"].tobytes()
        m._snapshots = [m.snapshot()]
        return m

    # Looking

    @property
    def steps(self) -> int:
        """The position: instructions attempted since reset."""
        return int(self._hart.steps)

    @property
    def pc(self) -> int:
        """Address of the next instruction, unsigned."""
        return int(self._hart.pc) & U64

    @pc.setter
    def pc(self, value: int) -> None:
        if value & 1:
            raise ValueError(f"pc {value:#x} is odd; accepted are even addresses.")
        self._act("pc", 0, _signed(value).to_bytes(8, "little", signed=True))

    @property
    def mode(self) -> str:
        """The privilege mode: "M", "S", "U", "VS" or "VU"."""
        return mode_name(self._hart.mode, self._hart.virt)

    @property
    def registers(self) -> Registers:
        """x0 to x31 by name; assigning changes the machine."""
        return Registers(self._hart, self._write_register)

    def _write_register(self, number: int, value: int) -> None:
        if number:
            self._act("register", number, _signed(value).to_bytes(8, "little", signed=True))

    @property
    def csr(self) -> "_Csrs":
        """CSRs by name: `m.csr["mstatus"].fields`."""
        return _Csrs(self._hart)

    def csrs(self) -> list[CsrValue]:
        """All CSRs but the performance counters and PMP entries."""
        return [self.csr[name] for name in SHOWN]

    def translate(self, va: int, access: str = "load") -> Walk:
        """Translate `va` as the hart would now, with every page-table entry on the way."""
        if access not in ACCESSES:
            raise ValueError(f"access {access!r}: accepted are {', '.join(ACCESSES)}.")
        hart = self._hart
        mode, virt = int(hart.mode), bool(hart.virt)
        if access != "fetch" and mode == e.MACHINE and hart.mstatus & e.MSTATUS_MPRV:
            mode = int(hart.mstatus & e.MSTATUS_MPP) >> e.MSTATUS_MPP_SHIFT
            virt = mode != e.MACHINE and bool(hart.mstatus & e.MSTATUS_MPV)
        return walk(hart, self.memory.entry, int(va) & U64, access, mode, virt)

    @property
    def events(self) -> list[EventRecord]:
        """The last 4096 traps and returns, oldest first."""
        return event_records(self._hart, self._mem.log)

    def last_events(self, n: int) -> list[EventRecord]:
        """The last `n` traps and returns, oldest first."""
        return event_records(self._hart, self._mem.log, _count(n, "number of events"))

    @property
    def tlb(self) -> list[TlbEntry]:
        """What both TLBs hold."""
        return tlb_entries(self._hart)

    @property
    def tlb_slots(self) -> int:
        """Entries of each TLB."""
        return N_TLB

    def page_table(self, root: int | None = None) -> list[Mapping39]:
        """What the table at physical address `root` maps (default: satp's, or vsatp's in V=1)."""
        if root is None:
            atp = int(self._hart.vsatp if self._hart.virt else self._hart.satp) & U64
            if atp >> e.ATP_MODE_SHIFT == 0:
                return []
            root = (atp & e.ATP_PPN) << e.PAGE_SHIFT
        return mapped_ranges(self.memory.entry, root)

    @property
    def counters(self) -> dict:
        """Everything the machine has counted since reset."""
        hart = self._hart
        traps = {e.cause_name(k): int(n) for k, n in enumerate(hart.exceptions) if n}
        traps |= {e.cause_name(k | 1 << 63): int(n) for k, n in enumerate(hart.interrupts) if n}
        steps, accesses = int(hart.steps), int(hart.data_accesses)
        data_misses, fetch_misses = int(hart.data_misses), int(hart.fetch_misses)
        return {
            "steps": steps,
            "instructions": steps - int(hart.not_retired),
            "idle_steps": int(hart.idle_steps),
            "traps": traps,
            "data_accesses": accesses,
            "tlb_hits": accesses + steps - data_misses - fetch_misses,
            "tlb_misses": data_misses + fetch_misses,
            "data_tlb_misses": data_misses,
            "fetch_tlb_misses": fetch_misses,
            "page_walks": int(hart.walks),
            "walk_references": int(hart.walk_references),
            "gstage_references": int(hart.gstage_references),
            "device_reads": int(hart.device_reads),
            "device_writes": int(hart.device_writes),
            "disk_reads": int(hart.disk_reads),
            "disk_writes": int(hart.disk_writes),
            "sbi_calls": int(hart.sbi_calls),
        }

    @property
    def console(self) -> str:
        """All the guest has printed so far."""
        return self._console.decode("utf-8", "replace")

    @property
    def exit_code(self) -> int | None:
        """The guest's exit code, None while it has not ended."""
        code = int(self._hart.exit_code)
        return None if code < 0 else code

    @property
    def waiting(self) -> bool:
        """True while the hart sleeps in WFI."""
        return bool(self._hart.waiting)

    @property
    def unread_input(self) -> int:
        """Bytes typed that the guest has not read."""
        hart = self._hart
        return len(self._pending_input) + int(hart.uart_rx_tail - hart.uart_rx_head)

    @property
    def seconds(self) -> float:
        """The guest's time since reset, in seconds of its 10 MHz clock."""
        return (self.steps + int(self._hart.idle_steps)) / self._steps_per_tick / 10_000_000

    @property
    def ram_bytes(self) -> int:
        """Size of RAM."""
        return self._ram_bytes

    @property
    def memory(self) -> "_PhysicalMemory":
        """RAM by physical address: `m.memory.read(pa, n)`, `m.memory.write(pa, data)`."""
        return _PhysicalMemory(self)

    def read_virtual(self, va: int, n: int) -> bytes:
        """`n` bytes at virtual address `va` as the hart would load them."""
        data = b""
        while len(data) < _count(n, "number of bytes"):
            at = int(va) + len(data)
            found = self.translate(at)
            if found.pa is None:
                raise ValueError(f"cannot read {at:#x}: {found.fault}.")
            data += self.memory.read(found.pa, min(n - len(data), 4096 - (at & 4095)))
        return data

    def disassemble(self, pc: int | None = None, n: int = 12, before: int = 4) -> list[tuple]:
        """(address, word, text) of `n` instructions, up to `before` of them ahead of `pc`.

        What lies ahead is found by going back to an address from which decoding reaches `pc`.
        """
        pc = self.pc if pc is None else int(pc)
        lines: list[tuple] = []
        for distance in range(4 * before, 0, -2):
            lines = self._decoded(pc - distance, pc)
            if lines and lines[-1][0] + _length(lines[-1][1]) == pc:
                lines = lines[-before:] if before else []
                break
            lines = []
        at = pc
        while len(lines) < n:
            line = self._line(at)
            if line is None:
                break
            lines.append(line)
            at += _length(line[1])
        return lines

    def _decoded(self, at: int, end: int) -> list[tuple]:
        lines = []
        while at < end:
            line = self._line(at)
            if line is None or decode(np.int64(line[1])) & 0x7F == op.ILLEGAL:
                return []
            lines.append(line)
            at += _length(line[1])
        return lines

    def _line(self, at: int) -> tuple | None:
        halves = []
        for address in (at, at + 2):
            pa = self.translate(address, "fetch").pa
            if pa is None or not self.memory.holds(pa, 2):
                break
            halves.append(int.from_bytes(self.memory.read(pa, 2), "little"))
            if halves[0] & 3 != 3:
                break
        if not halves or (halves[0] & 3 == 3 and len(halves) < 2):
            return None
        word = halves[0] | (halves[1] << 16 if len(halves) > 1 else 0)
        return at & U64, word, disassemble(word, pc=at & U64, symbols=self.symbols)

    def __repr__(self) -> str:
        return f"Machine({self._ram_bytes >> 20} MiB, step {self.steps:,}, {self.mode}-mode)"


class _Csrs:
    """CSRs by name."""

    def __init__(self, hart):
        self._hart = hart

    def __getitem__(self, name: str) -> CsrValue:
        number = e.CSR_NUMBERS.get(name)
        value = None if number is None else int(peek_csr(self._hart, np.int64(number)))
        if value is None or int(self._hart.fault):
            raise KeyError(f"{name!r} is no CSR of this machine, as for example mstatus or satp.")
        return CsrValue(name, number, value & U64)


class _PhysicalMemory:
    """RAM by physical address."""

    def __init__(self, machine: Machine):
        self._machine = machine
        self._u8 = machine._mem.u8

    def holds(self, pa: int, n: int) -> bool:
        """True if [pa, pa + n) lies in RAM."""
        return pa >= RAM_BASE and pa + n <= RAM_BASE + len(self._u8)

    def _check(self, pa: int, n: int) -> int:
        if n < 0 or not self.holds(pa, n):
            raise ValueError(
                f"{pa:#x} to {pa + n:#x} is not RAM, which is {RAM_BASE:#x} "
                f"to {RAM_BASE + len(self._u8):#x}."
            )
        return pa - RAM_BASE

    def read(self, pa: int, n: int) -> bytes:
        """`n` bytes at `pa`."""
        at = self._check(int(pa), int(n))
        return self._u8[at : at + n].tobytes()

    def write(self, pa: int, data: bytes) -> None:
        """Replace the bytes at `pa`; a replay does it again at the same step."""
        self._check(int(pa), len(data))
        self._machine._act("memory", int(pa), bytes(data))

    def entry(self, pa: int) -> int | None:
        """The 64-bit word at `pa`, unsigned, or None if it is not RAM."""
        if not self.holds(pa, 8):
            return None
        return int.from_bytes(self._u8[pa - RAM_BASE : pa - RAM_BASE + 8].tobytes(), "little")


@contextlib.contextmanager
def _deferred_interrupt():
    """Turn a SIGINT into a flag while the machine runs, so that it is never cut off in mid-step."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = signal.signal(signal.SIGINT, lambda *_: flag.set())
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)


def _length(word: int) -> int:
    return 4 if word & 3 == 3 else 2


def _signed(value: int) -> int:
    value &= U64
    return value - (1 << 64) if value >> 63 else value


def _count(value, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{what} {value!r} is not a whole number.")
    if not 0 <= value < 1 << 60:
        raise ValueError(f"{what} {value} is out of range; accepted are 0 to 2**60.")
    return int(value)


def _one_line(text) -> str:
    if not isinstance(text, str) or "\0" in text:
        raise ValueError(f"append {text!r}: accepted is text without NUL characters.")
    return text


def _read_disk(disk) -> np.ndarray:
    """The disk's bytes, a copy, padded to whole sectors."""
    if disk is None:
        return np.zeros(0, np.uint8)
    if isinstance(disk, bytes | bytearray):
        data = bytes(disk)
    elif isinstance(disk, str | Path):
        try:
            data = Path(disk).read_bytes()
        except OSError as error:
            raise ValueError(f"disk {str(disk)!r}: cannot be read ({error.strerror}).") from None
    else:
        raise TypeError(f"disk {disk!r}: accepted are a path, bytes, or None.")
    if not data:
        raise ValueError("the disk is empty; a disk has at least one sector of 512 bytes.")
    return np.frombuffer(data + bytes(-len(data) % 512), np.uint8).copy()
