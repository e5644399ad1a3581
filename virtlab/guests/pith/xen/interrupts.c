// Events: as in the paravirtual port, and those that come by event channels. Here begins what this
// kernel has to do with Xen: it finds out who it is, and connects what it has been given.
#include "xen.h"

#define EVENT_UPCALL XEN_EVENT_UPCALL
#define interrupts_init plain_interrupts_init
#define interrupts_handle plain_interrupts_handle
#include "plain_interrupts.c"
#undef interrupts_init
#undef interrupts_handle

uint32_t xen_self;
struct xen_traffic traffic;

void interrupts_init(uint64_t hart)
{
    plain_interrupts_init(hart);
    xen_self = store_number("domid");
    channels_init();
    grants_init();
    store_resume();
    orders_init();
    balloon_init();
    net_front_init();
}

void interrupts_handle(void)
{
    plain_interrupts_handle();
    if (take_event(EVENT_UPCALL))
        channels_handle();
}
