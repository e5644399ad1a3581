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
N_BYTES = 4096 * N_BLOCKS
SEEDS = {"Domain-0": 10, "a": 11, "b": 12, "c": 13}  # of the files
FILES = {name: pattern(seed, N_BYTES) for name, seed in SEEDS.items()}
SENT = [hash_of(pattern(seed, 1024 * N_PACKETS)) for seed in (21, 22)]
LINES = {name: f"fill /tmp/f {N_BLOCKS} {seed}" for name, seed in SEEDS.items()}
LINES["a"] += f"; packets send {mac(2)} {N_PACKETS} 21; packets send {mac(3)} {N_PACKETS} 22"
LINES["b"] += f"; packets receive {N_PACKETS}"
LINES["c"] += f"; packets receive {N_PACKETS}"
EXPECTED = {name: [hash_of(data)] for name, data in FILES.items()}
EXPECTED["a"] += SENT
EXPECTED["b"] += SENT[:1]
EXPECTED["c"] += SENT[1:]


def four() -> System:
    """Domain0, two PV guests and an HVM one, each with its work typed."""
    here = system("a", "b", Guest("c", kernel="pith_hvm"))
    for name, line in LINES.items():
        here.xen.type(here.number[name], line + "\n")
    return here


def has_done(here: System, name: str) -> bool:
    """Whether a domain has done its work, and all of it right."""
    console = here.console(name).partition(LINES[name] + "\n")[2]
    return hashes(console) == EXPECTED[name] and console.endswith("$ ")
