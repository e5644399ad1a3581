#include "xen.h"

long xen(enum xen_operation operation, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t words[XEN_MOST_WORDS] = {a, b, c, d};

    return system_call(SYS_XEN, operation, words);
}

int xen_error(const char *what, long error)
{
    static const char *const words[64] = {
        [XEN_NOT_PERMITTED] = "not permitted", [XEN_NO_ENTRY] = "no such entry",
        [XEN_NO_DOMAIN] = "no such domain",    [XEN_TOO_BIG] = "too long",
        [XEN_NO_MEMORY] = "not enough memory", [XEN_NO_ACCESS] = "access is not granted",
        [XEN_BUSY] = "in use",                 [XEN_EXISTS] = "exists already",
        [XEN_INVALID] = "an argument makes no sense",
    };
    long n = -error - XEN_ERRORS;

    if (n < 0)
        return print_error(what, error);
    print("%s: %s\n", what, n < 64 && words[n] ? words[n] : "refused by the hypervisor");
    return 1;
}

static char *put_at, *put_end;

static void put(char c)
{
    if (put_at < put_end)
        *put_at++ = c;
}

static char *format_to(char *to, size_t size, const char *pattern, va_list arguments)
{
    put_at = to;
    put_end = to + size - 1;
    format(put, pattern, arguments);
    *put_at = 0;
    return to;
}

char *text_of(char *to, size_t size, const char *pattern, ...)
{
    va_list arguments;

    va_start(arguments, pattern);
    format_to(to, size, pattern, arguments);
    va_end(arguments);
    return to;
}

long store_read(const char *path, char *text, size_t size)
{
    long n = xen(ASK_READ, (uint64_t)path, (uint64_t)text, size - 1, 0);

    text[n < 0 ? 0 : least(n, size - 1)] = 0;
    return n;
}

void store_write(const char *path, const char *pattern, ...)
{
    char text[MAX_PATH];
    va_list arguments;

    va_start(arguments, pattern);
    format_to(text, sizeof text, pattern, arguments);
    va_end(arguments);
    long result = xen(ASK_WRITE, (uint64_t)path, (uint64_t)text, 0, 0);
    if (result < 0)
        exit(xen_error(path, result));
}

uint64_t hash_of(uint64_t hash, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ data[i]) * 0x100000001b3UL;
    return hash;
}

void print_hash(const char *what, uint64_t hash, long n_bytes)
{
    print("%s: %ld bytes, hash %p\n", what, n_bytes, hash);
}

uint8_t pattern_at(uint32_t seed, uint64_t at)
{
    return (seed + at) * 2654435761U >> 24 ^ at >> 8;
}
