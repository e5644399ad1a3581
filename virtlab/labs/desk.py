"""The desk where answers are handed in: check, show, another variant, how far have I come?"""

from dataclasses import replace

from virtlab.labs import progress as kept
from virtlab.labs.candidate import Limits
from virtlab.labs.chapters import EXERCISES
from virtlab.labs.exercise import GRADES, Code, Exercise, Explanation, UnansweredError
from virtlab.labs.judge import judge_code
from virtlab.labs.quantity import UnreadableError
from virtlab.labs.verdict import Verdict

WORKED_STEP_AFTER = 3  # different wrong answers to one variant
LARGEST_SEED = (1 << 63) - 1

_wrong: dict[tuple[str, int], set[str]] = {}  # since the kernel started


def exercise(id: str) -> Exercise:
    """The exercise of that number.

    Raises
    ------
    ValueError
        there is none
    """
    if not isinstance(id, str) or id not in EXERCISES:
        raise ValueError(f"there is no exercise {id!r:.40}; there are {', '.join(EXERCISES)}.")
    return EXERCISES[id]


def seed_of(seed) -> int:
    """A seed, if it is one."""
    if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed {seed!r:.40}: accepted are whole numbers from 0 on.")
    return seed


def check(id: str, answer=None, seed: int = 0, limits: Limits | None = None) -> Verdict:
    """Judge an answer, and add it to the reader's progress.

    Parameters
    ----------
    id : str, such as "02.1"
    answer : a number or text with a unit; an option or its number; a function or its text; an
        assembly program as text; an explanation as text
    seed : int, the variant; 0 is the one that `show` shows first
    limits : Limits of the process in which code runs

    Returns
    -------
    verdict : Verdict, true if the answer is right

    Raises
    ------
    ValueError
        there is no such exercise, or the seed is none
    """
    one, seed = exercise(id), seed_of(seed)
    if isinstance(one.kind, Explanation):
        return _explained(one, answer)
    verdict = judged(one, answer, seed, limits)
    if verdict.outcome == "unreadable":
        return verdict
    text = _as_text(answer)
    remark = kept.record(id, seed, verdict.outcome, text)
    step = "" if verdict.right else _step(one, seed, text)
    return replace(verdict, step=step, remark=remark)


def judged(
    one: Exercise,
    answer,
    seed: int = 0,
    limits: Limits | None = None,
    secret: str = "",
    named: str | None = None,
) -> Verdict:
    """The verdict on an answer, of which nothing is kept; not for explanations.

    secret, named : for code, as in `judge_code`
    """
    draw = one.numbers(seed)
    try:
        if isinstance(one.kind, Code):
            found = judge_code(one, answer, one.because(draw), limits, secret, named)
        else:
            found = one.kind.judge(answer, draw, one.because(draw))
    except (UnreadableError, UnansweredError) as error:
        return Verdict(one.id, seed, "unreadable", str(error))
    outcome = "right" if found.right else "wrong"
    return Verdict(one.id, seed, outcome, found.words, found.hint, printed=found.printed)


def _step(one: Exercise, seed: int, text: str) -> str:
    """The worked step, from the third different wrong answer to a variant on."""
    tried = _wrong.setdefault((one.id, seed), set())
    tried.add(text)
    return one.step(one.numbers(seed)) if len(tried) >= WORKED_STEP_AFTER else ""


def _as_text(answer) -> str:
    """An answer as it is kept: a function as its source, anything else as it is written."""
    from virtlab.labs.answer_text import text_of

    if type(answer) is str:
        return answer
    try:
        return text_of(answer)[0]
    except (TypeError, ValueError):
        return repr(answer)


def _explained(one: Exercise, answer) -> Verdict:
    """Keep an explanation, and show what it should mention."""
    if answer is None or type(answer) is not str or not answer.strip():
        words = "There is no explanation yet; accepted is a text of your own."
        return Verdict(one.id, 0, "unreadable", words)
    points = " ".join(f"({k}) {point}" for k, point in enumerate(one.kind.points, 1))
    remark = kept.record(one.id, 0, "recorded", answer)
    hint = (
        f'Which of these does it say? {points} labs.assess("{one.id}", [1, 2]) keeps the numbers '
        "of those that it does."
    )
    return Verdict(one.id, 0, "recorded", "", hint, "", "", remark)


def assess(id: str, points) -> Verdict:
    """Keep which key points an explanation of one's own has mentioned.

    Parameters
    ----------
    points : numbers of key points, from 1 on; the learner's own judgement, and marked as that

    Raises
    ------
    ValueError
        the exercise asks for no explanation, or has no such point
    """
    one = exercise(id)
    if not isinstance(one.kind, Explanation):
        raise ValueError(f"exercise {id} judges by itself; labs.check is for it.")
    n = len(one.kind.points)
    chosen = sorted(set(points)) if isinstance(points, list | tuple | set) else None
    if chosen is None or not all(type(k) is int and 1 <= k <= n for k in chosen):
        raise ValueError(f"points {points!r:.60}: accepted is a list of numbers from 1 to {n}.")
    missing = [one.kind.points[k - 1] for k in range(1, n + 1) if k not in chosen]
    remark = kept.record(id, 0, "recorded", f"points {chosen}")
    hint = "Still to mention: " + " ".join(missing) if missing else ""
    words = f"By your own judgement {len(chosen)} of {n} points."
    return Verdict(id, 0, "recorded", words, hint, "", "", remark)


def table() -> list[tuple]:
    """A row for each exercise: id, grade, title, right, tries, how many variants are right.

    Raises
    ------
    ProgressError
        the progress file cannot be read
    """
    held = kept.read_progress()["exercises"]
    rows = []
    for id, one in EXERCISES.items():
        entry = held.get(id, {})
        right = "yes" if entry.get("right") else "no" if entry.get("tries") else ""
        if right and isinstance(one.kind, Explanation):
            right = "own judgement"
        n_right = len(entry.get("seeds_right", ()))
        rows.append((id, one.grade, one.title, right, entry.get("tries", 0), n_right))
    return rows


def grade_name(one: Exercise) -> str:
    """A grade in words."""
    return f"grade {one.grade}, {GRADES[one.grade]}"
