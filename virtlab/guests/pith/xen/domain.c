// What this kernel has to do with Xen begins here: it finds out who it is, and connects what it has
// been given.
#include "xen.h"

uint32_t xen_self;
struct xen_traffic traffic;

void xen_init(void)
{
    xen_self = store_number("domid");
    channels_init();
    grants_init();
    store_resume();
    orders_init();
    balloon_init();
    net_front_init();
}
