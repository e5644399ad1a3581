"""Five ways to run one guest, each in one file, all with the same face.

    emulation              interpreted, instruction by instruction
    trap_and_emulate       deprivileged, on shadow page tables
    binary_translation     translated, on shadow page tables
    paravirt               ported: hypercalls, checked page tables, events and rings
    hardware_assisted      in VS-mode, on nested or shadow page tables

Shared: exits (why a guest leaves, and what is answered), vcpu (the world switch), shadow (shadow
page tables), gstage and vs_registers (what hardware offers), paravirt_abi, domain_builder,
direct_paging and rings (what a ported guest meets), virtual_machine (the class), host (several of
them on one hart), view (what a handler in Python sees).
"""

from virtlab.hypervisors.binary_translation import BinaryTranslation
from virtlab.hypervisors.emulation import Emulation
from virtlab.hypervisors.exits import Action, ExitReason
from virtlab.hypervisors.hardware_assisted import HardwareAssisted
from virtlab.hypervisors.host import Host
from virtlab.hypervisors.paravirt import Paravirt
from virtlab.hypervisors.trap_and_emulate import TrapAndEmulate
from virtlab.hypervisors.virtual_machine import Exit, ModelError, VirtualMachine

TECHNIQUES = {
    kind.technique: kind
    for kind in (Emulation, TrapAndEmulate, BinaryTranslation, Paravirt, HardwareAssisted)
}

__all__ = [
    "TECHNIQUES",
    "Action",
    "BinaryTranslation",
    "Emulation",
    "Exit",
    "ExitReason",
    "HardwareAssisted",
    "Host",
    "ModelError",
    "Paravirt",
    "TrapAndEmulate",
    "VirtualMachine",
]
