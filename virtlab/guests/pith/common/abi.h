// What the kernel and its programs agree on: system calls, errors, flags and records.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A program puts the number of a system call in a7 and its arguments in a0, a1 and a2, and
// executes ecall. The result comes back in a0: zero or more, or an error below, negated.
enum system_call {
    SYS_NULL,       // null()                        only the way in and back
    SYS_FORK,       // fork()                        0 in the child, its number in the parent
    SYS_EXEC,       // exec(path, argv)              returns only if it failed
    SYS_EXIT,       // exit(status)
    SYS_WAIT,       // wait(*status)                 the number of a child that has ended
    SYS_KILL,       // kill(process)
    SYS_GETPID,     // getpid()
    SYS_SLEEP,      // sleep(milliseconds)
    SYS_SBRK,       // sbrk(n_bytes)                 the old end of the heap
    SYS_MAP,        // map(address, n_bytes, protection)
    SYS_PIPE,       // pipe(files[2])                files[0] is read, files[1] is written
    SYS_OPEN,       // open(path, flags)
    SYS_CLOSE,      // close(file)
    SYS_DUP,        // dup(file)                     the lowest free number, for the same open file
    SYS_READ,       // read(file, buffer, n_bytes)   the bytes read, 0 at the end
    SYS_WRITE,      // write(file, buffer, n_bytes)
    SYS_STAT,       // stat(file, *file_info)
    SYS_MKDIR,      // mkdir(path)                   the number of its inode
    SYS_REMOVE,     // remove(path)                  a file, or an empty directory
    SYS_CHDIR,      // chdir(path)
    SYS_PROCESSES,  // processes(*process_info, n)   how many were written
    SYS_SYSTEM,     // system(*system_info)
    SYS_PROBE,      // probe(n)                      reads a device register n times
    SYS_SHUTDOWN,   // shutdown(status)              0 to 255; does not return
    SYS_BOX,        // box(*box_settings)            its number; the caller is process 1 inside
    SYS_BOXES,      // boxes(*box_info, n)           how many were written
    SYS_LIMIT,      // limit(box, *box_limits)
    SYS_HOSTNAME,   // hostname(text, n_bytes, set)  how long it is
    SYS_PORT,       // port(number, flags)           a pipe: OPEN_READ serves it, OPEN_WRITE calls
    N_SYSTEM_CALLS
};

// Every error once, with the words in which a program reports it.
#define ERRORS(error)                                 \
    error(E_NOENT, "no such file or directory")       \
    error(E_EXIST, "exists already")                  \
    error(E_NOTDIR, "not a directory")                \
    error(E_ISDIR, "is a directory")                  \
    error(E_NOTEMPTY, "directory is not empty")       \
    error(E_NAME, "name is too long")                 \
    error(E_BADFILE, "not an open file")              \
    error(E_FAULT, "bad address")                     \
    error(E_INVALID, "invalid argument")              \
    error(E_NOMEM, "out of memory")                   \
    error(E_NOSPACE, "no space left on the disk")     \
    error(E_NOEXEC, "not a program")                  \
    error(E_NOPROC, "no such process")                \
    error(E_NOCHILD, "no child to wait for")          \
    error(E_PIPE, "nobody reads this pipe")           \
    error(E_TOOMANY, "too many files or processes")   \
    error(E_KILLED, "killed")                         \
    error(E_NOCALL, "no such system call")            \
    error(E_PERM, "not permitted here")               \
    error(E_LIMIT, "the box's limit is reached")      \
    error(E_MACHINE, "a program for another processor") \
    error(E_SYSTEM, "a program for another operating system")

#define ERROR_NUMBER(name, words) name,
enum error { E_NONE, ERRORS(ERROR_NUMBER) N_ERRORS };

// What wait() reports of a process that did not call exit().
#define STATUS_KILLED 137
#define STATUS_MEMORY 138  // its box was out of memory
#define STATUS_FAULT 139
#define MAX_STATUS 255     // that shutdown() takes

// Flags of open().
#define OPEN_READ 1
#define OPEN_WRITE 2
#define OPEN_CREATE 4    // make the file if it is not there
#define OPEN_TRUNCATE 8  // forget what it holds
#define OPEN_APPEND 16   // every write goes to the end
#define OPEN_DIRECT 32   // read from the disk, past the block cache

// Protections of map().
#define MAP_NONE 0   // give the pages back
#define MAP_READ 1   // pages that are there now, and may be read
#define MAP_WRITE 3  // ... read and written

#define MAX_ARGUMENTS 16
#define MAX_PATH 128
#define MAX_FILES 16     // open files of one process
#define MAX_PROBES 1000  // register reads in one probe()
#define MAX_PROCESSES 504
#define MAX_BOXES 512
#define NAME_LENGTH 28   // of a file, and of a process; the last byte need not be zero

// A whiteout is a name in a box's layer: the base's file of that name is removed.
enum file_type {FILE_FREE, FILE_REGULAR, FILE_DIRECTORY, FILE_CONSOLE, FILE_PIPE, FILE_WHITEOUT};

struct file_info {
    uint32_t type;   // enum file_type
    uint32_t inode;
    uint32_t n_links;
    uint32_t n_bytes;
};

// A directory is a file of these; number 0 marks a free place.
struct directory_entry {
    uint32_t inode;
    char name[NAME_LENGTH];
};

enum process_state { FREE, NEW, READY, RUNNING, WAITING, ENDED };

struct process_info {
    uint32_t number, parent;
    uint32_t state;  // enum process_state
    uint32_t n_pages;
    char name[NAME_LENGTH];
};

struct system_info {
    uint64_t uptime_ms;
    uint64_t n_pages, n_free_pages;  // of memory that the kernel hands out
    uint64_t n_blocks, n_free_blocks;  // of the disk
    char command[MAX_PATH];          // what the user asked the kernel, when starting it, to run
};

// A box is a group of processes that see their own part of the system. Which part is their own:
#define BOX_PIDS 1           // numbers of processes
#define BOX_HOSTNAME 2
#define BOX_FILES 4          // the root directory
#define BOX_NETWORK 8        // numbers of ports
#define BOX_CAPABILITIES 16  // they may do nothing that matters outside
#define BOX_ALL 31

// What a process may do, besides what every process may.
#define CAP_SHUTDOWN 1
#define CAP_DEVICE 2    // probe(), OPEN_DIRECT
#define CAP_BOX 4       // box(), limit()
#define CAP_HOSTNAME 8  // in a box with a host name of its own, every process may set that
#define CAP_ALL 15

// How much a box may use of what all boxes share; 0 means as much as there is.
struct box_limits {
    uint32_t weight;         // 1 to MAX_WEIGHT: its share of the hart, if others want it too
    uint32_t quota_percent;  // of the hart, 1 to 100, even if nobody else wants it
    uint32_t max_pages;
    uint32_t max_processes;
};
#define USUAL_WEIGHT 100
#define MAX_WEIGHT 10000

struct box_settings {
    char name[NAME_LENGTH];
    char root[MAX_PATH];   // the directory that is / inside; never changed
    char layer[MAX_PATH];  // the directory that holds the changes; made when it is needed
    uint32_t namespaces;
    struct box_limits limits;
};

// Box 0 is the host: all processes that are in no other box.
struct box_info {
    uint32_t number, namespaces;
    uint32_t n_processes;
    uint32_t n_out_of_memory;  // processes that the kernel has ended for it
    uint64_t n_pages, peak_pages;
    uint64_t n_system_calls;
    uint64_t n_throttled;      // periods in which its quota was used up
    uint64_t run_ticks;        // of the clock, since there are other boxes than the host
    struct box_limits limits;
    char name[NAME_LENGTH];    // the last byte is zero
};
