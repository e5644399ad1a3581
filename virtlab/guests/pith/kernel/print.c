// The kernel's own messages. They go to the serial line at once, without interrupts, so that they
// arrive even when the kernel is about to stop.
#include "kernel.h"

void print(const char *pattern, ...)
{
    va_list arguments;

    va_start(arguments, pattern);
    format(uart_put_now, pattern, arguments);
    va_end(arguments);
}

// For what cannot be: says in which function, and powers off.
void panic_in(const char *function, const char *pattern, ...)
{
    va_list arguments;

    print("\npanic in %s: ", function);
    va_start(arguments, pattern);
    format(uart_put_now, pattern, arguments);
    va_end(arguments);
    print("\n");
    power_off(true);
}

void power_off(bool failed)
{
    uart_flush();
    sbi_shutdown(failed);
}
