"""What did a student hand in, whatever became of the notebook? The release, with these answers.

Cells are known by the names that nbgrader gave them. The release's own cells are taken, in its
order, and only the text of an answer comes from the submission:

    in the submission                      what is marked
    one cell of that name                  its text, wherever it stands
    several, but only one says something   that one
    several that differ                    nothing: the remark says why
    none, but one other cell sets it       that cell, with a remark
    none                                   an empty answer, with a remark

All else that a student has written is kept below, and is not marked.
"""

import copy
import re

from nbformat import v4
from nbformat.notebooknode import NotebookNode

from virtlab.labs.classroom.assignment import exercise_of
from virtlab.labs.classroom.written import UnansweredError, is_python, written_answer
from virtlab.labs.desk import exercise
from virtlab.labs.exercise import Explanation

REMARKS = "virtlab_remarks"  # in the restored notebook's metadata: by name of the answer's cell
OTHERS = "## Other cells of the submission\n\nThey are not marked."
LOST = "The cell of this answer is not in the submission; it was marked as empty."
FOUND = "The cell of this answer is not in the submission; another cell that sets it was marked."
SEVERAL = (
    "There are {n} cells for this answer, and they differ; none was marked, because nobody but you "
    "can say which you mean. Delete the others and hand in again."
)
HTML = re.compile(r"<(?=[A-Za-z/!?])")
MOST_OTHERS = 200
LONGEST_OTHER = 20_000  # characters


def restored(given: NotebookNode, release: NotebookNode) -> NotebookNode:
    """The release with a submission's answers; `REMARKS` in its metadata says what was unusual."""
    made = copy.deepcopy(release)
    answers = {name_of(cell): cell for cell in made.cells if is_answer(cell)}
    written: dict[str, list[str]] = {name: [] for name in answers}
    own = {name_of(cell) for cell in made.cells} - {None}
    others = []
    for cell in given.cells:
        source = cell.get("source")
        if not isinstance(source, str):
            continue
        name = name_of(cell)
        if name in written:
            written[name].append(source)
        elif name not in own and source.strip():
            others.append(cell)
    remarks = {}
    for name, cell in answers.items():
        text, remark = _choose(name, cell.source, written[name], others)
        cell.source = text if cell.cell_type == "code" else harmless(text)
        if remark:
            remarks[name] = remark
    made.metadata[REMARKS] = remarks
    made.cells += _others(others)
    return made


def harmless(text: str) -> str:
    """Markdown in which HTML is text: teachers see it, and no script of a submission may run."""
    return HTML.sub("&lt;", text)


def name_of(cell) -> str | None:
    """nbgrader's name of a cell, None if it has none."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = marks.get("grade_id") if isinstance(marks, dict) else None
    return name if isinstance(name, str) else None


def is_answer(cell) -> bool:
    """Whether a cell of the release is one that the student changes."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def _choose(name: str, empty: str, written: list[str], others: list) -> tuple[str, str]:
    """The text to be marked, and what is unusual about it."""
    said = list(dict.fromkeys(text for text in written if text.strip() not in ("", empty.strip())))
    if len(said) == 1:
        return said[0], ""
    if said:
        return empty, SEVERAL.format(n=len(said))
    if written:
        return written[0] or empty, ""
    found = list(dict.fromkeys(cell.source for cell in others if _sets_it(name, cell)))
    if len(found) == 1:
        return found[0], FOUND
    return empty, SEVERAL.format(n=len(found)) if found else LOST


def _sets_it(name: str, cell) -> bool:
    """Whether a cell without a name holds this answer. A function could be anybody's."""
    one = exercise(exercise_of(name))
    if cell.get("cell_type") != "code" or isinstance(one.kind, Explanation) or is_python(one.kind):
        return False
    try:
        return written_answer(one.id, cell.source) is not None
    except UnansweredError:
        return False


def _others(cells: list) -> list[NotebookNode]:
    """The student's other cells as text, without outputs and without names."""
    kept = []
    for number, cell in enumerate(cells[:MOST_OTHERS]):
        text = cell.source[:LONGEST_OTHER]
        code = cell.get("cell_type") == "code"
        one = v4.new_code_cell(text) if code else v4.new_markdown_cell(harmless(text))
        kept.append(NotebookNode(one, id=f"other-{number}"))
    head = v4.new_markdown_cell(OTHERS, id="others")
    return [head, *kept] if kept else []
