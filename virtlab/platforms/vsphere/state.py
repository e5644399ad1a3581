"""What does the simulation remember? Records of hosts, virtual machines, pools and events.

One array of each, so that all of it can be copied, compared and saved. Virtual machines, pools and
hosts of a cluster are consecutive; CLUSTER says where they begin and end. Processor time is in MHz,
memory in MB, time in seconds since the beginning.
"""

import numpy as np

# States of a host.
CONNECTED, NOT_RESPONDING, ISOLATED, MAINTENANCE, ENTERING_MAINTENANCE = HOST_STATES = range(5)
# Power states of a virtual machine; WAITING is one that HA has not been able to restart yet.
POWERED_OFF, POWERED_ON, WAITING = POWER_STATES = range(3)
# Restart priorities, as HA orders them.
DISABLED, LOW_PRIORITY, MEDIUM_PRIORITY, HIGH_PRIORITY = RESTART_PRIORITIES = range(4)
# Isolation responses of a cluster.
LEAVE_POWERED_ON, POWER_OFF = ISOLATION_RESPONSES = range(2)
# What an event says has happened.
(
    PLACED,
    NOT_PLACED,
    MIGRATED,
    RESTARTED,
    NOT_RESTARTED,
    HOST_FAILED,
    HOST_RETURNED,
    HOST_ISOLATED,
    VM_STOPPED,
    MAINTENANCE_BEGUN,
    NOT_EVACUATED,
) = EVENT_KINDS = range(11)
# Why a host was chosen, or none: (reasons of a choice, then reasons of a refusal).
(
    LEAST_LOADED,
    ONLY_FIT,
    KEEP_TOGETHER,
    BALANCE,
    EVACUATE,
    KEEP_APART,
    NO_HOST,
    NO_CPU,
    NO_MEMORY,
    RULE,
    ADMISSION,
    FILES_LOCKED,
    RESTART_DISABLED,
    NO_SLOT,
    NO_REASON,
) = REASONS = range(15)

HOST = np.dtype(
    (
        np.record,
        [
            ("cluster", "i8"),
            ("state", "i8"),
            ("cpu", "f8"),  # MHz of all its cores
            ("core", "f8"),  # MHz of one
            ("memory", "i8"),  # MB
            ("vms", "i8"),  # powered on here
            ("cpu_reserved", "f8"),  # MHz that its virtual machines have reserved
            ("memory_reserved", "i8"),  # MB, their overheads included
            ("cpu_entitled", "f8"),  # MHz that its virtual machines are entitled to
            ("memory_entitled", "f8"),  # MB
            ("cpu_used", "f8"),  # MHz
            ("free", "i8"),  # MB of memory without an owner
            ("reclaim", "i8"),  # state of memory: virtlab.platforms.vsphere.memory.STATES
            ("fails_at", "i8"),  # second of its next failure, -1 for none
            ("isolated_at", "i8"),  # second at which its network fails, -1 for none
            ("returns_at", "i8"),  # second at which it is back, -1 for never
        ],
    )
)
VM = np.dtype(
    (
        np.record,
        [
            ("cluster", "i8"),
            ("node", "i8"),  # its node in its cluster's resource-pool tree
            ("power", "i8"),
            ("host", "i8"),  # -1 for none
            ("down_since", "i8"),  # second, -1 while it runs or has been powered off
            ("restart_at", "i8"),  # second at which its host's silence is noticed
            ("restart", "i8"),  # restart priority
            ("together", "i8"),  # group of an affinity rule, -1 for none
            ("apart", "i8"),  # group of an anti-affinity rule, -1 for none
            ("vcpus", "i8"),
            ("cpu_shares", "f8"),
            ("cpu_reservation", "f8"),
            ("cpu_limit", "f8"),  # negative: none
            ("memory", "i8"),  # MB configured
            ("memory_shares", "f8"),
            ("memory_reservation", "i8"),
            ("overhead", "i8"),  # MB that the host needs for it besides
            ("typical", "f8"),  # mean demand, MHz
            ("swing", "f8"),  # part of it by which the time of day changes it
            ("phase", "i8"),  # second of the day at which demand is highest
            ("noise", "i8"),  # state of its random numbers
            ("touch_rate", "i8"),  # MB newly touched in a minute, until all is
            ("active_percent", "i8"),  # of touched memory
            ("same_percent", "i8"),  # of touched memory that others on its host have too
            ("balloon_percent", "i8"),  # of its memory that the balloon may take; 0: no driver
            ("dirty_rate", "f8"),  # MB written in a second
            ("cpu_demand", "f8"),
            ("cpu_entitled", "f8"),
            ("cpu_given", "f8"),
            ("memory_entitled", "f8"),
            ("touched", "i8"),  # MB that the guest has used = the five that follow added up
            ("resident", "i8"),  # in the host's memory for itself
            ("shared", "i8"),  # given back by page sharing
            ("ballooned", "i8"),
            ("compressed", "i8"),  # before compression; the cache takes half of it
            ("swapped", "i8"),
            ("reported", "i8"),  # 1: that it could not be restarted has been said
            ("stopped", "i8"),  # 1: the host is too short of memory for it to run
        ],
    )
)
CLUSTER = np.dtype(
    (
        np.record,
        [
            ("first_host", "i8"),
            ("hosts", "i8"),
            ("first_vm", "i8"),
            ("vms", "i8"),
            ("first_node", "i8"),
            ("nodes", "i8"),
            ("drs", "i8"),  # 1: automatic
            ("threshold", "i8"),  # the lowest priority that is applied: 1 conservative to 5
            ("ha", "i8"),
            ("isolation", "i8"),
            ("failover_percent", "i8"),  # of capacity that admission control keeps free
            ("tolerate", "i8"),  # hosts that may fail with a slot left for each; 0: not asked for
            ("imbalance", "f8"),  # before this interval's moves
            ("balanced", "f8"),  # after them
            ("moves", "i8"),  # of this interval
        ],
    )
)
NODE = np.dtype(
    (
        np.record,
        [
            ("cpu_shares", "f8"),
            ("cpu_reservation", "f8"),
            ("cpu_limit", "f8"),
            ("memory_shares", "f8"),
            ("memory_reservation", "f8"),
            ("memory_limit", "f8"),
        ],
    )
)
EVENT = np.dtype(
    (
        np.record,
        [
            ("time", "i8"),
            ("kind", "i8"),
            ("reason", "i8"),
            ("vm", "i8"),
            ("source", "i8"),  # host
            ("target", "i8"),  # host
            ("priority", "i8"),
            ("before", "f8"),  # what was decisive: a load, an imbalance, what there is
            ("after", "f8"),  # the same afterwards, or what is asked for
            ("gain", "f8"),  # of a move that balances, in seconds of a host
            ("cost", "f8"),
            ("seconds", "f8"),  # that it took
            ("stun_ms", "f8"),  # that the virtual machine stood still
        ],
    )
)
