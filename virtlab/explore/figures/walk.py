"""How does a virtual address become a physical one? A page-table walk, drawn step by step.

The picture has the virtual address on top, cut into its fields, then a panel for each table the
hardware reads, then the physical address or the fault. The rows below follow the numbered steps of
"Virtual Address Translation Process" in "The RISC-V Instruction Set Manual, Volume II: Privileged
Architecture", 20240411. A walk of one stage (Sv39) has at most three panels; one of two stages up
to fifteen references, each in a panel of its own.
"""

from collections.abc import Callable, Mapping

import numpy as np

from virtlab.explore.controls import Choice, Range, signed
from virtlab.explore.drawing import box, label
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat
from virtlab.isa import encoding as e
from virtlab.kernels import walk as kernel
from virtlab.kernels import walk_view as view
from virtlab.machine.state import HART, RAM_BASE
from virtlab.machine.walk import ACCESSES
from virtlab.machine.walk import walk as plain_walk

PAGE_SHIFT = 12
VPN_BITS = 9
FLAG_NAMES = "DAGUXWRV"
FIELD_NAMES = ("VPN[2]", "VPN[1]", "VPN[0]", "page offset")

WIDTH, PANEL, FIELD_WIDTH = 680, 74, 112
FIELD_X, FIELD_STEP = view.FIELD_X, view.FIELD_STEP
OFFSET_WIDER = 26  # the page offset's box, whose name is the longest

# Fields of the record that a walk reads; the rest of the machine stays out of a figure.
WALK_FIELDS = "satp vsatp hgatp mstatus vsstatus menvcfg henvcfg pmpcfg pmpaddr ram_bytes".split()

LEVEL = "{steps[#][0]?level|VS-stage level|G-stage level} {steps[#][1]}"
SIZE = "{page[0]?4 KiB|2 MiB|1 GiB}"
REFERENCES = "{result[0]?no|1|{result[0]}} memory reference{result[0]?s||s}"
STEP_OF_ALL = f"step {{state[{view.KNOWN}]}} of {{state[{view.LAST}]}}"
NOW = f"state[{view.NEWEST_ROW}]"
TEXT = (
    f"{{state[{view.SAYS}]?"
    "The address is cut into its fields: VPN[2] = {fields[0]}, VPN[1] = {fields[1]}, "
    "VPN[0] = {fields[2]}, page offset = {fields[3]}.|"
    f"{LEVEL.replace('#', NOW)}: the table at {{steps[{NOW}][2]:x}} holds {{steps[{NOW}][5]:x}} "
    f"in entry {{steps[{NOW}][3]}}: {{steps[{NOW}][6]:outcome}}.|"
    "No table is read: the address is used as it is.|"
    "No table is read: {result[2]:cause}.|"
    f"After {REFERENCES} the walk ends in a fault: {{result[2]:cause}}.|"
    f"After {REFERENCES} the page is known: physical page {{page[1]:x}} ({SIZE}) plus offset "
    "{page[2]:x} is {result[1]:x}.}"
)


def page_bytes(level: int) -> int:
    """Size of the page that a leaf at this level maps: 4 KiB, 2 MiB or 1 GiB."""
    return 1 << (PAGE_SHIFT + VPN_BITS * level)


def size_name(n_bytes: int) -> str:
    """A power of two in the usual unit: 4 KiB."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if n_bytes >= 1 << shift:
            return f"{n_bytes / (1 << shift):g} {unit}"
    return f"{n_bytes} bytes"


def walk(found) -> Explorable:
    """A page-table walk: what is known after each step? Opens with the result.

    Parameters
    ----------
    found : a `virtlab.machine.Walk`: va, pa or None, fault or None, steps

    Raises
    ------
    ValueError if it has more steps than a walk can have.
    """
    if len(found.steps) > kernel.MOST_STEPS:
        raise ValueError(f"a walk of {len(found.steps)} steps; at most {kernel.MOST_STEPS} exist")
    outcomes, causes = list(kernel.OUTCOMES), dict(e.EXCEPTION_NAMES)
    outcomes += dict.fromkeys(step.outcome for step in found.steps if step.outcome not in outcomes)
    if found.fault is not None and found.fault not in causes.values():
        causes[max(causes) + 1] = found.fault
    steps = np.zeros((kernel.STEP_ROWS, kernel.STEP_COLUMNS), np.int64)
    for row, step in enumerate(found.steps):
        numbers = (step.level, step.table_pa, step.index, step.pte_pa, step.pte)
        stage = kernel.STAGES.index(step.stage)
        steps[row] = stage, *map(signed, numbers), outcomes.index(step.outcome)
    fault = next((code for code, name in causes.items() if name == found.fault), kernel.NO_FAULT)
    last = len(found.steps) + 1
    return _explorable(
        view.recorded_walk,
        controls=[Range("shown", "step", 0, last, 1, last)],
        inputs={
            "va": found.va,
            "steps": steps,
            "result": np.array([len(found.steps), signed(found.pa or 0), fault]),
        },
        va="va",
        outcomes=outcomes,
        causes=causes,
    )


def walks(translate: Callable, addresses: Mapping[str, int]) -> Explorable:
    """Walks of several addresses, each for a load, a store and a fetch.

    The figure keeps a copy of what these walks read, so it is of the moment when it was made.

    Parameters
    ----------
    translate : the method `translate` of a Machine
    addresses : what the reader sees -> virtual address, at least two

    Raises
    ------
    TypeError if `translate` is something else.
    """
    machine = getattr(translate, "__self__", None)
    if not hasattr(machine, "_hart") or not hasattr(machine, "memory"):
        raise TypeError(f"walks takes the method translate of a Machine, not {translate!r}")
    modes = _modes(machine._hart)
    words: dict[int, int] = {}
    longest = 0
    for va in addresses.values():
        for name, number in ACCESSES.items():
            at = 2 if number == e.FETCH else 0
            found = _recorded(machine, words, va, name, *modes[at : at + 2])
            longest = max(longest, len(found.steps) + 1)
    harts = np.zeros(1, HART)
    for name in WALK_FIELDS:
        harts[0][name] = machine._hart[name]
    ram = np.zeros((max(words, default=RAM_BASE) - RAM_BASE) // 8 + 1, np.int64)
    for pa, word in words.items():
        ram[(pa - RAM_BASE) // 8] = signed(word)
    return _explorable(
        view.machine_walk,
        controls=[
            Choice("where", "address", addresses),
            Choice("kind", "access", ACCESSES),
            Range("shown", "step", 0, longest, 1, longest, limit="most_steps"),
        ],
        inputs={"harts": harts, "ram64": ram, "modes": np.array(modes)},
        outputs={
            "steps": ("int64", (kernel.STEP_ROWS, kernel.STEP_COLUMNS)),
            "result": ("int64", (kernel.RESULT_VALUES,)),
            "most_steps": ("int64", ()),
        },
        va="where",
        purpose=" for a {kind:kind}",
        outcomes=kernel.OUTCOMES,
        causes=e.EXCEPTION_NAMES,
        records={"harts": "virtlab.machine.state:HART"},
    )


def _modes(hart) -> list[int]:
    """Mode and V of the hart's data accesses, which MPRV may redirect, then of its fetches."""
    mode, virt = int(hart.mode), int(hart.virt)
    data = [mode, virt]
    if mode == e.MACHINE and hart.mstatus & e.MSTATUS_MPRV:
        lent = int(hart.mstatus & e.MSTATUS_MPP) >> e.MSTATUS_MPP_SHIFT
        data = [lent, int(lent != e.MACHINE and bool(hart.mstatus & e.MSTATUS_MPV))]
    return [*data, mode, virt]


def _recorded(machine, words: dict[int, int], va: int, access: str, mode: int, virt: int):
    """Walk, and put every entry that is read into `words`: physical address -> entry."""

    def entry(pa: int):
        word = machine.memory.entry(pa)
        if word is not None:
            words[pa] = word
        return word

    return plain_walk(machine._hart, entry, va, access, mode, bool(virt))


def _explorable(
    kernel_, controls, inputs, va, outcomes, causes, purpose="", outputs=None, records=None
):
    """What both figures share: the words, the table and the picture."""
    rows = kernel.STEP_ROWS
    return Explorable(
        kernel_,
        controls,
        inputs,
        outputs={
            **(outputs or {}),
            "state": ("int64", (view.N_STATE,)),
            "fields": ("int64", (view.FIELDS,)),
            "panel_y": ("int64", (rows,)),
            "panel_x": ("int64", (rows,)),
            "panel_state": ("int64", (rows,)),
            "flags": ("int64", (rows, view.FLAGS)),
            "page": ("int64", (3,)),
        },
        title=f"Walk of {{{va}:x}}{purpose}, {STEP_OF_ALL}",
        text=TEXT,
        table=Table(
            ("step", "table at", "entry", "entry's address", "entry's value", "flags", "outcome"),
            Repeat(
                f"state[{view.KNOWN_STEPS}]",
                kernel.MOST_STEPS,
                (
                    LEVEL.replace("#", "i"),
                    "{steps[i][2]:x}",
                    "{steps[i][3]:,}",
                    "{steps[i][4]:x}",
                    "{steps[i][5]:x}",
                    "".join(f"{{flags[i][{k}]?-|{flag}}}" for k, flag in enumerate(FLAG_NAMES)),
                    "{steps[i][6]:outcome}",
                ),
            ),
        ),
        figure=_picture(va),
        labels={"outcome": outcomes, "cause": causes},
        records=records,
    )


def _picture(va: str) -> Sketch:
    parts: list = [label(12, 22, "virtual"), label(12, 40, "address")]
    for column, name in enumerate(FIELD_NAMES):
        x = FIELD_X + column * FIELD_STEP
        offset = name == "page offset"
        width = FIELD_WIDTH + (OFFSET_WIDER if offset else 0)
        written = f"{{fields[{column}]:x}}" if offset else f"{{fields[{column}]}}"
        parts.append(box(x, 8, width, 44, "shade"))
        bits = "12 bits" if offset else "9 bits"
        parts.append(label(x + width / 2, 26, f"{name}, {bits}", anchor="middle"))
        parts.append(label(x + width / 2, 44, written, "mono strong", "middle"))
    parts.append(label(12, 58, f"{{{va}:x}}", "mono muted"))
    middle = FIELD_WIDTH // 2
    down = f"y1='52' y2='{{state[{view.BOTTOM}]}}' class='wire' stroke-dasharray='4 3'/>"
    across = "x1='{panel_x[i]}' x2='{panel_x[i]}'"
    from_field = f"<g transform='translate({middle} 0)'><line {across} {down}</g>"
    parts.append(Repeat(f"state[{view.LINES}]", kernel.MOST_STEPS, from_field, between="\n"))
    offset_x = FIELD_X + 3 * FIELD_STEP + (FIELD_WIDTH + OFFSET_WIDER) // 2
    from_offset = f"<line x1='{offset_x}' x2='{offset_x}' {down}"
    parts.append(f"{{state[{view.NESTED}]?{from_offset}|}}")
    parts.append(Repeat(f"state[{view.PANELS}]", kernel.MOST_STEPS, _panel(), between="\n"))
    parts.append(_result())
    return Sketch(WIDTH, f"{{state[{view.HEIGHT}]}}", *parts)


def _panel() -> str:
    """One table read: which table, which entry, what it holds, what follows."""
    name = "{steps[i][0]?Level|VS-stage level|G-stage level} {steps[i][1]}"
    known = [
        label(18, 40, "table {steps[i][2]:x}", "mono"),
        "<g transform='translate({panel_x[i]} 0)'>",
        box(0, 6, FIELD_WIDTH, 20, "shade"),
        label(FIELD_WIDTH / 2, 21, "entry {steps[i][3]}", "", "middle"),
        "</g>",
        label(FIELD_X, 42, "holds {steps[i][5]:x}", "mono"),
        label(18, 62, "{steps[i][6]:outcome}"),
    ]
    for column, flag in enumerate(FLAG_NAMES):
        x = WIDTH - 24 - (len(FLAG_NAMES) - column) * 23
        is_set = f"{{flags[i][{column}]?#|@}}"
        known.append(box(x, 48, 20, 20, is_set.replace("#", "box").replace("@", "s"), 2))
        look = is_set.replace("#", "mono muted").replace("@", "mono strong on-colour")
        known.append(label(x + 10, 62, flag, look, "middle"))
    return (
        "<g transform='translate(0 {panel_y[i]})'>"
        + box(8, 0, WIDTH - 16, PANEL, "{panel_state[i]?box|box|mark}")
        + label(18, 20, name, "strong")
        + f"{{panel_state[i]?{label(18, 40, 'not read yet', 'muted')}|{''.join(known)}}}</g>"
    )


def _result() -> str:
    ends = [
        label(18, 27, "physical address: not known yet", "muted"),
        label(18, 27, "fault: {result[2]:cause}", "alarm strong"),
        label(18, 27, "physical address")
        + label(FIELD_X, 27, "{page[1]:x} + {page[2]:x} = {result[1]:x}", "mono strong"),
        label(18, 27, "physical address") + label(FIELD_X, 27, "{result[1]:x}", "mono strong"),
    ]
    return (
        f"<g transform='translate(0 {{state[{view.BOTTOM}]}})'>"
        + box(8, 0, WIDTH - 16, 44, f"{{state[{view.ENDED}]?box|mark}}")
        + f"{{state[{view.ENDED}]?{'|'.join(ends)}}}</g>"
    )
