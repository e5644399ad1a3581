"""What the figures of vSphere say, held against the models that they draw."""

import numpy as np
import pytest
from recorded_vsphere import journal

from virtlab import explore
from virtlab.explore.figures.cluster_day import cluster_day, crowded
from virtlab.platforms.vsphere import ha, state
from virtlab.platforms.vsphere.cluster import simulation
from virtlab.platforms.vsphere.cpu import Tree
from virtlab.platforms.vsphere.memory import allocation
from virtlab.platforms.vsphere.vmotion import plan
from virtlab.platforms.vsphere.watching import CLIENT, DRS, HA, HOST


def test_the_operation_that_is_shown_is_lit_on_its_way():
    steps = journal()
    figure = explore.vsphere_architecture(steps, "A lab")
    assert {one.asker for one in steps} == {CLIENT, DRS, HA, HOST}
    for shown, one in enumerate(steps, 1):
        drawing = figure.drawing(shown=shown)
        assert drawing.title == f"A lab: operation {shown}, {one.kind}"
        assert drawing.text.startswith(f"{one.asker} leads to {one.kind};")
        assert ("It is refused: " in drawing.text) == bool(one.fault)
        assert one.message in drawing.text
        hosts = len({one.source, one.target} - {""}) * (not one.fault)
        assert drawing.svg.count("class='mark'") == 2 + hosts
        assert f"{sum(one.crowds.values())} virtual machines run" in drawing.text
    assert "Nothing has been asked yet" in figure.drawing(shown=0).text
    with pytest.raises(ValueError, match="0 operations on 0 hosts; accepted"):
        explore.vsphere_architecture([])


def test_a_day_of_the_figure_is_a_day_of_the_simulation():
    drawing = cluster_day().drawing(threshold=4, failing=3, hour=9)
    twin = crowded()
    twin.clusters["threshold"], twin.clusters["ha"] = 4, 1
    twin.fail(2, at=9 * 3600, returns=12 * 3600)
    twin.run(hours=24)
    kinds = [event.kind for event in twin.events]
    assert f"DRS makes {kinds.count(state.MIGRATED):,} migrations" in drawing.text
    assert f"stops {kinds.count(state.VM_STOPPED)} virtual machines" in drawing.text
    assert f"HA restarts {kinds.count(state.RESTARTED)}," in drawing.text
    down = [hour for hour, row in enumerate(drawing.rows) if row[3] == "down"]
    assert down == [9, 10, 11]
    assert sum(int(row[-3]) for row in drawing.rows) == kinds.count(state.MIGRATED)


def test_without_drs_the_crowd_stays_where_it_is():
    drawing = cluster_day().drawing(threshold=0)
    assert "DRS makes 0 migrations" in drawing.text
    assert {row[8] for row in drawing.rows} == {"0"}
    assert "reported as not restarted" in cluster_day().drawing(ha=0, failing=1).text


@pytest.mark.parametrize(
    "start", [lambda: simulation(13, 20), lambda: simulation(4, 8, per_cluster=2)]
)
def test_a_cluster_that_the_figure_cannot_hold_is_refused(start):
    with pytest.raises(ValueError, match="accepted are one of 2 to 12"):
        cluster_day(start())


def test_entitlements_are_those_of_the_tree():
    drawing = explore.entitlement().drawing(production=6000, reserved=5000, limited=2000)
    tree = Tree()
    pools = tree.add("production", 0, shares=6000), tree.add("test", 0, 4000, reservation=5000)
    tree.add("a", pools[0], 1000, limit=2000, demand=10_400)
    tree.add("b", pools[0], 1000, demand=10_000)
    tree.add("c", pools[1], 1000, reservation=5000, demand=10_400)
    wanted = tree.entitlements(10_400)
    assert [row[3] for row in drawing.rows] == [f"{wanted[name]:,.0f}" for name in "abc"]


def test_the_tax_takes_from_the_idle_one():
    drawing = explore.idle_tax().drawing(tax=75, idle_active=10)
    idle, busy = allocation(358, [1, 1], [25, 256], [0, 0], [256, 256], 0.75)
    assert drawing.rows[75] == ("75", f"{idle}", f"{busy}")
    assert drawing.rows[0] == ("0", "179", "179")


def test_memory_of_a_host_adds_up_and_balloons_spare_the_swap():
    figure = explore.host_memory()
    for balloon in (0, 1):
        drawing = figure.drawing(balloon=balloon)
        cells = np.array([[int(cell.replace(",", "")) for cell in row[2:]] for row in drawing.rows])
        # Free, resident and the overheads are the host's 16 GB.
        assert (cells[:, 0] + cells[:, 1] + 12 * 100 == 16_384).all()
        assert (cells[-1, 3] > 0) == bool(balloon) and (cells[-1, 5] > 0) == (not balloon)
    assert "12 had to stand still" in figure.drawing(touch=100).text
    assert "no more than there is" in figure.drawing(n_vms=3).text


def test_rounds_are_those_of_the_plan():
    drawing = explore.migration_rounds().drawing(memory_gb=4, writes=100, stun=1)
    told = plan(4096, 1024, 100, stun=True)
    assert [row[1] for row in drawing.rows] == [f"{mb:,.1f}" for mb in told.sent_mb]
    assert f"stands still for {told.stun_ms:,.0f} ms" in drawing.text
    assert [row[4] for row in drawing.rows][-1] == "0"


def test_slots_are_those_of_admission_control():
    hosts = [ha.Needs(9000, 9000), ha.Needs(9000, 6000), ha.Needs(6000, 6000)]
    figure = explore.failover_slots()
    for cpu in (1000, 2000, 4500):
        for memory in (1000, 2000, 3000):
            for failed in range(4):
                drawing = figure.drawing(cpu=cpu, memory=memory, n_vms=6, n_failed=failed)
                left = ha.slots_after(hosts, ha.Slot(cpu, memory), failed)
                assert f"the largest first, {left} are left" in drawing.text
            vms = [ha.Needs(cpu, memory)] * 6
            assert f"At most {ha.failover_capacity(hosts, vms)} may fail" in drawing.text


def test_esx_switches_no_worlds():
    drawing = explore.hosted_io().drawing(world_switch=20.0)
    rows = {row[0]: row for row in drawing.rows}
    assert rows["ESX"][1:3] == ("0.00", "0.00")
    assert float(rows["version 2.0"][5]) > float(rows["optimized"][5]) > float(rows["ESX"][5])
