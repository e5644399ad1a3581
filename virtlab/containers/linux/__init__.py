"""What is a box on a real system? The same idea as on the teaching OS, on the Linux that runs here.

    >>> box("cat /proc/sys/kernel/hostname", hostname="one", memory=64 << 20).stdout
    'one\\n'

boxes           `box`: a command in namespaces and control groups of its own, and what came of it
steps           each step of making one, a function of a few lines
calls           the system calls behind the steps
groups          control groups: limits, counts, removal
supervisor      the process that takes the steps, and cleans up whoever is killed
trials          what this machine allows, tried
hostile         a hostile program in a box, `escape.py`, and what it reached
demonstrations  what the chapter shows, as tables
records         the same as recorded, for where no box can be made

Only Python's standard library is used, by root or by an ordinary user whom the kernel allows user
namespaces.
"""

from virtlab.containers.linux.boxes import NAMESPACES, RefusedError, Result, Step, box
from virtlab.containers.linux.demonstrations import DEMONSTRATIONS, Table
from virtlab.containers.linux.groups import remove_leftovers
from virtlab.containers.linux.hostile import Attack, Attempt, attack
from virtlab.containers.linux.records import recorded, run_or_recorded
from virtlab.containers.linux.trials import Probe, probe

__all__ = [
    "DEMONSTRATIONS",
    "NAMESPACES",
    "Attack",
    "Attempt",
    "Probe",
    "RefusedError",
    "Result",
    "Step",
    "Table",
    "attack",
    "box",
    "probe",
    "recorded",
    "remove_leftovers",
    "run_or_recorded",
]
