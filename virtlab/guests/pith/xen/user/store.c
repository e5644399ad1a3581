// store [PATH [TEXT]]: shows a part of the store, by default this domain's own, or writes a value.
#include "xen.h"

#define NAMES 512

static void show(const char *path)
{
    char value[MAX_PATH], names[NAMES], below[MAX_PATH];
    long n = store_read(path, value, sizeof value);

    if (n < 0)
        exit(xen_error(path, n));
    print("%s = %s\n", path, value);
    n = least(xen(ASK_NAMES, (uint64_t)path, (uint64_t)names, NAMES, 0), NAMES);
    for (char *name = names; n > 0 && name < names + n; name += strlen(name) + 1)
        show(text_of(below, sizeof below, "%s/%s", path, name));
}

int main(int argc, char **argv)
{
    char own[32];
    long self = xen(ASK_SELF, 0, 0, 0, 0);

    if (self < 0)
        return xen_error("store", self);
    if (argc > 2)
        store_write(argv[1], "%s", argv[2]);
    else
        show(argc > 1 ? argv[1] : text_of(own, sizeof own, "/local/domain/%ld", self));
    return 0;
}
