// The balloon: pages that this kernel takes from itself and gives back to the hypervisor, until it
// has as much memory as memory/target in the store says, in KiB; and gets again when that grows.
// Source: C. Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002, "Ballooning".
#include "xen.h"

#define BATCH 64
// What is good for an entry of the kernel's own tables (vm.c, whose names these are).
#define PTE_BITS 0xd7UL  // V, R, W, U, A, D

static uint64_t *given;        // a list of pages given back: the index is that of page - RAM
static uint64_t n_given, n_pages;

static volatile uint64_t *entry_of(uint64_t page)
{
    volatile uint64_t *table = from_machine(SHARED->kernel_root);

    for (int level = 2; level > 0; level--)
        table = from_machine(table[page >> (PAGE_SHIFT + 9 * level) & 511] >> 10 << PAGE_SHIFT);
    return &table[page >> PAGE_SHIFT & 511];
}

static void set_entry(uint64_t page, bool there)
{
    uint64_t value = there ? to_machine((void *)page) >> PAGE_SHIFT << 10 | PTE_BITS : 0;

    update(UPDATE_PTE, to_machine(entry_of(page)), value);
    update(UPDATE_FLUSH_PAGE, page, 0);
}

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
        set_entry((uint64_t)page, false);
    }
    commit_updates();
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
        set_entry(gfns[i] << PAGE_SHIFT, true);
    commit_updates();
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
