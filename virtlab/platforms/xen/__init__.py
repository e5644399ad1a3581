"""How is a hypervisor with a driver domain built? A Xen-like one, on the model machine.

abi               what domains and the hypervisor agree on
hypervisor        Xen: the machine, its calls, time; goes back too
host, domain      where domains live, and what is known of them
control           the control interface, for Domain0 only
scheduler         the credit scheduler
event_channels, grants, rings
                  how domains tell and show each other something
memory            ballooning
store             the tree by which domains find one another
program           a domain whose kernel is a Python program
passthrough       a device of one's own, and the IOMMU
dirty_log, migration
                  from one machine to another while it runs
saved             snapshots
toolstack         the whole: Domain0 with its drivers, guests, and `xl`
"""

from virtlab.platforms.xen.control import Control, Info, RefusedError
from virtlab.platforms.xen.hypervisor import Kernel, Xen
from virtlab.platforms.xen.program import Program
from virtlab.platforms.xen.scheduler import jain_index
from virtlab.platforms.xen.toolstack import Guest, System, system

__all__ = [
    "Control",
    "Guest",
    "Info",
    "Kernel",
    "Program",
    "RefusedError",
    "System",
    "Xen",
    "jain_index",
    "system",
]
