#include "user.h"

int main(int argc, char **argv)
{
    shutdown(argument(argc, argv, 1, 0));
}
