#include "user.h"

int main(void)
{
    struct system_info info;

    system(&info);
    print("%lu.%lu s\n", info.uptime_ms / 1000, info.uptime_ms / 100 % 10);
    return 0;
}
