// Events: a device's end of a ring has something new in it. The timer's event is not for here:
// trap.c takes it, because scause names it.
#include "kernel.h"

void interrupts_init(uint64_t hart) {}

// In one instruction, because the hypervisor may set another bit between two.
static bool take_event(int port)
{
    return __atomic_fetch_and(&SHARED->pending, ~(1UL << port), __ATOMIC_RELAXED) >> port & 1;
}

void interrupts_handle(void)
{
    if (take_event(EVENT_CONSOLE))
        uart_interrupt();
    if (take_event(EVENT_DISK))
        disk_interrupt();
}
