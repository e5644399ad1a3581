"""Does the IOMMU's walk agree with one written in plain Python, on tables drawn at random?"""

import random

import numpy as np
import pytest

from virtlab._jit import njit
from virtlab.isa import encoding as e
from virtlab.machine import boot
from virtlab.machine.devices.iommu import device_offset
from virtlab.machine.state import RAM_BASE, Memory, new_memory

RAM_BYTES = 4 << 20
N_TABLES = 6  # pages behind the root that tables may be in
N_WALKS = 3_000
LEAF = e.PTE_V | e.PTE_U | e.PTE_R | e.PTE_W


@njit
def offset_of(harts, ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, at, n, writing):
    """The function in question, for Python."""
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    return device_offset(harts[0], mem, np.int64(at), np.int64(n), np.int64(writing))


def plain_page(ram, iova: int, writing: bool) -> int | None:
    """Offset in RAM of the byte at `iova`: the manual's Sv39x4 walk, 11 + 9 + 9 bits."""
    if not 0 <= iova < 1 << 41:
        return None
    table, needed = 0, {0, 4, 1} | ({2} if writing else set())
    for bits, below in ((11, 30), (9, 21), (9, 12)):
        at = table + 8 * (iova >> below & (1 << bits) - 1)
        if not 0 <= at < len(ram):
            return None
        pte = int.from_bytes(ram[at : at + 8].tobytes(), "little")
        place = (pte >> 10) % (1 << 44) * 4096 - RAM_BASE
        held = {bit for bit in range(8) if pte >> bit & 1}
        if held & {1, 2, 3}:
            size = 1 << below
            place = (place + RAM_BASE) // size * size - RAM_BASE + iova % size
            fits = 0 <= place - place % 4096 <= len(ram) - 4096
            return place if needed <= held and fits else None
        if 0 not in held:
            return None
        table = place
    return None


def plain(ram, iova: int, n_bytes: int, writing: bool) -> int:
    """Offset of a whole piece, or -1: every byte's page is allowed, and they are neighbours."""
    found = plain_page(ram, iova, writing)
    if found is None:
        return -1
    for at in range(iova - iova % 4096 + 4096, iova + n_bytes, 4096):
        if plain_page(ram, at, writing) != found + at - iova:
            return -1
    return found


@pytest.fixture
def board():
    """(arrays of a hart and its memory, the hart): an IOMMU whose root is at the base of RAM."""
    harts = boot.new_hart()
    boot.reset(harts[0], RAM_BYTES, 0, True, 100)
    mem = new_memory(RAM_BYTES, 1, np.zeros(0, np.uint8))
    harts[0].iohgatp = (8 << 60 | RAM_BASE >> 12) - (1 << 64)
    return (harts, *mem), harts[0], mem


def entry(chance, level: int) -> int:
    """An entry for a table of `level`: often the next table, or a leaf, or nonsense."""
    kind = chance.random()
    if kind < 0.1:
        return chance.getrandbits(64)
    if level and kind < 0.8:
        return (RAM_BASE >> 12) + 4 + chance.randrange(N_TABLES) << 10 | e.PTE_V
    bits = LEAF & ~(1 << chance.choice([0, 1, 2, 4])) if kind > 0.9 else LEAF
    return (RAM_BASE >> 12) + chance.randrange(RAM_BYTES >> 12) << 10 | bits


def test_random_tables_lead_where_a_plain_walk_leads(board, rng_seed=20):
    arguments, hart, mem = board
    chance = random.Random(rng_seed)
    roots = [chance.randrange(2048) for _ in range(8)]
    inner = [chance.randrange(512) for _ in range(8)]
    reached = refused = 0
    for number in range(N_WALKS):
        if number % 30 == 0:
            mem.u64[: 512 * (4 + N_TABLES)] = 0
            for index in roots:
                mem.u64.view(np.uint64)[index] = entry(chance, 2)
            for table in range(N_TABLES):
                first = chance.randrange(256, RAM_BYTES >> 12) - 256
                for k, index in enumerate(inner):
                    mem.u64.view(np.uint64)[512 * (4 + table) + index] = entry(chance, table % 3)
                    leaf = (RAM_BASE >> 12) + first + k << 10 | LEAF  # pages side by side
                    if chance.random() < 0.5:
                        mem.u64.view(np.uint64)[512 * (4 + table) + k] = leaf
        parts = [chance.choice(roots), *(chance.choice([*inner, *range(8)]) for _ in range(2))]
        iova = parts[0] << 30 | parts[1] << 21 | parts[2] << 12 | chance.randrange(4096)
        if chance.random() < 0.02:
            iova |= 1 << chance.randrange(41, 63)
        n_bytes, writing = chance.choice([0, 1, 16, 512, 4096, 9000]), chance.random() < 0.5
        wanted, before = plain(mem.u8, iova, n_bytes, writing), int(hart.iommu_faults)
        assert offset_of(*arguments, iova, n_bytes, int(writing)) == wanted, (number, hex(iova))
        assert hart.iommu_faults - before == (wanted < 0)
        reached, refused = reached + (wanted >= 0), refused + (wanted < 0)
    assert reached > 200 and refused > 200


def test_without_a_table_an_address_is_physical(board):
    arguments, hart, _ = board
    hart.iohgatp = 0
    assert offset_of(*arguments, RAM_BASE + 5, 8, 1) == 5
    assert offset_of(*arguments, RAM_BASE + RAM_BYTES - 8, 9, 0) == -1
    assert offset_of(*arguments, 0, 1, 0) == -1
    assert hart.iommu_faults == 0


def test_the_refused_page_is_noted(board):
    arguments, hart, mem = board
    mem.u64[2] = (RAM_BASE >> 12) + 4 << 10 | e.PTE_V
    mem.u64[512 * 4] = (RAM_BASE >> 12) + 5 << 10 | e.PTE_V
    mem.u64[512 * 5 : 512 * 5 + 2] = [(RAM_BASE >> 12) + page << 10 | LEAF for page in (9, 10)]
    assert offset_of(*arguments, RAM_BASE + 0xFF0, 0x1010, 1) == 0x9FF0
    assert offset_of(*arguments, RAM_BASE + 0xFF0, 0x1011, 1) == -1
    assert (hart.iommu_faults, hart.iommu_fault) == (1, RAM_BASE + 0x2000)
