// The disk's back end: each front end's disk is a file of this domain. Data is copied between the
// pages that the front end has granted and this domain's own, and so no page of it stays mapped but
// the ring.
// Source: Xen, xen/include/public/io/blkif.h.
#include "backend.h"
#include "fs.h"

#define SECTOR_SIZE 512
#define MOST_DISKS 16

static struct disk {
    struct backend backend;     // first: the address of the one is that of the other
    struct ring_end ring;
    uint32_t inode;
    uint64_t n_sectors;
    bool read_only;
} disks[MOST_DISKS];
static char *pages[XEN_MOST_SEGMENTS];  // data on its way

static struct backend *place(int i) { return i < MOST_DISKS ? &disks[i].backend : 0; }

// Two that wrote to one disk would each spoil what the other believes of it.
static bool is_taken(const struct disk *wanted)
{
    for (const struct disk *disk = disks; disk < disks + MOST_DISKS; disk++)
        if (disk != wanted && disk->inode == wanted->inode &&
            !(disk->read_only && wanted->read_only))
            return true;
    return false;
}

static bool open_file(struct disk *disk, const char *back_path)
{
    char path[MAX_PATH], mode[4];
    struct file_info info = {.type = FILE_FREE};

    if (store_read(store_path("%s/params", back_path).text, path, sizeof path) <= 0)
        return false;
    store_read(store_path("%s/mode", back_path).text, mode, sizeof mode);
    disk->read_only = mode[0] == 'r';
    fs_enter();
    int inode = fs_find(current->directory, path);
    if (inode > 0)
        fs_info(inode, &info);
    disk->inode = info.type == FILE_REGULAR ? inode : 0;
    if (disk->inode && is_taken(disk))
        disk->inode = 0;
    if (disk->inode) {
        disk->n_sectors = info.n_bytes / SECTOR_SIZE;
        fs_hold(inode);
    }
    fs_leave();
    return disk->inode != 0;
}

static void disconnect(struct backend *backend)
{
    struct disk *disk = (struct disk *)backend;

    backend_unmap(disk->ring.ring);
    disk->ring.ring = 0;
    if (disk->inode) {
        fs_enter();
        fs_release(disk->inode);
        fs_leave();
    }
    disk->inode = 0;
}

static bool connect(struct backend *backend, const char *front_path, const char *back_path)
{
    struct disk *disk = (struct disk *)backend;

    if (!open_file(disk, back_path))
        return false;
    void *page = backend_map(backend->domain, front_path, "ring-ref");
    if (page == 0)
        return false;
    ring_begin(&disk->ring, page, XEN_BLOCK_PLACE_BYTES);
    store_write(store_path("%s/sectors", back_path).text, "%lu", disk->n_sectors);
    return backend_bind(backend, front_path);
}

// Whether a request makes sense, and how many bytes it moves.
static bool is_right(const struct disk *disk, const struct xen_block_request *request)
{
    uint64_t n = 0;

    if (request->operation != XEN_BLOCK_READ &&
        (request->operation != XEN_BLOCK_WRITE || disk->read_only))
        return false;
    if (request->n_segments == 0 || request->n_segments > XEN_MOST_SEGMENTS)
        return false;
    for (int i = 0; i < request->n_segments; i++) {
        const struct xen_block_segment *segment = &request->segments[i];
        if (segment->first_sector > segment->last_sector ||
            segment->last_sector >= PAGE_SIZE / SECTOR_SIZE)
            return false;
        n += segment->last_sector + 1 - segment->first_sector;
    }
    return request->sector <= disk->n_sectors && n <= disk->n_sectors - request->sector;
}

static bool copy_granted(struct disk *disk, const struct xen_block_request *request)
{
    static struct xen_grant_copy copies[XEN_MOST_SEGMENTS];
    bool reading = request->operation == XEN_BLOCK_READ, done = true;

    for (int i = 0; i < request->n_segments; i++) {
        const struct xen_block_segment *segment = &request->segments[i];
        struct xen_grant_copy *copy = &copies[i];
        uint32_t offset = segment->first_sector * SECTOR_SIZE;

        memset(copy, 0, sizeof *copy);
        copy->source.offset = copy->destination.offset = offset;
        copy->n_bytes = (segment->last_sector + 1 - segment->first_sector) * SECTOR_SIZE;
        copy->source.domain = reading ? XEN_SELF : disk->backend.domain;
        copy->source.reference = reading ? gfn_of(pages[i]) : segment->reference;
        copy->destination.domain = reading ? disk->backend.domain : XEN_SELF;
        copy->destination.reference = reading ? segment->reference : gfn_of(pages[i]);
        copy->flags = reading ? XEN_DESTINATION_IS_GRANT : XEN_SOURCE_IS_GRANT;
    }
    grant_copy(copies, request->n_segments);
    for (int i = 0; i < request->n_segments; i++)
        done &= copies[i].result == 0;
    return done;
}

static bool move_on_disk(struct disk *disk, const struct xen_block_request *request)
{
    uint32_t offset = request->sector * SECTOR_SIZE;
    bool done = true;

    fs_enter();
    for (int i = 0; i < request->n_segments && done; i++) {
        const struct xen_block_segment *segment = &request->segments[i];
        uint32_t n = (segment->last_sector + 1 - segment->first_sector) * SECTOR_SIZE;
        char *data = pages[i] + segment->first_sector * SECTOR_SIZE;
        int moved = request->operation == XEN_BLOCK_READ
                        ? fs_read(disk->inode, data, offset, n, false)
                        : fs_write(disk->inode, data, offset, n);
        done = moved == (int)n;
        offset += n;
    }
    fs_leave();
    return done;
}

static bool carry_out(struct disk *disk, const struct xen_block_request *request)
{
    if (!is_right(disk, request))
        return false;
    if (request->operation == XEN_BLOCK_READ)
        return move_on_disk(disk, request) && copy_granted(disk, request);
    return copy_granted(disk, request) && move_on_disk(disk, request);
}

static bool serve(struct backend *backend)
{
    struct disk *disk = (struct disk *)backend;
    struct xen_block_request request;
    uint32_t n = back_waiting(&disk->ring);

    if (n > disk->ring.n_places)
        return false;
    for (; n > 0; n--) {
        back_take(&disk->ring, &request);
        bool done = carry_out(disk, &request);
        traffic.refused += !done;
        traffic.responses++;
        struct xen_block_response *response = back_put(&disk->ring);
        *response = (struct xen_block_response){
            .id = request.id,
            .operation = request.operation,
            .status = done ? XEN_STATUS_OK : XEN_STATUS_ERROR,
        };
    }
    back_push(&disk->ring, backend->port);
    if (!back_may_sleep(&disk->ring))
        backend->pending = true;
    return true;
}

long serve_disks(void)
{
    static struct backend_kind kind = {
        .name = "vbd", .place = place, .connect = connect, .serve = serve,
        .disconnect = disconnect,
    };

    for (int i = 0; i < XEN_MOST_SEGMENTS; i++)
        if (pages[i] == 0 && (pages[i] = page_alloc_for(HOST)) == 0)
            return -E_NOMEM;
    return backend_serve(&kind);
}
