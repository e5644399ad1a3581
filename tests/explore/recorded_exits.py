"""Exits in plain data, with the field names of `virtlab.hypervisors`, for figures to draw."""

import random
from dataclasses import dataclass

from virtlab.hypervisors.exits import Action, ExitReason
from virtlab.hypervisors.hardware_assisted import PAGING

ACTIONS = {
    ExitReason.ECALL: Action.REFLECT,
    ExitReason.PRIVILEGED: Action.RESUME,
    ExitReason.SHADOW_PAGE_FAULT: Action.RETRY,
    ExitReason.TRACE: Action.RESUME,
    ExitReason.MMIO: Action.RESUME,
    ExitReason.TIMER: Action.REFLECT,
    ExitReason.HALT: Action.STOP,
}


@dataclass(frozen=True)
class FakeExit:
    """What a figure reads of an exit."""

    steps: int
    pc: int
    reason: ExitReason
    action: Action
    gva: int
    mode: str


class FakeVm:
    """What a figure reads of a virtual machine: `n` exits at random, `lost` counted before them."""

    paging = PAGING["nested"]

    def __init__(self, technique: str = "trap-and-emulate", n: int = 300, lost: int = 0, seed=1):
        rng = random.Random(seed)
        self.technique = technique
        self.exits, self.steps = [], 0
        for k in range(n):
            self.steps += rng.choice((0, 1, rng.randrange(2_000)))
            reason = rng.choice(list(ACTIONS)[:-1]) if k < n - 1 else ExitReason.HALT
            pc, gva = 0x8020_0000 + 4 * rng.randrange(5_000), rng.getrandbits(64)
            mode = rng.choice(("S", "U", "VS", "VU"))
            self.exits.append(FakeExit(self.steps, pc, reason, ACTIONS[reason], gva, mode))
        self.steps += 500
        reasons = [exit.reason for exit in self.exits] + [ExitReason.PRIVILEGED] * lost
        self.exit_counts = {reason: reasons.count(reason) for reason in ExitReason}
        self.n_exits = len(reasons)
        self.counts = {
            "instructions": self.steps,
            "exits": len(reasons),
            "hart_instructions": self.steps - 200,
            "emulated": 200,
            "world_switches": len(reasons) + 1,
        }
        self.counts |= {f"exit:{reason.name.lower()}": n for reason, n in self.exit_counts.items()}

    def __repr__(self) -> str:
        return f"FakeVm({self.technique!r})"
