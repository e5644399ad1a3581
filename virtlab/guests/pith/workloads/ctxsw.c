// ctxsw [TRIPS]: a byte goes to another process and back through two pipes; each way is a switch
// from one process to the other.
#include "../user/user.h"

static int to_child[2], to_parent[2];

static int send_back(void)
{
    char byte;

    close(to_child[1]);
    while (read(to_child[0], &byte, 1) == 1)
        write(to_parent[1], &byte, 1);
    return 0;
}

int main(int argc, char **argv)
{
    long n = argument(argc, argv, 1, 1000), n_back = 0;
    char byte = 'x';

    pipe(to_child);
    pipe(to_parent);
    int child = fork();
    if (child == 0)
        return send_back();
    for (long i = 0; i < n; i++) {
        write(to_child[1], &byte, 1);
        n_back += read(to_parent[0], &byte, 1);
    }
    close(to_child[1]);
    wait(0);
    print("ctxsw: %ld round trips\n", n_back);
    return n_back != n;
}
