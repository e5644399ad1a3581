// What every program has: the system calls (see abi.h), and a few functions around them.
#pragma once

#include "../common/abi.h"
#include "../common/text.h"

long system_call(enum system_call number, ...);

static inline long null(void) { return system_call(SYS_NULL); }
static inline int fork(void) { return system_call(SYS_FORK); }
static inline int exec(const char *path, char **argv) { return system_call(SYS_EXEC, path, argv); }
static inline int wait(int *status) { return system_call(SYS_WAIT, status); }
static inline int kill(int process) { return system_call(SYS_KILL, process); }
static inline int getpid(void) { return system_call(SYS_GETPID); }
static inline int sleep(long ms) { return system_call(SYS_SLEEP, ms); }
static inline char *sbrk(long n_bytes) { return (char *)system_call(SYS_SBRK, n_bytes); }
static inline int map(void *at, long n_bytes, int protection) { return system_call(SYS_MAP, at, n_bytes, protection); }
static inline int pipe(int files[2]) { return system_call(SYS_PIPE, files); }
static inline int open(const char *path, int flags) { return system_call(SYS_OPEN, path, flags); }
static inline int close(int file) { return system_call(SYS_CLOSE, file); }
static inline int dup(int file) { return system_call(SYS_DUP, file); }
static inline int read(int file, void *to, long n) { return system_call(SYS_READ, file, to, n); }
static inline int write(int file, const void *from, long n) { return system_call(SYS_WRITE, file, from, n); }
static inline int stat(int file, struct file_info *info) { return system_call(SYS_STAT, file, info); }
static inline int mkdir(const char *path) { return system_call(SYS_MKDIR, path); }
static inline int remove(const char *path) { return system_call(SYS_REMOVE, path); }
static inline int chdir(const char *path) { return system_call(SYS_CHDIR, path); }
static inline int processes(struct process_info *list, int n) { return system_call(SYS_PROCESSES, list, n); }
static inline int system(struct system_info *info) { return system_call(SYS_SYSTEM, info); }
static inline long probe(long n) { return system_call(SYS_PROBE, n); }
static inline void shutdown(int status) { system_call(SYS_SHUTDOWN, status); }
void exit(int status) __attribute__((noreturn));

#define PAGE_SIZE 4096
enum { IN, OUT, MESSAGES };  // the files a program starts with

void print(const char *pattern, ...);
int print_error(const char *what, int error);  // "what: no such file ..."; returns 1, to exit with
long number(const char *text);
long argument(int argc, char **argv, int i, long otherwise);  // argv[i] as a number
int read_line(int file, char *line, int size);                // its length, or -1 at the end
int run(int (*child)(void));                                  // in a process of its own: its status
