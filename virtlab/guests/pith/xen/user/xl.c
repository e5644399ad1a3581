// xl: creates, lists and steers domains. Domain0 only; the hypervisor refuses it to all others.
#include "xen.h"

#define MOST_DOMAINS 32
#define LONGEST 80

static const char usage[] =
    "xl create [-p] CONFIG | list | top [N [MS]] | pause D | unpause D | shutdown D | destroy D\n"
    "xl mem-set D MIB | mem-max D MIB | sched-credit D [WEIGHT [CAP]]\n"
    "xl block-attach D FILE [r] | network-attach D MAC | block-list D | network-list D\n"
    "D is a domain's number or its name.\n";

static struct xen_info domains[MOST_DOMAINS];

static int list(void)
{
    long n = xen(ASK_CONTROL, XEN_LIST, (uint64_t)domains, MOST_DOMAINS, 0);

    if (n < 0)
        exit(xen_error("xl", n));
    return n;
}

static long control(uint64_t op, uint64_t a, uint64_t b, uint64_t c)
{
    long result = xen(ASK_CONTROL, op, a, b, c);

    if (result < 0)
        exit(xen_error("xl", result));
    return result;
}

static struct xen_info *find(const char *name)
{
    bool is_number = *name >= '0' && *name <= '9';
    int n = list();

    for (int i = 0; i < n; i++)
        if (is_number ? (long)domains[i].number == number(name)
                      : strcmp(domains[i].name, name) == 0)
            return &domains[i];
    print("xl: there is no domain %s\n", name);
    exit(1);
}

static char *state_of(const struct xen_info *domain)
{
    static char state[6];

    state[0] = domain->number == 0 ? 'r' : '-';  // who asks is running
    state[1] = domain->flags & XEN_INFO_BLOCKED ? 'b' : '-';
    state[2] = domain->flags & XEN_INFO_PAUSED ? 'p' : '-';
    state[3] = domain->flags & XEN_INFO_ENDED ? 's' : '-';
    state[4] = domain->flags & XEN_INFO_DYING ? 'd' : '-';
    return state;
}

static int print_list(void)
{
    int n = list();

    print("name             id  MiB state  time ms\n");
    for (int i = 0; i < n; i++) {
        const struct xen_info *domain = &domains[i];
        print("%-16s %2lu %4lu %s %8lu\n", domain->name, domain->number, domain->pages >> 8,
              state_of(domain), domain->run_ticks / 10000);
    }
    return 0;
}

// Every so many ms, who has used how much of the hart since.
static int top(int n_times, long ms)
{
    static struct xen_info before[MOST_DOMAINS];
    struct system_info then, now;

    for (; n_times > 0; n_times--) {
        int n = list();
        memcpy(before, domains, sizeof before);
        system(&then);
        sleep(ms);
        int m = list();
        system(&now);
        uint64_t passed = now.uptime_ms - then.uptime_ms;
        print("name             id   cpu %% weight cap\n");
        for (int i = 0; i < m; i++) {
            uint64_t used = 0;
            for (int k = 0; k < n; k++)
                if (before[k].number == domains[i].number)
                    used = domains[i].run_ticks - before[k].run_ticks;
            print("%-16s %2lu %7lu %6lu %3lu\n", domains[i].name, domains[i].number,
                  passed ? used / (100 * passed) : 0, domains[i].weight, domains[i].cap);
        }
    }
    return 0;
}

// Both ends' entries of a device in the store; the back end's state comes last, and begins it all.
static void add_device(uint64_t domain, const char *kind, const char *what, const char *value,
                       const char *mode)
{
    char front[LONGEST], back[LONGEST], path[LONGEST];

    text_of(front, sizeof front, "/local/domain/%lu/device/%s/0", domain, kind);
    text_of(back, sizeof back, "/local/domain/0/backend/%s/%lu/0", kind, domain);
    store_write(text_of(path, sizeof path, "%s/frontend", back), "%s", front);
    store_write(text_of(path, sizeof path, "%s/frontend-id", back), "%lu", domain);
    store_write(text_of(path, sizeof path, "%s/%s", back, what), "%s", value);
    store_write(text_of(path, sizeof path, "%s/mode", back), "%s", mode);
    store_write(text_of(path, sizeof path, "%s/state", front), "1");
    store_write(text_of(path, sizeof path, "%s/state", back), "1");
    store_write(text_of(path, sizeof path, "%s/backend-id", front), "0");
    store_write(text_of(path, sizeof path, "%s/backend", front), "%s", back);
}

static int print_device(uint64_t domain, const char *kind, const char *what)
{
    char path[LONGEST], value[LONGEST], state[8];

    text_of(path, sizeof path, "/local/domain/0/backend/%s/%lu/0/%s", kind, domain, what);
    long n = store_read(path, value, sizeof value);
    if (n < 0)
        return xen_error("xl", n);
    text_of(path, sizeof path, "/local/domain/0/backend/%s/%lu/0/state", kind, domain);
    store_read(path, state, sizeof state);
    print("%s 0: %s, state %s\n", kind, value, state);
    return 0;
}

// A line "word = value" of a configuration: the value, 0 if it is another word's.
static char *value_of(char *line, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(line, word, n) != 0 || (line[n] != ' ' && line[n] != '='))
        return 0;
    for (line += n; *line == ' ' || *line == '=';)
        line++;
    for (char *end = line; *end; end++)
        if (*end == '\n')
            *end = 0;
    return line;
}

static void set_name(char *to, const char *from)
{
    memset(to, 0, 32);
    memcpy(to, from, least(strlen(from), 31));
}

static int create(const char *config, bool paused)
{
    struct xen_create new = {.pages = 8 << 8};
    char path[MAX_PATH], line[LONGEST], disk[LONGEST] = "", mac[LONGEST] = "", *value;
    int file;

    text_of(path, sizeof path, "%s%s", config[0] == '/' ? "" : "/etc/", config);
    if ((file = open(path, OPEN_READ)) < 0)
        return print_error(path, file);
    set_name(new.name, config);
    while (read_line(file, line, sizeof line) >= 0) {
        if ((value = value_of(line, "name")))
            set_name(new.name, value);
        else if ((value = value_of(line, "kernel")))
            set_name(new.image, value);
        else if ((value = value_of(line, "memory")))
            new.pages = number(value) << 8;
        else if ((value = value_of(line, "weight")))
            new.weight = number(value);
        else if ((value = value_of(line, "cap")))
            new.cap = number(value);
        else if ((value = value_of(line, "disk")))
            memcpy(disk, value, strlen(value) + 1);
        else if ((value = value_of(line, "vif")))
            memcpy(mac, value, strlen(value) + 1);
    }
    long domain = control(XEN_CREATE, (uint64_t)&new, 0, 0);
    if (disk[0])
        add_device(domain, "vbd", "params", disk, "w");
    if (mac[0])
        add_device(domain, "vif", "mac", mac, "w");
    if (!paused)
        control(XEN_UNPAUSE, domain, 0, 0);
    print("domain %ld: %s\n", domain, new.name);
    return 0;
}

// Asks the domain's kernel to end; when it has, the domain is destroyed.
static int shut_down(uint64_t domain)
{
    char path[LONGEST];

    store_write(text_of(path, sizeof path, "/local/domain/%lu/control/shutdown", domain),
                "poweroff");
    for (int tries = 0; tries < 100; tries++) {
        struct xen_info info;
        control(XEN_INFO, domain, (uint64_t)&info, 0);
        if (info.flags & XEN_INFO_ENDED)
            return control(XEN_DESTROY, domain, 0, 0);
        sleep(10);
    }
    print("xl: domain %lu does not end\n", domain);
    return 1;
}

static int set_memory(uint64_t domain, uint64_t mib)
{
    char path[LONGEST];

    store_write(text_of(path, sizeof path, "/local/domain/%lu/memory/target", domain), "%lu",
                mib << 10);
    return 0;
}

static int schedule(const struct xen_info *domain, int argc, char **argv)
{
    if (argc > 3)
        return control(XEN_SCHEDULE, domain->number, number(argv[3]), argument(argc, argv, 4, 0));
    print("weight %lu, cap %lu\n", domain->weight, domain->cap);
    return 0;
}

static int steer(const char *command, struct xen_info *domain, int argc, char **argv)
{
    uint64_t id = domain->number;

    if (strcmp(command, "pause") == 0)
        return control(XEN_PAUSE, id, 0, 0);
    if (strcmp(command, "unpause") == 0)
        return control(XEN_UNPAUSE, id, 0, 0);
    if (strcmp(command, "destroy") == 0)
        return control(XEN_DESTROY, id, 0, 0);
    if (strcmp(command, "shutdown") == 0)
        return shut_down(id);
    if (strcmp(command, "sched-credit") == 0)
        return schedule(domain, argc, argv);
    if (strcmp(command, "block-list") == 0)
        return print_device(id, "vbd", "params");
    if (strcmp(command, "network-list") == 0)
        return print_device(id, "vif", "mac");
    if (argc < 4) {
        print("%s", usage);
        return 2;
    }
    if (strcmp(command, "mem-set") == 0)
        return set_memory(id, number(argv[3]));
    if (strcmp(command, "mem-max") == 0)
        return control(XEN_MAX_MEMORY, id, number(argv[3]) << 8, 0);
    if (strcmp(command, "block-attach") == 0)
        add_device(id, "vbd", "params", argv[3], argc > 4 ? argv[4] : "w");
    else if (strcmp(command, "network-attach") == 0)
        add_device(id, "vif", "mac", argv[3], "w");
    else
        print("%s", usage);
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (strcmp(command, "list") == 0)
        return print_list();
    if (strcmp(command, "top") == 0)
        return top(argument(argc, argv, 2, 1), argument(argc, argv, 3, 100));
    if (strcmp(command, "create") == 0 && argc > 2) {
        bool paused = strcmp(argv[2], "-p") == 0;
        return create(argv[argc - 1], paused);
    }
    if (argc < 3) {
        print("%s", usage);
        return 2;
    }
    return steer(command, find(argv[2]), argc, argv);
}
