// System calls: takes their arguments out of the program's registers, and trusts none of them.
#include "kernel.h"

static int system_info(uint64_t va)
{
    struct system_info info = {.uptime_ms = uptime_ms(), .n_blocks = disk_n_blocks};

    page_count(&info.n_pages, &info.n_free_pages);
    info.n_free_blocks = fs_count_free();
    memcpy(info.command, board.command, sizeof info.command);
    return copy_to_user(va, &info, sizeof info);
}

static long probe(uint64_t n)
{
    long value = 0;

    if (!box_may(CAP_DEVICE))
        return -E_PERM;
    if (n > MAX_PROBES)  // nobody else runs meanwhile
        return -E_INVALID;
    while (n-- > 0)
        value = disk_probe();
    return value;
}

static int shut_down(uint64_t status)
{
    if (!box_may(CAP_SHUTDOWN))
        return -E_PERM;
    if (status > MAX_STATUS)
        return -E_INVALID;
    power_off(status != 0);
}

// Calls that look at the disk, and so take their turn; many of them are given a path.
static long file_system_call(uint64_t number, uint64_t a0, uint64_t a1)
{
    char path[MAX_PATH];
    bool has_path = number == SYS_EXEC || number == SYS_OPEN || number == SYS_MKDIR ||
                    number == SYS_REMOVE || number == SYS_CHDIR;

    if (has_path) {
        int result = copy_text_from_user(path, a0, sizeof path);
        if (result < 0)
            return result;
    }
    switch (number) {
    case SYS_EXEC: return exec(path, a1);
    case SYS_OPEN: return file_open(path, a1);
    case SYS_MKDIR: return overlay_create(path, FILE_DIRECTORY);
    case SYS_REMOVE: return overlay_remove(path);
    case SYS_CHDIR: return process_change_directory(path);
    case SYS_CLOSE: return file_close(a0);
    case SYS_STAT: return file_stat(a0, a1);
    case SYS_SYSTEM: return system_info(a0);
    case SYS_BOX: return box_enter(a0);
    default: return -E_NOCALL;
    }
}

long system_call(struct trap_frame *frame)
{
    uint64_t number = frame->a7, a0 = frame->a0, a1 = frame->a1, a2 = frame->a2;
    long result;

    switch (number) {
    case SYS_NULL: return 0;
    case SYS_FORK: return process_fork();
    case SYS_EXIT: process_exit(a0);
    case SYS_WAIT: return process_wait(a0);
    case SYS_KILL: return process_kill(a0);
    case SYS_GETPID: return process_number(current);
    case SYS_SLEEP: return sleep_until(time_now() + ticks_from_ms(a0));
    case SYS_SBRK: return vm_move_heap_end(a0);
    case SYS_MAP: return vm_protect(a0, a1, a2);
    case SYS_PIPE: return pipe_open(a0);
    case SYS_DUP: return file_dup(a0);
    case SYS_READ: return file_transfer(a0, a1, a2, ACCESS_READ);
    case SYS_WRITE: return file_transfer(a0, a1, a2, ACCESS_WRITE);
    case SYS_PROCESSES: return process_list(a0, a1);
    case SYS_PROBE: return probe(a0);
    case SYS_SHUTDOWN: return shut_down(a0);
    case SYS_BOXES: return box_list(a0, a1);
    case SYS_LIMIT: return box_limit(a0, a1);
    case SYS_HOSTNAME: return box_host_name(a0, a1, a2);
    case SYS_PORT: return port_open(a0, a1);
    }
    fs_enter();
    result = file_system_call(number, a0, a1);
    fs_leave();
    return result;
}
