"""Which managed objects are there? Their references, their types, and how a property is asked for.

`Scope` is vCenter as one session sees it. Objects of the inventory have the inventory's references;
the folders that vSphere puts around them (group-v for virtual machines, -h for hosts, -s for
datastores, -n for networks) are made up from their datacenter's; managers are there once.

A property is a function of the scope and the object, entered under its type and name by `prop`; a
type has the properties of its bases too.

Source: "vSphere Web Services API Reference" 8.0, "Managed Object Types".
"""

from collections.abc import Callable
from dataclasses import dataclass

from virtlab.platforms.vsphere.inventory import ROOT, Inventory
from virtlab.platforms.vsphere.vcenter.service import VCenter
from virtlab.platforms.vsphere.vcenter.sessions import Session, Sessions
from virtlab.platforms.vsphere.vcenter.soap.faults import CallError, not_found
from virtlab.platforms.vsphere.vcenter.soap.values import Data, Ref

BASES = {
    **dict.fromkeys(
        ("Folder", "Datacenter", "ComputeResource", "HostSystem", "ResourcePool")
        + ("VirtualMachine", "Datastore", "Network"),
        "ManagedEntity",
    ),
    "ClusterComputeResource": "ComputeResource",
    "ManagedEntity": "ExtensibleManagedObject",
    "Alarm": "ExtensibleManagedObject",
    "Task": "ExtensibleManagedObject",
    "ContainerView": "ManagedObjectView",
    "ListView": "ManagedObjectView",
    "ManagedObjectView": "View",
    "EventHistoryCollector": "HistoryCollector",
}
SINGLES = {
    "ServiceInstance": "ServiceInstance",
    "propertyCollector": "PropertyCollector",
    "ViewManager": "ViewManager",
    "SessionManager": "SessionManager",
    "PerfMgr": "PerformanceManager",
    "EventManager": "EventManager",
    "AlarmManager": "AlarmManager",
    "TaskManager": "TaskManager",
    "SearchIndex": "SearchIndex",
}
# A datacenter's folders: the letter of its reference, its name, what it may hold.
FOLDERS = {
    "v": ("vm", ("VirtualMachine",)),
    "h": ("host", ("ClusterComputeResource",)),
    "s": ("datastore", ("Datastore",)),
    "n": ("network", ("Network",)),
}
MOST_OWN = 500  # objects of one session
PROPERTIES: dict[str, dict[str, Callable]] = {}


@dataclass(frozen=True)
class Folder:
    """The root folder, or one of a datacenter's four."""

    moid: str
    name: str
    datacenter: str = ""
    holds: tuple[str, ...] = ("Datacenter",)


class Scope:
    """vCenter as a session sees it; the caller holds vCenter's lock.

    Parameters
    ----------
    session : Session, or None before somebody has logged in
    """

    def __init__(self, vcenter: VCenter, sessions: Sessions, session: Session | None):
        self.vcenter, self.sessions, self.session = vcenter, sessions, session

    @property
    def inventory(self) -> Inventory:
        return self.vcenter.inventory

    @property
    def user(self) -> str:
        return self.session.user if self.session else ""

    def has_ended(self) -> bool:
        """Whether the session has logged out meanwhile."""
        return self.session not in self.sessions.all()

    def find(self, ref: Ref):
        """The object that a reference names, whatever type the reference gives it.

        Raises
        ------
        CallError : ManagedObjectNotFound
        """
        moid = ref.moid
        if moid in self.inventory.objects:
            return self.inventory.objects[moid]
        if moid in self.inventory.alarms:
            return self.inventory.alarms[moid]
        if moid in SINGLES:
            return SINGLES[moid]
        if self.session and moid in self.session.objects:
            return self.session.objects[moid]
        found = self._folder(moid) or self._task(moid)
        if found is None:
            raise not_found(ref)
        return found

    def _folder(self, moid: str) -> Folder | None:
        if moid == ROOT:
            return Folder(ROOT, "Datacenters")
        letter, number = moid[len("group-") :][:1], moid[len("group-") :][1:]
        datacenter = f"datacenter-{number}"
        if moid.startswith("group-") and letter in FOLDERS and datacenter in self.inventory.objects:
            name, holds = FOLDERS[letter]
            return Folder(moid, name, datacenter, holds)
        return None

    def _task(self, moid: str):
        number = moid.removeprefix("task-")
        if not moid.startswith("task-") or not number.isascii() or not number.isdigit():
            return None
        tasks = self.inventory.tasks
        return tasks[int(number) - 1] if 1 <= int(number) <= len(tasks) else None

    def ref(self, moid: str) -> Ref:
        """The reference, with its type, of what is there under `moid`."""
        return Ref(self.type_of(self.find(Ref("ManagedObject", moid))), moid)

    def type_of(self, one) -> str:
        """The type of an object that `find` has given."""
        return one if isinstance(one, str) else type(one).__name__

    def own(self, prefix: str, make) -> Ref:
        """Give the session an object of its own: `make` gets its reference's text."""
        moid = f"{prefix}-{self.session.next_object}"
        if len(self.session.objects) >= MOST_OWN:
            raise CallError("RuntimeFault", f"A session has at most {MOST_OWN} views and filters.")
        self.session.next_object += 1
        self.session.objects[moid] = make(moid)
        return Ref(type(self.session.objects[moid]).__name__, moid)


def lineage(type_: str) -> list[str]:
    """A type and its bases."""
    found = [type_]
    while found[-1] in BASES:
        found.append(BASES[found[-1]])
    return found


def is_a(type_: str, base: str) -> bool:
    """Whether a type is another or derived from it."""
    return base in lineage(type_) or base == "ManagedObject"


def prop(type_: str, *names: str):
    """Enter a function as a property of a type, under its own name or those given."""

    def enter(function):
        for name in names or (function.__name__,):
            PROPERTIES.setdefault(type_, {})[name] = function
        return function

    return enter


def names_of(type_: str) -> list[str]:
    """All properties that a type has."""
    return sorted({name for one in lineage(type_) for name in PROPERTIES.get(one, ())})


def read(scope: Scope, ref: Ref, path: str):
    """The value of a property, or of one inside it: "runtime.powerState".

    Raises
    ------
    CallError : InvalidProperty, ManagedObjectNotFound
    """
    one = scope.find(ref)
    type_ = scope.type_of(one)
    first, *rest = path.split(".")
    for kind in lineage(type_):
        if first in PROPERTIES.get(kind, ()):
            value = PROPERTIES[kind][first](scope, one)
            break
    else:
        raise _no_property(type_, path)
    for name in rest:
        if value is None:
            return None
        if not isinstance(value, Data) or name not in value.fields:
            raise _no_property(type_, path)
        value = value.fields[name]
    return value


def _no_property(type_: str, path: str) -> CallError:
    known = ", ".join(names_of(type_)) or "none"
    text = f"{type_} has no property {path:.120}; accepted are {known}, and what is inside them."
    return CallError("InvalidProperty", text, name=path[:120])
