"""How fast is a guest under each technique? `python benchmarks/hypervisors.py --json`.

Speeds are relative to the bare machine, which takes its turn in each round, so that noise meets all
alike; a technique's figure is the median of its rounds. Speeds are of the processor's time for this
process, so that others on the computer do not count; boot_s and sweep_s are what one waits. Exits
are counted, not measured.

    relative_mips      technique to guest instructions a second relative to bare, while the teaching
                       OS computes without a system call (its workload `compute`)
    boot_s             technique to seconds from making the machine to the prompt of its shell
    exits_per_kinstr   technique to workload to exits in a thousand guest instructions
    sweep_s            fifty values of one price, through virtlab.cost, without another run

Hardware assistance has two kinds of paging: "hardware-assisted" is with nested paging,
"hardware-assisted, shadow" with shadow page tables.
"""

import argparse
import json
import statistics
import sys
import time

from virtlab import guests
from virtlab.cost import complete, sweep
from virtlab.hypervisors import TECHNIQUES
from virtlab.machine import Machine

BARE = "bare"
PROMPT = "$ "
COMPUTE = "; ".join(["compute 1000000 128"] * 3)
COMPUTE_STEPS = 70_000_000  # of them that are timed
WORKLOADS = {
    "nullsys": "nullsys 1000",
    "forkwait": "forkwait 20",
    "ctxsw": "ctxsw 100",
    "pgfault": "pgfault 100 4",
    "ptemod": "ptemod 64 8",
    "devread": "devread 1000",
    "diskread": "diskread 50",
    "compute": "compute 200000 64",
    "memwalk": "memwalk 256 40",
}
N_PRICES = 50
SWEPT = "vm_entry"
PRICES = "haswell"


def say(text: str) -> None:
    """Notes go to standard error, so that standard output stays JSON."""
    print(text, file=sys.stderr, flush=True)


def ways() -> dict:
    """Every way to run the teaching OS: name to a function that makes a machine with it loaded."""

    def way(kind, image, **choices):
        def make():
            m = kind(ram="64M", disk=guests.disk("pith"), record=False, **choices)
            return m.load(guests.path(image))

        return make

    found = {BARE: way(Machine, "pith")}
    for name, kind in TECHNIQUES.items():
        found[name] = way(kind, "pith_pv" if name == "paravirt" else "pith")
    if "hardware-assisted" in TECHNIQUES:
        kind = TECHNIQUES["hardware-assisted"]
        found["hardware-assisted, shadow"] = way(kind, "pith", paging="shadow")
    return found


def to_prompt(m) -> None:
    """Run until the shell waits for a command, and sleeps."""
    stop = m.run(until=PROMPT)
    if stop.reason != "until":
        raise SystemExit(f"{m!r}: the teaching OS did not reach its prompt: {stop}")
    m.run(1_000_000)


def compute_mips(make) -> float:
    """Million guest instructions a second while the teaching OS computes."""
    m = make()
    to_prompt(m)
    m.type(COMPUTE + "\n")
    m.run(3_000_000)  # the program is there, its pages are touched
    before = m.steps
    began = time.process_time()
    m.run(COMPUTE_STEPS)
    seconds = time.process_time() - began
    if m.steps - before != COMPUTE_STEPS:
        raise SystemExit(f"{m!r}: the computation ended before the measurement did")
    return COMPUTE_STEPS / seconds / 1e6


def boot_seconds(make) -> float:
    """From making the machine to the prompt."""
    began = time.perf_counter()
    m = make()
    if m.run(until=PROMPT).reason != "until":
        raise SystemExit(f"{m!r}: the teaching OS did not reach its prompt")
    return time.perf_counter() - began


def exits_per_thousand(make) -> dict[str, float]:
    """Exits in a thousand guest instructions, for booting and for each workload."""
    m = make()
    m.run(until=PROMPT)
    found = {"boot": m.n_exits / m.steps * 1e3}
    for name, command in WORKLOADS.items():
        m.run(1_000_000)
        exits, steps = m.n_exits, m.steps
        m.type(command + "\n")
        m.run(until=PROMPT)
        found[name] = (m.n_exits - exits) / (m.steps - steps) * 1e3
        if f"{name}: " not in m.console:
            raise SystemExit(f"{m!r}: {command!r} did not report")
    return found


def sweep_seconds(make) -> float:
    """Fifty values of one price for a run that has been counted; median of five."""
    m = make()
    m.run(until=PROMPT)
    prices = complete(PRICES)
    values = [100.0 * k for k in range(N_PRICES)]
    times = []
    for _ in range(5):
        began = time.perf_counter()
        totals = sweep(m.counts, prices, SWEPT, values)
        times.append(time.perf_counter() - began)
        if len(totals) != N_PRICES:
            raise SystemExit("a sweep has another number of answers than of prices")
    return statistics.median(times)


def measure(rounds: int) -> dict:
    """Everything that this benchmark promises."""
    made = ways()
    for name, make in made.items():  # once, to load the compiled code
        boot_seconds(make)
        say(f"{name} is there")
    ratios = {name: [] for name in made if name != BARE}
    boots = {name: [] for name in made}
    for k in range(rounds):
        bare = compute_mips(made[BARE])
        for name in ratios:
            ratios[name].append(compute_mips(made[name]) / bare)
        for name, make in made.items():
            boots[name].append(boot_seconds(make))
        say(f"round {k + 1} of {rounds}: bare {bare:.0f} MIPS")
    return {
        "relative_mips": {name: round(statistics.median(r), 3) for name, r in ratios.items()},
        "boot_s": {name: round(statistics.median(s), 3) for name, s in boots.items()},
        "exits_per_kinstr": {
            name: {workload: round(n, 3) for workload, n in exits_per_thousand(make).items()}
            for name, make in made.items()
            if name != BARE
        },
        "sweep_s": round(sweep_seconds(made["hardware-assisted"]), 5),
    }


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="Guests under each technique, next to bare metal.")
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the comparison")
    options = parser.parse_args()
    results = measure(max(1, options.rounds))
    if options.json:
        print(json.dumps(results))
        return
    for key, value in results.items():
        print(key if isinstance(value, dict) else f"{key} {value}")
        for name, each in value.items() if isinstance(value, dict) else ():
            if isinstance(each, dict):
                each = "  ".join(f"{workload} {n:g}" for workload, n in each.items())
            print(f"    {name:28} {each}")


if __name__ == "__main__":
    main()
