// Which box has the hart: shares and quotas. Nothing here is called while there is only the host.
//
// Each box has a clock that runs while one of its processes does, and the slower, the more weight
// the box has. The box whose clock is behind all others is next, so over time each gets its share.
// A quota is so much time in each period; who has used more has to wait until it is paid back.
#include "kernel.h"

#define PERIOD_MS 100
#define MOST_BEHIND_MS 10  // who comes back after a long wait has no claim on all that it missed

static uint64_t since;   // the running process has had the hart from then on
static uint64_t newest;  // what the clock of the box chosen last said

// What a box of the usual weight has on its clock after so many ticks, MAX_WEIGHT times.
static uint64_t weighted(uint64_t ticks, uint32_t weight) { return ticks * MAX_WEIGHT / weight; }

// The running process's box has used the hart until now.
void shares_account(void)
{
    struct box *box = current->box;
    uint64_t now = time_now(), ticks = now - since;

    since = now;
    box->info.run_ticks += ticks;
    box->clock += weighted(ticks, box->info.limits.weight);
    box->n_used += ticks;
}

// A box begins, while the running process still belongs to the host.
void shares_begin(struct box *box)
{
    if (since == 0)
        since = time_now();
    shares_account();
    box->clock = newest;
    box->period = since / ticks_from_ms(PERIOD_MS);
}

// Whether a box has used up its quota for this period, which is counted from power-on.
static bool is_throttled(struct box *box, uint64_t period)
{
    uint64_t quota = ticks_from_ms(PERIOD_MS) * box->info.limits.quota_percent / 100;

    box->n_used -= least(box->n_used, (period - box->period) * quota);
    box->period = period;
    if (quota == 0)
        box->n_used = 0;
    if (quota == 0 || box->n_used < quota)
        return false;
    if (box->throttled_in != period)
        box->info.n_throttled++;
    box->throttled_in = period;
    return true;
}

// The box that is next, of those that have a process ready; 0 if there is none. *until is then
// when a quota lets one of them run again, or NEVER.
static struct box *next_box(uint64_t *until)
{
    uint64_t period_ticks = ticks_from_ms(PERIOD_MS), period = time_now() / period_ticks;
    struct box *next = 0;

    *until = NEVER;
    FOR_EACH_PROCESS(p) {
        struct box *box = p->box;
        if (p->state != READY || box == next)
            continue;
        if (is_throttled(box, period)) {
            *until = (period + 1) * period_ticks;
            continue;
        }
        uint64_t most_behind = weighted(ticks_from_ms(MOST_BEHIND_MS), USUAL_WEIGHT);
        if (box->clock + most_behind < newest)
            box->clock = newest - most_behind;
        if (next == 0 || box->clock < next->clock)
            next = box;
    }
    return next;
}

// The process that is next, or 0: inside a box they take turns.
struct process *shares_next(uint64_t *until)
{
    struct box *box = next_box(until);

    since = time_now();
    if (box == 0)
        return 0;
    if (box->clock > newest)
        newest = box->clock;
    struct process *p = box->last ? box->last : processes;
    do
        if (++p >= processes_end)
            p = processes;
    while (p->state != READY || p->box != box);
    return box->last = p;
}
