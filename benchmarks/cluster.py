"""What does a day of a thousand hosts cost? `python benchmarks/cluster.py --json`.

A day of DRS every five minutes, ten virtual machines a host, hosts that fail and come back. All
clusters have 25 hosts, so that sizes differ by how many there are. Times are what one waits;
compiling, once for each new source, comes before them.

    seconds            a day of 1,000 hosts and 10,000 virtual machines
    peak_mb            the most memory of this process, Python and Numba included
    seconds_by_hosts   hosts to seconds of a day, for fewer hosts too
"""

import argparse
import json
import resource
import sys
import time

from virtlab.platforms.vsphere.cluster import simulation

HOSTS = (100, 250, 500, 1000)
VMS_PER_HOST = 10
HOSTS_PER_CLUSTER = 25
HOURS = 24
FAILURE_EVERY_S = 7200  # somewhere among a hundred hosts


def day_seconds(hosts: int, seed: int) -> float:
    """Seconds for one day of so many hosts, from powering on to the last interval."""
    began = time.perf_counter()
    simulated = simulation(hosts, hosts * VMS_PER_HOST, seed, HOSTS_PER_CLUSTER)
    for k in range(hosts * HOURS * 3600 // FAILURE_EVERY_S // 100):
        second = k * FAILURE_EVERY_S * 100 // hosts
        simulated.fail(k * 37 % hosts, at=second, returns=second + 1800)
    simulated.run(HOURS)
    taken = time.perf_counter() - began
    moves = sum(event.stun_ms > 0 for event in simulated.events)
    print(f"{hosts} hosts: {taken:.2f} s, {moves} migrations", file=sys.stderr, flush=True)
    return taken


def measure(rounds: int) -> dict:
    """Everything that this benchmark promises; the fastest of so many rounds."""
    simulation(2, 8).step()  # compiles, or loads what is compiled
    by_hosts = {
        str(hosts): round(min(day_seconds(hosts, seed) for seed in range(rounds)), 3)
        for hosts in HOSTS
    }
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return {
        "seconds": by_hosts[str(HOSTS[-1])],
        "peak_mb": round(peak, 1),
        "seconds_by_hosts": by_hosts,
    }


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="A day of a data centre, by its size.")
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--rounds", type=int, default=1, help="rounds, of which the fastest counts")
    options = parser.parse_args()
    results = measure(max(1, options.rounds))
    if options.json:
        print(json.dumps(results))
        return
    for key, value in results.items():
        print(key, value)


if __name__ == "__main__":
    main()
