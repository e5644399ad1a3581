// Files as a box sees them that has a root of its own: two directories laid over each other. Below
// lies the base, which never changes; what the box writes goes into the layer above it.
//
//   layer   .     a*         c          d/         *  copied up before the first write
//   base    .     a     b    c     d/              -  a whiteout: the name is removed
//   seen    .     a*    b    c     d/
//
// A file is taken from above if it is there, and directories are merged. A file of the base is
// copied up when somebody opens it for writing; a removed name of the base gets a whiteout above.
// Whoever shares the host's files passes through here to fs.c. All of it happens in fs_enter().
#include "kernel.h"
#include "fs.h"

// A file or directory by its inodes above and below, 0 where it is not there.
struct place {
    uint32_t above, below;
    bool is_directory;
};

// The way from the root to where a path leads, which may not be there yet.
#define MAX_DEPTH MAX_PATH  // half of it for a working directory, half for a path
static struct place way[MAX_DEPTH + 1];
static char names[MAX_DEPTH + 2][NAME_LENGTH + 1];
static int depth;
static bool has_name;               // the path ends with a name, and not with . or ..
static char buffer[BLOCK_SIZE] UNSET;

static bool is_there(const struct place *place) { return place->above || place->below; }

// A name in one directory; 0 if it is not there.
static uint32_t find_name(uint32_t directory, const char *name)
{
    int inode = directory ? fs_find_in(directory, name) : 0;

    return inode > 0 ? inode : 0;
}

static struct place find_child(const struct place *parent, const char *name)
{
    struct place child = {find_name(parent->above, name), find_name(parent->below, name)};
    enum file_type above = child.above ? fs_type(child.above) : FILE_FREE;

    if (above == FILE_WHITEOUT)
        return (struct place){0};
    if (above == FILE_REGULAR)
        child.below = 0;
    enum file_type below = child.below ? fs_type(child.below) : FILE_FREE;
    if (below == FILE_WHITEOUT || (above == FILE_DIRECTORY && below == FILE_REGULAR))
        child.below = 0;
    child.is_directory = (child.above ? above : below) == FILE_DIRECTORY;
    return child;
}

static int walk_on(const char *path)
{
    for (;;) {
        const struct place *here = &way[depth];
        const char *name = names[depth + 1];  // where it stays if it is one
        int n = fs_next_name(&path, names[depth + 1]);

        if (n <= 0)
            return n;
        if (!here->is_directory)
            return is_there(here) ? -E_NOTDIR : -E_NOENT;
        has_name = strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
        if (has_name && depth == MAX_DEPTH)
            return -E_NAME;
        if (has_name)
            way[++depth] = find_child(here, name);
        else if (name[1] && depth > 0)
            depth--;  // above the root is the root
    }
}

// Sets way, names, depth and has_name; an error if the path leads nowhere even for a new file.
static int walk(const char *path)
{
    const struct box *box = current->box;
    int result = 0;

    way[0] = (struct place){box->layer, box->base, true};
    depth = 0;
    has_name = false;
    if (*path != '/')
        result = walk_on(current->stack->path);
    return result < 0 ? result : walk_on(path);
}

// The layer's own directory, made when it is needed for the first time.
static int make_layer(void)
{
    struct box *box = current->box;

    if (box->layer_path[0] == 0)
        return -E_PERM;
    int inode = fs_create(ROOT_INODE, box->layer_path, FILE_DIRECTORY);
    if (inode == -E_EXIST)
        inode = fs_find(ROOT_INODE, box->layer_path);
    if (inode < 0 || fs_type(inode) != FILE_DIRECTORY)
        return inode < 0 ? inode : -E_NOTDIR;
    fs_hold(inode);
    return box->layer = inode;
}

// All directories on the way, but the last name, are there above.
static int make_way(void)
{
    for (int i = 0; i < depth; i++) {
        if (way[i].above)
            continue;
        int inode = i == 0 ? make_layer()
                           : fs_create_in(way[i - 1].above, names[i], FILE_DIRECTORY);
        if (inode < 0)
            return inode;
        way[i].above = inode;
    }
    return 0;
}

static int copy_up(void)
{
    uint32_t from = way[depth].below, parent;
    int result = make_way(), offset = 0;

    if (result < 0)
        return result;
    parent = way[depth - 1].above;
    int to = fs_create_in(parent, names[depth], FILE_REGULAR);
    if (to < 0)
        return to;
    while ((result = fs_read(from, buffer, offset, BLOCK_SIZE, false)) > 0) {
        int n = result;
        if ((result = fs_write(to, buffer, offset, n)) != n)
            break;
        offset += n;
    }
    if (result == 0)
        return to;
    fs_remove_from(parent, names[depth]);
    return -E_NOSPACE;
}

// ---- merged directories

static bool is_hidden(const struct file *file, const struct directory_entry *entry, bool is_above)
{
    char name[NAME_LENGTH + 1] = "";

    if (is_above || fs_type(entry->inode) == FILE_WHITEOUT)
        return fs_type(entry->inode) == FILE_WHITEOUT;
    memcpy(name, entry->name, NAME_LENGTH);
    return find_name(file->inode, name);
}

// Reads a directory: first the entries above, then those below that nothing above hides. What is
// hidden is a free entry.
int overlay_read(const struct file *file, char *to, uint32_t n)
{
    struct directory_entry entry;
    struct file_info above;
    uint32_t done = 0;

    fs_info(file->inode, &above);
    for (uint32_t part; done < n; done += part) {
        uint32_t offset = file->offset + done, inside = offset % sizeof entry;
        bool is_above = offset < above.n_bytes;
        uint32_t directory = is_above ? file->inode : file->below;
        uint32_t start = offset - inside - (is_above ? 0 : above.n_bytes);
        if (directory == 0 ||
            fs_read(directory, &entry, start, sizeof entry, false) != sizeof entry)
            break;
        if (entry.inode && is_hidden(file, &entry, is_above))
            entry.inode = 0;
        part = least(n - done, sizeof entry - inside);
        memcpy(to + done, (char *)&entry + inside, part);
    }
    return done;
}

static bool is_empty(const struct place *place)
{
    struct file file = {.inode = place->above ? place->above : place->below};
    struct directory_entry entry;

    if (place->above)
        file.below = place->below;
    for (; overlay_read(&file, (char *)&entry, sizeof entry); file.offset += sizeof entry)
        if (entry.inode)
            return false;
    return true;
}

// Calls change() with every name in a directory on the disk.
static int for_each_name(uint32_t directory, int (*change)(uint32_t target, const char *name),
                         uint32_t target)
{
    struct directory_entry entry;
    char name[NAME_LENGTH + 1] = "";
    int result = 0;

    for (uint32_t offset = 0; result >= 0; offset += sizeof entry) {
        if (fs_read(directory, &entry, offset, sizeof entry, false) != sizeof entry)
            return 0;
        memcpy(name, entry.name, NAME_LENGTH);
        if (entry.inode)
            result = change(target, name);
    }
    return result;
}

static int add_whiteout(uint32_t directory, const char *name)
{
    return fs_create_in(directory, name, FILE_WHITEOUT);
}

// ---- what system calls ask for

// The inode to open; of a merged directory, the one above, and in *below the other one.
int overlay_find(const char *path, bool to_write, uint32_t *below)
{
    *below = 0;
    if (!box_has_own(BOX_FILES))
        return fs_find(current->directory, path);
    int result = walk(path);
    const struct place *place = &way[depth];
    if (result < 0 || !is_there(place))
        return result < 0 ? result : -E_NOENT;
    if (place->above == 0)
        return to_write && !place->is_directory ? copy_up() : (int)place->below;
    *below = place->below;
    return place->above;
}

int overlay_create(const char *path, enum file_type type)
{
    if (!box_has_own(BOX_FILES))
        return fs_create(current->directory, path, type);
    int result = walk(path);
    if (result < 0 || is_there(&way[depth]))
        return result < 0 ? result : -E_EXIST;
    if ((result = make_way()) < 0)
        return result;
    uint32_t inode = find_name(way[depth - 1].above, names[depth]);
    if (inode == 0)
        return fs_create_in(way[depth - 1].above, names[depth], type);
    // A whiteout becomes what is wanted. A directory must go on hiding what it hid.
    fs_set_type(inode, type);
    uint32_t hidden = find_name(way[depth - 1].below, names[depth]);
    if (type == FILE_DIRECTORY && hidden && fs_type(hidden) == FILE_DIRECTORY)
        result = for_each_name(hidden, add_whiteout, inode);
    return result < 0 ? result : (int)inode;
}

int overlay_remove(const char *path)
{
    if (!box_has_own(BOX_FILES))
        return fs_remove(current->directory, path);
    int result = walk(path);
    const struct place *place = &way[depth];
    if (result < 0 || !is_there(place))
        return result < 0 ? result : -E_NOENT;
    if (!has_name)
        return -E_INVALID;
    if (place->is_directory && !is_empty(place))
        return -E_NOTEMPTY;
    if ((result = make_way()) < 0)
        return result;
    const struct place *parent = &way[depth - 1];
    if (place->above && place->is_directory)
        for_each_name(place->above, fs_remove_from, place->above);  // whiteouts
    if (place->above)
        result = fs_remove_from(parent->above, names[depth]);
    if (result >= 0 && find_name(parent->below, names[depth]))
        result = add_whiteout(parent->above, names[depth]);
    return result < 0 ? result : 0;
}

// Where a process is, in a box with files of its own, is kept as a path from the root.
int overlay_change_directory(const char *path)
{
    char *to = current->stack->path;
    int result = walk(path);
    size_t n = 0;

    if (result < 0 || !is_there(&way[depth]))
        return result < 0 ? result : -E_NOENT;
    if (!way[depth].is_directory)
        return -E_NOTDIR;
    for (int i = 1; i <= depth; i++)
        n += strlen(names[i]) + 1;
    if (n >= MAX_PATH)
        return -E_NAME;
    for (int i = 1; i <= depth; i++) {
        memcpy(to, names[i], strlen(names[i]));
        to += strlen(names[i]);
        *to++ = '/';
    }
    *to = 0;
    return 0;
}

// ---- the root of a box

// Looks up base and layer for a box that is about to begin.
int overlay_begin(struct box *box, const char *root, const char *layer)
{
    int base = fs_find(current->directory, root);
    int above = *layer ? fs_find(current->directory, layer) : -E_NOENT;

    if (base < 0)
        return base;
    if (fs_type(base) != FILE_DIRECTORY || (above >= 0 && fs_type(above) != FILE_DIRECTORY))
        return -E_NOTDIR;
    if (base == above || (*layer && *layer != '/'))
        return -E_INVALID;
    box->base = base;
    fs_hold(base);
    if (above >= 0) {
        box->layer = above;
        fs_hold(above);
    }
    memcpy(box->layer_path, layer, strlen(layer) + 1);
    current->stack->path[0] = 0;
    return 0;
}

// Called at the end of every process: the last one of a box lets go of its directories.
void overlay_end(struct box *box)
{
    FOR_EACH_PROCESS(p)
        if (p->state != FREE && p->state != ENDED && p->box == box && p != current)
            return;
    fs_release(box->base);
    if (box->layer)
        fs_release(box->layer);
    box->base = box->layer = 0;
}
