#include "text.h"

#define WORD sizeof(uint64_t)
#define ALIGNED(pointer) (((uintptr_t)(pointer) & (WORD - 1)) == 0)

// Whole words where both ends allow it: pages are cleared and copied all the time.
void *memset(void *to, int value, size_t n)
{
    char *byte = to;
    uint64_t pattern = 0x0101010101010101 * (uint8_t)value;

    if (ALIGNED(to))
        for (; n >= WORD; n -= WORD, byte += WORD)
            *(uint64_t *)byte = pattern;
    while (n-- > 0)
        *byte++ = value;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    char *target = to;
    const char *source = from;

    if (ALIGNED(to) && ALIGNED(from))
        for (; n >= WORD; n -= WORD, target += WORD, source += WORD)
            *(uint64_t *)target = *(const uint64_t *)source;
    while (n-- > 0)
        *target++ = *source++;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n > 0; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *text)
{
    size_t n = 0;

    while (text[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++)
        if (*a != *b || *a == 0)
            return (uint8_t)*a - (uint8_t)*b;
    return 0;
}

static void put_padding(void (*put)(char), int n)
{
    while (n-- > 0)
        put(' ');
}

static void put_text(void (*put)(char), const char *text, int width)
{
    int n = strlen(text);

    put_padding(put, width - n);
    for (; *text; text++)
        put(*text);
    put_padding(put, -width - n);
}

// A group of 4 sets "_" between every four digits; 0 sets none.
static void put_number(void (*put)(char), uint64_t value, bool negative, unsigned base, int group,
                       int width)
{
    char digits[32], *first = digits + sizeof digits;
    int n = 0;

    *--first = 0;
    do {
        if (group && n && n % group == 0)
            *--first = '_';
        *--first = "0123456789abcdef"[value % base];
        value /= base;
        n++;
    } while (value || (group && n % group));
    if (group) {
        *--first = 'x';
        *--first = '0';
    }
    if (negative)
        *--first = '-';
    put_text(put, first, width);
}

void format(void (*put)(char), const char *pattern, va_list arguments)
{
    for (; *pattern; pattern++) {
        if (*pattern != '%') {
            put(*pattern);
            continue;
        }
        pattern++;
        int width = 0, sign = 1, is_long = 0;
        if (*pattern == '-')
            sign = -1, pattern++;
        for (; *pattern >= '0' && *pattern <= '9'; pattern++)
            width = 10 * width + *pattern - '0';
        width *= sign;
        if (*pattern == 'l')
            is_long = 1, pattern++;

        switch (*pattern) {
        case 'd': {
            int64_t value = is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            put_number(put, value < 0 ? -(uint64_t)value : value, value < 0, 10, 0, width);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t value = is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            put_number(put, value, false, *pattern == 'x' ? 16 : 10, 0, width);
            break;
        }
        case 'p':
            put_number(put, va_arg(arguments, uint64_t), false, 16, 4, width);
            break;
        case 's':
            put_text(put, va_arg(arguments, const char *), width);
            break;
        case 'c':
            put(va_arg(arguments, int));
            break;
        default:
            put(*pattern);
        }
    }
}
