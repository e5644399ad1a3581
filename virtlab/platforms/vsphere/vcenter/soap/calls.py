"""Which calls are there, and on what? A table of functions, by the interface's names.

A call is entered by `call`, with the type of the object that it is a method of. One that changes
the inventory submits an operation and answers with the task that it has become; what the inventory
refuses is in the task. A call that is not here, or not on this object, is answered by
MethodNotFound; anything that needs a login, without one, by NotAuthenticated.

Source: "vSphere Web Services API Reference" 8.0, methods of the types named below.
"""

from collections.abc import Callable

from virtlab.platforms.vsphere.inventory import ROOT, Fault
from virtlab.platforms.vsphere.vcenter.counters import BY_KEY, BY_NAME
from virtlab.platforms.vsphere.vcenter.soap import services
from virtlab.platforms.vsphere.vcenter.soap.collector import reference
from virtlab.platforms.vsphere.vcenter.soap.entities import identity
from virtlab.platforms.vsphere.vcenter.soap.faults import CallError
from virtlab.platforms.vsphere.vcenter.soap.managed import Folder, Scope, is_a, read
from virtlab.platforms.vsphere.vcenter.soap.reading import Node
from virtlab.platforms.vsphere.vcenter.soap.values import Data, Ref

CALLS: dict[str, list[tuple[str, Callable]]] = {}
# What can be asked for before anybody has logged in.
OPEN = {"RetrieveServiceContent", "Login", "CurrentTime"}


def call(name: str, on: str):
    """Enter a function as a call on objects of a type; it gets the scope, the object, the node."""

    def enter(function):
        CALLS.setdefault(name, []).append((on, function))
        return function

    return enter


def answer(scope: Scope, node: Node):
    """The value that a call returns.

    Raises
    ------
    Fault : what the call is answered with instead
    """
    target = reference(node.get("_this"))
    known = CALLS.get(node.name, ())
    if scope.session is None and node.name not in OPEN and not _is_public(target, node):
        text = "Nobody is logged in."
        raise CallError("NotAuthenticated", text, object=target, privilegeId="System.View")
    one = scope.find(target)
    type_ = scope.type_of(one)
    for on, function in known:
        if is_a(type_, on):
            return function(scope, Ref(type_, target.moid), node)
    text = f"{type_} has no method {node.name:.80} here."
    raise CallError("MethodNotFound", text, receiver=target, method=node.name[:80])


def _is_public(target: Ref, node: Node) -> bool:
    """What the service is, anybody may read."""
    return target.moid == "ServiceInstance" and node.name == "Fetch"


@call("Fetch", "ManagedObject")
def fetch(scope, ref, node):
    """A property of an object: how client libraries read one that is asked for by itself."""
    return read(scope, ref, node.need("prop").text.strip())


# -- the service -----------------------------------------------------------------------------------


@call("RetrieveServiceContent", "ServiceInstance")
def retrieve_content(scope, ref, node):
    return services.content(scope, None)


@call("CurrentTime", "ServiceInstance")
def current_time(scope, ref, node):
    return scope.vcenter.at(scope.vcenter.time)


@call("SessionIsActive", "SessionManager")
def session_is_active(scope, ref, node):
    wanted = (node.value("sessionID"), node.value("userName"))
    return wanted in [(one.key, one.user) for one in scope.sessions.all()]


@call("TerminateSession", "SessionManager")
def terminate_session(scope, ref, node):
    for one in node.all("sessionId"):
        if one.text.strip() == scope.session.key:
            raise CallError("InvalidArgument", "A session ends itself by Logout.")
        if not scope.sessions.end(one.text.strip()):
            raise CallError("NotFound", f"There is no session {one.text.strip():.80}.")


# -- operations ------------------------------------------------------------------------------------


def submit(scope: Scope, kind: str, moid: str, **arguments) -> Ref:
    """Do an operation in the session's name; returns its task."""
    task = scope.vcenter.submit(kind, moid, user=scope.user, **arguments)
    return Ref("Task", task.moid)


def done(scope: Scope, kind: str, moid: str, **arguments) -> Ref:
    """Do an operation whose call answers with what it has made, or with its fault."""
    task = scope.vcenter.submit(kind, moid, user=scope.user, **arguments)
    if task.fault:
        raise CallError(task.fault, task.message)
    return scope.ref(task.result)


def _plain(name: str, type_: str, kind: str) -> None:
    @call(name, type_)
    def operate(scope, ref, node):
        return submit(scope, kind, ref.moid)


for _name, _type in (
    ("PowerOffVM", "VirtualMachine"),
    ("SuspendVM", "VirtualMachine"),
    ("ResetVM", "VirtualMachine"),
    ("EnterMaintenanceMode", "HostSystem"),
    ("ExitMaintenanceMode", "HostSystem"),
    ("ReconnectHost", "HostSystem"),
    ("Destroy", "ManagedEntity"),
):
    _plain(f"{_name}_Task", _type, _name)


@call("PowerOnVM_Task", "VirtualMachine")
def power_on(scope, ref, node):
    host = node.get("host")
    chosen = {"host": reference(host).moid} if host else {}
    return submit(scope, "PowerOnVM", ref.moid, **chosen)


@call("MigrateVM_Task", "VirtualMachine")
def migrate(scope, ref, node):
    return submit(scope, "MigrateVM", ref.moid, host=reference(node.need("host")).moid)


@call("RelocateVM_Task", "VirtualMachine")
def relocate(scope, ref, node):
    spec = node.need("spec")
    vm = scope.inventory.objects[ref.moid]
    for name, now in (("datastore", vm.datastore), ("pool", vm.parent)):
        if spec.get(name) and reference(spec.get(name)).moid != now:
            raise CallError("NotSupported", f"A {name} other than {now} is not in this subset.")
    if not spec.get("host"):
        raise CallError("NotSupported", "A relocation without a host is not in this subset.")
    return submit(scope, "MigrateVM", ref.moid, host=reference(spec.get("host")).moid)


@call("Rename_Task", "ManagedEntity")
def rename(scope, ref, node):
    return submit(scope, "Rename", ref.moid, name=node.need("newName").text)


def _allocations(spec: Node) -> dict[str, int]:
    """Shares, reservation and limit out of a specification."""
    found = {}
    for resource in ("cpu", "memory"):
        said = spec.get(f"{resource}Allocation")
        if said is None:
            continue
        shares = said.get("shares")
        values = {
            "reservation": said.number("reservation"),
            "limit": said.number("limit"),
            "shares": shares.number("shares") if shares else None,
        }
        if shares and shares.value("level", "custom") != "custom":
            raise CallError("NotSupported", "Shares of a level are not in this subset, custom are.")
        found |= {f"{resource}_{k}": v for k, v in values.items() if v is not None}
    return found


def _sizes(spec: Node) -> dict[str, int]:
    found = {"cpus": spec.number("numCPUs"), "memory_mb": spec.number("memoryMB")}
    return {name: value for name, value in found.items() if value is not None}


@call("ReconfigVM_Task", "VirtualMachine")
def reconfigure(scope, ref, node):
    spec = node.need("spec")
    return submit(scope, "ReconfigVM", ref.moid, **_sizes(spec), **_allocations(spec))


@call("CreateVM_Task", "Folder")
def create_vm(scope, ref, node):
    folder = scope.find(ref)
    if "VirtualMachine" not in folder.holds:
        raise CallError("NotSupported", f"{folder.name} holds no virtual machines.")
    config, pool = node.need("config"), reference(node.need("pool")).moid
    arguments = {"name": config.need("name").text, **_sizes(config), **_allocations(config)}
    stores = scope.inventory.of("Datastore", folder.datacenter)
    files = config.get("files")
    path = files.value("vmPathName", "") if files else ""
    named = [one.moid for one in stores if path.startswith(f"[{one.name}]")]
    if named:
        arguments["datastore"] = named[0]
    return submit(scope, "CreateVM", pool, **arguments)


@call("CreateDatacenter", "Folder")
def create_datacenter(scope, ref, node):
    return done(scope, "CreateDatacenter", ref.moid, name=node.need("name").text)


@call("CreateClusterEx", "Folder")
def create_cluster(scope, ref, node):
    folder: Folder = scope.find(ref)
    if "ClusterComputeResource" not in folder.holds:
        raise CallError("NotSupported", f"{folder.name} holds no clusters.")
    spec, values = node.need("spec"), {}
    for name, config in (("drs", spec.get("drsConfig")), ("ha", spec.get("dasConfig"))):
        if config and config.get("enabled"):
            values[name] = config.flag("enabled")
    name = node.need("name").text
    return done(scope, "CreateClusterEx", folder.datacenter, name=name, **values)


@call("AddHost_Task", "ClusterComputeResource")
def add_host(scope, ref, node):
    name = node.need("spec").need("hostName").text
    return submit(scope, "AddHost", ref.moid, name=name)


@call("CreateResourcePool", "ResourcePool")
def create_pool(scope, ref, node):
    values = _allocations(node.need("spec"))
    return done(scope, "CreateResourcePool", ref.moid, name=node.need("name").text, **values)


# -- finding ---------------------------------------------------------------------------------------


def _children(scope: Scope, ref: Ref) -> list[Ref]:
    if ref.type == "Datacenter":
        folders = ("vmFolder", "hostFolder", "datastoreFolder", "networkFolder")
        return [read(scope, ref, name) for name in folders]
    names = {"Folder": "childEntity", "ClusterComputeResource": "host", "ResourcePool": "vm"}
    return read(scope, ref, names[ref.type]) if ref.type in names else []


@call("FindChild", "SearchIndex")
def find_child(scope, ref, node):
    parent, name = reference(node.need("entity")), node.need("name").text
    there = _children(scope, scope.ref(parent.moid))
    return next((one for one in there if read(scope, one, "name") == name), None)


@call("FindByInventoryPath", "SearchIndex")
def find_by_path(scope, ref, node):
    at = Ref("Folder", ROOT)
    for name in node.need("inventoryPath").text.strip("/").split("/"):
        there = _children(scope, at)
        at = next((one for one in there if read(scope, one, "name") == name), None)
        if at is None:
            return None
    return at


@call("FindByUuid", "SearchIndex")
def find_by_uuid(scope, ref, node):
    type_ = "VirtualMachine" if node.flag("vmSearch") else "HostSystem"
    for one in scope.inventory.of(type_):
        if identity(scope, one.moid) == node.value("uuid"):
            return Ref(type_, one.moid)
    return None


# -- alarms ----------------------------------------------------------------------------------------


@call("GetAlarm", "AlarmManager")
def get_alarm(scope, ref, node):
    entity = reference(node.get("entity")) if node.get("entity") else Ref("Folder", ROOT)
    here = entity.moid == ROOT  # all alarms are the root folder's
    return [Ref("Alarm", moid) for moid in scope.inventory.alarms] if here else []


@call("GetAlarmState", "AlarmManager")
def get_alarm_state(scope, ref, node):
    entity = scope.ref(reference(node.need("entity")).moid)
    return read(scope, entity, "declaredAlarmState")


@call("CreateAlarm", "AlarmManager")
def create_alarm(scope, ref, node):
    spec = node.need("spec")
    said = spec.need("expression")
    parts = said.all("expression") or [said]
    if len(parts) != 1 or parts[0].type not in ("MetricAlarmExpression", ""):
        raise CallError("NotSupported", "In this subset an alarm has one MetricAlarmExpression.")
    (metric,) = parts
    counter = BY_KEY.get(metric.need("metric").number("counterId"))
    if counter is None:
        raise CallError("InvalidArgument", "There is no such counter.", invalidProperty="counterId")
    red = metric.number("red", 10_000)
    values = {"yellow": float(metric.number("yellow", red)), "red": float(red)}
    values |= {"type": metric.need("type").text.strip(), "counter": counter.full_name}
    return done(scope, "CreateAlarm", ROOT, name=spec.need("name").text, **values)


@call("RemoveAlarm", "Alarm")
def remove_alarm(scope, ref, node):
    task = scope.vcenter.submit("RemoveAlarm", ref.moid, user=scope.user)
    if task.fault:
        raise Fault(task.fault, task.message)


@call("QueryPerfProviderSummary", "PerformanceManager")
def provider_summary(scope, ref, node):
    entity = scope.ref(reference(node.need("entity")).moid)
    return Data("PerfProviderSummary", entity=entity, currentSupported=False, summarySupported=True)


@call("QueryPerfCounter", "PerformanceManager")
def query_counter(scope, ref, node):
    found = []
    for one in node.all("counterId"):
        counter = BY_KEY.get(int(one.text)) if one.text.strip().isdigit() else None
        if counter is None:
            text = f"There is no counter {one.text.strip():.20}."
            raise CallError("InvalidArgument", text, invalidProperty="counterId")
        found.append(services.counter_info(counter))
    return found


@call("QueryPerfCounterByLevel", "PerformanceManager")
def query_level(scope, ref, node):
    return [services.counter_info(counter) for counter in BY_NAME.values()]
