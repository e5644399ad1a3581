#include "user.h"

static bool contains(const char *line, const char *text)
{
    for (; *line; line++)
        if (strncmp(line, text, strlen(text)) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    int file = argc > 2 ? open(argv[2], OPEN_READ) : IN, n_found = 0;
    static char line[PAGE_SIZE];

    if (argc < 2)
        return print_error("grep", -E_INVALID);
    if (file < 0)
        return print_error(argv[2], file);
    while (read_line(file, line, sizeof line) > 0)
        if (contains(line, argv[1])) {
            print("%s", line);
            n_found++;
        }
    return n_found == 0;
}
