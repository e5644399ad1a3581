// devread [READS]: one system call reads a device register so many times.
#include "../user/user.h"

int main(int argc, char **argv)
{
    long n = argument(argc, argv, 1, 1000);

    print("devread: %ld reads of a register that holds %ld\n", n, probe(n));
    return 0;
}
