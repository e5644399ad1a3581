"""What guests of the toolstack do in tests; what they have to print and to leave on their disks."""

import re

from virtlab.platforms.xen import Guest, System, system
from virtlab.platforms.xen.toolstack import mac

FNV_START, FNV_PRIME = 0xCBF2_9CE4_8422_2325, 0x100_0000_01B3


def pattern(seed: int, n_bytes: int) -> bytes:
    """What `fill` writes and `packets` sends."""
    return bytes(
        ((seed + at) * 2654435761 & 0xFFFF_FFFF) >> 24 ^ (at >> 8 & 0xFF) for at in range(n_bytes)
    )


def hash_of(data: bytes) -> int:
    """FNV-1a."""
    value = FNV_START
    for byte in data:
        value = (value ^ byte) * FNV_PRIME & (1 << 64) - 1
    return value


def hashes(text: str) -> list[int]:
    """Those that programs have printed."""
    return [int(found.replace("_", ""), 16) for found in re.findall(r"hash 0x([0-9a-f_]+)", text)]


N_BLOCKS, N_PACKETS = 12, 40
LINES = {
    "Domain-0": f"fill /tmp/f {N_BLOCKS} 10\n",
    "a": f"fill /tmp/f {N_BLOCKS} 11; packets send {mac(2)} {N_PACKETS} 21\n",
    "b": f"fill /tmp/f {N_BLOCKS} 12; packets receive {N_PACKETS}\n",
    "c": "cat /bin/sh > /tmp/f; wc /tmp/f; diskread; forkwait\n",
}
SENT = hash_of(pattern(21, 1024 * N_PACKETS))
EXPECTED = {
    "Domain-0": [hash_of(pattern(10, 4096 * N_BLOCKS))],
    "a": [hash_of(pattern(11, 4096 * N_BLOCKS)), SENT],
    "b": [hash_of(pattern(12, 4096 * N_BLOCKS)), SENT],
    "c": [],
}


def four() -> System:
    """Domain0, two PV guests and an HVM one, each with its work typed."""
    here = system("a", "b", Guest("c", kernel="pith"))
    for name, line in LINES.items():
        here.xen.type(here.number[name], line)
    return here


def has_done(here: System, name: str) -> bool:
    """Whether a guest has done its work, and all of it right."""
    console = here.console(name).partition(LINES[name])[2]
    right = hashes(console) == EXPECTED[name]
    if name == "c":
        right = console.endswith("diskread: 100 blocks\nforkwait: 100 processes\n$ ")
    return right and console.endswith("$ ")
