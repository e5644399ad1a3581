"""What interrupted the program, and how often? A bar for each cause of a trap."""

from collections.abc import Mapping

from virtlab.explore.drawing import Drawing, box, count, label, svg

WIDTH, LEFT, RIGHT, ROW = 680, 250, 600, 26


def traps(counts: Mapping[str, int], title: str = "Traps by cause") -> Drawing:
    """Draw how often each cause was seen, the most frequent first.

    Parameters
    ----------
    counts : cause name -> number of traps; causes with zero are left out
    title : str
    """
    seen = sorted(
        ((n, name) for name, n in counts.items() if n), key=lambda item: (-item[0], item[1])
    )
    total = sum(n for n, _ in seen)
    if not seen:
        return Drawing(title, "No trap was taken.", ("cause", "traps"))
    n, name = seen[0]
    text = (
        f"{count(total, 'trap')} of {len(seen)} "
        f"{'kind' if len(seen) == 1 else 'kinds'}; most often {name}: {n:,}, "
        f"{100 * n / total:.0f} % of all."
    )
    shapes = []
    for row, (n, name) in enumerate(seen):
        y = 8 + row * ROW
        width = max(1.0, (RIGHT - LEFT) * n / seen[0][0])
        shapes.append(label(LEFT - 8, y + 14, name, anchor="end"))
        shapes.append(box(LEFT, y, round(width, 1), 18, "s", 2))
        shapes.append(label(LEFT + width + 6, y + 14, f"{n:,}"))
    bottom = 8 + len(seen) * ROW
    shapes.append(label((LEFT + RIGHT) / 2, bottom + 14, "traps (number)", "muted", "middle"))
    picture = svg(WIDTH, bottom + 22, f"{title}. {text}", *shapes)
    return Drawing(title, text, ("cause", "traps"), tuple((name, n) for n, name in seen), picture)
