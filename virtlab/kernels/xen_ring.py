"""How do a front end and a back end share a ring? Indices, answers and events, action by action.

The protocol is that of `virtlab.platforms.xen.rings`. The front end has twelve requests; it puts in
so many, shows them, and goes on with something else for a while. The back end is asleep until an
event comes; then it takes and answers one request after the other, and when it finds none it asks
to be woken, shows its answers, and sleeps. The two take turns, an action each.
"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64

N_PLACES = 8
N_REQUESTS = 12
MOST_ACTIONS = 80
MOST_TURNS = 400

# What is done: nothing yet; the front end puts requests in, shows them, takes answers; the back end
# takes a request, answers it, finds none and shows its answers.
NOTHING, PUT, SHOW, COLLECT, TAKE, ANSWER, REST = range(7)
# Columns of a row of the trace: what was done and with how many; the four shared indices; the
# private ones; whether the action came to send an event (1 sent, 2 sent to one awake, 3 spared);
# events sent so far, those in vain among them, and those spared; whether the back end is awake.
(
    WHAT, HOW_MANY, REQ_PROD, REQ_EVENT, RSP_PROD, RSP_EVENT, REQ_MADE, RSP_CONS, REQ_CONS,
    RSP_MADE, EVENT, SENT, IN_VAIN, SPARED, AWAKE,
) = range(15)  # fmt: skip
N_COLUMNS = 15
NO_EVENT, EVENT_SENT, EVENT_IN_VAIN, EVENT_SPARED = range(4)
# What is in a place: nothing; a request put in, one that is shown, one that was taken; an answer
# that is not shown, one that is.
EMPTY, NEW, WAITING, TAKEN, ANSWERED, SHOWN = range(6)


@njit(inner=True)
def _tell(now, made, shown, event, avoids, awake):
    """Show `made` where `shown` were; whether an event is sent. Returns NO_EVENT or another."""
    if made == shown and avoids:
        kind = i64(NO_EVENT)
    elif avoids and not made - event < made - shown:
        kind = i64(EVENT_SPARED)
    elif awake:
        kind = i64(EVENT_IN_VAIN)
    else:
        kind = i64(EVENT_SENT)
    now[EVENT] = kind
    if kind == EVENT_SPARED:
        now[SPARED] += 1
    elif kind != NO_EVENT:
        now[SENT] += 1
        if kind == EVENT_IN_VAIN:
            now[IN_VAIN] += 1
    return kind


@njit(inner=True)
def _note(now, trace, n, what, how_many):
    """Write an action down; returns how many there are."""
    now[WHAT], now[HOW_MANY] = what, how_many
    if n < MOST_ACTIONS:
        for column in range(N_COLUMNS):
            trace[n, column] = now[column]
        n += 1
    now[EVENT] = NO_EVENT
    return n


@njit
def xen_ring(
    batch, pause, avoids, shown, now, trace, n_actions, n_rows, at, places, numbers
):  # fmt: skip
    """All actions until the twelve requests are answered, and the ring after action `shown`.

    Parameters
    ----------
    batch : int64, requests that the front end shows at a time, 1 to N_PLACES
    pause : int64, turns until it has more, 0 to 20
    avoids : int64, 1: an event is sent only if the other side wants one; 0: always
    shown : int64; more than there are means the last
    now : (N_COLUMNS,) int64, written: the simulation's own
    trace : (MOST_ACTIONS, N_COLUMNS) int64, written: a row for each action; row 0 is the empty ring
    n_actions : (1,) int64, written: the last row
    n_rows : (1,) int64, written: how many rows there are, the empty ring's among them
    at : (1,) int64, written: the row that is shown
    places, numbers : (N_PLACES,) int64, written: what is in each place, and of which request
    """
    now[REQ_EVENT] = 1
    now[RSP_EVENT] = 1
    n = _note(now, trace, i64(0), NOTHING, i64(0))
    due, unshown, front_event, holds = i64(0), i64(0), i64(0), i64(0)
    for _ in range(MOST_TURNS):
        if now[RSP_CONS] == N_REQUESTS:
            break
        more = min(i64(batch), N_REQUESTS - now[REQ_MADE])
        if unshown:
            kind = _tell(now, now[REQ_MADE], now[REQ_PROD], now[REQ_EVENT], avoids, now[AWAKE])
            now[REQ_PROD] = now[REQ_MADE]
            if kind == EVENT_SENT:
                now[AWAKE] = 1
            n = _note(now, trace, n, SHOW, unshown)
            unshown = i64(0)
        elif more > 0 and due <= 0 and more <= N_PLACES - (now[REQ_MADE] - now[RSP_CONS]):
            now[REQ_MADE] += more
            unshown, due = more, i64(pause)
            n = _note(now, trace, n, PUT, more)
        elif front_event:
            found = now[RSP_PROD] - now[RSP_CONS]
            now[RSP_CONS] = now[RSP_PROD]
            now[RSP_EVENT] = now[RSP_CONS] + 1
            front_event = i64(0)
            n = _note(now, trace, n, COLLECT, found)
        due -= 1
        if not now[AWAKE]:
            continue
        if holds:
            now[RSP_MADE] += 1
            holds = i64(0)
            n = _note(now, trace, n, ANSWER, i64(1))
        elif now[REQ_CONS] < now[REQ_PROD]:
            now[REQ_CONS] += 1
            holds = i64(1)
            n = _note(now, trace, n, TAKE, i64(1))
        else:
            now[REQ_EVENT] = now[REQ_CONS] + 1
            found = now[RSP_MADE] - now[RSP_PROD]
            kind = _tell(now, now[RSP_MADE], now[RSP_PROD], now[RSP_EVENT], avoids, front_event)
            now[RSP_PROD] = now[RSP_MADE]
            if kind == EVENT_SENT or kind == EVENT_IN_VAIN:
                front_event = i64(1)
            now[AWAKE] = 0
            n = _note(now, trace, n, REST, found)
    n_actions[0] = n - 1
    n_rows[0] = n
    at[0] = min(max(i64(shown), i64(0)), n - 1)
    row = at[0]
    for k in range(trace[row, RSP_CONS], trace[row, REQ_MADE]):
        place = k % N_PLACES
        numbers[place] = k + 1
        if k < trace[row, RSP_PROD]:
            places[place] = SHOWN
        elif k < trace[row, RSP_MADE]:
            places[place] = ANSWERED
        elif k < trace[row, REQ_CONS]:
            places[place] = TAKEN
        elif k < trace[row, REQ_PROD]:
            places[place] = WAITING
        else:
            places[place] = NEW
