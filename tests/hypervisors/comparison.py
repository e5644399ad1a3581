"""Runs guests bare and under every technique, and says where they part.

`VARIANTS` are all the ways to run an unmodified guest. A new technique, policy or kind of paging is
one entry there and everything in this folder runs with it.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from tests.hypervisors.random_guests import MOST_STEPS, Guest, Setting
from virtlab.hypervisors import TECHNIQUES
from virtlab.machine import Machine

# What a guest can tell two machines apart by, besides memory, console and disk.
REGISTERS = """
    pc mode virt steps idle_steps not_retired waiting mstatus misa medeleg mideleg mie mip mtvec
    mscratch mepc mcause mtval mtval2 mtinst mcounteren mcountinhibit menvcfg cycle_offset
    instret_offset pmpcfg pmpaddr stvec sscratch sepc scause stval satp scounteren stimecmp hstatus
    hedeleg hideleg hcounteren henvcfg htimedelta htval htinst hgatp vsstatus vstvec vsscratch vsepc
    vscause vstval vsatp vstimecmp msip mtimecmp plic_pending plic_claimed plic_priority plic_enable
    plic_threshold uart_ier uart_lcr uart_mcr uart_scr uart_fcr uart_divisor uart_thre uart_rx_head
    uart_rx_tail blk_status blk_features blk_feature_page blk_driver_page blk_interrupt blk_queue
    blk_queue_size blk_queue_ready blk_descriptors blk_available blk_used blk_last_available
    exit_code
""".split()
STARTS_IN_M = ("emulation", "trap-and-emulate", "binary-translation")
MOST_ENTRIES = 1000  # without an instruction executed
MODIFIED = ("paravirt",)  # runs guests that were changed for it, and no others
CHOICES = {
    "trap-and-emulate": [dict(policy=name) for name in ("trace", "lazy", "flush", "eager")],
    "binary-translation": [dict(policy=name) for name in ("trace", "lazy", "flush", "eager")],
    "hardware-assisted": [dict(paging="nested"), dict(paging="shadow")],
}


@dataclass(frozen=True)
class Variant:
    """A technique and its choices."""

    technique: str
    choices: tuple = ()

    def __str__(self) -> str:
        return " ".join([self.technique, *(str(value) for _, value in self.choices)])

    def make(self, **options):
        """A virtual machine of this variant."""
        return TECHNIQUES[self.technique](**dict(self.choices), **options)

    def watched(self, **options):
        """The same, but it fails where it would try again for ever."""
        return watch(self.make(**options))

    def takes(self, setting: Setting) -> bool:
        """Whether guests made for such a machine run under it."""
        return setting.firmware != "none" or self.technique in STARTS_IN_M


class StuckError(RuntimeError):
    """A guest is entered again and again and gets nowhere."""


def watch(vm):
    """Have a virtual machine fail that is entered MOST_ENTRIES times at the same step."""
    real, last, entries = vm._resume, -1, 0

    def resume(*arguments):
        nonlocal last, entries
        steps = vm.steps
        entries = entries + 1 if steps == last else 0
        last = steps
        if entries > MOST_ENTRIES:
            raise StuckError(f"stuck at step {steps:,}; the last exit: {vm.exits[-1:]}")
        return real(*arguments)

    vm._resume = resume
    return vm


VARIANTS = [
    Variant(name, tuple(choice.items()))
    for name in TECHNIQUES
    if name not in MODIFIED
    for choice in CHOICES.get(name, [{}])
]


@dataclass
class Outcome:
    """What came of a run, with the machine's arrays as they were then."""

    stop: str
    registers: dict
    ram: np.ndarray
    disk: np.ndarray
    console: bytes = field(default=b"")

    def differences(self, other: "Outcome") -> list[str]:
        """What differs, with both values."""
        found = []
        if self.stop != other.stop:
            found.append(f"stopped for {self.stop} / {other.stop}")
        for name, value in self.registers.items():
            theirs = other.registers[name]
            if value != theirs:
                found.append(_two(name, value, theirs))
        for name in ("ram", "disk"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if not np.array_equal(mine, theirs):
                at = int(np.flatnonzero(mine != theirs)[0])
                words = [
                    bytes(each[at & ~7 : (at & ~7) + 8])[::-1].hex() for each in (mine, theirs)
                ]
                found.append(f"{name} from {at:#x} on: {words[0]} / {words[1]}")
        if self.console != other.console:
            found.append(f"console: {self.console[-60:]!r} / {other.console[-60:]!r}")
        return found


def _two(name: str, a: bytes, b: bytes) -> str:
    mine, theirs = np.frombuffer(a, np.int64), np.frombuffer(b, np.int64)
    k = int(np.flatnonzero(mine != theirs)[0])
    index = f"[{k}]" if len(mine) > 1 else ""
    return f"{name}{index}: {int(mine[k]) & (1 << 64) - 1:#x} / {int(theirs[k]) & (1 << 64) - 1:#x}"


def outcome(m: Machine, stop: str = "", copy: bool = True) -> Outcome:
    """The state of a machine, real or virtual, as its guest sees it."""
    record = m._harts
    registers = {"x": m._hart.x[:32].tobytes()}
    registers |= {name: record[name].tobytes() for name in REGISTERS}
    ram, disk = m._mem.u8, m._mem.disk
    return Outcome(
        stop,
        registers,
        ram.copy() if copy else ram,
        disk.copy() if copy else disk,
        bytes(m._console),
    )


def start(m: Machine, guest: Guest) -> Machine:
    """Load a random guest and type its input."""
    m.load(guest.image)
    if guest.typed:
        m.type(guest.typed)
    return m


def run(m: Machine, guest: Guest, copy: bool = True) -> Outcome:
    """Run a random guest from power-on to its end."""
    stop = start(m, guest).run(MOST_STEPS)
    return outcome(m, stop.reason, copy)


@cache
def bare(setting: Setting) -> Machine:
    """The machine that guests of a setting are compared with."""
    return Machine(record=False, **setting.options())


@cache
def virtual(variant: Variant, setting: Setting) -> Machine:
    """The virtual machine of a variant for guests of a setting; one for all of them."""
    return variant.watched(record=False, **setting.options())


def same(a: Machine, b: Machine) -> bool:
    """Whether two machines are in the same state now."""
    return not outcome(a, copy=False).differences(outcome(b, copy=False))


def first_difference(a: Machine, b: Machine, last: int) -> int:
    """The first step at which two machines that began alike are no longer alike.

    last : a step at which they are known to differ
    """
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        a.goto(middle)
        b.goto(middle)
        if same(a, b):
            low = middle
        else:
            high = middle
    return high


def report(guest: Guest, variant: Variant, expected: Outcome, found: Outcome) -> str:
    """What differs at the end, and the instruction with which it began."""
    options = guest.setting.options()
    a, b = start(Machine(**options), guest), start(variant.watched(**options), guest)
    ends = [int(np.frombuffer(each.registers["steps"], np.int64)[0]) for each in (expected, found)]
    lines = [
        f"python -m tests.hypervisors.replay {guest.seed:#x} '{variant}'",
        *(f"  {text}" for text in expected.differences(found)[:8]),
    ]
    try:
        at = first_difference(a, b, max(ends))
    except Exception as error:  # the report must not hide what it reports
        return "\n".join([*lines, f"  no first step: {type(error).__name__}: {error}"])
    a.goto(at - 1)
    b.goto(at - 1)
    rows = a.disassemble(n=1, before=0) or [(a.pc, 0, "which cannot be fetched")]
    pc, word, text = rows[0]
    lines.append(f"  first at step {at - 1:,}, in {a.mode}-mode, pc {pc:#x}: {text} ({word:#x})")
    a.goto(at)
    b.goto(at)
    lines += [f"    {each}" for each in outcome(a).differences(outcome(b))[:8]]
    lines += [f"    bare: {event}" for event in a.last_events(2)]
    lines += [f"    {exit}" for exit in b.exits[-4:]]
    return "\n".join(lines)


def compare(guest: Guest, variants=None) -> dict[Variant, str]:
    """The variants under which a random guest does not end as on bare metal, with a report."""
    found = {}
    expected = run(bare(guest.setting), guest)
    for variant in VARIANTS if variants is None else variants:
        if not variant.takes(guest.setting):
            continue
        try:
            ended = run(virtual(variant, guest.setting), guest, copy=False)
        except Exception as error:
            found[variant] = (
                f"python -m tests.hypervisors.replay {guest.seed:#x} '{variant}'\n"
                f"  {type(error).__name__}: {error}"
            )
            continue
        if expected.differences(ended):
            found[variant] = report(guest, variant, expected, ended)
    return found
