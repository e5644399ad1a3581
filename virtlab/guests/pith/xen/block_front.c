// The disk's front end: a ring of requests to a back end in another domain, which is named in the
// store. The pages of a request are granted to it for as long as the request is under way.
// Source: Xen, xen/include/public/io/blkif.h.
#include "fs.h"
#include "ring.h"

#define SECTOR_SIZE 512
#define DEVICE "device/vbd/0"

static struct ring_end front;
static char *ring_page;
static uint32_t backend, port, n_waiting;
static char backend_path[STORE_TEXT];
static bool failed;
static int references[XEN_MOST_BLOCKS];  // of the pages under way, by the id of the request

static void answered(void *about)
{
    wake_up(&front);
}

// Tells the back end where the ring is, and waits until it serves it.
static void connect(void)
{
    while (store_read(DEVICE "/backend", backend_path, sizeof backend_path) <= 0)
        panic("there is no disk");
    backend = store_number(DEVICE "/backend-id");
    front_begin(&front, ring_page, XEN_BLOCK_PLACE_BYTES);
    port = channel_offer(backend, answered, 0);
    store_write(DEVICE "/ring-ref", "%d", grant_page(backend, ring_page, false));
    store_write(DEVICE "/event-channel", "%u", port);
    store_watch(backend_path);
    store_write(DEVICE "/state", "%d", INITIALISED);
    while (store_number(store_path("%s/state", backend_path).text) != CONNECTED)
        wait_for_event();
    store_write(DEVICE "/state", "%d", CONNECTED);
}

void block_front_init(void)
{
    ring_page = page_alloc_zeroed();
    connect();
    disk_n_blocks =
        store_number(store_path("%s/sectors", backend_path).text) / (BLOCK_SIZE / SECTOR_SIZE);
}

// Puts in one request for as many pages as fit into one; how many those are.
static uint32_t put_request(uint64_t sector, void **pages, uint32_t first, uint32_t n, bool write)
{
    struct xen_block_request *request = front_put(&front);
    uint32_t n_pages = least(n - first, XEN_MOST_SEGMENTS);

    *request = (struct xen_block_request){
        .operation = write ? XEN_BLOCK_WRITE : XEN_BLOCK_READ,
        .n_segments = n_pages,
        .id = first,
        .sector = sector + first * (BLOCK_SIZE / SECTOR_SIZE),
    };
    for (uint32_t i = 0; i < n_pages; i++) {
        references[first + i] = grant_page(backend, pages[first + i], write);
        if (references[first + i] < 0)
            panic("there is no place for a grant");
        request->segments[i] = (struct xen_block_segment){
            .reference = references[first + i],
            .last_sector = BLOCK_SIZE / SECTOR_SIZE - 1,
        };
    }
    n_waiting++;
    traffic.requests++;
    return n_pages;
}

static void take_responses(void)
{
    for (struct xen_block_response *response; (response = front_take(&front));) {
        n_waiting--;
        failed |= response->status != XEN_STATUS_OK;
    }
}

// Reads or writes n pages, at most XEN_MOST_BLOCKS, that follow one another on the disk. All requests
// go at once. One process at a time comes here: the caller is in fs_enter().
void block_front_transfer(uint64_t sector, void **pages, uint32_t n, bool write)
{
    for (uint32_t first = 0; first < n;)
        first += put_request(sector, pages, first, n, write);
    front_push(&front, port);
    for (take_responses(); n_waiting > 0; take_responses())
        wait_for(&front);
    for (uint32_t i = 0; i < n; i++)
        if (!grant_end(references[i]))
            panic("the back end keeps page %u", i);
    if (failed)
        panic("the disk fails at sector %lu", sector);
}
