// forkwait [PROCESSES]: makes a process that ends at once, and waits for it, again and again.
#include "../user/user.h"

static int end_at_once(void) { return 0; }

int main(int argc, char **argv)
{
    long n = argument(argc, argv, 1, 100);

    for (long i = 0; i < n; i++)
        run(end_at_once);
    print("forkwait: %ld processes\n", n);
    return 0;
}
