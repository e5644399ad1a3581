"""Which calls read, list and wait? Those of views, property collectors, events and samples.

Source: "vSphere Web Services API Reference" 8.0: ViewManager, PropertyCollector, EventManager,
EventHistoryCollector, PerformanceManager.
"""

from virtlab.platforms.vsphere.inventory import Fault
from virtlab.platforms.vsphere.vcenter.soap import history
from virtlab.platforms.vsphere.vcenter.soap.calls import call
from virtlab.platforms.vsphere.vcenter.soap.collector import (
    LONGEST_WAIT_S,
    ContainerView,
    ListView,
    PropertyCollector,
    PropertyFilter,
    content,
    reference,
)
from virtlab.platforms.vsphere.vcenter.soap.faults import CallError
from virtlab.platforms.vsphere.vcenter.soap.managed import PROPERTIES, Scope, is_a
from virtlab.platforms.vsphere.vcenter.soap.values import Data, Ref

MOST_EVENTS = 1000  # that one call answers with

# -- views -----------------------------------------------------------------------------------------


@call("CreateContainerView", "ViewManager")
def create_container_view(scope, ref, node):
    container = scope.ref(reference(node.need("container")).moid)
    if container.type not in ("Folder", "Datacenter", "ResourcePool", "HostSystem") and not is_a(
        container.type, "ComputeResource"
    ):
        raise CallError("InvalidArgument", f"A {container.type} contains nothing.")
    types = [one.text.strip() for one in node.all("type")]
    for type_ in types:
        if type_ not in PROPERTIES or not is_a(type_, "ManagedEntity"):
            raise CallError("InvalidArgument", f"{type_:.80} is no type of the inventory.")
    view = ContainerView(container, types, node.flag("recursive"))
    return scope.own("view", lambda moid: view)


@call("CreateListView", "ViewManager")
def create_list_view(scope, ref, node):
    listed = [scope.ref(reference(one).moid) for one in node.all("obj")]
    return scope.own("view", lambda moid: ListView(listed))


@call("DestroyView", "View")
def destroy_view(scope, ref, node):
    del scope.session.objects[ref.moid]


# -- property collectors ---------------------------------------------------------------------------


def collector_of(scope: Scope, ref: Ref) -> PropertyCollector:
    """The session's collector; every session has its own behind the service's reference."""
    if ref.moid not in scope.session.objects:
        scope.session.objects[ref.moid] = PropertyCollector(ref.moid)
    return scope.session.objects[ref.moid]


def _retrieve(scope, node) -> list[Data]:
    found = []
    for spec in node.all("specSet"):
        selected = PropertyFilter("", spec).select(scope)
        found += [content(ref, values) for ref, values in selected.items()]
    return found


@call("RetrieveProperties", "PropertyCollector")
def retrieve(scope, ref, node):
    return _retrieve(scope, node)


@call("RetrievePropertiesEx", "PropertyCollector")
def retrieve_ex(scope, ref, node):
    options = node.get("options")
    most = options.number("maxObjects") if options else None
    if most is not None and most < 1:
        raise CallError("InvalidArgument", f"maxObjects is {most}; accepted are 1 and more.")
    return collector_of(scope, ref).page(_retrieve(scope, node), most)


@call("ContinueRetrievePropertiesEx", "PropertyCollector")
def go_on(scope, ref, node):
    return collector_of(scope, ref).go_on(node.need("token").text.strip())


@call("CancelRetrievePropertiesEx", "PropertyCollector")
def cancel_retrieve(scope, ref, node):
    collector_of(scope, ref).go_on(node.need("token").text.strip())


@call("CreatePropertyCollector", "PropertyCollector")
def create_collector(scope, ref, node):
    return scope.own("collector", PropertyCollector)


@call("DestroyPropertyCollector", "PropertyCollector")
def destroy_collector(scope, ref, node):
    if ref.moid == "propertyCollector":
        raise CallError("NotSupported", "The service's own collector stays.")
    for one in collector_of(scope, ref).filters(scope):
        del scope.session.objects[one.moid]
    del scope.session.objects[ref.moid]


@call("CreateFilter", "PropertyCollector")
def create_filter(scope, ref, node):
    spec = node.need("spec")
    PropertyFilter("", spec).select(scope)  # what is wrong with it is said now
    return scope.own("filter", lambda moid: PropertyFilter(moid, spec, ref.moid))


@call("DestroyPropertyFilter", "PropertyFilter")
def destroy_filter(scope, ref, node):
    del scope.session.objects[ref.moid]


@call("WaitForUpdatesEx", "PropertyCollector")
def wait_for_updates_ex(scope, ref, node):
    options = node.get("options")
    seconds = options.number("maxWaitSeconds", LONGEST_WAIT_S) if options else LONGEST_WAIT_S
    if seconds < 0:
        raise CallError("InvalidArgument", f"maxWaitSeconds is {seconds}; accepted are 0 and more.")
    return collector_of(scope, ref).updates(scope, node.value("version", ""), seconds)


@call("WaitForUpdates", "PropertyCollector")
def wait_for_updates(scope, ref, node):
    found = None
    while found is None:
        found = collector_of(scope, ref).updates(scope, node.value("version", ""), LONGEST_WAIT_S)
    return found


@call("CheckForUpdates", "PropertyCollector")
def check_for_updates(scope, ref, node):
    return collector_of(scope, ref).updates(scope, node.value("version", ""), 0)


@call("CancelWaitForUpdates", "PropertyCollector")
def cancel_wait(scope, ref, node):
    collector_of(scope, ref).cancelled += 1
    scope.vcenter.lock.notify_all()


# -- events ----------------------------------------------------------------------------------------


@call("QueryEvents", "EventManager")
def query_events(scope, ref, node):
    filter_ = node.need("filter")
    found = [event for event in scope.inventory.events if history.fits(scope, event, filter_)]
    return [history.event_data(scope, event) for event in found[-MOST_EVENTS:]]


@call("CreateCollectorForEvents", "EventManager")
def create_event_collector(scope, ref, node):
    filter_ = node.need("filter")
    return scope.own("events", lambda moid: history.EventHistoryCollector(filter_))


@call("ReadNextEvents", "EventHistoryCollector")
def read_next(scope, ref, node):
    collector, most = scope.session.objects[ref.moid], _most(node)
    found = collector.fitting(scope)[collector.read : collector.read + most]
    collector.read += len(found)
    return [history.event_data(scope, event) for event in found]


@call("ReadPreviousEvents", "EventHistoryCollector")
def read_previous(scope, ref, node):
    collector, most = scope.session.objects[ref.moid], _most(node)
    begin = max(collector.read - most, 0)
    found = collector.fitting(scope)[begin : collector.read]
    collector.read = begin
    return [history.event_data(scope, event) for event in reversed(found)]


def _most(node) -> int:
    most = node.need("maxCount") and node.number("maxCount")
    if not 1 <= most <= MOST_EVENTS:
        raise Fault("InvalidArgument", f"maxCount is {most}; accepted are 1 to {MOST_EVENTS}.")
    return most


@call("RewindCollector", "HistoryCollector")
def rewind(scope, ref, node):
    scope.session.objects[ref.moid].read = 0


@call("ResetCollector", "HistoryCollector")
def reset(scope, ref, node):
    collector = scope.session.objects[ref.moid]
    collector.read = len(collector.fitting(scope))


@call("DestroyCollector", "HistoryCollector")
def destroy_event_collector(scope, ref, node):
    del scope.session.objects[ref.moid]


# -- performance -----------------------------------------------------------------------------------


@call("QueryAvailablePerfMetric", "PerformanceManager")
def available_metrics(scope, ref, node):
    entity = scope.ref(reference(node.need("entity")).moid)
    return history.metric_ids(scope, entity.moid)


@call("QueryPerf", "PerformanceManager")
def query_perf(scope, ref, node):
    specs = node.all("querySpec")
    if not specs:
        raise Fault("InvalidArgument", "QueryPerf needs a querySpec.")
    found = [
        history.entity_metric(scope, scope.ref(reference(one.need("entity")).moid), one)
        for one in specs
    ]
    return [one for one in found if one is not None]
