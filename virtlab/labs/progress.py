"""Where is what a reader has done? In one file, which is the reader's own.

Each checked answer is added to `progress.json` in the folder `.virtlab` of the reader's home, or to
the file that VIRTLAB_PROGRESS names; with VIRTLAB_PROGRESS=off nothing is kept. The file is
replaced whole or not at all, so that neither a killed kernel nor a full disk leaves half of it; a
lock beside it lets two kernels write in turn. A file that cannot be read is put aside under another
name, never overwritten.
"""

import contextlib
import csv
import io
import json
import os
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FORMAT = 1
OFF = "off"
MOST_ANSWERS = 20  # kept of each exercise, the newest; the first right one stays too
LONGEST_ANSWER = 20_000  # characters
WAIT_SECONDS = 5.0  # for another kernel that writes
COLUMNS = ("exercise", "grade", "title", "right", "tries", "variants right")


class ProgressError(OSError):
    """Progress could not be written or read; the text is a sentence for the reader."""


def progress_path() -> Path | None:
    """The file: VIRTLAB_PROGRESS, or .virtlab/progress.json in the reader's home; None for none."""
    chosen = os.environ.get("VIRTLAB_PROGRESS")
    if chosen == OFF:
        return None
    return Path(chosen) if chosen else Path.home() / ".virtlab" / "progress.json"


@contextlib.contextmanager
def locked(path: Path):
    """Hold the lock beside a file; it is given back when the kernel dies, too."""
    with path.with_name(path.name + ".lock").open("a+b") as lock:
        if fcntl is not None:
            _wait_for(lock)
        else:
            _wait_for_windows(lock)
        yield


def _wait_for(lock) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise ProgressError("another kernel is writing and does not finish") from None
            time.sleep(0.02)


def _wait_for_windows(lock) -> None:
    import msvcrt

    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            lock.seek(0)
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
            return
        except OSError:
            if time.monotonic() > end:
                raise ProgressError("another kernel is writing and does not finish") from None
            time.sleep(0.02)


def read_progress(path: Path | None = None) -> dict:
    """What the file holds: {"format", "exercises": {id: {"right", "tries", "answers", ...}}}.

    Raises
    ------
    ProgressError
        it cannot be read, or is no progress file
    """
    path = progress_path() if path is None else path
    if path is None:
        return {"format": FORMAT, "exercises": {}}
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {"format": FORMAT, "exercises": {}}
    except OSError as error:
        raise ProgressError(f"{path.name} cannot be read ({error.strerror})") from None
    try:
        held = json.loads(text)
        exercises = held["exercises"]
        if held["format"] != FORMAT or not all(map(_is_entry, exercises.values())):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ProgressError(f"{path.name} is damaged, or of another version") from None
    return held


def _is_entry(entry) -> bool:
    """Whether it is what `_add` writes for an exercise."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("tries"), int)
        and isinstance(entry.get("right"), bool)
        and isinstance(entry.get("seeds_right"), list)
        and isinstance(entry.get("answers"), list)
        and all(isinstance(answer, dict) for answer in entry["answers"])
    )


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file at once: it holds the old bytes or the new ones, whatever happens."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def record(exercise: str, seed: int, outcome: str, answer: str) -> str:
    """Add an answer to the file. Returns a sentence if something has to be said, else "".

    The verdict does not depend on it: a full disk costs the record of one answer and no more.
    """
    path = progress_path()
    if path is None:
        return ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            remark, held = _held(path)
            _add(held["exercises"].setdefault(exercise, {}), seed, outcome, answer)
            write_whole(path, json.dumps(held, indent=1, ensure_ascii=True).encode())
            return remark
    except ProgressError as error:
        return f"This answer is not in your progress file: {error}."
    except OSError as error:
        return (
            f"This answer is not in your progress file, which is as it was: {error.strerror} "
            f"({path.name})."
        )


def _held(path: Path) -> tuple[str, dict]:
    """What the file holds; one that cannot be used is put aside."""
    try:
        return "", read_progress(path)
    except ProgressError as error:
        for number in range(1, 1000):
            aside = path.with_name(f"{path.stem}-aside-{number}{path.suffix}")
            if not aside.exists():
                path.rename(aside)
                words = f"{str(error)[0].upper()}{str(error)[1:]}: it was kept as {aside.name}, "
                return words + "and a new one was begun.", {"format": FORMAT, "exercises": {}}
        raise


def _add(entry: dict, seed: int, outcome: str, answer: str) -> None:
    right = outcome == "right"
    entry["tries"] = entry.get("tries", 0) + 1
    entry["right"] = entry.get("right", False) or right
    seeds = entry.setdefault("seeds_right", [])
    if right and seed not in seeds:
        seeds.append(seed)
    answers = entry.setdefault("answers", [])
    answers.append({"seed": seed, "outcome": outcome, "answer": answer[:LONGEST_ANSWER]})
    if len(answers) > MOST_ANSWERS:
        first_right = next((k for k, a in enumerate(answers) if a.get("outcome") == "right"), None)
        del answers[1 if first_right == 0 else 0]


def export(path, table: list[tuple]) -> Path:
    """Copy the progress to a new file: all of it as .json, or a table as .csv.

    Parameters
    ----------
    path : a file that does not exist yet
    table : rows for COLUMNS, for .csv

    Raises
    ------
    ValueError
        the file exists, or its name ends otherwise
    ProgressError
        the progress cannot be read
    """
    target = Path(path)
    if target.suffix == ".json":
        data = json.dumps(read_progress(), indent=1).encode()
    elif target.suffix == ".csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows([COLUMNS, *table])
        data = text.getvalue().encode()
    else:
        raise ValueError(f"{target.name}: accepted are names that end in .json or .csv.")
    if target.exists():
        raise ValueError(f"{target.name} exists already; accepted is the name of a new file.")
    write_whole(target, data)
    return target
