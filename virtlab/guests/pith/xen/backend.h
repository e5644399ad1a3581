// What the back ends of all kinds of devices have in common (backend.c).
#pragma once

#include "ring.h"

// One device of one domain, from when the toolstack has written it into the store.
struct backend {
    bool in_use;
    uint32_t domain, device;
    enum xen_state state;       // as in the store
    uint32_t port;
    bool pending;               // the front end has notified, or there was more to do than at once
};

// A kind of device. Connect and serve may wait, and answer false if the front end is not to be
// trusted: then it is disconnected, and so it is when its domain has gone.
struct backend_kind {
    const char *name;           // its node in the store
    struct backend *(*place)(int i);  // its table; 0 at the end
    bool (*connect)(struct backend *backend, const char *front_path, const char *back_path);
    bool (*serve)(struct backend *backend);
    void (*disconnect)(struct backend *backend);
    bool changed;               // something in the store, or a domain has ended
    bool in_service;
};
long backend_serve(struct backend_kind *kind);
void *backend_map(uint32_t domain, const char *front_path, const char *reference_name);
void backend_unmap(void *page);
bool backend_bind(struct backend *backend, const char *front_path);
