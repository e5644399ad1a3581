// The board: what is where in physical memory, on QEMU's "virt" machine.
//
//   0x0c00_0000  PLIC: collects the devices' interrupts
//   0x1000_0000  UART: a 16550
//   0x1000_1000  virtio disk
//   0x8000_0000  RAM; the firmware keeps the first 2 MiB
//   0x8020_0000  this kernel
//
// The end of RAM is read from the device tree (device_tree.c).
#pragma once

#include <stdint.h>

#define PLIC_BASE 0x0c000000UL
#define PLIC_END 0x0c600000UL
#define UART_BASE 0x10000000UL
#define DISK_BASE 0x10001000UL
#define DISK_END 0x10002000UL
#define DISK_INTERRUPT 1
#define UART_INTERRUPT 10

// The kernel sees devices and RAM at their physical addresses; programs live in the gigabyte
// between them, which is entry 1 of the root page table and nobody else's.
#define USER_BASE 0x40000000UL
#define USER_END 0x80000000UL
#define USER_STACK (USER_END - 16 * 4096)  // the stack grows down to here and no further

// A device register is read and written once for each time the program says so, in that order.
static inline uint8_t device_read8(uint64_t pa) { return *(volatile uint8_t *)pa; }
static inline uint32_t device_read32(uint64_t pa) { return *(volatile uint32_t *)pa; }
static inline void device_write8(uint64_t pa, uint8_t value) { *(volatile uint8_t *)pa = value; }
static inline void device_write32(uint64_t pa, uint32_t value) { *(volatile uint32_t *)pa = value; }
