// The system call by which programs of this domain use what only a domain has. The control
// interface is passed on as it is: whether this domain may use it, the hypervisor decides.
#include "fs.h"
#include "xen.h"

static long from_xen(long result) { return result < 0 ? result - XEN_ERRORS : result; }

// Records of the control interface go through a page of the kernel's.
static long control(const uint64_t *words)
{
    static char records[PAGE_SIZE];
    uint64_t op = words[0], in_records = (uint64_t)records;
    long result;

    switch (op) {
    case XEN_CREATE:
        if (copy_from_user(records, words[1], sizeof(struct xen_create)) < 0)
            return -E_FAULT;
        return from_xen(xen_call(XEN_CONTROL, op, in_records, 0, 0));
    case XEN_INFO:
        result = xen_call(XEN_CONTROL, op, words[1], in_records, 0);
        if (result >= 0 && copy_to_user(words[2], records, sizeof(struct xen_info)) < 0)
            return -E_FAULT;
        return from_xen(result);
    case XEN_LIST: {
        uint64_t n = least(words[2], sizeof records / sizeof(struct xen_info));
        result = xen_call(XEN_CONTROL, op, in_records, n, 0);
        n = result < 0 ? 0 : least(n, result);
        if (copy_to_user(words[1], records, n * sizeof(struct xen_info)) < 0)
            return -E_FAULT;
        return from_xen(result < 0 ? result : (long)n);
    }
    default:
        return from_xen(xen_call(XEN_CONTROL, op, words[1], words[2], words[3]));
    }
}

static long use_store(uint64_t operation, const uint64_t *words)
{
    static char text[XEN_MOST_TEXT];
    char path[MAX_PATH];
    long n = copy_text_from_user(path, words[0], sizeof path);
    uint64_t call = operation == ASK_NAMES ? XEN_STORE_LIST : XEN_STORE_READ;

    if (n < 0)
        return n;
    switch (operation) {
    case ASK_WRITE:
        n = copy_text_from_user(text, words[1], sizeof text);
        if (n < 0)
            return n;
        return from_xen(
            xen_call(XEN_STORE, XEN_STORE_WRITE, (uint64_t)path, (uint64_t)text, n));
    case ASK_REMOVE:
        return from_xen(xen_call(XEN_STORE, XEN_STORE_REMOVE, (uint64_t)path, 0, 0));
    default:
        n = xen_call(XEN_STORE, call, (uint64_t)path, (uint64_t)text, sizeof text);
        if (n > 0 && copy_to_user(words[1], text, least(n, least(words[2], sizeof text))) < 0)
            return -E_FAULT;
        return from_xen(n);
    }
}

// From the disk into n pages of this kernel's, and from there to the program.
static long read_blocks(uint64_t first, uint64_t va, uint64_t n)
{
    static void *pages[XEN_MOST_BLOCKS];
    long result = n;

    if (n == 0 || n > XEN_MOST_BLOCKS || first >= disk_n_blocks || n > disk_n_blocks - first)
        return -E_INVALID;
    fs_enter();
    for (uint64_t i = 0; i < n; i++)
        if (pages[i] == 0 && (pages[i] = page_alloc_for(HOST)) == 0)
            result = -E_NOMEM;
    if (result > 0 && has_own_disk())
        for (uint64_t i = 0; i < n; i++)
            disk_transfer(first + i, pages[i], false);
    else if (result > 0)
        block_front_transfer(first * (BLOCK_SIZE / 512), pages, n, false);
    for (uint64_t i = 0; i < n && result > 0; i++)
        if (copy_to_user(va + i * BLOCK_SIZE, pages[i], BLOCK_SIZE) < 0)
            result = -E_FAULT;
    fs_leave();
    return result;
}

long xen_request(uint64_t operation, uint64_t words_va)
{
    uint64_t words[XEN_MOST_WORDS];

    if (!box_may(CAP_DEVICE))
        return -E_PERM;
    if (copy_from_user(words, words_va, sizeof words) < 0)
        return -E_FAULT;
    switch (operation) {
    case ASK_SELF: return xen_self;
    case ASK_CONTROL: return control(words);
    case ASK_READ:
    case ASK_WRITE:
    case ASK_REMOVE:
    case ASK_NAMES: return use_store(operation, words);
    case ASK_SERVE_DISKS: return serve_disks();
    case ASK_SERVE_NETWORK: return serve_network();
    case ASK_SEND: return net_send(words[0], words[1], words[2]);
    case ASK_RECEIVE: return net_receive(words[0], words[1], words[2]);
    case ASK_READ_BLOCKS: return read_blocks(words[0], words[1], words[2]);
    case ASK_TRAFFIC: return copy_to_user(words[0], &traffic, sizeof traffic);
    default: return -E_NOCALL;
    }
}
