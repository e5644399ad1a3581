"""The same figures with the JIT off: plain NumPy says the same words, without a warning."""

import json
import os
import subprocess
import sys
from pathlib import Path

EXPLORE = Path(__file__).parents[1] / "explore"
PROGRAM = f"""
import json, sys, warnings
warnings.simplefilter("error")
sys.path.insert(0, {str(EXPLORE)!r})
import recorded
from recorded_boxes import FITS, OBJECTS, SERVERS, fake_recording
from recorded_exits import FakeVm
from recorded_kvm import REQUESTS, RUNS, watched
from recorded_vsphere import journal
from recorded_xen import DOMAINS, PATHS, STEPS
from virtlab import explore
from virtlab.explore.figures.xen_architecture import figure_of
from virtlab.machine import Machine
from virtlab.platforms.vsphere.cluster import simulation

places = {{"code": 0x8000_0000, "top": 0xFFFF_FFFF_FFFF_F000}}
figures = [
    (explore.timeline(recorded.EVENTS, 100_000), {{"start": 300, "width": 1_000}}),
    (explore.walk(recorded.MAPPED), {{"shown": 2}}),
    (explore.walks(Machine(ram="1M").translate, places), {{"where": places["top"], "kind": 2}}),
    (explore.access(), {{"switches": 3, "kind": 1}}),
    (explore.sweep(abs, [1, 2, 300], "pages", "misses", "Misses"), {{"marked": 300}}),
    (explore.tlb_sweep(), {{"stride": 3, "slots": 64}}),
    (explore.architecture(FakeVm()), {{"shown": 7}}),
    (explore.exits(FakeVm()), {{"width": 10_000}}),
    (explore.compare_exits({{"a": FakeVm(), "b": FakeVm(seed=2)}}), {{"reason": 2}}),
    (explore.nested_walk(), {{"guest": 3, "caches": 1}}),
    (explore.boxes_architecture(fake_recording()), {{"shown": 20, "further": 1}}),
    (explore.boxes(fake_recording()), {{"width": 100_000, "start_us": 300}}),
    (explore.cpu_shares(), {{"quota_1": 20, "demand_0": 35}}),
    (explore.namespaces(OBJECTS), {{"viewer": 0}}),
    (explore.compare_instances(SERVERS), {{"quantity": 1}}),
    (explore.density(FITS), {{"quantity": 0}}),
    (explore.kvm_architecture(watched()), {{"shown": 7}}),
    (figure_of(DOMAINS, STEPS), {{"shown": 3}}),
    (explore.xen_passthrough(PATHS), {{"way": 2, "iommu": False}}),
    (explore.xen_ring(), {{"shown": 20, "batch": 3}}),
    (explore.credit_scheduler(), {{"cap_1": 20}}),
    (explore.migration(), {{"writing_mbit": 300}}),
    (explore.mode_times(RUNS), {{"per_exit": 100}}),
    (explore.io_paths(REQUESTS), {{"case": 1}}),
    (explore.halt_polling(), {{"every": 0}}),
    (explore.vsphere_architecture(journal()), {{"shown": 3}}),
    (explore.cluster_day(simulation(2, 6, start=False)), {{"failing": 1, "hour": 3}}),
    (explore.entitlement(), {{"reserved": 3000}}),
    (explore.idle_tax(), {{"tax": 10}}),
    (explore.host_memory(), {{"touch": 100}}),
    (explore.migration_rounds(), {{"stun": 1, "writes": 300}}),
    (explore.failover_slots(), {{"n_failed": 2}}),
    (explore.hosted_io(), {{"vmapp": 1.0}}),
]
told = [figure.drawing(**some) for figure, values in figures for some in ({{}}, values)]
print(json.dumps([drawing.html() for drawing in told]))
"""


def told(jit: bool) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "NUMBA_DISABLE_JIT": str(int(not jit))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_figures_are_the_same_with_the_jit_off():
    compiled = told(jit=True)
    assert compiled == told(jit=False)
    assert len(set(compiled)) == 66
