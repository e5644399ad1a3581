// serve PORT [TEXT]: prints what the first caller of the port sends, after the text.
#include "user.h"

int main(int argc, char **argv)
{
    char line[128];
    int file = port(argument(argc, argv, 1, 1), OPEN_READ);

    if (file < 0)
        return print_error("serve", file);
    while (read_line(file, line, sizeof line) >= 0)
        print("%s%s", argc > 2 ? argv[2] : "", line);
    return 0;
}
