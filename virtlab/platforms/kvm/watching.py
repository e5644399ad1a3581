"""Which exits did a guest make, one by one, and who dealt with each? A watch on a model's vcpu.

A program on the real device sees the exits that are handed out and no others. The model can be
watched: each exit is noted when KVM has decided about it, with the part of the kernel module that
decided and, where it was handed out, what the program was told.

    part of kvm.ko      exits
    MEMORY              pages of a slot: mapped, noted in the dirty log
    DEVICES             guest physical addresses outside of the slots: eventfds, ring, interrupts
    PROCESSOR           halts, calls to the firmware, interrupts of the host's, everything else
"""

from dataclasses import dataclass

from virtlab.hypervisors import ExitReason
from virtlab.platforms.kvm.api import KVM_EXIT_IO, KVM_EXIT_MMIO

PARTS = MEMORY, DEVICES, PROCESSOR = range(3)
WORDS = {
    ExitReason.GUEST_PAGE_FAULT: "a page that is not mapped yet.",
    ExitReason.TRACE: "the first store to a page that is logged.",
    ExitReason.MMIO: "an access where no slot is.",
    ExitReason.WFI: "the guest waits.",
    ExitReason.INTERRUPT: "an interrupt of a device that the host has given away.",
    ExitReason.ECALL: "a call to the firmware.",
}


@dataclass(frozen=True)
class WatchedExit:
    """One exit of a guest.

    steps : instructions that the guest had executed
    pc : gva of the instruction that left
    part : of kvm.ko, one of PARTS
    to_program : whether it was handed out
    to_device : whether a device of the program answers it then
    what : in words
    """

    steps: int
    pc: int
    part: int
    to_program: bool
    to_device: bool
    what: str


class Watch:
    """Notes the exits of a vcpu of the model from now on.

    exits : list of WatchedExit, oldest first

    Examples
    --------
    >>> from virtlab.platforms.kvm import model
    >>> with model.Kvm() as kvm:
    ...     vm, memory = kvm.create_vm(), kvm.user_memory(0x40000)
    ...     vm.set_user_memory_region(0, model.RAM_BASE, memory)
    ...     vcpu = vm.create_vcpu()
    ...     watch = Watch(vcpu)
    ...     model.GUESTS["halt"].start(vcpu, memory)
    ...     run = vcpu.run()
    ...     print([one.what for one in watch.exits])
    ['a page that is not mapped yet.', 'KVM_EXIT_HLT: the guest has nothing to do.']
    """

    def __init__(self, vcpu):
        self._vcpu = vcpu
        self.exits: list[WatchedExit] = []
        vcpu.watch = self._note

    def _note(self, reason: ExitReason, exit_, to_program: bool) -> None:
        run = self._vcpu.kvm_run
        to_device = to_program and run.exit_reason in (KVM_EXIT_MMIO, KVM_EXIT_IO)
        if reason == ExitReason.MMIO or to_device:
            part = DEVICES
        elif reason in (ExitReason.GUEST_PAGE_FAULT, ExitReason.TRACE):
            part = MEMORY
        else:
            part = PROCESSOR
        spelled = reason.name.lower().replace("_", " ") + "."
        what = str(run) if to_program else WORDS.get(reason, spelled)
        steps, pc = self._vcpu.modes()["guest"], int(exit_.pc) & (1 << 64) - 1
        self.exits.append(WatchedExit(steps, pc, part, to_program, to_device, what))
