"""What does a packet cost on its way out of a hosted virtual machine? Events of the path, counted.

Workstation is an application of a host OS, the VMApp, with a monitor of its own beside that OS, the
VMM. Only the host has drivers, so a packet leaves the VMM by a world switch. ESX has drivers below
its virtual machines, and none of this.

The guest drives a Lance network card. Sending a packet is an access to the address port and one to
the data port, which starts the transmission. The card interrupts after `packets_per_interrupt`
packets; the handler selects the status register, reads it, acknowledges it, reads it again, and
enables interrupts: two accesses to the address port, four to the data port.

| step | Workstation 2.0 | I/O ports in the VMM | with send combining | ESX |
|---|---|---|---|---|
| data port, no transmission | VMApp | VMM | VMM | VMM |
| data port, transmission | VMApp | VMApp | waits for company | VMM |
| interrupt of the card | world switch and back | the same | joins a transmission | VMkernel |

# Model: the VMkernel's driver costs what the native one does.

Source: Sugerman, Venkitachalam & Lim, USENIX 2001, sections 2.3 and 3.
"""

from dataclasses import dataclass

ADDRESS_PORT_INTERRUPT, DATA_PORT_INTERRUPT = 2, 4  # accesses of the interrupt's handler


@dataclass(frozen=True)
class Path:
    """How a virtual network card is built.

    ports_in_vmm : accesses that start no transmission stay in the VMM
    combined : packets that wait for one world switch, 1 for none waiting
    notification : the host's driver tells of interrupts in shared memory, so nobody has to ask
    hosted : there is a host OS to switch to
    """

    ports_in_vmm: bool = True
    combined: int = 3
    notification: bool = True
    hosted: bool = True


PATHS = {
    "optimized": Path(),
    "without IRQ notification": Path(notification=False),
    "without send combining": Path(notification=False, combined=1),
    "version 2.0": Path(ports_in_vmm=False, notification=False, combined=1),
    "ESX": Path(hosted=False),
}


def accesses_before_interrupt(transmits: float) -> float:
    """Packets per interrupt, if the part `transmits` of all data port accesses start one.

    Raises
    ------
    ValueError : the part is none
    """
    if not 0 < transmits < 1:
        raise ValueError(f"a part of {transmits}; accepted is one between 0 and 1.")
    return transmits * DATA_PORT_INTERRUPT / (1 - transmits)


def count_events(path: Path, n_packets: int, packets_per_interrupt: int, pic_accesses: int) -> dict:
    """Send `n_packets` packets and count what happens on the way.

    Returns
    -------
    counts : dict, `vmapp_accesses` and `vmm_accesses` to ports, `world_switches` one way that are
        not part of an access, `interrupts` of the guest, `selects` of the VMApp

    Raises
    ------
    ValueError : a number is below 1
    """
    if min(n_packets, packets_per_interrupt, path.combined) < 1:
        raise ValueError("packets, packets an interrupt and packets combined are at least 1.")
    names = ("vmapp_accesses", "vmm_accesses", "world_switches", "interrupts", "selects")
    counts = dict.fromkeys(names, 0)
    quiet = "vmm_accesses" if path.ports_in_vmm or not path.hosted else "vmapp_accesses"
    waiting = 0
    done = 0  # packets sent that the card has not interrupted for
    for _ in range(n_packets):
        counts["vmm_accesses"] += 1  # the address port
        waiting += 1
        if not path.hosted:
            counts["vmm_accesses"] += 1
            done, waiting = done + 1, 0
        elif path.ports_in_vmm:
            counts["vmm_accesses"] += 1  # the VMM sees that this one transmits
            if waiting >= path.combined:
                counts["world_switches"] += 2
                done, waiting = done + waiting, 0
        else:
            counts["vmapp_accesses"] += 1  # its time has both world switches in it
            done, waiting = done + 1, 0
        while done >= packets_per_interrupt:
            done -= packets_per_interrupt
            counts["interrupts"] += 1
            counts["vmm_accesses"] += ADDRESS_PORT_INTERRUPT + pic_accesses
            counts[quiet] += DATA_PORT_INTERRUPT
            if path.hosted:
                # While packets are combined the interrupt arrives in the host's world.
                counts["world_switches"] += 0 if path.combined > 1 else 2
                counts["selects"] += 0 if path.notification else 1
    return counts
