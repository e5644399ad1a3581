// fill FILE BLOCKS [SEED]: writes a file, reads it back past the cache, and prints its hash.
#include "xen.h"

int main(int argc, char **argv)
{
    static uint8_t block[PAGE_SIZE];
    long n = argument(argc, argv, 2, 16), seed = argument(argc, argv, 3, 1), n_bytes = 0;
    uint64_t written = HASH_START, read_back = HASH_START;
    int file;

    if (argc < 2 || (file = open(argv[1], OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE)) < 0)
        return print_error("fill", argc < 2 ? -E_INVALID : file);
    for (long i = 0; i < n; i++) {
        for (int k = 0; k < PAGE_SIZE; k++)
            block[k] = pattern_at(seed, i * PAGE_SIZE + k);
        written = hash_of(written, block, PAGE_SIZE);
        if (write(file, block, PAGE_SIZE) != PAGE_SIZE)
            return print_error(argv[1], -E_NOSPACE);
    }
    close(file);
    if ((file = open(argv[1], OPEN_READ | OPEN_DIRECT)) < 0)
        return print_error(argv[1], file);
    for (int part; (part = read(file, block, PAGE_SIZE)) > 0; n_bytes += part)
        read_back = hash_of(read_back, block, part);
    print_hash("fill", read_back, n_bytes);
    if (read_back != written)
        print("fill: what was read is not what was written\n");
    return read_back != written;
}
