"""A recorded run in plain data, with the field names of `virtlab.machine`, for figures to draw.

The numbers are a small made-up guest: it boots in machine mode, its kernel serves a system call, a
timer interrupt and a page fault. `FakeMachine` stands in for a machine before the player.
"""

import dataclasses
from types import SimpleNamespace
from typing import ClassVar

KERNEL, USER = 0x8020_0000, 0x1_0000

ECALL = "environment call from U-mode"
TIMER = "supervisor timer interrupt"


def event(steps, kind, cause_name, from_mode, to_mode, pc=KERNEL):
    return SimpleNamespace(
        steps=steps,
        pc=pc,
        kind=kind,
        cause=0,
        cause_name=cause_name,
        tval=0,
        from_mode=from_mode,
        to_mode=to_mode,
    )


EVENTS = [
    event(100, "return", "return from trap", "M", "S"),
    event(400, "return", "return from trap", "S", "U"),
    event(500, "exception", ECALL, "U", "S", USER),
    event(550, "return", "return from trap", "S", "U"),
    event(700, "interrupt", TIMER, "U", "S", USER + 8),
    event(760, "return", "return from trap", "S", "U"),
    event(900, "exception", "load page fault", "U", "S", USER + 16),
]
END = 1_000

COUNTERS = {
    "instructions": 1_000,
    "traps": {ECALL: 30, TIMER: 9, "load page fault": 1, "breakpoint": 0},
    "tlb_hits": 700,
    "page_walks": 12,
    "device_reads": 2,
    "device_writes": 3,
}


def walk_step(level, table_pa, index, pte, flags, outcome, stage="S"):
    return SimpleNamespace(
        stage=stage,
        level=level,
        table_pa=table_pa,
        index=index,
        pte_pa=table_pa + 8 * index,
        pte=pte,
        flags=flags,
        outcome=outcome,
    )


MAPPED = SimpleNamespace(
    va=0x3F_FFFF_E018,
    pa=0x8023_4018,
    fault=None,
    steps=[
        walk_step(2, 0x8020_1000, 255, 0x2008_0801, "V", "pointer to the next table"),
        walk_step(1, 0x8020_2000, 511, 0x2008_0C01, "V", "pointer to the next table"),
        walk_step(0, 0x8020_3000, 510, 0x2008_D0C7, "DAWRV", "leaf: 4 KiB page"),
    ],
)
UNMAPPED = SimpleNamespace(
    va=0x4000_0018,
    pa=None,
    fault="load page fault",
    steps=[walk_step(2, 0x8020_1000, 1, 0, "", "not valid")],
)
NESTED = SimpleNamespace(
    va=0x4000_0018,
    pa=None,
    fault="load page fault",
    steps=[
        walk_step(2, 0x8030_0000, 2, 0x2000_00DF, "DA-UXWRV", "leaf: a 1 GiB superpage", "G"),
        walk_step(2, 0x8020_1000, 1, 0, "", "not valid", "VS"),
    ],
)
BARE = SimpleNamespace(va=0x8000_0010, pa=0x8000_0010, fault=None, steps=[])


def mapping(va, pa, level, flags):
    return SimpleNamespace(va=va, pa=pa, size_bytes=4096 << (9 * level), level=level, flags=flags)


MAPPINGS = [
    mapping(0x1000_0000, 0x1000_0000, 0, "DAWRV"),
    *(mapping(KERNEL + 4096 * n, KERNEL + 4096 * n, 0, "AXRV") for n in range(3)),
    *(mapping(KERNEL + 4096 * n, KERNEL + 4096 * n, 0, "DAWRV") for n in range(3, 8)),
    mapping(0x8040_0000, 0x8040_0000, 1, "DAWRV"),
    mapping(0x3F_FFFF_F000, 0x8020_7000, 0, "AXRV"),
]


def tlb_entry(index, va, mode, w):
    return SimpleNamespace(
        index=index, va=va, pa=va, mode=mode, asid=0, vmid=0, r=True, w=w, x=False
    )


TLB = [tlb_entry(3, KERNEL, "S", False), tlb_entry(16, USER, "U", True)]


@dataclasses.dataclass
class FakeStop:
    reason: str
    detail: str


class FakeMachine:
    """Counts like a machine: every step adds one to a0 and moves pc by four.

    It prints one letter for every ten steps of a run, waits for input at step 100, and records in
    `asked` what it was asked to do.
    """

    def __init__(self):
        self.steps, self.typed, self.asked, self.events = 0, "", [], list(EVENTS)
        self.exit_code, self.mode, self.console = None, "S", ""

    waiting = False
    symbols: ClassVar[dict] = {"main": KERNEL + 8}

    @property
    def pc(self):
        return KERNEL + 4 * self.steps

    @property
    def registers(self):
        return {"zero": 0, "ra": KERNEL, "a0": self.steps}

    def last_events(self, n):
        return self.events[-n:]

    def disassemble(self, pc=None, n=12, before=4):
        first = max(KERNEL, self.pc - 4 * before)
        return [(first + 4 * k, 0x13, "nop") for k in range(n)]

    def step(self, n=1):
        self.steps += n
        self.asked.append(("step", n))

    def back(self, n=1):
        if n > self.steps:
            raise ValueError(f"cannot go back {n} steps from step {self.steps}")
        self.steps -= n
        self.asked.append(("back", n))

    def run(self, budget, until=None):
        self.asked.append(("run", budget, until))
        room = 100 - self.steps
        moved = min(budget, room)
        self.steps += moved
        self.console += "x" * (moved // 10)
        if budget < room:
            return FakeStop("budget", "the budget of steps is used up")
        return FakeStop("idle", "the guest waits for input")

    def type(self, text):
        self.typed += text

    def reset(self):
        self.steps, self.console = 0, ""
        self.asked.append("reset")

    def translate(self, va, access):
        self.asked.append(("translate", va, access))
        return {MAPPED.va: MAPPED, UNMAPPED.va: UNMAPPED}.get(va, BARE)
