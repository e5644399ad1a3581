"""Where does the model differ from hardware? Its own remarks, collected from the sources.

A comment that begins with `# Model:` in the machine's sources states a departure in words a reader
can use; the comment lines that follow belong to it.
"""

from pathlib import Path

from virtlab.explore.drawing import Drawing, count

PACKAGE = Path(__file__).parents[1]
MARK = "# Model:"


def departures(folder: Path) -> list[tuple[str, int, str]]:
    """Every marked remark below `folder` as (file, line, text), in the order of files and lines."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        for number, line in enumerate(lines):
            at = line.find(MARK)
            if at < 0:
                continue
            words = [line[at + len(MARK) :].strip()]
            for following in lines[number + 1 :] if at == 0 else []:
                if not following.startswith("#") or following.startswith(MARK):
                    break
                words.append(following[1:].strip())
            name = path.relative_to(folder.parent).as_posix()
            found.append((name, number + 1, " ".join(words)))
    return found


def left_out(package: str = "machine") -> Drawing:
    """The departures of a sub-package of virtlab, as a table.

    Raises
    ------
    ValueError if there is no such sub-package.
    """
    folder = PACKAGE / package
    if not folder.is_dir():
        raise ValueError(f"virtlab has no sub-package {package!r}")
    found = departures(folder)
    text = f"{count(len(found), 'remark')} in virtlab/{package} marked '{MARK}'."
    rows = tuple((remark, f"{name}, line {line}") for name, line, remark in found)
    return Drawing("What the model leaves out", text, ("departure", "where"), rows)
