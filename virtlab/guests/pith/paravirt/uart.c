// The serial line: this end of two rings of characters in the shared page. What is printed goes into
// one; the hypervisor takes it out when told to. What is typed comes in the other, with an event.
#include "kernel.h"

void uart_init(void) {}

static void receive(void)
{
    while (console_has_room() && SHARED->read != SHARED->typed) {
        char c = SHARED->input[SHARED->read % INPUT_RING];
        SHARED->read++;
        console_receive(c);
    }
}

void uart_interrupt(void) { receive(); }

// What arrives while it is not allowed stays in the ring, and the sender has to wait.
void uart_receive(bool allow)
{
    if (allow)
        receive();
}

void uart_flush(void)
{
    while (SHARED->printed != SHARED->taken)
        hypercall(HYPERCALL_NOTIFY, EVENT_CONSOLE, 0);
}

static void put(char c)
{
    if (SHARED->printed - SHARED->taken == OUTPUT_RING)
        uart_flush();
    SHARED->output[SHARED->printed % OUTPUT_RING] = c;
    SHARED->printed++;
}

int uart_write(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(text[i]);
    uart_flush();
    return n;
}

// What was typed, shown again.
void uart_echo(char c)
{
    put(c);
    uart_flush();
}

void uart_put_now(char c)
{
    put(c);
    if (c == '\n')
        uart_flush();
}
