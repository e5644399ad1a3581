// hostile [SEED]: processes that make random system calls with random arguments, to find out
// whether the kernel believes what it is told. Spares only what ends or blocks the run: shutdown,
// the first three processes, their files, and reading or writing where nobody is at the other end.
#include "user.h"

#define N_PROCESSES 20
#define N_CALLS 200

static uint64_t state;
static char area[2 * PAGE_SIZE];

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t random_argument(void)
{
    uint64_t r = next_random();

    switch (r % 12) {
    case 0: return next_random();
    case 1: return next_random() % 5;
    case 2: return (uint64_t)area + next_random() % sizeof area;
    case 3: return 0x80200000 + next_random() % (16 * PAGE_SIZE);  // the kernel
    case 4: return 0x40000000 + next_random() % (16 * PAGE_SIZE);  // this program
    case 5: return -(next_random() % 20000);
    case 6: return next_random() % 20;
    case 7: return 0x7ffff000 + next_random() % (2 * PAGE_SIZE);  // the end of the stack
    case 8: return next_random() % 8 * PAGE_SIZE;
    case 9: return (uint64_t)sbrk(0) - next_random() % 4 * PAGE_SIZE;
    case 10: return (uint64_t)"/tmp/file";
    default: return (uint64_t)"name";
    }
}

static bool spared(uint64_t number, uint64_t a0)
{
    struct file_info info;

    switch (number) {
    case SYS_SHUTDOWN:
    case SYS_EXIT:
    case SYS_SLEEP:
    case SYS_WAIT: return true;
    case SYS_FORK: return next_random() % 8 > 0;
    case SYS_SBRK: return (int64_t)a0 > 1 << 22;
    case SYS_KILL: return a0 <= 3;
    case SYS_CLOSE: return a0 < 3;
    case SYS_READ:
    case SYS_WRITE: return stat(a0, &info) < 0 || info.type >= FILE_CONSOLE;
    default: return false;
    }
}

static int make_calls(void)
{
    for (int i = 0; i < N_CALLS; i++) {
        uint64_t number = next_random() % (N_SYSTEM_CALLS + 2);
        uint64_t a0 = random_argument(), a1 = random_argument(), a2 = random_argument();
        if (!spared(number, a0))
            system_call(number, a0, a1, number == SYS_READ || number == SYS_WRITE ? a2 % 20000 : a2);
    }
    return 0;
}

int main(int argc, char **argv)
{
    state = 88172645463325252 + (uint64_t)argument(argc, argv, 1, 1) * 1000003;
    for (int i = 0; i < N_PROCESSES; i++) {
        next_random();
        run(make_calls);
        while (wait(0) > 0)
            ;
    }
    print("hostile: done\n");
    return 0;
}
