// Files and directories on the disk. See fs.h for the layout.
//
// One process at a time is in here, between fs_enter() and fs_leave(), so what one does to a
// directory is done when the next one looks. Nothing undoes a half-finished change after a power
// failure. An inode is handled by its number; a pointer to one is a pointer into a block
// (block_read() says how long that is good).
#include "kernel.h"
#include "fs.h"

#define ENTRIES_PER_BLOCK (BLOCK_SIZE / sizeof(struct directory_entry))

static struct super_block super;
static uint16_t n_holders[MAX_INODES];  // open files and current directories
static bool busy;

void fs_enter(void)
{
    while (busy)
        wait_for(&busy);
    busy = true;
}

void fs_leave(void)
{
    busy = false;
    wake_up(&busy);
}

uint32_t fs_init(void)
{
    super = *(struct super_block *)block_read(SUPER_BLOCK);
    if (super.magic != FS_MAGIC || super.n_blocks > disk_n_blocks || super.n_inodes > MAX_INODES)
        panic("the disk holds no file system of this kernel");
    return ROOT_INODE;
}

// ---- blocks

static uint8_t bit(uint32_t number) { return 1 << number % 8; }

// A free block, now in use and filled with zeros; 0 if the disk is full.
static uint32_t block_alloc(void)
{
    uint8_t *bitmap = block_read(BITMAP_BLOCK);

    for (uint32_t number = super.first_data; number < super.n_blocks; number++) {
        if (bitmap[number / 8] & bit(number))
            continue;
        bitmap[number / 8] |= bit(number);
        block_write(bitmap);
        block_write(memset(block_read(number), 0, BLOCK_SIZE));
        return number;
    }
    return 0;
}

static void block_free(uint32_t number)
{
    uint8_t *bitmap = block_read(BITMAP_BLOCK);

    bitmap[number / 8] &= ~bit(number);
    block_write(bitmap);
}

uint32_t fs_count_free(void)
{
    const uint8_t *bitmap = block_read(BITMAP_BLOCK);
    uint32_t n = 0;

    for (uint32_t number = super.first_data; number < super.n_blocks; number++)
        n += !(bitmap[number / 8] & bit(number));
    return n;
}

// ---- inodes

static struct inode *inode_read(uint32_t number)
{
    struct inode *inodes = block_read(INODE_BLOCK + number / INODES_PER_BLOCK);

    return &inodes[number % INODES_PER_BLOCK];
}

static int inode_alloc(enum file_type type, uint32_t parent)
{
    for (uint32_t number = ROOT_INODE + 1; number < super.n_inodes; number++) {
        struct inode *inode = inode_read(number);
        if (inode->type != FILE_FREE)
            continue;
        *inode = (struct inode){.type = type, .n_links = 1, .parent = parent};
        block_write(inode);
        return number;
    }
    return -E_NOSPACE;
}

// The block number at *place. If there is none and create is set, it gets a new block.
static uint32_t block_at(uint32_t *place, bool create)
{
    if (*place == 0 && create) {
        *place = block_alloc();
        block_write(place);
    }
    return *place;
}

// The block that holds part index of a file; 0 if there is none.
static uint32_t block_of(uint32_t number, uint32_t index, bool create)
{
    struct inode *inode = inode_read(number);

    if (index < N_DIRECT)
        return block_at(&inode->blocks[index], create);
    index -= N_DIRECT;
    if (index >= N_INDIRECT)
        return 0;
    uint32_t table = block_at(&inode->indirect, create);
    if (table == 0)
        return 0;
    uint32_t *numbers = block_read(table);
    return block_at(&numbers[index], create);
}

void fs_truncate(uint32_t number)
{
    struct inode *inode = inode_read(number);
    uint32_t n_blocks = (inode->n_bytes + BLOCK_SIZE - 1) / BLOCK_SIZE;

    for (uint32_t index = 0; index < n_blocks; index++) {
        uint32_t block = block_of(number, index, false);
        if (block)
            block_free(block);
    }
    inode = inode_read(number);
    if (inode->indirect)
        block_free(inode->indirect);
    inode->n_bytes = inode->indirect = 0;
    memset(inode->blocks, 0, sizeof inode->blocks);
    block_write(inode);
}

static void free_if_forgotten(uint32_t number)
{
    if (n_holders[number] > 0 || inode_read(number)->n_links > 0)
        return;
    fs_truncate(number);
    struct inode *inode = inode_read(number);
    inode->type = FILE_FREE;
    block_write(inode);
}

void fs_hold(uint32_t number) { n_holders[number]++; }

void fs_release(uint32_t number)
{
    n_holders[number]--;
    free_if_forgotten(number);
}

enum file_type fs_type(uint32_t number) { return inode_read(number)->type; }

void fs_set_type(uint32_t number, enum file_type type)
{
    struct inode *inode = inode_read(number);

    inode->type = type;
    block_write(inode);
}

void fs_info(uint32_t number, struct file_info *info)
{
    const struct inode *inode = inode_read(number);

    *info = (struct file_info){inode->type, number, inode->n_links, inode->n_bytes};
}

// ---- what files hold

// The number of bytes read: fewer than n at the end of the file.
int fs_read(uint32_t number, void *to, uint32_t offset, uint32_t n, bool direct)
{
    uint32_t n_bytes = inode_read(number)->n_bytes, done = 0;

    n = offset < n_bytes ? least(n, n_bytes - offset) : 0;
    for (uint32_t part; done < n; done += part, offset += part) {
        uint32_t block = block_of(number, offset / BLOCK_SIZE, false);
        part = least(n - done, BLOCK_SIZE - offset % BLOCK_SIZE);
        if (block && direct)
            block_forget(block);
        if (block)
            memcpy((char *)to + done, (char *)block_read(block) + offset % BLOCK_SIZE, part);
        else
            memset((char *)to + done, 0, part);
    }
    return done;
}

int fs_write(uint32_t number, const void *from, uint32_t offset, uint32_t n)
{
    uint32_t done = 0;

    for (uint32_t part; done < n; done += part, offset += part) {
        uint32_t block = block_of(number, offset / BLOCK_SIZE, true);
        if (block == 0)
            break;
        part = least(n - done, BLOCK_SIZE - offset % BLOCK_SIZE);
        char *data = block_read(block);
        memcpy(data + offset % BLOCK_SIZE, (const char *)from + done, part);
        block_write(data);
    }
    struct inode *inode = inode_read(number);
    if (offset > inode->n_bytes) {
        inode->n_bytes = offset;
        block_write(inode);
    }
    return done > 0 || n == 0 ? (int)done : -E_NOSPACE;
}

// ---- directories

// What find_entry() can look for, besides a name.
static const char A_FREE_PLACE[] = "", ANY[] = "*";

static bool matches(const struct directory_entry *entry, const char *name)
{
    if (name == A_FREE_PLACE)
        return entry->inode == 0;
    return entry->inode && (name == ANY || strncmp(entry->name, name, NAME_LENGTH) == 0);
}

// The first entry that matches, or 0.
static struct directory_entry *find_entry(uint32_t directory, const char *name)
{
    uint32_t n_blocks = inode_read(directory)->n_bytes / BLOCK_SIZE;

    for (uint32_t index = 0; index < n_blocks; index++) {
        struct directory_entry *entry = block_read(block_of(directory, index, false));
        for (uint32_t i = 0; i < ENTRIES_PER_BLOCK; i++, entry++)
            if (matches(entry, name))
                return entry;
    }
    return 0;
}

static int add_entry(uint32_t directory, const char *name, uint32_t number)
{
    struct directory_entry *entry = find_entry(directory, A_FREE_PLACE);

    if (entry == 0) {  // one more block, which is all free entries
        uint32_t n_bytes = inode_read(directory)->n_bytes;
        uint32_t block = block_of(directory, n_bytes / BLOCK_SIZE, true);
        if (block == 0)
            return -E_NOSPACE;
        struct inode *inode = inode_read(directory);
        inode->n_bytes = n_bytes + BLOCK_SIZE;
        block_write(inode);
        entry = block_read(block);
    }
    entry->inode = number;
    memset(entry->name, 0, NAME_LENGTH);
    memcpy(entry->name, name, least(strlen(name), NAME_LENGTH));
    block_write(entry);
    return 0;
}

int fs_find_in(uint32_t directory, const char *name)
{
    const struct inode *inode = inode_read(directory);

    if (inode->type != FILE_DIRECTORY)
        return -E_NOTDIR;
    if (strcmp(name, ".") == 0)
        return directory;
    if (strcmp(name, "..") == 0)
        return inode->parent;
    const struct directory_entry *entry = find_entry(directory, name);
    return entry ? (int)entry->inode : -E_NOENT;
}

static const char *skip_slashes(const char *path)
{
    while (*path == '/')
        path++;
    return path;
}

// Takes the next name off a path: its length, 0 at the end.
int fs_next_name(const char **path, char name[NAME_LENGTH + 1])
{
    const char *start = skip_slashes(*path);
    size_t n = 0;

    while (start[n] && start[n] != '/')
        n++;
    if (n > NAME_LENGTH)
        return -E_NAME;
    memset(name, 0, NAME_LENGTH + 1);
    memcpy(name, start, n);
    *path = start + n;
    return n;
}

// The directory in which the last name of the path is to be found, and that name.
static int find_parent(uint32_t directory, const char *path, char name[NAME_LENGTH + 1])
{
    int parent = *path == '/' ? ROOT_INODE : directory;

    memcpy(name, ".", 2);  // what "/" and "" name is the directory they start from
    while (*(path = skip_slashes(path))) {
        parent = fs_find_in(parent, name);
        int n = parent < 0 ? parent : fs_next_name(&path, name);
        if (n < 0)
            return n;
    }
    return parent;
}

int fs_find(uint32_t directory, const char *path)
{
    char name[NAME_LENGTH + 1];
    int parent = find_parent(directory, path, name);

    return parent < 0 ? parent : fs_find_in(parent, name);
}

int fs_create(uint32_t directory, const char *path, enum file_type type)
{
    char name[NAME_LENGTH + 1];
    int parent = find_parent(directory, path, name);

    return parent < 0 ? parent : fs_create_in(parent, name, type);
}

int fs_remove(uint32_t directory, const char *path)
{
    char name[NAME_LENGTH + 1];
    int parent = find_parent(directory, path, name);

    return parent < 0 ? parent : fs_remove_from(parent, name);
}

int fs_create_in(uint32_t parent, const char *name, enum file_type type)
{
    int number = fs_find_in(parent, name);

    if (number != -E_NOENT)
        return number < 0 ? number : -E_EXIST;
    if (inode_read(parent)->n_links == 0)  // removed, and held only by those who are in it
        return -E_NOENT;

    number = inode_alloc(type, parent);
    if (number < 0)
        return number;
    int result = add_entry(parent, name, number);
    if (result < 0) {
        inode_read(number)->n_links = 0;
        free_if_forgotten(number);
        return result;
    }
    return number;
}

int fs_remove_from(uint32_t parent, const char *name)
{
    int number = fs_find_in(parent, name);

    if (number < 0)
        return number;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -E_INVALID;
    if (inode_read(number)->type == FILE_DIRECTORY && find_entry(number, ANY))
        return -E_NOTEMPTY;

    struct directory_entry *entry = find_entry(parent, name);
    entry->inode = 0;
    block_write(entry);
    struct inode *inode = inode_read(number);
    inode->n_links--;
    block_write(inode);
    free_if_forgotten(number);
    return 0;
}
