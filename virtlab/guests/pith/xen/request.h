// What the programs of a domain can ask its kernel for, besides the system calls of common/abi.h.
#pragma once

#include <stdint.h>

// One more system call: xen(operation, words). The result is zero or more, an error of the kernel,
// or one of the hypervisor, n, as -(XEN_ERRORS + n).
#define SYS_XEN 64
#define XEN_ERRORS 100

enum xen_operation {
    ASK_SELF,           // ()                            the number of this domain
    ASK_CONTROL,        // (operation, ...)              the control interface, for Domain0
    ASK_READ,           // (path, text, n_bytes)         the length of a value of the store
    ASK_WRITE,          // (path, text)
    ASK_REMOVE,         // (path)
    ASK_NAMES,          // (path, text, n_bytes)         what lies below, each name ended by 0
    ASK_SERVE_DISKS,    // ()                            a back end: does not return unless killed
    ASK_SERVE_NETWORK,  // ()                            the same
    ASK_SEND,           // (packet, n_bytes, more)       with more set, others follow at once
    ASK_RECEIVE,        // (packet, n_bytes, ms)         the bytes received, 0 after so many ms
    ASK_READ_BLOCKS,    // (first, data, n)              of the disk, past file system and cache
    ASK_TRAFFIC,        // (*struct xen_traffic)
};
#define XEN_MOST_WORDS 4
#define XEN_MOST_TEXT 512
#define XEN_MOST_PACKET 1514
#define XEN_MOST_BLOCKS 64  // of one ASK_READ_BLOCKS

// What has gone through rings since the domain began: requests put in or taken out, responses the
// other way, and notifications made and spared.
struct xen_traffic {
    uint64_t requests, responses, notified, spared;
    uint64_t dropped;  // packets for which nobody had a place
    uint64_t refused;  // requests that were answered with an error
};
