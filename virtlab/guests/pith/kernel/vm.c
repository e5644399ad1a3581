// Address spaces. The kernel is mapped at the same place in all of them, for itself only, so a
// system call needs no change of page table; what differs is the gigabyte of the program.
// Source: Privileged ISA 20240411, "Sv39: Page-Based 39-bit Virtual-Memory System".
//
// A virtual address selects one entry at each level of a three-level tree of tables:
//
//    63          39 38      30 29      21 20      12 11           0
//   | copies of 38 |  index   |  index   |  index   |  offset in   |
//   |              | level 2  | level 1  | level 0  |  the page    |
//
// An entry holds a physical page number, and bits that say what it is good for:
//
//    63      54 53                    10 9 8 7 6 5 4 3 2 1 0
//   | reserved | physical page number   |   |D|A|G|U|X|W|R|V|
//
// With R, W and X all clear it points to the next table; else it is a leaf. A leaf at level 1 maps
// 2 MiB at once, at level 2 a gigabyte.
#include "kernel.h"

#define PTE_V (1UL << 0)  // the entry is in use
#define PTE_R (1UL << 1)
#define PTE_W (1UL << 2)
#define PTE_X (1UL << 3)
#define PTE_U (1UL << 4)  // for programs; without it, for the kernel only
#define PTE_G (1UL << 5)  // the same in all address spaces
#define PTE_A (1UL << 6)  // has been accessed
#define PTE_D (1UL << 7)  // has been written
#define PTE_COW (1UL << 8)  // free for the kernel: writable, but shared; copy before writing

#define N_ENTRIES 512
#define LEVEL_SHIFT(level) (PAGE_SHIFT + 9 * (level))
#define LEVEL_SIZE(level) (1UL << LEVEL_SHIFT(level))
#define INDEX(va, level) ((va) >> LEVEL_SHIFT(level) & (N_ENTRIES - 1))

// The hart may trap at an entry without A, or at a write without D. This kernel has no use for
// them: it sets both from the start.
#define LEAF (PTE_A | PTE_D)

static pte_t kernel_root[N_ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static pte_t *walk(pte_t *table, uint64_t va, int target_level, bool create);

#include "page_table.h"

// The entry for va in the table of that level, or 0 if there is no such table. With create,
// missing tables on the way are made; then 0 means that memory is used up.
static pte_t *walk(pte_t *table, uint64_t va, int target_level, bool create)
{
    for (int level = 2; level > target_level; level--) {
        pte_t *pte = &table[INDEX(va, level)];

        if (*pte & PTE_V) {
            table = PTE_PAGE(*pte);
        } else {
            table = create ? page_alloc_zeroed() : 0;
            if (table == 0)
                return 0;
            link_table(pte, table, level - 1);
        }
    }
    return &table[INDEX(va, target_level)];
}

// The first user page in use from *va up to end, and in *va its address; 0 if there is none.
// Skips what a missing table cannot map, so that large holes cost little.
static pte_t *next_page(pte_t *root, uint64_t *va, uint64_t end)
{
    while (*va < end) {
        pte_t *pte = walk(root, *va, 0, false);

        if (pte && *pte & PTE_V)
            return pte;
        uint64_t step = LEVEL_SIZE(pte ? 0 : 1);
        *va = (*va & ~(step - 1)) + step;
    }
    return 0;
}

void vm_init(void)
{
    map_kernel();
    switch_page_table(kernel_root);
}

pte_t *vm_create(void)
{
    pte_t *root = page_alloc();

    return root ? begin_table(memcpy(root, kernel_root, PAGE_SIZE), 2) : 0;
}

// Gives back the pages in a range. The hart may remember them until the caller makes it forget.
static void free_pages(pte_t *root, uint64_t start, uint64_t end)
{
    uint64_t va = start;

    for (pte_t *pte; (pte = next_page(root, &va, end)); va += PAGE_SIZE) {
        page_free(PTE_PAGE(*pte));
        set_pte(pte, 0);
    }
}

void vm_destroy(pte_t *root)
{
    pte_t *user = &root[INDEX(USER_BASE, 2)];

    // The hart must not go on using tables that are about to become somebody else's pages.
    if (root == current->root)
        switch_page_table(kernel_root);
    free_pages(root, USER_BASE, USER_END);
    if (*user & PTE_V) {
        pte_t *table = PTE_PAGE(*user);
        for (int i = 0; i < N_ENTRIES; i++)
            if (table[i] & PTE_V)
                unlink_table(&table[i], PTE_PAGE(table[i]));
        unlink_table(user, table);
    }
    end_table(root);
}

// Maps a page where nothing is mapped, in an address space that no program is using yet.
int vm_map(pte_t *root, uint64_t va, void *page, uint64_t permissions)
{
    pte_t *pte = walk(root, va, 0, true);

    if (pte == 0 || get_pte(pte) & PTE_V)
        return pte ? -E_EXIST : -E_NOMEM;
    set_pte(pte, MAKE_PTE(page, permissions | PTE_U | LEAF));
    return 0;
}

// Copy on write: both sides get the same pages, and lose the right to write to them until
// user_page() has made a copy for whoever tries first.
int vm_copy(pte_t *parent, pte_t *child)
{
    uint64_t va = USER_BASE;
    int result = 0;

    for (pte_t *pte; (pte = next_page(parent, &va, USER_END)); va += PAGE_SIZE) {
        if (*pte & PTE_W)
            set_pte(pte, (*pte & ~PTE_W) | PTE_COW);
        pte_t *copy = walk(child, va, 0, true);
        if (copy == 0) {
            result = -E_NOMEM;
            break;
        }
        page_share(PTE_PAGE(*pte));
        set_pte(copy, get_pte(pte));
    }
    flush_all_pages();  // the parent is running, and can write no longer
    return result;
}

// sbrk(): new memory gets its pages when it is first touched (user_page()).
long vm_move_heap_end(int64_t n_bytes)
{
    uint64_t old_end = current->heap_end, new_end = old_end + n_bytes;

    if (new_end < current->heap_start || new_end > USER_STACK - PAGE_SIZE)
        return -E_NOMEM;
    current->heap_end = new_end;
    if (new_end < old_end) {
        free_pages(current->root, PAGE_ROUND_UP(new_end), PAGE_ROUND_UP(old_end));
        flush_all_pages();
    }
    return old_end;
}

// map(): pages of the heap, at once instead of when they are first touched.
int vm_protect(uint64_t start, uint64_t n_bytes, int protection)
{
    uint64_t end = start + n_bytes;

    if (start % PAGE_SIZE || n_bytes % PAGE_SIZE || start < current->heap_start || end < start ||
        end > current->heap_end)
        return -E_FAULT;
    if (protection != MAP_NONE && protection != MAP_READ && protection != MAP_WRITE)
        return -E_INVALID;
    if (protection == MAP_NONE)
        free_pages(current->root, start, end);
    for (uint64_t va = start; protection != MAP_NONE && va < end; va += PAGE_SIZE) {
        if (user_page(va, ACCESS_READ) == 0)
            return -E_NOMEM;
        pte_t *pte = walk(current->root, va, 0, false);
        pte_t value = *pte & ~(PTE_W | PTE_COW);
        if (protection == MAP_WRITE)
            value |= page_is_shared(PTE_PAGE(value)) ? PTE_COW : PTE_W;
        set_pte(pte, value);
    }
    flush_all_pages();
    return 0;
}

uint64_t vm_count(pte_t *root)
{
    uint64_t va = USER_BASE, n = 0;

    for (; next_page(root, &va, USER_END); va += PAGE_SIZE)
        n++;
    return n;
}

// Where the kernel finds the running program's page that holds va, after making sure that the
// program may access it in this way: memory it has asked for but not touched yet becomes a page of
// zeros, a shared page that it may write becomes its own. 0 means that it may not, or that memory
// is used up. The handler of page faults needs exactly this, and so does every system call that is
// given an address.
char *user_page(uint64_t va, enum access access)
{
    bool in_heap = va >= USER_BASE && va < current->heap_end;
    bool in_stack = va >= USER_STACK && va < USER_END;

    if (!in_heap && !in_stack)
        return 0;
    va = PAGE_ROUND_DOWN(va);
    pte_t *pte = walk(current->root, va, 0, true);
    if (pte == 0)
        return 0;

    if (!(*pte & PTE_V)) {
        void *page = page_alloc_zeroed();
        if (page == 0)
            return 0;
        set_pte(pte, MAKE_PTE(page, PTE_R | PTE_W | PTE_U | LEAF));
        flush_page(va);
    } else if (access == ACCESS_WRITE && *pte & PTE_COW) {
        void *shared = PTE_PAGE(*pte), *own = shared;
        if (page_is_shared(shared)) {
            own = page_alloc();
            if (own == 0)
                return 0;
            memcpy(own, shared, PAGE_SIZE);
            page_free(shared);
        }
        set_pte(pte, MAKE_PTE(own, PTE_R | PTE_W | PTE_U | LEAF));
        flush_page(va);
    }
    return *pte & access ? PTE_PAGE(*pte) : 0;
}

// The first part of n bytes at va, as far as one page reaches: where the kernel finds it.
char *user_memory(uint64_t va, size_t n, enum access access, size_t *part)
{
    char *page = user_page(va, access);

    *part = least(n, PAGE_SIZE - va % PAGE_SIZE);
    return page ? page + va % PAGE_SIZE : 0;
}

int copy_to_user(uint64_t va, const void *from, size_t n)
{
    for (size_t part; n > 0; n -= part, va += part, from = (const char *)from + part) {
        char *to = user_memory(va, n, ACCESS_WRITE, &part);
        if (to == 0)
            return -E_FAULT;
        memcpy(to, from, part);
    }
    return 0;
}

int copy_from_user(void *to, uint64_t va, size_t n)
{
    for (size_t part; n > 0; n -= part, va += part, to = (char *)to + part) {
        const char *from = user_memory(va, n, ACCESS_READ, &part);
        if (from == 0)
            return -E_FAULT;
        memcpy(to, from, part);
    }
    return 0;
}

// The text's length, without the zero that ends it.
int copy_text_from_user(char *to, uint64_t va, size_t size)
{
    for (size_t n = 0; n < size; n++) {
        if (copy_from_user(to + n, va + n, 1) < 0)
            return -E_FAULT;
        if (to[n] == 0)
            return n;
    }
    return -E_NAME;
}
