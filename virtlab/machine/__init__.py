"""One RISC-V machine: the hart, its MMU, QEMU's `virt` board, and the firmware below.

`Machine` is the door. Behind it, one mechanism a file, the compiled model:

    state        the record that holds everything      cpu, execute  the run loop; one instruction
    mmu, tlb     page walks, and what is remembered    csr, trap     registers, privilege, traps
    pmp, bus     who may touch what, who answers       interrupts    time, and what is pending
    devices/     CLINT, PLIC, UART, virtio block       firmware/     SBI, device tree
    zeroed       where its memory comes from

and what a reader does with it, in plain Python:

    loader, boot   images, and how a guest starts      stops         why a run ends
    snapshot       the whole state at one step         history       the way back to any step
    views, walk    registers, tables, translations     saved         a machine in a file
"""

from virtlab.machine.loader import ImageError
from virtlab.machine.machine import Machine
from virtlab.machine.snapshot import Snapshot
from virtlab.machine.stops import Event, Stop

__all__ = ["Event", "ImageError", "Machine", "Snapshot", "Stop"]
