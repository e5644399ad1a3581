// The ABI of virtlab/platforms/xen/abi.py, which explains it; this is made from that.
#pragma once

#define XEN_ABI_VERSION 0x1
#define XEN_EXTENSION 0x958454e
#define XEN_EVENT 0x20
#define XEN_GRANT 0x21
#define XEN_MEMORY 0x22
#define XEN_CONTROL 0x23
#define XEN_SCHED 0x24
#define XEN_STORE 0x25
#define XEN_SHARED 0x26
#define XEN_DEVICE 0x27
#define XEN_NOT_PERMITTED 0x1
#define XEN_NO_ENTRY 0x2
#define XEN_NO_DOMAIN 0x3
#define XEN_TOO_BIG 0x7
#define XEN_BAD_HANDLE 0x9
#define XEN_NO_MEMORY 0xc
#define XEN_NO_ACCESS 0xd
#define XEN_BAD_ADDRESS 0xe
#define XEN_BUSY 0x10
#define XEN_EXISTS 0x11
#define XEN_INVALID 0x16
#define XEN_NO_SPACE 0x1c
#define XEN_NO_CALL 0x26
#define XEN_SELF 0x7ff0
#define XEN_ALLOC_UNBOUND 0x0
#define XEN_BIND_INTERDOMAIN 0x1
#define XEN_BIND_VIRQ 0x2
#define XEN_SEND 0x3
#define XEN_CLOSE 0x4
#define XEN_UNMASK 0x5
#define XEN_STATUS 0x6
#define XEN_CHANNEL_CLOSED 0x0
#define XEN_CHANNEL_UNBOUND 0x1
#define XEN_CHANNEL_JOINED 0x2
#define XEN_CHANNEL_VIRQ 0x3
#define XEN_VIRQ_DOMAIN 0x3
#define XEN_N_PORTS 0x200
#define XEN_SHARED_SELECTOR 0x180
#define XEN_SHARED_CHANNELS 0x480
#define XEN_SHARED_CHANNELS_MASKED 0x4c0
#define XEN_UPCALL_SOURCE 0x10
#define XEN_SETUP 0x0
#define XEN_MAP 0x1
#define XEN_UNMAP 0x2
#define XEN_COPY 0x3
#define XEN_N_GRANTS 0x200
#define XEN_PERMIT 0x1
#define XEN_READ_ONLY 0x4
#define XEN_READING 0x8
#define XEN_WRITING 0x10
#define XEN_MAP_READ_ONLY 0x1
#define XEN_WINDOW 0xc0000000
#define XEN_N_SLOTS 0x200
#define XEN_SOURCE_IS_GRANT 0x1
#define XEN_DESTINATION_IS_GRANT 0x2
#define XEN_MOST_COPIES 0x40
#define XEN_CURRENT 0x0
#define XEN_MAXIMUM 0x1
#define XEN_DECREASE 0x2
#define XEN_INCREASE 0x3
#define XEN_MOST_PAGES 0x200
#define XEN_CREATE 0x0
#define XEN_DESTROY 0x1
#define XEN_PAUSE 0x2
#define XEN_UNPAUSE 0x3
#define XEN_INFO 0x4
#define XEN_LIST 0x5
#define XEN_MAX_MEMORY 0x6
#define XEN_SCHEDULE 0x7
#define XEN_ASSIGN 0x8
#define XEN_DEASSIGN 0x9
#define XEN_INFO_PAUSED 0x1
#define XEN_INFO_BLOCKED 0x2
#define XEN_INFO_ENDED 0x4
#define XEN_INFO_DYING 0x8
#define XEN_INFO_HVM 0x10
#define XEN_YIELD 0x0
#define XEN_BLOCK 0x1
#define XEN_SHUTDOWN 0x2
#define XEN_STORE_READ 0x0
#define XEN_STORE_WRITE 0x1
#define XEN_STORE_REMOVE 0x2
#define XEN_STORE_LIST 0x3
#define XEN_STORE_WATCH 0x4
#define XEN_STORE_UNWATCH 0x5
#define XEN_STORE_NEXT 0x6
#define XEN_DEVICE_READ 0x0
#define XEN_DEVICE_WRITE 0x1
#define XEN_REQ_PROD 0x0
#define XEN_REQ_EVENT 0x4
#define XEN_RSP_PROD 0x8
#define XEN_RSP_EVENT 0xc
#define XEN_FIRST_PLACE 0x40
#define XEN_MOST_SEGMENTS 0xb
#define XEN_BLOCK_PLACE_BYTES 0x70
#define XEN_BLOCK_READ 0x0
#define XEN_BLOCK_WRITE 0x1
#define XEN_STATUS_OK 0x0
#define XEN_STATUS_ERROR (-1)
#define XEN_EVENT_UPCALL 0x3

#ifndef __ASSEMBLER__
#include <stdint.h>

struct xen_grant_entry {
    volatile uint16_t flags;
    uint16_t domain;
    uint32_t frame;
};
_Static_assert(sizeof(struct xen_grant_entry) == 8, "xen_grant_entry");
struct xen_grant_copy {
    struct { uint32_t domain, reference, offset; } source, destination;
    uint32_t n_bytes, flags;
    int32_t result;
    uint32_t unused;
};
_Static_assert(sizeof(struct xen_grant_copy) == 40, "xen_grant_copy");
struct xen_create {
    char name[32], image[32];
    uint64_t pages, weight, cap;
};
_Static_assert(sizeof(struct xen_create) == 88, "xen_create");
struct xen_info {
    uint64_t number, flags, pages, max_pages, weight, cap, run_ticks;
    char name[32];
};
_Static_assert(sizeof(struct xen_info) == 88, "xen_info");
struct xen_block_segment {
    uint32_t reference;
    uint8_t first_sector, last_sector;
    uint16_t unused;
};
_Static_assert(sizeof(struct xen_block_segment) == 8, "xen_block_segment");
struct xen_block_response {
    uint64_t id;
    uint8_t operation, unused;
    int16_t status;
    uint32_t unused2;
};
_Static_assert(sizeof(struct xen_block_response) == 16, "xen_block_response");
struct xen_net_tx_request {
    uint32_t reference;
    uint16_t offset, flags, id, n_bytes;
};
_Static_assert(sizeof(struct xen_net_tx_request) == 12, "xen_net_tx_request");
struct xen_net_tx_response {
    uint16_t id;
    int16_t status;
};
_Static_assert(sizeof(struct xen_net_tx_response) == 4, "xen_net_tx_response");
struct xen_net_rx_request {
    uint16_t id, unused;
    uint32_t reference;
};
_Static_assert(sizeof(struct xen_net_rx_request) == 8, "xen_net_rx_request");
struct xen_net_rx_response {
    uint16_t id, offset, flags;
    int16_t status;
};
_Static_assert(sizeof(struct xen_net_rx_response) == 8, "xen_net_rx_response");
struct xen_block_request {
    uint8_t operation, n_segments;
    uint16_t handle;
    uint32_t unused;
    uint64_t id, sector;
    struct xen_block_segment segments[XEN_MOST_SEGMENTS];
};
_Static_assert(sizeof(struct xen_block_request) == XEN_BLOCK_PLACE_BYTES, "block request");
struct xen_ring {
    volatile uint32_t req_prod, req_event, rsp_prod, rsp_event;
    uint8_t unused[XEN_FIRST_PLACE - 16];
    uint8_t places[4096 - XEN_FIRST_PLACE];
};
_Static_assert(sizeof(struct xen_ring) == 4096, "ring");
#endif
