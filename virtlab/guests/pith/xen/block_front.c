// The disk's front end: a ring of requests to a back end in another domain, which is named in the
// store. The pages of a request are granted to it for as long as the request is under way; requests
// are kept until they are answered, so that they can be made anew at another back end.
// Source: Xen, xen/include/public/io/blkif.h.
#include "fs.h"
#include "ring.h"

#define SECTOR_SIZE 512
#define DEVICE "device/vbd/0"
#define MOST_REQUESTS (XEN_MOST_BLOCKS / XEN_MOST_SEGMENTS + 1)

static struct ring_end front;
static char *ring_page;
static int ring_reference;
static uint32_t port;
static char backend_path[STORE_TEXT];
static enum { UNKNOWN, ANNOUNCED, IN_USE } stage;
static bool failed;
static struct xen_block_request requests[MOST_REQUESTS];  // by id; n_segments is 0 if answered
static int references[XEN_MOST_BLOCKS];                   // of the pages under way

static void take_responses(void)
{
    for (struct xen_block_response *response; (response = front_take(&front));) {
        if (response->id >= MOST_REQUESTS)
            panic("an answer to request %lu", response->id);
        requests[response->id].n_segments = 0;
        failed |= response->status != XEN_STATUS_OK;
    }
}

static void answered(void *about)
{
    take_responses();
    wake_up(&front);
}

// Tells the back end where the ring is.
static void announce(void)
{
    front_begin(&front, ring_page, XEN_BLOCK_PLACE_BYTES);
    port = channel_offer(DRIVER_DOMAIN, answered, 0);
    store_write(DEVICE "/ring-ref", "%d", ring_reference);
    store_write(DEVICE "/event-channel", "%u", port);
    store_watch(backend_path);
    store_write(DEVICE "/state", "%d", INITIALISED);
    stage = ANNOUNCED;
}

// Puts in what has not been answered yet.
static void put_requests(void)
{
    bool any = false;

    for (int id = 0; id < MOST_REQUESTS; id++) {
        if (requests[id].n_segments == 0)
            continue;
        *(struct xen_block_request *)front_put(&front) = requests[id];
        traffic.requests++;
        any = true;
    }
    if (any)
        front_push(&front, port);
}

// Once the toolstack has written the device into the store, and once the back end has answered.
static void look(void)
{
    if (stage == UNKNOWN && store_read(DEVICE "/backend", backend_path, sizeof backend_path) > 0)
        announce();
    if (stage == ANNOUNCED &&
        store_number(store_path("%s/state", backend_path).text) == CONNECTED) {
        stage = IN_USE;
        store_write(DEVICE "/state", "%d", CONNECTED);
        put_requests();
    }
}

void block_front_init(void)
{
    ring_page = page_alloc_zeroed();
    ring_reference = grant_page(DRIVER_DOMAIN, ring_page, false);
    store_listen(look);
    store_watch(DEVICE);
    look();
    if (stage == UNKNOWN)
        panic("there is no disk");
    while (stage != IN_USE)
        wait_for_event();
    disk_n_blocks =
        store_number(store_path("%s/sectors", backend_path).text) / (BLOCK_SIZE / SECTOR_SIZE);
}

// On another machine the device comes into the store again.
void block_front_resume(void)
{
    if (ring_page == 0)
        return;
    stage = UNKNOWN;
    store_watch(DEVICE);
}

static void describe(uint32_t id, uint64_t sector, void **pages, uint32_t n, bool write)
{
    uint32_t first = id * XEN_MOST_SEGMENTS;

    requests[id] = (struct xen_block_request){
        .operation = write ? XEN_BLOCK_WRITE : XEN_BLOCK_READ,
        .n_segments = least(n - first, XEN_MOST_SEGMENTS),
        .id = id,
        .sector = sector + first * (BLOCK_SIZE / SECTOR_SIZE),
    };
    for (uint32_t i = 0; i < requests[id].n_segments; i++) {
        references[first + i] = grant_page(DRIVER_DOMAIN, pages[first + i], write);
        if (references[first + i] < 0)
            panic("there is no place for a grant");
        requests[id].segments[i] = (struct xen_block_segment){
            .reference = references[first + i],
            .last_sector = BLOCK_SIZE / SECTOR_SIZE - 1,
        };
    }
}

static bool all_answered(void)
{
    for (int id = 0; id < MOST_REQUESTS; id++)
        if (requests[id].n_segments > 0)
            return false;
    return true;
}

// Reads or writes n pages, at most XEN_MOST_BLOCKS, that follow one another on the disk. All
// requests go at once. One process at a time comes here: the caller is in fs_enter().
void block_front_transfer(uint64_t sector, void **pages, uint32_t n, bool write)
{
    for (uint32_t id = 0; id * XEN_MOST_SEGMENTS < n; id++)
        describe(id, sector, pages, n, write);
    if (stage == IN_USE)
        put_requests();
    while (!all_answered())
        wait_for(&front);
    for (uint32_t i = 0; i < n; i++)
        if (!grant_end(references[i]))
            panic("the back end keeps page %u", i);
    if (failed)
        panic("the disk fails at sector %lu", sector);
}
