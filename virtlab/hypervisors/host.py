"""How do several virtual machines share one hart? In turns, on one memory, each in its own place.

    host memory     | VM 1: RAM, its hypervisor's pages | VM 2: RAM, pages | ...            | free |
    identifiers     VMID 1, ASIDs 1 to 64                 VMID 2, ASIDs 65 to 128

Nothing but the tables that its hypervisor has made decides what a guest reaches: each maps pages of
the VM's own place and no others. The identifiers keep the translations of all VMs apart in the TLB,
so changing from one to another forgets nothing.

A VM's time is its own: the instructions that it has executed. How long it had to wait for its turn
it cannot see, and it ends as it would alone.

# Model: turns are counted in instructions of the guest, exits are free, and a guest that waits for
# its timer does not wait: its own time jumps.

Sources: Privileged ISA 20240411, "Supervisor Address Translation and Protection (satp) Register"
and "Hypervisor Guest Address Translation and Protection (hgatp) Register" for ASID and VMID.
"""

import gc
from collections import namedtuple

import numpy as np

from virtlab.hypervisors.shadow import N_CONTEXTS
from virtlab.hypervisors.virtual_machine import ROW_SPAN, VirtualMachine, reset_host_hart
from virtlab.machine import arguments, boot, views
from virtlab.machine.machine import CODE_ROWS
from virtlab.machine.state import RAM_BASE, ROW, Memory, new_memory
from virtlab.machine.stops import Stop
from virtlab.machine.tlb import EMPTY
from virtlab.machine.zeroed import zeroed

Place = namedtuple("Place", "base n_bytes number asid mem harts")
Place.__doc__ = """Where a virtual machine lives on its host.

base, n_bytes : its part of host memory, as an offset; base is a multiple of 4 MiB
number : its VMID, from 1 on
asid : the first of its 64 ASIDs
mem : the host's Memory, with decoded instructions of its own
harts : (1,) of dtype HART, the hart of all
"""

Turn = namedtuple("Turn", "number first last")
Turn.__doc__ = """One turn: VM `number` went from its step `first` to its step `last`."""

TAGS = ("itlb_tag", "dtlb_read", "dtlb_write", "dtlb_guarded")
QUANTUM = 100_000
MOST_TURNS = 100_000  # are remembered
UNSEEN = 512 << 20  # bytes of host memory made until those out of use are looked for
GOES_ON = ("budget",)  # reasons after which a VM gets another turn in the same run

_made = 0  # bytes of host memory made since they were last looked for


def host_memory(n_bytes: int) -> Memory:
    """Memory of a host, after that of hosts that nobody uses any more has been given back.

    A host and its virtual machines hold each other. Python looks for such circles when there are
    many new objects, and these are few and large: cells run again would fill a reader's memory.
    """
    global _made
    _made += n_bytes
    if _made > UNSEEN:
        _made = n_bytes
        gc.collect()
    return new_memory(n_bytes, CODE_ROWS, np.zeros(0, np.uint8))


class Host:
    """A physical machine for several virtual ones: one hart, one memory.

    Parameters
    ----------
    ram : bytes, or text such as "64M". A VM takes its own RAM and 8 MiB for the pages of its
        hypervisor (its setting `pool`), together rounded up to 4 MiB

    Examples
    --------
    >>> from virtlab.hypervisors import HardwareAssisted, TrapAndEmulate
    >>> from virtlab.isa.assembler import assemble
    >>> host = Host(ram="32M")
    >>> a = TrapAndEmulate(ram="1M", host=host).load(assemble("li a0, 1\\nj ."))
    >>> b = HardwareAssisted(ram="1M", host=host, firmware="sbi").load(assemble("li a0, 2\\nwfi"))
    >>> stops = host.run(1000, quantum=100)
    >>> a.registers.a0, b.registers.a0, stops[0].reason, stops[1].reason
    (1, 2, 'budget', 'idle')
    """

    def __init__(self, ram="64M"):
        n_bytes = boot.parse_ram(ram)
        self._mem = host_memory(n_bytes)
        self._harts = boot.new_hart()
        reset_host_hart(self._harts[0], n_bytes)
        self._vms: list[VirtualMachine] = []
        self._places: list[Place] = []
        self._free = 0
        self.turns: list[Turn] = []

    @property
    def vms(self) -> list[VirtualMachine]:
        """The virtual machines, in the order in which they were made."""
        return list(self._vms)

    @property
    def ram_bytes(self) -> int:
        """Size of the host's memory."""
        return len(self._mem.u8)

    def place(self, vm: VirtualMachine, n_bytes: int) -> Place:
        """A place of `n_bytes` for a VM, zeroed; the one it has, if it is switched on again.

        Raises
        ------
        ValueError
            the host's memory is too small for one more
        """
        for k, there in enumerate(self._vms):
            if there is vm:
                return self._cleared(k)
        room = self.ram_bytes - self._free
        if n_bytes > room:
            raise ValueError(
                f"the virtual machine needs {n_bytes >> 20} MiB of its host and {room >> 20} are "
                f"left of {self.ram_bytes >> 20}; accepted are smaller or fewer ones."
            )
        number = len(self._vms) + 1
        asid = 1 + N_CONTEXTS * (number - 1)
        self._places.append(Place(self._free, n_bytes, number, asid, self._mem, self._harts))
        self._vms.append(vm)
        self._free += -(-n_bytes // ROW_SPAN) * ROW_SPAN
        return self._cleared(number - 1)

    def _cleared(self, k: int) -> Place:
        place, mem = self._places[k], self._mem
        mem.u8[place.base : place.base + place.n_bytes] = 0
        mem.pages[place.base >> 12 : (place.base + place.n_bytes) >> 12] = 0
        for tags in TAGS:
            self._harts[tags][:] = EMPTY
        code = zeroed((CODE_ROWS + 1) * ROW, np.int64)
        return place._replace(mem=mem._replace(code=code))

    def place_of(self, vm: VirtualMachine) -> range:
        """Host physical addresses of a VM: its RAM, and behind it its hypervisor's pages for it."""
        for there, place in zip(self._vms, self._places, strict=True):
            if there is vm:
                return range(RAM_BASE + place.base, RAM_BASE + place.base + place.n_bytes)
        raise ValueError(f"{vm!r} is not on this host; on it are {self._vms}.")

    def run(self, budget: int = 10**9, quantum: int = QUANTUM) -> list[Stop]:
        """Let the VMs run in turns until none can go on, `budget` steps of each at most.

        Parameters
        ----------
        quantum : steps of a turn

        Returns
        -------
        stops : why each VM has stopped, in the order of `vms`
        """
        budget = arguments.count(budget, "budget")
        quantum = arguments.count(quantum, "quantum")
        if quantum == 0:
            raise ValueError("quantum 0: accepted are numbers of steps from 1 on.")
        ends = [vm.steps + budget for vm in self._vms]
        stops = [vm.run(0) for vm in self._vms]
        going = [k for k, stop in enumerate(stops) if stop.reason in GOES_ON]
        while going:
            for k in list(going):
                vm, first = self._vms[k], self._vms[k].steps
                stops[k] = vm.run(min(quantum, ends[k] - first))
                self.turns.append(Turn(k + 1, first, vm.steps))
                if stops[k].reason not in GOES_ON or vm.steps >= ends[k]:
                    going.remove(k)
            del self.turns[:-MOST_TURNS]
        return stops

    @property
    def tlb(self) -> list[views.TlbEntry]:
        """What the hart's TLBs hold, of all VMs."""
        return views.tlb_entries(self._harts[0])

    def __repr__(self) -> str:
        return f"Host({self.ram_bytes >> 20} MiB, {len(self._vms)} virtual machines)"
