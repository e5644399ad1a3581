"""Who decides which domains there are? Domain0, by the control interface, and nobody else.

`Control` is the interface as Domain0's software sees it, in Python; a guest reaches the same
functions by the CONTROL call. Both name their caller, and every other caller than Domain0 is
refused: the call returns -NOT_PERMITTED, nothing has changed, and the refusal is counted.

    create     a domain from a kernel of the machine's catalogue; it starts paused
    unpause    and pause
    destroy    it ends at once; its memory, grants, ports and devices are returned
    info, list what there is
    max_memory, schedule, assign, deassign

# Model: Domain0's builder reads kernels from its own disk; here they are in a catalogue that the
machine is given, because it is not the builder that the chapter is about.

Source: Xen, xen/include/public/domctl.h and xen/xsm/dummy.h (xsm_domctl: Domain0 only).
"""

from dataclasses import dataclass

from virtlab.platforms.xen import abi, event_channels, grants, passthrough, scheduler
from virtlab.platforms.xen.domain import Domain


@dataclass(frozen=True)
class Info:
    """What the control interface tells of a domain.

    state : letters as `xl list` has them: r runs, b blocked, p paused, s shut down, d dying
    run_ms : time on the hart, in ms of the machine
    """

    number: int
    name: str
    kind: str
    pages: int
    max_pages: int
    state: str
    weight: int
    cap: int
    run_ms: float
    ended: str

    def __str__(self) -> str:
        return (
            f"{self.name:16} {self.number:3} {self.pages >> 8:4} MiB  {self.state}  "
            f"{self.run_ms / 1000:8.3f} s"
        )


def flags_of(domain: Domain) -> int:
    """The INFO_ flags of a domain."""
    return (
        abi.INFO_PAUSED * domain.paused
        | abi.INFO_BLOCKED * domain.blocked
        | abi.INFO_ENDED * bool(domain.ended)
        | abi.INFO_DYING * domain.dying
        | abi.INFO_HVM * (domain.kind == "hvm")
    )


def info_of(xen, domain: Domain) -> Info:
    """A domain as it is now."""
    letters = (
        ("r", xen.scheduler.current == domain.number),
        ("b", domain.blocked),
        ("p", domain.paused),
        ("s", bool(domain.ended)),
        ("d", domain.dying),
    )
    return Info(
        domain.number,
        domain.name,
        domain.kind,
        domain.n_pages,
        domain.max_pages,
        "".join(letter if holds else "-" for letter, holds in letters),
        domain.credit.weight,
        domain.credit.cap,
        domain.credit.run_steps / xen.steps_per_ms,
        domain.ended,
    )


def _record(xen, domain: Domain) -> bytes:
    return abi.INFO_RECORD.pack(
        domain.number,
        flags_of(domain),
        domain.n_pages,
        domain.max_pages,
        domain.credit.weight,
        domain.credit.cap,
        domain.credit.run_steps // xen.steps_per_tick,
        domain.name.encode()[:31],
    )


# The functions, without a caller


def pause(xen, number: int) -> int:
    """Let a domain run no longer, until it is unpaused."""
    domain = xen.living(number)
    if domain is None:
        return -abi.NO_DOMAIN
    domain.paused = True
    xen.stop_turn(domain)
    return 0


def unpause(xen, number: int) -> int:
    """Let a domain run."""
    domain = xen.living(number)
    if domain is None:
        return -abi.NO_DOMAIN
    domain.paused = False
    xen.runs_again(domain)
    return 0


def destroy(xen, number: int) -> int:
    """End a domain and return what it had. Pages that others have mapped follow when unmapped."""
    domain = xen.living(number)
    if domain is None:
        return -abi.NO_DOMAIN
    if number == 0:
        return -abi.INVALID
    domain.ended = domain.ended or "destroyed"
    xen.stop_turn(domain)
    domain.dying = True
    event_channels.close_all(xen, domain)
    grants.drop_all(xen, domain)
    passthrough.deassign_all(xen, domain)
    xen.store.remove(0, f"/local/domain/{number}")
    domain.watches.clear()
    for other in xen.domains.values():  # ports that waited for it wait for nobody now
        for port, end in list(other.channels.items()):
            if end.state == abi.CHANNEL_UNBOUND and end.domain == number:
                other.channels[port].domain = -1
    xen.bury(domain)
    event_channels.raise_virq(xen, abi.VIRQ_DOMAIN)
    return 0


def max_memory(xen, number: int, pages: int) -> int:
    """Set how many pages a domain may have."""
    domain = xen.living(number)
    if domain is None:
        return -abi.NO_DOMAIN
    if not 0 < pages <= domain.ram_bytes >> 12:
        return -abi.INVALID
    domain.max_pages = pages
    return 0


# As a guest calls it


def from_guest(xen, caller: Domain, op: int, a: int, b: int, c: int) -> int:
    """The CONTROL call."""
    if caller.number != 0:
        return -abi.NOT_PERMITTED
    if op == abi.CREATE:
        data = xen.read(caller, a, abi.CREATE_RECORD.size)
        if data is None:
            return -abi.BAD_ADDRESS
        name, image, pages, weight, cap = abi.CREATE_RECORD.unpack(data)
        texts = [text.split(b"\0")[0].decode("ascii", "replace") for text in (name, image)]
        return create(xen, *texts, pages, weight, cap)
    if op == abi.INFO:
        domain = xen.domains.get(a)
        if domain is None:
            return -abi.NO_DOMAIN
        return 0 if xen.write(caller, b, _record(xen, domain)) else -abi.BAD_ADDRESS
    if op == abi.LIST:
        there = [xen.domains[number] for number in sorted(xen.domains)]
        if not 0 <= b <= 1 << 16:
            return -abi.INVALID
        data = b"".join(_record(xen, domain) for domain in there[:b])
        return len(there) if xen.write(caller, a, data) else -abi.BAD_ADDRESS
    simple = {
        abi.DESTROY: (destroy, (a,)),
        abi.PAUSE: (pause, (a,)),
        abi.UNPAUSE: (unpause, (a,)),
        abi.MAX_MEMORY: (max_memory, (a, b)),
        abi.SCHEDULE: (scheduler.set_schedule, (a, b, c)),
        abi.ASSIGN: (passthrough.assign, (a, b)),
        abi.DEASSIGN: (passthrough.deassign, (a,)),
    }
    if op not in simple:
        return -abi.NO_CALL
    function, arguments = simple[op]
    return function(xen, *arguments)


def create(xen, name: str, image: str, pages: int, weight: int, cap: int) -> int:
    """A paused domain from the catalogue; its number, or an error."""
    if image not in xen.kernels:
        return -abi.NO_ENTRY
    if not 0 < pages <= 1 << 18 or not name or not 0 <= weight <= scheduler.MOST_WEIGHT:
        return -abi.INVALID
    if not 0 <= cap <= scheduler.MOST_CAP:
        return -abi.INVALID
    if pages > xen.free_pages or not xen.has_room(pages):
        return -abi.NO_MEMORY
    try:
        return xen.build(name, xen.kernels[image], pages, weight, cap).number
    except ValueError:  # a kernel that does not fit into so few pages, or is not ported
        return -abi.INVALID


# As Python calls it


class RefusedError(RuntimeError):
    """The hypervisor has refused a call; `number` is the error's, as in the ABI."""

    def __init__(self, what: str, number: int):
        super().__init__(f"{what}: {abi.ERRORS.get(number, f'error {number}')} ({number}).")
        self.number = number


class Control:
    """The control interface for one caller, Domain0 if not said otherwise.

    Raises
    ------
    RefusedError
        from every method, if the hypervisor refuses the call
    """

    def __init__(self, xen, caller: int = 0):
        self._xen, self._caller = xen, caller

    def _do(self, what: str, function, *arguments) -> int:
        result = self._xen.control_call(self._caller, function, *arguments)
        if result < 0:
            raise RefusedError(f"{what} by domain {self._caller}", -result)
        return result

    def create(self, name: str, image: str, memory="8M", weight: int = 0, cap: int = 0) -> int:
        """A paused domain; its number."""
        pages = self._xen.pages_of(memory)
        return self._do("create", create, name, image, pages, weight, cap)

    def destroy(self, number: int) -> None:
        """End a domain."""
        self._do("destroy", destroy, number)

    def pause(self, number: int) -> None:
        """Let a domain run no longer."""
        self._do("pause", pause, number)

    def unpause(self, number: int) -> None:
        """Let a domain run."""
        self._do("unpause", unpause, number)

    def max_memory(self, number: int, memory) -> None:
        """Set how much memory a domain may have."""
        self._do("max_memory", max_memory, number, self._xen.pages_of(memory))

    def schedule(self, number: int, weight: int = 0, cap: int = 0) -> None:
        """Set a domain's weight (0: as it is) and cap in percent (0: none)."""
        self._do("schedule", scheduler.set_schedule, number, weight, cap)

    def assign(self, number: int, device: int) -> None:
        """Give a device to a domain."""
        self._do("assign", passthrough.assign, number, device)

    def deassign(self, device: int) -> None:
        """Take a device back."""
        self._do("deassign", passthrough.deassign, device)

    def info(self, number: int) -> Info:
        """What there is to know of a domain."""
        self._do("info", lambda xen: 0 if number in xen.domains else -abi.NO_DOMAIN)
        return info_of(self._xen, self._xen.domains[number])

    def list(self) -> list[Info]:
        """All domains by number."""
        self._do("list", lambda xen: 0)
        return [info_of(self._xen, self._xen.domains[k]) for k in sorted(self._xen.domains)]
