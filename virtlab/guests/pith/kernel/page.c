// Physical memory, handed out a page at a time. A page may have several users, because fork()
// lets parent and child share; it is free again when the last one has given it back. Until then it
// belongs to the box that got it first.
#include "kernel.h"

struct free_page {
    struct free_page *next;
};

static uint64_t first_page, end_page;   // what this file hands out
static uint64_t never_used;             // from here up no page has been handed out yet
static struct free_page *free_pages;    // those that came back
static uint64_t n_free;
static struct page {                    // each page from first_page on
    uint16_t n_users;
    uint16_t owner;                     // the place of its box in the table
} *pages;

// Pages are taken from never_used upwards rather than put on the list one by one, so that start-up
// takes no longer with more memory.
void page_init(uint64_t start, uint64_t end)
{
    uint64_t n_pages = (end - start) >> PAGE_SHIFT;

    pages = (struct page *)start;
    first_page = never_used = PAGE_ROUND_UP(pages + n_pages);
    end_page = PAGE_ROUND_DOWN(end);
    n_free = (end_page - first_page) >> PAGE_SHIFT;
}

static struct page *entry_of(const void *page)
{
    uint64_t pa = (uint64_t)page;

    if (pa < first_page || pa >= end_page || pa % PAGE_SIZE)
        panic("%p is not a page", pa);
    return &pages[(pa - first_page) >> PAGE_SHIFT];
}

static void add_owner(struct page *entry, struct box *box)
{
    uint64_t n = ++box->info.n_pages;

    entry->owner = box - boxes;
    if (n > box->info.peak_pages)
        box->info.peak_pages = n;
}

void *page_alloc_for(struct box *box)
{
    void *page;

    if (box->info.n_pages >= box->page_limit) {
        memory_make_room(box);
        return 0;
    }
    if (free_pages) {
        page = free_pages;
        free_pages = free_pages->next;
    } else if (never_used < end_page) {
        page = (void *)never_used;
        never_used += PAGE_SIZE;
    } else {
        return 0;
    }
    struct page *entry = entry_of(page);
    entry->n_users = 1;
    add_owner(entry, box);
    n_free--;
    return page;
}

void *page_alloc(void) { return page_alloc_for(current ? current->box : HOST); }

void *page_alloc_zeroed(void)
{
    void *page = page_alloc();

    return page ? memset(page, 0, PAGE_SIZE) : 0;
}

void page_share(void *page) { entry_of(page)->n_users++; }

bool page_is_shared(void *page) { return entry_of(page)->n_users > 1; }

void page_give(void *page, struct box *box)
{
    struct page *entry = entry_of(page);

    boxes[entry->owner].info.n_pages--;
    add_owner(entry, box);
}

void page_free(void *page)
{
    struct free_page *free_page = page;
    struct page *entry = entry_of(page);

    if (entry->n_users == 0)
        panic("%p is free already", (uint64_t)page);
    if (--entry->n_users > 0)
        return;
    boxes[entry->owner].info.n_pages--;
    free_page->next = free_pages;
    free_pages = free_page;
    n_free++;
}

void page_count(uint64_t *n_pages, uint64_t *n_free_pages)
{
    *n_pages = (end_page - first_page) >> PAGE_SHIFT;
    *n_free_pages = n_free;
}
