// Lines of text on the serial line: what is typed is shown, can be corrected, and reaches a program
// when the line is complete.
#include "kernel.h"

#define CONTROL(letter) ((letter) & 31)
#define DELETE 127
#define END_OF_INPUT CONTROL('d')

#define BUFFER_SIZE 256
static char buffer[BUFFER_SIZE];
// Counts of characters since power-on: n_read <= n_complete <= n_typed <= n_read + BUFFER_SIZE.
static uint32_t n_read, n_complete, n_typed;

bool console_has_room(void) { return n_typed - n_read < BUFFER_SIZE; }

static void rub_out(void)
{
    n_typed--;
    uart_echo('\b');
    uart_echo(' ');
    uart_echo('\b');
}

// Called from the interrupt, for each character, while there is room.
void console_receive(char c)
{
    if (c == '\r')
        c = '\n';
    switch (c) {
    case CONTROL('c'):
        process_kill_programs();
        break;
    case CONTROL('u'):
        while (n_typed != n_complete)
            rub_out();
        break;
    case CONTROL('h'):
    case DELETE:
        if (n_typed != n_complete)
            rub_out();
        break;
    default:
        buffer[n_typed++ % BUFFER_SIZE] = c;
        if (c != END_OF_INPUT)
            uart_echo(c);
        if (c == '\n' || c == END_OF_INPUT || !console_has_room()) {
            n_complete = n_typed;
            wake_up(buffer);
        }
    }
}

// At most one line; 0 at the end of input.
int console_read(char *to, size_t n)
{
    size_t count = 0;

    while (n_read == n_complete) {
        if (current->killed)
            return -E_KILLED;
        wait_for(buffer);
    }
    while (count < n && n_read != n_complete) {
        char c = buffer[n_read++ % BUFFER_SIZE];
        if (c == END_OF_INPUT) {
            if (count > 0)
                n_read--;  // for the next call, which returns 0
            break;
        }
        to[count++] = c;
        if (c == '\n')
            break;
    }
    uart_receive(true);
    return count;
}
