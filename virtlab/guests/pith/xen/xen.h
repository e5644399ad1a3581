// What the files that know of Xen offer to one another. They are laid over the paravirtual port as
// that is laid over kernel/; a file that replaces another finds that one beside it as plain_NAME.
#pragma once

#include "kernel.h"
#include "request.h"
#include "xen_abi.h"
#include "port.h"

static inline uint64_t gfn_of(const volatile void *page) { return (uint64_t)page >> PAGE_SHIFT; }

// channels.c: event channels. A handler is called as for an interrupt: it must not wait.
typedef void (*event_handler)(void *about);
void channels_init(void);
int channel_offer(uint32_t domain, event_handler handler, void *about);  // a port, or an error
int channel_bind(uint32_t domain, uint32_t port, event_handler handler, void *about);
int channel_bind_virq(uint32_t virq, event_handler handler);
bool channel_send(uint32_t port);     // false if the port is not there any more
bool channel_is_joined(uint32_t port);
void channel_close(uint32_t port);
void channels_handle(void);
void wait_for_event(void);            // while there is no process that could wait

// grants.c
void grants_init(void);
void grants_resume(void);
int grant_page(uint32_t domain, const void *page, bool read_only);  // a reference, or -E_TOOMANY
bool grant_end(int reference);        // false while the other still uses the page
void grant_copy(struct xen_grant_copy *copies, uint32_t n);  // each has its result then

// store.c: the tree of names. Paths and values are texts; a path without / before it begins where
// the domain's own part does.
#define STORE_TEXT 128
struct store_path {
    char text[STORE_TEXT];
};
struct store_path store_path(const char *pattern, ...);
long store_read(const char *path, char *text, size_t size);
long store_number(const char *path);  // -1 if there is none
bool store_write(const char *path, const char *pattern, ...);
void store_remove(const char *path);
bool store_watch(const char *path);   // any change there calls all who listen
void store_listen(void (*listener)(void));
void store_resume(void);

// How far an end has come, in its node "state".
enum xen_state { INITIALISING = 1, READY_TO_CONNECT, INITIALISED, CONNECTED, CLOSING, CLOSED };

// Front ends, and what else Domain0 asks of a domain.
void block_front_init(void);
void block_front_resume(void);        // on another machine, like the others of this name
void block_front_transfer(uint64_t sector, void **pages, uint32_t n, bool write);
void net_front_init(void);
void net_front_resume(void);
long net_send(uint64_t va, size_t n, bool more);
long net_receive(uint64_t va, size_t n, uint64_t ms);
void balloon_init(void);
void balloon_resume(void);
void orders_init(void);

// domain.c
void xen_init(void);
#define DRIVER_DOMAIN 0               // where the back ends are
extern uint32_t xen_self;             // the number of this domain
extern struct xen_traffic traffic;
long xen_request(uint64_t operation, uint64_t words_va);
