// memwalk [PAGES] [ROUNDS]: goes from page to page in an order that is not the order of addresses,
// each page saying which one is next. With more pages than a TLB holds, most steps miss it.
#include "../user/user.h"

#define STRIDE 7919  // a prime: it leads to every page, unless it divides their number

int main(int argc, char **argv)
{
    long n_pages = argument(argc, argv, 1, 256), n_rounds = argument(argc, argv, 2, 100);
    char *memory = sbrk(n_pages * PAGE_SIZE);
    long page = 0, n_steps = 0;

    if ((long)memory < 0 || n_pages == 0)
        return print_error("memwalk", n_pages ? (long)memory : -E_INVALID);
    for (long i = 0; i < n_pages; i++)
        *(long *)(memory + i * PAGE_SIZE) = (i + STRIDE) % n_pages;
    for (; n_steps < n_pages * n_rounds; n_steps++)
        page = *(long *)(memory + page * PAGE_SIZE);
    print("memwalk: %ld pages, %ld steps, back at page %ld\n", n_pages, n_steps, page);
    return 0;
}
