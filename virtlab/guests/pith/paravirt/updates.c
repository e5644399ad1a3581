// Changes of page tables, which only the hypervisor can make: they wait in a batch, in order, until
// the hart or this kernel has to see them, and then go in one hypercall.
#include "kernel.h"

#define BATCH_SIZE 256
static struct update batch[BATCH_SIZE];
static uint64_t n_updates;

void update(uint64_t what, uint64_t address, uint64_t value)
{
    // What follows UPDATE_UNPIN makes the page writable, and must be in the same batch.
    if (n_updates == BATCH_SIZE - (what == UPDATE_UNPIN))
        commit_updates();
    batch[n_updates++] = (struct update){address | what, value};
}

void commit_updates(void)
{
    uint64_t n = n_updates;

    n_updates = 0;
    if (n > 0 && hypercall(HYPERCALL_MMU_UPDATE, to_machine(batch), n) < 0)
        panic("the hypervisor refuses update %lu of %p",
              batch[SHARED->updates_done].address % 8, batch[SHARED->updates_done].address);
    // What is no table any more can be written to, and so be given back, only now.
    for (uint64_t i = 0; i < n; i++)
        if (batch[i].address % 8 == UPDATE_UNPIN)
            page_free(from_machine(batch[i].address - UPDATE_UNPIN));
}

const struct update *last_update_of(uint64_t address)
{
    for (uint64_t i = n_updates; i-- > 0;)
        if (batch[i].address == address)
            return &batch[i];
    return 0;
}
