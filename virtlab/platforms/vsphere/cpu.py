"""Who gets how many MHz? Proportional shares with reservations and limits, in resource-pool trees.

A node of the tree is a resource pool or a virtual machine. What a pool has is divided among its
children: each gets at least its reservation and at most its limit, neither beyond its demand, and
between these bounds MHz in proportion to its shares. What one does not use goes to the others. This
is done from the root down, and called divvying.

`divvy` computes entitlements; `schedule` is the host's scheduler, which in every quantum runs those
that have had least of what they are entitled to.

A tree is five arrays over its nodes, parents before children, and the root is node 0; see `Tree`.

# Model: a virtual machine's virtual processors are one flow of MHz; nothing is co-scheduled.

Sources: vSphere Resource Management Guide 4.1, "Resource Allocation Shares", "Reservation", "Limit"
and "Managing Resource Pools"; Gulati et al. 2012 for divvying.
"""

from dataclasses import dataclass, field

import numpy as np

from virtlab._jit import njit

i64 = np.int64

# Shares per virtual processor, by level ("Resource Allocation Shares").
SHARES = {"low": 500, "normal": 1000, "high": 2000}
UNLIMITED = -1.0  # a limit, as in vSphere's interface


@njit(inner=True)
def fill(amount, first, following, offset, shares, low, high, given):
    """Divide `amount` among the siblings that begin with node `first`.

    A child is given level * shares, bounded by its low and high; the level is the one at which all
    is given. Bounds are fixed one side at a time: the side that is violated by more first, as the
    level can then only move away from the other one's.
    """
    total_low = 0.0
    total_high = 0.0
    node = first
    while node >= 0:
        total_low += low[offset + node]
        total_high += high[offset + node]
        node = following[offset + node]
    node = first
    if amount >= total_high or amount <= total_low:
        # There is enough for all, or not enough for the reservations, which then shrink alike.
        part = 1.0
        if amount < total_low:
            part = amount / total_low
        while node >= 0:
            if amount >= total_high:
                given[offset + node] = high[offset + node]
            else:
                given[offset + node] = low[offset + node] * part
            node = following[offset + node]
        return
    while node >= 0:
        given[offset + node] = -1.0  # not fixed yet
        node = following[offset + node]
    left = amount
    while True:
        weight = 0.0
        node = first
        while node >= 0:
            if given[offset + node] < 0.0:
                weight += shares[offset + node]
            node = following[offset + node]
        level = 0.0
        if weight > 0.0:
            level = left / weight
        below = 0.0
        above = 0.0
        node = first
        while node >= 0:
            if given[offset + node] < 0.0:
                wanted = level * shares[offset + node]
                below += max(0.0, low[offset + node] - wanted)
                above += max(0.0, wanted - high[offset + node])
            node = following[offset + node]
        node = first
        while node >= 0:
            if given[offset + node] < 0.0:
                wanted = level * shares[offset + node]
                bound = -1.0
                if below == 0.0 and above == 0.0:
                    bound = wanted
                elif below >= above and wanted < low[offset + node]:
                    bound = low[offset + node]
                elif above >= below and wanted > high[offset + node]:
                    bound = high[offset + node]
                if bound >= 0.0:
                    given[offset + node] = bound
                    left -= bound
            node = following[offset + node]
        if below == 0.0 and above == 0.0:
            return


@njit(inner=True)
def divvy_part(capacity, offset, n, links, work):
    """`divvy` for the tree of `n` nodes that begins at `offset`; its node numbers begin at 0.

    links, work : the arrays of `divvy`, three and seven
    """
    parent, first, following = links
    shares, reservation, limit, demand, low, high, to = work
    for node in range(n):
        low[offset + node] = 0.0
        high[offset + node] = 0.0
    for back in range(n):
        node = n - 1 - back
        at = offset + node
        if first[at] < 0:
            high[at] = demand[at]
        if limit[at] >= 0.0:
            high[at] = min(high[at], limit[at])
        low[at] = min(max(low[at], reservation[at]), high[at])
        if node > 0:
            up = offset + parent[at]
            low[up] += low[at]
            high[up] += high[at]
    to[offset] = min(capacity, high[offset])
    for node in range(n):
        if first[offset + node] >= 0:
            amount = to[offset + node]
            fill(amount, i64(first[offset + node]), following, offset, shares, low, high, to)


@njit
def divvy(
    capacity, parent, first, following, shares, reservation, limit, demand, low, high, entitlement
):
    """What each node of a resource-pool tree is entitled to.

    Parameters
    ----------
    capacity : float64, MHz (or MB) of the root
    parent, first, following : (n,) int64, parent, first child and next sibling, -1 for none; a
        node's parent comes before it
    shares, reservation, limit : (n,) float64; a negative limit is none
    demand : (n,) float64, of virtual machines; a pool's is the sum of its children's
    low, high : (n,) float64, written: the least and most each node may be given
    entitlement : (n,) float64, written; the children's add up to their pool's

    If even the reservations do not fit, as after a failure, all of them shrink alike.
    """
    links = (parent, first, following)
    work = (shares, reservation, limit, demand, low, high, entitlement)
    divvy_part(capacity, i64(0), i64(parent.size), links, work)


@njit
def schedule(entitlement, demand, used, ran_in, n_harts, quanta, quantum_mhz):
    """Run virtual machines on the harts of a host, quantum by quantum.

    In each quantum every hart takes another virtual machine that still has work: the one with the
    least used for what it is entitled to. Ties go to the lower number.

    Parameters
    ----------
    entitlement, demand : (n,) float64, MHz; who has used its demand so far waits
    used : (n,) float64, written: what each has used, in MHz times quanta; begins with 0
    ran_in : (n,) int64, written: the last quantum in which each ran
    n_harts, quanta : int64
    quantum_mhz : float64, the speed of a hart

    Returns
    -------
    ran : int64, quanta of harts that were used
    """
    ran = i64(0)
    for k in range(ran_in.size):
        ran_in[k] = -1
    for quantum in range(quanta):
        for _ in range(n_harts):
            best = i64(-1)
            least = 0.0
            for k in range(entitlement.size):
                waits = used[k] >= demand[k] * (quantum + 1) or entitlement[k] <= 0.0
                if waits or ran_in[k] == quantum:
                    continue
                ratio = used[k] / entitlement[k]
                if best < 0 or ratio < least:
                    best = i64(k)
                    least = ratio
            if best < 0:
                break
            used[best] += quantum_mhz
            ran_in[best] = quantum
            ran += 1
    return ran


@dataclass
class Tree:
    """A resource-pool tree being built; `arrays` gives what `divvy` takes.

    >>> tree = Tree()
    >>> production = tree.add("production", shares=4000)
    >>> vm = tree.add("web", production, shares=1000, demand=800)
    >>> tree.entitlements(1000)["web"]
    800.0
    """

    names: list = field(default_factory=lambda: ["root"])
    parents: list = field(default_factory=lambda: [-1])
    values: list = field(default_factory=lambda: [(1.0, 0.0, UNLIMITED, 0.0)])

    def add(self, name, parent=0, shares=1000, reservation=0.0, limit=UNLIMITED, demand=0.0):
        """Add a pool or a virtual machine below node `parent`; returns its number.

        Raises
        ------
        ValueError : the name is taken, there is no such parent, or a value is out of range
        """
        if name in self.names:
            raise ValueError(f"a node {name!r} is there already; accepted is a new name.")
        if not 0 <= parent < len(self.names):
            raise ValueError(f"no node {parent}; accepted are 0 to {len(self.names) - 1}.")
        if shares < 0 or reservation < 0 or demand < 0:
            raise ValueError(f"{name!r} has a negative value; accepted are 0 and more.")
        self.names.append(name)
        self.parents.append(parent)
        self.values.append((float(shares), float(reservation), float(limit), float(demand)))
        return len(self.names) - 1

    def arrays(self) -> tuple:
        """parent, first, following, shares, reservation, limit, demand."""
        shares, reservation, limit, demand = (
            np.ascontiguousarray(column) for column in np.array(self.values).T
        )
        return *linked(self.parents), shares, reservation, limit, demand

    def entitlements(self, capacity: float) -> dict[str, float]:
        """What each node is entitled to when the root has `capacity`."""
        given = np.zeros((3, len(self.names)))
        divvy(float(capacity), *self.arrays(), *given)
        return dict(zip(self.names, given[2].tolist(), strict=True))


def linked(parents) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """parent, first child and next sibling of each node, from the parents."""
    parent = np.array(parents, np.int64)
    first = np.full(parent.size, -1, np.int64)
    following = np.full(parent.size, -1, np.int64)
    for node in range(parent.size - 1, 0, -1):
        following[node] = first[parent[node]]
        first[parent[node]] = node
    return parent, first, following


def may_reserve(tree: Tree, expandable: dict[int, bool], parent: int, amount: float) -> bool:
    """Whether pool `parent` can back another reservation of `amount`.

    A pool backs its children's reservations with its own; an expandable one asks its parent for
    what is lacking, up to its limit. The root's reservation is its capacity.

    Source: vSphere Resource Management Guide 4.1, "Expandable Reservation".
    """
    while True:
        _, reservation, limit, _ = tree.values[parent]
        children = [k for k, up in enumerate(tree.parents) if up == parent]
        taken = sum(tree.values[k][1] for k in children)
        lacking = taken + amount - max(reservation, taken)
        if taken + amount <= reservation:
            return True
        if parent == 0 or not expandable.get(parent, True):
            return False
        if limit >= 0 and taken + amount > limit:
            return False
        amount, parent = lacking, tree.parents[parent]
