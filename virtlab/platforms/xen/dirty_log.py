"""Which pages has a domain written since we looked last? Protect them all, and note each fault.

While the log is kept no page of the domain can be written at first. The first store to one leaves
the guest; the page is noted and opened, and later stores are free. Reading the log protects all
again.

    HVM     the right to write is taken out of the G-stage table
    PV      the guest's tables are its own; a second stage is put below them, from machine addresses
            to the same, in which pages are opened (see paravirt.use_second_stage)

The hypervisor, devices and other domains write too, by other ways. Such a page is still protected
against its domain and marked as written all the same (PAGE_DIRTY), which no store of the domain can
bring about: it is noted when the log is read. So is every page that others may write by a grant.

# Model: Xen puts shadow page tables below a PV domain's own; a second stage of the hart's does the
same with fewer words.

Source: C. Clark et al., "Live Migration of Virtual Machines", NSDI 2005, section 5.1, "Managed
Migration".
"""

import numpy as np

from virtlab.hypervisors.direct_paging import SECOND_STAGE
from virtlab.hypervisors.exits import Action
from virtlab.hypervisors.gstage import LARGE_PAGES, ROOT
from virtlab.isa import encoding as e
from virtlab.machine.state import PAGE_DIRTY, RAM_BASE
from virtlab.platforms.xen.domain import Domain, table_entry

LEAF = e.PTE_V | e.PTE_R | e.PTE_X | e.PTE_U | e.PTE_A | e.PTE_D
ROOT_PAGES = 4


def start(xen, domain: Domain) -> None:
    """Keep the log from now on."""
    machine = xen.machines[domain.number]
    domain.dirty_log = set()
    if domain.kind == "pv":
        domain.stage_pages = 0
        machine._state[SECOND_STAGE] = _new_table(xen, domain, ROOT_PAGES)
    elif domain.kind == "hvm":
        machine._state[LARGE_PAGES] = 0
    read(xen, domain)


def stop(xen, domain: Domain) -> None:
    """Keep it no longer; everything is open again."""
    domain.dirty_log = None
    if domain.kind == "pv":
        xen.machines[domain.number]._state[SECOND_STAGE] = 0
    elif domain.kind == "hvm":
        for leaf in _leaves(xen, domain):
            xen.host.mem.u64[leaf] |= e.PTE_W
    xen.host.forget_translations()


def peek(xen, domain: Domain) -> set[int]:
    """The gfns of pages written since the log was read last."""
    u64 = xen.host.mem.u64
    opened = set()
    for leaf in _leaves(xen, domain):
        if u64[leaf] & e.PTE_W:
            opened.add(_page_of(int(u64[leaf])))
    first, n_pages = domain.base >> 12, domain.ram_bytes >> 12
    flags = xen.host.mem.pages[first : first + n_pages]
    written = {first + int(k) for k in np.flatnonzero(flags & PAGE_DIRTY)} - opened
    written |= {
        mapping.page
        for other in xen.domains.values()
        for mapping in other.maps.values()
        if mapping.writable and mapping.granter == domain.number
    }
    return domain.dirty_log | {xen.gfn_of(domain, page) for page in written}


def read(xen, domain: Domain) -> set[int]:
    """The same, and begin anew: all pages are protected again."""
    found = peek(xen, domain)
    u64 = xen.host.mem.u64
    for leaf in _leaves(xen, domain):
        u64[leaf] &= ~e.PTE_W
    first, n_pages = domain.base >> 12, domain.ram_bytes >> 12
    xen.host.mem.pages[first : first + n_pages] &= 0xFF & ~PAGE_DIRTY
    xen.host.forget_translations()
    domain.dirty_log = set()
    return found


def note(xen, domain: Domain, gfn: int) -> None:
    """A page of an HVM domain is opened."""
    if domain.dirty_log is not None:
        domain.dirty_log.add(gfn)
        domain.count("dirty_faults")


def open_page(xen, domain: Domain, address: int, cause: int) -> Action:
    """Answer a PV domain's fault in the second stage.

    A page that is there already and faults again is to be written, by a store or by the hart
    itself, which sets an entry's dirty bit.
    """
    page = address - RAM_BASE >> 12
    inside = domain.base >> 12 <= page < domain.base + domain.ram_bytes >> 12
    mapping = next((m for m in domain.maps.values() if m.page == page), None)
    machine = xen.machines[domain.number]
    tables = [offset >> 12 for offset in machine.window_tables()]
    if not inside and mapping is None and page not in tables:
        return Action.STOP
    at = _leaf_of(xen, domain, address)
    u64 = xen.host.mem.u64
    writing = cause == e.CAUSE_STORE_GUEST_PAGE or bool(u64[at])
    bits = LEAF
    if writing and inside:
        bits |= e.PTE_W
        domain.dirty_log.add(xen.gfn_of(domain, page))
        domain.count("dirty_faults")
    elif mapping is not None and any(m.writable for m in domain.maps.values() if m.page == page):
        bits |= e.PTE_W
    u64[at] = (address >> 12) << e.PTE_PPN_SHIFT | bits
    xen.host.forget_translations()
    return Action.RETRY


# Tables


def _new_table(xen, domain: Domain, n_pages: int = 1) -> int:
    """Offset of a zeroed table among the hypervisor's pages for a PV domain."""
    vm = xen.machines[domain.number]._vms[0]
    offset = int(vm.pool) + (domain.stage_pages << 12)
    domain.stage_pages += n_pages
    xen.host.mem.u8[offset : offset + (n_pages << 12)] = 0
    return offset


def _leaf_of(xen, domain: Domain, address: int) -> int:
    """Index in u64 of a PV domain's second-stage leaf for an address; made if it is not there."""
    u64 = xen.host.mem.u64
    table = int(xen.machines[domain.number]._state[SECOND_STAGE])
    for level in (2, 1):
        at = (table >> 3) + (address >> 12 + 9 * level & (0x7FF if level == 2 else 0x1FF))
        if not u64[at]:
            u64[at] = table_entry(_new_table(xen, domain))
        table = _page_of(int(u64[at])) << 12
    return (table >> 3) + (address >> 12 & 0x1FF)


def _page_of(entry: int) -> int:
    """The page of host memory to which an entry leads."""
    return (entry >> e.PTE_PPN_SHIFT & e.PTE_PPN) - (RAM_BASE >> 12)


def _leaves(xen, domain: Domain) -> list[int]:
    """Indices in u64 of all leaves that open pages of the domain's own RAM."""
    machine = xen.machines[domain.number]
    if domain.kind == "python":
        return []
    root = int(machine._state[SECOND_STAGE if domain.kind == "pv" else ROOT])
    u64, found = xen.host.mem.u64, []
    first, last = domain.base >> 12, domain.base + domain.ram_bytes >> 12
    for top in u64[root >> 3 : (root >> 3) + 2048].tolist() if root else ():
        if not top & e.PTE_V:
            continue
        middle = (_page_of(top) << 12) >> 3
        for entry in u64[middle : middle + 512].tolist():
            if not entry & e.PTE_V:
                continue
            table = (_page_of(entry) << 12) >> 3
            leaves = u64[table : table + 512]
            pages = (leaves >> e.PTE_PPN_SHIFT & e.PTE_PPN) - (RAM_BASE >> 12)
            own = (leaves & e.PTE_V != 0) & (pages >= first) & (pages < last)
            found += (table + np.flatnonzero(own)).tolist()
    return found


def forget_stage(xen, domain: Domain, page: int) -> None:
    """A page of another's has left the window: close it in the second stage too."""
    if domain.kind == "pv" and domain.dirty_log is not None:
        if all(m.page != page for m in domain.maps.values()):
            xen.host.mem.u64[_leaf_of(xen, domain, RAM_BASE + (page << 12))] = 0


def unmap_gstage(xen, domain: Domain, gfn: int) -> None:
    """Take a page out of an HVM domain's G-stage table."""
    page = xen.host_page(domain, gfn)
    for leaf in _leaves(xen, domain):
        if _page_of(int(xen.host.mem.u64[leaf])) == page:
            xen.host.mem.u64[leaf] = 0
