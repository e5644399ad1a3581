// The disk: its end of a ring of requests in the shared page. The hypervisor is told when there is a
// request, carries it out, and sends an event.
#include "kernel.h"
#include "fs.h"

#define SECTOR_SIZE 512

uint32_t disk_n_blocks;

void disk_init(void)
{
    if (SHARED->disk_sectors == 0)
        panic("there is no disk");
    disk_n_blocks = SHARED->disk_sectors / (BLOCK_SIZE / SECTOR_SIZE);
}

// Reads or writes one block. Only one process at a time comes here: the caller is in fs_enter().
void disk_transfer(uint32_t number, void *data, bool write)
{
    uint64_t place = SHARED->requested % DISK_RING;

    SHARED->requests[place] = (struct disk_request){
        .operation = write ? DISK_WRITE : DISK_READ,
        .sector = (uint64_t)number * (BLOCK_SIZE / SECTOR_SIZE),
        .n_sectors = BLOCK_SIZE / SECTOR_SIZE,
        .address = to_machine(data),
    };
    memory_barrier();  // the device must not see the new index before the rest
    SHARED->requested++;
    hypercall(HYPERCALL_NOTIFY, EVENT_DISK, 0);

    while (SHARED->answered != SHARED->requested)  // the device counts up when it has finished
        wait_for(&SHARED->answered);
    if (SHARED->statuses[place] != 0)
        panic("the disk fails on block %u", number);
}

void disk_interrupt(void) { wake_up((const void *)&SHARED->answered); }

// Here a word of the shared page: there is no register whose reading would cost anything.
uint32_t disk_probe(void) { return *(volatile uint64_t *)&SHARED->disk_version; }
