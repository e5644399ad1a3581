#include "user.h"

int main(int argc, char **argv)
{
    for (int i = 1, result; i < argc; i++)
        if ((result = kill(number(argv[i]))) < 0)
            return print_error(argv[i], result);
    return 0;
}
