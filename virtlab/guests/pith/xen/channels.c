// Event channels: a bit for each port in the shared page, in words, and a bit for each word above
// them. Whoever looks clears the upper bit first, so that nothing that comes meanwhile is missed.
#include "xen.h"

#define WORD(offset) ((volatile uint64_t *)((char *)channel_page() + (offset)))

static struct {
    event_handler handler;
    void *about;
} handlers[XEN_N_PORTS];

// No port is in use.
void channels_init(void)
{
    memset(handlers, 0, sizeof handlers);
    *WORD(XEN_SHARED_SELECTOR) = 0;
    for (uint32_t word = 0; word < XEN_N_PORTS / 64; word++)
        *WORD(XEN_SHARED_CHANNELS + 8 * word) = *WORD(XEN_SHARED_CHANNELS_MASKED + 8 * word) = 0;
}

static int new_port(long port, event_handler handler, void *about)
{
    if (port > 0) {
        handlers[port].handler = handler;
        handlers[port].about = about;
    }
    return port;
}

int channel_offer(uint32_t domain, event_handler handler, void *about)
{
    return new_port(xen_call(XEN_EVENT, XEN_ALLOC_UNBOUND, domain, 0, 0), handler, about);
}

int channel_bind(uint32_t domain, uint32_t port, event_handler handler, void *about)
{
    return new_port(xen_call(XEN_EVENT, XEN_BIND_INTERDOMAIN, domain, port, 0), handler, about);
}

int channel_bind_virq(uint32_t virq, event_handler handler)
{
    return new_port(xen_call(XEN_EVENT, XEN_BIND_VIRQ, virq, 0, 0), handler, 0);
}

bool channel_send(uint32_t port) { return xen_call(XEN_EVENT, XEN_SEND, port, 0, 0) == 0; }

bool channel_is_joined(uint32_t port)
{
    return xen_call(XEN_EVENT, XEN_STATUS, port, 0, 0) == XEN_CHANNEL_JOINED;
}

void channel_close(uint32_t port)
{
    handlers[port].handler = 0;
    xen_call(XEN_EVENT, XEN_CLOSE, port, 0, 0);
}

// What gcc calls for __builtin_ctzl() where the hart has no instruction for it: the lowest bit set.
int __ctzdi2(uint64_t bits)
{
    int n = 0;

    while (!(bits >> n & 1))
        n++;
    return n;
}

static uint64_t take_all(volatile uint64_t *word)
{
    return __atomic_exchange_n(word, 0, __ATOMIC_RELAXED);
}

void channels_handle(void)
{
    for (uint64_t words = take_all(WORD(XEN_SHARED_SELECTOR)); words; words &= words - 1) {
        uint32_t first = 64 * __builtin_ctzl(words);
        uint64_t bits = take_all(WORD(XEN_SHARED_CHANNELS + first / 8));
        for (; bits; bits &= bits - 1) {
            uint32_t port = first + __builtin_ctzl(bits);
            if (handlers[port].handler)
                handlers[port].handler(handlers[port].about);
        }
    }
}

void wait_for_event(void)
{
    wait_for_interrupt();
    take_interrupts();
}
