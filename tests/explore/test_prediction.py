"""A guess is asked for before a run and stands beside the result after it."""

import pytest

from virtlab.explore import prediction
from virtlab.explore.live import WIDGET_VIEW
from virtlab.explore.prediction import predict, reveal


@pytest.fixture(autouse=True)
def no_guesses(monkeypatch):
    monkeypatch.setattr(prediction, "guesses", {})
    monkeypatch.setattr(prediction, "_asked", {})


def test_a_guess_stands_beside_the_result():
    question = predict("How many traps?", [1, 3, 5], key="traps")
    question.entry.value = 3
    question.record()
    assert "Your guess: 3" in question.remark.value
    outcome = reveal("traps", 5, "one each round")
    assert repr(outcome) == "guess 3, result 5. one each round"
    assert "They differ." in question.remark.value


def test_a_right_guess_is_said_to_be_right():
    question = predict("How many?", key="n")
    question.entry.value = "1,000"
    question.record()
    assert "Right." in reveal("n", 1_000)._repr_mimebundle_()["text/html"]


def test_without_a_guess_the_result_is_folded_away():
    predict("How many traps?", [1, 3], key="traps")
    html = reveal("traps", 3)._repr_mimebundle_()["text/html"]
    assert "<details><summary>Show the result</summary>" in html
    assert "open" not in html.split("</style>")[1]


def test_a_guess_made_after_the_run_still_meets_the_result():
    question = predict("How many traps?", [1, 3], key="traps")
    reveal("traps", 3)
    assert question.remark.value == ""
    question.entry.value = 1
    question.record()
    assert "<td>1</td><td>3</td>" in question.remark.value


def test_running_the_question_again_keeps_the_guess():
    first = predict("How many traps?", [1, 3], key="traps")
    first.entry.value = 3
    first.record()
    assert predict("How many traps?", [1, 3], key="traps").entry.value == 3


def test_what_is_no_number_is_not_recorded_and_the_reader_is_told():
    question = predict("How many?", key="n", unit="traps")
    question.entry.value = "<many>"
    question.record()
    assert prediction.guesses == {}
    assert "&lt;many&gt;" in question.remark.value
    assert "is no whole number" in question.remark.value


def test_recording_without_a_choice_asks_for_one():
    question = predict("How many?", [1, 2], key="n")
    question.record()
    assert "Choose one" in question.remark.value


def test_what_is_stored_is_the_question_and_does_not_tell_the_answer():
    bundle = predict("How many traps?", [1_000, 3], key="traps")._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", WIDGET_VIEW}
    assert bundle["text/plain"] == "Predict. How many traps?\n  ( ) 1,000\n  ( ) 3"
    assert "<li>1,000</li>" in bundle["text/html"]


def test_a_result_without_a_question_is_refused():
    predict("How many traps?", [1, 3], key="traps")
    with pytest.raises(KeyError, match="no question has the key 'trap'; asked so far: 'traps'"):
        reveal("trap", 3)


def test_one_choice_is_no_question():
    with pytest.raises(ValueError, match="asks nothing"):
        predict("How many?", [1], key="n")
