"""Do people, the database and the simulated hosts see one data centre?"""

import threading

import numpy as np
import pytest
from invariants import assert_sound

from virtlab.platforms.vsphere import state as s
from virtlab.platforms.vsphere.bridge import Bridge
from virtlab.platforms.vsphere.inventory import OPERATIONS, ROOT, Inventory
from virtlab.platforms.vsphere.vcenter import VCenter, furnish
from virtlab.platforms.vsphere.vcenter.counters import COUNTERS, Samples, kept_since


def assert_in_step(vcenter):
    bridge = vcenter._bridge
    for k, moid in enumerate(bridge.vms):
        vm, one = bridge.simulation.vms[k], vcenter.inventory.objects[moid]
        assert (one.power == "poweredOn") == (vm["power"] == s.POWERED_ON)
        assert one.host == (bridge.hosts[vm["host"]] if vm["host"] >= 0 else "")


def test_a_small_data_centre_runs(furnished):
    vcenter, made = furnished
    assert {one.power for one in vcenter.inventory.of("VirtualMachine")} == {"poweredOn"}
    vcenter.step()
    assert vcenter.time == 300
    assert vcenter.samples.last(made["esx-01.lab"], "cpu.usagemhz.average") > 0
    assert set(vcenter.samples.names(made["vm-01"])) == {one.full_name for one in COUNTERS}


def test_a_virtual_machine_keeps_its_memory_when_somebody_moves_it(furnished):
    vcenter, made = furnished
    for _ in range(4):
        vcenter.step()
    vm = made["vm-03"]
    home = vcenter.inventory.objects[vm].host
    other = next(moid for moid in vcenter._bridge.hosts if moid != home)
    touched = vcenter.samples.last(vm, "mem.active.average")
    assert touched > 0
    assert vcenter.submit("MigrateVM", vm, host=other).state == "success"
    vcenter.step()
    assert vcenter.samples.last(vm, "mem.active.average") >= touched
    assert_in_step(vcenter)
    assert vcenter.submit("PowerOffVM", vm).state == "success"
    vcenter.submit("PowerOnVM", vm)
    vcenter.step()
    assert vcenter.samples.last(vm, "mem.active.average") < touched


def test_a_failure_goes_on_over_somebodys_change(furnished):
    vcenter, made = furnished
    vcenter.step()
    vcenter.fail(made["esx-02.lab"], minutes=10)
    vcenter.submit("CreateVM", made["test"], name="new")
    assert any(text.startswith("esx-02.lab does not respond") for text in vcenter.step())
    vcenter.submit("CreateVM", made["test"], name="newer")
    said = vcenter.step() + vcenter.step()
    assert "esx-02.lab is connected again." in said


def test_why_a_machine_was_moved_or_restarted_is_in_its_event(furnished):
    vcenter, made = furnished
    vcenter.step()
    vcenter.fail(made["esx-01.lab"])
    vcenter.step()
    restarted = [
        e for e in vcenter.inventory.events if (e.type, e.user) == ("PowerOnVM", "vSphere HA")
    ]
    assert restarted
    assert all(": it " in event.message for event in restarted)


def test_anything_may_happen_between_two_intervals(seed):
    rng = np.random.default_rng(seed)
    vcenter = VCenter()
    made = furnish(vcenter, hosts=5, vms=10)
    hosts = [moid for moid in made.values() if moid.startswith("host-")]
    vms = [moid for moid in made.values() if moid.startswith("vm-")]
    for step in range(40):
        for _ in range(int(rng.integers(4))):
            kind = str(rng.choice(["PowerOnVM", "PowerOffVM", "SuspendVM", "MigrateVM", "CreateVM",
                                   "ReconfigVM", "Destroy", "ReconnectHost",
                                   "EnterMaintenanceMode", "ExitMaintenanceMode"]))  # fmt: skip
            target = str(rng.choice(hosts if "Host" in kind or "Mode" in kind else vms))
            arguments = {}
            if kind == "CreateVM":
                target, arguments = made["test"], {"name": f"n{step}", "memory_mb": 4096}
            elif kind == "MigrateVM":
                arguments = {"host": str(rng.choice(hosts))}
            elif kind == "ReconfigVM":
                arguments = {"memory_reservation": int(rng.integers(4000))}
            task = vcenter.submit(kind, target, **arguments)
            if kind == "CreateVM" and task.result:
                vms.append(task.result)
        host = str(rng.choice(hosts))
        one = vcenter.inventory.objects[host]
        if rng.random() < 0.2 and one.connection == "connected" and not one.maintenance:
            vcenter.fail(host, minutes=int(rng.integers(1, 30)))
        vcenter.step()
        assert_in_step(vcenter)
        assert_sound(vcenter._bridge.simulation)
    again = Inventory.replay(vcenter.inventory.journal)
    assert again.snapshot() == vcenter.inventory.snapshot()


def test_alarms_turn_and_come_back_with_their_events():
    vcenter = VCenter()
    made = furnish(vcenter, hosts=2, vms=2)
    vcenter.loads[made["vm-01"]] = 20_000.0
    vcenter.step()
    alarm = vcenter.inventory.alarms[made["Virtual machine CPU usage"]]
    assert alarm.status == {made["vm-01"]: "red"}
    vcenter.submit("PowerOffVM", made["vm-01"])
    vcenter.submit("Destroy", made["vm-01"])
    assert alarm.status == {}
    again = Inventory.replay(vcenter.inventory.journal)
    assert again.events == vcenter.inventory.events
    assert again.alarms == vcenter.inventory.alarms


def test_whoever_waits_for_a_change_is_told():
    vcenter, heard = VCenter(), []

    def wait():
        with vcenter.lock:
            before = vcenter.version
            ready.set()
            heard.append(vcenter.lock.wait_for(lambda: vcenter.version > before, timeout=20))

    ready = threading.Event()
    thread = threading.Thread(target=wait)
    thread.start()
    ready.wait(20)
    vcenter.submit("CreateDatacenter", ROOT, name="a")
    thread.join(20)
    assert heard == [True]


def test_a_block_that_fails_leaves_nothing(furnished):
    vcenter, _ = furnished
    before = vcenter.inventory.snapshot()
    with pytest.raises(KeyError), vcenter.together():
        vcenter.submit("CreateDatacenter", ROOT, name="a")
        raise KeyError("something")
    assert vcenter.inventory.snapshot() == before


@pytest.mark.parametrize(
    "arguments",
    [{"name": "a\0b"}, {"name": "\ud800"}, {"name": "x" * 300}, {"name": ["a"]}, {"name": None},
     {"name": "a", "capacity_gb": float("inf")}, {"user": "\n", "name": "a"}],
)  # fmt: skip
def test_a_value_that_no_database_keeps_is_refused_at_once(arguments):
    vcenter = VCenter()
    with pytest.raises(ValueError, match=r"accepted is a number or a printable text of up to 256"):
        vcenter.submit("CreateDatacenter", ROOT, **arguments)
    assert not vcenter.inventory.journal


def test_every_operation_survives_every_number():
    """What passes the boundary ends in a task, so that the journal can always be replayed."""
    vcenter = VCenter()
    made = furnish(vcenter, hosts=1, vms=1)
    values = (0, -1, 10**30, 1.5, True, "", "vm-1", made["esx-01.lab"])
    names = ("name", "host", "cpus", "cpu_shares", "memory_reservation", "type", "counter",
             "yellow", "red", "status", "alarm", "value", "because", "pool", "drs")  # fmt: skip
    rng = np.random.default_rng(1)
    for _ in range(3000):
        kind, target = str(rng.choice(list(OPERATIONS))), str(rng.choice(list(made.values())))
        chosen = rng.choice(names, size=int(rng.integers(5)), replace=False)
        arguments = {str(name): values[int(rng.integers(len(values)))] for name in chosen}
        if {"host", "alarm", "name", "because", "type"} & set(arguments) and rng.random() < 0.5:
            continue
        assert vcenter.submit(kind, target, **arguments).state in ("success", "error")
    vcenter.step()


def test_only_a_day_of_samples_is_kept():
    samples = Samples()
    for k in range(300):
        samples.add([(300 * k, "vm-1", 2, k)], kept_since(300 * k, n_rows=1))
    rows = samples.of("vm-1", "cpu.usage.average")
    assert (len(rows), rows[-1]) == (288, (300 * 299, 299))
    assert samples.of("vm-1", "mem.usage.average") == []
    assert kept_since(86_400, n_rows=100_000) == 86_400 - 9 * 300  # a million in all
    samples.add([], since=10**6)
    assert samples.names("vm-1") == []


@pytest.mark.parametrize(("hosts", "vms"), [(0, 1), (33, 1), (1, 0), (1, 33)])
def test_a_data_centre_of_no_such_size_is_refused(hosts, vms):
    with pytest.raises(ValueError, match="accepted are 1 to 32"):
        furnish(VCenter(), hosts=hosts, vms=vms)


def test_what_does_not_run_cannot_fail(furnished):
    vcenter, made = furnished
    with pytest.raises(ValueError, match="no host 'vm-1' is simulated"):
        vcenter.fail("vm-1")
    vcenter.fail(made["esx-01.lab"])
    vcenter.step()
    with pytest.raises(ValueError, match="does not run virtual machines"):
        vcenter.fail(made["esx-01.lab"])


def test_an_interval_that_the_inventory_refuses_has_not_happened(furnished, monkeypatch):
    vcenter, made = furnished
    vcenter.step()
    vcenter.fail(made["esx-01.lab"])
    before = vcenter.inventory.snapshot()
    with monkeypatch.context() as patch:
        refused = [("PowerOffVM", "vm-none", {})]
        patch.setattr(Bridge, "operations", lambda bridge, event: refused)
        with pytest.raises(RuntimeError, match="There is no object vm-none"):
            vcenter.step()
    assert (vcenter.time, vcenter.inventory.snapshot()) == (300, before)
    vcenter.step()
    assert vcenter.time == 600
