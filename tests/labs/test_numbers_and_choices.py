"""Are numbers and choices judged rightly, in every variant, and does the hint fit the mistake?"""

import numpy as np
import pytest

from virtlab import labs
from virtlab.labs import desk
from virtlab.labs.chapters import EXERCISES
from virtlab.labs.exercise import Choice, Code, Explanation, Number
from virtlab.labs.quantity import UnreadableError, quantity, written

NUMBERS = [id for id, one in EXERCISES.items() if isinstance(one.kind, Number)]
CHOICES = [id for id, one in EXERCISES.items() if isinstance(one.kind, Choice)]
WORDS = [id for id, one in EXERCISES.items() if isinstance(one.kind, Explanation)]
SEEDS = range(2)
MORE_SEEDS = range(2, 12)


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRTLAB_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(desk, "_wrong", {})


def test_there_are_enough_of_all_grades():
    assert len(EXERCISES) >= 40
    assert {one.grade for one in EXERCISES.values()} == {1, 2, 3, 4}
    assert {id[:2] for id in EXERCISES} == {f"{chapter:02}" for chapter in range(10)}
    assert all(id == one.id for id, one in EXERCISES.items())


def judge_number(id, seed):
    one = EXERCISES[id]
    draw, kind = one.numbers(seed), one.kind
    right = kind.value(draw)
    verdict = labs.check(id, right, seed=seed)
    assert verdict.right and written(right, kind.unit, kind.base) in verdict.words
    assert labs.check(id, f" {right} {kind.unit} ", seed=seed)
    off = right * (1 + 3 * kind.tolerance) if kind.tolerance else right + 1
    for wrong in (off, right - 1 if not kind.tolerance else right * 0.9, -right - 5, 10**9):
        verdict = labs.check(id, wrong, seed=seed)
        assert verdict.outcome == "wrong" and verdict.hint, (id, seed, wrong)
    for mistake, hint in kind.mistakes:
        value = mistake(right, draw)
        if abs(value - right) > kind.tolerance * abs(right):
            verdict = labs.check(id, value, seed=seed)
            first = next(h for m, h in kind.mistakes if kind._near(value, m(right, draw)))
            assert verdict.outcome == "wrong" and verdict.hint == first, (id, hint)


@pytest.mark.parametrize("id", NUMBERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_number_is_right_or_gets_its_hint(id, seed):
    judge_number(id, seed)


@pytest.mark.more_random
@pytest.mark.parametrize("id", NUMBERS)
@pytest.mark.parametrize("seed", MORE_SEEDS)
def test_a_number_is_right_in_more_variants(id, seed):
    judge_number(id, seed)


def judge_choice(id, seed):
    one = EXERCISES[id]
    draw = one.numbers(seed)
    options, right = list(one.kind.options(draw)), one.kind.value(draw)
    assert right in options and len(set(options)) == len(options) >= 2
    for k, option in enumerate(options, 1):
        verdict = labs.check(id, option, seed=seed)
        assert verdict.right == (option == right)
        assert bool(verdict.hint) == (option != right)
        assert labs.check(id, k, seed=seed).right == (option == right)


@pytest.mark.parametrize("id", CHOICES)
def test_one_option_is_right(id):
    judge_choice(id, 0)


@pytest.mark.more_random
@pytest.mark.parametrize("id", CHOICES)
@pytest.mark.parametrize("seed", MORE_SEEDS)
def test_one_option_is_right_in_more_variants(id, seed):
    judge_choice(id, seed)


class Equal:
    """Says that it is equal to everything."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __sub__(self, other):
        return 0

    def strip(self):
        raise AssertionError("an answer was executed")


class Whole(int):
    def __sub__(self, other):
        return 0


class Text(str):
    def strip(self):
        raise AssertionError("an answer was executed")


MALICIOUS = [Equal(), Whole(3), Text("3"), True, [], {}, b"3", 3j, object, lambda: 3]
UNREADABLE = [None, "", "  ", float("nan"), float("inf"), 10**5000, "9" * 10**6, "many", "1e999"]


@pytest.mark.parametrize("id", ["02.1", "02.2", "01.4"])
@pytest.mark.parametrize("answer", [*MALICIOUS, *UNREADABLE], ids=lambda a: type(a).__name__)
def test_what_is_no_number_gets_no_verdict(id, answer):
    verdict = labs.check(id, answer)
    assert verdict.outcome == "unreadable" and "accepted is" in verdict.words
    assert len(verdict.words) < 300


@pytest.mark.parametrize("id", CHOICES)
@pytest.mark.parametrize(
    "answer", [*MALICIOUS[:3], True, None, "", "neither", 0, 99, -1, 1.0, "9" * 9999]
)
def test_what_is_no_option_gets_no_verdict(id, answer):
    verdict = labs.check(id, answer)
    assert verdict.outcome == "unreadable" and "accepted are" in verdict.words


@pytest.mark.parametrize(
    "answer, unit, value",
    [
        (42, "exits", 42),
        ("42", "exits", 42),
        ("2,030 cycles", "cycles", 2030),
        ("1 exit", "exits", 1),
        ("0x20", "", 32),
        ("4 KiB", "bytes", 4096),
        ("1.5 us", "ns", 1500),
        ("12 %", "%", 12),
        ("0.5", "cycles", 0.5),
        (np.int64(7), "exits", 7),
        (np.float64(0.5), "", 0.5),
        ("1_000", "exits", 1000),
        ("-3", "", -3),
        ("2e3", "cycles", 2000),
        ("2 GiB", "B", 2 << 30),
    ],
)
def test_a_number_may_be_written_in_many_ways(answer, unit, value):
    assert quantity(answer, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    "answer", ["4 KiB", "3 traps", "5 ns", "3 %", "0x", "1,2,3 4", "١٢ exits x", "١٢"]
)
def test_another_unit_is_no_answer(answer):
    with pytest.raises(UnreadableError, match="accepted is a number of exits"):
        quantity(answer, "exits")


def test_a_number_too_large_for_its_unit_is_no_answer():
    with pytest.raises(UnreadableError, match="too large; accepted is a number of B"):
        quantity("1e300 GiB", "B")


def test_the_third_different_wrong_answer_brings_a_worked_step():
    assert not labs.check("02.1", 1).step
    assert not labs.check("02.1", 1).step, "the same answer again is the same try"
    assert not labs.check("02.1", 2).step
    verdict = labs.check("02.1", 3)
    assert verdict.step and "A worked step." in repr(verdict)
    assert not labs.check("02.1", 1, seed=1).step, "another variant begins anew"
    assert not labs.check("02.1", "").step


@pytest.mark.parametrize("id", EXERCISES)
def test_an_exercise_says_what_is_asked_in_every_variant(id):
    for seed in range(6):
        question = labs.variant(id, seed)
        assert repr(question) == repr(labs.variant(id, seed))
        assert question.text and len(question.text) < 1500
        one = EXERCISES[id]
        assert isinstance(one.kind, Explanation) or one.step(one.numbers(seed))


@pytest.mark.parametrize("id", [*NUMBERS, *CHOICES])
def test_variants_differ_without_end(id):
    texts = {
        labs.variant(id, seed).text + str(labs.variant(id, seed).options) for seed in range(40)
    }
    assert len(texts) > 3 or id == "00.1", len(texts)


@pytest.mark.parametrize("id", NUMBERS)
def test_the_question_does_not_hold_its_answer(id):
    """Neither the question nor its page is computed with the right value."""
    one = EXERCISES[id]
    calls = []
    original = one.kind.value

    def counted(draw):
        calls.append(draw)
        return original(draw)

    object.__setattr__(one.kind, "value", counted)
    try:
        question = labs.show(id)
        repr(question), question.html(), question.widget
        assert not calls
        labs.check(id, 1)
        assert calls
    finally:
        object.__setattr__(one.kind, "value", original)


@pytest.mark.parametrize("id", WORDS)
def test_an_explanation_is_the_learners_to_judge(id):
    n = len(EXERCISES[id].kind.points)
    assert labs.check(id).outcome == labs.check(id, " ").outcome == "unreadable"
    verdict = labs.check(id, "because it is so")
    assert verdict.outcome == "recorded" and not verdict.right
    assert all(point in verdict.hint for point in EXERCISES[id].kind.points)
    assert f"{n} of {n}" in labs.assess(id, list(range(1, n + 1))).words
    assert EXERCISES[id].kind.points[0] in labs.assess(id, [2]).hint
    for wrong in ([0], [n + 1], 1, "12", None, [True], ["1"]):
        with pytest.raises(ValueError, match="accepted is a list"):
            labs.assess(id, wrong)


def test_mistakes_of_the_caller_get_one_sentence():
    with pytest.raises(ValueError, match=r"there is no exercise '99\.9'; there are 00\.1"):
        labs.check("99.9", 1)
    with pytest.raises(ValueError, match="no exercise"):
        labs.show(None)
    for seed in (-1, 1.5, "1", None, True, 1 << 70):
        with pytest.raises(ValueError, match="accepted are whole numbers"):
            labs.check("02.1", 1, seed=seed)
    with pytest.raises(ValueError, match="judges by itself"):
        labs.assess("02.1", [1])


def test_code_is_asked_for_with_something_to_begin_with():
    for one in EXERCISES.values():
        if isinstance(one.kind, Code):
            assert labs.show(one.id).start and one.kind.wants
