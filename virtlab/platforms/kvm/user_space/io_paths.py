"""How does a request reach its device, and how many exits does that take? Whole paths to compare.

    path          disk                             network card
    emulated      Disk, register by register       E1000, a tail register for each frame
    virtio        VirtioBlk, served by the         VirtioNet, likewise
                  program at the doorbell's exit
    vhost         VirtioBlk behind eventfds        VirtioNet behind eventfds
    passthrough   the host's own disk, a virtio    (the model's board has no card)
                  one, in the guest's hands

Each is a machine of its own with a guest, a driver that the guest plays, and a device; the drivers
of a column have one face. What the figures hold is what the device's protocol makes of a request:
nothing here says how many exits there are.
"""

import time
from dataclasses import dataclass

from virtlab.platforms.kvm.api import KvmError
from virtlab.platforms.kvm.guest_program import MEMORY_BYTES
from virtlab.platforms.kvm.user_space.board import Board, InterruptLine
from virtlab.platforms.kvm.user_space.disk import SECTOR_BYTES, Disk
from virtlab.platforms.kvm.user_space.drivers import (
    DiskDriver,
    E1000Driver,
    VirtioBlkDriver,
    VirtioNetDriver,
)
from virtlab.platforms.kvm.user_space.e1000 import E1000
from virtlab.platforms.kvm.user_space.player import Player
from virtlab.platforms.kvm.user_space.vhost import Vhost
from virtlab.platforms.kvm.user_space.virtio_blk import VirtioBlk
from virtlab.platforms.kvm.user_space.virtio_net import VirtioNet
from virtlab.platforms.kvm.user_space.wire import Wire
from virtlab.platforms.kvm.vfio import AssignedDisk

PLAYED = ("emulated", "virtio", "vhost")  # somebody plays the device
PATHS = (*PLAYED, "passthrough")
BASE = 0x1000_1000  # of the device
PATIENCE_SECONDS = 10
FRAME_BYTES = 1514  # the longest that an Ethernet without jumbo frames has
DRIVERS = {
    Disk: DiskDriver,
    VirtioBlk: VirtioBlkDriver,
    AssignedDisk: VirtioBlkDriver,
    E1000: E1000Driver,
    VirtioNet: VirtioNetDriver,
}


@dataclass(frozen=True)
class ExitsByPath:
    """What `n_requests` came to by one path.

    to_program : exits that a device in the program answered
    in_kernel : exits that the kernel kept: doorbells, or interrupts of a device given to the guest
    n_interrupts : times that the device raised its line
    """

    path: str
    n_requests: int
    to_program: int
    in_kernel: int
    n_interrupts: int

    @property
    def per_request(self) -> float:
        """Exits for one request, wherever they were dealt with."""
        return (self.to_program + self.in_kernel) / self.n_requests


def paths_of(machine, kind: str) -> tuple[str, ...]:
    """The paths that a module, device or model, has for a kind of device: "disk" or "network".

    Passthrough on a real machine takes a device that its owner can spare, and rights to unbind it.
    """
    return PATHS if kind in machine.ASSIGNABLE else PLAYED


class IoPath:
    """A guest with one device, by one path.

    Parameters
    ----------
    machine : the module device or model
    kind : "disk" or "network"
    path : one of PATHS
    contents : bytes of the disk; nothing for a network card
    iommu : with passthrough, whether the host switches its IOMMU on

    driver : read(sector), write(sector, data), flush(); send(frames), receive()
    device, board, line, wire, player, vcpu, vm, kvm : the parts

    Raises
    ------
    ValueError
        there is no such kind or path
    """

    def __init__(
        self, machine, kind: str, path: str, contents: bytes = bytes(16 * SECTOR_BYTES), iommu=True
    ):
        if kind not in ("disk", "network") or path not in paths_of(machine, kind):
            raise ValueError(
                f"{kind!r} by path {path!r}: accepted are disk and network, by {', '.join(PLAYED)}"
                "; on the model a disk by passthrough, too."
            )
        self.path = path
        self.kvm = machine.Kvm()
        self.vm = self.kvm.create_vm()
        memory = self.kvm.user_memory(MEMORY_BYTES)
        self.vm.set_user_memory_region(0, machine.RAM_BASE, memory)
        self.vcpu = self.vm.create_vcpu()
        self.board, self.line, self.wire = Board(self.vcpu), InterruptLine(), Wire()
        self.player = Player(machine, self.vcpu, memory, self.board)
        self.contents = bytearray(contents)
        if path == "passthrough":
            self.device = self._assigned(memory, iommu)
        elif kind == "disk":
            emulated = path == "emulated"
            self.device = (
                Disk(self.contents, self.line)
                if emulated
                else VirtioBlk(self.vm, self.contents, self.line)
            )
        else:
            card = E1000 if path == "emulated" else VirtioNet
            self.device = card(self.vm, self.wire, self.line)
        if path != "passthrough":
            self.board.add(BASE, self.device)
        self.back_end = None
        if path == "vhost":
            self.back_end = Vhost(self.kvm, self.vm, self.device, BASE)
        self.driver = DRIVERS[type(self.device)](self.player, BASE)

    def _assigned(self, memory, iommu: bool) -> AssignedDisk:
        """Give the guest the host's disk, as QEMU does: iova is the guest physical address."""
        disk = AssignedDisk(self.vm, self.contents, iommu)
        self.vm.set_user_memory_region(1, BASE, disk.region)
        disk.map_dma(self.player.base, memory)
        self._event = self.kvm.eventfd()
        self._event.attend(self._pulse)
        disk.set_irq(self._event)
        return disk

    def _pulse(self, n_signals: int) -> None:
        for _ in range(n_signals):
            self.line.set(1)
            self.line.set(0)

    def exits_of(self, n_requests: int, act) -> ExitsByPath:
        """Count what `act(driver)`, which makes `n_requests`, causes."""
        before = self._counted()
        act(self.driver)
        counts = [now - then for now, then in zip(self._counted(), before, strict=True)]
        return ExitsByPath(self.path, n_requests, *counts)

    def _counted(self) -> tuple[int, int, int]:
        in_kernel = 0 if self.back_end is None else self._answered()
        if self.path == "passthrough":
            in_kernel, _ = self.vcpu.exits_by_reason().get("INTERRUPT", (0, 0))
        return sum(self.board.exits.values()), in_kernel, self.line.n_raised

    def _answered(self) -> int:
        """Doorbells of a back end, once it has come to all of them: it may be a thread."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.device.n_notifications < self.driver.n_doorbells:
            if time.monotonic() > end:
                raise KvmError(
                    f"the back end has answered {self.device.n_notifications} of "
                    f"{self.driver.n_doorbells} doorbells in {PATIENCE_SECONDS} s."
                )
            time.sleep(0.001)
        return self.device.n_notifications

    def close(self) -> None:
        """Give everything back."""
        if self.back_end is not None:
            self.back_end.close()
        if self.path == "passthrough":
            self.device.close()
        self.kvm.close()

    def __enter__(self) -> "IoPath":
        return self

    def __exit__(self, *_) -> None:
        self.close()


REQUESTS = {
    "read": lambda driver, sector: driver.read(sector),
    "write": lambda driver, sector: driver.write(sector, bytes(SECTOR_BYTES)),
    "flush": lambda driver, _sector: driver.flush(),
}


def exits_for_sectors(machine, n_sectors: int = 1, what: str = "read") -> list[ExitsByPath]:
    """Exits of reading so many sectors, one request each, by every path.

    what : "read", "write", or "flush" (which names no sector)
    """
    if what not in REQUESTS:
        raise ValueError(f"request {what!r}: accepted are {', '.join(REQUESTS)}.")
    found = []
    for path in paths_of(machine, "disk"):
        with IoPath(machine, "disk", path) as one:
            found.append(
                one.exits_of(
                    n_sectors,
                    lambda driver: [REQUESTS[what](driver, k) for k in range(n_sectors)],
                )
            )
    return found


def exits_for_frames(machine, burst: int, n_bursts: int = 1) -> list[ExitsByPath]:
    """Exits of sending `n_bursts` times `burst` frames, an interrupt for each burst, by every path.

    burst : 1 to 15
    """
    frames = [bytes(FRAME_BYTES)] * burst
    found = []
    for path in paths_of(machine, "network"):
        with IoPath(machine, "network", path) as one:
            found.append(
                one.exits_of(
                    burst * n_bursts,
                    lambda driver: [driver.send(frames) for _ in range(n_bursts)],
                )
            )
    return found
