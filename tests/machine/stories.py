"""What the stories of these tests are told with: a guest, a way into each mode, a look at the end.

A story is a short assembly guest, a run, and what came of it. `machine` makes the guest into a
Machine; `enter` is the assembly text that goes from M-mode to another mode; `Probe` makes single
loads and stores for Python, to talk to a device or to look through a page table; `state` is all
that a guest could tell two machines apart by.
"""

import hashlib

import numpy as np

from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.machine import Event, Machine

RAM = 0x8000_0000
UART = 0x1000_0000
PLIC = 0x0C00_0000
CLINT = 0x0200_0000
VIRTIO = 0x1000_1000
FINISHER = 0x10_0000
U64 = (1 << 64) - 1

WIDTHS = {1: "b", 2: "h", 4: "w", 8: "d"}
POWERS = {"U": 0, "S": 1, "M": 3, "VU": 0, "VS": 1}
BITS = {
    name.removeprefix("MSTATUS_"): value
    for name, value in vars(e).items()
    if name.startswith("MSTATUS_")
}

# Where run control and passing thoughts of the run loop are kept: no guest can tell them.
TRANSIENT = {
    "horizon", "first", "end", "stop", "watch", "watch_pc", "watch_byte", "stop_detail",
    "fault", "fault_va", "fault_gpa", "fault_tinst", "fault_gva", "dtlb_write", "dtlb_guarded",
}  # fmt: skip


def machine(text: str, ram="1M", firmware="none", **options) -> Machine:
    """A machine with an assembled guest, at its first instruction."""
    return Machine(ram=ram, firmware=firmware, **options).load(assemble(text))


def run_to(m: Machine, label: str, budget: int = 1_000_000) -> Machine:
    """Run to a label, which must be reached."""
    stop = m.run(budget, until=m.symbols[label])
    assert stop.reason == "until", str(stop)
    return m


def first_exception(m: Machine):
    """Run to the next exception and return its record."""
    stop = m.run(1_000_000, until=Event.EXCEPTION)
    assert stop.reason == "until", str(stop)
    return m.events[-1]


def enter(mode: str, label: str = "begin") -> str:
    """Assembly text that goes from M-mode to `label` in another mode."""
    virtual = mode.startswith("V")
    return f"""
        li    t0, {BITS["MPP"] | BITS["MPV"]}
        csrc  mstatus, t0
        li    t0, {POWERS[mode] << 11 | BITS["MPV"] * virtual}
        csrs  mstatus, t0
        la    t0, {label}
        csrw  mepc, t0
        mret
    """


def catch(label: str = "caught", register: str = "mtvec") -> str:
    """Assembly text that sends traps to `label`."""
    return f"""
        la    t0, {label}
        csrw  {register}, t0
    """


def status(m: Machine, name: str = "mstatus", *fields: str) -> tuple:
    """Fields of a CSR."""
    found = m.csr[name].fields
    return tuple(found[field] for field in fields)


class Probe:
    """A machine that does nothing but loads and stores that Python asks for."""

    def __init__(self, **options):
        loads = "\n".join(f"load{n}: l{c}{'u' * (n < 8)} a2, 0(a0)" for n, c in WIDTHS.items())
        stores = "\n".join(f"store{n}: s{c} a1, 0(a0)" for n, c in WIDTHS.items())
        self.m = machine(f"{catch('trapped')}\nstart:\n{loads}\n{stores}\ntrapped: nop", **options)
        run_to(self.m, "start")

    def read(self, address: int, n: int = 4) -> int:
        """Load n bytes, zero-extended."""
        self._step(f"load{n}", address)
        return self.m.registers.a2

    def write(self, address: int, value: int, n: int = 4) -> None:
        """Store n bytes."""
        self.m.registers.a1 = value & U64
        self._step(f"store{n}", address)

    def _step(self, label: str, address: int) -> None:
        self.m.registers.a0 = address
        self.m.pc = self.m.symbols[label]
        traps = self.m.counters["traps"]
        self.m.step()
        assert self.m.counters["traps"] == traps, (label, hex(address), self.m.last_events(1))

    def refused(self, address: int, n: int = 4, store: bool = False) -> str | None:
        """The cause of the exception that an access makes, None if there is none."""
        self.m.registers.a0 = address
        self.m.pc = self.m.symbols[f"{'store' if store else 'load'}{n}"]
        before = sum(self.m.counters["traps"].values())
        self.m.step()
        if sum(self.m.counters["traps"].values()) == before:
            return None
        return self.m.events[-1].cause_name


def state(m: Machine) -> dict:
    """Everything that a guest, or a reader, could tell two machines apart by."""
    hart = m._hart
    found = {name: np.array(hart[name]) for name in hart.dtype.names if name not in TRANSIENT}
    # A page's stores take the slow path or the fast one: a matter of speed alone.
    found["writable"] = np.maximum(hart["dtlb_write"], hart["dtlb_guarded"])
    digest = {
        name: hashlib.sha256(getattr(m._mem, name).tobytes()).hexdigest() for name in ("u8", "disk")
    }
    return {name: value.tolist() for name, value in found.items()} | digest | {
        "console": m.console,
        "events": m.events,
        "unread": m.unread_input,
    }  # fmt: skip


def differences(a: dict, b: dict) -> list[str]:
    """Names of what differs between two states, with both values where they are short."""
    return [
        f"{name}: {a[name]} / {b[name]}" if len(str(a[name])) < 100 else name
        for name in a
        if a[name] != b[name]
    ]


def assert_same(a: Machine | dict, b: Machine | dict) -> None:
    """Two machines in the same state."""
    first, second = (state(x) if isinstance(x, Machine) else x for x in (a, b))
    assert not differences(first, second)
