"""Does the two-dimensional walker read what hardware reads, and would a wrong one be noticed?"""

import numpy as np
import pytest

from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine
from virtlab.machine.peek import settle
from virtlab.published import reproduction, walk_references
from virtlab.published.walk_references import count_references


@pytest.mark.parametrize("guest", range(1, 6))
@pytest.mark.parametrize("nested", range(6))
def test_a_walk_reads_nm_plus_n_plus_m_entries(guest, nested):
    assert count_references(guest, nested) == guest * nested + guest + nested


def test_large_pages_leave_out_a_level():
    assert count_references(4, 4, nested_leaf=1) == 19
    assert count_references(4, 4, guest_leaf=1) == 19
    assert count_references(4, 4, guest_leaf=1, nested_leaf=1) == 15
    assert count_references(4, 0, guest_leaf=1) == 3


@pytest.mark.parametrize(
    "arguments", [(0, 4), (6, 4), (4, 6), (4, -1), (4, 4, 4), (4, 4, 0, 4), (4, 4, -1)]
)
def test_tables_that_do_not_exist_are_refused(arguments):
    with pytest.raises(ValueError, match="accepted are"):
        count_references(*arguments)


def test_an_unmapped_page_ends_the_walk_at_the_entry_that_is_missing():
    memory = np.zeros(8 * 512, np.int64)
    walk_references.map_page(memory, 0, 3, 0, 0x1000, 0x5000, 4096)
    addresses, kinds = walk_references.noted_walk()
    for gva, pa, read in ((0x1008, 0x5008, 3), (0x2000, -1, 3), (1 << 30, -1, 1)):
        n = walk_references.walk_two_dimensional(memory, 0, 3, 0, 0, gva, addresses, kinds)
        assert (n, addresses[n]) == (read, pa)


def test_memory_that_is_full_is_reported():
    memory = np.zeros(2 * 512, np.int64)
    assert walk_references.map_page(memory, 0, 3, 0, 0, 0x5000, 4096) == -1


def test_a_walker_that_forgets_the_last_translation_is_noticed(monkeypatch):
    def forgetful(memory, guest_root, guest_levels, nested_root, nested_levels, gva, *seen):
        n = right(memory, guest_root, guest_levels, nested_root, nested_levels, gva, *seen)
        seen[0][n - nested_levels] = seen[0][n]
        return n - nested_levels

    right = walk_references.walk_two_dimensional
    assert all(score.met for score in reproduction("R3").scores())
    monkeypatch.setattr(walk_references, "walk_two_dimensional", forgetful)
    assert sum(score.met for score in reproduction("R3").scores()) == 1


def test_the_machine_counts_fifteen_references_for_three_by_three_levels():
    """The book's own hart in VS-mode, Sv39 over Sv39x4: a fetch and a load, 15 entries each."""
    machine = Machine(ram="256K", firmware="none").load(assemble("begin: ld a0, 0(a1)\nnop"))
    hart, memory = machine._hart, machine._mem.u64
    base, pages = 0x8000_0000, {"vs": 8, "g": 16}
    rights = e.PTE_V | e.PTE_R | e.PTE_W | e.PTE_X | e.PTE_A | e.PTE_D
    for name, user, middle in (("vs", 0, 12), ("g", e.PTE_U, 20)):
        root = pages[name]
        entries = [(root, 2, middle, e.PTE_V), (middle, 0, middle + 1, e.PTE_V)]
        entries += [(middle + 1, k, k, rights | user) for k in range(64)]
        for at, index, page, bits in entries:
            memory[at * 512 + index] = (base >> 12) + page << 10 | bits
    hart.mode, hart.virt = e.SUPERVISOR, 1
    hart.vsatp, hart.hgatp = ((8 << 60 | (base >> 12) + pages[n]) - (1 << 64) for n in ("vs", "g"))
    hart.x[11] = base + 0x4000
    settle(hart)
    seen = []
    for _ in range(2):
        machine.step()
        seen.append(int(hart.walk_references + hart.gstage_references))
        assert not hart.exceptions.any()
    assert seen == [30, 30]  # fetch and load of the first instruction; the second hits the TLB
    assert int(hart.walks) == 2
    assert count_references(3, 3) == 15
