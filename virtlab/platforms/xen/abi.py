"""What do a domain and the hypervisor agree on? Calls, event bits, grant entries, shared rings.

A paravirtual domain's own calls and its shared page are those of hypervisors/paravirt_abi.py; this
module adds what several domains need. An unmodified guest has no part in it unless it has drivers
that know: then it calls in the same way, by SBI's range for vendors, and nominates a shared page.

    call      PV: number in a7       HVM: EXTENSION in a7, number in a6
    both      arguments in a0 to a4; the result in a0, zero or more, or an error, negated

Addresses in calls are guest physical, pages are counted in 4 KiB (gfn = gpa >> 12).

    EVENT     op 0 ALLOC_UNBOUND remote domain            a port that the remote domain may bind to
              op 1 BIND_INTERDOMAIN domain, its port      a port of the caller's, both are joined
              op 2 BIND_VIRQ virq                         a port at which the hypervisor reports
              op 3 SEND port, op 4 CLOSE port, op 5 UNMASK port
              op 6 STATUS port                            CHANNEL_ state
    GRANT     op 0 SETUP gfn                              the page that holds the grant table
              op 1 MAP domain, reference, flags           the address where the page appears
              op 2 UNMAP address
              op 3 COPY gpa of records, count             GRANT_COPY records; how many were done
    MEMORY    op 0 CURRENT, op 1 MAXIMUM                  pages
              op 2 DECREASE gpa of gfns, count            gives pages back; how many
              op 3 INCREASE gpa of gfns, count            gets pages again; how many
    CONTROL   op, see CONTROLS: Domain0 only
    SCHED     op 0 YIELD, op 1 BLOCK (HVM: WFI does it), op 2 SHUTDOWN reason
    STORE     op 0 READ path, buffer, bytes               length of the value
              op 1 WRITE path, value, bytes
              op 2 REMOVE path, op 3 LIST path, buffer, bytes
              op 4 WATCH path, port; op 5 UNWATCH path
              op 6 NEXT buffer, bytes                     the next path that a watch has seen
              paths are addresses of text that ends in a zero byte
    SHARED    gpa                                         HVM: the page for event bits
    DEVICE    op 0 READ device, register, op 1 WRITE device, register, value

Event bits lie in two levels in the shared page, as in Xen: a port is a bit of a word, a word is a
bit of the selector. A port that becomes pending and is not masked sets its selector bit and asks
for an upcall: PV an event (bit EVENT_UPCALL of the word `pending`), HVM interrupt source 16.

A grant table is a page of 512 entries of 8 bytes, written by the domain: flags (u16), domain (u16),
frame (u32). The hypervisor sets READING and WRITING while somebody uses the page; a domain takes an
entry back by clearing its flags when neither is set.

A ring is a page: indices of 32 bits that only count up, then a power of two of places, each used
for a request and afterwards for its response.

    0 req_prod   4 req_event   8 rsp_prod   12 rsp_event   64 the first place

Who has put requests in notifies the other side only if req_event is among the new ones; likewise
for responses. So a side that is still at work is not disturbed.

# Model: the structure is Xen's, the numbers and the registers are this book's own. Arguments that
Xen passes in records are in registers, and the store is a call; in Xen it is a ring too.

Sources: Xen, xen/include/public: event_channel.h, grant_table.h (version 1), memory.h, domctl.h,
sched.h, io/ring.h, io/blkif.h, io/netif.h, for the shape of each.
"""

import struct

ABI_VERSION = 1
EXTENSION = 0x0958_454E  # SBI 2.0: 0x09000000 to 0x09FFFFFF are for vendors

EVENT, GRANT, MEMORY, CONTROL, SCHED, STORE, SHARED, DEVICE = range(32, 40)
CALLS = {32: "EVENT", 33: "GRANT", 34: "MEMORY", 35: "CONTROL"}
CALLS |= {36: "SCHED", 37: "STORE", 38: "SHARED", 39: "DEVICE"}

NOT_PERMITTED, NO_ENTRY, NO_DOMAIN, TOO_BIG, BAD_HANDLE = 1, 2, 3, 7, 9
NO_MEMORY, NO_ACCESS, BAD_ADDRESS, BUSY, EXISTS = 12, 13, 14, 16, 17
INVALID, NO_SPACE, NO_CALL = 22, 28, 38
ERRORS = {
    NOT_PERMITTED: "not permitted",
    NO_ENTRY: "no such entry",
    NO_DOMAIN: "no such domain",
    TOO_BIG: "too long",
    BAD_HANDLE: "not in use",
    NO_MEMORY: "not enough memory",
    NO_ACCESS: "access is not granted",
    BAD_ADDRESS: "not in the caller's memory",
    BUSY: "in use",
    EXISTS: "exists already",
    INVALID: "an argument makes no sense",
    NO_SPACE: "no place left",
    NO_CALL: "no such call",
}

SELF = 0x7FF0  # a domain's number for itself

# Event channels.
ALLOC_UNBOUND, BIND_INTERDOMAIN, BIND_VIRQ, SEND, CLOSE, UNMASK, STATUS = range(7)
CHANNEL_CLOSED, CHANNEL_UNBOUND, CHANNEL_JOINED, CHANNEL_VIRQ = range(4)
VIRQ_DOMAIN = 3  # a domain has ended, crashed or gone
N_PORTS = 512  # port 0 is never given out
SHARED_SELECTOR = 0x180
SHARED_CHANNELS = 0x480  # N_PORTS / 64 words
SHARED_CHANNELS_MASKED = 0x4C0
UPCALL_SOURCE = 16  # at an HVM domain's interrupt controller

# Grants.
SETUP, MAP, UNMAP, COPY = range(4)
N_GRANTS = 512
PERMIT, READ_ONLY, READING, WRITING = 1, 4, 8, 16
GRANT_ENTRY = struct.Struct("<HHI")  # flags, domain, frame
MAP_READ_ONLY = 1
WINDOW = 0xC000_0000  # where pages of others appear: PV virtual, HVM guest physical addresses
N_SLOTS = 512
# source domain, reference or gfn, offset; destination the same; bytes; flags; result (written)
GRANT_COPY = struct.Struct("<3I3IIIi4x")
SOURCE_IS_GRANT, DESTINATION_IS_GRANT = 1, 2
MOST_COPIES = 64

# Memory.
CURRENT, MAXIMUM, DECREASE, INCREASE = range(4)
MOST_PAGES = 512  # in one call

# The control interface, by name; (arguments).
CREATE, DESTROY, PAUSE, UNPAUSE, INFO, LIST, MAX_MEMORY, SCHEDULE, ASSIGN, DEASSIGN = range(10)
CONTROLS = dict(
    create=CREATE,  # gpa of a CREATE_RECORD; the domain's number
    destroy=DESTROY,  # domain
    pause=PAUSE,  # domain
    unpause=UNPAUSE,  # domain
    info=INFO,  # domain, gpa of an INFO_RECORD
    list=LIST,  # gpa of INFO_RECORDs, how many fit; how many there are
    max_memory=MAX_MEMORY,  # domain, pages
    schedule=SCHEDULE,  # domain, weight, cap in percent of a hart, 0: none
    assign=ASSIGN,  # domain, device
    deassign=DEASSIGN,  # device
)
CREATE_RECORD = struct.Struct("<32s32sQQQ")  # name, image, pages, weight, cap
# number, flags, pages, most pages, weight, cap, time on the hart in ticks of 100 ns, name
INFO_RECORD = struct.Struct("<7Q32s")
INFO_PAUSED, INFO_BLOCKED, INFO_ENDED, INFO_DYING, INFO_HVM = 1, 2, 4, 8, 16

YIELD, BLOCK, SHUTDOWN = range(3)
STORE_READ, STORE_WRITE, STORE_REMOVE, STORE_LIST, STORE_WATCH, STORE_UNWATCH, STORE_NEXT = range(7)
DEVICE_READ, DEVICE_WRITE = range(2)

# Rings.
REQ_PROD, REQ_EVENT, RSP_PROD, RSP_EVENT = 0, 4, 8, 12
FIRST_PLACE = 64
BLOCK_REQUEST = struct.Struct("<BBH4xQQ")  # operation, n_segments, handle, id, sector
BLOCK_SEGMENT = struct.Struct("<IBB2x")  # grant reference, first and last sector in the page
BLOCK_RESPONSE = struct.Struct("<QBxh4x")  # id, operation, status
MOST_SEGMENTS = 11
BLOCK_PLACE_BYTES = BLOCK_REQUEST.size + MOST_SEGMENTS * BLOCK_SEGMENT.size
BLOCK_READ, BLOCK_WRITE = 0, 1
NET_TX_REQUEST = struct.Struct("<IHHHH")  # grant reference, offset, flags, id, bytes
NET_TX_RESPONSE = struct.Struct("<Hh")  # id, status
NET_RX_REQUEST = struct.Struct("<HxxI")  # id, grant reference
NET_RX_RESPONSE = struct.Struct("<HHHh")  # id, offset, flags, bytes or status
STATUS_OK, STATUS_ERROR = 0, -1


def places(place_bytes: int) -> int:
    """How many places of `place_bytes` a ring page has: the largest power of two that fits."""
    return 1 << ((4096 - FIRST_PLACE) // place_bytes).bit_length() - 1
