"""Who does what when servers share one kernel? Hardware, kernel and boxes, with a real run.

The diagram follows the layers of the book's article, Figure 1-4, and is drawn anew like those of
the hypervisors (`architecture`): programs in boxes and outside of them on top, one kernel with its
namespaces and control groups, the hardware below. A control moves through a recorded run, and the
path of one entry into the kernel is lit: which box it left, which part of the kernel worked, which
hardware that part used, and which box had the hart next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from virtlab.containers.recording import CAUSES, HOST, SYSTEM_CALL, Entry, Recording, replay
from virtlab.explore.controls import Range
from virtlab.explore.drawing import box, label, line, way
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import box_path as kernel

MOST_ENTRIES = 4096  # that a figure holds: of a longer recording, the last
STOPS = 200  # of the slider through the run

WIDTH, LEFT, RIGHT = 680, 8, 672
BOX_Y, BOX_HEIGHT = 8, 118
KERNEL_Y, KERNEL_HEIGHT = 196, 132
PART_Y, PART_HEIGHT = KERNEL_Y + 10, 92
BUS_Y = 150  # where the entries of all boxes meet
HARDWARE_Y, HARDWARE_HEIGHT = 372, 76
HEIGHT = HARDWARE_Y + HARDWARE_HEIGHT + 8
GAP = 8
NAME_LETTERS = 16  # of a box's name in the picture
HARDWARE = (
    (24, 220, "hart", "executes all programs"),
    (264, 184, "memory", "pages of all boxes"),
    (468, 196, "devices", "console, disk, timer"),
)


@dataclass(frozen=True)
class Part:
    """A part of the kernel: its name, what it keeps apart, the system calls it handles."""

    name: str
    keeps: tuple[str, str]
    calls: tuple[str, ...]


PARTS = (
    Part("scheduler", ("control group:", "weight, quota"), ("sleep", "limit")),
    Part(
        "processes",
        ("namespaces:", "pids, names"),
        (
            "null",
            "fork",
            "exec",
            "exit",
            "wait",
            "kill",
            "getpid",
            "processes",
            "box",
            "boxes",
            "hostname",
        ),
    ),
    Part("memory", ("control group:", "page limit"), ("sbrk", "map")),
    Part(
        "files",
        ("namespace:", "root and layer"),
        ("open", "close", "dup", "read", "write", "stat", "mkdir", "remove", "chdir"),
    ),
    Part("network", ("namespace:", "port numbers"), ("pipe", "port")),
    Part("drivers", ("capabilities", ""), ("system", "probe", "shutdown")),
)
PART_OF = {call: number for number, part in enumerate(PARTS) for call in part.calls}
PART_OF_CAUSE = {"fault": 2, "timer": 0, "device": 5}
HARDWARE_OF_PART = {2: kernel.MEMORY, 3: kernel.DEVICES, 5: kernel.DEVICES}


def boxes_architecture(run, title: str = "OS-level virtualization") -> Explorable:
    """Boxes over one kernel over the hardware; controls move through the entries into the kernel.

    Parameters
    ----------
    run : a machine with pith, whose run since its reset is replayed and recorded; or a Recording,
        as `virtlab.containers.recording.record` makes it of any part of a run; the figure holds its
        last 4096 entries, and draws the host and the 4 boxes that had the hart longest, the last
        one of which stands for all others if there are more
    title : str, begins the figure's title

    Raises
    ------
    TypeError, ValueError if the run of that machine cannot be replayed and recorded
    """
    recording = run if isinstance(run, Recording) else replay(run)
    entries = recording.entries[-MOST_ENTRIES:]
    earlier, n = len(recording.entries) - len(entries), len(entries)
    shown = recording.busiest(kernel.MOST_BOXES)
    others = len(recording.names) - len(shown)
    names = [recording.names[number] for number in shown]
    if others:
        names[-1] = f"{others + 1} other boxes"
    columns = {number: min(k, len(shown) - 1) for k, number in enumerate(shown)}
    inputs, labels = _columns(entries, columns, len(shown) - 1)
    controls = _controls(inputs, n)
    return Explorable(
        kernel.box_path,
        controls,
        inputs | {"n_entries": n, "earlier": earlier, "n_boxes": len(shown)},
        outputs={
            "at": ("int64", ()),
            "state": ("int64", (kernel.N_STATE,)),
            **dict.fromkeys(
                ("calls", "entries", "turns", "instructions", "box_lit", "next_lit"),
                ("int64", (kernel.MOST_BOXES,)),
            ),
            "shares": ("float64", (kernel.MOST_BOXES,)),
            **dict.fromkeys(("by_part", "part_lit"), ("int64", (kernel.N_PARTS,))),
            "hardware_lit": ("int64", (2,)),
        },
        title=_title(title, n),
        text=_text(n, earlier),
        table=_table(names),
        figure=_picture(names),
        labels=labels
        | {"box": names, "part": [part.name for part in PARTS], "cause": list(CAUSES)},
    )


def _controls(inputs: dict, n: int) -> list:
    """One slider through `n` entries, and one for those between two of its stops."""
    stride = max(1, -(-n // STOPS))
    last = n if stride == 1 else (n - 1) // stride * stride
    controls = []
    if n:
        controls.append(Range("shown", "entry into the kernel", 0, last, stride, last))
    else:
        inputs["shown"] = 0
    if stride > 1:
        controls.append(Range("further", "and further", 0, stride, 1, 0, "entries"))
    else:
        inputs["further"] = 0
    return controls


def _columns(entries: Sequence[Entry], columns: dict, last: int) -> tuple[dict, dict]:
    """The entries in columns of numbers, and the words that the numbers stand for."""

    def numbers(found) -> np.ndarray:
        return np.array(list(found) or [0], np.int64)

    def column(number: int) -> int:
        return columns.get(number, last)

    parts = [_part(entry) for entry in entries]
    processes = [entry.who.number for entry in entries]
    ran = np.zeros((max(len(entries), 1), kernel.MOST_BOXES), np.int64)
    for row, entry in enumerate(entries):
        for number, n in entry.instructions.items():
            ran[row, column(number)] += n
    whats = sorted({entry.what for entry in entries})
    who = list(dict.fromkeys(_who(entry) for entry in entries))
    programs = sorted({entry.who.program for entry in entries})
    inputs = {
        "boxes": numbers(column(entry.who.box) for entry in entries),
        "parts": numbers(parts),
        "causes": numbers(CAUSES.index(entry.cause) for entry in entries),
        "hardware": numbers(
            _hardware_of(entry, p) for entry, p in zip(entries, parts, strict=True)
        ),
        "switched": numbers(
            int(k > 0 and process != processes[k - 1]) for k, process in enumerate(processes)
        ),
        "ran": ran,
        "pcs": numbers(entry.pc for entry in entries),
        "steps": numbers(entry.steps for entry in entries),
        "whats": numbers(whats.index(entry.what) for entry in entries),
        "who": numbers(who.index(_who(entry)) for entry in entries),
        "programs": numbers(programs.index(entry.who.program) for entry in entries),
    }
    return inputs, {"what": whats, "process": who, "program": programs}


def _who(entry: Entry) -> str:
    """A process by its program and its numbers."""
    who = entry.who
    inside = f", inside {who.inside}" if who.box != HOST else ""
    return f"{who.program} (process {who.number}{inside})"


def _part(entry: Entry) -> int:
    """The part of the kernel that handles an entry."""
    if entry.cause == SYSTEM_CALL:
        return PART_OF.get(entry.what, 0)
    return PART_OF_CAUSE[entry.cause]


def _hardware_of(entry: Entry, part: int) -> int:
    """The hardware that is used beside the hart; a timer interrupt comes from a device."""
    if entry.cause == "timer":
        return kernel.DEVICES
    return HARDWARE_OF_PART.get(part, 0)


def _title(title: str, n: int) -> str:
    if not n:
        return f"{braced(title)}, without any entry into the kernel"
    return (
        f"{braced(title)}: {{state[{kernel.SHOWN}]?before the first entry shown|"
        f"entry {{state[{kernel.NUMBER}]:,}} into the kernel}}"
    )


def _text(n: int, earlier: int) -> tuple:
    """The entry that is lit in words, then what was counted up to it."""
    lit = (
        "At instruction {steps[at]:,}, pc {pcs[at]:x}, {who[at]:process} of {boxes[at]:box} left "
        "the hart to the kernel: {causes[at]:cause}, {whats[at]:what}. Handled by the kernel's "
        f"{{parts[at]:part}}{{state[{kernel.HARDWARE}]?|, in the hardware's memory|, with the "
        "devices}."
        f"{{state[{kernel.NEXT}]?| Then {{boxes[state[{kernel.SHOWN}]]:box}} had the hart.}}"
    )
    shown = f"{{state[{kernel.SHOWN}]?No entry is lit.|{lit}}} " if n else "Nothing was recorded. "
    note = f" The {earlier:,} entries before these are not shown." if earlier else ""
    return (
        shown + "System calls and share of the hart's instructions so far: ",
        Repeat("n_boxes", kernel.MOST_BOXES, "{i:box} {calls[i]:,}, {shares[i]:.1f} %", "; "),
        f".{note}",
    )


def _table(names: Sequence[str]) -> Table:
    """A row for each box, and one for each part of the kernel."""
    boxes = [
        (
            braced(name),
            f"{{entries[{k}]:,}}",
            f"{{calls[{k}]:,}}",
            f"{{turns[{k}]:,}}",
            f"{{instructions[{k}]:,}}",
            f"{{shares[{k}]:.1f}}",
        )
        for k, name in enumerate(names)
    ]
    parts = [
        (f"the kernel's {part.name}", f"{{by_part[{k}]:,}}", "", "", "", "")
        for k, part in enumerate(PARTS)
    ]
    return Table(
        (
            "box or part",
            "entries into the kernel",
            "system calls",
            "process switches to it",
            "instructions",
            "% of the instructions",
        ),
        *boxes,
        *parts,
    )


def _picture(names: Sequence[str]) -> Sketch:
    """The three layers, the ways between them, and the numbers."""
    return Sketch(WIDTH, HEIGHT, *_kernel(), *_entries(names), *_boxes(names), *_hardware())


def _places(n: int, left: int, right: int, gap: int) -> list[tuple[float, float]]:
    """Left end and width of `n` boxes beside one another."""
    width = (right - left - gap * (n - 1)) / n
    return [(left + k * (width + gap), width) for k in range(n)]


def _boxes(names: Sequence[str]) -> list[str]:
    """The boxes on top, the host's programs first."""
    parts = []
    for k, ((x, width), name) in enumerate(zip(_columns_of(names), names, strict=True)):
        y, middle = BOX_Y, x + width / 2
        short = name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1] + "…"
        program = f"{{box_lit[{k}]?programs|{{programs[at]:program}}}}"
        parts += [
            box(x, y, width, BOX_HEIGHT, "shade"),
            label(middle, y + 18, braced(short), "strong", "middle"),
            box(x + 8, y + 26, width - 16, 26, f"{{box_lit[{k}]?box|mark}}"),
            label(middle, y + 44, program, "", "middle"),
            label(middle, y + 70, f"{{calls[{k}]:,}} system calls", "muted", "middle"),
            label(middle, y + 88, f"{{turns[{k}]:,}} switches to it", "muted", "middle"),
            label(middle, y + 106, f"{{shares[{k}]:.1f}} % of the hart", "muted", "middle"),
        ]
    return parts


def _columns_of(names: Sequence[str]) -> list[tuple[float, float]]:
    return _places(len(names), LEFT, RIGHT, GAP)


def _parts_of_kernel() -> list[tuple[float, float]]:
    return _places(len(PARTS), LEFT + 8, RIGHT - 8, 6)


def _entries(names: Sequence[str]) -> list[str]:
    """From each box down to a line where all entries meet, to the parts, and up to the next box."""
    starts = [x + width / 2 - 16 for x, width in _columns_of(names)]
    ends = [x + width / 2 for x, width in _parts_of_kernel()]
    left, right = min(*starts, *ends), max(*starts, *ends)
    parts = [line(((left, BUS_Y), (right, BUS_Y)))]
    for k, start in enumerate(starts):
        bottom = BOX_Y + BOX_HEIGHT
        parts += [
            way(((start, bottom), (start, BUS_Y)), f"box_lit[{k}]", tip=False),
            label(start - 6, bottom + 15, f"{{entries[{k}]:,}}", "strong", "end"),
            way(((start + 32, KERNEL_Y), (start + 32, bottom + 2)), f"next_lit[{k}]"),
        ]
    for number, end in enumerate(ends):
        for k, start in enumerate(starts):
            piece = line(((start, BUS_Y), (end, BUS_Y)), "lit")
            parts.append(f"{{part_lit[{number}]?|{{box_lit[{k}]?|{piece}}}}}")
        parts.append(way(((end, BUS_Y), (end, PART_Y - 2)), f"part_lit[{number}]"))
    return parts


def _kernel() -> list[str]:
    parts = [
        box(LEFT, KERNEL_Y, RIGHT - LEFT, KERNEL_HEIGHT, "shade"),
        label(LEFT + 12, KERNEL_Y + KERNEL_HEIGHT - 10, "One kernel", "strong"),
    ]
    for number, ((x, width), part) in enumerate(zip(_parts_of_kernel(), PARTS, strict=True)):
        middle = x + width / 2
        parts += [
            box(x, PART_Y, width, PART_HEIGHT, f"{{part_lit[{number}]?box|mark}}"),
            label(middle, PART_Y + 18, part.name, "strong", "middle"),
            label(middle, PART_Y + 38, part.keeps[0], "muted", "middle"),
            label(middle, PART_Y + 54, part.keeps[1], "muted", "middle"),
            label(middle, PART_Y + 80, f"{{by_part[{number}]:,}}", "", "middle"),
        ]
    return parts


def _hardware() -> list[str]:
    y = HARDWARE_Y
    parts = [
        box(LEFT, y, RIGHT - LEFT, HARDWARE_HEIGHT, "shade"),
        label(LEFT + 12, y + 20, "Hardware", "strong"),
    ]
    for number, (x, width, name, what) in enumerate(HARDWARE):
        lit = f"hardware_lit[{number - 1}]" if number else ""
        parts += [
            box(x, y + 26, width, 44, f"{{{lit}?box|mark}}" if lit else "box"),
            label(x + 10, y + 44, name, "strong"),
            label(x + 10, y + 61, what, "muted"),
        ]
        middle = x + width / 2
        parts.append(way(((middle, KERNEL_Y + KERNEL_HEIGHT), (middle, y + 24)), lit))
    return parts
