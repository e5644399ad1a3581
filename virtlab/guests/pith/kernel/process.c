// Processes: how they begin and end, and who runs.
//
//   FREE -> NEW -> READY <-> RUNNING -> ENDED -> FREE
//                    ^          |
//                    +- WAITING-+
//
// A process changes to another only inside schedule(), which it calls itself: when it waits, when
// it ends, or when the timer has interrupted its program. The switch leaves its kernel stack as it
// is, and when it runs again it returns from schedule() as from any other call.
#include "kernel.h"

#define FIRST_PROGRAM "/bin/init"
#define STACK_MARK 0x6b6361747320646eUL

void begin(void);  // entry.S
void switch_context(struct context *from, struct context *to);

static struct process processes[MAX_PROCESSES];
static struct process *init;
struct process *current;

#define FOR_EACH_PROCESS(p) for (struct process *p = processes; p < processes + MAX_PROCESSES; p++)

static void process_free(struct process *p)
{
    if (p->root)
        vm_destroy(p->root);
    if (p->kernel_stack)
        page_free(p->kernel_stack);
    p->state = FREE;
}

// A new process with an empty address space, not yet able to run; 0 if there is no room. It will
// call first_step(), if there is one, and then go to user mode as its trap frame says.
static struct process *process_create(void (*first_step)(void))
{
    static int last_number;

    FOR_EACH_PROCESS(p) {
        if (p->state != FREE)
            continue;
        memset(p, 0, sizeof *p);
        p->kernel_stack = page_alloc();
        p->root = vm_create();
        if (p->kernel_stack == 0 || p->root == 0) {
            process_free(p);
            return 0;
        }
        p->state = NEW;
        p->number = ++last_number;
        p->wake_time = NEVER;
        *(uint64_t *)p->kernel_stack = STACK_MARK;
        p->frame = (struct trap_frame *)(p->kernel_stack + PAGE_SIZE) - 1;
        p->context.ra = (uint64_t)begin;  // the first switch to it "returns" there
        p->context.sp = (uint64_t)p->frame;
        p->context.s0 = (uint64_t)first_step;
        return p;
    }
    return 0;
}

static void make_ready(struct process *p)
{
    p->state = READY;
    p->waits_for = 0;
    p->wake_time = NEVER;
}

// ---- who runs

// The next process that can run, taking turns; 0 if there is none.
static struct process *next_ready(void)
{
    struct process *p = current;

    for (int i = 0; i < MAX_PROCESSES; i++) {
        if (++p == processes + MAX_PROCESSES)
            p = processes;
        if (p->state == READY)
            return p;
    }
    return 0;
}

// Wakes the sleepers whose time has come; the earliest time at which another one wakes.
uint64_t wake_sleepers(void)
{
    uint64_t now = time_now(), earliest = NEVER;

    FOR_EACH_PROCESS(p) {
        if (p->state != WAITING)
            continue;
        if (p->wake_time <= now)
            make_ready(p);
        else if (p->wake_time < earliest)
            earliest = p->wake_time;
    }
    return earliest;
}

// Waits on the stack of whoever could run last. An interrupt that arrives while SIE is clear ends
// the wfi all the same, and is taken on the next line: none can be missed between the two.
static void idle(uint64_t until)
{
    timer_stop_until(until);
    wait_for_interrupt();
    take_interrupts();
}

static void schedule(void)
{
    struct process *previous = current, *next = next_ready();

    if (*(uint64_t *)previous->kernel_stack != STACK_MARK)
        panic("the kernel stack of %s has overflowed", previous->name);
    if (next == 0) {
        uint64_t wake_time = wake_sleepers();
        while ((next = next_ready()) == 0) {
            idle(wake_time);
            wake_time = wake_sleepers();
        }
        timer_start_slice();
    }
    next->state = RUNNING;
    if (next == previous)
        return;
    current = next;
    switch_page_table(next->root);
    switch_context(&previous->context, &next->context);
}

void yield(void)
{
    current->state = READY;
    schedule();
}

// Nothing happens between the caller's look at what it waits for and this call (see kernel.h), so
// no wake_up() can be missed. A killed process is woken too: callers look again.
void wait_for(const void *event)
{
    current->state = WAITING;
    current->waits_for = event;
    schedule();
}

void wake_up(const void *event)
{
    FOR_EACH_PROCESS(p)
        if (p->state == WAITING && p->waits_for == event)
            make_ready(p);
}

int sleep_until(uint64_t time)
{
    while (time_now() < time) {
        if (current->killed)
            return -E_KILLED;
        current->wake_time = time;
        wait_for(&current->wake_time);
    }
    return 0;
}

// ---- how they begin

// The first process begins here, on its own kernel stack, because mounting the file system and
// loading a program mean waiting for the disk, and only processes can wait.
static void run_first(void)
{
    fs_enter();
    current->directory = fs_init();
    fs_hold(current->directory);
    file_create((struct file){.type = FILE_CONSOLE, .flags = OPEN_READ | OPEN_WRITE});
    file_dup(0);
    file_dup(0);  // input, output and messages
    current->frame->sstatus = SSTATUS_SPIE;  // user mode, interrupts on
    int result = exec(FIRST_PROGRAM, 0);
    if (result < 0)
        panic("cannot run %s: error %d", FIRST_PROGRAM, -result);
    fs_leave();
}

void process_start_first(void)
{
    struct context boot;  // nobody comes back to it

    init = process_create(run_first);
    if (init == 0)
        panic("no memory for the first process");
    init->state = RUNNING;
    current = init;
    timer_start_slice();
    switch_page_table(init->root);
    switch_context(&boot, &init->context);
    panic("the boot stack runs again");
}

// The child is a copy that returns from the same system call, with 0.
int process_fork(void)
{
    struct process *child = process_create(0);

    if (child == 0)
        return -E_TOOMANY;
    if (vm_copy(current->root, child->root) < 0) {
        process_free(child);
        return -E_NOMEM;
    }
    *child->frame = *current->frame;
    child->frame->a0 = 0;
    child->parent = current;
    child->generation = current->generation + 1;
    child->heap_start = current->heap_start;
    child->heap_end = current->heap_end;
    child->directory = current->directory;
    fs_hold(child->directory);
    for (int i = 0; i < MAX_FILES; i++)
        if (current->files[i])
            child->files[i] = file_share(current->files[i]);
    memcpy(child->name, current->name, NAME_LENGTH);
    make_ready(child);
    return child->number;
}

// ---- how they end

void process_exit(int status)
{
    if (current == init)
        power_off(status != 0);
    fs_enter();
    for (int number = 0; number < MAX_FILES; number++)
        file_close(number);
    fs_release(current->directory);
    fs_leave();
    vm_destroy(current->root);
    current->root = 0;
    FOR_EACH_PROCESS(p)
        if (p->parent == current)
            p->parent = init;  // which waits for whatever it is given
    wake_up(init);
    wake_up(current->parent);
    current->status = status;
    current->state = ENDED;
    schedule();  // from here the parent may free the rest, even this stack: it is running
    panic("%s runs after its end", current->name);
}

// Waits for any child to end.
int process_wait(uint64_t status_va)
{
    for (;;) {
        bool has_child = false;

        FOR_EACH_PROCESS(p) {
            if (p->state == FREE || p->parent != current)
                continue;
            has_child = true;
            if (p->state != ENDED)
                continue;
            int number = p->number, status = p->status;
            process_free(p);
            if (status_va && copy_to_user(status_va, &status, sizeof status) < 0)
                return -E_FAULT;
            return number;
        }
        if (!has_child)
            return -E_NOCHILD;
        if (current->killed)
            return -E_KILLED;
        wait_for(current);
    }
}

static void kill(struct process *p)
{
    p->killed = true;
    if (p->state == WAITING)
        make_ready(p);
}

int process_kill(int number)
{
    FOR_EACH_PROCESS(p)
        if (p->state != FREE && p->state != ENDED && p->number == number) {
            if (p == init)
                return -E_INVALID;
            kill(p);
            return 0;
        }
    return -E_NOPROC;
}

// Ctrl-C: ends whatever the shell runs, and leaves init and the shell.
void process_kill_programs(void)
{
    FOR_EACH_PROCESS(p)
        if (p->state != FREE && p->state != ENDED && p->generation > 1)
            kill(p);
}

// ---- who and where they are

int process_change_directory(const char *path)
{
    struct file_info info;
    int inode = fs_find(current->directory, path);

    if (inode < 0)
        return inode;
    fs_info(inode, &info);
    if (info.type != FILE_DIRECTORY)
        return -E_NOTDIR;
    fs_hold(inode);
    fs_release(current->directory);
    current->directory = inode;
    return 0;
}

int process_list(uint64_t va, int n)
{
    int count = 0;

    FOR_EACH_PROCESS(p) {
        if (p->state == FREE || count == n)
            continue;
        struct process_info info = {
            .number = p->number,
            .parent = p->parent ? p->parent->number : 0,
            .state = p->state,
            .n_pages = p->root ? vm_count(p->root) : 0,
        };
        memcpy(info.name, p->name, NAME_LENGTH);
        if (copy_to_user(va + count * sizeof info, &info, sizeof info) < 0)
            return -E_FAULT;
        count++;
    }
    return count;
}
