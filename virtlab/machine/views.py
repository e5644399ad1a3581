"""What a reader sees of a machine: registers by name, TLB entries, mapped ranges, events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from virtlab.isa import encoding as e
from virtlab.machine.state import (
    EVENT_CAUSE,
    EVENT_FROM,
    EVENT_KIND,
    EVENT_PC,
    EVENT_STEPS,
    EVENT_TO,
    EVENT_TVAL,
    N_CONTEXTS,
    N_EVENTS,
    N_TLB,
    RAM_BASE,
)
from virtlab.machine.tlb import (
    CONTEXT_ASID_SHIFT,
    CONTEXT_MODE_SHIFT,
    CONTEXT_VIRT,
    CONTEXT_VMID_SHIFT,
    EMPTY,
    KEY_SHIFT,
)
from virtlab.machine.trap import VIRTUAL_MODE
from virtlab.machine.walk import flag_text

REGISTER_NAMES = (
    "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 "
    "s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6"
).split()
_NUMBERS = {name: k for k, name in enumerate(REGISTER_NAMES)} | {f"x{k}": k for k in range(32)}
_NUMBERS["fp"] = 8
MODE_NAMES = {0: "U", 1: "S", 3: "M", 4: "VU", 5: "VS"}
KINDS = ("exception", "interrupt", "return")
U64 = (1 << 64) - 1


def hex64(value: int) -> str:
    """A 64-bit number in hex, an underscore after every four digits."""
    digits = f"{value & U64:016x}"
    return "0x" + "_".join(digits[k : k + 4] for k in range(0, 16, 4))


def mode_name(mode: int, virt: int) -> str:
    """ "M", "S", "U", "VS" or "VU"; with V=0 the manual calls S-mode HS when H is there."""
    return MODE_NAMES[int(mode) + VIRTUAL_MODE * int(virt)]


class Registers(Mapping):
    """x0 to x31 under their ABI names, as unsigned numbers: `m.registers.a0`, `["x10"]`."""

    def __init__(self, hart, on_write):
        object.__setattr__(self, "_hart", hart)
        object.__setattr__(self, "_on_write", on_write)

    def _number(self, name: str) -> int:
        try:
            return _NUMBERS[name]
        except (KeyError, TypeError):
            raise KeyError(
                f"{name!r} is no register; accepted are {', '.join(REGISTER_NAMES)} and x0 to x31."
            ) from None

    def __getitem__(self, name: str) -> int:
        return int(self._hart.x[self._number(name)]) & U64

    def __setitem__(self, name: str, value: int) -> None:
        self._on_write(self._number(name), int(value))

    def __getattr__(self, name: str) -> int:
        if name not in _NUMBERS:
            raise AttributeError(f"{name!r} is no register.")
        return self[name]

    def __setattr__(self, name: str, value: int) -> None:
        self[name] = value

    def __iter__(self) -> Iterator[str]:
        return iter(REGISTER_NAMES)

    def __len__(self) -> int:
        return len(REGISTER_NAMES)

    def __repr__(self) -> str:
        rows = []
        for k in range(0, 32, 4):
            names = REGISTER_NAMES[k : k + 4]
            rows.append("  ".join(f"{name:>4} {hex64(self[name])}" for name in names))
        return "\n".join(rows)


@dataclass(frozen=True)
class EventRecord:
    """A trap or the return from one."""

    steps: int
    pc: int
    kind: str  # "exception", "interrupt" or "return"
    cause: int
    cause_name: str
    tval: int
    from_mode: str
    to_mode: str


def event_records(hart, log: np.ndarray, last: int | None = None) -> list[EventRecord]:
    """The newest `last` events (all that the ring still holds), oldest first."""
    total = int(hart.n_events)
    first = max(0, total - N_EVENTS, total - last if last is not None else 0)
    records = []
    for row in (log[k % N_EVENTS] for k in range(first, total)):
        kind = KINDS[row[EVENT_KIND]]
        cause = int(row[EVENT_CAUSE]) & U64
        records.append(
            EventRecord(
                steps=int(row[EVENT_STEPS]),
                pc=int(row[EVENT_PC]) & U64,
                kind=kind,
                cause=cause,
                cause_name="return from trap" if kind == "return" else e.cause_name(cause),
                tval=int(row[EVENT_TVAL]) & U64,
                from_mode=MODE_NAMES[int(row[EVENT_FROM])],
                to_mode=MODE_NAMES[int(row[EVENT_TO])],
            )
        )
    return records


@dataclass(frozen=True)
class TlbEntry:
    """One remembered translation of a 4 KiB page, with the rights that have been used."""

    index: int
    va: int
    pa: int
    mode: str
    asid: int
    vmid: int
    r: bool
    w: bool
    x: bool


def tlb_entries(hart) -> list[TlbEntry]:
    """Both TLBs together: the entries of fetches, then those of loads and stores."""
    entries = []
    for k in range(N_TLB):
        if hart.itlb_tag[k] != EMPTY:
            tag = int(hart.itlb_tag[k])
            entries.append(_entry(hart, k, tag, int(hart.itlb_add[k]), False, False, True))
    for k in range(N_TLB):
        read, write = int(hart.dtlb_read[k]), int(hart.dtlb_write[k])
        write = int(hart.dtlb_guarded[k]) if write == EMPTY else write
        for tag in sorted({read, write} - {EMPTY}):
            rights = (tag == read, tag == write, False)
            entries.append(_entry(hart, k, tag, int(hart.dtlb_add[k]), *rights))
    return entries


def _entry(hart, k: int, tag: int, add: int, r: bool, w: bool, x: bool) -> TlbEntry:
    context = int(hart.context[tag >> KEY_SHIFT & (N_CONTEXTS - 1)])
    page = tag & e.PAGE_MASK
    virt = bool(context & CONTEXT_VIRT)
    return TlbEntry(
        index=k,
        va=page & U64,
        pa=page + add + RAM_BASE & U64,
        mode=mode_name(context >> CONTEXT_MODE_SHIFT & 3, virt),
        asid=context >> CONTEXT_ASID_SHIFT & e.ASID_MASK,
        vmid=context >> CONTEXT_VMID_SHIFT & e.VMID_MASK,
        r=r,
        w=w,
        x=x,
    )


@dataclass(frozen=True)
class Mapping39:
    """A run of pages that a page table maps one after the other with the same flags and size."""

    va: int
    pa: int
    size_bytes: int
    level: int
    flags: str


def mapped_ranges(read_entry, root: int) -> list[Mapping39]:
    """Everything an Sv39 table at physical address `root` maps, in order of virtual address."""
    found: list[Mapping39] = []
    _visit(read_entry, root, 2, 0, found)
    return found


def _visit(read_entry, table: int, level: int, va: int, found: list[Mapping39]) -> None:
    page_bytes = 1 << e.PAGE_SHIFT + 9 * level
    for index in range(512):
        pte = read_entry(table + 8 * index)
        if pte is None or not pte & e.PTE_V:
            continue
        pa = (pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT
        here = va | index * page_bytes
        if not pte & (e.PTE_R | e.PTE_W | e.PTE_X):
            if level > 0:
                _visit(read_entry, pa, level - 1, here, found)
            continue
        if here >> 38 & 1:
            here |= U64 & ~((1 << 39) - 1)
        flags = flag_text(pte)
        last = found[-1] if found else None
        if (
            last
            and (last.level, last.flags) == (level, flags)
            and last.va + last.size_bytes == here
            and last.pa + last.size_bytes == pa
        ):
            size = last.size_bytes + page_bytes
            found[-1] = Mapping39(last.va, last.pa, size, level, flags)
        else:
            found.append(Mapping39(here, pa, page_bytes, level, flags))
