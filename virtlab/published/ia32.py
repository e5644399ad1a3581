"""Which IA-32 instructions are sensitive? Found from what each reads and writes, not from a list.

A model of the Pentium in protected mode as far as sensitivity goes: what an instruction reads and
writes of the tables' registers GDTR, IDTR, LDTR and TR, the machine status word, the interrupt flag
and IOPL, the segment registers and with them the current privilege level, control, debug and
model-specific registers, ports, cache and TLB. Supervisor mode is CPL 0, user mode CPL 3.

The published list was known when this was written. What is independent of it is the class: nothing
here says of an instruction that it is sensitive, only what it does.

User mode is as a monitor sets it up: IOPL is 0, and CR4 forbids reading the time-stamp and
performance counters. A program at CPL 3 can change neither; with other values cli, in or rdtsc
would not trap.

A descriptor table is named by its register: GDTR 1 and GDTR 2 are two tables with other contents,
as a guest's own and its monitor's are. What the processor keeps of a descriptor in the hidden part
of a segment register, limit and rights, the program can find out by using the segment, so it counts
as seen.

Left out: lds, les, lfs, lgs and lss, which are mov to a segment register with a load before it;
int3 and into, which are int n; gates that switch tasks; sysenter and cpuid.

`VTX` is the same processor with VT-x: user mode is then non-root operation, in which the processor
works on its own copies of those registers, and what has no copy exits.

Sources: Robin and Irvine 2000 and Bugnion, Nieh and Tsafrir 2017, Table 2.2, for which instructions
are in question; Intel, "Software Developer's Manual", volumes 2 and 3A, for what they do.
"""

from types import SimpleNamespace

from virtlab.published.sensitive import SUPERVISOR, USER, Effect, Processor

CARRY, ZERO, INTERRUPT = 1 << 0, 1 << 6, 1 << 9
IOPL_SHIFT = 12
STATUS = CARRY | ZERO
NULL_CODE, OUTER = 8, 3
GP = "general protection"

# The monitor's: what is perturbed, one resource at a time, and watched for changes.
RESOURCES = {
    "gdtr": 1, "idtr": 1, "ldtr": 1, "tr": 1, "msw": 1, "cr3": 1, "dr7": 0,
    "interrupts": 1, "port": 0, "msr": 0, "cache": 0, "tlb": 0, "tsc": 5, "pmc": 5, "halted": 0,
}  # fmt: skip
OTHER = {
    "gdtr": 2, "idtr": 2, "ldtr": 2, "tr": 2, "msw": 9, "cr3": 2, "dr7": 3,
    "interrupts": 0, "port": 4, "msr": 4, "cache": 4, "tlb": 4, "tsc": 6, "pmc": 6,
}  # fmt: skip
DUPLICATED = ("gdtr", "idtr", "ldtr", "tr", "msw", "interrupts", "cr3", "dr7")  # by VT-x
# The rest has no copy; the monitor makes these exit. cr3 too, while it keeps shadow page tables.
EXITING = (
    "in", "out", "rdmsr", "wrmsr", "invd", "wbinvd", "invlpg", "hlt", "rdtsc", "rdpmc", "mov cr",
    "mov dr",
)  # fmt: skip


class GeneralProtectionError(Exception):
    """The instruction traps; nothing has been changed."""


def descriptor(s, selector: int) -> SimpleNamespace:
    """The descriptor of a selector, in the table that GDTR or LDTR locates."""
    table = s.ldtr if selector & 4 else s.gdtr
    inside = selector >> 3 & 3
    return SimpleNamespace(
        dpl=OUTER if selector & 3 == OUTER else 0,
        limit=0x1000 * table + inside,
        rights=0x90 + table,
        target=0x40 * table,
        code=bool(inside & 1),
    )


def visible(s, selector: int):
    """The descriptor if the current privilege level may see it, else None."""
    found = descriptor(s, selector)
    return found if max(s.cpl, selector & 3) <= found.dpl else None


def flags(s) -> int:
    return s.status | s.interrupts << 9 | s.iopl << IOPL_SHIFT


def set_flags(s, value: int) -> None:
    """Pop the flags: outside IOPL the interrupt flag keeps its value, and nobody is told."""
    s.status = value & STATUS
    if s.cpl <= s.iopl:
        s.interrupts = value >> 9 & 1
    if s.cpl == 0:
        s.iopl = value >> IOPL_SHIFT & 3


def load_segment(s, selector: int) -> None:
    found = visible(s, selector)
    if found is None:
        raise GeneralProtectionError
    s.ds, s.ds_limit, s.ds_rights = selector, found.limit, found.rights


def enter_code(s, selector: int, level: int) -> None:
    """Load CS; its hidden part comes from the descriptor."""
    found = descriptor(s, selector)
    s.cs = selector & ~3 | level
    s.cs_limit, s.cs_rights = found.limit, found.rights
    s.cpl = level


def through_gate(s, table: int) -> None:
    """Call the supervisor through the gate of a table: CPL becomes 0 without the monitor."""
    s.saved = (s.cs, s.pc)
    enter_code(s, NULL_CODE, 0)
    s.pc = 0x100 + 0x40 * table


def set_zero(s, holds: bool) -> None:
    s.status = s.status & ~ZERO | ZERO * holds


def privileged(s) -> None:
    if s.cpl != 0:
        raise GeneralProtectionError


def needs_iopl(s) -> None:
    if s.cpl > s.iopl:
        raise GeneralProtectionError


def put(name: str, value=None):
    """An instruction that writes a register of the monitor's, at CPL 0 only."""

    def step(s):
        privileged(s)
        setattr(s, name, s.ax if value is None else value)

    return step


def get(name: str, guard=None):
    """An instruction that reads a register of the monitor's."""

    def step(s):
        if guard is not None:
            guard(s)
        s.ax = getattr(s, name)

    return step


def forbidden_by_cr4(s) -> None:
    if s.cpl != 0 and s.counters_forbidden:
        raise GeneralProtectionError


def add(s):
    s.ax += s.bx
    set_zero(s, s.ax == 0)


def compare(s):
    set_zero(s, s.ax == s.bx)


def move(s):
    s.ax = s.bx


def load(s):
    s.ax = s.top


def store(s):
    s.top = s.ax


def exchange(s):
    s.ax, s.bx = s.bx, s.ax


def jump_if_zero(s):
    s.pc = 0x20 if s.status & ZERO else s.pc


def near(s):
    s.pc = 0x20


def call_near(s):
    s.top, s.pc = s.pc, 0x20


def clear_carry(s):
    s.status &= ~CARRY


def load_flags_into_ah(s):
    s.ax = s.status


def adjust_rpl(s):
    lower = s.ax & 3 < s.bx & 3
    set_zero(s, lower)
    if lower:
        s.ax = s.ax & ~3 | s.bx & 3


def nothing(s):
    """nop."""


def pushf(s):
    s.top = flags(s)


def popf(s):
    set_flags(s, s.top)


def iret(s):
    set_flags(s, s.top)
    enter_code(s, NULL_CODE | OUTER, OUTER)
    s.pc = 0x30


def lar(s):
    found = visible(s, s.selector)
    set_zero(s, found is not None)
    if found is not None:
        s.ax = found.rights


def lsl(s):
    found = visible(s, s.selector)
    set_zero(s, found is not None)
    if found is not None:
        s.ax = found.limit


def verify(s):
    set_zero(s, visible(s, s.selector) is not None)


def push_segment(s):
    s.top = s.cs


def pop_segment(s):
    load_segment(s, s.selector)


def call_far(s):
    through_gate(s, s.gdtr)


def jmp_far(s):
    enter_code(s, s.selector, s.cpl)
    s.pc = descriptor(s, s.selector).target


def ret_far(s):
    enter_code(s, NULL_CODE | OUTER, OUTER)
    s.pc = 0x30


def int_n(s):
    through_gate(s, s.idtr)


def set_interrupts(value: int):
    def step(s):
        needs_iopl(s)
        s.interrupts = value

    return step


def lmsw(s):
    privileged(s)
    s.msw = s.ax & 0xF


def out(s):
    needs_iopl(s)
    s.port = s.ax


INSTRUCTIONS = {
    "add": add, "cmp": compare, "mov": move, "mov load": load, "mov store": store,
    "xchg": exchange, "push": store, "pop": load, "jz": jump_if_zero, "jmp": near,
    "call": call_near, "ret": near, "clc": clear_carry, "lahf": load_flags_into_ah,
    "arpl": adjust_rpl, "nop": nothing,
    "pushf": pushf, "popf": popf, "iret": iret,
    "lar": lar, "verr": verify, "verw": verify, "lsl": lsl,
    "pop segment": pop_segment, "push segment": push_segment, "mov segment": pop_segment,
    "sgdt": get("gdtr"), "sldt": get("ldtr"), "sidt": get("idtr"), "smsw": get("msw"),
    "call far": call_far, "jmp far": jmp_far, "ret far": ret_far, "str": get("tr"), "int n": int_n,
    "lgdt": put("gdtr"), "lldt": put("ldtr"), "ltr": put("tr"), "lidt": put("idtr"),
    "mov cr": put("cr3"), "lmsw": lmsw, "clts": put("msw", 0), "mov dr": put("dr7"),
    "invd": put("cache"), "wbinvd": put("cache"), "invlpg": put("tlb"), "hlt": put("halted", 1),
    "rdmsr": get("msr", privileged), "wrmsr": put("msr"),
    "cli": set_interrupts(0), "sti": set_interrupts(1), "in": get("port", needs_iopl), "out": out,
    "rdtsc": get("tsc", forbidden_by_cr4), "rdpmc": get("pmc", forbidden_by_cr4),
}  # fmt: skip
# What the program sees, and what it starts from.
SEEN = ("ax", "bx", "top", "status", "pc", "ds", "ds_limit", "ds_rights", "cs_limit", "cs_rights")
PROGRAMS = tuple(
    (ax, selector, top)
    for ax in (0, 0x77)
    for selector in (0x10, 0x13, 0x1F)  # a supervisor's segment, a user's, one of the LDT
    for top in (0, STATUS, INTERRUPT | STATUS, 3 << IOPL_SHIFT)
)
SETTINGS = (RESOURCES, *({**RESOURCES, name: value} for name, value in OTHER.items()))


def begin(program: tuple, setting: dict, cpl: int) -> SimpleNamespace:
    """The processor before the instruction."""
    ax, selector, top = program
    return SimpleNamespace(
        **setting,
        cpl=cpl,
        iopl=0,
        counters_forbidden=1,
        ax=ax,
        bx=0x77,
        top=top,
        status=CARRY,
        selector=selector,
        pc=2,
        saved=(),
        cs=NULL_CODE | cpl,
        cs_limit=1,
        cs_rights=1,
        ds=0x13,
        ds_limit=1,
        ds_rights=1,
    )


def seen(s) -> tuple:
    return tuple(getattr(s, name) for name in SEEN)


def execute(name: str, program: tuple, setting: dict, mode: str) -> Effect:
    """Execute one instruction at CPL 0 or 3 with the resources of `setting`."""
    s = begin(program, setting, 0 if mode == SUPERVISOR else OUTER)
    level, iopl = s.cpl, s.iopl
    try:
        INSTRUCTIONS[name](s)
    except GeneralProtectionError:
        return Effect(trap=GP)
    changed = {(key, getattr(s, key)) for key in RESOURCES if getattr(s, key) != setting[key]}
    if s.iopl != iopl:
        changed.add(("iopl", s.iopl))
    if s.cpl != level:
        changed.add(("mode", s.cpl))
    return Effect(seen(s), frozenset(changed))


IA32 = Processor("IA-32", tuple(INSTRUCTIONS), PROGRAMS, SETTINGS, execute)


def execute_in_guest(name: str, program: tuple, setting: dict, cpl: int, exiting) -> Effect:
    """Execute one instruction in non-root operation; `setting` are the host's resources."""
    if name in exiting:
        return Effect(trap="exit")
    copies = {key: RESOURCES[key] for key in DUPLICATED}
    s = begin(program, {**setting, **copies}, cpl)
    s.counters_forbidden = 0
    try:
        INSTRUCTIONS[name](s)
    except GeneralProtectionError:
        s.pc = -1  # the guest's own exception, delivered to the guest
    changed = {
        (key, getattr(s, key))
        for key in RESOURCES
        if key not in DUPLICATED and getattr(s, key) != setting[key]
    }
    own = tuple(getattr(s, key) for key in (*DUPLICATED, "cpl", "iopl"))
    return Effect((seen(s), own), frozenset(changed))


def with_exits(exiting=EXITING) -> Processor:
    """IA-32 with VT-x as a host sees its guest, which runs in non-root operation, kernel and all.

    A program is here the whole guest, at CPL 0 or 3, and its copies of the registers are its own.
    """

    def run(name: str, program: tuple, setting: dict, mode: str) -> Effect:
        *own, cpl = program
        return execute_in_guest(name, tuple(own), setting, cpl, exiting)

    programs = tuple((*program, cpl) for program in PROGRAMS for cpl in (0, OUTER))
    return Processor("IA-32 with VT-x", tuple(INSTRUCTIONS), programs, SETTINGS, run, modes=(USER,))


VTX = with_exits()
