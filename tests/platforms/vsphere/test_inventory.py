"""Can every operation be done again, and does a fault change nothing?"""

import json
from dataclasses import asdict

import numpy as np
import pytest

from virtlab.platforms.vsphere.inventory import (
    OPERATIONS,
    ROOT,
    TYPES,
    Inventory,
    Operation,
)


def lab(hosts: int = 3, vms: int = 4, **settings) -> tuple[Inventory, dict]:
    """A datacenter with one cluster; references by name."""
    inventory = Inventory()
    made = {}

    def add(name, kind, parent, **values):
        made[name] = inventory.submit(kind, parent, name=name, **values).result

    add("dc", "CreateDatacenter", ROOT)
    add("cluster", "CreateClusterEx", made["dc"])
    add("store", "CreateDatastore", made["dc"])
    add("net", "CreateNetwork", made["dc"])
    for k in range(hosts):
        add(f"esx{k}", "AddHost", made["cluster"], memory_mb=8192)
    pool = inventory.objects[made["cluster"]].pool
    made["pool"] = pool
    disks = {"datastore": made["store"], "network": made["net"]}
    for k in range(vms):
        add(f"vm{k}", "CreateVM", pool, **disks, **settings)
    assert all(task.state == "success" for task in inventory.tasks)
    return inventory, made


def test_references_have_vspheres_form():
    _, made = lab(1, 1)
    assert [
        made[name].rstrip("0123456789") for name in ("dc", "cluster", "esx0", "pool", "vm0")
    ] == [*("datacenter-", "domain-c", "host-", "resgroup-", "vm-")]


def test_a_virtual_machine_is_powered_on_moved_and_off():
    inventory, made = lab()
    on = inventory.submit("PowerOnVM", made["vm0"])
    assert (on.state, on.result) == ("success", made["esx0"])
    assert on.message == ("vm0 starts on esx0: of 3 hosts with room it is the least loaded, 0%.")
    assert inventory.submit("PowerOnVM", made["vm1"]).result == made["esx1"]
    moved = inventory.submit("MigrateVM", made["vm0"], host=made["esx2"])
    assert moved.message == "vm0 moves from esx0 to esx2."
    assert inventory.submit("PowerOffVM", made["vm0"]).state == "success"
    assert inventory.objects[made["vm0"]].host == ""


@pytest.mark.parametrize(
    ("kind", "target", "arguments", "fault"),
    [
        ("PowerOnVM", "vm-99", {}, "ManagedObjectNotFound"),
        ("PowerOnVM", "esx0", {}, "InvalidType"),
        ("PowerOffVM", "vm0", {}, "InvalidPowerState"),
        ("SuspendVM", "vm0", {}, "InvalidPowerState"),
        ("ResetVM", "vm0", {}, "InvalidPowerState"),
        ("MigrateVM", "vm0", {"host": "esx1"}, "InvalidPowerState"),
        ("MigrateVM", "on", {"host": "esx0"}, "InvalidArgument"),
        ("PowerOnVM", "on", {}, "InvalidPowerState"),
        ("PowerOnVM", "vm0", {"host": "esx2"}, "InsufficientResourcesFault"),
        ("PowerOnVM", "large", {}, "InsufficientResourcesFault"),
        ("ReconfigVM", "on", {"cpus": 2}, "InvalidPowerState"),
        ("ReconfigVM", "vm0", {"cpus": 9}, "InvalidArgument"),
        ("ReconfigVM", "vm0", {"cpus": "two"}, "InvalidArgument"),
        ("ReconfigVM", "vm0", {"colour": 1}, "InvalidArgument"),
        ("ReconfigVM", "on", {"cpu_reservation": 10**6}, "InsufficientResourcesFault"),
        ("CreateVM", "pool", {"name": "vm0"}, "DuplicateName"),
        ("CreateVM", "pool", {"name": " "}, "InvalidName"),
        ("CreateVM", "pool", {"name": "x", "memory_mb": 1 << 20}, "InvalidArgument"),
        ("CreateVM", "pool", {"name": "x", "host": "esx0"}, "InvalidArgument"),
        ("CreateVM", "pool", {}, "InvalidArgument"),
        ("CreateVM", "pool", {"name": "x", "parent": "dc"}, "InvalidArgument"),
        ("CreateClusterEx", "dc", {"name": "x", "pool": "resgroup-1"}, "InvalidArgument"),
        ("PowerOffVM", "on", {"now": True}, "InvalidArgument"),
        ("CreateDatacenter", "dc", {"name": "x"}, "InvalidArgument"),
        ("Destroy", "on", {}, "InvalidPowerState"),
        ("Destroy", "esx0", {}, "ResourceInUse"),
        ("Destroy", "store", {}, "ResourceInUse"),
        ("Destroy", "cluster", {}, "ResourceInUse"),
        ("Destroy", "pool", {}, "ResourceInUse"),
        ("ExitMaintenanceMode", "esx0", {}, "InvalidState"),
        ("EnterMaintenanceMode", "esx2", {}, "InvalidState"),
        ("EnterMaintenanceMode", "esx0", {"homes": {}}, "InvalidArgument"),
        ("EnterMaintenanceMode", "esx0", {"homes": "esx1"}, "InvalidArgument"),
        ("ReconnectHost", "esx0", {}, "InvalidState"),
        ("CreateAlarm", "dc", {"name": "a", "type": "X", "counter": "c", "yellow": 1, "red": 2},
         "InvalidArgument"),
    ],
)  # fmt: skip
def test_a_fault_is_named_told_in_a_sentence_and_changes_nothing(kind, target, arguments, fault):
    inventory, made = lab()
    made["on"], made["large"] = made["vm1"], made["vm2"]
    inventory.submit("PowerOnVM", made["on"], host=made["esx0"])
    inventory.submit("ReconfigVM", made["large"], memory_reservation=8192)
    inventory.submit("EnterMaintenanceMode", made["esx2"])
    before = inventory.snapshot()
    if "host" in arguments and kind != "CreateVM":
        arguments = {"host": made[arguments["host"]]}
    task = inventory.submit(kind, made.get(target, target), **arguments)
    assert (task.state, task.fault) == ("error", fault)
    assert task.message.endswith(".") and "\n" not in task.message
    assert inventory.snapshot() == before
    assert inventory.events[-1].type == f"{kind}Failed"


def test_maintenance_moves_everything_or_nothing():
    inventory, made = lab(hosts=2, vms=4)
    for k in range(4):
        inventory.submit("PowerOnVM", made[f"vm{k}"], host=made["esx0"])
    assert inventory.submit("EnterMaintenanceMode", made["esx0"]).state == "success"
    assert len(inventory.on_host(made["esx1"])) == 4
    before = inventory.snapshot()
    stuck = inventory.submit("EnterMaintenanceMode", made["esx1"])
    assert stuck.fault == "InsufficientResourcesFault"
    assert inventory.snapshot() == before


def test_choices_are_in_the_journal_so_that_other_rules_do_not_undo_them(monkeypatch):
    inventory, made = lab(hosts=3, vms=4)
    for k in range(4):
        inventory.submit("PowerOnVM", made[f"vm{k}"])
    inventory.submit("EnterMaintenanceMode", made["esx0"])
    homes = {vm.moid: vm.host for vm in inventory.of("VirtualMachine")}
    assert len(set(homes.values())) == 2

    def always_the_last(inventory, vm):
        return inventory.of("HostSystem")[-1], "it is the last"

    monkeypatch.setattr(Inventory, "choose", always_the_last)
    again = Inventory.replay(inventory.journal)
    assert {vm.moid: vm.host for vm in again.of("VirtualMachine")} == homes
    assert again.events == inventory.events


def test_a_lost_host_stops_its_machines_which_start_elsewhere():
    inventory, made = lab()
    inventory.submit("PowerOnVM", made["vm0"], host=made["esx0"])
    inventory.submit("HostNotResponding", made["esx0"])
    assert inventory.objects[made["vm0"]].power == "poweredOff"
    assert inventory.submit("PowerOnVM", made["vm0"]).result != made["esx0"]
    assert inventory.submit("ReconnectHost", made["esx0"]).state == "success"


def random_operations(inventory, made, rng, n):
    """Operations of any kind on any object, most of them faults."""
    names = list(made)
    for _ in range(n):
        kind, target = str(rng.choice(list(OPERATIONS))), made[str(rng.choice(names))]
        arguments = {}
        if kind.startswith(("Create", "Add")):
            arguments["name"] = f"n{rng.integers(20)}"
        if kind == "MigrateVM" or (kind == "PowerOnVM" and rng.random() < 0.5):
            arguments["host"] = made[str(rng.choice(names))]
        if kind == "ReconfigVM":
            arguments["memory_reservation"] = int(rng.integers(0, 6000))
        task = inventory.submit(kind, target, time=float(len(inventory.journal)), **arguments)
        if task.state == "success" and kind.startswith(("Create", "Add")):
            names.append(task.result)
            made[task.result] = task.result


def test_a_journal_makes_the_same_inventory_again(seed):
    inventory, made = lab()
    random_operations(inventory, made, np.random.default_rng(seed), 400)
    assert {task.state for task in inventory.tasks} == {"success", "error"}
    text = json.dumps([asdict(operation) for operation in inventory.journal])
    again = Inventory.replay(Operation(**one) for one in json.loads(text))
    assert again.snapshot() == inventory.snapshot()
    assert again.tasks == inventory.tasks
    assert again.events == inventory.events
    # Any beginning of the journal is an inventory too, and no reservation is ever broken in it.
    for host in again.of("HostSystem"):
        assert min(again.room(host)) >= 0


def test_the_index_finds_what_a_look_through_everything_finds(seed):
    inventory, made = lab()
    random_operations(inventory, made, np.random.default_rng(seed), 400)
    every = list(inventory.objects.values())
    for parent in [None, *inventory.objects]:
        for type_ in TYPES:
            wanted = [one for one in every if type(one).__name__ == type_]
            if parent:
                wanted = [one for one in wanted if parent in inventory.path(one.moid)]
            assert inventory.of(type_, parent) == wanted
    for host in inventory.of("HostSystem"):
        wanted = [vm for vm in inventory.of("VirtualMachine") if vm.host == host.moid]
        assert inventory.on_host(host.moid) == wanted


def test_an_operation_that_could_not_be_kept_is_not_applied():
    def full(operation):
        raise OSError("disk full")

    inventory = Inventory(keep=full)
    with pytest.raises(OSError, match="disk full"):
        inventory.submit("CreateDatacenter", ROOT, name="dc")
    assert not inventory.objects and not inventory.journal and not inventory.tasks


def test_a_cluster_has_at_most_32_hosts():
    inventory, made = lab(hosts=32)
    task = inventory.submit("AddHost", made["cluster"], name="one more")
    assert task.fault == "InvalidArgument"


def test_alarms_follow_samples():
    inventory, made = lab()
    alarm = {"type": "HostSystem", "counter": "cpu.usage", "yellow": 75.0, "red": 90.0}
    inventory.submit("CreateAlarm", ROOT, name="host CPU", **alarm)
    n = len(inventory.events)
    for value in (10.0, 80.0, 85.0, 95.0, 20.0):
        inventory.record(made["esx0"], "cpu.usage", value)
        inventory.record(made["vm0"], "cpu.usage", 99.0)
    assert [event.message for event in inventory.events[n:]] == [
        "Alarm host CPU turns from green to yellow: cpu.usage is 80.",
        "Alarm host CPU turns from yellow to red: cpu.usage is 95.",
        "Alarm host CPU turns from red to green: cpu.usage is 20.",
    ]
    assert len(inventory.samples) == 10


def test_an_unknown_operation_is_the_callers_mistake():
    with pytest.raises(ValueError, match="accepted are CreateDatacenter"):
        Inventory().submit("PowerOnHost", "host-1")
