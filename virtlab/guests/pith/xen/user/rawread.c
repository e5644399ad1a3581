// rawread [BLOCKS [AT ONCE]]: reads the disk from its beginning, so many blocks with one
// notification, and prints their hash and what went through the ring.
#include "xen.h"

int main(int argc, char **argv)
{
    static uint8_t blocks[XEN_MOST_BLOCKS * PAGE_SIZE];
    long n = argument(argc, argv, 1, 64), at_once = argument(argc, argv, 2, XEN_MOST_BLOCKS);
    uint64_t hash = HASH_START;
    struct xen_traffic before, after;

    if (at_once < 1 || at_once > XEN_MOST_BLOCKS)
        return print_error("rawread", -E_INVALID);
    xen(ASK_TRAFFIC, (uint64_t)&before, 0, 0, 0);
    for (long done = 0; done < n;) {
        long part = least(n - done, at_once);
        long result = xen(ASK_READ_BLOCKS, done, (uint64_t)blocks, part, 0);
        if (result < 0)
            return xen_error("rawread", result);
        hash = hash_of(hash, blocks, part * PAGE_SIZE);
        done += part;
    }
    xen(ASK_TRAFFIC, (uint64_t)&after, 0, 0, 0);
    print_hash("rawread", hash, n * PAGE_SIZE);
    print("rawread: %lu requests, %lu notifications\n", after.requests - before.requests,
          after.notified - before.notified);
    return 0;
}
