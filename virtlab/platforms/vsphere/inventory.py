"""What does vCenter know, and how does it change? Objects, operations, tasks, events, alarms.

Every change of the inventory is an operation: plain data, with a number and a time. `submit` hands
it to the journal first and then applies it, so that whoever keeps the journal, a list or a
database, can make the same inventory again: `Inventory.replay(journal)`. An operation either
changes all that it has to or ends in a fault and changes nothing; either way there is a task that
says so, and an event. Applying looks at the inventory and the operation alone, never at a clock or
a random number.

    inventory = Inventory()
    dc = inventory.submit("CreateDatacenter", ROOT, name="lab").result
    task = inventory.submit("PowerOnVM", vm)
    task.state, task.result             # "success", the host's reference; or "error" and a fault

Names are those of vSphere's Web Services API: types of objects, methods, faults, states. References
are of its form too: datacenter-1, domain-c2, host-3, resgroup-4, vm-5, datastore-6, network-7.

# Model: folders are left out; a datacenter stands below the root, and all else below a datacenter.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields
from inspect import Parameter, signature

from virtlab.platforms.vsphere.cpu import SHARES
from virtlab.platforms.vsphere.drs import KEPT_FREE_PERCENT
from virtlab.platforms.vsphere.index import Index
from virtlab.platforms.vsphere.memory import SHARES_PER_MB
from virtlab.published.tables import table

ROOT = "group-d1"
LONGEST_NAME = 80  # characters, as in vSphere
MOST = 1 << 40  # of any number: none that a host has is near it
POWERED_OFF, POWERED_ON, SUSPENDED = POWER_STATES = ("poweredOff", "poweredOn", "suspended")
CONNECTED, DISCONNECTED, NOT_RESPONDING = CONNECTION_STATES = (
    "connected",
    "disconnected",
    "notResponding",
)
GREEN, YELLOW, RED = STATUSES = ("green", "yellow", "red")


class Fault(Exception):  # noqa: N818 - the name that vSphere's interface gives it
    """An operation cannot be applied: vSphere's name of the fault, and one sentence."""

    def __init__(self, name: str, text: str):
        super().__init__(text)
        self.name = name


@dataclass
class ManagedObject:
    """What all objects have: a reference, a name, and the reference of the parent."""

    moid: str
    name: str
    parent: str


@dataclass
class Datacenter(ManagedObject):
    """Holds clusters, datastores and networks."""


@dataclass
class ClusterComputeResource(ManagedObject):
    """Hosts that share virtual machines; `pool` is its root resource pool."""

    pool: str = ""
    drs: bool = True
    threshold: int = 3
    ha: bool = True
    failover_percent: int = 25


@dataclass
class HostSystem(ManagedObject):
    """An ESX host: cores and their MHz, MB of memory."""

    cores: int = 8
    mhz: int = 2600
    memory_mb: int = 65_536
    connection: str = CONNECTED
    maintenance: bool = False


@dataclass
class ResourcePool(ManagedObject):
    """Shares, reservations and limits (-1: none) of all that is below; MHz and MB."""

    cpu_shares: int = 4 * SHARES["normal"]
    cpu_reservation: int = 0
    cpu_limit: int = -1
    memory_shares: int = 163_840
    memory_reservation: int = 0
    memory_limit: int = -1
    expandable: bool = True


@dataclass
class VirtualMachine(ManagedObject):
    """A virtual machine; its parent is a resource pool, `host` is "" while it is off."""

    cpus: int = 1
    memory_mb: int = 1024
    datastore: str = ""
    network: str = ""
    power: str = POWERED_OFF
    host: str = ""
    cpu_shares: int = SHARES["normal"]
    cpu_reservation: int = 0
    cpu_limit: int = -1
    memory_shares: int = 1024 * SHARES_PER_MB["normal"]
    memory_reservation: int = 0
    overhead_mb: int = 100


@dataclass
class Datastore(ManagedObject):
    """Shared storage, in GB."""

    capacity_gb: int = 1024


@dataclass
class Network(ManagedObject):
    """A network that virtual machines are connected to."""


TYPES = {
    kind.__name__: (kind, prefix)
    for kind, prefix in (
        (Datacenter, "datacenter-"),
        (ClusterComputeResource, "domain-c"),
        (HostSystem, "host-"),
        (ResourcePool, "resgroup-"),
        (VirtualMachine, "vm-"),
        (Datastore, "datastore-"),
        (Network, "network-"),
    )
}


@dataclass(frozen=True)
class Operation:
    """A change that somebody asked for: plain data, which JSON can hold."""

    number: int
    time: float
    kind: str
    target: str
    arguments: dict
    user: str = ""


@dataclass
class Task:
    """What became of an operation: state success or error, its result or its fault."""

    moid: str
    kind: str
    entity: str
    time: float
    state: str = "queued"
    result: str = ""
    fault: str = ""
    message: str = ""
    user: str = ""


@dataclass(frozen=True)
class Event:
    """Something that happened to an object, in one sentence."""

    key: int
    time: float
    type: str
    entity: str
    message: str
    user: str = ""


@dataclass
class Alarm:
    """Turns yellow or red when a counter of an object of a type rises to a threshold."""

    moid: str
    name: str
    type: str
    counter: str
    yellow: float
    red: float
    status: dict = field(default_factory=dict)  # of each object that is not green


@dataclass(frozen=True)
class Sample:
    """One value of a performance counter, such as cpu.usagemhz."""

    entity: str
    counter: str
    time: float
    value: float


class Inventory:
    """All managed objects, and what has happened to them.

    Parameters
    ----------
    keep : callable(Operation), called before an operation is applied; if it raises, nothing is
    """

    def __init__(self, keep: Callable[[Operation], None] | None = None):
        self.objects: dict[str, ManagedObject] = {}
        self._index = Index()
        self.journal: list[Operation] = []
        self.tasks: list[Task] = []
        self.events: list[Event] = []
        self.alarms: dict[str, Alarm] = {}
        self.samples: list[Sample] = []
        self._keep = keep
        self._next = 1

    def submit(
        self, kind: str, target: str, time: float = 0.0, user: str = "", **arguments
    ) -> Task:
        """Ask for an operation, in the name of `user`; the task is over when this returns.

        Raises
        ------
        ValueError : there is no operation of this kind
        """
        if kind not in OPERATIONS:
            raise ValueError(f"no operation {kind!r}; accepted are {', '.join(OPERATIONS)}.")
        number = len(self.journal) + 1
        arguments = self._decided(kind, target, arguments)
        return self.apply(Operation(number, time, kind, target, arguments, user))

    def _decided(self, kind: str, target: str, arguments: dict) -> dict:
        """The arguments with every choice of a host made, so that the journal has it.

        Applied again by another release, whose rules may differ, the operation has the same end.
        """
        one = self.objects.get(target)
        try:
            if kind == "PowerOnVM" and not arguments and isinstance(one, VirtualMachine):
                if one.power != POWERED_ON:
                    host, why = self.choose(one)
                    return {"host": host.moid, "because": why}
            if kind == "EnterMaintenanceMode" and not arguments and isinstance(one, HostSystem):
                return {"homes": _evacuation(self, one)}
        except Fault:
            pass  # applying it will say so
        return arguments

    def apply(self, operation: Operation) -> Task:
        """Keep and apply an operation, which has to be the journal's next."""
        if self._keep:
            self._keep(operation)
        self.journal.append(operation)
        number, kind, target = operation.number, operation.kind, operation.target
        task = Task(f"task-{number}", kind, target, operation.time, user=operation.user)
        self.tasks.append(task)
        try:
            _check_arguments(operation)
            task.result, message = OPERATIONS[kind](self, target, **operation.arguments)
            task.state = "success"
        except Fault as fault:
            task.state, task.fault, message = "error", fault.name, str(fault)
        task.message = message
        type_ = f"{kind}Failed" if task.fault else kind
        self._note(operation, type_, task.result or target, message)
        return task

    @classmethod
    def replay(cls, journal: Iterable[Operation], keep=None) -> "Inventory":
        """The inventory that a journal has made; `keep` is called for later operations only."""
        made = cls()
        for operation in journal:
            made.apply(operation)
        made._keep = keep
        return made

    def snapshot(self) -> dict:
        """Every object as plain data, by reference."""
        return {
            moid: {"type": type(one).__name__, **asdict(one)} for moid, one in self.objects.items()
        }

    def of(self, type_: str, parent: str | None = None) -> list:
        """All objects of a type, or those below `parent` at any depth."""
        return self._index.of(type_) if parent is None else self._index.below(type_, parent)

    def path(self, moid: str) -> list[str]:
        """References from an object's parent up to the root."""
        found = []
        while moid in self.objects:
            moid = self.objects[moid].parent
            found.append(moid)
        return found

    def get(self, moid: str, *types: str):
        """The object with this reference, of one of these types.

        Raises
        ------
        Fault : ManagedObjectNotFound, or InvalidType
        """
        if moid not in self.objects:
            raise Fault("ManagedObjectNotFound", f"There is no object {moid}.")
        one = self.objects[moid]
        if types and type(one).__name__ not in types:
            wanted = " or ".join(types)
            raise Fault("InvalidType", f"{moid} is a {type(one).__name__}; accepted is a {wanted}.")
        return one

    def record(self, entity: str, counter: str, value: float, time: float = 0.0) -> None:
        """Keep a performance sample, and let alarms look at it."""
        self.samples.append(Sample(entity, counter, time, value))
        self.watch(entity, counter, value, time)

    def watch(self, entity: str, counter: str, value: float, time: float = 0.0) -> None:
        """Let alarms look at a value; a status that changes is an operation, as all changes are."""
        type_ = type(self.get(entity)).__name__
        for alarm in self.alarms.values():
            if (alarm.type, alarm.counter) != (type_, counter):
                continue
            status = RED if value >= alarm.red else YELLOW if value >= alarm.yellow else GREEN
            was = alarm.status.get(entity, GREEN)
            if status != was:
                values = {"alarm": alarm.moid, "status": status, "value": value}
                self.submit("SetAlarmStatus", entity, time, **values)

    def _note(self, operation: Operation, type_: str, entity: str, message: str) -> None:
        key = len(self.events) + 1
        self.events.append(Event(key, operation.time, type_, entity, message, operation.user))

    def _add(self, type_: str, name: str, parent: str, **values) -> ManagedObject:
        _check_name(name)
        if self._index.has(type_, parent, name):
            raise Fault("DuplicateName", f"{parent} has a {type_} named {name} already.")
        kind, prefix = TYPES[type_]
        _check_values(kind, values)
        one = kind(f"{prefix}{self._next}", name, parent, **values)
        self._next += 1
        self.objects[one.moid] = one
        self._index.add(one)
        return one

    # -- what placing needs ------------------------------------------------------------------------

    def cluster_of(self, moid: str) -> ClusterComputeResource:
        """The cluster that an object is in."""
        return next(self.objects[up] for up in self.path(moid) if up.startswith("domain-c"))

    def on_host(self, host: str) -> list[VirtualMachine]:
        """Virtual machines that are powered on there."""
        return self._index.on_host(host)

    def place(self, vm: VirtualMachine, host: str) -> None:
        """Let a virtual machine be on `host`, "" for none; operations do so."""
        self._index.place(vm, host)
        vm.host = host

    def room(self, host: HostSystem) -> tuple[int, int]:
        """MHz and MB that no reservation has taken."""
        here = self.on_host(host.moid)
        cpu = host.cores * host.mhz - sum(vm.cpu_reservation for vm in here)
        reserved = sum(vm.memory_reservation + vm.overhead_mb for vm in here)
        return cpu, host.memory_mb * (100 - KEPT_FREE_PERCENT) // 100 - reserved

    def fits(self, vm: VirtualMachine, host: HostSystem) -> str:
        """Why `vm` cannot run on `host`, or nothing."""
        if host.connection != CONNECTED:
            return f"host {host.name} is {host.connection}"
        if host.maintenance:
            return f"host {host.name} is in maintenance mode"
        if self.cluster_of(host.moid) is not self.cluster_of(vm.moid):
            return f"host {host.name} is in another cluster"
        cpu, memory = self.room(host)
        if vm.cpu_reservation > cpu:
            return f"host {host.name} has {cpu} MHz unreserved, not {vm.cpu_reservation}"
        if vm.memory_reservation + vm.overhead_mb > memory:
            needed = vm.memory_reservation + vm.overhead_mb
            return f"host {host.name} has {memory} MB unreserved, not {needed}"
        return ""

    def choose(self, vm: VirtualMachine) -> tuple[HostSystem, str]:
        """The host with room that has least memory configured for its size, and why.

        Raises
        ------
        Fault : InsufficientResourcesFault
        """
        cluster = self.cluster_of(vm.moid)
        hosts = self.of("HostSystem", cluster.moid)
        fit = [host for host in hosts if host.moid != vm.host and not self.fits(vm, host)]
        if not fit:
            reasons = [self.fits(vm, host) for host in hosts if host.moid != vm.host]
            first = f": {reasons[0]}" if reasons else ""
            text = f"{cluster.name} has no other host for {vm.name}{first}."
            raise Fault("InsufficientResourcesFault", text)

        def load(host) -> float:
            return sum(one.memory_mb for one in self.on_host(host.moid)) / host.memory_mb

        best = min(fit, key=load)
        return best, f"of {len(fit)} hosts with room it is the least loaded, {load(best):.0%}"


def _check_name(name) -> None:
    """Whether `name` can be an object's name."""
    text = isinstance(name, str) and name.strip() and name.isprintable()
    if not text or len(name) > LONGEST_NAME:
        accepted = f"accepted is a text of up to {LONGEST_NAME} characters"
        raise Fault("InvalidName", f"{str(name)[:LONGEST_NAME]!r} is no name; {accepted}.")


def _check_arguments(operation: Operation) -> None:
    """Whether the operation has all the arguments that its kind needs, and no others."""
    _, _, *wanted = signature(OPERATIONS[operation.kind]).parameters.values()
    any_ = any(one.kind is Parameter.VAR_KEYWORD for one in wanted)
    named = [one for one in wanted if one.kind is not Parameter.VAR_KEYWORD]
    needed = {one.name for one in named if one.default is Parameter.empty}
    lacking = needed - set(operation.arguments)
    unknown = set(operation.arguments) - {one.name for one in named}
    if any_:  # values of an object, whose place and number are not among them
        unknown &= {"moid", "parent", "type_"}
    if lacking or unknown:
        name = min(lacking or unknown)
        what = "lacks" if lacking else "does not accept"
        raise Fault("InvalidArgument", f"{operation.kind} {what} {name}.")


def _check_values(kind, values: dict) -> None:
    """Whether every value is of its field's type and in its range."""
    fixed = ("moid", "name", "parent", "pool")  # that vCenter says, or an operation's own argument
    known = {one.name: type(one.default) for one in fields(kind) if one.name not in fixed}
    for name, value in values.items():
        if name not in known:
            raise Fault("InvalidArgument", f"{kind.__name__} has no {name}.")
        if type(value) is not known[name]:
            wanted = known[name].__name__
            raise Fault("InvalidArgument", f"{name} is {value!r}; accepted is a {wanted}.")
        if name.endswith("_limit"):
            least = -1
        else:
            least = 1 if name in ("cpus", "cores", "mhz", "memory_mb") else 0
        if isinstance(value, int) and value < least:
            raise Fault("InvalidArgument", f"{name} is {value}; accepted are {least} and more.")
        if isinstance(value, int) and value > MOST:
            raise Fault("InvalidArgument", f"{name} is {value}; accepted are up to {MOST}.")
    if kind is VirtualMachine:
        for name, row, unit in (("cpus", "virtual CPUs", 1), ("memory_mb", "memory", 1024)):
            most = int(table("vmware-maximums-vm").value(row, "maximum")) * unit
            if values.get(name, 1) > most:
                raise Fault(
                    "InvalidArgument", f"{name} is {values[name]}; accepted are up to {most}."
                )


def _create_datacenter(inventory, target, name):
    if target != ROOT:
        raise Fault(
            "InvalidArgument", f"{target} is not the root; a datacenter stands below {ROOT}."
        )
    one = inventory._add("Datacenter", name, ROOT)
    return one.moid, f"Datacenter {name} is there."


def _create_cluster(inventory, target, name, **values):
    inventory.get(target, "Datacenter")
    cluster = inventory._add("ClusterComputeResource", name, target, **values)
    cluster.pool = inventory._add("ResourcePool", "Resources", cluster.moid).moid
    return cluster.moid, f"Cluster {name} is there."


def _add_host(inventory, target, name, **values):
    cluster = inventory.get(target, "ClusterComputeResource")
    most = int(table("vmware-maximums-vcenter").value("hosts in a cluster", "maximum"))
    if len(inventory.of("HostSystem", target)) >= most:
        raise Fault("InvalidArgument", f"Cluster {cluster.name} has {most} hosts, the maximum.")
    one = inventory._add("HostSystem", name, target, **values)
    return one.moid, f"Host {name} joins cluster {cluster.name}."


def _create_pool(inventory, target, name, **values):
    inventory.get(target, "ResourcePool")
    one = inventory._add("ResourcePool", name, target, **values)
    return one.moid, f"Resource pool {name} is there."


def _create_storage(inventory, target, name, **values):
    inventory.get(target, "Datacenter")
    one = inventory._add("Datastore", name, target, **values)
    return one.moid, f"Datastore {name} is there."


def _create_network(inventory, target, name):
    inventory.get(target, "Datacenter")
    return inventory._add("Network", name, target).moid, f"Network {name} is there."


def _create_vm(inventory, target, name, **values):
    inventory.get(target, "ResourcePool")
    for kind in ("datastore", "network"):
        if values.get(kind):
            inventory.get(values[kind], kind.capitalize())
    if {"power", "host"} & set(values):
        raise Fault("InvalidArgument", "A new virtual machine is powered off and on no host.")
    cpus, memory = values.get("cpus", 1), values.get("memory_mb", 1024)
    if isinstance(cpus, int) and isinstance(memory, int):
        values.setdefault("cpu_shares", cpus * SHARES["normal"])
        values.setdefault("memory_shares", memory * SHARES_PER_MB["normal"])
    one = inventory._add("VirtualMachine", name, target, **values)
    return one.moid, f"Virtual machine {name} is there, powered off."


def _reconfigure(inventory, target, **values):
    vm = inventory.get(target, "VirtualMachine")
    if {"power", "host", "parent", "name"} & set(values):
        raise Fault("InvalidArgument", "Power, host, parent and name have operations of their own.")
    _check_values(VirtualMachine, values)
    if vm.power != POWERED_OFF and {"cpus", "memory_mb"} & set(values):
        raise _wrong_power(vm, POWERED_OFF)
    if vm.host:
        before = {name: getattr(vm, name) for name in values}
        vm.__dict__.update(values)
        cpu, memory = inventory.room(inventory.objects[vm.host])
        if min(cpu, memory) < 0:
            vm.__dict__.update(before)
            text = f"Host {vm.host} has no room for that reservation."
            raise Fault("InsufficientResourcesFault", text)
    vm.__dict__.update(values)
    return target, f"{vm.name} has new {', '.join(sorted(values))}."


def _wrong_power(vm, wanted: str) -> Fault:
    text = f"{vm.name} is {vm.power}; accepted is {wanted}."
    return Fault("InvalidPowerState", text)


def _power_on(inventory, target, host=None, because=""):
    vm = inventory.get(target, "VirtualMachine")
    if vm.power == POWERED_ON:
        raise _wrong_power(vm, f"{POWERED_OFF} or {SUSPENDED}")
    if host is None:
        chosen, why = inventory.choose(vm)
    else:
        chosen, why = inventory.get(host, "HostSystem"), "that host was asked for"
        wrong = inventory.fits(vm, chosen)
        if wrong:
            raise Fault("InsufficientResourcesFault", f"{vm.name} cannot start: {wrong}.")
    vm.power = POWERED_ON
    inventory.place(vm, chosen.moid)
    return chosen.moid, f"{vm.name} starts on {chosen.name}: {because or why}."


def _power_off(inventory, target):
    vm = inventory.get(target, "VirtualMachine")
    if vm.power == POWERED_OFF:
        raise _wrong_power(vm, f"{POWERED_ON} or {SUSPENDED}")
    vm.power = POWERED_OFF
    inventory.place(vm, "")
    return target, f"{vm.name} is powered off."


def _suspend(inventory, target):
    vm = inventory.get(target, "VirtualMachine")
    if vm.power != POWERED_ON:
        raise _wrong_power(vm, POWERED_ON)
    vm.power = SUSPENDED
    inventory.place(vm, "")
    return target, f"{vm.name} is suspended."


def _reset(inventory, target):
    vm = inventory.get(target, "VirtualMachine")
    if vm.power != POWERED_ON:
        raise _wrong_power(vm, POWERED_ON)
    return target, f"{vm.name} is reset."


def _migrate(inventory, target, host, because=""):
    vm = inventory.get(target, "VirtualMachine")
    chosen = inventory.get(host, "HostSystem")
    if vm.power != POWERED_ON:
        raise _wrong_power(vm, POWERED_ON)
    if vm.host == host:
        raise Fault("InvalidArgument", f"{vm.name} is on {chosen.name} already.")
    wrong = inventory.fits(vm, chosen)
    if wrong:
        raise Fault("InsufficientResourcesFault", f"{vm.name} cannot move: {wrong}.")
    source = inventory.objects[vm.host].name
    inventory.place(vm, host)
    why = f": {because}" if because else ""
    return host, f"{vm.name} moves from {source} to {chosen.name}{why}."


def _destroy(inventory, target):
    one = inventory.get(target)
    if isinstance(one, VirtualMachine) and one.power != POWERED_OFF:
        raise _wrong_power(one, POWERED_OFF)
    used = [vm for vm in inventory.of("VirtualMachine") if target in (vm.datastore, vm.network)]
    if isinstance(one, HostSystem):
        used += inventory.on_host(target)
    pool = getattr(one, "pool", "")  # a cluster's own, which goes with it when it is empty
    below = inventory._index.children(target) + inventory._index.children(pool)
    root = isinstance(one, ResourcePool) and one.parent.startswith("domain-c")
    if used or root or [other for other in below if other.moid != pool]:
        raise Fault("ResourceInUse", f"{one.name} is in use; accepted is one that is empty.")
    for moid in (pool, target):
        if moid in inventory.objects:
            inventory._index.remove(inventory.objects.pop(moid))
        for alarm in inventory.alarms.values():
            alarm.status.pop(moid, None)
    return "", f"{type(one).__name__} {one.name} is gone."


def _evacuation(inventory, host: HostSystem) -> dict[str, str]:
    """Where each virtual machine of a host would go, if nothing were left on it; changes nothing.

    Raises
    ------
    Fault : one of them would find no host
    """
    machines, found = inventory.on_host(host.moid), {}
    was, host.maintenance = host.maintenance, True
    try:
        for vm in machines:
            found[vm.moid] = inventory.choose(vm)[0].moid
            inventory.place(vm, found[vm.moid])
    except Fault as fault:
        raise Fault(fault.name, f"{host.name} cannot be emptied: {fault}") from None
    finally:
        host.maintenance = was
        for vm in machines:
            inventory.place(vm, host.moid)
    return found


def _enter_maintenance(inventory, target, homes=None):
    host = inventory.get(target, "HostSystem")
    if host.maintenance:
        raise Fault("InvalidState", f"{host.name} is in maintenance mode already.")
    if homes is None:
        homes = _evacuation(inventory, host)
    here = [vm.moid for vm in inventory.on_host(target)]
    if not isinstance(homes, dict) or list(homes) != here:
        raise Fault("InvalidArgument", f"homes are those of {host.name}'s virtual machines.")
    host.maintenance = True
    for moid, home in homes.items():
        inventory.place(inventory.objects[moid], inventory.get(home, "HostSystem").moid)
    return target, f"{host.name} is in maintenance mode; {len(homes)} virtual machines moved."


def _exit_maintenance(inventory, target):
    host = inventory.get(target, "HostSystem")
    if not host.maintenance:
        raise Fault("InvalidState", f"{host.name} is not in maintenance mode.")
    host.maintenance = False
    return target, f"{host.name} takes virtual machines again."


def _host_lost(inventory, target):
    """What HA reports: the host is gone, and its virtual machines are powered off."""
    host = inventory.get(target, "HostSystem")
    host.connection = NOT_RESPONDING
    stopped = inventory.on_host(target)
    for vm in stopped:
        vm.power = POWERED_OFF
        inventory.place(vm, "")
    return target, f"{host.name} does not respond; {len(stopped)} virtual machines stopped."


def _reconnect(inventory, target):
    host = inventory.get(target, "HostSystem")
    if host.connection == CONNECTED:
        raise Fault("InvalidState", f"{host.name} is connected.")
    host.connection = CONNECTED
    return target, f"{host.name} is connected again."


def _create_alarm(inventory, target, name, type, counter, yellow, red):
    numbers = all(isinstance(one, int | float) for one in (yellow, red))
    if type not in TYPES or not numbers or not yellow <= red:
        accepted = f"accepted are {', '.join(TYPES)}, and yellow up to red"
        raise Fault("InvalidArgument", f"An alarm on {type} from {yellow} to {red}: {accepted}.")
    moid = f"alarm-{inventory._next}"
    inventory._next += 1
    inventory.alarms[moid] = Alarm(moid, name, type, counter, yellow, red)
    return moid, f"Alarm {name} watches {counter} of every {type}."


def _set_alarm(inventory, target, alarm, status, value):
    """What a counter's new value does to an alarm; `Inventory.watch` asks for it."""
    inventory.get(target)
    known = alarm in inventory.alarms and status in STATUSES
    if not known or not isinstance(value, int | float):
        text = f"Alarm {alarm!r} to {status!r} at {value!r}: there is no such one."
        raise Fault("InvalidArgument", text)
    one = inventory.alarms[alarm]
    was = one.status.pop(target, GREEN)
    if status != GREEN:
        one.status[target] = status
    return target, f"Alarm {one.name} turns from {was} to {status}: {one.counter} is {value:g}."


def _remove_alarm(inventory, target):
    if target not in inventory.alarms:
        raise Fault("ManagedObjectNotFound", f"There is no alarm {target}.")
    one = inventory.alarms.pop(target)
    return "", f"Alarm {one.name} is gone."


def _rename(inventory, target, name):
    one = inventory.get(target)
    _check_name(name)
    if inventory._index.has(type(one).__name__, one.parent, name):
        raise Fault("DuplicateName", f"{one.parent} has a {type(one).__name__} named {name}.")
    inventory._index.rename(one, name)
    was, one.name = one.name, name
    return target, f"{was} is named {name} now."


OPERATIONS = {
    "CreateDatacenter": _create_datacenter,
    "CreateClusterEx": _create_cluster,
    "AddHost": _add_host,
    "CreateResourcePool": _create_pool,
    "CreateDatastore": _create_storage,
    "CreateNetwork": _create_network,
    "CreateVM": _create_vm,
    "ReconfigVM": _reconfigure,
    "PowerOnVM": _power_on,
    "PowerOffVM": _power_off,
    "SuspendVM": _suspend,
    "ResetVM": _reset,
    "MigrateVM": _migrate,
    "Destroy": _destroy,
    "EnterMaintenanceMode": _enter_maintenance,
    "ExitMaintenanceMode": _exit_maintenance,
    "HostNotResponding": _host_lost,
    "ReconnectHost": _reconnect,
    "CreateAlarm": _create_alarm,
    "SetAlarmStatus": _set_alarm,
    "RemoveAlarm": _remove_alarm,
    "Rename": _rename,
}
