"""Which hosts may fail, and what happens when one does? Admission control, heartbeats, restarts.

Admission control keeps room for the virtual machines of failed hosts:

    slots        a slot is as large as the largest reservations; a host has so many; the failover
                 capacity is how many hosts, largest first, may fail with a slot left for each
    percentage   so many per cent of all reservations' room stay free

A host's heartbeat comes every second. After 15 s without one its virtual machines are restarted
elsewhere, those of higher priority first. A host that sees nobody else's takes itself for isolated
after 13 s and responds: it powers its virtual machines off, so that they can be restarted, or
leaves them on; then their files stay locked, and a restart fails without harm.

Sources: vSphere Availability, "Slot Size Calculation", "Using Slots to Compute the Current Failover
Capacity" and "Cluster Resources Percentage". The seconds are those of HA before vSphere 5, quoted
from memory, and so nothing that is scored depends on them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from virtlab.platforms.vsphere.state import DISABLED

HEARTBEAT_S = 1
FAILURE_S = 15
ISOLATION_S = 13
DEFAULT_CPU_MHZ = 32  # of a virtual machine that reserves nothing: das.vmcpuminmhz


@dataclass(frozen=True)
class Slot:
    """What every virtual machine is taken to need."""

    cpu: float  # MHz
    memory: float  # MB


@dataclass(frozen=True)
class Needs:
    """What a host has, or what a virtual machine reserves: MHz, MB with its overhead."""

    cpu: float
    memory: float


def slot_size(vms: Iterable[Needs], default_cpu: float = DEFAULT_CPU_MHZ) -> Slot:
    """The largest CPU and the largest memory reservation of the virtual machines.

    Raises
    ------
    ValueError : there is no virtual machine
    """
    vms = list(vms)
    if not vms:
        raise ValueError("no virtual machine is powered on; accepted is one or more.")
    return Slot(max(vm.cpu or default_cpu for vm in vms), max(vm.memory for vm in vms))


def slots_of(host: Needs, slot: Slot) -> int:
    """How many slots a host has: by CPU or by memory, whichever are fewer."""
    by_cpu = host.cpu // slot.cpu
    by_memory = host.memory // slot.memory if slot.memory else by_cpu
    return int(min(by_cpu, by_memory))


def slots_after(hosts: Iterable[Needs], slot: Slot, failed: int) -> int:
    """Slots left when the `failed` largest hosts have failed."""
    slots = sorted((slots_of(host, slot) for host in hosts), reverse=True)
    return sum(slots[failed:])


def failover_capacity(hosts: Mapping | list, vms: Mapping | list) -> int:
    """How many hosts may fail, the largest first, with a slot left for each virtual machine."""
    hosts = list(hosts.values() if isinstance(hosts, Mapping) else hosts)
    vms = list(vms.values() if isinstance(vms, Mapping) else vms)
    slot = slot_size(vms)
    capacity = 0
    while capacity < len(hosts) and slots_after(hosts, slot, capacity + 1) >= len(vms):
        capacity += 1
    return capacity


def free_percent(hosts: Iterable[Needs], vms: Iterable[Needs]) -> tuple[float, float]:
    """CPU and memory that no reservation takes, in per cent of all hosts'."""
    hosts, vms = list(hosts), list(vms)
    cpu, memory = sum(host.cpu for host in hosts), sum(host.memory for host in hosts)
    if not cpu or not memory:
        return 0.0, 0.0
    needed = sum(vm.cpu or DEFAULT_CPU_MHZ for vm in vms), sum(vm.memory for vm in vms)
    return 100 * (cpu - needed[0]) / cpu, 100 * (memory - needed[1]) / memory


def admit(hosts, vms, wanted: Needs, tolerate: int = 0, percent: float = 0) -> tuple[bool, str]:
    """Whether `wanted` may be powered on beside `vms`, and why in one sentence.

    tolerate : hosts that may fail, by slots; 0 leaves this policy out
    percent : of CPU and of memory that has to stay free; 0 leaves this policy out
    """
    after = [*vms, wanted]
    capacity = failover_capacity(hosts, after)
    if tolerate and capacity < tolerate:
        return False, (
            f"With it {capacity} hosts could fail and leave a slot for each of {len(after)} "
            f"virtual machines; {tolerate} are asked for."
        )
    cpu, memory = free_percent(hosts, after)
    if percent and min(cpu, memory) < percent:
        return False, (
            f"With it {cpu:.0f} % of CPU and {memory:.0f} % of memory would stay unreserved; "
            f"{percent:g} % are asked for."
        )
    return True, f"{capacity} hosts may fail; {min(cpu, memory):.0f} % stay unreserved."


def restart_order(priorities: Mapping[str, int]) -> list[str]:
    """Names in the order in which they are restarted; those with restarts disabled are left out."""
    restarted = [name for name, priority in priorities.items() if priority != DISABLED]
    return sorted(restarted, key=lambda name: -priorities[name])
