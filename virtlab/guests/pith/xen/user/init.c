// The first process of a domain: in Domain0 it starts the back ends, and then, in every domain,
// does what init does.
#define main ordinary_init
#include "../../user/init.c"
#undef main
#include "xen.h"

static int serve_disks(void) { return xen(ASK_SERVE_DISKS, 0, 0, 0, 0) < 0; }
static int serve_network(void) { return xen(ASK_SERVE_NETWORK, 0, 0, 0, 0) < 0; }

static void start(int (*back_end)(void))
{
    if (fork() == 0)
        exit(back_end());
}

int main(void)
{
    if (xen(ASK_SELF, 0, 0, 0, 0) == 0) {
        start(serve_disks);
        start(serve_network);
    }
    return ordinary_init();
}
