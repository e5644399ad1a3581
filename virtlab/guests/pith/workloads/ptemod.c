// ptemod [PAGES] [ROUNDS]: changes page-table entries: maps pages, takes away the right to write to
// them, and unmaps them.
#include "../user/user.h"

int main(int argc, char **argv)
{
    long n_pages = argument(argc, argv, 1, 64), n_rounds = argument(argc, argv, 2, 16);
    char *memory = sbrk(n_pages * PAGE_SIZE);
    int protections[] = {MAP_WRITE, MAP_READ, MAP_NONE};

    if ((long)memory < 0)
        return print_error("ptemod", (long)memory);
    for (long round = 0; round < n_rounds; round++)
        for (int i = 0; i < 3; i++) {
            int result = map(memory, n_pages * PAGE_SIZE, protections[i]);
            if (result < 0)
                return print_error("ptemod", result);
        }
    print("ptemod: %ld entries mapped, protected and unmapped\n", n_pages * n_rounds);
    return 0;
}
