// devread [READS]: one system call reads a device register many times.
#include "../user/user.h"

int main(int argc, char **argv)
{
    long n = argument(argc, argv, 1, 1000), value = 0;

    for (long rest = n; rest > 0; rest -= MAX_PROBES)
        if ((value = probe(least(rest, MAX_PROBES))) < 0)
            return print_error("devread", value);
    print("devread: %ld reads of a register that holds %ld\n", n, value);
    return 0;
}
