// The board: what is where in memory, for a guest of a hypervisor.
//
//   0x8000_0000  RAM; the first 2 MiB hold the shared page and the tables the kernel starts with
//   0x8020_0000  this kernel
//
// The end of RAM is read from the shared page (device_tree.c).
#pragma once

#include <stdint.h>

// The kernel sees RAM at the addresses it counts with; programs live in the gigabyte
// below, which is entry 1 of the root page table and nobody else's.
#define USER_BASE 0x40000000UL
#define USER_END 0x80000000UL
#define USER_STACK (USER_END - 16 * 4096)  // the stack grows down to here and no further
