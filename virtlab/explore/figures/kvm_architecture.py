"""What has KVM added to Linux? Guest, kernel and user mode, with the exits of a real run.

The diagram has the parts of the book's article, Figure 2-3: the program (QEMU) in user mode, Linux
with kvm.ko and /dev/kvm in kernel mode, and the guest in a third mode beside the two. A control
moves through the exits of a run on the model; the way of one is lit: out of guest mode, to a part
of kvm.ko, and from there back into the guest, or up to the program and back.
"""

from collections.abc import Sequence

import numpy as np

from virtlab.explore.controls import Range
from virtlab.explore.drawing import box, label, way
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import braced
from virtlab.kernels import kvm_modes as kernel
from virtlab.platforms.kvm.watching import WatchedExit

MOST_EXITS = 400  # that a figure holds: of a longer run, the last

WIDTH, LEFT, RIGHT = 680, 8, 672
TOP, UPPER_HEIGHT = 8, 134  # the program and the guest
PROGRAM_WIDTH, GUEST_X = 320, 352
KERNEL_Y, KERNEL_HEIGHT = 204, 128
PART_Y, PART_HEIGHT, PART_WIDTH = KERNEL_Y + 34, 62, 142
PART_X = (RIGHT - 3 * PART_WIDTH - 2 * 8 - 10, PART_WIDTH + 8)  # of the first, and to the next
HARDWARE_Y, HARDWARE_HEIGHT = 368, 52
HEIGHT = HARDWARE_Y + HARDWARE_HEIGHT + 8
PARTS = (
    ("memory slots", "mapping, dirty log"),
    ("devices", "events, interrupts"),
    ("vcpu", "halts, timer, calls"),
)
HALVES = (("devices", "registers, disk, network"), ("run loop", "ioctl(vcpu, KVM_RUN)"))
OUT_X, IN_X = GUEST_X + 90, GUEST_X + 210  # an exit, an entry
UP_X, DOWN_X = LEFT + 70, LEFT + 220  # the ioctl returns, the ioctl


def kvm_architecture(exits: Sequence[WatchedExit], title: str = "KVM") -> Explorable:
    """Guest, kernel and user mode; a control moves through the exits of a run.

    Parameters
    ----------
    exits : as `virtlab.platforms.kvm.watching.Watch` notes them; the figure holds the last 400, and
        counts those before
    title : str, begins the figure's title
    """
    held, earlier = list(exits)[-MOST_EXITS:], list(exits)[:-MOST_EXITS]
    n = len(held)
    whats = sorted({one.what for one in held})
    inputs = {
        "parts": _numbers(one.part for one in held),
        "halves": _numbers(_half(one) for one in held),
        "n_exits": n,
        "before_parts": _counted([one.part for one in earlier], kernel.N_PARTS),
        "before_halves": _counted([_half(one) for one in earlier], kernel.N_HALVES),
        "steps": _numbers(one.steps for one in held),
        "pcs": _numbers(_signed(one.pc) for one in held),
        "whats": _numbers(whats.index(one.what) for one in held),
        "earlier": len(earlier),
    }
    controls = [Range("shown", "exit", 0, n, 1, n)] if n else []
    if not n:
        inputs["shown"] = 0
    return Explorable(
        kernel.mode_path,
        controls,
        inputs,
        outputs={
            "at": ("int64", ()),
            "state": ("int64", (kernel.N_STATE,)),
            **dict.fromkeys(("by_part", "part_lit"), ("int64", (kernel.N_PARTS,))),
            **dict.fromkeys(("by_half", "half_lit"), ("int64", (kernel.N_HALVES,))),
        },
        title=f"{braced(title)}: {{state[{kernel.EXITS}]?no exit yet|"
        f"exit {{state[{kernel.EXITS}]:,}}}}",
        text=_text(n, len(earlier)),
        table=_table(),
        figure=Sketch(WIDTH, HEIGHT, *_upper(), *_ways(), *_kernel(), *_hardware()),
        labels={
            "what": whats,
            "part": [name for name, _ in PARTS],
        },
    )


def _half(one: WatchedExit) -> int:
    """The half of the program that answers an exit."""
    if not one.to_program:
        return kernel.KEPT
    return kernel.DEVICES if one.to_device else kernel.LOOP


def _signed(address: int) -> int:
    return address - (1 << 64) if address >> 63 else address


def _numbers(found) -> np.ndarray:
    return np.array(list(found) or [0], np.int64)


def _counted(found: list[int], n: int) -> np.ndarray:
    return np.array([found.count(k) for k in range(n)], np.int64)


def _text(n: int, earlier: int) -> str:
    lit = (
        "After {steps[at]:,} instructions the guest left at pc {pcs[at]:x}: {whats[at]:what} It "
        f"came to kvm.ko, {{parts[at]:part}}, {{state[{kernel.IN_PROGRAM}]?which answered it: the "
        "guest goes on and the program has not heard of it|which handed it out: KVM_RUN returns, "
        "and the program's {halves[at]?devices answer|run loop answers} it}."
    )
    shown = f"{{state[{kernel.SHOWN}]?No exit is lit.|{lit}}}" if n else "Nothing was recorded."
    note = f" The {earlier:,} exits before these are counted and not shown." if earlier else ""
    return (
        f"{shown} Exits so far: {{state[{kernel.EXITS}]:,}}, of which kernel mode kept "
        f"{{state[{kernel.KEPT_SO_FAR}]:,}} and user mode answered "
        f"{{state[{kernel.RETURNS}]:,}}.{note}"
    )


def _table() -> Table:
    return Table(
        ("mode", "part", "exits so far"),
        ("guest", "the guest", f"{{state[{kernel.EXITS}]:,}}"),
        *(
            ("kernel", f"kvm.ko, {name}", f"{{by_part[{k}]:,}}")
            for k, (name, _) in enumerate(PARTS)
        ),
        *(
            ("user", f"the program's {name}", f"{{by_half[{k}]:,}}")
            for k, (name, _) in enumerate(HALVES)
        ),
    )


def _upper() -> list[str]:
    """User mode with the program, and guest mode beside it."""
    guest_width = RIGHT - GUEST_X
    parts = [
        box(LEFT, TOP, PROGRAM_WIDTH, UPPER_HEIGHT, "shade"),
        label(LEFT + 12, TOP + 20, "User mode: the program (QEMU)", "strong"),
        box(GUEST_X, TOP, guest_width, UPPER_HEIGHT, "shade"),
        label(GUEST_X + 12, TOP + 20, "Guest mode", "strong"),
    ]
    for k, (name, what) in enumerate(HALVES):
        y = TOP + 30 + 50 * k
        parts += [
            box(LEFT + 12, y, PROGRAM_WIDTH - 24, 44, f"{{half_lit[{k}]?box|mark}}"),
            label(LEFT + 22, y + 18, name, "strong"),
            label(LEFT + 22, y + 36, what, "muted"),
            label(LEFT + PROGRAM_WIDTH - 22, y + 26, f"{{by_half[{k}]:,}}", "", "end"),
        ]
    lit = f"{{state[{kernel.SHOWN}]?box|mark}}"
    count = f"{{state[{kernel.SHOWN}]?|{{steps[at]:,}} instructions}}"
    return [
        *parts,
        box(GUEST_X + 12, TOP + 30, guest_width - 24, 94, lit),
        label(GUEST_X + 22, TOP + 50, "the guest's kernel and programs", "strong"),
        label(GUEST_X + 22, TOP + 72, count),
        label(GUEST_X + 22, TOP + 94, "on the processor itself,", "muted"),
        label(GUEST_X + 22, TOP + 110, "as a thread of the program", "muted"),
    ]


def _ways() -> list[str]:
    """Between the modes: exits, entries, and the ioctl."""
    bottom = TOP + UPPER_HEIGHT
    returns, kept = f"state[{kernel.IN_PROGRAM}]", f"state[{kernel.IN_KERNEL}]"
    middle = bottom + 36
    shown = f"state[{kernel.SHOWN}]"
    return [
        way(((OUT_X, bottom), (OUT_X, KERNEL_Y - 2)), shown),
        way(((IN_X, KERNEL_Y), (IN_X, bottom + 2)), shown),
        way(((UP_X, KERNEL_Y), (UP_X, bottom + 2)), returns),
        way(((DOWN_X, bottom), (DOWN_X, KERNEL_Y - 2)), returns),
        label(OUT_X + 8, middle, f"exit {{state[{kernel.EXITS}]:,}}"),
        label(IN_X + 8, middle, f"entry{{{kept}?|, at once}}"),
        label(UP_X + 8, middle, f"returns {{state[{kernel.RETURNS}]:,}}"),
        label(DOWN_X + 8, middle, "KVM_RUN"),
    ]


def _kernel() -> list[str]:
    """Linux, and kvm.ko in it."""
    parts = [
        box(LEFT, KERNEL_Y, RIGHT - LEFT, KERNEL_HEIGHT, "shade"),
        label(LEFT + 12, KERNEL_Y + 22, "Kernel mode: Linux", "strong"),
        box(LEFT + 12, PART_Y, 188, 28),
        label(LEFT + 22, PART_Y + 19, "scheduler, drivers, files"),
        box(LEFT + 12, PART_Y + 34, 188, 28),
        label(LEFT + 22, PART_Y + 53, "/dev/kvm", "strong"),
        label(PART_X[0], KERNEL_Y + 22, "kvm.ko", "strong"),
        label(
            PART_X[0],
            KERNEL_Y + KERNEL_HEIGHT - 10,
            f"kept here: {{state[{kernel.KEPT_SO_FAR}]:,}} of {{state[{kernel.EXITS}]:,}} exits",
            "muted",
        ),
    ]
    for k, (name, what) in enumerate(PARTS):
        x = PART_X[0] + k * PART_X[1]
        parts += [
            box(x, PART_Y, PART_WIDTH, PART_HEIGHT, f"{{part_lit[{k}]?box|mark}}"),
            label(x + 8, PART_Y + 18, name, "strong"),
            label(x + 8, PART_Y + 36, what, "muted"),
            label(x + 8, PART_Y + 54, f"{{by_part[{k}]:,}}"),
        ]
    return parts


def _hardware() -> list[str]:
    y, middle = HARDWARE_Y, WIDTH / 2
    return [
        way(((middle, KERNEL_Y + KERNEL_HEIGHT), (middle, y - 2))),
        box(LEFT, y, RIGHT - LEFT, HARDWARE_HEIGHT, "shade"),
        label(LEFT + 12, y + 22, "Hardware", "strong"),
        label(LEFT + 12, y + 41, "a processor with a mode for guests, memory, devices", "muted"),
    ]
