"""How slow is a machine made of software? Interpretation with a software MMU, the ancestor.

    on the hart        in the guest's eyes       who
    U-mode             (does not exist)          this emulator, a program
    nowhere            M-, S- or U-mode          the guest: data that the emulator reads

No instruction of the guest is executed by the hart. The emulator fetches each one, decodes it (once
only: it keeps what it has decoded), finds the piece of its own code that does the same, and runs
that on the virtual hart. Each of the guest's loads and stores asks a TLB made of software, and
what that does not know is found by a walk made of software. The guest need not even be made for the
same processor: hardware emulators such as QEMU and Bochs work this way.

The interpreter is the run loop of the machine itself (virtlab/machine/cpu.py), which chapter 1 has
taken for hardware. Nothing ever exits: devices are functions that the loop calls.

Left out: translating the guest's blocks for another processor, which makes QEMU some thirty times
faster than Bochs; see binary_translation for translation on the same processor.

Source: F. Bellard, "QEMU, a Fast and Portable Dynamic Translator", USENIX ATC 2005, for the ratios.
"""

import numpy as np

from virtlab._jit import njit
from virtlab.hypervisors.exits import INTERPRET
from virtlab.hypervisors.vcpu import begin
from virtlab.hypervisors.virtual_machine import VirtualMachine
from virtlab.machine.state import STOP_BUDGET

i64 = np.int64


# Run


@njit
def classify(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """There are no exits."""
    return i64(0)


@njit
def resume(
    vcpus, harts, vms, state, exits, guest_log,
    ram8, ram16, ram32, ram64, pages, code, disk, blocks, log, goal, action,
):  # fmt: skip
    """How many steps the interpreter may make on the vcpu; see trap_and_emulate.resume."""
    vcpu, vm = vcpus[0], vms[0]
    if vm.interpret:
        vm.interpreted += vcpu.steps - vm.since
    if not begin(vm, vcpu, harts[0], goal):
        return i64(0)
    if vcpu.steps >= goal:
        vcpu.stop = STOP_BUDGET
        return i64(0)
    vm.interpret = INTERPRET
    vm.since = vcpu.steps
    return goal - vcpu.steps


# The class


class Emulation(VirtualMachine):
    """A machine that is interpreted.

    Parameters
    ----------
    ram, firmware, disk, append, adue, record, steps_per_tick : as Machine's

    Examples
    --------
    >>> from virtlab.isa.assembler import assemble
    >>> vm = Emulation(ram="1M").load(assemble("li a1, 7\\nld a0, 0(sp)"))
    >>> _ = vm.step(1)
    >>> vm.registers.a1, vm.n_exits, vm.host_work["dispatches"]
    (7, 0, 1.0)
    """

    technique = "emulation"
    _resume = staticmethod(resume)
    _classify = staticmethod(classify)

    @property
    def host_work(self) -> dict[str, float]:
        """What the emulator has done for each instruction of the guest, on average.

        dispatches : choices of the piece of code that does what the instruction does
        memory_checks : loads and stores that asked the software TLB
        walks, walk_references : walks made by software, and the entries they read
        device_calls : calls of a device's function
        """
        vcpu, n = self._hart, max(self.steps, 1)
        done = {
            "dispatches": self._vms[0].interpreted,
            "memory_checks": vcpu.data_accesses,
            "walks": vcpu.walks,
            "walk_references": vcpu.walk_references,
            "device_calls": vcpu.device_reads + vcpu.device_writes,
        }
        return {name: int(count) / n for name, count in done.items()}
