"""Why go up to the program at all? A back end behind an eventfd serves the queue without it.

The doorbell becomes an ioeventfd: the store is taken by the kernel, the guest goes on at once, and
whoever waits for the eventfd looks at the queue. The interrupt goes the other way without the
program, too: `IrqFdLine` signals an eventfd that KVM turns into an interrupt. All else (setting up,
acknowledging an interrupt) still goes to the program.

On the model the back end runs in the kernel, at the store. On the real device it is a thread of
this process: the path of the guest is the same, the place of the back end is that of vhost-user.

Source: Linux 6.12, drivers/vhost/vhost.c, and Documentation/virt/kvm/api.rst, "KVM_IOEVENTFD"
and "KVM_IRQFD".
"""

from virtlab.platforms.kvm.user_space.board import InterruptLine
from virtlab.platforms.kvm.user_space.virtio import QUEUE_NOTIFY, VirtioDevice


class IrqFdLine(InterruptLine):
    """A device's line that is an irqfd: each time it rises, KVM requests an interrupt.

    Parameters
    ----------
    event : an eventfd; attached to interrupt `irq` of `vm` until the VM is closed
    """

    def __init__(self, event, vm, irq: int):
        super().__init__()
        self._event = event
        vm.irqfd(event, irq)

    def set(self, level: int) -> None:
        """Set the line."""
        rises = level > self.level
        super().set(level)
        if rises:
            self._event.signal()


class Vhost:
    """Doorbells of a virtio device as eventfds.

    Parameters
    ----------
    kvm, vm : of either implementation
    device : at `base`; its queues are served by this back end from now on
    """

    def __init__(self, kvm, vm, device: VirtioDevice, base: int):
        self._vm, self._where = vm, base + QUEUE_NOTIFY
        self._events = []
        for number in range(device.n_queues):
            event = kvm.eventfd()
            vm.ioeventfd(event, self._where, 4, datamatch=number)
            event.attend(lambda n_rung, number=number: device.notify(number, n_rung))
            self._events.append(event)

    def close(self) -> None:
        """Doorbells go to the program again."""
        for number, event in enumerate(self._events):
            self._vm.ioeventfd(event, self._where, 4, datamatch=number, deassign=True)
            event.close()
        self._events.clear()
