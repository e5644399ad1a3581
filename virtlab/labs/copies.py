"""How does a reader's own work survive an update of the book? It is a copy, and never overwritten.

`copy_chapters` brings the chapters into a folder of the reader's own, and, after an update, again:

    the reader's file        what happens
    does not exist           it is copied
    is as it was copied      it is replaced by the new version, whole or not at all
    was changed              it stays; the new version is put beside it under another name

Which version was copied is noted in `.chapters.json` in that folder. A file of which nothing is
noted counts as changed.

Run as a file, `python copies.py FOLDER`, it does the same and says what is new; lab.py and the hub
call it so, before JupyterLab starts. It needs the standard library alone.
"""

import hashlib
import json
import sys
from pathlib import Path

if __package__:
    from virtlab.labs.progress import write_whole
else:  # run as a file: its neighbours are beside it, and the package is not loaded
    from progress import write_whole

BOOK = Path(__file__).resolve().parents[2] / "notebooks"
NOTED = ".chapters.json"


class CopyError(OSError):
    """The chapters could not be copied; the text is a sentence for the reader."""


def copy_chapters(to, source=BOOK) -> dict[str, str]:
    """Copy the chapters into a folder of the reader's own, or bring the copies up to date.

    Parameters
    ----------
    to : path of a folder; made if it does not exist
    source : path of the folder with the book's chapters

    Returns
    -------
    done : dict, the chapter's file to "copied", "as it was", "updated", or "yours stays; the new
        version is NAME"

    Raises
    ------
    ValueError
        there are no chapters in `source`, or `to` is that folder itself
    CopyError
        a file cannot be written; all that were there are whole
    """
    source, target = Path(source), Path(to)
    chapters = sorted(source.glob("[0-9][0-9]_*.ipynb"))
    if not chapters:
        raise ValueError(f"{source} holds no chapters; accepted is the book's folder notebooks.")
    if target.resolve() == source.resolve():
        raise ValueError("the chapters are in that folder; accepted is a folder of your own.")
    name, done = target.name, {}
    try:
        target.mkdir(parents=True, exist_ok=True)
        noted = _noted(target)
        for chapter in chapters:
            name = chapter.name
            done[name] = _bring(chapter.read_bytes(), target / name, noted)
            write_whole(target / NOTED, json.dumps(noted, indent=1).encode())
    except OSError as error:
        raise CopyError(
            f"{name} was not copied ({error.strerror}); what was there before is as it was."
        ) from None
    return done


def _noted(target: Path) -> dict[str, str]:
    """The hashes of the versions that were copied; none if the note is damaged or missing."""
    try:
        noted = json.loads((target / NOTED).read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _bring(new: bytes, own: Path, noted: dict[str, str]) -> str:
    """Bring one chapter to the reader's file `own`, or beside it."""
    digest = hashlib.sha256(new).hexdigest()
    if not own.exists():
        write_whole(own, new)
        noted[own.name] = digest
        return "copied"
    there = own.read_bytes()
    if there == new or noted.get(own.name) == digest:
        noted[own.name] = digest
        return "as it was"
    if noted.get(own.name) == hashlib.sha256(there).hexdigest():
        write_whole(own, new)
        noted[own.name] = digest
        return "updated"
    number = 2
    while (beside := own.with_name(f"{own.stem}-version-{number}{own.suffix}")).exists():
        if beside.read_bytes() == new:
            break
        number += 1
    if not beside.exists():
        write_whole(beside, new)
    noted[own.name] = digest
    return f"yours stays; the new version is {beside.name}"


def main(arguments: list[str]) -> int:
    """Bring the chapters to a folder and say what is new; 1 and a sentence if that failed."""
    try:
        done = copy_chapters(*arguments)
    except (CopyError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, what in done.items():
        if what not in ("copied", "as it was"):
            print(f"{name}: {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
