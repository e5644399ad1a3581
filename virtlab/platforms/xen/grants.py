"""How does a domain let another use one page, and only that? By an entry in its grant table.

The domain writes an entry: for whom, which page, to be read only or not. It tells the other domain
the entry's number, the reference. The other passes the reference to the hypervisor, which looks at
the entry, and at everything else that could be wrong, and then

    MAP      lets the page appear in the other domain's window, until UNMAP
    COPY     copies bytes from or to it, which needs no mapping and leaves none behind

The granter cannot take a page back while it is mapped: the hypervisor notes each mapping (it does
not believe the entry's READING and WRITING bits, which the granter can change), a page that is
mapped can neither become a page table nor be given back to the machine, and a domain that is
destroyed stays "dying" until the last of its pages has been unmapped. When a domain that has mapped
pages of others is destroyed, its mappings go with it.

# Model: a page from which its owner executes while another writes to it may show the owner old
instructions, as on hardware without FENCE.I. The window has 512 places; in Xen a domain may map a
page anywhere. Transfer of whole pages is left out, as Xen has given it up.

Source: Xen, xen/include/public/grant_table.h (version 1) and xen/common/grant_table.c; K. Fraser et
al., "Safe Hardware Access with the Xen Virtual Machine Monitor", OASIS 2004, section on grants.
"""

from virtlab.hypervisors.direct_paging import KIND, ONE, ORDINARY
from virtlab.platforms.xen import abi
from virtlab.platforms.xen.domain import Domain, Mapping

PAGE = 4096


def setup(xen, caller: Domain, gfn: int) -> int:
    """Say in which page the grant table is."""
    if not xen.has_page(caller, gfn):
        return -abi.BAD_ADDRESS
    if xen.is_table(caller, gfn):
        return -abi.NO_ACCESS
    if caller.grant_table is not None:
        if _mapped_by_others(xen, caller):
            return -abi.BUSY
        _hold(xen, caller, caller.grant_table, -ONE)
    caller.grant_table = gfn
    _hold(xen, caller, gfn, ONE)  # the hypervisor writes to it: it never becomes a page table
    return 0


def _mapped_by_others(xen, granter: Domain, page: int | None = None) -> bool:
    return any(
        m.granter == granter.number and page in (None, m.page)
        for domain in xen.domains.values()
        for m in domain.maps.values()
    )


def is_mapped(xen, granter: Domain, gfn: int) -> bool:
    """Whether another domain has a page of the granter's mapped."""
    return _mapped_by_others(xen, granter, xen.host_page(granter, gfn))


def any_mapped(xen, granter: Domain) -> bool:
    """Whether another domain has any page of the granter's mapped."""
    return _mapped_by_others(xen, granter)


def entry_at(xen, granter: Domain, reference: int) -> tuple[int, int, int]:
    """(flags, domain, frame) of a grant table's entry."""
    at = (granter.grant_table << 12) + abi.GRANT_ENTRY.size * reference
    return abi.GRANT_ENTRY.unpack(xen.read(granter, at, abi.GRANT_ENTRY.size))


def write_entry(xen, granter: Domain, reference: int, flags: int, domain: int, frame: int) -> None:
    """Write an entry: the granter's own business, or the hypervisor's for the bits in use."""
    at = (granter.grant_table << 12) + abi.GRANT_ENTRY.size * reference
    xen.write(granter, at, abi.GRANT_ENTRY.pack(flags, domain, frame))


def _granted(xen, caller: Domain, granter_number: int, reference: int, writing: bool):
    """The granter and the gfn that a reference stands for, or (error, None)."""
    granter = xen.living(granter_number)
    if granter is None:
        return -abi.NO_DOMAIN, None
    if granter.grant_table is None or not 0 <= reference < abi.N_GRANTS:
        return -abi.NO_ENTRY, None
    if not xen.has_page(granter, granter.grant_table):
        return -abi.NO_ENTRY, None
    flags, domain, frame = entry_at(xen, granter, reference)
    if not flags & abi.PERMIT or domain != caller.number:
        return -abi.NO_ACCESS, None
    if writing and flags & abi.READ_ONLY:
        return -abi.NO_ACCESS, None
    if not xen.has_page(granter, frame):
        return -abi.BAD_ADDRESS, None
    if writing and granter.kind == "pv":
        words = xen.machines[granter.number].page_words()
        if words[frame - xen.first_gfn] & KIND != ORDINARY:  # a page table
            return -abi.NO_ACCESS, None
    return granter, frame


def map_grant(xen, caller: Domain, granter_number: int, reference: int, flags: int) -> int:
    """The address at which a granted page appears; or an error."""
    writable = not flags & abi.MAP_READ_ONLY
    granter, frame = _granted(xen, caller, granter_number, reference, writable)
    if frame is None:
        return granter
    slot = next((k for k in range(abi.N_SLOTS) if k not in caller.maps), None)
    if slot is None:
        return -abi.NO_SPACE
    page = xen.host_page(granter, frame)
    if not xen.show_in_window(caller, slot, page, writable):
        return -abi.INVALID
    if writable:
        _hold(xen, granter, frame, ONE)
        xen.forget_code(granter, frame)
    caller.maps[slot] = Mapping(granter.number, reference, page, writable)
    used, domain, frame = entry_at(xen, granter, reference)
    bits = abi.READING | (abi.WRITING if writable else 0)
    write_entry(xen, granter, reference, used | bits, domain, frame)
    caller.count("grants_mapped")
    return abi.WINDOW + slot * PAGE


def _hold(xen, granter: Domain, gfn: int, n: int) -> None:
    """A page of a PV domain that another may write to counts as writable."""
    if granter.kind == "pv":
        xen.machines[granter.number].page_words()[gfn - xen.first_gfn] += n


def unmap_grant(xen, caller: Domain, address: int) -> int:
    """Take a page out of the window."""
    slot, rest = divmod(address - abi.WINDOW, PAGE)
    if rest or slot not in caller.maps:
        return -abi.BAD_HANDLE
    drop_mapping(xen, caller, slot)
    caller.count("grants_unmapped")
    return 0


def drop_mapping(xen, caller: Domain, slot: int) -> None:
    """Undo one mapping, and see whether that was the last of a dying domain."""
    mapping = caller.maps.pop(slot)
    xen.hide_in_window(caller, slot, mapping)
    granter = xen.domains[mapping.granter]
    if mapping.writable and not granter.dying:
        _hold(xen, granter, xen.gfn_of(granter, mapping.page), -ONE)
    if granter.dying:
        xen.bury(granter)
        return
    others = [
        m
        for domain in xen.domains.values()
        for m in domain.maps.values()
        if (m.granter, m.reference) == (mapping.granter, mapping.reference)
    ]
    table = granter.grant_table
    if table is not None and xen.has_page(granter, table):
        flags, domain, frame = entry_at(xen, granter, mapping.reference)
        flags &= ~(abi.READING | abi.WRITING)
        flags |= abi.READING * bool(others) | abi.WRITING * any(m.writable for m in others)
        write_entry(xen, granter, mapping.reference, flags, domain, frame)


def drop_all(xen, domain: Domain) -> None:
    """Undo all mappings of a domain that ends."""
    for slot in list(domain.maps):
        drop_mapping(xen, domain, slot)


def copy(xen, caller: Domain, gpa: int, count: int) -> int:
    """Carry out copies in order up to the first that is refused; how many were done.

    Parameters
    ----------
    gpa : of `count` GRANT_COPY records; each one's result is written into it
    """
    size = abi.GRANT_COPY.size
    if not 0 <= count <= abi.MOST_COPIES:
        return -abi.INVALID
    records = xen.read(caller, gpa, size * count)
    if records is None:
        return -abi.BAD_ADDRESS
    for k in range(count):
        *fields, _ = abi.GRANT_COPY.unpack_from(records, size * k)
        result = _copy_one(xen, caller, fields)
        record = abi.GRANT_COPY.pack(*fields, result)
        if not xen.write(caller, gpa + size * k, record):
            return -abi.BAD_ADDRESS
        if result < 0:
            return k or result
    return count


def _copy_one(xen, caller: Domain, fields) -> int:
    from_domain, source, from_offset, to_domain, target, to_offset, n_bytes, flags = fields
    if max(from_offset, to_offset) + n_bytes > PAGE:
        return -abi.INVALID
    ends = []
    for number, reference, is_grant, writing in (
        (from_domain, source, flags & abi.SOURCE_IS_GRANT, False),
        (to_domain, target, flags & abi.DESTINATION_IS_GRANT, True),
    ):
        if is_grant:
            domain, frame = _granted(xen, caller, number, reference, writing)
            if frame is None:
                return domain
        else:
            domain, frame = caller, reference
            if number != abi.SELF:
                return -abi.NOT_PERMITTED
            if not xen.has_page(caller, frame):
                return -abi.BAD_ADDRESS
            if writing and xen.is_table(caller, frame):
                return -abi.NO_ACCESS
        ends.append((domain, frame))
    (granter, frame), (taker, target) = ends
    data = xen.read(granter, (frame << 12) + from_offset, n_bytes)
    xen.write(taker, (target << 12) + to_offset, data)
    caller.count("grant_copies")
    caller.count("grant_bytes", n_bytes)
    return 0


GRANT_OPS = {
    abi.SETUP: (setup, 1),
    abi.MAP: (map_grant, 3),
    abi.UNMAP: (unmap_grant, 1),
    abi.COPY: (copy, 2),
}
