// The store: a tree of names that all domains know, in which front ends and back ends find each
// other. A watch says that something has changed, and whoever listens looks again.
#include "xen.h"

#define MOST_LISTENERS 4

static void (*listeners[MOST_LISTENERS])(void);
static int port;
static char *put_at, *put_end;

static void put(char c)
{
    if (put_at < put_end)
        *put_at++ = c;
}

static void print_to(char *to, size_t size, const char *pattern, va_list arguments)
{
    put_at = to;
    put_end = to + size - 1;
    format(put, pattern, arguments);
    *put_at = 0;
}

struct store_path store_path(const char *pattern, ...)
{
    struct store_path path;
    va_list arguments;

    va_start(arguments, pattern);
    print_to(path.text, sizeof path.text, pattern, arguments);
    va_end(arguments);
    return path;
}

// The value as a text that ends in 0; its length, or an error of the hypervisor, negated.
long store_read(const char *path, char *text, size_t size)
{
    long n = xen_call(XEN_STORE, XEN_STORE_READ, (uint64_t)path, (uint64_t)text, size - 1);

    text[n < 0 ? 0 : least(n, size - 1)] = 0;
    return n;
}

long store_number(const char *path)
{
    char text[24];
    long value = 0;

    if (store_read(path, text, sizeof text) <= 0)
        return -1;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9')
            return -1;
        value = 10 * value + *c - '0';
    }
    return value;
}

bool store_write(const char *path, const char *pattern, ...)
{
    char text[STORE_TEXT];
    va_list arguments;

    va_start(arguments, pattern);
    print_to(text, sizeof text, pattern, arguments);
    va_end(arguments);
    return xen_call(XEN_STORE, XEN_STORE_WRITE, (uint64_t)path, (uint64_t)text, strlen(text)) == 0;
}

void store_remove(const char *path)
{
    xen_call(XEN_STORE, XEN_STORE_REMOVE, (uint64_t)path, 0, 0);
}

static void changed(void *about)
{
    char path[4];  // which one does not matter; but it waits until it is taken

    while (xen_call(XEN_STORE, XEN_STORE_NEXT, (uint64_t)path, sizeof path, 0) > 0)
        ;
    for (int i = 0; i < MOST_LISTENERS && listeners[i]; i++)
        listeners[i]();
}

bool store_watch(const char *path)
{
    return xen_call(XEN_STORE, XEN_STORE_WATCH, (uint64_t)path, port, 0) == 0;
}

void store_listen(void (*listener)(void))
{
    int i = 0;

    while (i < MOST_LISTENERS && listeners[i])
        i++;
    if (i == MOST_LISTENERS)
        panic("more than %d listen", MOST_LISTENERS);
    listeners[i] = listener;
}

// A port for what changes, and no watches yet.
void store_resume(void)
{
    port = channel_offer(xen_self, changed, 0);
    if (port < 0)
        panic("there is no port for the store");
}
