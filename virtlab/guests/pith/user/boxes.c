// boxes: which boxes there are, and what they use.
#include "user.h"

int main(void)
{
    static struct box_info list[MAX_BOXES];
    int n = boxes(list, MAX_BOXES);

    print("box processes pages  peak limit   calls     ticks weight quota name\n");
    for (int i = 0; i < n; i++) {
        const struct box_info *b = &list[i];
        print("%3u %9u %5lu %5lu %5u %7lu %9lu %6u %5u %s\n", b->number, b->n_processes, b->n_pages,
              b->peak_pages, b->limits.max_pages, b->n_system_calls, b->run_ticks,
              b->limits.weight, b->limits.quota_percent, b->name);
    }
    return 0;
}
