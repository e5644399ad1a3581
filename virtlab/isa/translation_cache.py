"""Where is the translation of this pc, and what does this word of the host's stand for?

The bookkeeping of translated code. A block is known by its number; blocks are found by guest pc and
regime. A `view` is a page of guest code as one regime sees it: the page's address and where it
leads. When a view goes stale its blocks are dropped: a block's head becomes a call out, so that
whatever still jumps there asks again, and is then sent on to the block that has taken its place.

`origins` holds for each word of the host's code

    31      16 15     8 7            0
    |  block  |  kind  | instruction |

with kind and instruction as `translate` says; so an exit anywhere in the code finds the guest
between two instructions. Because a body is straight-line code, the number of words from one
instruction to another is the number of the hart's steps, and a run can stop at any instruction.

All is arrays of numbers (`Cache`). Words that have been changed are noted in TOUCHED, for whoever
keeps copies of them.

Sources: Adams & Agesen, "A Comparison of Software and Hardware Techniques for x86 Virtualization",
ASPLOS 2006, "Adaptive binary translation", for the stores that are translated into calls.
"""

from collections import namedtuple

import numpy as np

from virtlab._jit import njit
from virtlab.isa import op
from virtlab.isa.encode import encode
from virtlab.isa.translate import (
    ABOUT_WORDS,
    BODY,
    BRANCH,
    CLOCK,
    GUARDED,
    HEAD,
    KIND_SHIFT,
    LEAVE,
    MISS,
    MOST_INSTRUCTIONS,
    MOST_WORDS,
    N_BYTES,
    N_INSTRUCTIONS,
    NEXT,
    ORIGINS,
    OUT_WORDS,
    SAVED,
    SHORT,
    SPILL,
    STALE,
    TABLE_BYTES,
    TARGET,
    TO_BRANCH,
    TO_NEXT,
    table_index,
    translate_block,
)

i64 = np.int64

Cache = namedtuple("Cache", "info code origins tables monitor")
Cache.__doc__ = """The arrays.

info : (INFO_WORDS,) int64, all tables of this module
code, origins : (CACHE_WORDS,) uint32, the host's words and what they stand for
tables : (3 * TABLE_BYTES / 8,) int64, the look-up tables of indirect jumps
monitor : (512,) int64, the monitor page
"""

CACHE_WORDS = 128 << 10  # a jump reaches twice as far; MOST_BLOCKS is used up sooner
CACHE_VA = -(2 << 20)  # where the code lies in the host's address space

# The header of `info`. POSITION: where the guest has left, block and instruction + 1, or 0.
# LINK: the word that waits to jump to the block for LINK_PC, + 1, or TO_TABLE, or 0.
READY, N_BLOCKS, FREE_WORD, N_VIEWS, POSITION, STRETCH_END, LINK, LINK_PC, KIND = range(9)
NEW_TARGETS, TOUCHED = 9, 10  # whether the tables have changed; how many runs of words have
TO_TABLE = -1
MOST_TOUCHED = 8
HEADER = 32  # from TOUCHED + 1 on: first word and number of words
BLOCK_SHIFT = 16

# Blocks. REGIME is -1 for one that has been dropped; SECOND is the view of the second page of an
# instruction that lies in two, else -1; CHAIN is the next block of the same hash.
B_PC, B_REGIME, B_VIEW, B_SECOND, B_WORD, B_N, B_BYTES, B_SHORT, B_NEXT, B_BRANCH, B_CHAIN = range(
    11
)
BLOCK_WORDS = 12
MOST_BLOCKS = 4096  # some 20,000 instructions: a teaching kernel three times over
HEADS = 1024
V_GVA, V_GPA, V_REGIME, V_WRITES = range(4)
VIEW_WORDS = 4
MOST_VIEWS = 512
PATIENCE = 64  # stores beside its code that a page may take before its blocks are dropped

# Adaptive translation: pcs whose stores have exited, and how often lately.
MOST_ADAPTED = 256
ADAPT_AFTER, ADAPT_TOP = 4, 8

HASH = HEADER
BLOCKS = HASH + HEADS
VIEWS = BLOCKS + MOST_BLOCKS * BLOCK_WORDS
ADAPT = VIEWS + MOST_VIEWS * VIEW_WORDS
SOURCE = ADAPT + 2 * MOST_ADAPTED  # what the translator works on
ABOUT = SOURCE + MOST_INSTRUCTIONS
OUT = ABOUT + ABOUT_WORDS
INFO_WORDS = OUT + OUT_WORDS
ECALL_WORD = 0x73


@njit(inner=True)
def slot_of(slot):
    """Index in `monitor` of a slot, which is an address below 0."""
    return slot + 4096 >> 3


@njit(inner=True)
def _touch(cache, word, n_words):
    info = cache.info
    k = min(info[TOUCHED], MOST_TOUCHED - 1)
    at = TOUCHED + 1 + 2 * k
    if info[TOUCHED] >= MOST_TOUCHED:  # too many to list: all there is
        word, n_words = i64(0), info[FREE_WORD]
    info[at], info[at + 1] = word, n_words
    info[TOUCHED] = k + 1 if info[TOUCHED] < MOST_TOUCHED else MOST_TOUCHED


@njit(inner=True)
def _patch(cache, word, value):
    cache.code[word] = np.uint32(value)
    _touch(cache, word, i64(1))


@njit(inner=True)
def empty_cache(cache):
    """Forget all blocks and views."""
    info = cache.info
    for k in range(HEADER):
        info[k] = 0
    info[READY] = 1
    for k in range(HEADS):
        info[HASH + k] = -1
    for k in range(len(cache.tables)):
        cache.tables[k] = -1
    info[NEW_TARGETS] = 1


# Views


@njit(inner=True)
def is_full(cache):
    """Whether there is no room for another block."""
    info = cache.info
    full = info[N_BLOCKS] == MOST_BLOCKS or info[N_VIEWS] + 2 > MOST_VIEWS
    return full or info[FREE_WORD] + MOST_WORDS > CACHE_WORDS


@njit(inner=True)
def _view_at(view):
    return VIEWS + view * VIEW_WORDS


@njit(inner=True)
def find_view(cache, gva, gpa, regime):
    """Number of a view, entered if it is new. gva, gpa : page addresses"""
    info = cache.info
    free = info[N_VIEWS]
    for view in range(info[N_VIEWS]):
        at = _view_at(i64(view))
        if info[at + V_GVA] == gva and info[at + V_GPA] == gpa and info[at + V_REGIME] == regime:
            return i64(view)
        if info[at + V_REGIME] < 0:
            free = i64(view)
    if free == info[N_VIEWS]:
        info[N_VIEWS] += 1
    at = _view_at(free)
    info[at + V_GVA], info[at + V_GPA], info[at + V_REGIME] = gva, gpa, regime
    info[at + V_WRITES] = 0
    return free


@njit(inner=True)
def drop_view(cache, view):
    """Drop a view and its blocks; returns whether no other view shows its page."""
    info = cache.info
    for block in range(info[N_BLOCKS]):
        at = block_at(i64(block))
        if info[at + B_VIEW] == view or info[at + B_SECOND] == view:
            drop_block(cache, i64(block))
    gpa = info[_view_at(view) + V_GPA]
    info[_view_at(view) + V_REGIME] = -1
    return not _is_seen(cache, gpa)


@njit(inner=True)
def _is_seen(cache, gpa):
    info = cache.info
    for view in range(info[N_VIEWS]):
        at = _view_at(i64(view))
        if info[at + V_REGIME] >= 0 and info[at + V_GPA] == gpa:
            return True
    return False


@njit(inner=True)
def code_written(cache, gpa):
    """Up to 8 bytes at `gpa` have been changed: drop the blocks that were made of them.

    Returns whether no view shows the page any longer: a page that takes many stores beside its code
    has stopped being code.
    """
    info = cache.info
    n_bytes = min(i64(8), 4096 - (gpa & 0xFFF))
    hit = False
    for block in range(info[N_BLOCKS]):
        if _overlaps(cache, i64(block), gpa, n_bytes):
            drop_block(cache, i64(block))
            hit = True
    if hit:
        return False
    for view in range(info[N_VIEWS]):
        at = _view_at(i64(view))
        if info[at + V_REGIME] >= 0 and info[at + V_GPA] == gpa & -4096:
            info[at + V_WRITES] += 1
            if info[at + V_WRITES] > PATIENCE:
                drop_view(cache, i64(view))
    return not _is_seen(cache, gpa & -4096)


@njit(inner=True)
def _overlaps(cache, block, gpa, n_bytes):
    """Whether code of a block lies in [gpa, gpa + n_bytes), which is in one page."""
    info, at = cache.info, block_at(block)
    if info[at + B_REGIME] < 0:
        return False
    low = info[_view_at(info[at + B_VIEW]) + V_GPA] + (info[at + B_PC] & 0xFFF)
    same_page = gpa >> 12 == low >> 12
    if same_page and low < gpa + n_bytes and gpa < low + info[at + B_BYTES]:
        return True
    if info[at + B_SECOND] < 0:
        return False
    low = info[_view_at(info[at + B_SECOND]) + V_GPA]
    return low < gpa + n_bytes and gpa < low + 2


# Blocks


@njit(inner=True)
def block_at(block):
    """Where the entries of a block begin in `info`."""
    return BLOCKS + block * BLOCK_WORDS


@njit(inner=True)
def _hash(pc):
    return HASH + (pc >> 1 & (HEADS - 1))


@njit(inner=True)
def add_block(cache, pc, regime, view, second, n, forced):
    """Translate the `n` instructions in SOURCE; returns the new block's number.

    Where it goes on with a block that is there already, the two are chained at once.

    view, second : int64, of the page and, if the only instruction lies in two, of the other or -1
    """
    info = cache.info
    out, about = info[OUT : OUT + OUT_WORDS], info[ABOUT : ABOUT + ABOUT_WORDS]
    n_words = translate_block(info[SOURCE : SOURCE + n], n, pc, regime, forced, out, about)
    block, word = info[N_BLOCKS], info[FREE_WORD]
    info[N_BLOCKS] += 1
    info[FREE_WORD] += n_words
    for k in range(n_words):
        cache.code[word + k] = np.uint32(out[k])
        cache.origins[word + k] = np.uint32(block << BLOCK_SHIFT | out[ORIGINS + k])
    _touch(cache, word, n_words)
    at = block_at(block)
    info[at + B_PC], info[at + B_REGIME], info[at + B_WORD] = pc, regime, word
    info[at + B_VIEW], info[at + B_SECOND] = view, second
    info[at + B_N], info[at + B_BYTES] = about[N_INSTRUCTIONS], about[N_BYTES]
    info[at + B_SHORT] = about[SHORT]
    info[at + B_NEXT], info[at + B_BRANCH] = about[TO_NEXT], about[TO_BRANCH]
    head = _hash(pc)
    info[at + B_CHAIN] = info[head]
    info[head] = block
    for k in range(word + HEAD, word + n_words):
        kind = i64(cache.origins[k]) >> KIND_SHIFT & 0xFF
        if kind == NEXT or kind == BRANCH:
            target = about[TO_NEXT] if kind == NEXT else about[TO_BRANCH]
            known = _find_block(cache, target, regime)
            if known >= 0:
                _chain(cache, i64(k), known)
    return block


@njit(inner=True)
def drop_block(cache, block):
    """Take a block out: whatever still jumps to it calls out and asks for its pc again."""
    at = block_at(block)
    if cache.info[at + B_REGIME] < 0:
        return
    cache.info[at + B_REGIME] = -1
    head = cache.info[at + B_WORD] + HEAD
    _patch(cache, head, i64(ECALL_WORD))
    cache.origins[head] = np.uint32(block << BLOCK_SHIFT | i64(STALE) << KIND_SHIFT)


@njit(inner=True)
def pc_of(cache, block, k):
    """The guest's address of instruction k of a block; of its end if k is their number."""
    at = block_at(block)
    pc = cache.info[at + B_PC] + 4 * k
    for j in range(k):
        pc -= 2 * (cache.info[at + B_SHORT] >> j & 1)
    return pc


@njit(inner=True)
def word_of(cache, block, k):
    """The host's word at which instruction k of a block begins."""
    word = cache.info[block_at(block) + B_WORD] + BODY
    while i64(cache.origins[word]) & 0xFF < k:
        word += 1
    return word


@njit(inner=True)
def find_code(cache, pc, regime):
    """Block and instruction for a guest pc: where the guest has left, or the start of a block.

    Inside a block only where it has left, or just behind: the code there relies on registers that
    it has compared with the guard. Returns block -1 if there is none.
    """
    info = cache.info
    position = info[POSITION] - 1
    info[POSITION] = 0
    if position >= 0:
        block, k = position >> 8, position & 0xFF
        if info[block_at(block) + B_REGIME] == regime:
            for j in range(k, min(k + 2, info[block_at(block) + B_N])):
                if pc_of(cache, block, i64(j)) == pc:
                    return block, i64(j)
    return _find_block(cache, pc, regime), i64(0)


@njit(inner=True)
def _find_block(cache, pc, regime):
    """The block that begins at `pc`, or -1."""
    block = cache.info[_hash(pc)]
    while block >= 0:
        at = block_at(block)
        if cache.info[at + B_PC] == pc and cache.info[at + B_REGIME] == regime:
            return block
        block = cache.info[at + B_CHAIN]
    return i64(-1)


@njit(inner=True)
def link(cache, block, k):
    """Let what has asked for this block find it by itself; returns whether a jump was chained."""
    info, at = cache.info, block_at(block)
    word, pc, regime = info[LINK] - 1, info[at + B_PC], info[at + B_REGIME]
    wanted = info[LINK] != 0 and k == 0 and info[LINK_PC] == pc
    info[LINK] = 0
    if not wanted:
        return False
    if word + 1 == TO_TABLE:
        entry = regime * (TABLE_BYTES >> 3) + 2 * table_index(pc)
        cache.tables[entry] = pc
        cache.tables[entry + 1] = CACHE_VA + 4 * info[at + B_WORD]
        info[NEW_TARGETS] = 1
        return False
    _chain(cache, word, block)
    return True


@njit(inner=True)
def _chain(cache, word, block):
    """Replace a call out by a jump to the head of a block."""
    distance = 4 * (cache.info[block_at(block) + B_WORD] + HEAD - word)
    _patch(cache, word, encode(i64(op.JAL), i64(0), i64(0), i64(0), distance))


# Adaptive translation


@njit(inner=True)
def is_adapted(cache, pc):
    """Whether the store at `pc` is to be translated into a call out."""
    return _exits_of(cache, pc) >= ADAPT_AFTER


@njit(inner=True)
def _exits_of(cache, pc):
    at = ADAPT + 2 * (pc >> 1 & (MOST_ADAPTED - 1))
    if cache.info[at] != pc:
        return i64(0)
    return cache.info[at + 1]


@njit(inner=True)
def adapt(cache, pc, watched):
    """Count a store at `pc` that has exited; drop its blocks if they are better translated anew.

    watched : flag, whether its page is watched, so that it would have faulted
    """
    info = cache.info
    at = ADAPT + 2 * (pc >> 1 & (MOST_ADAPTED - 1))
    before = _exits_of(cache, pc)
    after = max(before - 1, i64(0))
    if watched:
        after = min(before + 1, i64(ADAPT_TOP))
    info[at], info[at + 1] = pc, after
    changes = (before >= ADAPT_AFTER) != (after >= ADAPT_AFTER)
    if changes:
        info[at + 1] = ADAPT_TOP if watched else 0  # so that it does not change its mind at once
        for block in range(info[N_BLOCKS]):
            inside = pc - info[block_at(i64(block)) + B_PC]
            if 0 <= inside < info[block_at(i64(block)) + B_BYTES]:
                drop_block(cache, i64(block))
    return changes and watched != 0


# In and out


@njit(inner=True)
def enter_code(cache, x, block, k, steps, length, stop_pc):
    """Prepare a stretch of `length` guest instructions from instruction k of a block on.

    Parameters
    ----------
    x : (32,) int64, the guest's registers; the monitor page gets those that are not the host's
    steps : int64, the guest's clock
    stop_pc : int64, the guest's address to stop before, -1 for none

    Returns
    -------
    steps : int64, steps that the hart may take: exactly those up to an instruction inside the
        block, or more than enough, because the next head sees that the clock has run out
    word : int64, where it begins
    clock : int64, for x26
    """
    n = cache.info[block_at(block) + B_N]
    if stop_pc >= 0:  # one block at a time, and not past the instruction
        length = min(length, n - k)
        for j in range(n - 1, k, -1):
            if pc_of(cache, block, i64(j)) == stop_pc:
                length = min(length, j - k)
    cache.info[STRETCH_END] = steps + length
    for r in range(CLOCK, GUARDED + 1):
        cache.monitor[slot_of(i64(SAVED) - 8 * (r - CLOCK))] = x[r]
    word = word_of(cache, block, k)
    budget = (length + MOST_INSTRUCTIONS) * 64
    if k + length < n:
        budget = word_of(cache, block, k + length) - word
    return budget, word, length - (n - k)


@njit(inner=True)
def leave_code(cache, x, word, trapped):
    """Turn the registers that the host has at a word into the guest's.

    trapped : flag, whether the code has left by itself; else the hart was stopped before the word

    Returns the guest's pc and clock, and notes KIND, POSITION and LINK.
    """
    info = cache.info
    origin = i64(cache.origins[word])
    block, kind, k = origin >> BLOCK_SHIFT, origin >> KIND_SHIFT & 0xFF, origin & 0xFF
    at = block_at(block)
    clock = x[CLOCK]
    for r in range(CLOCK, GUARDED + 1):
        x[r] = cache.monitor[slot_of(i64(SAVED) - 8 * (r - CLOCK))]
    if 0 < kind < 32:
        x[kind] = cache.monitor[slot_of(i64(SPILL))]
    if kind == NEXT and not trapped:  # the link is all that there is of a plain jump
        kind, k = i64(0), k - 1
    info[KIND], info[LINK] = kind, word + 1
    info[POSITION] = 0
    if kind == NEXT:
        pc = info[at + B_NEXT]
    elif kind == BRANCH:
        pc = info[at + B_BRANCH]
    elif kind == STALE:
        pc = info[at + B_PC]
        k = info[at + B_N]  # its instructions have not been counted off
    elif kind == MISS:
        pc = cache.monitor[slot_of(i64(TARGET))]
        info[LINK] = TO_TABLE
    else:
        pc = pc_of(cache, block, k)
        info[POSITION] = (block << 8 | k) + 1
        info[LINK] = 0
    info[LINK_PC] = pc
    return pc, info[STRETCH_END] - clock - (info[at + B_N] - k)


@njit(inner=True)
def asks(cache):
    """Whether the code has left to ask for a block, not for an instruction to be carried out."""
    return cache.info[KIND] > LEAVE
