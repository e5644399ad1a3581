"""Arguments for the compiled functions of vsphere, as test_every_kernel draws them."""

import numpy as np

from virtlab.platforms.vsphere import state
from virtlab.platforms.vsphere.cluster import simulation
from virtlab.platforms.vsphere.cpu import linked

i64, f64 = np.int64, np.float64


def feed_divvy(rng):
    """A random tree: half of its nodes may be pools."""
    n = int(rng.integers(1, 30))
    parents = [-1, *(int(rng.integers((k + 1) // 2)) for k in range(1, n))]
    shares, reservation, demand = rng.integers(0, 5000, (3, n)).astype(f64)
    limit = np.where(rng.random(n) < 0.5, -1, rng.integers(0, 5000, n)).astype(f64)
    bounds = shares, reservation / 8, limit, demand
    return f64(rng.integers(0, 30_000)), *linked(parents), *bounds, *np.zeros((3, n))


def feed_schedule(rng):
    n = int(rng.integers(1, 9))
    entitlement, demand = rng.integers(0, 3000, (2, n)).astype(f64)
    counts = i64(rng.integers(1, 9)), i64(rng.integers(60))
    return entitlement, demand, np.zeros(n), np.zeros(n, i64), *counts, f64(2600)


def feed_allocate(rng):
    n = int(rng.integers(1, 20))
    low, more, active = rng.integers(0, 5000, (3, n))
    shares = rng.integers(0, 9, n).astype(f64)
    total, tax = i64(rng.integers(0, 60_000)), f64(rng.random() * 0.95)
    return total, tax, shares, active, low, low + more, np.zeros(n, i64)


def feed_state(rng):
    return i64(rng.integers(1000)), i64(10_000), i64(rng.integers(4))


def feed_share(rng):
    contents = rng.integers(0, 1 << int(rng.integers(1, 40)), int(rng.integers(1, 200)))
    return contents, np.zeros(512, i64), np.zeros(512, i64), np.zeros(5, i64)


def feed_precopy(rng):
    memory, rate = rng.random(2) * 4000 + 1
    hot_rate, cold_rate = rng.random(2) * 300
    numbers = f64(memory * rng.random()), f64(hot_rate), f64(cold_rate), f64(rate)
    rest = i64(rng.integers(2)), f64(500), *np.zeros((3, 9)), np.zeros(3)
    return f64(memory), *numbers, *rest


def feed_priority(rng):
    return f64(rng.random() * 0.6), i64(rng.integers(1, 33))


def running(rng):
    """A small data centre in which some hosts are in trouble, after a few intervals."""
    hosts = int(rng.integers(2, 8))
    memory = int(rng.choice([8192, 16_384]))
    made = simulation(hosts, hosts * 6, int(rng.integers(1000)), 4, memory_mb=memory)
    for _ in range(int(rng.integers(12))):
        made.step()
    for host in range(hosts):
        chance = rng.random()
        if chance < 0.1:
            made.fail(host)
        elif chance < 0.2:
            made.isolate(host)
        elif chance < 0.3:
            made.enter_maintenance(host)
    return made


def feed_interval(rng):
    made = running(rng)
    records = made.hosts, made.vms, made.clusters, made.nodes, *made.links
    scratch = made.work, made.pages, made.order, made.begins, made.chain, made.rounds
    return *records, i64(made.time), i64(300), *scratch, made.log, made.counts


def feed_power_on(rng):
    made = running(rng)
    vm = int(rng.integers(len(made.vms)))
    made.power_off(vm)
    rest = i64(vm), i64(made.time), made.rounds, made.log, made.counts
    return made.hosts, made.vms, made.clusters, *rest


def feed_power_off(rng):
    made = running(rng)
    on = np.flatnonzero(made.vms["power"] == state.POWERED_ON)
    return made.hosts, made.vms, i64(rng.choice(on))


def feed_adopt(rng):
    made = running(rng)
    vm = int(rng.integers(len(made.vms)))
    made.power_off(vm)
    return made.hosts, made.vms, i64(vm), i64(rng.integers(len(made.hosts)))


def types(text: str) -> str:
    """The types of arguments: i and f for a number, I and F for an array, J and G of two axes."""
    names = {"i": "int64", "f": "float64", "I": "int64[:]", "F": "float64[:]"}
    names |= {"J": "int64[:, :]", "G": "float64[:, :]"}
    names |= {letter: f"{AT}state:{name}[:]" for letter, name in RECORDS.items()}
    return ", ".join(names[letter] for letter in text)


AT = "virtlab.platforms.vsphere."
RECORDS = {"h": "HOST", "v": "VM", "c": "CLUSTER", "n": "NODE", "e": "EVENT"}
KNOWN = {
    f"{AT}cpu:divvy": (types("fIIIFFFFFFF"), feed_divvy),
    f"{AT}cpu:schedule": (types("FFFIiif"), feed_schedule),
    f"{AT}drs:priority_of": (types("fi"), feed_priority),
    f"{AT}interval:adopt": (types("hvii"), feed_adopt),
    f"{AT}interval:power_off": (types("hvi"), feed_power_off),
    f"{AT}interval:power_on": (types("hvciiGeI"), feed_power_on),
    f"{AT}interval:run_interval": (types("hvcnIIIiiGJIIIGeI"), feed_interval),
    f"{AT}memory:allocate_taxed": (types("ifFIIII"), feed_allocate),
    f"{AT}memory:next_state": (types("iii"), feed_state),
    f"{AT}memory:share_pages": (types("IIII"), feed_share),
    f"{AT}vmotion:precopy": (types("fffffifFFFF"), feed_precopy),
}
