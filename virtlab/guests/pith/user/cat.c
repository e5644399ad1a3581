#include "user.h"

static void copy(int file)
{
    static char buffer[PAGE_SIZE];

    for (int n; (n = read(file, buffer, sizeof buffer)) > 0;)
        write(OUT, buffer, n);
}

int main(int argc, char **argv)
{
    if (argc == 1)
        copy(IN);
    for (int i = 1; i < argc; i++) {
        int file = open(argv[i], OPEN_READ);
        if (file < 0)
            return print_error(argv[i], file);
        copy(file);
        close(file);
    }
    return 0;
}
