// What happens when a box has as many pages as it may: one of its processes ends to make room.
#include "kernel.h"

// A page is refused to the running process. Those that are about to end anyway give back what they
// have; else the largest is chosen.
void memory_make_room(struct box *box)
{
    struct process *largest = 0;
    uint64_t most = 0;

    current->refused = true;
    FOR_EACH_PROCESS(p) {
        if (p->box != box || p->root == 0 || p->state == FREE || p->state == NEW)
            continue;
        if (p->killed)
            return;
        uint64_t n = vm_count(p->root);
        if (n >= most) {
            largest = p;
            most = n;
        }
    }
    if (largest == 0)
        return;
    print("box %u (%s) is out of memory at %u pages: %s (process %d) ends\n", box->info.number,
          box->info.name, box->info.limits.max_pages, largest->name, largest->number);
    box->info.n_out_of_memory++;
    process_end(largest, STATUS_MEMORY);
}

// After something has failed for the running process: whether that was because a page was refused.
// Then whoever makes room goes first, and it may be tried again.
bool memory_try_again(void)
{
    bool refused = current->refused;

    current->refused = false;
    if (refused && !current->killed)
        yield();
    return refused;
}
