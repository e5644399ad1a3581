// Open files: what reading and writing mean for each kind. Programs know them by a small number.
#include "kernel.h"

#define N_FILES 256
static struct file files[N_FILES];

static struct file *file_of(uint64_t number)
{
    return number < MAX_FILES ? current->files[number] : 0;
}

static int give_number(struct file *file)
{
    for (int number = 0; number < MAX_FILES; number++)
        if (current->files[number] == 0) {
            current->files[number] = file_share(file);
            return number;
        }
    return -E_TOOMANY;
}

// The lowest free number, for a new open file like this one.
int file_create(struct file like)
{
    for (struct file *file = files; file < files + N_FILES; file++)
        if (file->n_users == 0) {
            *file = like;
            return give_number(file);
        }
    return -E_TOOMANY;
}

struct file *file_share(struct file *file)
{
    file->n_users++;
    return file;
}

int file_dup(uint64_t number)
{
    struct file *file = file_of(number);

    return file ? give_number(file) : -E_BADFILE;
}

int file_open(const char *path, int flags)
{
    bool to_write = flags & (OPEN_WRITE | OPEN_TRUNCATE);
    struct file_info info;
    uint32_t below;

    if (flags & OPEN_DIRECT && !box_may(CAP_DEVICE))
        return -E_PERM;
    int inode = overlay_find(path, to_write, &below);
    if (inode == -E_NOENT && flags & OPEN_CREATE)
        inode = overlay_create(path, FILE_REGULAR);
    if (inode < 0)
        return inode;
    fs_info(inode, &info);
    if (info.type != FILE_REGULAR && to_write)
        return info.type == FILE_DIRECTORY ? -E_ISDIR : -E_PERM;
    int number = file_create(
        (struct file){.type = info.type, .flags = flags, .inode = inode, .below = below});
    if (number >= 0) {
        fs_hold(inode);
        if (below)
            fs_hold(below);
        if (flags & OPEN_TRUNCATE)
            fs_truncate(inode);
    }
    return number;
}

int file_close(uint64_t number)
{
    struct file *file = file_of(number);

    if (file == 0)
        return -E_BADFILE;
    current->files[number] = 0;
    if (--file->n_users > 0)
        return 0;
    if (file->type == FILE_PIPE)
        pipe_close(file->pipe, file->flags & OPEN_WRITE);
    else if (file->type != FILE_CONSOLE)
        fs_release(file->inode);
    if (file->below)
        fs_release(file->below);
    return 0;
}

int file_stat(uint64_t number, uint64_t va)
{
    struct file *file = file_of(number);
    struct file_info info = {.type = FILE_FREE};

    if (file == 0)
        return -E_BADFILE;
    if (file->type == FILE_REGULAR || file->type == FILE_DIRECTORY)
        fs_info(file->inode, &info);
    else
        info.type = file->type;
    return copy_to_user(va, &info, sizeof info);
}

static int transfer_on_disk(struct file *file, char *data, size_t n, bool write)
{
    struct file_info info;

    fs_enter();
    fs_info(file->inode, &info);
    if (file->flags & OPEN_APPEND)
        file->offset = info.n_bytes;
    int done = write ? fs_write(file->inode, data, file->offset, n)
               : file->type == FILE_DIRECTORY && box_has_own(BOX_FILES)
                   ? overlay_read(file, data, n)
                   : fs_read(file->inode, data, file->offset, n, file->flags & OPEN_DIRECT);
    if (done > 0)
        file->offset += done;
    fs_leave();
    return done;
}

static int transfer_in_page(struct file *file, char *data, size_t n, bool write)
{
    switch (file->type) {
    case FILE_CONSOLE: return write ? uart_write(data, n) : console_read(data, n);
    case FILE_PIPE: return write ? pipe_write(file->pipe, data, n) : pipe_read(file->pipe, data, n);
    default: return transfer_on_disk(file, data, n, write);
    }
}

// Reads or writes n bytes at va in the program's memory. Page by page, because what is next to a
// page for the program is elsewhere for the kernel.
int file_transfer(uint64_t number, uint64_t va, size_t n, enum access access)
{
    struct file *file = file_of(number);
    bool write = access == ACCESS_WRITE;
    size_t done = 0, part = 0;
    int result = 0;

    if (file == 0 || !(file->flags & (write ? OPEN_WRITE : OPEN_READ)))
        return -E_BADFILE;
    // Who reads a console or a pipe gets what there is, and does not wait for the rest.
    bool once = !write && (file->type == FILE_CONSOLE || file->type == FILE_PIPE);
    while (done < n && result == (int)part && !(once && done > 0)) {
        // Writing a file is reading the program's memory, and the other way round.
        char *data = user_memory(va + done, n - done, write ? ACCESS_READ : ACCESS_WRITE, &part);
        result = data ? transfer_in_page(file, data, part, write) : -E_FAULT;
        if (result > 0)
            done += result;
    }
    return done > 0 ? (int)done : result;
}
