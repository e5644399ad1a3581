"""How does a kernel in C learn the ABI? From a header that is made of the Python module.

`c_header()` is the text. Constants have the names of abi.py behind XEN_; records have the layout of
its structs, which the compiler checks.
"""

from virtlab.hypervisors.paravirt import EVENT_UPCALL
from virtlab.platforms.xen import abi

# Records: the C type's name, the struct of abi.py, the fields.
RECORDS = (
    (
        "xen_grant_entry",
        "GRANT_ENTRY",
        "volatile uint16_t flags; uint16_t domain; uint32_t frame;",
    ),
    (
        "xen_grant_copy",
        "GRANT_COPY",
        "struct { uint32_t domain, reference, offset; } source, destination; "
        "uint32_t n_bytes, flags; int32_t result; uint32_t unused;",
    ),
    (
        "xen_create",
        "CREATE_RECORD",
        "char name[32], image[32]; uint64_t pages, weight, cap;",
    ),
    (
        "xen_info",
        "INFO_RECORD",
        "uint64_t number, flags, pages, max_pages, weight, cap, run_ticks; char name[32];",
    ),
    (
        "xen_block_segment",
        "BLOCK_SEGMENT",
        "uint32_t reference; uint8_t first_sector, last_sector; uint16_t unused;",
    ),
    (
        "xen_block_response",
        "BLOCK_RESPONSE",
        "uint64_t id; uint8_t operation, unused; int16_t status; uint32_t unused2;",
    ),
    (
        "xen_net_tx_request",
        "NET_TX_REQUEST",
        "uint32_t reference; uint16_t offset, flags, id, n_bytes;",
    ),
    ("xen_net_tx_response", "NET_TX_RESPONSE", "uint16_t id; int16_t status;"),
    (
        "xen_net_rx_request",
        "NET_RX_REQUEST",
        "uint16_t id, unused; uint32_t reference;",
    ),
    (
        "xen_net_rx_response",
        "NET_RX_RESPONSE",
        "uint16_t id, offset, flags; int16_t status;",
    ),
)
BLOCK_REQUEST = """struct xen_block_request {
    uint8_t operation, n_segments;
    uint16_t handle;
    uint32_t unused;
    uint64_t id, sector;
    struct xen_block_segment segments[XEN_MOST_SEGMENTS];
};
_Static_assert(sizeof(struct xen_block_request) == XEN_BLOCK_PLACE_BYTES, "block request");
"""
RING = """struct xen_ring {
    volatile uint32_t req_prod, req_event, rsp_prod, rsp_event;
    uint8_t unused[XEN_FIRST_PLACE - 16];
    uint8_t places[4096 - XEN_FIRST_PLACE];
};
_Static_assert(sizeof(struct xen_ring) == 4096, "ring");
"""


def constants() -> dict[str, int]:
    """The ABI's numbers by name."""
    found = {
        name: value
        for name, value in vars(abi).items()
        if name.isupper() and isinstance(value, int) and not name.startswith("_")
    }
    return found | {"EVENT_UPCALL": EVENT_UPCALL}


def c_header() -> str:
    """The header's text, for C and, as far as the constants go, for assembly.

    Examples
    --------
    >>> [line for line in c_header().splitlines() if "XEN_GRANT " in line]
    ['#define XEN_GRANT 0x21']
    """
    lines = [
        "// The ABI of virtlab/platforms/xen/abi.py, which explains it; this is made from that.",
        "#pragma once",
        "",
        *(f"#define XEN_{name} {_number(value)}" for name, value in constants().items()),
        "",
        "#ifndef __ASSEMBLER__",
        "#include <stdint.h>",
        "",
    ]
    for name, layout, fields in RECORDS:
        size = getattr(abi, layout).size
        lines += [
            f"struct {name} {{",
            *(f"    {each.strip()};" for each in _fields(fields)),
            "};",
            f'_Static_assert(sizeof(struct {name}) == {size}, "{name}");',
        ]
    return "\n".join([*lines, BLOCK_REQUEST + RING + "#endif", ""])


def _number(value: int) -> str:
    return f"{value:#x}" if value >= 0 else f"({value})"


def _fields(text: str) -> list[str]:
    """Declarations, of which one may be a struct."""
    found, depth, begun = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if letter == ";" and not depth:
            found.append(text[begun:at])
            begun = at + 1
    return found
