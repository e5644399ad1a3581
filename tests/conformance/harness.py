"""Builds programs into ELF files, runs them on both machines, and says where they disagree."""

from dataclasses import dataclass

import numpy as np

from tests.conformance import runtime, spike
from tests.conformance.choices import BATCH, UNCOMPARED
from tests.conformance.code import elf
from tests.conformance.programs import Program, slot_of
from tests.conformance.tracer import follow
from virtlab.isa.disassembler import disassemble
from virtlab.machine import Machine

CONTEXT = 24  # instructions shown before a disagreement
SAME_AT_FULL_SPEED = (
    "x pc mode virt steps not_retired mstatus medeleg mideleg mie mip mtvec mscratch mepc mcause"
    " mtval mtval2 mtinst mcounteren menvcfg pmpcfg pmpaddr stvec sscratch sepc scause stval satp"
    " scounteren hstatus hedeleg hideleg hcounteren henvcfg htimedelta htval htinst hgatp vsstatus"
    " vstvec vsscratch vsepc vscause vstval vsatp exit_code exceptions interrupts"
).split()


@dataclass
class Image:
    """An ELF file and the address of the last instruction it completes."""

    data: bytes
    end: int


def image(segments: list, first: int, rt=None) -> Image:
    """The ELF of the runtime and `segments`, entered at `first`."""
    rt = rt or runtime.build(first)
    symbols = {name: rt.symbols[name] for name in ("tohost", "fromhost")}
    return Image(elf([(rt.base, rt.data), *segments], rt.entry, symbols), rt.symbols["ending"])


def programs(seeds: list[int]) -> tuple[Image, list[Program]]:
    """One image that runs the program of each seed in turn; no two may use the same slot."""
    rt = runtime.build(slot_of(seeds[0]))
    after = [slot_of(seed) for seed in seeds[1:]] + [rt.symbols["finish"]]
    clean = rt.symbols["clean"]
    made = [Program(seed, end, clean) for seed, end in zip(seeds, after, strict=True)]
    segments = [segment for program in made for segment in program.segments]
    return image(segments, slot_of(seeds[0]), rt), made


@dataclass
class Comparison:
    """What came of running an image on both machines.

    Attributes
    ----------
    ended : bool, Spike reached the end of the program
    trace : (n,) spike.TRACE, what Spike did
    agreed : int, rows of it that the machine repeated; n if all
    machine : Machine, where it stopped
    differences : list of str, what was not the same when run again at full speed
    """

    ended: bool
    trace: np.ndarray
    agreed: int
    machine: Machine
    differences: list

    @property
    def same(self) -> bool:
        return self.agreed == len(self.trace) and not self.differences

    def report(self) -> str:
        """Where they parted, in the reader's terms."""
        if self.agreed == len(self.trace):
            return "At full speed the machine ends differently: " + "; ".join(self.differences)
        start = max(0, self.agreed - CONTEXT)
        lines = [_line(row) for row in self.trace[start : self.agreed]]
        lines.append("Spike went on with")
        lines += [_line(row) for row in self.trace[self.agreed : self.agreed + 12]]
        row = self.trace[self.agreed]
        m = self.machine
        lines.append(f"The machine, in mode {m.mode}, has pc {m.pc:#x} after that step;")
        if row["rd"]:
            register = f"x{row['rd']}"
            lines.append(f"{register} is {m.registers[register]:#x} there.")
        lines += [f"  {event}" for event in m.last_events(3)]
        return "\n".join(lines)


def _line(row) -> str:
    text = disassemble(int(row["word"]), int(row["pc"]))
    written = f"x{row['rd']} = {row['value']:#x}" if row["rd"] else ""
    return f"  {row['mode']}  {row['pc']:16x}  {text:36} {written}"


def machine_for(data: bytes) -> Machine:
    """Our machine with the same memory as Spike's, at the first instruction of the image."""
    machine = Machine(ram=spike.RAM_BYTES, firmware="none", record=False).load(data)
    tree = machine.registers["a1"]  # Spike keeps the device tree outside RAM
    machine.memory.write(tree, bytes(spike.RAM_BASE + spike.RAM_BYTES - tree))
    return machine


def compare(made: Image) -> Comparison:
    """Run the image on both machines, ours step by step and again at full speed."""
    trace = spike.run(made.data)
    ended = trace["pc"][-1] == made.end
    machine = machine_for(made.data)
    agreed = follow_trace(machine, trace)
    differences = []
    if ended and agreed == len(trace):
        differences = at_full_speed(machine, made.data)
    return Comparison(ended, trace, agreed, machine, differences)


def follow_trace(machine: Machine, trace: np.ndarray) -> int:
    """How many rows of the trace the machine repeats."""
    words = trace["word"]
    is_csr = (words & 0x7F == 0x73) & (words >> 12 & 3 != 0)
    compared = ~(is_csr & np.isin(words >> 20, list(UNCOMPARED)))
    columns = [trace[name].astype(np.int64) for name in ("pc", "word", "mode", "rd", "value")]
    with np.errstate(over="ignore"):
        before = np.zeros(32, np.int64)
        return int(follow(machine._harts, *machine._mem, *columns, compared, before))


def at_full_speed(stepped: Machine, data: bytes) -> list[str]:
    """Differences between a machine that was stepped to the end and one that ran there."""
    machine = machine_for(data)
    machine.run(int(stepped._hart.steps) + 1000)
    differences = []
    for name in SAME_AT_FULL_SPEED:
        slow, fast = stepped._hart[name], machine._hart[name]
        if not np.array_equal(slow, fast):
            differences.append(f"{name} is {fast} instead of {slow}")
    if not np.array_equal(stepped._mem.u8, machine._mem.u8):
        at = int(np.flatnonzero(stepped._mem.u8 != machine._mem.u8)[0]) + spike.RAM_BASE
        differences.append(f"memory differs from {at:#x} on")
    return differences


def disagreements(first: int, n: int) -> list[tuple[int, Comparison]]:
    """Those of the `n` programs from seed `first` on that do not run the same on both machines.

    A program is tried alone before it is accused: many share a run of Spike.
    """
    found = []
    for start in range(first, first + n, BATCH):
        batch = list(range(start, min(start + BATCH, first + n)))
        together = compare(programs(batch)[0])
        if together.same and together.ended:
            continue
        for seed in batch:
            alone = compare(programs([seed])[0])
            if not alone.same:
                found.append((seed, alone))
    return found


def describe(found: list[tuple[int, Comparison]], shown: int = 3) -> str:
    """A failure message: what differs, and how to see it again."""
    texts = [f"{len(found)} programs do not run as on Spike."]
    for seed, comparison in found[:shown]:
        texts.append(f"\npython -m tests.conformance.replay {seed:#x}\n{comparison.report()}")
    rest = ", ".join(f"{seed:#x}" for seed, _ in found[shown : shown + 20])
    return "\n".join(texts) + (f"\nMore: {rest}" if rest else "")
