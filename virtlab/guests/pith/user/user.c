#include "user.h"

#define BUFFER_SIZE 128
static char buffer[BUFFER_SIZE];
static int n_buffered;
static bool is_message;

void exit(int status)
{
    system_call(SYS_EXIT, status);
    __builtin_unreachable();
}

static void flush(void)
{
    write(is_message ? MESSAGES : OUT, buffer, n_buffered);
    n_buffered = 0;
}

static void put(char c)
{
    buffer[n_buffered++] = c;
    if (n_buffered == BUFFER_SIZE)
        flush();
}

// What one call prints is one write, if it is not too long, so that lines of two programs on the
// same console do not mix.
void print(const char *pattern, ...)
{
    va_list arguments;

    va_start(arguments, pattern);
    format(put, pattern, arguments);
    va_end(arguments);
    flush();
}

int print_error(const char *what, int error)
{
#define ERROR_WORDS(name, words) [name] = words,
    static const char *const words[N_ERRORS] = {ERRORS(ERROR_WORDS)};

    is_message = true;
    print("%s: %s\n", what, -error < N_ERRORS ? words[-error] : "unknown error");
    is_message = false;
    return 1;
}

long number(const char *text)
{
    long value = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        value = 10 * value + *text - '0';
    return value;
}

long argument(int argc, char **argv, int i, long otherwise)
{
    return i < argc ? number(argv[i]) : otherwise;
}

int read_line(int file, char *line, int size)
{
    int n = 0;

    while (n < size - 1 && read(file, &line[n], 1) == 1)
        if (line[n++] == '\n')
            break;
    line[n] = 0;
    return n > 0 ? n : -1;
}

int run(int (*child)(void))
{
    int status = 0;
    int process = fork();

    if (process < 0)
        exit(print_error("fork", process));
    if (process == 0)
        exit(child());
    wait(&status);
    return status;
}
