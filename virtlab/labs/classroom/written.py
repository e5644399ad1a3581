"""What does an answer's cell say? It is read, not run.

A number, an option or a guest program is assigned to one name, `answer_02_1 = 172`, and has
to be written out. A function is the text of its cell. The last assignment counts, as it would if
the cell were run.
"""

import ast

from virtlab.labs.candidate import LONGEST_TEXT
from virtlab.labs.desk import exercise, seed_of
from virtlab.labs.exercise import Code, Number, UnansweredError, chosen_option
from virtlab.labs.quantity import UnreadableError, quantity, written


def answer_name(id: str) -> str:
    """The name to which the answer of an exercise is assigned."""
    return "answer_" + id.replace(".", "_")


def is_python(kind) -> bool:
    """Whether the answer is a function, and so the whole text of its cell."""
    return isinstance(kind, Code) and kind.python


def function_name(start: str) -> str | None:
    """The name of the last function that a text defines, None if there is none."""
    made = [node for node in ast.parse(start).body if isinstance(node, ast.FunctionDef)]
    return made[-1].name if made else None


def written_answer(id: str, source: str):
    """The answer that a cell holds.

    Raises
    ------
    UnansweredError
        it sets no answer, or one that is not written out
    """
    name = answer_name(id)
    if is_python(exercise(id).kind):
        return source
    accepted = f"accepted is a line `{name} = ...` with a number or a text"
    if len(source) > LONGEST_TEXT:
        raise UnansweredError(f"The cell is longer than {LONGEST_TEXT:,} characters; {accepted}.")
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise UnansweredError(
            f"Line {error.lineno} of the cell is not Python; {accepted}."
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise UnansweredError(f"The cell is not Python; {accepted}.") from None
    values = [node.value for node in body if isinstance(node, ast.Assign) and _sets(node, name)]
    if not values:
        raise UnansweredError(f"The cell does not set {name}; {accepted}.")
    try:
        return ast.literal_eval(values[-1])
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise UnansweredError(
            f"{name} is computed, and a submission is not run when it is marked; {accepted}."
        ) from None


def _sets(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def readable(id: str, answer, seed: int = 0) -> str:
    """Whether an answer can be read, in a sentence; it says nothing of whether it is right.

    Raises
    ------
    ValueError
        there is no such exercise, or the seed is none
    """
    one = exercise(id)
    draw = one.numbers(seed_of(seed))
    try:
        if isinstance(one.kind, Number):
            number = quantity(answer, one.kind.unit)
            return f"{id}: read as {written(number, one.kind.unit, one.kind.base)}."
        options = list(one.kind.options(draw))
        return f"{id}: read as {chosen_option(answer, options)!r}."
    except (UnreadableError, UnansweredError) as error:
        return f"{id}: {error}"
