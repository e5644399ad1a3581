"""Boxes in plain data, for figures to draw."""

import random
from dataclasses import dataclass

from virtlab.containers.processes import KernelObject, Process
from virtlab.containers.recording import (
    DEVICE,
    FAULT,
    HOST,
    IDLE,
    SYSTEM_CALL,
    TIMER,
    Entry,
    Pages,
    Recording,
    Turn,
)

OBJECTS = [
    KernelObject("port", "80", "web", {"web": "80"}),
    KernelObject("process", "1, init", "host", {"host": "1"}),
    KernelObject("process", "7, serve <x>", "web", {"host": "7", "web": "1"}),
    KernelObject("process", "9, hog {cpu}", "db", {"host": "9", "db": "1"}),
    KernelObject("host name", "pith", "host", {"host": "pith", "db": "pith"}),
    KernelObject("host name", "web", "web", {"web": "web"}),
    KernelObject("root directory", "/boxes/web", "web", {"host": "/boxes/web", "web": "/"}),
]
SERVERS = {
    "process": {"instructions to start": 30_000, "KiB of memory": 40, "{pages}": 10},
    "box": {"instructions to start": 61_000, "KiB of memory": 96, "{pages}": 24},
    "virtual machine": {
        "instructions to start": 9_000_000,
        "KiB of memory": 4_096,
        "{pages}": 1_024,
    },
}


@dataclass(frozen=True)
class Fit:
    """How many servers found room, with the field names of `virtlab.platforms.density`."""

    instance: str
    ram_bytes: int
    n: int


FITS = [
    Fit(name, n_mib << 20, n)
    for name, row in {
        "box": {64: 400, 16: 30, 128: 900},
        "virtual machine": {16: 0, 128: 22, 64: 10},
    }.items()
    for n_mib, n in row.items()
]


WHATS = {
    SYSTEM_CALL: ("write", "read", "fork", "sbrk", "port", "probe", "sleep"),
    FAULT: ("store/AMO page fault",),
    TIMER: ("supervisor timer interrupt",),
    DEVICE: ("supervisor external interrupt",),
}


def fake_recording(n: int = 300, n_boxes: int = 3, seed: int = 1) -> Recording:
    """`n` entries at random from the host and `n_boxes - 1` boxes, with turns and memory."""
    rng = random.Random(seed)
    names = {HOST: "host"} | {k: f"web {k}" for k in range(1, n_boxes)}
    limits = {k: 64 * (k % 2) for k in names}
    steps, time, ran = 1_000, 2_000, {}
    entries, turns, pages = [], [Turn(time, HOST)], []
    box = HOST
    for _ in range(n):
        spent = rng.randrange(1, 3_000)
        steps, time = steps + spent, time + spent
        ran[box] = ran.get(box, 0) + spent
        cause = rng.choice(list(WHATS))
        who = Process(10 * box + rng.randrange(2), 1, rng.choice(("hog", "sh")), "running", box)
        what = rng.choice(WHATS[cause])
        entries.append(Entry(steps, time, 4 * steps, who, cause, what, ran))
        ran = {}
        if what == "sbrk":
            pages.append(Pages(time, box, rng.randrange(1, 60)))
        if rng.random() < 0.1:
            turns.append(Turn(time, IDLE))
            time += rng.randrange(1, 100_000)
        if rng.random() < 0.5:
            box = rng.choice(list(names))
            turns.append(Turn(time, box))
        elif turns[-1].box == IDLE:
            turns.append(Turn(time, box))
    return Recording(2_000, time + 500, names, limits, entries, turns, pages)
