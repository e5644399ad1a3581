// The first process: starts the shell, waits for every process without a parent, and switches the
// machine off when the shell has ended.
#include "user.h"

int main(void)
{
    static struct system_info info;
    char *interactive[] = {"sh", 0}, *command[] = {"sh", "-c", info.command, 0};

    system(&info);
    int shell = fork();
    if (shell == 0) {
        exec("/bin/sh", info.command[0] ? command : interactive);
        exit(print_error("/bin/sh", -E_NOENT));
    }
    int status;
    while (wait(&status) != shell)
        ;
    shutdown(status != 0);
}
