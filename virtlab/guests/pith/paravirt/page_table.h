// The page tables themselves, as the hart reads them: how entries are written, and where the kernel
// is mapped. Only vm.c includes this file.
//
// The hart uses these tables as they are, so they hold machine addresses, and this kernel may read
// but not write them. The kernel runs on a root of its own, made by whoever started it; the root of
// a process maps the program and nothing else.
#pragma once

#define PTE_PAGE(pte) (from_machine((pte) >> 10 << PAGE_SHIFT))
#define MAKE_PTE(page, bits) (to_machine((void *)(page)) >> PAGE_SHIFT << 10 | (bits) | PTE_V)

extern char text_start[], text_end[], rodata_end[], kernel_end[];  // kernel.ld

// The only place where the page tables change.
static void set_pte(pte_t *pte, pte_t value) { update(UPDATE_PTE, to_machine(pte), value); }

// As it will be when all that waits is carried out.
static pte_t get_pte(const pte_t *pte)
{
    const struct update *waiting = last_update_of(to_machine(pte) | UPDATE_PTE);

    return waiting ? waiting->value : *pte;
}

// What the kernel itself may do with one of its pages. All are for user mode: so is the kernel.
static void allow_kernel(uint64_t page, uint64_t permissions)
{
    pte_t *pte = walk(from_machine(SHARED->kernel_root), page, 0, false);

    set_pte(pte, MAKE_PTE(page, permissions | PTE_U | LEAF));
}

// A page with entries in it becomes a table, and becomes an ordinary page again and free.
static pte_t *begin_table(pte_t *table, int level)
{
    allow_kernel((uint64_t)table, PTE_R);
    update(UPDATE_PIN, to_machine(table), level);
    return table;
}

static void end_table(pte_t *table)
{
    update(UPDATE_UNPIN, to_machine(table), 0);  // commit_updates() gives it back
    allow_kernel((uint64_t)table, PTE_R | PTE_W);
}

static void link_table(pte_t *pte, pte_t *table, int level)
{
    begin_table(table, level);
    set_pte(pte, MAKE_PTE(table, 0));
    commit_updates();  // walk() goes on through the entry
}

static void unlink_table(pte_t *pte, pte_t *table)
{
    set_pte(pte, 0);
    end_table(table);
}

// All memory is mapped already; only the kernel's constants need protection.
static void map_part(uint64_t start, uint64_t end, uint64_t permissions)
{
    for (; start < end; start += PAGE_SIZE)
        allow_kernel(start, permissions);
}

static void map_kernel(void)
{
    map_part((uint64_t)text_start, (uint64_t)text_end, PTE_R | PTE_X);
    map_part((uint64_t)text_end, (uint64_t)rodata_end, PTE_R);
    map_part((uint64_t)rodata_end, (uint64_t)kernel_end, PTE_R | PTE_W);
    begin_table(kernel_root, 2);  // for when no program is there to run
}
