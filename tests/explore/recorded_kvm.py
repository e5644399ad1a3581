"""Exits under KVM in plain data, for figures to draw."""

import random
from dataclasses import dataclass

from virtlab.platforms.kvm.watching import WatchedExit

RUNS = {
    "virtio": {"guest": 1_000, "kernel": 10, "user": 4},
    "one register at a time": {"guest": 2_000, "kernel": 300, "user": 290},
}


@dataclass(frozen=True)
class Exits:
    """The field names of `ExitsByPath`."""

    path: str
    n_requests: int
    to_program: int
    in_kernel: int
    n_interrupts: int


REQUESTS = {
    "a frame": [Exits("emulated", 4, 24, 0, 4), Exits("virtio", 4, 12, 0, 4)],
    "a sector": [Exits("emulated", 1, 263, 0, 1), Exits("virtio", 1, 3, 0, 1)],
    "15 frames": [Exits("emulated", 15, 20, 0, 1), Exits("virtio", 15, 2, 1, 1)],
}


def watched(n: int = 50, seed: int = 1) -> list[WatchedExit]:
    """`n` exits at random."""
    rng, steps, exits = random.Random(seed), 0, []
    for _ in range(n):
        steps += rng.randrange(1, 500)
        to_program = rng.random() < 0.5
        to_device = to_program and rng.random() < 0.7
        part = rng.randrange(3)
        pc = rng.choice((0x8000_1000, 0xFFFF_FFFF_8000_1064))
        what = rng.choice(("an access & <more>.", "the guest waits."))
        exits.append(WatchedExit(steps, pc, part, to_program, to_device, what))
    return exits
