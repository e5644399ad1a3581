"""Who does what when a guest runs under a hypervisor? The boxes of a technique, with a real run.

Each technique has its own diagram: the guest above, the hypervisor's parts in the middle, the
hardware below. The numbers at the arrows are those of a run; a control moves through the recorded
exits, and the path of the one that is shown is lit: who ran, which part handled it, which hardware
that part used, and how the guest went on.

The diagrams follow the layers of the book's article, Figures 1-1 to 1-3; they are drawn anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from virtlab.explore.controls import Range
from virtlab.explore.drawing import box, label, line, way
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.figures.exit_words import (
    REASONS,
    WAYS,
    Recorded,
    from_programs,
    has_shadow_tables,
    reason_words,
)
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import braced
from virtlab.hypervisors.exits import Action, ExitReason
from virtlab.kernels import exit_path as kernel

MOST_SHOWN = 200  # exits that a slider can tell apart

WIDTH = 680
GUEST_Y, GUEST_HEIGHT = 8, 104
VMM_Y, VMM_HEIGHT = 186, 116
PARTS_Y = VMM_Y + 10
HARDWARE_Y, HARDWARE_HEIGHT = 356, 76
HEIGHT = HARDWARE_Y + HARDWARE_HEIGHT + 8
DIRECT_X = 38  # of the arrow past the hypervisor
PARTS_X, PARTS_RIGHT, ENTRY_X, RIGHT = 92, 548, 556, 664
BUS_Y = 134  # where the exits of all boxes of the guest meet
SOURCES_X = (150, 330)
BACK_X, INJECT_X = 582, 640
MEMORY_X, DEVICES_X, HART_RIGHT = 264, 468, 244

R = ExitReason
MEMORY, DEVICES = 1, 2  # the hardware that a part uses while it handles an exit
DEVICE_OF = {
    R.SHADOW_PAGE_FAULT: MEMORY,
    R.GUEST_PAGE_FAULT: MEMORY,
    R.TRACE: MEMORY,
    R.CALLOUT: MEMORY,
    R.MMIO: DEVICES,
    R.HALT: DEVICES,
}


@dataclass(frozen=True)
class Part:
    """A box in the hypervisor: its name on two lines, its counter of the run, what it handles."""

    name: tuple[str, str]
    count: str
    noun: str
    reasons: tuple[ExitReason, ...]


@dataclass(frozen=True)
class Design:
    """A technique's diagram.

    title : what the article calls it
    programs, kernel : how the guest's two boxes run
    hart : what the hart executes
    parts : of the hypervisor; the last one handles what no other does
    """

    title: str
    programs: str
    kernel: str
    hart: str
    parts: tuple[Part, ...]


SHADOW = Part(
    ("shadow", "page tables"),
    "shadow_fills",
    "fills",
    (R.SHADOW_PAGE_FAULT, R.TRACE, R.TRUE_PAGE_FAULT),
)
NESTED = Part(("G-stage", "page tables"), "walks", "walks", (R.GUEST_PAGE_FAULT,))
DEVICE_MODELS = Part(("device", "models"), "disk_requests", "disk requests", (R.MMIO, R.HALT))
EVENTS = (R.TIMER, R.INTERRUPT, R.WFI, R.EXCEPTION)

DESIGNS = {
    "emulation": Design(
        "Hardware emulation",
        "interpreted",
        "interpreted",
        "executes the interpreter",
        (
            Part(("interpreter", ""), "interpreted", "instructions", (R.PRIVILEGED,)),
            Part(("software", "MMU"), "walks", "walks", (R.TRUE_PAGE_FAULT,)),
            DEVICE_MODELS,
            Part(("virtual traps", "and timer"), "injections", "delivered", EVENTS),
        ),
    ),
    "trap-and-emulate": Design(
        "Full virtualization: trap and emulate",
        "run in U-mode",
        "deprivileged, runs in U-mode",
        "executes in U-mode",
        (
            Part(("instruction", "emulator"), "emulated", "emulated", (R.PRIVILEGED,)),
            SHADOW,
            DEVICE_MODELS,
            Part(("virtual traps", "and timer"), "injections", "delivered", (*EVENTS, R.ECALL)),
        ),
    ),
    "binary-translation": Design(
        "Full virtualization: binary translation",
        "run in U-mode",
        "translated, runs in U-mode",
        "executes in U-mode",
        (
            Part(
                ("translator", "and cache"),
                "translated_blocks",
                "blocks",
                (R.CALLOUT, R.PRIVILEGED),
            ),
            SHADOW,
            DEVICE_MODELS,
            Part(("virtual traps", "and timer"), "injections", "delivered", (*EVENTS, R.ECALL)),
        ),
    ),
    "paravirt": Design(
        "Paravirtualization",
        "run in U-mode",
        "ported to the hypervisor, runs in U-mode",
        "executes in U-mode",
        (
            Part(("hypercalls", ""), "hypercalls", "calls", (R.HYPERCALL, R.PRIVILEGED)),
            Part(
                ("page-table", "validator"),
                "batched_updates",
                "updates",
                (R.SHADOW_PAGE_FAULT, R.TRACE, R.TRUE_PAGE_FAULT),
            ),
            Part(("shared rings,", "back ends"), "ring_requests", "requests", (R.MMIO, R.HALT)),
            Part(("events", ""), "injections", "delivered", (*EVENTS, R.ECALL)),
        ),
    ),
    "hardware-assisted": Design(
        "Hardware-assisted virtualization",
        "run in VU-mode",
        "unmodified, runs in VS-mode",
        "executes VS and VU",
        (
            Part(("exit controls,", "emulator"), "emulated", "emulated", (R.PRIVILEGED,)),
            NESTED,
            DEVICE_MODELS,
            Part(
                ("virtual traps", "and timer"),
                "injections",
                "delivered",
                (*EVENTS, R.ECALL, R.HYPERCALL),
            ),
        ),
    ),
}
FIRST_GENERATION = "hardware-assisted, shadow paging"
DESIGNS[FIRST_GENERATION] = Design(
    "Hardware-assisted virtualization with shadow page tables",
    *("run in VU-mode", "unmodified, runs in VS-mode", "executes VS and VU"),
    (DESIGNS["hardware-assisted"].parts[0], SHADOW, *DESIGNS["hardware-assisted"].parts[2:]),
)

WAY_OF = {
    Action.RESUME: kernel.BACK,
    Action.RETRY: kernel.BACK,
    Action.REFLECT: kernel.INJECTED,
    Action.STOP: kernel.STOPPED,
}


def technique_of(vm) -> str:
    """The technique of a virtual machine, as a key of DESIGNS.

    Raises
    ------
    TypeError if it is none
    """
    name = getattr(vm, "technique", None)
    if name not in DESIGNS:
        raise TypeError(
            f"{vm!r} runs under no technique of virtlab.hypervisors; those are "
            f"{', '.join(name for name in DESIGNS if name != FIRST_GENERATION)}"
        )
    if name == "hardware-assisted" and has_shadow_tables(vm):
        return FIRST_GENERATION
    return name


def architecture(
    vm, exits: Sequence | None = None, reasons: Sequence[str] | None = None
) -> Explorable:
    """The technique's diagram with the numbers of a run; a control moves through its exits.

    Parameters
    ----------
    vm : a virtual machine of virtlab.hypervisors that has run
    exits : a run of its `exits` to move through; without it, the last 200
    reasons : a sentence for each of those exits, `[why(vm, exit) for exit in exits]` say

    Raises
    ------
    TypeError if `vm` is none
    ValueError if there is not one sentence for each exit
    """
    technique = technique_of(vm)
    chosen = list(vm.exits[-MOST_SHOWN:] if exits is None else exits)
    if reasons is not None and len(reasons) != len(chosen):
        raise ValueError(f"{len(reasons)} sentences for {len(chosen)} exits; one each is accepted")
    return diagram(DESIGNS[technique], Recorded.of(vm, chosen), vm.counts, reasons)


def diagram(
    design: Design,
    recorded: Recorded,
    counts: Mapping[str, int],
    sentences: Sequence[str] | None = None,
) -> Explorable:
    """A technique's diagram from plain data.

    Parameters
    ----------
    design : one of DESIGNS
    recorded : the exits, at most 200
    counts : the counters of the run, as `vm.counts`; what is missing counts as 0
    sentences : one for each exit, why it happened
    """
    n = len(recorded.exits)
    earlier = np.zeros(kernel.N_REASONS, np.int64)
    for reason, count in recorded.earlier.items():
        earlier[reason] = count
    part_of, device_of = _wiring(design)
    inputs = {
        "reasons": np.array(recorded.column("reason")),
        "sources": np.array(
            [kernel.PROGRAMS if from_programs(exit) else kernel.KERNEL for exit in recorded.exits]
            or [0]
        ),
        "ways": np.array([WAY_OF[Action(exit.action)] for exit in recorded.exits] or [0]),
        "actions": np.array(recorded.column("action")),
        "pcs": np.array(recorded.column("pc")),
        "steps": np.array(recorded.column("steps")),
        "n_exits": n,
        "earlier": earlier,
        "part_of": part_of,
        "device_of": device_of,
        "guest_steps": recorded.steps,
    }
    for name in ("hart_instructions", "world_switches"):
        inputs[name] = int(counts.get(name, 0))
    controls = []
    if n:
        controls.append(Range("shown", "exit", 0, n, 1, n))
    else:
        inputs["shown"] = 0
    labels = {
        "reason": [reason_words(reason) for reason in REASONS],
        "part": [_name(part) for part in design.parts],
        "guest_box": ["a program", "the kernel"],
        "way": {int(action): words for action, words in WAYS.items()},
        "why": {k + 1: f" {sentence}" for k, sentence in enumerate(sentences or [])},
    }
    return Explorable(
        kernel.exit_path,
        controls,
        inputs,
        outputs={
            "state": ("int64", (kernel.N_STATE,)),
            "at": ("int64", ()),
            "by_reason": ("int64", (kernel.N_REASONS,)),
            "by_part": ("int64", (kernel.MOST_PARTS,)),
            "by_way": ("int64", (3,)),
            "box_lit": ("int64", (2 + kernel.MOST_PARTS + 2,)),
            "line_lit": ("int64", (4,)),
        },
        title=_title(design, n),
        text=_text(counts, n, bool(sentences)),
        table=_table(design, recorded),
        figure=_picture(design, counts),
        labels=labels,
    )


def _title(design: Design, n: int) -> str:
    if not n:
        return f"{design.title}, without any exit"
    return (
        f"{design.title}: {{state[{kernel.SHOWN}]?before the first exit shown|"
        f"exit {{state[{kernel.NUMBER}]:,}} of the run}}"
    )


def _wiring(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """For each reason: the part that handles it, the hardware that is used then."""
    part_of = np.full(kernel.N_REASONS, len(design.parts) - 1)
    device_of = np.zeros(kernel.N_REASONS, np.int64)
    for number, part in enumerate(design.parts):
        for reason in part.reasons:
            part_of[reason] = number
    for reason, device in DEVICE_OF.items():
        device_of[reason] = device
    return part_of, device_of


def _text(counts: Mapping[str, int], n: int, explained: bool) -> str:
    """The diagram in words: the exit that is lit, then what was counted up to it."""
    lit = (
        "At instruction {steps[at]:,}, pc {pcs[at]:x}, {sources[at]:guest_box} left the hart: "
        "{reasons[at]:reason}. Handled by: {part_of[reasons[at]]:part}"
        f"{{state[{kernel.DEVICE}]?| with memory| with the devices}}; {{actions[at]:way}}."
    )
    why = "{shown:why}" if explained else ""
    shown = f"{{state[{kernel.SHOWN}]?No exit is lit.|{lit}{why}}} " if n else "No exit was taken. "
    return (
        shown
        + f"So far {{state[{kernel.SO_FAR}]:,}} exit{{state[{kernel.SO_FAR}]?s||s}}; "
        + f"the run has {{guest_steps:,}} guest instructions, {_direct(counts)}."
    )


def _direct(counts: Mapping[str, int]) -> str:
    """How much of the run the hart executed itself."""
    if "hart_instructions" not in counts:
        return "of which the hart's own share was not counted"
    return "{hart_instructions:,} of them executed by the hart in the guest's name"


def _table(design: Design, recorded: Recorded) -> Table:
    """A row for each reason of the run, and how the exits ended."""
    seen = {int(exit.reason) for exit in recorded.exits} | set(recorded.earlier)
    part_of, _ = _wiring(design)
    rows = [
        (
            braced(reason_words(reason)),
            braced(_name(design.parts[part_of[reason]])),
            f"{{by_reason[{reason}]:,}}",
        )
        for reason in sorted(int(reason) for reason in seen)
    ]
    return Table(("reason", "handled by", "exits up to the one shown"), *rows)


def _name(part: Part) -> str:
    return " ".join(word for word in part.name if word)


def _picture(design: Design, counts: Mapping[str, int]) -> Sketch:
    """The three layers, the arrows between them, and the numbers."""
    return Sketch(
        WIDTH, HEIGHT, *_guest(design), *_direct_run(counts), *_hypervisor(design, counts),
        *_exits(design), *_way_back(counts), *_hardware(design),
    )  # fmt: skip


def _guest(design: Design) -> list[str]:
    boxes = (
        (24, 192, "guest programs", design.programs),
        (230, 434, "guest kernel", design.kernel),
    )
    parts = [
        box(8, GUEST_Y, WIDTH - 16, GUEST_HEIGHT, "shade"),
        label(20, GUEST_Y + 20, "Virtual machine", "strong"),
        label(WIDTH - 20, GUEST_Y + 20, "{guest_steps:,} guest instructions", "muted", "end"),
    ]
    for number, (x, width, name, how) in enumerate(boxes):
        parts += [
            box(x, GUEST_Y + 32, width, 58, f"{{box_lit[{number}]?box|mark}}"),
            label(x + 12, GUEST_Y + 55, name, "strong"),
            label(x + 12, GUEST_Y + 76, how, "muted"),
        ]
    return parts


def _direct_run(counts: Mapping[str, int]) -> list[str]:
    """The arrow past the hypervisor: what the hart executes without its help."""
    shown = "{hart_instructions:,}" if "hart_instructions" in counts else "not counted"
    x, top = DIRECT_X, GUEST_Y + GUEST_HEIGHT
    return [
        way(((x, top), (x, HARDWARE_Y - 2))),
        label(x + 10, HARDWARE_Y - 30, "directly:", "muted"),
        label(x + 10, HARDWARE_Y - 14, shown, "strong"),
    ]


def _places(design: Design) -> list[tuple[int, int]]:
    """Left end and width of each part's box."""
    step = (PARTS_RIGHT - PARTS_X) // len(design.parts)
    return [(PARTS_X + 8 + k * step, step - 8) for k in range(len(design.parts))]


def _hypervisor(design: Design, counts: Mapping[str, int]) -> list[str]:
    parts = [
        box(PARTS_X - 6, VMM_Y, RIGHT + 8 - PARTS_X + 6, VMM_HEIGHT, "shade"),
        label(PARTS_X + 8, VMM_Y + VMM_HEIGHT - 10, "Hypervisor (VMM)", "strong"),
    ]
    y = PARTS_Y
    for number, ((x, width), part) in enumerate(zip(_places(design), design.parts, strict=True)):
        look = f"{{box_lit[{2 + number}]?box|mark}}"
        parts.append(box(x, y, width, 74, look))
        for row, words in enumerate(part.name):
            parts.append(label(x + width / 2, y + 18 + 16 * row, words, "strong", "middle"))
        done = counts.get(part.count)
        if done is not None:
            parts.append(label(x + width / 2, y + 52, f"{done:,}", "", "middle"))
            parts.append(label(x + width / 2, y + 67, part.noun, "muted", "middle"))
    x, width = ENTRY_X, RIGHT - ENTRY_X
    parts += [
        box(x, y, width, 74),
        label(x + width / 2, y + 18, "virtual hart", "strong", "middle"),
        label(x + width / 2, y + 34, "(vcpu)", "strong", "middle"),
    ]
    if "world_switches" in counts:
        parts.append(label(x + width / 2, y + 52, "{world_switches:,}", "", "middle"))
        parts.append(label(x + width / 2, y + 67, "world switches", "muted", "middle"))
    return parts


def _exits(design: Design) -> list[str]:
    """From the guest's boxes to a line where all exits meet, and from there to each part."""
    places = [x + width // 2 for x, width in _places(design)]
    left, right = min(places[0], SOURCES_X[0]), max(places[-1], SOURCES_X[1])
    parts = [label(right + 14, BUS_Y + 5, "exits", "muted"), line(((left, BUS_Y), (right, BUS_Y)))]
    for number, x in enumerate(SOURCES_X):
        lit = f"line_lit[{number}]"
        parts.append(way(((x, GUEST_Y + 90), (x, BUS_Y)), lit, tip=False))
    for number, x in enumerate(places):
        lit = f"box_lit[{2 + number}]"
        for source, start in enumerate(SOURCES_X):
            if start != x:
                piece = line(((start, BUS_Y), (x, BUS_Y)), "lit")
                parts.append(f"{{{lit}?|{{line_lit[{source}]?|{piece}}}}}")
        parts.append(way(((x, BUS_Y), (x, PARTS_Y - 2)), lit))
        parts.append(label(x + 8, VMM_Y - 22, f"{{by_part[{number}]:,}}", "strong"))
    return parts


def _way_back(counts: Mapping[str, int]) -> list[str]:
    """Into the guest again: where it was, or at its own trap handler."""
    top, bottom = GUEST_Y + GUEST_HEIGHT, PARTS_Y
    injected = "{by_way[1]:,}"
    return [
        way(((BACK_X, bottom), (BACK_X, top + 2)), "line_lit[2]"),
        way(((INJECT_X, bottom), (INJECT_X, GUEST_Y + 92)), "line_lit[3]"),
        label(BACK_X - 6, VMM_Y - 6, "{by_way[0]:,}", "strong", "end"),
        label(BACK_X - 6, VMM_Y - 22, "back", "muted", "end"),
        label(INJECT_X - 6, VMM_Y - 6, injected, "strong", "end"),
        label(INJECT_X - 6, VMM_Y - 22, "trap", "muted", "end"),
    ]


def _hardware(design: Design) -> list[str]:
    y = HARDWARE_Y
    memory, devices = 2 + kernel.MOST_PARTS, 3 + kernel.MOST_PARTS
    parts = [
        box(8, y, WIDTH - 16, HARDWARE_HEIGHT, "shade"),
        label(20, y + 20, "Hardware", "strong"),
    ]
    boxes = (
        (24, HART_RIGHT - 24, "hart", design.hart, "box"),
        (MEMORY_X, 184, "memory", "guest RAM, page tables", f"{{box_lit[{memory}]?box|mark}}"),
        (DEVICES_X, 196, "devices", "console, disk, timer", f"{{box_lit[{devices}]?box|mark}}"),
    )
    for x, width, name, what, look in boxes:
        parts += [
            box(x, y + 26, width, 44, look),
            label(x + 10, y + 44, name, "strong"),
            label(x + 10, y + 61, what, "muted"),
        ]
    for x, lit in ((MEMORY_X + 92, memory), (DEVICES_X + 98, devices)):
        parts.append(way(((x, VMM_Y + VMM_HEIGHT), (x, y + 24)), f"box_lit[{lit}]"))
    return parts
