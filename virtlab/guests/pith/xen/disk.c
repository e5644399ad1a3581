// The disk: Domain0 has one of its own, as in the paravirtual port; any other domain reads and
// writes through a back end in Domain0 (block_front.c).
#include "xen.h"

#define disk_init plain_disk_init
#define disk_transfer plain_disk_transfer
#include "plain_disk.c"
#undef disk_init
#undef disk_transfer

void disk_init(void)
{
    if (has_own_disk())
        plain_disk_init();
    else
        block_front_init();
}

void disk_transfer(uint32_t number, void *data, bool write)
{
    if (has_own_disk())
        plain_disk_transfer(number, data, write);
    else
        block_front_transfer((uint64_t)number * (BLOCK_SIZE / SECTOR_SIZE), &data, 1, write);
}
