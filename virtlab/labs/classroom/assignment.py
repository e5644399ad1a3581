"""An assignment: the exercises of a chapter as a notebook that nbgrader can release.

Each exercise has three cells: the question, the answer's, which the student changes, and a locked
one that carries the points. Nothing in the notebook says what is right: the locked cell says
whether the answer can be read, or for code how it does on the book's variants; the mark comes from
others. The numbers in a question are those of the seed, which is the course's own.
"""

import hashlib
import re

from nbformat import v4
from nbformat.notebooknode import NotebookNode

from virtlab.labs.chapters import EXERCISES
from virtlab.labs.classroom.written import answer_name, function_name, is_python
from virtlab.labs.exercise import Choice, Code, Exercise, Explanation

POINTS = {1: 1, 2: 2, 3: 4, 4: 3}  # by grade
PREFIX = "chapter-"
SCHEMA = 3  # of nbgrader's cell metadata
LARGEST = 10**9  # seeds below it are readable in a notebook
HEADING = """# Exercises of chapter {chapter}

Write your answers into the cells below the questions, and nowhere else. When this is marked, the
notebook is not run: an answer is read as it is written there. So a number or a text has to be
written out, such as `answer = 172`, and a function has to hold all that it needs in its own cell.

Other cells are yours: add what helps you. Should one of the answers' cells get lost, copy it from a
fresh copy of the assignment.
"""
BEGIN = """from virtlab import labs
from virtlab.hypervisors import Action, ExitReason
from virtlab.labs.classroom import readable
"""
EMPTY_WORDS = "*Your answer, in words, instead of this line.*"


def assignments() -> dict[str, list[Exercise]]:
    """The assignments by name, each with its exercises."""
    found: dict[str, list[Exercise]] = {}
    for one in EXERCISES.values():
        found.setdefault(PREFIX + one.id.partition(".")[0], []).append(one)
    return found


def cell_name(kind: str, id: str) -> str:
    """nbgrader's name of a cell, such as answer-02-1."""
    return f"{kind}-{id.replace('.', '-')}"


def exercise_of(name: str) -> str | None:
    """The exercise to which a cell of that name belongs; None for others."""
    found = re.fullmatch(r"(?:answer|mark|question)-(\d\d)-(\d+)", name)
    return f"{found[1]}.{found[2]}" if found else None


def course_seed(secret: str, id: str) -> int:
    """The variant that a course gets of an exercise."""
    digest = hashlib.sha256(f"{secret} {id}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "little") % (LARGEST - 1)


def notebook(name: str, secret: str) -> NotebookNode:
    """The assignment of that name.

    Raises
    ------
    ValueError
        there is none
    """
    known = assignments()
    if name not in known:
        raise ValueError(f"there is no assignment {name!r:.40}; there are {', '.join(known)}.")
    cells = [_heading(name), _code(BEGIN, "begin", locked=True)]
    for one in known[name]:
        cells += _cells(one, course_seed(secret, one.id))
    made = v4.new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    made.metadata["language_info"] = {"name": "python"}
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"  # the same each time
    return made


def _heading(name: str) -> NotebookNode:
    return _text(HEADING.format(chapter=name.removeprefix(PREFIX)), "heading", locked=True)


def _cells(one: Exercise, seed: int) -> list[NotebookNode]:
    """Question, answer and points of an exercise."""
    draw, kind, points = one.numbers(seed), one.kind, POINTS[one.grade]
    head, _, listing = one.text(draw).partition("\n")
    lines = [f"## {one.id}  {one.title}", "", head]
    if listing.strip():
        lines += ["", "```", listing.strip("\n"), "```"]
    if isinstance(kind, Choice):
        lines += ["", *(f"{k}. {option}" for k, option in enumerate(kind.options(draw), 1))]
    wanted = "the number of an option, or its text" if isinstance(kind, Choice) else kind.ask(draw)
    lines += ["", f"Answer: {wanted}. {points} point{'s' * (points != 1)}."]
    question = _text("\n".join(lines), cell_name("question", one.id), locked=True)
    answer, mark = cell_name("answer", one.id), cell_name("mark", one.id)
    if isinstance(kind, Explanation):
        return [question, _text(EMPTY_WORDS, answer, solution=True, points=points)]
    name = answer_name(one.id)
    if is_python(kind):
        begin, test = kind.start, f'labs.check("{one.id}", {function_name(kind.start)})'
    elif isinstance(kind, Code):
        begin = f'{name} = """{kind.start}"""'
        test = f'labs.check("{one.id}", {name})'
    else:
        begin, test = f"{name} = None", f'readable("{one.id}", {name}, seed={seed})'
    return [question, _code(begin, answer, solution=True), _code(test, mark, True, points=points)]


def _marked(cell: NotebookNode, name: str, locked: bool, solution: bool, points: int | None):
    cell.metadata["nbgrader"] = {
        "schema_version": SCHEMA,
        "grade_id": name,
        "grade": points is not None,
        "solution": solution,
        "locked": locked,
        "task": False,
    }
    if points is not None:
        cell.metadata["nbgrader"]["points"] = points
    return cell


def _text(text, name, locked=False, solution=False, points=None) -> NotebookNode:
    return _marked(v4.new_markdown_cell(text), name, locked, solution, points)


def _code(text, name, locked=False, solution=False, points=None) -> NotebookNode:
    return _marked(v4.new_code_cell(text.rstrip("\n")), name, locked, solution, points)
