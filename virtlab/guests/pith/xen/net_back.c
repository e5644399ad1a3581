// The network's back end: a bridge. What one domain sends is copied here, looked at, and copied
// into a page that the domain has offered to which it is addressed; or one of every other, if it is
// for all. Whoever offers no page does not get it, as at a switch. A domain sends in its own name
// only.
// Source: Xen, xen/include/public/io/netif.h.
#include "backend.h"

#define MOST_VIFS 16
#define BATCH 16
#define ADDRESS_BYTES 6
#define LEAST_PACKET 14

static struct vif {
    struct backend backend;     // first: the address of the one is that of the other
    struct ring_end from, to;   // what the domain sends, and the pages in which it receives
    uint8_t address[ADDRESS_BYTES];
} vifs[MOST_VIFS];
static uint8_t *pages[BATCH];   // packets on their way

static struct backend *place(int i) { return i < MOST_VIFS ? &vifs[i].backend : 0; }

static void disconnect(struct backend *backend)
{
    struct vif *vif = (struct vif *)backend;

    backend_unmap(vif->from.ring);
    backend_unmap(vif->to.ring);
    vif->from.ring = vif->to.ring = 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// 02:00:00:00:00:01, as the toolstack has it.
static bool read_address(uint8_t *address, const char *text)
{
    for (int i = 0; i < ADDRESS_BYTES; i++, text += 3) {
        if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0 ||
            text[2] != (i < ADDRESS_BYTES - 1 ? ':' : 0))
            return false;
        address[i] = hex_digit(text[0]) << 4 | hex_digit(text[1]);
    }
    return true;
}

static bool connect(struct backend *backend, const char *front_path, const char *back_path)
{
    struct vif *vif = (struct vif *)backend;
    char address[24];

    store_read(store_path("%s/mac", back_path).text, address, sizeof address);
    void *from = backend_map(backend->domain, front_path, "tx-ring-ref");
    void *to = backend_map(backend->domain, front_path, "rx-ring-ref");
    vif->from.ring = from;
    vif->to.ring = to;
    if (from == 0 || to == 0 || !read_address(vif->address, address))
        return false;
    ring_begin(&vif->from, from, sizeof(struct xen_net_tx_request));
    ring_begin(&vif->to, to, sizeof(struct xen_net_rx_request));
    return backend_bind(backend, front_path);
}

static bool is_for(const struct vif *vif, const uint8_t *packet)
{
    for (int i = 0; i < ADDRESS_BYTES; i++)
        if (packet[i] != vif->address[i] && !(packet[0] & 1))  // 1: for all
            return false;
    return true;
}

static bool is_from(const struct vif *vif, const uint8_t *packet)
{
    for (int i = 0; i < ADDRESS_BYTES; i++)
        if (packet[ADDRESS_BYTES + i] != vif->address[i])
            return false;
    return true;
}

// Puts the packet into the next page that the domain has offered; false if its ring cannot be.
static bool deliver(struct vif *vif, const uint8_t *packet, uint32_t n_bytes)
{
    uint32_t waiting = back_waiting(&vif->to);
    struct xen_net_rx_request request;

    if (waiting > vif->to.n_places)
        return false;
    if (waiting == 0) {
        traffic.dropped++;
        return true;
    }
    back_take(&vif->to, &request);
    struct xen_grant_copy copy = {
        .source = {.domain = XEN_SELF, .reference = gfn_of(packet)},
        .destination = {.domain = vif->backend.domain, .reference = request.reference},
        .n_bytes = n_bytes,
        .flags = XEN_DESTINATION_IS_GRANT,
    };
    grant_copy(&copy, 1);
    traffic.refused += copy.result != 0;
    traffic.responses++;
    struct xen_net_rx_response *response = back_put(&vif->to);
    *response = (struct xen_net_rx_response){
        .id = request.id, .status = copy.result == 0 ? (int)n_bytes : XEN_STATUS_ERROR};
    return true;
}

static void forward(struct vif *sender, const uint8_t *packet, uint32_t n_bytes)
{
    for (struct vif *vif = vifs; vif < vifs + MOST_VIFS; vif++)
        if (vif != sender && vif->backend.state == CONNECTED && is_for(vif, packet))
            if (!deliver(vif, packet, n_bytes))
                vif->backend.pending = true;  // serve() will find the same, and end it
}

// Takes up to BATCH packets with one call, and sends each where it belongs.
static void take_packets(struct vif *vif, uint32_t n)
{
    static struct xen_net_tx_request requests[BATCH];
    static struct xen_grant_copy copies[BATCH];

    for (uint32_t i = 0; i < n; i++) {
        back_take(&vif->from, &requests[i]);
        copies[i] = (struct xen_grant_copy){
            .source = {.domain = vif->backend.domain,
                       .reference = requests[i].reference,
                       .offset = requests[i].offset},
            .destination = {.domain = XEN_SELF, .reference = gfn_of(pages[i])},
            .n_bytes = least(requests[i].n_bytes, XEN_MOST_PACKET),
            .flags = XEN_SOURCE_IS_GRANT,
        };
    }
    grant_copy(copies, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t n_bytes = requests[i].n_bytes;
        bool done = copies[i].result == 0 && n_bytes >= LEAST_PACKET &&
                    n_bytes <= XEN_MOST_PACKET && is_from(vif, pages[i]);
        if (done)
            forward(vif, pages[i], n_bytes);
        traffic.refused += !done;
        traffic.responses++;
        struct xen_net_tx_response *response = back_put(&vif->from);
        *response = (struct xen_net_tx_response){
            .id = requests[i].id, .status = done ? XEN_STATUS_OK : XEN_STATUS_ERROR};
    }
}

static bool serve(struct backend *backend)
{
    struct vif *vif = (struct vif *)backend;
    uint32_t n = back_waiting(&vif->from);

    if (n > vif->from.n_places || back_waiting(&vif->to) > vif->to.n_places)
        return false;
    while (n > 0) {
        uint32_t part = least(n, BATCH);
        take_packets(vif, part);
        n -= part;
    }
    back_push(&vif->from, backend->port);
    for (struct vif *other = vifs; other < vifs + MOST_VIFS; other++)
        if (other->backend.state == CONNECTED)
            back_push(&other->to, other->backend.port);
    if (!back_may_sleep(&vif->from))
        backend->pending = true;
    return true;
}

long serve_network(void)
{
    static struct backend_kind kind = {
        .name = "vif", .place = place, .connect = connect, .serve = serve,
        .disconnect = disconnect,
    };

    for (int i = 0; i < BATCH; i++)
        if (pages[i] == 0 && (pages[i] = page_alloc_for(HOST)) == 0)
            return -E_NOMEM;
    return backend_serve(&kind);
}
