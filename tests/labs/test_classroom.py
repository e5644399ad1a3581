"""Are marks what the answers deserve, whatever became of the notebook on its way?"""

import copy
import csv
import json

import nbformat
import pytest
from nbformat import v4

from tests.labs.answers import HOSTILE, RIGHT
from virtlab.labs.chapters import EXERCISES
from virtlab.labs.classroom import __main__ as command
from virtlab.labs.classroom import readable
from virtlab.labs.classroom.assignment import (
    assignments,
    cell_name,
    course_seed,
    exercise_of,
    notebook,
)
from virtlab.labs.classroom.course import Course, CourseError, new
from virtlab.labs.classroom.marking import mark
from virtlab.labs.classroom.restore import REMARKS, name_of, restored
from virtlab.labs.classroom.written import answer_name, is_python
from virtlab.labs.exercise import Code, Explanation

SECRET = "a secret of the tests"


def right_text(id: str, secret: str) -> str:
    """A right answer, as a student writes it into its cell."""
    one = EXERCISES[id]
    if isinstance(one.kind, Explanation):
        return "Words of my own. <script>alert(1)</script>"
    if isinstance(one.kind, Code):
        return RIGHT[id] if is_python(one.kind) else f'{answer_name(id)} = """{RIGHT[id]}"""'
    return f"{answer_name(id)} = {one.kind.value(one.numbers(course_seed(secret, id)))!r}"


def cell_of(made, name: str):
    return next(cell for cell in made.cells if name_of(cell) == name)


def fill(made, texts: dict[str, str]):
    """A copy of a release with the answers' cells filled in."""
    made = copy.deepcopy(made)
    for id, text in texts.items():
        cell_of(made, cell_name("answer", id)).source = text
    return made


def marks_of(given, release) -> dict[str, bool]:
    """For each exercise whether its answer is right."""
    made = restored(given, release)
    answers = {exercise_of(name_of(c) or ""): c.source for c in made.cells}
    return {
        exercise_of(name_of(cell)): mark(exercise_of(name_of(cell)), answer.source, SECRET).right
        for cell in made.cells
        if (name_of(cell) or "").startswith("mark-") and answers
        for answer in [cell_of(made, cell_name("answer", exercise_of(name_of(cell))))]
    }


@pytest.fixture(scope="module")
def release():
    return notebook("chapter-00", SECRET)


@pytest.fixture(scope="module")
def filled(release):
    return fill(
        release, {one.id: right_text(one.id, SECRET) for one in assignments()["chapter-00"]}
    )


def test_a_class_from_release_to_feedback(tmp_path, capsys):
    """nbgrader's round trip: two submissions and the marks that they deserve."""
    folder = tmp_path / "course"

    def run(*words) -> int:
        return command.main(["--course", str(folder), *map(str, words)])

    assert run("new", folder) == 0
    assert run("generate", "chapter-00") == 0
    course = Course(folder)
    made = nbformat.read(folder / "release" / "chapter-00" / "chapter-00.ipynb", as_version=4)
    texts = {one.id: right_text(one.id, course.secret) for one in assignments()["chapter-00"]}
    handed_in = tmp_path / "handed_in"
    (handed_in / "ann").mkdir(parents=True)
    nbformat.write(fill(made, texts), handed_in / "ann" / "chapter-00.ipynb")
    some = texts | {"00.2": "answer_00_2 = -3", "00.3": "answer_00_3 = 2 + 2"}
    bob = fill(made, some)
    bob.cells.append(v4.new_markdown_cell("<script>alert(1)</script>"))
    nbformat.write(bob, handed_in / "bob_chapter-00.ipynb")
    (handed_in / "eve_chapter-00.ipynb").write_text("{")
    assert run("collect", "chapter-00", "--from", handed_in) == 1
    assert "eve: not taken. It is no notebook" in capsys.readouterr().out
    assert run("autograde", "chapter-00") == 0
    assert run("feedback", "chapter-00") == 0
    page = (folder / "feedback" / "bob" / "chapter-00" / "chapter-00.html").read_text("utf-8")
    assert "is computed, and a submission is not run" in page and "It is not -3" in page
    assert "<script src" not in page and "&lt;script&gt;alert(1)" in page
    assert run("marks", "--csv", tmp_path / "marks.csv") == 0
    with (tmp_path / "marks.csv").open(newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert [(rows[n]["score"], rows[n]["of"]) for n in ("ann", "bob")] == [
        ("3.0", "3.0"),
        ("1.0", "3.0"),
    ]
    assert set(rows) == {"ann", "bob"}
    assert run("marks", "--csv", tmp_path / "marks.csv") == 2  # never overwritten


def test_the_secret_and_the_answers_stay_with_the_teacher(tmp_path):
    first, second = new(tmp_path / "one"), new(tmp_path / "two")
    assert first.secret != second.secret
    assert (tmp_path / "one" / "secret.txt").stat().st_mode & 0o077 == 0
    with pytest.raises(CourseError, match="is a course already"):
        new(tmp_path / "one")
    for name in assignments():
        text = json.dumps(notebook(name, first.secret))
        assert first.secret not in text
        assert text != json.dumps(notebook(name, second.secret)) or name == "chapter-00"
        assert not any(json.dumps(answer)[1:-1] in text for answer in RIGHT.values())
    secrets = ("", first.secret, second.secret)
    hidden = [[EXERCISES[id].trials(secret) for id in RIGHT] for secret in secrets]
    assert hidden[0] != hidden[1] != hidden[2]  # one exercise alone may draw the same by chance


def test_every_exercise_is_in_one_assignment_and_can_be_marked():
    made = [one.id for each in assignments().values() for one in each]
    assert sorted(made) == sorted(EXERCISES)
    for name, exercises in assignments().items():
        nb = notebook(name, SECRET)
        nbformat.validate(nb)
        names = [name_of(cell) for cell in nb.cells]
        assert len(set(names)) == len(names)
        graded = [c for c in nb.cells if c.metadata["nbgrader"]["grade"]]
        assert {exercise_of(name_of(cell)) for cell in graded} == {one.id for one in exercises}
        assert all(c.metadata["nbgrader"]["locked"] for c in graded if c.cell_type == "code")


def test_what_a_student_gets_runs_in_a_notebook():
    scope = {"display": lambda *shown: None}
    for cell in notebook("chapter-02", SECRET).cells:
        if cell.cell_type == "code" and "labs.check" not in cell.source:
            exec(cell.source, scope)
    assert "There is no answer yet" in readable("02.1", scope["answer_02_1"])
    assert readable("02.1", "84 exits") == "02.1: read as 84 exits."
    assert "accepted" in readable("02.6", "nothing of these")
    assert callable(scope["mine"])


@pytest.mark.parametrize("id", RIGHT)
def test_right_code_is_right_on_the_courses_own_variants(id, seed):
    verdict = mark(id, right_text(id, ""), f"secret {seed}")
    assert verdict.right, verdict


def test_reordered_and_repeated_cells_make_no_difference(release, filled):
    turned = copy.deepcopy(filled)
    turned.cells = turned.cells[::-1]
    assert all(marks_of(turned, release).values())
    repeated = copy.deepcopy(filled)
    repeated.cells = repeated.cells + copy.deepcopy(release.cells) + copy.deepcopy(filled.cells)
    assert all(marks_of(repeated, release).values())
    assert restored(repeated, release).metadata[REMARKS] == {}


def test_cells_that_contradict_one_another_are_refused_with_a_reason(release, filled):
    given = copy.deepcopy(filled)
    other = copy.deepcopy(cell_of(given, "answer-00-2"))
    other.source = "answer_00_2 = 1"
    given.cells.insert(0, other)
    assert marks_of(given, release) == {"00.1": True, "00.2": False, "00.3": True}
    remark = restored(given, release).metadata[REMARKS]
    assert list(remark) == ["answer-00-2"] and "2 cells for this answer" in remark["answer-00-2"]


def test_a_lost_cell_costs_its_own_answer_alone(release, filled):
    given = copy.deepcopy(filled)
    for name in ("answer-00-2", "mark-00-1", "begin", "question-00-3"):
        given.cells.remove(cell_of(given, name))
    assert marks_of(given, release) == {"00.1": True, "00.2": False, "00.3": True}
    made = restored(given, release)
    assert "is not in the submission" in made.metadata[REMARKS]["answer-00-2"]
    assert [name_of(cell) for cell in made.cells] == [name_of(cell) for cell in release.cells]
    # Copied into a cell of the student's own it is found again, if it is there once.
    given.cells.append(v4.new_code_cell(cell_of(filled, "answer-00-2").source))
    assert marks_of(given, release)["00.2"]
    given.cells.append(v4.new_code_cell("answer_00_2 = 5"))
    assert not marks_of(given, release)["00.2"]
    assert "2 cells" in restored(given, release).metadata[REMARKS]["answer-00-2"]


def test_nothing_that_a_student_changes_beside_the_answers_counts(release, filled):
    given = copy.deepcopy(release)
    for cell in given.cells:
        nbgrader = cell.metadata["nbgrader"]
        if nbgrader["grade"]:
            nbgrader |= {"points": 100, "locked": False}
            cell.source, cell.outputs = (
                "'right'",
                [v4.new_output("execute_result", {"text/plain": "9"})],
            )
    given.metadata[REMARKS] = "mine"
    made = restored(given, release)
    assert made.cells == release.cells and made.metadata[REMARKS] == {}
    strange = [{"nbgrader": 3}, {"nbgrader": {"grade_id": ["x"]}}, {"nbgrader": {}}, []]
    for metadata in strange:
        bad = copy.deepcopy(filled)
        bad.cells += [nbformat.NotebookNode(cell_type="code", source="x", metadata=metadata)]
        bad.cells += [nbformat.NotebookNode(cell_type="raw", source=None)]
        assert all(marks_of(bad, release).values())


COMPUTED = [
    ("answer_02_1 = vm.n_exits", "is computed"),
    ("answer_02_1 = __import__('os').getpid()", "is computed"),
    ("answer_02_2 = 4", "does not set answer_02_1"),
    ("", "does not set answer_02_1"),
    ("answer_02_1 = None", "no answer yet"),
    ("answer_02_1 = (", "Line 1 of the cell is not Python"),
    ("answer_02_1 = " + "(" * 5000, "not Python"),
    ("answer_02_1 = " + "-" * 15_000 + "1", "Python|computed"),
    ("answer_02_1 = " + "9" * 6000, "not Python"),
    ("answer_02_1 = 1\0", "not Python"),
    ("%time\nanswer_02_1 = 1", "Line 1 of the cell"),
    ("answer_02_1 = [1, 2]", "type list"),
    ("#" * 30_000, "longer than"),
]


@pytest.mark.parametrize(("source", "words"), COMPUTED, ids=[c[0][:24] for c in COMPUTED])
def test_what_is_not_written_out_gets_a_sentence_and_is_not_run(source, words):
    verdict = mark("02.1", source, SECRET)
    assert verdict.outcome == "unreadable"
    assert any(word in verdict.words for word in words.split("|")), verdict


@pytest.mark.parametrize(("name", "body", "words"), HOSTILE[::5], ids=[h[0] for h in HOSTILE[::5]])
def test_hostile_code_gets_no_points(name, body, words):
    verdict = mark("03.11", f"def choose(ready, weights, ran):\n{body}", SECRET)
    assert not verdict.right
    assert any(word in repr(verdict) for word in words.split("|"))


def test_no_script_of_a_submission_is_shown_to_the_teacher():
    release = notebook("chapter-02", SECRET)
    given = fill(release, {"02.3": "2 < 3, <b>so</b> <script>alert(1)</script>"})
    given.cells.append(v4.new_markdown_cell("<img src=x onerror=alert(1)>"))
    made = restored(given, release)
    assert cell_of(made, "answer-02-3").source.startswith("2 < 3, &lt;b>so")
    shown = [cell.source for cell in made.cells if cell.cell_type == "markdown"]
    assert not any("<script" in text or "<img" in text for text in shown)


def test_a_function_is_known_by_its_name():
    text = RIGHT["03.11"] + "\n\ndef later(x):\n    return x\n"
    assert mark("03.11", text, SECRET).right


def test_the_teachers_mistakes_get_one_sentence(tmp_path, capsys):
    folder = str(tmp_path / "course")
    said = []
    for words in (
        ["marks"],
        ["new", folder],
        ["generate", "chapter-99"],
        ["collect", "chapter-00", "--from", folder],
    ):
        code = command.main(["--course", folder, *words])
        said.append((code, capsys.readouterr().err))
    assert [code for code, _ in said] == [2, 0, 2, 2]
    for (_, text), part in zip(
        [said[0], said[2], said[3]],
        ("is no course", "no assignment", "is not released"),
        strict=True,
    ):
        assert part in text and text.count("\n") == 1
