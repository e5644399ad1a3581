"""What has to hold after every step of the simulation, and scenarios in which anything happens."""

import numpy as np

from virtlab.platforms.vsphere import ha
from virtlab.platforms.vsphere import state as s
from virtlab.platforms.vsphere.cluster import simulation

RUNNING_HOSTS = (s.CONNECTED, s.ISOLATED, s.ENTERING_MAINTENANCE)


def assert_sound(simulation):
    """The invariants on hosts, virtual machines and memory."""
    vms, hosts = simulation.vms, simulation.hosts
    on = vms["power"] == s.POWERED_ON
    # A virtual machine runs on one host, which runs, and whose cluster is its own.
    assert ((vms["host"] >= 0) == on).all()
    at = vms["host"][on]
    assert np.isin(hosts["state"][at], RUNNING_HOSTS).all()
    assert (hosts["cluster"][at] == vms["cluster"][on]).all()
    assert (np.bincount(at, minlength=len(hosts)) == hosts["vms"]).all()
    # What hosts say of reservations is what their virtual machines reserve; all of it fits.
    memory_reserved = vms["memory_reservation"] + vms["overhead"]
    for mine, name in (
        (vms["cpu_reservation"], "cpu_reserved"),
        (memory_reserved, "memory_reserved"),
    ):
        assert (np.bincount(at, mine[on], len(hosts)) == hosts[name]).all()
    assert (hosts["cpu_reserved"] <= hosts["cpu"]).all()
    assert (hosts["memory_reserved"] * 100 <= hosts["memory"] * 94).all()
    # Memory is conserved in every virtual machine and on every host.
    parts = [vms[name] for name in ("resident", "shared", "ballooned", "compressed", "swapped")]
    assert (np.array(parts) >= 0).all()
    assert (sum(parts) == vms["touched"]).all()
    assert (vms["touched"] <= vms["memory"]).all()
    taken = vms["resident"] + (vms["compressed"] + 1) // 2 + vms["overhead"]
    used = np.bincount(at, taken[on], len(hosts))
    assert (hosts["free"] >= 0).all()
    ran = np.isin(hosts["state"], RUNNING_HOSTS)
    assert (used + hosts["free"] == hosts["memory"])[ran].all()
    # Capacity is respected, reservations are honoured, limits too.
    given = np.bincount(at, vms["cpu_given"][on], len(hosts))
    assert (given <= hosts["cpu"] * (1 + 1e-9)).all()
    core = np.where(vms["host"] >= 0, hosts["core"][vms["host"]], 0)
    most = np.minimum(vms["cpu_demand"], vms["vcpus"] * core)
    most = np.where(vms["cpu_limit"] >= 0, np.minimum(most, vms["cpu_limit"]), most)
    assert (vms["cpu_given"] <= most * (1 + 1e-9)).all()
    promised = np.minimum(vms["cpu_reservation"], most) * (vms["stopped"] == 0)
    assert (vms["cpu_given"] >= promised * (1 - 1e-9))[on].all()
    backed = vms["resident"] + vms["shared"]
    assert (backed >= np.minimum(vms["memory_reservation"], vms["touched"]))[on].all()
    # What is off has nothing.
    assert not vms["touched"][~on].any() and not vms["cpu_given"][~on].any()


def assert_accounted_for(simulation, before, events):
    """Every virtual machine that lost its host was restarted, or it was said why not."""
    told = {e.vm for e in events if e.kind in (s.RESTARTED, s.NOT_RESTARTED)}
    on = simulation.vms["power"] == s.POWERED_ON
    lost = set(np.flatnonzero((before == s.POWERED_ON) & ~on).tolist())
    waiting = set(np.flatnonzero(simulation.vms["power"] == s.WAITING).tolist())
    late = {v for v in waiting if simulation.vms["restart_at"][v] > simulation.time}
    stopped = {e.vm for e in events if e.kind == s.VM_STOPPED}
    assert lost | stopped <= told | late
    assert all(simulation.vms["reported"][v] for v in waiting - late)


def random_scenario(seed: int, steps: int = 24) -> int:
    """A random data centre in which anything may happen; returns how many events there were."""
    rng = np.random.default_rng(seed)
    hosts = int(rng.integers(1, 24))
    simulated = simulation(
        hosts=hosts,
        vms=int(rng.integers(1, hosts * 16)),
        seed=seed,
        per_cluster=int(rng.integers(1, 12)),
        drs=bool(rng.random() < 0.8),
        ha=bool(rng.random() < 0.8),
        threshold=int(rng.integers(1, 6)),
        failover_percent=int(rng.integers(0, 50)) if rng.random() < 0.7 else 0,
        tolerate=int(rng.integers(3)),
        isolation=int(rng.integers(2)),
        cores=int(rng.choice([2, 4, 8])),
        memory_mb=int(rng.choice([16_384, 32_768, 65_536])),
    )
    limit_some(simulated, rng)
    simulated.vms["balloon_percent"][rng.random(len(simulated.vms)) < 0.2] = 0
    assert_sound_but_for_memory(simulated)
    for _ in range(steps):
        for host in range(hosts):
            act_on_host(simulated, host, rng)
        for vm in rng.integers(len(simulated.vms), size=3).tolist():
            if simulated.vms["power"][vm] == s.POWERED_OFF:
                assert_admitted(simulated, vm)
            elif rng.random() < 0.3:
                simulated.power_off(vm)
        before = simulated.vms["power"].copy()
        events = simulated.step()
        assert_sound(simulated)
        assert_accounted_for(simulated, before, events)
        for event in events:
            text = simulated.why(event)
            assert text.endswith(".") and "\n" not in text and "{" not in text
    return len(simulated.events)


def assert_sound_but_for_memory(simulation):
    """Before the first step nobody has touched memory yet."""
    assert not simulation.vms["touched"].any()
    assert (simulation.hosts["cpu_reserved"] <= simulation.hosts["cpu"]).all()


def limit_some(simulated, rng):
    """Give a tenth of the virtual machines a CPU limit, above what they reserve."""
    limited = np.flatnonzero(rng.random(len(simulated.vms)) < 0.1)
    limits = simulated.vms["cpu_reservation"][limited] + rng.integers(1, 2000, limited.size)
    simulated.vms["cpu_limit"][limited] = limits
    simulated.nodes["cpu_limit"][simulated.vms["node"][limited]] = limits


def assert_admitted(simulated, vm):
    """Power `vm` on; admission control decides as the manual's rules do in plain Python."""
    cluster = simulated.clusters[simulated.vms[vm]["cluster"]]
    begin, end = cluster["first_host"], cluster["first_host"] + cluster["hosts"]
    hosts = [one for one in simulated.hosts[begin:end] if one["state"] == s.CONNECTED]
    begin, end = cluster["first_vm"], cluster["first_vm"] + cluster["vms"]
    others = [one for one in simulated.vms[begin:end] if one["power"] != s.POWERED_OFF]
    allowed, _ = ha.admit(
        [ha.Needs(float(one["cpu"]), float(one["memory"])) for one in hosts],
        [needs_of(one) for one in others],
        needs_of(simulated.vms[vm]),
        int(cluster["tolerate"]),
        float(cluster["failover_percent"]),
    )
    event = simulated.power_on(vm)
    refused = event.reason in (s.ADMISSION, s.NO_SLOT)
    assert refused == (not allowed and bool(cluster["ha"]))


def needs_of(vm):
    return ha.Needs(float(vm["cpu_reservation"]), float(vm["memory_reservation"] + vm["overhead"]))


def act_on_host(simulated, host, rng):
    """Perhaps something happens to a host: failure, isolation, maintenance, its end."""
    one, chance, second = simulated.hosts[host], rng.random(), int(rng.integers(300))
    state = one["state"]
    back = simulated.time + second + int(rng.integers(300, 3000))
    if state == s.CONNECTED and chance < 0.02:
        simulated.fail(host, simulated.time + second, back if rng.random() < 0.8 else -1)
    elif state == s.CONNECTED and chance < 0.03:
        simulated.isolate(host, simulated.time + second, back)
    elif state == s.CONNECTED and chance < 0.05:
        simulated.enter_maintenance(host)
    elif state in (s.MAINTENANCE, s.ENTERING_MAINTENANCE) and chance < 0.2:
        simulated.exit_maintenance(host)
