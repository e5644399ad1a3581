"""Where do domains live? In places on one host memory, given back when they end.

    machine addresses  | domain 0: RAM, pages of the hypervisor | free | domain 2: RAM, pages | ...

A place is as large as a domain may ever become. How much of it is there is counted elsewhere
(memory.py), in frames. Each place has a VMID and a range of ASIDs of its own, so that the hart can
tell the translations of all domains apart; they are used again when the domain is gone, and what
the hart has remembered under them is forgotten first.

# Model: a domain's pages are contiguous, where Xen's may be any; and the hypervisor's own pages for
a domain, up to 8 MiB, are not counted as memory of the machine.
"""

import numpy as np

from virtlab.hypervisors.host import TAGS, Place, host_memory
from virtlab.hypervisors.shadow import N_CONTEXTS
from virtlab.hypervisors.virtual_machine import ROW_SPAN, reset_host_hart
from virtlab.machine import boot
from virtlab.machine.machine import CODE_ROWS
from virtlab.machine.ram import forget_all_code
from virtlab.machine.state import PAGE_CODE, PAGE_DIRTY, ROW
from virtlab.machine.tlb import EMPTY
from virtlab.machine.zeroed import zeroed

MOST_PLACES = 255  # of which each has 64 of the 65,536 ASIDs


class HostMemory:
    """One hart and one memory for all domains of a machine.

    Parameters
    ----------
    n_bytes : int, machine addresses that places may use

    Attributes
    ----------
    mem : Memory of `n_bytes`
    harts : (1,) of dtype HART
    places : dict from whoever lives there to its Place
    wanted_base : where the next place shall begin, None for the first that is free
    """

    def __init__(self, n_bytes: int):
        self.mem = host_memory(n_bytes)
        self.harts = boot.new_hart()
        reset_host_hart(self.harts[0], n_bytes)
        self.places: dict[object, Place] = {}
        self.wanted_base: int | None = None

    def place(self, who, n_bytes: int) -> Place:
        """A place of `n_bytes` for `who`, zeroed; the one it has, if it is switched on again.

        Raises
        ------
        ValueError
            no place of that size, or not the wanted one, is free
        """
        if who in self.places:
            return self.cleared(who)
        base = self._first_free(n_bytes) if self.wanted_base is None else self.wanted_base
        if base is None or not self.is_free(base, n_bytes):
            raise ValueError(
                f"no {n_bytes >> 20} MiB of machine addresses are free"
                f"{'' if base is None else f' at {base:#x}'}; accepted are smaller or fewer "
                "domains."
            )
        taken = {place.number for place in self.places.values()}
        number = min(set(range(1, MOST_PLACES + 1)) - taken, default=None)
        if number is None:
            raise ValueError(f"there are {MOST_PLACES} domains; accepted are no more.")
        asid = 1 + N_CONTEXTS * (number - 1)
        self.places[who] = Place(base, n_bytes, number, asid, self.mem, self.harts)
        return self.cleared(who)

    def _first_free(self, n_bytes: int) -> int | None:
        ends = [0] + [p.base + -(-p.n_bytes // ROW_SPAN) * ROW_SPAN for p in self.places.values()]
        return next((base for base in sorted(ends) if self.is_free(base, n_bytes)), None)

    def is_free(self, base: int, n_bytes: int) -> bool:
        """Whether a place of `n_bytes` may begin at offset `base`, a multiple of 4 MiB."""
        inside = base % ROW_SPAN == 0 and 0 <= base <= len(self.mem.u8) - n_bytes
        return inside and all(
            base + n_bytes <= p.base or p.base + p.n_bytes <= base for p in self.places.values()
        )

    def cleared(self, who) -> Place:
        """The place of `who`, zeroed, with rows of decoded instructions of its own."""
        place, mem = self.places[who], self.mem
        mem.u8[place.base : place.base + place.n_bytes] = 0
        pages = mem.pages[place.base >> 12 : (place.base + place.n_bytes) >> 12]
        pages[:] = PAGE_DIRTY
        self.forget_translations()
        return place._replace(mem=mem._replace(code=zeroed((CODE_ROWS + 1) * ROW, np.int64)))

    def release(self, who) -> None:
        """Give a place back. Its contents are wiped, so that nobody finds them."""
        self.cleared(who)
        del self.places[who]

    def forget_translations(self) -> None:
        """Have the hart forget all translations; after a right has been taken away."""
        for tags in TAGS:
            self.harts[tags][:] = EMPTY

    def write(self, at: int, data: bytes, vm=None) -> None:
        """Write at an offset in host memory; `vm` owns the page and may have decoded it."""
        mem = self.mem
        mem.u8[at : at + len(data)] = np.frombuffer(data, np.uint8)
        pages = mem.pages[at >> 12 : (at + len(data) + 4095) >> 12]
        pages |= PAGE_DIRTY
        if vm is not None and (pages & PAGE_CODE).any():
            forget_all_code(vm._host)
