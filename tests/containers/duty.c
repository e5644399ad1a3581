// duty PERCENT: computes for so much of 100 ms, sleeps for the rest, and again; at 100 never sleeps.
#include "user.h"

#define PERIOD_MS 100
#define STEPS_PER_MS 1000000  // the model retires so many instructions in a millisecond

int main(int argc, char **argv)
{
    long percent = argument(argc, argv, 1, 100);

    for (;;) {
        for (long n = percent * PERIOD_MS / 100 * (STEPS_PER_MS / 2); n > 0; n--)
            __asm__ volatile("");  // two instructions a round
        if (percent < 100)
            sleep(PERIOD_MS - percent * PERIOD_MS / 100);
    }
}
