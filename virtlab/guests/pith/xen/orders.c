// What Domain0 asks of a domain by writing into its part of the store: so far, to end.
#include "xen.h"

static void look(void)
{
    char order[16];

    if (store_read("control/shutdown", order, sizeof order) <= 0)
        return;
    store_remove("control/shutdown");  // so that it is seen to have been heard
    if (strcmp(order, "poweroff") == 0 || strcmp(order, "halt") == 0)
        power_off(false);
}

void orders_init(void)
{
    store_listen(look);
    store_watch("control/shutdown");
}
