// hog cpu | memory [KIB] | fork [N]: takes what it can get, to find out where the limit is.
#include "../user/user.h"

static long most;

static int take_cpu(void)
{
    for (;;)
        ;
}

static int take_memory(void)
{
    for (long n = 0; n < most; n += PAGE_SIZE)
        *sbrk(PAGE_SIZE) = 1;
    return 0;
}

static int take_processes(void)
{
    int n = 0, result = 0;

    for (; n < most && (result = fork()) > 0; n++)
        ;
    if (n < most && result == 0)
        return sleep(1000000);  // a child, until its parent has ended its box
    print("hog: %d processes\n", n);
    return result < 0 ? print_error("fork", result) : 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "cpu") == 0)
        return take_cpu();
    if (strcmp(what, "fork") == 0) {
        most = argument(argc, argv, 2, MAX_PROCESSES);
        return take_processes();
    }
    if (strcmp(what, "memory") == 0) {
        most = argument(argc, argv, 2, 1 << 20) * 1024;
        int status = run(take_memory);
        print("hog: memory: ended with status %d\n", status);
        return status;
    }
    print("hog cpu | memory [KIB] | fork [N]\n");
    return 2;
}
