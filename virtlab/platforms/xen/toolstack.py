"""How is a whole system started? Domain0 with its drivers and its disk; the others by its `xl`.

    Domain0           pith_xen: the teaching OS with its paravirtual port and drivers for Xen, and a
                      disk that holds a file for each guest's disk, and its configuration in /etc
    PV guests         pith_xen too: disk and network through Domain0
    HVM guests        pith, unmodified, with the virtual disk that the hypervisor answers for; or
                      pith_hvm, which besides has drivers for Xen, and so the network

`system` makes the machine and types `xl create` at Domain0's console, as somebody who sits there
would. What else is to be done there can be typed as well: `xl list`, `xl top`, `xl destroy`.

Source: Xen, docs/man/xl.1 and xl.cfg.5, for the commands and the words of a configuration.
"""

import struct
from collections import namedtuple
from dataclasses import dataclass, field

from virtlab.guests import disk as disk_of
from virtlab.guests import filesystem
from virtlab.guests import path as path_of
from virtlab.platforms.xen import abi, grants
from virtlab.platforms.xen.hypervisor import Kernel, Xen
from virtlab.platforms.xen.migration import Migration
from virtlab.platforms.xen.store import home

BLOCK = filesystem.BLOCK_SIZE
PROMPT = "$ "
PLACE_BYTES = {
    "ring-ref": abi.BLOCK_PLACE_BYTES,
    "tx-ring-ref": abi.NET_TX_REQUEST.size,
    "rx-ring-ref": abi.NET_RX_REQUEST.size,
}
ANSWER_MS = 20_000.0  # of the machine's time, which a domain may take to answer


@dataclass(frozen=True)
class Guest:
    """A domain to be made, as its configuration says it.

    kernel : pith_xen (PV), pith or pith_hvm (HVM), or another name of the machine's catalogue
    memory : MiB
    weight, cap : of the scheduler; 0 is the usual weight, and no cap
    files : put on its disk, by path, beside the programs; only for a disk through Domain0
    network : whether it has a place at the bridge, if its kernel has a driver
    """

    name: str
    kernel: str = "pith_xen"
    memory: int = 8
    weight: int = 0
    cap: int = 0
    files: dict = field(default_factory=dict)
    network: bool = True

    @property
    def has_shared_disk(self) -> bool:
        """Whether its disk is a file in Domain0."""
        return self.kernel == "pith_xen"

    @property
    def has_network(self) -> bool:
        """Whether it is at the bridge in Domain0."""
        return self.network and self.kernel in ("pith_xen", "pith_hvm")


def mac(k: int) -> str:
    """The address of guest `k`, counted from 1, at the bridge."""
    return f"02:00:00:00:00:{k:02x}"


RingView = namedtuple("RingView", "req_prod req_event rsp_prod rsp_event places")
RingView.__doc__ = """A ring as both ends see it: its four indices, and its places as bytes."""


class System:
    """A machine with Domain0 and its `xl`.

    Parameters
    ----------
    guests : Guests that have a configuration and a disk; `create` starts one
    domain0_memory : MiB
    settings : as Xen's

    Attributes
    ----------
    xen : the machine
    number : of each domain by its name, as far as it has been created

    Raises
    ------
    ValueError
        two guests have the same name, or Domain0 did not come up
    """

    def __init__(self, guests=(), domain0_memory: int = 8, **settings):
        self.guests = {guest.name: guest for guest in guests}
        if len(self.guests) < len(guests):
            names = ", ".join(guest.name for guest in guests)
            raise ValueError(f"guests {names}: accepted are different names.")
        kernel = Kernel(path_of("pith_xen"), domain0_disk(guests))
        kernels = {"domain0": kernel, **settings.pop("kernels", {})}
        self.xen = Xen(
            kernels=kernels, domain0="domain0", domain0_ram=f"{domain0_memory}M", **settings
        )
        self.number = {"Domain-0": 0}
        self.until_prompt(0)

    def until_prompt(self, domain: str | int, ms: float = ANSWER_MS) -> None:
        """Let time pass until a domain's shell waits for a line."""
        number = self.number_of(domain)
        self.xen.run(ms, until=lambda xen: xen.console(number).endswith("\n" + PROMPT))
        if not self.xen.console(number).endswith("\n" + PROMPT):
            raise ValueError(
                f"domain {number} shows no prompt in {ms:,.0f} ms; it has printed: "
                f"{self.xen.console(number)[-300:]!r}"
            )

    def command(self, line: str, domain: str | int = 0, ms: float = ANSWER_MS) -> str:
        """Type a line at a domain's shell, and let time pass until its prompt is there again.

        Returns
        -------
        output : what it printed in between
        """
        number = self.number_of(domain)
        before = len(self.xen.console(number))
        self.xen.type(number, line + "\n")
        self.xen.run(ms, until=lambda xen: _answered(xen.console(number)[before:], line))
        text = self.xen.console(number)[before:]
        if not _answered(text, line):
            raise ValueError(f"{line!r} in domain {number} takes more than {ms:,.0f} ms: {text!r}")
        return text.removeprefix(line + "\n").removesuffix(PROMPT)

    def number_of(self, domain: str | int) -> int:
        """A domain's number."""
        return self.number[domain] if isinstance(domain, str) else domain

    def xl(self, line: str) -> str:
        """What `xl` in Domain0 answers."""
        return self.command(f"xl {line}")

    def create(self, name: str) -> int:
        """Have Domain0 create a guest; its number."""
        answer = self.xl(f"create {name}")
        if not answer.startswith("domain "):
            raise ValueError(f"xl create {name}: {answer.strip()}")
        self.number[name] = int(answer.split()[1].rstrip(":"))
        return self.number[name]

    def migrate(self, name: str, there: "System", **rates) -> Migration:
        """Move a running guest to another machine, whose Domain0 then serves its devices.

        Parameters
        ----------
        there : a System with the same guests, of which this one has not been created
        rates : as Migration's

        Returns
        -------
        migration : what it has cost

        # Model: a guest's disk is on storage that both machines share. Here its blocks are brought
        over while nobody uses them, from one Domain0's file to the other's.
        """
        guest, number = self.guests[name], self.number[name]
        if there.guests.get(name) != guest or name in there.number:
            raise ValueError(
                f"guest {name!r}: accepted is a machine that has it and does not run it."
            )
        move = Migration(self.xen, number, there.xen, **rates)
        while not move.wants_to_stop:
            move.round()
        move.stop_and_copy()
        if guest.has_shared_disk:
            self._share_disk(name, there)
        there.number[name] = move.finish()
        del self.number[name]
        self.xen.run(1)  # Domain0 here lets go of its rings
        if guest.has_shared_disk:
            there.xl(f"block-attach {there.number[name]} /disks/{name}")
        if guest.has_network:
            k = list(self.guests).index(name) + 1
            there.xl(f"network-attach {there.number[name]} {mac(k)}")
        return move

    def _share_disk(self, name: str, there: "System") -> None:
        disks = [each.xen.machines[0]._mem.disk for each in (self, there)]
        blocks = [filesystem.blocks_of(disk.tobytes(), f"disks/{name}") for disk in disks]
        for source, target in zip(*blocks, strict=True):
            data = disks[0][source * BLOCK : (source + 1) * BLOCK]
            disks[1][target * BLOCK : (target + 1) * BLOCK] = data

    def console(self, domain: str | int = 0) -> str:
        """What a domain has printed."""
        return self.xen.console(self.number_of(domain))

    def ring(self, name: str, kind: str = "vbd", reference: str = "ring-ref") -> RingView:
        """The ring of a guest's device, as the store and the guest's grant table say where it is.

        Parameters
        ----------
        kind, reference : "vbd" and "ring-ref", or "vif" and "tx-ring-ref" or "rx-ring-ref"
        """
        xen, number = self.xen, self.number[name]
        found = xen.store.read(0, f"{home(number)}/device/{kind}/0/{reference}")
        if isinstance(found, int):
            raise ValueError(f"guest {name!r} has no {kind} with a {reference}.")
        domain = xen.domains[number]
        _, _, gfn = grants.entry_at(xen, domain, int(found))
        page = xen.read(domain, gfn << 12, 4096)
        n_bytes = PLACE_BYTES[reference]
        ends = range(abi.FIRST_PLACE, abi.FIRST_PLACE + abi.places(n_bytes) * n_bytes, n_bytes)
        return RingView(*struct.unpack_from("<4I", page), [page[k : k + n_bytes] for k in ends])

    def disk(self, name: str) -> bytes:
        """A guest's disk as it is now: the file in Domain0, or its own."""
        if self.guests[name].has_shared_disk:
            return self.domain0_files()[f"disks/{name}"]
        return self.xen.machines[self.number[name]]._mem.disk.tobytes()

    def domain0_files(self) -> dict[str, bytes]:
        """The files on Domain0's disk."""
        return filesystem.files(self.xen.machines[0]._mem.disk.tobytes())


def _answered(text: str, line: str) -> bool:
    return text.startswith(line + "\n") and text.endswith(PROMPT)


def guest_disk(guest: Guest) -> bytes:
    """The disk of a guest that has its disk through Domain0: programs and its own files."""
    programs = filesystem.files(disk_of("pith_xen").read_bytes())
    return filesystem.make({**programs, **guest.files}, n_blocks=256)


def domain0_disk(those) -> bytes:
    """Domain0's disk: programs, and of each guest the disk and the configuration."""
    contents = filesystem.files(disk_of("pith_xen").read_bytes())
    contents["disks/"] = b""
    for k, guest in enumerate(those, 1):
        lines = [f"name = {guest.name}", f"kernel = {guest.kernel}", f"memory = {guest.memory}"]
        if guest.weight or guest.cap:
            lines += [f"weight = {guest.weight}", f"cap = {guest.cap}"]
        if guest.has_shared_disk:
            contents[f"disks/{guest.name}"] = guest_disk(guest)
            lines.append(f"disk = /disks/{guest.name}")
        if guest.has_network:
            lines.append(f"vif = {mac(k)}")
        contents[f"etc/{guest.name}"] = ("\n".join(lines) + "\n").encode()
    n_bytes = sum(-(-len(data) // 4096) * 4096 for data in contents.values())
    return filesystem.make(contents, n_blocks=(n_bytes >> 12) + 160)


def system(*those, **settings) -> System:
    """A machine with Domain0 and guests, all of them started.

    Parameters
    ----------
    those : Guests, or names of PV guests
    settings : as System's

    Examples
    --------
    >>> here = system("a", Guest("b", kernel="pith"))
    >>> [line.split()[0] for line in here.xl("list").splitlines()]
    ['name', 'Domain-0', 'a', 'b']
    >>> print(here.command("rawread 64", "a"), end="")
    rawread: 262144 bytes, hash 0x4512_dd65_6f4f_25dc
    rawread: 6 requests, 1 notifications
    >>> print(here.command("xl list", "a"), end="")
    xl: not permitted
    """
    wanted = [Guest(each) if isinstance(each, str) else each for each in those]
    found = System(wanted, **settings)
    for guest in wanted:
        found.create(guest.name)
    for guest in wanted:
        found.until_prompt(guest.name)
    return found
