"""Why go up to the program at all? A back end behind an eventfd serves the queue without it.

The doorbell becomes an ioeventfd: the store is taken by the kernel, the guest goes on at once, and
whoever waits for the eventfd looks at the queue. All else (setting up, acknowledging an interrupt)
still goes to the program, which is rare.

On the model the back end runs in the kernel, at the store. On the real device it is a thread of
this process: the path of the guest is the same, the place of the back end is that of vhost-user.

Source: Linux 6.12, drivers/vhost/vhost.c, and Documentation/virt/kvm/api.rst, "KVM_IOEVENTFD".
"""

from virtlab.platforms.kvm.user_space.virtio import QUEUE_NOTIFY, VirtioDevice


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
            event.attend(lambda number=number: device.notify(number))
            self._events.append(event)

    def close(self) -> None:
        """Doorbells go to the program again."""
        for number, event in enumerate(self._events):
            self._vm.ioeventfd(event, self._where, 4, datamatch=number, deassign=True)
            event.close()
        self._events.clear()
