#include "runtime.h"

#define UART_DATA (*(volatile uint8_t *)0x10000000)
#define UART_LINE_STATUS (*(volatile uint8_t *)0x10000005)
#define ROOM_TO_SEND (1 << 5)
#define FINISHER (*(volatile uint32_t *)0x100000)
#define PASS 0x5555
#define FAIL 0x3333  // with the status in the upper half

int putchar(int c)
{
    while (!(UART_LINE_STATUS & ROOM_TO_SEND))
        ;
    UART_DATA = c;
    return c;
}

static void put(const char *text)
{
    while (*text)
        putchar(*text++);
}

int puts(const char *text)
{
    put(text);
    return putchar('\n');
}

void put_hex(uint64_t value)
{
    put("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        putchar("0123456789abcdef"[value >> shift & 15]);
}

void exit(int status)
{
    FINISHER = status == 0 ? PASS : (uint32_t)status << 16 | FAIL;
    for (;;)
        ;
}

void report_trap(uint64_t cause, uint64_t pc, uint64_t value)
{
    put("unexpected trap: cause ");
    put_hex(cause);
    put(", pc ");
    put_hex(pc);
    put(", value ");
    put_hex(value);
    puts("");
    exit(1);
}

// The compiler may turn assignments and initial values of structures and arrays into calls of these.
void *memset(void *to, int value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = value;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = ((const char *)from)[i];
    return to;
}
