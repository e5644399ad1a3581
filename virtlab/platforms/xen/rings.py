"""How do two domains pass requests without asking the hypervisor each time? By a ring in one page.

The front end puts requests in and takes responses out, the back end the other way round; a response
takes the place of a request that has been taken. Indices are 32 bits wide and only count up; each
end keeps its own in private and believes the other's only as far as they can be true.

    front end   req_prod: how many requests are there      rsp_cons (private): responses taken
    back end    rsp_prod: how many responses are there     req_cons (private): requests taken

Notification avoidance. Before it sleeps, an end says in req_event or rsp_event at which index it
wants to be woken, and looks once more. Who pushes notifies only if that index was among the new:

    notify  if  new - event < new - old     (32 bits, wrapping)

Sources: Xen, xen/include/public/io/ring.h: the layout and the macros RING_PUSH_..._AND_CHECK_NOTIFY
and RING_FINAL_CHECK_FOR_...; P. Barham et al., SOSP 2003, section "Data transfer: I/O rings".
"""

from dataclasses import dataclass

from virtlab.platforms.xen import abi
from virtlab.platforms.xen.program import read_u32, write_u32

U32 = 0xFFFF_FFFF


class BadRingError(RuntimeError):
    """The other end has written an index that cannot be."""


def clear(page) -> None:
    """Make an empty ring of a page."""
    page.write(0, bytes(abi.FIRST_PLACE))
    write_u32(page, abi.REQ_EVENT, 1)
    write_u32(page, abi.RSP_EVENT, 1)


@dataclass
class Front:
    """The front end's private side of a ring: indices, and how large a place is."""

    place_bytes: int
    req_prod: int = 0
    rsp_cons: int = 0

    @property
    def n_places(self) -> int:
        """Places of the ring."""
        return abi.places(self.place_bytes)

    @property
    def free(self) -> int:
        """How many requests may still be put in."""
        return self.n_places - (self.req_prod - self.rsp_cons & U32)

    def put(self, page, request: bytes) -> None:
        """Put a request in; the other end does not see it before `push`."""
        if not self.free:
            raise ValueError(f"the ring is full; accepted are {self.n_places} requests at a time.")
        place = self.req_prod % self.n_places
        page.write(abi.FIRST_PLACE + place * self.place_bytes, request)
        self.req_prod = self.req_prod + 1 & U32

    def push(self, page) -> bool:
        """Show the requests to the other end; whether it wants to be notified."""
        old = read_u32(page, abi.REQ_PROD)
        write_u32(page, abi.REQ_PROD, self.req_prod)
        event = read_u32(page, abi.REQ_EVENT)
        return (self.req_prod - event & U32) < (self.req_prod - old & U32)

    def take(self, page, n_bytes: int) -> list[bytes]:
        """All responses that are there; and sleep after that.

        Raises
        ------
        BadRingError
            more responses than there were requests
        """
        found = []
        while True:
            prod = read_u32(page, abi.RSP_PROD)
            if (prod - self.rsp_cons & U32) > (self.req_prod - self.rsp_cons & U32):
                raise BadRingError(f"rsp_prod is {prod}, with {self.req_prod} requests put in.")
            if prod == self.rsp_cons:
                break
            place = self.rsp_cons % self.n_places
            found.append(page.read(abi.FIRST_PLACE + place * self.place_bytes, n_bytes))
            self.rsp_cons = self.rsp_cons + 1 & U32
            write_u32(page, abi.RSP_EVENT, self.rsp_cons + 1)
        return found


@dataclass
class Back:
    """The back end's private side of a ring."""

    place_bytes: int
    req_cons: int = 0
    rsp_prod: int = 0

    @property
    def n_places(self) -> int:
        """Places of the ring."""
        return abi.places(self.place_bytes)

    def waiting(self, page) -> int:
        """How many requests wait to be taken.

        Raises
        ------
        BadRingError
            more requests than the ring has places for
        """
        prod = read_u32(page, abi.REQ_PROD)
        if (prod - self.rsp_prod & U32) > self.n_places:
            raise BadRingError(f"req_prod is {prod}, with {self.rsp_prod} responses given.")
        return prod - self.req_cons & U32

    def take(self, page, n_bytes: int) -> bytes | None:
        """The next request, copied once, so that the other end cannot change what is checked.

        If there is none, the other end is asked to notify when there is, and None is returned.
        """
        if not self.waiting(page):
            write_u32(page, abi.REQ_EVENT, self.req_cons + 1)
            if not self.waiting(page):
                return None
        place = self.req_cons % self.n_places
        self.req_cons = self.req_cons + 1 & U32
        return page.read(abi.FIRST_PLACE + place * self.place_bytes, n_bytes)

    def put(self, page, response: bytes) -> None:
        """Put a response in, in the place of a request that has been taken."""
        place = self.rsp_prod % self.n_places
        page.write(abi.FIRST_PLACE + place * self.place_bytes, response)
        self.rsp_prod = self.rsp_prod + 1 & U32

    def push(self, page) -> bool:
        """Show the responses to the other end; whether it wants to be notified."""
        old = read_u32(page, abi.RSP_PROD)
        write_u32(page, abi.RSP_PROD, self.rsp_prod)
        event = read_u32(page, abi.RSP_EVENT)
        return (self.rsp_prod - event & U32) < (self.rsp_prod - old & U32)
