"""Arguments for the compiled functions of virtlab.published, as test_every_kernel draws them."""

import numpy as np

from virtlab.published import walk_caches, walk_references
from virtlab.published.walk_caches import build_tables, make_workload, settings_for

i64 = np.int64
CORE = {
    "PWC entries": 24, "PWC hit": 2, "L2 hit": 11, "L2 miss": 100, "NTLB entries": 16,
    "NTLB hit": 2, "L2 DTLB entries": 512, "L2 DTLB ways": 4,
}  # fmt: skip
INPUTS = {
    "core": CORE, "exponent": 1, "l2_bytes": 1 << 14, "l2_ways": 4, "visits": 300, "seed": 1,
}  # fmt: skip


def feed_touch(rng):
    ways = rng.integers(1, 9)
    tags = rng.integers(-1, 6, 4 * ways)
    return tags, i64(rng.integers(4) * ways), i64(ways), i64(rng.integers(6))


def feed_map_page(rng):
    """A few pages mapped and one more to be mapped, sometimes with no room left."""
    levels = int(rng.integers(1, 6))
    memory = np.zeros(512 * int(rng.integers(6, 24)), np.int64)
    free = 4096
    for va in rng.integers(0, 1 << 30, 2).tolist():
        free = max(walk_references.map_page(memory, 0, levels, 0, va, va ^ 4096, free), free)
    va = i64(rng.integers(1 << 32))
    leaf = i64(rng.integers(min(levels, 2)))
    return memory, i64(0), i64(levels), leaf, va, i64(rng.integers(1 << 40)), i64(free)


def feed_map_pages(rng):
    memory, root, levels, _, _, _, free = feed_map_page(rng)
    vas = rng.integers(0, 1 << 26, int(rng.integers(1, 9)))
    return memory, root, levels, i64(0), vas, vas ^ (1 << 20), free


def tables(rng):
    """A small program and its tables, one- or two-dimensional."""
    workload = make_workload(int(rng.integers(2, 200)), INPUTS)
    nested = bool(rng.integers(2))
    made = build_tables(workload.n_pages, workload.order, nested, int(rng.integers(2)) * nested)
    return workload, made


def feed_walk(rng):
    workload, made = tables(rng)
    page = walk_caches.FIRST_PAGE + rng.integers(workload.n_pages + 5)
    return made.memory, *made.roots, i64(page << 12), *walk_references.noted_walk()


def settings(rng, made):
    pwc = ("", "1D_PWC", "2D_PWC")[int(rng.integers(3))]
    return settings_for(made, INPUTS, pwc=pwc, ntlb=bool(rng.integers(2)))


def feed_walk_cycles(rng):
    workload, made = tables(rng)
    noted = walk_references.noted_walk()
    gva = (walk_caches.FIRST_PAGE + int(rng.integers(workload.n_pages))) << 12
    n = walk_references.walk_two_dimensional(made.memory, *made.roots, gva, *noted)
    caches = walk_caches.empty_caches(INPUTS)
    left = np.zeros(1, np.int64)
    walk_caches.walk_cycles(*noted, n, settings(rng, made), *caches, left)
    return *noted, i64(n), settings(rng, made), *caches, left


def generator(rng):
    return rng.integers(1, walk_caches.MODULUS, 1)


def feed_shuffle(rng):
    return rng.permutation(int(rng.integers(1, 60))), generator(rng)


def feed_count_misses(rng):
    workload = make_workload(int(rng.integers(1, 200)), INPUTS)
    tlb = np.full(64, -1, np.int64)
    visits = i64(rng.integers(1, 300))
    return visits, generator(rng), workload.popularity, workload.order, tlb, i64(4)


def feed_run_program(rng):
    workload, made = tables(rng)
    caches = walk_caches.empty_caches(INPUTS)
    tlb, left, result = np.full(16, -1, np.int64), np.zeros(1, np.int64), np.zeros(3, np.int64)
    return (
        *(i64(rng.integers(1, 300)), i64(rng.integers(4)), generator(rng)),
        *(workload.popularity, workload.order, made.frames, made.memory, made.roots, tlb, i64(4)),
        *(settings(rng, made), *caches, *walk_references.noted_walk(), left, result),
    )


def feed_paging(rng):
    rates = rng.random(int(rng.integers(1, 20))) * 10
    numbers = rng.random(4) * 1000
    numbers[3] *= rng.integers(2)
    return rates, *numbers, np.zeros(rates.size), np.zeros(rates.size)


def types(text: str) -> str:
    """The types of arguments: i and f for a number, I and F for an array."""
    names = {"i": "int64", "f": "float64", "I": "int64[:]", "F": "float64[:]"}
    return ", ".join(names[letter] for letter in text)


AT = "virtlab.published."
KNOWN = {
    f"{AT}paging_crossover:paging_cycles": (types("FffffFF"), feed_paging),
    f"{AT}walk_caches:count_misses": (types("iIFIIi"), feed_count_misses),
    f"{AT}walk_caches:run_program": (types("iiIFIIIIIiIIIIIIII"), feed_run_program),
    f"{AT}walk_caches:shuffle": (types("II"), feed_shuffle),
    f"{AT}walk_caches:touch": (types("Iiii"), feed_touch),
    f"{AT}walk_caches:walk_cycles": (types("IIiIIIII"), feed_walk_cycles),
    f"{AT}walk_references:map_page": (types("Iiiiiii"), feed_map_page),
    f"{AT}walk_references:map_pages": (types("IiiiIIi"), feed_map_pages),
    f"{AT}walk_references:walk_two_dimensional": (types("IiiiiiII"), feed_walk),
}
