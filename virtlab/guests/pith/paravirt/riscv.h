// The privileged architecture as a kernel in user mode sees it: the registers that a trap fills are
// words of the shared page, and what only supervisor mode may do is asked of the hypervisor.
// Source: The RISC-V Instruction Set Manual, Volume II: Privileged Architecture, 20240411,
// "Supervisor-Level ISA".
#pragma once

#include "paravirt.h"

#define read_csr(csr) (SHARED->csr)

// sstatus: what a trap saved, and whether interrupts are taken in this mode.
#define SSTATUS_SPIE (1L << 5)  // SIE before the trap; sret puts it back
#define SSTATUS_SPP (1L << 8)   // the trap came from supervisor mode; sret goes back there

// sie: which interrupts may be taken at all. scause has the same numbers when its top bit is set.
#define INTERRUPT_TIMER 5
#define INTERRUPT_EXTERNAL 9
#define SCAUSE_INTERRUPT (1UL << 63)

// scause of an exception.
enum exception {
    INSTRUCTION_MISALIGNED,
    INSTRUCTION_ACCESS_FAULT,
    ILLEGAL_INSTRUCTION,
    BREAKPOINT,
    LOAD_MISALIGNED,
    LOAD_ACCESS_FAULT,
    STORE_MISALIGNED,
    STORE_ACCESS_FAULT,
    USER_ECALL,
    SUPERVISOR_ECALL,
    INSTRUCTION_PAGE_FAULT = 12,
    LOAD_PAGE_FAULT,
    STORE_PAGE_FAULT = 15,
    N_EXCEPTIONS
};

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_ROUND_UP(address) (((uint64_t)(address) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
#define PAGE_ROUND_DOWN(address) ((uint64_t)(address) & ~(PAGE_SIZE - 1))

// Translations may be kept by the hart; it forgets them when told to.
static inline void flush_page(uint64_t va)
{
    update(UPDATE_FLUSH_PAGE, PAGE_ROUND_DOWN(va), 0);
    commit_updates();
}

static inline void flush_all_pages(void)
{
    update(UPDATE_FLUSH_ALL, 0, 0);
    commit_updates();
}

static inline void switch_page_table(void *root)
{
    update(UPDATE_SWITCH, to_machine(root), 0);
    commit_updates();
}

static inline void flush_instructions(void) { asm volatile("fence.i" : : : "memory"); }

// Memory that a device reads and writes too: everything before is done before anything after.
static inline void memory_barrier(void) { asm volatile("fence iorw, iorw" : : : "memory"); }

// Comes back when an event has been taken; those that follow are taken on the way.
static inline void wait_for_interrupt(void) { hypercall(HYPERCALL_BLOCK, 0, 0); }
static inline void take_interrupts(void) { SHARED->events_off = 1; }

static inline void set_trap_entry(void (*entry)(void))
{
    hypercall(HYPERCALL_SET_CALLBACK, (uint64_t)entry, 0);
}

// Counts at the board's own rate since power-on; timer.c knows the rate.
static inline uint64_t time_now(void)
{
    uint64_t value;

    asm volatile("csrr %0, time" : "=r"(value) : : "memory");
    return value;
}
