"""Page walks for the reader: the same translation as mmu.py, one recorded step at a time.

Written in plain Python from the manual, apart from the compiled walk, so that tests can hold the
two against each other. Nothing is changed: accessed and dirty bits stay as they are.

Source: Privileged ISA 20240411, "Virtual Address Translation Process", "Two-Stage Address
Translation" and "Physical Memory Protection".
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from virtlab.isa import encoding as e

ACCESSES = {"load": e.LOAD, "store": e.STORE, "fetch": e.FETCH}
FLAG_LETTERS = "DAGUXWRV"
PAGE_FAULTS = {"load": 13, "store": 15, "fetch": 12}
GUEST_FAULTS = {"load": 21, "store": 23, "fetch": 20}
ACCESS_FAULTS = {"load": 5, "store": 7, "fetch": 1}


def flag_text(pte: int) -> str:
    """The low eight bits of an entry as letters, '-' for those that are clear: "DA--XWRV"."""
    pairs = zip(FLAG_LETTERS, range(7, -1, -1), strict=True)
    return "".join(letter if pte >> bit & 1 else "-" for letter, bit in pairs)


@dataclass(frozen=True)
class WalkStep:
    """One page-table entry read on the way. Addresses are physical, of the machine."""

    stage: str  # "S", "VS" or "G"
    level: int
    table_pa: int
    index: int
    pte_pa: int
    pte: int
    flags: str
    outcome: str


@dataclass
class Walk:
    """A translation and how it came about."""

    va: int
    access: str
    pa: int | None = None
    fault: str | None = None
    steps: list[WalkStep] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.access} at {self.va:#x}"]
        for s in self.steps:
            lines.append(
                f"  {s.stage:2} level {s.level}: table {s.table_pa:#x}[{s.index}] = {s.pte:#018x} "
                f"{s.flags}  {s.outcome}"
            )
        lines.append(f"  -> {self.fault}" if self.fault else f"  -> {self.pa:#x}")
        return "\n".join(lines)


class _WalkError(Exception):
    """Ends a walk; the argument is the cause."""


def walk(hart, read_entry, va: int, access: str, mode: int, virt: bool) -> Walk:
    """Translate `va` as `mode` with V = `virt` would.

    Parameters
    ----------
    hart : the machine's record
    read_entry : callable, physical address to the 64-bit entry there, or None if it is not RAM
    va : int, unsigned 64-bit
    access : "load", "store" or "fetch"
    """
    result = Walk(va, access)
    try:
        pa = _translate(hart, read_entry, result, mode, virt)
        _check_pmp(hart, result, pa, 1, access, mode)
        result.pa = pa
    except _WalkError as fault:
        result.fault = e.cause_name(fault.args[0])
    return result


def _unsigned(value) -> int:
    return int(value) & 0xFFFF_FFFF_FFFF_FFFF


def _translate(hart, read_entry, result: Walk, mode: int, virt: bool) -> int:
    if mode == e.MACHINE:
        return result.va
    atp = _unsigned(hart.vsatp if virt else hart.satp)
    pa = result.va
    if atp >> e.ATP_MODE_SHIFT:
        pa = _stage1(hart, read_entry, result, atp, mode, virt)
    return _gstage(hart, read_entry, result, pa, result.access) if virt else pa


def _stage1(hart, read_entry, result: Walk, atp: int, mode: int, virt: bool) -> int:
    fault = PAGE_FAULTS[result.access]
    if result.va >> 38 not in (0, (1 << 26) - 1):
        raise _WalkError(fault)
    status = hart.vsstatus if virt else hart.mstatus
    mxr = bool((status | hart.mstatus) & e.MSTATUS_MXR)
    adue = hart.menvcfg & e.ENVCFG_ADUE and (not virt or hart.henvcfg & e.ENVCFG_ADUE)

    def locate(at: int) -> int:
        return _gstage(hart, read_entry, result, at, "load", True) if virt else at

    def update(at: int) -> int:
        unseen = Walk(result.va, result.access)
        return _gstage(hart, read_entry, unseen, at, "store", True) if virt else at

    def refusal(pte: int, level: int) -> str:
        return (
            _not_allowed(pte, result.access, mxr)
            or _wrong_mode(pte, result.access, mode == e.USER, status & e.MSTATUS_SUM)
            or _unfit(pte, level, result.access, adue)
        )

    stage = "VS" if virt else "S"
    table = (atp & e.ATP_PPN) << e.PAGE_SHIFT
    ways = _Ways(hart, read_entry, locate, update, refusal)
    return _descend(ways, result, stage, table, result.va, result.access, fault)


def _gstage(hart, read_entry, result: Walk, gpa: int, access: str, implicit: bool = False) -> int:
    hgatp = _unsigned(hart.hgatp)
    if hgatp >> e.ATP_MODE_SHIFT == 0:
        return gpa
    fault = GUEST_FAULTS[result.access]
    if gpa >> 41:
        raise _WalkError(fault)
    mxr = bool(hart.mstatus & e.MSTATUS_MXR) and not implicit

    def refusal(pte: int, level: int) -> str:
        closed = "" if pte & e.PTE_U else "not for user mode, as which every guest counts"
        adue = hart.menvcfg & e.ENVCFG_ADUE
        return _not_allowed(pte, access, mxr) or closed or _unfit(pte, level, access, adue)

    table = (hgatp & e.ATP_PPN) << e.PAGE_SHIFT & ~0x3FFF
    ways = _Ways(hart, read_entry, int, int, refusal)
    return _descend(ways, result, "G", table, gpa, access, fault)


@dataclass
class _Ways:
    """How one stage gets at its entries.

    locate, update : callables, from where an entry lies for this stage to where it lies in the
        machine, for reading it and for setting its A and D
    refusal : callable(pte, level), why a leaf may not be used, or ""
    """

    hart: object
    read_entry: Callable
    locate: Callable
    update: Callable
    refusal: Callable


def _descend(ways: _Ways, result: Walk, stage: str, table: int, address: int, access, fault) -> int:
    """Follow the tables of one stage from the root at `table` to the leaf for `address`.

    fault : cause of the fault if a leaf may not be used
    """
    for level in (2, 1, 0):
        index = address >> 12 + 9 * level & 0x1FF
        if stage == "G" and level == 2:
            index = address >> 30  # the root of Sv39x4 has 2048 entries
        at = table + 8 * index
        pte_pa = ways.locate(at)
        _check_pmp(ways.hart, result, pte_pa, 8, "load", e.SUPERVISOR)
        pte = ways.read_entry(pte_pa)
        if pte is None:
            raise _WalkError(ACCESS_FAULTS[result.access])
        step = (stage, level, table, index, pte_pa, pte, flag_text(pte))
        problem = _malformed(pte)
        if not problem and not pte & (e.PTE_R | e.PTE_X):
            if level > 0:
                result.steps.append(WalkStep(*step, "points to the next table"))
                table = (pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT
                continue
            problem = "a pointer at the last level"
        problem = problem or ways.refusal(pte, level)
        result.steps.append(WalkStep(*step, problem or _leaf_text(level)))
        if problem:
            break
        if not pte & e.PTE_A or (access == "store" and not pte & e.PTE_D):
            _check_pmp(ways.hart, result, ways.update(at), 8, "store", e.SUPERVISOR)
        return _join(pte, address, level)
    raise _WalkError(fault)


def _check_pmp(hart, result: Walk, pa: int, n_bytes: int, access: str, mode: int) -> None:
    """The lowest-numbered PMP entry that matches a byte of the access decides."""
    below = 0
    for config, address in zip(hart.pmpcfg.tolist(), hart.pmpaddr.tolist(), strict=True):
        low, high = _pmp_range(config >> e.PMP_A_SHIFT & 3, address, below)
        below = address
        if pa < high and pa + n_bytes > low:
            right = {"load": e.PMP_R, "store": e.PMP_W, "fetch": e.PMP_X}[access]
            inside = low <= pa and pa + n_bytes <= high
            if inside and (config & right or (mode == e.MACHINE and not config & e.PMP_L)):
                return
            break
    else:
        if mode == e.MACHINE:
            return
    raise _WalkError(ACCESS_FAULTS[result.access])


def _pmp_range(kind: int, address: int, below: int) -> tuple[int, int]:
    """The bytes [low, high) that a PMP entry matches; `below` is the address in the one before."""
    if kind == e.PMP_TOR:
        return below << 2, address << 2 if address > below else 0
    if kind == e.PMP_NA4:
        return address << 2, address + 1 << 2
    if kind == e.PMP_NAPOT:
        size = (address ^ address + 1) + 1 << 2
        return (address << 2) // size * size, ((address << 2) // size + 1) * size
    return 0, 0


def _wrong_mode(pte: int, access: str, user: bool, may_touch_user) -> str:
    if user:
        return "" if pte & e.PTE_U else "not for user mode"
    if not pte & e.PTE_U:
        return ""
    if access == "fetch":
        return "a user page, and supervisor mode never runs those"
    return "" if may_touch_user else "a user page, and SUM is clear"


def _malformed(pte: int) -> str:
    if not pte & e.PTE_V:
        return "not valid"
    if pte & (e.PTE_R | e.PTE_W) == e.PTE_W:
        return "writable but not readable, which is reserved"
    if pte >> 54:
        return "reserved bits are set"
    if not pte & (e.PTE_R | e.PTE_X) and pte & (e.PTE_D | e.PTE_A | e.PTE_U):
        return "a pointer with D, A or U, which are reserved there"
    return ""


def _not_allowed(pte: int, access: str, mxr: bool) -> str:
    if access == "store":
        return "" if pte & e.PTE_W else "not writable"
    if access == "fetch":
        return "" if pte & e.PTE_X else "not executable"
    return "" if pte & e.PTE_R or (mxr and pte & e.PTE_X) else "not readable"


def _unfit(pte: int, level: int, access: str, adue) -> str:
    if pte >> e.PTE_PPN_SHIFT & (1 << 9 * level) - 1:
        return "a superpage that is not aligned"
    if not adue and not pte & e.PTE_A:
        return "not accessed yet, and software sets that bit"
    if not adue and access == "store" and not pte & e.PTE_D:
        return "not dirty yet, and software sets that bit"
    return ""


def _leaf_text(level: int) -> str:
    return ("leaf: a 4 KiB page", "leaf: a 2 MiB superpage", "leaf: a 1 GiB superpage")[level]


def _join(pte: int, va: int, level: int) -> int:
    offset_bits = e.PAGE_SHIFT + 9 * level
    page = (pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT
    return page & ~((1 << offset_bits) - 1) | va & (1 << offset_bits) - 1
