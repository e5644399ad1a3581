// pgfault [PAGES] [ROUNDS]: asks for memory, touches every page of it, and gives it back. The first
// touch of a page is a page fault.
#include "../user/user.h"

int main(int argc, char **argv)
{
    long n_pages = argument(argc, argv, 1, 256), n_rounds = argument(argc, argv, 2, 4);

    for (long round = 0; round < n_rounds; round++) {
        char *memory = sbrk(n_pages * PAGE_SIZE);
        if ((long)memory < 0)
            return print_error("pgfault", (long)memory);
        for (long i = 0; i < n_pages; i++)
            memory[i * PAGE_SIZE] = 1;
        sbrk(-n_pages * PAGE_SIZE);
    }
    print("pgfault: %ld page faults\n", n_pages * n_rounds);
    return 0;
}
