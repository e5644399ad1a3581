"""Is RISC-V virtualizable by trapping? The book's own machine, classified by running it.

Every row of the instruction table, and every CSR instruction with every CSR, is executed by the run
loop of `virtlab.machine` in S-mode and in U-mode, with one CSR after the other perturbed. What the
program sees is its registers, its page of data and its pc; everything else of the hart's record
that an instruction can change counts as a resource, and so does a remembered translation that a
fence drops. Traps go to M-mode.

User mode is as a monitor sets it up: scounteren is 0 and hstatus.HU is 0, both of which U-mode
cannot change; else it could read the counters, or use the guest's memory accesses. Supervisor mode
is that of a kernel on bare metal, with the hypervisor extension's registers in its reach. Of CSRs
that are many of a kind (hpmcounter3, mhpmcounter3, mhpmevent3, pmpaddr0) one stands for all.

Relocating a program means mapping its data page to another frame with the same contents. The tables
of the two modes differ in the U bits alone, because in RISC-V a page belongs to one of them.

Source: the definitions are those of `virtlab.published.sensitive`.
"""

import functools
import re
from dataclasses import dataclass

import numpy as np

from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.isa.instructions import INSTRUCTIONS
from virtlab.machine.boot import new_hart, reset
from virtlab.machine.cpu import run
from virtlab.machine.peek import settle
from virtlab.machine.state import HART, RAM_BASE, new_memory
from virtlab.machine.tlb import CONTEXT_MODE_SHIFT, CONTEXT_USED, CONTEXT_VIRT, KEY_SHIFT
from virtlab.published.sensitive import MEMORY_TRAP, SUPERVISOR, Effect, Processor

RAM_BYTES = 256 << 10
CODE, DATA, COPY, TABLES = 0x0, 0x10000, 0x11000, 0x20000  # offsets in RAM
PAGE = e.PAGE_BYTES
POINTER = RAM_BASE + DATA + 1024
MEMORY_CAUSES = (
    e.CAUSE_FETCH_ACCESS, e.CAUSE_LOAD_MISALIGNED, e.CAUSE_LOAD_ACCESS, e.CAUSE_STORE_MISALIGNED,
    e.CAUSE_STORE_ACCESS, e.CAUSE_FETCH_PAGE, e.CAUSE_LOAD_PAGE, e.CAUSE_STORE_PAGE,
    e.CAUSE_LOAD_GUEST_PAGE, e.CAUSE_STORE_GUEST_PAGE,
)  # fmt: skip
CSRS = tuple(
    name
    for name in e.CSR_NUMBERS
    if not re.fullmatch(r"m?hpm\w+|pmpaddr\d+", name) or re.search(r"[a-z][03]$", name)
)
CSR_ROWS = ("csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci")

# How the operands of a row are written; what is missing is written as the table writes it.
OPERANDS = {
    "rd": "a0", "rd'": "a0", "rs1": "a1", "rs1'": "a1", "rs2": "a2", "rs2'": "a2", "sp": "sp",
    "imm": "16", "uimm": "16", "upper": "5", "shamt": "3", "zimm": "5", "offset": ". + 16",
    "pred": "rw", "succ": "rw",
}  # fmt: skip

# Fields of the record that are the program's own, that only count or pass, or that hold the TLB.
NOT_RESOURCES = {
    "x", "pc", "steps", "idle_steps", "not_retired", "reservation", "reservation_lost",
    "fault", "fault_va", "fault_gpa", "fault_tinst", "fault_gva", "fetch_key", "data_key",
    "uart_rx", "console", "walk_table", "walk_leaf", "walk_level", "itlb_tag", "itlb_add",
    "dtlb_read", "dtlb_write", "dtlb_guarded", "dtlb_add", "itlb_level", "dtlb_level",
    "context", "horizon", "first", "end", "stop", "stop_detail", "n_events", "exceptions",
    "interrupts", "data_accesses", "data_misses", "fetch_misses", "walks",
    "walk_references", "gstage_references", "silent_count", "silent_pc", "silent_word",
}  # fmt: skip
RESOURCES = tuple(name for name in HART.names if name not in NOT_RESOURCES)
# The same as words of the record, and the field that each is of: comparing field by field is slow.
WORD_FIELDS = [
    (word, name)
    for name in RESOURCES
    for word in range(
        HART.fields[name][1] // 8, (HART.fields[name][1] + HART.fields[name][0].itemsize + 7) // 8
    )
]
WORDS = np.array([word for word, _ in WORD_FIELDS])

# What is perturbed: a field of the record and the bits that are turned over.
PERTURBED = (
    ("mstatus", e.MSTATUS_SIE), ("mstatus", e.MSTATUS_SPIE), ("mstatus", e.MSTATUS_SPP),
    ("mstatus", e.MSTATUS_SUM), ("mstatus", e.MSTATUS_MXR), ("mstatus", e.MSTATUS_MPP),
    ("mie", e.SSIP), ("mip", e.SSIP), ("stvec", 0x40), ("sscratch", 5), ("sepc", 8),
    ("scause", 3), ("stval", 9), ("stimecmp", 4), ("hstatus", e.HSTATUS_SPVP), ("hedeleg", 4),
    ("hideleg", e.VSSIP), ("htval", 6), ("htinst", 6), ("htimedelta", 6),
    ("vsstatus", e.MSTATUS_SPP),
    ("vstvec", 0x40), ("vsscratch", 5), ("vsepc", 8), ("vscause", 3), ("vstval", 9),
    ("vstimecmp", 4), ("mscratch", 7), ("medeleg", 4), ("time_offset", 1 << 20),
)  # fmt: skip

# Remembered translations that are no program's, to see a fence drop them: one of the supervisor's
# and one of a guest's, of superpages, since a fence of one address drops those as well.
OWN_SLOT, GUEST_SLOT = 200, 201
OWN_NUMBER, GUEST_NUMBER = 400, 401
PLANTED = HART.fields["dtlb_read"][1] // 8 + np.array([OWN_SLOT, GUEST_SLOT])


@dataclass(frozen=True)
class Setting:
    """One field perturbed, or the data page mapped to `frame` (an offset in RAM)."""

    field: str = ""
    bits: int = 0
    frame: int = -1


@dataclass(frozen=True)
class Operands:
    """The registers a program starts with."""

    value: int


PLAIN = Setting()
SETTINGS = (
    PLAIN,
    *(Setting(name, bits) for name, bits in PERTURBED),
    Setting(frame=DATA),
    Setting(frame=COPY),
)
# a2 is also an ASID: its low 16 bits are 0, as the hart's own is.
PROGRAMS = (Operands(0x5_0000), Operands(0x1F_0000))


def listing() -> dict[str, str]:
    """Every instruction to try: its name and how it is written."""
    found = {}
    for row in INSTRUCTIONS:
        if row.name in CSR_ROWS:
            for csr in CSRS:
                last = "5" if row.name.endswith("i") else "a2"
                found[f"{row.name} {csr}"] = f"{row.name} a0, {csr}, {last}"
                if row.name == "csrrs":
                    found[f"csrr {csr}"] = f"csrr a0, {csr}"
            continue
        text = row.operands
        for name in sorted(OPERANDS, key=len, reverse=True):
            text = _replace(text, name, OPERANDS[name])
        found[row.name] = f"{row.name} {text}".strip()
    return found


def _replace(text: str, name: str, by: str) -> str:
    """Replace an operand's name where it stands alone."""
    parts = text.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split()
    return " ".join(by if part == name else part for part in parts)


class Bench:
    """A hart and its memory, in which one instruction at a time is tried."""

    def __init__(self, silent_privileged: bool):
        self.harts = new_hart()
        self.words = self.harts.view(np.int64)
        self.x, self.pc = self.harts["x"][0], self.harts["pc"]
        self.exceptions = self.harts["exceptions"][0]
        self.memory = new_memory(RAM_BYTES, 64, np.zeros(0, np.uint8))
        self.written = listing()
        self.silent = silent_privileged
        self.at = {}
        code = b""
        for name, text in self.written.items():
            self.at[name] = RAM_BASE + CODE + len(code)
            code += assemble(text).data.ljust(8, b"\0")
        if len(code) > DATA:
            raise ValueError(f"{len(code)} bytes of instructions; there is room for {DATA}.")
        self.memory.u8[CODE : CODE + len(code)] = np.frombuffer(code, np.uint8)
        self.contents = np.arange(PAGE // 8, dtype=np.int64) * 0x0101_0101
        self.roots = {}
        free = TABLES
        for user in (0, e.PTE_U):
            for frame in (DATA, COPY):
                self.roots[user, frame] = free
                free = self._map(free, user, frame)

    def _map(self, root: int, user: int, frame: int) -> int:
        """Tables at `root` that map RAM to itself, but the data page to `frame`."""
        words = self.memory.u64
        middle, low = root + PAGE, root + 2 * PAGE
        rights = e.PTE_V | e.PTE_R | e.PTE_W | e.PTE_X | e.PTE_A | e.PTE_D | user
        words[(root >> 3) + (RAM_BASE >> 30)] = _entry(middle, e.PTE_V)
        words[middle >> 3] = _entry(low, e.PTE_V)
        for page in range(RAM_BYTES // PAGE):
            offset = page * PAGE
            words[(low >> 3) + page] = _entry(frame if offset == DATA else offset, rights)
        return root + 3 * PAGE

    @functools.cache  # noqa: B019  a bench lives as long as its processor
    def prepared(self, setting: Setting, mode: str) -> np.ndarray:
        """The words of the hart's record before an instruction, its registers and pc apart."""
        harts = new_hart()
        hart = harts[0]
        reset(hart, RAM_BYTES, 0, True, 100)
        hart.mode = e.SUPERVISOR if mode == SUPERVISOR else e.USER
        hart.mtvec = RAM_BASE
        hart.mideleg |= e.S_INTERRUPTS
        hart.menvcfg |= e.ENVCFG_STCE
        hart.mcounteren = 7
        hart.silent = int(self.silent)
        frame = DATA
        if setting.field:
            harts[setting.field] ^= setting.bits
        elif setting.frame >= 0:
            frame = setting.frame
            user = 0 if mode == SUPERVISOR else e.PTE_U
            root = (RAM_BASE + self.roots[user, frame]) >> e.PAGE_SHIFT
            hart.satp = (e.ATP_SV39 << e.ATP_MODE_SHIFT | root) - (1 << 64)
        hart.reservation = RAM_BASE + frame + 1024
        settle(hart)
        supervisor = CONTEXT_USED | e.SUPERVISOR << CONTEXT_MODE_SHIFT
        for slot, number, context in (
            (OWN_SLOT, OWN_NUMBER, supervisor),
            (GUEST_SLOT, GUEST_NUMBER, supervisor | CONTEXT_VIRT),
        ):
            hart.context[number] = context
            hart.dtlb_read[slot] = (slot << e.PAGE_SHIFT) + (number << KEY_SHIFT)
            hart.dtlb_level[slot] = 1
        return harts.view(np.int64)

    def execute(self, name: str, program: Operands, setting: Setting, mode: str) -> Effect:
        """Run one instruction; see `virtlab.published.sensitive.Effect`."""
        before = self.prepared(setting, mode)
        self.words[:] = before
        memory, x = self.memory, self.x
        frame = max(setting.frame, DATA)
        page = memory.u64[frame >> 3 : (frame + PAGE) >> 3]
        page[:] = self.contents
        self.pc[0] = self.at[name]
        x[2] = x[10] = x[11] = POINTER
        x[12] = program.value
        with np.errstate(over="ignore"):
            run(self.harts, *memory, 1)
        if self.exceptions.any():
            cause = int(np.flatnonzero(self.exceptions)[0])
            return Effect(trap=MEMORY_TRAP if cause in MEMORY_CAUSES else e.cause_name(cause))
        now = self.words[WORDS]
        changed = {(WORD_FIELDS[k], int(now[k])) for k in np.flatnonzero(now != before[WORDS])}
        changed = {(field if field == "mode" else word, new) for (word, field), new in changed}
        gone = np.flatnonzero(self.words[PLANTED] != before[PLANTED])
        changed |= {("translations", int(k)) for k in gone}
        seen = (x[:32].tobytes(), int(self.pc[0]), page.tobytes())
        return Effect(seen, frozenset(changed))


def _entry(offset: int, bits: int) -> int:
    return (RAM_BASE + offset) >> e.PAGE_SHIFT << e.PTE_PPN_SHIFT | bits


def processor(silent_privileged: bool = False) -> Processor:
    """The book's machine as a processor to classify.

    Parameters
    ----------
    silent_privileged : as Machine's: accesses to sstatus, sie and sip, and sfence.vma and wfi, do
        not trap in U-mode
    """
    bench = Bench(bool(silent_privileged))
    name = "RISC-V, silent_privileged" if silent_privileged else "RISC-V"
    return Processor(name, tuple(bench.written), PROGRAMS, SETTINGS, bench.execute)
