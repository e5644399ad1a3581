// diskread [BLOCKS]: reads blocks from the disk, past the block cache.
#include "../user/user.h"

int main(int argc, char **argv)
{
    static char block[PAGE_SIZE];
    long n = argument(argc, argv, 1, 100);
    int file = -1;

    for (long i = 0; i < n;) {
        if (file < 0 && (file = open("/bin/sh", OPEN_READ | OPEN_DIRECT)) < 0)
            return print_error("/bin/sh", file);
        if (read(file, block, sizeof block) > 0) {
            i++;
        } else {
            close(file);
            file = -1;
        }
    }
    print("diskread: %ld blocks\n", n);
    return 0;
}
