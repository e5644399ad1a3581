// The balloon: pages that this kernel takes from itself and gives back to the hypervisor, until it
// has as much memory as memory/target in the store says, in KiB; and gets again when that grows.
// Source: C. Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002,
// "Ballooning".
#include "xen.h"

#define BATCH 64

static uint64_t *given;        // those given back
static uint64_t n_given, n_pages;

// How many pages went; fewer than n if this kernel has no more to spare.
static uint64_t inflate(uint64_t n)
{
    uint64_t gfns[BATCH], count = 0;

    for (; count < least(n, BATCH); count++) {
        void *page = page_alloc_for(HOST);
        if (page == 0)
            break;
        gfns[count] = gfn_of(page);
        given[n_given + count] = (uint64_t)page;
        show_page((uint64_t)page, false);
    }
    pages_shown();
    if (count > 0 && xen_call(XEN_MEMORY, XEN_DECREASE, (uint64_t)gfns, count, 0) != (long)count)
        panic("the hypervisor does not take a page");
    n_given += count;
    return count;
}

static uint64_t deflate(uint64_t n)
{
    uint64_t gfns[BATCH], count = 0;

    for (; count < least(least(n, BATCH), n_given); count++)
        gfns[count] = given[n_given - 1 - count] >> PAGE_SHIFT;
    long got = xen_call(XEN_MEMORY, XEN_INCREASE, (uint64_t)gfns, count, 0);
    for (long i = 0; i < got; i++)
        show_page(gfns[i] << PAGE_SHIFT, true);
    pages_shown();
    for (long i = 0; i < got; i++)
        page_free((void *)given[--n_given]);
    return got < 0 ? 0 : got;
}

static void adjust(void)
{
    long target = store_number("memory/target");
    uint64_t wanted = target / (PAGE_SIZE / 1024), n;

    if (target < 0)
        return;
    do {
        uint64_t now = n_pages - n_given;
        n = now > wanted ? inflate(now - wanted) : now < wanted ? deflate(wanted - now) : 0;
    } while (n > 0);
    store_write("memory/current", "%lu", (n_pages - n_given) * (PAGE_SIZE / 1024));
}

void balloon_init(void)
{
    uint64_t n_bytes, n_free;

    page_count(&n_pages, &n_free);
    n_bytes = n_pages * sizeof *given;
    n_pages = xen_call(XEN_MEMORY, XEN_CURRENT, 0, 0, 0);
    given = page_alloc_for(HOST);  // pages handed out for the first time follow one another
    for (uint64_t n = PAGE_SIZE; n < n_bytes; n += PAGE_SIZE)
        page_alloc_for(HOST);
    store_listen(adjust);
    balloon_resume();
}

void balloon_resume(void) { store_watch("memory/target"); }
