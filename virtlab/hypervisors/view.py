"""What may a handler in Python see and do? The virtual CPU, between an exit and the next entry.

What a handler changes is part of the run and is done again in every replay; it is not recorded as
an action from outside.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors.vcpu import emulate, guest_memory
from virtlab.machine import views
from virtlab.machine.arguments import U64, signed, word
from virtlab.machine.csr import write_csr
from virtlab.machine.state import Memory
from virtlab.machine.tlb import choose_contexts

i64 = np.int64


@njit
def emulate_once(vcpus, vms, guest_log, ram8, ram16, ram32, ram64, pages, code, disk, blocks, log):
    """Execute the instruction at the vcpu's pc on the vcpu; its pc moves on."""
    mem = Memory(ram8, ram16, ram32, ram64, pages, code, disk, blocks, log)
    vm, vcpu = vms[0], vcpus[0]
    return emulate(vm, vcpu, guest_memory(vm, mem, guest_log))


@njit
def poke_csr(hart, number, value):
    """Write a CSR that exists, without any check of privilege."""
    write_csr(hart, number, value)
    choose_contexts(hart)


class VcpuView:
    """The virtual CPU as a handler sees it.

    registers : x0 to x31 by name, to read and to assign
    csr : the guest's CSRs by name, to read: `vcpu.csr["sepc"].value`
    memory : the guest's RAM by guest physical address, to read
    """

    def __init__(self, vm):
        self._vm = vm
        self.emulated = False
        self.registers = views.Registers(vm._hart, self._write)
        self.csr = views.Csrs(vm._hart)
        self.memory = vm.memory

    def _write(self, number: int, value: int) -> None:
        if number:
            self._vm._hart.x[number] = signed(value)

    @property
    def pc(self) -> int:
        """Address of the instruction that left, unsigned; assign to go elsewhere."""
        return int(self._vm._hart.pc) & U64

    @pc.setter
    def pc(self, value: int) -> None:
        value = word(value, "pc")
        if value & 1:
            raise ValueError(f"pc {value:#x} is odd; accepted are even addresses.")
        self._vm._hart.pc = signed(value)

    @property
    def mode(self) -> str:
        """The guest's own mode: "M", "S", "U", "VS" or "VU"."""
        return self._vm.mode

    def write_csr(self, name: str, value: int) -> None:
        """Write one of the guest's CSRs."""
        number = self.csr[name].number
        poke_csr(self._vm._hart, number, signed(word(value, name)))

    def emulate(self) -> None:
        """Execute the instruction that left on the virtual CPU, exceptions and all; pc moves on."""
        vm = self._vm
        emulate_once(vm._harts, vm._vms, vm._guest_log, *vm._host)
        self.emulated = True

    def skip(self) -> None:
        """Move pc behind the instruction that left, without executing it."""
        low = int.from_bytes(self._vm.read_virtual(self.pc, 2), "little")
        self.pc = self.pc + (4 if low & 3 == 3 else 2) & U64
