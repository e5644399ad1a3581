"""A course: the folder with the releases, what was handed in, the gradebook, and a secret.

    course/
      nbgrader_config.py   with which nbgrader's own commands do the same
      secret.txt           from which this course's variants are drawn; for the teacher alone
      source/ release/     an assignment before and after release
      submitted/ autograded/ feedback/
      gradebook.db

A submission is copied and never changed: what was handed in stays in submitted/ as it was.
"""

import contextlib
import csv
import datetime
import io
import logging
import os
import re
import secrets
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from virtlab.labs.classroom.assignment import notebook
from virtlab.labs.classroom.marking import SECRET, configure, release_path
from virtlab.labs.progress import write_whole

CONFIG = "nbgrader_config.py"
CONFIG_TEXT = '''"""The course's settings; submissions are read and judged, and never run."""

from pathlib import Path

from virtlab.labs.classroom.marking import configure

c = get_config()
c.CourseDirectory.course_id = {course!r}
configure(c, Path(__file__).parent)
'''
STUDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*")
FETCHED = re.compile(r"<script\b[^>]*\bsrc=[^>]*>\s*</script>")  # by nbgrader, for formulas
LARGEST_SUBMISSION = 20 << 20  # bytes
COLUMNS = ("student", "assignment", "score", "of", "still to be marked by hand")


class CourseError(Exception):
    """The command could not be carried out; the text is a sentence for the teacher."""


@dataclass(frozen=True)
class Collected:
    """A file that was handed in.

    student : str; path : Path of the copy in the course, None if it was refused
    words : str, why it was refused
    """

    student: str
    path: Path | None
    words: str = ""


def new(folder, course: str = "virtlab") -> "Course":
    """Make a course's folder.

    Raises
    ------
    CourseError
        there is one already
    """
    root = Path(folder)
    if (root / SECRET).exists() or (root / CONFIG).exists():
        raise CourseError(f"{root} is a course already; accepted is the name of a new folder.")
    root.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(root / SECRET, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
        f.write(secrets.token_hex(16) + "\n")
    write_whole(root / CONFIG, CONFIG_TEXT.format(course=course).encode())
    return Course(root)


class Course:
    """The course in a folder.

    Raises
    ------
    CourseError
        there is none
    """

    def __init__(self, folder):
        self.root = Path(folder).resolve()
        if not (self.root / SECRET).is_file():
            raise CourseError(f"{folder} is no course; `new {folder}` makes one.")
        config = Config()
        config.CourseDirectory.course_id = ""
        configure(config, self.root)
        self._config = config

    @property
    def secret(self) -> str:
        """What this course's variants are drawn from."""
        return (self.root / SECRET).read_text("utf-8").strip()

    def generate(self, name: str) -> Path:
        """Make an assignment; returns the notebook to be handed out.

        Raises
        ------
        ValueError
            there is no such assignment
        CourseError
            nbgrader refused
        """
        made = notebook(name, self.secret)
        source = self.root / "source" / name / f"{name}.ipynb"
        source.parent.mkdir(parents=True, exist_ok=True)
        write_whole(source, nbformat.writes(made).encode())
        self._do("generate_assignment", name)
        return release_path(self.root, name, name)

    def collect(self, name: str, folder) -> list[Collected]:
        """Take what was handed in from a folder.

        folder : path; it holds STUDENT/NAME.ipynb, or files whose names begin with the student's
            and end with NAME.ipynb, as learning platforms write them

        Raises
        ------
        CourseError
            the folder or the assignment does not exist
        """
        self._released(name)
        folder = Path(folder)
        if not folder.is_dir():
            raise CourseError(f"{folder} is no folder; accepted is one with what was handed in.")
        found = {path.parent.name: path for path in folder.glob(f"*/{name}.ipynb")}
        for path in folder.glob(f"*{name}.ipynb"):
            student = path.name.removesuffix(f"{name}.ipynb").rstrip("_- ")
            if student:
                found[student] = path
        return [self._take(name, student, path) for student, path in sorted(found.items())]

    def _take(self, name: str, student: str, path: Path) -> Collected:
        """Copy one file, if it is a notebook."""
        if not STUDENT.fullmatch(student):
            return Collected(student, None, f"{student!r:.60} cannot be a student's name.")
        if path.is_symlink() or not path.is_file():
            return Collected(student, None, f"{path.name} is no ordinary file.")
        data = path.read_bytes() if path.stat().st_size <= LARGEST_SUBMISSION else None
        words = "It is larger than 20 MiB." if data is None else unreadable(data)
        if words:
            return Collected(student, None, words)
        target = self.root / "submitted" / student / name / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, data)
        when = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
        stamp = when.strftime("%Y-%m-%d %H:%M:%S UTC\n").encode()
        write_whole(target.with_name("timestamp.txt"), stamp)
        return Collected(student, target)

    def autograde(self, name: str) -> dict[str, str]:
        """Mark all that was handed in; returns for each student "" or why there is no mark."""
        self._released(name)
        students = sorted(path.parent.name for path in self.root.glob(f"submitted/*/{name}"))
        if not students:
            raise CourseError(f"nothing was handed in for {name}; `collect` takes it.")
        told = {}
        for student in students:
            told[student] = self._mark(name, student)
        return told

    def _mark(self, name: str, student: str) -> str:
        path = self.root / "submitted" / student / name / f"{name}.ipynb"
        if not path.is_file():
            return f"{path.name} was not handed in."
        words = unreadable(path.read_bytes())
        if words:
            return words
        try:
            self._do("autograde", name, student)
        except CourseError as error:
            return str(error)
        return ""

    def feedback(self, name: str) -> list[Path]:
        """Write a page of feedback for each student, without requests elsewhere; returns them."""
        self._released(name)
        self._do("generate_feedback", name)
        pages = sorted(self.root.glob(f"feedback/*/{name}/{name}.html"))
        for page in pages:
            write_whole(page, FETCHED.sub("", page.read_text("utf-8")).encode())
        return pages

    def marks(self) -> list[tuple]:
        """Rows for COLUMNS."""
        rows = []
        with programs_found(), Gradebook(self._config.CourseDirectory.db_url) as book:
            for assignment in book.assignments:
                for one in book.assignment_submissions(assignment.name):
                    by_hand = sum(
                        1 for n in one.notebooks for g in n.grades if g.needs_manual_grade
                    )
                    name = one.student.id
                    rows.append((name, assignment.name, one.score, one.max_score, by_hand))
        return sorted(rows)

    def _released(self, name: str) -> None:
        if not release_path(self.root, name, name).is_file():
            raise CourseError(f"{name} is not released; `generate {name}` makes it.")

    def _do(self, command: str, *arguments) -> None:
        """One of nbgrader's commands."""
        with programs_found(), warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's own
            result = getattr(NbGraderAPI(config=self._config), command)(*arguments)
        if not result["success"]:
            log = [line for line in str(result.get("log", "")).splitlines() if "ERROR" in line]
            raise CourseError(f"nbgrader refused: {(log or ['no reason was given'])[0][:300]}")


@contextlib.contextmanager
def programs_found():
    """Let nbgrader find `alembic`, which it calls by name, though no environment is activated."""
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def unreadable(data: bytes) -> str:
    """Why a file is no notebook; "" if it is one."""
    try:
        read = nbformat.reads(data.decode(), as_version=4)
        ok = all(isinstance(cell, dict) for cell in read.cells)
    except UnicodeDecodeError:
        return "It is no notebook: its text is not UTF-8."
    except Exception as error:  # whatever a file of somebody else's may bring about
        logging.getLogger(__name__).debug("unreadable", exc_info=True)
        return f"It is no notebook: {type(error).__name__}."
    return "" if ok else "It is no notebook: its cells are no cells."


def as_csv(rows: list[tuple]) -> str:
    """The marks as a table for a spreadsheet."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([COLUMNS, *rows])
    return text.getvalue()
