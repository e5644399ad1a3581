#include "user.h"

int main(int argc, char **argv)
{
    return print_error("shutdown", shutdown(argument(argc, argv, 1, 0)));
}
