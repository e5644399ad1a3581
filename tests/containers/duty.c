// duty PERCENT: computes for so much of 100 ms, sleeps for the rest, and again; at 100 never sleeps.
#include "user.h"

#define PERIOD_MS 100
#define STEPS_PER_MS 1000000  // the model retires so many instructions in a millisecond

int main(int argc, char **argv)
{
    long busy_ms = argument(argc, argv, 1, 100) * PERIOD_MS / 100;

    for (;;) {
        long rounds = busy_ms * STEPS_PER_MS / 2;
        __asm__ volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(rounds));
        if (busy_ms < PERIOD_MS)
            sleep(PERIOD_MS - busy_ms);
    }
}
