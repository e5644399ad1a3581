// What every program has: the system calls (see abi.h), and a few functions around them.
#pragma once

#include "../common/abi.h"
#include "../common/text.h"

long system_call(enum system_call number, ...);

// name(arguments) becomes the system call of that number.
#define CALL(result, name, number, parameters, ...) \
    static inline result name parameters { return (result)system_call(number, ##__VA_ARGS__); }

CALL(long, null, SYS_NULL, (void))
CALL(int, fork, SYS_FORK, (void))
CALL(int, exec, SYS_EXEC, (const char *path, char **argv), path, argv)
CALL(int, wait, SYS_WAIT, (int *status), status)
CALL(int, kill, SYS_KILL, (int process), process)
CALL(int, getpid, SYS_GETPID, (void))
CALL(int, sleep, SYS_SLEEP, (long ms), ms)
CALL(char *, sbrk, SYS_SBRK, (long n_bytes), n_bytes)
CALL(int, map, SYS_MAP, (void *at, long n_bytes, int protection), at, n_bytes, protection)
CALL(int, pipe, SYS_PIPE, (int files[2]), files)
CALL(int, open, SYS_OPEN, (const char *path, int flags), path, flags)
CALL(int, close, SYS_CLOSE, (int file), file)
CALL(int, dup, SYS_DUP, (int file), file)
CALL(int, read, SYS_READ, (int file, void *to, long n), file, to, n)
CALL(int, write, SYS_WRITE, (int file, const void *from, long n), file, from, n)
CALL(int, stat, SYS_STAT, (int file, struct file_info *info), file, info)
CALL(int, mkdir, SYS_MKDIR, (const char *path), path)
CALL(int, remove, SYS_REMOVE, (const char *path), path)
CALL(int, chdir, SYS_CHDIR, (const char *path), path)
CALL(int, processes, SYS_PROCESSES, (struct process_info *list, int n), list, n)
CALL(int, system, SYS_SYSTEM, (struct system_info *info), info)
CALL(long, probe, SYS_PROBE, (long n), n)
CALL(int, shutdown, SYS_SHUTDOWN, (int status), status)
CALL(int, box, SYS_BOX, (const struct box_settings *settings), settings)
CALL(int, boxes, SYS_BOXES, (struct box_info *list, int n), list, n)
CALL(int, limit, SYS_LIMIT, (int box, const struct box_limits *limits), box, limits)
CALL(int, hostname, SYS_HOSTNAME, (char *text, long n, bool set), text, n, set)
CALL(int, port, SYS_PORT, (long number, int flags), number, flags)
void exit(int status) __attribute__((noreturn));

#define PAGE_SIZE 4096
enum { IN, OUT, MESSAGES };  // the files a program starts with

void print(const char *pattern, ...);
int print_error(const char *what, int error);  // "what: no such file ..."; returns 1, to exit with
long number(const char *text);
long argument(int argc, char **argv, int i, long otherwise);  // argv[i] as a number
int read_line(int file, char *line, int size);                // its length, or -1 at the end
int run(int (*child)(void));                                  // in a process of its own: its status
bool set_limit(struct box_limits *limits, const char *option, const char *value);
int execute(char **argv);                                     // looks in /bin; returns only an error
