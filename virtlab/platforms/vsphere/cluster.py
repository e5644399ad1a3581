"""A thousand hosts in clusters, five minutes at a time: the simulation, and why it did what it did.

    s = simulation(hosts=64, vms=640, seed=1)
    s.fail(host=3, at=1000)             # the host fails in second 1000
    s.run(hours=1)
    for event in s.events: print(s.why(event))

Clusters have at most 32 hosts, vSphere 4.1's maximum, so a day's cost grows with their number and
not with its square. `Simulation` holds the arrays of `state`, makes the reader's changes between
intervals, and keeps the events; everything that repeats is compiled, in `interval`.
"""

from dataclasses import dataclass

import numpy as np

from virtlab.platforms.vsphere import state
from virtlab.platforms.vsphere.cpu import SHARES, UNLIMITED, linked
from virtlab.platforms.vsphere.interval import adopt, power_off, power_on, run_interval
from virtlab.platforms.vsphere.memory import BALLOON_PERCENT, SHARES_PER_MB
from virtlab.platforms.vsphere.state import CLUSTER, EVENT, HOST, NODE, VM
from virtlab.platforms.vsphere.vmotion import MOST_ROUNDS
from virtlab.published.tables import table

INTERVAL_S = 300
HOSTS_PER_CLUSTER = int(table("vmware-maximums-vcenter").value("hosts in a cluster", "maximum"))
POOLS = (("production", "high"), ("test", "normal"), ("development", "low"))


@dataclass(frozen=True)
class Event:
    """What happened: numbers of machines and hosts, -1 for none; see `Simulation.why`."""

    time: int
    kind: int
    reason: int
    vm: int
    source: int
    target: int
    priority: int
    before: float
    after: float
    gain: float
    cost: float
    seconds: float
    stun_ms: float


class Simulation:
    """Clusters of hosts with virtual machines, and what has happened to them.

    Parameters
    ----------
    hosts, vms, clusters, nodes : records of `state`, consecutive by cluster
    parents : list, of each node its parent's number within the cluster, -1 for a root

    Attributes
    ----------
    time : int, seconds since the beginning
    events : list of Event
    """

    def __init__(self, hosts, vms, clusters, nodes, parents):
        self.hosts, self.vms, self.clusters, self.nodes = hosts, vms, clusters, nodes
        trees = []
        for one in clusters:
            begin = int(one["first_node"])
            trees.append(linked(parents[begin : begin + int(one["nodes"])]))
        self.links = [np.concatenate(each) for each in zip(*trees, strict=True)]
        room = max(len(nodes), len(vms) + 1)
        self.work = np.zeros((7, room))
        self.pages = np.zeros((4, room), np.int64)
        self.order = np.zeros(room, np.int64)
        self.chain = np.zeros(room, np.int64)
        self.begins = np.zeros(len(hosts), np.int64)
        self.rounds = np.zeros((3, MOST_ROUNDS))
        self.log = np.zeros(6 * len(vms) + 6 * len(hosts) + 64, EVENT)
        self.counts = np.zeros(2, np.int64)
        self.time = 0
        self.events: list[Event] = []

    def _take_events(self) -> list[Event]:
        if self.counts[1]:
            raise RuntimeError(f"{self.counts[1]} events of second {self.time} found no room.")
        new = [Event(*one.tolist()) for one in self.log[: self.counts[0]]]
        self.events += new
        self.counts[:] = 0
        return new

    def _vm(self, vm: int) -> int:
        if not 0 <= vm < len(self.vms):
            raise ValueError(f"no virtual machine {vm}; accepted are 0 to {len(self.vms) - 1}.")
        return vm

    def _host(self, host: int):
        if not 0 <= host < len(self.hosts):
            raise ValueError(f"no host {host}; accepted are 0 to {len(self.hosts) - 1}.")
        return self.hosts[host]

    def power_on(self, vm: int) -> Event:
        """Start a virtual machine that is off; the event says where, or why not.

        Raises
        ------
        ValueError : there is no such one, or it is not off
        """
        if self.vms[self._vm(vm)]["power"] != state.POWERED_OFF:
            raise ValueError(f"virtual machine {vm} is not powered off.")
        rest = np.int64(self.time), self.rounds, self.log, self.counts
        power_on(self.hosts, self.vms, self.clusters, np.int64(vm), *rest)
        return self._take_events()[-1]

    def adopt(self, vm: int, host: int) -> None:
        """Take over a virtual machine that runs on `host` already.

        Raises
        ------
        ValueError : there is no such one or no such host, or it is not off
        """
        self._host(host)
        if self.vms[self._vm(vm)]["power"] != state.POWERED_OFF:
            raise ValueError(f"virtual machine {vm} is not powered off.")
        adopt(self.hosts, self.vms, np.int64(vm), np.int64(host))

    def power_off(self, vm: int) -> None:
        """Stop a virtual machine.

        Raises
        ------
        ValueError : there is no such one
        """
        power_off(self.hosts, self.vms, np.int64(self._vm(vm)))

    def fail(self, host: int, at: int | None = None, returns: int = -1) -> None:
        """Let a host fail in second `at`, now if not given, and be back in second `returns`.

        Raises
        ------
        ValueError : there is no such host, or the second is over
        """
        one = self._host(host)
        one["fails_at"], one["returns_at"] = self._second(at), returns

    def isolate(self, host: int, at: int | None = None, returns: int = -1) -> None:
        """Cut a host off the network in second `at`; see `fail`."""
        one = self._host(host)
        one["isolated_at"], one["returns_at"] = self._second(at), returns

    def _second(self, at: int | None) -> int:
        if at is not None and at < self.time:
            raise ValueError(f"second {at} is over; accepted are {self.time} and later ones.")
        return self.time if at is None else at

    def enter_maintenance(self, host: int) -> None:
        """Ask for maintenance mode: DRS empties the host, which then takes no virtual machine.

        Raises
        ------
        ValueError : there is no such host, or it is not connected
        """
        self._change(host, state.CONNECTED, state.ENTERING_MAINTENANCE)

    def exit_maintenance(self, host: int) -> None:
        """End maintenance mode, or the wish for it."""
        wanted = self._host(host)["state"]
        if wanted != state.ENTERING_MAINTENANCE:
            wanted = state.MAINTENANCE
        self._change(host, wanted, state.CONNECTED)

    def _change(self, host: int, old: int, new: int) -> None:
        one = self._host(host)
        if one["state"] != old:
            raise ValueError(f"host {host} is {HOST_WORDS[one['state']]}, not {HOST_WORDS[old]}.")
        one["state"] = new

    def step(self, seconds: int = INTERVAL_S) -> list[Event]:
        """Simulate one interval; returns its events.

        Raises
        ------
        ValueError : the interval is no whole number of minutes
        """
        if seconds < 60 or seconds % 60:
            raise ValueError(f"an interval of {seconds} s; accepted are whole minutes.")
        run_interval(
            self.hosts,
            self.vms,
            self.clusters,
            self.nodes,
            *self.links,
            np.int64(self.time),
            np.int64(seconds),
            self.work,
            self.pages,
            self.order,
            self.begins,
            self.chain,
            self.rounds,
            self.log,
            self.counts,
        )
        self.time += seconds
        return self._take_events()

    def run(self, hours: float) -> list[Event]:
        """Simulate so many hours; returns their events."""
        n = len(self.events)
        for _ in range(round(hours * 3600 / INTERVAL_S)):
            self.step()
        return self.events[n:]

    def why(self, event: Event) -> str:
        """What happened and why, in one sentence."""
        return sentence(event)


HOST_WORDS = ("connected", "not responding", "isolated", "in maintenance", "entering maintenance")
CHOICES = {
    state.LEAST_LOADED: "is the least loaded with it ({after:.0%}, the next one {before:.0%})",
    state.ONLY_FIT: "is the only one of {before:.0f} that may take it (load with it {after:.0%})",
    state.KEEP_TOGETHER: "has the others of its affinity rule (load with it {after:.0%})",
    state.KEEP_APART: "has no other of its anti-affinity rule (load with it {after:.0%})",
    state.EVACUATE: "suits it best (load with it {after:.0%}), since {source} is to be empty",
    state.BALANCE: "takes the imbalance from {before:.3f} to {after:.3f} at priority {priority} "
    "and gains {gain:.1f} s of a host for {cost:.1f} s of copying",
}
REFUSALS = {
    state.NO_HOST: "no other host is connected",
    state.NO_CPU: "none of {before:.0f} hosts has the {after:,.0f} MHz free that it reserves",
    state.NO_MEMORY: "none of {before:.0f} hosts has the {after:,.0f} MB free that it reserves and "
    "needs besides",
    state.RULE: "a rule forbids all hosts with room ({before:.0f})",
    state.ADMISSION: "{before:.0f} % would stay unreserved, and HA keeps {after:.0f} % for "
    "failovers",
    state.NO_SLOT: "after the failures that HA provides for {before:.0f} slots would be left for "
    "{after:.0f} virtual machines",
    state.FILES_LOCKED: "{source} is cut off but runs it still, and keeps its files locked",
    state.RESTART_DISABLED: "nothing restarts it",
}


def sentence(event: Event) -> str:
    """What an event says, in one sentence."""
    texts = {
        state.PLACED: "VM {vm} starts on host {target}, which ",
        state.NOT_PLACED: "VM {vm} does not start: ",
        state.MIGRATED: "VM {vm} moves from host {source} to host {target}, which ",
        state.RESTARTED: "VM {vm} is restarted after {seconds:.0f} s on host {target}, which ",
        state.NOT_RESTARTED: "VM {vm} is not restarted: ",
        state.NOT_EVACUATED: "VM {vm} stays on host {source}, which is to be empty: ",
        state.HOST_FAILED: "Host {source} fails.",
        state.HOST_RETURNED: "Host {source} is back.",
        state.HOST_ISOLATED: "Host {source} is cut off from the network.",
        state.VM_STOPPED: "VM {vm} stops with host {source}.",
        state.MAINTENANCE_BEGUN: "Host {source} is empty and in maintenance.",
    }
    text = texts[event.kind].format(**vars(event))
    return text if text.endswith(".") else text + because(event) + "."


def because(event: Event, source: str | None = None) -> str:
    """Why that host, or none: the end of the sentence, with the numbers that decided.

    source : the name of the event's source; without it, its number
    """
    given = vars(event) | {"source": source or f"host {event.source}"}
    return (CHOICES | REFUSALS)[event.reason].format(**given)


def simulation(
    hosts: int = 32,
    vms: int = 320,
    seed: int = 1,
    per_cluster: int = HOSTS_PER_CLUSTER,
    drs: bool = True,
    ha: bool = True,
    threshold: int = 3,
    failover_percent: int = 10,
    tolerate: int = 0,
    isolation: int = state.POWER_OFF,
    cores: int = 8,
    core_mhz: float = 2600,
    memory_mb: int = 65_536,
    start: bool = True,
) -> Simulation:
    """Clusters with a random mix of virtual machines, the same for the same seed.

    Each cluster has three resource pools, with high, normal and low shares. A fifth of the virtual
    machines reserve something, and some come in pairs with a rule. HA admits by percentage, by
    slots for `tolerate` failures of hosts, by both or, with 0 and 0, by neither.

    Raises
    ------
    ValueError : a number is out of range
    """
    if hosts < 1 or vms < 1 or not 1 <= per_cluster <= HOSTS_PER_CLUSTER:
        raise ValueError(
            f"{vms} virtual machines on {hosts} hosts, {per_cluster} in a cluster: accepted are "
            f"one or more, and 1 to {HOSTS_PER_CLUSTER} in a cluster."
        )
    if not 1 <= threshold <= 5 or not 0 <= failover_percent < 100 or tolerate < 0:
        raise ValueError(
            f"threshold {threshold}, {failover_percent} %, {tolerate} hosts that may fail: "
            "accepted are 1 to 5, 0 to 99, 0 and more."
        )
    n_clusters = -(-hosts // per_cluster)
    host_bounds = [hosts * c // n_clusters for c in range(n_clusters + 1)]
    vm_bounds = [vms * bound // hosts for bound in host_bounds]
    clusters = np.zeros(n_clusters, CLUSTER)
    for c, one in enumerate(clusters):
        one["first_host"], one["hosts"] = host_bounds[c], host_bounds[c + 1] - host_bounds[c]
        one["first_vm"], one["vms"] = vm_bounds[c], vm_bounds[c + 1] - vm_bounds[c]
        one["drs"], one["ha"], one["threshold"] = drs, ha, threshold
        one["isolation"], one["failover_percent"] = isolation, failover_percent
        one["tolerate"] = tolerate
    records = _hosts(clusters, cores, core_mhz, memory_mb)
    guests = _vms(clusters, np.random.default_rng(seed))
    made = Simulation(records, guests, clusters, *_pools(clusters, guests))
    for vm in range(vms if start else 0):
        made.power_on(vm)
    return made


def _hosts(clusters, cores: int, core_mhz: float, memory_mb: int):
    made = np.zeros(int(clusters["hosts"].sum()), HOST)
    made["cluster"] = np.repeat(np.arange(len(clusters)), clusters["hosts"])
    made["cpu"], made["core"], made["memory"] = cores * core_mhz, core_mhz, memory_mb
    made["free"] = memory_mb
    for name in ("fails_at", "isolated_at", "returns_at"):
        made[name] = -1
    return made


def _vms(clusters, rng):
    n = int(clusters["vms"].sum())
    made = np.zeros(n, VM)
    made["cluster"] = np.repeat(np.arange(len(clusters)), clusters["vms"])
    made["host"] = made["down_since"] = -1
    made["restart"] = rng.choice([1, 2, 2, 2, 3], n)
    made["vcpus"] = rng.choice([1, 2, 2, 4], n)
    made["cpu_shares"] = made["vcpus"] * SHARES["normal"]
    made["cpu_limit"] = UNLIMITED
    made["memory"] = rng.choice([2048, 4096, 4096, 8192], n)
    made["memory_shares"] = made["memory"] * SHARES_PER_MB["normal"]
    reserving = rng.random(n) < 0.2
    made["cpu_reservation"] = np.where(reserving, made["vcpus"] * 250, 0)
    made["memory_reservation"] = np.where(reserving, made["memory"] // 4, 0)
    made["overhead"] = 100 + made["memory"] // 128
    made["typical"] = made["vcpus"] * rng.uniform(100, 900, n)
    made["swing"] = rng.uniform(0, 0.9, n)
    # Most are busiest in working hours, some at night.
    made["phase"] = np.where(rng.random(n) < 0.8, 14, 2) * 3600 + rng.integers(-7200, 7200, n)
    made["noise"] = rng.integers(1 << 31, size=n)
    made["touch_rate"] = rng.integers(8, 128, n)
    made["active_percent"] = rng.integers(10, 70, n)
    made["same_percent"] = rng.integers(0, 30, n)
    made["balloon_percent"] = BALLOON_PERCENT
    made["dirty_rate"] = rng.uniform(0, 60, n)
    made["together"] = made["apart"] = -1
    for one in clusters:
        begin, size = int(one["first_vm"]), int(one["vms"])
        for pair in range(size // 20):
            members = slice(begin + 20 * pair, begin + 20 * pair + 2)
            made["together" if pair % 4 == 3 else "apart"][members] = begin + pair
    return made


def _pools(clusters, vms):
    """Each cluster's tree: a root, POOLS, and its virtual machines by turns in one of them."""
    sizes = 1 + len(POOLS) + clusters["vms"]
    clusters["nodes"], clusters["first_node"] = sizes, np.cumsum(sizes) - sizes
    nodes = np.zeros(int(sizes.sum()), NODE)
    nodes["cpu_limit"] = nodes["memory_limit"] = UNLIMITED
    parents = []
    for one in clusters:
        begin, first = int(one["first_node"]), int(one["first_vm"])
        for k, (_, level) in enumerate(POOLS):
            # A pool has the shares of a machine with four virtual processors and 16 GB.
            nodes[begin + 1 + k]["cpu_shares"] = 4 * SHARES[level]
            nodes[begin + 1 + k]["memory_shares"] = 16_384 * SHARES_PER_MB[level]
        leaves = slice(begin + 1 + len(POOLS), begin + int(one["nodes"]))
        members = vms[first : first + int(one["vms"])]
        members["node"] = np.arange(leaves.start, leaves.stop)
        for name in ("cpu_shares", "cpu_reservation", "cpu_limit", "memory_shares"):
            nodes[name][leaves] = members[name]
        nodes["memory_reservation"][leaves] = members["memory_reservation"] + members["overhead"]
        parents += [-1, *(0 for _ in POOLS), *(1 + k % len(POOLS) for k in range(len(members)))]
    return nodes, parents
