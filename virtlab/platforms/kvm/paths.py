"""What does a store cost that leaves the guest? The same loop by four paths, counted and timed.

    memory       to a page of a slot: stays in the guest
    ioeventfd    taken by the kernel, which signals an eventfd
    coalesced    taken by the kernel, which keeps it in a ring; when that is full, handed out
    mmio         handed out to the program, which does nothing with it

On the model the counts mean something and the seconds do not; on the real device both do, and the
seconds of `mmio` hold this program's own time for each exit, which Python makes long.
"""

import time
from dataclasses import dataclass

from virtlab.platforms.kvm.api import KVM_EXIT_HLT, KVM_EXIT_MMIO, KvmError
from virtlab.platforms.kvm.guest_program import DEVICE, FREE, MEMORY_BYTES

PATHS = ("memory", "ioeventfd", "coalesced", "mmio")


@dataclass(frozen=True)
class StoresByPath:
    """What `n_stores` stores by one path came to.

    n_runs : times that the vcpu was run from the program, one of them for the halt at the end
    seconds : of this machine's clock
    """

    path: str
    n_stores: int
    n_runs: int
    seconds: float

    @property
    def ns_per_store(self) -> float:
        """Nanoseconds a store, the loop around it included."""
        return self.seconds * 1e9 / self.n_stores

    @property
    def runs_per_second(self) -> float:
        """How many exits to the program a second these are."""
        return self.n_runs / self.seconds


def stores_by_path(machine, path: str, n_stores: int) -> StoresByPath:
    """Have a guest of `machine` (the module device or model) make the stores.

    Raises
    ------
    ValueError
        `path` is not in PATHS, or the number is not from 1 to 10**7
    KvmError
        the guest ended otherwise than by a halt
    """
    if path not in PATHS:
        raise ValueError(f"path {path!r}: accepted are {', '.join(PATHS)}.")
    if not 1 <= n_stores <= 10**7:
        raise ValueError(f"{n_stores} stores: accepted are 1 to 10,000,000.")
    with machine.Kvm() as kvm:
        vm = kvm.create_vm()
        memory = kvm.user_memory(MEMORY_BYTES)
        vm.set_user_memory_region(0, machine.RAM_BASE, memory)
        event = kvm.eventfd()
        if path == "ioeventfd":
            vm.ioeventfd(event, DEVICE, 4)
        elif path == "coalesced":
            vm.register_coalesced_mmio(DEVICE, 4)
        vcpu = vm.create_vcpu()
        guest = machine.GUESTS["storm"]
        guest.start(vcpu, memory)
        regs = vcpu.get_regs()
        address, count = guest.arguments
        setattr(regs, address, machine.RAM_BASE + FREE if path == "memory" else DEVICE)
        setattr(regs, count, n_stores)
        vcpu.set_regs(regs)
        began = time.perf_counter()
        while (run := vcpu.run()).exit_reason == KVM_EXIT_MMIO:
            vcpu.coalesced_stores()
        seconds = time.perf_counter() - began
        event.close()
        if run.exit_reason != KVM_EXIT_HLT:
            raise KvmError(f"the guest that stores has not halted but left with {run}")
        return StoresByPath(path, n_stores, vcpu.n_runs, seconds)
