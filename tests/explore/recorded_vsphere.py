"""A journal of vCenter for figures: machines start, a host fails, HA and DRS act."""

import functools

from virtlab.platforms.vsphere.bridge import Bridge
from virtlab.platforms.vsphere.inventory import ROOT, Inventory
from virtlab.platforms.vsphere.watching import Step, steps


@functools.cache
def journal(hosts: int = 3, vms: int = 6) -> tuple[Step, ...]:
    inventory = Inventory()
    lab = inventory.submit("CreateDatacenter", ROOT, name="lab").result
    cluster = inventory.submit("CreateClusterEx", lab, name="one", failover_percent=0).result
    names = [f"esx{k}" for k in range(hosts)]
    made = [inventory.submit("AddHost", cluster, name=name).result for name in names]
    pool = inventory.objects[cluster].pool
    for k in range(vms):
        vm = inventory.submit("CreateVM", pool, name=f"vm{k}", cpus=4, memory_mb=4096).result
        inventory.submit("PowerOnVM", vm, host=made[0])
    inventory.submit("PowerOnVM", vm)  # a fault: it runs already
    bridge = Bridge(inventory, {one.moid: 4000.0 for one in inventory.of("VirtualMachine")})
    bridge.simulation.fail(1, at=700, returns=1500)
    for _ in range(6):
        bridge.step()
    return tuple(steps(inventory.journal))
