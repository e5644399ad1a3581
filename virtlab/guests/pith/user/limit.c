// limit NAME [-cpu WEIGHT] [-quota PERCENT] [-memory KIB] [-processes N]: changes the limits of a
// running box; 0 takes one away.
#include "user.h"

int main(int argc, char **argv)
{
    static struct box_info list[MAX_BOXES];
    int n = argc > 1 ? boxes(list, MAX_BOXES) : 0, i = 0;

    if (argc < 2) {
        print("limit NAME [-cpu WEIGHT] [-quota PERCENT] [-memory KIB] [-processes N]\n");
        return 2;
    }
    while (i < n && strcmp(list[i].name, argv[1]) != 0)
        i++;
    if (i == n)
        return print_error(argv[1], -E_NOENT);
    for (int k = 2; k < argc; k += 2)
        if (k + 1 == argc || !set_limit(&list[i].limits, argv[k], argv[k + 1]))
            return print_error(argv[k], -E_INVALID);
    int result = limit(list[i].number, &list[i].limits);
    return result < 0 ? print_error(argv[1], result) : 0;
}
