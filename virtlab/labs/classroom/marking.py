"""How does a submission get its marks? By two steps that take the place of running it.

nbgrader's autograde first tidies a submission, then runs it and reads the points off its outputs.
Here `Restore` tidies (restore.py), and `Judge` writes the outputs: a verdict, and an error where
there are no points. What follows, the gradebook and the feedback, is nbgrader's own.
"""

from pathlib import Path

import nbformat
from nbformat import v4
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    LimitOutput,
    NbGraderPreprocessor,
    OverwriteCells,
    SaveAutoGrades,
)
from traitlets import Unicode
from traitlets.config import Config

from virtlab.labs import desk
from virtlab.labs.candidate import Limits
from virtlab.labs.classroom.assignment import cell_name, course_seed, exercise_of
from virtlab.labs.classroom.restore import REMARKS, name_of, restored
from virtlab.labs.classroom.written import function_name, is_python, written_answer
from virtlab.labs.exercise import UnansweredError
from virtlab.labs.verdict import Verdict

SECRET = "secret.txt"  # in the course's folder; the hidden variants are drawn from it
NO_POINTS = "NoPoints"


def release_path(root: Path, assignment: str, name: str) -> Path:
    """Where the released notebook is."""
    return root / "release" / assignment / f"{name}.ipynb"


class CourseStep(NbGraderPreprocessor):
    """A step that knows the course's folder."""

    root = Unicode("", help="the course's folder").tag(config=True)


class Restore(CourseStep):
    """Put the submission back into the form of the release."""

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        path = release_path(Path(self.root), names["assignment"], names["notebook"])
        return restored(nb, nbformat.read(path, as_version=4)), resources


class Judge(CourseStep):
    """Write into each locked cell what is to be said about its answer."""

    def preprocess(self, nb, resources):
        secret = (Path(self.root) / SECRET).read_text("utf-8").strip()
        remarks = nb.metadata.get(REMARKS, {})
        cells = {name_of(cell): cell for cell in nb.cells}
        for name, cell in cells.items():
            id = exercise_of(name or "")
            if id is None or cell.cell_type != "code" or not cell.metadata.nbgrader["grade"]:
                continue
            answer = cell_name("answer", id)
            verdict = mark(id, cells[answer].source, secret)
            cell.outputs = _outputs(verdict, remarks.get(answer, ""))
            cell.execution_count = None
        return nb, resources


def mark(id: str, source: str, secret: str, limits: Limits | None = None) -> Verdict:
    """The verdict on the answer that a cell's text holds, in this course's variants."""
    one, seed = desk.exercise(id), course_seed(secret, id)
    named = function_name(one.kind.start) if is_python(one.kind) else None
    try:
        answer = written_answer(id, source)
    except UnansweredError as error:
        return Verdict(id, seed, "unreadable", str(error))
    return desk.judged(one, answer, seed, limits, secret, named)


def _outputs(verdict: Verdict, remark: str) -> list:
    """Outputs from which nbgrader reads full points or none, and a student why."""
    words = [part for part in (verdict.words, verdict.hint, remark) if part]
    text = f"{verdict.exercise}: {'right' if verdict.right else 'no points'}. {' '.join(words)}"
    if verdict.printed.strip():
        lines = verdict.printed.splitlines()[:20]
        text += "\nPrinted by the answer:\n" + "\n".join(f"  | {line}" for line in lines)
    if verdict.right:
        return [v4.new_output("stream", name="stdout", text=text + "\n")]
    return [v4.new_output("error", ename=NO_POINTS, evalue=text, traceback=[text])]


def configure(config: Config, root: Path) -> None:
    """Set nbgrader up for a course in the folder `root`."""
    root = Path(root).resolve()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    config.Restore.root = config.Judge.root = str(root)
    config.Autograde.sanitize_preprocessors = [Restore, OverwriteCells, CheckCellMetadata]
    config.Autograde.autograde_preprocessors = [
        *(Judge, LimitOutput, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata)
    ]
