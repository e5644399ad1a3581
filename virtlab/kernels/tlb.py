"""How many TLB misses does a loop over n pages have, with other strides and other TLBs?

The model is the machine's TLB reduced to what matters here: direct-mapped, a page's slot is its
number modulo the number of slots, a miss puts the page into its slot. Left out: that a TLB serves
several address spaces, and the pages of the program itself, which have a TLB of their own.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64
MOST_SLOTS = 1024
FIRST_PAGE = 0x80100  # of the loop: page 0x80100 begins at 0x8010_0000
EMPTY = -1


@njit(inner=True)
def round_misses(n_pages, stride, n_slots, tags):
    """Misses of one round that touches `n_pages` pages, `stride` apart, after a round of the same.

    Parameters
    ----------
    n_slots : int64, a power of two, at most len(tags)
    tags : (MOST_SLOTS,) int64, scratch
    """
    tags[:] = EMPTY
    misses = i64(0)
    for _ in range(2):
        misses = i64(0)
        for k in range(n_pages):
            page = FIRST_PAGE + i64(k) * stride
            slot = page & (n_slots - 1)
            if tags[slot] != page:
                tags[slot] = page
                misses += 1
    return misses


@njit
def miss_curve(counts, pages, stride, slots, tags, misses, here, used):
    """Misses of a round for each number of pages, and for one of them in particular.

    Parameters
    ----------
    counts : (n,) int64, numbers of pages
    pages : int64, the number of pages to read out
    stride : int64, from one page that is touched to the next, in pages
    slots : int64, of the TLB, a power of two up to MOST_SLOTS
    tags : (MOST_SLOTS,) int64, scratch
    misses : (n,) int64, written
    here : (1,) int64, written: the misses of a round of `pages` pages
    used : (1,) int64, written: how many different slots those pages want
    """
    for k in range(counts.size):
        misses[k] = round_misses(counts[k], stride, slots, tags)
    here[0] = round_misses(i64(pages), i64(stride), i64(slots), tags)
    used[0] = 0
    for k in range(slots):
        if tags[k] != EMPTY:
            used[0] += 1
