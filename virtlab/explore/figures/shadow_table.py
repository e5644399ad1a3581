"""What does the hart translate with while the guest believes in its own page table?

Rows of pages: on the left what the guest's table says of each, on the right what the shadow page
table has. A page that the guest has mapped and the shadow has not is a hidden fault to come. With
an exit, the same before and after it.
"""

import numpy as np

from virtlab.explore.controls import Choice, signed
from virtlab.explore.drawing import box, grouped_hex, label
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.figures.exit_words import has_shadow_tables, reason_words, standing_at
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat, braced
from virtlab.hypervisors import ExitReason
from virtlab.hypervisors import shadow as tables
from virtlab.isa import encoding as e
from virtlab.kernels import shadow_view as kernel
from virtlab.machine.state import RAM_BASE

WIDTH, TOP, ROW = 680, 40, 34
GUEST_X, SHADOW_X, CELL = 150, 428, 244
FLAG_NAMES = "DAGUXWRV"
FLAGS = 0xFF
STATES = ("not in the shadow", "filled", "filled, write-protected")


def shadow_table(vm, exit=None, gva: int | None = None, pages: int = 8) -> Explorable:
    """The guest's entries and the shadow's, for some pages around an address.

    Parameters
    ----------
    vm : a virtual machine with shadow page tables
    exit : one of its exits; the figure then has two moments, before and after it, and opens with
        the later; `vm` is gone back for it and is afterwards where it was
    gva : the address to show the pages around, without it the exit's, or else pc
    pages : how many rows, 1 to 16

    Raises
    ------
    ValueError if `vm` has no shadow page tables, or `pages` is out of range
    """
    if not 1 <= pages <= kernel.MOST_ROWS:
        raise ValueError(f"{pages} pages; accepted are 1 to {kernel.MOST_ROWS}")
    if not has_shadow_tables(vm):
        raise ValueError(f"{vm!r} has no shadow page tables")
    around = gva
    if around is None:
        around = vm.pc if exit is None or exit.gva is None else exit.gva
    here = around >> e.PAGE_SHIFT << e.PAGE_SHIFT
    first = max(0, here - (pages // 2 << e.PAGE_SHIFT))
    addresses = [first + (k << e.PAGE_SHIFT) for k in range(pages)]
    if exit is None:
        before = after = _rows(vm, addresses)
    else:
        before, after = _around(vm, exit, addresses)
    return _explorable(before, after, addresses, here, exit)


def _around(vm, exit, addresses) -> tuple[np.ndarray, np.ndarray]:
    """The rows before and after an exit; the machine is back where it was afterwards."""
    with standing_at(vm, exit):
        before = _rows(vm, addresses)
        vm.run(1, until=ExitReason)
        return before, _rows(vm, addresses)


def _rows(vm, addresses) -> np.ndarray:
    """Each page's translation by the guest's table and by the shadow."""
    rows = np.full((kernel.MOST_ROWS, kernel.COLUMNS), kernel.UNMAPPED, np.int64)
    for k, gva in enumerate(addresses):
        rows[k, kernel.GUEST_FLAGS] = rows[k, kernel.SHADOW_FLAGS] = 0
        found = vm.translate(gva)
        if found.pa is not None or (found.steps and found.steps[-1].pte & e.PTE_V):
            leaf = found.steps[-1].pte if found.steps else e.PTE_R | e.PTE_W | e.PTE_X | e.PTE_V
            if leaf & (e.PTE_R | e.PTE_W | e.PTE_X):
                rows[k, kernel.GUEST_FLAGS] = leaf & FLAGS
                rows[k, kernel.GUEST_PA] = signed(
                    found.pa if found.pa is not None else (leaf >> 10 & e.PTE_PPN) << e.PAGE_SHIFT
                )
        entry = shadow_entry(vm, gva)
        if entry:
            rows[k, kernel.SHADOW_FLAGS] = entry & FLAGS
            rows[k, kernel.SHADOW_PA] = (entry >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT
    return rows


def shadow_entry(vm, gva: int) -> int:
    """The shadow's last-level entry for an address in the context in use, 0 if there is none."""
    state, words = vm._state, vm._host.u64
    context = tables.CONTEXTS + int(state[tables.CURRENT]) * tables.CONTEXT_WORDS
    table = int(state[context + tables.C_TABLE])
    if not table:
        return 0
    for level in (2, 1, 0):
        entry = int(words[(table >> 3) + (gva >> (e.PAGE_SHIFT + 9 * level) & 0x1FF)])
        if not entry & e.PTE_V:
            return 0
        table = ((entry >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT) - RAM_BASE
    return entry


def _explorable(before, after, addresses, chosen, exit) -> Explorable:
    n = len(addresses)
    controls, inputs = [], {"before": before, "after": after, "n_rows": n}
    gvas = np.array([signed(gva) for gva in addresses])
    inputs["gvas"] = np.resize(gvas, kernel.MOST_ROWS)
    here = [int(gva == chosen) for gva in addresses]
    inputs["here"] = np.array(here + [0] * (kernel.MOST_ROWS - n))
    what = "now"
    if exit is None:
        inputs["moment"] = 0
    else:
        controls.append(Choice("moment", "moment", {"before the exit": 0, "after it": 1}, 1))
        what = f"{{moment:moment}} ({braced(reason_words(exit.reason))}, exit {exit.number:,})"
    totals = [f"totals[{k}]" for k in range(kernel.N_TOTALS)]
    changed = "" if exit is None else f" The exit changes {{{totals[kernel.CHANGED]}}} of them."
    used = {int(flags) for rows in (before, after) for flags in rows[:, (1, 3)].ravel()}
    return Explorable(
        kernel.shadow_rows,
        controls,
        inputs,
        outputs={
            "rows": ("int64", (kernel.MOST_ROWS, kernel.COLUMNS)),
            "states": ("int64", (kernel.MOST_ROWS,)),
            "changed": ("int64", (kernel.MOST_ROWS,)),
            "totals": ("int64", (kernel.N_TOTALS,)),
        },
        title=f"Guest's page table and shadow, {what}",
        text=(
            f"Of {n} pages from {{gvas[0]:x}} the guest maps {{{totals[kernel.MAPPED]}}}; the "
            f"shadow has {{{totals[kernel.IN_SHADOW]}}}, of which "
            f"{{{totals[kernel.PROTECTED]}}} without a right to write that the guest gives."
            + changed
        ),
        table=Table(
            ("page (gva)", "guest: gpa", "guest: flags", "shadow: hpa", "shadow: flags", "state"),
            Repeat(
                "n_rows",
                n,
                (
                    "{gvas[i]:x}",
                    "{rows[i][0]:gone}",
                    "{rows[i][1]:flags}",
                    "{rows[i][2]:gone}",
                    "{rows[i][3]:flags}",
                    "{states[i]:state}",
                ),
            ),
        ),
        figure=_picture(n),
        labels={
            "flags": {flags: _letters(flags) for flags in used},
            "gone": _addresses(before, after),
            "state": STATES,
        },
    )


def _letters(flags: int) -> str:
    """The flags as letters, highest bit first: DA-UXWRV."""
    return "".join(name if flags >> (7 - k) & 1 else "-" for k, name in enumerate(FLAG_NAMES))


def _addresses(*moments) -> dict[int, str]:
    """Every address of the figure as text, and what there is instead of one."""
    seen = {int(pa) for rows in moments for pa in rows[:, (0, 2)].ravel()}
    return {pa: "none" if pa == kernel.UNMAPPED else grouped_hex(pa) for pa in seen}


def _picture(n: int) -> Sketch:
    """A line for each page: its address, the guest's entry, the shadow's."""
    row_y = [TOP + k * ROW for k in range(n)]
    parts = [
        label(12, 24, "page (gva)", "strong"),
        label(GUEST_X, 24, "guest's page table", "strong"),
        label(SHADOW_X, 24, "shadow page table", "strong"),
    ]
    for k, y in enumerate(row_y):
        parts.append(f"<g transform='translate(0 {y})'>{_line(k)}</g>")
    height = TOP + n * ROW + 8
    return Sketch(WIDTH, height, *parts)


def _line(k: int) -> str:
    guest = box(GUEST_X, 0, CELL, ROW - 6, "shade") + label(
        GUEST_X + 8, 19, f"{{rows[{k}][0]:gone}}  {{rows[{k}][1]:flags}}", "mono"
    )
    look = f"{{changed[{k}]?|mark}}"
    shadow = box(SHADOW_X, 0, CELL, ROW - 6, f"{{changed[{k}]?shade|mark}}") + label(
        SHADOW_X + 8, 19, f"{{rows[{k}][2]:gone}}  {{rows[{k}][3]:flags}}", "mono"
    )
    empty = (
        f"<rect x='{SHADOW_X}' y='0' width='{CELL}' height='{ROW - 6}' rx='4' "
        f"class='wire {look}' stroke-dasharray='4 3'/>"
        + label(SHADOW_X + 8, 19, "no entry: a hidden fault to come", "muted")
    )
    nothing = label(GUEST_X + 8, 19, "not mapped", "muted")
    arrow = (
        f"<path d='M{GUEST_X + CELL} {ROW // 2 - 3}H{SHADOW_X - 2}' class='wire'/>"
        f"<path d='M{SHADOW_X - 1} {ROW // 2 - 3}l-7 -4v8z' class='tip'/>"
    )
    address = f"{{here[{k}]?mono|mono strong}}"
    mapped = f"{guest}{{states[{k}]?{empty}|{arrow}{shadow}|{arrow}{shadow}}}"
    unmapped = nothing + f"{{states[{k}]?|{shadow}|{shadow}}}"
    # 0 flags: the guest does not map the page
    choice = f"{{rows[{k}][1]?{unmapped}|{mapped}}}"
    return label(12, 19, f"{{gvas[{k}]:x}}", address) + choice
