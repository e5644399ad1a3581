"""Page walks for the reader: the same translation as mmu.py, one recorded step at a time.

Written in plain Python from the manual, apart from the compiled walk, so that tests can hold the
two against each other. Nothing is changed: accessed and dirty bits stay as they are.

Source: Privileged ISA 20240411, "Virtual Address Translation Process" and "Two-Stage Address
Translation".
"""

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
        result.pa = _translate(hart, read_entry, result, mode, virt)
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

    def refusal(pte: int, level: int) -> str:
        return (
            _not_allowed(pte, result.access, mxr)
            or _wrong_mode(pte, result.access, mode == e.USER, status & e.MSTATUS_SUM)
            or _unfit(pte, level, result.access, adue)
        )

    stage = "VS" if virt else "S"
    table = (atp & e.ATP_PPN) << e.PAGE_SHIFT
    return _descend(read_entry, result, stage, table, result.va, locate, refusal, fault)


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
    return _descend(read_entry, result, "G", table, gpa, lambda at: at, refusal, fault)


def _descend(read_entry, result, stage, table, address, locate, refusal, fault) -> int:
    """Follow the tables of one stage from the root at `table` to the leaf for `address`.

    locate : callable, from where an entry lies for this stage to where it lies in the machine
    refusal : callable(pte, level), why a leaf may not be used, or ""
    fault : cause of the fault if it may not
    """
    for level in (2, 1, 0):
        index = address >> 12 + 9 * level & 0x1FF
        if stage == "G" and level == 2:
            index = address >> 30  # the root of Sv39x4 has 2048 entries
        pte_pa = locate(table + 8 * index)
        pte = read_entry(pte_pa)
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
        problem = problem or refusal(pte, level)
        result.steps.append(WalkStep(*step, problem or _leaf_text(level)))
        if problem:
            break
        return _join(pte, address, level)
    raise _WalkError(fault)


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
