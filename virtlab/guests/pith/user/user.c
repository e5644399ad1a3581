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

// What the options of box and limit have in common; false if this is none of them.
bool set_limit(struct box_limits *limits, const char *option, const char *value)
{
    if (strcmp(option, "-cpu") == 0)
        limits->weight = number(value);
    else if (strcmp(option, "-quota") == 0)
        limits->quota_percent = number(value);
    else if (strcmp(option, "-memory") == 0)
        limits->max_pages = (number(value) * 1024 + PAGE_SIZE - 1) / PAGE_SIZE;
    else if (strcmp(option, "-processes") == 0)
        limits->max_processes = number(value);
    else
        return false;
    return true;
}

int execute(char **argv)
{
    char path[MAX_PATH] = "/bin/";
    size_t n = strlen(argv[0]), folder = strlen(path);

    for (size_t i = 0; i < n; i++)
        if (argv[0][i] == '/')
            return exec(argv[0], argv);
    if (n >= MAX_PATH - folder)
        return -E_NAME;
    memcpy(path + folder, argv[0], n);
    return exec(path, argv);
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
