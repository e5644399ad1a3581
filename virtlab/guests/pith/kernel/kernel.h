// Everything one file of the kernel offers to the others.
//
// Two rules keep the kernel small. It runs on one hart, and it is never interrupted: interrupts
// are taken in programs and in schedule(), while nobody can run, and nowhere else. So between two
// calls that may wait (they say so) a kernel function has everything to itself and needs no locks.
#pragma once

#include "../common/abi.h"
#include "../common/text.h"
#include "board.h"
#include "riscv.h"

// For a table whose places are cleared when they are used, and not at start-up.
#define UNSET __attribute__((section(".unset")))

// device_tree.c: what the firmware tells about the board.
void device_tree_read(const void *tree);
struct board {
    uint64_t ram_end;
    uint64_t ticks_per_second;  // of time_now()
    char command[MAX_PATH];     // for the shell to run instead of reading the console
};
extern struct board board;

// print.c: the kernel's own messages.
void print(const char *pattern, ...);
void panic_in(const char *function, const char *pattern, ...) __attribute__((noreturn));
#define panic(...) panic_in(__func__, __VA_ARGS__)
void power_off(bool failed) __attribute__((noreturn));

// sbi.c: calls to the firmware, which runs in machine mode.
void sbi_set_timer(uint64_t when);
void sbi_shutdown(bool failed) __attribute__((noreturn));
void sbi_put(char c);

// page.c: physical memory, a page at a time.
struct box;
void page_init(uint64_t start, uint64_t end);
void *page_alloc(void);         // for the running process's box; not cleared; 0 if there is none
void *page_alloc_zeroed(void);
void *page_alloc_for(struct box *box);
void page_give(void *page, struct box *box);  // it is that box's from now on
void page_share(void *page);    // one more user of the page
void page_free(void *page);     // one user fewer
bool page_is_shared(void *page);
void page_count(uint64_t *n_pages, uint64_t *n_free);

// vm.c: address spaces.
typedef uint64_t pte_t;
void vm_init(void);
pte_t *vm_create(void);         // an address space with the kernel and nothing else; 0 if no memory
void vm_destroy(pte_t *root);   // gives back all its pages
int vm_map(pte_t *root, uint64_t va, void *page, uint64_t permissions);
int vm_copy(pte_t *parent, pte_t *child);  // all user pages, shared until one side writes
int vm_protect(uint64_t start, uint64_t n_bytes, int protection);
long vm_move_heap_end(int64_t n_bytes);
uint64_t vm_count(pte_t *root);
enum access { ACCESS_READ = 1 << 1, ACCESS_WRITE = 1 << 2, ACCESS_EXECUTE = 1 << 3 };
char *user_page(uint64_t va, enum access access);  // makes it accessible; 0 if that is not allowed
char *user_memory(uint64_t va, size_t n, enum access access, size_t *part);
int copy_to_user(uint64_t va, const void *from, size_t n);
int copy_from_user(void *to, uint64_t va, size_t n);
int copy_text_from_user(char *to, uint64_t va, size_t size);

// trap.c
// All registers of whatever was interrupted; entry.S saves register n at n * 8 bytes, and x0,
// which needs no saving, leaves its place to sepc.
struct trap_frame {
    uint64_t sepc;
    uint64_t ra, sp, gp, tp, t0, t1, t2, s0, s1;
    uint64_t a0, a1, a2, a3, a4, a5, a6, a7;
    uint64_t s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6;
    uint64_t sstatus;
    uint64_t *n_calls;          // entry.S leaves it alone: where to count system calls
};
void trap_init(void);

// process.c
// What a function expects to find unchanged when a call returns: all that a switch must keep.
struct context {
    uint64_t ra, sp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11;
};
// One page: the stack grows down from its end, towards what is kept at its start.
struct kernel_stack {
    struct context context;     // of the process while it does not run
    char path[MAX_PATH];        // where it is, in a box with files of its own
    uint64_t mark;
    char stack[PAGE_SIZE - sizeof(struct context) - MAX_PATH - sizeof(uint64_t)];
};
struct process {
    enum process_state state;
    int number;
    int number_inside;          // as its box counts
    struct box *box;
    int generation;             // 0 is init, 1 the shell, 2 and more what the shell runs
    struct process *parent;
    const void *waits_for;      // while WAITING: what it passed to wait_for()
    uint64_t wake_time;         // while it sleeps; else NEVER
    int status;                 // while ENDED: what wait() will report
    int killed;                 // it ends so on its next way back to user mode; 0 while it lives
    bool refused;               // a page, because of its box's limit
    pte_t *root;
    uint64_t heap_start, heap_end;
    struct kernel_stack *stack;
    struct trap_frame *frame;   // at the top of it
    struct file *files[MAX_FILES];
    uint32_t directory;         // the inode that relative paths start from
    char name[NAME_LENGTH];
};
extern struct process *current;
// The places of the table that may be in use.
extern struct process processes[MAX_PROCESSES], *processes_end;
#define FOR_EACH_PROCESS(p) for (struct process *p = processes; p < processes_end; p++)
void process_start_first(void) __attribute__((noreturn));
int process_fork(void);
void process_exit(int status) __attribute__((noreturn));
int process_wait(uint64_t status_va);
void process_leave_children(void);
int process_number(const struct process *p);  // as the running process knows it; 0 if it does not
int process_kill(int number);
void process_end(struct process *p, int status);
void process_kill_programs(void);
int process_change_directory(const char *path);
int process_list(uint64_t va, int n);
void yield(void);
uint64_t wake_sleepers(void);
void wait_for(const void *event);  // until somebody calls wake_up(event); may also return early
void wake_up(const void *event);
int sleep_until(uint64_t time);

// box.c: who sees what, and who may do what.
#define BOX_SIZE 512  // virtlab/containers/pith.py steps through the table with it
struct box {
    struct box_info info;       // what programs are told; first, for who looks from outside
    uint32_t capabilities;
    char host_name[NAME_LENGTH];
    // From here on for the kernel alone.
    uint32_t base, layer;       // of files of its own: inodes; layer is 0 until it is needed
    char layer_path[MAX_PATH];
    int last_number;            // of its processes
    struct process *first;      // when it ends, so do all others; then 0
    uint64_t page_limit;        // limits.max_pages, or as many as can be
    uint64_t clock;             // weighted time (shares.c)
    uint64_t n_used;            // ticks of its quota
    uint64_t period;            // up to which n_used is right
    uint64_t throttled_in;      // the last period in which it had to wait
    struct process *last;       // that ran
} __attribute__((aligned(BOX_SIZE)));
extern struct box boxes[MAX_BOXES], *boxes_end;  // the places that have ever been in use
#define HOST (&boxes[0])
void box_init(void);
int box_enter(uint64_t settings_va);
int box_list(uint64_t va, uint64_t n);
int box_limit(uint64_t number, uint64_t limits_va);
int box_host_name(uint64_t va, uint64_t n, bool set);
bool box_has_own(uint32_t namespace);         // the running process's box
struct box *box_with(uint32_t namespace);     // whose process numbers, host name ... it sees
bool box_may(uint32_t capability);
void box_add(struct box *box, struct process *p);
void box_remove(struct process *p);

// shares.c: which box has the hart; memory.c: how many pages a box may have.
void shares_account(void);
void shares_begin(struct box *box);
struct process *shares_next(uint64_t *until);
void memory_make_room(struct box *box);
bool memory_try_again(void);

// timer.c
#define NEVER UINT64_MAX
void timer_start_slice(void);
void timer_stop_until(uint64_t when);
uint64_t uptime_ms(void);
uint64_t ticks_from_ms(uint64_t ms);

// exec.c, system.c
int exec(const char *path, uint64_t argv_va);
long system_call(struct trap_frame *frame);

// interrupts.c: the PLIC.
void interrupts_init(uint64_t hart);
void interrupts_handle(void);

// uart.c: the serial line; console.c: lines of text on it.
void uart_init(void);
void uart_interrupt(void);
int uart_write(const char *text, size_t n);  // may wait
void uart_echo(char c);
void uart_put_now(char c);                    // without interrupts: for the kernel's messages
void uart_flush(void);                        // until all that was written is sent
void uart_receive(bool allow);
bool console_has_room(void);
void console_receive(char c);
int console_read(char *to, size_t n);         // may wait

// disk.c: whole blocks; block.c: those used lately, in memory. All may wait.
void disk_init(void);
void disk_interrupt(void);
void disk_transfer(uint32_t number, void *data, bool write);
uint32_t disk_probe(void);
extern uint32_t disk_n_blocks;
void *block_read(uint32_t number);            // good until N_BUFFERS - 1 other blocks are read
void block_write(const void *inside);         // any address inside what block_read() gave
void block_forget(uint32_t number);

// fs.c: files and directories. All may wait; fs_enter() and fs_leave() enclose any use.
uint32_t fs_init(void);                       // the root directory
void fs_enter(void);
void fs_leave(void);
int fs_find(uint32_t directory, const char *path);  // an inode number, like most of these
int fs_create(uint32_t directory, const char *path, enum file_type type);
int fs_remove(uint32_t directory, const char *path);
int fs_next_name(const char **path, char name[NAME_LENGTH + 1]);
int fs_find_in(uint32_t directory, const char *name);  // these three: the name itself, no path
int fs_create_in(uint32_t directory, const char *name, enum file_type type);
int fs_remove_from(uint32_t directory, const char *name);
enum file_type fs_type(uint32_t number);
void fs_set_type(uint32_t number, enum file_type type);
void fs_hold(uint32_t number);                // it stays while somebody holds it, even unnamed
void fs_release(uint32_t number);
int fs_read(uint32_t number, void *to, uint32_t offset, uint32_t n, bool direct);
int fs_write(uint32_t number, const void *from, uint32_t offset, uint32_t n);
void fs_truncate(uint32_t number);
void fs_info(uint32_t number, struct file_info *info);
uint32_t fs_count_free(void);

// overlay.c: files as the running process's box sees them; in fs_enter().
int overlay_find(const char *path, bool to_write, uint32_t *below);
int overlay_create(const char *path, enum file_type type);
int overlay_remove(const char *path);
int overlay_change_directory(const char *path);
int overlay_read(const struct file *directory, char *to, uint32_t n);
int overlay_begin(struct box *box, const char *root, const char *layer);
void overlay_end(struct box *box);

// file.c: open files, which processes share after fork(); pipe.c: one kind of them.
struct file {
    int n_users;                // 0 marks a free place
    enum file_type type;
    int flags;                  // of open()
    uint32_t inode;             // of FILE_REGULAR and FILE_DIRECTORY
    uint32_t below;             // of a directory that a box sees merged: the one in the base
    uint32_t offset;            // the next byte to read or write
    struct pipe *pipe;          // of FILE_PIPE
};
int file_create(struct file like);            // the result is the number for programs
struct file *file_share(struct file *file);
int file_dup(uint64_t number);
int file_open(const char *path, int flags);   // may wait; in fs_enter(), like the next two
int file_close(uint64_t number);
int file_stat(uint64_t number, uint64_t va);
int file_transfer(uint64_t number, uint64_t va, size_t n, enum access access);  // may wait
int pipe_open(uint64_t numbers_va);
int port_open(uint64_t number, int flags);
void pipe_close(struct pipe *pipe, bool writes);
int pipe_read(struct pipe *pipe, char *to, size_t n);
int pipe_write(struct pipe *pipe, const char *from, size_t n);
