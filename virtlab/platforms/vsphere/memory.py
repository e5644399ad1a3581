"""Who keeps its memory when there is too little? Shares, the idle tax, and ways to take pages back.

Allocation. A client with S shares and P pages, a part f of them active, pays per page

    rho = S / (P (f + k (1 - f)))        k = 1 / (1 - tax)

An idle page costs k times as much as an active one. Memory is taken from whoever pays least
(min-funding revocation), so in the end all pay alike, between their reservations and limits. With a
tax of 0 that is plain proportional shares; at 0.75, the default, an idle page costs four.

Reclaiming. Four states by free memory: high 6 %, soft 4 %, hard 2 %, low 1 %. A state is entered
below its threshold and left at the next higher one's.

| state | how memory is taken |
|---|---|
| high | not at all: all may keep what they have |
| soft | balloon, up to 65 % of a virtual machine's memory; swap where there is no balloon left |
| hard | compression into a cache of 10 % of its memory, then swap |
| low | the same; whoever is above its target does not run |

Sharing. Pages with equal contents are kept once (`share_pages`, a table by hash of contents).

Sources: Waldspurger 2002, sections 3 to 6; vSphere Resource Management Guide 4.1, "Memory
Compression" and "Memory Balloon Driver", for the two shares of a virtual machine's memory.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

# Shares per MB, by level: Resource Management Guide 4.1, "Resource Allocation Shares".
SHARES_PER_MB = {"low": 5, "normal": 10, "high": 20}
TAX = 0.75
HIGH, SOFT, HARD, LOW = STATES = range(4)
STATE_NAMES = ("high", "soft", "hard", "low")
THRESHOLD_PERCENT = (6, 4, 2, 1)  # free memory, percent of all
THRESHOLD_HIGH = THRESHOLD_PERCENT[HIGH]
BALLOON_PERCENT = 65  # of a virtual machine's memory, by default; 0 without the driver
CACHE_PERCENT = 10
BISECTIONS = 60  # after which two neighbouring levels differ by less than a page

# What `share_pages` counts.
N_PAGES, DISTINCT, SHARED, RECLAIMED, ZERO = range(5)
N_SHARING = 5


@njit(inner=True)
def taxed(level, shares, active, idle_price, low, high):
    """The pages at which a client pays 1 / `level` for one: what its shares buy, in its bounds."""
    money = level * shares
    pages = money
    if money > active:
        pages = active + (money - active) / idle_price
    return min(max(pages, float(low)), float(high))


@njit(inner=True)
def allocate_part(total, tax, begin, end, shares, active, low, high, given):
    """`allocate_taxed` for the clients `begin` up to `end`."""
    least = i64(0)
    most = i64(0)
    for k in range(begin, end):
        least += low[k]
        most += high[k]
    price = 1.0 / (1.0 - tax)
    if most <= total:
        for k in range(begin, end):
            given[k] = high[k]
        return
    if least >= total:
        for k in range(begin, end):
            given[k] = low[k] * max(total, i64(0)) // max(least, i64(1))
        return
    floor = 0.0
    ceiling = 1.0
    for k in range(begin, end):
        if shares[k] > 0.0:
            ceiling = max(ceiling, (active[k] + price * high[k]) / shares[k])
    for _ in range(BISECTIONS):
        level = (floor + ceiling) / 2.0
        wanted = 0.0
        for k in range(begin, end):
            wanted += taxed(level, shares[k], active[k], price, low[k], high[k])
        if wanted > total:
            ceiling = level
        else:
            floor = level
    left = i64(total)
    for k in range(begin, end):
        given[k] = i64(taxed(floor, shares[k], active[k], price, low[k], high[k]))
        left -= given[k]
    # What rounding down has left goes out one by one, to those who pay for it if there are any.
    for shareless in range(2):
        before = i64(-1)
        while left > 0 and left != before:
            before = left
            for k in range(begin, end):
                if left > 0 and given[k] < high[k] and (shares[k] > 0.0 or shareless > 0):
                    given[k] += 1
                    left -= 1


@njit
def allocate_taxed(total, tax, shares, active, low, high, given):
    """Divide `total` pages among clients so that all pay the same for one.

    Parameters
    ----------
    total : int64, pages (of any size) to be divided
    tax : float64, 0 up to but not 1
    shares : (n,) float64; active, low, high : (n,) int64, pages; low is at most high
    given : (n,) int64, written; adds up to `total` or, if all have enough, to less

    If not even `low` fits, all of these shrink alike.
    """
    allocate_part(total, tax, i64(0), i64(shares.size), shares, active, low, high, given)


@njit(inner=True)
def reclaim_state(free, total, state):
    """The state after `state` when `free` of `total` are free."""
    if free * 100 < total * THRESHOLD_PERCENT[LOW]:
        return i64(LOW)
    if free * 100 < total * THRESHOLD_PERCENT[HARD]:
        return i64(max(i64(state), i64(HARD)))
    if free * 100 < total * THRESHOLD_PERCENT[SOFT]:
        return i64(min(max(i64(state), i64(SOFT)), i64(HARD)))
    if free * 100 < total * THRESHOLD_PERCENT[HIGH]:
        return i64(min(i64(state), i64(SOFT)))
    return i64(HIGH)


@njit
def next_state(free, total, state):
    """`reclaim_state` for Python: int64 pages or MB, int64 state."""
    return reclaim_state(free, total, state)


@njit(inner=True)
def cache_of(compressed):
    """MB of the cache that hold so many MB of compressed pages: half, rounded up."""
    return (compressed + 1) // 2


@njit(inner=True)
def take_back(vm, excess, least, state):
    """Take `excess` MB of a virtual machine's memory, leaving it `least` resident.

    Returns
    -------
    missing : int64, MB that could not be taken
    """
    if state == SOFT:
        room = max(vm.memory * vm.balloon_percent // 100 - vm.ballooned, i64(0))
        pages = max(min(min(excess, room), vm.resident - least), i64(0))
        vm.ballooned += pages
        vm.resident -= pages
        excess -= pages
    else:
        # Two pages are compressed for one that becomes free.
        room = max(vm.memory * CACHE_PERCENT // 100 * 2 - vm.compressed, i64(0))
        before = cache_of(vm.compressed)
        pages = max(min(min(excess * 2, room), vm.resident - least), i64(0))
        vm.compressed += pages
        vm.resident -= pages
        excess -= pages - (cache_of(vm.compressed) - before)
    pages = max(min(excess, vm.resident - least), i64(0))
    vm.swapped += pages
    vm.resident -= pages
    excess -= pages
    if excess > 0:  # the cache goes to disk last
        excess -= cache_of(vm.compressed)
        vm.swapped += vm.compressed
        vm.compressed = 0
    return max(excess, i64(0))


@njit(inner=True)
def give_back(vm, spare):
    """Give a virtual machine up to `spare` MB: balloon first, then cache, then swap; MB given."""
    given = min(spare, vm.ballooned)
    vm.ballooned -= given
    vm.resident += given
    before = cache_of(vm.compressed)
    pages = min(spare - given, vm.compressed)
    vm.compressed -= pages
    vm.resident += pages
    given += pages - (before - cache_of(vm.compressed))
    pages = max(min(spare - given, vm.swapped), i64(0))
    vm.swapped -= pages
    vm.resident += pages
    return given + pages


@njit(inner=True)
def reclaim_on_host(host, vms, order, begin, end, minutes, shares, pages):
    """One interval of a host's memory: guests touch more, pages are shared, targets are met.

    Parameters
    ----------
    host : record of HOST; vms : records of VM; order[begin:end] : those on this host
    minutes : int64, of the interval
    shares : float64, and pages : four of int64; arrays at least as long as `order`, written
    """
    active, low, high, given = pages
    n = end - begin
    used = i64(0)
    overheads = i64(0)
    for k in range(begin, end):
        vm = vms[order[k]]
        more = min(vm.touch_rate * minutes, vm.memory - vm.touched)
        vm.touched += more
        backed = vm.resident + vm.shared + more
        vm.shared = backed * vm.same_percent * (n - 1) // (100 * n)
        vm.resident = backed - vm.shared
        vm.stopped = 0
        overheads += vm.overhead
        used += vm.resident + cache_of(vm.compressed) + vm.overhead
    host.reclaim = reclaim_state(host.memory - used, host.memory, host.reclaim)
    reserve = (host.memory * THRESHOLD_HIGH + 99) // 100
    for k in range(begin, end):
        vm = vms[order[k]]
        whole = vm.touched - vm.shared
        shares[k] = vm.memory_shares
        active[k] = whole * vm.active_percent // 100
        low[k] = max(min(vm.memory_reservation - vm.shared, whole), i64(0))
        high[k] = whole
    total = host.memory - overheads - reserve
    allocate_part(total, TAX, begin, end, shares, active, low, high, given)
    if host.reclaim != HIGH:
        for k in range(begin, end):
            vm = vms[order[k]]
            excess = vm.resident + cache_of(vm.compressed) - given[k]
            if excess > 0:
                least = low[k]
                take_back(vm, excess, least, host.reclaim)
                vm.stopped = i64(host.reclaim == LOW)
    used = overheads
    for k in range(begin, end):
        vm = vms[order[k]]
        used += vm.resident + cache_of(vm.compressed)
    spare = host.memory - used - reserve
    for k in range(begin, end):
        vm = vms[order[k]]
        wanted = given[k] - vm.resident - cache_of(vm.compressed)
        if wanted > 0 and spare > 0:
            more = give_back(vm, min(wanted, spare))
            spare -= more
            used += more
    host.free = host.memory - used


@njit
def share_pages(contents, keys, references, found):
    """Look for pages with equal contents, as ESX Server's scan does once it has seen all of them.

    Parameters
    ----------
    contents : (n,) int64, a number for the contents of each page; 0 is the zero page
    keys, references : (m,) int64, m a power of two above n, written: the hash table
    found : (N_SHARING,) int64, written: pages; distinct contents; pages whose contents are there
        more than once; pages given back; zero pages
    """
    mask = i64(keys.size - 1)
    for k in range(keys.size):
        references[k] = 0
    for k in range(contents.size):
        content = contents[k]
        # Knuth's multiplicative hash of the low 31 bits, which does not overflow.
        slot = ((content & 0x7FFFFFFF) * 2654435761 >> 15) & mask
        while references[slot] > 0 and keys[slot] != content:
            slot = (slot + 1) & mask
        keys[slot] = content
        references[slot] += 1
    for k in range(N_SHARING):
        found[k] = 0
    found[N_PAGES] = contents.size
    for k in range(keys.size):
        if references[k] > 0:
            found[DISTINCT] += 1
            if references[k] > 1:
                found[SHARED] += references[k]
            if keys[k] == 0:
                found[ZERO] = references[k]
    found[RECLAIMED] = found[N_PAGES] - found[DISTINCT]


def sharing(contents: np.ndarray) -> dict[str, int]:
    """What sharing finds among pages with these contents, numbers that are 0 for the zero page."""
    contents = np.ascontiguousarray(contents, np.int64)
    size = 1 << (2 * contents.size).bit_length()
    found = np.zeros(N_SHARING, np.int64)
    share_pages(contents, np.zeros(size, np.int64), np.zeros(size, np.int64), found)
    return dict(
        zip(("pages", "distinct", "shared", "reclaimed", "zero"), found.tolist(), strict=True)
    )


def allocation(total, shares, active, low, high, tax=TAX) -> list[int]:
    """`allocate_taxed` for lists of numbers.

    Raises
    ------
    ValueError : the tax is not a rate, or a client's bounds are not in order
    """
    if not 0 <= tax < 1:
        raise ValueError(f"a tax of {tax}; accepted is a rate from 0 up to but not 1.")
    for k, (least, most) in enumerate(zip(low, high, strict=True)):
        if not 0 <= least <= most:
            raise ValueError(
                f"client {k} is to get {least} to {most} pages; accepted is 0 <= a <= b."
            )
    given = np.zeros(len(shares), np.int64)
    pages = [np.array(one, np.int64) for one in (active, low, high)]
    allocate_taxed(np.int64(total), float(tax), np.array(shares, float), *pages, given)
    return given.tolist()
