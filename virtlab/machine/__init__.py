"""One RISC-V machine: the hart, its MMU, QEMU's `virt` board, and the firmware below.

`Machine` is the door; the compiled model is behind it, one mechanism a file:

    state        the record that holds everything      cpu, execute  the run loop; one instruction
    mmu, tlb     page walks, and what is remembered    csr, trap     registers, privilege, traps
    pmp, bus     who may touch what, who answers       interrupts    time, and what is pending
    devices/     CLINT, PLIC, UART, virtio block       firmware/     SBI, device tree
"""

from virtlab.machine.loader import ImageError
from virtlab.machine.machine import Event, Machine, Stop
from virtlab.machine.snapshot import Snapshot

__all__ = ["Event", "ImageError", "Machine", "Snapshot", "Stop"]
