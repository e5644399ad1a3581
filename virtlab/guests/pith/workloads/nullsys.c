// nullsys [CALLS]: the way into the kernel and back, and nothing else.
#include "../user/user.h"

int main(int argc, char **argv)
{
    long n = argument(argc, argv, 1, 1000);

    for (long i = 0; i < n; i++)
        null();
    print("nullsys: %ld system calls\n", n);
    return 0;
}
