"""How many page-table entries does a two-dimensional walk read? A walker of any depth, counting.

A guest's tables have `guest` levels, the nested tables below them `nested` levels; both may end in
a leaf above level 0, a large page. Every guest entry lies at a guest physical address, which has to
be translated first: a walk reads the nested entries on the way to each guest entry, the guest
entries, and the nested entries on the way to the page itself.

    references = n m + n + m        n, m: levels read of the guest's, of the nested tables

The walker does not know this formula: it follows tables in memory and counts what it reads. With
m = 0 there is no second dimension and guest physical addresses are physical.

Memory is one array of 8-byte words. An entry is that of RISC-V's Sv39, Sv48 and Sv57: page number
from bit 10, and V, R, W, X; with R, W and X clear it points to the next table.

Sources: Bugnion, Nieh and Tsafrir, "Hardware and Software Support for Virtualization" (2017),
section 5.3, for the formula; Bhargava et al. 2008 for the count of 24 in four by four levels;
Privileged ISA 20240411, "Supervisor-Level ISA", for the entries.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.isa.encoding import PAGE_SHIFT, PTE_PPN, PTE_PPN_SHIFT, PTE_R, PTE_V, PTE_W, PTE_X
from virtlab.published.reproduction import read_reproduction

i64 = np.int64
INDEX_BITS = 9
PAGE_BYTES = 1 << PAGE_SHIFT
LEAF = PTE_V | PTE_R | PTE_W | PTE_X

# What an entry that was read belongs to: the guest's level times 8 plus the nested level. FINAL
# stands in place of a guest level for the translation of the page itself, GUEST in place of a
# nested level for the guest's own entry.
FINAL = 7
GUEST = 7
LONGEST_WALK = 35


@njit
def map_page(memory, root, levels, leaf, va, pa, free):
    """Enter a translation of the page at `va` into the tables at `root`.

    Parameters
    ----------
    memory : (n,) int64, the words of the physical memory that the tables lie in; written
    root : int64, byte address of the table of level `levels` - 1
    leaf : int64, level of the entry that maps: 0 for 4 KiB pages, 1 for 2 MiB
    free : int64, byte address of the next page to make a table of

    Returns
    -------
    free : int64, as it is afterwards; -1 if memory is full
    """
    table = root
    level = i64(levels) - 1
    while level > leaf:
        at = (table >> 3) + (va >> (PAGE_SHIFT + INDEX_BITS * level) & 0x1FF)
        if not memory[at] & PTE_V:
            if free + PAGE_BYTES > memory.size * 8:
                return i64(-1)
            memory[at] = free >> PAGE_SHIFT << PTE_PPN_SHIFT | PTE_V
            free += PAGE_BYTES
        table = (memory[at] >> PTE_PPN_SHIFT & PTE_PPN) << PAGE_SHIFT
        level -= 1
    at = (table >> 3) + (va >> (PAGE_SHIFT + INDEX_BITS * leaf) & 0x1FF)
    memory[at] = pa >> PAGE_SHIFT << PTE_PPN_SHIFT | LEAF
    return i64(free)


@njit
def map_pages(memory, root, levels, leaf, vas, pas, free):
    """`map_page` for each of `vas` and `pas`, arrays of int64."""
    for k in range(vas.size):
        if free >= 0:
            free = map_page(memory, root, levels, leaf, vas[k], pas[k], free)
    return i64(free)


@njit(inner=True)
def walk_nested(memory, root, levels, gpa, guest_level, addresses, kinds, n):
    """Translate `gpa` through the nested tables.

    Returns
    -------
    pa : int64, -1 if it is not mapped
    n : int64, entries read so far
    """
    table = root
    level = i64(levels) - 1
    while level >= 0:
        at = table + (gpa >> (PAGE_SHIFT + INDEX_BITS * level) & 0x1FF) * 8
        addresses[n] = at
        kinds[n] = guest_level * 8 + level
        n += 1
        entry = memory[at >> 3]
        if not entry & PTE_V:
            return i64(-1), n
        base = (entry >> PTE_PPN_SHIFT & PTE_PPN) << PAGE_SHIFT
        if entry & (PTE_R | PTE_W | PTE_X):
            inside = (i64(1) << (PAGE_SHIFT + INDEX_BITS * level)) - 1
            return base & ~inside | gpa & inside, n
        table = base
        level -= 1
    return i64(-1), n


@njit
def walk_two_dimensional(
    memory, guest_root, guest_levels, nested_root, nested_levels, gva, addresses, kinds
):
    """Translate `gva` as hardware does, noting every page-table entry that is read, in order.

    Parameters
    ----------
    memory : (n,) int64, words of physical memory
    guest_root : int64, byte address of the guest's root table, guest physical
    nested_levels : int64, 0 for a walk without a second dimension
    addresses : (LONGEST_WALK + 1,) int64, written: the physical byte address of each entry read,
        and behind them that of `gva` itself, -1 if it is not mapped
    kinds : (LONGEST_WALK,) int64, written: guest level * 8 + nested level; see FINAL and GUEST

    Returns
    -------
    n : int64, entries read
    """
    table = guest_root
    level = i64(guest_levels) - 1
    n = i64(0)
    gpa = i64(-1)
    while level >= 0:
        at = table + (gva >> (PAGE_SHIFT + INDEX_BITS * level) & 0x1FF) * 8
        if nested_levels:
            at, n = walk_nested(memory, nested_root, nested_levels, at, level, addresses, kinds, n)
            if at < 0:
                break
        addresses[n] = at
        kinds[n] = level * 8 + GUEST
        n += 1
        entry = memory[at >> 3]
        if not entry & PTE_V:
            break
        base = (entry >> PTE_PPN_SHIFT & PTE_PPN) << PAGE_SHIFT
        if entry & (PTE_R | PTE_W | PTE_X):
            inside = (i64(1) << (PAGE_SHIFT + INDEX_BITS * level)) - 1
            gpa = base & ~inside | gva & inside
            break
        table = base
        level -= 1
    pa = gpa
    if gpa >= 0 and nested_levels:
        pa, n = walk_nested(
            memory, nested_root, nested_levels, gpa, i64(FINAL), addresses, kinds, n
        )
    addresses[n] = pa
    return n


def noted_walk() -> tuple[np.ndarray, np.ndarray]:
    """Room for what `walk_two_dimensional` notes: addresses and kinds."""
    return np.zeros(LONGEST_WALK + 1, np.int64), np.zeros(LONGEST_WALK, np.int64)


def count_references(guest: int, nested: int, guest_leaf: int = 0, nested_leaf: int = 0) -> int:
    """Entries read by one walk through tables of `guest` and `nested` levels, built for it.

    Parameters
    ----------
    guest, nested : levels of the tables, 1 to 5, and 0 to 5
    guest_leaf, nested_leaf : level at which pages are mapped, 0 for 4 KiB, 1 for 2 MiB

    Raises
    ------
    ValueError : there are no such tables
    """
    if not 0 <= guest_leaf < guest <= 5 or not 0 <= nested <= 5:
        raise ValueError(f"{guest} by {nested} levels: accepted are 1 to 5 by 0 to 5.")
    if nested and not 0 <= nested_leaf < nested:
        raise ValueError(f"leaf level {nested_leaf}: accepted are 0 to {nested - 1}.")
    large = 1 << (PAGE_SHIFT + INDEX_BITS * max(guest_leaf, nested_leaf))
    guest_base = large if nested else 0  # the guest's memory begins here
    n_pages = 16 * PAGE_BYTES
    memory = np.zeros((guest_base + n_pages) // 8, np.int64)
    gva, gpa = 5 * large, 3 * large
    map_page(memory[guest_base // 8 :], 0, guest, guest_leaf, gva, gpa, PAGE_BYTES)
    free = guest_base + 8 * PAGE_BYTES if nested else 0
    nested_root = free
    free += PAGE_BYTES
    step = 1 << (PAGE_SHIFT + INDEX_BITS * nested_leaf)
    if nested:
        for page in (*range(0, 8 * PAGE_BYTES, step), gpa):
            free = map_page(memory, nested_root, nested, nested_leaf, page, page + guest_base, free)
    addresses, kinds = noted_walk()
    n = walk_two_dimensional(memory, 0, guest, nested_root, nested, gva + 8, addresses, kinds)
    pa = addresses[n]
    if pa != gpa + guest_base + 8:
        raise ValueError(f"{guest} by {nested} levels: the walk ends at {pa:#x}.")
    return int(n)


TABLE = "bugnion2017-references"
SHAPES = {  # the table's rows: levels, and the level of a nested leaf
    "4 by 0": (4, 0, 0),
    "3 by 3": (3, 3, 0),
    "4 by 3": (4, 4, 1),
    "4 by 4": (4, 4, 0),
    "5 by 4": (5, 4, 0),
    "5 by 5": (5, 5, 0),
}


def predict(inputs) -> dict[str, float]:
    """The references of the walks that the book and the paper count. There are no inputs."""
    counts = {
        row: count_references(guest, nested, nested_leaf=leaf)
        for row, (guest, nested, leaf) in SHAPES.items()
    }
    return {f"{TABLE}:{row}:references": n for row, n in counts.items()}


REPRODUCTION = read_reproduction("R3", predict)
