// The grant table: which page which other domain may use. A place is taken back only when nobody
// uses the page, which the hypervisor shows in the place's flags.
#include "xen.h"

static struct xen_grant_entry *table;
static uint16_t next_free;

void grants_init(void)
{
    table = page_alloc_zeroed();
    if (table == 0 || xen_call(XEN_GRANT, XEN_SETUP, gfn_of(table), 0, 0) < 0)
        panic("there is no grant table");
}

// Nobody has mapped a page any more.
void grants_resume(void)
{
    for (int i = 0; i < XEN_N_GRANTS; i++)
        table[i].flags &= ~(XEN_READING | XEN_WRITING);
}

int grant_page(uint32_t domain, const void *page, bool read_only)
{
    for (int i = 0; i < XEN_N_GRANTS; i++) {
        int reference = (next_free + i) % XEN_N_GRANTS;
        struct xen_grant_entry *entry = &table[reference];
        if (entry->flags != 0)
            continue;
        entry->domain = domain;
        entry->frame = gfn_of(page);
        memory_barrier();  // valid only when all of it is there
        entry->flags = XEN_PERMIT | (read_only ? XEN_READ_ONLY : 0);
        next_free = reference + 1;
        return reference;
    }
    return -E_TOOMANY;
}

bool grant_end(int reference)
{
    if (table[reference].flags & (XEN_READING | XEN_WRITING))
        return false;
    table[reference].flags = 0;
    return true;
}

// The hypervisor stops at the first that it refuses; the others are carried out all the same.
void grant_copy(struct xen_grant_copy *copies, uint32_t n)
{
    for (uint32_t done = 0; done < n;) {
        uint32_t part = least(n - done, XEN_MOST_COPIES);
        long result = xen_call(XEN_GRANT, XEN_COPY, (uint64_t)&copies[done], part, 0);
        if (result < 0) {  // the first of them, which may not even have been looked at
            copies[done].result = result;
            result = 0;
        }
        done += result + (result < part);
    }
}
