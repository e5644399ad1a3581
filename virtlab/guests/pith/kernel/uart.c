// The serial line: a 16550, with interrupts in both directions. What programs write goes into a
// ring; the interrupt that says "all sent" takes the next characters out of it.
// Source: National Semiconductor, PC16550D data sheet, "Registers".
#include "kernel.h"

enum uart_register {
    DATA = UART_BASE + 0,              // read: received; write: to send
    INTERRUPT_ENABLE = UART_BASE + 1,
    INTERRUPT_REASON = UART_BASE + 2,  // reading it also ends an "all sent" interrupt
    FIFO_CONTROL = UART_BASE + 2,      // the same place, written
    LINE_CONTROL = UART_BASE + 3,
    LINE_STATUS = UART_BASE + 5,
};
#define ENABLE_RECEIVED 1
#define ENABLE_SENT 2
#define FIFO_ON_AND_CLEAR 7
#define EIGHT_BITS 3
#define STATUS_RECEIVED (1 << 0)
#define STATUS_SENT (1 << 5)  // room for FIFO_SIZE characters
#define FIFO_SIZE 16

#define RING_SIZE 512
static char ring[RING_SIZE];
static uint32_t n_put, n_sent;  // since power-on; their difference is in the ring
static bool ready;

void uart_init(void)
{
    device_write8(INTERRUPT_ENABLE, 0);
    device_write8(LINE_CONTROL, EIGHT_BITS);
    device_write8(FIFO_CONTROL, FIFO_ON_AND_CLEAR);
    device_write8(INTERRUPT_ENABLE, ENABLE_RECEIVED | ENABLE_SENT);
    ready = true;
}

// Fills the FIFO from the ring, if it is empty.
static void send(void)
{
    if (n_put == n_sent || !(device_read8(LINE_STATUS) & STATUS_SENT))
        return;
    for (int i = 0; i < FIFO_SIZE && n_sent != n_put; i++)
        device_write8(DATA, ring[n_sent++ % RING_SIZE]);
    wake_up(ring);
}

void uart_interrupt(void)
{
    device_read8(INTERRUPT_REASON);
    while (console_has_room() && device_read8(LINE_STATUS) & STATUS_RECEIVED)
        console_receive(device_read8(DATA));
    uart_receive(console_has_room());
    send();
}

// What arrives while it is not allowed stays in the device, and the sender has to wait.
void uart_receive(bool allow)
{
    static bool allowed = true;

    if (allow != allowed)
        device_write8(INTERRUPT_ENABLE, allow ? ENABLE_SENT | ENABLE_RECEIVED : ENABLE_SENT);
    allowed = allow;
}

int uart_write(const char *text, size_t n)
{
    size_t all = n;

    while (n > 0) {
        while (n > 0 && n_put - n_sent < RING_SIZE) {
            ring[n_put++ % RING_SIZE] = *text++;
            n--;
        }
        send();
        if (n > 0 && n_put - n_sent == RING_SIZE)
            wait_for(ring);
    }
    return all;
}

// What was typed, shown again. An interrupt cannot wait, so with a full ring it is not shown.
void uart_echo(char c)
{
    if (n_put - n_sent < RING_SIZE)
        ring[n_put++ % RING_SIZE] = c;
    send();
}

static void put_and_wait(char c)
{
    while (!(device_read8(LINE_STATUS) & STATUS_SENT))
        ;
    device_write8(DATA, c);
}

void uart_flush(void)
{
    while (n_sent != n_put)
        put_and_wait(ring[n_sent++ % RING_SIZE]);
}

// After what programs wrote earlier, so that the order is right on the screen.
void uart_put_now(char c)
{
    if (!ready) {
        sbi_put(c);
        return;
    }
    uart_flush();
    put_and_wait(c);
}
