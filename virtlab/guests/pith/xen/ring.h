// Rings of requests and responses in a page that two domains share. Each end believes of the
// other's indices only what can be true; it keeps its own to itself.
// Source: Xen, xen/include/public/io/ring.h.
#pragma once

#include "xen.h"

struct ring_end {
    struct xen_ring *ring;
    uint32_t place_bytes, n_places;
    uint32_t put, taken;  // by this end: requests and responses, or the other way round
};

static inline void ring_begin(struct ring_end *end, void *page, uint32_t place_bytes)
{
    uint32_t n_places = 1;

    while (2 * n_places * place_bytes <= PAGE_SIZE - XEN_FIRST_PLACE)
        n_places *= 2;
    *end = (struct ring_end){.ring = page, .place_bytes = place_bytes, .n_places = n_places};
}

static inline void *ring_place(struct ring_end *end, uint32_t index)
{
    return end->ring->places + index % end->n_places * end->place_bytes;
}

// Whether the other end has asked to be told of one of what is new.
static inline bool ring_must_notify(uint32_t new, uint32_t old, uint32_t event)
{
    return new - event < new - old;
}

// ---- the front end

static inline void front_begin(struct ring_end *end, void *page, uint32_t place_bytes)
{
    ring_begin(end, memset(page, 0, PAGE_SIZE), place_bytes);
    end->ring->req_event = end->ring->rsp_event = 1;
}

static inline uint32_t front_free(struct ring_end *end)
{
    return end->n_places - (end->put - end->taken);
}

// The next request's place; the other end does not see it before front_push().
static inline void *front_put(struct ring_end *end) { return ring_place(end, end->put++); }

static inline void front_push(struct ring_end *end, uint32_t port)
{
    uint32_t old = end->ring->req_prod;

    memory_barrier();  // the requests before the index
    end->ring->req_prod = end->put;
    memory_barrier();
    if (ring_must_notify(end->put, old, end->ring->req_event)) {
        traffic.notified++;
        channel_send(port);
    } else {
        traffic.spared++;
    }
}

// The next response, 0 if there is none: then the other end notifies of the next.
static inline void *front_take(struct ring_end *end)
{
    for (int look = 0; look < 2; look++) {
        uint32_t n = end->ring->rsp_prod - end->taken;
        memory_barrier();
        if (n > end->put - end->taken)
            panic("more responses than requests");
        if (n > 0) {
            traffic.responses++;
            return ring_place(end, end->taken++);
        }
        end->ring->rsp_event = end->taken + 1;
        memory_barrier();
    }
    return 0;
}

// ---- the back end

// How many requests wait; more than n_places if the indices cannot be.
static inline uint32_t back_waiting(struct ring_end *end)
{
    uint32_t prod = end->ring->req_prod;

    memory_barrier();
    return prod - end->put > end->n_places ? UINT32_MAX : prod - end->taken;
}

// Before sleep: true if there is nothing, and the other end will notify.
static inline bool back_may_sleep(struct ring_end *end)
{
    end->ring->req_event = end->taken + 1;
    memory_barrier();
    return back_waiting(end) == 0;
}

// The next request, copied once, so that nobody changes what has been looked at.
static inline void back_take(struct ring_end *end, void *request)
{
    memcpy(request, ring_place(end, end->taken++), end->place_bytes);
    traffic.requests++;
}

static inline void *back_put(struct ring_end *end) { return ring_place(end, end->put++); }

static inline void back_push(struct ring_end *end, uint32_t port)
{
    uint32_t old = end->ring->rsp_prod;

    if (old == end->put)
        return;
    memory_barrier();
    end->ring->rsp_prod = end->put;
    memory_barrier();
    if (ring_must_notify(end->put, old, end->ring->rsp_event)) {
        traffic.notified++;
        channel_send(port);
    } else {
        traffic.spared++;
    }
}
