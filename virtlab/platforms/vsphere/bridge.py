"""How does what is simulated reach vCenter's inventory? Objects to records, events to operations.

`Bridge(inventory)` makes a simulation of an inventory's clusters: hosts, resource pools, and what
is powered on. `step` simulates an interval and submits what has happened, so that migrations,
failures and restarts are operations in the journal like a user's own. What each virtual machine
demands is not in any inventory: `loads` says it, in MHz.

After a change of the inventory that the simulation did not make, a new bridge is needed, which
`take_over` lets go on where the old one was.
"""

from collections.abc import Collection

import numpy as np

from virtlab.platforms.vsphere import state
from virtlab.platforms.vsphere.cluster import INTERVAL_S, Event, Simulation, because
from virtlab.platforms.vsphere.cpu import UNLIMITED
from virtlab.platforms.vsphere.inventory import (
    CONNECTED,
    POWERED_ON,
    ClusterComputeResource,
    Inventory,
)
from virtlab.platforms.vsphere.memory import BALLOON_PERCENT
from virtlab.platforms.vsphere.state import CLUSTER, HOST, NODE, VM

DRS_NAME, HA_NAME = "vSphere DRS", "vSphere HA"  # in whose names operations are submitted
# What a running virtual machine keeps when the records are made anew.
OF_THE_GUEST = (
    *("cpu_demand", "cpu_given", "touched", "resident", "shared", "ballooned"),
    *("compressed", "swapped", "stopped"),
)


class Bridge:
    """A simulation of an inventory, in step with it.

    Parameters
    ----------
    inventory : Inventory; a cluster without a host or a virtual machine is left out
    loads : dict of a virtual machine's reference to its mean demand in MHz; 500 for the others

    Attributes
    ----------
    simulation : Simulation, whose host k is `hosts[k]` and whose virtual machine k is `vms[k]`

    Raises
    ------
    ValueError : there is no cluster with a host and a virtual machine
    """

    def __init__(self, inventory: Inventory, loads: dict[str, float] | None = None):
        self.inventory = inventory
        self.hosts: list[str] = []
        self.vms: list[str] = []
        found = [
            one
            for one in inventory.of("ClusterComputeResource")
            if all(inventory.of(kind, one.moid) for kind in ("HostSystem", "VirtualMachine"))
        ]
        if not found:
            raise ValueError(
                "the inventory has no cluster with a host and a virtual machine; "
                "accepted is one or more."
            )
        parts = [self._cluster(k, one, loads or {}) for k, one in enumerate(found)]
        hosts, vms, clusters, nodes, parents = zip(*parts, strict=True)
        joined = [np.concatenate(each) for each in (hosts, vms, clusters, nodes)]
        made = joined[2]
        for begin, size in (("first_host", "hosts"), ("first_vm", "vms"), ("first_node", "nodes")):
            made[begin] = np.cumsum(made[size]) - made[size]
        joined[1]["node"] += made["first_node"][joined[1]["cluster"]]
        self.simulation = Simulation(*joined, [up for each in parents for up in each])
        at = {moid: k for k, moid in enumerate(self.hosts)}
        for k, moid in enumerate(self.vms):
            one = inventory.objects[moid]
            if one.power == POWERED_ON:
                self.simulation.adopt(k, at[one.host])

    def _cluster(self, number: int, cluster: ClusterComputeResource, loads):
        inventory, moid = self.inventory, cluster.moid
        hosts, vms = inventory.of("HostSystem", moid), inventory.of("VirtualMachine", moid)
        pools = [inventory.objects[cluster.pool], *inventory.of("ResourcePool", cluster.pool)]
        record = np.zeros(1, CLUSTER)
        record["hosts"], record["vms"], record["nodes"] = len(hosts), len(vms), len(pools + vms)
        record["drs"], record["ha"] = cluster.drs, cluster.ha
        record["threshold"], record["isolation"] = cluster.threshold, state.POWER_OFF
        record["failover_percent"] = cluster.failover_percent
        self.hosts += [one.moid for one in hosts]
        self.vms += [one.moid for one in vms]
        nodes, parents = _nodes(pools, vms)
        return _hosts(number, hosts), _vms(number, vms, len(pools), loads), record, nodes, parents

    def take_over(self, old: "Bridge", restarted: Collection[str] = ()) -> None:
        """Go on from an older bridge: its time, its hosts' failures, its machines' memory.

        Of a machine that has been `restarted` since, the memory is empty again.
        """
        simulation, before = self.simulation, old.simulation
        simulation.time = before.time
        was = {moid: k for k, moid in enumerate(old.hosts)}
        for k, moid in enumerate(self.hosts):
            if moid in was:
                _go_on(simulation.hosts[k], before.hosts[was[moid]])
        was = {moid: k for k, moid in enumerate(old.vms)}
        for k, moid in enumerate(self.vms):
            if moid in was:
                vm, then = simulation.vms[k], before.vms[was[moid]]
                vm["noise"] = then["noise"]
                runs_on = vm["power"] == then["power"] == state.POWERED_ON
                if runs_on and moid not in restarted:
                    for name in OF_THE_GUEST:
                        vm[name] = then[name]
                if vm["power"] == state.POWERED_OFF and then["power"] == state.WAITING:
                    for name in ("power", "down_since", "restart_at", "reported"):
                        vm[name] = then[name]

    def step(self, seconds: int = INTERVAL_S) -> list[Event]:
        """Simulate an interval and submit what has happened; returns the events.

        Raises
        ------
        RuntimeError : the inventory refuses what has happened, since somebody has changed it
        """
        events = self.simulation.step(seconds)
        for event in events:
            user = DRS_NAME if event.kind == state.MIGRATED else HA_NAME
            for kind, target, arguments in self.operations(event):
                task = self.inventory.submit(kind, target, float(event.time), user, **arguments)
                if task.fault:
                    raise RuntimeError(f"{kind} of {target}: {task.message}")
        return events

    def operations(self, event: Event) -> list[tuple[str, str, dict]]:
        """What an event is to the inventory: kind, target and arguments of operations."""
        if event.kind == state.HOST_FAILED:
            return [("HostNotResponding", self.hosts[event.source], {})]
        if event.kind == state.HOST_RETURNED:
            lost = self.inventory.objects[self.hosts[event.source]].connection != CONNECTED
            return [("ReconnectHost", self.hosts[event.source], {})] if lost else []
        if event.kind == state.MIGRATED:
            return [("MigrateVM", self.vms[event.vm], self._choice(event))]
        if event.kind in (state.PLACED, state.RESTARTED):
            return [("PowerOnVM", self.vms[event.vm], self._choice(event))]
        stopped = event.kind == state.VM_STOPPED
        if stopped and self.inventory.objects[self.vms[event.vm]].power == POWERED_ON:
            return [("PowerOffVM", self.vms[event.vm], {})]
        return []

    def _choice(self, event: Event) -> dict[str, str]:
        """The host that was chosen, and why."""
        source = self.inventory.objects[self.hosts[event.source]].name if event.source >= 0 else ""
        return {"host": self.hosts[event.target], "because": f"it {because(event, source)}"}


def _hosts(number: int, hosts):
    made = np.zeros(len(hosts), HOST)
    made["cluster"] = number
    made["core"] = [one.mhz for one in hosts]
    made["cpu"] = [one.mhz * one.cores for one in hosts]
    made["memory"] = made["free"] = [one.memory_mb for one in hosts]
    for name in ("fails_at", "isolated_at", "returns_at"):
        made[name] = -1
    for record, one in zip(made, hosts, strict=True):
        if one.maintenance:  # whether it responds or not, nothing is placed on it
            record["state"] = state.MAINTENANCE
        elif one.connection != CONNECTED:
            record["state"] = state.NOT_RESPONDING
    return made


def _vms(number: int, vms, n_pools: int, loads):
    made = np.zeros(len(vms), VM)
    made["cluster"], made["node"] = number, n_pools + np.arange(len(vms))
    made["host"] = made["down_since"] = made["together"] = made["apart"] = -1
    made["restart"] = state.MEDIUM_PRIORITY
    made["vcpus"] = [one.cpus for one in vms]
    made["typical"] = [loads.get(one.moid, 500.0) for one in vms]
    made["memory"] = [one.memory_mb for one in vms]
    made["overhead"] = [one.overhead_mb for one in vms]
    for name in ("cpu_shares", "cpu_reservation", "cpu_limit", "memory_shares"):
        made[name] = [getattr(one, name) for one in vms]
    made["memory_reservation"] = [one.memory_reservation for one in vms]
    made["noise"] = 1 + np.arange(len(vms))
    made["touch_rate"], made["active_percent"], made["same_percent"] = 64, 30, 10
    made["balloon_percent"], made["dirty_rate"] = BALLOON_PERCENT, 10
    return made


def _go_on(host, then) -> None:
    """Let a host go on as it was `then`; in maintenance it has nothing to go on with."""
    host["reclaim"] = then["reclaim"]
    if host["state"] == state.MAINTENANCE:
        return
    if host["state"] == state.CONNECTED and then["state"] == state.ISOLATED:
        host["state"] = state.ISOLATED
    host["fails_at"], host["isolated_at"] = then["fails_at"], then["isolated_at"]
    if host["state"] != state.CONNECTED or max(host["fails_at"], host["isolated_at"]) >= 0:
        host["returns_at"] = then["returns_at"]


def _nodes(pools, vms):
    """The nodes of pools and virtual machines, and of each the number of its parent."""
    nodes = np.zeros(len(pools) + len(vms), NODE)
    nodes["memory_limit"] = UNLIMITED
    number = {pool.moid: k for k, pool in enumerate(pools)}
    parents = [-1, *(number[one.parent] for one in (*pools[1:], *vms))]
    for name in nodes.dtype.names:
        if name != "memory_limit":
            nodes[name] = [getattr(one, name) for one in (*pools, *vms)]
    nodes["memory_reservation"][len(pools) :] += [one.overhead_mb for one in vms]
    nodes["memory_limit"][: len(pools)] = [one.memory_limit for one in pools]
    return nodes, parents
