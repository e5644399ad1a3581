// call PORT WORDS: sends a line to whoever serves the port.
#include "user.h"

int main(int argc, char **argv)
{
    int file = port(argument(argc, argv, 1, 1), OPEN_WRITE);

    if (file < 0)
        return print_error("call", file);
    for (int i = 2; i < argc; i++) {
        write(file, argv[i], strlen(argv[i]));
        write(file, i < argc - 1 ? " " : "\n", 1);
    }
    return 0;
}
