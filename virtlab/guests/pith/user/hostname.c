// hostname [NAME]: tells the name of this computer, or changes it.
#include "user.h"

int main(int argc, char **argv)
{
    char name[NAME_LENGTH];
    int result = argc > 1 ? hostname(argv[1], strlen(argv[1]), true)
                          : hostname(name, sizeof name, false);

    if (result < 0)
        return print_error("hostname", result);
    if (argc == 1)
        print("%s\n", name);
    return 0;
}
