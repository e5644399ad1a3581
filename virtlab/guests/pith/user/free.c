#include "user.h"

int main(void)
{
    struct system_info info;

    system(&info);
    print("memory: %lu of %lu pages free\n", info.n_free_pages, info.n_pages);
    print("disk: %lu of %lu blocks free\n", info.n_free_blocks, info.n_blocks);
    return 0;
}
