// The PLIC: devices raise their interrupts here, and it interrupts the hart once for all.
// Source: RISC-V Platform-Level Interrupt Controller Specification, Version 1.0.0.
#include "kernel.h"

// Each hart has two contexts, one for machine mode and one for supervisor mode.
#define CONTEXT(hart) (2 * (hart) + 1)
#define PRIORITY(source) (PLIC_BASE + 4 * (source))
#define ENABLE(context) (PLIC_BASE + 0x2000 + 0x80 * (context))
#define THRESHOLD(context) (PLIC_BASE + 0x200000 + 0x1000 * (context))
#define CLAIM(context) (THRESHOLD(context) + 4)  // read: which source; write: done with it

static uint64_t context;

void interrupts_init(uint64_t hart)
{
    context = CONTEXT(hart);
    device_write32(PRIORITY(UART_INTERRUPT), 1);
    device_write32(PRIORITY(DISK_INTERRUPT), 1);
    device_write32(ENABLE(context), 1 << UART_INTERRUPT | 1 << DISK_INTERRUPT);
    device_write32(THRESHOLD(context), 0);
}

void interrupts_handle(void)
{
    for (uint32_t source; (source = device_read32(CLAIM(context)));) {
        switch (source) {
        case UART_INTERRUPT:
            uart_interrupt();
            break;
        case DISK_INTERRUPT:
            disk_interrupt();
            break;
        }
        device_write32(CLAIM(context), source);
    }
}
