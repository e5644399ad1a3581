"""How does memory move between domains? A balloon in the guest, and a count of frames here.

The machine has frames; each page that a domain has is one. A domain may have as many as its maximum
says. Its balloon driver takes pages from its own kernel and gives them back (DECREASE), or asks for
them again (INCREASE), which succeeds while there are frames left and the maximum allows it.

A page that is given back is wiped. It must not be in use: as a page table or a writable page of a
PV kernel, as the shared page or the grant table, or mapped by another domain.

# Model: a page that is not there can still be the target of an HVM domain's own virtual disk.

Source: C. Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002, section
"Ballooning"; Xen, xen/include/public/memory.h, XENMEM_decrease_reservation and
XENMEM_populate_physmap.
"""

import struct

from virtlab.hypervisors.direct_paging import ABSENT, ORDINARY
from virtlab.platforms.xen import abi, grants
from virtlab.platforms.xen.domain import Domain


def current(xen, caller: Domain) -> int:
    """Pages that the caller has."""
    return caller.n_pages


def maximum(xen, caller: Domain) -> int:
    """Pages that the caller may have."""
    return caller.max_pages


def _gfns(xen, caller: Domain, gpa: int, count: int):
    if not 0 <= count <= abi.MOST_PAGES:
        return None
    data = xen.read(caller, gpa, 8 * count)
    return None if data is None else struct.unpack(f"<{count}Q", data)


def decrease(xen, caller: Domain, gpa: int, count: int) -> int:
    """Take pages from the caller; how many, up to the first that it cannot give."""
    gfns = _gfns(xen, caller, gpa, count)
    if gfns is None:
        return -abi.BAD_ADDRESS
    for done, gfn in enumerate(gfns):
        error = take_page(xen, caller, gfn)
        if error:
            return done or -error
    return count


def take_page(xen, domain: Domain, gfn: int) -> int:
    """Take one page; 0 or an error."""
    if not xen.has_page(domain, gfn):
        return abi.BAD_ADDRESS
    shared = None if domain.shared is None else xen.first_gfn + (domain.shared >> 12)
    if gfn in (shared, domain.grant_table) or grants.is_mapped(xen, domain, gfn):
        return abi.BUSY
    if domain.kind == "pv":
        words = xen.machines[domain.number].page_words()
        if words[gfn - xen.first_gfn] != ORDINARY:
            return abi.BUSY
        words[gfn - xen.first_gfn] = ABSENT
    xen.write(domain, gfn << 12, bytes(4096), privileged=True)
    domain.absent.add(gfn)
    domain.n_pages -= 1
    domain.count("pages_given_back")
    if domain.kind == "hvm":
        xen.forget_page(domain, gfn)
    return 0


def increase(xen, caller: Domain, gpa: int, count: int) -> int:
    """Give pages to the caller; how many, up to the first that cannot be had."""
    gfns = _gfns(xen, caller, gpa, count)
    if gfns is None:
        return -abi.BAD_ADDRESS
    for done, gfn in enumerate(gfns):
        error = give_page(xen, caller, gfn)
        if error:
            return done or -error
    return count


def give_page(xen, domain: Domain, gfn: int) -> int:
    """Give one page at a place where there is none; 0 or an error."""
    if gfn not in domain.absent:
        return abi.INVALID
    if domain.n_pages >= domain.max_pages or xen.free_pages < 1:
        return abi.NO_MEMORY
    domain.absent.discard(gfn)
    domain.n_pages += 1
    if domain.kind == "pv":
        xen.machines[domain.number].page_words()[gfn - xen.first_gfn] = ORDINARY
    return 0


MEMORY_OPS = {
    abi.CURRENT: (current, 0),
    abi.MAXIMUM: (maximum, 0),
    abi.DECREASE: (decrease, 2),
    abi.INCREASE: (increase, 2),
}
