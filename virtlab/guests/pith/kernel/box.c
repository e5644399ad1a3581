// Boxes: groups of processes on one kernel that see their own part of the system.
//
// A box consists of namespaces (what is its own: process numbers, host name, ports, files),
// capabilities (what its processes may do) and limits (how much of the machine they may use).
// Its first process is number 1 inside, and when that ends, so do all others. What a box shares
// with others is the host's, which is box 0 and not a box to its processes: they see everything.
// A box makes no boxes.
#include "kernel.h"

_Static_assert(sizeof(struct box) == BOX_SIZE, "BOX_SIZE");

struct box boxes[MAX_BOXES] UNSET, *boxes_end;

#define FOR_EACH_BOX(box) for (struct box *box = boxes; box < boxes_end; box++)

static void set_limits(struct box *box, const struct box_limits *limits)
{
    box->info.limits = *limits;
    box->page_limit = limits->max_pages ? limits->max_pages : UINT64_MAX;
}

void box_init(void)
{
    memset(HOST, 0, sizeof *HOST);
    set_limits(HOST, &(struct box_limits){.weight = USUAL_WEIGHT});
    HOST->capabilities = CAP_ALL;
    memcpy(HOST->info.name, "host", 5);
    memcpy(HOST->host_name, "pith", 5);
    boxes_end = HOST + 1;
}

static bool in_use(const struct box *box)
{
    return box == HOST || box->info.n_processes > 0 || box->info.n_pages > 0;
}

// A free place, cleared; 0 if there is none.
static struct box *find_place(void)
{
    struct box *box = boxes;

    while (box < boxes_end && in_use(box))
        box++;
    if (box == boxes + MAX_BOXES)
        return 0;
    if (box == boxes_end)
        boxes_end++;
    return memset(box, 0, sizeof *box);
}

void box_add(struct box *box, struct process *p)
{
    p->box = box;
    p->number_inside = ++box->last_number;
    p->frame->n_calls = &box->info.n_system_calls;
    box->info.n_processes++;
}

void box_remove(struct process *p) { p->box->info.n_processes--; }

// ---- what the running process sees, and may do

bool box_has_own(uint32_t namespace) { return current->box->info.namespaces & namespace; }

struct box *box_with(uint32_t namespace) { return box_has_own(namespace) ? current->box : HOST; }

bool box_may(uint32_t capability) { return current->box->capabilities & capability; }

// ---- system calls

static bool are_possible(const struct box_limits *limits)
{
    return limits->weight >= 1 && limits->weight <= MAX_WEIGHT && limits->quota_percent <= 100;
}

// The running process becomes the first of a new box. Its children stay where they are. In
// fs_enter(), so that nobody else is looking for a place meanwhile.
int box_enter(uint64_t settings_va)
{
    static uint32_t last_number;
    struct box_settings settings;

    if (!box_may(CAP_BOX) || current->box != HOST)
        return -E_PERM;
    if (copy_from_user(&settings, settings_va, sizeof settings) < 0)
        return -E_FAULT;
    if (settings.namespaces & ~BOX_ALL || !are_possible(&settings.limits) || current == HOST->first)
        return -E_INVALID;
    struct box *box = find_place();
    if (box == 0)
        return -E_TOOMANY;
    if (settings.namespaces & BOX_FILES) {
        settings.root[MAX_PATH - 1] = settings.layer[MAX_PATH - 1] = 0;
        int result = overlay_begin(box, settings.root, settings.layer);
        if (result < 0)
            return result;
    }

    box->info.number = ++last_number;
    box->info.namespaces = settings.namespaces;
    set_limits(box, &settings.limits);
    memcpy(box->info.name, settings.name, NAME_LENGTH - 1);
    memcpy(box->host_name, box->info.name, NAME_LENGTH);
    shares_begin(box);
    box->capabilities = CAP_ALL;
    if (settings.namespaces & BOX_CAPABILITIES)
        box->capabilities = settings.namespaces & BOX_HOSTNAME ? CAP_HOSTNAME : 0;
    process_leave_children();
    box_remove(current);
    box_add(box, current);
    page_give(current->stack, box);
    box->first = current;
    return box->info.number;
}

int box_list(uint64_t va, uint64_t n)
{
    uint64_t count = 0;

    FOR_EACH_BOX(box) {
        if (!in_use(box) || count == n || (box_has_own(BOX_PIDS) && box != current->box))
            continue;
        if (copy_to_user(va + count * sizeof box->info, &box->info, sizeof box->info) < 0)
            return -E_FAULT;
        count++;
    }
    return count;
}

int box_limit(uint64_t number, uint64_t limits_va)
{
    struct box_limits limits;

    if (!box_may(CAP_BOX))
        return -E_PERM;
    if (copy_from_user(&limits, limits_va, sizeof limits) < 0)
        return -E_FAULT;
    if (!are_possible(&limits) || number == HOST->info.number)
        return -E_INVALID;
    FOR_EACH_BOX(box)
        if (in_use(box) && box->info.number == number) {
            set_limits(box, &limits);
            return 0;
        }
    return -E_NOENT;
}

int box_host_name(uint64_t va, uint64_t n, bool set)
{
    struct box *box = box_with(BOX_HOSTNAME);
    char name[NAME_LENGTH] = "";

    if (set) {
        if (!box_may(CAP_HOSTNAME))
            return -E_PERM;
        if (n == 0 || n >= NAME_LENGTH)
            return n == 0 ? -E_INVALID : -E_NAME;
        if (copy_from_user(name, va, n) < 0)
            return -E_FAULT;
        memcpy(box->host_name, name, NAME_LENGTH);
    } else if (copy_to_user(va, box->host_name, least(n, strlen(box->host_name) + 1)) < 0) {
        return -E_FAULT;
    }
    return strlen(box->host_name);
}
