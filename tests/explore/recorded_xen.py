"""Steps of a Xen machine, and ways to a disk, as a run would give them."""

from virtlab.platforms.xen.disk_paths import WAYS, DiskPath
from virtlab.platforms.xen.watching import CONTROL, DEVICES, MEMORY, PROCESSOR, Step

DOMAINS = [(0, "Domain-0", "kernel in Python"), (3, "guest", "paravirtual kernel")]
STEPS = [
    Step(100, 3, DEVICES, False, "EVENT SEND", 0),
    Step(100, 0, PROCESSOR, True, "turn", 0),
    Step(100, 0, MEMORY, False, "GRANT COPY", 0),
    Step(120, 0, DEVICES, False, "EVENT SEND", 0),
    Step(1_100, 3, PROCESSOR, True, "turn", 0),
    Step(1_200, 3, CONTROL, False, "CONTROL DESTROY", 1),
]
PATHS = [
    DiskPath(WAYS[0], on, 1.0, 3.0, 1.0, 0.0, 0.0, 0, True, False) for on in (True, False)
] + [
    DiskPath(WAYS[1], on, 0.0, 0.0, 0.0, 5.0, 1.0, 0, True, False) for on in (True, False)
] + [
    DiskPath(WAYS[2], on, 0.0, 0.0, 0.0, 5.0, 1.0 - on, on, False, not on) for on in (True, False)
]  # fmt: skip
