// What this kernel and its hypervisor agree on. virtlab/hypervisors/paravirt_abi.py explains it and
// holds the same numbers; a test compares the two.
#pragma once

#define ABI_VERSION 1

// One page of memory that both sides read and write, the first of RAM.
#define SHARED_PAGE 0x80000000

// A hypercall: ecall in the kernel, its number in a7, arguments in a0 and a1, the result in a0, zero
// or more, or an error below, negated. All other registers stay as they are.
#define HYPERCALL_VERSION 0       // the ABI's
#define HYPERCALL_SET_CALLBACK 1  // (entry)            where exceptions and events enter the kernel
#define HYPERCALL_MMU_UPDATE 2    // (requests, count)  carries out up to MAX_UPDATES requests
#define HYPERCALL_RETURN 3        // to what the words sepc, sstatus, sp and a7 say
#define HYPERCALL_SET_TIMER 4     // (when)             the timer's event comes then, and not before
#define HYPERCALL_BLOCK 5         // lets events in, and waits for one
#define HYPERCALL_NOTIFY 6        // (port)             there is something new in the port's ring
#define HYPERCALL_SHUTDOWN 7      // (failed)

#define ERROR_NOT_PERMITTED 1     // it would break the isolation of virtual machines
#define ERROR_NOT_FOUND 3         // no table, or no such port
#define ERROR_BAD_ADDRESS 14      // not in this virtual machine's memory
#define ERROR_BUSY 16             // the page is still used as something else
#define ERROR_INVALID 22          // an argument makes no sense
#define ERROR_NO_CALL 38          // there is no such hypercall

// A request to HYPERCALL_MMU_UPDATE is two words: an address, whose low three bits say what is
// wanted, and a value. Addresses are machine addresses unless they say otherwise.
#define UPDATE_PTE 0         // the page-table entry at that address gets the value
#define UPDATE_PIN 1         // the page at that address becomes a table of level value
#define UPDATE_UNPIN 2       // it is an ordinary page again
#define UPDATE_SWITCH 3      // programs run on the root at that address from now on
#define UPDATE_FLUSH_PAGE 4  // forget the translation of the virtual page at that address
#define UPDATE_FLUSH_ALL 5
#define MAX_UPDATES 512

// Ports of events: bits of the words pending and masked.
#define EVENT_TIMER 0
#define EVENT_CONSOLE 1
#define EVENT_DISK 2

// Where each word of the shared page lies.
#define SHARED_VERSION 0x000
#define SHARED_MACHINE_OFFSET 0x008  // machine address minus the address this kernel counts with
#define SHARED_RAM_END 0x010
#define SHARED_TICKS_PER_SECOND 0x018
#define SHARED_KERNEL_ROOT 0x020     // the table on which the kernel runs, already pinned
#define SHARED_DISK_SECTORS 0x028
#define SHARED_DISK_VERSION 0x030
#define SHARED_COMMAND 0x040         // COMMAND_SIZE bytes of text
#define SHARED_SEPC 0x0c0            // what the last exception or event interrupted
#define SHARED_SCAUSE 0x0c8
#define SHARED_STVAL 0x0d0
#define SHARED_SSTATUS 0x0d8         // SPP: it was the kernel; SPIE: events were let in
#define SHARED_SP 0x0e0
#define SHARED_A7 0x0e8              // for HYPERCALL_RETURN only
#define SHARED_KERNEL_SP 0x0f0       // sp when a program is interrupted
#define SHARED_EVENTS_OFF 0x100      // while not 0 the kernel is not entered for an event
#define SHARED_PENDING 0x108         // a bit a port: set by the hypervisor, cleared by the kernel
#define SHARED_MASKED 0x110          // a bit a port
#define SHARED_UPDATES_DONE 0x118    // by the last HYPERCALL_MMU_UPDATE
#define SHARED_REQUESTED 0x140       // indices of the rings; they only count up
#define SHARED_ANSWERED 0x148
#define SHARED_PRINTED 0x150         // by the kernel: bytes put into the ring
#define SHARED_TAKEN 0x158           // by the hypervisor: bytes taken out of it
#define SHARED_TYPED 0x160           // by the hypervisor
#define SHARED_READ 0x168            // by the kernel
#define SHARED_REQUESTS 0x200        // DISK_RING of struct disk_request
#define SHARED_STATUSES 0x400        // DISK_RING words: 0 done, 1 refused
#define SHARED_OUTPUT 0x800          // OUTPUT_RING bytes
#define SHARED_INPUT 0xc00           // INPUT_RING bytes

#define COMMAND_SIZE 128
#define DISK_RING 8
#define DISK_READ 0
#define DISK_WRITE 1
#define OUTPUT_RING 256
#define INPUT_RING 256

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_request {
    uint64_t operation;
    uint64_t sector;     // of 512 bytes
    uint64_t n_sectors;
    uint64_t address;    // of memory, a machine address; all of it in one page
};

struct update {
    uint64_t address;
    uint64_t value;
};

// The shared page as C sees it.
struct shared_page {
    uint64_t version, machine_offset, ram_end, ticks_per_second, kernel_root;
    uint64_t disk_sectors, disk_version, unused0;
    char command[COMMAND_SIZE];
    uint64_t sepc, scause, stval, sstatus, sp, a7, kernel_sp, unused1;
    volatile uint64_t events_off, pending, masked, updates_done, unused2[4];
    volatile uint64_t requested, answered, printed, taken, typed, read, unused3[18];
    struct disk_request requests[DISK_RING];
    uint64_t unused4[32];
    volatile uint64_t statuses[DISK_RING];
    uint64_t unused5[120];
    char output[OUTPUT_RING];
    uint64_t unused6[96];
    volatile char input[INPUT_RING];
};
#define LIES_AT(field, offset) \
    _Static_assert(offsetof(struct shared_page, field) == (offset), #field)
LIES_AT(disk_version, SHARED_DISK_VERSION);
LIES_AT(command, SHARED_COMMAND);
LIES_AT(kernel_sp, SHARED_KERNEL_SP);
LIES_AT(updates_done, SHARED_UPDATES_DONE);
LIES_AT(read, SHARED_READ);
LIES_AT(requests, SHARED_REQUESTS);
LIES_AT(statuses, SHARED_STATUSES);
LIES_AT(output, SHARED_OUTPUT);
LIES_AT(input, SHARED_INPUT);
#define SHARED ((struct shared_page *)SHARED_PAGE)

static inline long hypercall(uint64_t number, uint64_t argument0, uint64_t argument1)
{
    register uint64_t a0 asm("a0") = argument0;
    register uint64_t a1 asm("a1") = argument1;
    register uint64_t a7 asm("a7") = number;

    asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a7) : "memory");
    return a0;
}

// updates.c: requests wait here until somebody needs them carried out.
void update(uint64_t what, uint64_t address, uint64_t value);
void commit_updates(void);
const struct update *last_update_of(uint64_t address);  // that waits; 0 if there is none

// Addresses as this kernel counts them, and as the hart does.
static inline uint64_t to_machine(const volatile void *place)
{
    return (uint64_t)place + SHARED->machine_offset;
}
static inline void *from_machine(uint64_t address)
{
    return (void *)(address - SHARED->machine_offset);
}
#endif
