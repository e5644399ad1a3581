#include "user.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        print("%s%s", argv[i], i < argc - 1 ? " " : "");
    print("\n");
    return 0;
}
