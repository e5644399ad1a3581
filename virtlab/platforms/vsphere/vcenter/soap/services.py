"""What do the managers tell? The service's contents, sessions, tasks, alarms, counters.

Source: "vSphere Web Services API Reference" 8.0: ServiceInstance, SessionManager, TaskManager,
Task, AlarmManager, Alarm, EventManager, PerformanceManager, ContainerView.
"""

from datetime import UTC, datetime, timedelta

from virtlab import __version__
from virtlab.platforms.vsphere.inventory import ROOT
from virtlab.platforms.vsphere.vcenter.counters import COUNTERS, INTERVAL_S, KEPT
from virtlab.platforms.vsphere.vcenter.soap.faults import localized
from virtlab.platforms.vsphere.vcenter.soap.managed import SINGLES, prop
from virtlab.platforms.vsphere.vcenter.soap.values import Array, Data, Enum, Long, Ref, refs

API_VERSION = "8.0.0.0"
RECENT = 20  # tasks that are shown as recent
MANAGERS = {  # properties of ServiceContent, in its order
    "propertyCollector": "propertyCollector",
    "viewManager": "ViewManager",
    "sessionManager": "SessionManager",
    "perfManager": "PerfMgr",
    "eventManager": "EventManager",
    "taskManager": "TaskManager",
    "alarmManager": "AlarmManager",
    "searchIndex": "SearchIndex",
}
# A task's method; its description is Type.name in the interface.
DESCRIPTIONS = {
    "PowerOnVM": "VirtualMachine.powerOn",
    "PowerOffVM": "VirtualMachine.powerOff",
    "SuspendVM": "VirtualMachine.suspend",
    "ResetVM": "VirtualMachine.reset",
    "MigrateVM": "VirtualMachine.migrate",
    "ReconfigVM": "VirtualMachine.reconfigure",
    "CreateVM": "Folder.createVm",
    "Destroy": "ManagedEntity.destroy",
    "Rename": "ManagedEntity.rename",
    "AddHost": "ClusterComputeResource.addHost",
    "EnterMaintenanceMode": "HostSystem.enterMaintenanceMode",
    "ExitMaintenanceMode": "HostSystem.exitMaintenanceMode",
    "ReconnectHost": "HostSystem.reconnect",
}


@prop("ServiceInstance")
def content(scope, one):
    managers = {name: Ref(SINGLES[moid], moid) for name, moid in MANAGERS.items()}
    return Data(
        "ServiceContent",
        rootFolder=Ref("Folder", ROOT),
        **managers,
        about=Data(
            "AboutInfo",
            name="virtlab vCenter",
            fullName=f"virtlab vCenter {__version__}, a model",
            vendor="virtlab",
            version=__version__,
            build="0",
            osType="model",
            productLineId="vpx",
            apiType="VirtualCenter",
            apiVersion=API_VERSION,
            instanceUuid=scope.vcenter.store.instance,
        ),
    )


@prop("ServiceInstance", "serverClock")
def server_clock(scope, one):
    return scope.vcenter.at(scope.vcenter.time)


# -- sessions --------------------------------------------------------------------------------------


def session_data(scope, session) -> Data:
    """A session, without its secret."""
    began = datetime.now(UTC) - timedelta(seconds=session.last - session.login)
    return Data(
        "UserSession",
        key=session.key,
        userName=session.user,
        fullName=session.user,
        loginTime=began.replace(microsecond=0),
        lastActiveTime=datetime.now(UTC).replace(microsecond=0),
        locale="en",
        messageLocale="en",
        extensionSession=False,
        callCount=Long(session.calls),
    )


@prop("SessionManager", "currentSession")
def current_session(scope, one):
    return session_data(scope, scope.session)


@prop("SessionManager", "sessionList")
def session_list(scope, one):
    every = scope.sessions.all()
    return Array("UserSession", [session_data(scope, session) for session in every])


# -- tasks -----------------------------------------------------------------------------------------


@prop("TaskManager", "recentTask")
def recent_tasks(scope, one):
    asked = [task for task in scope.inventory.tasks if task.kind in DESCRIPTIONS]
    return refs(Ref("Task", task.moid) for task in asked[-RECENT:])


@prop("Task", "info")
def task_info(scope, task):
    at = scope.vcenter.at(task.time)
    objects = scope.inventory.objects
    there = task.result in objects and task.kind in ("CreateVM", "AddHost")
    return Data(
        "TaskInfo",
        key=task.moid,
        task=Ref("Task", task.moid),
        name=f"{task.kind}_Task",
        descriptionId=DESCRIPTIONS.get(task.kind, task.kind),
        entity=scope.ref(task.entity) if task.entity in objects else None,
        entityName=objects[task.entity].name if task.entity in objects else None,
        state=Enum("TaskInfoState", task.state),
        cancelled=False,
        cancelable=False,
        error=localized(task.fault, task.message) if task.fault else None,
        result=scope.ref(task.result) if there else None,
        reason=Data("TaskReasonUser", userName=task.user),
        queueTime=at,
        startTime=at,
        completeTime=at,
        eventChainId=int(task.moid.partition("-")[2]),
    )


# -- alarms ----------------------------------------------------------------------------------------


@prop("Alarm", "info")
def alarm_info(scope, alarm):
    counter = next((one for one in COUNTERS if one.full_name == alarm.counter), None)
    expression = Data(
        "MetricAlarmExpression",
        operator=Enum("MetricAlarmOperator", "isAbove"),
        type=alarm.type,
        metric=Data("PerfMetricId", counterId=counter.key if counter else 0, instance=""),
        yellow=int(alarm.yellow),
        red=int(alarm.red),
    )
    return Data(
        "AlarmInfo",
        name=alarm.name,
        description=f"{alarm.counter} of every {alarm.type}",
        enabled=True,
        expression=Data("OrAlarmExpression", expression=Array("AlarmExpression", [expression])),
        key=alarm.moid,
        alarm=Ref("Alarm", alarm.moid),
        entity=Ref("Folder", ROOT),
        lastModifiedTime=scope.vcenter.at(0),
        lastModifiedUser="",
        creationEventId=0,
    )


# -- counters --------------------------------------------------------------------------------------


def described(key: str, label: str) -> Data:
    """A key with its label and its summary."""
    return Data("ElementDescription", label=label, summary=label, key=key)


def counter_info(counter) -> Data:
    """A counter as PerformanceManager describes it."""
    return Data(
        "PerfCounterInfo",
        key=counter.key,
        nameInfo=described(counter.name, counter.label),
        groupInfo=described(counter.group, {"cpu": "CPU", "mem": "Memory"}[counter.group]),
        unitInfo=described(counter.unit, counter.unit),
        rollupType=Enum("PerfSummaryType", counter.rollup),
        statsType=Enum("PerfStatsType", "delta" if counter.rollup == "summation" else "absolute"),
        level=1,
        perDeviceLevel=3,
    )


@prop("PerformanceManager", "perfCounter")
def perf_counter(scope, one):
    return Array("PerfCounterInfo", [counter_info(counter) for counter in COUNTERS])


@prop("PerformanceManager", "historicalInterval")
def historical_interval(scope, one):
    day = Data(
        "PerfInterval",
        key=1,
        samplingPeriod=INTERVAL_S,
        name="Past day",
        length=INTERVAL_S * KEPT,
        level=1,
        enabled=True,
    )
    return Array("PerfInterval", [day])


# -- what belongs to a session ---------------------------------------------------------------------


@prop("ContainerView")
def container(scope, view):
    return view.container


@prop("ContainerView", "type")
def view_type(scope, view):
    return Array("string", view.types)


@prop("ContainerView")
def recursive(scope, view):
    return view.recursive


@prop("ManagedObjectView", "view")
def view_members(scope, view):
    return refs(view.members(scope))


@prop("ViewManager", "viewList")
def view_list(scope, one):
    own = scope.session.objects.items()
    return refs(Ref(type(v).__name__, moid) for moid, v in own if hasattr(v, "members"))


@prop("PropertyCollector", "filter")
def collector_filters(scope, one):
    own = scope.session.objects.items()
    return refs(Ref("PropertyFilter", moid) for moid, v in own if hasattr(v, "select"))
