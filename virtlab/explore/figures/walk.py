"""How does a virtual address become a physical one? A page-table walk, drawn step by step.

The picture has the virtual address on top, cut into its fields, then a panel for each table the
hardware reads, then the physical address or the fault. The rows below follow the numbered steps of
"Virtual Address Translation Process" in "The RISC-V Instruction Set Manual, Volume II: Privileged
Architecture", 20240411. A walk of one stage (Sv39) has at most three panels; one of two stages up
to fifteen references, each in a panel of its own.
"""

from virtlab.explore.drawing import Drawing, box, count, grouped_hex, label, svg, wire

PAGE_SHIFT = 12
VPN_BITS = 9
LEVELS = 3
PPN_MASK = (1 << 44) - 1
FLAG_NAMES = "DAGUXWRV"

WIDTH, PANEL = 680, 74
FIELD_X, FIELD_WIDTH, FIELD_STEP = 176, 112, 120  # VPN[2], VPN[1], VPN[0], page offset

STAGE_NAMES = {"S": "", "VS": "VS-stage ", "G": "G-stage "}


def fields(va: int) -> dict[str, int]:
    """The parts of a Sv39 virtual address: VPN[2], VPN[1], VPN[0] and the offset in the page."""
    parts = {
        f"VPN[{level}]": va >> (PAGE_SHIFT + VPN_BITS * level) & ((1 << VPN_BITS) - 1)
        for level in reversed(range(LEVELS))
    }
    return parts | {"page offset": va & ((1 << PAGE_SHIFT) - 1)}


def page_bytes(level: int) -> int:
    """Size of the page that a leaf at this level maps: 4 KiB, 2 MiB or 1 GiB."""
    return 1 << (PAGE_SHIFT + VPN_BITS * level)


def size_name(n_bytes: int) -> str:
    """A power of two in the usual unit: 4 KiB."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if n_bytes >= 1 << shift:
            return f"{n_bytes / (1 << shift):g} {unit}"
    return f"{n_bytes} bytes"


def walk(found, shown: int | None = None) -> Drawing:
    """Draw the first `shown` steps of a walk; all of them, and its result, without `shown`.

    Parameters
    ----------
    found : a `virtlab.machine.Walk`: va, pa or None, fault or None, steps
    shown : int, 0 (the address alone) to len(found.steps) + 1 (with the result)

    Raises
    ------
    ValueError if `shown` is outside that range.
    """
    last = len(found.steps) + 1
    shown = last if shown is None else shown
    if not 0 <= shown <= last:
        raise ValueError(f"step {shown} of this walk does not exist; it has steps 0 to {last}")
    title = f"Walk of {grouped_hex(found.va)}, step {shown} of {last}"
    text = _in_words(found, shown)
    columns = ("step", "table at", "entry", "entry's address", "entry's value", "flags", "outcome")
    rows = tuple(
        (
            f"{STAGE_NAMES[step.stage]}level {step.level}",
            grouped_hex(step.table_pa),
            step.index,
            grouped_hex(step.pte_pa),
            grouped_hex(step.pte),
            step.flags,
            step.outcome,
        )
        for step in found.steps[:shown]
    )
    return Drawing(title, text, columns, rows, _picture(found, shown, title, text))


def _in_words(found, shown: int) -> str:
    parts = fields(found.va)
    if shown == 0:
        cut = ", ".join(f"{name} = {value}" for name, value in parts.items())
        return f"The address is cut into its fields: {cut}."
    if shown <= len(found.steps):
        step = found.steps[shown - 1]
        return (
            f"{STAGE_NAMES[step.stage]}level {step.level}: the table at "
            f"{grouped_hex(step.table_pa)} holds {grouped_hex(step.pte)} in entry {step.index}: "
            f"{step.outcome}."
        )
    if not found.steps:
        return (
            "No table is read: the address is used as it is."
            if found.fault is None
            else (f"No table is read: {found.fault}.")
        )
    references = count(len(found.steps), "memory reference")
    if found.fault is not None:
        return f"After {references} the walk ends in a fault: {found.fault}."
    leaf = found.steps[-1].level
    offset = found.va & (page_bytes(leaf) - 1)
    return (
        f"After {references} the page is known: physical page {grouped_hex(found.pa - offset)} "
        f"({size_name(page_bytes(leaf))}) plus offset {grouped_hex(offset)} is "
        f"{grouped_hex(found.pa)}."
    )


def _picture(found, shown: int, title: str, text: str) -> str:
    nested = any(step.stage != "S" for step in found.steps)
    shapes = [label(12, 22, "virtual"), label(12, 40, "address")]
    parts = list(fields(found.va).items())
    centres = []
    for column, (name, value) in enumerate(parts):
        x = FIELD_X + column * FIELD_STEP
        width = FIELD_WIDTH + (14 if name == "page offset" else 0)
        bits = "12 bits" if name == "page offset" else "9 bits"
        shapes.append(box(x, 8, width, 44, "shade"))
        shapes.append(label(x + width / 2, 26, f"{name}, {bits}", anchor="middle"))
        written = grouped_hex(value) if name == "page offset" else str(value)
        shapes.append(label(x + width / 2, 44, written, "mono strong", "middle"))
        centres.append(x + width / 2)
    shapes.append(label(12, 58, grouped_hex(found.va), "mono muted"))
    rows = len(found.steps)
    bottom = 76 + rows * (PANEL + 8)
    if not nested:
        for step in found.steps:
            column = LEVELS - 1 - step.level
            shapes.append(wire((centres[column], 52), (centres[column], bottom), dashed=True))
        shapes.append(wire((centres[3], 52), (centres[3], bottom), dashed=True))
    for row, step in enumerate(found.steps):
        y = 76 + row * (PANEL + 8)
        shapes += _panel(step, y, row < shown, row == shown - 1)
    shapes += _result(found, bottom, shown > rows)
    return svg(WIDTH, bottom + 56, f"{title}. {text}", *shapes)


def _panel(step, y: float, known: bool, current: bool) -> list[str]:
    """One table read: which table, which entry, what it holds, what follows."""
    shapes = [box(8, y, WIDTH - 16, PANEL, "mark" if current else "box")]
    name = f"{STAGE_NAMES[step.stage]}level {step.level}"
    shapes.append(label(18, y + 20, name[0].upper() + name[1:], "strong"))
    if not known:
        return shapes + [label(18, y + 40, "not read yet", "muted")]
    x = FIELD_X + (LEVELS - 1 - step.level) * FIELD_STEP
    shapes.append(label(18, y + 40, f"table {grouped_hex(step.table_pa)}", "mono"))
    shapes.append(box(x, y + 6, FIELD_WIDTH, 20, "shade"))
    shapes.append(label(x + FIELD_WIDTH / 2, y + 21, f"entry {step.index}", "", "middle"))
    shapes.append(label(FIELD_X, y + 42, f"holds {grouped_hex(step.pte)}", "mono"))
    shapes.append(label(18, y + 62, step.outcome))
    for column, flag in enumerate(FLAG_NAMES):
        fx = WIDTH - 24 - (len(FLAG_NAMES) - column) * 23
        is_set = flag in step.flags
        shapes.append(box(fx, y + 48, 20, 20, "s" if is_set else "box", 2))
        look = "mono strong on-colour" if is_set else "mono muted"
        shapes.append(label(fx + 10, y + 62, flag, look, "middle"))
    return shapes


def _result(found, y: float, known: bool) -> list[str]:
    shapes = [box(8, y, WIDTH - 16, 44, "mark" if known else "box")]
    if not known:
        return shapes + [label(18, y + 27, "physical address: not known yet", "muted")]
    if found.fault is not None:
        return shapes + [label(18, y + 27, f"fault: {found.fault}", "alarm strong")]
    shapes.append(label(18, y + 27, "physical address"))
    if found.steps:
        offset = found.va & (page_bytes(found.steps[-1].level) - 1)
        sum_ = f"{grouped_hex(found.pa - offset)} + {grouped_hex(offset)} = "
    else:
        sum_ = ""
    shapes.append(label(FIELD_X, y + 27, sum_ + grouped_hex(found.pa), "mono strong"))
    return shapes
