"""Do inventory and simulation stay the same data centre, whatever happens in the simulation?"""

import numpy as np
import pytest
from invariants import assert_sound
from test_inventory import lab

from virtlab.platforms.vsphere import state as s
from virtlab.platforms.vsphere.bridge import Bridge
from virtlab.platforms.vsphere.inventory import Inventory


def assert_in_step(bridge):
    vms = bridge.simulation.vms
    for k, moid in enumerate(bridge.vms):
        one = bridge.inventory.objects[moid]
        assert (one.power == "poweredOn") == (vms["power"][k] == s.POWERED_ON)
        assert one.host == (bridge.hosts[vms["host"][k]] if vms["host"][k] >= 0 else "")


def running(hosts=4, vms=12):
    inventory, made = lab(hosts, vms)
    test = inventory.submit("CreateResourcePool", made["pool"], name="test", cpu_shares=500)
    inventory.submit("CreateVM", test.result, name="in a pool", cpu_reservation=500)
    for moid in (one.moid for one in inventory.of("VirtualMachine")):
        inventory.submit("PowerOnVM", moid, host=made["esx0"])
    assert len(inventory.on_host(made["esx0"])) == vms + 1
    return inventory


def test_moves_failures_and_restarts_become_operations():
    inventory = running()
    bridge = Bridge(inventory, {moid.moid: 2000.0 for moid in inventory.of("VirtualMachine")})
    assert_in_step(bridge)
    bridge.simulation.fail(1, at=700, returns=2000)
    bridge.simulation.isolate(2, at=1000, returns=3000)
    for _ in range(12):
        bridge.step()
        assert_sound(bridge.simulation)
        assert_in_step(bridge)
    kinds = {operation.kind for operation in inventory.journal}
    assert kinds >= {"MigrateVM", "HostNotResponding", "PowerOnVM", "PowerOffVM", "ReconnectHost"}
    assert Inventory.replay(inventory.journal).snapshot() == inventory.snapshot()
    moved = [task.message for task in inventory.tasks if task.kind == "MigrateVM"]
    assert all(": it " in message for message in moved)
    assert any("takes the imbalance from" in message for message in moved)


def test_random_failures_keep_them_in_step(seed):
    rng = np.random.default_rng(seed)
    for _ in range(5):
        bridge = Bridge(running(int(rng.integers(2, 6)), int(rng.integers(1, 12))))
        for _ in range(12):
            host, now = int(rng.integers(len(bridge.hosts))), bridge.simulation.time
            if bridge.simulation.hosts["state"][host] == s.CONNECTED and rng.random() < 0.3:
                bridge.simulation.fail(host, now + int(rng.integers(300)), now + 900)
            bridge.step()
            assert_in_step(bridge)


def test_an_inventory_without_hosts_cannot_be_simulated():
    with pytest.raises(ValueError, match="has no cluster"):
        Bridge(Inventory())
    with pytest.raises(ValueError, match="with a host and a virtual machine"):
        Bridge(lab(1, 0)[0])
