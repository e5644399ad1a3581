// pith, a small kernel made for reading: start-up, in the order in which one thing needs the other.
//
// Where to look for
//   the way in and out           entry.S, trap.c, system.c
//   who runs, and for how long   process.c, timer.c
//   programs and their memory    exec.c, vm.c, page.c
//   groups of processes          box.c, shares.c, memory.c
//   files                        file.c, pipe.c, overlay.c, fs.c, block.c
//   devices                      interrupts.c, uart.c, console.c, disk.c
//   the board and its firmware   device_tree.c, sbi.c
// kernel.h lists what each offers to the others; riscv.h holds the privileged architecture.
#include "kernel.h"

#define MIB (1UL << 20)

extern char kernel_end[];  // kernel.ld

// entry.S calls this on the boot stack, translation off, with what the firmware left in a0 and a1.
void kernel_main(uint64_t hart, const void *device_tree)
{
    trap_init();
    device_tree_read(device_tree);
    page_init((uint64_t)kernel_end, board.ram_end);
    box_init();
    vm_init();
    uart_init();
    print("pith: a small kernel on RISC-V\n");
    print("memory up to %p, %lu MiB free\n", board.ram_end,
          (board.ram_end - (uint64_t)kernel_end) / MIB);
    interrupts_init(hart);
    disk_init();
    print("disk of %u blocks\n", disk_n_blocks);
    process_start_first();
}
