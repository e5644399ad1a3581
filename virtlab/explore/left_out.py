"""Where does the model differ from hardware? Its own remarks, collected from the sources.

A comment, or a paragraph of a docstring, that begins with `# Model:` states a departure in words a
reader can use; the comment lines, or the rest of the paragraph, belong to it.
"""

import io
import tokenize
from pathlib import Path

from virtlab.explore.drawing import Drawing, count

PACKAGE = Path(__file__).parents[1]
MARK = "# Model:"
COMMENT = tokenize.COMMENT


def departures(place: Path) -> list[tuple[str, int, str]]:
    """Every marked remark of a file, or of all files below a folder, as (file, line, text).

    In the order of files and lines.
    """
    found = []
    top = place.parent if place.is_dir() else place.parents[1]
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        text = path.read_text("utf-8")
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        comments = {token.start[0]: token.string for token in tokens if token.type == COMMENT}
        lines = text.splitlines()
        name = path.relative_to(top).as_posix()
        for number, line in enumerate(lines, 1):
            comment = comments.get(number, line).strip()
            if not comment.startswith(MARK):
                continue
            words = [comment.removeprefix(MARK).strip()]
            for below in range(number + 1, len(lines) + 1):
                following = lines[below - 1].strip()
                if number in comments:
                    following = comments.get(below, "")
                if not following or following.startswith((MARK, '"""')):
                    break
                words.append(following.removeprefix("#").strip())
            found.append((name, number, " ".join(words)))
    return found


def left_out(*packages: str) -> Drawing:
    """The departures of the named parts of virtlab, or of the machine and its isa.

    Parameters
    ----------
    packages : str, sub-packages ("machine") and modules ("hypervisors.shadow")

    Raises
    ------
    ValueError if there is no such part.
    """
    packages = packages or ("isa", "machine")
    found = []
    for package in packages:
        place = PACKAGE.joinpath(*package.split("."))
        if not place.is_dir():
            place = place.with_name(place.name + ".py")
        if not place.exists():
            raise ValueError(f"virtlab has no sub-package or module {package!r}")
        found += departures(place)
    named = " and ".join(filter(None, (", ".join(packages[:-1]), packages[-1])))
    text = f"{count(len(found), 'remark')} in {named} marked '{MARK}'."
    rows = tuple((remark, f"{name}, line {line}") for name, line, remark in found)
    return Drawing("What the model leaves out", text, ("departure", "where"), rows)
