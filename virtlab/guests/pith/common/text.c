#include "text.h"

#define WORD sizeof(uint64_t)
#define IS_ALIGNED(pointer) ((uintptr_t)(pointer) % WORD == 0)

// Whole words where both ends allow it: pages are cleared and copied all the time.
void *memset(void *to, int value, size_t n)
{
    char *byte = to;
    bool aligned = IS_ALIGNED(to);

    for (; aligned && n >= WORD; n -= WORD, byte += WORD)
        *(uint64_t *)byte = 0x0101010101010101 * (uint8_t)value;
    while (n-- > 0)
        *byte++ = value;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    char *target = to;
    const char *source = from;
    bool aligned = IS_ALIGNED(to) && IS_ALIGNED(from);

    for (; aligned && n >= WORD; n -= WORD, target += WORD, source += WORD)
        *(uint64_t *)target = *(const uint64_t *)source;
    while (n-- > 0)
        *target++ = *source++;
    return to;
}

size_t strlen(const char *text)
{
    size_t n = 0;

    while (text[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++)
        if (*a != *b || *a == 0)
            return (uint8_t)*a - (uint8_t)*b;
    return 0;
}

static void put_text(void (*put)(char), const char *text, int width)
{
    int n = strlen(text);

    for (int i = n; i < width; i++)
        put(' ');
    while (*text)
        put(*text++);
    for (int i = n; i < -width; i++)
        put(' ');
}

static void put_number(void (*put)(char), uint64_t value, bool negative, unsigned base, int width)
{
    char digits[24], *first = digits + sizeof digits - 1;

    *first = 0;
    do
        *--first = "0123456789abcdef"[value % base];
    while (value /= base);
    if (negative)
        *--first = '-';
    put_text(put, first, width);
}

// 0x8020_0000: as many groups of four digits as the address needs.
static void put_address(void (*put)(char), uint64_t address)
{
    int shift = 48;

    while (shift > 16 && address >> shift == 0)
        shift -= 16;
    put_text(put, "0x", 0);
    for (; shift >= 0; shift -= 16) {
        for (int digit = shift + 12; digit >= shift; digit -= 4)
            put("0123456789abcdef"[address >> digit & 15]);
        if (shift > 0)
            put('_');
    }
}

void format(void (*put)(char), const char *pattern, va_list arguments)
{
    for (; *pattern; pattern++) {
        if (*pattern != '%') {
            put(*pattern);
            continue;
        }
        bool is_left = *++pattern == '-', is_long;
        int width = 0;
        for (pattern += is_left; *pattern >= '0' && *pattern <= '9'; pattern++)
            width = 10 * width + *pattern - '0';
        if (is_left)
            width = -width;
        is_long = *pattern == 'l';
        pattern += is_long;

        switch (*pattern) {
        case 'd': {
            int64_t value = is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            put_number(put, value < 0 ? -(uint64_t)value : value, value < 0, 10, width);
            break;
        }
        case 'u': {
            uint64_t value = is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            put_number(put, value, false, 10, width);
            break;
        }
        case 'p':
            put_address(put, va_arg(arguments, uint64_t));
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
