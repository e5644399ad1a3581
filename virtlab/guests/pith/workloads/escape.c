// escape [FILE]: a hostile program. Tries each system call on what is outside its box, and prints
// for every attempt whether it was kept in. Ends with 0 if nothing leaked.
//
// Where an attempt needs somebody outside, they have to be there: a process (the shell is one), and
// for ports one that serves a number below 64. FILE is one of the base, by default /readme.
#include "../user/user.h"

#define N_PORTS 64
#define N_NUMBERS 2000         // of processes that it tries to kill blindly
#define RAM 0x80000000UL
#define KERNEL 0x80200000UL

static struct process_info list[MAX_PROCESSES];
static int n_listed;
static const char *file_outside = "/readme";

static const struct process_info *find(int number)
{
    for (int i = 0; i < n_listed; i++)
        if ((int)list[i].number == number)
            return &list[i];
    return 0;
}

// Outside number 1 is called init; inside it is whatever began the box.
static bool sees_processes(void)
{
    n_listed = processes(list, MAX_PROCESSES);
    const struct process_info *first = find(1);
    return first && strncmp(first->name, "init", NAME_LENGTH) == 0;
}

static bool is_ancestor(int number)
{
    for (const struct process_info *p = find(getpid()); p; p = find(p->parent))
        if ((int)p->number == number)
            return true;
    return false;
}

// The newest process that does not wait for this one; its parent if there is no other.
static bool kills_others(void)
{
    if (sees_processes()) {
        int victim = find(getpid())->parent;
        for (int i = 0; i < n_listed; i++)
            if (!is_ancestor(list[i].number) && list[i].state != ENDED)
                victim = list[i].number;
        return kill(victim) == 0;
    }
    for (int number = 1; number < N_NUMBERS; number++)
        if (!find(number) && kill(number) == 0)
            return true;
    return false;
}

static bool sees_boxes(void)
{
    static struct box_info others[2];

    return boxes(others, 2) > 1;
}

// A box with a host name of its own begins with its own name.
static bool sees_host_name(void)
{
    static struct box_info all[MAX_BOXES];
    char name[NAME_LENGTH] = "";
    int n = boxes(all, MAX_BOXES);

    hostname(name, sizeof name, false);
    for (int i = 0; i < n; i++)
        if (all[i].number && strcmp(all[i].name, name) == 0)
            return false;
    return true;
}

static uint32_t inode_of(const char *path, int flags)
{
    struct file_info info = {.inode = 0};
    int file = open(path, flags);

    if (file >= 0) {
        stat(file, &info);
        close(file);
    }
    return info.inode;
}

static bool leaves_root(void)
{
    return inode_of("/../../..", OPEN_READ) != inode_of("/", OPEN_READ);
}

// Opened for writing, it must not be the same file.
static bool writes_file(void)
{
    uint32_t outside = inode_of(file_outside, OPEN_READ);
    uint32_t written = inode_of(file_outside, OPEN_WRITE);

    if (written && written != outside)
        remove(file_outside);  // the copy
    return written && written == outside;
}

static bool reads_disk(void) { return open("/", OPEN_READ | OPEN_DIRECT) >= 0; }

static bool calls_port(void)
{
    for (int number = 0; number < N_PORTS; number++) {
        int file = port(number, OPEN_WRITE);
        if (file >= 0) {
            close(file);
            return true;
        }
    }
    return false;
}

static bool probes_device(void) { return probe(1) >= 0; }

// These three are refused for what they ask, too, but only if they are permitted.
static bool makes_box(void) { return box(&(struct box_settings){.namespaces = -1}) != -E_PERM; }
static bool changes_limits(void) { return limit(1, &(struct box_limits){0}) != -E_PERM; }
static bool powers_off(void) { return shutdown(MAX_STATUS + 1) != -E_PERM; }

// Every page of RAM, whosever it is: the kernel is asked to send from there.
static bool reads_memory(void)
{
    struct system_info info;
    int ends[2];

    system(&info);
    pipe(ends);
    for (uint64_t i = 0; i < info.n_pages; i++)
        if (write(ends[1], (void *)(RAM + i * PAGE_SIZE), 1) > 0)
            return true;
    return false;
}

static int load_from_kernel(void) { return *(volatile char *)KERNEL & 1; }
static bool reads_kernel(void) { return run(load_from_kernel) != STATUS_FAULT; }

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool (*leaks)(void);
    } attempts[] = {
        {"processes", sees_processes}, {"boxes", sees_boxes},       {"hostname", sees_host_name},
        {"root", leaves_root},         {"file", writes_file},       {"disk", reads_disk},
        {"port", calls_port},          {"probe", probes_device},    {"box", makes_box},
        {"limit", changes_limits},     {"shutdown", powers_off},    {"memory", reads_memory},
        {"kernel", reads_kernel},
        {"kill", kills_others},  // last: it may end whoever waits for this program
    };
    int n_leaks = 0;

    if (argc > 1)
        file_outside = argv[1];
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        bool leaked = attempts[i].leaks();
        print("%s: %s\n", attempts[i].name, leaked ? "LEAKED" : "kept in");
        n_leaks += leaked;
    }
    return n_leaks > 0;
}
