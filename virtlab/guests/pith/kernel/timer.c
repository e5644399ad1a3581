// Time, and the one timer there is: it ends time slices while programs run, and wakes whoever
// sleeps while none does. No interrupt comes when there is nothing to wake anybody for.
#include "kernel.h"

#define SLICE_MS 10

// A slice begins now: a program will be interrupted when it is over.
void timer_start_slice(void) { sbi_set_timer(time_now() + ticks_from_ms(SLICE_MS)); }

// Nobody can run; the next one to wake wakes then, or NEVER.
void timer_stop_until(uint64_t when) { sbi_set_timer(when); }

uint64_t ticks_from_ms(uint64_t ms) { return ms * board.ticks_per_second / 1000; }

uint64_t uptime_ms(void) { return time_now() / (board.ticks_per_second / 1000); }
