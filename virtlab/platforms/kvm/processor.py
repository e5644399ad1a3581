"""What carries a vcpu of the model? A hart, the board around it, and the G-stage table.

The class Processor is a hardware-assisted virtual machine that is run one exit at a time: whoever
runs it decides about each exit. It also gives access to what a kernel has of its own: the second
table, the pages that are guarded, the host's memory and its board's disk.
"""

import numpy as np

from virtlab.hypervisors import Action, ExitReason, HardwareAssisted
from virtlab.hypervisors.gstage import ROOT as GSTAGE_ROOT
from virtlab.hypervisors.gstage import map_device
from virtlab.hypervisors.shadow import FREE, NEXT
from virtlab.hypervisors.view import poke_csr
from virtlab.isa import encoding as e
from virtlab.machine.arguments import signed
from virtlab.machine.boot import enter_supervisor
from virtlab.machine.devices.virtio_blk import BLK_SOURCE
from virtlab.machine.machine import run_hart
from virtlab.machine.ram import forget_all_code
from virtlab.machine.state import PAGE_CODE, PAGE_TOHOST, RAM_BASE
from virtlab.platforms.kvm.api import KvmError


class Processor(HardwareAssisted):
    """The model's hart with its hypervisor, one exit at a time."""

    def __init__(self, ram_bytes: int):
        super().__init__(ram_bytes, firmware="sbi", record=False)
        enter_supervisor(self._hart)

    def go(self, goal: int, action: Action, decide) -> bool:
        """Answer the exit on hand with `action` and run; whether an exit is to be handed out.

        `decide(reason, exit)` answers each exit, STOP meaning that it is handed out. False: the
        guest halts with nothing to wake it, or `goal` is reached.
        """
        answer = int(action)
        with np.errstate(over="ignore"):
            while True:
                n_steps = self._resume(*self._arguments, goal, answer)
                if n_steps <= 0:
                    self._left()
                    return False
                answer = int(Action.HANDLE)
                if self._vms["interpret"][0]:
                    self._interpret(n_steps)
                else:
                    run_hart(self._physical, *self._host, n_steps)
                if self._left_by_trap():
                    reason = self._classify(*self._arguments, goal, answer)
                    if reason:
                        answer = int(decide(ExitReason(reason), self._vms[0]))
                        if answer == Action.STOP:
                            return True

    @property
    def vcpu(self):
        """The record of the virtual hart."""
        return self._hart

    @property
    def idle_steps(self) -> int:
        """Steps slept through, wherever the guest is."""
        return int((self._physical if self._vms["entered"][0] else self._harts)["idle_steps"][0])

    @property
    def sleeps(self) -> bool:
        """Whether the guest waits in WFI."""
        return bool((self._physical if self._vms["entered"][0] else self._harts)["waiting"][0])

    @property
    def is_lost(self) -> bool:
        """Whether the guest's next step is the fault that its last was, and so for ever.

        Its trap handler cannot be fetched. Interrupts are off, for each trap turns them off.
        """
        hart = self._hart
        handler = int(hart.stvec) & ~3
        fetching = int(hart.scause) in (e.CAUSE_FETCH_ACCESS, e.CAUSE_FETCH_PAGE)
        return fetching and int(hart.pc) == handler == int(hart.sepc)

    def word_at(self, pc: int) -> int:
        """The 32 bits of the instruction at a virtual address; the upper 16 may not be its own."""
        low = int.from_bytes(self.read_virtual(pc, 2), "little")
        return (
            low | int.from_bytes(self.read_virtual(pc + 2, 2), "little") << 16
            if low & 3 == 3
            else low
        )

    def load(self, gpa: int, n_bytes: int) -> bytes:
        """Bytes of the guest's RAM."""
        at = gpa - RAM_BASE
        return self._mem.u8[at : at + n_bytes].tobytes()

    def store(self, gpa: int, data: bytes) -> None:
        """Write the guest's RAM from outside."""
        at = gpa - RAM_BASE
        self._mem.u8[at : at + len(data)] = np.frombuffer(data, np.uint8)
        if (self._mem.pages[at >> 12 : (at + len(data) + 4095) >> 12] & PAGE_CODE).any():
            forget_all_code(self._host)
        self._vms[0].stale = 1  # there may be a page table there

    def guard(self, gpa: int, n_pages: int, guarded: bool) -> None:
        """Have the first store to each of these pages exit, or none any more."""
        first = (gpa - RAM_BASE) >> 12
        if guarded:
            self._mem.pages[first : first + n_pages] |= PAGE_TOHOST
        else:
            self._mem.pages[first : first + n_pages] &= 0xFF ^ PAGE_TOHOST

    def allow_stores(self, gpa: int) -> None:
        """Stores to the page of `gpa` exit no more; its G-stage entry exists."""
        self.guard(gpa, 1, False)
        at = int(self._state[GSTAGE_ROOT]) + (gpa >> 30) * 8
        for shift in (21, 12):
            pte = int(self._host.u64[at >> 3])
            table = ((pte >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT) - RAM_BASE
            if not 0 <= table < len(self._host.u8):  # a device has written over it
                self.forget()
                return
            at = table + (gpa >> shift & 0x1FF) * 8
        self._host.u64[at >> 3] |= e.PTE_W

    def forget(self) -> None:
        """Empty the G-stage table: it fills again from the slots as they are now."""
        for word in (GSTAGE_ROOT, NEXT, FREE):
            self._state[word] = 0
        self._vms[0].stale = 1

    def write_csr(self, name: str, value: int) -> None:
        """Write a CSR of the guest."""
        poke_csr(self._hart, self.csr[name].number, signed(value))
        self._vms[0].stale = 1

    def set_line(self, irq: int, level: int) -> None:
        """A device's line at the interrupt controller of the guest."""
        bit = 1 << irq
        pending = int(self._hart.plic_pending)
        self._hart.plic_pending = pending | bit if level else pending & ~bit
        self._hart.horizon = 0

    # The host's own

    @property
    def physical(self):
        """The record of the hart that executes, with its board."""
        return self._physical[0]

    @property
    def gstage_root(self) -> int:
        """Where in host memory the guest's second table begins."""
        return RAM_BASE + int(self._state[GSTAGE_ROOT])

    @property
    def host_words(self) -> np.ndarray:
        """The host's memory, (n,) int64."""
        return self._host.u64

    def hpa_of(self, gpa: int) -> int:
        """Where a byte of the guest's RAM lies in the host's."""
        return gpa + int(self._vms[0].host_base)

    def reserve(self, n_pages: int) -> int:
        """Offset in host memory of pages that the hypervisor gives up; aligned to 16 KiB."""
        vm = self._vms[0]
        at = (int(vm.pool_end) - n_pages * e.PAGE_BYTES) & -0x4000
        if at < int(vm.pool) + (int(self._state[NEXT]) << e.PAGE_SHIFT):
            raise KvmError(f"{n_pages} pages for a table: the host's memory is used up.")
        vm.pool_end = at
        return at

    def map_registers(self, gpa: int, hpa: int) -> None:
        """Have the guest reach a page of the host's bus without an exit."""
        page = -e.PAGE_BYTES
        map_device(*self._arguments[1:4], *self._host, gpa & page, hpa & page)

    def open_disk(self, contents: bytearray, interrupted) -> None:
        """Put a disk on the board; `interrupted()` is called for each of its interrupts."""
        if self.physical.disk_bytes:
            raise KvmError("opening the host's disk: it is open; accepted is once.")
        self._with_disk(np.frombuffer(contents, np.uint8))
        self.physical.plic_enable[1] = 1 << BLK_SOURCE
        self.physical.plic_priority[BLK_SOURCE] = 1
        self._interrupted = interrupted

    def close_disk(self) -> None:
        """Reset the disk and take it from the board."""
        hart = self.physical
        for name in hart.dtype.names:
            if name.startswith("blk_"):
                hart[name] = 0
        hart.plic_enable[1] = hart.plic_pending = hart.iohgatp = 0
        self._with_disk(np.zeros(0, np.uint8))

    def _with_disk(self, disk: np.ndarray) -> None:
        blocks = np.zeros((len(disk) + 4095) >> 12, np.uint8)
        self._host = self._host._replace(disk=disk, blocks=blocks)
        self._mem = self._mem._replace(disk=disk, blocks=blocks)
        self._arguments = (*self._arguments[:6], *self._host)
        self.physical.disk_bytes = len(disk)

    def interrupted(self, sources: int) -> None:
        """The host takes an interrupt of its own devices; a bit for each source."""
        if sources >> BLK_SOURCE & 1:
            self._interrupted()
