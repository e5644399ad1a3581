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

// The table grows by so many places when all are in use: who looks through it has no more to look
// at than need be.
#define N_PLACES 84

struct process processes[MAX_PROCESSES] UNSET, *processes_end;
static struct process *init;
struct process *current;

static void process_free(struct process *p)
{
    if (p->box)
        box_remove(p);
    if (p->root)
        vm_destroy(p->root);
    if (p->stack)
        page_free(p->stack);
    p->state = FREE;
}

// A free place, cleared; 0 if there is none.
static struct process *find_place(void)
{
    FOR_EACH_PROCESS(p)
        if (p->state == FREE)
            return memset(p, 0, sizeof *p);
    if (processes_end == processes + MAX_PROCESSES)
        return 0;
    struct process *first = processes_end;
    for (processes_end += N_PLACES; first < processes_end; first++)
        first->state = FREE;
    return memset(processes_end - N_PLACES, 0, sizeof *first);
}

// Makes a process with an empty address space, not yet able to run; false if there is no memory. It
// will call first_step(), if there is one, and then go to user mode as its trap frame says.
static bool process_create(struct process *p, struct box *box, void (*first_step)(void))
{
    static int last_number;

    p->stack = page_alloc();
    p->root = vm_create();
    if (p->stack == 0 || p->root == 0) {
        process_free(p);
        return false;
    }
    p->state = NEW;
    p->number = ++last_number;
    p->wake_time = NEVER;
    p->frame = (struct trap_frame *)(p->stack + 1) - 1;
    p->stack->mark = STACK_MARK;
    p->stack->context.ra = (uint64_t)begin;  // the first switch to it "returns" there
    p->stack->context.sp = (uint64_t)p->frame;
    p->stack->context.s0 = (uint64_t)first_step;
    box_add(box, p);
    return true;
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

    for (long n = processes_end - processes; n > 0; n--) {
        if (++p == processes_end)
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

// While there are boxes, it is they who take turns; *until is when one that must wait may run.
static struct process *choose(uint64_t *until)
{
    *until = NEVER;
    return boxes_end > HOST + 1 ? shares_next(until) : next_ready();
}

static void schedule(void)
{
    uint64_t until;

    if (boxes_end > HOST + 1)
        shares_account();
    struct process *previous = current, *next = choose(&until);

    if (previous->stack->mark != STACK_MARK)
        panic("the kernel stack of %s has overflowed", previous->name);
    if (next == 0) {
        uint64_t wake_time = wake_sleepers();
        while ((next = choose(&until)) == 0) {
            idle(least(wake_time, until));
            wake_time = wake_sleepers();
        }
        timer_start_slice();
    }
    next->state = RUNNING;
    if (next == previous)
        return;
    current = next;
    switch_page_table(next->root);
    switch_context(&previous->stack->context, &next->stack->context);
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

    processes_end = processes;
    init = find_place();
    if (!process_create(init, HOST, run_first))
        panic("no memory for the first process");
    HOST->first = init;
    init->state = RUNNING;
    current = init;
    timer_start_slice();
    switch_page_table(init->root);
    switch_context(&boot, &init->stack->context);
    panic("the boot stack runs again");
}

// The child is a copy that returns from the same system call, with 0.
int process_fork(void)
{
    const struct box_info *box = &current->box->info;

    if (box->limits.max_processes && box->n_processes >= box->limits.max_processes)
        return -E_LIMIT;
    struct process *child = find_place();
    if (child == 0)
        return -E_TOOMANY;
    if (!process_create(child, current->box, 0))
        return -E_NOMEM;
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
    if (box_has_own(BOX_FILES))
        memcpy(child->stack->path, current->stack->path, MAX_PATH);
    for (int i = 0; i < MAX_FILES; i++)
        if (current->files[i])
            child->files[i] = file_share(current->files[i]);
    memcpy(child->name, current->name, NAME_LENGTH);
    make_ready(child);
    return process_number(child);
}

// ---- how they end

// It is woken, too: callers of wait_for() look whether they are killed.
void process_end(struct process *p, int status)
{
    p->killed = status;
    if (p->state == WAITING)
        make_ready(p);
}

// Its first process ends, and with it all others.
static void end_box(struct box *box)
{
    box->first = 0;
    FOR_EACH_PROCESS(p)
        if (p->state != FREE && p->state != ENDED && p->box == box && p != current)
            process_end(p, STATUS_KILLED);
}

// To the first process of the box, or to init, which both wait for whatever they are given.
void process_leave_children(void)
{
    struct process *first = current->box->first, *heir = first ? first : init;

    FOR_EACH_PROCESS(p)
        if (p->parent == current)
            p->parent = heir;
    wake_up(heir);
}

void process_exit(int status)
{
    if (current == init)
        power_off(status != 0);
    if (current == current->box->first)
        end_box(current->box);
    fs_enter();
    for (int number = 0; number < MAX_FILES; number++)
        file_close(number);
    fs_release(current->directory);
    if (current->box->base)
        overlay_end(current->box);
    fs_leave();
    vm_destroy(current->root);
    current->root = 0;
    process_leave_children();
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
            int number = process_number(p);
            if (status_va && copy_to_user(status_va, &p->status, sizeof p->status) < 0)
                return -E_FAULT;
            process_free(p);
            return number;
        }
        if (!has_child)
            return -E_NOCHILD;
        if (current->killed)
            return -E_KILLED;
        wait_for(current);
    }
}

int process_kill(int number)
{
    if (number == 1)  // everything depends on it, here and in a box
        return -E_INVALID;
    FOR_EACH_PROCESS(p)
        if (p->state != FREE && p->state != ENDED && process_number(p) == number) {
            process_end(p, STATUS_KILLED);
            return 0;
        }
    return -E_NOPROC;
}

// Ctrl-C: ends whatever the shell runs, and leaves init and the shell.
void process_kill_programs(void)
{
    FOR_EACH_PROCESS(p)
        if (p->state != FREE && p->state != ENDED && p->generation > 1)
            process_end(p, STATUS_KILLED);
}

// ---- who and where they are

int process_number(const struct process *p)
{
    if (!box_has_own(BOX_PIDS))
        return p->number;
    return p->box == current->box ? p->number_inside : 0;
}

int process_change_directory(const char *path)
{
    struct file_info info;

    if (box_has_own(BOX_FILES))
        return overlay_change_directory(path);
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
        if (p->state == FREE || count == n || process_number(p) == 0)
            continue;
        struct process_info info = {
            .number = process_number(p),
            .parent = p->parent ? process_number(p->parent) : 0,
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
