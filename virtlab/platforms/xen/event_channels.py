"""How does one domain tell another that something has happened? By a bit, once for many times.

A port is one end of a channel. A domain offers a port to one other domain, which binds a port of
its own to it; from then on each end's SEND sets the bit of the other. The bit stays set until its
owner clears it, so a flood of events is one event; and a port that its owner has masked disturbs
nobody. VIRQs are ports at which the hypervisor itself reports.

    unbound (for domain d) --d binds--> joined <--> joined --one end closes--> unbound

Nothing that a caller says is believed: ports, domains and whether the other end waits for just this
caller are checked, and a wrong call returns an error.

Source: D. Chisnall, "The Definitive Guide to the Xen Hypervisor", 2007, chapter "Using Event
Channels"; Xen, xen/include/public/event_channel.h and xen/common/event_channel.c for the states.
"""

from virtlab.hypervisors import paravirt_abi
from virtlab.hypervisors.paravirt import EVENT_UPCALL
from virtlab.platforms.xen import abi
from virtlab.platforms.xen.domain import Channel, Domain


def _new_port(domain: Domain) -> int:
    """The lowest port that is not in use, 0 if there is none."""
    return next((port for port in range(1, abi.N_PORTS) if port not in domain.channels), 0)


def alloc_unbound(xen, caller: Domain, remote: int) -> int:
    """A port that domain `remote` may bind; or an error."""
    remote = caller.number if remote == abi.SELF else remote
    if xen.living(remote) is None:
        return -abi.NO_DOMAIN
    port = _new_port(caller)
    if not port:
        return -abi.NO_SPACE
    caller.channels[port] = Channel(abi.CHANNEL_UNBOUND, remote)
    return port


def bind_interdomain(xen, caller: Domain, remote: int, remote_port: int) -> int:
    """A port joined with one that waits for the caller; or an error."""
    remote = caller.number if remote == abi.SELF else remote
    other = xen.living(remote)
    if other is None:
        return -abi.NO_DOMAIN
    end = other.channels.get(remote_port)
    if end is None or end.state != abi.CHANNEL_UNBOUND or end.domain != caller.number:
        return -abi.INVALID
    port = _new_port(caller)
    if not port:
        return -abi.NO_SPACE
    caller.channels[port] = Channel(abi.CHANNEL_JOINED, remote, remote_port)
    other.channels[remote_port] = Channel(abi.CHANNEL_JOINED, caller.number, port)
    set_pending(xen, caller, port)  # what was sent before nobody has heard
    return port


def bind_virq(xen, caller: Domain, virq: int) -> int:
    """A port at which the hypervisor reports; or an error."""
    if virq != abi.VIRQ_DOMAIN:
        return -abi.INVALID
    if caller.number != 0:
        return -abi.NOT_PERMITTED
    if any(c.state == abi.CHANNEL_VIRQ and c.port == virq for c in caller.channels.values()):
        return -abi.EXISTS
    port = _new_port(caller)
    if not port:
        return -abi.NO_SPACE
    caller.channels[port] = Channel(abi.CHANNEL_VIRQ, 0, virq)
    return port


def raise_virq(xen, virq: int) -> None:
    """Report to Domain0, if it has bound a port to the VIRQ."""
    domain0 = xen.living(0)
    for port, channel in domain0.channels.items() if domain0 else ():
        if channel.state == abi.CHANNEL_VIRQ and channel.port == virq:
            set_pending(xen, domain0, port)


def send(xen, caller: Domain, port: int) -> int:
    """Set the bit of the other end."""
    end = caller.channels.get(port)
    if end is None or end.state not in (abi.CHANNEL_JOINED, abi.CHANNEL_UNBOUND):
        return -abi.INVALID
    caller.count("events_sent")
    if end.state == abi.CHANNEL_JOINED:
        set_pending(xen, xen.domains[end.domain], end.port)
    return 0


def close(xen, caller: Domain, port: int) -> int:
    """Give a port up. The other end waits for somebody of the same domain again."""
    end = caller.channels.pop(port, None)
    if end is None:
        return -abi.INVALID
    if end.state == abi.CHANNEL_JOINED:
        other = xen.domains[end.domain]
        other.channels[end.port] = Channel(abi.CHANNEL_UNBOUND, caller.number)
        set_pending(xen, other, end.port)
    return 0


def close_all(xen, domain: Domain) -> None:
    """What becomes of the ports of a domain that ends, and of those that waited for it."""
    for port in list(domain.channels):
        close(xen, domain, port)


def status(xen, caller: Domain, port: int) -> int:
    """The state of a port."""
    if not 0 < port < abi.N_PORTS:
        return -abi.INVALID
    return caller.channels.get(port, Channel()).state


# The bits


def set_pending(xen, domain: Domain, port: int) -> None:
    """Set a port's bit; ask for an upcall unless the bit was set, or is masked."""
    if domain.shared is None:
        return
    word, bit = 8 * (port >> 6), 1 << (port & 63)
    at = domain.shared + abi.SHARED_CHANNELS + word
    before = xen.read_word(domain, at)
    if before & bit:
        domain.count("events_merged")
        return
    domain.count("events")
    xen.write_word(domain, at, before | bit)
    if not xen.read_word(domain, domain.shared + abi.SHARED_CHANNELS_MASKED + word) & bit:
        _upcall(xen, domain, port >> 6)


def unmask(xen, caller: Domain, port: int) -> int:
    """Clear a port's mask bit; what has come meanwhile is told now."""
    if not 0 < port < abi.N_PORTS or caller.shared is None:
        return -abi.INVALID
    word, bit = 8 * (port >> 6), 1 << (port & 63)
    at = caller.shared + abi.SHARED_CHANNELS_MASKED + word
    xen.write_word(caller, at, xen.read_word(caller, at) & ~bit)
    if xen.read_word(caller, caller.shared + abi.SHARED_CHANNELS + word) & bit:
        _upcall(xen, caller, port >> 6)
    return 0


def _upcall(xen, domain: Domain, word: int) -> None:
    at = domain.shared + abi.SHARED_SELECTOR
    xen.write_word(domain, at, xen.read_word(domain, at) | 1 << word)
    if domain.kind == "pv":
        at = domain.shared + paravirt_abi.SHARED_PENDING
        xen.write_word(domain, at, xen.read_word(domain, at) | 1 << EVENT_UPCALL)
    elif domain.kind == "hvm":
        xen.machines[domain.number]._hart.plic_pending |= 1 << abi.UPCALL_SOURCE
    domain.count("upcalls")
    xen.wake(domain)


def take_pending(xen, domain: Domain) -> list[int]:
    """The ports whose bits are set and not masked, and clear the bits: a domain's own business."""
    if domain.shared is None:
        return []
    xen.write_word(domain, domain.shared + abi.SHARED_SELECTOR, 0)
    found = []
    for word in range(abi.N_PORTS // 64):
        at = domain.shared + abi.SHARED_CHANNELS + 8 * word
        bits = xen.read_word(domain, at)
        masked = xen.read_word(domain, domain.shared + abi.SHARED_CHANNELS_MASKED + 8 * word)
        if bits & ~masked:
            xen.write_word(domain, at, bits & masked)
            found += [64 * word + k for k in range(64) if bits & ~masked & 1 << k]
    return found


EVENT_OPS = {
    abi.ALLOC_UNBOUND: (alloc_unbound, 1),
    abi.BIND_INTERDOMAIN: (bind_interdomain, 2),
    abi.BIND_VIRQ: (bind_virq, 1),
    abi.SEND: (send, 1),
    abi.CLOSE: (close, 1),
    abi.UNMASK: (unmask, 1),
    abi.STATUS: (status, 1),
}
