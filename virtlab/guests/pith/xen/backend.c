// Back ends: how they find the front ends that want them, and come and go with them.
//
//   toolstack     backend/KIND/DOMAIN/DEVICE in Domain0's part of the store, device/KIND/DEVICE in
//                 the other domain's; each names the other
//   back end      state 2: it has seen that                 READY_TO_CONNECT
//   front end     writes where its rings are; state 3       INITIALISED
//   back end      maps the rings; state 4                   CONNECTED
//
// A process stays in backend_serve() for as long as it lives. It lets events in between two rounds,
// and others run, so that no front end can keep it, or Domain0, from the rest.
#include "backend.h"

#define NAMES 512

static struct backend_kind *kinds[2];

static void notified(void *about)
{
    struct backend *backend = about;

    backend->pending = true;
    for (int i = 0; i < 2; i++)
        if (kinds[i])
            wake_up(kinds[i]);
}

static void look_again(void)
{
    for (int i = 0; i < 2; i++)
        if (kinds[i]) {
            kinds[i]->changed = true;
            wake_up(kinds[i]);
        }
}

static void domain_ended(void *about) { look_again(); }

static struct store_path front_path(const struct backend_kind *kind, const struct backend *backend)
{
    return store_path("/local/domain/%u/device/%s/%u", backend->domain, kind->name,
                      backend->device);
}

static struct store_path back_path(const struct backend_kind *kind, const struct backend *backend)
{
    return store_path("backend/%s/%u/%u", kind->name, backend->domain, backend->device);
}

static void set_state(struct backend_kind *kind, struct backend *backend, enum xen_state state)
{
    backend->state = state;
    store_write(store_path("%s/state", back_path(kind, backend).text).text, "%d", state);
}

void *backend_map(uint32_t domain, const char *front_path, const char *reference_name)
{
    long reference = store_number(store_path("%s/%s", front_path, reference_name).text);
    long address = reference < 0 ? reference
                                 : xen_call(XEN_GRANT, XEN_MAP, domain, reference, 0);

    return address < 0 ? 0 : (void *)address;
}

void backend_unmap(void *page)
{
    if (page)
        xen_call(XEN_GRANT, XEN_UNMAP, (uint64_t)page, 0, 0);
}

bool backend_bind(struct backend *backend, const char *front_path)
{
    long port = store_number(store_path("%s/event-channel", front_path).text);
    int own = port < 0 ? -1 : channel_bind(backend->domain, port, notified, backend);

    backend->port = own < 0 ? 0 : own;
    return own > 0;
}

static void disconnect(struct backend_kind *kind, struct backend *backend)
{
    if (backend->port)
        channel_close(backend->port);
    backend->port = 0;
    backend->pending = false;
    kind->disconnect(backend);
    set_state(kind, backend, CLOSED);
}

static struct backend *find(struct backend_kind *kind, uint32_t domain, uint32_t device)
{
    struct backend *free = 0, *backend;

    for (int i = 0; (backend = kind->place(i)); i++) {
        if (backend->in_use && backend->domain == domain && backend->device == device)
            return backend;
        if (!backend->in_use && free == 0)
            free = backend;
    }
    if (free)
        *free = (struct backend){.in_use = true, .domain = domain, .device = device};
    return free;
}

// Does with one device what is to be done now.
static void attend(struct backend_kind *kind, struct backend *backend)
{
    struct store_path front = front_path(kind, backend), back = back_path(kind, backend);
    long front_state = store_number(store_path("%s/state", front.text).text);

    if (front_state < 0) {  // its domain has gone, and so goes what is left of it here
        if (backend->port)
            disconnect(kind, backend);
        store_remove(store_path("backend/%s/%u", kind->name, backend->domain).text);
        backend->in_use = false;
        return;
    }
    switch (backend->state) {
    case READY_TO_CONNECT:
        if (front_state != INITIALISED)
            break;
        if (kind->connect(backend, front.text, back.text)) {
            backend->pending = true;  // what has come before the port was bound
            set_state(kind, backend, CONNECTED);
        } else {
            disconnect(kind, backend);
        }
        break;
    case CONNECTED:
        if (front_state == CLOSING || front_state == CLOSED)
            disconnect(kind, backend);
        break;
    case CLOSED:
        if (front_state != INITIALISED)
            set_state(kind, backend, READY_TO_CONNECT);
        break;
    default:
        store_watch(store_path("%s/state", front.text).text);
        set_state(kind, backend, READY_TO_CONNECT);
        kind->changed = true;
    }
}

static uint32_t number_of(const char *text)
{
    uint32_t value = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        value = 10 * value + *text - '0';
    return value;
}

static void attend_all(struct backend_kind *kind)
{
    static char domains[NAMES], devices[NAMES];
    struct store_path path = store_path("backend/%s", kind->name);
    long n = xen_call(XEN_STORE, XEN_STORE_LIST, (uint64_t)path.text, (uint64_t)domains, NAMES);

    kind->changed = false;
    for (char *domain = domains; domain < domains + n && n <= NAMES; domain += strlen(domain) + 1) {
        path = store_path("backend/%s/%s", kind->name, domain);
        long m = xen_call(XEN_STORE, XEN_STORE_LIST, (uint64_t)path.text, (uint64_t)devices, NAMES);
        for (char *device = devices; device < devices + m && m <= NAMES;
             device += strlen(device) + 1) {
            struct backend *backend = find(kind, number_of(domain), number_of(device));
            if (backend)
                attend(kind, backend);
        }
    }
}

// One round of all front ends; whether anything was done.
static bool serve_round(struct backend_kind *kind)
{
    struct backend *backend;
    bool busy = false;

    for (int i = 0; (backend = kind->place(i)); i++) {
        if (!backend->in_use || !backend->pending)
            continue;
        backend->pending = false;
        busy = true;
        if (!channel_is_joined(backend->port) || !kind->serve(backend)) {
            disconnect(kind, backend);
            kind->changed = true;
        }
    }
    return busy;
}

static void stop(struct backend_kind *kind)
{
    struct backend *backend;

    for (int i = 0; (backend = kind->place(i)); i++)
        if (backend->in_use && backend->port)
            disconnect(kind, backend);
    kind->in_service = false;
}

long backend_serve(struct backend_kind *kind)
{
    int i = 0;

    if (kind->in_service)
        return -E_EXIST;
    kind->in_service = true;
    while (kinds[i] && kinds[i] != kind)
        i++;
    if (kinds[0] == 0) {
        store_listen(look_again);
        channel_bind_virq(XEN_VIRQ_DOMAIN, domain_ended);
    }
    kinds[i] = kind;
    store_watch(store_path("backend/%s", kind->name).text);
    kind->changed = true;
    while (!current->killed) {
        if (kind->changed) {
            attend_all(kind);
        } else if (serve_round(kind)) {
            let_events_in();
            yield();
        } else {
            wait_for(kind);
        }
    }
    stop(kind);
    return -E_KILLED;
}
