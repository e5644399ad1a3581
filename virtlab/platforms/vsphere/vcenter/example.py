"""What does a small data centre consist of? One to begin with."""

from virtlab.platforms.vsphere.inventory import ROOT
from virtlab.platforms.vsphere.vcenter.service import VCenter

ALARMS = (  # type, counter, name; vCenter has alarms of these names from the beginning
    ("HostSystem", "cpu.usage.average", "Host CPU usage"),
    ("HostSystem", "mem.usage.average", "Host memory usage"),
    ("VirtualMachine", "cpu.usage.average", "Virtual machine CPU usage"),
)
YELLOW, RED = 7500, 9000  # hundredths of a percent


def furnish(vcenter: VCenter, hosts: int = 4, vms: int = 12, user: str = "") -> dict[str, str]:
    """Put a datacenter with one cluster into an empty vCenter; references by name.

    Raises
    ------
    ValueError : the numbers are out of range, or it is not empty
    """
    if not 1 <= hosts <= 32 or not 1 <= vms <= 32 * hosts:
        raise ValueError(f"{hosts} hosts, {vms} machines: accepted are 1 to 32, and 32 on a host.")
    if vcenter.inventory.objects:
        raise ValueError("the inventory has objects already; accepted is an empty one.")
    made: dict[str, str] = {}

    def ask(kind: str, target: str, **arguments) -> str:
        task = vcenter.submit(kind, target, user=user, **arguments)
        if task.fault:
            raise ValueError(f"{kind}: {task.message}")
        if "name" in arguments:
            made[arguments["name"]] = task.result
        return task.result

    with vcenter.together():
        datacenter = ask("CreateDatacenter", ROOT, name="lab")
        cluster = ask("CreateClusterEx", datacenter, name="cluster-1")
        disks = ask("CreateDatastore", datacenter, name="shared", capacity_gb=4096)
        network = ask("CreateNetwork", datacenter, name="VM Network")
        for k in range(hosts):
            ask("AddHost", cluster, name=f"esx-{k + 1:02}.lab", memory_mb=32_768)
        root = vcenter.inventory.objects[cluster].pool
        pools = [
            ask("CreateResourcePool", root, name="production", cpu_shares=8000),
            ask("CreateResourcePool", root, name="test", cpu_shares=2000),
        ]
        for type_, counter, name in ALARMS:
            values = {"type": type_, "counter": counter, "yellow": YELLOW, "red": RED}
            ask("CreateAlarm", ROOT, name=name, **values)
        for k in range(vms):
            values = {"cpus": 1 + k % 2, "memory_mb": 2048 << (k % 3)}
            values |= {"datastore": disks, "network": network}
            vm = ask("CreateVM", pools[k % 2], name=f"vm-{k + 1:02}", **values)
            ask("PowerOnVM", vm)
    return made
