#include "user.h"

int main(void)
{
    static const char *const states[] = {
        [NEW] = "new",         [READY] = "ready", [RUNNING] = "running",
        [WAITING] = "waiting", [ENDED] = "ended",
    };
    static struct process_info list[MAX_PROCESSES];
    int n = processes(list, MAX_PROCESSES);

    print("process parent pages state   name\n");
    for (int i = 0; i < n; i++)
        print("%7u %6u %5u %-7s %s\n", list[i].number, list[i].parent, list[i].n_pages,
              states[list[i].state], list[i].name);
    return 0;
}
