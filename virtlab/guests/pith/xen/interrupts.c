// Events: as in the paravirtual port, and those that come by event channels.
#include "xen.h"

#define EVENT_UPCALL XEN_EVENT_UPCALL
#define interrupts_init plain_interrupts_init
#define interrupts_handle plain_interrupts_handle
#include "plain_interrupts.c"
#undef interrupts_init
#undef interrupts_handle

void interrupts_init(uint64_t hart)
{
    plain_interrupts_init(hart);
    xen_init();
}

void interrupts_handle(void)
{
    plain_interrupts_handle();
    if (take_event(EVENT_UPCALL))
        channels_handle();
}
