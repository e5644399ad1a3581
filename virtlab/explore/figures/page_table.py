"""What does a page table map? The radix tree behind `satp`, its neighbours folded together.

A kernel maps thousands of pages that lie side by side. Mappings with the same level and flags whose
virtual and physical addresses both continue are drawn as one range; the table counts their pages.
"""

import dataclasses
from collections.abc import Sequence

from virtlab.explore.drawing import Drawing, arrow, box, count, grouped_hex, label, svg
from virtlab.explore.figures.walk import PAGE_SHIFT, VPN_BITS, page_bytes, size_name

WIDTH, ROW, DRAWN = 680, 30, 18


@dataclasses.dataclass(frozen=True)
class Range:
    """Mappings that continue one another: same level, same flags, addresses in step."""

    va: int
    pa: int
    n_bytes: int
    level: int
    flags: str

    @property
    def n_pages(self) -> int:
        return self.n_bytes // page_bytes(self.level)


def ranges(mappings: Sequence) -> list[Range]:
    """Fold mappings (va, pa, size_bytes, level, flags) into ranges, in the order of va."""
    folded: list[Range] = []
    for mapping in sorted(mappings, key=lambda mapping: mapping.va):
        last = folded[-1] if folded else None
        if (
            last
            and (last.level, last.flags) == (mapping.level, mapping.flags)
            and last.va + last.n_bytes == mapping.va
            and last.pa + last.n_bytes == mapping.pa
        ):
            folded[-1] = dataclasses.replace(last, n_bytes=last.n_bytes + mapping.size_bytes)
        else:
            folded.append(
                Range(mapping.va, mapping.pa, mapping.size_bytes, mapping.level, mapping.flags)
            )
    return folded


def page_table(mappings: Sequence, title: str = "Page table") -> Drawing:
    """Draw the root's entries on the left and what lies behind each on the right."""
    folded = ranges(mappings)
    columns = ("virtual address", "physical address", "pages", "page size", "flags")
    rows = tuple(
        (grouped_hex(r.va), grouped_hex(r.pa), r.n_pages, size_name(page_bytes(r.level)), r.flags)
        for r in folded
    )
    if not folded:
        return Drawing(title, "Nothing is mapped.", columns)
    total = sum(r.n_bytes for r in folded)
    roots = sorted({_root_entry(r.va) for r in folded})
    text = (
        f"{count(sum(r.n_pages for r in folded), 'page')} in {count(len(folded), 'range')} behind "
        f"{count(len(roots), 'root entry')}, {_mebibytes(total)} in all."
    )
    return Drawing(title, text, columns, rows, _picture(folded, title, text))


def _root_entry(va: int) -> int:
    return va >> (PAGE_SHIFT + 2 * VPN_BITS) & ((1 << VPN_BITS) - 1)


def _mebibytes(n_bytes: int) -> str:
    return f"{n_bytes / (1 << 20):,.2f} MiB"


def _picture(folded: Sequence[Range], title: str, text: str) -> str:
    drawn = folded[:DRAWN]
    height = 40 + len(drawn) * ROW + (24 if len(folded) > DRAWN else 0)
    shapes = [
        label(12, 20, "root table", "strong"),
        label(184, 20, "virtual range", "strong"),
        label(424, 20, "goes to", "strong"),
        label(526, 20, "pages, flags", "strong"),
    ]
    previous = None
    for row, r in enumerate(drawn):
        y = 32 + row * ROW
        root = _root_entry(r.va)
        if root != previous:
            shapes.append(box(8, y, 110, 24, "shade"))
            shapes.append(label(63, y + 16, f"entry {root}", "", "middle"))
            start = (118, y + 12)
            previous = root
        elbow = (140, start[1])
        shapes.append(arrow(start, elbow, (140, y + 12), (172, y + 12)))
        shapes.append(box(174, y, 498, 24))
        end = r.va + r.n_bytes - 1
        shapes.append(label(182, y + 16, f"{grouped_hex(r.va)} – {grouped_hex(end)}", "mono"))
        shapes.append(label(424, y + 16, grouped_hex(r.pa), "mono"))
        shapes.append(label(526, y + 16, f"{r.n_pages:,} × {size_name(page_bytes(r.level))}"))
        shapes.append(label(668, y + 16, _rights(r.flags), "mono strong", "end"))
    if len(folded) > DRAWN:
        rest = count(len(folded) - DRAWN, "range")
        shapes.append(label(184, height - 8, f"and {rest} more, in the table below", "muted"))
    return svg(WIDTH, height, f"{title}. {text}", *shapes)


def _rights(flags: str) -> str:
    """The flags that decide who may do what, always four places wide: U, R, W, X."""
    return "".join(flag if flag in flags else "·" for flag in "URWX")
