// Interrupts: as on the board, and one source more, at which the hypervisor reports event channels.
#include "xen.h"

#define interrupts_init plain_interrupts_init
#define interrupts_handle plain_interrupts_handle
#include "plain_interrupts.c"
#undef interrupts_init
#undef interrupts_handle

static char shared_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

void *channel_page(void) { return shared_page; }

void interrupts_init(uint64_t hart)
{
    uint64_t sources = 1 << UART_INTERRUPT | 1 << DISK_INTERRUPT | 1 << XEN_UPCALL_SOURCE;

    plain_interrupts_init(hart);
    device_write32(PRIORITY(XEN_UPCALL_SOURCE), 1);
    device_write32(ENABLE(context), sources);
    if (xen_call(XEN_SHARED, (uint64_t)shared_page, 0, 0, 0) < 0)
        panic("this is no domain of Xen's");
    xen_init();
}

void interrupts_handle(void)
{
    plain_interrupts_handle();  // takes and completes any source
    channels_handle();
}
