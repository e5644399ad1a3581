"""What a reader sees of a machine: registers by name, TLB entries, mapped ranges, events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from virtlab.isa import encoding as e
from virtlab.machine.arguments import U64, hex64, word
from virtlab.machine.csr_fields import CsrValue
from virtlab.machine.peek import peek_csr
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
MOST_TABLES = 8192  # a page table that maps 16 GiB in pages of 4 KiB has as many


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
        number = self._number(name)
        self._on_write(number, word(value, f"register {name}"))

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


class Csrs:
    """CSRs by name: `m.csr["mstatus"].fields`."""

    def __init__(self, hart):
        self._hart = hart

    def __getitem__(self, name: str) -> CsrValue:
        number = e.CSR_NUMBERS.get(name)
        value = None if number is None else int(peek_csr(self._hart, np.int64(number)))
        if value is None or int(self._hart.fault):
            raise KeyError(f"{name!r} is no CSR of this machine, as for example mstatus or satp.")
        return CsrValue(name, number, value & U64)


def counters(hart) -> dict:
    """Everything that the machine has counted since reset."""
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


def mapped_ranges(read_table, root: int) -> list[Mapping39]:
    """Everything an Sv39 table at physical address `root` maps, in order of virtual address.

    read_table : callable, physical address to the 512 entries there, (512,) uint64, or None

    Raises
    ------
    ValueError
        more than 8,192 tables: it is no page table, or one that points to itself
    """
    found: list[Mapping39] = []
    if _leaves(read_table, root, 2, 0, found, MOST_TABLES) < 0:
        raise ValueError(
            f"the page table at {root:#x} consists of more than {MOST_TABLES:,} tables; "
            "it may point to itself."
        )
    return found


def _leaves(read_table, table: int, level: int, va: int, found: list, allowed: int) -> int:
    """Append the ranges under one table to `found`; returns how many more tables may be read."""
    page_bytes = 1 << e.PAGE_SHIFT + 9 * level
    entries = read_table(table)
    allowed -= 1
    if entries is None:
        return allowed
    leaf = entries & (e.PTE_R | e.PTE_W | e.PTE_X) != 0
    used = (entries & e.PTE_V != 0) & (leaf if level == 0 else True)
    for index in np.flatnonzero(used).tolist():
        if allowed < 0:
            break
        pte = int(entries[index])
        pa = (pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT
        here = va | index * page_bytes
        if not leaf[index]:
            allowed = _leaves(read_table, pa, level - 1, here, found, allowed)
            continue
        if here >> 38 & 1:
            here |= U64 & ~((1 << 39) - 1)
        _append(found, Mapping39(here, pa, page_bytes, level, flag_text(pte)))
    return allowed


def _append(found: list[Mapping39], page: Mapping39) -> None:
    """Add a page, to the range before it if it continues that one."""
    last = found[-1] if found else None
    if (
        last
        and (last.level, last.flags) == (page.level, page.flags)
        and last.va + last.size_bytes == page.va
        and last.pa + last.size_bytes == page.pa
    ):
        size = last.size_bytes + page.size_bytes
        found[-1] = Mapping39(last.va, last.pa, size, page.level, page.flags)
    else:
        found.append(page)
