"""What does the inventory look like through the interface? Properties of its objects.

Memory is in bytes, MB or KB as each property's documentation says; load is that of the last sample.

Source: "vSphere Web Services API Reference" 8.0: ManagedEntity, Folder, Datacenter,
ClusterComputeResource, HostSystem, ResourcePool, VirtualMachine, Datastore, Network.
"""

import uuid

from virtlab.platforms.vsphere.inventory import CONNECTED, GREEN, POWERED_ON, STATUSES
from virtlab.platforms.vsphere.vcenter.soap.managed import FOLDERS, Folder, prop
from virtlab.platforms.vsphere.vcenter.soap.values import Array, Data, Enum, Long, Ref, Short, refs

MB = 1 << 20
RECENT = 20  # tasks of an object that are shown


def identity(scope, moid: str) -> str:
    """A UUID that an object keeps for as long as the database is there."""
    return str(uuid.uuid5(uuid.UUID(scope.vcenter.store.instance), moid))


def status_of(scope, moid: str) -> Enum:
    """The worst status that an alarm gives an object."""
    found = [alarm.status.get(moid, GREEN) for alarm in scope.inventory.alarms.values()]
    return Enum("ManagedEntityStatus", max(found, key=STATUSES.index, default=GREEN))


def below(scope, type_: str, parent: str) -> Array:
    """References to what is below an object at any depth."""
    return refs(Ref(type_, one.moid) for one in scope.inventory.of(type_, parent))


def last(scope, moid: str, counter: str, divisor: int = 1) -> int:
    """The last sample of a counter; 0 before the first."""
    return (scope.vcenter.samples.last(moid, counter) or 0) // divisor


# -- all of them -----------------------------------------------------------------------------------


@prop("ManagedEntity")
def name(scope, one):
    return one.name


@prop("ManagedEntity")
def parent(scope, one):
    if isinstance(one, Folder):
        return Ref("Datacenter", one.datacenter) if one.datacenter else None
    kind = type(one).__name__
    if kind == "ResourcePool" and one.parent.startswith("domain-"):
        return scope.ref(one.parent)
    place = {"VirtualMachine": "v", "ClusterComputeResource": "h", "Datastore": "s", "Network": "n"}
    if kind in place:
        up = next(moid for moid in scope.inventory.path(one.moid) if moid.startswith("datacenter-"))
        return Ref("Folder", f"group-{place[kind]}{up.partition('-')[2]}")
    return scope.ref(one.parent)


@prop("ManagedEntity", "overallStatus", "configStatus")
def overall_status(scope, one):
    return status_of(scope, one.moid)


@prop("ManagedEntity", "recentTask")
def recent_task(scope, one):
    found = [Ref("Task", task.moid) for task in scope.inventory.tasks if task.entity == one.moid]
    return refs(found[-RECENT:])


@prop("ManagedEntity", "triggeredAlarmState")
def triggered_alarms(scope, one):
    states = alarm_states(scope, one.moid)
    return Array("AlarmState", [s for s in states if s.fields["overallStatus"] != GREEN])


@prop("ManagedEntity", "declaredAlarmState")
def declared_alarms(scope, one):
    return Array("AlarmState", alarm_states(scope, one.moid))


def alarm_states(scope, moid: str) -> list[Data]:
    """What every alarm on an object's type says of it."""
    type_ = scope.ref(moid).type
    return [
        Data(
            "AlarmState",
            key=f"{alarm.moid}.{moid}",
            entity=Ref(type_, moid),
            alarm=Ref("Alarm", alarm.moid),
            overallStatus=Enum("ManagedEntityStatus", alarm.status.get(moid, GREEN)),
            time=scope.vcenter.at(_turned(scope, alarm.moid, moid)),
            acknowledged=False,
        )
        for alarm in scope.inventory.alarms.values()
        if alarm.type == type_
    ]


def _turned(scope, alarm: str, moid: str) -> float:
    """The second in which an alarm on an object has turned last."""
    for operation in reversed(scope.inventory.journal):
        if (operation.kind, operation.target) == ("SetAlarmStatus", moid):
            if operation.arguments["alarm"] == alarm:
                return operation.time
    return 0.0


# -- folders and datacenters -----------------------------------------------------------------------


@prop("Folder", "childEntity")
def child_entity(scope, folder):
    if not folder.datacenter:
        return refs(Ref("Datacenter", one.moid) for one in scope.inventory.of("Datacenter"))
    return below(scope, folder.holds[0], folder.datacenter)


@prop("Folder", "childType")
def child_type(scope, folder):
    return Array("string", folder.holds)


for _letter, (_name, (_type,)) in FOLDERS.items():

    @prop("Datacenter", f"{_name}Folder")
    def datacenter_folder(scope, one, letter=_letter):
        return Ref("Folder", f"group-{letter}{one.moid.partition('-')[2]}")


@prop("Datacenter", "datastore")
@prop("ComputeResource", "datastore")
@prop("HostSystem", "datastore")
def datastores(scope, one):
    return below(scope, "Datastore", _datacenter(scope, one))


@prop("Datacenter", "network")
@prop("ComputeResource", "network")
@prop("HostSystem", "network")
def networks(scope, one):
    return below(scope, "Network", _datacenter(scope, one))


def _datacenter(scope, one) -> str:
    path = [one.moid, *scope.inventory.path(one.moid)]
    return next(moid for moid in path if moid.startswith("datacenter-"))


# -- clusters --------------------------------------------------------------------------------------


@prop("ComputeResource", "host")
def cluster_hosts(scope, cluster):
    return below(scope, "HostSystem", cluster.moid)


@prop("ComputeResource", "resourcePool")
def cluster_pool(scope, cluster):
    return Ref("ResourcePool", cluster.pool)


@prop("ComputeResource", "summary")
def cluster_summary(scope, cluster):
    hosts = scope.inventory.of("HostSystem", cluster.moid)
    good = [one for one in hosts if one.connection == CONNECTED and not one.maintenance]
    moves = [t for t in scope.inventory.tasks if t.kind == "MigrateVM" and t.state == "success"]
    return Data(
        "ClusterComputeResourceSummary",
        totalCpu=sum(one.cores * one.mhz for one in hosts),
        totalMemory=Long(sum(one.memory_mb for one in hosts) * MB),
        numCpuCores=Short(sum(one.cores for one in hosts)),
        numCpuThreads=Short(sum(one.cores for one in hosts)),
        effectiveCpu=sum(one.cores * one.mhz for one in good),
        effectiveMemory=Long(sum(one.memory_mb for one in good)),
        numHosts=len(hosts),
        numEffectiveHosts=len(good),
        overallStatus=status_of(scope, cluster.moid),
        numVmotions=sum(cluster.moid in scope.inventory.path(task.entity) for task in moves),
    )


@prop("ClusterComputeResource")
def configuration(scope, cluster):
    return Data("ClusterConfigInfo", **_cluster_config(cluster))


@prop("ComputeResource", "configurationEx")
def configuration_ex(scope, cluster):
    return Data("ClusterConfigInfoEx", **_cluster_config(cluster))


def _cluster_config(cluster) -> dict:
    return {
        "dasConfig": Data(
            "ClusterDasConfigInfo", enabled=cluster.ha, admissionControlEnabled=cluster.ha
        ),
        "drsConfig": Data(
            "ClusterDrsConfigInfo",
            enabled=cluster.drs,
            defaultVmBehavior=Enum("DrsBehavior", "fullyAutomated"),
            vmotionRate=cluster.threshold,
        ),
    }


# -- hosts -----------------------------------------------------------------------------------------


@prop("HostSystem", "vm")
def host_vms(scope, host):
    return refs(Ref("VirtualMachine", one.moid) for one in scope.inventory.on_host(host.moid))


@prop("HostSystem", "runtime")
def host_runtime(scope, host):
    known = host.connection == CONNECTED
    return Data(
        "HostRuntimeInfo",
        connectionState=Enum("HostSystemConnectionState", host.connection),
        powerState=Enum("HostSystemPowerState", "poweredOn" if known else "unknown"),
        inMaintenanceMode=host.maintenance,
        bootTime=scope.vcenter.at(0),
    )


@prop("HostSystem", "hardware")
def host_hardware(scope, host):
    return Data(
        "HostHardwareInfo",
        systemInfo=Data("HostSystemInfo", vendor="virtlab", model="model", uuid=_uuid(scope, host)),
        cpuInfo=Data(
            "HostCpuInfo",
            numCpuPackages=Short(1),
            numCpuCores=Short(host.cores),
            numCpuThreads=Short(host.cores),
            hz=Long(host.mhz * 10**6),
        ),
        memorySize=Long(host.memory_mb * MB),
    )


def _uuid(scope, one) -> str:
    return identity(scope, one.moid)


@prop("HostSystem", "summary")
def host_summary(scope, host):
    return Data(
        "HostListSummary",
        host=Ref("HostSystem", host.moid),
        hardware=Data(
            "HostHardwareSummary",
            vendor="virtlab",
            model="model",
            uuid=_uuid(scope, host),
            memorySize=Long(host.memory_mb * MB),
            cpuModel="model",
            cpuMhz=host.mhz,
            numCpuPkgs=Short(1),
            numCpuCores=Short(host.cores),
            numCpuThreads=Short(host.cores),
            numNics=1,
            numHBAs=1,
        ),
        runtime=host_runtime(scope, host),
        config=Data("HostConfigSummary", name=host.name, port=443, vmotionEnabled=True),
        quickStats=Data(
            "HostListSummaryQuickStats",
            overallCpuUsage=last(scope, host.moid, "cpu.usagemhz.average"),
            overallMemoryUsage=last(scope, host.moid, "mem.consumed.average", 1024),
            uptime=scope.vcenter.time,
        ),
        overallStatus=status_of(scope, host.moid),
        rebootRequired=False,
    )


# -- resource pools --------------------------------------------------------------------------------


@prop("ResourcePool")
def owner(scope, pool):
    return Ref("ClusterComputeResource", scope.inventory.cluster_of(pool.moid).moid)


@prop("ResourcePool", "resourcePool")
def pool_pools(scope, pool):
    inside = scope.inventory.of("ResourcePool", pool.moid)
    return refs(Ref("ResourcePool", one.moid) for one in inside if one.parent == pool.moid)


@prop("ResourcePool", "vm")
def pool_vms(scope, pool):
    inside = scope.inventory.of("VirtualMachine", pool.moid)
    return refs(Ref("VirtualMachine", one.moid) for one in inside if one.parent == pool.moid)


def allocation(shares: int, reservation: int, limit: int, expandable: bool = True) -> Data:
    """Shares, reservation and limit of a pool or a virtual machine."""
    return Data(
        "ResourceAllocationInfo",
        reservation=Long(reservation),
        expandableReservation=expandable,
        limit=Long(limit),
        shares=Data("SharesInfo", shares=shares, level=Enum("SharesLevel", "custom")),
    )


@prop("ResourcePool", "config")
def pool_config(scope, pool):
    cpu = (pool.cpu_shares, pool.cpu_reservation, pool.cpu_limit, pool.expandable)
    memory = (pool.memory_shares, pool.memory_reservation, pool.memory_limit, pool.expandable)
    return Data(
        "ResourceConfigSpec",
        entity=Ref("ResourcePool", pool.moid),
        cpuAllocation=allocation(*cpu),
        memoryAllocation=allocation(*memory),
    )


@prop("ResourcePool", "summary")
def pool_summary(scope, pool):
    return Data("ResourcePoolSummary", name=pool.name, config=pool_config(scope, pool))


# -- virtual machines ------------------------------------------------------------------------------


@prop("VirtualMachine", "runtime")
def vm_runtime(scope, vm):
    return Data(
        "VirtualMachineRuntimeInfo",
        host=Ref("HostSystem", vm.host) if vm.host else None,
        connectionState=Enum("VirtualMachineConnectionState", "connected"),
        powerState=Enum("VirtualMachinePowerState", vm.power),
        toolsInstallerMounted=False,
        numMksConnections=0,
    )


@prop("VirtualMachine", "config")
def vm_config(scope, vm):
    return Data(
        "VirtualMachineConfigInfo",
        changeVersion="1",
        modified=scope.vcenter.at(0),
        name=vm.name,
        guestFullName="Other",
        version="vmx-20",
        uuid=_uuid(scope, vm),
        instanceUuid=_uuid(scope, vm),
        template=False,
        guestId="otherGuest64",
        annotation=None,
        files=Data("VirtualMachineFileInfo", vmPathName=_path(scope, vm)),
        hardware=Data(
            "VirtualHardware",
            numCPU=vm.cpus,
            numCoresPerSocket=1,
            memoryMB=vm.memory_mb,
            device=Array("VirtualDevice"),
        ),
        cpuAllocation=allocation(vm.cpu_shares, vm.cpu_reservation, vm.cpu_limit, False),
        memoryAllocation=allocation(vm.memory_shares, vm.memory_reservation, -1, False),
    )


def _path(scope, vm) -> str:
    store = scope.inventory.objects.get(vm.datastore)
    return f"[{store.name}] {vm.name}/{vm.name}.vmx" if store else ""


@prop("VirtualMachine", "summary")
def vm_summary(scope, vm):
    runs = vm.power == POWERED_ON
    return Data(
        "VirtualMachineSummary",
        vm=Ref("VirtualMachine", vm.moid),
        runtime=vm_runtime(scope, vm),
        guest=Data("VirtualMachineGuestSummary", ipAddress=None, hostName=None),
        config=Data(
            "VirtualMachineConfigSummary",
            name=vm.name,
            template=False,
            vmPathName=_path(scope, vm),
            memorySizeMB=vm.memory_mb,
            cpuReservation=vm.cpu_reservation,
            memoryReservation=vm.memory_reservation,
            numCpu=vm.cpus,
            uuid=_uuid(scope, vm),
            instanceUuid=_uuid(scope, vm),
            guestId="otherGuest64",
            guestFullName="Other",
            annotation=None,
        ),
        quickStats=Data(
            "VirtualMachineQuickStats",
            overallCpuUsage=last(scope, vm.moid, "cpu.usagemhz.average") if runs else 0,
            overallCpuDemand=last(scope, vm.moid, "cpu.demand.average") if runs else 0,
            guestMemoryUsage=last(scope, vm.moid, "mem.active.average", 1024) if runs else 0,
            hostMemoryUsage=last(scope, vm.moid, "mem.consumed.average", 1024) if runs else 0,
            guestHeartbeatStatus=Enum("ManagedEntityStatus", "gray"),
            sharedMemory=last(scope, vm.moid, "mem.shared.average", 1024) if runs else 0,
            swappedMemory=last(scope, vm.moid, "mem.swapped.average", 1024) if runs else 0,
            balloonedMemory=last(scope, vm.moid, "mem.vmmemctl.average", 1024) if runs else 0,
            compressedMemory=Long(last(scope, vm.moid, "mem.compressed.average") if runs else 0),
        ),
        overallStatus=status_of(scope, vm.moid),
    )


@prop("VirtualMachine")
def guest(scope, vm):
    state = "running" if vm.power == POWERED_ON else "notRunning"
    return Data(
        "GuestInfo",
        toolsStatus=Enum("VirtualMachineToolsStatus", "toolsNotInstalled"),
        hostName=None,
        ipAddress=None,
        guestState=state,
    )


@prop("VirtualMachine", "resourcePool")
def vm_pool(scope, vm):
    return Ref("ResourcePool", vm.parent)


@prop("VirtualMachine", "datastore")
def vm_datastore(scope, vm):
    return refs([Ref("Datastore", vm.datastore)] if vm.datastore else [])


@prop("VirtualMachine", "network")
def vm_network(scope, vm):
    return refs([Ref("Network", vm.network)] if vm.network else [])


@prop("VirtualMachine", "resourceConfig")
def vm_resource_config(scope, vm):
    return Data(
        "ResourceConfigSpec",
        entity=Ref("VirtualMachine", vm.moid),
        cpuAllocation=allocation(vm.cpu_shares, vm.cpu_reservation, vm.cpu_limit, False),
        memoryAllocation=allocation(vm.memory_shares, vm.memory_reservation, -1, False),
    )


# -- datastores and networks -----------------------------------------------------------------------


@prop("Datastore", "vm")
@prop("Network", "vm")
def users(scope, one):
    found = [vm for vm in scope.inventory.of("VirtualMachine") if one.moid in _disk_and_net(vm)]
    return refs(Ref("VirtualMachine", vm.moid) for vm in found)


def _disk_and_net(vm) -> tuple[str, str]:
    return vm.datastore, vm.network


@prop("Network", "host")
def network_hosts(scope, one):
    return below(scope, "HostSystem", one.parent)


@prop("Datastore", "summary")
def datastore_summary(scope, one):
    return Data(
        "DatastoreSummary",
        datastore=Ref("Datastore", one.moid),
        name=one.name,
        url=f"ds:///{one.moid}/",
        capacity=Long(one.capacity_gb << 30),
        freeSpace=Long(one.capacity_gb << 30),
        accessible=True,
        multipleHostAccess=True,
        type="VMFS",
    )


@prop("Network", "summary")
def network_summary(scope, one):
    return Data("NetworkSummary", network=Ref("Network", one.moid), name=one.name, accessible=True)
