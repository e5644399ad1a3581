"""What happened, and how busy was it? Events and performance samples through the interface.

An event's class is the interface's where it has one for what happened (VmPoweredOnEvent,
VmMigratedEvent, ...), and EventEx, which carries its type as text, where it has not.

Source: "vSphere Web Services API Reference" 8.0: EventManager, EventFilterSpec,
EventHistoryCollector, PerformanceManager, PerfQuerySpec, PerfEntityMetric.
"""

from dataclasses import dataclass
from datetime import datetime

from virtlab.platforms.vsphere.inventory import Event, Fault
from virtlab.platforms.vsphere.vcenter.counters import BY_KEY, BY_NAME, INTERVAL_S
from virtlab.platforms.vsphere.vcenter.soap.faults import CallError
from virtlab.platforms.vsphere.vcenter.soap.managed import Scope, prop
from virtlab.platforms.vsphere.vcenter.soap.reading import Node
from virtlab.platforms.vsphere.vcenter.soap.values import Array, Data, Enum, Long, Ref

LATEST = 100  # events that an answer has at most
CLASSES = {  # of what has happened; all of a virtual machine, or all of a host
    "PowerOnVM": "VmPoweredOnEvent",
    "PowerOffVM": "VmPoweredOffEvent",
    "SuspendVM": "VmSuspendedEvent",
    "ResetVM": "VmResettingEvent",
    "MigrateVM": "VmMigratedEvent",
    "CreateVM": "VmCreatedEvent",
    "ReconfigVM": "VmReconfiguredEvent",
    "EnterMaintenanceMode": "EnteredMaintenanceModeEvent",
    "ExitMaintenanceMode": "ExitMaintenanceModeEvent",
    "HostNotResponding": "HostConnectionLostEvent",
    "ReconnectHost": "HostConnectedEvent",
    "AddHost": "HostAddedEvent",
    "CreateDatacenter": "DatacenterCreatedEvent",
    "CreateClusterEx": "ClusterCreatedEvent",
}
ARGUMENTS = {  # of an event, by the type of the object that it is about
    "VirtualMachine": ("vm", "VmEventArgument", "vm"),
    "HostSystem": ("host", "HostEventArgument", "host"),
    "ClusterComputeResource": (
        "computeResource",
        "ComputeResourceEventArgument",
        "computeResource",
    ),
    "Datacenter": ("datacenter", "DatacenterEventArgument", "datacenter"),
}


def subject(scope: Scope, event: Event) -> str:
    """The object that an event is about; for a placement the machine and not its host."""
    tasks = scope.inventory.tasks
    return tasks[event.key - 1].entity if event.key <= len(tasks) else event.entity


def event_data(scope: Scope, event: Event) -> Data:
    """An event as a data object."""
    about = subject(scope, event)
    if about not in scope.inventory.objects or event.type in ("CreateVM", "AddHost"):
        about = event.entity
    one = scope.inventory.objects.get(about)
    arguments = {}
    if type(one).__name__ in ARGUMENTS:
        name, kind, field = ARGUMENTS[type(one).__name__]
        arguments[name] = Data(kind, name=one.name, **{field: scope.ref(about)})
    class_ = CLASSES.get(event.type, "EventEx")
    if class_ == "EventEx":
        wrong = event.type.endswith("Failed")
        arguments |= {
            "eventTypeId": f"virtlab.{event.type}",
            "severity": Enum("EventEventSeverity", "error" if wrong else "info"),
            "message": event.message,
        }
    return Data(
        class_,
        key=event.key,
        chainId=event.key,
        createdTime=scope.vcenter.at(event.time),
        userName=event.user,
        fullFormattedMessage=event.message,
        **arguments,
    )


@dataclass
class EventHistoryCollector:
    """Events that fit a filter, read page by page from the oldest on."""

    filter: Node | None
    read: int = 0

    def fitting(self, scope: Scope) -> list[Event]:
        return [event for event in scope.inventory.events if fits(scope, event, self.filter)]


def fits(scope: Scope, event: Event, filter_: Node | None) -> bool:
    """Whether an event fits an EventFilterSpec: entity, time, type."""
    if filter_ is None:
        return True
    entity = filter_.get("entity")
    if entity:
        moid, depth = entity.value("entity", ""), entity.value("recursion", "self")
        about = {subject(scope, event), event.entity}
        below = {up for one in about for up in scope.inventory.path(one)}
        chosen = {"self": about, "children": below, "all": about | below}.get(depth, set())
        if moid not in chosen:
            return False
    time = filter_.get("time")
    if time:
        at = scope.vcenter.at(event.time)
        begin, end = moment(time.value("beginTime")), moment(time.value("endTime"))
        if (begin and at < begin) or (end and at > end):
            return False
    wanted = {one.text.strip() for one in filter_.all("eventTypeId") + filter_.all("type")}
    class_ = CLASSES.get(event.type, "EventEx")
    names = {class_, f"vim.event.{class_}", f"virtlab.{event.type}", "Event"}
    return not wanted or bool(wanted & names)


def moment(text: str | None) -> datetime | None:
    """A date and time of XML Schema.

    Raises
    ------
    Fault : InvalidArgument
    """
    if text is None:
        return None
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        raise Fault("InvalidArgument", f"{text!r:.40} is no date and time.") from None
    if made.tzinfo is None:
        raise Fault("InvalidArgument", f"{text!r:.40} has no time zone; accepted is one with it.")
    return made


@prop("EventHistoryCollector", "latestPage")
def latest_page(scope, collector):
    newest = collector.fitting(scope)[-LATEST:]
    return Array("Event", [event_data(scope, event) for event in reversed(newest)])


@prop("EventManager", "latestEvent")
def latest_event(scope, one):
    events = scope.inventory.events
    return event_data(scope, events[-1]) if events else None


# -- performance -----------------------------------------------------------------------------------


def metric_ids(scope: Scope, moid: str) -> list[Data]:
    """The counters that an object has samples of."""
    keys = [BY_NAME[name].key for name in scope.vcenter.samples.names(moid)]
    return [Data("PerfMetricId", counterId=key, instance="") for key in keys]


def entity_metric(scope: Scope, ref: Ref, query: Node) -> Data | None:
    """The samples that a PerfQuerySpec asks for; None if there are none.

    Raises
    ------
    CallError : InvalidArgument
    """
    interval = query.number("intervalId", INTERVAL_S)
    if interval != INTERVAL_S:
        text = f"intervalId is {interval}; accepted is {INTERVAL_S}."
        raise CallError("InvalidArgument", text, invalidProperty="intervalId")
    begin, end = moment(query.value("startTime")), moment(query.value("endTime"))
    keys = [one.number("counterId") for one in query.all("metricId")]
    for key in keys:
        if key not in BY_KEY:
            text = f"There is no counter {key}."
            raise CallError("InvalidArgument", text, invalidProperty="counterId")
    chosen = {}
    for counter in map(BY_KEY.get, keys or BY_KEY):
        rows = [
            (scope.vcenter.at(t), v)
            for t, v in scope.vcenter.samples.of(ref.moid, counter.full_name)
        ]
        rows = [(at, v) for at, v in rows if (not begin or at > begin) and (not end or at <= end)]
        if rows:
            chosen[counter.key] = dict(rows)
    times = sorted({at for rows in chosen.values() for at in rows})
    most = query.number("maxSample")
    times = times[-most:] if most else times
    if not times:
        return None
    series = [
        Data(
            "PerfMetricIntSeries",
            id=Data("PerfMetricId", counterId=key, instance=""),
            value=[Long(rows.get(at, -1)) for at in times],
        )
        for key, rows in chosen.items()
    ]
    infos = [Data("PerfSampleInfo", timestamp=at, interval=INTERVAL_S) for at in times]
    if query.value("format") != "csv":
        return Data("PerfEntityMetric", entity=ref, sampleInfo=infos, value=series)
    stamps = ",".join(f"{INTERVAL_S},{at:%Y-%m-%dT%H:%M:%SZ}" for at in times)
    texts = [
        Data(
            "PerfMetricSeriesCSV",
            id=one.fields["id"],
            value=",".join(map(str, one.fields["value"])),
        )
        for one in series
    ]
    return Data("PerfEntityMetricCSV", entity=ref, sampleInfoCSV=stamps, value=texts)
