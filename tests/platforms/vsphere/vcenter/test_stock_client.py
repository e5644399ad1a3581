"""Can the stock pyvmomi client do what people do with vCenter, over TLS?"""

import threading

import pytest
from pyVim import task
from pyVmomi import vim, vmodl

from virtlab.platforms.vsphere.vcenter.soap.managed import PROPERTIES, names_of

Collector = vmodl.query.PropertyCollector


def everything(stock, kind):
    view = stock.content.viewManager.CreateContainerView(stock.content.rootFolder, [kind], True)
    found = {one.name: one for one in view.view}
    view.Destroy()
    return found


def filter_spec(kind, paths, *starts, traversals=(), skip=False):
    return Collector.FilterSpec(
        propSet=[Collector.PropertySpec(type=kind, pathSet=list(paths), all=False)],
        objectSet=[
            Collector.ObjectSpec(obj=one, skip=skip, selectSet=list(traversals)) for one in starts
        ],
    )


def test_it_connects_and_sees_the_session_and_the_service(stock, served):
    server, _ = served
    content = stock.RetrieveContent()
    assert content.about.apiType == "VirtualCenter"
    session = content.sessionManager.currentSession
    assert session.userName == server.user
    assert content.sessionManager.SessionIsActive(session.key, session.userName)
    assert session.key in [one.key for one in content.sessionManager.sessionList]
    assert stock.CurrentTime() == server.vcenter.at(server.vcenter.time)


def test_the_inventory_is_walked_by_its_folders(stock):
    (datacenter,) = stock.content.rootFolder.childEntity
    (cluster,) = datacenter.hostFolder.childEntity
    assert [type(one) for one in (datacenter, cluster)] == [
        vim.Datacenter,
        vim.ClusterComputeResource,
    ]
    assert [host.name for host in cluster.host] == [f"esx-{k:02}.lab" for k in range(1, 5)]
    assert len(datacenter.vmFolder.childEntity) == 8
    assert [pool.name for pool in cluster.resourcePool.resourcePool] == ["production", "test"]
    for one in (datacenter, cluster, cluster.resourcePool, *cluster.host):
        assert one.parent is not None
    vm = datacenter.vmFolder.childEntity[0]
    assert vm.parent == datacenter.vmFolder and vm.parent.parent == datacenter
    assert vm in vm.runtime.host.vm and vm in vm.resourcePool.vm and vm in vm.datastore[0].vm


def test_every_property_is_one_that_the_stock_client_knows(stock, served):
    """Reading fails where a name or a type is not the published interface's."""
    content = stock.content
    some = {type(one): one for one in everything(stock, vim.ManagedEntity).values()}.values()
    managers = [content.taskManager, content.perfManager, content.sessionManager,
                content.eventManager, content.viewManager, stock]  # fmt: skip
    view = content.viewManager.CreateContainerView(content.rootFolder, [], False)
    events = content.eventManager.CreateCollectorForEvents(vim.event.EventFilterSpec())
    more = [content.taskManager.recentTask[0], content.alarmManager.GetAlarm()[0], view, events]
    seen = set()
    for one in (*some, *managers, *more, content.rootFolder):
        names = names_of(type(one)._wsdlName)
        assert names
        seen.add(type(one)._wsdlName)
        spec = Collector.FilterSpec(
            propSet=[Collector.PropertySpec(type=type(one), all=True)],
            objectSet=[Collector.ObjectSpec(obj=one)],
        )
        (read,) = content.propertyCollector.RetrieveContents([spec])
        assert {p.name for p in read.propSet} <= set(names)
        for name in names:
            value = getattr(one, name)
            found = [p.val for p in read.propSet if p.name == name]
            if found and name not in ("currentSession", "sessionList"):
                assert str(value) == str(found[0])
    abstract = {"ManagedEntity", "ComputeResource", "ManagedObjectView", "PropertyCollector"}
    assert seen >= set(PROPERTIES) - abstract


def test_a_virtual_machine_is_powered_off_and_on(stock):
    vm = everything(stock, vim.VirtualMachine)["vm-02"]
    assert task.WaitForTask(vm.PowerOff()) == "success"
    assert (vm.runtime.powerState, vm.runtime.host) == ("poweredOff", None)
    again = vm.PowerOff()
    with pytest.raises(vim.fault.InvalidPowerState) as told:
        task.WaitForTask(again)
    assert told.value.msg == "vm-02 is poweredOff; accepted is poweredOn or suspended."
    assert again.info.state == "error" and again.info.entity == vm
    assert task.WaitForTask(vm.PowerOn()) == "success"
    assert vm.runtime.powerState == "poweredOn"
    assert vm in vm.runtime.host.vm
    assert stock.content.taskManager.recentTask[-1].info.descriptionId == "VirtualMachine.powerOn"


@pytest.mark.parametrize("how", ["Migrate", "Relocate"])
def test_a_virtual_machine_is_migrated(stock, how):
    vm = everything(stock, vim.VirtualMachine)["vm-03"]
    other = next(h for h in everything(stock, vim.HostSystem).values() if h != vm.runtime.host)
    if how == "Migrate":
        moved = vm.Migrate(host=other, priority=vim.VirtualMachine.MovePriority.defaultPriority)
    else:
        moved = vm.Relocate(vim.vm.RelocateSpec(host=other))
    task.WaitForTask(moved)
    assert vm.runtime.host == other
    with pytest.raises(vmodl.fault.InvalidArgument, match="already"):
        task.WaitForTask(vm.Migrate(host=other, priority="highPriority"))
    with pytest.raises(vmodl.fault.NotSupported):
        vm.Relocate(vim.vm.RelocateSpec(host=other, datastore=vim.Datastore("datastore-99")))


def test_a_host_is_emptied_for_maintenance(stock):
    host = everything(stock, vim.HostSystem)["esx-04.lab"]
    task.WaitForTask(host.EnterMaintenanceMode(timeout=0, evacuatePoweredOffVms=False))
    assert host.runtime.inMaintenanceMode and not host.vm
    task.WaitForTask(host.ExitMaintenanceMode(timeout=0))
    assert not host.summary.runtime.inMaintenanceMode


def test_a_cluster_is_built_from_nothing(stock):
    root = stock.content.rootFolder
    datacenter = root.CreateDatacenter(name="second")
    with pytest.raises(vim.fault.DuplicateName):
        root.CreateDatacenter(name="second")
    spec = vim.cluster.ConfigSpecEx(drsConfig=vim.cluster.DrsConfigInfo(enabled=False))
    cluster = datacenter.hostFolder.CreateClusterEx(name="c", spec=spec)
    assert not cluster.configuration.drsConfig.enabled
    added = cluster.AddHost(spec=vim.host.ConnectSpec(hostName="esx-new"), asConnected=True)
    task.WaitForTask(added)
    assert added.info.result == cluster.host[0]
    shares = vim.ResourceAllocationInfo(
        shares=vim.SharesInfo(level="custom", shares=1234), limit=-1, reservation=100
    )
    pool = cluster.resourcePool.CreateResourcePool(
        "pool", vim.ResourceConfigSpec(cpuAllocation=shares, memoryAllocation=shares)
    )
    assert pool.config.cpuAllocation.shares.shares == 1234
    config = vim.vm.ConfigSpec(name="new", numCPUs=2, memoryMB=512)
    created = datacenter.vmFolder.CreateVM_Task(config=config, pool=pool)
    task.WaitForTask(created)
    vm = created.info.result
    assert (vm.config.hardware.numCPU, vm.config.hardware.memoryMB) == (2, 512)
    task.WaitForTask(vm.Reconfigure(vim.vm.ConfigSpec(memoryMB=1024, cpuAllocation=shares)))
    assert vm.summary.config.memorySizeMB == 1024
    assert vm.resourceConfig.cpuAllocation.reservation == 100
    task.WaitForTask(vm.Rename("renamed"))
    assert vm.name == "renamed"
    search = stock.content.searchIndex
    assert search.FindByInventoryPath("second/vm/renamed") == vm
    assert search.FindByUuid(None, vm.config.uuid, True) == vm
    assert search.FindChild(datacenter.vmFolder, "nobody") is None
    for one in (vm, pool, *cluster.host, cluster, datacenter):
        task.WaitForTask(one.Destroy())
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = vm.name


def test_a_property_collector_walks_what_it_is_told_to(stock):
    Traversal, Selection = Collector.TraversalSpec, Collector.SelectionSpec
    down = Traversal(
        name="down", type=vim.Folder, path="childEntity", skip=False,
        selectSet=[Selection(name="down"), Selection(name="vms")],
    )  # fmt: skip
    vms = Traversal(
        name="vms", type=vim.Datacenter, path="vmFolder", skip=True,
        selectSet=[Selection(name="down")],
    )  # fmt: skip
    paths = ["name", "runtime.powerState", "config.hardware.numCPU"]
    root = stock.content.rootFolder
    spec = filter_spec(vim.VirtualMachine, paths, root, traversals=[down, vms], skip=True)
    collector = stock.content.propertyCollector
    read = collector.RetrieveContents([spec])
    names = [p.val for one in read for p in one.propSet if p.name == "name"]
    assert sorted(names) == sorted(everything(stock, vim.VirtualMachine))
    assert all({p.name for p in one.propSet} == set(paths) for one in read)
    pages, page = (
        [],
        collector.RetrievePropertiesEx([spec], Collector.RetrieveOptions(maxObjects=3)),
    )
    while page:
        pages.append(page.objects)
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    assert [len(one) for one in pages] == [3, 3, 2]
    assert [one.obj for each in pages for one in each] == [one.obj for one in read]
    with pytest.raises(vmodl.fault.InvalidArgument):
        collector.ContinueRetrievePropertiesEx("page-77")
    with pytest.raises(vmodl.query.InvalidProperty) as told:
        collector.RetrieveContents([filter_spec(vim.VirtualMachine, ["runtime.colour"],
                                                next(iter(read)).obj)])  # fmt: skip
    assert told.value.name == "runtime.colour"


def test_a_container_view_follows_what_is_in_it(stock):
    content = stock.content
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.Datacenter], False)
    before = list(view.view)
    new = content.rootFolder.CreateDatacenter(name="third")
    assert list(view.view) == [*before, new]
    task.WaitForTask(new.Destroy())
    assert list(view.view) == before
    listed = content.viewManager.CreateListView(before)
    assert list(listed.view) == before
    listed.Destroy()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = listed.view
    with pytest.raises(vmodl.fault.InvalidArgument):
        content.viewManager.CreateContainerView(before[0].datastore[0], [], True)


def test_waiting_tells_what_enters_changes_and_leaves(stock):
    content = stock.content
    collector = content.propertyCollector.CreatePropertyCollector()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    members = Collector.TraversalSpec(type=type(view), path="view", skip=False)
    spec = filter_spec(vim.VirtualMachine, ["name", "runtime.powerState"], view, skip=True,
                       traversals=[members])  # fmt: skip
    collector.CreateFilter(spec, partialUpdates=False)
    options = Collector.WaitOptions(maxWaitSeconds=20)
    first = collector.WaitForUpdatesEx("", options)
    objects = first.filterSet[0].objectSet
    assert {one.kind for one in objects} == {"enter"} and len(objects) == 8
    none = collector.WaitForUpdatesEx(first.version, Collector.WaitOptions(maxWaitSeconds=0))
    assert none is None and collector.CheckForUpdates(first.version) is None
    vm = everything(stock, vim.VirtualMachine)["vm-05"]
    later = threading.Timer(0.3, vm.Suspend)
    later.start()
    second = collector.WaitForUpdatesEx(first.version, options)
    later.join()
    (changed,) = second.filterSet[0].objectSet
    assert (changed.obj, changed.kind) == (vm, "modify")
    assert [(c.name, c.val) for c in changed.changeSet] == [("runtime.powerState", "suspended")]
    # An answer that got lost can be asked for again; an older one cannot.
    assert str(collector.WaitForUpdatesEx(first.version, options).filterSet) == str(
        second.filterSet
    )
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        collector.WaitForUpdatesEx("1", options)
    task.WaitForTask(vm.PowerOff())
    now = collector.WaitForUpdatesEx("", options).version
    task.WaitForTask(vm.Destroy())
    (gone,) = collector.WaitForUpdatesEx(now, options).filterSet[0].objectSet
    assert (gone.obj, gone.kind) == (vm, "leave")
    collector.DestroyPropertyCollector()


def test_a_wait_ends_when_it_is_cancelled(stock):
    collector = stock.content.propertyCollector.CreatePropertyCollector()
    version = collector.WaitForUpdatesEx("", None).version
    later = threading.Timer(0.3, collector.CancelWaitForUpdates)
    later.start()
    with pytest.raises(vmodl.fault.RequestCanceled):
        collector.WaitForUpdatesEx(version, Collector.WaitOptions(maxWaitSeconds=20))
    later.join()


def test_performance_counters_are_read(stock, served):
    server, made = served
    manager = stock.content.perfManager
    keys = {
        f"{c.groupInfo.key}.{c.nameInfo.key}.{c.rollupType}": c.key for c in manager.perfCounter
    }
    host = everything(stock, vim.HostSystem)["esx-01.lab"]
    available = {one.counterId for one in manager.QueryAvailablePerfMetric(host)}
    assert keys["cpu.usagemhz.average"] in available
    summary = manager.QueryPerfProviderSummary(host)
    assert summary.summarySupported and not summary.currentSupported
    ids = [vim.PerformanceManager.MetricId(counterId=keys[n], instance="")
           for n in ("cpu.usagemhz.average", "mem.consumed.average")]  # fmt: skip
    spec = vim.PerformanceManager.QuerySpec(entity=host, metricId=ids, intervalId=300)
    (read,) = manager.QueryPerf([spec])
    rows = server.vcenter.samples.of(made["esx-01.lab"], "cpu.usagemhz.average")
    assert list(read.value[0].value) == [value for _, value in rows] and len(rows) >= 2
    assert [one.timestamp for one in read.sampleInfo] == [server.vcenter.at(t) for t, _ in rows]
    spec.maxSample, spec.format = 1, "csv"
    (last,) = manager.QueryPerf([spec])
    assert last.value[0].value == str(rows[-1][1])
    spec.startTime = read.sampleInfo[-1].timestamp
    assert manager.QueryPerf([spec]) == []
    spec.intervalId = 20
    with pytest.raises(vmodl.fault.InvalidArgument):
        manager.QueryPerf([spec])
    assert manager.QueryPerfCounter([2])[0].nameInfo.key == "usage"


def test_events_are_read_by_object_kind_and_page(stock):
    manager = stock.content.eventManager
    vm = everything(stock, vim.VirtualMachine)["vm-04"]
    task.WaitForTask(vm.Reset())
    Filter, ByEntity = vim.event.EventFilterSpec, vim.event.EventFilterSpec.ByEntity
    mine = manager.QueryEvents(Filter(entity=ByEntity(entity=vm, recursion="self")))
    assert type(mine[-1]) is vim.event.VmResettingEvent
    assert mine[-1].vm.vm == vm and mine[-1].fullFormattedMessage == "vm-04 is reset."
    assert {one.vm.name for one in mine if one.vm} == {"vm-04"}
    started = manager.QueryEvents(Filter(eventTypeId=["VmPoweredOnEvent"]))
    assert {type(one) for one in started} == {vim.event.VmPoweredOnEvent} and len(started) >= 8
    collector = manager.CreateCollectorForEvents(Filter())
    pages = [collector.ReadNextEvents(10) for _ in range(2)]
    assert [one.key for page in pages for one in page] == list(range(1, 21))
    assert [one.key for one in collector.ReadPreviousEvents(2)] == [20, 19]
    assert collector.latestPage[0].key == manager.latestEvent.key
    collector.DestroyCollector()


def test_alarms_are_made_read_and_removed(stock, served):
    server, _ = served
    manager, vm = stock.content.alarmManager, everything(stock, vim.VirtualMachine)["vm-01"]
    metric = vim.PerformanceManager.MetricId(counterId=6, instance="")
    spec = vim.alarm.AlarmSpec(
        name="busy", description="", enabled=True,
        expression=vim.alarm.OrAlarmExpression(expression=[vim.alarm.MetricAlarmExpression(
            operator="isAbove", type=vim.VirtualMachine, metric=metric, yellow=1, red=100_000,
        )]),
    )  # fmt: skip
    alarm = manager.CreateAlarm(stock.content.rootFolder, spec)
    assert alarm.info.expression.expression[0].yellow == 1
    assert alarm in manager.GetAlarm(stock.content.rootFolder)
    server.vcenter.step()
    (state,) = [one for one in vm.triggeredAlarmState if one.alarm == alarm]
    assert (state.overallStatus, vm.overallStatus) == ("yellow", "red")  # another one is red
    turned = state.time
    assert turned == server.vcenter.at(server.vcenter.time)
    server.vcenter.step()
    (state,) = [one for one in vm.triggeredAlarmState if one.alarm == alarm]
    assert state.time == turned
    assert alarm in [one.alarm for one in manager.GetAlarmState(vm)]
    alarm.RemoveAlarm()
    assert alarm not in manager.GetAlarm()


@pytest.mark.parametrize(
    "ask",
    [
        lambda stock, vm: vm.CreateSnapshot("a", "b", False, False),
        lambda stock, vm: stock.content.rootFolder.CreateFolder("x"),
        lambda stock, vm: stock.content.searchIndex.FindByIp(None, "10.0.0.1", True),
    ],
)
def test_what_is_not_there_is_answered_by_a_fault(stock, ask):
    vm = everything(stock, vim.VirtualMachine)["vm-01"]
    with pytest.raises(vmodl.fault.MethodNotFound) as told:
        ask(stock, vm)
    assert told.value.method and told.value.receiver


def test_whoever_logged_out_is_a_stranger(served):
    from pyVim import connect

    server, _ = served
    instance = connect.SmartConnect(
        host="localhost", port=server.port, user=server.user, pwd=server.password,
        disableSslCertValidation=True,
    )  # fmt: skip
    root = instance.content.rootFolder
    assert root.name == "Datacenters"
    instance.content.sessionManager.Logout()
    with pytest.raises(vim.fault.NotAuthenticated):
        _ = root.name
    with pytest.raises(vim.fault.InvalidLogin):
        instance.content.sessionManager.Login(server.user, "wrong", None)
    with pytest.raises(vim.fault.InvalidLogin):
        connect.SmartConnect(host="localhost", port=server.port, user="root", pwd=server.password,
                             disableSslCertValidation=True)  # fmt: skip
