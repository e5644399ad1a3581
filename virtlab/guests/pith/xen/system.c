// System calls: those of every pith, and one for what a domain can do.
#include "xen.h"

#define system_call plain_system_call
#include "plain_system.c"
#undef system_call

long system_call(struct trap_frame *frame)
{
    if (frame->a7 == SYS_XEN)
        return xen_request(frame->a0, frame->a1);
    return plain_system_call(frame);
}
