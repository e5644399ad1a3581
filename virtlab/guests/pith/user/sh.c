// The shell. A line is a row of pipelines, a pipeline a row of commands:
//
//     grep name < list | wc > count ; ps & # a comment
//
// cd, exit and wait are its own; every other command is a program, looked for in /bin.
#include "user.h"

#define MAX_LINE 256
#define SPECIAL "|&;<>"

static char line[MAX_LINE];
static char *rest;                    // of the line: what has not been read yet
static char words[2 * MAX_LINE];      // the words of one command, each ended by 0
static int last_status;

struct command {
    int argc;
    char *argv[MAX_ARGUMENTS + 1];
    char *input, *output;             // files, or 0
    bool append;                      // to the output
};

static bool is_one_of(char c, const char *set)
{
    for (; *set; set++)
        if (*set == c)
            return true;
    return false;
}

// What comes next after spaces: 0 at the end of the line, or where a comment begins.
static char next_character(void)
{
    while (is_one_of(*rest, " \t\n"))
        rest++;
    return *rest == '#' ? 0 : *rest;
}

// Copies the next word, without its quotes, to where free is; 0 if there is none.
static char *next_word(char **free)
{
    char *word = *free, quote = 0;

    if (next_character() == 0 || is_one_of(*rest, SPECIAL))
        return 0;
    for (; *rest && (quote || !is_one_of(*rest, " \t\n" SPECIAL)); rest++) {
        if (*rest == quote)
            quote = 0;
        else if (!quote && is_one_of(*rest, "'\""))
            quote = *rest;
        else
            *(*free)++ = *rest;
    }
    *(*free)++ = 0;
    return word;
}

// Reads one command, up to what ends it; false if it is not well formed.
static bool parse(struct command *command)
{
    char *free = words, *word;

    *command = (struct command){.argc = 0};
    for (char c; (c = next_character()) && !is_one_of(c, "|&;");) {
        if (c == '<' || c == '>') {
            rest++;
            bool append = c == '>' && *rest == '>';
            if (append)
                rest++;
            if ((word = next_word(&free)) == 0)
                return false;
            if (c == '<') {
                command->input = word;
            } else {
                command->output = word;
                command->append = append;
            }
        } else {
            if (command->argc == MAX_ARGUMENTS)
                return false;
            command->argv[command->argc++] = next_word(&free);
        }
    }
    return command->argc > 0;
}

// Makes a file this process's input or output.
static void redirect(int number, int file)
{
    if (file != number) {
        close(number);
        dup(file);  // which takes the lowest free number: the one just closed
        close(file);
    }
}

static void redirect_to_path(int number, const char *path, int flags)
{
    int file = path ? open(path, flags) : number;

    if (file < 0)
        exit(print_error(path, file));
    redirect(number, file);
}

static void run_program(struct command *command)
{
    redirect_to_path(IN, command->input, OPEN_READ);
    redirect_to_path(OUT, command->output,
                     OPEN_WRITE | OPEN_CREATE | (command->append ? OPEN_APPEND : OPEN_TRUNCATE));
    exit(print_error(command->argv[0], execute(command->argv)));
}

// Those commands that must not run in a process of their own.
static bool run_builtin(struct command *command)
{
    const char *name = command->argv[0];

    if (strcmp(name, "cd") == 0) {
        int result = chdir(command->argc > 1 ? command->argv[1] : "/");
        last_status = result < 0 ? print_error("cd", result) : 0;
    } else if (strcmp(name, "exit") == 0) {
        exit(argument(command->argc, command->argv, 1, last_status));
    } else if (strcmp(name, "wait") == 0) {
        while (wait(&last_status) > 0)
            ;
    } else {
        return false;
    }
    return true;
}

// Starts every command of the next pipeline; its status is that of the last one.
static bool run_pipeline(void)
{
    struct command command;
    int input = IN, last = 0, status;

    for (bool more = true; more;) {
        int ends[2] = {IN, OUT};

        if (!parse(&command)) {
            if (input != IN)
                close(input);
            return false;
        }
        more = next_character() == '|';
        if (!more && input == IN && run_builtin(&command))
            return true;
        if (more) {
            rest++;
            pipe(ends);
        }
        last = fork();
        if (last == 0) {
            redirect(IN, input);
            redirect(OUT, ends[1]);
            if (more)
                close(ends[0]);
            run_program(&command);
        }
        if (last < 0)
            last_status = print_error("fork", last);
        if (input != IN)
            close(input);
        if (more)
            close(ends[1]);
        input = ends[0];
    }
    if (next_character() == '&')
        return true;
    // Earlier commands of the pipeline, and those in the background, may end in between.
    for (int process; (process = wait(&status)) > 0;)
        if (process == last) {
            last_status = status;
            break;
        }
    return true;
}

static void run_line(void)
{
    for (rest = line; next_character();) {
        if (!run_pipeline()) {
            print("sh: cannot understand: %s\n", line);
            last_status = 1;
            return;
        }
        if (is_one_of(next_character(), ";&") && *rest)
            rest++;
    }
}

int main(int argc, char **argv)
{
    int script = IN;

    if (argc > 2 && strcmp(argv[1], "-c") == 0) {
        memcpy(line, argv[2], least(strlen(argv[2]), MAX_LINE - 1));
        run_line();
        return last_status;
    }
    if (argc > 1 && (script = open(argv[1], OPEN_READ)) < 0)
        return print_error(argv[1], script);
    for (;;) {
        if (argc == 1)
            print("$ ");
        if (read_line(script, line, MAX_LINE) < 0)
            return last_status;
        run_line();
    }
}
