// What Domain0 asks of a domain by writing into its part of the store: to end, or to be suspended,
// so that it can go on elsewhere.
#include "xen.h"

#define SUSPENDED 2  // why it calls SCHED SHUTDOWN; see virtlab/platforms/xen/migration.py

static void begin(void)
{
    store_watch("control/shutdown");
    store_write("control/feature-suspend", "1");
}

// Between the call and its return lies the way to another machine. There this domain has another
// number, no ports, and nobody has mapped its pages; what it has granted it still grants.
static void suspend(void)
{
    xen_call(XEN_SCHED, XEN_SHUTDOWN, SUSPENDED, 0, 0);
    channels_init();
    xen_self = store_number("domid");
    grants_resume();
    store_resume();
    begin();
    balloon_resume();
    block_front_resume();
    net_front_resume();
}

static void look(void)
{
    char order[16];

    if (store_read("control/shutdown", order, sizeof order) <= 0)
        return;
    store_remove("control/shutdown");  // so that it is seen to have been heard
    if (strcmp(order, "poweroff") == 0 || strcmp(order, "halt") == 0)
        power_off(false);
    if (strcmp(order, "suspend") == 0)
        suspend();
}

void orders_init(void)
{
    store_listen(look);
    begin();
}
