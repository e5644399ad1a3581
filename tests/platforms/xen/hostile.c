// hostile [SEED]: random requests with random words to the kernel of a domain, to find out whether
// it believes what it is told. Spares what does not return: the back ends, and long waits for
// packets.
#include "xen.h"

#define N_PROCESSES 8
#define N_REQUESTS 150

static uint64_t state;
static char area[2 * PAGE_SIZE];

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t random_word(void)
{
    uint64_t r = next_random();

    switch (r % 10) {
    case 0: return next_random();
    case 1: return next_random() % 12;
    case 2: return (uint64_t)area + next_random() % sizeof area;
    case 3: return 0x80200000 + next_random() % (16 * PAGE_SIZE);  // the kernel
    case 4: return 0xc0000000 + next_random() % (4 * PAGE_SIZE);   // the window of mapped pages
    case 5: return -(next_random() % 20000);
    case 6: return 0x7ffff000 + next_random() % (2 * PAGE_SIZE);   // the end of the stack
    case 7: return (uint64_t) "/local/domain/1/data/x";
    case 8: return (uint64_t) "data/y";
    default: return (uint64_t) "name";
    }
}

static int make_requests(void)
{
    bool is_domain0 = xen(ASK_SELF, 0, 0, 0, 0) == 0;

    for (int i = 0; i < N_REQUESTS; i++) {
        uint64_t operation = next_random() % (ASK_TRAFFIC + 2);
        uint64_t a = random_word(), b = random_word(), c = random_word(), d = random_word();

        if (operation == ASK_SERVE_DISKS || operation == ASK_SERVE_NETWORK)
            continue;
        if (is_domain0 && (operation == ASK_CONTROL || operation == ASK_REMOVE))
            continue;  // it would be obeyed
        if (operation == ASK_RECEIVE)
            c %= 3;
        if (next_random() % 16 == 0 && operation != ASK_RECEIVE)
            system_call(SYS_XEN, operation, a);
        else
            xen(operation, a, b, c, d);
    }
    return 0;
}

int main(int argc, char **argv)
{
    state = 88172645463325252 + (uint64_t)argument(argc, argv, 1, 1) * 1000003;
    for (int i = 0; i < N_PROCESSES; i++) {
        next_random();
        run(make_requests);
    }
    print("hostile: done\n");
    return 0;
}
