"""Who asked for each operation, and where did it lead? A journal of vCenter, read step by step.

The journal is replayed into an inventory of its own, so a running vCenter is not disturbed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from virtlab.platforms.vsphere.bridge import DRS_NAME, HA_NAME
from virtlab.platforms.vsphere.inventory import CONNECTED, Inventory, Operation

CLIENT, DRS, HA, HOST = ASKERS = ("A client", "DRS", "HA", "A host's heartbeat")
BY_NAME = {DRS_NAME: DRS, HA_NAME: HA}
REPORTS = ("HostNotResponding", "ReconnectHost")


@dataclass(frozen=True)
class Step:
    """One operation and the cluster after it.

    asker : one of ASKERS
    kind, message : the operation's, and what its task says
    fault : the fault's name, or ""
    source, target : names of the host that a virtual machine leaves, and of the one it comes to or
        that the operation is on; "" for none
    crowds : virtual machines that run on each host, by its name
    away : names of hosts that are down or in maintenance
    """

    asker: str
    kind: str
    message: str
    fault: str
    source: str
    target: str
    crowds: dict[str, int]
    away: tuple[str, ...]


def steps(journal: Iterable[Operation]) -> list[Step]:
    """Every operation of a journal as a step."""
    inventory, found = Inventory(), []
    for operation in journal:
        before = _host_of(inventory, operation.target)
        task = inventory.apply(operation)
        after = _host_of(inventory, operation.target)
        hosts = inventory.of("HostSystem")
        found.append(
            Step(
                _asker(operation, found[-1] if found else None),
                operation.kind,
                task.message,
                task.fault,
                before if before != after else "",
                after,
                {one.name: len(inventory.on_host(one.moid)) for one in hosts},
                tuple(one.name for one in hosts if one.connection != CONNECTED or one.maintenance),
            )
        )
    return found


def _asker(operation: Operation, last: Step | None) -> str:
    """Who asked; what DRS and HA ask for, they ask in their names."""
    if operation.kind in REPORTS:
        return HOST
    if operation.arguments.get("because") and operation.user in BY_NAME:
        return BY_NAME[operation.user]
    stopped = operation.kind == "PowerOffVM" and last is not None
    if stopped and last.asker == HOST and last.kind in ("HostNotResponding", "PowerOffVM"):
        return HOST
    return CLIENT


def _host_of(inventory: Inventory, moid: str) -> str:
    """The name of the host that an object is or runs on."""
    one = inventory.objects.get(moid)
    host = inventory.objects.get(getattr(one, "host", moid))
    return host.name if type(host).__name__ == "HostSystem" else ""
