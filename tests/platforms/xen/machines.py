"""Small kernels for the tests, and machines that run them."""

from virtlab.isa.assembler import assemble
from virtlab.platforms.xen import Control, Kernel, Program, RefusedError, Xen, abi
from virtlab.platforms.xen.domain import Domain

PV_BASE = 0x8020_0000
ENTRY = ".globl paravirt_abi_1\nparavirt_abi_1:\n"
# An endless loop, in three kinds of kernel; and one that does nothing but wait.
HOG = "again: addi s0, s0, 1\nj again"
IDLE = "again: li a7, 5\necall\nj again"
# Makes the call that its registers hold, again and again: the test sets them (see `Caller`).
CALL = "again: ecall\nj again"


def pv(text: str) -> Kernel:
    """A paravirtual kernel of assembly text."""
    return Kernel(assemble(ENTRY + text, base=PV_BASE))


def hvm(text: str) -> Kernel:
    """An unmodified kernel of assembly text."""
    return Kernel(assemble(text, base=PV_BASE))


KERNELS = {
    "hog": pv(HOG),
    "idle": pv(IDLE),
    "call": pv(CALL),
    "hvm_hog": hvm(HOG),
    "python": Kernel(Program()),
}


def machine(**settings) -> Xen:
    """A machine whose Domain0 sleeps, with a short millisecond so that tests are quick."""
    kernels = KERNELS | settings.pop("kernels", {})
    settings = {
        "ram": "64M",
        "domain0": "idle",
        "domain0_ram": "4M",
        "steps_per_tick": 1,
    } | settings
    return Xen(kernels=kernels, **settings)


def started(xen: Xen, kernel: str, memory: str = "4M", **settings) -> Domain:
    """A new domain that runs."""
    number = xen.control.create(kernel, kernel, memory, **settings)
    xen.control.unpause(number)
    return xen.domains[number]


def page(domain: Domain, k: int) -> int:
    """The gfn of a page of a domain's RAM: those from 768 on no small kernel uses."""
    return Xen.first_gfn + 768 + k


def refused(xen: Xen, caller: int, name: str, *arguments) -> int:
    """The error of a call of the control interface that must fail."""
    try:
        getattr(Control(xen, caller), name)(*arguments)
    except RefusedError as error:
        return error.number
    raise AssertionError(f"{name} by domain {caller} has not been refused")


def grant(xen: Xen, granter: Domain, reference: int, to: int, gfn: int, flags: int = 0) -> None:
    """Have a domain write an entry of its grant table, which is page 0 of the free ones."""
    if granter.grant_table is None:
        assert xen.call(granter.number, abi.GRANT, abi.SETUP, page(granter, 0)) == 0
    entry = abi.GRANT_ENTRY.pack(abi.PERMIT | flags, to, gfn)
    at = (granter.grant_table << 12) + abi.GRANT_ENTRY.size * reference
    assert xen.write(granter, at, entry)


def joined(xen: Xen, a: Domain, b: Domain) -> tuple[int, int]:
    """Two ports that are joined, one of each domain."""
    port = xen.call(a.number, abi.EVENT, abi.ALLOC_UNBOUND, b.number)
    other = xen.call(b.number, abi.EVENT, abi.BIND_INTERDOMAIN, a.number, port)
    assert port > 0
    assert other > 0
    return port, other


def assert_sound(xen: Xen) -> None:
    """What holds whatever domains have done: frames, mappings, ports and queues agree."""
    assert xen.free_pages >= 0
    for number, domain in xen.domains.items():
        assert domain.number == number
        assert domain.n_pages + len(domain.absent) == domain.ram_bytes >> 12
        for mapping in domain.maps.values():
            granter = xen.domains[mapping.granter]
            first = granter.base >> 12
            assert first <= mapping.page < first + (granter.ram_bytes >> 12)
        for port, end in domain.channels.items():
            if end.state == abi.CHANNEL_JOINED:
                other = xen.domains[end.domain].channels[end.port]
                assert (other.state, other.domain, other.port) == (end.state, number, port)
    assert set(xen.scheduler.queue) <= set(xen.domains)
    places = sorted((place.base, place.n_bytes) for place in xen.host.places.values())
    for (base, n_bytes), (following, _) in zip(places, places[1:], strict=False):
        assert base + n_bytes <= following
    assert len(places) == len(xen.machines)
    assert all(not domain.dying for domain in xen.domains.values() if not domain.maps) or any(
        mapping.granter in xen.domains
        for domain in xen.domains.values()
        for mapping in domain.maps.values()
    )
