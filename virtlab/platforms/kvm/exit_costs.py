"""What does an exit cost on the machine at hand, and what on the machines of the papers?

The guest of paths.py stores again and again. What a store takes beyond one to memory is the exit:

    kept by the kernel      ioeventfd: exit, signal, entry
    to the program          MMIO: the same, KVM_RUN's return, Python, KVM_RUN again

Published are cycles; with the clock of the paper's machine they are nanoseconds, and can stand
beside what is measured here. Nothing is scored with either.

Source: Dall and others, ISCA 2016, as in Bugnion, Nieh and Tsafrir, 2017, chapter 8: the table and
its machines' clocks.
"""

import os
from dataclasses import dataclass

from virtlab.platforms.kvm import device, recorded
from virtlab.platforms.kvm.paths import stores_by_path
from virtlab.published import table

TABLE = "dall2016-transitions"
CLOCK_GHZ = {"ARM": 2.4, "x86": 2.1}
MACHINES = {"ARM": "Applied Micro Atlas, 2.4 GHz", "x86": "Xeon E5-2450, 2.1 GHz"}
SHOWN = ("hypercall", "I/O latency out")
N_STORES = 5_000
ROUNDS = 3  # of which the fastest counts: what else the machine does only adds
WAYS = {
    "ioeventfd": "a store that the kernel keeps (ioeventfd), beyond one to memory",
    "mmio": "a store handed to the program (MMIO), beyond one to memory",
}
MEASURED = ("memory", *WAYS)


@dataclass(frozen=True)
class ExitCost:
    """A way out of the guest, and what it takes.

    way : what the guest does, and whom it reaches
    machine : on which it was measured
    ns : nanoseconds
    source : "measured here", "recorded on ...", or the paper
    """

    way: str
    machine: str
    ns: float
    source: str


def published() -> list[ExitCost]:
    """A hypercall, and a doorbell's way to its back end, of KVM and Xen on two processors."""
    found = table(TABLE)
    return [
        ExitCost(
            f"{who}: {row}",
            MACHINES[processor],
            found.value(row, f"{who} {processor}") / CLOCK_GHZ[processor],
            "Dall and others 2016",
        )
        for row in SHOWN
        for processor in ("x86", "ARM")
        for who in ("KVM", "Xen")
    ]


def measured(n_stores: int = N_STORES) -> list[ExitCost]:
    """The same question put to this machine; the recorded run where no device opens.

    With VIRTLAB_RECORDED in the environment it is the recorded one, as in recorded.py.
    """
    if device.probe().works and not os.environ.get("VIRTLAB_RECORDED"):
        ns = {
            path: min(stores_by_path(device, path, n_stores).ns_per_store for _ in range(ROUNDS))
            for path in MEASURED
        }
        name, source = recorded.processor()["processor"], "measured here"
    else:
        record = recorded.load()
        ns = {path: record["stores"][path]["ns_per_store"] for path in MEASURED}
        name, source = record["machine"]["processor"], f"RECORDED on {record['date']}, not here"
    return [ExitCost(what, name, ns[path] - ns["memory"], source) for path, what in WAYS.items()]
