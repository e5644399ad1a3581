// The privileged architecture as a kernel in supervisor mode sees it.
// Every instruction that only a kernel may execute is here or in entry.S: whoever moves this
// kernel onto a hypervisor has those two files, page_table.h, sbi.c and the devices to change
// (../paravirt).
// Source: The RISC-V Instruction Set Manual, Volume II: Privileged Architecture, 20240411,
// "Supervisor-Level ISA".
#pragma once

#include <stdint.h>

#define read_csr(csr)                                            \
    ({                                                           \
        uint64_t value_;                                         \
        asm volatile("csrr %0, " #csr : "=r"(value_) : : "memory"); \
        value_;                                                  \
    })
#define with_csr(what, csr, value) \
    asm volatile(what " " #csr ", %0" : : "r"((uint64_t)(value)) : "memory")
#define write_csr(csr, value) with_csr("csrw", csr, value)
#define set_csr(csr, bits) with_csr("csrs", csr, bits)
#define clear_csr(csr, bits) with_csr("csrc", csr, bits)

// sstatus: what a trap saved, and whether interrupts are taken in this mode.
#define SSTATUS_SIE (1L << 1)   // interrupts are taken in supervisor mode
#define SSTATUS_SPIE (1L << 5)  // SIE before the trap; sret puts it back
#define SSTATUS_SPP (1L << 8)   // the trap came from supervisor mode; sret goes back there

// sie: which interrupts may be taken at all. scause has the same numbers when its top bit is set.
#define INTERRUPT_TIMER 5
#define INTERRUPT_EXTERNAL 9
#define SIE_TIMER (1L << INTERRUPT_TIMER)
#define SIE_EXTERNAL (1L << INTERRUPT_EXTERNAL)
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

// satp: how addresses are translated, and from which root.
//
//    63  60 59        44 43                          0
//   | mode | address     | physical page number        |
//   |      | space id    | of the root page table      |
#define SATP_SV39 (8UL << 60)
#define MAKE_SATP(root) (SATP_SV39 | ((uint64_t)(root) >> PAGE_SHIFT))

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_ROUND_UP(address) (((uint64_t)(address) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
#define PAGE_ROUND_DOWN(address) ((uint64_t)(address) & ~(PAGE_SIZE - 1))

// Translations may be kept by the hart; it forgets them when told to.
static inline void flush_page(uint64_t va)
{
    asm volatile("sfence.vma %0, zero" : : "r"(va) : "memory");
}

static inline void flush_all_pages(void) { asm volatile("sfence.vma zero, zero" : : : "memory"); }

static inline void switch_page_table(void *root)
{
    write_csr(satp, MAKE_SATP(root));
    flush_all_pages();
}

static inline void flush_instructions(void) { asm volatile("fence.i" : : : "memory"); }

// Memory that a device reads and writes too: everything before is done before anything after.
static inline void memory_barrier(void) { asm volatile("fence iorw, iorw" : : : "memory"); }
static inline void wait_for_interrupt(void) { asm volatile("wfi" : : : "memory"); }

// Those that are pending, here and now.
static inline void take_interrupts(void)
{
    set_csr(sstatus, SSTATUS_SIE);
    clear_csr(sstatus, SSTATUS_SIE);
}

static inline void set_trap_entry(void (*entry)(void))
{
    write_csr(stvec, entry);
    write_csr(sscratch, 0);  // the kernel is running
    write_csr(sie, SIE_TIMER | SIE_EXTERNAL);
}

// Counts at the board's own rate since power-on; timer.c knows the rate.
static inline uint64_t time_now(void) { return read_csr(time); }
