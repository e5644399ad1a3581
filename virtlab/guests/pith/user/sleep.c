#include "user.h"

int main(int argc, char **argv)
{
    return sleep(1000 * argument(argc, argv, 1, 1)) < 0;
}
