"""What is there to virtualize? The machine's parts, and how often a run passed through each.

Without counts this is the block diagram of the board (that of QEMU's `virt` machine); with the
counters of a run, each part carries its number.
"""

from collections.abc import Mapping

from virtlab.explore.drawing import Drawing, arrow, box, count, label, svg, wire

# name, where it sits, what it is for
DEVICES = (
    ("CLINT", "0x0200_0000", "timer, software interrupts"),
    ("PLIC", "0x0c00_0000", "device interrupts"),
    ("UART 16550", "0x1000_0000", "console, interrupt 10"),
    ("virtio block", "0x1000_1000", "disk, interrupt 1"),
    ("RAM", "0x8000_0000", "programs and page tables"),
)

WIDTH, HEIGHT = 680, 316


def board(counters: Mapping | None = None, title: str = "The machine") -> Drawing:
    """Draw the board; with `counters` (as `Machine.counters`), the work each part did.

    Parameters
    ----------
    counters : instructions, traps {cause: number}, tlb_hits, page_walks, device_reads,
        device_writes; a name that is missing is drawn without a number
    title : str
    """
    counters = dict(counters or {})
    n_traps = sum(counters["traps"].values()) if "traps" in counters else None
    n_device = None
    if "device_reads" in counters:
        n_device = counters["device_reads"] + counters["device_writes"]
    parts = (
        ("hart", "executes instructions", counters.get("instructions"), "instruction"),
        ("trap logic", "enters the kernel", n_traps, "trap"),
        ("TLB", "remembers translations", counters.get("tlb_hits"), "hit"),
        ("page-table walker", "reads tables in RAM", counters.get("page_walks"), "walk"),
        ("bus", "finds the device", n_device, "device access"),
    )
    rows = [(name, what, "" if n is None else n) for name, what, n, _ in parts]
    rows += [(name, f"{what}, at {address}", "") for name, address, what in DEVICES]
    numbers = "; ".join(f"{name} {_number(n, noun)}" for name, _, n, noun in parts if n is not None)
    text = (
        "A hart executes instructions. Its addresses pass the TLB, or on a miss the page-table "
        "walker, to the bus, which leads to RAM and to four devices; those interrupt the hart."
    )
    text += f" Counted: {numbers}." if numbers else ""
    table = ("part", "what it does", "count")
    return Drawing(title, text, table, tuple(rows), _picture(parts, title, text))


def _number(n: int, noun: str) -> str:
    return count(n, noun)


def _picture(parts, title: str, text: str) -> str:
    shapes = []
    places = ((16, 16), (16, 112), (252, 16), (252, 112), (16, 216))
    for (name, what, n, noun), (x, y) in zip(parts, places, strict=True):
        width = 648 if name == "bus" else 200
        height = 34 if name == "bus" else 72
        shapes.append(box(x, y, width, height, "shade"))
        shapes.append(label(x + 12, y + 22, name, "strong"))
        if name == "bus":
            shapes.append(label(x + 60, y + 22, what, "muted"))
        else:
            shapes.append(label(x + 12, y + 41, what, "muted"))
        if n is not None:
            at = (x + width - 12, y + 22, "end") if name == "bus" else (x + 12, y + 61, "start")
            shapes.append(label(at[0], at[1], _number(n, noun), "strong", at[2]))
    shapes.append(arrow((216, 40), (250, 40)))
    shapes.append(label(232, 34, "va", "mono", "middle"))
    shapes.append(arrow((352, 88), (352, 110)))
    shapes.append(label(358, 103, "miss", "muted"))
    shapes.append(arrow((116, 112), (116, 90)))
    shapes.append(arrow((352, 184), (352, 214)))
    shapes.append(label(358, 203, "reads entries", "muted"))
    shapes.append(arrow((452, 52), (560, 52), (560, 214)))
    shapes.append(label(568, 140, "pa", "mono"))
    shapes.append(arrow((60, 216), (60, 186)))
    shapes.append(label(68, 206, "interrupts", "muted"))
    for column, (name, address, _) in enumerate(DEVICES):
        x = 16 + column * 131
        shapes.append(wire((x + 62, 250), (x + 62, 264)))
        shapes.append(box(x, 264, 124, 46))
        shapes.append(label(x + 62, 283, name, "strong", "middle"))
        shapes.append(label(x + 62, 301, address, "mono muted", "middle"))
    return svg(WIDTH, HEIGHT, f"{title}. {text}", *shapes)
