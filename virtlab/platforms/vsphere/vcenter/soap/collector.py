"""How does a client read a thousand objects, and hear when one changes? PropertyCollector.

A filter begins at objects, walks from them along properties that hold references (TraversalSpec,
by a name where it returns to itself), and reads properties of what it meets. RetrievePropertiesEx
does that once, page by page; WaitForUpdatesEx remembers what every filter has told and answers with
what differs, at once if something does, or when something has changed.

Source: "vSphere Web Services SDK Programming Guide" 8.0, "Property Collector"; "vSphere Web
Services API Reference" 8.0, PropertyCollector, PropertyFilterSpec, UpdateSet, ContainerView.
"""

import time
from dataclasses import dataclass, field

from virtlab.platforms.vsphere.inventory import Fault
from virtlab.platforms.vsphere.vcenter.soap.faults import CallError
from virtlab.platforms.vsphere.vcenter.soap.managed import Scope, is_a, lineage, names_of, read
from virtlab.platforms.vsphere.vcenter.soap.reading import Node
from virtlab.platforms.vsphere.vcenter.soap.values import Data, Enum, Ref

LONGEST_WAIT_S = 600
MOST_VISITS = 200_000  # steps of one walk, so that no filter walks for ever
CHILDREN = {  # what a container view looks into
    "Folder": ("childEntity",),
    "Datacenter": ("vmFolder", "hostFolder", "datastoreFolder", "networkFolder"),
    "ComputeResource": ("host", "resourcePool"),
    "ResourcePool": ("resourcePool", "vm"),
    "HostSystem": ("vm",),
}

State = dict[Ref, dict[str, object]]  # of every object, its properties by path


def reference(node: Node | None) -> Ref:
    """The reference that an element holds.

    Raises
    ------
    Fault : InvalidArgument
    """
    if node is None or not node.text.strip():
        raise Fault("InvalidArgument", "A reference is lacking.")
    return Ref(node.attributes.get("type", "ManagedObject").rpartition(":")[2], node.text.strip())


# -- views -----------------------------------------------------------------------------------------


@dataclass
class ContainerView:
    """What is inside an object, of some types, now and whenever it is asked for."""

    container: Ref
    types: list[str]
    recursive: bool

    def members(self, scope: Scope) -> list[Ref]:
        found: dict[Ref, None] = {}
        open_ = list(_inside(scope, self.container))
        seen = set(open_)
        while open_:
            ref = open_.pop(0)
            if not self.types or any(is_a(ref.type, wanted) for wanted in self.types):
                found[ref] = None
            if self.recursive:
                new = [one for one in _inside(scope, ref) if one not in seen]
                seen.update(new)
                open_ += new
        return list(found)


def _inside(scope: Scope, ref: Ref) -> list[Ref]:
    names = [name for kind in lineage(ref.type) for name in CHILDREN.get(kind, ())]
    return [one for name in names for one in _references(read(scope, ref, name))]


@dataclass
class ListView:
    """Objects that a client has listed."""

    listed: list[Ref]

    def members(self, scope: Scope) -> list[Ref]:
        return [ref for ref in self.listed if _is_there(scope, ref)]


def _is_there(scope: Scope, ref: Ref) -> bool:
    try:
        scope.find(ref)
    except Fault:
        return False
    return True


def _references(value) -> list[Ref]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, Ref)]


# -- filters ---------------------------------------------------------------------------------------


@dataclass
class PropertyFilter:
    """A PropertyFilterSpec, and what has been told of it."""

    moid: str
    spec: Node
    collector: str = ""
    told: State = field(default_factory=dict)
    before: State = field(default_factory=dict)  # what had been told one version earlier

    def select(self, scope: Scope) -> State:
        """The properties of the objects that the filter selects.

        Raises
        ------
        Fault : InvalidProperty, ManagedObjectNotFound, InvalidArgument
        """
        wanted = [(one.value("type", ""), one) for one in self.spec.all("propSet")]
        if not wanted or not self.spec.all("objectSet"):
            raise Fault("InvalidArgument", "A filter needs an objectSet and a propSet.")
        missing_is_fine = self.spec.flag("reportMissingObjectsInResults")
        found: State = {}
        for ref in self._walk(scope, missing_is_fine):
            paths = {}
            for type_, one in wanted:
                if is_a(ref.type, type_):
                    names = [path.text.strip() for path in one.all("pathSet")]
                    paths |= dict.fromkeys(names_of(ref.type) if one.flag("all") else names)
            if any(is_a(ref.type, type_) for type_, _ in wanted):
                found[ref] = {path: read(scope, ref, path) for path in paths}
        return found

    def _walk(self, scope: Scope, missing_is_fine: bool) -> list[Ref]:
        chosen: dict[Ref, None] = {}
        n_visits = 0
        for start in self.spec.all("objectSet"):
            ref = reference(start.get("obj"))
            if not _is_there(scope, ref) and missing_is_fine:
                continue
            first = Ref(scope.type_of(scope.find(ref)), ref.moid)
            named = {s.value("name"): s for s in _selections(start) if s.get("path")}
            if not start.flag("skip"):
                chosen[first] = None
            open_ = [(first, one) for one in start.all("selectSet")]
            walked = set()
            while open_:
                ref, selection = open_.pop()
                if not selection.get("path"):
                    name = selection.value("name")
                    if name not in named:
                        text = f"No selection of this filter is named {name!r:.80}."
                        raise Fault("InvalidArgument", text)
                    selection = named[name]
                n_visits += 1
                if (ref, id(selection)) in walked:
                    continue
                if n_visits > MOST_VISITS:
                    raise CallError("RuntimeFault", f"The filter takes over {MOST_VISITS} steps.")
                walked.add((ref, id(selection)))
                if not is_a(ref.type, selection.value("type", "")):
                    continue
                for member in _references(read(scope, ref, selection.value("path"))):
                    if not selection.flag("skip"):
                        chosen[member] = None
                    open_ += [(member, one) for one in selection.all("selectSet")]
        return list(chosen)


def _selections(node: Node) -> list[Node]:
    """All selections below a node, at any depth."""
    found = list(node.all("selectSet"))
    for one in found:  # grows while it is walked
        found += one.all("selectSet")
    return found


def content(ref: Ref, values: dict) -> Data:
    """An object with its properties."""
    set_ = [
        Data("DynamicProperty", name=path, val=value)
        for path, value in values.items()
        if value is not None
    ]
    return Data("ObjectContent", obj=ref, propSet=set_)


def changes(old: State, new: State) -> list[Data]:
    """ObjectUpdates from one state to another."""
    found = []
    for ref, values in new.items():
        was = old.get(ref)
        differs = [
            Data("PropertyChange", name=path, op=Enum("PropertyChangeOp", "assign"), val=value)
            for path, value in values.items()
            if (was is None and value is not None) or (was is not None and was.get(path) != value)
        ]
        if was is None or differs:
            kind = Enum("ObjectUpdateKind", "enter" if was is None else "modify")
            found.append(Data("ObjectUpdate", kind=kind, obj=ref, changeSet=differs))
    leave = Enum("ObjectUpdateKind", "leave")
    return found + [Data("ObjectUpdate", kind=leave, obj=r) for r in old if r not in new]


# -- the collector ---------------------------------------------------------------------------------


@dataclass
class PropertyCollector:
    """One that a session has made; the one of the service has the same, one for every session."""

    moid: str
    version: int = 0
    pages: dict[str, tuple[list[Data], int]] = field(default_factory=dict)
    next_page: int = 1
    cancelled: int = 0

    def filters(self, scope: Scope) -> list[PropertyFilter]:
        own = scope.session.objects.values()
        return [o for o in own if isinstance(o, PropertyFilter) and o.collector == self.moid]

    def page(self, contents: list[Data], most: int | None) -> Data | None:
        """The first `most` of the contents, and a token for the others."""
        if not contents:
            return None
        most = most or len(contents)
        token = None
        if len(contents) > most:
            token, self.next_page = f"page-{self.next_page}", self.next_page + 1
            self.pages[token] = (contents[most:], most)
        return Data("RetrieveResult", token=token, objects=contents[:most])

    def go_on(self, token: str) -> Data | None:
        """The next page."""
        if token not in self.pages:
            raise CallError(
                "InvalidArgument", "No retrieval goes on here.", invalidProperty="token"
            )
        return self.page(*self.pages.pop(token))

    def updates(self, scope: Scope, version: str, wait_s: float) -> Data | None:
        """What has changed since `version`; None if nothing has after `wait_s` seconds.

        Raises
        ------
        CallError : InvalidCollectorVersion, RequestCanceled
        """
        known = {"": 0, str(self.version): self.version, str(self.version - 1): self.version - 1}
        if version not in known:
            text = f"Version {version:.40} is none that this collector has told."
            raise CallError("InvalidCollectorVersion", text)
        filters = self.filters(scope)
        if version == "":
            for one in filters:
                one.told = {}
        elif known[version] < self.version:  # the answer got lost: tell it again
            for one in filters:
                one.told = one.before
        deadline = time.monotonic() + min(wait_s, LONGEST_WAIT_S)
        began = self.cancelled
        first = version == ""
        while True:
            found, selected = [], [(one, one.select(scope)) for one in self.filters(scope)]
            for one, now in selected:
                update = changes(one.told, now)
                if update:
                    ref = Ref("PropertyFilter", one.moid)
                    found.append(Data("PropertyFilterUpdate", filter=ref, objectSet=update))
            if found or first:
                for one, now in selected:
                    one.before, one.told = one.told, now
                self.version += 1
                return Data(
                    "UpdateSet", version=str(self.version), filterSet=found, truncated=False
                )
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            scope.vcenter.lock.wait(left)
            if self.cancelled != began:
                raise CallError("RequestCanceled", "The wait was cancelled.")
            if scope.has_ended():
                raise CallError("NotAuthenticated", "The session has ended.")
