"""How many hosts of a small cluster may fail? The worked example of HA's slots, R10.

Source: vSphere Availability, "Admission Control Using Slot Policy".
"""

from virtlab.platforms.vsphere.ha import Needs, failover_capacity, slot_size, slots_after, slots_of
from virtlab.published.reproduction import read_reproduction

TABLE = "vmware-ha-slots"


def predict(inputs) -> dict[str, float]:
    """Slot, slots, and the failover capacity of the example's cluster."""
    cluster = inputs["cluster"]
    all_needs = {
        row: Needs(cpu, cluster[row, "memory"]) for (row, c), cpu in cluster.items() if c == "CPU"
    }
    hosts = {name: needs for name, needs in all_needs.items() if name.startswith("H")}
    vms = {name: needs for name, needs in all_needs.items() if name.startswith("VM")}
    slot = slot_size(vms.values())
    found = {
        "CPU of a slot": slot.cpu,
        "memory of a slot": slot.memory,
        **{f"slots of {name}": slots_of(host, slot) for name, host in hosts.items()},
        "slots without H1": slots_after(hosts.values(), slot, 1),
        "slots without H1 and H2": slots_after(hosts.values(), slot, 2),
        "current failover capacity": failover_capacity(hosts, vms),
    }
    return {f"{TABLE}:{row}:value": value for row, value in found.items()}


REPRODUCTION = read_reproduction("R10", predict)
