// Reads from the shared page what differs between one board and the next: where RAM ends, how
// fast the clock counts, and the words the user gave the kernel on its command line.
#include "kernel.h"

struct board board;

void device_tree_read(const void *tree)
{
    if (SHARED->version != ABI_VERSION)
        panic("the hypervisor speaks version %lu", SHARED->version);
    board.ram_end = SHARED->ram_end;
    board.ticks_per_second = SHARED->ticks_per_second;
    memcpy(board.command, SHARED->command, sizeof board.command);
}
