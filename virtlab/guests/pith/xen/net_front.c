// The network's front end: two rings, one for packets that go and one for pages that wait for
// packets. All its pages are granted for good. There is no network above it: a program sends and
// receives packets as they are, from one 48-bit address to another.
// Source: Xen, xen/include/public/io/netif.h.
#include "ring.h"

#define DEVICE "device/vif/0"
#define N_SENDING 32
#define N_RECEIVING 64

static struct ring_end sending, receiving;
static int sending_reference, receiving_reference;
static uint32_t port;
static char backend_path[STORE_TEXT];
static enum { UNKNOWN, ANNOUNCED, IN_USE } stage;
static struct {
    char *page;
    int reference;
    bool busy;
} to_send[N_SENDING];
static struct {
    char *page;
    int reference;
    bool arrived;
} to_receive[N_RECEIVING];
static uint16_t n_sending;
static struct {
    uint16_t id, n_bytes;
} arrived[N_RECEIVING];          // packets that no program has taken yet
static uint32_t n_arrived, n_taken;

static void offer_page(uint16_t id)
{
    struct xen_net_rx_request *request = front_put(&receiving);

    to_receive[id].arrived = false;
    *request = (struct xen_net_rx_request){.id = id, .reference = to_receive[id].reference};
}

static void take_responses(void *about)
{
    for (struct xen_net_tx_response *done; (done = front_take(&sending));) {
        if (done->id < N_SENDING && to_send[done->id].busy) {
            to_send[done->id].busy = false;
            n_sending--;
        }
        traffic.refused += done->status != XEN_STATUS_OK;
    }
    for (struct xen_net_rx_response *got; (got = front_take(&receiving));) {
        if (got->id >= N_RECEIVING || to_receive[got->id].arrived ||
            got->status > XEN_MOST_PACKET)
            panic("a packet of %d bytes in place %u", got->status, got->id);
        to_receive[got->id].arrived = true;
        arrived[n_arrived % N_RECEIVING].id = got->id;
        arrived[n_arrived++ % N_RECEIVING].n_bytes = got->status < 0 ? 0 : got->status;
    }
    wake_up(&sending);
    wake_up(&receiving);
}

static char *granted_page(int *reference, bool read_only)
{
    char *page = page_alloc_zeroed();

    *reference = page ? grant_page(DRIVER_DOMAIN, page, read_only) : -E_NOMEM;
    if (*reference < 0)
        panic("there is no memory for the network");
    return page;
}

static void get_pages(void)
{
    sending.ring = (struct xen_ring *)granted_page(&sending_reference, false);
    receiving.ring = (struct xen_ring *)granted_page(&receiving_reference, false);
    for (int i = 0; i < N_SENDING; i++)
        to_send[i].page = granted_page(&to_send[i].reference, true);
    for (int i = 0; i < N_RECEIVING; i++)
        to_receive[i].page = granted_page(&to_receive[i].reference, false);
}

// Tells the back end where the rings are. What was under way to another one is lost, as packets
// may.
static void announce(void)
{
    if (sending.ring == 0)
        get_pages();
    front_begin(&sending, sending.ring, sizeof(struct xen_net_tx_request));
    front_begin(&receiving, receiving.ring, sizeof(struct xen_net_rx_request));
    for (int i = 0; i < N_SENDING; i++)
        to_send[i].busy = false;
    n_sending = 0;
    for (int i = 0; i < N_RECEIVING; i++)
        if (!to_receive[i].arrived)
            offer_page(i);
    port = channel_offer(DRIVER_DOMAIN, take_responses, 0);
    store_write(DEVICE "/tx-ring-ref", "%d", sending_reference);
    store_write(DEVICE "/rx-ring-ref", "%d", receiving_reference);
    store_write(DEVICE "/event-channel", "%u", port);
    store_watch(backend_path);
    store_write(DEVICE "/state", "%d", INITIALISED);
    stage = ANNOUNCED;
}

// Once the toolstack has written the device into the store, and once a back end has answered.
static void look(void)
{
    if (stage == UNKNOWN && store_read(DEVICE "/backend", backend_path, sizeof backend_path) > 0)
        announce();
    if (stage == ANNOUNCED &&
        store_number(store_path("%s/state", backend_path).text) == CONNECTED) {
        stage = IN_USE;
        front_push(&receiving, port);
        store_write(DEVICE "/state", "%d", CONNECTED);
        wake_up(&stage);
        wake_up(&sending);
    }
}

void net_front_init(void)
{
    store_listen(look);
    net_front_resume();
    look();
}

// On another machine the device comes into the store again.
void net_front_resume(void)
{
    stage = UNKNOWN;
    store_watch(DEVICE);
}

static bool is_ready(void)
{
    while (sending.ring && stage != IN_USE && !current->killed)
        wait_for(&stage);
    return sending.ring && !current->killed;
}

// Waits while all pages are on their way. With more set, the other side hears of it with the next.
long net_send(uint64_t va, size_t n, bool more)
{
    uint32_t id = 0;

    if (n > XEN_MOST_PACKET)
        return -E_INVALID;
    if (!is_ready())
        return -E_NOENT;
    while (n_sending == N_SENDING || stage != IN_USE) {
        if (current->killed)
            return -E_KILLED;
        if (stage == IN_USE)
            front_push(&sending, port);
        wait_for(&sending);
    }
    while (to_send[id].busy)
        id++;
    if (copy_from_user(to_send[id].page, va, n) < 0)
        return -E_FAULT;
    to_send[id].busy = true;
    n_sending++;
    traffic.requests++;
    struct xen_net_tx_request *request = front_put(&sending);
    *request = (struct xen_net_tx_request){
        .reference = to_send[id].reference, .id = id, .n_bytes = n};
    if (!more)
        front_push(&sending, port);
    take_responses(0);
    return n;
}

// The next packet, as much of it as fits; 0 if none comes in time.
long net_receive(uint64_t va, size_t n, uint64_t ms)
{
    uint64_t end = time_now() + ticks_from_ms(ms);

    if (!is_ready())
        return -E_NOENT;
    while (n_taken == n_arrived) {
        if (current->killed)
            return -E_KILLED;
        if (time_now() >= end)
            return 0;
        current->wake_time = end;
        wait_for(&receiving);
    }
    uint16_t id = arrived[n_taken % N_RECEIVING].id;
    n = least(n, arrived[n_taken++ % N_RECEIVING].n_bytes);
    int result = copy_to_user(va, to_receive[id].page, n);
    offer_page(id);
    if (stage == IN_USE)
        front_push(&receiving, port);
    return result < 0 ? result : (long)n;
}
