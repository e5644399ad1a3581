"""How does one number follow another? A line through measured points, one of them marked."""

from collections.abc import Sequence

from virtlab.explore.drawing import Drawing, label, round_positions, svg, wire

WIDTH, HEIGHT = 680, 300
LEFT, RIGHT, TOP, BOTTOM = 84, 660, 14, 244


def curve(
    points: Sequence[tuple[int, int]],
    x_name: str,
    y_name: str,
    title: str,
    marked: int | None = None,
) -> Drawing:
    """Draw measured points in the order of x; both axes begin at zero.

    Parameters
    ----------
    points : at least two (x, y), neither negative, each x once
    x_name, y_name : names of the axes, with units
    title : str
    marked : an x among the points, which is marked and named in words

    Raises
    ------
    ValueError if there are fewer than two points or `marked` is not among them.
    """
    points = sorted(points)
    if len(points) < 2:
        raise ValueError(f"a curve needs at least 2 points, not {len(points)}")
    known = dict(points)
    if marked is not None and marked not in known:
        raise ValueError(f"{marked} is not among the measured values of {x_name}")
    least, most = min(known.values()), max(known.values())
    text = (
        f"Between {points[0][0]:,} and {points[-1][0]:,} {x_name} there are {least:,} to {most:,} "
    )
    text += f"{y_name}."
    if marked is not None:
        title = f"{title}: {marked:,} {x_name}"
        text = f"{marked:,} {x_name}: {known[marked]:,} {y_name}. {text}"
    picture = _picture(points, x_name, y_name, f"{title}. {text}", marked)
    return Drawing(title, text, (x_name, y_name), tuple(points), picture)


def _picture(points, x_name: str, y_name: str, description: str, marked: int | None) -> str:
    x_end = points[-1][0] or 1
    y_end = max(y for _, y in points) or 1

    def place(point: tuple[int, int]) -> tuple[float, float]:
        x, y = point
        across, up = (RIGHT - LEFT) * x / x_end, (BOTTOM - TOP) * y / y_end
        return round(LEFT + across, 1), round(BOTTOM - up, 1)

    shapes = [wire((LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM))]
    for x in round_positions(0, x_end, 8):
        across, _ = place((x, 0))
        shapes.append(label(across, BOTTOM + 18, f"{x:,}", "muted", "middle"))
        shapes.append(wire((across, BOTTOM), (across, BOTTOM + 4)))
    for y in round_positions(0, y_end):
        _, up = place((0, y))
        shapes.append(label(LEFT - 8, up + 4, f"{y:,}", "muted", "end"))
        shapes.append(wire((LEFT - 4, up), (LEFT, up)))
    path = " ".join(f"{x:g},{y:g}" for x, y in map(place, points))
    shapes.append(f"<polyline points='{path}' class='curve'/>")
    for point in points:
        x, y = place(point)
        at = point[0] == marked
        shapes.append(f"<circle cx='{x:g}' cy='{y:g}' r='{7 if at else 3}' class='s'/>")
    shapes.append(label((LEFT + RIGHT) / 2, BOTTOM + 40, x_name, "", "middle"))
    middle = (TOP + BOTTOM) / 2
    turned = label(0, 0, y_name, "", "middle")
    shapes.append(f"<g transform='translate(16 {middle:g}) rotate(-90)'>{turned}</g>")
    return svg(WIDTH, HEIGHT, description, *shapes)
