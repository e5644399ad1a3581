// selftest: what the kernel promises, each promise tried by a process of its own. Prints one line
// for each and ends with 0 if all were kept.
#include "../user/user.h"

#define FILE_NAME "/tmp/selftest"
#define LAYER "/layer"
#define BIG (20 * PAGE_SIZE)  // more than a pipe holds, and than a file's direct blocks

#define check(condition)                                          \
    do {                                                          \
        if (!(condition)) {                                       \
            print("  not true: %s (line %d)\n", #condition, __LINE__); \
            exit(1);                                              \
        }                                                         \
    } while (0)

static char pattern(long i) { return i * 31 + i / 251; }

static int child_exits(void) { return 42; }
static int child_spins(void) { for (;;) ; }
static int child_sleeps(void) { return sleep(1000000); }
static int child_touches_kernel(void) { return *(volatile char *)0x80200000; }
static int child_writes_code(void) { *(volatile int *)child_exits = 0; return 0; }
static int child_jumps_to_data(void) { return ((int (*)(void))sbrk(PAGE_SIZE))(); }
static int child_is_illegal(void) { asm volatile("csrr zero, sstatus"); return 0; }
static int child_goes_deep(void)
{
    volatile char frame[PAGE_SIZE];

    frame[0] = 1;
    return child_goes_deep() + frame[0];
}

static int fork_and_wait(void)
{
    int status, first = fork();

    if (first == 0)
        exit(1);
    int second = fork();
    if (second == 0)
        exit(2);
    check(first > 0 && second > 0 && first != second);
    for (int i = 0; i < 2; i++) {
        int process = wait(&status);
        check(process == (status == 1 ? first : second));
    }
    check(wait(&status) == -E_NOCHILD);
    check(run(child_exits) == 42);
    return 0;
}

static int copy_on_write(void)
{
    long *memory = (long *)sbrk(BIG), n = BIG / sizeof(long);
    struct system_info before, after;

    for (long i = 0; i < n; i++)
        memory[i] = i;
    system(&before);
    int child = fork();
    if (child == 0) {
        system(&after);  // the pages are shared; tables and a kernel stack are not
        check(before.n_free_pages - after.n_free_pages < BIG / PAGE_SIZE);
        for (long i = 0; i < n; i++)
            memory[i] += 1;
        for (long i = 0; i < n; i++)
            check(memory[i] == i + 1);
        exit(0);
    }
    int status;
    wait(&status);
    for (long i = 0; i < n; i++)
        check(memory[i] == i);
    system(&after);
    check(status == 0 && after.n_free_pages == before.n_free_pages);
    return 0;
}

static int memory_on_demand(void)
{
    struct system_info before, after;
    long n_bytes = 512L << 20;  // more than there may be
    char *memory = sbrk(n_bytes);

    system(&before);
    check((long)memory > 0 && memory[n_bytes / 2] == 0);
    memory[n_bytes - 1] = 7;
    system(&after);
    check(before.n_free_pages - after.n_free_pages <= 4);  // two pages and their tables
    sbrk(-n_bytes / 2);
    check(sbrk(n_bytes / 2) == memory + n_bytes / 2 && memory[n_bytes - 1] == 0);
    check((long)sbrk(1L << 40) == -E_NOMEM);
    return 0;
}

static int child_writes_protected(void)
{
    char *page = sbrk(0);

    page = sbrk(2 * PAGE_SIZE - (long)page % PAGE_SIZE) + PAGE_SIZE - (long)page % PAGE_SIZE;
    page -= (long)page % PAGE_SIZE;
    check(map(page, PAGE_SIZE, MAP_WRITE) == 0);
    *page = 1;
    check(map(page, PAGE_SIZE, MAP_READ) == 0 && *page == 1);
    *(volatile char *)page = 2;
    return 0;
}

static int protection(void)
{
    int null_pipe[2];

    check(run(child_touches_kernel) == STATUS_FAULT);
    check(run(child_writes_code) == STATUS_FAULT);
    check(run(child_jumps_to_data) == STATUS_FAULT);
    check(run(child_is_illegal) == STATUS_FAULT);
    check(run(child_goes_deep) == STATUS_FAULT);
    check(run(child_writes_protected) == STATUS_FAULT);
    check(pipe(null_pipe) == 0);
    check(write(null_pipe[1], (void *)0x80200000, 8) == -E_FAULT);
    check(read(99, &null_pipe, 1) == -E_BADFILE);
    check(open((char *)-1L, OPEN_READ) == -E_FAULT);
    check(system_call(999) == -E_NOCALL);
    return 0;
}

static int pipes(void)
{
    static char buffer[1000];
    int ends[2], status;
    long n_read = 0;

    check(pipe(ends) == 0);
    if (fork() == 0) {
        char *data = sbrk(BIG);
        for (long i = 0; i < BIG; i++)
            data[i] = pattern(i);
        exit(write(ends[1], data, BIG) != BIG);
    }
    close(ends[1]);
    for (int n; (n = read(ends[0], buffer, sizeof buffer)) > 0; n_read += n)
        for (int i = 0; i < n; i++)
            check(buffer[i] == pattern(n_read + i));
    check(n_read == BIG && wait(&status) > 0 && status == 0);
    check(pipe(ends) == 0);
    int other = ends[0];
    close(other);
    check(write(ends[1], buffer, 1) == -E_PIPE);
    return 0;
}

static int killing(void)
{
    int (*children[])(void) = {child_spins, child_sleeps};
    int status;

    for (int i = 0; i < 2; i++) {
        int child = fork();
        if (child == 0)
            exit(children[i]());
        sleep(20);
        check(kill(child) == 0 && wait(&status) == child && status == STATUS_KILLED);
        check(kill(child) == -E_NOPROC);
    }
    return 0;
}

static int time_slices(void)
{
    struct system_info before, after;
    int spinner = fork();

    if (spinner == 0)
        child_spins();
    system(&before);
    for (int i = 0; i < 3; i++)
        sleep(20);  // the other one never gives up the hart by itself
    system(&after);
    check(after.uptime_ms - before.uptime_ms >= 60);
    kill(spinner);
    wait(0);
    return 0;
}

static int files(void)
{
    static char page[PAGE_SIZE];
    struct file_info info;
    struct system_info before, after;

    close(open(FILE_NAME, OPEN_WRITE | OPEN_CREATE));  // now its directory has room for it
    remove(FILE_NAME);
    system(&before);
    int file = open(FILE_NAME, OPEN_WRITE | OPEN_CREATE);
    for (long i = 0; i < BIG; i += PAGE_SIZE) {
        for (int j = 0; j < PAGE_SIZE; j++)
            page[j] = pattern(i + j);
        check(write(file, page, PAGE_SIZE) == PAGE_SIZE);
    }
    check(read(file, page, 1) == -E_BADFILE);
    close(file);
    file = open(FILE_NAME, OPEN_WRITE | OPEN_APPEND);
    check(write(file, "end", 3) == 3 && stat(file, &info) == 0 && info.n_bytes == BIG + 3);
    close(file);

    file = open(FILE_NAME, OPEN_READ | OPEN_DIRECT);
    check(remove(FILE_NAME) == 0 && open(FILE_NAME, OPEN_READ) == -E_NOENT);
    for (long i = 0; i < BIG; i += PAGE_SIZE) {  // it lives on while it is open
        check(read(file, page, PAGE_SIZE) == PAGE_SIZE);
        for (int j = 0; j < PAGE_SIZE; j++)
            check(page[j] == pattern(i + j));
    }
    check(read(file, page, PAGE_SIZE) == 3 && read(file, page, 1) == 0);
    close(file);
    system(&after);
    check(after.n_free_blocks == before.n_free_blocks);
    return 0;
}

static int directories(void)
{
    remove("/tmp/a/b");
    remove("/tmp/a");
    check(mkdir("/tmp/a") > 0 && mkdir("/tmp/a") == -E_EXIST && mkdir("/tmp/a/b") > 0);
    check(remove("/tmp/a") == -E_NOTEMPTY && chdir("/tmp/a/b") == 0);
    check(open("../b/../../a/b", OPEN_READ) >= 0 && open("..", OPEN_WRITE) == -E_ISDIR);
    check(open("/bin/sh/x", OPEN_READ) == -E_NOTDIR && mkdir("/no/where") == -E_NOENT);
    check(mkdir("a-name-that-has-more-than-28-bytes") == -E_NAME);
    check(chdir("..") == 0 && remove("b") == 0 && remove("/tmp/a") == 0);
    check(open("x", OPEN_WRITE | OPEN_CREATE) == -E_NOENT);  // in a directory that is gone
    return 0;
}

static int programs(void)
{
    char *argv[] = {"sh", "-c", "echo one two | wc > " FILE_NAME "; exit 7", 0};
    char text[16];
    int status;

    check(exec("/readme", argv) == -E_NOEXEC && exec("/none", argv) == -E_NOENT);
    if (fork() == 0)
        exit(exec("/bin/sh", argv));
    wait(&status);
    int file = open(FILE_NAME, OPEN_READ);
    check(status == 7 && read_line(file, text, sizeof text) == 6 && strcmp(text, "1 2 8\n") == 0);
    return -remove(FILE_NAME);
}

// A program for somebody else: only the first bytes of its file matter.
static int exec_header(const char *start, int machine)
{
    char header[64] = "", *argv[] = {"foreign", 0};

    memcpy(header, start, 8);
    header[18] = machine;
    int file = open(FILE_NAME, OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE);
    write(file, header, sizeof header);
    close(file);
    return exec(FILE_NAME, argv);
}

static int foreign_programs(void)
{
    check(exec_header("\177ELF\2\1\1\0", 62) == -E_MACHINE);    // x86-64
    check(exec_header("\177ELF\1\1\1\0", 243) == -E_MACHINE);   // 32 bits
    check(exec_header("\177ELF\2\1\1\0", 243) == -E_SYSTEM);    // Linux on RISC-V
    check(exec_header("#!/bin/s", 243) == -E_NOEXEC);
    return -remove(FILE_NAME);
}

static struct box_settings settings = {
    .name = "selftest", .root = "/", .layer = LAYER, .namespaces = BOX_ALL, .limits = {100},
};

static int child_in_box(void)
{
    static struct process_info list[2];
    static struct box_info info[2];
    char name[NAME_LENGTH];

    int number = box(&settings);
    check(number > 0 && getpid() == 1 && processes(list, 2) == 1 && list[0].parent == 0);
    check(boxes(info, 2) == 1 && (int)info[0].number == number && info[0].n_processes == 1);
    check(kill(2) == -E_NOPROC && kill(1) == -E_INVALID);
    check(hostname(name, sizeof name, false) == 8 && strcmp(name, settings.name) == 0);
    check(hostname("inside", 6, true) == 6 && port(1, OPEN_WRITE) == -E_NOENT);
    check(shutdown(0) == -E_PERM && probe(1) == -E_PERM && box(&settings) == -E_PERM);
    check(limit(number, &settings.limits) == -E_PERM);
    check(open("/readme", OPEN_READ | OPEN_DIRECT) == -E_PERM);
    check(remove("/readme") == 0 && open("/readme", OPEN_READ) == -E_NOENT);
    check(chdir("/..") == 0 && mkdir("new") > 0 && chdir("new/../../bin") == 0);
    close(open(FILE_NAME, OPEN_WRITE | OPEN_CREATE));
    return 7;
}

static int boxes_keep_in(void)
{
    char name[NAME_LENGTH];

    check(port(1, OPEN_READ) >= 0);
    check(run(child_in_box) == 7);
    check(open("/readme", OPEN_READ) >= 0 && open("/new", OPEN_READ) == -E_NOENT);
    check(open(FILE_NAME, OPEN_READ) == -E_NOENT && open(LAYER FILE_NAME, OPEN_READ) >= 0);
    check(hostname(name, sizeof name, false) > 0 && strcmp(name, "inside") != 0);
    check(remove(LAYER FILE_NAME) == 0 && remove(LAYER "/tmp") == 0);
    check(remove(LAYER "/readme") == 0 && remove(LAYER "/new") == 0);
    return -remove(LAYER);
}

static int child_takes_memory(void)
{
    settings.limits.max_pages = 40;
    check(box(&settings) > 0);
    for (;;)
        *sbrk(PAGE_SIZE) = 1;
}

static int child_forks(void)
{
    settings.limits.max_processes = 2;
    check(box(&settings) > 0);
    int child = fork();
    if (child == 0)
        return child_sleeps();
    check(child == 2 && fork() == -E_LIMIT);
    return 0;
}

static int limits(void)
{
    static struct process_info list[MAX_PROCESSES];
    int n = processes(list, MAX_PROCESSES);

    check(run(child_takes_memory) == STATUS_MEMORY && run(child_forks) == 0);
    sleep(20);  // the end of a box is the end of all that is in it
    return processes(list, MAX_PROCESSES) - n;
}

int main(void)
{
    static const struct {
        const char *name;
        int (*test)(void);
    } tests[] = {
        {"fork and wait", fork_and_wait}, {"copy on write", copy_on_write},
        {"memory on demand", memory_on_demand}, {"protection", protection},
        {"pipes", pipes}, {"killing", killing}, {"time slices", time_slices},
        {"files", files}, {"directories", directories}, {"programs", programs},
        {"foreign programs", foreign_programs}, {"boxes", boxes_keep_in}, {"limits", limits},
    };
    int n_failed = 0;

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        bool failed = run(tests[i].test) != 0;
        print("selftest: %s: %s\n", tests[i].name, failed ? "FAILED" : "ok");
        n_failed += failed;
    }
    print("selftest: %d failed\n", n_failed);
    return n_failed > 0;
}
