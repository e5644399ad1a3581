// How a kernel that is not ported, but has drivers for Xen, reaches the hypervisor: by the range of
// SBI's calls that is the vendor's.
// Source: RISC-V Supervisor Binary Interface Specification, Version 2.0, "Binary Encoding".
#pragma once

// A hypercall of virtlab/platforms/xen/abi.py. Addresses are guest physical.
static inline long xen_call(uint64_t number, uint64_t argument0, uint64_t argument1,
                            uint64_t argument2, uint64_t argument3)
{
    register uint64_t a0 asm("a0") = argument0;
    register uint64_t a1 asm("a1") = argument1;
    register uint64_t a2 asm("a2") = argument2;
    register uint64_t a3 asm("a3") = argument3;
    register uint64_t a4 asm("a4") = 0;
    register uint64_t a6 asm("a6") = number;
    register uint64_t a7 asm("a7") = XEN_EXTENSION;

    asm volatile("ecall"
                 : "+r"(a0)
                 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7)
                 : "memory");
    return a0;
}

// The page in which event channels have their bits: one of this kernel's, which it nominates.
void *channel_page(void);

// A virtio disk, for which the hypervisor answers.
static inline bool has_own_disk(void) { return true; }

// Which pages are there the hypervisor keeps in tables of its own.
static inline void show_page(uint64_t page, bool there) {}
static inline void pages_shown(void) {}

// Back ends map pages of others; only Domain0 has any.
static inline long serve_disks(void) { return -E_NOCALL; }
static inline long serve_network(void) { return -E_NOCALL; }
