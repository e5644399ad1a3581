// The page tables themselves, as the hart reads them: how entries are written, and where the kernel
// is mapped. Only vm.c includes this file.
#pragma once

#define PTE_PAGE(pte) ((void *)((pte) >> 10 << PAGE_SHIFT))
#define MAKE_PTE(page, bits) ((uint64_t)(page) >> PAGE_SHIFT << 10 | (bits) | PTE_V)

extern char text_start[], text_end[], rodata_end[];  // kernel.ld

// The only place where the page tables change.
static void set_pte(pte_t *pte, pte_t value) { *(volatile pte_t *)pte = value; }

static pte_t get_pte(const pte_t *pte) { return *pte; }

// A page with entries in it becomes a table, and becomes an ordinary page again and free.
static pte_t *begin_table(pte_t *table, int level) { return table; }

static void end_table(pte_t *table) { page_free(table); }

static void link_table(pte_t *pte, pte_t *table, int level) { set_pte(pte, MAKE_PTE(table, 0)); }

static void unlink_table(pte_t *pte, pte_t *table) { end_table(table); }

// Maps a part of the kernel at its physical addresses, with the largest pages that fit.
static void map_part(uint64_t start, uint64_t end, uint64_t permissions)
{
    while (start < end) {
        int level = 2;

        while (start % LEVEL_SIZE(level) || end - start < LEVEL_SIZE(level))
            level--;
        set_pte(walk(kernel_root, start, level, true),
                MAKE_PTE(start, permissions | PTE_G | LEAF));
        start += LEVEL_SIZE(level);
    }
}

static void map_kernel(void)
{
    map_part(PLIC_BASE, PLIC_END, PTE_R | PTE_W);
    map_part(UART_BASE, DISK_END, PTE_R | PTE_W);
    map_part((uint64_t)text_start, (uint64_t)text_end, PTE_R | PTE_X);
    map_part((uint64_t)text_end, (uint64_t)rodata_end, PTE_R);
    map_part((uint64_t)rodata_end, board.ram_end, PTE_R | PTE_W);
}
