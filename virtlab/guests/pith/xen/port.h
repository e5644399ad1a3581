// How this kernel reaches the hypervisor, as a paravirtual one; hvm/port.h is for the other kind.
#pragma once

// A hypercall of virtlab/platforms/xen/abi.py. Addresses are as this kernel counts them.
static inline long xen_call(uint64_t number, uint64_t argument0, uint64_t argument1,
                            uint64_t argument2, uint64_t argument3)
{
    register uint64_t a0 asm("a0") = argument0;
    register uint64_t a1 asm("a1") = argument1;
    register uint64_t a2 asm("a2") = argument2;
    register uint64_t a3 asm("a3") = argument3;
    register uint64_t a4 asm("a4") = 0;
    register uint64_t a7 asm("a7") = number;

    asm volatile("ecall"
                 : "+r"(a0)
                 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7)
                 : "memory");
    return a0;
}

// The page in which event channels have their bits.
static inline void *channel_page(void) { return SHARED; }

static inline bool has_own_disk(void) { return SHARED->disk_sectors > 0; }

// The hypervisor looks whether events are let in whenever it is called.
static inline void let_events_in(void)
{
    SHARED->events_off = 0;
    hypercall(HYPERCALL_VERSION, 0, 0);
    SHARED->events_off = 1;
}

// The kernel's own entry for a page that goes or comes; it is in vm.c's tables, as is what is good
// for it: V, R, W, U, A, D.
#define OWN_PAGE 0xd7UL

static inline uint64_t *own_entry(uint64_t page)
{
    uint64_t *table = from_machine(SHARED->kernel_root);

    for (int level = 2; level > 0; level--)
        table = from_machine(table[page >> (PAGE_SHIFT + 9 * level) & 511] >> 10 << PAGE_SHIFT);
    return &table[page >> PAGE_SHIFT & 511];
}

static inline void show_page(uint64_t page, bool there)
{
    uint64_t value = there ? to_machine((void *)page) >> PAGE_SHIFT << 10 | OWN_PAGE : 0;

    update(UPDATE_PTE, to_machine(own_entry(page)), value);
    update(UPDATE_FLUSH_PAGE, page, 0);
}

static inline void pages_shown(void) { commit_updates(); }

// block_back.c, net_back.c: back ends. A process enters and serves until it is killed.
long serve_disks(void);
long serve_network(void);
