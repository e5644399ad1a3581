"""What if the guest gets the device itself? Registers in a slot, DMA through an IOMMU, an eventfd.

On the other paths somebody plays the device, and each register is an exit or a doorbell. Here the
device is one of the host's own, a disk on the board's bus, and the guest's driver is its driver:

    registers    a page of the bus in a memory slot: KVM enters it into the second table, and from
                 then on an access is no exit
    DMA          the device is given guest physical addresses; the IOMMU walks a table of its own
                 and lets it reach what `map_dma` has mapped, and nothing else
    interrupt    the host's. The guest is left for it; the kernel signals an eventfd, which an irqfd
                 turns into an interrupt of the guest

The kernel's part is called VFIO. The names here are those of its calls. Without the IOMMU (Linux:
enable_unsafe_noiommu_mode) the device takes addresses for physical ones, and whoever can write to
its registers can have it write anywhere.

# Model: the board belongs to a vcpu, so a device is opened after the vcpu has been made; there is
one, a virtio disk. Memory that is mapped for DMA is pinned: its slot cannot be taken away before.
# Model: of the interrupt only its exit is counted; posting it to a guest without one (VT-d posted
interrupts, AMD AVIC, RISC-V AIA) is not there.

Sources: Linux 6.12, Documentation/driver-api/vfio.rst, and include/uapi/linux/vfio.h:
VFIO_IOMMU_MAP_DMA, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_SET_IRQS.
"""

from virtlab.isa import encoding as e
from virtlab.machine.devices.virtio_blk import VIRTIO_BASE, VIRTIO_STRIDE
from virtlab.machine.state import RAM_BASE
from virtlab.platforms.kvm.api import PAGE_BYTES, KvmError, check_open

ROOT_PAGES = 4  # the root of a table for devices is as large as the G-stage's
TABLE_PAGES = 64  # for the IOMMU's table
MOST_FAULTS = 1024  # are remembered
LEAF = e.PTE_V | e.PTE_U | e.PTE_R


class DeviceRegion:
    """A device's registers on the host's bus, to be given to a guest as a memory slot.

    hpa : where they are
    """

    hpa = VIRTIO_BASE

    def __len__(self) -> int:
        return VIRTIO_STRIDE


class Iommu:
    """The table that a device's addresses go through, in the host's memory.

    Parameters
    ----------
    processor : whose board the device is on
    """

    def __init__(self, processor):
        self._words = processor.host_words
        self._root = self._free = processor.reserve(TABLE_PAGES)
        self._end = self._root + TABLE_PAGES * PAGE_BYTES
        self._free += ROOT_PAGES * PAGE_BYTES
        self._words[self._root >> 3 : self._end >> 3] = 0

    @property
    def iohgatp(self) -> int:
        """What the IOMMU is told: the format, and the root's page."""
        return e.ATP_SV39 << e.ATP_MODE_SHIFT | (RAM_BASE + self._root) >> e.PAGE_SHIFT

    def _entry(self, iova: int) -> int:
        """Index of the word that maps the page at `iova`; tables are made where there are none."""
        at = self._root + (iova >> 30) * 8
        for shift in (21, 12):
            if not self._words[at >> 3]:
                if self._free == self._end:
                    raise KvmError(
                        f"mapping {iova:#x} for DMA: the IOMMU's table of {TABLE_PAGES} pages is "
                        "full; accepted is memory that lies close together."
                    )
                table = (RAM_BASE + self._free) >> e.PAGE_SHIFT << e.PTE_PPN_SHIFT | e.PTE_V
                self._words[at >> 3] = table
                self._free += PAGE_BYTES
            page = int(self._words[at >> 3]) >> e.PTE_PPN_SHIFT & e.PTE_PPN
            at = (page << e.PAGE_SHIFT) - RAM_BASE + (iova >> shift & 0x1FF) * 8
        return at >> 3

    def map(self, iova: int, hpa: int, n_bytes: int, writable: bool) -> None:
        """Let the device reach `n_bytes` at `hpa` by the addresses from `iova` on."""
        bits = LEAF | (e.PTE_W if writable else 0)
        for at in range(0, n_bytes, PAGE_BYTES):
            pte = (hpa + at) >> e.PAGE_SHIFT << e.PTE_PPN_SHIFT | bits
            self._words[self._entry(iova + at)] = pte

    def unmap(self, iova: int, n_bytes: int) -> None:
        """Let the device reach nothing there."""
        for at in range(0, n_bytes, PAGE_BYTES):
            self._words[self._entry(iova + at)] = 0


class AssignedDisk:
    """The host's disk in the hands of a VM's program, who gives it to the guest.

    Parameters
    ----------
    vm : of the model, with a vcpu and without such a disk
    contents : the sectors; what the device writes is seen in them
    iommu : False lets the device's addresses be physical ones

    Attributes
    ----------
    region : for Vm.set_user_memory_region
    n_interrupts : times that the host was interrupted by it
    n_accesses : to its registers, by whomever

    Raises
    ------
    KvmError
        there is no vcpu yet, or the disk has been opened
    """

    def __init__(self, vm, contents: bytearray, iommu: bool = True):
        self._vm, self._processor = vm, vm.processor_for_device()
        self.contents = contents
        self.region = DeviceRegion()
        self.n_interrupts = 0
        self._event = None
        self._mapped: dict[int, tuple] = {}
        self._iommu = Iommu(self._processor) if iommu else None
        self._processor.open_disk(contents, self._interrupted)
        if self._iommu is not None:
            self._processor.physical.iohgatp = self._signed(self._iommu.iohgatp)

    @staticmethod
    def _signed(number: int) -> int:
        return number - (1 << 64) if number >> 63 else number

    def map_dma(self, iova: int, memory, writable: bool = True) -> None:
        """Let the device reach user memory by addresses from `iova` on: VFIO_IOMMU_MAP_DMA.

        Raises
        ------
        ValueError
            the memory is in no slot of the VM, or the address is not of a page of the first 2**41
        """
        check_open(self._processor is not None, "mapping memory for DMA")
        gpa = self._vm.gpa_of(memory)
        if gpa is None:
            raise ValueError(
                f"mapping {iova:#x} for DMA: the memory is in no slot; accepted is a guest's."
            )
        if iova % PAGE_BYTES or not 0 <= iova <= (1 << 41) - len(memory):
            raise ValueError(
                f"mapping {iova:#x} for DMA: accepted are multiples of {PAGE_BYTES:#x}, and what "
                "ends at 2**41 at most."
            )
        if iova in self._mapped:
            raise ValueError(f"mapping {iova:#x} for DMA: there is memory; accepted is unmap_dma.")
        if self._iommu is not None:
            self._iommu.map(iova, self._processor.hpa_of(gpa), len(memory), writable)
        self._mapped[iova] = memory
        memory.n_pinned += 1

    def unmap_dma(self, iova: int) -> None:
        """Let the device reach no more what was mapped at `iova`: VFIO_IOMMU_UNMAP_DMA."""
        if iova not in self._mapped:
            raise ValueError(
                f"unmapping {iova:#x}: accepted are {', '.join(map(hex, self._mapped)) or 'none'}."
            )
        memory = self._mapped.pop(iova)
        memory.n_pinned -= 1
        if self._iommu is not None:
            self._iommu.unmap(iova, len(memory))

    def set_irq(self, event) -> None:
        """Have an eventfd signalled at each interrupt: VFIO_DEVICE_SET_IRQS. None: no more."""
        self._event = event

    def _interrupted(self) -> None:
        self.n_interrupts += 1
        if self._event is not None:
            self._event.signal()

    @property
    def n_faults(self) -> int:
        """Accesses to memory that the IOMMU has refused."""
        return int(self._processor.physical.iommu_faults)

    @property
    def fault(self) -> int:
        """The page's address of the last of them."""
        return int(self._processor.physical.iommu_fault) & (1 << 64) - 1

    @property
    def n_accesses(self) -> int:
        """Accesses to registers on the host's bus: its disk's are the only ones."""
        hart = self._processor.physical
        return int(hart.device_reads) + int(hart.device_writes)

    def close(self) -> None:
        """Give it back: it is reset, and reaches nothing. Before the VM's memory goes."""
        if self._processor is None:
            return
        for iova in list(self._mapped):
            self.unmap_dma(iova)
        self._processor.close_disk()
        self._processor = None
