"""What does the TLB remember? Its slots as a grid, its entries as a table."""

from collections import Counter
from collections.abc import Sequence

from virtlab.explore.drawing import Drawing, box_key, count, grouped_hex, label, svg
from virtlab.explore.palette import MODE_NAMES, MODES

ACROSS, CELL = 32, 19


def tlb(
    entries: Sequence, n_slots: int = 256, title: str = "Translation look-aside buffer"
) -> Drawing:
    """Draw which slots hold a translation, and for which mode.

    Parameters
    ----------
    entries : list of `virtlab.machine.TlbEntry`: index, va, pa, mode, asid, vmid, r, w, x
    n_slots : int, slots the TLB has
    title : str

    Raises
    ------
    ValueError if an entry's index is not below `n_slots`.
    """
    for entry in entries:
        if not 0 <= entry.index < n_slots:
            raise ValueError(f"TLB index {entry.index} is outside 0 to {n_slots - 1}")
    used = {entry.index: entry.mode for entry in entries}
    by_mode = Counter(used.values())
    modes = [mode for mode in MODES if by_mode[mode]]
    shares = ", ".join(f"{by_mode[mode]} for {MODE_NAMES[mode]} mode" for mode in modes)
    text = f"{len(used)} of {n_slots} slots hold a translation" + (f": {shares}." if modes else ".")
    columns = ("slot", "virtual page", "physical page", "mode", "ASID", "VMID", "may")
    rows = tuple(
        (e.index, grouped_hex(e.va), grouped_hex(e.pa), e.mode, e.asid, e.vmid, _rights(e))
        for e in sorted(entries, key=lambda e: e.index)
    )
    shapes = [label(4, 16, f"{count(n_slots, 'slot')}, {ACROSS} a row; filled = in use")]
    for look in ("box", *modes):
        slots = [slot for slot in range(n_slots) if used.get(slot, "box") == look]
        path = "".join(
            f"M{4 + slot % ACROSS * (CELL + 1)} {26 + slot // ACROSS * (CELL + 1)}"
            f"h{CELL}v{CELL}h-{CELL}z"
            for slot in slots
        )
        shapes.append(f"<path d='{path}' class='{look.lower()}'/>" if slots else "")
    y = 36 + (n_slots + ACROSS - 1) // ACROSS * (CELL + 1)
    shapes += [
        box_key(4 + 170 * column, y, mode.lower(), MODE_NAMES[mode])
        for column, mode in enumerate(modes)
    ]
    picture = svg(8 + ACROSS * (CELL + 1), y + 20, f"{title}. {text}", *shapes)
    return Drawing(title, text, columns, rows, picture)


def _rights(entry) -> str:
    words = [
        word for word, has in (("read", entry.r), ("write", entry.w), ("execute", entry.x)) if has
    ]
    return ", ".join(words) or "nothing"
