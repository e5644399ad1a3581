// Calls to the hypervisor, which takes the firmware's place: the timer and power.
#include "kernel.h"

// A timer interrupt is pending from that time on, and no longer pending until then.
void sbi_set_timer(uint64_t when) { hypercall(HYPERCALL_SET_TIMER, when, 0); }

void sbi_shutdown(bool failed)
{
    for (;;)
        hypercall(HYPERCALL_SHUTDOWN, failed, 0);
}
