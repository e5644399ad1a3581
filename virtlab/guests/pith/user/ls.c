#include "user.h"

static void show(const char *name, const char *path)
{
    struct file_info info;
    int file = open(path, OPEN_READ);

    stat(file, &info);
    print("%7u %s%s\n", info.n_bytes, name, info.type == FILE_DIRECTORY  ? "/"
                                       : info.type == FILE_WHITEOUT ? " (removed)"
                                                                    : "");
    close(file);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : ".";
    struct file_info info;
    struct directory_entry entry;
    char name[NAME_LENGTH + 1] = "";
    int file = open(path, OPEN_READ);

    if (file < 0)
        return print_error(path, file);
    stat(file, &info);
    if (info.type == FILE_DIRECTORY)
        chdir(path);
    else
        show(path, path);
    while (info.type == FILE_DIRECTORY && read(file, &entry, sizeof entry) == sizeof entry) {
        memcpy(name, entry.name, NAME_LENGTH);
        if (entry.inode)
            show(name, name);
    }
    return 0;
}
