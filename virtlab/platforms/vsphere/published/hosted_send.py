"""What do world switches cost a hosted network card? Workstation's idle time at link rate, R11.

A packet takes so long on the link; what the processor does meanwhile is counted by `hosted` for
each version, and priced by the paper's times of single events. The optimized version's idle time
fixes all that is not counted: guest, host, copying. Counts alone then tell the versions apart.

Source: Sugerman, Venkitachalam & Lim, USENIX 2001, section 3.
"""

from virtlab.platforms.vsphere.hosted import PATHS, accesses_before_interrupt, count_events
from virtlab.published.reproduction import read_reproduction

TABLE = "sugerman2001-idle"
N_PACKETS = 6000  # of which each way of combining packets makes whole interrupts
LAST = "version 2.0"
SCORED = ("without IRQ notification", "without send combining", LAST)
MISSES = {
    "R11:*:idle": "Priced one by one, the accesses, world switches and calls that are left out "
    "save less than half of what the paper measured. Each world switch leaves cold caches and TLBs "
    "behind, and the guest's interrupts and its turns between program and idle loop cost more "
    "privileged instructions, for which the paper prints no counts.",
    "R11:*:throughput": "As for the idle time: with the counted events alone version 2.0 would "
    "just keep up with the link.",
}


def prices(inputs, path) -> dict[str, float]:
    """Microseconds of each event that `count_events` counts."""
    send = inputs["send"]
    in_vmm = send["access handled by the VMM"]
    if path.ports_in_vmm:
        in_vmm = inputs["handled"] * send["access handled by the VMApp"]
    return {
        "vmapp_accesses": send["access handled by the VMApp"],
        "vmm_accesses": in_vmm,
        "world_switches": send["world switch"],
        "interrupts": send["IRET"],
        "selects": inputs["select"],
    }


def counted_time(inputs, name: str) -> float:
    """Microseconds a packet that the counted events of a version take."""
    path = PATHS[name]
    per_interrupt = round(accesses_before_interrupt(inputs["transmits"]))
    counts = count_events(path, N_PACKETS, per_interrupt, inputs["PIC accesses"])
    price = prices(inputs, path)
    return sum(n * price[event] for event, n in counts.items()) / N_PACKETS


def predict(inputs) -> dict[str, float]:
    """Idle time of the versions that are not given, and the throughput of version 2.0."""
    on_link = inputs["packet"] * 8 / inputs["link"]
    rest = on_link * (1 - inputs["optimized"] / 100) - counted_time(inputs, "optimized")
    found = {}
    for name in SCORED:
        busy = rest + counted_time(inputs, name)
        found[f"{TABLE}:{name}:idle"] = max(0.0, 100 * (1 - busy / on_link))
        if name == LAST:
            throughput = min(inputs["link"], inputs["packet"] * 8 / busy)
            found[f"{TABLE}:{name}:throughput"] = throughput
    return found


REPRODUCTION = read_reproduction("R11", predict, misses=MISSES)
