"""How do a front end and a back end share a ring? One action at a time, with all indices.

The control moves through the actions of both sides until twelve requests are answered. Others set
how many requests are shown at a time, how long the front end pauses, and whether events are spared.
"""

from virtlab.explore.controls import Range, Switch
from virtlab.explore.drawing import box, box_key, label
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat
from virtlab.kernels import xen_ring as kernel

WIDTH = 680
SIDE_WIDTH, SIDE_TOP, SIDE_HEIGHT = 168, 8, 116
RIGHT_X = WIDTH - 8 - SIDE_WIDTH
PAGE_X, PAGE_WIDTH = 8 + SIDE_WIDTH + 24, WIDTH - 2 * (8 + SIDE_WIDTH + 24)
ROW_Y, PLACE_HEIGHT = 172, 44
PLACE_WIDTH = (WIDTH - 16) / kernel.N_PLACES
KEY_Y = ROW_Y + PLACE_HEIGHT + 18
EVENT_Y = KEY_Y + 14
HEIGHT = EVENT_Y + 96
LOOKS = ("box", "shade", "u faint", "vs faint", "m faint", "s faint")
STATES = ("empty", "put in", "request", "taken", "answered", "answer")
KEYS = (
    "request put in, not shown",
    "request shown",
    "taken by the back end",
    "answered, not shown",
    "answer shown",
)
DONE = (
    "The ring is empty",
    "The front end puts in {n}",
    "The front end shows {n}: req_prod = {prod}",
    "The front end takes {n}, and sets rsp_event = {rsp_event}",
    "The back end takes a request",
    "The back end answers it",
    "The back end finds no request: it sets req_event = {req_event}, shows its answers "
    "(rsp_prod = {rsp}), and rests",
)
EVENTS = (
    "No event",
    "An event is sent, and wakes the other side",
    "An event is sent to one that is awake: in vain",
    "No event: the other side has not asked to be woken by these",
)


def xen_ring(batch: int = 2, pause: int = 2, avoids: bool = True, shown: int = 12) -> Explorable:
    """A ring of eight places and its two sides, action by action.

    Parameters
    ----------
    batch : requests that the front end shows at a time, 1 to 6
    pause : turns of both until it has more, 0 to 20
    avoids : whether events are sent only to a side that wants one
    shown : the action to open with
    """
    k = kernel
    row = "trace[at]"
    return Explorable(
        k.xen_ring,
        [
            Range("shown", "action", 0, k.MOST_ACTIONS - 1, 1, shown, limit="n_actions"),
            Range("batch", "requests at a time", 1, 6, 1, batch),
            Range("pause", "turns until it has more", 0, 20, 1, pause),
            Switch("avoids", "events only if wanted", avoids),
        ],
        outputs={
            "now": ("int64", (k.N_COLUMNS,)),
            "trace": ("int64", (k.MOST_ACTIONS, k.N_COLUMNS)),
            **dict.fromkeys(("n_actions", "n_rows"), ("int64", ())),
            "at": ("int64", ()),
            **dict.fromkeys(("places", "numbers"), ("int64", (k.N_PLACES,))),
        },
        title=f"A ring of {k.N_PLACES} places: action {{at}} of {{n_actions}}",
        text=(
            f"{_done(row)}. {{{row}[{k.EVENT}]:event}}. So far {_count(row, k.SENT)} sent, "
            f"{{{row}[{k.IN_VAIN}]}} of them in vain, and {{{row}[{k.SPARED}]}} spared. All "
            f"{k.N_REQUESTS} requests take {_count('trace[n_actions]', k.SENT)}."
        ),
        table=Table(
            (
                "action", "what", "req_prod", "req_cons", "req_event", "rsp_prod", "rsp_cons",
                "rsp_event", "events",
            ),
            Repeat(
                "n_rows",
                k.MOST_ACTIONS,
                (
                    "{i:number}",
                    f"{{trace[i][{k.WHAT}]:what}}",
                    *(
                        f"{{trace[i][{column}]}}"
                        for column in (
                            k.REQ_PROD, k.REQ_CONS, k.REQ_EVENT, k.RSP_PROD, k.RSP_CONS,
                            k.RSP_EVENT, k.SENT,
                        )
                    ),
                ),
            ),
        ),
        figure=Sketch(WIDTH, HEIGHT, *_sides(row), *_places(), *_events(row)),
        labels={
            "what": (
                "empty", "front end puts in", "front end shows", "front end takes answers",
                "back end takes", "back end answers", "back end rests",
            ),
            "event": EVENTS,
            "number": [str(k) for k in range(k.MOST_ACTIONS)],
            "state": STATES,
        },
    )  # fmt: skip


def _count(row: str, column: int) -> str:
    return f"{{{row}[{column}]?no event|1 event|{{{row}[{column}]}} events}}"


def _done(row: str) -> str:
    """What the action does, in words."""
    k = kernel
    many = f"{{{row}[{k.HOW_MANY}]}}"
    words = [
        text.format(
            n=f"{many} {'answer' if k_ == k.COLLECT else 'request'}{{{row}[{k.HOW_MANY}]?s||s}}",
            prod=f"{{{row}[{k.REQ_PROD}]}}",
            rsp=f"{{{row}[{k.RSP_PROD}]}}",
            rsp_event=f"{{{row}[{k.RSP_EVENT}]}}",
            req_event=f"{{{row}[{k.REQ_EVENT}]}}",
        )
        for k_, text in enumerate(DONE)
    ]
    return f"{{{row}[{k.WHAT}]?{'|'.join(words)}}}"


def _sides(row: str) -> list[str]:
    """The two ends with their private indices, and the shared ones between them."""
    k, bottom = kernel, SIDE_TOP + SIDE_HEIGHT
    what = f"{row}[{k.WHAT}]"
    front = f"{{{what}?box|mark|mark|mark|box}}"
    back = f"{{{what}?box|box|box|box|mark}}"
    middle = PAGE_X + PAGE_WIDTH / 2
    parts = [
        box(8, SIDE_TOP, SIDE_WIDTH, SIDE_HEIGHT, front),
        label(20, SIDE_TOP + 22, "Front end (DomU)", "strong"),
        label(20, SIDE_TOP + 48, f"requests made {{{row}[{k.REQ_MADE}]}}"),
        label(20, SIDE_TOP + 70, f"rsp_cons {{{row}[{k.RSP_CONS}]}}"),
        label(20, SIDE_TOP + 98, "these two are its own", "muted"),
        box(RIGHT_X, SIDE_TOP, SIDE_WIDTH, SIDE_HEIGHT, back),
        label(RIGHT_X + 12, SIDE_TOP + 22, "Back end (Domain0)", "strong"),
        label(RIGHT_X + 12, SIDE_TOP + 48, f"req_cons {{{row}[{k.REQ_CONS}]}}"),
        label(RIGHT_X + 12, SIDE_TOP + 70, f"answers made {{{row}[{k.RSP_MADE}]}}"),
        label(RIGHT_X + 12, SIDE_TOP + 98, f"{{{row}[{k.AWAKE}]?asleep|awake}}", "muted"),
        box(PAGE_X, SIDE_TOP, PAGE_WIDTH, SIDE_HEIGHT, "shade"),
        label(middle, SIDE_TOP + 22, "the shared page", "strong", "middle"),
        label(middle, bottom - 12, f"and {k.N_PLACES} places:", "muted", "middle"),
    ]
    for n, (name, column) in enumerate(
        (
            ("req_prod", k.REQ_PROD),
            ("req_event", k.REQ_EVENT),
            ("rsp_prod", k.RSP_PROD),
            ("rsp_event", k.RSP_EVENT),
        )
    ):
        x = PAGE_X + 12 + (n // 2) * PAGE_WIDTH / 2
        y = SIDE_TOP + 48 + 22 * (n % 2)
        parts.append(label(x, y, f"{name} {{{row}[{column}]}}"))
    ends = ((8 + SIDE_WIDTH, PAGE_X), (RIGHT_X, PAGE_X + PAGE_WIDTH))
    return parts + [f"<polyline points='{x0:g},66 {x1:g},66' class='wire'/>" for x0, x1 in ends]


def _places() -> list[str]:
    """The places, and what their colours mean."""
    parts = []
    for n in range(kernel.N_PLACES):
        x = 8 + n * PLACE_WIDTH
        look = f"{{places[{n}]?{'|'.join(LOOKS)}}}"
        parts += [
            box(x + 2, ROW_Y, PLACE_WIDTH - 4, PLACE_HEIGHT, "box"),
            box(x + 2, ROW_Y, PLACE_WIDTH - 4, PLACE_HEIGHT, look),
            label(x + PLACE_WIDTH / 2, ROW_Y - 8, f"place {n}", "muted", "middle"),
            label(
                x + PLACE_WIDTH / 2,
                ROW_Y + 19,
                f"{{places[{n}]?|no. {{numbers[{n}]}}}}",
                "strong",
                "middle",
            ),
            label(x + PLACE_WIDTH / 2, ROW_Y + 36, f"{{places[{n}]:state}}", "", "middle"),
        ]
    for n, (look, name) in enumerate(zip(LOOKS[1:], KEYS, strict=True)):
        parts.append(box_key(8 + 226 * (n % 3), KEY_Y + 22 * (n // 3), look, name))
    return parts


def _events(row: str) -> list[str]:
    """The hypervisor below, through which events go."""
    k = kernel
    y = EVENT_Y + 44
    what, event = f"{row}[{k.WHAT}]", f"{row}[{k.EVENT}]"
    sent = f"{{{event}?|lit|lit|}}"
    to_back = f"{{{what}?||{sent}|}}"
    to_front = f"{{{what}?||||||{sent}}}"
    left, right, middle = 8 + SIDE_WIDTH / 2, RIGHT_X + SIDE_WIDTH / 2, WIDTH / 2
    return [
        box(PAGE_X - 16, y, PAGE_WIDTH + 32, 44, "shade"),
        label(middle, y + 18, "Xen: event channel", "strong", "middle"),
        label(
            middle,
            y + 36,
            f"sent {{{row}[{k.SENT}]}}, in vain {{{row}[{k.IN_VAIN}]}}, "
            f"spared {{{row}[{k.SPARED}]}}",
            "",
            "middle",
        ),
        label(left, y + 27, "front end", "", "middle"),
        label(right, y + 27, "back end", "", "middle"),
        *_arrow(left + 36, PAGE_X - 18, y + 14, to_back),
        *_arrow(PAGE_X + PAGE_WIDTH + 18, right - 36, y + 14, to_back),
        *_arrow(right - 36, PAGE_X + PAGE_WIDTH + 18, y + 32, to_front),
        *_arrow(PAGE_X - 18, left + 36, y + 32, to_front),
    ]


def _arrow(x0: float, x1: float, y: float, look: str) -> list[str]:
    """A horizontal line with a tip, thicker where `look` says so."""
    back = -7 if x1 > x0 else 7
    return [
        f"<polyline points='{x0:g},{y:g} {x1:g},{y:g}' class='wire {look}'/>"
        f"<polygon points='{x1:g},{y:g} {x1 + back:g},{y - 4:g} {x1 + back:g},{y + 4:g}' "
        f"class='tip {look}'/>"
    ]
